//! Values as conditions compare them: by what JSON means, and never across kinds.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use minijinja::value::ValueKind;
use serde_json::Value;

use super::super::engine;
use super::super::path::Found;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Atom<'a> {
    /// There is none.
    Missing,
    /// `null`
    Null,
    /// `true` or `false`
    Truth(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Text that stands in a table where everything is text: a number, as likely as not.
    Cell(Cow<'a, str>),
    /// A list or an object.
    Tree(Cow<'a, Value>),
}

/// A cell that is compared with another kind of value, and the filter that makes it one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CellOfText {
    pub text: String,
    pub filter: &'static str,
}

/// Two kinds of values that have no order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kinds(&'static str, &'static str);

impl Kinds {
    /// Whether a filter would help.
    pub fn is_text_and_number(&self) -> bool {
        matches!((self.0, self.1), (TEXT, NUMBER) | (NUMBER, TEXT))
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.0, self.1)
    }
}

const TEXT: &str = "a text";
const NUMBER: &str = "a number";

impl<'a> Atom<'a> {
    /// A JSON value.
    pub fn of_json(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Truth(*truth),
            Value::Number(number) => {
                number.as_i128().map_or_else(|| Self::Float(number.as_f64().unwrap_or(f64::NAN)), Self::Integer)
            }
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(_) | Value::Object(_) => Self::Tree(Cow::Borrowed(value)),
        }
    }

    /// What a path led to; `is_cell`: in a table of text.
    pub fn of_found(found: Found<'a>, is_cell: bool) -> Self {
        match found {
            Found::Text(text) if is_cell => Self::Cell(text),
            Found::Text(text) => Self::Text(text),
            Found::Integer(number) => Self::Integer(i128::from(number)),
            Found::Json(value) => Self::of_json(value),
        }
    }

    /// A value of minijinja.
    pub fn of_value(value: &minijinja::Value) -> Result<Self, minijinja::Error> {
        Ok(match value.kind() {
            ValueKind::Undefined => Self::Missing,
            ValueKind::None => Self::Null,
            ValueKind::Bool => Self::Truth(value.is_true()),
            ValueKind::Number if value.is_integer() => Self::Integer(i128::try_from(value.clone())?),
            ValueKind::Number => Self::Float(f64::try_from(value.clone())?),
            ValueKind::String => Self::Text(Cow::Owned(value.as_str().unwrap_or_default().to_owned())),
            _ => Self::Tree(Cow::Owned(engine::json(value)?)),
        })
    }

    /// As JSON; what is missing is null.
    pub fn into_json(self) -> Value {
        match self {
            Self::Missing | Self::Null => Value::Null,
            Self::Truth(truth) => Value::from(truth),
            Self::Integer(number) => serde_json::Number::from_i128(number).map_or(Value::Null, Value::Number),
            Self::Float(number) => Value::from(number),
            Self::Text(text) | Self::Cell(text) => Value::String(text.into_owned()),
            Self::Tree(tree) => tree.into_owned(),
        }
    }

    /// As templates have it: nothing, zero and what is empty are not.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Null => false,
            Self::Truth(truth) => *truth,
            Self::Integer(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) | Self::Cell(text) => !text.is_empty(),
            Self::Tree(tree) => match &**tree {
                Value::Array(items) => !items.is_empty(),
                Value::Object(map) => !map.is_empty(),
                _ => true,
            },
        }
    }

    /// The text, of what is text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Cell(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is text.
    pub fn is_text(&self) -> bool {
        self.text().is_some()
    }

    /// What it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing | Self::Null => "nothing",
            Self::Truth(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => NUMBER,
            Self::Text(_) | Self::Cell(_) => TEXT,
            Self::Tree(tree) if tree.is_array() => "a list",
            Self::Tree(_) => "an object",
        }
    }

    /// Whether two values are the same. What is missing equals nothing but null and what is missing.
    #[allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "as written: 1 is 1.0, and no more is guessed")]
    pub fn equals(&self, other: &Self) -> Result<bool, CellOfText> {
        Ok(match (self, other) {
            (Self::Missing | Self::Null, Atom::Missing | Atom::Null) => true,
            (Self::Truth(one), Atom::Truth(other)) => one == other,
            (Self::Integer(one), Atom::Integer(other)) => one == other,
            (Self::Float(one), Atom::Float(other)) => one == other,
            (Self::Integer(whole), Atom::Float(float)) | (Self::Float(float), Atom::Integer(whole)) => {
                *whole as f64 == *float
            }
            (Self::Cell(text), Atom::Integer(_) | Atom::Float(_))
            | (Self::Integer(_) | Self::Float(_), Atom::Cell(text)) => {
                return Err(CellOfText { text: text.to_string(), filter: "float" });
            }
            (Self::Cell(text), Atom::Truth(_)) | (Self::Truth(_), Atom::Cell(text)) => {
                return Err(CellOfText { text: text.to_string(), filter: "bool" });
            }
            (Self::Text(one) | Self::Cell(one), Atom::Text(other) | Atom::Cell(other)) => one == other,
            (Self::Tree(one), Atom::Tree(other)) => one == other,
            _ => false,
        })
    }

    /// The order of two values: of numbers, and of texts by their characters. Nothing has no order.
    #[allow(clippy::cast_precision_loss, reason = "a whole number beside a float counts as one")]
    pub fn order(&self, other: &Self) -> Result<Option<Ordering>, Kinds> {
        Ok(match (self, other) {
            (Self::Missing | Self::Null, _) | (_, Atom::Missing | Atom::Null) => None,
            (Self::Integer(one), Atom::Integer(other)) => Some(one.cmp(other)),
            (Self::Float(one), Atom::Float(other)) => one.partial_cmp(other),
            (Self::Integer(one), Atom::Float(other)) => (*one as f64).partial_cmp(other),
            (Self::Float(one), Atom::Integer(other)) => one.partial_cmp(&(*other as f64)),
            (Self::Text(one) | Self::Cell(one), Atom::Text(other) | Atom::Cell(other)) => Some(one.cmp(other)),
            (one, other) => return Err(Kinds(one.kind(), other.kind())),
        })
    }
}
