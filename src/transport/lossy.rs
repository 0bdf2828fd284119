//! Headers through an engine whose types hold ASCII alone and keep no order.
//!
//! Must never change what the engine left alone.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What stands for a byte beyond ASCII on the way.
const BEYOND: u8 = b'?';

/// A value as it can pass.
pub(super) fn ascii(value: &HeaderValue) -> Vec<u8> {
    value.as_bytes().iter().map(|byte| if byte.is_ascii() { *byte } else { BEYOND }).collect()
}

/// What became of `given`: what was left alone as it was, byte for byte and in its order, then what is new,
/// by name. A changed value of a sensitive header is sensitive.
///
/// # Errors
/// In words, when a name or a value that came on the way can't be one.
pub(super) fn merged(given: &HeaderMap, mut through: Vec<(&str, &str)>) -> Result<HeaderMap, String> {
    through.sort_by_key(|(name, _)| *name);
    let mut merged = HeaderMap::with_capacity(given.keys_len());
    for name in given.keys() {
        let values = of_name(&through, name.as_str());
        if left_alone(given, name, values) {
            merged.extend(given.get_all(name).iter().map(|value| (name.clone(), value.clone())));
        } else {
            let sensitive = given.get_all(name).iter().any(HeaderValue::is_sensitive);
            append(&mut merged, name, values, sensitive)?;
        }
    }
    for values in through.chunk_by(|one, other| one.0 == other.0) {
        let written = values[0].0;
        let Ok(name) = HeaderName::from_bytes(written.as_bytes()) else {
            return Err(format!("`{}` can't be the name of a header", written.escape_debug()));
        };
        if !given.contains_key(&name) {
            append(&mut merged, &name, values, false)?;
        }
    }
    Ok(merged)
}

fn of_name<'t, 's>(sorted: &'t [(&'s str, &'s str)], name: &str) -> &'t [(&'s str, &'s str)] {
    let start = sorted.partition_point(|(other, _)| *other < name);
    let count = sorted[start..].iter().take_while(|(other, _)| *other == name).count();
    &sorted[start..start + count]
}

fn left_alone(given: &HeaderMap, name: &HeaderName, values: &[(&str, &str)]) -> bool {
    let same = |(one, (_, other)): (&HeaderValue, &(&str, &str))| {
        let (one, other) = (one.as_bytes(), other.as_bytes());
        let is_it = |(one, other): (&u8, &u8)| one == other || (!one.is_ascii() && *other == BEYOND);
        one.len() == other.len() && one.iter().zip(other).all(is_it)
    };
    let given = given.get_all(name);
    given.iter().count() == values.len() && given.iter().zip(values).all(same)
}

fn append(into: &mut HeaderMap, name: &HeaderName, values: &[(&str, &str)], sensitive: bool) -> Result<(), String> {
    for (_, value) in values {
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("the value of the header `{name}` has a control character"))?;
        value.set_sensitive(sensitive);
        into.append(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(given: &HeaderMap) -> Vec<(String, String)> {
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8(ascii(value)).unwrap())
        };
        given.iter().map(pair).collect()
    }

    fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    proptest! {
        #[test]
        fn what_is_left_alone_comes_back_as_it_was(
            pairs in proptest::collection::vec(("[a-d]{1,2}", proptest::collection::vec(0x20..=0xfe_u8, 0..6), any::<bool>()), 0..12),
            order in any::<prop::sample::Index>(),
        ) {
            let mut given = HeaderMap::new();
            for (name, value, sensitive) in pairs {
                let value: Vec<u8> = value.into_iter().filter(|byte| *byte != 0x7f).collect();
                let mut value = HeaderValue::from_bytes(&value).unwrap();
                value.set_sensitive(sensitive);
                given.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            }
            // A map of names in any order; values of a name keep theirs.
            let mut passed = through(&given);
            passed.sort_by_key(|(name, _)| name.clone());
            let at = if passed.is_empty() { 0 } else { order.index(passed.len()) };
            let cut = passed[at..].first().map(|(name, _)| name.clone());
            let at = passed.iter().position(|(name, _)| Some(name) == cut.as_ref()).unwrap_or(0);
            passed.rotate_left(at);
            let merged = merged(&given, borrowed(&passed)).unwrap();
            prop_assert_eq!(merged.iter().collect::<Vec<_>>(), given.iter().collect::<Vec<_>>());
            let marks = |map: &HeaderMap| map.values().map(HeaderValue::is_sensitive).collect::<Vec<_>>();
            prop_assert_eq!(marks(&merged), marks(&given));
        }
    }

    #[test]
    fn what_was_changed_on_the_way_takes_effect() {
        let mut key = HeaderValue::from_static("secret");
        key.set_sensitive(true);
        let mut given = HeaderMap::new();
        given.insert("x-key", key);
        given.insert("x-name", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        given.insert("x-gone", HeaderValue::from_static("1"));
        let merged =
            merged(&given, vec![("x-new", "n"), ("x-name", "caf?"), ("x-key", "other"), ("a", "1"), ("a", "2")]);
        let merged = merged.unwrap();
        let names: Vec<&str> = merged.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-key", "x-name", "a", "x-new"]);
        assert!(merged["x-key"] == "other" && merged["x-key"].is_sensitive());
        assert_eq!(merged["x-name"].as_bytes(), b"caf\xe9");
        assert_eq!(merged.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn what_no_header_can_hold_is_told() {
        let none = HeaderMap::new();
        assert!(merged(&none, vec![("x y", "1")]).unwrap_err().contains("`x y`"));
        assert!(merged(&none, vec![("x", "1\n2")]).unwrap_err().contains("control character"));
    }
}
