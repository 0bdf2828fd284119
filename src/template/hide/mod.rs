//! Templates with blocks over secrets that are not there: what could tell something of a secret becomes the mask, the
//! rest stays as it is written.
//!
//! A mask may be put together with other texts, and nothing else: what a filter, a condition or a loop makes of it says
//! nothing of the secret. Must never leave a part whose text follows from a secret, and hides too much where it can't tell.

mod reach;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;

use self::reach::{Reach, Touch};
use super::blocks::captures;
use super::scan::{Piece, Tag};
use super::token::{Kind, Token, tokens};
use crate::secret::MASK;

/// A tag, and what stands before it.
struct Part<'s> {
    tag: &'s Tag,
    is_block: bool,
    words: Vec<Token<'s>>,
    /// Whether a text that is more than white space stands between it and the tag before.
    has_text: bool,
}

impl<'s> Part<'s> {
    /// The name of the block; empty for an expression.
    fn block(&self) -> &'s str {
        match self.words.first() {
            Some(Token { kind: Kind::Name(name), .. }) if self.is_block => name,
            _ => "",
        }
    }

    /// What stands behind the name of the block.
    fn rest(&self) -> &[Token<'s>] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Whether it opens what an `end…` closes.
    fn opens(&self) -> bool {
        match self.block() {
            "if" | "for" | "with" | "filter" => true,
            "set" => captures(&self.words),
            _ => false,
        }
    }

    /// Whether what stands in it goes through a filter or another round as a whole.
    fn reads_its_text(&self) -> bool {
        match self.block() {
            "filter" => true,
            "set" => captures(&self.words) && self.words.iter().any(|word| word.is_sign("|")),
            "for" => self.words.last().is_some_and(|word| word.is_name("recursive")),
            _ => false,
        }
    }
}

/// `source` from `start` on, which is made up of `pieces`, with all hidden that could tell something of a secret; `None`:
/// that is nothing.
pub(super) fn shown(source: &str, start: usize, pieces: &[Piece<'_>]) -> Option<String> {
    let parts = parts(source, pieces);
    let reach = Reach::of(source, &parts);
    let mut writer = Writer { source, parts: &parts, reach, ends: ends(&parts), out: String::new(), from: start };
    let mut at = 0;
    while at < parts.len() {
        at = writer.part(at);
    }
    writer.keep(source.len());
    (writer.out != source[start..]).then_some(writer.out)
}

fn parts<'s>(source: &'s str, pieces: &'s [Piece<'s>]) -> Vec<Part<'s>> {
    let (mut parts, mut has_text) = (Vec::new(), false);
    for piece in pieces {
        let (tag, is_block) = match piece {
            Piece::Literal(text) => {
                has_text |= !text.trim().is_empty();
                continue;
            }
            Piece::Expression(tag) => (tag, false),
            Piece::Block(tag) => (tag, true),
        };
        let words = tokens(source, tag.inner.clone());
        parts.push(Part { tag, is_block, words, has_text: std::mem::take(&mut has_text) });
    }
    parts
}

/// Where each block that is opened ends.
fn ends(parts: &[Part<'_>]) -> HashMap<usize, usize> {
    let (mut open, mut ends) = (Vec::new(), HashMap::new());
    for (at, part) in parts.iter().enumerate() {
        if part.opens() {
            open.push(at);
        } else if part.block().starts_with("end") {
            ends.extend(open.pop().map(|opened: usize| (opened, at)));
        }
    }
    ends
}

/// Writes the text that is shown.
struct Writer<'s> {
    source: &'s str,
    parts: &'s [Part<'s>],
    reach: Reach,
    ends: HashMap<usize, usize>,
    out: String,
    /// How far the source has been taken.
    from: usize,
}

