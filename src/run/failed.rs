//! The rows that failed in the latest run of a job, read again from its input, for who wants them as they were.
//!
//! The journal is read without its lock, so that a run may be at work. Rows come in the order of the input, which is
//! passed over up to the last of them, so that memory stays flat. Must never give a row of an input that is not the
//! one the run read, nor call a row whole that could not be read.

use crate::compile::mention;
use crate::journal::{FailedRows, JournalError, Opening, Why};
use crate::plan::{EndpointPlan, Plan};
use crate::row::Row;
use crate::sink::spool;
use crate::source::{Columns, Read, Source};

use super::chain;
use super::resume::{self, Change, Identity, ONCE};

/// What failed in the latest run.
#[derive(Debug)]
pub struct FailedRun<'p> {
    plan: &'p Plan,
    journal: FailedRows,
}

/// A row that failed.
#[derive(Debug)]
pub struct FailedRead<'r> {
    /// The row; of one that could not be read what could be saved of it.
    pub row: &'r Row,
    /// Whether it could be read.
    pub whole: bool,
    /// Why it failed, where that was asked for and is known.
    pub why: Option<&'r Why>,
}

impl<'p> FailedRun<'p> {
    /// The latest run of a job.
    ///
    /// # Errors
    /// When there is none, or its journal can't be read.
    pub fn open(plan: &'p Plan) -> Result<Self, String> {
        let journal = FailedRows::open(&plan.state, plan.row_limit).map_err(words)?;
        let journal = journal.ok_or_else(|| format!("there is no run of `{}` yet; run it first", plan.name))?;
        Ok(Self { plan, journal })
    }

    /// Id of the run.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.journal.opening().run
    }

    /// Whether all its rows have ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.journal.last().complete
    }

    /// Endpoints of which rows failed, with their number.
    #[must_use]
    pub fn endpoints(&self) -> Vec<(&str, u64)> {
        let names = self.journal.opening().endpoints.iter().enumerate();
        let counted = names.map(|(position, name)| (name.as_str(), self.journal.rows(position).len()));
        counted.filter(|(_, rows)| *rows > 0).collect()
    }

    /// The failed rows of an endpoint.
    ///
    /// # Errors
    /// When its input changed, or can't be read again.
    pub fn rows(self, name: &str) -> Result<RowsOf<'p>, String> {
        let known = self.plan.endpoints.iter().find(|endpoint| endpoint.name == name);
        let position = self.journal.opening().endpoints.iter().position(|endpoint| endpoint == name);
        let (Some(endpoint), Some(position)) = (known, position) else {
            return Err(format!(
                "run {} had endpoints.{name}, which the job no longer has, so its rows can't be read again",
                self.run()
            ));
        };
        let rows = RowsOf { plan: self.plan, endpoint, position, journal: self.journal };
        rows.unchanged()?;
        Ok(rows)
    }
}

/// The failed rows of an endpoint, in the order of its input.
#[derive(Debug)]
pub struct RowsOf<'p> {
    plan: &'p Plan,
    endpoint: &'p EndpointPlan,
    /// Of the endpoint in the journal.
    position: usize,
    journal: FailedRows,
}

impl RowsOf<'_> {
    /// How many of them are unknown.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.journal.unknown(self.position)
    }

    /// The endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &EndpointPlan {
        self.endpoint
    }

    /// Shows each row, with why it failed where that is `explained`, until `see` wants no more.
    ///
    /// # Errors
    /// When the input can't be read, or is not what it was when the run read it.
    pub fn each(&mut self, explained: bool, mut see: impl FnMut(FailedRead<'_>) -> bool) -> Result<(), String> {
        let rows = self.journal.rows(self.position).clone();
        if rows.is_empty() {
            return Ok(());
        }
        let (mut source, mut next) = (self.open()?, 0);
        for range in rows.ranges() {
            source.skip(range.start - next).map_err(|error| error.message)?;
            for row in range.clone() {
                let read = source.next().map_err(|error| error.message)?;
                let read = read.filter(|read| read.ordinal() == row).ok_or_else(|| self.too_short(row))?;
                let why = if explained { self.journal.why(self.position, row).map_err(words)? } else { None };
                let (row, whole) = match &read {
                    Read::Row(row) => (row, true),
                    Read::Bad { row, .. } | Read::Skipped { row, .. } => (row, false),
                };
                if !see(FailedRead { row, whole, why }) {
                    return Ok(());
                }
            }
            next = range.end;
        }
        // What was read while somebody wrote is nobody's row.
        if !self.endpoint.source.is_snapshot() {
            self.unchanged()?;
        }
        Ok(())
    }

    fn too_short(&self, row: u64) -> String {
        format!(
            "{} ends before row {}, which failed: it is not the input that the run has read",
            self.endpoint.source.describe(),
            row + 1
        )
    }

    fn open(&self) -> Result<Box<dyn Source>, String> {
        let source = &self.endpoint.source;
        let opened = match source.parent() {
            Some(parent) => {
                let spool = self.journal.last().spools.iter().find(|note| note.endpoint == parent);
                let lines = spool.map_or(0, |note| note.lines);
                source.open_over(chain::recorded(parent, spool::path(&self.plan.state, parent), lines))
            }
            None => source.open(),
        };
        opened.map_err(|error| error.message)
    }

    fn unchanged(&self) -> Result<(), String> {
        let (opening, name) = (self.journal.opening(), &self.endpoint.name);
        let content = resume::content_key(self.endpoint);
        if self.endpoint.source.is_read_once() || opening.identity.get(&content).is_some_and(|known| known == ONCE) {
            return Err(format!(
                "endpoints.{name} read standard input, which can't be read again; a sink with rows = \"failed\" keeps \
                 what fails of such an input"
            ));
        }
        let now = self.endpoint.source.identity().map_err(|error| error.message)?;
        let mut changes = changes(opening, &self.plan.identity, self.endpoint);
        let before = opening.identity.get(&content).cloned();
        if before != now {
            changes.push(Change { key: content, before, now });
        }
        if changes.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
        Err(format!(
            "the input of endpoints.{name} changed since run {} read it, so that its failed rows can't be told any more:\n  \
             {}\nput it back as it was",
            opening.run,
            lines.join("\n  ")
        ))
    }
}

