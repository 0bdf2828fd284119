//! Events: what happens as JSON lines for programs, by `--events`. The format is that of [`crate::event`].
//!
//! Lines wait in memory and go out whole, ten times a second, when there are many, and at the end. What can't be
//! written is a [`Fault`], which others tell. Whatever comes from outside passes the masker here, before it is put into
//! JSON. Must never hold the run up or fail it, and never leave out a line that has a number.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::fault::Fault;
use super::{Reporter, View};
use crate::clock::{self, Instant};
use crate::event::{Event, Line, VERSION};
use crate::random;
use crate::run::live::{self, Live, read};
use crate::secret::Masker;

/// Bytes that are written without waiting for the next tick.
const FULL: usize = 64 * 1024;

/// From one word about the progress of an endpoint to the next.
const PROGRESS: Duration = Duration::from_secs(1);

/// How much is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Detail {
    /// The run, its endpoints, batches, retries, waits and failures
    #[default]
    Run,
    /// Every row that ends as well: 200 bytes for each
    Rows,
    /// Every row and every attempt: 450 bytes for each row and each retry
    Attempts,
}

/// See the module.
pub struct Events {
    /// `None`: it broke.
    out: Option<Box<dyn Write + Send>>,
    /// What it is called.
    target: String,
    fault: Fault,
    masker: Masker,
    detail: Detail,
    session: String,
    seq: u64,
    waiting: Vec<u8>,
    /// When progress is told again.
    due: Option<Instant>,
    /// Endpoints that have no more work.
    ended: BTreeSet<String>,
    view: Option<Arc<dyn View>>,
}

impl Events {
    /// Events that go to `out`, which is called `target`; that it broke is noted in `fault`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, target: String, detail: Detail, fault: Fault) -> Self {
        Self {
            out: Some(out),
            target,
            fault,
            masker: Masker::default(),
            detail,
            session: format!("{:08x}", random::bits() >> 32),
            seq: 0,
            waiting: Vec::new(),
            due: None,
            ended: BTreeSet::new(),
            view: None,
        }
    }

    fn line(&mut self, event: &Event, at: SystemTime) {
        if self.out.is_none() {
            return;
        }
        let (seq, time) = (self.seq, clock::rfc3339(at));
        let line = Line { version: VERSION, session: &self.session, seq, time, event };
        let before = self.waiting.len();
        match write(&mut self.waiting, &line, &self.masker) {
            Ok(()) => {
                self.waiting.push(b'\n');
                self.seq += 1;
            }
            // No event has what JSON has no word for.
            Err(_) => self.waiting.truncate(before),
        }
        if self.waiting.len() >= FULL {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let Some(out) = &mut self.out else { return };
        if self.waiting.is_empty() {
            return;
        }
        if let Err(error) = out.write_all(&self.waiting).and_then(|()| out.flush()) {
            self.out = None;
            let target = &self.target;
            self.fault
                .note(|| format!("no more events are written to {target}: {error}; the run goes on without them"));
        }
        self.waiting.clear();
    }

    /// How far each endpoint is; at the end also those that have no more work.
    fn progress(&mut self, live: &Live, at: SystemTime, all: bool) {
        for lane in &live.lanes {
            if all || !self.ended.contains(&lane.endpoint) {
                self.line(&progress(lane), at);
            }
        }
    }
}

/// Members that are as they are: who reads a stream goes by them, and they are the program's own words, or names that
/// the job has given.
const KEPT: [&str; 15] = [
    "again_after",
    "ending",
    "endpoint",
    "event",
    "job",
    "limit",
    "paceline",
    "resume_at",
    "run",
    "session",
    "sink",
    "time",
    "verdict",
    "version",
    "what",
];

/// Writes a line without secrets.
fn write(out: &mut Vec<u8>, line: &Line<'_>, masker: &Masker) -> serde_json::Result<()> {
    if masker.is_empty() {
        return serde_json::to_writer(out, line);
    }
    let mut value = serde_json::to_value(line)?;
    mask(&mut value, masker);
    serde_json::to_writer(out, &value)
}

