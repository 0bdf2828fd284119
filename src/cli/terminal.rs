//! The terminal: the mode in which it gives single keys, and the block of bars at its lower end.
//!
//! One of each for the process, as there is one terminal. Must never touch the mode from the background, where that
//! stops the process; and must never leave with a mode that was not there before, whatever ends the run.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};

use crate::report::screen::{self, Screen};

/// What switches a key that sends a signal off (`_POSIX_VDISABLE`).
const OFF: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

/// Columns and rows of a terminal that does not know its own.
const USUAL: (usize, usize) = (80, 24);

/// The mode while keys are listened to, and the one before it.
struct Mode {
    before: Termios,
    keyed: Termios,
}

/// Held for system calls alone that never wait, so that whoever leaves at once may take it.
static MODE: Mutex<Option<Mode>> = Mutex::new(None);
/// Whether the mode stays as it was from now on.
static LEFT: AtomicBool = AtomicBool::new(false);
/// The block that is drawn. Held while it is written, which may take for ever where nobody reads.
static BLOCK: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Whether nothing is to be drawn, as the process is about to be stopped.
static STILL: AtomicBool = AtomicBool::new(false);
/// Whether nothing is to be drawn or said any more, as the last words stand there.
static OVER: AtomicBool = AtomicBool::new(false);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the process is the one that its terminal listens to.
fn in_foreground(terminal: impl AsFd) -> bool {
    tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
}

/// Whether the terminal of standard error listens to another process: what stands on it is that one's.
fn is_elsewhere() -> bool {
    // Where it is not the one of the session, there is nothing to ask and nobody else.
    matches!(tcgetpgrp(io::stderr()), Ok(group) if group != getpgrp())
}

/// Whether keys can be listened to, now or once the process is brought to the front: standard input is its terminal.
#[must_use]
pub fn has_keys() -> bool {
    io::stdin().is_terminal() && tcgetpgrp(io::stdin()).is_ok()
}

/// Lets the terminal give single keys, and show none of them; Ctrl-C stays a signal. Again where it is so already costs
/// one look. Whether it is so now: not in the background, and not once the mode was left for good.
pub fn enter() -> bool {
    let terminal = io::stdin();
    let mut mode = lock(&MODE);
    if LEFT.load(Ordering::Acquire) {
        return false;
    }
    if !in_foreground(&terminal) {
        // Whoever is in front has a mode of its own; what was there before ours is no longer ours to bring back.
        *mode = None;
        return false;
    }
    let Ok(now) = tcgetattr(&terminal) else { return false };
    if mode.as_ref().is_some_and(|mode| is_same(&mode.keyed, &now)) {
        return true;
    }
    let keyed = keyed(now.clone());
    let entered = tcsetattr(&terminal, OptionalActions::Now, &keyed).is_ok();
    *mode = entered.then_some(Mode { before: now, keyed });
    entered
}

fn keyed(mut mode: Termios) -> Termios {
    mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHONL);
    // A read never waits: it comes after a poll, and another process may have been faster.
    mode.special_codes[SpecialCodeIndex::VMIN] = 0;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    // These come as keys, so that the mode is brought back before they take effect.
    mode.special_codes[SpecialCodeIndex::VSUSP] = OFF;
    mode.special_codes[SpecialCodeIndex::VQUIT] = OFF;
    mode
}

/// Whether nobody has changed the mode in what is ours.
fn is_same(ours: &Termios, now: &Termios) -> bool {
    let codes = [SpecialCodeIndex::VMIN, SpecialCodeIndex::VTIME, SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT];
    let code = |index: SpecialCodeIndex| ours.special_codes[index] == now.special_codes[index];
    ours.local_modes == now.local_modes && codes.into_iter().all(code)
}

/// The mode is again what it was before.
pub fn leave() {
    if let Some(mode) = lock(&MODE).take()
        && in_foreground(io::stdin())
    {
        // A terminal that is gone has no mode.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &mode.before);
    }
}

/// As [`leave`], until [`begin`].
pub fn leave_for_good() {
    LEFT.store(true, Ordering::Release);
    leave();
}

/// The mode may be entered from now on.
pub fn begin() {
    LEFT.store(false, Ordering::Release);
}

