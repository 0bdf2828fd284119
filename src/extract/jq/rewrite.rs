//! A program, rewritten so that it counts.
//!
//! jaq itself counts nothing. Each place that a loop has to come by gets a step, and each operation that makes more
//! out of whole values one of [`natives`](super::natives) that looks first; functions that do are
//! [`wrapped`](super::wrapped). Must never change what a program means: paths stay paths, tail calls tail calls,
//! outputs come in jaq's order, and names stand for what they stood for.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

use super::natives::{ADD, CHANGED, DIV, JOINED, MUL, PASS, PUT, SLICED, STEP, SUB};
use super::wrapped::grows;

/// What the outcome of a step is bound to; nothing reads it.
const COUNTED: &str = "$!counted";
/// The right side of `+=`.
const WITH: &str = "$!with";

/// A definition whose body counts.
pub(super) fn counted_def(def: Def<&str>) -> Def<&str> {
    let Def { name, args, body } = def;
    Def { name, args, body: after_step(counted(body)) }
}

/// `STEP as $counted | term`: paths and tail calls of the term stay what they are.
fn after_step(term: Term<&str>) -> Term<&str> {
    bound(COUNTED, call(STEP, Vec::new()), term)
}

/// `term | PASS`, for what has no path.
fn before_step(term: Term<&str>) -> Term<&str> {
    pipe(term, call(PASS, Vec::new()))
}

/// The same for what goes into another value: one that is written out as it stands nests nothing.
fn inserted(term: Term<&str>) -> Term<&str> {
    match &term {
        Term::Num(_) => term,
        Term::Str(_, parts) if !parts.iter().any(|part| matches!(part, StrPart::Term(_))) => term,
        _ => before_step(counted(term)),
    }
}

/// `term | PUT`, for what an update puts where it likes.
fn put(term: Term<&str>) -> Term<&str> {
    match term {
        Term::Num(_) => term,
        _ => pipe(term, call(PUT, Vec::new())),
    }
}

pub(super) fn call<'s>(name: &'static str, arguments: Vec<Term<&'s str>>) -> Term<&'s str> {
    Term::Call(name, arguments)
}

/// `left | right`
pub(super) fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

/// `value as $name | term`
fn bound<'s>(name: &'static str, value: Term<&'s str>, term: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(value), BinaryOp::Pipe(Some(Pattern::Var(name))), Box::new(term))
}

/// The same term, with a step wherever a loop has to come by.
fn counted(term: Term<&str>) -> Term<&str> {
    let boxed = |term: Box<Term<_>>| Box::new(counted(*term));
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
        Term::Str(format, parts) => Term::Str(format, parts.into_iter().map(counted_part).collect()),
        Term::Arr(items) => Term::Arr(items.map(|items| Box::new(before_step(counted(*items))))),
        Term::Obj(members) => Term::Obj(members.into_iter().map(counted_member).collect()),
        Term::Neg(inner) => Term::Neg(boxed(inner)),
        Term::BinOp(left, BinaryOp::Pipe(pattern), right) => {
            let pattern = pattern.map(counted_pattern);
            Term::BinOp(boxed(left), BinaryOp::Pipe(pattern), Box::new(after_step(counted(*right))))
        }
        Term::BinOp(left, operator, right) => counted_operation(counted(*left), operator, counted(*right)),
        Term::Label(name, inner) => Term::Label(name, boxed(inner)),
        Term::Fold(name, from, pattern, arguments) => {
            let mut arguments: Vec<_> = arguments.into_iter().map(counted).collect();
            // The second is what is done for each value; its input is what has come together so far.
            if let Some(update) = arguments.get_mut(1) {
                *update = after_step(std::mem::take(update));
            }
            Term::Fold(name, boxed(from), counted_pattern(pattern), arguments)
        }
        Term::TryCatch(inner, catch) => {
            // What is caught may hold the text of a whole value.
            Term::TryCatch(boxed(inner), catch.map(|catch| Box::new(pipe(grows("1"), counted(*catch)))))
        }
        Term::IfThenElse(branches, otherwise) => Term::IfThenElse(
            branches.into_iter().map(|(when, then)| (counted(when), counted(then))).collect(),
            otherwise.map(boxed),
        ),
        Term::Def(defs, inner) => Term::Def(defs.into_iter().map(counted_def).collect(), boxed(inner)),
        Term::Call(name, arguments) => Term::Call(name, arguments.into_iter().map(counted).collect()),
        Term::Path(inner, path) => counted_path(counted(*inner), path),
    }
}

/// `place |= term`, where the term gets what is there: that, and what is added to it, nests no deeper than it did.
fn put_back(term: Term<&str>) -> Term<&str> {
    match term {
        Term::Id => Term::Id,
        Term::BinOp(left, BinaryOp::Pipe(None), right) => match *right {
            Term::Call(ADD, sides) => {
                let sides = sides.into_iter().map(put_back).collect();
                Term::BinOp(Box::new(put_back(*left)), BinaryOp::Pipe(None), Box::new(Term::Call(ADD, sides)))
            }
            right => put(Term::BinOp(left, BinaryOp::Pipe(None), Box::new(right))),
        },
        term => put(term),
    }
}

