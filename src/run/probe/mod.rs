//! Asking the servers of a job once what a run would ask them: `check --online`.
//!
//! Every host is connected to, every token fetched, every server of an output asked to let us in, and one request of
//! each endpoint is sent, whose reply is judged. There is no journal, no state folder and no record that leaves. Must
//! never write to an output, never try anything twice, and never send a request that may change something unless that
//! was asked for.

mod around;
mod asking;
mod changing;
mod first;
mod hosts;
mod notify;
mod opening;
mod sinks;
mod turns;

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Map, Value};

use crate::document::KeyPath;
use crate::plan::Plan;
use crate::sample::Judged;
use crate::transport::TimeoutPlan;
use crate::transport::reach::Reached;

use super::{Keyed, RunError};

use asking::{Asker, World};

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

/// What one of those that ask has to tell of something.
struct Told {
    tried: Tried,
    /// The number of the server, where it is about a connection: others tell the same of it.
    host: Option<usize>,
}

/// Those that ask, by their positions in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Endpoint(usize),
    Sink(usize),
    Notify(usize),
}

/// Tries everything, some of it side by side, and tells it in the order of the job: endpoints, each behind the one whose
/// records it reads, then sinks, then who is told of the end.
///
/// # Errors
/// When secrets are missing, or nothing can be tried at all.
pub async fn probe(plan: &Plan, options: ProbeOptions) -> Result<Vec<Tried>, RunError> {
    let world = World::open(plan, options).await?;
    let parents = plan.parents();
    let sinks = (0..plan.sinks.len()).map(Member::Sink).chain((0..plan.notify.len()).map(Member::Notify));
    let members: Vec<Member> = in_order(&parents).into_iter().map(Member::Endpoint).chain(sinks).collect();
    let has_parent = |member: &Member| matches!(member, Member::Endpoint(at) if parents[*at].is_some());
    let first = members.iter().copied().filter(|member| !has_parent(member));
    let mut asking: FuturesUnordered<_> = first.map(|member| asked(&world, member, None)).collect();
    let mut all = Vec::new();
    while let Some((member, told, records)) = asking.next().await {
        let reads = |at: &usize| matches!(member, Member::Endpoint(parent) if parents[*at] == Some(parent));
        for child in (0..parents.len()).filter(reads) {
            asking.push(asked(&world, Member::Endpoint(child), Some(records.clone().unwrap_or_default())));
        }
        all.push((members.iter().position(|known| *known == member), told));
    }
    all.sort_by_key(|(position, _)| *position);
    Ok(once(all.into_iter().flat_map(|(_, told)| told)))
}

/// What one of them has to tell, and the records that it gives, when its turn has come.
async fn asked(world: &World<'_>, member: Member, given: Option<Records>) -> (Member, Vec<Told>, Option<Records>) {
    let _turn = world.turns.take(member).await;
    let mut asker = Asker::new(world);
    let records = match member {
        Member::Endpoint(position) => asker.endpoint(position, given).await,
        Member::Sink(position) => {
            asker.sink(position).await;
            None
        }
        Member::Notify(position) => {
            asker.notify(position).await;
            None
        }
    };
    (member, asker.told, records)
}

/// A server is told of by the first of the job that goes there, whoever was faster.
fn once(told: impl Iterator<Item = Told>) -> Vec<Tried> {
    let mut known = HashSet::new();
    told.filter(|told| told.host.is_none_or(|host| known.insert(host))).map(|told| told.tried).collect()
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
