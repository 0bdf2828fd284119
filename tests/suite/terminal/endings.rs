//! However a run ends, the terminal is as it was, and no half bar stays behind.

use std::process::Stdio;

use super::pty::{PATIENCE, Setting, Terminal};
use super::{answers_up_to, job};
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
