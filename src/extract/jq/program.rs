//! A jq program, compiled once, and run with bounds.
//!
//! jaq itself counts nothing, so the program and jq's own library are rewritten before they are compiled: each
//! place that a loop has to come by calls [`STEP`], which counts, looks at how deep the stack and the value have
//! become, and halts the program; `try` can't catch that. Must never let a program reach the world outside of
//! its input: the functions that would are not there.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{Arena, File, Lexer, Loader, Parser};
use jaq_core::path::{Part, Path};
use jaq_core::{Bind, Ctx, DataT, Exn, Lut, Native, RunPtr, ValXs, Vars, data::HasLut};
use jaq_json::Val;
use serde_json::Value;

use super::values::{of_json, to_json};

/// Steps of one run of a program: some seconds at most.
const STEPS: u64 = 10_000_000;
/// Outputs of one run.
const OUTPUTS: usize = 1_000_000;
/// Bytes of stack that a run may take; a worker has 2 MiB.
const STACK: usize = 768 * 1024;
/// Values that nest deeper are dropped by recursion, which would overflow the stack.
const NESTED: usize = 1_000;

/// The function that counts.
const STEP: &str = "paceline_step";
/// What its outcome is bound to; nothing reads it.
const COUNTED: &str = "$paceline_counted";
/// The program, as a function of the library: only those may be handed over as trees.
const MAIN: &str = "paceline_main";

/// Functions that reach out of the program.
const OUTSIDE: &[&str] = &["debug_empty", "env", "halt", "localtime", "now", "stderr_empty", "strflocaltime"];
/// What jq's library builds on them.
const ON_OUTSIDE: &[&str] = &["debug", "halt", "halt_error", "stderr"];
/// Read by a reader of ours, whose depth is bounded.
const FROM_JSON: &str = "fromjson";

/// What is wrong with a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// For people.
    pub(super) message: String,
    /// Bytes of the program.
    pub(super) range: Range<usize>,
}

/// A program.
pub(super) struct Program {
    source: String,
    filter: jaq_core::Filter<Bounded>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.source).finish()
    }
}

/// Values and data of our runs.
struct Bounded;

#[derive(Clone)]
struct Data<'a> {
    lut: &'a Lut<Bounded>,
    meter: &'a Meter,
}

impl DataT for Bounded {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

impl<'a> HasLut<'a, Bounded> for Data<'a> {
    fn lut(&self) -> &'a Lut<Bounded> {
        self.lut
    }
}

/// What one run has taken.
struct Meter {
    left: Cell<u64>,
    /// Address of something on the stack when it began.
    begin: usize,
    why: Cell<&'static str>,
}

impl Meter {
    fn step(&self, value: &Val) -> Result<(), &'static str> {
        let here = 0_u8;
        if self.left.get() == 0 {
            return Err("it goes on for too long (10,000,000 steps)");
        }
        self.left.set(self.left.get() - 1);
        if self.begin.abs_diff(address(&here)) > STACK {
            return Err("it calls itself too deeply");
        }
        if nests(value, NESTED) { Err("it makes a value that nests too deeply (1,000 levels)") } else { Ok(()) }
    }
}

fn address(byte: &u8) -> usize {
    std::ptr::from_ref(byte).addr()
}

/// Whether a value nests deeper, as far as its first members and its last tell: looking at all takes too long.
fn nests(value: &Val, limit: usize) -> bool {
    fn down(value: &Val, last: bool) -> Option<&Val> {
        match value {
            Val::Arr(items) => {
                if last {
                    items.last()
                } else {
                    items.first()
                }
            }
            Val::Obj(members) => if last { members.last() } else { members.first() }.map(|(_, member)| member),
            _ => None,
        }
    }
    let deeper = |last| {
        let mut inner = Some(value);
        (0..limit).all(|_| {
            inner = inner.and_then(|value| down(value, last));
            inner.is_some()
        })
    };
    deeper(false) || deeper(true)
}

fn step<'a>(cv: jaq_core::Cv<'a, Bounded>) -> ValXs<'a, Val> {
    let (context, value) = cv;
    let meter = context.data().meter;
    Box::new(std::iter::once(match meter.step(&value) {
        Ok(()) => Ok(value),
        Err(why) => {
            meter.why.set(why);
            Err(Exn::halt(1))
        }
    }))
}

