//! A real pseudo-terminal with a program in front of it, and an emulator that says what stands on its screen.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use pty_process::Size;
use pty_process::blocking::{Command, Pts, Pty, open};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{Termios, tcgetattr};

use crate::support::machine::{self, Share};
use crate::support::{Job, wait};

/// Nothing that a test waits for takes longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What has come from the program.
struct Shown {
    emulator: vt100::Parser,
    raw: String,
}

/// A terminal and the program in front of it, which is killed when this is dropped.
pub struct Terminal {
    pty: Option<Arc<Pty>>,
    pts: Option<Pts>,
    child: Child,
    before: Termios,
    shown: Arc<Mutex<Shown>>,
    closed: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    _share: Share,
}

/// A program to be begun in a terminal.
pub struct Setting<'s> {
    pub job: &'s Job,
    pub size: (u16, u16),
    pub environment: &'s [(&'s str, &'s str)],
    pub stdout: Option<Stdio>,
}

impl<'s> Setting<'s> {
    /// 80 columns, 24 rows, a Unicode locale.
    pub fn of(job: &'s Job) -> Self {
        Self { job, size: (80, 24), environment: &[("LANG", "C.UTF-8")], stdout: None }
    }

    /// `paceline run job.toml ARGUMENTS`
    pub fn run(self, arguments: &[&str]) -> Terminal {
        self.begin(env!("CARGO_BIN_EXE_paceline"), &[&["run", "job.toml"], arguments].concat())
    }

    /// Any program; `$PACELINE` is the one that is tested.
    pub fn begin(self, program: &str, arguments: &[&str]) -> Terminal {
        let share = machine::share();
        let (pty, pts) = open().expect("a pseudo-terminal");
        let (columns, rows) = self.size;
        pty.resize(Size::new(rows, columns)).expect("a size");
        let before = tcgetattr(&pts).expect("a mode");
        let path = paceline::environment::variable("PATH").unwrap_or_default();
        let mut command = Command::new(program).args(arguments).current_dir(self.job.folder()).env_clear();
        command = command.env("PATH", path).env("TERM", "xterm-256color").env("PS1", "shell$ ");
        command = command.env("PACELINE", env!("CARGO_BIN_EXE_paceline")).envs(self.environment.iter().copied());
        if let Some(stdout) = self.stdout {
            command = command.stdout(stdout);
        }
        let child = command.spawn_borrowed(&pts).expect("the program starts");
        let emulator = vt100::Parser::new(cells(rows), cells(columns), 0);
        let shown = Arc::new(Mutex::new(Shown { emulator, raw: String::new() }));
        let (pty, closed) = (Arc::new(pty), Arc::new(AtomicBool::new(false)));
        let (theirs, target, ends) = (Arc::clone(&pty), Arc::clone(&shown), Arc::clone(&closed));
        let reader = std::thread::spawn(move || read(&theirs, &target, &ends));
        Terminal { pty: Some(pty), pts: Some(pts), child, before, shown, closed, reader: Some(reader), _share: share }
    }
}

fn cells(number: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(number).expect("a size")
}

fn read(pty: &Pty, shown: &Mutex<Shown>, closed: &AtomicBool) {
    let mut bytes = [0; 4096];
    let look = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    while !closed.load(Ordering::Acquire) {
        let mut ready = [PollFd::new(pty, PollFlags::IN)];
        if poll(&mut ready, Some(&look)).is_ok_and(|ready| ready == 0) {
            continue;
        }
        // Locked first: what was read is shown before anybody looks.
        let (mut from, mut shown) = (pty, shown.lock().unwrap());
        let Ok(read) = from.read(&mut bytes) else { return };
        shown.emulator.process(&bytes[..read]);
        shown.raw.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}

impl Terminal {
    /// Types.
    pub fn press(&self, keys: &str) {
        let mut pty: &Pty = self.pty.as_ref().expect("it is open");
        pty.write_all(keys.as_bytes()).expect("a terminal takes keys");
    }

    /// Another size, as if the window was drawn larger or smaller.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.shown.lock().unwrap().emulator.screen_mut().set_size(cells(rows), cells(columns));
        self.pty.as_ref().expect("it is open").resize(Size::new(rows, columns)).expect("a size");
    }

    /// The lines on the screen, without what is empty at its end.
    pub fn screen(&self) -> String {
        let shown = self.shown.lock().unwrap();
        let screen = shown.emulator.screen();
        let lines: Vec<String> = screen.rows(0, screen.size().1.get()).map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// What somebody makes of the screen as it stands.
    pub fn drawn(&self, draw: impl Fn(&vt100::Screen) -> String) -> String {
        draw(self.shown.lock().unwrap().emulator.screen())
    }

    /// All that came, letter by letter.
    pub fn raw(&self) -> String {
        self.shown.lock().unwrap().raw.clone()
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let found = wait::within(PATIENCE, || Some(self.screen()).filter(|screen| holds(screen)));
        found.unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}; the screen:\n{}", self.screen()))
    }

    /// Waits until the screen shows this.
    #[track_caller]
    pub fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits until the bars were drawn so many times more.
    pub fn redrawn(&self, times: usize) {
        let count = || self.raw().matches("\u{1b}[?7l").count();
        let before = count();
        wait::until("redraws", PATIENCE, || (count() >= before + times).then_some(()));
    }

    /// The mode of the terminal in what a program may have changed.
    pub fn mode(&self) -> String {
        mode(&tcgetattr(self.pts.as_ref().expect("it is open")).expect("a mode"))
    }

    /// The mode that it had at first.
    pub fn first_mode(&self) -> String {
        mode(&self.before)
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(status.expect("kill is there").success(), "kill -{name}");
    }

    /// Closes the window.
    pub fn close(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.reader.take().expect("it is closed once").join().expect("the reader ends");
        (self.pty, self.pts) = (None, None);
    }

    /// Waits for the end of the program, and for the last that it said.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let ended = wait::within(PATIENCE, || self.child.try_wait().expect("a child can be waited for"));
        let status = ended.unwrap_or_else(|| panic!("it does not end; the screen:\n{}", self.screen()));
        if let Some(pty) = &self.pty {
            // What was written before the end is there to be read.
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            wait::until("the last words", PATIENCE, || {
                let _shown = self.shown.lock().unwrap();
                let mut ready = [PollFd::new(&**pty, PollFlags::IN)];
                poll(&mut ready, Some(&at_once)).is_ok_and(|ready| ready == 0).then_some(())
            });
        }
        status
    }

    /// As [`Terminal::ended`]; the exit code must be this, and the terminal as it was.
    #[track_caller]
    pub fn ended_well(&mut self, code: i32) -> String {
        let status = self.ended();
        assert_eq!(status.code(), Some(code), "the screen:\n{}", self.screen());
        assert_eq!(self.mode(), self.first_mode(), "the terminal is as it was");
        self.screen()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.closed.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn mode(mode: &Termios) -> String {
    let Termios { input_modes, output_modes, control_modes, local_modes, special_codes, .. } = mode;
    format!("{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?} {special_codes:?}")
}

/// Compares with the file of this name beside the tests.
pub fn golden(name: &str, found: &str) {
    use crate::support::golden::{difference, is_updated};
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/terminal").join(name);
    if is_updated() {
        fs::write(&path, found).expect("a golden");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{name} (UPDATE_GOLDEN=1 writes it):\n{}", difference(&expected, found));
}
