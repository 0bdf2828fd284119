//! Connections at rest, and who may have how many.
//!
//! A slot is the right to use one connection; slots are handed out first come, first served, for each
//! host and in all. Idle connections lie on one stack per origin, the last used on top; those beyond
//! their time are closed when a request comes by, so an engine that rests keeps its last ones open until
//! it is dropped or the server closes them. Must never let more connections be open than the caps allow,
//! and never hold its lock over an await.

pub(in crate::transport) mod http1;
mod standing;

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::{self, Instant};
use crate::transport::proxy::Proxy;
use crate::transport::proxy::routes::Route;
use crate::transport::target::Origin;

use http1::Http1Connection;
use standing::{Standing, Stood};

/// An origin that connections are made to.
pub(in crate::transport) struct Host {
    place: usize,
    /// Scheme, host and port.
    pub origin: Origin<'static>,
    /// The name in texts, without the scheme.
    pub label: String,
    /// The `Host` header.
    pub header: HeaderValue,
    /// How it is reached; decided with its first connection.
    pub route: OnceLock<Route>,
    slots: Semaphore,
    standing: Standing,
}

impl Host {
    /// The proxy that the host's requests are given to, once there is a connection.
    pub fn forward(&self) -> Option<&Proxy> {
        match self.route.get() {
            Some(Route::Forward(proxy)) => Some(proxy),
            Some(Route::Direct | Route::Tunnel(_) | Route::Unusable(_)) | None => None,
        }
    }
}

/// Connections that are moved about: big, hence boxed.
#[allow(clippy::vec_box, reason = "a connection is moved in and out for every request, and it is large")]
type Idle = Vec<Box<Http1Connection>>;

struct Shelf {
    host: Arc<Host>,
    idle: Idle,
}

#[derive(Default)]
struct State {
    places: HashMap<String, Vec<usize>>,
    shelves: Vec<Option<Shelf>>,
    free: Vec<usize>,
    open: usize,
    sweep_at: Option<Instant>,
}

/// The pool.
pub(in crate::transport) struct Pool {
    state: Mutex<State>,
    slots: Semaphore,
    standing: Standing,
    total: usize,
    per_host: usize,
    idle_timeout: Duration,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("open", &self.lock().open).field("total", &self.total).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool with these caps; each is at least 1.
    pub fn new(total: usize, per_host: usize, idle_timeout: Duration) -> Self {
        let total = total.clamp(1, Semaphore::MAX_PERMITS);
        let per_host = per_host.clamp(1, Semaphore::MAX_PERMITS);
        let (state, slots, standing) = (Mutex::default(), Semaphore::new(total), Standing::default());
        Self { state, slots, standing, total, per_host, idle_timeout }
    }

    /// The origin's entry, made if there is none.
    pub fn host(&self, origin: Origin<'_>, now: Instant) -> Arc<Host> {
        let mut state = self.lock();
        let swept = if state.sweep_at.is_none_or(|at| at <= now) { self.sweep(&mut state, now) } else { Vec::new() };
        let host = state.find(&origin).unwrap_or_else(|| state.add(origin, self.per_host));
        drop(state);
        drop(swept);
        host
    }

    /// Waits for the right to use a connection, for as long as `limit`; time in which others keep slots
    /// for want of tokens does not count. `None`: it has run out.
    pub async fn lease_within<'p>(&'p self, host: &'p Host, limit: Duration) -> Option<Lease<'p>> {
        let _waiting = host.standing.wait();
        let excused = |now| host.standing.at(now) + self.standing.at(now);
        let mut lease = pin!(self.lease(host));
        let mut seen = clock::now();
        let mut before = excused(seen);
        let mut left = limit;
        loop {
            if let Ok(lease) = tokio::time::timeout(left, lease.as_mut()).await {
                return Some(lease);
            }
            let now = clock::now();
            let excuse = excused(now);
            left = left.saturating_sub((now - seen).saturating_sub(excuse - before));
            if left.is_zero() {
                return None;
            }
            (seen, before) = (now, excuse);
        }
    }

    async fn lease<'p>(&'p self, host: &'p Host) -> Lease<'p> {
        // The host first: who waits for a busy host must not keep a slot from the others.
        let of_host = permit(&host.slots).await;
        let waiting = self.standing.wait();
        let of_all = permit(&self.slots).await;
        drop(waiting);
        self.grant(host, of_host, of_all)
    }

    /// The right to use a connection, if it can be had without waiting.
    pub fn try_lease<'p>(&'p self, host: &'p Host) -> Option<Lease<'p>> {
        let of_host = host.slots.try_acquire().ok()?;
        let of_all = self.slots.try_acquire().ok()?;
        Some(self.grant(host, Some(of_host), Some(of_all)))
    }

