//! The functions that a program is rewritten to call: they count what it takes, and halt it at a bound.
//!
//! A halt is no error, so that no `try` of a program can catch it. Must never give another value than jaq's own
//! operation gives, nor have a name that a program can write: each but `fromjson` begins with `!`.

use jaq_core::box_iter::box_once;
use jaq_core::{Bind, Ctx, Cv, DataT, Exn, Lut, Native, RunPtr, ValR, ValX, ValXs, data::HasLut};
use jaq_json::{Num, Val};
use serde_json::Value;

use super::meter::{self, Meter, PART, Why, copied, shallow, units};
use super::values::of_json;

/// A step; gives null, as whatever it gives is held for as long as what stands behind it runs.
pub(super) const STEP: &str = "!step";
/// A step at a value that goes on.
pub(super) const PASS: &str = "!pass";
/// A value that an update puts somewhere.
pub(super) const PUT: &str = "!put";
/// What follows makes so many bytes of each member of its input, or of each byte of a text.
pub(super) const GROWS: &str = "!grows";
/// A text is made of the value.
pub(super) const WRITTEN: &str = "!written";
/// A text goes into another.
pub(super) const JOINED: &str = "!joined";
/// A part of an array is one of its own.
pub(super) const SLICED: &str = "!sliced";
/// A value is about to be changed.
pub(super) const CHANGED: &str = "!changed";
/// A text is searched for all matches.
pub(super) const SEARCHED: &str = "!searched";
/// `+`, `-`, `*` and `/`.
pub(super) const ADD: &str = "!add";
pub(super) const SUB: &str = "!sub";
pub(super) const MUL: &str = "!mul";
pub(super) const DIV: &str = "!div";
/// Read by a reader of ours, whose depth is bounded.
pub(super) const FROM_JSON: &str = "fromjson";

/// Bytes of a match, and of each of its groups.
const MATCH: u64 = 256;

/// Values and data of our runs.
pub(super) struct Bounded;

#[derive(Clone)]
pub(super) struct Data<'a> {
    pub(super) lut: &'a Lut<Bounded>,
    pub(super) meter: &'a Meter<'a>,
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

type Call<'a> = Cv<'a, Bounded>;
type Outputs<'a> = ValXs<'a, Val>;

/// All of them, by name and arguments.
pub(super) fn natives() -> impl Iterator<Item = (&'static str, Box<[Bind]>, Native<Bounded>)> {
    let natives: [(_, _, RunPtr<Bounded>); 14] = [
        (STEP, 0, step),
        (PASS, 0, |call| halted(call, Meter::insert)),
        (PUT, 0, |call| halted(call, Meter::put)),
        (GROWS, 1, grows),
        (WRITTEN, 0, |call| halted(call, |meter, value| meter.write(value))),
        (JOINED, 0, joined),
        (SLICED, 0, sliced),
        (CHANGED, 0, |call| halted(call, |meter, value| meter.make(copied(value)))),
        (SEARCHED, 2, searched),
        (ADD, 2, |call| calculated(call, added, |left, right| left + right)),
        (SUB, 2, |call| calculated(call, subtracted, |left, right| left - right)),
        (MUL, 2, |call| calculated(call, multiplied, |left, right| left * right)),
        (DIV, 2, |call| calculated(call, divided, |left, right| left / right)),
        (FROM_JSON, 0, from_json),
    ];
    natives.into_iter().map(|(name, arguments, run)| {
        let native = Native::<Bounded>::new(run);
        // A part of an array has a place in it.
        let native = match name {
            SLICED => native.with_paths(|call| box_once(Ok(call.1))).with_update(|call, update| update(call.1)),
            _ => native,
        };
        (name, (0..arguments).map(|_| Bind::Var(())).collect(), native)
    })
}

