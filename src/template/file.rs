//! Values in the path of a file: each is a part of one name, and never a way to another folder.
//!
//! A value that can't be that is an error. Must never clean one: two rows would share a file, and nobody
//! would know.

use super::Template;
use super::compile::Segment;

/// Whether a value may stand in the name of a file; the error says what is wrong with it without
/// repeating it.
pub(super) fn check(text: &str) -> Result<(), String> {
    match text.chars().find(|c| matches!(c, '/' | '\\') || c.is_control()) {
        None => Ok(()),
        Some(separator @ ('/' | '\\')) => Err(format!(
            "holds a `{separator}`, and a value is a part of one name: write the folders out between values, or \
             replace it, as in `{{{{ row.name | replace(\"{separator}\", \"-\") }}}}`"
        )),
        Some(control) => Err(format!(
            "holds the control character U+{:04X}, which no name of a file should: take it out of the input",
            control as u32
        )),
    }
}

/// A piece of what a template renders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// The same for every row, vars folded in.
    Text(&'t str),
    /// One value.
    Value,
    /// Whatever blocks make of it.
    Anything,
}

impl Template {
    /// What is known of the text before a row is.
    pub(crate) fn outline(&self) -> impl Iterator<Item = Piece<'_>> {
        let segments = self.compiled.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Piece::Text(text),
            Segment::Slot(_) => Piece::Value,
        });
        segments.chain(self.compiled.tail.iter().map(|_| Piece::Anything))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::row::{Fields, Row};
    use crate::secret::Secrets;
    use crate::template::{Context, RowScope, Scope, Spot};

    fn template(source: &str) -> Template {
        let vars = [("dir".to_owned(), json!("2026/11"))].into();
        let scope = Scope { row: RowScope::Open, vars, secrets: Vec::new(), reply: false, last: None, messages: None };
        Template::compile(source, Spot::File, &scope).unwrap()
    }

    fn render(source: &str, value: &str) -> Result<String, String> {
        let fields = Fields::Object([("v".to_owned(), json!(value))].into_iter().collect());
        let row = Row { ordinal: 0, line: 0, fields };
        let secrets = Secrets::default();
        let mut out = String::new();
        let context = Context { row: Some(&row), secrets: &secrets, reply: None, last: None };
        template(source).render(&context, &mut out).map(|()| out).map_err(|error| error.message)
    }

    const EVERY_WAY: [&str; 6] = [
        "a/{{ row.v }}.x",
        "a/{{ row.v | trim }}.x",
        "a/{{ row.v ~ '' }}.x",
        "a/{% if row.v %}{{ row.v }}{% endif %}.x",
        "a/{% set t = row.v %}{{ t }}.x",
        "a/{% set t %}{{ row.v }}{% endset %}{{ t }}.x",
    ];

    #[test]
    fn values_stand_as_they_are_however_they_come() {
        for source in EVERY_WAY {
            for good in ["A-1", "ä b", "..", "con", "'\"*?"] {
                assert_eq!(render(source, good), Ok(format!("a/{good}.x")), "{source}");
            }
        }
    }

    #[test]
    fn what_would_be_another_name_is_an_error_however_it_comes() {
        for source in EVERY_WAY {
            for bad in ["a/b", "/", "..\\x", "a\0b", "a\nb", "a\u{85}b", "\u{7f}b"] {
                let said = render(source, bad).unwrap_err();
                assert!(said.contains("holds"), "{source} {bad:?}: {said}");
            }
        }
    }

    #[test]
    fn folders_are_the_jobs_to_write() {
        assert_eq!(render("{{ vars.dir }}/{{ row.v }}", "x"), Ok("2026/11/x".to_owned()));
        assert_eq!(render("a/{% for l in row.v %}{{ l }}/{% endfor %}z", "xy"), Ok("a/x/y/z".to_owned()));
    }

    #[test]
    fn an_outline_tells_text_from_values() {
        let template = template("a/{{ vars.dir }}/{{ row.v }}.x{% if row.v %}y{% endif %}");
        let outline: Vec<_> = template.outline().collect();
        assert_eq!(outline, [Piece::Text("a/2026/11/"), Piece::Value, Piece::Text(".x"), Piece::Anything]);
    }
}
