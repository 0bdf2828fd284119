//! How far secrets reach in a template with blocks: into which names, and into which blocks.
//!
//! A name has been reached if a value that follows from a secret may have been given to it, wherever that stands: the order
//! of assignments is not looked at. Must never take a name for free of secrets that is not.

use std::collections::{BTreeMap, BTreeSet};

use super::Part;
use crate::secret::is_joined;
use crate::template::names::is_option;
use crate::template::token::{Kind, Token};

/// What an expression has to do with secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touch {
    /// Nothing.
    No,
    /// It puts them into a text.
    Joins,
    /// What it makes of them is not known without them.
    Computes,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Names, and members of namespaces as `name.member`, that may hold something of a secret.
    names: BTreeSet<String>,
    /// Those of them that have no value where parts are hidden.
    lost: BTreeSet<String>,
    /// Names of which a member is among them.
    holders: BTreeSet<String>,
    /// Tags from which on a block is hidden, by the tag that opens it.
    hidden: BTreeMap<usize, usize>,
    /// The same tags.
    from: BTreeSet<usize>,
}

/// Rounds that are made until nothing more is reached. Names that are given on from one to the next in more steps are all
/// taken for reached: templates come from anyone, and their reading has an end.
const ROUNDS: usize = 20;

/// A block on the way through the tags.
struct Open {
    at: usize,
    /// Whether what stands in it from here on is hidden.
    is_hidden: bool,
    /// Whether something in it touches secrets.
    is_touched: bool,
}

