//! What to write in place of a value of the wrong type, where the value tells what was meant.
//!
//! Must never offer what the schema refuses, nor show a text that may be a secret.

use super::example::toml_key;
use super::view::View;
use super::{Spot, Walker, short};
use crate::diagnostic::did_you_mean;
use crate::document::{Node, NodeValue};
use crate::spec::kind::EXACTLY_ONE;

/// Longest value that is written out again.
const LONGEST: usize = 60;

impl Walker<'_> {
    /// Of a table that stands there as the value of one of its keys (`timeout = "10s"`): that key, if it is the one that
    /// is shown as the example, or the only one that takes such a value.
    pub(super) fn member(&self, branches: &[View<'_>], node: &Node, spot: &Spot) -> Option<String> {
        let key = spot.key_name()?;
        let fits = |view: &View<'_>| {
            let mut attempt = Walker { found: Vec::new(), wrong: Vec::new(), trying: true, ..*self };
            attempt.value(view, node, &Spot { path: spot.path.clone(), key: spot.key });
            attempt.found.is_empty()
        };
        // A table that needs more than that key is better shown whole.
        let is_enough = |table: &View<'_>, name: &str| {
            let kinds = table.texts(EXACTLY_ONE);
            table.texts("required").iter().all(|needed| *needed == name) && (kinds.is_empty() || kinds.contains(&name))
        };
        let tables = branches.iter().filter(|branch| branch.types().contains(&"object"));
        let members =
            tables.flat_map(|table| table.properties().map(move |(name, schema)| (table, name, table.of(schema))));
        let mut fitting: Vec<(&View<'_>, &str)> = members
            .filter(|(table, name, schema)| is_enough(table, name) && fits(schema))
            .map(|(table, name, _)| (table, name))
            .collect();
        let shown =
            fitting.iter().position(|(table, name)| super::example::example_name(table).as_deref() == Some(name));
        let (_, member) = match shown {
            Some(position) => fitting.swap_remove(position),
            // A number fits too many keys to be meant for one that nobody thinks of first.
            None if matches!(node.value, NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Boolean(_)) => {
                return None;
            }
            None => fitting.pop().filter(|_| fitting.is_empty())?,
        };
        let path = format!("{}.{}", toml_key(key), toml_key(member));
        let text = &self.document.sources[node.place.source].text;
        let written = text.get(node.place.start..node.place.end).filter(|text| is_short(text));
        Some(match written {
            Some(written) => format!("write `{path} = {written}`"),
            None => format!("write `{path}` in place of `{}`", toml_key(key)),
        })
    }

    /// Of a table under a header of its own (`[notify]`) where a list of tables is wanted: how their headers are written.
    pub(super) fn one_of_many(&self, branches: &[View<'_>], node: &Node, spot: &Spot) -> Option<String> {
        let is_table = |view: View<'_>| view.branches().iter().any(|branch| branch.types().contains(&"object"));
        let mut items = branches.iter().filter_map(|branch| Some(branch.of(branch.get("items")?)));
        let text = &self.document.sources[node.place.source].text;
        let is_header = matches!(node.value, NodeValue::Table(_)) && text.get(node.place.start..)?.starts_with('[');
        (is_header && items.any(is_table)).then(|| {
            let path = &spot.path;
            format!("write `[[{path}]]`: two brackets for each table of a list")
        })
    }
}

/// Whether a value can be shown again in a line.
fn is_short(text: &str) -> bool {
    text.len() <= LONGEST && !text.contains(|c: char| c.is_control() || c == '`')
}

/// Whether a value is one of those that are listed, where some are.
fn may_be(branch: &View<'_>, value: &NodeValue) -> bool {
    let Some(names) = branch.get("enum").and_then(|names| names.as_array()) else { return true };
    matches!(value, NodeValue::String(text) if names.iter().any(|name| name.as_str() == Some(text)))
}

/// What to write instead, where the value tells what was meant.
pub(super) fn mend(view: &View<'_>, branches: &[View<'_>], value: &NodeValue) -> Option<String> {
    let takes = |name: &str| branches.iter().any(|branch| branch.types().contains(&name));
    // Versions look like numbers: `http = 2`, `min-version = 1.3`.
    let number = match value {
        NodeValue::Integer(integer) => Some(integer.to_string()),
        NodeValue::Float(float) => Some(format!("{float:?}")),
        NodeValue::String(_) | NodeValue::Boolean(_) | NodeValue::Datetime(_) => None,
        NodeValue::Array(_) | NodeValue::Table(_) => None,
    };
    let mut names = branches.iter().filter_map(|branch| branch.get("enum")?.as_array()).flatten();
    if let Some(number) = number.filter(|number| names.any(|name| name.as_str() == Some(number))) {
        return Some(format!("write it in quotes: \"{number}\""));
    }
    match value {
        NodeValue::Integer(integer) => {
            if let Some(format) = branches.iter().find_map(View::format).filter(|format| !format.units.is_empty()) {
                let written: Vec<String> = format.units.iter().map(|unit| format!("\"{integer}{unit}\"")).collect();
                Some(format!("write the unit too: {}", written.join(" or ")))
            } else {
                // A text that is wanted in a form of its own is better shown than quoted.
                let free = view.get("examples").is_none() && view.get("default").is_none();
                (free && takes("string")).then(|| format!("write it in quotes: \"{integer}\""))
            }
        }
        NodeValue::String(text) => {
            let unquoted = (takes("integer") && text.parse::<i64>().is_ok())
                || (takes("number") && text.parse::<f64>().is_ok())
                || (takes("boolean") && matches!(text.as_str(), "true" | "false"));
            let number = text.parse::<i64>().ok().map(NodeValue::Integer);
            let holds = |value: &NodeValue| {
                let items = branches.iter().filter_map(|branch| Some(branch.of(branch.get("items")?)));
                items.flat_map(|items| items.branches()).any(|branch| branch.accepts(value) && may_be(&branch, value))
            };
            let named = branches.iter().filter_map(|branch| branch.get("enum")?.as_array()).flatten();
            let near = did_you_mean(text, named.filter_map(|name| name.as_str()));
            if let Some(near) = near {
                return Some(format!("did you mean \"{near}\"?"));
            }
            let listed = match number.filter(&holds) {
                Some(_) => Some(format!("write a list: [{text}]")),
                None => holds(value).then(|| format!("write a list: [\"{}\"]", short(text))),
            };
            if unquoted { Some(format!("write it without quotes: {text}")) } else { listed }
        }
        // A date is no duration, with quotes or without.
        NodeValue::Datetime(text)
            if branches.iter().find_map(View::format).is_some_and(|it| (it.check)(text).is_err()) =>
        {
            None
        }
        NodeValue::Datetime(text) => takes("string").then(|| format!("write it in quotes: \"{text}\"")),
        NodeValue::Float(_) | NodeValue::Boolean(_) | NodeValue::Array(_) | NodeValue::Table(_) => None,
    }
}
