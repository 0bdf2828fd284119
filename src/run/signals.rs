//! Signals: what people send to end a run.
//!
//! Must never answer to what the process was told to ignore: a run under `nohup` outlives its terminal.

use std::io::IsTerminal as _;

use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use super::Signal;

/// Signals that people send to end a run.
pub(super) struct Signals {
    interrupt: Option<SignalStream>,
    terminate: Option<SignalStream>,
    /// The terminal was closed. Not listened to where there is none: `nohup` has replaced it, and ignores the signal.
    hangup: Option<SignalStream>,
    /// Held so that a file beyond a size limit is an error of its write, with words, and not the end of the
    /// process.
    _too_large: Option<SignalStream>,
}

/// SIGXFSZ, the same number on Linux and macOS.
const FILE_TOO_LARGE: i32 = 25;

impl Signals {
    /// Listens from now on.
    pub fn listen() -> Self {
        // A process that can't listen keeps the default behaviour, which ends it; the journal holds.
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
            hangup: std::io::stderr().is_terminal().then(|| signal(SignalKind::hangup()).ok()).flatten(),
            _too_large: signal(SignalKind::from_raw(FILE_TOO_LARGE)).ok(),
        }
    }

    /// The next of them.
    pub async fn next(&mut self) -> Signal {
        async fn one(stream: Option<&mut SignalStream>) {
            match stream {
                Some(stream) => {
                    stream.recv().await;
                }
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(self.interrupt.as_mut()) => Signal::Interrupt,
            () = one(self.terminate.as_mut()) => Signal::Terminate,
            () = one(self.hangup.as_mut()) => Signal::Hangup,
        }
    }
}

/// The third signal: whoever sends it wants the process gone, whatever it is doing.
#[allow(clippy::disallowed_methods, reason = "the last resort of a person in front of a process that hangs")]
pub(super) fn force_exit(signal: Signal) {
    std::process::exit(match signal {
        Signal::Interrupt => 130,
        Signal::Terminate => 143,
        Signal::Hangup => 129,
    })
}
