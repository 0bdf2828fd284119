//! Named values in a text that is sent as it is: JSON, forms, XML, queries of GraphQL. The text may be a template, or
//! no valid document at all.
//!
//! Must never take long: each form is one linear search.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// A named value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member<'t> {
    /// Its name.
    pub(crate) name: &'t str,
    /// Bytes of its value in the text, as written there.
    pub(crate) value: Range<usize>,
}

/// Each finds a name and then its value.
static FORMS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let forms = [
        // JSON; `\"` where it stands in a JSON text itself.
        r#"\\?"([^"\\]{1,100})\\?"\s*:\s*\\?"((?:[^"\\]|\\[^"])*)"#,
        // GraphQL
        r#"\b([A-Za-z_][A-Za-z0-9_]{0,99})\s*:\s*\\?"((?:[^"\\]|\\[^"])*)"#,
        // forms and queries
        r#"(?:^|[&?;\s])([A-Za-z0-9_.\-\[\]]{1,100})=([^&;\s"'<>]+)"#,
        // XML
        r#"<([A-Za-z_][A-Za-z0-9_:.\-]{0,99})(?:\s[^<>]{0,200})?>([^<>]+)</"#,
    ];
    forms.iter().filter_map(|form| Regex::new(form).ok()).collect()
});

/// Every named value that a text seems to have.
pub(crate) fn members(text: &str) -> Vec<Member<'_>> {
    let mut found = Vec::new();
    for form in FORMS.iter() {
        for captures in form.captures_iter(text) {
            if let (Some(name), Some(value)) = (captures.get(1), captures.get(2)) {
                found.push(Member { name: name.as_str(), value: value.range() });
            }
        }
    }
    found.sort_by_key(|member| member.value.start);
    found.dedup_by(|one, other| one.value.start == other.value.start);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_values_are_found_in_every_form() {
        assert_eq!(FORMS.len(), 4);
        for (text, found) in [
            (r#"{"user": "me", "a": {"password" : "x y"}, "n": 5}"#, &[("user", "me"), ("password", "x y")][..]),
            (r#"{"n": {{ row.n }}, "secret": "{{ secrets.s }}"}"#, &[("secret", "{{ secrets.s }}")]),
            (r#"{"query": "login(password: \"hush\", n: 1)"}"#, &[("query", "login(password: "), ("password", "hush")]),
            ("user=me&password=hush&flag", &[("user", "me"), ("password", "hush")]),
            ("<login a='b'><x:password>hush</x:password></login>", &[("x:password", "hush")]),
            ("no names here: really", &[]),
        ] {
            let told: Vec<(&str, &str)> =
                members(text).into_iter().map(|member| (member.name, &text[member.value])).collect();
            for pair in found {
                assert!(told.contains(pair), "{text}: {told:?}");
            }
            assert!(!found.is_empty() || told.is_empty(), "{text}: {told:?}");
        }
    }
}
