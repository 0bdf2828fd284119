//! Limits: token buckets, and the only place that names governor.
//!
//! governor decides whether a token may be taken; the pacer here waits, first come first served, so
//! that in any stretch of time T at most `max(burst, dearest cost) + rate * T` (+ 1) tokens leave, and no
//! fewer than that when there is work. A request takes its cost in tokens: 1 unless the plan says otherwise;
//! one that costs more than `burst` leaves when the bucket is full, and those behind it wait for the rest.
//! After a suspended machine or a jump of the clock no more than `max(burst, cost)` leave at once. Must never
//! hand out a token earlier than governor would, but for the bounded catch-up described in `bucket`, and never
//! let a reply make a bucket faster than it was written.
//!
//! How it is built:
//! - `plan` is what a limit is, `limiter` one live bucket of it, `buckets` all of them: one for each key.
//! - `cell` is one window: a governor cell, and the only file that names governor.
//! - `bucket` is pure: all windows of a limit, asked together, with times as plain numbers.
//! - `learned` is pure as well: what replies taught, which stands beside the windows and only slows down. A
//!   quota that is short bounds what leaves until its reset; a server that throttles and names no time is
//!   followed by trial, near to what it bears.
//! - `queue` stands in front of it. Only heads of queues talk to buckets, and a token of each bucket that
//!   a request takes from ([`take_all`]) is taken in one step of one task: a caller that goes away while
//!   it waits has taken nothing from any window of any bucket, and nobody keeps the token of one bucket
//!   while it waits for another's. What heads of different sets owe each other is described there.
//! - `alarm` is how the head sleeps, for each bucket in the cheapest way that costs no rate. What
//!   counts is how late a wake-up the bucket can bear: `burst` intervals; without a burst a fiftieth of one down
//!   to 500/s, since servers look at the gap between two requests then.
//!   - 2.5 ms and more (400/s with a burst of 2, 8/s without): tokio's timer, which is up to 2 ms late, as it
//!     rounds to milliseconds and so does the poll below it. Next to no CPU.
//!   - 0.2 ms and more (501/s to 5,000/s without a burst; 0.4 ms where gaps are looked at, 50/s): a thread, 0.05 to
//!     0.4 ms late. Measured on two cores at 900/s 7 % of a core, at 5,000/s 35 %.
//!   - less: the head is woken before the time has come, by as much as nearly all rings are late, and yields to the
//!     runtime for the rest: at 200/s a tenth of a core, above 5,000/s all of one. A `burst` of 1/400 of the rate makes it needless: 20,000/s take 5 % of a
//!     core with a burst of 50.
//!
//! A take that finds its token there costs some 0.1 µs.

mod alarm;
mod bucket;
mod buckets;
mod cell;
mod learned;
mod limiter;
mod plan;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use buckets::Buckets;
pub use limiter::{Bind, Limiter};
pub use plan::{CostPlan, FASTEST, KeyPlan, LimitPlan, Window};

use queue::{Ask, Queue};

/// Tokens of one bucket that a request takes.
#[derive(Debug, Clone)]
pub struct Take {
    /// The bucket.
    pub limiter: Arc<Limiter>,
    /// Tokens; 0: it takes none, and only obeys holds.
    pub cost: u32,
}

/// Waits until every one of the buckets has the tokens and takes all of them at the same time. First
/// come, first served among those who take from the same buckets; a caller that goes away while it
/// waits takes nothing, and only gives up its place. A bucket that is named twice gives the dearer cost,
/// once. Who has taken must tell each bucket when the request is [`Limiter::answered`].
pub async fn take_all(takes: &[Take]) {
    if let [only] = takes {
        return only.limiter.take(only.cost).await;
    }
    let mut asks: Vec<_> = takes.iter().map(|Take { limiter, cost }| Ask { limiter, cost: *cost }).collect();
    // The dearest of each bucket comes first, and is the one that stays.
    asks.sort_unstable_by_key(|ask| (ask.limiter.id, std::cmp::Reverse(ask.cost)));
    asks.dedup_by_key(|ask| ask.limiter.id);
    let takes_none = asks.iter().all(|ask| ask.cost == 0);
    match asks.as_slice() {
        [] => {}
        [only] => only.limiter.take(only.cost).await,
        _ if takes_none => queue::pass(&asks, &Queue::default()).await,
        [first, others @ ..] => queue::pass(&asks, &first.limiter.queue_with(others)).await,
    }
}
