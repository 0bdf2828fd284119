//! The body of an operation, with columns of the input in the place of its values.

use super::credentials::Values;
use super::draft::literal;
use super::openapi::written;
use super::rows::Rows;
use super::{Draft, toml};
use crate::openapi::{Kind, Operation, Property, Shape};

/// Most columns that a body is made of.
const MOST_CELLS: usize = 40;

/// Members that are taken of an object of which none must be there.
const MOST_OPTIONAL: usize = 8;

impl Draft {
    /// The key of the body, and names of what it may hold beside.
    pub(super) fn body_shape(&mut self, operation: &Operation, rows: &mut Rows) {
        let Some(body) = &operation.body else { return };
        if ["GET", "HEAD"].contains(&operation.method.as_str()) {
            if !body.shape.members().is_empty() {
                self.notes.push(format!("the body of a {} is left out: many servers refuse it", operation.method));
            }
            return;
        }
        let media = body.media.as_str();
        let mut values = Values::new(&mut self.secrets, rows, operation);
        let (key, value) = match media {
            "application/x-www-form-urlencoded" => ("form", toml::table(&form("", &body.shape, &mut values))),
            media if media.starts_with("multipart/") => ("multipart", parts(&body.shape, &mut values)),
            media if media == "application/json" || media == "*/*" || media.ends_with("+json") => {
                ("json", json("", "", &body.shape, &mut values))
            }
            media if media.starts_with("text/") || media.ends_with("xml") => {
                ("body", toml::text(&values.rows.template("text", &Shape::text())))
            }
            _ => ("body-file", toml::text(&values.rows.template("file", &Shape::file()))),
        };
        if value == "{}" && key != "json" {
            self.notes.push("the body is left out: the document does not say what it holds".to_owned());
            return;
        }
        let is_own = ["form", "multipart"].contains(&key) || media == "application/json" || media.contains('*');
        if !is_own {
            self.key("headers.content-type", toml::text(&literal(media)));
        }
        self.key(key, value);
        let taken: Vec<&str> = chosen(&body.shape).iter().map(|member| member.name.as_str()).collect();
        let is_left = |member: &&Property| !member.read_only && !taken.contains(&member.name.as_str());
        let left: Vec<&str> = body.shape.members().iter().filter(is_left).map(|member| member.name.as_str()).collect();
        self.told("further members of the body", &format!("{key} = {{ NAME = .. }}"), &left);
    }
}

/// The members that a request is made of: what must be there; else what an example has; else the first scalars.
fn chosen(shape: &Shape) -> Vec<&Property> {
    // Names that are templates would mean something else, and empty ones no API has.
    let is_name = |name: &str| {
        !name.is_empty() && !name.contains(char::is_control) && !["{{", "{%", "{#"].iter().any(|tag| name.contains(tag))
    };
    let all = shape.members().iter();
    let members: Vec<&Property> = all.filter(|member| !member.read_only && is_name(&member.name)).collect();
    let required: Vec<&Property> = members.iter().filter(|member| member.required).copied().collect();
    if !required.is_empty() {
        return required;
    }
    let example = shape.sample.as_ref().and_then(|sample| sample.as_object());
    match example {
        Some(map) => members.into_iter().filter(|member| map.contains_key(&member.name)).collect(),
        None => {
            let is_simple = |member: &&Property| member.shape.is_scalar() || member.shape.kind == Kind::File;
            members.into_iter().filter(is_simple).take(MOST_OPTIONAL).collect()
        }
    }
}

fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}_{name}") }
}

/// A JSON value as TOML: `column` says where it stands, `name` what it is called there.
fn json(column: &str, name: &str, shape: &Shape, values: &mut Values<'_>) -> String {
    let of_name = if shape.choices.is_empty() { name } else { "" };
    let fixed = || shape.sample.as_ref().and_then(|sample| written(of_name, sample));
    match &shape.kind {
        _ if values.rows.len() >= MOST_CELLS => fixed().unwrap_or_else(|| "{}".to_owned()),
        Kind::Object(_) => {
            let pairs: Vec<_> = chosen(shape)
                .into_iter()
                .map(|member| {
                    let column = joined(column, &member.name);
                    (member.name.clone(), json(&column, &member.name, &member.shape, values))
                })
                .collect();
            toml::table(&pairs)
        }
        Kind::List(item) => toml::list(&[json(column, name, item, values)]),
        Kind::Any => fixed().unwrap_or_else(|| "{}".to_owned()),
        _ if shape.choices.len() == 1 => fixed().unwrap_or_else(|| "{}".to_owned()),
        _ => toml::text(&values.typed(column, name, shape)),
    }
}

/// Fields of a form; members of objects in it stand in brackets.
fn form(name: &str, shape: &Shape, values: &mut Values<'_>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for member in chosen(shape) {
        if values.rows.len() >= MOST_CELLS {
            break;
        }
        let field = if name.is_empty() { member.name.clone() } else { format!("{name}[{}]", member.name) };
        let column = field.replace('[', "_").replace(']', "");
        match &member.shape.kind {
            Kind::Object(_) => pairs.extend(form(&field, &member.shape, values)),
            Kind::List(item) => {
                let value = values.template(&column, &member.name, item);
                pairs.push((field, toml::list(&[toml::text(&value)])));
            }
            _ => pairs.push((field, toml::text(&values.template(&column, &member.name, &member.shape)))),
        }
    }
    pairs
}

/// Parts: files by their names, everything else as text.
fn parts(shape: &Shape, values: &mut Values<'_>) -> String {
    let mut pairs = Vec::new();
    for member in chosen(shape) {
        let (item, is_list) = match &member.shape.kind {
            Kind::List(item) => (item.as_ref(), true),
            _ => (&member.shape, false),
        };
        let template = toml::text(&values.template(&member.name, &member.name, item));
        let part = match item.kind {
            Kind::File => toml::table(&[("path".to_owned(), template)]),
            _ => template,
        };
        pairs.push((member.name.clone(), if is_list { toml::list(&[part]) } else { part }));
    }
    toml::table(&pairs)
}
