//! Plain paths such as `row.sku` or `json.items[0].id`, resolved without minijinja.
//!
//! Finds exactly what minijinja would find; where it would find nothing, the error says what there
//! is instead. Must never allocate for a value that is already there.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::{Context, RenderError, ReplyView};
use crate::row::{Fields, Row, VALUE};

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// `.name` or `["name"]`.
    Name(String),
    /// `[0]`.
    Index(usize),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |name: &str| {
            !name.is_empty()
                && !name.starts_with(|first: char| first.is_ascii_digit())
                && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        };
        match self {
            Self::Name(name) if is_plain(name) => write!(f, ".{name}"),
            Self::Name(name) => write!(f, "[\"{name}\"]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// A column of the row, with its position where the header is known.
    Column {
        /// Name of the column.
        name: String,
        /// Its likely position.
        position: Option<usize>,
    },
    /// `run.NAME`.
    Run(String),
    /// `last.NAME`.
    Last(String),
    /// `json`.
    Json,
    /// `item`.
    Item,
    /// `text`.
    Text,
    /// `status`.
    Status,
    /// `headers.NAME`.
    Header(String),
    /// `meta.NAME`.
    Meta(String),
    /// `secrets.NAME`.
    Secret(String),
}

/// A plain path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plain {
    /// Where it begins.
    pub root: Root,
    /// The steps from there.
    pub keys: Vec<Key>,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// An integer.
    Integer(i64),
    /// Any JSON value.
    Json(&'a Value),
}

impl Found<'_> {
    /// The value as JSON.
    pub fn into_value(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.into_owned()),
            Self::Integer(number) => Value::from(number),
            Self::Json(value) => value.clone(),
        }
    }
}

/// A name that an object of a reply does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The object, as the path says it, in backticks.
    pub holder: String,
    /// The name.
    pub name: String,
    /// The names that are there.
    pub names: Vec<String>,
}

