//! What a run would do about a run before it: begin, go on, or be refused with the difference named.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::neighbours::identity;
use crate::journal::{self, Counts, Recovered};
use crate::plan::Plan;
use crate::report::text::counted;
use crate::run::RunOptions;
use crate::source::SourceError;

/// What the journal says of the run before, and what follows from it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Resume {
    /// What a run would do.
    pub action: Action,
    /// The same in words.
    pub words: String,
    /// The run in the journal.
    pub run: Option<String>,
    /// Its rows that have ended.
    pub done: u64,
    /// Keys in which job and inputs differ from what that run sends.
    pub changes: Vec<Change>,
}

/// What a run would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Begin at the first row.
    Begin,
    /// Go on with an unfinished run.
    GoOn,
    /// Refuse.
    Refuse,
}

/// A key that changed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub key: String,
    pub before: Option<String>,
    pub now: Option<String>,
}

impl Resume {
    /// Looks into the journal without taking its lock.
    ///
    /// # Errors
    /// When an input can't be read.
    pub fn gather(plan: &Plan, options: RunOptions) -> Result<Self, SourceError> {
        let recovered = match journal::peek(&plan.state) {
            Ok(Some(recovered)) => recovered,
            Ok(None) => return Ok(Self::new(Action::Begin, "a run begins at the first row".to_owned())),
            Err(error) => return Ok(Self::new(Action::Refuse, format!("refused: {}", error.message))),
        };
        let changes = changes(&recovered.opening.identity, &identity(plan)?);
        Ok(decide(&recovered, changes, options))
    }

    fn new(action: Action, words: String) -> Self {
        Self { action, words, run: None, done: 0, changes: Vec::new() }
    }
}

fn decide(recovered: &Recovered, changes: Vec<Change>, options: RunOptions) -> Resume {
    let run = &recovered.opening.run;
    let (done, failed) = totals(&recovered.last.counts);
    let rows = counted(done, "row");
    let (action, words) = if options.fresh {
        (Action::Begin, format!("--fresh forgets run {run}; a run begins at the first row"))
    } else if options.failed_only {
        (Action::Begin, format!("a run sends again what failed in run {run}: {}", counted(failed, "row")))
    } else if recovered.last.complete {
        (Action::Begin, format!("run {run} is complete ({rows}); a run begins anew at the first row"))
    } else if changes.is_empty() {
        (Action::GoOn, format!("run {run} is unfinished: a run goes on with it, {rows} done"))
    } else if options.accept_changes {
        (Action::GoOn, format!("run {run} is unfinished: a run goes on with it, {rows} done, and accepts changes"))
    } else {
        let ways = "--accept-changes goes on all the same, --fresh begins anew";
        (Action::Refuse, format!("refused: run {run} is unfinished ({rows} done) and the job has changed; {ways}"))
    };
    // Changes matter only to a run that would go on.
    let changes = if action == Action::Begin { Vec::new() } else { changes };
    Resume { action, words, run: Some(run.clone()), done, changes }
}

fn totals(counts: &[Counts]) -> (u64, u64) {
    counts.iter().fold((0, 0), |(done, failed), counts| (done + counts.rows(), failed + counts.failed))
}

fn changes(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<Change> {
    let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter(|key| before.get(*key) != now.get(*key))
        .map(|key| Change { key: key.clone(), before: before.get(key).cloned(), now: now.get(key).cloned() })
        .collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::journal::{Commit, Opening, VERSION};

    fn recovered(complete: bool) -> Recovered {
        let opening = Opening {
            version: VERSION,
            run: "r7".into(),
            job: "prices".into(),
            started: "2026-11-20T15:04:05.123Z".into(),
            identity: BTreeMap::new(),
            endpoints: vec!["price".into()],
            sinks: vec!["out".into()],
        };
        let counts = Counts { ok: 400, failed: 12, skipped: 0, attempts: 500, records: 412 };
        Recovered { opening, last: Commit { counts: vec![counts], complete, ..Commit::default() }, torn: 0 }
    }

    pub fn change() -> Change {
        Change { key: "endpoints.price.url".into(), before: Some("http://a".into()), now: Some("http://b".into()) }
    }

    #[test]
    fn an_unfinished_run_goes_on_unless_the_job_changed() {
        let plain = RunOptions::default();
        let on = decide(&recovered(false), Vec::new(), plain);
        assert_eq!((on.action, on.done), (Action::GoOn, 412));
        assert_eq!(on.words, "run r7 is unfinished: a run goes on with it, 412 rows done");
        let refused = decide(&recovered(false), vec![change()], plain);
        assert_eq!((refused.action, refused.changes.len()), (Action::Refuse, 1));
        let accepted = decide(&recovered(false), vec![change()], RunOptions { accept_changes: true, ..plain });
        assert_eq!(accepted.action, Action::GoOn);
    }

    #[test]
    fn a_complete_run_begins_anew_whatever_changed() {
        let anew = decide(&recovered(true), vec![change()], RunOptions::default());
        assert_eq!((anew.action, anew.changes.len()), (Action::Begin, 0));
    }

    #[test]
    fn the_flags_are_heard() {
        let fresh = decide(&recovered(false), vec![change()], RunOptions { fresh: true, ..RunOptions::default() });
        assert_eq!(fresh.words, "--fresh forgets run r7; a run begins at the first row");
        let again = decide(&recovered(true), vec![], RunOptions { failed_only: true, ..RunOptions::default() });
        assert_eq!(again.words, "a run sends again what failed in run r7: 12 rows");
    }

    #[test]
    fn keys_that_came_went_or_changed_are_named() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let found = changes(&map(&[("a", "1"), ("b", "1"), ("c", "1")]), &map(&[("b", "2"), ("c", "1"), ("d", "1")]));
        let named: Vec<_> = found.iter().map(|c| (c.key.as_str(), c.before.as_deref(), c.now.as_deref())).collect();
        assert_eq!(named, [("a", Some("1"), None), ("b", Some("1"), Some("2")), ("d", None, Some("1"))]);
    }
}
