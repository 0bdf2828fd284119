//! A schema as the walker sees it: references followed, `allOf` joined, alternatives spread.

use serde_json::{Map, Value};

use crate::diagnostic::did_you_mean;
use crate::document::NodeValue;
use crate::spec::moment;
use crate::spec::scalar::{self, ScalarError};

/// Deepest chain of references and `allOf` that is followed.
const DEEPEST: usize = 32;

/// The schemas that hold for a value, all at once.
#[derive(Clone)]
pub struct View<'s> {
    root: &'s Value,
    facets: Vec<&'s Map<String, Value>>,
}

impl<'s> View<'s> {
    /// What `schema` says, with references into `root`.
    pub fn new(root: &'s Value, schema: &'s Value) -> Self {
        let mut facets = Vec::new();
        collect(root, schema, &mut facets, 0);
        Self { root, facets }
    }

    /// What another schema of the same root says.
    pub fn of(&self, schema: &'s Value) -> Self {
        Self::new(self.root, schema)
    }

    /// A keyword; the outermost wins.
    pub fn get(&self, keyword: &str) -> Option<&'s Value> {
        self.facets.iter().find_map(|facet| facet.get(keyword))
    }

    /// A keyword that is a text.
    pub fn text(&self, keyword: &str) -> Option<&'s str> {
        self.get(keyword)?.as_str()
    }

    /// A keyword that is a list of texts.
    pub fn texts(&self, keyword: &str) -> Vec<&'s str> {
        let list = self.get(keyword).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The known keys of a table and their schemas.
    pub fn properties(&self) -> impl Iterator<Item = (&'s str, &'s Value)> + use<'_, 's> {
        let tables = self.facets.iter().filter_map(|facet| facet.get("properties").and_then(Value::as_object));
        tables.flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    /// The alternatives, spread flat; the view itself when there are none.
    pub fn branches(&self) -> Vec<Self> {
        match self.get("anyOf").and_then(Value::as_array) {
            Some(alternatives) => alternatives.iter().flat_map(|schema| self.of(schema).branches()).collect(),
            None => vec![self.clone()],
        }
    }

    /// The JSON types it allows; empty: any.
    pub fn types(&self) -> Vec<&'s str> {
        match self.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            _ => self.texts("type"),
        }
    }

    /// Whether a value has one of the types.
    pub fn accepts(&self, value: &NodeValue) -> bool {
        let types = self.types();
        let is_moment = matches!(value, NodeValue::Datetime(_)) && self.text("format") == Some(MOMENT);
        types.is_empty() || is_moment || types.iter().any(|name| is_of(value, name))
    }

    /// Whether a text is none of the names that are allowed, nor near to one.
    pub fn is_strange(&self, value: &NodeValue) -> bool {
        let (NodeValue::String(text), Some(_)) = (value, self.get("enum")) else { return false };
        let names = self.texts("enum");
        !names.contains(&text.as_str()) && did_you_mean(text, names).is_none()
    }

    /// The text format, if it has one of ours.
    pub fn format(&self) -> Option<&'static Format> {
        let name = self.text("format")?;
        FORMATS.iter().find(|format| format.name == name)
    }

    /// In words, with articles: `a duration such as "10s"`; a word for each type.
    pub fn describe(&self) -> Vec<String> {
        if let Some(format) = self.format() {
            return vec![format.phrase.to_owned()];
        }
        if let Some(Value::Array(values)) = self.get("enum") {
            let shown: Vec<String> = values.iter().map(Value::to_string).collect();
            return vec![if shown.len() == 1 { shown.concat() } else { format!("one of {}", shown.join(", ")) }];
        }
        let types = self.types();
        let number = types.contains(&"number");
        types.into_iter().filter(|name| !(number && *name == "integer")).map(|name| in_words(name).to_owned()).collect()
    }
}

/// `a`, `a or b`, `a, b or c`, each once.
pub fn either(words: &[impl AsRef<str>]) -> String {
    let mut unique: Vec<&str> = Vec::new();
    for word in words {
        if !unique.contains(&word.as_ref()) {
            unique.push(word.as_ref());
        }
    }
    match unique.split_last() {
        None => "a value".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
    }
}

