//! Checks the names in a template and notes which values it uses.
//!
//! Every path that begins with `row`, `last`, `vars`, `secrets` or a part of the reply is followed as far as
//! its steps are fixed. Must never evaluate anything.

mod hyphen;
mod roots;

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::engine::{FILTERS, FUNCTIONS, TESTS};
use super::path::{Key, Plain, written};
use super::token::{Kind, Token, is_keyword};
use super::values::Uses;
use super::{RowScope, Scope, Spot, TemplateError, TemplateErrorKind};
use crate::diagnostic::did_you_mean;

/// Names that stand for the reply.
const REPLY: [&str; 6] = ["json", "item", "text", "headers", "status", "meta"];

/// Names that templates can give another meaning all the same, as in `{% for item in json.items %}`.
pub(super) const LOANED: [&str; 4] = ["rows", "item", "run", "last"];

/// Names that have a meaning of their own.
pub(super) const ROOTS: [&str; 12] =
    ["row", "rows", "run", "last", "vars", "secrets", "json", "item", "text", "headers", "status", "meta"];

/// Most errors of one template; of a text with more the rest is not looked at.
const MOST_ERRORS: usize = 100;

/// A checker of one template.
pub(super) struct Names<'t> {
    /// What may be used.
    pub scope: &'t Scope,
    /// Where the template stands.
    pub spot: Spot,
    /// Names the template itself gives a meaning.
    pub locals: BTreeSet<String>,
    /// What is wrong so far.
    pub errors: Vec<TemplateError>,
}

/// A path as written.
struct Steps {
    keys: Vec<(Key, Range<usize>)>,
    /// First word behind it.
    end: usize,
    /// Whether every step to the end is fixed.
    fixed: bool,
}

