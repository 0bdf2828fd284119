//! The parts of a run, being written.
//!
//! How far the run has come is what its last part says. A part is written beside the others under a name that readers pass
//! over, and gets its own when it is on disk; what a kill leaves of one is removed and made again from the spool. What a
//! run replaces goes behind its first part. Must never remove what no part of this run takes the place of.

use super::ParquetPlan;
use super::folder::Folder;
use super::part::{self, Note};
use super::schema;
use crate::disk;
use crate::sink::spooled::{Destination, Head, Lines, Load, Setback, missing};
use crate::sink::table::known;
use crate::sink::{ColumnType, OnExisting, SinkError, SinkOpening, Start};

/// Bytes of a spool that make a part.
const PART: u64 = 64 << 20;

/// See the module.
pub(super) struct Parts {
    plan: ParquetPlan,
    run: String,
    sink: String,
    folder: Folder,
    /// How far the run has come; `None`: it has to be asked.
    reached: Option<Reached>,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
struct Reached {
    /// The first byte of the spool that no part holds.
    have: u64,
    /// The number of the next part.
    next: u64,
}

impl Parts {
    /// The parts of a plan, for a sink of a run.
    pub fn new(plan: &ParquetPlan, run: &str, sink: &str) -> Self {
        let folder = Folder::new(&plan.folder, run);
        Self { plan: plan.clone(), run: run.to_owned(), sink: sink.to_owned(), folder, reached: None }
    }

    /// Whether a new run could begin; makes nothing.
    pub fn survey(&self) -> Result<(), SinkError> {
        if self.folder.examine()? { self.look().map(drop) } else { Ok(()) }
    }

    /// Takes the folder, and says how far the run has come and what the columns are that are there; a new run is refused what
    /// it may not write to.
    pub fn begin(&mut self, opening: &SinkOpening<'_>) -> Result<(u64, Vec<(String, ColumnType)>), SinkError> {
        self.folder.open()?;
        if opening.start == Start::New {
            let there = self.look()?.unwrap_or_default();
            self.compare(opening, &there)?;
            return Ok((0, there));
        }
        let reached = self.scan().map_err(|setback| SinkError::new(self.placed(setback).words()))?;
        let is_open = self.plan.on_existing == OnExisting::Append && reached.next == 1;
        let there = if is_open { self.look()? } else { None };
        Ok((reached.have, there.unwrap_or_default()))
    }

    /// Whether a run may begin to write here; the columns that it has to keep to.
    fn look(&self) -> Result<Option<Vec<(String, ColumnType)>>, SinkError> {
        let failed = |error: std::io::Error| self.folder.failed(&error);
        if let Some(inner) = self.folder.inner().map_err(failed)? {
            return Err(self.folder.error(&format!(
                "holds the folder {inner}, and programs that read the one would read the other: name another path"
            )));
        }
        let parts = self.folder.parts().map_err(failed)?;
        match (parts.as_slice(), self.plan.on_existing) {
            ([], _) | (_, OnExisting::Replace) => Ok(None),
            ([first, ..], OnExisting::Error) => Err(self.folder.error(&format!(
                "holds {first}, and a new run would not add to it: set `on-existing = \"append\"` or \"replace\" on the \
                 sink, or name another path"
            ))),
            (parts, OnExisting::Append) => self.common(parts).map(Some),
        }
    }

    /// The columns of parts that have to be the same in all of them.
    fn common(&self, parts: &[String]) -> Result<Vec<(String, ColumnType)>, SinkError> {
        let mut common: Option<(&String, Vec<(String, ColumnType)>)> = None;
        for name in parts {
            let path = self.plan.folder.join(name);
            let said = part::read(&path).map_err(|words| SinkError::new(format!("{words}; move it away")))?;
            let columns = schema::columns(&said.schema).map_err(|words| self.differs(name, &words))?;
            match &common {
                None => common = Some((name, columns)),
                Some((_, known)) if *known == columns => {}
                Some((first, _)) => return Err(self.differs(name, &format!("has other columns than {first}"))),
            }
        }
        Ok(common.map(|(_, columns)| columns).unwrap_or_default())
    }

    fn differs(&self, name: &str, words: &str) -> SinkError {
        SinkError::new(format!("{} {words}. {MEND}", self.plan.folder.join(name).display()))
    }

    /// Whether what the job says of columns is what is there, as far as it is known before the first record.
    fn compare(&self, opening: &SinkOpening<'_>, there: &[(String, ColumnType)]) -> Result<(), SinkError> {
        if there.is_empty() {
            return Ok(());
        }
        let wanted = opening.columns.map(<[String]>::to_vec).or_else(|| known(opening.layouts));
        let names = wanted.and_then(|wanted| schema::names(there, &wanted));
        let types = || {
            let other = |(name, kind): &(String, ColumnType)| {
                let (_, there) = there.iter().find(|(known, there)| known == name && there != kind)?;
                Some(format!("holds {} in the column {name}, and this run would write {}", there.word(), kind.word()))
            };
            opening.types.iter().find_map(other)
        };
        match names.or_else(types) {
            Some(words) => Err(self.folder.error(&format!("{words}. {MEND}"))),
            None => Ok(()),
        }
    }

