//! What stands beside a column's kind: `as`, `default`, `required`. The last word on a value.

use serde_json::Value;

use super::convert::As;

/// What is made of an extracted value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settle {
    /// The type it must have.
    pub convert: Option<As>,
    /// What stands where it is missing or null; of that type already.
    pub default: Option<Value>,
    /// Whether a missing value fails the attempt.
    pub required: bool,
}

/// Why a value can't stand in the record.
#[derive(Debug, Clone, PartialEq)]
pub enum Unsettled {
    /// It is required and not there.
    Missing,
    /// It has another type than was asked for.
    Unlike(As, Value),
}

impl Unsettled {
    /// Why a value, as it is `shown`, is not of the type that a column asks for.
    #[must_use]
    pub fn unlike(kind: As, shown: &str) -> String {
        format!("`{shown}` is not {}, as `as = \"{}\"` asks for", kind.wanted(), kind.name())
    }
}

impl Settle {
    /// The value as it stands in the record.
    ///
    /// # Errors
    /// When it is missing and required, or of another type.
    pub fn settle(&self, value: Value) -> Result<Value, Unsettled> {
        if value.is_null() {
            return match &self.default {
                Some(default) => Ok(default.clone()),
                None if self.required => Err(Unsettled::Missing),
                None => Ok(Value::Null),
            };
        }
        match self.convert {
            Some(kind) => kind.convert(value).map_err(|value| Unsettled::Unlike(kind, value)),
            None => Ok(value),
        }
    }

    /// As written in the job: part of its identity. Empty where nothing is said.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut text = self.convert.map_or(String::new(), |kind| format!(" as {}", kind.name()));
        if let Some(default) = &self.default {
            text.push_str(&format!(" default {default}"));
        }
        if self.required {
            text.push_str(" required");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_default_stands_for_what_is_missing() {
        let settle = Settle { convert: Some(As::Int), default: Some(json!(0)), required: false };
        assert_eq!(settle.settle(json!(null)), Ok(json!(0)));
        assert_eq!(settle.settle(json!("7")), Ok(json!(7)));
        assert_eq!(settle.settle(json!("x")), Err(Unsettled::Unlike(As::Int, json!("x"))), "wrong is not missing");
        assert_eq!(settle.identity(), " as int default 0");
    }

    #[test]
    fn what_is_required_must_be_there() {
        let settle = Settle { required: true, ..Settle::default() };
        assert_eq!(settle.settle(json!(null)), Err(Unsettled::Missing));
        assert_eq!(settle.settle(json!("")), Ok(json!("")), "empty is not missing");
        assert_eq!(Settle::default().settle(json!(null)), Ok(json!(null)));
        assert_eq!((settle.identity(), Settle::default().identity()), (" required".into(), String::new()));
    }
}
