//! Questions that make a job, for who sits at a terminal.
//!
//! Must never take an answer that makes a job which does not pass.

use std::io::BufRead;

use crate::init::Draft;

/// What takes an answer.
type Take<'a> = &'a dyn Fn(&mut Draft, &str);

/// Its words, what stands in brackets, and what takes its answer.
type Question<'a> = (&'a str, fn(&Draft) -> &str, Take<'a>);

/// Asks for what a job needs; an empty answer takes what stands in brackets, and one of which `wrong` tells something
/// is asked for again. `rows` takes the file of the input.
///
/// # Errors
/// When no answer comes any more.
pub(super) fn guide(
    draft: &mut Draft,
    answers: &mut dyn BufRead,
    say: &mut dyn FnMut(&str),
    wrong: &dyn Fn(&Draft) -> Option<String>,
    rows: Take<'_>,
) -> Result<(), String> {
    let url = "Which URL? {{ row.NAME }} is a column of the input";
    let file = "Which file holds the rows? (.csv, .jsonl, .parquet)";
    let questions: [Question<'_>; 4] = [
        (url, |draft| &draft.url, &|draft, answer| draft.turn_to(answer)),
        ("Which method?", |draft| &draft.method, &|draft, answer| draft.method = answer.to_uppercase()),
        (file, |_| "rows in the job", rows),
        ("Where do records go?", |draft| &draft.output, &|draft, answer| answer.clone_into(&mut draft.output)),
    ];
    for (question, default, take) in questions {
        loop {
            say(&format!("{question} [{}]", default(draft)));
            let answer = line(answers)?;
            if answer.is_empty() {
                break;
            }
            let mut tried = draft.clone();
            take(&mut tried, &answer);
            match wrong(&tried) {
                Some(why) => say(&format!("That makes no job: {why}.")),
                None => {
                    *draft = tried;
                    break;
                }
            }
        }
    }
    Ok(())
}

fn line(answers: &mut dyn BufRead) -> Result<String, String> {
    let mut line = String::new();
    match answers.read_line(&mut line).map_err(|error| format!("can't read the answer: {error}"))? {
        // Ctrl-D is no answer, and no yes to what stands in brackets.
        0 => Err("no answer, so nothing is written; `paceline init FILE --url URL` asks nothing".to_owned()),
        _ => Ok(line.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::Input;

    fn asked(draft: &mut Draft, mut answers: &[u8]) -> (Result<(), String>, Vec<String>) {
        let mut said = Vec::new();
        let wrong = |draft: &Draft| draft.url.contains("ftp:").then(|| "no such scheme".to_owned());
        let rows = |draft: &mut Draft, path: &str| draft.rows_in(path, Vec::new());
        let done = guide(draft, &mut answers, &mut |text| said.push(text.to_owned()), &wrong, &rows);
        (done, said)
    }

    #[test]
    fn answers_make_the_job_and_empty_ones_take_the_default() {
        let mut draft = Draft::default();
        let (done, said) = asked(&mut draft, b"https://h/{{ row.sku }}\npost\n\nout/x.jsonl\n");
        assert_eq!((done, said.len()), (Ok(()), 4));
        assert_eq!((draft.url.as_str(), draft.method.as_str()), ("https://h/{{ row.sku }}", "POST"));
        assert_eq!(draft.input, Input::Rows("[{ sku = 1 }]".to_owned()));
        assert_eq!(draft.output, "out/x.jsonl");
        let mut draft = Draft::default();
        assert_eq!(asked(&mut draft, b"\n\n\n\n").0, Ok(()));
        assert_eq!(draft.url, Draft::default().url);
    }

    #[test]
    fn what_makes_no_job_is_asked_for_again_and_the_end_ends_it() {
        let mut draft = Draft::default();
        let (done, said) = asked(&mut draft, b"ftp://h/\nhttps://h/{{ row.a }}\n\n\n\n");
        assert!(done.is_ok() && said[1] == "That makes no job: no such scheme." && said[2] == said[0], "{said:?}");
        assert_eq!(draft.url, "https://h/{{ row.a }}");
        let (done, _) = asked(&mut Draft::default(), b"https://h/\n");
        assert!(done.is_err_and(|why| why.contains("nothing is written")));
    }
}
