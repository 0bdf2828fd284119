//! What one run of a jq program may take: steps, stack, depth of values, and bytes.
//!
//! Bytes are counted where an operation makes more out of whole values (`+`, `*`, a text of a value, a sorted
//! copy); what is done once a step is bounded by the steps. Must never say that a value is small that only shares
//! its parts: written out it is as large as it says.

use std::cell::{Cell, OnceCell};
use std::hash::{BuildHasher as _, RandomState};

use jaq_json::{Num, Rc, Val};
use serde_json::Value;

use super::survey::Survey;

/// Bounds of one run.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Some seconds at most.
    pub(super) steps: u64,
    /// Values that come out.
    pub(super) outputs: usize,
    /// Bytes that operations make; as an input may be larger by itself, [`INPUTS`] times the input too.
    pub(super) made: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { steps: 10_000_000, outputs: 1_000_000, made: 256 * 1024 * 1024 }
    }
}

/// How often a program may make what is as large as its input.
const INPUTS: u64 = 4;
/// Bytes of stack that a run may take; a worker has 2 MiB.
const STACK: usize = 768 * 1024;
/// Values that nest deeper are dropped by recursion, which would overflow the stack.
pub(super) const NESTED: usize = 1_000;
/// Members of members that a value may have; no reply comes near, but `[., .]` in a loop does.
pub(super) const SPREAD: usize = 100_000_000;
/// Bits of a whole number: a longer one takes seconds to be written out.
const BITS: u64 = 1 << 20;

/// Of so many values that go into another, one is looked at as a whole.
const SEEN: u64 = 64;
/// Members that are looked at for one step.
const LOOKS: u64 = 64;

/// A place in an array.
pub(super) const ITEM: u64 = 16;
/// A member of an object, without its name and value.
const MEMBER: u64 = 64;
/// A value that has an allocation of its own, such as a part of a text.
pub(super) const PART: u64 = 64;

pub(super) const TOO_LONG: &str = "it goes on for too long (10,000,000 steps)";
const TOO_DEEP: &str = "it calls itself too deeply";
pub(super) const NESTS: &str = "it makes a value that nests too deeply (1,000 levels)";
pub(super) const TOO_MUCH: &str = "it makes too much text and too many lists (more than 256 MiB)";
const TOO_MANY_DIGITS: &str = "it makes a whole number that is too long (more than 1,048,576 bits)";

/// Why a run was stopped.
pub(super) type Why = &'static str;

/// What one run has taken.
pub(super) struct Meter<'i> {
    steps: Cell<u64>,
    made: Cell<u64>,
    most: u64,
    input: &'i Value,
    /// What its input lets it make; only measured when `most` is not enough.
    for_input: OnceCell<u64>,
    /// Address of something on the stack when it began.
    begin: usize,
    why: Cell<Why>,
    /// Which values are looked at as a whole: a program must not be able to know.
    random: Cell<u64>,
}

impl<'i> Meter<'i> {
    /// Begins here, on this stack.
    pub(super) fn begin(bounds: &Bounds, input: &'i Value) -> Self {
        let begin = 0_u8;
        Self {
            steps: Cell::new(bounds.steps),
            made: Cell::new(0),
            most: bounds.made,
            input,
            for_input: OnceCell::new(),
            begin: address(&begin),
            why: Cell::new("it halts"),
            random: Cell::new(RandomState::new().hash_one(begin) | 1),
        }
    }

    /// Why it was stopped.
    pub(super) fn why(&self) -> Why {
        self.why.get()
    }

    /// Keeps the reason, as what stops a program has no room for one.
    pub(super) fn stop(&self, why: Why) {
        self.why.set(why);
    }

    /// One step, at a value.
    ///
    /// # Errors
    /// The bound that is met.
    pub(super) fn step(&self, value: &Val) -> Result<(), Why> {
        let here = 0_u8;
        let left = self.steps.get().checked_sub(1).ok_or(TOO_LONG)?;
        self.steps.set(left);
        if self.begin.abs_diff(address(&here)) > STACK {
            return Err(TOO_DEEP);
        }
        // Whatever made it: parts of a text that are assigned do so uncounted.
        self.within(shallow(value))?;
        self.shaped(value)
    }

    /// One step, at a value that becomes a member of another, and so nests one level deeper.
    ///
    /// Only one of [`SEEN`] is looked at as a whole. A value that nests in the middle, where [`chain`] does not look,
    /// may so become somewhat deeper than [`NESTED`], but hardly by the thousands of levels that the stack has room
    /// for: each has to escape.
    ///
    /// # Errors
    /// The bound that is met.
    pub(super) fn insert(&self, value: &Val) -> Result<(), Why> {
        self.step(value)?;
        if self.draw().is_multiple_of(SEEN) { self.survey(value) } else { Ok(()) }
    }

    /// As [`Meter::insert`], of a value that an update may put at the end of a long path, and so many levels deeper:
    /// each is looked at as a whole.
    ///
    /// # Errors
    /// The bound that is met.
    pub(super) fn put(&self, value: &Val) -> Result<(), Why> {
        self.step(value)?;
        self.survey(value)
    }

    /// Looks at all of a value, which takes steps.
    fn survey(&self, value: &Val) -> Result<(), Why> {
        let left = self.steps.get();
        let mut survey = Survey::new(left.saturating_mul(LOOKS));
        let outcome = survey.look(value);
        self.steps.set(left.saturating_sub(survey.looks() / LOOKS));
        outcome
    }

    /// The next of a row of numbers (xorshift).
    fn draw(&self) -> u64 {
        let mut number = self.random.get();
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        self.random.set(number);
        number >> 32
    }

