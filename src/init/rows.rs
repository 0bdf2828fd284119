//! Columns that a new job's input must have, each with a sample of its value.

use serde_json::Value;

use super::draft::column_template;
use super::spans::pairs::SCHEMES;
use super::{sensitive, toml};
use crate::openapi::{Kind, Shape};
use crate::report::text::is_invisible;
use crate::secret::shape as secret;

/// Names that records have of their own, where nothing else is said.
pub(super) const META: &[&str] = &["status", "attempts", "duration_ms", "error", "body"];

/// Longest text that is taken for a sample.
const LONGEST: usize = 80;

/// The columns and their samples.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    cells: Vec<Cell>,
    /// Columns that no record may hold.
    hidden: Vec<String>,
}

#[derive(Debug, Clone)]
struct Cell {
    name: String,
    kind: Kind,
    /// TOML.
    sample: String,
}

impl Rows {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// A template of a column of this shape, as text.
    pub(super) fn template(&mut self, name: &str, shape: &Shape) -> String {
        column_template(&self.cell(name, shape))
    }

    /// The same, with the type of the shape also where the input holds texts.
    pub(super) fn typed(&mut self, name: &str, shape: &Shape) -> String {
        let filter = match shape.kind {
            Kind::Integer => " | int",
            Kind::Number => " | float",
            Kind::Boolean => " | bool",
            _ => "",
        };
        let template = self.template(name, shape);
        template.strip_suffix(" }}").map_or(template.clone(), |begin| format!("{begin}{filter} }}}}"))
    }

    /// Keeps a column out of the records.
    pub(super) fn hide(&mut self, name: &str, shape: &Shape) {
        let name = self.cell(name, shape);
        if !self.hidden.contains(&name) {
            self.hidden.push(name);
        }
    }

    /// Columns that no record may hold.
    pub(super) fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// The others.
    pub(super) fn open(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(|cell| cell.name.as_str()).filter(|name| !self.hidden.iter().any(|hidden| hidden == name))
    }

    /// The only column, if there is one.
    pub(super) fn sole(&self) -> Option<&str> {
        match self.cells.as_slice() {
            [only] if self.hidden.is_empty() => Some(&only.name),
            _ => None,
        }
    }

    /// The column of this name, or one by it where another kind of value has the name.
    fn cell(&mut self, name: &str, shape: &Shape) -> String {
        // It is ours to name, and who fills the input has to see it.
        let mut name: String = name.trim_end_matches("[]").chars().filter(|c| !is_invisible(*c)).collect();
        if name.is_empty() {
            "value".clone_into(&mut name);
        }
        if META.contains(&name.as_str()) {
            name += "_value";
        }
        while let Some(known) = self.cells.iter().find(|cell| cell.name == name) {
            if known.kind == shape.kind {
                return name;
            }
            name += "_value";
        }
        let sample = sample(&name, shape);
        self.cells.push(Cell { name: name.clone(), kind: shape.kind.clone(), sample });
        name
    }

    /// The name of a column of the output for a value of the reply.
    pub(super) fn column(&self, name: &str) -> String {
        let name: String = name.chars().filter(|c| !is_invisible(*c)).collect();
        let name = if name.is_empty() { "value" } else { name.as_str() };
        let is_taken = META.contains(&name) || self.cells.iter().any(|cell| cell.name == name);
        if is_taken { format!("reply_{name}") } else { name.to_owned() }
    }

    /// The first column that a file may be named by, as a template.
    pub(super) fn first(&self) -> Option<String> {
        self.open().next().map(column_template)
    }

    /// All of them as a list of one row, TOML.
    pub(super) fn written(&self) -> Option<String> {
        let pairs: Vec<_> = self.cells.iter().map(|cell| (cell.name.clone(), cell.sample.clone())).collect();
        (!pairs.is_empty()).then(|| toml::list(&[toml::table(&pairs)]))
    }
}

/// A value that fits, as TOML.
fn sample(name: &str, shape: &Shape) -> String {
    let fits = |value: &&Value| match shape.kind {
        Kind::Integer => value.is_i64(),
        Kind::Number => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        _ => value.is_string(),
    };
    // One of several words to choose from is none of a secret, whatever it is called.
    let of_name = if shape.choices.is_empty() { name } else { "" };
    let given = shape.sample.as_ref().filter(fits).and_then(|value| match value {
        Value::String(text) => harmless(of_name, text).map(toml::text),
        value => toml::json(value, name, &mut |_, text| text.to_owned()),
    });
    given.unwrap_or_else(|| made(shape))
}

/// A text that may stand in a job as a sample; `None`: it may be a secret, is long, or is no plain text.
pub(super) fn harmless<'t>(name: &str, text: &'t str) -> Option<&'t str> {
    let is_plain = !text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control);
    let is_proof = text.split_once(' ').is_some_and(|(scheme, proof)| {
        SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) && !proof.trim().contains(' ')
    });
    let is_secret = is_proof || sensitive::is_sensitive(name) || secret::issued(text).is_some();
    (is_plain && !is_secret && !text.contains("{{") && !text.contains("{%")).then_some(text)
}

fn made(shape: &Shape) -> String {
    let text = match (&shape.kind, shape.format.as_deref()) {
        (Kind::Integer, _) => return "1".to_owned(),
        (Kind::Number, _) => return "1.5".to_owned(),
        (Kind::Boolean, _) => return "true".to_owned(),
        (Kind::File, _) => "example.bin",
        (_, Some("date")) => "2026-01-31",
        (_, Some("date-time")) => "2026-01-31T10:00:00Z",
        (_, Some("uuid")) => "00000000-0000-4000-8000-000000000000",
        (_, Some("email")) => "ann@example.com",
        (_, Some("uri" | "url")) => "https://example.com/",
        _ => "example",
    };
    toml::text(text)
}
