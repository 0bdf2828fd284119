//! OpenAPI documents (3.0, 3.1, Swagger 2.0), as far as a job needs them: what an operation is asked with, and what
//! it replies.
//!
//! Pure. Must never fetch anything: a reference to another file or host is not followed, and said. Must never go on
//! without end: references, schemas and aliases of YAML are followed only so far.

mod operation;
mod parameter;
mod pointer;
mod security;
mod server;
mod shape;
mod swagger;
#[cfg(test)]
mod tests;
mod twice;
mod yaml;

use serde_json::Value;
use serde_json::error::Category;

use crate::diagnostic::did_you_mean;
use crate::report::text::{counted, is_invisible};

pub use operation::{Body, Operation, Parameter, Reply, Spot};
pub use security::{Place, Scheme};
pub use shape::{Kind, Property, Shape};

/// Methods that a path may have.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    root: Value,
}

/// An operation by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// `operationId`.
    pub id: Option<String>,
    /// The method, in capitals.
    pub method: String,
    /// The path with its parameters in braces.
    pub path: String,
    /// What it does, on one line.
    pub summary: Option<String>,
}

impl Listed {
    /// `GET /path`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Why no operation was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    /// In words, with the way out.
    pub message: String,
    /// The operations that there are.
    pub known: Vec<Listed>,
}

impl Api {
    /// Reads a document, JSON or YAML.
    ///
    /// # Errors
    /// In words: what can't be read, and where.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // YAML has braces as well, and names in them without quotes.
        let is_json = text.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(['"', '}']));
        let root: Value = if is_json {
            let wrong = |error: serde_json::Error| match error.classify() {
                Category::Data => error.to_string(),
                Category::Io | Category::Syntax | Category::Eof => format!("it is no JSON: {error}"),
            };
            twice::look(text).and_then(|()| serde_json::from_str(text)).map_err(wrong)?
        } else {
            yaml::read(text).map_err(|why| format!("it is no YAML: {why}"))?
        };
        if !root["paths"].is_object() {
            return Err("it has no `paths`: give an OpenAPI 3 or Swagger 2.0 document".to_owned());
        }
        let api = Self { root };
        if api.is_swagger() || api.root.get("openapi").is_some() {
            Ok(api)
        } else {
            Err("it has neither `openapi` nor `swagger`: give an OpenAPI 3 or Swagger 2.0 document".to_owned())
        }
    }

    /// Whether the document is of the older kind.
    fn is_swagger(&self) -> bool {
        self.root.get("swagger").is_some()
    }

    /// All operations in the order of the document.
    #[must_use]
    pub fn operations(&self) -> Vec<Listed> {
        let paths = self.root["paths"].as_object().into_iter().flatten();
        let listed = paths.flat_map(|(path, item)| {
            let item = pointer::followed(&self.root, item);
            METHODS.iter().filter_map(move |method| {
                let operation = item.get(*method).filter(|operation| operation.is_object())?;
                let text = |key: &str| operation[key].as_str().map(one_line).filter(|text| !text.is_empty());
                Some(Listed {
                    id: text("operationId"),
                    method: method.to_uppercase(),
                    path: path.clone(),
                    summary: text("summary").or_else(|| text("description")),
                })
            })
        });
        listed.collect()
    }

    /// The operation of this id, or of this method and path; the only one, if none is named.
    ///
    /// # Errors
    /// When there is no such operation, or several and none is named; when it can't be asked.
    pub fn operation(&self, named: Option<&str>) -> Result<Operation, NotTaken> {
        let known = self.operations();
        match chosen(&known, named) {
            Ok(listed) => {
                let mut operation =
                    operation::of(self, listed).map_err(|message| NotTaken { message, known: Vec::new() })?;
                // Who names none takes the only one, and there may be more.
                operation.notes.extend(self.elsewhere(None).filter(|_| named.is_none()));
                Ok(operation)
            }
            Err(message) => {
                let message = self.elsewhere(named).map_or(message.clone(), |more| format!("{message}; {more}"));
                Err(NotTaken { message, known })
            }
        }
    }

    /// What is said of paths whose operations stand in other files; of the one that is named, if it is one of them.
    fn elsewhere(&self, named: Option<&str>) -> Option<String> {
        let paths = self.root["paths"].as_object().into_iter().flatten();
        let lost = paths.filter_map(|(path, item)| Some((path, pointer::lost(pointer::followed(&self.root, item))?)));
        let lost: Vec<(&String, &str)> = lost.collect();
        let named = named.and_then(|named| named.split_once(char::is_whitespace)).map(|(_, path)| path.trim());
        let is_named = |(path, _): &&(&String, &str)| named == Some(path.as_str());
        let (path, reference) = lost.iter().find(is_named).or(lost.first())?;
        let (path, reference) = (one_line(path), one_line(reference));
        let others = match lost.len() {
            1 => String::new(),
            several => format!(", and {} like it", counted((several - 1) as u64, "path")),
        };
        Some(format!(
            "the path {path} stands elsewhere ({reference}){others}: bundle the document into one file, as \
             `npx @redocly/cli bundle` does, and give that"
        ))
    }
}

fn chosen<'l>(known: &'l [Listed], named: Option<&str>) -> Result<&'l Listed, String> {
    let Some(named) = named else {
        return match known {
            [] => Err("the document has no operation".to_owned()),
            [only] => Ok(only),
            several => Err(format!("the document has {} operations: choose one with --operation ID", several.len())),
        };
    };
    let place = named.split_once(char::is_whitespace).map(|(method, path)| (method.to_uppercase(), path.trim()));
    let is_it = |listed: &&Listed| {
        listed.id.as_deref() == Some(named)
            || place.as_ref().is_some_and(|(method, path)| listed.method == *method && listed.path == *path)
    };
    if let Some(found) = known.iter().find(is_it) {
        return Ok(found);
    }
    let places: Vec<String> = known.iter().map(Listed::place).collect();
    let ids = known.iter().filter_map(|listed| listed.id.as_deref());
    let near =
        if place.is_some() { did_you_mean(named, places.iter().map(String::as_str)) } else { did_you_mean(named, ids) };
    let mend =
        near.map_or_else(|| "choose one of those there are".to_owned(), |near| format!("did you mean `{near}`?"));
    Err(format!("there is no operation `{}`; {mend}", named.escape_debug()))
}

/// The first sentence of a text, without the tags of HTML.
fn one_line(text: &str) -> String {
    let mut plain = String::new();
    let mut is_tag = false;
    for c in text.chars().take(10_000) {
        match c {
            '<' => is_tag = true,
            '>' if is_tag => is_tag = false,
            c if !is_tag => plain.push(c),
            _ => {}
        }
    }
    let line: Vec<&str> = plain.split_whitespace().collect();
    let line = line.join(" ");
    let end = line.find(". ").unwrap_or(line.len());
    line[..end].trim_end_matches('.').chars().filter(|c| !is_invisible(*c)).take(100).collect()
}
