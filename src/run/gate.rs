//! The gate of one attempt: its tokens, taken last before the wire.
//!
//! Must never let a request leave once the run drains.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Uri;
use tokio::sync::Notify;

use crate::clock::{self, Instant};
use crate::limit::{Limiter, Take, take_all};
use crate::transport::{BoxFuture, Gate};

use super::control::Control;

/// See the module.
#[derive(Debug)]
pub struct LaneGate<'a> {
    limiters: &'a [Arc<Limiter>],
    control: &'a Control,
    passed: Mutex<Option<Instant>>,
    /// Whether the request, or the next hop of a redirect, stands before the gate.
    stands: AtomicBool,
    /// Raised when it comes to stand there again.
    came: Notify,
}

impl<'a> LaneGate<'a> {
    /// A gate that takes a token of each limiter, all at once.
    #[must_use]
    pub fn new(limiters: &'a [Arc<Limiter>], control: &'a Control) -> Self {
        let (stands, came) = (AtomicBool::new(true), Notify::new());
        Self { limiters, control, passed: Mutex::new(None), stands, came }
    }

    /// When the request was first let through.
    #[must_use]
    pub fn passed(&self) -> Option<Instant> {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when the run drains and the request stands before the gate; what is on the wire may end.
    pub async fn drained_before(&self) {
        self.control.drained().await;
        loop {
            let came = self.came.notified();
            tokio::pin!(came);
            came.as_mut().enable();
            if self.stands.load(Ordering::Acquire) {
                return;
            }
            came.await;
        }
    }
}

impl Gate for LaneGate<'_> {
    fn pass(&self, _url: &Uri) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.stands.store(true, Ordering::Release);
            self.came.notify_waiters();
            let one = |limiter: &Arc<Limiter>| Take { limiter: Arc::clone(limiter), cost: 1 };
            take_all(&self.limiters.iter().map(one).collect::<Vec<_>>()).await;
            if self.control.is_drained() {
                std::future::pending::<()>().await;
            }
            self.stands.store(false, Ordering::Release);
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            passed.get_or_insert_with(clock::now);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::control::{Phase, line};
    use super::*;
    use crate::limit::LimitPlan;

    #[tokio::test(start_paused = true)]
    async fn a_drain_ends_what_stands_before_the_gate_also_at_a_second_hop() {
        let (control, desk) = line();
        let limiters = [Arc::new(Limiter::open(LimitPlan::hold_only("a")))];
        let gate = LaneGate::new(&limiters, &control);
        gate.pass(&Uri::from_static("http://a/")).await;
        desk.phase.send_replace(Phase::Draining);
        let mut drained = std::pin::pin!(gate.drained_before());
        assert!(futures_now(drained.as_mut()).await.is_none(), "on the wire");
        let mut hop = gate.pass(&Uri::from_static("http://a/"));
        assert!(futures_now(hop.as_mut()).await.is_none(), "no request leaves after the drain");
        drained.await;
    }

    /// What a future gives at once.
    async fn futures_now<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }
}
