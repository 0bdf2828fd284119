use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
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
use crate::report::screen::tests::cells;
use crate::report::summary;
use crate::run::live::Live;
use crate::run::tests::panic::{hundred_rows, panics_at_25, run_before};
use crate::run::tests::stage::Act;
use crate::run::{self, RunEnding, RunOptions};

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

/// Set for the program one of whose workers is to panic.
const WORKER_PANICS: &str = "PACELINE_TEST_WORKER_PANICS";

/// What the program does in a terminal of its own, with the job in this folder: a worker panics while the bars stand and
/// keys are listened to.
fn lose_a_worker(folder: &Path) {
    mind_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (commander, commands) = run::commands();
    let (keys, commands) = Keys::of(commander, commands);
    let look = Look { unicode: false, color: false, keys: true };
    let bar: Vec<Box<dyn Reporter>> = vec![Box::new(Bar::new(Box::new(StandardError), look))];
    let answer = |id: &str| {
        let is_shown = || lock(&MODE).is_some() && !lock(&BLOCK).is_empty();
        while id == "25" && !is_shown() {
            std::thread::yield_now();
        }
        panics_at_25(id)
    };
    let report = runtime.block_on(run_before(answer, hundred_rows(folder), (bar, commands)));
    drop(keys);
    rest();
    write(&summary::text(&report, None, None));
    let mut late = StandardError;
    late.paint(&["a late bar".to_owned()]);
    late.say("a late word");
    late.clear();
}

#[test]
fn a_worker_that_panics_leaves_a_clean_terminal_and_a_run_that_goes_on() {
    if let Some(folder) = crate::environment::variable(WORKER_PANICS) {
        return lose_a_worker(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut pty, pts) = open().unwrap();
    pty.resize(pty_process::Size::new(40, 120)).unwrap();
    let before = tcgetattr(&pts).unwrap();
    let name = "cli::terminal::tests::a_worker_that_panics_leaves_a_clean_terminal_and_a_run_that_goes_on";
    let command = Command::new(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let mut command = command.env(WORKER_PANICS, folder.path()).env("RUST_BACKTRACE", "0").stdout(Stdio::null());
    let mut child = command.spawn_borrowed(&pts).unwrap();
    let reader = std::thread::spawn(move || {
        let (mut shown, mut bytes) = (vt100::Parser::new(cells(40), cells(120), 0), [0; 4096]);
        // Ends when nobody has the other end any more.
        while let Ok(read) = pty.read(&mut bytes) {
            shown.process(&bytes[..read]);
        }
        shown.screen().contents()
    });
    let status = child.wait().unwrap();
    let after = tcgetattr(&pts).unwrap();
    drop((pts, command));
    let screen = reader.join().unwrap();
    assert!(status.success() && is_same(&before, &after), "{screen}");
    assert!(screen.contains("a bug") && screen.contains("broken off after"), "{screen}");
    let last = screen.split_once("broken off after").unwrap().1;
    assert!(!last.contains("a late "), "nothing is drawn or said behind the last words:\n{screen}");
    assert!(!last.contains("in flight") && !last.contains("keys"), "no bar stands below the last words:\n{screen}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rest = run_before(|_| Act::status(200), hundred_rows(folder.path()), (Vec::new(), run::commands().1));
    let report = runtime.block_on(rest);
    assert_eq!((report.ending, report.total.ok), (RunEnding::Complete, 100));
    assert!(report.resumed_rows > 0, "what had ended before was noted");
    let rows = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    let rows: Vec<&str> = rows.lines().skip(1).collect();
    let once: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!((rows.len(), once.len()), (100, 100), "every row stands once");
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
