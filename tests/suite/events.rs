//! The stream of `--events`: each line fits the schema, none is missing, what began ends, and the summary can be
//! computed from it alone, whatever the server does and however the run is cut off.
//!
//! Jobs, servers and kills are drawn at random; `PACELINE_SEED` repeats them, `PACELINE_SOAK` draws more.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

/// From a stream to the numbers of the summary.
mod fold;
/// Where the stream goes, and what happens when it can't.
mod places;
/// Jobs and servers, drawn at random.
mod random;
/// A stream, cut into sessions that were looked at line by line.
mod stream;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use self::fold::{Folded, totals};
use self::random::{Drawn, draw};
use self::stream::{Session, named, sessions};
use crate::support::dice::kills;
use crate::support::oracle::script::item;
use crate::support::{Answer, Dice, Done, Job, Oracle, wait};

const EVERYTHING: [&str; 6] = ["--events", "events.ndjson", "--events-detail", "attempts", "--output", "json"];

/// The summary that a run has said on standard error.
fn summary(done: &Done) -> Value {
    let last = done.stderr.lines().last().unwrap_or_else(|| panic!("nothing was said; code {:?}", done.code));
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {}", done.stderr))
}

/// Runs a job with everything told and looks at its newest session from all sides.
fn run(drawn: &Drawn, more: &[&str]) -> Done {
    let done = drawn.job.run(&[&EVERYTHING, more].concat());
    let summary = summary(&done);
    let all = sessions(&drawn.job.read("events.ndjson"));
    let session = all.last().unwrap();
    session.is_whole();
    let folded = Folded::of(session);
    folded.is_the_summary(&summary);
    folded.is_what_the_last_event_says(session.last());
    folded.is_where_progress_has_come_to(session);
    done
}

#[test]
fn the_summary_of_a_random_run_can_be_computed_from_its_stream() {
    let mut dice = Dice::printed("events");
    for turn in 0..kills(6) {
        let drawn = draw(&mut dice, turn);
        let least = drawn.rows / 3;
        if dice.below(2) == 0 {
            run(&drawn, &["--limit", &least.to_string()]);
        }
        let first = run(&drawn, &[]);
        assert!(matches!(first.code, Some(0 | 1)), "{}", first.stderr);
        drawn.mend();
        let failed = summary(&first)["rows"]["failed"].as_u64().unwrap();
        if failed > 0 {
            run(&drawn, &["--failed"]);
        }
        let all = sessions(&drawn.job.read("events.ndjson"));
        let ids: BTreeSet<&str> = all.iter().map(|session| session.id.as_str()).collect();
        assert_eq!(ids.len(), all.len(), "each session has an id of its own");
        let runs: BTreeSet<&str> = all.iter().map(|session| session.run()).collect();
        assert_eq!(runs.len(), 1, "all of them belong to one run");
    }
}

/// Runs, kills after `life`; whether it was killed, and had not ended before.
fn live_and_die(job: &Job, life: Duration) -> bool {
    let mut running = job.spawn(&EVERYTHING);
    let _ = wait::within(life, || (!running.is_running()).then_some(()));
    running.kill().code.is_none()
}

#[test]
fn the_stream_of_a_killed_session_is_good_as_far_as_it_goes_and_the_next_goes_on_from_it() {
    let mut dice = Dice::printed("events, killed");
    let (mut killed, mut seen) = (0, 0);
    for turn in 0..kills(3) {
        let drawn = draw(&mut dice, turn);
        for _ in 0..4 {
            if !live_and_die(&drawn.job, dice.life()) {
                break;
            }
            killed += 1;
            seen += usize::from(good_so_far(&drawn.job));
        }
        let done = run(&drawn, &[]);
        let rows = &summary(&done)["rows"];
        let ended: u64 = ["ok", "failed", "skipped"].iter().map(|ending| rows[*ending].as_u64().unwrap()).sum();
        assert!(ended >= drawn.rows, "{ended} of {} rows, {}", drawn.rows, done.stderr);
        goes_on(&sessions(&drawn.job.read("events.ndjson")));
    }
    assert!(seen > 0, "none of {killed} kills came late enough to leave an event");
}

/// Looks at a stream whose last line may be torn; whether it holds anything.
fn good_so_far(job: &Job) -> bool {
    let Ok(text) = std::fs::read_to_string(job.path("events.ndjson")) else { return false };
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    !sessions(whole).is_empty()
}

/// What a session told as committed is what the next one begins with, or less: its last word may have been lost.
fn goes_on(all: &[Session]) {
    let (mut committed, mut run) = (0, String::new());
    for session in all {
        // One that was killed behind its last commit was complete, and the next one is another run.
        if run != session.run() {
            (committed, run) = (0, session.run().to_owned());
        }
        let before = session.lines[0]["resumed_rows"].as_u64().unwrap();
        let by_endpoint: u64 = named(session, "endpoint-started").map(|line| totals(&line["before"])).sum();
        assert!(before >= committed, "{before} rows are known where {committed} were told to be on disk");
        if session.lines.iter().any(|line| line["event"] == "endpoint-started") {
            assert_eq!(before, by_endpoint, "{}", session.id);
        }
        committed = named(session, "committed").last().map_or(before, |line| totals(&line["rows"]));
    }
}

#[test]
fn what_began_ends_when_a_run_is_interrupted_in_an_outage_and_within_batches() {
    for signals in [1, 2] {
        let oracle = Oracle::start(|request| if request.number < 60 { item(request) } else { Answer::status(503) });
        let text = format!(
            "batch = {{ size = 50, in-flight = 2 }}\nretry.initial = \"10ms\"\n[endpoints.item]\n\
             url = \"{}/items/{{{{ row.value }}}}\"\ninput.range = {{ from = 1, to = 500 }}\n[sinks.out]\npath = \"out.csv\"\n",
            oracle.url()
        );
        let job = Job::new(&text);
        let running = job.spawn(&["--events", "events.ndjson", "-q"]);
        let told = |name: &str| {
            let text = std::fs::read_to_string(job.path("events.ndjson")).unwrap_or_default();
            text.contains(&format!("\"event\":\"{name}\"")).then_some(())
        };
        wait::until("the outage", Duration::from_secs(60), || told("outage-began"));
        running.signal("INT");
        if signals == 2 {
            wait::until("the drain", Duration::from_secs(60), || told("draining"));
            running.signal("INT");
        }
        running.wait().expect_code(130);
        let all = sessions(&job.read("events.ndjson"));
        let [session] = &all[..] else { panic!("{} sessions", all.len()) };
        session.is_whole();
        let ended: Vec<_> = named(session, "outage-ended").collect();
        assert!(ended.len() == 1 && ended[0]["answered"] == false, "{ended:?}");
        let last = session.last();
        assert_eq!((last["ending"].as_str(), last["reason"].as_str()), (Some("interrupted"), Some("SIGINT")));
    }
}

#[test]
fn what_every_row_would_meet_is_told_with_its_attempt_and_the_run_breaks_off() {
    let text = "[endpoints.item]\nurl = \"http://nobody.invalid/{{ row.value }}\"\n\
                input.range = { from = 1, to = 50 }\n[sinks.out]\npath = \"out.csv\"\n";
    let drawn = Drawn::of(Job::new(text), 50);
    let done = run(&drawn, &[]).expect_code(3);
    let all = sessions(&drawn.job.read("events.ndjson"));
    let stopped: Vec<_> = named(&all[0], "attempted").filter(|line| line["verdict"] == "stop").collect();
    assert!(!stopped.is_empty(), "{}", done.stderr);
    assert_eq!(all[0].last()["ending"], "broken");
}
