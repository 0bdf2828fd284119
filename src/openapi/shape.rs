//! Schemas, as far as a request is made of them and a reply is taken apart: kinds, names and samples.
//!
//! Must never expand without end: a schema within itself is anything, and so is what stands too deep.

use serde_json::Value;

use super::pointer;

/// How deep objects and lists are looked into.
const DEEPEST: usize = 5;

/// Most schemas that are looked at for one shape, alternatives and parts included.
const MOST: usize = 5_000;

/// Most members of an object.
const MOST_MEMBERS: usize = 200;

/// What a value looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Its kind.
    pub kind: Kind,
    /// A value of it that the document gives: an example, a default, the first of its choices.
    pub sample: Option<Value>,
    /// Values that it may have; empty: any.
    pub choices: Vec<Value>,
    /// `format`.
    pub format: Option<String>,
    /// `maximum` of a number.
    pub maximum: Option<u64>,
}

/// Kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// What a file holds.
    File,
    /// A list of these.
    List(Box<Shape>),
    /// An object.
    Object(Vec<Property>),
    /// Anything.
    Any,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// Whether only the server writes it.
    pub read_only: bool,
    /// Whether only a request holds it.
    pub write_only: bool,
    /// Its value.
    pub shape: Shape,
}

impl Shape {
    /// The shape of a schema.
    pub(super) fn of(root: &Value, schema: &Value) -> Self {
        Shaper { root, left: MOST, open: Vec::new() }.shape(schema, 0)
    }

    /// Of any text.
    #[must_use]
    pub fn text() -> Self {
        Self { kind: Kind::Text, sample: None, choices: Vec::new(), format: None, maximum: None }
    }

    /// Of any file.
    #[must_use]
    pub fn file() -> Self {
        Self { kind: Kind::File, ..Self::text() }
    }

    /// The shape of an example.
    pub(super) fn of_value(value: &Value) -> Self {
        let kind = match value {
            Value::Null => Kind::Any,
            Value::Bool(_) => Kind::Boolean,
            Value::Number(number) if number.is_i64() || number.is_u64() => Kind::Integer,
            Value::Number(_) => Kind::Number,
            Value::String(_) => Kind::Text,
            Value::Array(values) => {
                values.first().map_or(Kind::Any, |first| Kind::List(Box::new(Self::of_value(first))))
            }
            Value::Object(map) => Kind::Object(
                map.iter()
                    .filter(|(_, value)| !value.is_null())
                    .take(MOST_MEMBERS)
                    .map(|(name, value)| Property {
                        name: name.clone(),
                        required: true,
                        read_only: false,
                        write_only: false,
                        shape: Self::of_value(value),
                    })
                    .collect(),
            ),
        };
        Self { kind, sample: Some(value.clone()), choices: Vec::new(), format: None, maximum: None }
    }

    /// Whether it is neither a list nor an object.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Integer | Kind::Number | Kind::Boolean)
    }

    /// Members, if it is an object.
    #[must_use]
    pub fn members(&self) -> &[Property] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// Samples of an example, put where they belong.
    pub(super) fn sampled(mut self, example: &Value) -> Self {
        match (&mut self.kind, example) {
            (Kind::Object(members), Value::Object(map)) => {
                for member in members.iter_mut() {
                    if let Some(value) = map.get(&member.name) {
                        member.shape = member.shape.clone().sampled(value);
                    }
                }
            }
            (Kind::List(item), Value::Array(values)) => {
                if let Some(first) = values.first() {
                    **item = item.as_ref().clone().sampled(first);
                }
            }
            _ => {}
        }
        self.sample = Some(example.clone());
        self
    }
}

/// What a schema says, its parts (`allOf`) and the first of its alternatives put together.
#[derive(Default)]
struct Said<'a> {
    kind: Option<&'a str>,
    properties: Vec<(&'a str, &'a Value)>,
    required: Vec<&'a str>,
    items: Option<&'a Value>,
    sample: Option<&'a Value>,
    choices: Vec<&'a Value>,
    format: Option<&'a str>,
    maximum: Option<u64>,
    is_file: bool,
    is_read_only: bool,
    is_write_only: bool,
    /// Schemas that it was referred to.
    through: Vec<&'a Value>,
}

struct Shaper<'a> {
    root: &'a Value,
    left: usize,
    /// Schemas that are being looked into.
    open: Vec<&'a Value>,
}

