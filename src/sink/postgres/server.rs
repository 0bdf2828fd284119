//! The server as the courier's thread sees it: blocking, connected again after each setback.
//!
//! A COMMIT whose answer was lost leaves no connection behind, so that the next question is how far the table has come.
//! Must never wait for an answer without end.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;

use super::Target;
use super::session::{Session, connect};
use crate::sink::SinkError;
use crate::sink::spooled::asking::{Asking, begin};
use crate::sink::spooled::{Destination, Head, Line, Lines, Setback};

/// A step that has not ended by then has failed.
const STEP: Duration = Duration::from_secs(300);
/// Whoever only wants to be let in waits no longer.
const KNOCK: Duration = Duration::from_secs(30);

/// Whether the server of a target lets us in: no table is looked at.
pub(super) fn knock(target: &Target) -> Result<(), SinkError> {
    let asked = Asking::default().wait(KNOCK, async { connect(target).await.map(drop) });
    asked.map_err(|setback| SinkError::new(setback.map(|words| format!("{}: {words}", target.name)).words()))
}

/// See the module.
pub(super) struct Server {
    who: Who,
    /// Connected, and how far the table has come. Ends before the runtime, of which it is a task.
    open: Option<(Client, u64)>,
    asking: Asking,
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
        Self { who, open: None, asking: Asking::default() }
    }

    /// Says how far the run has come; a new run is refused what it may not write to. `None`: that can't be told now, and a
    /// run that goes on can ask later.
    pub fn begin(&self, is_new: bool) -> Result<Option<u64>, SinkError> {
        let begun = begin(is_new, STEP, || self.who.begin(is_new));
        begun.map_err(|setback| SinkError::new(self.who.placed(setback).words()))
    }

    fn try_deliver(&mut self, head: &Head, way: (u64, u64), lines: &[Line]) -> Result<(Client, u64), Setback> {
        let (who, open) = (&self.who, self.open.take());
        self.asking.wait(STEP, async {
            let (client, _) = match open {
                Some(open) => open,
                None => who.reach(head).await?,
            };
            let missed = who.session(&client).deliver(head, way, lines).await?;
            Ok((client, missed))
        })
    }
}

impl Destination for Server {
    fn reach(&mut self, head: &Head) -> Result<u64, Setback> {
        if let Some((_, have)) = self.open {
            return Ok(have);
        }
        let reached = self.asking.wait(STEP, self.who.reach(head)).map_err(|setback| self.who.placed(setback))?;
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
