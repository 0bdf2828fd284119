//! From the parser's events to lines: what stands on each, without its spacing.

use toml_parser::parser::{Event, EventKind};

use super::{Left, quotes, slice};

/// A statement or what stands between two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// An empty line.
    Blank,
    /// A comment that has the line for itself.
    Comment(String),
    /// `[a.b]` or `[[a.b]]`.
    Header(String, Option<Tail>),
    /// `key = value`; the value may have several lines.
    Pair(Pair),
}

/// See [`Line::Pair`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub key: String,
    /// Spaces before `=`, as written; at least one.
    pub gap: usize,
    pub value: String,
    pub tail: Option<Tail>,
}

/// A comment behind something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    /// Spaces before it, as written; at least one.
    pub gap: usize,
    pub text: String,
}

/// The lines of a text without errors.
pub(super) fn read(text: &str, events: &[Event]) -> (Vec<Line>, Vec<Left>) {
    let mut reader = Reader { text, events, at: 0, left: Vec::new() };
    let lines = reader.lines();
    (lines, reader.left)
}

/// Walks over the events.
pub(super) struct Reader<'t> {
    pub text: &'t str,
    pub events: &'t [Event],
    pub at: usize,
    pub left: Vec<Left>,
}

impl<'t> Reader<'t> {
    fn lines(&mut self) -> Vec<Line> {
        let (mut lines, mut fresh, mut gap) = (Vec::new(), true, 1);
        while let Some((kind, raw)) = self.peek() {
            match kind {
                EventKind::Newline => {
                    if fresh {
                        lines.push(Line::Blank);
                    }
                    fresh = true;
                }
                EventKind::Whitespace => gap = spaces(raw),
                EventKind::Comment => {
                    comment(&mut lines, fresh, Tail { gap, text: raw.trim_end().to_owned() });
                    fresh = false;
                }
                EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                    lines.push(self.header(kind == EventKind::ArrayTableOpen));
                    (fresh, gap) = (false, 1);
                    continue;
                }
                EventKind::SimpleKey => {
                    lines.push(Line::Pair(self.pair()));
                    (fresh, gap) = (false, 1);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        lines
    }

    /// The event at hand.
    pub fn peek(&self) -> Option<(EventKind, &'t str)> {
        let event = self.events.get(self.at)?;
        Some((event.kind(), slice(self.text, event)))
    }

    fn header(&mut self, list: bool) -> Line {
        self.at += 1;
        self.skip_whitespace();
        let (key, _) = self.key();
        self.at += 1;
        Line::Header(if list { format!("[[{key}]]") } else { format!("[{key}]") }, None)
    }

    fn pair(&mut self) -> Pair {
        let (key, gap) = self.key();
        self.at += 1;
        self.skip_whitespace();
        Pair { key, gap, value: self.value(0), tail: None }
    }

    /// A dotted key, and the spaces behind it.
    pub fn key(&mut self) -> (String, usize) {
        let (mut key, mut gap) = (String::new(), 1);
        while let Some((kind, raw)) = self.peek() {
            match kind {
                EventKind::SimpleKey => key.push_str(&quotes::key(raw)),
                EventKind::KeySep => key.push('.'),
                EventKind::Whitespace => gap = spaces(raw),
                _ => break,
            }
            self.at += 1;
        }
        (key, gap)
    }

    pub fn skip_whitespace(&mut self) {
        while self.peek().is_some_and(|(kind, _)| kind == EventKind::Whitespace) {
            self.at += 1;
        }
    }
}

/// How many spaces are meant. A tab lines up nothing.
pub(super) fn spaces(raw: &str) -> usize {
    if raw.contains('\t') { 1 } else { raw.len().max(1) }
}

/// Puts a comment on a line of its own, or behind what stands on the line.
fn comment(lines: &mut Vec<Line>, fresh: bool, tail: Tail) {
    match lines.last_mut() {
        Some(Line::Header(_, place)) if !fresh => *place = Some(tail),
        Some(Line::Pair(pair)) if !fresh => pair.tail = Some(tail),
        _ => lines.push(Line::Comment(tail.text)),
    }
}
