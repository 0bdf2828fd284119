//! Connections at rest, and who may have how many.
//!
//! A slot is the right to use one connection; slots are handed out first come, first served, for each
//! host and in all. A request has a connection to itself (HTTP/1.1) or a stream of a shared one (HTTP/2,
//! see `streams`). Idle connections lie on one stack per origin, the last used on top; those beyond
//! their time are closed when a request comes by, so an engine that rests keeps its last ones open until
//! it is dropped or the server closes them. Must never let more connections be open than the caps allow,
//! and never hold its lock over an await.

pub(in crate::transport) mod http1;
pub(in crate::transport) mod http2;
mod lease;
mod standing;
mod streams;

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::{self, Instant};
use crate::retry::Failure;
use crate::transport::HttpVersion;
use crate::transport::proxy::Proxy;
use crate::transport::proxy::routes::Route;
use crate::transport::target::Origin;

use http1::Http1Connection;
pub(in crate::transport) use lease::Lease;
use standing::{Standing, Stood};
use streams::{Shared, Sharing, Stream};

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
    /// Where HTTP/2 may be spoken.
    sharing: Option<Sharing>,
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
    shared: Vec<Shared>,
}

/// Connections that were taken out, to be dropped without the lock: closing sockets takes time.
#[derive(Default)]
struct Closed {
    alone: Idle,
    shared: Vec<Shared>,
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
    http: HttpVersion,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("open", &self.lock().open).field("total", &self.total).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool with these caps; each is at least 1.
    pub fn new(total: usize, per_host: usize, idle_timeout: Duration, http: HttpVersion) -> Self {
        let total = total.clamp(1, Semaphore::MAX_PERMITS);
        let per_host = per_host.clamp(1, Semaphore::MAX_PERMITS);
        let (state, slots, standing) = (Mutex::default(), Semaphore::new(total), Standing::default());
        Self { state, slots, standing, total, per_host, idle_timeout, http }
    }

    /// The origin's entry, made if there is none.
    pub fn host(&self, origin: Origin<'_>, now: Instant) -> Arc<Host> {
        let mut state = self.lock();
        let swept = state.sweep_at.is_none_or(|at| at <= now).then(|| self.sweep(&mut state, now));
        let host = state.find(&origin).unwrap_or_else(|| {
            let sharing = self.may_share(&origin).then(Sharing::new);
            state.add(origin, self.per_host, sharing)
        });
        drop(state);
        drop(swept);
        host
    }

    fn may_share(&self, origin: &Origin<'_>) -> bool {
        match self.http {
            HttpVersion::Auto => origin.secure,
            HttpVersion::One => false,
            HttpVersion::Two => true,
        }
    }

