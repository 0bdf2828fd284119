//! Tests of the run's parts that need a plan but no server.

mod pacing;
pub mod panic;
mod pauses;
mod random;
mod sockets;
pub mod stage;
mod steps;
mod streams;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::control::{self, Cause, Desk};
use super::feeder::Intake;
use super::idempotency::Keys;
use super::lane::Shared;
use super::limits::AllLimits;
use super::live::Live;
use super::mailbox::Mailbox;
use super::meter::Meter;
use super::recap::{Before, Chronicle};
use super::resume::{Decision, decide};
use super::scribe::{OpenSink, Scribe};
use super::stops::Stops;
use super::*;
use crate::journal::{Commit, IntentFile, Intents, Opening, Recovered, RowSet, StateFolder, VERSION};
use crate::record::{Ending, Outcome, Record};
use crate::retry::FailureKind;
use crate::row::{Fields, Row};
use crate::save::Saves;
use crate::secret::{Masker, Secrets};
use crate::sink::{Cursor, Sink, SinkError};

fn plan(order: &str) -> Plan {
    stage::job(&format!(
        "[endpoints.a]\nurl = \"demo:/items/{{{{ row.value }}}}\"\norder = \"{order}\"\ninput.range = {{ from = 1, to = 9 }}\n"
    ))
}

fn opening() -> Opening {
    Opening {
        version: VERSION,
        run: "r1".to_owned(),
        job: "job".to_owned(),
        started: String::new(),
        identity: [("a".to_owned(), "1".to_owned())].into(),
        endpoints: vec!["a".to_owned()],
        sinks: vec!["out".to_owned()],
    }
}

fn recovered(complete: bool) -> Recovered {
    Recovered { opening: opening(), last: Commit { complete, ..Commit::default() }, torn: 0 }
}

#[test]
fn what_a_session_does_follows_from_the_journal_the_job_and_the_flags() {
    let plan = plan("finished");
    let same = opening().identity;
    let changed = [("a".to_owned(), "2".to_owned())].into();
    let flags = |fresh, accept_changes, failed_only| RunOptions { fresh, accept_changes, failed_only };
    let plain = RunOptions::default();

    assert_eq!(decide(&plan, None, &same, plain), Ok(Decision::New));
    assert!(decide(&plan, None, &same, flags(false, false, true)).unwrap_err().contains("run it first"));
    assert_eq!(decide(&plan, Some(recovered(true)), &changed, plain), Ok(Decision::New));
    assert_eq!(decide(&plan, Some(recovered(false)), &same, plain), Ok(Decision::Resume(recovered(false))));
    let refused = decide(&plan, Some(recovered(false)), &changed, plain).unwrap_err();
    assert!(refused.contains("a: was 1, is 2") && refused.contains("--fresh"), "{refused}");
    let accepted = decide(&plan, Some(recovered(false)), &changed, flags(false, true, false));
    assert_eq!(accepted, Ok(Decision::Resume(recovered(false))));
    assert_eq!(decide(&plan, Some(recovered(false)), &changed, flags(true, false, false)), Ok(Decision::New));
    let again = decide(&plan, Some(recovered(true)), &same, flags(false, false, true));
    assert_eq!(again, Ok(Decision::Again(recovered(true))));
    assert!(decide(&plan, Some(recovered(true)), &changed, flags(false, false, true)).is_err());
}

#[test]
fn what_can_be_read_only_once_can_not_go_on() {
    let once = [("endpoints.a.input (content)".to_owned(), resume::ONCE.to_owned())].into();
    let refused = decide(&plan("finished"), Some(recovered(false)), &once, RunOptions::default()).unwrap_err();
    assert!(refused.contains("endpoints.a reads standard input"), "{refused}");
}

/// A sink that remembers what it was given and fails when it is told to.
#[derive(Debug, Clone, Default)]
struct Memory {
    rows: Arc<Mutex<Vec<u64>>>,
    fails_at: Option<u64>,
}

impl Sink for Memory {
    fn write(&mut self, _endpoint: usize, record: &Record) -> Result<(), SinkError> {
        if self.fails_at == Some(record.row.ordinal) {
            return Err(SinkError { message: "no space left".to_owned() });
        }
        self.rows.lock().unwrap().push(record.row.ordinal);
        Ok(())
    }

    fn position(&self) -> Option<u64> {
        Some(self.rows.lock().unwrap().len() as u64)
    }

    fn commit(&mut self) -> Result<Cursor, SinkError> {
        Ok(Cursor { offset: self.position().unwrap_or_default(), tail_crc: 1, text: 0 })
    }
}

