//! The depth and the size of a value, exactly.
//!
//! A part that several share is looked at once. Must never recurse deeper than a value may nest: what is measured
//! here may be what would overflow the stack.

use std::collections::HashMap;

use jaq_json::{Rc, Val};

use super::meter::{NESTED, NESTS, SPREAD, TOO_LONG, TOO_MUCH, Why};

/// Levels of a value, and its members with theirs.
#[derive(Clone, Copy)]
struct Measure {
    levels: usize,
    members: usize,
}

/// A look at a whole value.
pub(super) struct Survey {
    /// Of parts that are shared, by address: nothing changes or goes while it is looked at.
    known: HashMap<usize, Measure>,
    looks: u64,
    most: u64,
}

impl Survey {
    /// Looks at so many members at most.
    pub(super) fn new(most: u64) -> Self {
        Self { known: HashMap::new(), looks: 0, most }
    }

    /// Members that were looked at.
    pub(super) fn looks(&self) -> u64 {
        self.looks
    }

    /// Whether a value nests and spreads no more than it may.
    ///
    /// # Errors
    /// It does, or there is too much to look at.
    pub(super) fn look(&mut self, value: &Val) -> Result<(), Why> {
        let measure = self.measured(value, 0)?;
        if measure.members > SPREAD { Err(TOO_MUCH) } else { Ok(()) }
    }

    fn measured(&mut self, value: &Val, depth: usize) -> Result<Measure, Why> {
        let (address, holders, len) = match value {
            Val::Arr(items) => (Rc::as_ptr(items).addr(), Rc::strong_count(items), items.len()),
            Val::Obj(members) => (Rc::as_ptr(members).addr(), Rc::strong_count(members), members.len()),
            _ => return Ok(Measure { levels: 0, members: 1 }),
        };
        let known = self.known.get(&address).filter(|_| holders > 1).copied();
        if depth + known.map_or(1, |known| known.levels) > NESTED {
            return Err(NESTS);
        }
        if let Some(known) = known {
            return Ok(known);
        }
        self.looks = self.looks.saturating_add(len as u64);
        if self.looks > self.most {
            return Err(TOO_LONG);
        }
        let measure = self.summed(value, depth + 1)?;
        if holders > 1 {
            self.known.insert(address, measure);
        }
        Ok(measure)
    }

    /// Of a value by its members; in an object anything may be a name.
    fn summed(&mut self, value: &Val, depth: usize) -> Result<Measure, Why> {
        let mut sum = Measure { levels: 1, members: 1 };
        let mut add = |member: &Val| -> Result<(), Why> {
            let inner = self.measured(member, depth)?;
            sum.levels = sum.levels.max(inner.levels + 1);
            sum.members = sum.members.saturating_add(inner.members);
            Ok(())
        };
        match value {
            Val::Arr(items) => items.iter().try_for_each(add)?,
            Val::Obj(members) => members.iter().try_for_each(|(name, member)| add(name).and_then(|()| add(member)))?,
            _ => {}
        }
        Ok(sum)
    }
}