    /// Whether a value nests and spreads no more than it may, as far as its first members and its last tell: looking
    /// at all takes too long. What spreads by these, such as a table whose outer rows are long, is looked at.
    fn shaped(&self, value: &Val) -> Result<(), Why> {
        let (deep, wide) = (chain(value, false), chain(value, true));
        if deep.0 >= NESTED || wide.0 >= NESTED {
            return Err(NESTS);
        }
        if deep.1.min(wide.1) > SPREAD { self.survey(value) } else { Ok(()) }
    }

    /// So many bytes are made.
    ///
    /// # Errors
    /// They are too many.
    pub(super) fn make(&self, bytes: u64) -> Result<(), Why> {
        self.fits(bytes)?;
        self.made.set(self.made.get() + bytes);
        Ok(())
    }

    /// A value is written out, by its parts.
    ///
    /// # Errors
    /// It is too much, or nests too deeply.
    pub(super) fn write(&self, value: &Val) -> Result<(), Why> {
        let mut bytes = 0;
        self.write_from(value, 0, &mut bytes)?;
        self.make(bytes)
    }

    fn write_from(&self, value: &Val, depth: usize, bytes: &mut u64) -> Result<(), Why> {
        *bytes = bytes.saturating_add(written(value));
        self.fits(*bytes)?;
        if depth > NESTED {
            return Err(NESTS);
        }
        match value {
            Val::Arr(items) => items.iter().try_for_each(|item| self.write_from(item, depth + 1, bytes)),
            Val::Obj(members) => members.iter().try_for_each(|(name, member)| {
                self.write_from(name, depth + 1, bytes)?;
                self.write_from(member, depth + 1, bytes)
            }),
            _ => Ok(()),
        }
    }

    /// Whether so many bytes more may be made.
    ///
    /// # Errors
    /// They are too many.
    pub(super) fn fits(&self, bytes: u64) -> Result<(), Why> {
        self.within(self.made.get().saturating_add(bytes))
    }

    fn within(&self, bytes: u64) -> Result<(), Why> {
        let for_input = || *self.for_input.get_or_init(|| weight(self.input).saturating_mul(INPUTS));
        if bytes <= self.most || bytes <= for_input() { Ok(()) } else { Err(TOO_MUCH) }
    }
}

fn address(byte: &u8) -> usize {
    std::ptr::from_ref(byte).addr()
}

/// How deep a value nests along its first members, or its last, and how many it would have if all were like these.
fn chain(value: &Val, last: bool) -> (usize, usize) {
    let (mut inner, mut depth, mut spread) = (value, 0, 1_usize);
    while depth < NESTED {
        let (next, members) = match inner {
            Val::Arr(items) => (if last { items.last() } else { items.first() }, items.len()),
            Val::Obj(members) => {
                (if last { members.last() } else { members.first() }.map(|(_, member)| member), members.len())
            }
            _ => (None, 1),
        };
        spread = spread.saturating_mul(members.max(1));
        let Some(next) = next else { break };
        (inner, depth) = (next, depth + 1);
    }
    (depth, spread)
}

/// The members of a value, or the bytes of a text.
pub(super) fn units(value: &Val) -> u64 {
    match value {
        Val::TStr(text) | Val::BStr(text) => text.len() as u64,
        Val::Arr(items) => items.len() as u64,
        Val::Obj(members) => members.len() as u64,
        Val::Null | Val::Bool(_) | Val::Num(_) => 0,
    }
}

/// Bytes of a value without what it only points to.
pub(super) fn shallow(value: &Val) -> u64 {
    match value {
        Val::Arr(_) => units(value).saturating_mul(ITEM),
        Val::Obj(_) => units(value).saturating_mul(MEMBER),
        Val::Num(Num::BigInt(whole)) => whole.bits() / 8,
        _ => units(value),
    }
}

/// Bytes that a change of a value makes: none if nobody else has it, as it is changed where it is.
pub(super) fn copied(value: &Val) -> u64 {
    let alone = match value {
        Val::TStr(text) | Val::BStr(text) => text.is_unique(),
        Val::Arr(items) => Rc::strong_count(items) == 1,
        Val::Obj(members) => Rc::strong_count(members) == 1,
        Val::Null | Val::Bool(_) | Val::Num(_) => false,
    };
    if alone { 0 } else { shallow(value) }
}

/// Bits of a whole number that may be large.
pub(super) fn bits(value: &Val) -> u64 {
    match value {
        Val::Num(Num::BigInt(whole)) => whole.bits(),
        _ => 64,
    }
}

/// Whether a whole number may have so many bits.
///
/// # Errors
/// It may not.
pub(super) fn whole(bits: u64) -> Result<(), Why> {
    if bits > BITS { Err(TOO_MANY_DIGITS) } else { Ok(()) }
}

/// Bytes of a value as JSON, without its parts.
fn written(value: &Val) -> u64 {
    const SCALAR: u64 = 8;
    /// `\u0000`
    const ESCAPED: u64 = 6;
    match value {
        Val::TStr(text) | Val::BStr(text) => {
            let escaped = text.iter().filter(|byte| byte.is_ascii_control() || **byte == b'"').count() as u64;
            SCALAR + text.len() as u64 + escaped * (ESCAPED - 1)
        }
        Val::Num(Num::Dec(digits)) => SCALAR + digits.len() as u64,
        Val::Num(Num::BigInt(whole)) => SCALAR + whole.bits() / 3,
        Val::Null | Val::Bool(_) | Val::Num(_) | Val::Arr(_) | Val::Obj(_) => SCALAR,
    }
}

/// Bytes of an input, counted as [`written`] counts them.
fn weight(value: &Value) -> u64 {
    const SCALAR: u64 = 8;
    SCALAR
        + match value {
            Value::String(text) => text.len() as u64,
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(members) => members.iter().map(|(name, member)| weight(member) + name.len() as u64).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}
