//! Secrets among the members of a JSON text.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::Value;

use super::{Coding, FEWEST_DIGITS, Span, is_harmless, is_kept, is_sensitive, pairs};

/// What is found in a JSON text.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Secrets.
    pub spans: Vec<Span>,
    /// Whether an object has a name twice.
    pub is_repeated: bool,
}

/// The members of an object or a list; `None`: the text is neither.
pub(super) fn members(text: &str) -> Option<Members> {
    // What is no JSON is found out here, and what is nested too deeply.
    let value: Value = serde_json::from_str(text).ok()?;
    if !value.is_object() && !value.is_array() {
        return None;
    }
    let mut walk = Walk { text, at: 0, found: Members::default() };
    walk.value("", None);
    Some(walk.found)
}

/// A way through a text that is JSON.
struct Walk<'t> {
    text: &'t str,
    at: usize,
    found: Members,
}

impl Walk<'_> {
    /// A value called so; `within`: the secret that it is a part of.
    fn value(&mut self, name: &str, within: Option<&str>) {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(within.or_else(|| is_sensitive(name).then_some(name))),
            Some(b'[') => self.list(name, within),
            Some(b'"') => {
                let range = self.string();
                self.text_at(range, name, within);
            }
            _ => {
                let range = self.scalar();
                let digits = self.text[range.clone()].bytes().filter(u8::is_ascii_digit).count();
                if is_sensitive(name) && digits >= FEWEST_DIGITS {
                    self.keep(range, name, Coding::Plain);
                }
            }
        }
    }

    fn text_at(&mut self, range: Range<usize>, name: &str, within: Option<&str>) {
        let value = self.unquoted(&range);
        let kept = within.filter(|_| !is_harmless(name) && !value.is_empty());
        match kept {
            Some(whole) if is_kept(whole, &value) => self.keep(range, &format!("{whole}-{name}"), Coding::Json),
            _ if is_kept(name, &value) => self.keep(range, name, Coding::Json),
            _ => {
                let inner = range.start + 1..range.end - 1;
                let more = pairs::find(&self.text[inner.clone()])
                    .into_iter()
                    .map(|span| Span { range: span.range.start + inner.start..span.range.end + inner.start, ..span });
                self.found.spans.extend(more);
            }
        }
    }

    fn keep(&mut self, range: Range<usize>, name: &str, coding: Coding) {
        self.found.spans.push(Span { range, name: name.to_owned(), coding });
    }

    fn object(&mut self, within: Option<&str>) {
        self.at += 1;
        let mut names = HashSet::new();
        // Members `name` and `value` of the same object are a pair.
        let (mut called, mut held): (Option<String>, Option<Range<usize>>) = (None, None);
        while self.is_next(b'}') {
            let name = self.string();
            let name = self.unquoted(&name);
            self.space();
            self.at += 1;
            self.space();
            let start = self.at;
            self.value(&name, within);
            let range = start..self.at;
            if self.text[range.clone()].starts_with('"') {
                match name.to_ascii_lowercase().as_str() {
                    "name" | "key" | "field" => called = Some(self.unquoted(&range)),
                    "value" => held = Some(range),
                    _ => {}
                }
            }
            self.found.is_repeated |= !names.insert(name);
        }
        if let (Some(name), Some(range)) = (called, held)
            && is_kept(&name, &self.unquoted(&range))
        {
            self.found.spans.retain(|span| span.range.end <= range.start || span.range.start >= range.end);
            self.keep(range, &name, Coding::Json);
        }
    }

    fn list(&mut self, name: &str, within: Option<&str>) {
        self.at += 1;
        while self.is_next(b']') {
            self.value(name, within);
        }
    }

    /// Goes on to the next member, or over the end.
    fn is_next(&mut self, end: u8) -> bool {
        self.space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.space();
        }
        let is_end = self.peek().is_none_or(|byte| byte == end);
        self.at += usize::from(is_end);
        !is_end
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// A string, its quotes included.
    fn string(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        start..self.at
    }

    fn scalar(&mut self) -> Range<usize> {
        let start = self.at;
        while self.peek().is_some_and(|byte| !byte.is_ascii_whitespace() && !b",]}".contains(&byte)) {
            self.at += 1;
        }
        // Whatever this is, the way goes on.
        self.at = self.at.max(start + 1);
        start..self.at
    }

    fn unquoted(&self, range: &Range<usize>) -> String {
        let quoted = self.text.get(range.clone()).unwrap_or_default();
        serde_json::from_str(quoted).unwrap_or_else(|_| quoted.to_owned())
    }
}
