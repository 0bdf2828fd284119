//! Asking a far end over the network, from threads that block.
//!
//! Must never wait for an answer without end.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::Setback;

/// Waits between the first questions of a session; a server that starts again is asked once more.
const WAITS: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// What waits for answers, with a runtime of its own, which is made on the thread that asks first.
#[derive(Debug, Default)]
pub(crate) struct Asking(Option<Runtime>);

impl Asking {
    /// Waits for a step, for so long at most.
    pub fn wait<T>(&mut self, longest: Duration, step: impl Future<Output = Result<T, Setback>>) -> Result<T, Setback> {
        let runtime = match &self.0 {
            Some(runtime) => runtime,
            None => {
                let made = Builder::new_current_thread().enable_all().build();
                self.0.insert(made.map_err(|error| Setback::Away(format!("it can't be asked: {error}")))?)
            }
        };
        let done = runtime.block_on(async { tokio::time::timeout(longest, step).await });
        done.unwrap_or_else(|_| Err(Setback::Away(format!("it has not answered for {} seconds", longest.as_secs()))))
    }
}

/// How far a run has come, asked when a session begins; `None`: that can't be told now, and a run that goes on can ask later.
/// One that is away for a moment is asked again, for `longest` at most. On a thread of its own, as a runtime may be at work
/// on this one.
pub(crate) fn begin<F>(is_new: bool, longest: Duration, ask: impl Fn() -> F + Sync) -> Result<Option<u64>, Setback>
where
    F: Future<Output = Result<u64, Setback>>,
{
    let patiently = async || {
        for wait in WAITS {
            match ask().await {
                Err(Setback::Away(_)) => tokio::time::sleep(wait).await,
                ended => return ended,
            }
        }
        ask().await
    };
    let asked = std::thread::scope(|scope| scope.spawn(|| Asking::default().wait(longest, patiently())).join());
    match asked.unwrap_or_else(|_| Err(Setback::Refused("asking it panicked; this is a bug".to_owned()))) {
        Err(Setback::Away(_)) if !is_new => Ok(None),
        begun => begun.map(Some),
    }
}
