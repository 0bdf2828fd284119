//! What keys do, seen at the server.

use super::pty::{PATIENCE, Setting};
use super::{SINK, answers_up_to, job};
use crate::support::{Job, wait};

const LIMIT: &str = "rate = \"100/s\"\n";

#[test]
fn a_pause_lets_nothing_leave_until_it_is_over() {
    let server = answers_up_to(u64::MAX);
    let job = job(&server, 100_000, LIMIT);
    let mut terminal = Setting::of(&job).run(&[]);
    wait::until("requests", PATIENCE, || (server.count() > 20).then_some(()));
    terminal.press("p");
    terminal.until("nothing on the wire", |screen| screen.lines().any(|line| line == "paused, r goes on"));
    let paused = server.count();
    terminal.redrawn(15);
    assert_eq!(server.count(), paused, "no request left");
    terminal.press("r");
    wait::until("requests", PATIENCE, || (server.count() > paused + 20).then_some(()));
    terminal.shows("resumed after a pause of");
    if let Some(violation) = server.window_violation(100.0, 1.0, 5.0) {
        panic!("a pause saves nothing up: {violation}");
    }
    terminal.press("q");
    let screen = terminal.ended_well(130);
    assert!(screen.contains("a pause by hand"), "the summary counts it:\n{screen}");
}

#[test]
fn a_row_is_not_out_of_time_because_of_a_pause() {
    let server = answers_up_to(u64::MAX);
    // Rows wait for their tokens for so long that most of them are begun when the pause comes.
    let job = job(&server, 30, "rate = \"20/s\"\ntimeout.row = \"2s\"\nretry.attempts = 1\n");
    let mut terminal = Setting::of(&job).run(&[]);
    wait::until("requests", PATIENCE, || (server.count() > 3).then_some(()));
    terminal.press("p");
    terminal.shows("paused, r goes on");
    terminal.redrawn(30);
    terminal.press("r");
    let screen = terminal.ended_well(1);
    assert!(screen.contains("29 ok") && screen.contains("1 failed"), "row 3, by its 404, and no other:\n{screen}");
}

#[test]
fn concurrency_is_raised_and_lowered_within_what_the_job_says() {
    let server = answers_up_to(20);
    let job = job(&server, 1000, "rate = \"10/s\"\nretry.attempts = 1\n");
    let mut terminal = Setting { size: (120, 24), ..Setting::of(&job) }.run(&[]);
    terminal.shows("/1,000");
    terminal.press("---");
    terminal.shows("concurrency by hand: price 1 of 4");
    terminal.press("-");
    let count = |count| wait::until("requests", PATIENCE, || (server.count() == count).then_some(()));
    // Row 21 is never answered, and nothing may go beside it.
    count(21);
    terminal.shows("1 of 1 in flight (by hand)");
    for more in 22..=24 {
        terminal.redrawn(5);
        assert_eq!(server.count(), more - 1);
        terminal.press("+");
        count(more);
    }
    terminal.shows("price 4, the most that it may");
    let told = || terminal.raw().matches("price 4, the most that it may").count();
    let before = told();
    terminal.press("++++++");
    terminal.redrawn(10);
    assert_eq!(server.count(), 24, "never more than the job says");
    assert_eq!(told(), before, "what does not change is not told again");
    terminal.press("qq");
    terminal.ended_well(130);
}

#[test]
fn q_drains_and_q_again_stops() {
    let server = answers_up_to(20);
    let job = job(&server, 1000, "");
    let mut terminal = Setting::of(&job).run(&[]);
    wait::until("requests", PATIENCE, || (server.count() == 24).then_some(()));
    terminal.press("q");
    terminal.shows("draining: 4 requests on the wire end; q or Ctrl-C stops at once");
    terminal.press("p");
    terminal.redrawn(5);
    terminal.press("q");
    let screen = terminal.ended_well(130);
    assert!(screen.contains("interrupted by SIGINT") && screen.contains("resume"), "{screen}");
    assert!(!screen.contains("paused"), "there is nothing to pause:\n{screen}");
}

#[test]
fn nothing_leaves_between_a_pause_and_the_end_that_follows_it() {
    // Each time by chance: those that wait are let go by the end of the pause, and must find the run draining.
    for _ in 0..5 {
        let server = answers_up_to(u64::MAX);
        let job = job(&server, 100_000, "");
        let mut terminal = Setting::of(&job).run(&[]);
        wait::until("requests", PATIENCE, || (server.count() > 20).then_some(()));
        terminal.press("p");
        terminal.until("nothing on the wire", |screen| screen.lines().any(|line| line == "paused, r goes on"));
        let paused = server.count();
        terminal.press("q");
        terminal.ended_well(130);
        assert_eq!(server.count(), paused, "no request left");
    }
}

#[test]
fn function_keys_and_pastes_are_no_commands() {
    let server = answers_up_to(u64::MAX);
    let job = job(&server, 100_000, LIMIT);
    let mut terminal = Setting::of(&job).run(&[]);
    wait::until("keys", PATIENCE, || (terminal.mode() != terminal.first_mode()).then_some(()));
    wait::until("requests", PATIENCE, || (server.count() > 5).then_some(()));
    terminal.press("\u{1b}OP\u{1b}OQ\u{1b}[1;2Q\u{1b}[A\u{1b}q\u{1b}[200~quit please\u{1b}[201~?");
    terminal.shows("keys: p pause");
    let sent = server.count();
    wait::until("requests", PATIENCE, || (server.count() > sent + 20).then_some(()));
    let said = terminal.raw();
    assert!(!said.contains("paused") && !said.contains("draining"), "{said}");
    terminal.press("q");
    terminal.ended_well(130);
}

#[test]
fn keys_are_no_keys_where_rows_are_typed() {
    let server = answers_up_to(u64::MAX);
    let text = "[endpoints.price]\nurl = \"ORACLE/items/{{ row.id }}\"\ninput.stdin = \"csv\"\n";
    let job = Job::at(&server.url(), &format!("{text}{SINK}"));
    let mut terminal = Setting::of(&job).run(&[]);
    terminal.press("id,key\n1,q\n2,p\n");
    // Whoever reads may look again behind an end.
    terminal.press(&"\u{4}".repeat(8));
    terminal.ended_well(0);
    let ids: Vec<String> = server.requests().iter().map(|request| request.id().to_owned()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(!terminal.raw().contains("draining"));
}