struct Stage {
    shared: Arc<Shared>,
    desk: Desk,
    scribe: Scribe,
    folder: StateFolder,
    sink: Memory,
    _home: tempfile::TempDir,
}

/// What lanes share, with nobody at the other ends.
pub fn shared() -> Arc<Shared> {
    share("finished").0
}

fn share(order: &str) -> (Arc<Shared>, Desk) {
    share_with(order, Saves::default())
}

fn share_with(order: &str, saves: Saves) -> (Arc<Shared>, Desk) {
    let (control, desk) = control::line();
    let plan = plan(order);
    let shared = Shared {
        buckets: AllLimits::open(&plan),
        stops: Stops::default(),
        plan: Arc::new(plan),
        secrets: Secrets::default(),
        masker: Masker::default(),
        record_masker: Masker::default(),
        outbox: Mailbox::new(100),
        live: Live::default(),
        meter: Meter::default(),
        chronicle: Chronicle::begin(Before::default(), Vec::new()),
        control,
        saves: Arc::new(saves),
        run: "r1".to_owned(),
        keys: Keys::of("r1"),
        intents: None,
        chains: Default::default(),
    };
    (Arc::new(shared), desk)
}

fn stage(order: &str, sink: Memory) -> Stage {
    let home = tempfile::tempdir().unwrap();
    let folder = StateFolder::lock(&home.path().join(".paceline/job")).unwrap();
    let (shared, desk) = share(order);
    let open = OpenSink::new(Box::new(sink.clone()), &shared.plan.sinks[0]);
    let state = Commit {
        done: vec![RowSet::default()],
        cursors: vec![None],
        counts: vec![Counts::default()],
        ..Commit::default()
    };
    let writer = folder.begin(&opening()).unwrap();
    let complete = Arc::new(AtomicBool::new(false));
    let (intakes, held) = (vec![Arc::new(Intake::default())], Box::new(shared.clone()));
    let scribe = Scribe::new(shared.clone(), vec![open], writer, state, intakes, complete, held);
    Stage { shared, desk, scribe, folder, sink, _home: home }
}

fn outcome(ordinal: u64, sequence: u64, ending: Ending) -> Outcome {
    let row = Arc::new(Row { ordinal, line: 0, fields: Fields::Integer(1) });
    let records = vec![Record { row, cells: vec![Value::Null] }];
    let (walk, error, kind) = (None, None, None);
    Outcome {
        endpoint: 0,
        ordinal,
        sequence,
        ending,
        unknown: false,
        error,
        kind,
        attempts: 1,
        tried: 1,
        walk,
        records,
    }
}

fn post(shared: &Shared, outcomes: impl IntoIterator<Item = Outcome>) {
    for outcome in outcomes {
        shared.outbox.push_blocking(vec![outcome]).unwrap();
    }
    shared.outbox.close();
}

#[test]
fn records_in_input_order_wait_for_those_before_them() {
    let Stage { shared, scribe, folder, sink, _home, .. } = stage("input", Memory::default());
    // Rows 1 and 5 of the input ended in an earlier session: what counts is the order of this one.
    post(&shared, [(4, 2), (0, 0), (7, 4), (3, 1)].map(|(ordinal, seq)| outcome(ordinal, seq, Ending::Ok)));
    let intake = scribe.intakes[0].clone();
    let written = scribe.run();
    assert_eq!(*sink.rows.lock().unwrap(), [0, 3, 4]);
    assert_eq!(intake.written.load(Ordering::Acquire), 3);
    assert_eq!(written.records, [3]);
    let last = folder.recover().unwrap().unwrap().last;
    assert_eq!(last.done[0].ranges().collect::<Vec<_>>(), [0..1, 3..5], "row 7 was not written and is not noted");
    assert_eq!(last.cursors, [Some(Cursor { offset: 3, tail_crc: 1, text: 0 })]);
}

#[test]
fn failed_rows_are_noted_with_the_place_of_their_record() {
    let Stage { shared, scribe, folder, _home, .. } = stage("finished", Memory::default());
    scribe.complete.store(true, Ordering::Release);
    let (kind, error) = (Some(FailureKind::Status), Some("ü".repeat(501)));
    // Of a chunk whose attempts count with its first row.
    let failed = Outcome { kind, error, attempts: 0, tried: 4, ..outcome(0, 1, Ending::Failed) };
    post(&shared, [outcome(2, 0, Ending::Ok), failed]);
    let written = scribe.run();
    assert_eq!((written.counts[0].ok, written.counts[0].failed), (1, 1));
    assert!(folder.recover().unwrap().unwrap().last.complete);
    let failed = folder.failed_rows().unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].row, failed[0].spans[0].bytes), (0, Some((1, 2))));
    assert_eq!((failed[0].attempts, failed[0].kind), (4, kind));
    assert_eq!(failed[0].error, format!("{}...", "ü".repeat(500)));
}