fn mask(value: &mut Value, masker: &Masker) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, masker)),
        Value::Object(members) => {
            let told = members.iter_mut().filter(|(name, _)| !KEPT.contains(&name.as_str()));
            told.for_each(|(_, member)| mask(member, masker));
        }
        text => masker.mask_value(text),
    }
}

fn progress(lane: &live::Lane) -> Event {
    Event::Progress {
        endpoint: lane.endpoint.clone(),
        rows: Some(read(&lane.rows)).filter(|rows| *rows > 0),
        resumed_rows: lane.resumed,
        ok: read(&lane.ok),
        failed: read(&lane.failed),
        skipped: read(&lane.skipped),
        attempts: read(&lane.attempts),
        retries: read(&lane.retries),
        messages: lane.taken(),
        in_flight: read(&lane.in_flight),
    }
}

impl Reporter for Events {
    fn wants_attempts(&self) -> bool {
        self.detail == Detail::Attempts
    }

    fn wants_rows(&self) -> bool {
        self.detail != Detail::Run
    }

    fn is_record(&self) -> bool {
        true
    }

    fn opened(&mut self, view: &Arc<dyn View>) {
        self.view = Some(Arc::clone(view));
    }

    fn masked_by(&mut self, masker: &Masker) {
        self.masker = masker.clone();
    }

    fn tell(&mut self, event: &Event) {
        self.tell_at(event, clock::wall());
    }

    fn tell_at(&mut self, event: &Event, at: SystemTime) {
        let is_last = matches!(event, Event::RunFinished { .. });
        if let Event::EndpointFinished { endpoint } = event {
            self.ended.insert(endpoint.clone());
        }
        if let Some(view) = self.view.take_if(|_| is_last) {
            self.progress(view.live(), at, true);
        }
        self.line(event, at);
        if is_last {
            self.flush();
        }
    }

    fn tick(&mut self, live: &Live) {
        self.tick_at(live, clock::wall());
    }

    /// Progress has the time of its tick: events behind it may wait here that are older than now.
    fn tick_at(&mut self, live: &Live, at: SystemTime) {
        let now = clock::now();
        // The first tick comes with the first event, when there is nothing to say.
        let due = *self.due.get_or_insert(now + PROGRESS);
        if now >= due {
            self.due = Some(now + PROGRESS);
            self.progress(live, at, false);
        }
        self.flush();
    }
}

impl Drop for Events {
    /// The session ended without its last event: nothing that was told is lost.
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::tests::lane;
    use super::*;
    use crate::event::{FailureGroup, Summary};
    use std::io;
    use std::sync::Mutex;

    /// Takes so many bytes and then no more.
    #[derive(Clone)]
    struct Paper {
        bytes: Arc<Mutex<Vec<u8>>>,
        room: usize,
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut all = self.bytes.lock().unwrap();
            let taken = bytes.len().min(self.room - all.len());
            all.extend(&bytes[..taken]);
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn events(room: usize) -> (Events, Paper, Fault) {
        let (paper, fault) = (Paper { bytes: Arc::default(), room }, Fault::default());
        (Events::new(Box::new(paper.clone()), "x.ndjson".into(), Detail::Run, fault.clone()), paper, fault)
    }