impl Writer<'_> {
    /// Takes the source up to here as it is.
    fn keep(&mut self, until: usize) {
        self.out.push_str(&self.source[self.from..until]);
        self.from = until;
    }

    /// Puts a text into the place of these bytes of the source.
    fn replace(&mut self, range: Range<usize>, text: &str) {
        self.keep(range.start);
        self.out.push_str(text);
        self.from = range.end;
    }

    /// Writes a tag, and what stands in it where that is hidden; the one that comes next.
    fn part(&mut self, at: usize) -> usize {
        let part = &self.parts[at];
        let end = self.ends.get(&at).copied().unwrap_or(at);
        match part.block() {
            "" if self.reach.touch(self.source, &part.words) == Touch::Computes => self.hide(at, at),
            "set" if !captures(&part.words) => self.set(at),
            "elif" | "if" | "for" | "filter" | "set" if self.reach.hides_from(at) => return self.hide_block(at, end),
            "with" => self.with(at),
            _ => {}
        }
        at + 1
    }

    /// Hides a block, or what comes of an `if` from an `elif` on; the tag that comes next.
    fn hide_block(&mut self, at: usize, end: usize) -> usize {
        let part = &self.parts[at];
        let (before, _) = self.signs(at);
        if part.block() == "elif" {
            // The next end of an `if` that is not opened behind it.
            let end = self.end_of_branch(at);
            let mask = if self.prints(at, end) { MASK } else { "" };
            self.replace(part.tag.outer.start..self.parts[end].tag.outer.start, &format!("{{%{before} else %}}{mask}"));
            return end;
        }
        if let ("set", [first, .., last] | [first @ last]) = (part.block(), reach::head(part)) {
            let (_, behind) = self.signs(end);
            let text = if self.reach.loses(self.source, part) {
                nothing(before, behind)
            } else {
                let target = &self.source[first.range.start..last.range.end];
                format!("{{%{before} set {target} = '{MASK}' {behind}%}}")
            };
            self.replace(part.tag.outer.start..self.parts[end].tag.outer.end, &text);
        } else {
            self.hide(at, end);
        }
        end + 1
    }

    fn end_of_branch(&self, at: usize) -> usize {
        let mut next = at + 1;
        while let Some(end) = self.ends.get(&next).map(|end| end + 1).or_else(|| {
            let is_end = self.parts.get(next).is_none_or(|part| part.block() == "endif");
            (!is_end).then_some(next + 1)
        }) {
            next = end;
        }
        next.min(self.parts.len() - 1)
    }

    /// The mask in the place of these tags and what stands between them; nothing, where they print nothing.
    fn hide(&mut self, first: usize, last: usize) {
        let ((before, _), (_, behind)) = (self.signs(first), self.signs(last));
        let text = if first == last || self.prints(first, last) {
            format!("{{%{before} raw %}}{MASK}{{% endraw {behind}%}}")
        } else {
            nothing(before, behind)
        };
        self.replace(self.parts[first].tag.outer.start..self.parts[last].tag.outer.end, &text);
    }

    /// Whether there is anything but assignments and white space between two tags.
    fn prints(&self, first: usize, last: usize) -> bool {
        let within = &self.parts[first + 1..=last];
        within.iter().any(|part| part.has_text || !part.is_block)
    }

    /// `{% set name = value %}`
    fn set(&mut self, at: usize) {
        let part = &self.parts[at];
        let (before, behind) = self.signs(at);
        if self.reach.loses(self.source, part) {
            self.replace(part.tag.outer.clone(), &nothing(before, behind));
        } else if let Some(value) = reach::assigned(part)
            && self.reach.touch(self.source, value) == Touch::Computes
        {
            self.mask(value);
        }
    }

    /// `{% with a = value, b = value %}`
    fn with(&mut self, at: usize) {
        for (_, value) in reach::given(self.parts[at].rest()) {
            if self.reach.touch(self.source, value) == Touch::Computes {
                self.mask(value);
            }
        }
    }

    /// The mask in the place of a value.
    fn mask(&mut self, value: &[Token<'_>]) {
        if let (Some(first), Some(last)) = (value.first(), value.last()) {
            self.replace(first.range.start..last.range.end, &format!("'{MASK}'"));
        }
    }

    /// The signs of a tag that say what becomes of the white space before and behind it.
    fn signs(&self, at: usize) -> (&'static str, &'static str) {
        let Tag { outer, inner } = self.parts[at].tag;
        let sign = |range: Range<usize>| match &self.source[range] {
            "-" => "-",
            "+" => "+",
            _ => "",
        };
        (sign(outer.start + 2..inner.start), sign(inner.end..outer.end - 2))
    }
}

/// A tag that prints nothing and takes the white space that another one takes.
fn nothing(before: &str, behind: &str) -> String {
    let takes = |sign: &str| if sign == "-" { "-" } else { "" };
    format!("{{#{} {}#}}", takes(before), takes(behind))
}
