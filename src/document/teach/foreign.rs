//! Files that are no TOML at all, or hold a merge that was never finished: told in one error instead of one for every line.
//!
//! Must never take a TOML file with a mistake for another language: only what no line of TOML looks like counts.

use super::hidden;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::repair::line_around;
use crate::document::syntax::place;

/// What a job file is written in.
pub(in crate::document) const NOT_TOML: &str =
    "a job file is TOML: `key = value` on each line, `[table]` above the keys of a table";

/// What to do with a table of rows.
const ROWS: &str =
    "it may be the input of a job: name the job file in its place, or have one made by `paceline init --from-csv`";

/// Lines that are looked at.
const MOST: usize = 1_000;

/// What separates the cells of a table of text.
const DELIMITERS: [char; 3] = [',', ';', '\t'];

/// The lines around the two sides of a conflict.
const SIDES: [&str; 3] = ["<<<<<<< ", "=======", ">>>>>>> "];

/// A file that is another language altogether.
pub(in crate::document) fn other_language(text: &str) -> Option<Diagnostic> {
    let lines: Vec<&str> = written(text).take(MOST).collect();
    let first = *lines.first()?;
    let (language, help) = match first {
        _ if first.starts_with(SIDES[0]) => return None,
        _ if first.starts_with('{') || is_json_list(&lines) => ("JSON", NOT_TOML),
        _ if is_yaml(&lines) => ("YAML", NOT_TOML),
        _ if first.starts_with('<') => ("XML or HTML", NOT_TOML),
        _ if is_csv(&lines) => ("CSV", ROWS),
        _ => return None,
    };
    let start = text.find(first)?;
    let (span, message) = (start..start + first.len(), format!("this is {language}, not TOML"));
    let diagnostic = Diagnostic::error(codes::SYNTAX, message).help(help);
    Some(diagnostic.at_unless_hidden(place(&span), hidden::may_be_secret(text, &span)))
}

/// Lines that say something, without what stands around them.
fn written(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(|line| line.trim_start_matches('\u{feff}').trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `[{` begins no line of TOML, and neither does a `[` alone.
fn is_json_list(lines: &[&str]) -> bool {
    let opens = |line: &str| line.strip_prefix('[').map(str::trim_start).is_some_and(|rest| rest.starts_with('{'));
    opens(lines[0]) || (lines[0] == "[" && lines.get(1).is_some_and(|line| line.starts_with('{')))
}

/// A document's start, a key without a value, or more than one line, all of them of YAML.
fn is_yaml(lines: &[&str]) -> bool {
    let is_name = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    let is_key = |line: &str| {
        line.split_once(':').is_some_and(|(key, value)| is_name(key) && (value.is_empty() || value.starts_with(' ')))
    };
    let is_item = |line: &str| line.starts_with("- ");
    let is_open = |line: &str| line.strip_suffix(':').is_some_and(is_name);
    lines[0] == "---"
        || is_open(lines[0])
        || (lines.len() > 1 && lines.iter().all(|line| is_key(line) || is_item(line)))
}

/// A header and rows with as many cells.
fn is_csv(lines: &[&str]) -> bool {
    let [header, row, ..] = lines else { return false };
    let cells = |line: &str, delimiter: char| line.matches(delimiter).count();
    !header.contains(['=', '[', '{', ':'])
        && DELIMITERS.iter().any(|delimiter| {
            let is_named = header.split(*delimiter).all(|name| !name.trim().is_empty());
            is_named && cells(header, *delimiter) > 0 && cells(header, *delimiter) <= cells(row, *delimiter)
        })
        // The second line is one of TOML where the first is a slip.
        && !row.contains(" = ")
}

/// The first conflict of a merge, in a text that is no TOML because of it.
pub(in crate::document) fn conflict(text: &str) -> Option<Diagnostic> {
    let [ours, middle, theirs] = SIDES;
    let begins = |side: &str, from: usize| {
        let lines = text.get(from..)?.split_inclusive('\n');
        let starts = lines.scan(from, |at, line| Some(std::mem::replace(at, *at + line.len())));
        starts.into_iter().find(|start| text[*start..].starts_with(side))
    };
    let start = begins(ours, 0)?;
    let middle = begins(middle, start)?;
    begins(theirs, middle)?;
    // What stands between these lines is not shown: it may be anything.
    let message = "a merge was not finished: both sides of a conflict stand here";
    let help = "keep one of the two sides, and take out the lines that begin with `<<<<<<<`, `=======` and `>>>>>>>`";
    Some(Diagnostic::error(codes::SYNTAX, message).at(place(&line_around(text, start)), "").help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(text: &str) -> Option<String> {
        let message = other_language(text)?.message;
        Some(message.strip_prefix("this is ")?.strip_suffix(", not TOML")?.to_owned())
    }

    #[test]
    fn other_languages_are_told_by_their_first_lines() {
        for (text, expected) in [
            ("{ \"a\": 1 }\n", "JSON"),
            ("[{\"a\": 1},\n {\"a\": 2}]\n", "JSON"),
            ("[\n  {\n", "JSON"),
            ("{\"id\": 1}\n{\"id\": 2}\n", "JSON"),
            ("name: prices\nendpoints:\n  a:\n    url: https://x/?a=b\n", "YAML"),
            ("- a\n- b\n", "YAML"),
            ("<?xml?>\n", "XML or HTML"),
            ("sku,name,price\nA1,Lamp,3\n", "CSV"),
            ("# rows\nsku;name\nA1;a=b\n", "CSV"),
            ("sku\tname\nA1\tLamp\n", "CSV"),
        ] {
            assert_eq!(language(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn toml_with_a_mistake_is_told_as_toml() {
        for text in [
            "name: prices\n[endpoints.a]\nurl = \"demo:/\"\n",
            "name: prices\n",
            "sku,name\nurl = \"demo:/?a=1,2\"\n",
            "a, b\n",
            "[endpoints.a]\nurl = \"demo:/\"\n",
            "[\"a b\"]\nc = 1\n",
            "[[rules]]\nwhen = \"a\"\n",
            "# nothing\n",
            "<<<<<<< HEAD\na = 1\n",
        ] {
            assert_eq!(language(text), None, "{text}");
        }
    }

    #[test]
    fn a_conflict_has_both_sides() {
        let text = "a = 1\n<<<<<<< HEAD\nb = 1\n=======\nb = 2\n>>>>>>> other\n";
        let told = conflict(text).unwrap();
        let place = told.primary.unwrap().place;
        assert_eq!(&text[place.start..place.end], "<<<<<<< HEAD");
        assert_eq!(conflict("a = 1\n<<<<<<< HEAD\nb = 1\n=======\n"), None);
        assert_eq!(conflict(" <<<<<<< HEAD\n=======\n>>>>>>> other\n"), None);
    }
}
