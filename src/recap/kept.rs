//! The recap of a run as reports show it: what is kept, set right by the journal, which knows rows better; and where
//! nothing is kept, what the journal says alone.
//!
//! Must never make up what neither of them says: what is missing is said.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Ending, EndingKind, Endpoint, FailureGroup, MOST_REASONS, OTHER_REASONS, Recap, Session, VERSION, file};
use crate::journal::{self, JournalFile, Opening, Recovered};

/// Of a journal that is older than the words of failures.
const UNKNOWN: &str = "not kept";

/// A run as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// What it was.
    pub recap: Recap,
    /// What is missing or damaged, in words.
    pub missing: Vec<String>,
}

/// Reads what is kept of the run of a journal.
///
/// # Errors
/// In words, when neither the journal nor a recap can be read.
pub fn read(state: &Path, journal: &JournalFile) -> Result<Kept, String> {
    let is_at_work = journal.is_latest && journal::is_at_work(state);
    match journal.read() {
        Ok(Some(found)) => Ok(of(state, journal, &found, is_at_work)),
        Ok(None) => {
            Err(format!("the journal `{}` is gone by now; `paceline runs` lists what is there", journal.path.display()))
        }
        Err(error) => of_damaged(state, journal, error.message),
    }
}

fn of(state: &Path, journal: &JournalFile, found: &Recovered, is_at_work: bool) -> Kept {
    let Opening { run, .. } = &found.opening;
    let mut missing = Vec::new();
    let kept = file::read(state, run).unwrap_or_else(|error| {
        missing.push(error);
        None
    });
    let mut recap = match kept {
        Some(recap) => recap,
        None => {
            missing.push(format!(
                "no recap is kept of run {run}: it was killed in its first seconds, or made by a paceline that kept none; what \
                 the journal says is shown, which is rows and failures, and no latency, timeline, status, limit or job file"
            ));
            alone(journal, found, &mut missing)
        }
    };
    recap.journal = journal.path.display().to_string();
    set_right(&mut recap, found);
    if let Some(last) = recap.sessions.last_mut() {
        if last.ending.kind == EndingKind::Running && last.ending.reason.is_none() {
            last.ending.reason =
                Some(if is_at_work { "it is at work" } else { "it was killed, or lost its machine" }.to_owned());
        }
        missing
            .iter()
            .filter(|words| !last.warnings.contains(words))
            .cloned()
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|words| last.warnings.push(words));
    }
    Kept { recap, missing }
}

/// Rows as the journal counts them: a run that was killed kept its recap some seconds before.
fn set_right(recap: &mut Recap, found: &Recovered) {
    for (name, counts) in found.opening.endpoints.iter().zip(&found.last.counts) {
        if let Some(endpoint) = recap.endpoints.iter_mut().find(|endpoint| endpoint.name == *name) {
            endpoint.counts = *counts;
        }
    }
}

/// A recap of a run whose journal is damaged; there is one only if it was kept.
fn of_damaged(state: &Path, journal: &JournalFile, message: String) -> Result<Kept, String> {
    let run = journal.opening().map(|opening| opening.run);
    let kept = run.and_then(|run| file::read(state, &run).ok().flatten());
    let Some(mut recap) = kept else { return Err(message) };
    let words = format!("{message}; what is shown is what the run kept for reports before that");
    recap.journal = journal.path.display().to_string();
    if let Some(last) = recap.sessions.last_mut() {
        last.warnings.push(words.clone());
    }
    Ok(Kept { recap, missing: vec![words] })
}

/// What the journal says alone.
fn alone(journal: &JournalFile, found: &Recovered, missing: &mut Vec<String>) -> Recap {
    let Recovered { opening, last, .. } = found;
    let failures = failures(journal, &opening.endpoints).unwrap_or_else(|error| {
        missing.push(error);
        Vec::new()
    });
    let endpoint = |name: &String| Endpoint { name: name.clone(), ..Endpoint::default() };
    let kind = if last.complete { EndingKind::Complete } else { EndingKind::Running };
    let session = Session {
        started: opening.started.clone(),
        ending: Ending { kind, ..Ending::default() },
        failures,
        ..Session::default()
    };
    Recap {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        job: opening.job.clone(),
        run: opening.run.clone(),
        started: opening.started.clone(),
        endpoints: opening.endpoints.iter().map(endpoint).collect(),
        sessions: vec![session],
        ..Recap::default()
    }
}