impl Plain {
    /// The value the path leads to.
    pub fn find<'a>(&self, context: &Context<'a>) -> Result<Found<'a>, RenderError> {
        let found = match &self.root {
            Root::Column { name, position } => column(row(context)?, name, *position)?,
            Root::Run(name) => column(row(context)?, name, None)?,
            Root::Last(name) => Found::Json(last(context, name)),
            Root::Json => Found::Json(json(context)?),
            Root::Item => Found::Json(item(context)?),
            Root::Text => Found::Text(String::from_utf8_lossy(reply(context)?.body)),
            Root::Status => Found::Integer(i64::from(reply(context)?.status)),
            Root::Header(name) => header(reply(context)?, name)?,
            Root::Meta(name) => {
                let meta = reply(context)?.meta;
                Found::Json(meta.get(name).ok_or_else(|| lacks("`meta`", name, meta.keys()))?)
            }
            Root::Secret(name) => Found::Text(Cow::Borrowed(secret(context, name)?)),
        };
        if self.keys.is_empty() { Ok(found) } else { self.walk(found) }
    }

    /// The value the path leads to, without a word on why there is none: cheap where nothing is common.
    pub fn seek<'a>(&self, context: &Context<'a>) -> Option<Found<'a>> {
        let mut value = match &self.root {
            Root::Json => context.reply?.json?,
            Root::Item => context.reply?.item?,
            Root::Meta(name) => context.reply?.meta.get(name)?,
            Root::Last(name) => last(context, name),
            Root::Header(name) if !context.reply?.headers.contains_key(name) => return None,
            Root::Column { .. } | Root::Run(_) | Root::Text | Root::Status | Root::Header(_) | Root::Secret(_) => {
                return self.find(context).ok();
            }
        };
        for (depth, key) in self.keys.iter().enumerate() {
            value = match (value, key) {
                (Value::Object(map), Key::Name(name)) => map.get(name)?,
                (Value::Array(items), Key::Index(index)) => items.get(*index)?,
                (Value::String(text), Key::Index(_)) => return self.letter(text, depth).ok(),
                _ => return None,
            };
        }
        Some(Found::Json(value))
    }

    /// Where the path leaves the JSON body for a name that an object there does not have.
    pub fn lacking(&self, context: &Context<'_>) -> Option<Lacking> {
        let mut value = match &self.root {
            Root::Json => context.reply?.json?,
            Root::Column { .. } | Root::Run(_) | Root::Last(_) | Root::Item | Root::Text | Root::Status => return None,
            Root::Header(_) | Root::Meta(_) | Root::Secret(_) => return None,
        };
        for (depth, key) in self.keys.iter().enumerate() {
            value = match (value, key) {
                (Value::Object(map), Key::Name(name)) => match map.get(name) {
                    Some(value) => value,
                    None => {
                        let (holder, names) = (self.shown(depth), map.keys().cloned().collect());
                        return Some(Lacking { holder, name: name.clone(), names });
                    }
                },
                (Value::Array(items), Key::Index(index)) => items.get(*index)?,
                _ => return None,
            };
        }
        None
    }

    fn walk<'a>(&self, found: Found<'a>) -> Result<Found<'a>, RenderError> {
        match found {
            Found::Json(value) => self.walk_json(value),
            Found::Text(text) => self.letter(&text, 0),
            Found::Integer(_) => Err(self.no_step(0, "is a number")),
        }
    }

    fn walk_json<'a>(&self, mut value: &'a Value) -> Result<Found<'a>, RenderError> {
        for (depth, key) in self.keys.iter().enumerate() {
            let next = match (value, key) {
                (Value::Object(map), Key::Name(name)) => map.get(name),
                (Value::Array(items), Key::Index(index)) => items.get(*index),
                (Value::String(text), Key::Index(_)) => return self.letter(text, depth),
                _ => None,
            };
            value = next.ok_or_else(|| self.lacks_at(depth, value))?;
        }
        Ok(Found::Json(value))
    }

    /// A letter of a text; a letter is a text of its own.
    fn letter<'a>(&self, text: &str, depth: usize) -> Result<Found<'a>, RenderError> {
        let mut letter = text.to_owned();
        for (at, key) in self.keys.iter().enumerate().skip(depth) {
            let found = match key {
                Key::Index(index) => letter.chars().nth(*index),
                Key::Name(_) => None,
            };
            letter = found.ok_or_else(|| self.no_step(at, "is text"))?.to_string();
        }
        Ok(Found::Text(Cow::Owned(letter)))
    }

    fn lacks_at(&self, depth: usize, value: &Value) -> RenderError {
        match value {
            Value::Object(map) => match &self.keys[depth] {
                Key::Name(name) => lacks(&self.shown(depth), name, map.keys()),
                Key::Index(_) => self.no_step(depth, "is an object"),
            },
            Value::Array(items) => self.no_step(depth, &format!("is an array of {}", items.len())),
            Value::Null => self.no_step(depth, "is null"),
            Value::Bool(_) => self.no_step(depth, "is a boolean"),
            Value::Number(_) => self.no_step(depth, "is a number"),
            Value::String(_) => self.no_step(depth, "is text"),
        }
    }

    fn no_step(&self, depth: usize, what: &str) -> RenderError {
        error(format!("{} {what} and has no `{}`", self.shown(depth), self.keys[depth]))
    }

    /// The path up to a step, for messages.
    fn shown(&self, depth: usize) -> String {
        let (root, name) = match &self.root {
            Root::Column { name, .. } => ("row", Some(name)),
            Root::Run(name) => ("run", Some(name)),
            Root::Last(name) => ("last", Some(name)),
            Root::Json => ("json", None),
            Root::Item => ("item", None),
            Root::Text => ("text", None),
            Root::Status => ("status", None),
            Root::Header(name) => ("headers", Some(name)),
            Root::Meta(name) => ("meta", Some(name)),
            Root::Secret(name) => ("secrets", Some(name)),
        };
        let first = name.map(|name| Key::Name(name.clone()).to_string()).unwrap_or_default();
        let rest: String = self.keys[..depth].iter().map(Key::to_string).collect();
        format!("`{root}{first}{rest}`")
    }
}

fn error(message: String) -> RenderError {
    RenderError { message }
}

/// Most names listed in a message.
const MOST_NAMES: usize = 12;