fn collect<'s>(root: &'s Value, schema: &'s Value, facets: &mut Vec<&'s Map<String, Value>>, depth: usize) {
    let Some(object) = schema.as_object().filter(|_| depth < DEEPEST) else { return };
    facets.push(object);
    if let Some(target) = object.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'))
        && let Some(target) = root.pointer(target)
    {
        collect(root, target, facets, depth + 1);
    }
    for part in object.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        collect(root, part, facets, depth + 1);
    }
}

fn is_of(value: &NodeValue, name: &str) -> bool {
    match value {
        NodeValue::String(_) => name == "string",
        NodeValue::Integer(_) => name == "integer" || name == "number",
        NodeValue::Float(_) => name == "number",
        NodeValue::Boolean(_) => name == "boolean",
        NodeValue::Datetime(_) => false,
        NodeValue::Array(_) => name == "array",
        NodeValue::Table(_) => name == "object",
    }
}

fn in_words(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

/// A format of texts that JSON Schema does not know.
pub struct Format {
    name: &'static str,
    phrase: &'static str,
    /// A text that passes.
    pub example: &'static str,
    /// The units that may be meant by a bare number; none: it is no quantity.
    pub units: &'static [&'static str],
    /// Tells what is wrong with a text.
    pub check: fn(&str) -> Result<(), ScalarError>,
}

/// The format of texts that stand without quotes as well: TOML has a type for them.
const MOMENT: &str = "paceline-moment";

const FORMATS: &[Format] = &[
    Format {
        name: MOMENT,
        phrase: "a date such as 2026-01-31",
        example: "2026-01-31",
        units: &[],
        check: |text| moment::moment(text).map(drop),
    },
    Format {
        name: "paceline-duration",
        phrase: "a duration such as \"10s\"",
        example: "10s",
        units: &["s", "ms"],
        check: |text| scalar::duration(text).map(drop),
    },
    Format {
        name: "paceline-positive-duration",
        phrase: "a duration such as \"10s\"",
        example: "10s",
        units: &["s", "ms"],
        check: |text| scalar::positive_duration(text).map(drop),
    },
    Format {
        name: "paceline-size",
        phrase: "a size such as \"64MiB\"",
        example: "64MiB",
        units: &["B", "KiB"],
        check: |text| scalar::positive_size(text).map(drop),
    },
    Format {
        name: "paceline-rate",
        phrase: "a rate such as \"10/s\"",
        example: "10/s",
        units: &["/s", "/m"],
        check: |text| scalar::rate(text).map(drop),
    },
    Format {
        name: "paceline-status",
        phrase: "a class of statuses such as \"2xx\"",
        example: "2xx",
        units: &[],
        check: |text| scalar::status_class(text).map(drop),
    },
    Format {
        name: "paceline-share",
        phrase: "a share such as \"20%\"",
        example: "20%",
        units: &["%"],
        check: |text| scalar::share(text).map(drop),
    },
    Format {
        name: "paceline-address",
        phrase: "an address with a port such as \"127.0.0.1:8443\"",
        example: "127.0.0.1:8443",
        units: &[],
        check: |text| scalar::address(text).map(drop),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_of_the_schema_is_known() {
        fn formats(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(object) => {
                    if let Some(format) = object.get("format").and_then(Value::as_str) {
                        found.push(format.to_owned());
                    }
                    object.values().for_each(|child| formats(child, found));
                }
                Value::Array(list) => list.iter().for_each(|child| formats(child, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let mut found = Vec::new();
        formats(crate::spec::schema(), &mut found);
        for format in &found {
            assert!(FORMATS.iter().any(|known| known.name == format), "{format} has no parser");
        }
        for format in FORMATS {
            assert!(
                (format.check)(format.example).is_ok() && format.phrase.contains(format.example),
                "{}",
                format.name
            );
            assert!(found.iter().any(|used| used == format.name), "{} is used nowhere", format.name);
        }
    }
}
