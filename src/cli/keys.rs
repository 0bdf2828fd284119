//! Keys: what somebody in front of the terminal types while a run goes on becomes commands to it.
//!
//! A thread that reads, and ends with the run at once. Must never read what is another's: not from the background,
//! not an input of the job, and nothing after the end.

mod sequences;

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::process::{Signal, getpgrp, kill_process_group};

use super::terminal::{self, Woken};
use crate::run::{Command, Commander, Commands};
use sequences::Sequences;

/// How often it is looked whether the process has come to the front, or its mode was changed by another.
const LOOK: Duration = Duration::from_millis(250);

/// How long the end waits for the thread, which waits for nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is said when somebody asks.
const HELP: &str = "keys: p pause, r go on, + more in flight, - fewer, q drain and end (again: stop at once), ? this; \
                    Ctrl-C is as q, and the third time leaves at once";

/// Keys are listened to until this is dropped; then the terminal is as it was.
#[derive(Debug)]
pub struct Keys {
    /// Open as long as keys are listened to.
    alive: Option<OwnedFd>,
    /// Closed by the thread when it ends.
    ended: mpsc::Receiver<()>,
}

impl Keys {
    /// Listens once the run has begun, whose commands these are. Before that Ctrl-C ends the process at once, and must
    /// find the terminal as it was. Where there is no pipe to be had, there are no keys.
    #[must_use]
    pub fn of(commander: Commander, commands: Commands) -> (Option<Self>, Commands) {
        let Ok((watched, alive)) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC) else {
            return (None, commands);
        };
        let (end, ended) = mpsc::channel();
        terminal::begin();
        let begin = move || {
            let work = move || {
                listen(&commander, &watched);
                terminal::leave_for_good();
                drop::<mpsc::Sender<()>>(end);
            };
            // Without the thread there are no keys, and nothing else is missing.
            let _ = std::thread::Builder::new().name("keys".to_owned()).spawn(work);
        };
        (Some(Self { alive: Some(alive), ended }), commands.on_begun(begin))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        terminal::leave_for_good();
        self.alive = None;
        // Nothing is ever sent: it ends with the thread.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

fn listen(commander: &Commander, alive: &OwnedFd) {
    let mut sequences = Sequences::default();
    loop {
        match terminal::wait(alive, terminal::enter(), LOOK) {
            Woken::End => return,
            Woken::Time => sequences.lapse(),
            // The process may have been sent to the background meanwhile.
            Woken::Key if terminal::enter() => match read() {
                Some(bytes) => {
                    let keys = bytes.into_iter().filter(|byte| sequences.is_key(*byte));
                    keys.for_each(|key| press(key, commander, alive));
                }
                None => return,
            },
            // What is typed there is another's, and so is the rest of what began.
            Woken::Key => sequences = Sequences::default(),
        }
    }
}

/// What was typed; `None`: the terminal is gone.
fn read() -> Option<Vec<u8>> {
    let mut keys = [0; 32];
    match rustix::io::read(io::stdin(), &mut keys) {
        // Where there is nothing although there was to be something, another was faster.
        Ok(read) => Some(keys[..read].to_vec()),
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Some(Vec::new()),
        Err(_) => None,
    }
}

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pressed {
    Command(Command),
    Help,
    /// Ctrl-Z
    Suspend,
    /// Ctrl-\
    Quit,
    Nothing,
}

fn meaning(key: u8) -> Pressed {
    match key.to_ascii_lowercase() {
        b'p' => Pressed::Command(Command::Pause),
        b'r' => Pressed::Command(Command::Resume),
        // Also as they are typed without a shift.
        b'+' | b'=' => Pressed::Command(Command::More),
        b'-' | b'_' => Pressed::Command(Command::Fewer),
        b'q' => Pressed::Command(Command::Drain),
        b'?' | b'h' => Pressed::Help,
        0x1a => Pressed::Suspend,
        0x1c => Pressed::Quit,
        _ => Pressed::Nothing,
    }
}

fn press(key: u8, commander: &Commander, alive: &OwnedFd) {
    match meaning(key) {
        Pressed::Command(command) => commander.give(command),
        Pressed::Help => terminal::say(HELP),
        Pressed::Suspend => signal_all(Signal::TSTP, alive),
        Pressed::Quit => signal_all(Signal::QUIT, alive),
        Pressed::Nothing => {}
    }
}

/// Does what the terminal would have done with the key: a signal to all that is in front of it. What it finds is the
/// terminal as it was, and no block.
fn signal_all(signal: Signal, alive: &OwnedFd) {
    terminal::hold_still();
    terminal::leave();
    // The own group: it exists, and may be signalled.
    let _ = kill_process_group(getpgrp(), signal);
    // The signal may take effect on another thread first. Where it is ignored, or after the process was stopped and
    // goes on, this is over soon.
    let _ = terminal::wait(alive, false, LOOK);
    terminal::go_on();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_commands_with_shift_and_without() {
        let command = |key| match meaning(key) {
            Pressed::Command(command) => Some(command),
            _ => None,
        };
        let all = [b'p', b'P', b'r', b'+', b'=', b'-', b'q'].map(command);
        use Command::{Drain, Fewer, More, Pause, Resume};
        assert_eq!(all, [Pause, Pause, Resume, More, More, Fewer, Drain].map(Some));
        assert_eq!([meaning(b'?'), meaning(0x1a), meaning(b'\n')], [Pressed::Help, Pressed::Suspend, Pressed::Nothing]);
    }
}
