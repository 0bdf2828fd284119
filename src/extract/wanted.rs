//! Reading of a JSON body no more than the columns want: the tree has only the wanted branches.
//!
//! Building the whole tree of a reply costs more than everything else that is done for a row. Where all
//! columns are plain paths, whatever lies beside them is checked to be JSON and skipped. Must never give
//! a wanted path another value than the whole tree would.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A step of a plain path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Name(String),
    /// An element of an array.
    Position(usize),
}

/// What an extractor wants of a JSON body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// Nothing: there need not be a body.
    Nothing,
    /// A body, of whatever kind.
    Text,
    /// A body that is text; it need not be JSON.
    Utf8,
    /// What one path of plain steps leads to.
    Path(&'a [Step]),
    /// All of it.
    Whole,
}

impl Need<'_> {
    /// Whether the body has to be JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        match self {
            Self::Nothing | Self::Text | Self::Utf8 => false,
            Self::Path(_) | Self::Whole => true,
        }
    }
}

/// The branches of a body that columns want.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    whole: bool,
    names: Vec<(String, Wanted)>,
    positions: Vec<(usize, Wanted)>,
}

impl Wanted {
    /// What all of these need of a JSON body together; `None`: nothing.
    #[must_use]
    pub fn of<'a>(needs: impl IntoIterator<Item = Need<'a>>) -> Option<Self> {
        let mut wanted: Option<Self> = None;
        for need in needs {
            match need {
                Need::Nothing | Need::Text | Need::Utf8 => {}
                Need::Path(steps) => wanted.get_or_insert_default().add(steps),
                Need::Whole => wanted.get_or_insert_default().whole = true,
            }
        }
        wanted
    }

    /// All of a JSON body.
    #[must_use]
    pub fn whole() -> Self {
        Self { whole: true, ..Self::default() }
    }

    fn add(&mut self, steps: &[Step]) {
        match steps {
            [] => self.whole = true,
            [Step::Name(name), rest @ ..] => branch(&mut self.names, name).add(rest),
            [Step::Position(position), rest @ ..] => branch(&mut self.positions, position).add(rest),
        }
    }

    /// Reads a body: an error when it is not JSON, else a tree in which every wanted path has the value
    /// that it has in the body. What is not wanted is missing, or null where it keeps a position.
    ///
    /// # Errors
    /// When the body is not JSON.
    pub fn read(&self, body: &str) -> Result<Value, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(body);
        let value = self.deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }
}

fn branch<'b, K: PartialEq + Clone>(branches: &'b mut Vec<(K, Wanted)>, key: &K) -> &'b mut Wanted {
    let known = branches.iter().position(|(known, _)| known == key);
    let at = known.unwrap_or_else(|| {
        branches.push((key.clone(), Wanted::default()));
        branches.len() - 1
    });
    &mut branches[at].1
}

impl<'de> DeserializeSeed<'de> for &Wanted {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        if self.whole { serde::Deserialize::deserialize(reader) } else { reader.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for &Wanted {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(found) = access.next_key_seed(Known(&self.names))? {
            match found {
                // As in a whole tree, the last of equal names wins.
                Some((name, wanted)) => {
                    let value = access.next_value_seed(wanted)?;
                    map.insert(name.clone(), value);
                }
                None => {
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let end = self.positions.iter().map(|(position, _)| position + 1).max().unwrap_or(0);
        let mut items = Vec::new();
        while items.len() < end {
            let wanted = self.positions.iter().find(|(position, _)| *position == items.len());
            let item = match wanted {
                Some((_, wanted)) => access.next_element_seed(wanted)?,
                None => access.next_element::<IgnoredAny>()?.map(|_| Value::Null),
            };
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(items))
    }

    // A path that goes on behind any of these leads nowhere, so that they need no value.

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// Finds a member's name among those that are wanted, without keeping it.
struct Known<'w>(&'w [(String, Wanted)]);

impl<'de, 'w> DeserializeSeed<'de> for Known<'w> {
    type Value = Option<&'w (String, Wanted)>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'w> Visitor<'_> for Known<'w> {
    type Value = Option<&'w (String, Wanted)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(known, _)| known == name))
    }
}

/// The value at the end of a path.
#[must_use]
pub fn walk<'v>(steps: &[Step], item: &'v Value) -> Option<&'v Value> {
    steps.iter().try_fold(item, |value, step| match (value, step) {
        (Value::Object(map), Step::Name(name)) => map.get(name),
        (Value::Array(items), Step::Position(position)) => items.get(*position),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn name(name: &str) -> Step {
        Step::Name(name.to_owned())
    }

    fn wanted(paths: &[Vec<Step>]) -> Wanted {
        Wanted::of(paths.iter().map(|path| Need::Path(path))).unwrap()
    }

    #[test]
    fn only_what_is_wanted_is_kept() {
        let body = r#"{"a": {"b": 1, "c": 2}, "d": [7, 8, 9], "a": {"b": 3, "x": "y"}, "e": "\u0041"}"#;
        let read = wanted(&[vec![name("a"), name("b")], vec![name("d"), Step::Position(1)]]).read(body).unwrap();
        assert_eq!(read, json!({"a": {"b": 3}, "d": [null, 8]}));
    }

    #[test]
    fn what_is_not_wanted_must_still_be_json() {
        let wanted = wanted(&[vec![name("a")]]);
        for body in ["{\"b\": tru}", "{\"a\": 1} x", "{\"a\": 1", "[1,]", "", "<html>"] {
            assert!(wanted.read(body).is_err(), "{body}");
        }
        assert_eq!(wanted.read("[1, {\"a\": 2}]").unwrap(), json!([]));
        assert_eq!(wanted.read("\"a\"").unwrap(), Value::Null);
    }

    #[test]
    fn needs_add_up() {
        let path = [name("a")];
        assert_eq!(Wanted::of([Need::Nothing, Need::Text]), None);
        assert!(Wanted::of([Need::Path(&path), Need::Whole]).unwrap().whole);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c\"\\\\é]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec(("[a-c]", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn any_path() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof!["[a-c]".prop_map(Step::Name), (0..4_usize).prop_map(Step::Position)];
        proptest::collection::vec(step, 0..4)
    }

    proptest! {
        #[test]
        fn a_wanted_path_has_the_value_of_the_whole(
            body in any_json(),
            paths in proptest::collection::vec(any_path(), 1..4),
        ) {
            let read = wanted(&paths).read(&body.to_string()).unwrap();
            for path in &paths {
                // Null and missing are the same for a column.
                let whole = walk(path, &body).cloned().unwrap_or_default();
                prop_assert_eq!(walk(path, &read).cloned().unwrap_or_default(), whole);
            }
        }
    }
}