#[test]
fn a_sink_that_fails_ends_the_run_and_nothing_more_is_noted() {
    let Stage { shared, mut desk, scribe, folder, _home, .. } =
        stage("finished", Memory { fails_at: Some(1), ..Memory::default() });
    post(&shared, [0, 1, 2].map(|ordinal| outcome(ordinal, ordinal, Ending::Ok)));
    let written = scribe.run();
    assert_eq!(desk.causes.try_recv().unwrap(), Cause::Broken("no space left".to_owned()));
    assert!(shared.outbox.push_blocking(vec![outcome(3, 3, Ending::Ok)]).is_err());
    assert_eq!(folder.recover().unwrap().unwrap().last, Commit::default(), "no commit was made");
    assert_eq!((written.complete, written.counts[0].ok), (false, 0));
}

#[test]
fn a_file_that_is_not_durable_keeps_its_row_from_being_noted() {
    let Stage { mut scribe, folder, _home, .. } = stage("finished", Memory::default());
    let (shared, mut desk) = share_with("finished", Saves::lost("pages/1 could not be made durable"));
    scribe.shared = shared.clone();
    post(&shared, [outcome(0, 0, Ending::Ok)]);
    let written = scribe.run();
    assert_eq!(desk.causes.try_recv().unwrap(), Cause::Broken("pages/1 could not be made durable".to_owned()));
    assert_eq!(folder.recover().unwrap().unwrap().last, Commit::default(), "no commit was made");
    assert_eq!(written.counts[0].ok, 0);
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_worth_a_commit_although_no_row_has_ended() {
    let Stage { shared, scribe, folder, _home, .. } = stage("finished", Memory::default());
    let (now, second) = (crate::clock::now(), Duration::from_secs(1));
    assert!(!scribe.is_due(now + second * 60));
    shared.buckets.hold("endpoints.a", None, now + second * 600);
    assert!(!scribe.is_due(now), "a commit was made just now");
    assert!(scribe.is_due(now + second));
    shared.outbox.close();
    let _ = scribe.run();
    let holds = folder.recover().unwrap().unwrap().last.holds;
    assert_eq!(holds.len(), 1);
    assert_eq!((holds[0].limit.as_str(), holds[0].key.as_ref(), holds[0].left_ms), ("endpoints.a", None, 600_000));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_row_that_was_noted_is_committed_soon() {
    for (method, soon) in [("GET", false), ("POST", true)] {
        let Stage { mut scribe, _home, .. } = stage("finished", Memory::default());
        let (mut shared, _desk) = share("finished");
        let lanes = Arc::get_mut(&mut shared).unwrap();
        Arc::get_mut(&mut lanes.plan).unwrap().endpoints[0].method = method.parse().unwrap();
        scribe.shared = shared.clone();
        let now = crate::clock::now();
        scribe.accept(outcome(0, 0, Ending::Ok)).unwrap();
        assert!(!scribe.is_due(now));
        assert_eq!(scribe.is_due(now + Duration::from_millis(100)), soon, "{method}");
        assert!(scribe.is_due(now + Duration::from_secs(1)));
    }
}

#[tokio::test]
async fn a_note_stays_until_the_end_of_its_row_is_durable() {
    for fails_at in [None, Some(1)] {
        let Stage { mut scribe, folder, _home, .. } = stage("finished", Memory { fails_at, ..Memory::default() });
        let (mut shared, _desk) = share("finished");
        let file = IntentFile::begin(folder.path(), "r1", &["a".to_owned()]).unwrap();
        let intents = Intents::start(file, |words| panic!("{words}")).unwrap();
        for row in 0..3 {
            intents.note(0, [row]).await.unwrap();
        }
        Arc::get_mut(&mut shared).unwrap().intents = Some(Arc::new(intents));
        scribe.shared = shared.clone();
        post(&shared, [0, 1].map(|row| outcome(row, row, Ending::Failed)));
        let _ = scribe.run();
        let open = shared.intents.as_ref().unwrap().open();
        assert_eq!(open, if fails_at.is_some() { 3 } else { 1 }, "{fails_at:?}");
    }
}