impl Reach {
    /// How far they reach in these tags.
    pub fn of(source: &str, parts: &[Part<'_>]) -> Self {
        let mut reach = Self::default();
        for _ in 0..ROUNDS {
            let before = reach.size();
            reach.walk(source, parts);
            if reach.size() == before {
                return reach;
            }
        }
        reach.everything(parts);
        reach
    }

    /// Takes every name for reached, and hides every block.
    fn everything(&mut self, parts: &[Part<'_>]) {
        for (at, part) in parts.iter().enumerate() {
            let block = part.block();
            if block == "set" {
                targets(part).into_iter().for_each(|name| self.reached(name, true, true));
            }
            if block == "with" {
                given(part.rest()).into_iter().for_each(|(name, _)| self.reached(name.to_owned(), true, true));
            }
            if part.opens() {
                self.hide(at, at);
            }
        }
    }

    /// A block is hidden from this tag on, or from an earlier one.
    fn hide(&mut self, opened: usize, at: usize) {
        let from = self.hidden.get(&opened).map_or(at, |from| at.min(*from));
        if let Some(before) = self.hidden.insert(opened, from) {
            self.from.remove(&before);
        }
        self.from.insert(from);
    }

    /// Grows with everything that is found; what is hidden earlier than known is counted as well.
    fn size(&self) -> (usize, usize, usize, usize) {
        let early = self.hidden.values().fold(0, |sum: usize, at| sum.wrapping_add(*at));
        (self.names.len(), self.lost.len(), self.hidden.len(), early)
    }

    /// Whether a block is hidden from this tag on.
    pub fn hides_from(&self, at: usize) -> bool {
        self.from.contains(&at)
    }

    /// What an expression has to do with secrets.
    pub fn touch(&self, source: &str, words: &[Token<'_>]) -> Touch {
        let touch = words.iter().enumerate().map(|(at, _)| self.touch_at(words, at)).max().unwrap_or(Touch::No);
        let text = words.first().zip(words.last()).map(|(first, last)| &source[first.range.start..last.range.end]);
        if touch == Touch::Joins && !text.is_some_and(is_joined) { Touch::Computes } else { touch }
    }

    fn touch_at(&self, words: &[Token<'_>], at: usize) -> Touch {
        let Kind::Name(name) = words[at].kind else { return Touch::No };
        let is_step = at > 0 && (words[at - 1].is_sign(".") || words[at - 1].is_sign("|"));
        if is_step || is_option(words, at) {
            return Touch::No;
        }
        if name == "secrets" {
            return Touch::Joins;
        }
        let member = match (words.get(at + 1), words.get(at + 2)) {
            (Some(dot), Some(Token { kind: Kind::Name(member), .. })) if dot.is_sign(".") => Some(*member),
            _ => None,
        };
        self.touch_name(name, member)
    }

    fn touch_name(&self, name: &str, member: Option<&str>) -> Touch {
        let whole = member.map_or_else(|| name.to_owned(), |member| format!("{name}.{member}"));
        if self.names.contains(&whole) {
            return if self.lost.contains(&whole) { Touch::Computes } else { Touch::Joins };
        }
        // A mask has no members, and a namespace is more than any one of its.
        let is_within = member.is_none() && self.holders.contains(name);
        if is_within || self.names.contains(name) { Touch::Computes } else { Touch::No }
    }

    /// Whether an assignment is left out: what it is given to is not there, or can't take a mask.
    pub fn loses(&self, source: &str, part: &Part<'_>) -> bool {
        let targets = targets(part);
        let is_lost = |target: &String| match target.split_once('.') {
            Some((holder, _)) => self.names.contains(holder),
            None => false,
        };
        let is_touched = assigned(part).is_some_and(|value| self.touch(source, value) != Touch::No);
        targets.iter().any(is_lost) || (targets.len() > 1 && is_touched)
    }

    fn walk(&mut self, source: &str, parts: &[Part<'_>]) {
        let mut open: Vec<Open> = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            match part.block() {
                "" => {
                    if self.touch(source, &part.words) != Touch::No {
                        open.iter_mut().for_each(|open| open.is_touched = true);
                    }
                }
                "elif" => self.branch(source, (at, part), &mut open),
                "else" => {}
                _ if part.opens() => self.open(source, (at, part), &mut open),
                "set" => self.assign(source, part, open.last().is_some_and(|open| open.is_hidden)),
                _ => {
                    if let Some(closed) = open.pop() {
                        self.close(&parts[closed.at], &closed, open.last().is_some_and(|open| open.is_hidden));
                    }
                }
            }
        }
    }

    fn open(&mut self, source: &str, (at, part): (usize, &Part<'_>), open: &mut Vec<Open>) {
        let around = open.last().is_some_and(|open| open.is_hidden);
        let rest = part.rest();
        let asked = match part.block() {
            "if" | "filter" => rest,
            "for" => rest.iter().position(|word| word.is_name("in")).map_or(rest, |sign| &rest[sign..]),
            _ => &[],
        };
        let is_hidden = self.touch(source, asked) != Touch::No;
        if is_hidden {
            self.hide(at, at);
            open.iter_mut().for_each(|open| open.is_touched = true);
        }
        if part.block() == "with" {
            for (name, value) in given(rest) {
                let touch = self.touch(source, value);
                self.reached(name.to_owned(), touch != Touch::No || around, around);
            }
        }
        let is_hidden = around || self.hides_from(at);
        open.push(Open { at, is_hidden, is_touched: is_hidden });
    }

    fn branch(&mut self, source: &str, (at, part): (usize, &Part<'_>), open: &mut [Open]) {
        let Some(last) = open.last_mut() else { return };
        if self.touch(source, part.rest()) != Touch::No {
            self.hide(last.at, at);
        }
        if self.hides_from(at) {
            last.is_hidden = true;
            open.iter_mut().for_each(|open| open.is_touched = true);
        }
    }

    /// Behind a block: whether it is hidden as a whole, and what it was taken into.
    fn close(&mut self, opened: &Part<'_>, closed: &Open, around: bool) {
        if closed.is_touched && opened.reads_its_text() {
            self.hide(closed.at, closed.at);
        }
        if opened.block() == "set" {
            for name in targets(opened) {
                self.reached(name, closed.is_touched || around, around);
            }
        }
    }

    /// `{% set name = value %}`
    fn assign(&mut self, source: &str, part: &Part<'_>, around: bool) {
        let touch = assigned(part).map_or(Touch::No, |value| self.touch(source, value));
        let targets = targets(part);
        let is_lost = around || targets.len() > 1;
        for name in targets {
            self.reached(name, touch != Touch::No || around, is_lost);
        }
    }

    fn reached(&mut self, name: String, is_reached: bool, is_lost: bool) {
        if is_reached {
            if is_lost {
                self.lost.insert(name.clone());
            }
            if let Some((holder, _)) = name.split_once('.') {
                self.holders.insert(holder.to_owned());
            }
            self.names.insert(name);
        }
    }
}

/// The value of `{% set name = value %}`.
pub(super) fn assigned<'p, 's>(part: &'p Part<'s>) -> Option<&'p [Token<'s>]> {
    let sign = part.words.iter().position(|word| word.is_sign("="))?;
    part.words.get(sign + 1..)
}

/// The names that a `set` gives a value to; a member of a namespace as `name.member`.
fn targets(part: &Part<'_>) -> Vec<String> {
    let ends = |word: &Token<'_>| word.is_sign("=") || word.is_sign("|");
    let rest = part.rest();
    let head = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
    let mut targets: Vec<String> = Vec::new();
    for (at, word) in head.iter().enumerate() {
        let Kind::Name(name) = word.kind else { continue };
        match targets.last_mut() {
            Some(holder) if head[at - 1].is_sign(".") => *holder += &format!(".{name}"),
            _ => targets.push(name.to_owned()),
        }
    }
    targets
}

/// The names that a `with` gives a value to, each with that value.
pub(super) fn given<'p, 's>(rest: &'p [Token<'s>]) -> Vec<(&'s str, &'p [Token<'s>])> {
    let (mut given, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for at in 0..=rest.len() {
        match rest.get(at).map(|word| word.kind) {
            Some(Kind::Sign("(" | "[" | "{")) => depth += 1,
            Some(Kind::Sign(")" | "]" | "}")) => depth -= 1,
            Some(Kind::Sign(",")) | None if depth == 0 => {
                if let [Token { kind: Kind::Name(name), .. }, _, value @ ..] = &rest[from..at] {
                    given.push((*name, value));
                }
                from = at + 1;
            }
            _ => {}
        }
    }
    given
}
