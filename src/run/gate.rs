//! The gate of one attempt: what must be noted before it leaves, then its tokens, last before the wire.
//!
//! A request that must not be repeated is noted before it takes its tokens, not behind them: a disk that is slow
//! to sync would bunch up what the limits have spread. So that few stand here noted while they wait for tokens
//! (after a kill they count as sent), only some come near at a time.
//!
//! Must never let a request leave once the run drains, or before its note is durable.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use http::Uri;
use tokio::sync::Notify;

use crate::clock::{self, Instant};
use crate::limit::{Take, take_all};
use crate::row::Row;
use crate::transport::{BoxFuture, Gate};

use super::control::{Cause, Control};
use super::live::{self, Lane as Counters};
use super::notes::Notes;
use super::outages::Outages;
use super::pauses::Pauses;
use super::taking::{self, Takings};

/// See the module.
#[derive(Debug)]
pub struct LaneGate<'a> {
    takings: &'a Takings<'a>,
    control: &'a Control,
    counters: &'a Counters,
    /// What notes the request, and of which rows; `None`: it may be repeated.
    notes: Option<(&'a Notes, &'a [Arc<Row>])>,
    state: Mutex<State<'a>>,
    /// Whether the request, or the next hop of a redirect, stands before the gate.
    stands: AtomicBool,
    /// Raised when it comes to stand there again.
    came: Notify,
    /// The outages that turn it back, where it does not look whether one is over.
    outages: Option<&'a Outages>,
    /// Whether a pause by hand turns it back.
    pauses: bool,
    /// Raised when it is turned back.
    back: Notify,
}

#[derive(Debug, Default)]
struct State<'a> {
    /// When the request was first let through.
    passed: Option<Instant>,
    /// Requests that were on the wire then, this one included.
    in_flight: usize,
    /// What the request that is on the wire took, and when.
    taken: Cow<'a, [Take]>,
    taken_at: Option<Instant>,
    noted: bool,
    /// Whether that is answered: no quota that is told of may have missed it.
    answered: bool,
    /// Whether something has left that the server has not turned away: it may have been done.
    open: bool,
}

impl State<'_> {
    /// What is on the wire is answered; told once.
    fn answer(&mut self) {
        if !std::mem::replace(&mut self.answered, true) {
            answered(&self.taken);
        }
    }
}

impl<'a> LaneGate<'a> {
    /// A gate that takes these tokens, all at once.
    #[must_use]
    pub fn new(takings: &'a Takings<'a>, control: &'a Control, counters: &'a Counters) -> Self {
        let (stands, came, back) = (AtomicBool::new(true), Notify::new(), Notify::new());
        let state = Mutex::default();
        Self { takings, control, counters, notes: None, state, stands, came, outages: None, pauses: false, back }
    }

    /// With a note of these rows before anything leaves.
    #[must_use]
    pub fn noting(mut self, notes: Option<&'a Notes>, rows: &'a [Arc<Row>]) -> Self {
        self.notes = notes.map(|notes| (notes, rows));
        self
    }

    /// Turned back when the host goes out before the request has left.
    #[must_use]
    pub fn minding(mut self, outages: Option<&'a Outages>) -> Self {
        self.outages = outages;
        self
    }

    /// Turned back when the run is paused by hand before the request has left. What has left ends, with its redirects.
    #[must_use]
    pub fn pausing(mut self) -> Self {
        self.pauses = true;
        self
    }

    /// Ends when the host went out, or the run was paused, before anything left.
    pub async fn turned_back(&self) {
        self.back.notified().await;
    }

    /// A gate for a request that is made beside this one: it takes the same and is not noted.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::new(self.takings, self.control, self.counters)
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the request was first let through.
    #[must_use]
    pub fn passed(&self) -> Option<Instant> {
        self.state().passed
    }

    /// The server turned away what had left, without a deed; it may be sent once more.
    pub fn refused(&self) {
        self.state().open = false;
    }

    /// The server has answered, although the connection goes on.
    pub fn opened(&self) {
        self.state().answer();
    }

    /// Whether something has left that may have been done.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state().open
    }

    /// Requests of the endpoint that were on the wire when this one left, itself included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state().in_flight
    }

    /// What the request that is on the wire, or was last, took.
    #[must_use]
    pub fn taken(&self) -> Cow<'a, [Take]> {
        self.state().taken.clone()
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

    /// Whether it goes back to the queue because its host is out: nothing of it has left.
    fn is_out(&self, url: &Uri) -> bool {
        let out = || self.outages.is_some_and(|outages| outages.since(taking::host(url)).is_some());
        self.passed().is_none() && out()
    }

    /// Takes the tokens, unless a pause by hand turns it back first: it waits for the end of the pause without any. Those
    /// that it took while nothing may leave would be lost.
    async fn take(&self, takes: &[Take]) -> bool {
        if !self.pauses || self.passed().is_some() {
            take_all(takes).await;
            return true;
        }
        before_a_pause(self.control.pauses(), take_all(takes)).await
    }

    async fn approach(&self, takes: Cow<'a, [Take]>, url: Uri) {
        if self.pauses && (self.is_out(&url) || self.passed().is_none() && self.control.pauses().is_on()) {
            // Before it is noted, and takes what others could.
            self.back.notify_one();
            std::future::pending::<()>().await;
        }
        // Held until the tokens are taken.
        let mut _near = None;
        let noted = self.state().noted;
        if let Some((notes, rows)) = self.notes.filter(|_| !noted) {
            _near = Some(notes.near().await);
            if let Err(message) = notes.note(rows).await {
                self.control.end(Cause::Broken(message));
                std::future::pending::<()>().await;
            }
            self.state().noted = true;
        }
        let took = self.take(&takes).await;
        // Who took them before a pause leaves before it, if by a moment.
        let turns_back = !took || self.is_out(&url);
        if turns_back || self.control.is_drained() {
            if took {
                answered(&takes);
            }
            if turns_back {
                self.back.notify_one();
            }
            std::future::pending::<()>().await;
        }
        self.stands.store(false, Ordering::Release);
        let mut state = self.state();
        state.answer();
        let now = clock::now();
        (state.taken, state.taken_at, state.answered, state.open) = (takes, Some(now), false, true);
        if state.passed.is_none() {
            state.passed = Some(now);
            state.in_flight = usize::try_from(live::raise(&self.counters.on_wire) + 1).unwrap_or(usize::MAX);
        }
    }
}

