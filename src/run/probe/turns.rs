//! Who may ask at the same time: a few at once, and one after the other where they share a limit.
//!
//! Must never have one wait for another that waits for it: whoever has room to ask has everything else already.

use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

use super::Member;
use crate::plan::Plan;

/// How many ask at once.
const AT_ONCE: usize = 8;

/// See the module.
pub(super) struct Turns<'p> {
    plan: &'p Plan,
    room: Semaphore,
    /// By position in the plan.
    limits: Vec<Mutex<()>>,
}

/// The right to ask, until it is dropped.
pub(super) struct Turn<'t> {
    #[allow(dead_code, reason = "held for its drop")]
    limits: Vec<MutexGuard<'t, ()>>,
    #[allow(dead_code, reason = "held for its drop")]
    room: Option<SemaphorePermit<'t>>,
}

impl<'p> Turns<'p> {
    /// Nobody asks yet.
    pub fn of(plan: &'p Plan) -> Self {
        Self { plan, room: Semaphore::new(AT_ONCE), limits: plan.limits.iter().map(|_| Mutex::new(())).collect() }
    }

    /// Waits for its turn. Those that share a limit take it in the order in which they came.
    pub async fn take(&self, member: Member) -> Turn<'_> {
        let mut limits = Vec::new();
        for position in self.limits_of(member) {
            limits.push(self.limits[position].lock().await);
        }
        // It is never closed.
        Turn { limits, room: self.room.acquire().await.ok() }
    }

    /// In one order for all, so that no two wait for each other.
    fn limits_of(&self, member: Member) -> Vec<usize> {
        let sender = match member {
            Member::Endpoint(position) => Some(&self.plan.endpoints[position]),
            Member::Sink(position) => self.plan.sinks[position].hook.as_deref(),
            Member::Notify(position) => Some(&self.plan.notify[position].sends),
        };
        let mut limits = sender.map(|sender| sender.limits.clone()).unwrap_or_default();
        limits.sort_unstable();
        limits.dedup();
        limits
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::compile::{Options, compile};
    use crate::diagnostic::Diagnostics;
    use crate::document::{Document, Overlays};

    fn plan(endpoints: usize, limits: fn(usize) -> &'static str) -> Plan {
        let text: String = (0..endpoints)
            .map(|at| {
                let limits = limits(at);
                format!("[endpoints.e{at}]\nurl = \"http://a.example/{at}\"\ninput.values = [{{ n = 1 }}]\n{limits}\n")
            })
            .collect();
        let text = format!("limits.a.rate = \"1/s\"\nlimits.b.rate = \"1/s\"\n{text}");
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics).unwrap();
        let plan = compile(&document, &Options::default(), &mut diagnostics);
        plan.unwrap_or_else(|| panic!("{:?}", diagnostics.list()))
    }

    #[test]
    fn a_few_ask_at_once_and_no_more() {
        let plan = plan(AT_ONCE + 1, |_| "");
        let turns = Turns::of(&plan);
        let take = |at: usize| turns.take(Member::Endpoint(at)).now_or_never();
        let mut taken: Vec<Turn<'_>> = (0..AT_ONCE).map(|at| take(at).expect("there is room")).collect();
        assert!(take(AT_ONCE).is_none());
        taken.pop();
        assert!(take(AT_ONCE).is_some());
    }

    #[test]
    fn those_that_share_a_limit_wait_for_each_other_and_for_nobody_else() {
        let limits = |at: usize| ["limit = \"a\"", "limit = [\"b\", \"a\"]", "limit = \"b\"", ""][at];
        let plan = plan(4, limits);
        let turns = Turns::of(&plan);
        let take = |at: usize| turns.take(Member::Endpoint(at)).now_or_never();
        let first = take(0).expect("nobody has its limit");
        assert!(take(1).is_none(), "the first has one of its limits");
        let others = (take(2).expect("its limit is free"), take(3).expect("it has no limit"));
        drop(first);
        assert!(take(1).is_none(), "the third has the other one");
        drop(others);
        assert!(take(1).is_some());
    }
}
