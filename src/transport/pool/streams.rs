//! Streams: the right to send one request over a connection that others use too.
//!
//! A shared connection keeps one slot of the pool for as long as any of its streams is taken; at rest it
//! keeps none and may be closed, like any other. Streams are handed out first come, first served; when none
//! is free, one request opens another connection, within the caps, and the others wait for what comes first.
//! Must never give out more streams than a connection takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::http2::Http2Connection;
use super::standing::Stood;
use super::{Host, Lease, Pool, Seat, permit};
use crate::clock::{self, Instant};
use crate::retry::Failure;

/// What is known of sharing connections to one host.
pub(super) struct Sharing {
    /// A permit for each free stream of the connections in use. There may be more permits than streams
    /// for a moment, when a connection goes away, and never fewer: who finds no stream for its permit
    /// tears it up.
    free: Semaphore,
    /// One permit: the right to open a connection, for all requests that wait for one.
    opening: Semaphore,
    /// Whether the host speaks HTTP/1.1, as far as it is known.
    alone: AtomicBool,
    attempts: Mutex<Attempts>,
}

/// The attempts to open a connection that have ended.
#[derive(Default)]
struct Attempts {
    ended: u64,
    failure: Option<Failure>,
}

impl Sharing {
    pub fn new() -> Self {
        let (free, opening) = (Semaphore::new(0), Semaphore::new(1));
        Self { free, opening, alone: AtomicBool::new(false), attempts: Mutex::default() }
    }

    /// Whether connections to the host are not shared.
    pub fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Relaxed)
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, failure: Option<Failure>) {
        let mut attempts = self.attempts();
        attempts.ended += 1;
        attempts.failure = failure;
    }

    /// The failure of an attempt that ended since there were `seen` of them.
    fn failed_since(&self, seen: u64) -> Option<Failure> {
        let attempts = self.attempts();
        attempts.failure.clone().filter(|_| attempts.ended > seen)
    }
}

/// The right to open a connection on behalf of all who wait for one.
pub(super) struct Opening<'p> {
    sharing: &'p Sharing,
    _turn: Option<SemaphorePermit<'p>>,
}

/// A shared connection in the pool.
pub(super) struct Shared {
    pub connection: Arc<Http2Connection>,
    /// Streams that are taken.
    used: usize,
    /// Free streams that there are permits for.
    offered: usize,
    /// When the last one was given back.
    idle_since: Instant,
}

impl Shared {
    /// Since when it is at rest; `None`: it is in use.
    pub fn rests_since(&self) -> Option<Instant> {
        (self.used == 0).then_some(self.idle_since)
    }

    /// Brings the permits in line with the streams that are free now.
    fn offer(&mut self, permits: &Semaphore) {
        let free = if self.used == 0 { 0 } else { self.connection.capacity().saturating_sub(self.used) };
        if free > self.offered {
            permits.add_permits(free - self.offered);
        } else {
            permits.forget_permits(self.offered - free);
        }
        self.offered = free;
    }

    /// Takes a stream that a permit was given up for.
    fn take_offered(&mut self, permits: &Semaphore) -> Option<Arc<Http2Connection>> {
        if self.offered > 0 {
            self.offer(permits);
        }
        self.offered = self.offered.checked_sub(1)?;
        self.used += 1;
        Some(Arc::clone(&self.connection))
    }
}

impl Pool {
    /// A stream, if there is one without waiting, of a connection in use or of one at rest.
    pub(super) fn try_stream<'p>(&'p self, host: &'p Host, sharing: &Sharing, now: Instant) -> Option<Stream<'p>> {
        while let Ok(free) = sharing.free.try_acquire() {
            free.forget();
            if let Some(stream) = self.pick(host, sharing) {
                return Some(stream);
            }
        }
        self.try_lease(host)?.rouse(now)
    }

