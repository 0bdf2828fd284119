use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use pty_process::blocking::{Command, open};
use rustix::process::Pid;
use rustix::termios::{tcgetattr, tcsetpgrp};

use super::super::args::JobArgs;
use super::super::keys::Keys;
use super::super::load::Reading;
use super::*;
use crate::report::Reporter;
use crate::report::bar::Bar;
use crate::report::layout::Look;
use crate::run::live::Live;
use crate::run::{self, RunOptions};

/// Set for the program that is to panic.
const PANICS: &str = "PACELINE_TEST_PANICS";

/// Draws, and panics when the bars stand and keys are listened to: on the thread of the reporters, and the second
/// time, by its end, where the run is waited for.
struct Panics(Bar);

impl Reporter for Panics {
    fn tell(&mut self, event: &crate::event::Event) {
        self.0.tell(event);
    }

    fn tick(&mut self, live: &Live) {
        self.0.tick(live);
        let keyed = lock(&MODE).is_some();
        assert!(!keyed || lock(&BLOCK).is_empty(), "in the middle of it");
    }
}

/// What the program does in a terminal of its own.
fn panic_in_the_middle() {
    mind_panics();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.toml");
    let text = "[endpoints.a]\nurl = \"demo:/slow/5\"\ninput.range = { from = 1, to = 5 }\nrate = \"2/s\"\n";
    std::fs::write(&file, text).unwrap();
    let plan = Reading::of(&file, &JobArgs::default()).plan.unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (commander, commands) = run::commands();
    let (keys, commands) = Keys::of(commander, commands);
    let look = Look { unicode: false, color: false, keys: true };
    let reporter = Panics(Bar::new(Box::new(StandardError), look));
    let outcome =
        runtime.block_on(run::run_with(plan, RunOptions::default(), vec![Box::new(reporter)], commands, &run::GoesOn));
    assert!(outcome.is_ok(), "a reporter that panics ends no run");
    assert!(keys.is_none(), "and again, with keys listened to");
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was_and_its_words_readable() {
    if crate::environment::variable(PANICS).is_some() {
        return panic_in_the_middle();
    }
    let (mut pty, pts) = open().unwrap();
    pty.resize(pty_process::Size::new(24, 80)).unwrap();
    let before = tcgetattr(&pts).unwrap();
    let name = "cli::terminal::tests::a_panic_leaves_the_terminal_as_it_was_and_its_words_readable";
    let command = Command::new(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let mut child =
        command.env(PANICS, "1").env("RUST_BACKTRACE", "0").stdout(Stdio::null()).spawn_borrowed(&pts).unwrap();
    let reader = std::thread::spawn(move || {
        let (mut shown, mut bytes) = (vt100::Parser::default(), [0; 4096]);
        // Ends when nobody has the other end any more.
        while let Ok(read) = pty.read(&mut bytes) {
            shown.process(&bytes[..read]);
        }
        shown.screen().contents()
    });
    assert_eq!(child.wait().unwrap().code(), Some(101));
    let after = tcgetattr(&pts).unwrap();
    assert!(is_same(&before, &after), "{before:?}\n{after:?}");
    drop(pts);
    let screen = reader.join().unwrap();
    assert!(screen.contains("in the middle of it") && screen.contains("and again"), "{screen}");
    assert!(!screen.contains("in flight"), "{screen}");
}

#[test]
fn a_wait_ends_with_the_other_end_and_else_with_the_time() {
    let (alive, other) = rustix::pipe::pipe().unwrap();
    assert_eq!(wait(&alive, false, Duration::from_millis(1)), Woken::Time);
    drop(other);
    assert_eq!(wait(&alive, false, Duration::from_secs(600)), Woken::End);
}

/// Set for the program that is sent to the background.
const GOES_BEHIND: &str = "PACELINE_TEST_GOES_BEHIND";

/// What the program does in a terminal of its own: another comes in front of it while a block stands.
fn speak_in_front_and_behind() {
    let mut screen = StandardError;
    let bars = ["bar".to_owned()];
    screen.paint(&bars);
    screen.say("in front");
    let mut other = std::process::Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
    tcsetpgrp(io::stderr(), Pid::from_child(&other)).unwrap();
    assert_eq!(screen.size(), None);
    screen.paint(&bars);
    screen.say("behind");
    screen.clear();
    hold_still();
    abandon();
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn in_the_background_words_stand_alone_and_nothing_is_drawn_or_erased() {
    if crate::environment::variable(GOES_BEHIND).is_some() {
        return speak_in_front_and_behind();
    }
    let (mut pty, pts) = open().unwrap();
    let name = "cli::terminal::tests::in_the_background_words_stand_alone_and_nothing_is_drawn_or_erased";
    let command = Command::new(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let mut child = command.env(GOES_BEHIND, "1").stdout(Stdio::null()).spawn_borrowed(&pts).unwrap();
    let reader = std::thread::spawn(move || {
        let (mut written, mut bytes) = (String::new(), [0; 4096]);
        // Ends when nobody has the other end any more.
        while let Ok(read) = pty.read(&mut bytes) {
            written.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        written
    });
    let status = child.wait().unwrap();
    drop(pts);
    let (written, bars) = (reader.join().unwrap(), ["bar".to_owned()]);
    assert!(status.success(), "{written}");
    // The terminal makes a carriage return of its own of each line break.
    let front = format!("{}{}", screen::painted(&bars), screen::said("in front", &bars)).replace('\n', "\r\n");
    assert_eq!(written, format!("{front}behind\r\n"));
}
