//! Syntax of TOML 1.1 that readers of TOML 1.0, most editors among them, refuse.
//!
//! Walks the events of the parser that the file was read with. Must never be asked of a text with syntax errors.

use std::ops::Range;

use toml_parser::Source;
use toml_parser::decoder::Encoding;
use toml_parser::parser::{Event, EventKind, parse_document};

use super::Facts;
use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::Place;

/// A place that TOML 1.0 does not know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Newer {
    pub(super) span: Range<usize>,
    /// What stands there.
    what: &'static str,
    /// How it is written in both.
    pub(super) help: String,
}

pub(super) fn check(site: &mut Site<'_>, _: Facts<'_>) {
    // The job file and what it includes stand first; what is behind them is no TOML file.
    let files = 1 + site.document.includes.len();
    for (source, text) in site.document.sources.iter().map(|source| &source.text).enumerate().take(files) {
        for Newer { span, what, help } in newer(text) {
            let message = format!("{what} is TOML 1.1, which many editors and tools refuse");
            let place = Place { source, start: span.start, end: span.end };
            site.diagnostics.push(Diagnostic::warning(codes::NEWER_TOML, message).at(place, "").help(help));
        }
    }
}

/// Every such place, in the order of the file; of an inline table one at most.
pub(super) fn newer(text: &str) -> Vec<Newer> {
    let tokens = Source::new(text).lex().into_vec();
    let mut events: Vec<Event> = Vec::new();
    parse_document(&tokens, &mut events, &mut ());
    let mut walk = Walk { text, open: Vec::new(), comma: None, found: Vec::new() };
    events.iter().for_each(|event| walk.step(event));
    walk.found.sort_by_key(|newer| newer.span.start);
    walk.found
}

/// A bracket that is open.
struct Open {
    span: Range<usize>,
    is_table: bool,
    is_told: bool,
}

struct Walk<'t> {
    text: &'t str,
    open: Vec<Open>,
    /// A comma behind which nothing came yet.
    comma: Option<Range<usize>>,
    found: Vec<Newer>,
}

impl Walk<'_> {
    fn step(&mut self, event: &Event) {
        let span = event.span().start()..event.span().end();
        match event.kind() {
            EventKind::InlineTableOpen => self.open(span, true),
            EventKind::ArrayOpen => self.open(span, false),
            EventKind::InlineTableClose => self.close(),
            EventKind::ArrayClose => drop(self.open.pop()),
            EventKind::ValueSep => {
                self.comma = Some(span);
                return;
            }
            EventKind::Newline => return self.newline(),
            EventKind::Whitespace | EventKind::Comment => return,
            EventKind::Scalar | EventKind::SimpleKey => self.word(span, event.encoding()),
            _ => {}
        }
        self.comma = None;
    }

    fn open(&mut self, span: Range<usize>, is_table: bool) {
        self.open.push(Open { span, is_table, is_told: false });
    }

    /// A line break right in an inline table; inside of an array in it TOML 1.0 takes them, too.
    fn newline(&mut self) {
        let Some(open) = self.open.last_mut().filter(|open| open.is_table && !open.is_told) else { return };
        open.is_told = true;
        let help = "write it on one line, or as a table of its own under a `[header]`".to_owned();
        self.found.push(Newer { span: open.span.clone(), what: "an inline table of several lines", help });
    }

    fn close(&mut self) {
        let open = self.open.pop();
        if let (Some(span), Some(Open { is_told: false, .. })) = (self.comma.take(), open) {
            let help = "take the comma out".to_owned();
            self.found.push(Newer { span, what: "a comma behind the last key of an inline table", help });
        }
    }

    /// A key or a value.
    fn word(&mut self, span: Range<usize>, encoding: Option<Encoding>) {
        let Some(raw) = self.text.get(span.clone()) else { return };
        let newer = match encoding {
            Some(Encoding::BasicString | Encoding::MlBasicString) => escape(raw),
            Some(_) => None,
            None => short_time(raw),
        };
        self.found.extend(newer.map(|newer| Newer { span: shifted(&newer.span, span.start), ..newer }));
    }
}

fn shifted(span: &Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

/// The first `\e` or `\xHH` of a string.
fn escape(raw: &str) -> Option<Newer> {
    let mut rest = raw.char_indices();
    while let Some((at, character)) = rest.next() {
        if character != '\\' {
            continue;
        }
        let (length, code) = match rest.next() {
            Some((_, 'e')) => (2, "1B"),
            Some((_, 'x')) => (4, raw.get(at + 2..at + 4)?),
            _ => continue,
        };
        let help = format!("write it as `\\u00{code}`");
        return Some(Newer { span: at..at + length, what: "this escape", help });
    }
    None
}

/// A time of hours and minutes, with or without a date before it.
fn short_time(raw: &str) -> Option<Newer> {
    const DATE: usize = "2026-01-31T".len();
    let is_dated = raw.len() > DATE && raw.as_bytes()[4] == b'-';
    let start = if is_dated { DATE } else { 0 };
    let end = start + "10:30".len();
    let minutes = raw.get(start..end)?;
    let is_time =
        minutes.bytes().enumerate().all(|(at, byte)| if at == 2 { byte == b':' } else { byte.is_ascii_digit() });
    let behind = &raw[end..];
    if !is_time || behind.starts_with(':') {
        return None;
    }
    let help = format!("write the seconds, too: `{}:00{behind}`", &raw[..end]);
    Some(Newer { span: 0..raw.len(), what: "a time without seconds", help })
}
