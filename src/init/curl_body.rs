//! The body of a curl command as keys of a job.

use serde_json::Value;

use super::spans::{self, FEWEST_DIGITS};
use super::{Draft, toml};
use crate::curl::{Body, Field, FieldContent};

/// What curl sends for data, unless told otherwise.
const FORM: &str = "application/x-www-form-urlencoded";

const JSON: &str = "application/json";

impl Draft {
    /// The key of a body and its value. The header that the key sends by itself is taken out.
    pub(super) fn body_of(
        &mut self,
        body: &Body,
        headers: &mut Vec<(String, String)>,
    ) -> Option<(&'static str, String)> {
        match body {
            Body::None => None,
            Body::File(path) => Some(("body-file", toml::text(&self.path(path)))),
            Body::Form(fields) => {
                headers.retain(|(name, _)| name != "content-type");
                Some(("multipart", self.parts(fields)))
            }
            Body::Text(text) if text.is_empty() => None,
            Body::Text(text) => {
                let kind = headers.iter().find(|(name, _)| name == "content-type").map(|(_, kind)| kind.as_str());
                let kind = kind.unwrap_or_default().to_ascii_lowercase();
                let media = kind.split(';').next().unwrap_or_default().trim();
                let own = match media {
                    media if is_json(media) => self.json(text).map(|json| ("json", json, JSON)),
                    FORM => self.form(text).map(|form| ("form", form, FORM)),
                    _ => None,
                };
                // A type with a character set, or of another name, stays what it is.
                if own.as_ref().is_some_and(|(.., own)| kind == *own) {
                    headers.retain(|(name, _)| name != "content-type");
                }
                let own = own.map(|(key, value, _)| (key, value));
                own.or_else(|| Some(("body", toml::text(&self.without_secrets(text, media == FORM)))))
            }
        }
    }

    /// JSON as TOML; `None`: TOML can't say it, or not to the letter.
    fn json(&mut self, text: &str) -> Option<String> {
        let value: Value = serde_json::from_str(text).ok()?;
        if spans::has_repeated_names(text) {
            return None;
        }
        self.member("", &value, None)
    }

    /// A value called so; `within`: the secret that it is a part of.
    fn member(&mut self, name: &str, value: &Value, within: Option<&str>) -> Option<String> {
        match value {
            Value::Null => None,
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Number(number) => {
                let digits = number.to_string().bytes().filter(u8::is_ascii_digit).count();
                if !spans::is_sensitive(name) || digits < FEWEST_DIGITS {
                    return toml::plain_number(&number.to_string());
                }
                // What is no whole number would come back in another form.
                number.as_i64()?;
                let template = self.secrets.of_value(name, &number.to_string());
                template.strip_suffix(" }}").map(|begin| toml::text(&format!("{begin} | int }}}}")))
            }
            Value::String(text) => {
                let within = within.filter(|whole| !spans::is_harmless(name) && spans::is_kept(whole, text));
                let value = match within {
                    Some(whole) if !text.is_empty() => self.secrets.of_value(&format!("{whole}-{name}"), text),
                    _ => self.valued(name, text),
                };
                Some(toml::text(&value))
            }
            Value::Array(values) => {
                let values: Option<Vec<_>> = values.iter().map(|value| self.member(name, value, within)).collect();
                values.map(|values| toml::list(&values))
            }
            Value::Object(map) => self.members(name, map, within),
        }
    }

    fn members(&mut self, name: &str, map: &serde_json::Map<String, Value>, within: Option<&str>) -> Option<String> {
        let within = within.or_else(|| spans::is_sensitive(name).then_some(name));
        // Members `name` and `value` are a pair.
        let called =
            map.get("value").and_then(|_| ["name", "key", "field"].iter().find_map(|key| map.get(*key)?.as_str()));
        let mut pairs = Vec::new();
        for (key, value) in map {
            if !is_key(key) {
                return None;
            }
            let name = match (key.as_str(), called) {
                ("value", Some(called)) => called,
                ("key", Some(_)) => "",
                (key, _) => key,
            };
            pairs.push((key.clone(), self.member(name, value, within)?));
        }
        Some(toml::table(&pairs))
    }

    fn form(&mut self, text: &str) -> Option<String> {
        let mut pairs: Vec<(String, Vec<String>)> = Vec::new();
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (spans::decoded(name).filter(|name| is_key(name))?, spans::decoded(value)?);
            match pairs.iter().position(|(known, _)| *known == name) {
                Some(at) if at + 1 == pairs.len() => pairs[at].1.push(value),
                // The order of what is sent must stay what it is.
                Some(_) => return None,
                None => pairs.push((name, vec![value])),
            }
        }
        let mut written = Vec::new();
        for (name, values) in pairs {
            let values: Vec<String> = values.iter().map(|value| toml::text(&self.valued(&name, value))).collect();
            written.push((name, one_or_list(values)));
        }
        Some(toml::table(&written))
    }

    fn parts(&mut self, fields: &[Field]) -> String {
        let mut pairs: Vec<(String, Vec<String>)> = Vec::new();
        for field in fields {
            let part = self.part(field);
            let last = pairs.len().saturating_sub(1);
            match pairs.iter_mut().enumerate().find(|(_, (name, _))| *name == field.name) {
                Some((at, (_, parts))) => {
                    parts.push(part);
                    if at < last {
                        let name = field.name.escape_debug();
                        self.notes
                            .push(format!("parts called {name} stand together; what stood between them comes behind"));
                    }
                }
                None => pairs.push((field.name.clone(), vec![part])),
            }
        }
        let pairs: Vec<_> = pairs.into_iter().map(|(name, parts)| (name, one_or_list(parts))).collect();
        toml::table(&pairs)
    }

    fn part(&mut self, field: &Field) -> String {
        let (key, content) = match &field.content {
            FieldContent::Text(text) => ("text", self.valued(&field.name, text)),
            FieldContent::File(path) => ("path", self.path(path)),
        };
        let mut pairs = vec![(key.to_owned(), toml::text(&content))];
        for (key, value) in [("content-type", &field.content_type), ("filename", &field.filename)] {
            if let Some(value) = value {
                pairs.push((key.to_owned(), toml::text(&self.template(value))));
            }
        }
        if key == "text" && pairs.len() == 1 { toml::text(&content) } else { toml::table(&pairs) }
    }
}

fn is_json(media: &str) -> bool {
    media == JSON || media == "text/json" || media.ends_with("+json")
}

/// Whether a name can be a key of a body: it is no template, and there is one.
fn is_key(name: &str) -> bool {
    let has_variables = crate::curl::parts(name).iter().any(|part| matches!(part, crate::curl::Reference::Variable(_)));
    !name.is_empty() && !has_variables && !["{{", "{%", "{#"].iter().any(|begin| name.contains(begin))
}

fn one_or_list(mut values: Vec<String>) -> String {
    match values.len() {
        1 => values.remove(0),
        _ => toml::list(&values),
    }
}
