//! A jq program, compiled once, and run with bounds.
//!
//! The program and jq's own library are [rewritten](super::rewrite) before they are compiled, so that both count what
//! they take and halt at a bound. Must never let a program reach the world outside of its input: the functions that
//! would are not there.

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use jaq_core::load::parse::{Def, Term};
use jaq_core::load::{Arena, File, Lexer, Loader, Parser};
use jaq_core::{Bind, Ctx, Exn, Native, Vars};
use serde_json::Value;

use super::HELP;
use super::meter::{Bounds, Meter};
use super::natives::{Bounded, Data, FROM_JSON, natives, start};
use super::rewrite::counted_def;
use super::values::{of_json, to_json};
use super::wrapped::{self, hidden};
use crate::expression::{self, Language};

/// The program, as a function of the library: only those may be handed over as trees.
const MAIN: &str = "paceline_main";
/// Stack for a program to be compiled on: jaq walks into its tree with some 13 KiB for each name or sign, in a build
/// without optimisation. What is not needed is not taken.
const STACK: usize = 256 << 20;
/// What to do where the system does not give as much.
const MORE_ROOM: &str = "nothing is wrong with the program: let the process have more addresses (`ulimit -v`), or write a JSONPath \
                         such as \"$.items[0].id\", which needs none of it";
/// Characters of an error of jq that are shown.
const SHOWN: usize = 300;

/// Functions that reach out of the program.
const OUTSIDE: &[&str] = &["debug_empty", "env", "halt", "localtime", "now", "stderr_empty", "strflocaltime"];
/// What jq's library builds on them.
const ON_OUTSIDE: &[&str] = &["debug", "halt", "halt_error", "stderr"];

/// What a program finds there, counted; read once, for a job may have many programs.
static LIBRARY: LazyLock<Vec<Def<&'static str>>> = LazyLock::new(|| {
    let library = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(defs());
    let library = library.filter(|def| !ON_OUTSIDE.contains(&def.name) && def.name != FROM_JSON);
    wrapped::defs().chain(library.map(counted_def)).collect()
});

/// What is wrong with a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// For people.
    pub(super) message: String,
    /// Bytes of the program.
    pub(super) range: Range<usize>,
    /// The way out.
    pub(super) help: &'static str,
}

impl Flaw {
    /// Something that the program gets wrong.
    fn new(message: impl Into<String>, range: Range<usize>) -> Self {
        Self { message: message.into(), range, help: HELP }
    }
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

impl Program {
    /// Compiles a program.
    ///
    /// # Errors
    /// What is wrong with it, each with its place.
    pub(super) fn compile(source: &str) -> Result<Self, Vec<Flaw>> {
        if let Some((message, range)) = expression::too_much(source, Language::Jq) {
            return Err(vec![Flaw::new(format!("the program can't be used: {message}"), range)]);
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            match thread.spawn_scoped(scope, || Self::compile_here(source)).map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(compiled)) => compiled,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                Err(error) => {
                    let size = STACK >> 20;
                    let message =
                        format!("there is no room for the {size} MiB in which a jq program is compiled: {error}");
                    Err(vec![Flaw { message, range: 0..source.len(), help: MORE_ROOM }])
                }
            }
        })
    }

    fn compile_here(source: &str) -> Result<Self, Vec<Flaw>> {
        let main = Def { name: MAIN, args: Vec::new(), body: parse(source)? };
        let loader = Loader::new(LIBRARY.iter().cloned().map(shorter).chain([counted_def(main)]));
        let arena = Arena::default();
        let file = File { code: MAIN, path: () };
        let whole = |message: &str| vec![Flaw::new(message, 0..source.len())];
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
        self.run_within(input, &Bounds::default())
    }

    /// As [`Program::run`], within other bounds.
    pub(super) fn run_within(&self, input: &Value, bounds: &Bounds) -> Result<Vec<Value>, String> {
        let meter = Meter::begin(bounds, input);
        let context = Ctx::<Bounded>::new(Data { lut: &self.filter.lut, meter: &meter }, Vars::new([]));
        let mut outputs = Vec::new();
        for output in self.filter.id.run((context, of_json(input))) {
            match output.map_err(Exn::get_err) {
                Ok(value) => {
                    meter.write(&value).map_err(stopped)?;
                    outputs.push(to_json(&value));
                }
                Err(Ok(error)) => return Err(format!("the jq program fails: {}", start(&error, SHOWN).0)),
                Err(Err(_)) => return Err(stopped(meter.why())),
            }
            if outputs.len() > bounds.outputs {
                return Err(stopped("it has too many outputs (more than 1,000,000)"));
            }
        }
        Ok(outputs)
    }
}

fn stopped(why: &str) -> String {
    format!("the jq program was stopped: {why}")
}

fn functions() -> impl Iterator<Item = (&'static str, Box<[Bind]>, Native<Bounded>)> {
    let theirs = jaq_core::funs::<Bounded>().chain(jaq_std::funs::<Bounded>()).chain(jaq_json::funs::<Bounded>());
    let theirs = theirs.filter(|(name, ..)| !OUTSIDE.contains(name) && *name != FROM_JSON);
    theirs.map(|(name, binds, native)| (hidden(name, binds.len()), binds, native)).chain(natives())
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
            Flaw::new(message, shown(source, start..source.len()))
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
            Flaw::new(message, shown(source, range))
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
    Flaw::new(message, range_of(source, name))
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