fn from_json<'a>(cv: jaq_core::Cv<'a, Bounded>) -> ValXs<'a, Val> {
    let read = match &cv.1 {
        Val::TStr(text) | Val::BStr(text) => {
            serde_json::from_slice::<Value>(text).map(|value| of_json(&value)).map_err(|error| error.to_string())
        }
        _ => Err("it is no string".to_owned()),
    };
    Box::new(std::iter::once(read.map_err(|why| {
        let message = format!("{why} (while parsing {})", shortened(&cv.1.to_string()));
        Exn::from(jaq_core::Error::str(message))
    })))
}

impl Program {
    /// Compiles a program.
    ///
    /// # Errors
    /// What is wrong with it, each with its place.
    pub(super) fn compile(source: &str) -> Result<Self, Vec<Flaw>> {
        let main = Def { name: MAIN, args: Vec::new(), body: parse(source)? };
        let library = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(defs());
        let library = library.filter(|def| !ON_OUTSIDE.contains(&def.name) && def.name != FROM_JSON).map(shorter);
        let loader = Loader::new(library.chain([main]).map(counted_def));
        let arena = Arena::default();
        let file = File { code: MAIN, path: () };
        let whole = |message: &str| vec![Flaw { message: message.to_owned(), range: 0..source.len() }];
        let modules = loader.load(&arena, file).map_err(|_| whole("the jq program can't be loaded"))?;
        let filter = jaq_core::Compiler::default().with_funs(functions()).compile(modules).map_err(|errors| {
            errors
                .into_iter()
                .flat_map(|(_, errors)| errors)
                .map(|(name, what)| undefined(source, name, &what))
                .collect::<Vec<_>>()
        })?;
        Ok(Self { source: source.to_owned(), filter })
    }

    /// As written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The outputs for an input.
    ///
    /// # Errors
    /// What the program says is wrong, or which bound it met.
    pub(super) fn run(&self, input: &Value) -> Result<Vec<Value>, String> {
        self.run_within(input, STEPS, OUTPUTS)
    }

    /// As [`Program::run`], within other bounds.
    pub(super) fn run_within(&self, input: &Value, steps: u64, most: usize) -> Result<Vec<Value>, String> {
        let begin = 0_u8;
        let meter = Meter { left: Cell::new(steps), begin: address(&begin), why: Cell::new("it halts") };
        let context = Ctx::<Bounded>::new(Data { lut: &self.filter.lut, meter: &meter }, Vars::new([]));
        let mut outputs = Vec::new();
        for output in self.filter.id.run((context, of_json(input))) {
            match output.map_err(Exn::get_err) {
                Ok(value) if nests(&value, NESTED) => return Err(stopped("it makes a value that nests too deeply")),
                Ok(value) => outputs.push(to_json(&value)),
                Err(Ok(error)) => {
                    return Err(format!(
                        "the jq program fails: {}",
                        error.to_string().chars().take(300).collect::<String>()
                    ));
                }
                Err(Err(_)) => return Err(stopped(meter.why.get())),
            }
            if outputs.len() > most {
                return Err(stopped("it has too many outputs (more than 1,000,000)"));
            }
        }
        Ok(outputs)
    }
}

fn stopped(why: &str) -> String {
    format!("the jq program was stopped: {why}")
}

/// Errors of jq hold whole values.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 100;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn functions() -> impl Iterator<Item = (&'static str, Box<[Bind]>, Native<Bounded>)> {
    let ours: [(&'static str, RunPtr<Bounded>); 2] = [(STEP, step), (FROM_JSON, from_json)];
    let theirs = jaq_core::funs::<Bounded>().chain(jaq_std::funs::<Bounded>()).chain(jaq_json::funs::<Bounded>());
    let theirs = theirs.filter(|(name, ..)| !OUTSIDE.contains(name) && *name != FROM_JSON);
    theirs.chain(ours.into_iter().map(|(name, run)| (name, Box::from([]), Native::<Bounded>::new(run))))
}

/// Functions of ours, written in jq; what stands later in the library hides what stands before.
fn defs() -> impl Iterator<Item = Def<&'static str>> {
    jaq_core::load::parse(include_str!("defs.jq"), |parser| parser.defs()).unwrap_or_default().into_iter()
}

/// The tree of a program.
fn parse(source: &str) -> Result<Term<&str>, Vec<Flaw>> {
    let tokens = Lexer::new(source).lex().map_err(|errors| {
        let flaw = |(expected, rest): (jaq_core::load::lex::Expect<&str>, &str)| {
            let start = offset(source, rest);
            let message = format!("the jq program does not parse: {} expected", expected.as_str());
            Flaw { message, range: shown(source, start..source.len()) }
        };
        errors.into_iter().map(flaw).collect::<Vec<_>>()
    })?;
    Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| {
        let flaw = |(expected, found): jaq_core::load::parse::TError<'_, &str>| {
            let message = match found {
                Some(_) => format!("the jq program does not parse here: {} expected", expected.as_str()),
                None => format!("the jq program ends too early: {} expected", expected.as_str()),
            };
            let range = found.map_or(source.len()..source.len(), |token| range_of(source, token.0));
            Flaw { message, range: shown(source, range) }
        };
        errors.into_iter().map(flaw).collect()
    })
}