impl Names<'_> {
    /// Whether there are so many errors that nobody reads more.
    pub fn is_full(&self) -> bool {
        self.errors.len() >= MOST_ERRORS
    }

    /// Checks the words of one tag and notes what they use.
    pub fn check(&mut self, words: &[Token<'_>], uses: &mut Uses) {
        if self.is_full() {
            return;
        }
        let mut known_until = 0;
        for (at, word) in words.iter().enumerate() {
            let Kind::Name(name) = word.kind else { continue };
            if at < known_until {
                continue;
            }
            if let Some(end) = self.hyphenated(words, at, name) {
                known_until = end;
                continue;
            }
            let before = at.checked_sub(1).map(|before| &words[before]);
            let is_test = before.is_some_and(|word| word.is_name("is"))
                || (before.is_some_and(|word| word.is_name("not")) && at >= 2 && words[at - 2].is_name("is"));
            if before.is_some_and(|word| word.is_sign(".")) || (is_test && name == "not") {
                continue;
            } else if before.is_some_and(|word| word.is_sign("|")) {
                self.filter(name, &word.range);
            } else if is_test {
                self.listed_name("test", name, &word.range, TESTS);
            } else if !is_keyword(name) && !is_option(words, at) {
                self.value(words, at, name, uses);
            }
        }
    }

    /// The path that all words make up, if they make up nothing else.
    pub fn plain(&mut self, words: &[Token<'_>], uses: &mut Uses) -> Option<PlainPath> {
        let Kind::Name(name) = words.first()?.kind else { return None };
        let steps = steps(words, 0);
        if steps.end != words.len() || !steps.fixed || is_keyword(name) || self.locals.contains(name) {
            return None;
        }
        let root = self.root(&words[0], name, &steps, uses)?;
        match root {
            Resolved::Path(plain) => Some(PlainPath::Varying(plain)),
            Resolved::Constant(value) => Some(PlainPath::Constant(value)),
            Resolved::Whole => None,
        }
    }

    /// Checks the name of a filter.
    pub fn filter(&mut self, name: &str, range: &Range<usize>) {
        if self.spot == Spot::Url && name == "urlencode" {
            let message = "a value in a URL is escaped already; `urlencode` would escape it twice";
            self.error(range, TemplateErrorKind::Spot, message, Some("leave `| urlencode` out".to_owned()));
        } else if matches!(name, "safe" | "escape" | "e") {
            let help = "values are escaped for the place they stand in; leave it out".to_owned();
            self.error(range, TemplateErrorKind::Name, format!("there is no filter `{name}`"), Some(help));
        } else {
            self.listed_name("filter", name, range, FILTERS);
        }
    }

    fn listed_name(&mut self, what: &str, name: &str, range: &Range<usize>, known: &[&str]) {
        if !known.contains(&name) {
            let help = match did_you_mean(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known {what}s: {}", known.join(", ")),
            };
            self.error(range, TemplateErrorKind::Name, format!("there is no {what} `{name}`"), Some(help));
        }
    }

    /// A name that stands for a value or a function.
    fn value(&mut self, words: &[Token<'_>], at: usize, name: &str, uses: &mut Uses) {
        if self.locals.contains(name) || FUNCTIONS.contains(&name) {
            return;
        }
        if !ROOTS.contains(&name) {
            let called = words.get(at + 1).is_some_and(|word| word.is_sign("("));
            self.unknown(name, &words[at].range, called);
            return;
        }
        let steps = steps(words, at);
        if words.get(steps.end).is_some_and(|word| word.is_sign("(")) {
            let help = "use a filter instead: `{{ row.name | upper }}`".to_owned();
            let range = words[steps.end - 1].range.clone();
            self.error(&range, TemplateErrorKind::Name, "values can't be called", Some(help));
            return;
        }
        if let Some(Resolved::Path(plain)) = self.root(&words[at], name, &steps, uses)
            && steps.fixed
        {
            uses.paths.push(plain);
        }
    }

    fn unknown(&mut self, name: &str, range: &Range<usize>, called: bool) {
        if called {
            self.listed_name("function", name, range, FUNCTIONS);
            return;
        }
        let is_column = matches!(&self.scope.row, RowScope::Known(header) if header.position(name).is_some());
        let known = self.known_roots();
        let help = if is_column {
            format!("write `{}` for the column", written("row", name))
        } else if self.scope.vars.contains_key(name) {
            format!("write `vars.{name}`")
        } else if let Some(near) = did_you_mean(name, known.iter().copied()) {
            format!("did you mean `{near}`?")
        } else {
            format!("a template here may use {}", known.join(", "))
        };
        self.error(range, TemplateErrorKind::Name, format!("there is no value `{name}`"), Some(help));
    }

    fn known_roots(&self) -> Vec<&'static str> {
        let has_rows = matches!(self.scope.row, RowScope::Rows);
        let has_run = matches!(self.scope.row, RowScope::Run(_));
        let has_row = !has_rows && !has_run && !matches!(self.scope.row, RowScope::None);
        let is_known = |root: &&str| match *root {
            "row" => has_row,
            "rows" => has_rows,
            "run" => has_run,
            "last" => self.scope.last.is_some(),
            "vars" | "secrets" => true,
            _ => self.scope.reply,
        };
        ROOTS.into_iter().filter(is_known).collect()
    }

    /// Follows a path from its root; `None` when it was wrong.
    fn root(&mut self, word: &Token<'_>, name: &str, steps: &Steps, uses: &mut Uses) -> Option<Resolved> {
        let first = match steps.keys.first() {
            Some((Key::Name(first), range)) => Some((first.as_str(), range)),
            Some((Key::Index(_), _)) | None => None,
        };
        match name {
            "row" => self.column(word, first, steps, uses),
            "rows" => self.rows(word, uses),
            "run" => self.run(word, first, steps, uses),
            "last" => self.last(word, first, steps, uses),
            "vars" => self.var(first, steps, uses),
            "secrets" => self.secret(word, first, steps, uses),
            _ if !REPLY.contains(&name) => {
                self.unknown(name, &word.range, false);
                None
            }
            _ if !self.scope.reply => {
                let help = "use it in `columns`, which are taken from the reply".to_owned();
                let message = format!("there is no `{name}` before the reply has come");
                self.error(&word.range, TemplateErrorKind::Name, message, Some(help));
                None
            }
            _ => Some(roots::reply_root(name, first.map(|(first, _)| first), steps, uses)),
        }
    }

    /// Notes an error, once per place.
    pub fn error(
        &mut self,
        range: &Range<usize>,
        kind: TemplateErrorKind,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        if !self.errors.iter().any(|error| error.range == *range) {
            self.errors.push(TemplateError { range: range.clone(), kind, message: message.into(), help });
        }
    }
}

/// A path and nothing else.
pub(super) enum PlainPath {
    /// Known at compile time.
    Constant(Value),
    /// To be found while rendering.
    Varying(Plain),
}

enum Resolved {
    Path(Plain),
    Constant(Value),
    /// A root as a whole, or by steps that are known only while rendering.
    Whole,
}

impl Steps {
    fn rest(&self) -> Vec<Key> {
        self.keys.iter().skip(1).map(|(key, _)| key.clone()).collect()
    }

    fn all(&self) -> Vec<Key> {
        self.keys.iter().map(|(key, _)| key.clone()).collect()
    }
}

/// Whether the name at `at` is the name of an option, as in `tojson(indent=2)`.
pub(super) fn is_option(words: &[Token<'_>], at: usize) -> bool {
    let opened = at > 0 && (words[at - 1].is_sign("(") || words[at - 1].is_sign(","));
    opened && words.get(at + 1).is_some_and(|word| word.is_sign("="))
}

/// The fixed steps behind the name at `at`.
fn steps(words: &[Token<'_>], at: usize) -> Steps {
    let mut steps = Steps { keys: Vec::new(), end: at + 1, fixed: true };
    while let Some(word) = words.get(steps.end) {
        let next = words.get(steps.end + 1).map(|word| (word.kind, word.range.clone()));
        let closed = words.get(steps.end + 2).is_some_and(|word| word.is_sign("]"));
        let (key, range, length) = match (word.kind, next) {
            (Kind::Sign("."), Some((Kind::Name(name), range))) => (Key::Name(name.to_owned()), range, 2),
            (Kind::Sign("["), Some((Kind::Text(Some(name)), range))) if closed => {
                (Key::Name(name.to_owned()), range.start + 1..range.end - 1, 3)
            }
            (Kind::Sign("["), Some((Kind::Number(digits), range))) if closed && digits.parse::<usize>().is_ok() => {
                (Key::Index(digits.parse().unwrap_or_default()), range, 3)
            }
            (Kind::Sign("." | "["), _) => {
                steps.fixed = false;
                break;
            }
            _ => break,
        };
        steps.keys.push((key, range));
        steps.end += length;
    }
    steps
}