/// The input goes on, unless it is too much.
fn halted<'a>(call: Call<'a>, count: impl FnOnce(&Meter<'a>, &Val) -> Result<(), Why>) -> Outputs<'a> {
    let (context, value) = call;
    let counted = count(context.data().meter, &value);
    box_once(or_halt(&context, counted).map(|()| value))
}

fn or_halt<'a>(context: &Ctx<'a, Bounded>, counted: Result<(), Why>) -> Result<(), Exn<'a, Val>> {
    counted.map_err(|why| {
        context.data().meter.stop(why);
        Exn::halt(1)
    })
}

fn step<'a>((context, value): Call<'a>) -> Outputs<'a> {
    let counted = context.data().meter.step(&value);
    box_once(or_halt(&context, counted).map(|()| Val::Null))
}

fn grows<'a>((mut context, value): Call<'a>) -> Outputs<'a> {
    let each = match context.pop_var() {
        Val::Num(Num::Int(each)) => each.unsigned_abs() as u64,
        _ => 1,
    };
    halted((context, value), |meter, value| meter.make(units(value).saturating_mul(each)))
}

fn joined<'a>(call: Call<'a>) -> Outputs<'a> {
    halted(call, |meter, value| match value {
        Val::TStr(_) | Val::BStr(_) => meter.make(shallow(value)),
        _ => meter.write(value),
    })
}

fn sliced<'a>(call: Call<'a>) -> Outputs<'a> {
    // Parts of a text share it.
    halted(call, |meter, value| meter.make(if let Val::Arr(_) = value { shallow(value) } else { PART }))
}

/// Two values, and what stands for them.
fn calculated<'a>(
    (mut context, input): Call<'a>,
    count: fn(&Meter<'a>, &Val, &Val) -> Result<(), Why>,
    calculate: fn(Val, Val) -> ValR<Val>,
) -> Outputs<'a> {
    // The input is often the left side too, which then nobody else may have, to be changed where it is.
    drop(input);
    let (right, left) = (context.pop_var(), context.pop_var());
    let counted = count(context.data().meter, &left, &right);
    let outcome: ValX<'a, Val> = or_halt(&context, counted).and_then(|()| calculate(left, right).map_err(Exn::from));
    box_once(outcome)
}

fn added(meter: &Meter<'_>, left: &Val, right: &Val) -> Result<(), Why> {
    match (left, right) {
        (Val::Null, _) | (_, Val::Null) => Ok(()),
        (Val::Num(_), Val::Num(_)) => meter::whole(meter::bits(left).max(meter::bits(right))),
        _ => meter.make(copied(left).saturating_add(shallow(right))),
    }
}

fn subtracted(meter: &Meter<'_>, left: &Val, right: &Val) -> Result<(), Why> {
    match (left, right) {
        (Val::Num(_), Val::Num(_)) => added(meter, left, right),
        _ => meter.make(copied(left)),
    }
}

fn multiplied(meter: &Meter<'_>, left: &Val, right: &Val) -> Result<(), Why> {
    match (left, right) {
        (Val::Num(_), Val::Num(_)) => meter::whole(meter::bits(left).saturating_add(meter::bits(right))),
        (text @ (Val::TStr(_) | Val::BStr(_)), Val::Num(times))
        | (Val::Num(times), text @ (Val::TStr(_) | Val::BStr(_))) => {
            meter.make(units(text).saturating_mul(repeats(times)))
        }
        (Val::Obj(_), Val::Obj(_)) => meter.make(merged(left, right, false)),
        _ => Ok(()),
    }
}

/// How often a text is repeated.
fn repeats(times: &Num) -> u64 {
    match times {
        Num::Int(times) => u64::try_from(*times).unwrap_or(0),
        Num::BigInt(_) => u64::MAX,
        Num::Float(_) | Num::Dec(_) => 0,
    }
}

/// Objects are merged with what is in them; what stands in a copy is copied too.
fn merged(left: &Val, right: &Val, is_copy: bool) -> u64 {
    let (Val::Obj(members), Val::Obj(others)) = (left, right) else { return 0 };
    let copy = if is_copy { shallow(left) } else { copied(left) };
    let inner = others
        .iter()
        .map(|(name, other)| members.get(name).map_or(0, |member| merged(member, other, is_copy || copy > 0)));
    inner.fold(copy.saturating_add(shallow(right)), u64::saturating_add)
}

