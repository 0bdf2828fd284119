//! Finds where a name that stands twice was defined first.
//!
//! The parser tells only the second place. Must never guess: no place is better than a wrong one.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::repair::line_around;
use super::{Node, NodeValue, Place, parse};

/// The key at `span` of `text`, unquoted.
pub(super) fn name(text: &str, span: &Range<usize>) -> String {
    let raw = text.get(span.clone()).unwrap_or_default();
    unquoted(raw).to_owned()
}

fn unquoted(raw: &str) -> &str {
    let raw = raw.trim();
    let quoted = |quote: char| raw.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(raw)
}

/// Whether `at` stands in a table header.
pub(super) fn in_header(text: &str, at: usize) -> bool {
    is_header(&text[line_around(text, at).start..at])
}

/// Whether a line that begins so is a table header as far as that goes.
pub(super) fn is_header(before: &str) -> bool {
    before.trim_start().starts_with('[') && !before.contains('=')
}

/// The longest text above a name that is read again to find it: a file may have many such names.
const FAR: usize = 128 << 10;

/// Where the name at `span` was defined before, in positions of `text`.
pub(super) fn first(text: &str, span: &Range<usize>, root: &Node) -> Option<Range<usize>> {
    let is_far = span.start > FAR;
    let found = if in_header(text, span.start) {
        if is_far { None } else { before_header(text, span) }
    } else if is_far {
        before_pair(text, span, root)
    } else {
        // The text above knows the tables as they were; the whole tree knows the inline table around.
        let above = parse::fragment(&text[..line_around(text, span.start).start]);
        before_pair(text, span, &above).or_else(|| before_pair(text, span, root))
    };
    found.filter(|found| found.end <= span.start)
}

/// Reads the text above the header alone: there the first definition still stands.
fn before_header(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let line = line_around(text, span.start);
    let (above, _) = DeTable::parse_recoverable(&text[..line.start]);
    let (header, _) = DeTable::parse_recoverable(&text[line.clone()]);
    let (mut above, mut header) = (above.get_ref(), header.get_ref());
    loop {
        let (key, value) = header.iter().next()?;
        let (known, below) = above.iter().find(|(known, _)| known.get_ref() == key.get_ref())?;
        if key.span().end + line.start >= span.end {
            return Some(known.span());
        }
        (above, header) = (last_table(below.get_ref())?, last_table(value.get_ref())?);
    }
}

fn last_table<'t, 'i>(value: &'t DeValue<'i>) -> Option<&'t DeTable<'i>> {
    match value {
        DeValue::Table(table) => Some(table),
        DeValue::Array(items) => items.iter().last().and_then(|item| item.get_ref().as_table()),
        _ => None,
    }
}

fn before_pair(text: &str, span: &Range<usize>, root: &Node) -> Option<Range<usize>> {
    let mut table = root;
    container(text, span.start, root, &mut table);
    let line = line_around(text, span.start);
    let start = text[line.start..span.start].rfind(['{', ',']).map_or(line.start, |found| line.start + found + 1);
    let path = text[start..span.start].trim().trim_end_matches('.');
    if !path.trim().is_empty() {
        for key in path.split('.') {
            table = &table.entry(unquoted(key))?.1;
        }
    }
    table.entry(&name(text, span)).map(|(key, _)| range(key.place))
}

fn range(place: Place) -> Range<usize> {
    place.start..place.end
}

/// The table that a statement at `at` belongs to: the inline table around it, or the header above it.
fn container<'n>(text: &str, at: usize, node: &'n Node, best: &mut &'n Node) {
    let holds = match text.as_bytes().get(node.place.start) {
        Some(b'{') => range(node.place).contains(&at),
        Some(b'[') => node.place.start < at,
        _ => false,
    };
    match &node.value {
        NodeValue::Table(entries) => {
            if holds && node.place.start >= best.place.start {
                *best = node;
            }
            entries.iter().for_each(|(_, child)| container(text, at, child, best));
        }
        NodeValue::Array(items) => items.iter().for_each(|child| container(text, at, child, best)),
        NodeValue::String(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::Boolean(_)
        | NodeValue::Datetime(_) => {}
    }
}
