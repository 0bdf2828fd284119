//! The server as the courier's thread sees it: blocking, connected again after each setback.
//!
//! A COMMIT whose answer was lost leaves no connection behind, so that the next question is how far the table has come.
//! Must never wait for an answer without end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::Client;

use super::Target;
use super::session::{Session, connect};
use crate::sink::SinkError;
use crate::sink::spooled::{Destination, Head, Line, Lines, Setback};

/// A step that has not ended by then has failed.
const STEP: Duration = Duration::from_secs(300);
/// Waits between the first questions of a session; a server that starts again is asked once more.
const WAITS: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// See the module.
pub(super) struct Server {
    who: Who,
    /// Connected, and how far the table has come. Ends before the runtime, of which it is a task.
    open: Option<(Client, u64)>,
    /// Made on the thread that asks first.
    runtime: Option<Runtime>,
}

/// Which sink of which run writes what.
struct Who {
    target: Arc<Target>,
    run: String,
    sink: String,
}

impl Who {
    fn session<'s>(&'s self, client: &'s Client) -> Session<'s> {
        Session { client, target: &self.target, run: &self.run, sink: &self.sink }
    }

    async fn reach(&self, head: &Head) -> Result<(Client, u64), Setback> {
        if let Some(missing) = self.target.table.missing_key(&head.columns) {
            return Err(Setback::Refused(format!("the records have no column {missing}, which `key` names")));
        }
        let client = connect(&self.target).await?;
        let have = self.session(&client).reach(head).await?;
        Ok((client, have))
    }

    async fn begin(&self, is_new: bool) -> Result<u64, Setback> {
        for wait in WAITS {
            match self.try_begin(is_new).await {
                Err(Setback::Away(_)) => tokio::time::sleep(wait).await,
                ended => return ended,
            }
        }
        self.try_begin(is_new).await
    }

    async fn try_begin(&self, is_new: bool) -> Result<u64, Setback> {
        let client = connect(&self.target).await?;
        self.session(&client).begin(is_new).await
    }

    fn placed(&self, setback: Setback) -> Setback {
        setback.map(|words| format!("{}: {words}", self.target.name))
    }
}

impl Server {
    /// The table of a plan, for a sink of a run.
    pub fn new(target: &Arc<Target>, run: &str, sink: &str) -> Self {
        let who = Who { target: Arc::clone(target), run: run.to_owned(), sink: sink.to_owned() };
        Self { who, open: None, runtime: None }
    }

    /// Says how far the run has come; a new run is refused what it may not write to. `None`: that can't be told now, and a
    /// run that goes on can ask later. Asked on a thread of its own, as a runtime may be at work on this one.
    pub fn begin(&self, is_new: bool) -> Result<Option<u64>, SinkError> {
        let ask = || wait(&mut None, self.who.begin(is_new));
        let asked = std::thread::scope(|scope| scope.spawn(ask).join());
        let begun = asked.unwrap_or_else(|_| Err(Setback::Refused("asking it panicked; this is a bug".to_owned())));
        match begun {
            Ok(have) => Ok(Some(have)),
            Err(Setback::Away(_)) if !is_new => Ok(None),
            Err(setback) => Err(SinkError::new(self.who.placed(setback).words())),
        }
    }

    fn try_deliver(&mut self, head: &Head, way: (u64, u64), lines: &[Line]) -> Result<(Client, u64), Setback> {
        let (who, open) = (&self.who, self.open.take());
        wait(&mut self.runtime, async {
            let (client, _) = match open {
                Some(open) => open,
                None => who.reach(head).await?,
            };
            let missed = who.session(&client).deliver(head, way, lines).await?;
            Ok((client, missed))
        })
    }
}

/// Waits for a step, not for ever.
fn wait<T>(runtime: &mut Option<Runtime>, step: impl Future<Output = Result<T, Setback>>) -> Result<T, Setback> {
    let runtime = match runtime {
        Some(runtime) => runtime,
        None => {
            let made = Builder::new_current_thread().enable_all().build();
            runtime.insert(made.map_err(|error| Setback::Away(format!("it can't be asked: {error}")))?)
        }
    };
    let done = runtime.block_on(async { tokio::time::timeout(STEP, step).await });
    done.unwrap_or_else(|_| Err(Setback::Away(format!("it has not answered for {} seconds", STEP.as_secs()))))
}

impl Destination for Server {
    fn reach(&mut self, head: &Head) -> Result<u64, Setback> {
        if let Some((_, have)) = self.open {
            return Ok(have);
        }
        let reached = wait(&mut self.runtime, self.who.reach(head)).map_err(|setback| self.who.placed(setback))?;
        Ok(self.open.insert(reached).1)
    }

    fn deliver(&mut self, head: &Head, from: u64, to: u64, lines: &mut Lines<'_>) -> Result<u64, Setback> {
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        let (client, missed) =
            self.try_deliver(head, (from, to), &lines).map_err(|setback| self.who.placed(setback))?;
        self.open = Some((client, to));
        Ok(missed)
    }
}