impl<'a> Shaper<'a> {
    fn shape(&mut self, schema: &'a Value, depth: usize) -> Shape {
        let mut said = Said::default();
        self.gather(schema, &mut said, 0);
        self.shaped(said, depth)
    }

    fn shaped(&mut self, said: Said<'a>, depth: usize) -> Shape {
        let around = self.open.len();
        self.open.extend(&said.through);
        let kind = match said.kind {
            _ if said.is_file => Kind::File,
            Some("string") => Kind::Text,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            _ if depth >= DEEPEST => Kind::Any,
            Some("array") => said.items.map_or(Kind::Any, |items| Kind::List(Box::new(self.shape(items, depth + 1)))),
            Some("object") if !said.properties.is_empty() => Kind::Object(self.members(&said, depth)),
            Some(_) | None => Kind::Any,
        };
        self.open.truncate(around);
        Shape {
            kind,
            sample: said.sample.or(said.choices.first().copied()).filter(|sample| !sample.is_null()).cloned(),
            choices: said.choices.into_iter().cloned().collect(),
            format: said.format.map(str::to_owned),
            maximum: said.maximum,
        }
    }

    fn members(&mut self, said: &Said<'a>, depth: usize) -> Vec<Property> {
        let mut members = Vec::new();
        for (name, schema) in &said.properties {
            let mut of_member = Said::default();
            self.gather(schema, &mut of_member, 0);
            members.push(Property {
                name: (*name).to_owned(),
                required: said.required.contains(name),
                read_only: of_member.is_read_only,
                write_only: of_member.is_write_only,
                shape: self.shaped(of_member, depth + 1),
            });
        }
        members
    }

    /// What a schema says; what was said before it stands.
    fn gather(&mut self, schema: &'a Value, said: &mut Said<'a>, depth: usize) {
        if self.left == 0 || depth > DEEPEST * 2 {
            return;
        }
        self.left -= 1;
        // In 3.1, keys stand beside a reference, and count.
        said.take(schema);
        if schema.get("$ref").is_some() {
            let target = pointer::followed(self.root, schema);
            let is_within_itself = self.open.iter().chain(&said.through).any(|open| std::ptr::eq(*open, target));
            if pointer::lost(target).is_none() && !is_within_itself {
                said.through.push(target);
                self.gather(target, said, depth + 1);
            }
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.gather(part, said, depth + 1);
        }
        for alternatives in ["oneOf", "anyOf"] {
            let mut alternatives = schema[alternatives].as_array().into_iter().flatten();
            if let Some(first) = alternatives.find(|schema| schema["type"] != "null") {
                self.gather(first, said, depth + 1);
            }
        }
        said.infer();
    }
}

impl<'a> Said<'a> {
    fn take(&mut self, schema: &'a Value) {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        self.kind = self.kind.or_else(|| kind(&schema["type"]));
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            // Of more no one asks, and each is compared with all before it.
            if self.properties.len() >= MOST_MEMBERS {
                break;
            }
            if !self.properties.iter().any(|(known, _)| known == name) {
                self.properties.push((name, property));
            }
        }
        self.required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
        self.items = self.items.or_else(|| schema.get("items"));
        let sample = schema.get("example").or_else(|| schema.pointer("/examples/0"));
        self.sample = self.sample.or(sample).or_else(|| schema.get("const")).or_else(|| schema.get("default"));
        if self.choices.is_empty() {
            self.choices = schema["enum"].as_array().into_iter().flatten().collect();
        }
        self.format = self.format.or_else(|| text("format"));
        self.maximum = self.maximum.or_else(|| schema["maximum"].as_u64());
        self.is_read_only |= schema["readOnly"] == true;
        self.is_write_only |= schema["writeOnly"] == true;
        self.is_file |= schema["type"] == "file"
            || text("format") == Some("binary")
            || (text("contentMediaType").is_some() && text("contentEncoding").is_none());
    }

    /// What a schema without a type must be.
    fn infer(&mut self) {
        let of_choices = self.choices.first().and_then(|choice| choice.as_str()).map(|_| "string");
        let of_properties = (!self.properties.is_empty()).then_some("object");
        let of_items = self.items.map(|_| "array");
        self.kind = self.kind.or(of_properties).or(of_items).or(of_choices);
    }
}

/// `type`, of which there may be several in 3.1.
fn kind(kind: &Value) -> Option<&str> {
    match kind {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    }
}
