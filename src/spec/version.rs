//! Versions of the job language: one judgement of what a file says of its own, for whoever reads one.
//!
//! Must never show a text that is no number, nor its line: it may be anything.

use crate::diagnostic::{Diagnostic, codes};
use crate::document::{Node, NodeValue, Place};

/// The version that this program runs.
pub const CURRENT: i64 = 1;

/// The oldest that there was; `migrate` leads from each to the present one.
pub const OLDEST: i64 = 1;

/// The version of a file that says none.
pub const UNSAID: i64 = 1;

/// Marks the key in the schema.
pub(super) const MARK: &str = "x-paceline-version";

/// The number that a file says, or why it is none. `name` is that of the key, in backticks.
///
/// # Errors
/// When it is no integer.
pub fn number(node: &Node, name: &str) -> Result<i64, Box<Diagnostic>> {
    let (found, is_hidden) = match &node.value {
        NodeValue::Integer(version) => return Ok(*version),
        NodeValue::String(text) if text.len() <= 20 && text.trim().parse::<f64>().is_ok() => {
            (format!("the string \"{}\"", text.escape_debug()), false)
        }
        NodeValue::Float(float) => (format!("the float {float:?}"), false),
        other => {
            let holds_texts = matches!(other, NodeValue::String(_) | NodeValue::Array(_) | NodeValue::Table(_));
            (other.kind().to_owned(), holds_texts)
        }
    };
    let message = format!("{name}: expected an integer, found {found}");
    let help = format!("write `version = {CURRENT}`: versions of the job language are whole numbers without quotes");
    Err(Box::new(Diagnostic::error(codes::WRONG_TYPE, message).at_unless_hidden(node.place, is_hidden).help(help)))
}

/// What is said of a version that is not the present one.
#[must_use]
pub fn refusal(version: i64, place: Place) -> Option<Diagnostic> {
    if version == CURRENT {
        return None;
    }
    let (message, help) = if version > CURRENT {
        (
            format!("this is version {version} of the job language, and this paceline knows version {CURRENT} at most"),
            format!("install a newer paceline; a job that was written for this one says `version = {CURRENT}`"),
        )
    } else if version >= OLDEST {
        (
            format!("this is version {version} of the job language, and this paceline runs version {CURRENT}"),
            "`paceline migrate FILE` brings the file to it".to_owned(),
        )
    } else {
        (
            format!("there never was a version {version} of the job language"),
            format!("write `version = {CURRENT}`, or take the line out"),
        )
    };
    Some(Diagnostic::error(codes::BAD_VALUE, message).at(place, "").help(help))
}

/// What is wrong with a version, if anything is.
pub(crate) fn judged(node: &Node, name: &str) -> Option<Diagnostic> {
    match number(node, name) {
        Ok(version) => refusal(version, node.place),
        Err(diagnostic) => Some(*diagnostic),
    }
}

/// What is wrong with the version of an included file, if anything is: it is that of the file, whatever stands above it.
pub(crate) fn of_include(node: &Node) -> Option<Diagnostic> {
    judged(node, "`version`")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::diagnostic::{Diagnostics, Format, render};
    use crate::document::Document;
    use crate::document::KeyPath;

    fn told(text: &str) -> Option<String> {
        let document = Document::alone(Path::new("job.toml"), format!("version = {text}"), &mut Diagnostics::default());
        judged(document.get(&KeyPath::of(["version"])).unwrap(), "`version`").map(|told| told.message)
    }

    #[test]
    fn what_is_no_number_is_not_shown() {
        assert_eq!(told("\"hunter2\"").as_deref(), Some("`version`: expected an integer, found a string"));
        assert_eq!(told("'1.0'").as_deref(), Some("`version`: expected an integer, found the string \"1.0\""));
        assert_eq!(told("true").as_deref(), Some("`version`: expected an integer, found a boolean"));
        assert_eq!(told("1"), None);
    }

    #[test]
    fn nor_is_its_line() {
        for (version, is_hidden) in [
            ("\"hunter2\"", true),
            ("[\"hunter2\"]", true),
            ("{ a = \"hunter2\" }", true),
            ("'1.0'", false),
            ("1.5", false),
            ("true", false),
            ("1979-05-27", false),
            ("2", false),
        ] {
            let text = format!("version = {version}");
            let document = Document::alone(Path::new("job.toml"), text, &mut Diagnostics::default());
            let node = document.get(&KeyPath::of(["version"])).unwrap();
            let mut diagnostics = Diagnostics::default();
            diagnostics.extend(judged(node, "`version`"));
            let shown = render(&diagnostics, Some(&document), Format::Human, false);
            assert_eq!(!shown.contains(&format!("version = {version}\n")), is_hidden, "{shown}");
        }
    }
}
