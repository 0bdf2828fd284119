//! Diagnostics for programs: one JSON object.

use serde_json::{Value, json};

use crate::document::Document;

use super::selection::{Position, Selection, position, text, words};
use super::{Diagnostic, Label, Severity};

/// `{"diagnostics": [...], "errors": n, "warnings": n}` on one line; the counts are of all there are.
pub(super) fn render(selection: &Selection<'_>, document: Option<&Document>) -> String {
    let diagnostics: Vec<Value> = selection.shown.iter().map(|diagnostic| one(diagnostic, document)).collect();
    let object = json!({ "diagnostics": diagnostics, "errors": selection.errors, "warnings": selection.warnings });
    format!("{object}\n")
}

fn one(diagnostic: &Diagnostic, document: Option<&Document>) -> Value {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut object = json!({ "code": diagnostic.code.0, "severity": severity, "message": diagnostic.message });
    if let Value::Object(fields) = &mut object {
        fields.extend(place(diagnostic.primary.as_ref(), document));
        let label = diagnostic.primary.as_ref().map(|label| words(document, label));
        fields.insert("text".to_owned(), json!(label.unwrap_or_default()));
        fields.insert("help".to_owned(), json!(diagnostic.help));
        let others = diagnostic.others.iter().map(|label| {
            let mut fields: serde_json::Map<String, Value> = place(Some(label), document).collect();
            fields.insert("text".to_owned(), json!(words(document, label)));
            Value::Object(fields)
        });
        fields.insert("others".to_owned(), others.collect());
    }
    object
}

/// `file`, `line`, `column`, `end_line`, `end_column`; null where there is no place.
fn place(label: Option<&Label>, document: Option<&Document>) -> impl Iterator<Item = (String, Value)> + use<> {
    let found = label.and_then(|label| Some((label.place, text(document, label.place)?)));
    let file = match found {
        Some((_, (name, _))) => Some(name),
        None => document.and_then(|document| document.sources.first()).map(|source| source.name.as_str()),
    };
    let position = found.map(|(place, (_, text))| position(text, place));
    let number = |field: fn(&Position) -> usize| json!(position.as_ref().map(field));
    [
        ("file".to_owned(), json!(file)),
        ("line".to_owned(), number(|position| position.line)),
        ("column".to_owned(), number(|position| position.column)),
        ("end_line".to_owned(), number(|position| position.end_line)),
        ("end_column".to_owned(), number(|position| position.end_column)),
    ]
    .into_iter()
}
