//! Asking the servers of a job once what a run would ask them: `check --online`.
//!
//! Every host is connected to, every token fetched, every server of an output asked to let us in, and one request of
//! each endpoint is sent, whose reply is judged. There is no journal, no state folder and no record that leaves. Must
//! never write to an output, never try anything twice, and never send a request that may change something unless that
//! was asked for.

mod around;
mod asking;
mod first;
mod hosts;
mod notify;
mod sinks;

use std::time::Duration;

use serde_json::{Map, Value};

use crate::document::KeyPath;
use crate::plan::Plan;
use crate::sample::Judged;
use crate::transport::TimeoutPlan;
use crate::transport::reach::Reached;

use super::{Keyed, RunError};

use asking::World;

/// Nothing that is tried takes longer, unless the job itself waits longer for it.
pub const LONGEST: Duration = Duration::from_secs(30);
/// Given to the job's own timeouts, so that they speak first: they have the better words.
const GRACE: Duration = Duration::from_secs(1);

/// How long one exchange is waited for: not less than a run would wait.
fn longest(timeout: &TimeoutPlan) -> Duration {
    LONGEST.max(timeout.connect.saturating_add(timeout.total)).saturating_add(GRACE)
}

/// What may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeOptions {
    /// Whether requests are sent whose method may change something (RFC 9110 §9.2.1).
    pub sends: bool,
    /// Whether secrets are read; what needs them is left out otherwise.
    pub reads_secrets: bool,
}

/// Something that was tried, or left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The key of the job that it is about.
    pub key: KeyPath,
    /// What was tried.
    pub what: What,
    /// What came of it.
    pub outcome: Outcome,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A connection: scheme, host and port.
    Host(String),
    /// Rows to ask with, of this input.
    Input(String),
    /// A token, for this endpoint or sink.
    Token(String),
    /// The first request of an endpoint.
    Request {
        /// The endpoint.
        endpoint: String,
        /// Method and URL, secrets masked; the method alone where there is no row to make a URL of.
        request: String,
    },
    /// Somebody who is told of the end of a run.
    Notify(String),
    /// A server that records go to.
    Sink {
        /// The sink.
        sink: String,
        /// What it writes to.
        target: String,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was connected to.
    Reached(Reached),
    /// It went well, and took so long.
    Fine(Duration),
    /// It replied.
    Replied {
        /// The status, in words.
        status: String,
        /// From the request's first byte to the end of the body.
        took: Duration,
        /// What a run would make of the reply.
        judged: Judged,
    },
    /// It was not tried, and why.
    Left(String),
    /// It failed: what went wrong, secrets masked.
    Failed(String),
    /// Nothing can be sent for this row, and why: a run fails it without a request.
    Unmade(String),
    /// What is needed to ask can't be opened: a run would not start. Secrets are masked.
    Unopened(Keyed),
}

/// Records of a reply, as other endpoints read them.
type Records = Vec<Map<String, Value>>;

/// Tries everything, in the order of the job: endpoints, each behind the one whose records it reads, then sinks, then who is
/// told of the end.
///
/// # Errors
/// When secrets are missing, or nothing can be tried at all.
pub async fn probe(plan: &Plan, options: ProbeOptions) -> Result<Vec<Tried>, RunError> {
    let mut world = World::open(plan, options).await?;
    let parents = plan.parents();
    let mut records: Vec<Option<Records>> = vec![None; plan.endpoints.len()];
    for position in in_order(&parents) {
        let given = parents[position].map(|parent| records[parent].clone().unwrap_or_default());
        records[position] = world.endpoint(position, given).await;
    }
    for position in 0..plan.sinks.len() {
        world.sink(position).await;
    }
    for position in 0..plan.notify.len() {
        world.notify(position).await;
    }
    Ok(world.tried)
}

/// Positions of endpoints, each behind the one whose records it reads.
fn in_order(parents: &[Option<usize>]) -> Vec<usize> {
    let depth = |position: usize| std::iter::successors(parents[position], |parent| parents[*parent]).count();
    let mut order: Vec<usize> = (0..parents.len()).collect();
    order.sort_by_key(|position| depth(*position));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_waited_for_as_long_as_the_job_waits() {
        let seconds = Duration::from_secs;
        let short = TimeoutPlan { connect: seconds(1), total: seconds(5), ..TimeoutPlan::default() };
        assert!(longest(&short) > LONGEST);
        let long = TimeoutPlan { connect: seconds(60), total: seconds(600), ..TimeoutPlan::default() };
        assert!(longest(&long) > seconds(660), "its own timeouts end it, with their words");
    }

    #[test]
    fn whoever_reads_records_comes_behind_who_gives_them() {
        assert_eq!(in_order(&[Some(2), None, Some(1), None]), [1, 3, 2, 0]);
        assert_eq!(in_order(&[None, Some(0)]), [0, 1]);
    }
}