/// Before the process is left in the middle of everything: mode and block are put away without waiting for anybody.
pub fn abandon() {
    leave_for_good();
    STILL.store(true, Ordering::Release);
    let drawn = match BLOCK.try_lock() {
        Ok(block) => !block.is_empty(),
        // Somebody is just drawing.
        Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => true,
    };
    let stderr = io::stderr();
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    if drawn && !is_elsewhere() && poll(&mut ready, Some(&at_once)).is_ok_and(|ready| ready > 0) {
        let _ = rustix::io::write(&stderr, screen::ERASE.as_bytes());
    }
}

/// Words of a panic stand where bars were: the block is put away before they are said, and the mode with it, as nobody
/// knows what follows. A run that goes on brings both back.
pub fn mind_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        leave();
        if let Ok(mut block) = BLOCK.try_lock() {
            put_away(&mut block);
        }
        before(panic);
    }));
}

/// The process is about to be stopped: the block is put away, and none is drawn until [`go_on`].
pub fn hold_still() {
    STILL.store(true, Ordering::Release);
    put_away(&mut lock(&BLOCK));
}

/// Blocks are drawn again.
pub fn go_on() {
    STILL.store(false, Ordering::Release);
}

/// The run is over, and its last words come next: the block is put away, and whoever still has something to draw or to say
/// of the run is too late. Waits for who is just writing, as these words would.
pub fn rest() {
    OVER.store(true, Ordering::Release);
    put_away(&mut lock(&BLOCK));
}

/// Says a line above the block; in the background by itself, as what stands there is no longer the block.
pub fn say(line: &str) {
    let mut block = lock(&BLOCK);
    if OVER.load(Ordering::Acquire) {
        return;
    }
    if is_elsewhere() {
        block.clear();
    }
    write(&if block.is_empty() { format!("{line}\n") } else { screen::said(line, &block) });
}

fn put_away(block: &mut Vec<String>) {
    if !std::mem::take(block).is_empty() && !is_elsewhere() {
        write(screen::ERASE);
    }
}

fn write(text: &str) {
    // A terminal that is gone is no reason to end a run.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Standard error as something that blocks are drawn on.
#[derive(Debug)]
pub struct StandardError;

impl Screen for StandardError {
    fn size(&self) -> Option<(usize, usize)> {
        if is_elsewhere() || STILL.load(Ordering::Acquire) {
            return None;
        }
        let size = tcgetwinsize(io::stderr()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        Some(size.map_or(USUAL, |size| (size.ws_col.into(), size.ws_row.into())))
    }

    fn paint(&mut self, lines: &[String]) {
        let mut block = lock(&BLOCK);
        // Looked at again: whoever holds the process still has taken the lock before, and it may have been stopped and
        // sent to the background since it asked for the size.
        let is_free = [&STILL, &OVER].iter().all(|flag| !flag.load(Ordering::Acquire));
        if is_free && !is_elsewhere() {
            write(&screen::painted(lines));
            *block = lines.to_vec();
        }
    }

    fn say(&mut self, line: &str) {
        say(line);
    }

    fn clear(&mut self) {
        put_away(&mut lock(&BLOCK));
    }
}

/// What a wait for keys ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// There may be keys.
    Key,
    /// The time is over.
    Time,
    /// Nobody listens any more, or the terminal is gone.
    End,
}

/// Waits for keys, where they are wanted, for so long at most; ends when the other end of `alive` is closed.
pub fn wait(alive: impl AsFd, keys: bool, time: Duration) -> Woken {
    let stdin = io::stdin();
    let time = Timespec::try_from(time).ok();
    let mut sources = vec![PollFd::new(&alive, PollFlags::IN)];
    if keys {
        sources.push(PollFd::new(&stdin, PollFlags::IN));
    }
    match poll(&mut sources, time.as_ref()) {
        Ok(0) | Err(Errno::INTR) => Woken::Time,
        Err(_) => Woken::End,
        Ok(_) if !sources[0].revents().is_empty() => Woken::End,
        Ok(_) if sources[1].revents().contains(PollFlags::IN) => Woken::Key,
        Ok(_) => Woken::End,
    }
}

#[cfg(test)]
mod tests;