    fn grant<'p>(
        &'p self,
        host: &'p Host,
        of_host: Option<SemaphorePermit<'p>>,
        of_all: Option<SemaphorePermit<'p>>,
    ) -> Lease<'p> {
        Lease { pool: self, host, connection: None, counted: false, _of_host: of_host, _of_all: of_all }
    }

    // Idle connections beyond their time, and origins that nobody uses any more. What it gives back is
    // to be dropped without the lock: closing sockets takes time.
    fn sweep(&self, state: &mut State, now: Instant) -> Idle {
        let mut closed = Vec::new();
        for place in 0..state.shelves.len() {
            let Some(shelf) = &mut state.shelves[place] else { continue };
            let stale = shelf.idle.partition_point(|connection| connection.idle_since + self.idle_timeout <= now);
            closed.extend(shelf.idle.drain(..stale));
            if shelf.idle.is_empty() && Arc::strong_count(&shelf.host) == 1 {
                state.remove(place);
            }
        }
        state.open -= closed.len();
        let every = (self.idle_timeout / 4).clamp(Duration::from_millis(100), Duration::from_secs(5));
        state.sweep_at = Some(now + every);
        closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn open(&self) -> usize {
        self.lock().open
    }

    #[cfg(test)]
    pub fn hosts(&self) -> usize {
        self.lock().shelves.iter().flatten().count()
    }

    #[cfg(test)]
    pub fn free_slots(&self, host: &Host) -> (usize, usize) {
        (self.slots.available_permits(), host.slots.available_permits())
    }
}

// The semaphores are never closed, so the error has no case.
async fn permit(semaphore: &Semaphore) -> Option<SemaphorePermit<'_>> {
    semaphore.acquire().await.ok()
}

impl State {
    fn find(&self, origin: &Origin<'_>) -> Option<Arc<Host>> {
        let places = self.places.get(origin.host.as_ref())?;
        let shelves = places.iter().filter_map(|place| self.shelves[*place].as_ref());
        shelves.map(|shelf| &shelf.host).find(|host| host.origin == *origin).cloned()
    }

    fn add(&mut self, origin: Origin<'_>, slots: usize) -> Arc<Host> {
        let place = self.free.pop().unwrap_or(self.shelves.len());
        let label = origin.label();
        let header = HeaderValue::from_str(&origin.header()).unwrap_or_else(|_| HeaderValue::from_static(""));
        let origin = origin.into_owned();
        self.places.entry(origin.host.clone().into_owned()).or_default().push(place);
        let host = Arc::new(Host {
            place,
            origin,
            label,
            header,
            route: OnceLock::new(),
            slots: Semaphore::new(slots),
            standing: Standing::default(),
        });
        let shelf = Some(Shelf { host: Arc::clone(&host), idle: Vec::new() });
        if place == self.shelves.len() {
            self.shelves.push(shelf);
        } else {
            self.shelves[place] = shelf;
        }
        host
    }

    fn remove(&mut self, place: usize) {
        let Some(shelf) = self.shelves[place].take() else { return };
        let name = shelf.host.origin.host.as_ref();
        if let Some(places) = self.places.get_mut(name) {
            places.retain(|known| *known != place);
            if places.is_empty() {
                self.places.remove(name);
            }
        }
        self.free.push(place);
    }

    fn shelf(&mut self, host: &Host) -> Option<&mut Shelf> {
        self.shelves.get_mut(host.place).and_then(Option::as_mut)
    }

    // Every idle stack is ordered by time, so the oldest of each lies at the bottom.
    fn evict_oldest(&mut self) -> Option<Box<Http1Connection>> {
        let shelves = self.shelves.iter_mut().flatten().filter(|shelf| !shelf.idle.is_empty());
        let oldest = shelves.min_by_key(|shelf| shelf.idle[0].idle_since)?;
        self.open -= 1;
        Some(oldest.idle.remove(0))
    }
}

/// The right to use one connection of a host, and the connection once there is one.
///
/// Dropped, it gives a reusable connection back to the pool, closes any other, and only then lets the
/// next in.
pub(in crate::transport) struct Lease<'p> {
    pool: &'p Pool,
    /// Whose connection.
    pub host: &'p Host,
    /// The connection.
    pub connection: Option<Box<Http1Connection>>,
    // Whether `State::open` counts a connection of ours, made or about to be made.
    counted: bool,
    _of_host: Option<SemaphorePermit<'p>>,
    _of_all: Option<SemaphorePermit<'p>>,
}

impl Lease<'_> {
    /// Takes the idle connection that was used last, if there is a living one. Dead ones that lie
    /// above it are closed.
    pub fn take_idle(&mut self, now: Instant) -> bool {
        while let Some(mut connection) = self.pop(now) {
            if connection.is_alive() {
                connection.reusable = false;
                self.connection = Some(connection);
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
        let evicted = if state.open >= self.pool.total { state.evict_oldest() } else { None };
        state.open += 1;
        drop(state);
        drop(evicted);
        self.counted = true;
    }

    /// Says that it stands before its gate, until what is given back is dropped.
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