/// The columns of an endpoint's input, where they are known without reading it.
#[must_use]
pub fn known_columns(endpoint: &EndpointPlan) -> Option<Vec<String>> {
    match endpoint.source.columns() {
        Columns::Known(header) => Some(header.names().to_vec()),
        Columns::Open => None,
    }
}

/// Keys in which the job's words on an input differ from those that the run began with: what is read, which rows of
/// it, and variables in either.
fn changes(opening: &Opening, now: &Identity, endpoint: &EndpointPlan) -> Vec<Change> {
    let key = format!("endpoints.{}.input", endpoint.name);
    let texts: String =
        [&opening.identity, now].into_iter().filter_map(|identity| identity.get(&key)).cloned().collect();
    let mut changes = resume::changes(&opening.identity, now);
    changes.retain(|change| match change.key.strip_prefix("vars.") {
        Some(name) => mention::mentions(&texts, "vars", name),
        None => change.key == key,
    });
    changes
}

fn words(error: JournalError) -> String {
    error.message
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::compile::{Options, compile};
    use crate::diagnostic::Diagnostics;
    use crate::document::{Document, Overlays};
    use crate::journal::{Commit, FailedRow, StateFolder, VERSION};

    /// A job whose input repeats 30 values, of which some are taken.
    fn plan(home: &std::path::Path, selecting: &str) -> Plan {
        let values: String = (0..90).map(|row| format!("{{ v = {} }}, ", row * 7 % 30)).collect();
        let text = format!(
            "[endpoints.a]\nurl = \"http://h/{{{{ row.v }}}}\"\n[endpoints.a.input]\nvalues = [{values}]\n{selecting}\n"
        );
        let mut diagnostics = Diagnostics::default();
        let path = home.join("job.toml");
        let document = Document::parse(&path, text, &Overlays::default(), &mut diagnostics).unwrap();
        compile(&document, &Options::default(), &mut diagnostics).unwrap_or_else(|| panic!("{diagnostics:?}"))
    }

    /// A run of the job that failed these rows, in this order.
    fn ran(plan: &Plan, failed: &[u64]) {
        let opening = Opening {
            version: VERSION,
            run: "r".into(),
            job: plan.name.clone(),
            started: String::new(),
            identity: resume::identity(plan).unwrap(),
            endpoints: vec!["gone".into(), "a".into()],
            sinks: vec![],
        };
        let row = |row: &u64| FailedRow {
            endpoint: 1,
            row: *row,
            spans: vec![],
            unknown: false,
            walk: None,
            attempts: 1,
            kind: None,
            error: format!("row {row}"),
        };
        let mut writer = StateFolder::lock(&plan.state).unwrap().begin(&opening).unwrap();
        for rows in failed.chunks(3) {
            writer.commit(&Commit { failed: rows.iter().map(row).collect(), ..Commit::default() }).unwrap();
        }
    }

    /// What the input gives, by reading all of it.
    fn taken(plan: &Plan) -> Vec<Row> {
        let mut source = plan.endpoints[0].source.open().unwrap();
        std::iter::from_fn(|| source.next().unwrap())
            .map(|read| match read {
                Read::Row(row) => row,
                Read::Bad { .. } | Read::Skipped { .. } => panic!("{read:?}"),
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_rows_that_failed_are_given_whatever_is_taken_of_the_input(
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
            (filtered, unique) in any::<(bool, bool)>(), skip in 0u64..5, take in prop::option::of(3u64..20),
        ) {
            let home = tempfile::tempdir().unwrap();
            let mut selecting = format!("skip = {skip}\n");
            selecting += if filtered { "where = \"row.v > 3\"\n" } else { "" };
            selecting += if unique { "dedupe = [\"v\"]\n" } else { "" };
            selecting += &take.map(|take| format!("take = {take}\n")).unwrap_or_default();
            let plan = plan(home.path(), &selecting);
            let rows = taken(&plan);
            let failed: Vec<u64> = picks.iter().map(|pick| pick.index(rows.len()) as u64).collect();
            ran(&plan, &failed);
            let run = FailedRun::open(&plan).unwrap();
            let expected: BTreeSet<u64> = failed.iter().copied().collect();
            prop_assert_eq!(run.endpoints(), vec![("a", expected.len() as u64)]);
            let mut seen = Vec::new();
            run.rows("a").unwrap().each(true, |read| {
                assert_eq!(read.why.unwrap().error, format!("row {}", read.row.ordinal));
                seen.push(read.row.clone());
                read.whole
            }).unwrap();
            let expected: Vec<Row> = expected.iter().map(|row| rows[*row as usize].clone()).collect();
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn an_input_that_ends_before_a_row_that_failed_is_not_the_one_of_the_run() {
        let home = tempfile::tempdir().unwrap();
        let plan = plan(home.path(), "take = 5");
        ran(&plan, &[7]);
        let mut rows = FailedRun::open(&plan).unwrap().rows("a").unwrap();
        let error = rows.each(false, |_| panic!("no row")).unwrap_err();
        assert!(error.contains("ends before row 8"), "{error}");
        let gone = FailedRun::open(&plan).unwrap().rows("gone").unwrap_err();
        assert!(gone.contains("endpoints.gone, which the job no longer has"), "{gone}");
    }
}
