//! A receiver that is away or says nothing, runs that are interrupted meanwhile, and runs that are killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Fate, Inbox, job, posts, same_request, server};
use crate::support::dice::kills;
use crate::support::oracle::script::item;
use crate::support::{Answer, Dice, Oracle, wait};

const DEADLINE: Duration = Duration::from_secs(120);

const KILLS: u64 = 30;
const ROWS: u64 = 3000;
/// Rows that are not answered before the last kill, so that no run ends before it.
const HELD_BACK: u64 = 100;

#[test]
fn a_receiver_that_is_away_in_mid_run_holds_up_no_request() {
    let inbox = Arc::<Inbox>::default();
    let watched = Arc::clone(&inbox);
    // Away from its third post on, until every row was asked for.
    let oracle = server(&inbox, move |post, _| match post >= 2 && watched.items() < 600 {
        true => Fate::Refused(Answer::Close),
        false => Fate::Taken,
    });
    let pace = "retry = { attempts = 2 }\n[limits.pace]\nrate = \"200/s\"\nburst = 10\n";
    let job = job(&oracle, 600, pace);
    job.change("job.toml", "order = \"input\"", "order = \"input\"\nlimit = \"pace\"");
    let done = job.run(&[]).expect_code(0);
    assert_eq!((inbox.ids(), inbox.items()), ((1..=600).collect(), 600));
    assert!(done.stderr.contains("its records wait in the state folder"), "{}", done.stderr);
}

#[test]
fn a_run_that_is_interrupted_while_the_receiver_is_away_brings_the_rest_without_a_request() {
    let inbox = Arc::<Inbox>::default();
    let back = Arc::new(AtomicBool::new(false));
    let is_back = Arc::clone(&back);
    let oracle = server(&inbox, move |post, _| match post < 1 || is_back.load(Ordering::SeqCst) {
        true => Fate::Taken,
        false => Fate::Refused(Answer::Reset),
    });
    let job = job(&oracle, 100, "");
    let run = job.spawn(&[]);
    wait::until("every row is asked for", DEADLINE, || (inbox.items() == 100 && inbox.posts() > 6).then_some(()));
    run.signal("INT");
    run.wait().expect_code(130);
    back.store(true, Ordering::SeqCst);
    job.run(&[]).expect_code(0);
    assert_eq!((inbox.ids(), inbox.items()), ((1..=100).collect(), 100));
}

#[test]
fn an_answer_that_never_comes_is_no_answer() {
    let inbox = Arc::<Inbox>::default();
    let oracle = server(&inbox, |post, _| if post == 1 { Fate::Lost(Answer::Stall) } else { Fate::Taken });
    job(&oracle, 60, "timeout = { read = \"300ms\", total = \"5s\" }\n").run(&[]).expect_code(0);
    let posts = posts(&oracle);
    assert!(same_request(&posts[1], &posts[2]));
    assert_eq!(inbox.ids(), (1..=60).collect::<Vec<_>>());
}

#[test]
fn whatever_kills_a_run_no_record_is_missing_and_what_comes_again_is_the_same() {
    let mut dice = Dice::printed("webhook");
    let inbox = Arc::<Inbox>::default();
    let open = Arc::new(AtomicBool::new(false));
    let (taken, is_open) = (Arc::clone(&inbox), Arc::clone(&open));
    let oracle = Oracle::start(move |request| {
        if request.path != "/in" {
            let held = request.id().parse::<u64>().is_ok_and(|id| id > ROWS - HELD_BACK);
            return if held && !is_open.load(Ordering::SeqCst) { Answer::Stall } else { item(request) };
        }
        let post = taken.posts.fetch_add(1, Ordering::SeqCst);
        if post % 7 == 3 {
            return Answer::status(503);
        }
        let key = request.header("idempotency-key").expect("a key").to_owned();
        taken.taken.lock().expect("no script panics").push((key, request.body.clone()));
        match post % 11 {
            4 => Answer::Reset,
            7 => Answer::status(502),
            _ => Answer::text(200, "ok").after(Duration::from_millis(40)),
        }
    });
    let job = job(&oracle, ROWS, "[limits.pace]\nrate = \"400/s\"\nburst = 50\n");
    job.change("job.toml", "order = \"input\"", "order = \"input\"\nlimit = \"pace\"\nconcurrency = 40");
    for kill in 0..kills(KILLS) {
        // Without its note a request would be begun again with another end.
        let batch = format!("sinks.out.webhook.batch={}", 3 + dice.below(40));
        let mut run = job.spawn(&["-q", "--set", &batch]);
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
    }
    open.store(true, Ordering::SeqCst);
    job.run(&["--set", "limits.pace.rate=\"5000/s\""]).expect_code(0);
    assert_eq!(inbox.ids(), (1..=ROWS).collect::<Vec<_>>(), "every record, in order, in the requests of one key");
    assert!(inbox.taken().len() > inbox.bodies().len(), "some came again");
    let left = std::fs::read_dir(job.state()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let notes = left.filter(|name| name.to_string_lossy().ends_with(".note")).count();
    assert_eq!(notes, 1);
}