    /// Waits for a stream, or for the right to a connection of one's own: to open one that others may share.
    pub(super) async fn seat<'p>(&'p self, host: &'p Host, sharing: &'p Sharing) -> Result<Seat<'p>, Failure> {
        if !sharing.is_alone()
            && let Some(seat) = self.shared_seat(host, sharing).await?
        {
            return Ok(seat);
        }
        Ok(Seat::Whole(self.lease(host).await))
    }

    /// `None`: it turned out that connections to the host are not shared.
    async fn shared_seat<'p>(&'p self, host: &'p Host, sharing: &'p Sharing) -> Result<Option<Seat<'p>>, Failure> {
        let seen = sharing.attempts().ended;
        let turn = tokio::select! {
            biased;
            stream = self.stream(host, sharing) => return Ok(Some(Seat::Stream(stream))),
            turn = permit(&sharing.opening) => turn,
        };
        if sharing.is_alone() {
            return Ok(None);
        }
        // Those who wait for the same connection hear the same answer.
        if let Some(failure) = sharing.failed_since(seen) {
            return Err(failure);
        }
        let mut lease = tokio::select! {
            biased;
            stream = self.stream(host, sharing) => return Ok(Some(Seat::Stream(stream))),
            lease = self.lease(host) => lease,
        };
        if let Some(stream) = lease.rouse(clock::now()) {
            return Ok(Some(Seat::Stream(stream)));
        }
        lease.opening = Some(Opening { sharing, _turn: turn });
        Ok(Some(Seat::Whole(lease)))
    }

    async fn stream<'p>(&'p self, host: &'p Host, sharing: &Sharing) -> Stream<'p> {
        loop {
            if let Some(free) = permit(&sharing.free).await {
                free.forget();
            }
            if let Some(stream) = self.pick(host, sharing) {
                return stream;
            }
        }
    }

    fn pick<'p>(&'p self, host: &'p Host, sharing: &Sharing) -> Option<Stream<'p>> {
        let mut state = self.lock();
        let shared = &mut state.shelf(host)?.shared;
        let taken = shared.iter_mut().find_map(|shared| shared.take_offered(&sharing.free))?;
        Some(Stream { pool: self, host, connection: taken, left: false })
    }

    /// Gives a stream back; with the last one of a connection goes its slot.
    fn give_back(&self, host: &Host, connection: &Arc<Http2Connection>) {
        let Some(sharing) = &host.sharing else { return };
        let mut state = self.lock();
        let Some(shelf) = state.shelf(host) else { return };
        let Some(at) = shelf.shared.iter().position(|shared| Arc::ptr_eq(&shared.connection, connection)) else {
            return;
        };
        let shared = &mut shelf.shared[at];
        shared.used -= 1;
        shared.offer(&sharing.free);
        let mut ended = None;
        if shared.used == 0 {
            shared.idle_since = clock::now();
            if connection.capacity() == 0 {
                ended = Some(shelf.shared.swap_remove(at));
                state.open -= 1;
            }
            host.slots.add_permits(1);
            self.slots.add_permits(1);
        }
        drop(state);
        drop(ended);
    }
}

impl<'p> Lease<'p> {
    /// Takes a stream of a shared connection at rest, if there is a living one: the slot goes over to it.
    pub(super) fn rouse(&mut self, now: Instant) -> Option<Stream<'p>> {
        let (pool, host) = (self.pool, self.host);
        let sharing = host.sharing.as_ref()?;
        let mut state = pool.lock();
        let shelf = state.shelf(host)?;
        let closed = shelf.close_shared(now, pool.idle_timeout);
        let at_rest = shelf.shared.iter_mut().filter(|shared| shared.used == 0);
        let connection = at_rest.max_by_key(|shared| shared.idle_since).map(|shared| {
            shared.used = 1;
            shared.offer(&sharing.free);
            Arc::clone(&shared.connection)
        });
        state.open -= closed.len();
        drop(state);
        drop(closed);
        connection.map(|connection| self.hand_over(connection))
    }

    /// Makes a new connection one that others may share: those who wait for one get its streams.
    pub fn share(&mut self, connection: Arc<Http2Connection>) -> Stream<'p> {
        let (pool, host) = (self.pool, self.host);
        self.opened(false);
        let mut state = pool.lock();
        if let (Some(shelf), Some(sharing)) = (state.shelf(host), &host.sharing) {
            let connection = Arc::clone(&connection);
            let mut shared = Shared { connection, used: 1, offered: 0, idle_since: clock::now() };
            shared.offer(&sharing.free);
            shelf.shared.push(shared);
            self.counted = false;
        }
        drop(state);
        self.hand_over(connection)
    }

    // From now on the stream answers for the slot.
    fn hand_over(&mut self, connection: Arc<Http2Connection>) -> Stream<'p> {
        for slot in [self.of_host.take(), self.of_all.take()].into_iter().flatten() {
            slot.forget();
        }
        self.opening = None;
        Stream { pool: self.pool, host: self.host, connection, left: false }
    }

    /// Its connection is its own, and so will those of others be.
    pub fn opened_alone(&mut self) {
        self.opened(true);
        self.opening = None;
    }

    fn opened(&self, alone: bool) {
        if let Some(sharing) = &self.host.sharing {
            sharing.alone.store(alone, Ordering::Relaxed);
        }
        if let Some(opening) = &self.opening {
            opening.sharing.note(None);
        }
    }

    /// No connection could be opened: those who wait for it are told why.
    pub fn not_opened(&mut self, failure: &Failure) {
        if let Some(opening) = self.opening.take() {
            opening.sharing.note(Some(failure.clone()));
        }
    }
}

/// The right to send one request over a shared connection. Dropped, it lets the next one in.
pub(in crate::transport) struct Stream<'p> {
    pool: &'p Pool,
    /// Whose connection.
    pub host: &'p Host,
    /// The connection.
    pub connection: Arc<Http2Connection>,
    left: bool,
}

impl Stream<'_> {
    /// Gives the stream back, so that another seat may be waited for.
    pub fn leave(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            self.pool.give_back(self.host, &self.connection);
        }
    }

    /// Says that it stands before its gate, until what is given back is dropped.
    pub fn stand(&self) -> [Stood<'_>; 2] {
        [self.host.standing.stand(), self.pool.standing.stand()]
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
