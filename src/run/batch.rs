//! Batches: rows that go out together, and the pause from the end of one to the start of the next.
//!
//! Must never begin a batch before every row of the batch ahead of it in the same lane has ended,
//! retries included.

use std::sync::Arc;

use tokio::sync::Notify;

#[derive(Debug)]
struct Shared {
    ended: Notify,
    number: u64,
}

/// A batch under way. Dropping the last ticket ends it.
#[derive(Debug)]
pub struct Batch {
    shared: Arc<Shared>,
    last: Option<BatchTicket>,
}

#[derive(Debug)]
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.ended.notify_one();
    }
}

/// Held by every call of a batch; the batch has ended when all are gone, however they went.
#[derive(Debug, Clone)]
pub struct BatchTicket(Arc<Guard>);

impl BatchTicket {
    /// One-based number of the batch in this session.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.0.number
    }
}

impl Batch {
    /// The batch of this number.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let shared = Arc::new(Shared { ended: Notify::new(), number });
        let last = Some(BatchTicket(Arc::new(Guard(shared.clone()))));
        Self { shared, last }
    }

    /// A ticket for one more call.
    #[must_use]
    pub fn ticket(&self) -> Option<BatchTicket> {
        self.last.clone()
    }

    /// Waits until every call that holds a ticket has ended.
    pub async fn ended(mut self) {
        self.last = None;
        self.shared.ended.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_batch_ends_with_its_last_ticket() {
        let batch = Batch::new(7);
        let (first, second) = (batch.ticket(), batch.ticket());
        assert_eq!(second.as_ref().map(BatchTicket::number), Some(7));
        let waiting = tokio::spawn(batch.ended());
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn an_empty_batch_has_ended() {
        Batch::new(1).ended().await;
    }
}