/// Whether tokens were taken before a pause began. At every look one of both was first: what was taken is never taken
/// in vain.
async fn before_a_pause(pauses: &Pauses, taken: impl Future<Output = ()>) -> bool {
    let (mut taken, mut begun) = (pin!(taken), pin!(pauses.begun()));
    poll_fn(|context| {
        let Some(_no_pause) = pauses.hold_off() else { return Poll::Ready(false) };
        if taken.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        // Who finds them at once waits for nothing, and registers nowhere.
        begun.as_mut().poll(context).map(|()| false)
    })
    .await
}

fn answered(taken: &[Take]) {
    taken.iter().for_each(|take| take.limiter.answered(take.cost));
}

impl Gate for LaneGate<'_> {
    fn pass(&self, url: &Uri) -> BoxFuture<'_, ()> {
        let takes = self.takings.to(url);
        self.stands.store(true, Ordering::Release);
        self.came.notify_waiters();
        Box::pin(self.approach(takes, url.clone()))
    }

    fn left(&self) {
        let state = self.state();
        let minding = state.taken.iter().filter(|take| take.limiter.minds_gaps());
        minding.zip(state.taken_at.iter().cycle()).for_each(|(take, at)| take.limiter.left(*at, clock::now()));
    }
}

impl Drop for LaneGate<'_> {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.answer();
        if state.passed.is_some() {
            live::lower(&self.counters.on_wire);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;

    use super::super::control::{Phase, line};
    use super::super::taking::Limits;
    use super::*;
    use crate::limit::{Buckets, LimitPlan};

    fn limits() -> Limits {
        Limits::new(vec![Arc::new(Buckets::open(LimitPlan::new("a", Vec::new(), NonZeroU32::MIN)))])
    }

    fn context() -> crate::template::Context<'static> {
        static SECRETS: std::sync::LazyLock<crate::secret::Secrets> = std::sync::LazyLock::new(Default::default);
        crate::template::Context { row: None, secrets: &SECRETS, reply: None, last: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_ends_what_stands_before_the_gate_also_at_a_second_hop() {
        let (control, desk) = line();
        let (limits, counters) = (limits(), Counters::default());
        let takings = limits.of(&context()).unwrap();
        let gate = LaneGate::new(&takings, &control, &counters);
        let url = Uri::from_static("http://a/");
        gate.pass(&url).await;
        desk.phase.send_replace(Phase::Draining);
        let mut drained = std::pin::pin!(gate.drained_before());
        assert!(futures_now(drained.as_mut()).await.is_none(), "on the wire");
        let mut hop = gate.pass(&url);
        assert!(futures_now(hop.as_mut()).await.is_none(), "no request leaves after the drain");
        drained.await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_on_the_wire_is_counted_once_whatever_its_hops() {
        let (control, _desk) = line();
        let (limits, counters) = (limits(), Counters::default());
        let takings = limits.of(&context()).unwrap();
        let (one, two) = (LaneGate::new(&takings, &control, &counters), LaneGate::new(&takings, &control, &counters));
        let url = Uri::from_static("http://a/");
        one.pass(&url).await;
        one.pass(&url).await;
        two.pass(&url).await;
        assert_eq!((one.in_flight(), two.in_flight(), live::read(&counters.on_wire)), (1, 2, 2));
        drop(one);
        assert_eq!(live::read(&counters.on_wire), 1);
        drop(two);
        assert_eq!(live::read(&counters.on_wire), 0);
    }

    /// A pause that begins on another thread, right when the token is taken.
    #[tokio::test]
    async fn a_token_is_taken_before_a_pause_or_not_at_all() {
        let pauses = Arc::new(Pauses::default());
        let beginning = Mutex::new(None);
        let taken = poll_fn(|_| {
            let other = pauses.clone();
            *beginning.lock().unwrap() = Some(std::thread::spawn(move || other.begin(clock::now())));
            // As long as it takes another thread to begin one, if it can.
            (0..100_000).take_while(|_| !pauses.is_on()).for_each(|_| std::thread::yield_now());
            assert!(!pauses.is_on(), "a pause began between the look at it and the token");
            Poll::Ready(())
        });
        assert!(before_a_pause(&pauses, taken).await);
        assert!(beginning.into_inner().unwrap().unwrap().join().unwrap() && pauses.is_on(), "and begins behind it");
        let never = poll_fn(|_| -> Poll<()> { panic!("nothing is taken while a run is paused") });
        assert!(!before_a_pause(&pauses, never).await);
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
