//! How far secrets reach in a template with blocks: into which names, and into which blocks.
//!
//! A name has been reached if a value that follows from a secret may have been given to it, wherever that stands: the order
//! of assignments is not looked at. A namespace may have several names, so a member that was reached through one of them is
//! reached in whatever has a member of that name. Must never take a name for free of secrets that is not.

use std::collections::{BTreeMap, BTreeSet};

use super::Part;
use crate::secret::is_joined;
use crate::template::names::{LOANED, ROOTS, is_option};
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
    /// Names that may hold something of a secret; whether they have no value where parts are hidden.
    names: BTreeMap<String, bool>,
    /// Members, of whichever holder, likewise.
    members: BTreeMap<String, bool>,
    /// Names that stand for namespaces; whether there may be others within.
    spaces: BTreeMap<String, bool>,
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
                targets(part).iter().for_each(|target| self.reached(target, true));
            }
            if block == "with" {
                given(part.rest()).into_iter().for_each(|(name, _)| self.reached(&[name], true));
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
    fn size(&self) -> [usize; 5] {
        let early = self.hidden.values().fold(0, |sum: usize, at| sum.wrapping_add(*at));
        let [names, members, spaces] = [&self.names, &self.members, &self.spaces]
            .map(|known| known.len() + known.values().filter(|further| **further).count());
        [names, members, spaces, self.hidden.len(), early]
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
        let is_behind = |sign: &str| at > 0 && words[at - 1].is_sign(sign);
        if is_behind("|") || is_option(words, at) {
            return Touch::No;
        }
        if is_behind(".") {
            // Behind a name it was looked at with that.
            let is_within = at > 1 && matches!(words[at - 2].kind, Kind::Name(_));
            return if !is_within && self.members.contains_key(name) { Touch::Computes } else { Touch::No };
        }
        if name == "secrets" {
            return Touch::Joins;
        }
        let members = members(&words[at + 1..]);
        let is_open = words.get(at + 1 + 2 * members.len()).is_some_and(|word| word.is_sign("[") || word.is_sign("("));
        self.touch_path(name, &members, is_open)
    }

    /// `name.member.member`; `is_open`: there is more behind it.
    fn touch_path(&self, name: &str, members: &[&str], is_open: bool) -> Touch {
        let touch = |is_lost: bool, is_end: bool| if is_lost || !is_end { Touch::Computes } else { Touch::Joins };
        // A namespace is more than any one of its members.
        let is_whole = |has_others: &bool| members.is_empty() || is_open || *has_others;
        if !self.members.is_empty() && self.spaces.get(name).is_some_and(is_whole) {
            return Touch::Computes;
        }
        if let Some(is_lost) = self.names.get(name) {
            // A mask has no members.
            return touch(*is_lost, members.is_empty());
        }
        if ROOTS.contains(&name) && !LOANED.contains(&name) {
            return Touch::No;
        }
        let reached = members.iter().filter_map(|member| self.members.get(*member)).max();
        reached.map_or(Touch::No, |is_lost| touch(*is_lost, members.len() == 1))
    }

    /// Whether an assignment is left out: what it is given to is not there, or can't take a mask.
    pub fn loses(&self, source: &str, part: &Part<'_>) -> bool {
        let targets = targets(part);
        let is_touched = assigned(part).is_some_and(|value| self.touch(source, value) != Touch::No);
        self.has_lost(&targets) || (targets.len() > 1 && is_touched)
    }

    /// Whether what one of these stands in holds a mask instead.
    fn has_lost(&self, targets: &[Vec<&str>]) -> bool {
        targets.iter().any(|target| match target.as_slice() {
            [holder, within @ .., _] => {
                self.names.contains_key(*holder) || within.iter().any(|member| self.members.contains_key(*member))
            }
            _ => false,
        })
    }

    fn walk(&mut self, source: &str, parts: &[Part<'_>]) {
        let mut open: Vec<Open> = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            self.note_changed(source, part, open.last().is_some_and(|open| open.is_hidden));
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

    /// `loop.changed(…)` remembers what it was called with: where a secret decides that, no other call tells it any more.
    fn note_changed(&mut self, source: &str, part: &Part<'_>, around: bool) {
        let calls = part.words.windows(2).any(|words| words[0].is_sign(".") && words[1].is_name(CHANGED));
        if calls && (around || self.touch(source, &part.words) != Touch::No) {
            self.members.insert(CHANGED.to_owned(), true);
        }
    }

    fn open(&mut self, source: &str, (at, part): (usize, &Part<'_>), open: &mut Vec<Open>) {
        let around = open.last().is_some_and(|open| open.is_hidden);
        let rest = part.rest();
        let from =
            |is_sign: fn(&Token<'_>) -> bool| rest.iter().position(is_sign).map_or(&[][..], |sign| &rest[sign..]);
        let asked = match part.block() {
            "if" | "filter" => rest,
            "for" => from(|word| word.is_name("in")),
            "set" => from(|word| word.is_sign("|")),
            _ => &[],
        };
        let is_hidden =
            self.touch(source, asked) != Touch::No || (part.block() == "for" && self.loops_over_spaces(asked));
        if is_hidden {
            self.hide(at, at);
            open.iter_mut().for_each(|open| open.is_touched = true);
        }
        if part.block() == "with" {
            for (name, value) in given(rest) {
                self.note_space(name, value);
                if around || self.touch(source, value) != Touch::No {
                    self.reached(&[name], around);
                }
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

    /// Whether a loop may go over namespaces of which a member has been reached, beside those that have a name.
    fn loops_over_spaces(&self, asked: &[Token<'_>]) -> bool {
        // What `loop(…)` is given goes round as well.
        let is_recursive = asked.last().is_some_and(|word| word.is_name("recursive"));
        !self.members.is_empty() && (is_recursive || asked.iter().any(|word| word.is_name(NAMESPACE)))
    }

    /// Behind a block: whether it is hidden as a whole, and what it was taken into.
    fn close(&mut self, opened: &Part<'_>, closed: &Open, around: bool) {
        let targets = if opened.block() == "set" { targets(opened) } else { Vec::new() };
        let is_lost = self.has_lost(&targets);
        if is_lost || (closed.is_touched && opened.reads_its_text()) {
            self.hide(closed.at, closed.at);
        }
        if closed.is_touched || around || is_lost {
            targets.iter().for_each(|target| self.reached(target, around || is_lost));
        }
    }

    /// `{% set name = value %}`
    fn assign(&mut self, source: &str, part: &Part<'_>, around: bool) {
        let value = assigned(part).unwrap_or_default();
        let targets = targets(part);
        targets.iter().for_each(|target| self.note_space(target[0], value));
        let is_lost = around || self.has_lost(&targets);
        if is_lost || self.touch(source, value) != Touch::No {
            targets.iter().for_each(|target| self.reached(target, is_lost || targets.len() > 1));
        }
    }

    /// Something of a secret, or decided by one, may be given to a name, or to a member of what it stands for.
    fn reached(&mut self, target: &[&str], is_lost: bool) {
        let (known, name) = match target {
            [] => return,
            [name] => (&mut self.names, name),
            [holder, within @ .., member] => {
                *self.spaces.entry((*holder).to_owned()).or_default() |= !within.is_empty();
                (&mut self.members, member)
            }
        };
        *known.entry((*name).to_owned()).or_default() |= is_lost;
    }

    /// A name that a new namespace is given to. Where it is given to another one later on, that follows from its name.
    fn note_space(&mut self, name: &str, value: &[Token<'_>]) {
        let made = value.iter().filter(|word| word.is_name(NAMESPACE)).count();
        if made > 0 {
            let is_alone = made == 1 && value[0].is_name(NAMESPACE) && closes_at_end(&value[1..]);
            *self.spaces.entry(name.to_owned()).or_default() |= !is_alone;
        }
    }
}

/// What makes a namespace.
const NAMESPACE: &str = "namespace";

/// The member of `loop` that remembers.
const CHANGED: &str = "changed";

/// Whether these words are in one pair of brackets.
fn closes_at_end(words: &[Token<'_>]) -> bool {
    let mut depth = 0_usize;
    let closed = words.iter().position(|word| {
        match word.kind {
            Kind::Sign("(" | "[" | "{") => depth += 1,
            Kind::Sign(")" | "]" | "}") => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    closed.is_some_and(|at| at + 1 == words.len())
}

/// The members in `.member.member`, which words begin with.
fn members<'s>(words: &[Token<'s>]) -> Vec<&'s str> {
    let step = |pair: &[Token<'s>]| match pair {
        [dot, Token { kind: Kind::Name(member), .. }] if dot.is_sign(".") => Some(*member),
        _ => None,
    };
    words.chunks(2).map_while(step).collect()
}

/// The value of `{% set name = value %}`.
pub(super) fn assigned<'p, 's>(part: &'p Part<'s>) -> Option<&'p [Token<'s>]> {
    let sign = part.words.iter().position(|word| word.is_sign("="))?;
    part.words.get(sign + 1..)
}

/// The words of a `set` that say what is given a value.
pub(super) fn head<'p, 's>(part: &'p Part<'s>) -> &'p [Token<'s>] {
    let ends = |word: &Token<'_>| word.is_sign("=") || word.is_sign("|");
    let rest = part.rest();
    &rest[..rest.iter().position(ends).unwrap_or(rest.len())]
}

/// What a `set` gives a value to: a name, and for a member of what it stands for the steps there.
fn targets<'s>(part: &Part<'s>) -> Vec<Vec<&'s str>> {
    let head = head(part);
    let mut targets: Vec<Vec<&str>> = Vec::new();
    for (at, word) in head.iter().enumerate() {
        let Kind::Name(name) = word.kind else { continue };
        match targets.last_mut() {
            Some(target) if head[at - 1].is_sign(".") => target.push(name),
            _ => targets.push(vec![name]),
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
