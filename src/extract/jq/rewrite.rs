//! A program, rewritten so that it counts.
//!
//! jaq itself counts nothing. Each place that a loop has to come by gets a step, and each operation that makes more
//! out of whole values one of [`natives`](super::natives) that looks first. Must never change what a program means:
//! paths stay paths, tail calls tail calls, and outputs come in jaq's order.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

use super::natives::{ADD, CHANGED, DIV, GROWS, JOINED, MUL, PASS, SEARCHED, SLICED, STEP, SUB, WRITTEN};

/// What the outcome of a step is bound to; nothing reads it.
const COUNTED: &str = "$paceline_counted";
/// The right side of `+=`.
const WITH: &str = "$paceline_with";
/// What is searched for.
const PATTERN: &str = "$paceline_pattern";
const FLAGS: &str = "$paceline_flags";

/// Functions of jaq that make more of their input: name, arguments, bytes for each member or byte of it.
const GROWING: &[(&str, usize, &str)] = &[
    ("ascii_downcase", 0, "1"),
    ("ascii_upcase", 0, "1"),
    ("decode_base64", 0, "1"),
    ("decode_uri", 0, "1"),
    ("encode_base64", 0, "2"),
    ("encode_uri", 0, "3"),
    ("escape_html", 0, "6"),
    ("escape_sh", 0, "4"),
    ("explode", 0, "16"),
    ("group_by", 1, "64"),
    ("implode", 0, "4"),
    ("indices", 1, "16"),
    ("key_values", 0, "128"),
    ("keys_unsorted", 0, "16"),
    ("reverse", 0, "16"),
    ("sort", 0, "16"),
    ("sort_by", 1, "48"),
    ("unescape_html", 0, "1"),
];
/// Bytes of a match, besides its groups.
const MATCH: &str = "256";

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

fn call<'s>(name: &'static str, arguments: Vec<Term<&'s str>>) -> Term<&'s str> {
    Term::Call(name, arguments)
}

/// `left | right`
fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
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
        Term::Obj(members) => {
            Term::Obj(members.into_iter().map(|(name, value)| (counted(name), value.map(counted))).collect())
        }
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
        Term::Call(name, arguments) => counted_call(name, arguments),
        Term::Path(inner, path) => counted_path(counted(*inner), path),
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
            bound(WITH, right, changed(Term::BinOp(Box::new(left), BinaryOp::Update, Box::new(sum))))
        }
        BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateAlt => {
            changed(Term::BinOp(Box::new(left), operator, Box::new(right)))
        }
        BinaryOp::Pipe(_) | BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => {
            Term::BinOp(Box::new(left), operator, Box::new(right))
        }
    }
}

/// Functions of jaq that loop, or make more of what is large already.
fn counted_call<'s>(name: &'s str, arguments: Vec<Term<&'s str>>) -> Term<&'s str> {
    let arguments: Vec<_> = arguments.into_iter().map(counted).collect();
    match (name, arguments.len()) {
        // It makes its numbers in a loop of its own.
        ("range", 3) => before_step(Term::Call(name, arguments)),
        ("tojson" | "tobytes", 0) => pipe(call(WRITTEN, Vec::new()), Term::Call(name, arguments)),
        ("matches" | "split_matches" | "split_", 2) => counted_search(name, arguments),
        (name, count) => match GROWING.iter().find(|growing| (growing.0, growing.1) == (name, count)) {
            Some((.., each)) => pipe(grows(each), Term::Call(name, arguments)),
            None => Term::Call(name, arguments),
        },
    }
}

/// `GROWS(each)`: so many bytes of each member.
fn grows<'s>(each: &'static str) -> Term<&'s str> {
    call(GROWS, vec![Term::Num(each)])
}

/// Pattern and flags are looked at before the search, its matches afterwards.
fn counted_search<'s>(name: &'s str, arguments: Vec<Term<&'s str>>) -> Term<&'s str> {
    let mut arguments = arguments.into_iter();
    let (pattern, flags) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let given = || vec![Term::Var(PATTERN), Term::Var(FLAGS)];
    let found = pipe(Term::Call(name, given()), grows(MATCH));
    bound(PATTERN, pattern, bound(FLAGS, flags, pipe(call(SEARCHED, given()), found)))
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
        Part::Index(index) => Part::Index(counted(index)),
        Part::Range(from, to) => Part::Range(from.map(counted), to.map(counted)),
    }
}
