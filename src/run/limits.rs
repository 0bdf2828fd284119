//! The limits of a run: every bucket, opened once, and what of them survives the process.
//!
//! Must never be asked on the way of a row: lanes keep what they need.

use std::sync::Arc;

use crate::clock::Instant;
use crate::limit::{Buckets, LimitPlan};
use crate::plan::{EndpointPlan, Plan};

use super::holds::{Held, Hold};
use super::lane::Shared;

/// See the module.
#[derive(Debug, Default)]
pub struct AllLimits {
    /// Of `[limits]` and of endpoints with a rate, by position in the plan.
    named: Vec<Arc<Buckets>>,
    /// Of endpoints without a limit, by position; they only learn and are held.
    own: Vec<Arc<Buckets>>,
    /// Of what sinks send, by position in the plan, likewise.
    hooks: Vec<Option<Arc<Buckets>>>,
}

impl AllLimits {
    /// Opens the limits of a plan.
    #[must_use]
    pub fn open(plan: &Plan) -> Self {
        let opened = |limit: LimitPlan| Arc::new(Buckets::open(limit));
        let own = plan
            .endpoints
            .iter()
            .map(|endpoint| opened(LimitPlan { learn: endpoint.learn, ..LimitPlan::hold_only(&endpoint.name) }));
        let of_hook = |hook: &EndpointPlan| opened(LimitPlan { learn: hook.learn, ..LimitPlan::hold_only(&hook.name) });
        let hooks = plan.sinks.iter().map(|sink| sink.hook.as_deref().map(of_hook)).collect();
        Self { hooks, named: plan.limits.iter().cloned().map(opened).collect(), own: own.collect() }
    }

    /// A limit by its position in the plan.
    #[must_use]
    pub fn named(&self, position: usize) -> Arc<Buckets> {
        Arc::clone(&self.named[position])
    }

    /// What an endpoint without a limit has.
    #[must_use]
    pub fn own(&self, endpoint: usize) -> Arc<Buckets> {
        Arc::clone(&self.own[endpoint])
    }

    /// What a sink without a limit has that sends requests.
    #[must_use]
    pub fn of_hook(&self, sink: usize) -> Option<Arc<Buckets>> {
        self.hooks.get(sink)?.clone()
    }

    /// Those that the job names, by position in the plan.
    pub fn of_job(&self) -> impl Iterator<Item = &Buckets> {
        self.named.iter().map(Arc::as_ref)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Buckets>> {
        self.named.iter().chain(&self.own).chain(self.hooks.iter().flatten())
    }

    /// Holds a limit of this name, or one of its buckets, until then. One that is gone is passed over.
    pub fn hold(&self, limit: &str, key: Option<&str>, until: Instant) {
        self.all().filter(|buckets| buckets.plan().name == limit).for_each(|buckets| buckets.hold(key, until));
    }
}

impl Held for AllLimits {
    fn held(&self) -> Vec<Hold> {
        let of_one = |buckets: &Arc<Buckets>| {
            let limit = buckets.plan().name.clone();
            let hold = move |(key, until)| Hold { limit: limit.clone(), key, until };
            buckets.holds().into_iter().map(hold).collect::<Vec<_>>()
        };
        self.all().flat_map(of_one).collect()
    }
}

impl Held for Arc<Shared> {
    fn held(&self) -> Vec<Hold> {
        self.buckets.held()
    }
}