    fn lines(paper: &Paper) -> Vec<serde_json::Value> {
        let text = String::from_utf8(paper.bytes.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn names(paper: &Paper) -> Vec<String> {
        lines(paper).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_told_once_a_second_until_the_endpoint_has_ended() {
        let (mut events, paper, _) = events(usize::MAX);
        let live = Live { lanes: vec![lane(1000, 102)], ..Live::default() };
        for tick in 0..35 {
            events.tick(&live);
            if tick == 25 {
                events.tell(&Event::EndpointFinished { endpoint: "price".into() });
            }
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        events.tick(&live);
        assert_eq!(names(&paper), ["progress", "progress", "endpoint-finished"]);
        let first = &lines(&paper)[0];
        let found = ["endpoint", "rows", "resumed_rows", "failed", "seq"].map(|field| first[field].to_string());
        assert_eq!(found, ["\"price\"", "1000", "400", "2", "0"]);
    }

    #[test]
    fn lines_wait_for_a_tick_and_the_last_one_does_not() {
        let (mut events, paper, fault) = events(usize::MAX);
        events.tell(&Event::Warning { message: "odd\nrow".into() });
        assert_eq!(names(&paper), [""; 0]);
        events.tick(&Live::default());
        assert_eq!(names(&paper), ["warning"]);
        events.tell(&Event::RunFinished { complete: true, summary: Box::default() });
        assert_eq!(names(&paper), ["warning", "run-finished"]);
        events.tell(&Event::Draining { reason: "late".into() });
        drop(events);
        let seqs: Vec<_> = lines(&paper).iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, [0, 1, 2]);
        assert_eq!(fault.words(), None);
    }

    #[test]
    fn many_lines_do_not_wait() {
        let (mut events, paper, _) = events(usize::MAX);
        let message = "x".repeat(1000);
        (0..100).for_each(|_| events.tell(&Event::Warning { message: message.clone() }));
        assert!(lines(&paper).len() >= 50);
    }

    #[test]
    fn a_full_disk_is_noted_and_nothing_is_written_behind_a_torn_line() {
        let (mut events, paper, fault) = events(200);
        for _ in 0..5 {
            events.tell(&Event::Warning { message: "odd".into() });
            events.tick(&Live::default());
        }
        let words = fault.words().unwrap();
        assert!(words.starts_with("no more events are written to x.ndjson: "), "{words}");
        assert!(words.ends_with("the run goes on without them"), "{words}");
        assert_eq!(paper.bytes.lock().unwrap().len(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_that_was_taken_late_is_no_younger_than_the_events_behind_it() {
        let (mut events, paper, _) = events(usize::MAX);
        let live = Live { lanes: vec![lane(1000, 102)], ..Live::default() };
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        events.tick_at(&live, at(1));
        tokio::time::advance(PROGRESS).await;
        events.tick_at(&live, at(2));
        events.tell_at(&Event::Draining { reason: "late".into() }, at(3));
        drop(events);
        let times: Vec<Value> = lines(&paper).iter().map(|line| line["time"].clone()).collect();
        assert_eq!(times, ["1970-01-01T00:00:02.000Z", "1970-01-01T00:00:03.000Z"]);
    }

    #[test]
    fn a_secret_that_looks_like_syntax_is_in_no_text_and_breaks_no_line() {
        let (mut events, paper, _) = events(usize::MAX);
        let secret = "a\":\\b\u{e4}";
        events.masked_by(&Masker::new([secret, "e", "\"", ":1"]));
        let said = || format!("said {secret}");
        events.tell(&Event::Warning { message: said() });
        events.tell(&Event::RowFailed { endpoint: "price".into(), row: 0, reason: said() });
        let failures =
            vec![FailureGroup { endpoint: "price".into(), reason: said(), rows: 1, ..FailureGroup::default() }];
        let summary = Summary { reason: Some(said()), failures, warnings: vec![said()], ..Summary::default() };
        events.tell(&Event::RunFinished { complete: false, summary: Box::new(summary) });
        let lines = lines(&paper);
        assert_eq!(names(&paper), ["warning", "row-failed", "run-finished"]);
        assert_eq!((&lines[1]["endpoint"], &lines[1]["row"]), (&"price".into(), &1.into()));
        let (last, group) = (&lines[2], &lines[2]["failures"][0]);
        assert_eq!((&group["endpoint"], &last["ending"]), (&"price".into(), &"running".into()));
        for text in [&lines[0]["message"], &lines[1]["reason"], &last["reason"], &group["reason"], &last["warnings"][0]]
        {
            assert_eq!(text, "said ***");
        }
        let whole: Vec<&str> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(whole, ["version", "session", "seq", "time", "event", "message"], "in the order of the schema");
    }
}
