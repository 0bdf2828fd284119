//! The `version` of a file: which it has, which steps lead from there, and how the new one is written.
//!
//! Must never move a comment away from what it stands above.

use toml_edit::{DocumentMut, Item, Table, Value};

use super::{CURRENT, Step};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::{Document, KeyPath, Node, NodeValue, Overlays};
use crate::spec::version::{self, UNSAID};

/// The key.
const KEY: &str = "version";

/// The version of a file, or what is wrong with it.
pub(super) fn of(document: &Document) -> Result<i64, Box<Diagnostic>> {
    document.get(&KeyPath::of([KEY])).map_or(Ok(UNSAID), |node| version::number(node, &format!("`{KEY}`")))
}

/// The steps from a version to the present one; `None` if there is no way.
pub(super) fn way(from: i64, steps: &[Step]) -> Option<Vec<Step>> {
    let (mut version, mut way) = (from, Vec::new());
    while version < CURRENT {
        let step = steps.iter().find(|step| step.from == version && step.to > version)?;
        way.push(*step);
        version = step.to;
    }
    (version == CURRENT).then_some(way)
}

/// What `check` would say of a file with this version, and of what its profiles say.
pub(super) fn refusals(document: &Document, version: i64) -> Vec<Diagnostic> {
    let of_file = version::refusal(version, document.place(&KeyPath::of([KEY])));
    let profiles = match document.get(&KeyPath::of(["profiles"])).map(|node| &node.value) {
        Some(NodeValue::Table(profiles)) => Some(profiles),
        _ => None,
    };
    let of_profiles = profiles.into_iter().flatten().filter_map(|(profile, node)| {
        let (_, node) = node.entry(KEY)?;
        version::judged(node, &KeyPath::of(["profiles", profile.name.as_str(), KEY]).named())
    });
    of_file.into_iter().chain(of_profiles).collect()
}

/// A job file with what it includes, and what is wrong with versions there that no step leads from. Those that steps lead
/// from are mended by migrating their own files.
pub(super) fn beneath(document: &Document, steps: &[Step]) -> (Document, Vec<Diagnostic>) {
    // What else is wrong with the files is for `check` to say.
    let text = document.sources[0].text.clone();
    let whole = Document::parse(&document.path, text, &Overlays::default(), &mut Diagnostics::default());
    let Some(whole) = whole else { return (document.clone(), Vec::new()) };
    let is_lost = |node: &&Node| match node.value {
        NodeValue::Integer(version) => way(version, steps).is_none(),
        _ => true,
    };
    let wrong = whole.beneath.iter().filter(is_lost).filter_map(version::of_include).collect();
    (whole, wrong)
}

/// The text of a document that says the present version.
pub(super) fn written(mut document: DocumentMut) -> String {
    if let Some(value) = document.get_mut(KEY).and_then(Item::as_value_mut) {
        let decor = value.decor().clone();
        *value = Value::from(CURRENT);
        *value.decor_mut() = decor;
        return document.to_string();
    }
    let is_pair = |item: &Item| item.is_value() || item.as_table().is_some_and(Table::is_dotted);
    if document.iter().any(|(_, item)| is_pair(item)) {
        document.insert(KEY, toml_edit::value(CURRENT));
        return document.to_string();
    }
    above_tables(&document.to_string())
}

/// Puts the version above the first table, behind what the comment at the top says of the whole file.
fn above_tables(text: &str) -> String {
    let lines = || text.split_inclusive('\n');
    let length = |lines: &mut dyn Iterator<Item = &str>| lines.map(str::len).sum::<usize>();
    let block = length(&mut lines().take_while(|line| line.starts_with('#')));
    // Of a comment right above a table, what is for tools alone: `#:schema ...`, `#!/usr/bin/env ...`.
    let is_own = text[block..].starts_with('\n');
    let for_tools = length(&mut lines().take_while(|line| line.starts_with("#:") || line.starts_with("#!")));
    let (above, below) = text.split_at(if is_own { block } else { for_tools });
    let gap = if below.is_empty() || below.starts_with('\n') { "" } else { "\n" };
    format!("{above}{KEY} = {CURRENT}\n{gap}{below}")
}

/// Changes a text as one without a byte order mark and with line feeds alone, as the editor wants it, and gives it back
/// its own.
pub(super) fn in_line_feeds(text: &str, change: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    let mark = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let body = &text[mark.len()..];
    let returns = body.matches("\r\n").count();
    let is_crlf = returns > 0 && returns == body.matches('\n').count();
    let changed = if is_crlf { change(&body.replace("\r\n", "\n")) } else { change(body) }?;
    Some(format!("{mark}{}", if is_crlf { changed.replace('\n', "\r\n") } else { changed }))
}
