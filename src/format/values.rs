//! Values: lists broken where their writer broke them, inline tables on one line.

use toml_parser::parser::EventKind;

use super::Left;
use super::lines::{Reader, spaces};
use super::quotes;
use crate::diagnostic::MOST_SHOWN;

/// How deep a line of a list stands in the list.
const INDENT: usize = 4;

/// Something in a list.
struct Element {
    text: String,
    is_comment: bool,
    /// Line ends between it and what stands before it.
    breaks: usize,
    /// Spaces before it, on the same line.
    gap: usize,
}

impl Reader<'_> {
    /// The value at hand, `depth` lists deep.
    pub fn value(&mut self, depth: usize) -> String {
        match self.peek() {
            Some((EventKind::ArrayOpen, _)) => self.list(depth),
            Some((EventKind::InlineTableOpen, _)) if self.has_comments() => self.verbatim(),
            Some((EventKind::InlineTableOpen, _)) => self.table(depth),
            Some((_, raw)) => {
                let encoding = self.events[self.at].encoding();
                if encoding.is_none() && is_short_time(raw) {
                    self.leave("a time without seconds can be read as TOML 1.1 only");
                }
                self.at += 1;
                quotes::scalar(raw, encoding)
            }
            None => String::new(),
        }
    }

    fn list(&mut self, depth: usize) -> String {
        let (mut elements, mut breaks, mut gap) = (Vec::new(), 0, 1);
        self.at += 1;
        while let Some((kind, raw)) = self.peek() {
            match kind {
                EventKind::ArrayClose => break,
                EventKind::Newline => breaks += 1,
                EventKind::Whitespace => gap = spaces(raw),
                EventKind::Comment => {
                    elements.push(Element { text: raw.trim_end().to_owned(), is_comment: true, breaks, gap });
                    (breaks, gap) = (0, 1);
                }
                EventKind::Scalar | EventKind::ArrayOpen | EventKind::InlineTableOpen => {
                    elements.push(Element { text: self.value(depth + 1), is_comment: false, breaks, gap: 1 });
                    (breaks, gap) = (0, 1);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        if breaks == 0 && elements.iter().all(|element| element.breaks == 0) || elements.is_empty() {
            let items: Vec<String> = elements.into_iter().map(|element| element.text).collect();
            return format!("[{}]", items.join(", "));
        }
        broken(&elements, depth)
    }

    fn table(&mut self, depth: usize) -> String {
        let mut entries = Vec::new();
        self.at += 1;
        while let Some((kind, _)) = self.peek() {
            match kind {
                EventKind::InlineTableClose => break,
                EventKind::SimpleKey => {
                    let (key, _) = self.key();
                    self.skip_blank();
                    self.at += 1;
                    self.skip_blank();
                    entries.push(format!("{key} = {}", self.value(depth)));
                }
                _ => self.at += 1,
            }
        }
        self.at += 1;
        if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
    }

    /// Around `=` in an inline table, TOML 1.1 lets lines end.
    fn skip_blank(&mut self) {
        while matches!(self.peek(), Some((EventKind::Whitespace | EventKind::Newline, _))) {
            self.at += 1;
        }
    }

    /// Whether the inline table at hand has comments that one line can't hold: in it, not in a list of it.
    fn has_comments(&self) -> bool {
        let mut around = Vec::new();
        for event in &self.events[self.at..] {
            match event.kind() {
                EventKind::InlineTableOpen | EventKind::ArrayOpen => around.push(event.kind()),
                EventKind::InlineTableClose | EventKind::ArrayClose => drop(around.pop()),
                EventKind::Comment if around.last() == Some(&EventKind::InlineTableOpen) => return true,
                _ => {}
            }
            if around.is_empty() {
                break;
            }
        }
        false
    }

    /// The inline table at hand as it is.
    fn verbatim(&mut self) -> String {
        self.leave("an inline table with comments in it can be read as TOML 1.1 only");
        let start = self.events[self.at].span().start();
        let mut depth = 0_usize;
        while let Some(event) = self.events.get(self.at) {
            self.at += 1;
            match event.kind() {
                EventKind::InlineTableOpen => depth += 1,
                EventKind::InlineTableClose => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return self.text[start..event.span().end()].to_owned();
            }
        }
        self.text[start..].to_owned()
    }

    fn leave(&mut self, what: &'static str) {
        if self.left.len() == MOST_SHOWN {
            return;
        }
        let start = self.events[self.at].span().start();
        let line = self.text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.left.push(Left { line, what });
    }
}

/// A list of several lines.
fn broken(elements: &[Element], depth: usize) -> String {
    let indent = " ".repeat(INDENT * (depth + 1));
    let mut out = "[".to_owned();
    for (position, element) in elements.iter().enumerate() {
        let first = position == 0;
        if element.breaks > 0 || (first && !element.is_comment) {
            out.push_str(if element.breaks > 1 && !first { "\n\n" } else { "\n" });
            out.push_str(&indent);
        } else {
            out.push_str(&" ".repeat(element.gap));
        }
        out.push_str(&element.text);
        if !element.is_comment {
            out.push(',');
        }
    }
    out + "\n" + &indent[INDENT..] + "]"
}

/// A time of hours and minutes, alone or behind a date.
fn is_short_time(raw: &str) -> bool {
    let time = raw.split(['T', 't', ' ']).next_back().unwrap_or_default();
    let time = time.split(['+', '-', 'Z', 'z']).next().unwrap_or_default();
    time.matches(':').count() == 1
}
