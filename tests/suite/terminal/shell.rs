//! Under a shell with job control: stopped, brought back, and in the background.

use super::pty::{PATIENCE, Setting, Terminal};
use super::{answers_up_to, job};
use crate::support::wait;

const CTRL_Z: &str = "\u{1a}";

/// A shell that leaves the mode of its terminal alone.
fn shell(setting: Setting<'_>) -> Terminal {
    let terminal = setting.begin("sh", &["-i", "-m"]);
    terminal.shows("shell$");
    terminal
}

#[test]
fn ctrl_z_brings_the_terminal_back_and_fg_takes_it_again() {
    let server = answers_up_to(u64::MAX);
    let job = job(&server, 100_000, "rate = \"50/s\"\n");
    let terminal = shell(Setting::of(&job));
    let mode = terminal.mode();
    terminal.press("\"$PACELINE\" run job.toml; echo left with $?\n");
    terminal.shows("held back by");
    assert_ne!(terminal.mode(), mode);
    terminal.press(CTRL_Z);
    terminal.until("stopped", |screen| screen.contains("Stopped") && !screen.contains("held back by"));
    assert_eq!(terminal.mode(), mode, "the shell finds the terminal as it was");
    let stopped = server.count();
    terminal.press("fg\n");
    terminal.shows("held back by");
    wait::until("requests", PATIENCE, || (server.count() > stopped + 10).then_some(()));
    wait::until("keys", PATIENCE, || (terminal.mode() != mode).then_some(()));
    terminal.press("q");
    terminal.shows("interrupted by SIGINT");
    wait::until("the terminal as it was", PATIENCE, || (terminal.mode() == mode).then_some(()));
}

#[test]
fn in_the_background_nothing_is_drawn_and_the_terminal_is_the_shells() {
    let server = answers_up_to(u64::MAX);
    let job = job(&server, 100, "rate = \"100/s\"\n");
    let terminal = shell(Setting::of(&job));
    let mode = terminal.mode();
    terminal.press("\"$PACELINE\" run job.toml &\n");
    wait::until("requests", PATIENCE, || (server.count() > 20).then_some(()));
    assert_eq!(terminal.mode(), mode);
    terminal.press("echo mine $((1 + 1))\n");
    terminal.shows("mine 2");
    terminal.shows("99 ok");
    assert_eq!(terminal.mode(), mode);
    assert!(!terminal.raw().contains("in flight"), "{}", terminal.raw());
}