    /// Waits for a seat, for as long as `limit`; time in which others keep theirs for want of tokens does
    /// not count. `None`: it has run out.
    ///
    /// # Errors
    /// Why another request could not open the connection that this one waited for.
    pub async fn seat_within<'p>(&'p self, host: &'p Host, limit: Duration) -> Option<Result<Seat<'p>, Failure>> {
        let _waiting = host.standing.wait();
        let excused = |now| host.standing.at(now) + self.standing.at(now);
        let mut seat = pin!(async {
            match &host.sharing {
                Some(sharing) => self.seat(host, sharing).await,
                None => Ok(Seat::Whole(self.lease(host).await)),
            }
        });
        let mut seen = clock::now();
        let mut before = excused(seen);
        let mut left = limit;
        loop {
            if let Ok(seat) = tokio::time::timeout(left, seat.as_mut()).await {
                return Some(seat);
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

    /// A seat, if it can be had without waiting.
    pub fn try_seat<'p>(&'p self, host: &'p Host, now: Instant) -> Option<Seat<'p>> {
        match &host.sharing {
            Some(sharing) if !sharing.is_alone() => self.try_stream(host, sharing, now).map(Seat::Stream),
            Some(_) | None => self.try_lease(host).map(Seat::Whole),
        }
    }

    fn try_lease<'p>(&'p self, host: &'p Host) -> Option<Lease<'p>> {
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
        Lease { pool: self, host, connection: None, counted: false, opening: None, of_host, of_all }
    }

    // Idle connections beyond their time, and origins that nobody uses any more.
    fn sweep(&self, state: &mut State, now: Instant) -> Closed {
        let mut closed = Closed::default();
        for place in 0..state.shelves.len() {
            let Some(shelf) = &mut state.shelves[place] else { continue };
            let stale = shelf.idle.partition_point(|connection| connection.idle_since + self.idle_timeout <= now);
            closed.alone.extend(shelf.idle.drain(..stale));
            closed.shared.extend(shelf.close_shared(now, self.idle_timeout));
            if shelf.idle.is_empty() && shelf.shared.is_empty() && Arc::strong_count(&shelf.host) == 1 {
                state.remove(place);
            }
        }
        state.open -= closed.alone.len() + closed.shared.len();
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

    fn add(&mut self, origin: Origin<'_>, slots: usize, sharing: Option<Sharing>) -> Arc<Host> {
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
            sharing,
        });
        let shelf = Some(Shelf { host: Arc::clone(&host), idle: Vec::new(), shared: Vec::new() });
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

    fn evict_oldest(&mut self) -> Closed {
        let mut closed = Closed::default();
        let resting = self.shelves.iter_mut().flatten().filter(|shelf| shelf.rests_since().is_some());
        if let Some(shelf) = resting.min_by_key(|shelf| shelf.rests_since()) {
            let since = shelf.rests_since();
            if shelf.idle.first().is_some_and(|oldest| Some(oldest.idle_since) == since) {
                closed.alone.push(shelf.idle.remove(0));
            } else if let Some(at) = shelf.shared.iter().position(|shared| shared.rests_since() == since) {
                closed.shared.push(shelf.shared.swap_remove(at));
            }
        }
        self.open -= closed.alone.len() + closed.shared.len();
        closed
    }
}

impl Shelf {
    // The idle stack is ordered by time, so the oldest lies at the bottom.
    fn rests_since(&self) -> Option<Instant> {
        let shared = self.shared.iter().filter_map(Shared::rests_since);
        self.idle.first().map(|oldest| oldest.idle_since).into_iter().chain(shared).min()
    }

    /// Takes out shared connections at rest that are beyond their time or have ended.
    fn close_shared(&mut self, now: Instant, idle_timeout: Duration) -> Vec<Shared> {
        let over = |shared: &mut Shared| {
            shared.rests_since().is_some_and(|since| since + idle_timeout <= now || shared.connection.capacity() == 0)
        };
        self.shared.extract_if(.., over).collect()
    }
}

/// The right to send one request.
pub(in crate::transport) enum Seat<'p> {
    /// With a connection to itself.
    Whole(Lease<'p>),
    /// Over a connection that others use too.
    Stream(Stream<'p>),
}

impl Seat<'_> {
    /// Whether a connection is there already, if need be one that was idle.
    pub fn take_idle(&mut self, now: Instant) -> bool {
        match self {
            Self::Whole(lease) => lease.take_idle(now),
            Self::Stream(_) => true,
        }
    }

    /// Whether its connection is its own and brought a reply before.
    pub fn was_used(&self) -> bool {
        match self {
            Self::Whole(lease) => lease.connection.as_ref().is_some_and(|connection| connection.used),
            Self::Stream(_) => false,
        }
    }

    /// Whether the connection is there and a request can leave.
    pub fn is_alive(&mut self) -> bool {
        match self {
            Self::Whole(lease) => lease.connection.as_mut().is_some_and(|connection| connection.is_alive()),
            Self::Stream(stream) => stream.connection.capacity() > 0,
        }
    }

    /// Says that it stands before its gate, until what is given back is dropped.
    pub fn stand(&self) -> [Stood<'_>; 2] {
        match self {
            Self::Whole(lease) => lease.stand(),
            Self::Stream(stream) => stream.stand(),
        }
    }
}
