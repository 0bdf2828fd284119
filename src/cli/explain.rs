//! `paceline explain`: what a code of a diagnostic means, with a job that has it and how it is mended.

use serde_json::json;

use super::args::ExplainArgs;
use super::exit::Exit;
use super::print::Printer;
use crate::diagnostic::Format;
use crate::diagnostic::explain::{Explanation, find, heading};

/// Prints the explanation of a code, or the list of all.
pub fn explain(args: &ExplainArgs, print: &mut Printer) -> Exit {
    let Some(word) = &args.code else {
        print.out(&list(args.speech.output));
        return Exit::Fine;
    };
    match find(word) {
        Ok(entry) => {
            print.out(&one(&Explanation::of(entry), args.speech.output));
            Exit::Fine
        }
        Err(nearest) => {
            let meant = nearest.map_or_else(String::new, |code| format!("did you mean {code}? "));
            let message = format!("there is no code `{word}`: {meant}`paceline explain` lists all");
            print.error(args.speech.output, &message);
            Exit::Usage
        }
    }
}

fn list(format: Format) -> String {
    match format {
        Format::Human | Format::Github => {
            Explanation::all().map(|one| format!("{}  {}\n", one.code, one.title)).collect()
        }
        Format::Json => {
            let rows = Explanation::all().map(|one| json!({ "code": one.code, "title": one.title }));
            json!(rows.collect::<Vec<_>>()).to_string()
        }
    }
}

fn one(explanation: &Explanation, format: Format) -> String {
    match format {
        Format::Human | Format::Github => human(explanation),
        Format::Json => json!(explanation).to_string(),
    }
}

fn human(explanation: &Explanation) -> String {
    let mut text = format!("{}: {}\n\n{}\n", explanation.code, explanation.title, explanation.why);
    for (word, example) in [("Broken", explanation.broken), ("Mended", explanation.mended)] {
        let Some(example) = example else { continue };
        text += &format!("\n{}:\n\n", heading(word, &example));
        for line in example.job.lines() {
            text += format!("    {line}").trim_end();
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::explain::Example;

    #[test]
    fn an_explanation_reads_from_top_to_bottom() {
        let example = |flags, job| Some(Example { flags, job });
        let explanation = Explanation {
            code: "P0003",
            title: "no such profile",
            why: "Because.",
            broken: example("--profile a", "[x]\n\ny = 1\n"),
            mended: example("", "z = 2\n"),
        };
        let expected = "\
P0003: no such profile

Because.

Broken, with `--profile a`:

    [x]

    y = 1

Mended:

    z = 2
";
        assert_eq!(human(&explanation), expected);
    }
}
