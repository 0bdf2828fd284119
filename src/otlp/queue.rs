//! Spans on their way to the collector: so many and no more. What finds no room is dropped and counted.
//!
//! A row goes in whole or not at all, so that no attempt is told without its row. The last quarter is kept for rows that
//! failed. Must never make who puts in wait.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::Notify;

use crate::report::text::thousands;

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    inside: Mutex<Inside>,
    most: usize,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<Span>,
    told: u64,
    dropped: u64,
    /// Given to a collector that did not take them.
    lost: u64,
}

/// How much spans matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// The run itself: always taken, there is one.
    Run,
    /// Batches, and rows that failed.
    Odd,
    /// Rows that ended well.
    Fine,
}

impl Queue {
    /// A queue of `most` spans.
    pub fn new(most: usize) -> Self {
        Self { inside: Mutex::default(), most, filled: Notify::new() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts spans in that belong together, if there is room for all of them.
    pub fn put(&self, weight: Weight, spans: Vec<Span>) {
        let mut inside = self.inside();
        inside.told += spans.len() as u64;
        let room = match weight {
            Weight::Run => usize::MAX,
            Weight::Odd => self.most,
            Weight::Fine => self.most - self.most / 4,
        };
        if inside.waiting.len() + spans.len() > room {
            inside.dropped += spans.len() as u64;
            return;
        }
        inside.waiting.extend(spans);
        drop(inside);
        self.filled.notify_one();
    }

    /// Counts spans that can't be told: nobody heard enough of them.
    pub fn missed(&self, spans: u64) {
        let mut inside = self.inside();
        inside.told += spans;
        inside.dropped += spans;
    }

    /// Counts spans that the collector did not take.
    pub fn lost(&self, spans: u64) {
        self.inside().lost += spans;
    }

    /// Takes so many at most, the oldest first.
    pub fn take(&self, most: usize) -> Vec<Span> {
        let mut inside = self.inside();
        let count = inside.waiting.len().min(most);
        inside.waiting.drain(..count).collect()
    }

    /// Waits until there are so many.
    pub async fn holds(&self, spans: usize) {
        while self.inside().waiting.len() < spans {
            self.filled.notified().await;
        }
    }

    /// How many spans are missing, in words; `None`: none is. Where the collector took all that it was given, it was too
    /// slow.
    pub fn missing(&self) -> Option<String> {
        let inside = self.inside();
        let missing = inside.dropped + inside.lost;
        let way_out = match inside.lost {
            0 => {
                ": they came faster than the collector took them; tell fewer rows (OTEL_TRACES_SAMPLER=traceidratio and \
                 OTEL_TRACES_SAMPLER_ARG), or let more wait (OTEL_BSP_MAX_QUEUE_SIZE)"
            }
            _ => "",
        };
        let (of, all) = (thousands(missing), thousands(inside.told));
        (missing > 0).then(|| format!("otlp: {of} of {all} spans did not reach the collector{way_out}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(count: usize) -> Vec<Span> {
        vec![Span::default(); count]
    }

    #[test]
    fn rows_go_in_whole_and_the_last_quarter_is_for_those_that_failed() {
        let queue = Queue::new(8);
        queue.put(Weight::Fine, spans(4));
        queue.put(Weight::Fine, spans(3));
        queue.put(Weight::Fine, spans(2));
        assert_eq!(queue.inside().waiting.len(), 6);
        queue.put(Weight::Fine, spans(1));
        queue.put(Weight::Odd, spans(2));
        queue.put(Weight::Odd, spans(1));
        queue.put(Weight::Run, spans(1));
        assert_eq!(queue.inside().waiting.len(), 9);
        let words = queue.missing().unwrap();
        assert!(words.starts_with("otlp: 5 of 14 spans did not reach the collector: they came faster"), "{words}");
        queue.lost(2);
        assert_eq!(queue.missing().unwrap(), "otlp: 7 of 14 spans did not reach the collector");
        assert_eq!((queue.take(6).len(), queue.take(6).len()), (6, 3));
    }

    #[tokio::test]
    async fn who_waits_for_spans_is_woken_when_there_are_enough() {
        let queue = Queue::new(8);
        let waits = async {
            queue.holds(3).await;
            queue.take(8).len()
        };
        let puts = async {
            for _ in 0..3 {
                queue.put(Weight::Odd, spans(1));
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(tokio::join!(waits, puts).0, 3);
        assert_eq!(queue.missing(), None);
    }
}
