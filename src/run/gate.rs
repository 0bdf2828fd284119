//! The gate of one attempt: its tokens, taken last before the wire.
//!
//! Must never let a request leave once the run drains.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{self, Instant};
use crate::limit::{Limiter, take_all};
use crate::transport::{BoxFuture, Gate};

use super::control::Control;

/// See the module.
#[derive(Debug)]
pub struct LaneGate<'a> {
    limiters: &'a [Arc<Limiter>],
    control: &'a Control,
    passed: Mutex<Option<Instant>>,
}

impl<'a> LaneGate<'a> {
    /// A gate that takes a token of each limiter, all at once.
    #[must_use]
    pub fn new(limiters: &'a [Arc<Limiter>], control: &'a Control) -> Self {
        Self { limiters, control, passed: Mutex::new(None) }
    }

    /// When the request was first let through.
    #[must_use]
    pub fn passed(&self) -> Option<Instant> {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when the run drains while the request still stands before the gate; never ends after it
    /// has passed, for what is on the wire may end.
    pub async fn drained_before(&self) {
        self.control.drained().await;
        if self.passed().is_some() {
            std::future::pending::<()>().await;
        }
    }
}

impl Gate for LaneGate<'_> {
    fn pass(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            take_all(self.limiters).await;
            if self.control.is_drained() && self.passed().is_none() {
                std::future::pending::<()>().await;
            }
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            passed.get_or_insert_with(clock::now);
        })
    }
}