    /// Looks how far the run has come, and ends what its first part began.
    fn scan(&self) -> Result<Reached, Setback> {
        let failed = |error: std::io::Error| part::setback(&error);
        // A part may have its name in memory alone.
        self.folder.sync().map_err(failed)?;
        let parts = self.folder.parts().map_err(failed)?;
        let mut numbers: Vec<u64> = parts.iter().filter_map(|name| self.folder.number(name)).collect();
        numbers.sort_unstable();
        let mut reached = Reached { have: 0, next: numbers.last().map_or(1, |last| last + 1) };
        for number in &numbers {
            if let Some(note) = self.note(*number)? {
                if note.from != reached.have {
                    return Err(Setback::Refused(missing(reached.have, note.from)));
                }
                reached.have = note.to;
            }
        }
        if self.plan.on_existing == OnExisting::Replace && numbers.first() == Some(&1) {
            let replaces = self.note(1)?.map(|note| note.replaces).unwrap_or_default();
            self.folder.remove(&replaces).map_err(failed)?;
        }
        Ok(reached)
    }

    /// What a part of this run says, where it is this sink's.
    fn note(&self, number: u64) -> Result<Option<Note>, Setback> {
        let said = part::read(&self.plan.folder.join(self.folder.name(number))).map_err(Setback::Refused)?;
        Ok(said.note.filter(|note| note.run == self.run && note.sink == self.sink))
    }

    /// Whether the columns are those of the parts of others.
    fn agree(&self, head: &Head) -> Result<(), Setback> {
        if head.columns.is_empty() {
            let words =
                "the records have no columns, and a Parquet file without any holds none: name some in `columns`";
            return Err(Setback::Refused(words.to_owned()));
        }
        if self.plan.on_existing != OnExisting::Append {
            return Ok(());
        }
        let there = self.look().map_err(|error| Setback::Refused(error.message))?.unwrap_or_default();
        match schema::difference(&there, head).filter(|_| !there.is_empty()) {
            Some(words) => Err(Setback::Refused(self.folder.error(&format!("{words}. {MEND}")).message)),
            None => Ok(()),
        }
    }

    fn try_deliver(
        &self,
        head: &Head,
        (from, to): (u64, u64),
        reached: Reached,
        lines: &mut Lines<'_>,
    ) -> Result<Reached, Setback> {
        let failed = |error: std::io::Error| part::setback(&error);
        if reached.have != from {
            return Err(Setback::Away("another process moved it on".to_owned()));
        }
        let mut note = Note { run: self.run.clone(), sink: self.sink.clone(), from, to, replaces: Vec::new() };
        if self.plan.on_existing == OnExisting::Replace && reached.next == 1 {
            let old = self.folder.parts().map_err(failed)?;
            note.replaces = old.iter().map(|name| self.folder.look(name)).collect::<Result<_, _>>().map_err(failed)?;
        }
        let unfinished = self.folder.unfinished(reached.next);
        // What a step before left, which could not be removed or get its name.
        disk::remove_if_there(&unfinished).map_err(failed)?;
        let written = part::write(&unfinished, head, &note, self.plan.codec, lines);
        written.inspect_err(|_| drop(disk::remove(&unfinished)))?;
        self.folder.place(reached.next).map_err(failed)?;
        if !note.replaces.is_empty() {
            self.folder.remove(&note.replaces).map_err(failed)?;
        }
        Ok(Reached { have: to, next: reached.next + 1 })
    }

    fn placed(&self, setback: Setback) -> Setback {
        setback.map(|words| {
            let folder = self.plan.folder.display().to_string();
            if words.starts_with(&folder) { words } else { format!("{folder}: {words}") }
        })
    }
}

impl Destination for Parts {
    fn reach(&mut self, head: &Head) -> Result<u64, Setback> {
        if let Some(reached) = self.reached {
            return Ok(reached.have);
        }
        let reached = self.scan().and_then(|reached| self.agree(head).map(|()| reached));
        let reached = reached.map_err(|setback| self.placed(setback))?;
        Ok(self.reached.insert(reached).have)
    }

    fn load(&self) -> Load {
        Load { bytes: PART, lines: self.plan.part_rows, is_full: true }
    }

    fn deliver(&mut self, head: &Head, from: u64, to: u64, lines: &mut Lines<'_>) -> Result<u64, Setback> {
        let delivered = match self.reached.take() {
            Some(reached) => Ok(reached),
            None => self.scan(),
        };
        let delivered = delivered.and_then(|reached| self.try_deliver(head, (from, to), reached, lines));
        self.reached = Some(delivered.map_err(|setback| self.placed(setback))?);
        Ok(0)
    }
}

/// The ways out of other columns than there are.
const MEND: &str = "Parts of one table have the same columns: choose with `columns` and `as`, set `on-existing = \
                    \"replace\"` on the sink, or name another path";