/// Rows that failed and were not sent again, by endpoint and reason.
fn failures(journal: &JournalFile, endpoints: &[String]) -> Result<Vec<FailureGroup>, String> {
    let mut groups = BTreeMap::<(usize, String), (u64, u64)>::new();
    let read = journal.each_failed(|is_healed, rows| {
        if is_healed {
            groups.clear();
        }
        for row in rows {
            let reason = if row.error.is_empty() { UNKNOWN.to_owned() } else { row.error };
            let mut key = (row.endpoint, reason);
            if groups.len() >= MOST_REASONS && !groups.contains_key(&key) {
                OTHER_REASONS.clone_into(&mut key.1);
            }
            groups.entry(key).or_insert((0, row.row)).0 += 1;
        }
    });
    read.map_err(|error| error.message)?;
    let group = |((endpoint, reason), (rows, example_row)): ((usize, String), (u64, u64))| FailureGroup {
        endpoint: endpoints.get(endpoint).cloned().unwrap_or_default(),
        reason,
        rows,
        example_row,
    };
    let mut groups: Vec<FailureGroup> = groups.into_iter().map(group).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.rows));
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::{Commit, Counts, FailedRow, RowSet, StateFolder};

    fn failed(row: u64, error: &str) -> FailedRow {
        FailedRow {
            endpoint: 0,
            row,
            spans: vec![],
            unknown: false,
            walk: None,
            attempts: 2,
            kind: None,
            error: error.into(),
        }
    }

    fn state(commits: &[Commit]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let folder = StateFolder::lock(&home.path().join("prices")).unwrap();
        let opening = Opening {
            version: journal::VERSION,
            run: "r1".into(),
            job: "prices".into(),
            started: "2026-11-20T15:04:05.123Z".into(),
            identity: BTreeMap::new(),
            endpoints: vec!["price".into()],
            sinks: vec![],
        };
        let mut writer = folder.begin(&opening).unwrap();
        commits.iter().for_each(|commit| writer.commit(commit).unwrap());
        home
    }

    fn commit(ok: u64, failed: Vec<FailedRow>) -> Commit {
        let counts = Counts { ok, failed: failed.len() as u64, ..Counts::default() };
        Commit { done: vec![RowSet::default()], counts: vec![counts], failed, ..Commit::default() }
    }

    fn kept(home: &tempfile::TempDir) -> Result<Kept, String> {
        let state = home.path().join("prices");
        read(&state, &journal::files(&state)[0])
    }

    #[test]
    fn without_a_recap_the_journal_says_what_it_knows() {
        let healed =
            Commit { healed: true, ..commit(7, vec![failed(4, "HTTP 500"), failed(6, "HTTP 500"), failed(9, "")]) };
        let home = state(&[commit(3, vec![failed(1, "HTTP 404")]), healed]);
        let Kept { recap, missing } = kept(&home).unwrap();
        assert!(missing.len() == 1 && missing[0].contains("no recap is kept of run r1"), "{missing:?}");
        assert_eq!((recap.counts().ok, recap.counts().failed), (7, 3));
        let last = recap.last().unwrap();
        let shown: Vec<_> =
            last.failures.iter().map(|group| (group.reason.as_str(), group.rows, group.example_row)).collect();
        assert_eq!(shown, [("HTTP 500", 2, 4), (UNKNOWN, 1, 9)], "rows that were sent again count no more");
        assert_eq!(last.warnings, missing);
        assert!(last.ending.reason.as_deref().is_some_and(|reason| reason.contains("killed")));
    }

    #[test]
    fn reasons_are_bounded() {
        let rows = (0..500).map(|row| failed(row, &format!("reason {row}"))).collect();
        let failures = kept(&state(&[commit(0, rows)])).unwrap().recap.sessions[0].failures.clone();
        assert_eq!(failures.len(), MOST_REASONS + 1);
        assert_eq!(
            (failures[0].reason.as_str(), failures.iter().map(|group| group.rows).sum::<u64>()),
            (OTHER_REASONS, 500)
        );
    }

    #[test]
    fn a_recap_is_set_right_by_the_journal_and_serves_alone_where_that_is_damaged() {
        let home = state(&[commit(9, vec![])]);
        let state = home.path().join("prices");
        let endpoints = vec![Endpoint { name: "price".into(), ..Endpoint::default() }];
        let recap = Recap {
            version: VERSION,
            run: "r1".into(),
            endpoints,
            sessions: vec![Session::default()],
            ..Recap::default()
        };
        file::keep(&state, &recap).unwrap();
        let Kept { recap, missing } = kept(&home).unwrap();
        assert_eq!((recap.counts().ok, missing.len()), (9, 0));
        let journal = state.join("journal");
        let mut bytes = fs::read(&journal).unwrap();
        let middle = bytes.len() - 20;
        bytes[middle] ^= 0x40;
        // What stands behind it is whole, so that it is no torn end.
        let home_of_more = self::state(&[commit(9, vec![]), commit(10, vec![])]);
        let more = fs::read(home_of_more.path().join("prices/journal")).unwrap();
        bytes.extend_from_slice(&more[fs::metadata(&journal).unwrap().len() as usize..]);
        fs::write(&journal, bytes).unwrap();
        let Kept { recap, missing } = kept(&home).unwrap();
        assert!(missing.len() == 1 && missing[0].contains("is damaged"), "{missing:?}");
        assert_eq!(recap.counts().ok, 0, "as the run kept it");
        fs::remove_file(file::path(&state, "r1").unwrap()).unwrap();
        assert!(kept(&home).unwrap_err().contains("is damaged"));
    }
}