fn counted_member<'s>(member: (Term<&'s str>, Option<Term<&'s str>>)) -> (Term<&'s str>, Option<Term<&'s str>>) {
    match member {
        (name, Some(value)) => (inserted(name), Some(inserted(value))),
        // `{$name}` is `{name: $name}`, while `{name}` only takes out of the input what was in it.
        (Term::Var(name), None) => {
            let text = name.strip_prefix('$').unwrap_or(name);
            (Term::Str(None, vec![StrPart::Str(text)]), Some(before_step(Term::Var(name))))
        }
        (name, None) => (counted(name), None),
    }
}

fn counted_path<'s>(inner: Term<&'s str>, Path(parts): Path<Term<&'s str>>) -> Term<&'s str> {
    let slices = parts.iter().any(|(part, _)| matches!(part, Part::Range(Some(_), _) | Part::Range(_, Some(_))));
    let parts = parts.into_iter().map(|(part, opt)| (counted_step(part), opt)).collect();
    let path = Term::Path(Box::new(inner), Path(parts));
    if slices { pipe(path, call(SLICED, Vec::new())) } else { path }
}

/// Whether a term gives the same whatever its input is, as far as is plain.
fn is_closed(term: &Term<&str>) -> bool {
    let is_part = |part: &Part<Term<_>>| match part {
        Part::Index(index) => is_closed(index),
        Part::Range(from, to) => from.iter().chain(to).all(is_closed),
    };
    match term {
        Term::Num(_) | Term::Var(_) | Term::Arr(None) => true,
        Term::Str(None, parts) => parts.iter().all(|part| match part {
            StrPart::Term(term) => is_closed(term),
            StrPart::Str(_) | StrPart::Char(_) => true,
        }),
        Term::Arr(Some(inner)) | Term::Neg(inner) => is_closed(inner),
        Term::Obj(members) => {
            members.iter().all(|(name, value)| is_closed(name) && value.as_ref().is_some_and(is_closed))
        }
        Term::BinOp(left, BinaryOp::Pipe(None), _) => is_closed(left),
        Term::BinOp(left, BinaryOp::Math(_) | BinaryOp::Comma, right) => is_closed(left) && is_closed(right),
        Term::Path(inner, Path(parts)) => is_closed(inner) && parts.iter().all(|(part, _)| is_part(part)),
        _ => false,
    }
}

/// The function that calculates and looks first; a remainder is never more.
fn calculating(operator: Math) -> Option<&'static str> {
    match operator {
        Math::Add => Some(ADD),
        Math::Sub => Some(SUB),
        Math::Mul => Some(MUL),
        Math::Div => Some(DIV),
        Math::Rem => None,
    }
}

/// What makes more of its sides, by functions that look at both.
fn counted_operation<'s>(left: Term<&'s str>, operator: BinaryOp<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    let changed = |change| pipe(call(CHANGED, Vec::new()), change);
    match operator {
        BinaryOp::Math(math) => match calculating(math) {
            // What the right side does not look at need not be kept for it: `. + $a + $b` grows where it is.
            Some(name) if is_closed(&right) => pipe(left, call(name, vec![Term::Id, right])),
            Some(name) => call(name, vec![left, right]),
            None => Term::BinOp(Box::new(left), operator, Box::new(right)),
        },
        // As jq says itself: `left += right` is `right as $with | left |= . + $with`.
        BinaryOp::UpdateMath(math) => {
            let sum = counted_operation(Term::Id, BinaryOp::Math(math), Term::Var(WITH));
            bound(WITH, put(right), changed(Term::BinOp(Box::new(left), BinaryOp::Update, Box::new(sum))))
        }
        BinaryOp::Update => changed(Term::BinOp(Box::new(left), operator, Box::new(put_back(right)))),
        BinaryOp::Assign | BinaryOp::UpdateAlt => changed(Term::BinOp(Box::new(left), operator, Box::new(put(right)))),
        BinaryOp::Pipe(_) | BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => {
            Term::BinOp(Box::new(left), operator, Box::new(right))
        }
    }
}

fn counted_part<'s>(part: StrPart<&'s str, Term<&'s str>>) -> StrPart<&'s str, Term<&'s str>> {
    match part {
        StrPart::Term(term) => StrPart::Term(pipe(counted(term), call(JOINED, Vec::new()))),
        StrPart::Str(_) | StrPart::Char(_) => part,
    }
}

fn counted_pattern(pattern: Pattern<&str>) -> Pattern<&str> {
    match pattern {
        Pattern::Var(_) => pattern,
        Pattern::Arr(items) => Pattern::Arr(items.into_iter().map(counted_pattern).collect()),
        Pattern::Obj(members) => {
            Pattern::Obj(members.into_iter().map(|(name, pattern)| (counted(name), counted_pattern(pattern))).collect())
        }
    }
}

fn counted_step(part: Part<Term<&str>>) -> Part<Term<&str>> {
    match part {
        // A path that is asked for holds them.
        Part::Index(index) => Part::Index(inserted(index)),
        Part::Range(from, to) => Part::Range(from.map(inserted), to.map(inserted)),
    }
}
