//! From text to our own tree, with the syntax errors told.
//!
//! Must never interpret a value beyond TOML: that is the work of `spec` and `compile`.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics, codes};

use super::repair::{self, Repaired};
use super::{Key, Node, NodeValue, Place, head, stranger, syntax, teach};

/// The deepest nesting of a job file; a job of the language has less than a tenth of it.
const DEEPEST: usize = 100;

/// Parses the text of the file at `path`, as [`text`] does.
///
/// Of one that is called otherwise than a job, does not look like one, and is no TOML, no line is shown: it may hold
/// passwords.
pub(super) fn file(path: &Path, text: &str, diagnostics: &mut Diagnostics) -> Node {
    if stranger::is_named_as_job(path) || stranger::has_look_of_job(text) {
        return self::text(text, diagnostics);
    }
    let mut told = Diagnostics::default();
    let tree = self::text(text, &mut told);
    match stranger::refusal(text, &told) {
        Some(refusal) => {
            diagnostics.push(refusal);
            diagnostics.unread_keys();
            root(Vec::new())
        }
        None => {
            diagnostics.adopt(told, 0);
            tree
        }
    }
}

/// Parses the text of the job file, source 0. What could not be read is missing from the tree.
pub(super) fn text(text: &str, diagnostics: &mut Diagnostics) -> Node {
    if let Some(diagnostic) = teach::other_language(text) {
        return nothing(diagnostic, diagnostics);
    }
    let head = head::of(text);
    let is_cut = head.is_some();
    let text = head.unwrap_or(text);
    let (mut tree, mut errors) = DeTable::parse_recoverable(text);
    if let Some(diagnostic) = (!errors.is_empty()).then(|| teach::conflict(text)).flatten() {
        return nothing(diagnostic, diagnostics);
    }
    let repaired = if errors.is_empty() { Repaired::default() } else { repair::repair(text, &errors) };
    if !repaired.is_untouched() {
        (tree, errors) = DeTable::parse_recoverable(&repaired.text);
    }
    let mut converter = Converter { source: 0, map: &|at| repaired.original(at), refused: Vec::new() };
    let root = root(converter.table(tree.get_ref(), 0));
    let refused = converter.refused;
    let sound = syntax::report(text, &errors, &repaired, &root, diagnostics);
    tell(refused, diagnostics);
    if is_cut {
        diagnostics.push(head::too_many(text.len()));
        diagnostics.unread_keys();
    }
    if sound && !is_cut { root } else { self::root(Vec::new()) }
}

/// The tree of a text that is told of in one error.
fn nothing(diagnostic: Diagnostic, diagnostics: &mut Diagnostics) -> Node {
    diagnostics.push(diagnostic);
    diagnostics.unread_keys();
    root(Vec::new())
}

fn root(entries: Vec<(Key, Node)>) -> Node {
    Node { place: Place { source: 0, start: 0, end: 0 }, value: NodeValue::Table(entries.into()) }
}

/// The tree of the start of a text that has errors, as far as there is one.
pub(super) fn fragment(text: &str) -> Node {
    let (tree, _) = DeTable::parse_recoverable(text);
    root(Converter { source: 0, map: &|at| at, refused: Vec::new() }.table(tree.get_ref(), 0))
}

/// Parses a single value that stands at byte `offset` of source `source`; `None` if it is no TOML value.
pub(super) fn value(text: &str, source: usize, offset: usize, diagnostics: &mut Diagnostics) -> Option<Node> {
    let value = DeValue::parse(text).ok()?;
    let mut converter = Converter { source, map: &|at| at + offset, refused: Vec::new() };
    let node = converter.node(&value, 0);
    tell(converter.refused, diagnostics);
    Some(node)
}

/// Tells what toml takes and a job can't use; behind the syntax errors, for a value has one error at most.
fn tell(refused: Vec<(Place, Diagnostic)>, diagnostics: &mut Diagnostics) {
    for (place, diagnostic) in refused {
        diagnostics.push(diagnostic);
        diagnostics.unread(place);
    }
}

/// Turns toml's tree into ours.
struct Converter<'a> {
    source: usize,
    /// From a position in the parsed text to one in the source.
    map: &'a dyn Fn(usize) -> usize,
    /// Values that toml takes and a job can't use.
    refused: Vec<(Place, Diagnostic)>,
}

impl Converter<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let start = (self.map)(span.start);
        Place { source: self.source, start, end: (self.map)(span.end).max(start) }
    }

    fn table(&mut self, table: &DeTable<'_>, depth: usize) -> Vec<(Key, Node)> {
        let entries = table.iter().map(|(key, value)| {
            let key = Key { place: self.place(key.span()), name: key.get_ref().to_string() };
            let mut node = self.node(value, depth + 1);
            if value.span() == (0..0) {
                // A value that could not be read stands nowhere.
                node.place = key.place;
            }
            (key, node)
        });
        entries.collect()
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>, depth: usize) -> Node {
        let place = self.place(value.span());
        if depth > DEEPEST {
            self.refuse(
                codes::SYNTAX,
                place,
                "the file is nested too deeply",
                "a job needs a few levels; 100 is the most",
            );
            return Node { place, value: NodeValue::Boolean(false) };
        }
        let value = match value.get_ref() {
            DeValue::String(text) => NodeValue::String(text.to_string()),
            DeValue::Integer(number) => NodeValue::Integer(self.integer(number.as_str(), number.radix(), place)),
            DeValue::Float(number) => NodeValue::Float(self.float(number.as_str(), place)),
            DeValue::Boolean(flag) => NodeValue::Boolean(*flag),
            DeValue::Datetime(moment) => NodeValue::Datetime(moment.to_string()),
            DeValue::Array(items) => NodeValue::Array(items.iter().map(|item| self.node(item, depth + 1)).collect()),
            DeValue::Table(table) => NodeValue::Table(self.table(table, depth).into()),
        };
        Node { place, value }
    }

    fn integer(&mut self, digits: &str, radix: u32, place: Place) -> i64 {
        i64::from_str_radix(digits, radix).unwrap_or_else(|_| {
            if digits.is_empty() {
                // Most such numbers are syntax errors too, told before; `0x` alone is taken for a number.
                self.refuse(codes::SYNTAX, place, "a number without digits", "write them behind it, such as `0x1F`");
            } else {
                let help = "the largest is 9223372036854775807; write a longer number as a string in quotes";
                self.refuse(codes::BAD_VALUE, place, "the number does not fit into 64 bits", help);
            }
            1
        })
    }

    fn float(&mut self, digits: &str, place: Place) -> f64 {
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => number,
            Ok(number) => {
                let message = match (number.is_nan(), digits.contains("inf")) {
                    (true, _) => "`nan` is not a number that a job can use",
                    (false, true) => "`inf` is not a number that a job can use",
                    (false, false) => "the number is too large for a float",
                };
                self.refuse(codes::BAD_VALUE, place, message, "write a finite number, or a string in quotes");
                1.0
            }
            Err(_) => 1.0,
        }
    }

    fn refuse(&mut self, code: crate::diagnostic::Code, place: Place, message: &str, help: &str) {
        self.refused.push((place, Diagnostic::error(code, message).at(place, "").help(help)));
    }
}