/// A name that stands for nothing, or for what is not there on purpose.
fn undefined(source: &str, name: &str, what: &jaq_core::compile::Undefined) -> Flaw {
    let outside = ["env", "$ENV", "input", "inputs", "input_filename", "$__loc__", "$__prog_args"].contains(&name)
        || OUTSIDE.contains(&name)
        || ON_OUTSIDE.contains(&name);
    let message = if outside {
        format!("`{name}` is not there: a program sees the reply and nothing else")
    } else {
        let arity = match what {
            jaq_core::compile::Undefined::Filter(arity) if *arity > 0 => format!(" with {arity} arguments"),
            _ => String::new(),
        };
        format!("the jq program has no {} `{name}`{arity}", what.as_str())
    };
    Flaw { message, range: range_of(source, name) }
}

/// Where a part of the source stands in it; all of it for what does not stand there.
fn range_of(source: &str, part: &str) -> Range<usize> {
    let start = offset(source, part);
    if start + part.len() <= source.len() { start..start + part.len() } else { 0..source.len() }
}

fn offset(source: &str, part: &str) -> usize {
    part.as_ptr().addr().wrapping_sub(source.as_ptr().addr())
}

/// A place of no width is shown by everything.
fn shown(source: &str, range: Range<usize>) -> Range<usize> {
    if range.is_empty() || range.end > source.len() { 0..source.len() } else { range }
}

/// The library lives forever, a program as long as its source.
fn shorter<'s>(def: Def<&'static str>) -> Def<&'s str> {
    def
}

fn counted_def(def: Def<&str>) -> Def<&str> {
    let Def { name, args, body } = def;
    Def { name, args, body: after_step(counted(body)) }
}

/// `STEP as $counted | term`: paths and tail calls of the term stay what they are.
fn after_step(term: Term<&str>) -> Term<&str> {
    let step = Box::new(Term::Call(STEP, Vec::new()));
    Term::BinOp(step, BinaryOp::Pipe(Some(Pattern::Var(COUNTED))), Box::new(term))
}

/// `term | STEP`, for what has no path.
fn before_step(term: Term<&str>) -> Term<&str> {
    Term::BinOp(Box::new(term), BinaryOp::Pipe(None), Box::new(Term::Call(STEP, Vec::new())))
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
        Term::BinOp(left, operator, right) => Term::BinOp(boxed(left), operator, boxed(right)),
        Term::Label(name, inner) => Term::Label(name, boxed(inner)),
        Term::Fold(name, from, pattern, arguments) => {
            let mut arguments: Vec<_> = arguments.into_iter().map(counted).collect();
            // The second is what is done for each value; its input is what has come together so far.
            if let Some(update) = arguments.get_mut(1) {
                *update = after_step(std::mem::take(update));
            }
            Term::Fold(name, boxed(from), counted_pattern(pattern), arguments)
        }
        Term::TryCatch(inner, catch) => Term::TryCatch(boxed(inner), catch.map(boxed)),
        Term::IfThenElse(branches, otherwise) => Term::IfThenElse(
            branches.into_iter().map(|(when, then)| (counted(when), counted(then))).collect(),
            otherwise.map(boxed),
        ),
        Term::Def(defs, inner) => Term::Def(defs.into_iter().map(counted_def).collect(), boxed(inner)),
        Term::Call(name, arguments) => counted_call(name, arguments),
        Term::Path(inner, Path(parts)) => {
            Term::Path(boxed(inner), Path(parts.into_iter().map(|(part, opt)| (counted_step(part), opt)).collect()))
        }
    }
}

/// `range` makes its numbers in a loop of its own.
fn counted_call<'s>(name: &'s str, arguments: Vec<Term<&'s str>>) -> Term<&'s str> {
    let is_loop = name == "range" && arguments.len() == 3;
    let call = Term::Call(name, arguments.into_iter().map(counted).collect());
    if is_loop { before_step(call) } else { call }
}

fn counted_part<'s>(part: StrPart<&'s str, Term<&'s str>>) -> StrPart<&'s str, Term<&'s str>> {
    match part {
        StrPart::Term(term) => StrPart::Term(counted(term)),
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
