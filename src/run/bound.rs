//! What holds a run back: looked at ten times a second, told at the end as shares of the time.
//!
//! A look costs a few locks for each endpoint and none for a row. Must never decide anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock;
use crate::limit::{Bind, LimitPlan};

use super::lane::Lane;
use super::live::read;
use super::queue::Standing;

/// Causes that are told apart.
const MOST_CAUSES: usize = 50;
/// Where those beyond them are counted.
const OTHER: &str = "other causes";

/// Counts looks by what they found.
#[derive(Debug, Default)]
pub struct Looks {
    found: BTreeMap<String, u64>,
    looks: u64,
}

/// What one look at an endpoint shows.
#[derive(Debug, Clone, Default)]
struct Look {
    standing: Standing,
    /// Whether a hand has paused the run.
    paused: bool,
    /// A host that is out.
    outage: Option<String>,
    /// A limit before which requests wait.
    limit: Option<String>,
    /// A limit that is held by the server's word. What sleeps until then does not wait before the limit.
    held: Option<String>,
    /// Calls that have ended and wait for the scribe.
    delivering: usize,
    /// Batches that wait for their pause to be over.
    pausing: usize,
    /// Whether rows wait for the oldest one to end, as records are written in input order.
    in_order: bool,
    /// Retries that wait for the budget.
    on_budget: bool,
    /// Whether the number in flight is found by looking at the server.
    adaptive: bool,
}

impl Looks {
    /// Looks at every endpoint that has work.
    pub fn look(&mut self, lanes: &[Arc<Lane>]) {
        for lane in lanes {
            let what = bound(&look(lane));
            lane.live().note_bound(what.as_deref());
            if let Some(what) = what {
                self.looks += 1;
                // A host that is out may be one of very many.
                let is_kept = self.found.len() < MOST_CAUSES || self.found.contains_key(&what);
                *self.found.entry(if is_kept { what } else { OTHER.to_owned() }).or_default() += 1;
            }
        }
    }

    /// What was found, with its share of all looks (0..=1), most first.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a share, shown in percent")]
    pub fn shares(&self) -> Vec<(String, f64)> {
        let share = |count: u64| count as f64 / self.looks.max(1) as f64;
        let mut shares: Vec<_> = self.found.iter().map(|(what, count)| (what.clone(), share(*count))).collect();
        shares.sort_by(|one, two| two.1.total_cmp(&one.1));
        shares
    }
}

fn look(lane: &Lane) -> Look {
    let now = clock::now();
    let binding = lane.limits.buckets.iter().find_map(|buckets| Some((buckets.plan(), buckets.binds(now)?)));
    let limit = binding.map(|(plan, bind)| match bind {
        Bind::Own => format!("limit {}", plan.name),
        Bind::Held | Bind::Learned => held_back(plan),
    });
    let held = lane.limits.buckets.iter().find(|buckets| buckets.is_held());
    Look {
        standing: lane.queue.standing(),
        paused: lane.shared.control.pauses().is_on(),
        outage: lane.pacing.outages.standing(),
        limit,
        held: held.map(|buckets| held_back(buckets.plan())),
        delivering: usize::try_from(read(&lane.live().delivering)).unwrap_or(usize::MAX),
        pausing: usize::try_from(read(&lane.live().pausing)).unwrap_or(usize::MAX),
        in_order: read(&lane.live().in_order) > 0,
        on_budget: lane.pacing.waits_for_budget(now),
        adaptive: lane.plan().adaptive,
    }
}

fn held_back(plan: &LimitPlan) -> String {
    format!("the server ({} held back)", plan.name)
}

/// What holds an endpoint back; `None`: it has no work left.
fn bound(look: &Look) -> Option<String> {
    let Standing { ready, sleeping, at_work, allowed, over } = look.standing;
    if over {
        return None;
    }
    if look.paused {
        return Some("a pause by hand".to_owned());
    }
    if let Some(host) = &look.outage {
        return Some(format!("the outage of {host}"));
    }
    if let Some(limit) = &look.limit {
        return Some(limit.clone());
    }
    if look.delivering > 0 && look.delivering * 2 >= at_work {
        return Some("the output".to_owned());
    }
    if at_work >= allowed {
        return Some(if look.adaptive { "the server" } else { "concurrency" }.to_owned());
    }
    let what = match () {
        () if look.in_order && ready == 0 => "one slow row (order = \"input\")",
        () if look.on_budget => "retry.budget",
        () if at_work > 0 || ready > 0 => "the server",
        () if look.pausing > 0 => "the batch pause",
        () if sleeping > 0 => look.held.as_deref().unwrap_or("waits before retries"),
        () => "the input",
    };
    Some(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(ready: usize, sleeping: usize, at_work: usize) -> Standing {
        Standing { ready, sleeping, at_work, allowed: 10, over: false }
    }

    fn found(look: Look) -> String {
        bound(&look).unwrap_or_default()
    }

    #[test]
    fn what_stands_first_in_the_way_is_what_binds() {
        let look = |standing| Look { standing, ..Look::default() };
        assert_eq!(found(look(standing(5, 0, 10))), "concurrency");
        assert_eq!(found(Look { adaptive: true, ..look(standing(5, 0, 10)) }), "the server");
        assert_eq!(found(look(standing(0, 0, 3))), "the server", "the last of a batch");
        assert_eq!(found(look(standing(0, 4, 0))), "waits before retries");
        let in_order = |standing| Look { in_order: true, ..look(standing) };
        assert_eq!(found(in_order(standing(0, 0, 1))), "one slow row (order = \"input\")");
        assert_eq!(found(in_order(standing(0, 1, 0))), "one slow row (order = \"input\")", "it sleeps before a retry");
        assert_eq!(found(in_order(standing(5, 0, 3))), "the server", "others are there to be sent");
        assert_eq!(found(Look { pausing: 1, ..look(standing(0, 0, 0)) }), "the batch pause");
        let held = Some("the server (api held back)".to_owned());
        let held = |standing| Look { held: held.clone(), ..look(standing) };
        assert_eq!(found(held(standing(0, 4, 0))), "the server (api held back)", "they sleep because of it");
        assert_eq!(found(held(standing(0, 0, 0))), "the input", "which nobody waits for");
        assert_eq!(found(look(standing(0, 0, 0))), "the input");
        assert_eq!(found(Look { on_budget: true, ..look(standing(0, 4, 0)) }), "retry.budget");
        assert_eq!(found(Look { delivering: 9, ..look(standing(5, 0, 10)) }), "the output");
        let limited = Look { limit: Some("limit api".to_owned()), ..look(standing(5, 0, 10)) };
        assert_eq!(found(limited.clone()), "limit api");
        assert_eq!(found(Look { outage: Some("api:443".to_owned()), ..limited }), "the outage of api:443");
        assert_eq!(found(Look { paused: true, ..look(standing(5, 0, 10)) }), "a pause by hand");
        assert_eq!(bound(&look(Standing { over: true, ..standing(0, 0, 0) })), None);
    }

    #[test]
    fn shares_add_up_and_the_largest_comes_first() {
        let mut looks = Looks::default();
        for (what, count) in [("concurrency", 1), ("limit api", 3)] {
            looks.found.insert(what.to_owned(), count);
            looks.looks += count;
        }
        assert_eq!(looks.shares(), [("limit api".to_owned(), 0.75), ("concurrency".to_owned(), 0.25)]);
        assert!(Looks::default().shares().is_empty());
    }
}
