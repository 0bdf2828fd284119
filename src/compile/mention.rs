//! Which names of a table (`vars`, `secrets`, `row`) a piece of the spec mentions in its texts.
//!
//! A coarse look at the text, for warnings and for what belongs to the job's identity; when in doubt,
//! a name is mentioned.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use crate::spec::JobSpec;

/// Every text of a piece of the spec.
pub fn text_of(spec: &impl Serialize) -> String {
    serde_json::to_string(spec).unwrap_or_default()
}

/// Every text of the job that templates stand in: those of the endpoints, and the limits and the proxy that
/// serve them, of sinks and of notifications.
pub fn texts(spec: &JobSpec) -> Vec<String> {
    let proxy = spec.client.iter().map(|client| text_of(&client.proxy));
    let limits = spec.limits.iter().map(text_of);
    let sinks = spec.sinks.iter().flat_map(|sinks| &sinks.0).map(|(_, sink)| text_of(sink));
    let notify = spec.notify.iter().map(text_of);
    // A path with such a name in it is no template.
    let sinks = sinks.filter(|text| text.contains("{{"));
    spec.endpoints
        .0
        .iter()
        .map(|(_, endpoint)| text_of(endpoint))
        .chain(limits)
        .chain(proxy)
        .chain(sinks)
        .chain(notify)
        .collect()
}

/// Longest part of a key that is looked at.
const LONGEST: usize = 256;

/// The names of a table that texts mention, found in one look at them.
#[derive(Debug, Default)]
pub struct Mentions<'t> {
    /// Whether it is used in a way that may mention any name.
    all: bool,
    /// `table.name`
    fields: HashSet<&'t str>,
    /// What stands behind the quote of `table["name"]`.
    keys: BTreeSet<&'t str>,
}

impl<'t> Mentions<'t> {
    /// Looks at texts.
    pub fn of(texts: impl IntoIterator<Item = &'t str>, table: &'t str) -> Self {
        let mut mentions = Self::default();
        for after in texts.into_iter().flat_map(|text| uses(text, table)) {
            mentions.add(after.trim_start());
        }
        mentions
    }

    fn add(&mut self, after: &'t str) {
        if let Some(field) = after.strip_prefix('.') {
            self.fields.insert(word(field.trim_start()));
            return;
        }
        let index = after.strip_prefix('[').map(str::trim_start);
        match index.filter(|index| index.starts_with(['\\', '"', '\''])) {
            Some(index) => {
                let key = index.trim_start_matches([' ', '\\', '"', '\'']);
                let end = (0..=LONGEST.min(key.len())).rev().find(|end| key.is_char_boundary(*end)).unwrap_or(0);
                self.keys.insert(&key[..end]);
            }
            None => self.all = true,
        }
    }

    /// Whether a name is mentioned; when in doubt it is.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let begins = || self.keys.range(name..).next().is_some_and(|key| key.starts_with(name));
        let is_too_long = name.len() + char::MAX.len_utf8() > LONGEST && !self.keys.is_empty();
        self.all || self.fields.contains(name) || is_too_long || begins()
    }
}

/// Whether `table.name` or `table["name"]` stands in the text; a table that is used in any other way
/// mentions all of its names.
pub fn mentions(text: &str, table: &str, name: &str) -> bool {
    Mentions::of([text], table).has(name)
}

/// Whether a template's text uses a table at all.
pub fn uses_table(text: &str, table: &str) -> bool {
    (text.contains("{{") || text.contains("{%")) && uses(text, table).next().is_some()
}

/// Whether a condition names a table at all: a column or a text of that name is none.
pub fn names_table(text: &str, table: &str) -> bool {
    uses(text, table).any(|after| {
        let before = &text[..text.len() - after.len() - table.len()];
        !before.trim_end().ends_with(['.', '"', '\''])
    })
}

/// What stands behind each use of the word `table`.
fn uses<'t>(text: &'t str, table: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(table).filter_map(move |(start, _)| {
        let before = text[..start].chars().next_back();
        let after = &text[start + table.len()..];
        let whole = !before.is_some_and(is_word) && !after.chars().next().is_some_and(is_word);
        whole.then_some(after)
    })
}

fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_templates_use_them() {
        for text in [
            "{{ vars.base }}",
            "{{vars . base|upper}}",
            r#"{{ vars[\"base\"] }}"#,
            "{{ vars['base'] }}",
            "{{ vars | tojson }}",
            "{{ vars[x] }}",
        ] {
            assert!(mentions(text, "vars", "base"), "{text}");
            let is_any = text.contains("vars |") || text.contains("[x]");
            assert_eq!(mentions(text, "vars", "other"), is_any, "{text}");
        }
        for text in ["{{ vars.based }}", "{{ myvars.base }}", "{{ variables.base }}", "base", "{{ vars['other'] }}"] {
            assert!(!mentions(text, "vars", "base"), "{text}");
        }
        assert!(names_table("row.a == vars.b", "vars") && names_table("secrets.x", "secrets"));
        assert!(!names_table("row.vars == 'vars' and row[\"vars\"]", "vars"));
        assert!(uses_table("https://{{ row.host }}/", "row"));
        assert!(!uses_table("https://row/{{ secrets.x }}", "rows"));
    }
}