fn divided(meter: &Meter<'_>, left: &Val, right: &Val) -> Result<(), Why> {
    match (left, right) {
        (Val::TStr(text) | Val::BStr(text), Val::TStr(separator) | Val::BStr(separator)) => {
            meter.make(parts(text, separator).saturating_mul(PART))
        }
        _ => Ok(()),
    }
}

/// Parts of a text between separators, at most.
fn parts(text: &[u8], separator: &[u8]) -> u64 {
    let parts = match (std::str::from_utf8(text), std::str::from_utf8(separator)) {
        (Ok(text), Ok(separator)) if !separator.is_empty() => text.matches(separator).count() + 1,
        _ => text.len() / separator.len().max(1) + 1,
    };
    parts as u64
}

/// Matches are only counted ahead where a text might have too many.
fn searched<'a>((mut context, value): Call<'a>) -> Outputs<'a> {
    let (flags, pattern) = (context.pop_var(), context.pop_var());
    halted((context, value), |meter, value| {
        let (Val::TStr(text), Val::TStr(pattern), Val::TStr(flags)) = (value, &pattern, &flags) else { return Ok(()) };
        let groups = pattern.iter().filter(|byte| **byte == b'(').count() as u64 + 1;
        let each = groups.saturating_mul(MATCH);
        let most = if flags.contains(&b'g') { text.len() as u64 + 1 } else { 1 };
        meter
            .fits(most.saturating_mul(each))
            .or_else(|_| meter.fits(matches(text, pattern, flags).saturating_mul(each)))
    })
}

/// Matches of a pattern; as many as there may be if it is none of ours.
fn matches(text: &[u8], pattern: &[u8], flags: &[u8]) -> u64 {
    let has = |flag: &[u8]| flag.iter().any(|flag| flags.contains(flag));
    let pattern = std::str::from_utf8(pattern).ok().and_then(|pattern| {
        let mut builder = regex::bytes::RegexBuilder::new(pattern);
        builder.case_insensitive(has(b"i")).multi_line(has(b"mp")).dot_matches_new_line(has(b"sp"));
        builder.swap_greed(has(b"l")).ignore_whitespace(has(b"x")).build().ok()
    });
    pattern.map_or(text.len() + 1, |pattern| pattern.find_iter(text).count()) as u64
}

fn from_json<'a>((context, value): Call<'a>) -> Outputs<'a> {
    /// Of each byte of JSON.
    const READ: u64 = 8;
    let counted = context.data().meter.make(units(&value).saturating_mul(READ));
    let read = or_halt(&context, counted).and_then(|()| {
        let read = match &value {
            Val::TStr(text) | Val::BStr(text) => {
                serde_json::from_slice::<Value>(text).map(|value| of_json(&value)).map_err(|error| error.to_string())
            }
            _ => Err("it is no string".to_owned()),
        };
        read.map_err(|why| {
            let message = format!("{why} (while parsing {})", shortened(&value));
            Exn::from(jaq_core::Error::str(message))
        })
    });
    box_once(read)
}

/// The start of what jaq writes for a value or an error: these hold whole values, and may be of any length.
pub(super) fn start(what: &impl std::fmt::Display, most: usize) -> (String, bool) {
    use std::fmt::Write as _;
    let mut start = Start { text: String::new(), left: most };
    let whole = write!(start, "{what}").is_ok();
    (start.text, whole)
}

fn shortened(value: &Val) -> String {
    const SHOWN: usize = 100;
    let (text, whole) = start(value, SHOWN);
    if whole { text } else { format!("{text}...") }
}

/// Takes so many characters, then fails, so that nobody goes on to write.
struct Start {
    text: String,
    left: usize,
}

impl std::fmt::Write for Start {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let taken: String = text.chars().take(self.left).collect();
        self.left -= taken.chars().count();
        let whole = taken.len() == text.len();
        self.text.push_str(&taken);
        if whole { Ok(()) } else { Err(std::fmt::Error) }
    }
}
