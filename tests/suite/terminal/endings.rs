//! However a run ends, the terminal is as it was, and no half bar stays behind.

use std::process::Stdio;

use super::pty::{PATIENCE, Setting, Terminal};
use super::{answers_up_to, job};
use crate::support::oracle::script;
use crate::support::{Answer, Oracle, wait};

const CTRL_C: &str = "\u{3}";

/// In the middle of a run whose last requests are never answered.
fn in_the_middle(server: &Oracle, terminal: &Terminal) {
    wait::until("requests", PATIENCE, || (server.count() == 24).then_some(()));
    terminal.shows("4 in flight");
    assert_ne!(terminal.mode(), terminal.first_mode(), "keys are listened to");
}

fn no_bar(screen: &str) {
    let of_a_bar =
        |line: &&str| line.ends_with("in flight") || line.contains("held back") || line.contains("on the wire");
    assert_eq!(screen.lines().find(of_a_bar), None, "{screen}");
}

#[test]
fn a_run_that_comes_to_its_end() {
    let server = answers_up_to(u64::MAX);
    let job = job(&server, 100, "rate = \"100/s\"\n");
    let mut terminal = Setting::of(&job).run(&[]);
    terminal.shows("held back by limit");
    let screen = terminal.ended_well(1);
    no_bar(&screen);
    assert!(screen.contains("99 ok"), "{screen}");
}

#[test]
fn ctrl_c_twice_and_sigterm() {
    for stop in ["keys", "signals"] {
        let server = answers_up_to(20);
        let job = job(&server, 1000, "");
        let mut terminal = Setting::of(&job).run(&[]);
        in_the_middle(&server, &terminal);
        let interrupt = || if stop == "keys" { terminal.press(CTRL_C) } else { terminal.signal("TERM") };
        interrupt();
        terminal.shows("draining: 4 requests on the wire end");
        interrupt();
        let screen = terminal.ended_well(if stop == "keys" { 130 } else { 143 });
        no_bar(&screen);
        assert!(!screen.contains("^C"), "{screen}");
    }
}

#[test]
fn ctrl_c_once_lets_what_is_on_the_wire_end() {
    let server = answers_up_to(u64::MAX);
    let job = job(&server, 100_000, "rate = \"50/s\"\n");
    let mut terminal = Setting::of(&job).run(&[]);
    wait::until("requests", PATIENCE, || (server.count() > 10).then_some(()));
    terminal.press(CTRL_C);
    no_bar(&terminal.ended_well(130));
}

/// The last commit waits for a reader who never reads: then the third one leaves at once.
#[test]
fn ctrl_c_three_times_while_an_output_is_stuck() {
    let server = Oracle::start(|_| Answer::text(200, "x".repeat(3000)));
    let job = job(&server, 10_000, "[sinks.out]\nstdout = \"jsonl\"\n");
    // Nobody reads from this end, and it stays open.
    let (reader, writer) = std::io::pipe().unwrap();
    let setting = Setting { stdout: Some(Stdio::from(writer)), ..Setting::of(&job) };
    let mut terminal = setting.run(&[]);
    terminal.shows("held back by the output");
    terminal.press(CTRL_C);
    terminal.shows("draining");
    terminal.press(CTRL_C);
    terminal.redrawn(3);
    terminal.press(CTRL_C);
    no_bar(&terminal.ended_well(130));
    drop(reader);
}

#[test]
fn a_terminal_that_is_closed_ends_the_run_which_can_go_on() {
    let server = answers_up_to(u64::MAX);
    let job = job(&server, 300, "rate = \"100/s\"\n");
    let mut terminal = Setting::of(&job).run(&[]);
    wait::until("requests", PATIENCE, || (server.count() > 20).then_some(()));
    terminal.close();
    assert_eq!(terminal.ended().code(), Some(129));
    let sent = server.count();
    let done = job.run(&[]).expect_code(1);
    assert!(done.stderr.contains("299 ok"), "{}", done.stderr);
    assert_eq!(server.count() - sent, 300 - sent, "what was on the wire had ended and was noted");
}

/// Ctrl-S holds back all that is written, the bars too, until the run is over and its reporter no longer waited for.
#[test]
fn bars_that_were_held_back_stand_nowhere_over_the_summary() {
    let server = answers_up_to(u64::MAX);
    let job = job(&server, 300, "rate = \"100/s\"\n");
    let mut terminal = Setting::of(&job).run(&["--report-json", "report.json"]);
    terminal.shows("held back by limit");
    terminal.press("\u{13}");
    // Written right before the last words.
    wait::until("the report", PATIENCE, || job.path("report.json").exists().then_some(()));
    terminal.press("\u{11}");
    let screen = terminal.ended_well(1);
    no_bar(&screen);
    assert!(screen.contains("complete in") && screen.contains("299 ok") && screen.contains("journal"), "{screen}");
    let raw = terminal.raw();
    let behind = raw.split_once("complete in").unwrap().1;
    assert!(!behind.contains('\u{1b}'), "nothing is drawn or erased behind the summary: {behind:?}");
}

#[test]
fn a_hook_that_is_told_of_the_end_is_said_to_be_waited_for() {
    let server = Oracle::start(|request| if request.path == "/hook" { Answer::Stall } else { script::item(request) });
    let hook = format!(
        "[sinks.out]\npath = \"out.csv\"\n[[notify]]\non = [\"success\"]\nwebhook = \"{}/hook\"\n",
        server.url()
    );
    let job = job(&server, 20, &hook);
    let mut terminal = Setting::of(&job).run(&[]);
    terminal.shows("telling 1 webhook that the run has ended; Ctrl-C waits no longer");
    terminal.press(CTRL_C);
    let screen = terminal.ended_well(0);
    assert!(screen.contains("20 ok") && screen.contains("warning"), "{screen}");
    no_bar(&screen);
}

/// In CI, where nobody looks at bars: the first line comes after ten seconds.
#[test]
fn without_a_terminal_a_line_says_now_and_then_how_far_a_run_is() {
    let server = answers_up_to(20);
    let job = job(&server, 1000, "retry.attempts = 1\n").variable("CI", "true");
    let run = job.spawn(&[]);
    let line = wait::until("a line", PATIENCE, || run.stderr().lines().next().map(str::to_owned));
    assert!(line.starts_with("price: 20/1,000 (2%), 0/s, ") && line.contains("1 failed"), "{line}");
    assert!(line.contains("4 in flight; held back by concurrency"), "{line}");
    run.kill();
}
