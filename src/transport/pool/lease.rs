//! The right to use one connection, from the wait for it to its return.
//!
//! Must never let the next one in before its connection is given back or closed.

use tokio::sync::SemaphorePermit;

use super::http1::Http1Connection;
use super::standing::Stood;
use super::streams::Opening;
use super::{Host, Pool};
use crate::clock::Instant;

/// The right to use one connection of a host, and the connection once there is one.
///
/// Dropped, it gives a reusable connection back to the pool, closes any other, and only then lets the
/// next in.
pub(in crate::transport) struct Lease<'p> {
    pub(super) pool: &'p Pool,
    /// Whose connection.
    pub host: &'p Host,
    /// The connection.
    pub connection: Option<Box<Http1Connection>>,
    // Whether `State::open` counts a connection of ours, made or about to be made.
    pub(super) counted: bool,
    // Where others wait for what it opens.
    pub(super) opening: Option<Opening<'p>>,
    pub(super) of_host: Option<SemaphorePermit<'p>>,
    pub(super) of_all: Option<SemaphorePermit<'p>>,
}

impl Lease<'_> {
    /// Takes the idle connection that was used last, if there is a living one. Dead ones that lie
    /// above it are closed.
    pub fn take_idle(&mut self, now: Instant) -> bool {
        while let Some(mut connection) = self.pop(now) {
            if connection.is_alive() {
                connection.reusable = false;
                self.connection = Some(connection);
                if self.opening.is_some() {
                    // Nothing is opened now: those who wait for it may look for themselves.
                    self.opened_alone();
                }
                return true;
            }
            self.connection = Some(connection);
            self.discard();
        }
        false
    }

    fn pop(&mut self, now: Instant) -> Option<Box<Http1Connection>> {
        let mut state = self.pool.lock();
        let shelf = state.shelf(self.host)?;
        let top = shelf.idle.last()?;
        if top.idle_since + self.pool.idle_timeout <= now {
            // The rest is older still.
            let closed = std::mem::take(&mut shelf.idle);
            state.open -= closed.len();
            drop(state);
            return None;
        }
        self.counted = true;
        shelf.idle.pop()
    }

    /// Makes room for a new connection: when idle ones of other hosts fill the total cap, the oldest is
    /// closed.
    pub fn reserve(&mut self) {
        if self.counted {
            return;
        }
        let mut state = self.pool.lock();
        // Slots in use without a connection: this one at least. So whatever fills the cap is idle.
        let evicted = (state.open >= self.pool.total).then(|| state.evict_oldest());
        state.open += 1;
        drop(state);
        drop(evicted);
        self.counted = true;
    }

    pub fn stand(&self) -> [Stood<'_>; 2] {
        [self.host.standing.stand(), self.pool.standing.stand()]
    }

    /// Closes the connection; the slot stays.
    pub fn discard(&mut self) {
        drop(self.connection.take());
        if self.counted {
            self.pool.lock().open -= 1;
            self.counted = false;
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take_if(|connection| connection.reusable) {
            let mut state = self.pool.lock();
            if let Some(shelf) = state.shelf(self.host) {
                shelf.idle.push(connection);
                self.counted = false;
            }
        }
        self.discard();
    }
}