/// How a template says `table.name`: in brackets where the name is no identifier.
pub(crate) fn written(table: &str, name: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_plain = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_word);
    if is_plain { format!("{table}.{name}") } else { format!("{table}['{name}']") }
}

/// Names as messages list them.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let mut names = names.into_iter();
    let mut shown: Vec<String> = names.by_ref().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    match names.count() {
        0 => {}
        rest => shown.push(format!("and {rest} more")),
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

fn lacks<'n>(holder: &str, name: &str, names: impl IntoIterator<Item = &'n String>) -> RenderError {
    error(format!("{holder} has no `{name}`; it has {}", listed(names)))
}

/// The row of a context.
pub(super) fn row<'a>(context: &Context<'a>) -> Result<&'a Row, RenderError> {
    context.row.ok_or_else(|| error("there is no row here".to_owned()))
}

/// A column of the record before.
pub(super) fn last<'a>(context: &Context<'a>, name: &str) -> &'a Value {
    context.last.and_then(|last| last.get(name)).unwrap_or(&Value::Null)
}

/// The reply of a context.
pub(super) fn reply<'a>(context: &Context<'a>) -> Result<&'a ReplyView<'a>, RenderError> {
    context.reply.ok_or_else(|| error("there is no reply yet".to_owned()))
}

/// The reply's body as JSON.
pub(super) fn json<'a>(context: &Context<'a>) -> Result<&'a Value, RenderError> {
    reply(context)?.json.ok_or_else(|| error("`json` is used and the body of the reply is not JSON".to_owned()))
}

/// What a record is taken from.
pub(super) fn item<'a>(context: &Context<'a>) -> Result<&'a Value, RenderError> {
    reply(context)?.item.ok_or_else(|| error("`item` is used and the body of the reply is not JSON".to_owned()))
}

/// The rows of a chunk.
pub(super) fn rows<'a>(context: &Context<'a>) -> Result<&'a [Arc<Row>], RenderError> {
    match &row(context)?.fields {
        Fields::Rows(rows) => Ok(rows),
        Fields::Text { .. } | Fields::Object(_) | Fields::Integer(_) => Err(error("there is no chunk here".to_owned())),
    }
}

/// A secret's value.
pub(super) fn secret<'a>(context: &Context<'a>, name: &str) -> Result<&'a str, RenderError> {
    let secret = context.secrets.get(name).ok_or_else(|| error(format!("the secret `{name}` was not read")))?;
    Ok(secret.reveal())
}

/// All values of a header, as one text (RFC 9110, section 5.3).
pub(super) fn header_text<'a>(headers: &'a http::HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    let mut values = headers.get_all(name).iter();
    let mut text = String::from_utf8_lossy(values.next()?.as_bytes());
    for value in values {
        let text = text.to_mut();
        text.push_str(", ");
        text.push_str(&String::from_utf8_lossy(value.as_bytes()));
    }
    Some(text)
}

fn header<'a>(reply: &'a ReplyView<'a>, name: &str) -> Result<Found<'a>, RenderError> {
    let names = || reply.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    header_text(reply.headers, name).map(Found::Text).ok_or_else(|| lacks("the reply", name, &names()))
}

fn column<'a>(row: &'a Row, name: &str, position: Option<usize>) -> Result<Found<'a>, RenderError> {
    match &row.fields {
        Fields::Text { header, cells } => {
            let is_here = |position: &usize| header.names().get(*position).is_some_and(|column| column == name);
            let position = position.filter(is_here).or_else(|| header.position(name));
            let cell = position.and_then(|position| cells.get(position));
            cell.map(|text| Found::Text(Cow::Borrowed(text))).ok_or_else(|| lacks("the row", name, header.names()))
        }
        Fields::Object(map) => map.get(name).map(Found::Json).ok_or_else(|| lacks("the row", name, map.keys())),
        Fields::Integer(number) if name == VALUE => Ok(Found::Integer(*number)),
        Fields::Integer(_) => Err(lacks("the row", name, &[VALUE.to_owned()])),
        Fields::Rows(_) => Err(error("there is no single row in a chunk".to_owned())),
    }
}
