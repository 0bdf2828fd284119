//! An exchange in two halves, for an engine that hands the head on before the body and can't borrow.
//!
//! The first half ends with the head; the second is read piece by piece, by whoever polls it, and reads no
//! further while nobody does. Nothing is spawned: dropping either half ends the exchange and its
//! connection. The gate stays with the caller of the whole: what stands behind it knocks, and
//! [`Errand::attend`] passes it. Must never let a request out for which no gate was passed.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Request, StatusCode, Uri, Version, response};
use tokio::sync::Semaphore;

use super::{
    Abroad, BodyWriter, BoxFuture, Call, Gate, Keep, Reply, RequestBody, Signer, TimeoutPlan, Timings, Transport,
};
use crate::clock::{self, Instant};
use crate::retry::{Failure, FailureKind};

/// What a call lends to the requests that are made on its behalf, without its borrows.
pub(super) struct Errand {
    /// Timeouts, of each request.
    pub timeouts: TimeoutPlan,
    /// Signs requests.
    pub signer: Option<Arc<dyn Signer>>,
    /// How the call's request is marked: each of its requests is, too.
    marks: Extensions,
    requests: AtomicUsize,
    // Where the requests go that knocked and have not been let through.
    knocks: Mutex<VecDeque<Uri>>,
    passed: AtomicUsize,
    // A permit for each gate that was passed and has not been made use of.
    open: Semaphore,
    last: Mutex<Option<Arc<Shared>>>,
    began: Mutex<Option<Instant>>,
}

impl Errand {
    /// Nothing was sent yet.
    pub fn new(timeouts: TimeoutPlan, signer: Option<Arc<dyn Signer>>, marks: Extensions) -> Self {
        Self {
            timeouts,
            signer,
            marks,
            requests: AtomicUsize::new(0),
            knocks: Mutex::default(),
            passed: AtomicUsize::new(0),
            open: Semaphore::new(0),
            last: Mutex::default(),
            began: Mutex::default(),
        }
    }

    /// Does `work`, in which requests are made with this errand, and passes `gate` once for each that knocks.
    pub async fn attend<T>(&self, gate: &dyn Gate, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut passing: Option<BoxFuture<'_, ()>> = None;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(done) = work.as_mut().poll(cx) {
                    return Poll::Ready(done);
                }
                if passing.is_none() {
                    let Some(url) = lock(&self.knocks).pop_front() else { return Poll::Pending };
                    passing = Some(gate.pass(&url));
                }
                if let Some(passing) = &mut passing {
                    ready!(passing.as_mut().poll(cx));
                }
                passing = None;
                lock(&self.began).get_or_insert_with(clock::now);
                self.passed.fetch_add(1, Ordering::AcqRel);
                self.open.add_permits(1);
            }
        })
        .await
    }

    /// Gates that were passed: nothing has left while there is none.
    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::Acquire)
    }

    /// Whether several requests were made, and more than one gate was passed: some may have left before the
    /// last. One request alone may pass several, and says itself what became of it.
    pub fn may_have_sent_others(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 1 && self.passed() > 1
    }

    /// `bytes` as they came, if they are part of the piece that was read last; otherwise a copy.
    pub fn piece(&self, bytes: &[u8]) -> Bytes {
        let whole = lock(&self.last).as_ref().map(|last| last.lock().current.clone()).unwrap_or_default();
        let (within, around) = (bytes.as_ptr_range(), whole.as_ptr_range());
        if around.start <= within.start && within.end <= around.end {
            whole.slice_ref(bytes)
        } else {
            Bytes::copy_from_slice(bytes)
        }
    }

    /// The URL that answered and the time it took. Of a reply that was not read to its end the time is
    /// that since the gate, and the URL is not known.
    pub fn ending(&self) -> (Option<Uri>, Timings) {
        let ended = lock(&self.last).as_ref().and_then(|last| last.lock().end.clone());
        if let Some(Ok(ending)) = ended {
            return (Some(ending.url), ending.timings);
        }
        let since = lock(&self.began).map(|began| clock::now() - began);
        (None, Timings { first_byte: since.unwrap_or_default(), ..Timings::default() })
    }
}

/// The gate of a request that is made on an errand.
struct Knocker(Arc<Errand>);

impl Gate for Knocker {
    fn pass(&self, url: &Uri) -> BoxFuture<'_, ()> {
        let url = url.clone();
        Box::pin(async {
            lock(&self.0.knocks).push_back(url);
            // Never closed, so the error has no case.
            if let Ok(permit) = self.0.open.acquire().await {
                permit.forget();
            }
        })
    }
}

/// The head of a reply, as it was on the wire.
#[derive(Debug, Clone)]
pub struct Head {
    /// Status, any number.
    pub status: StatusCode,
    /// Headers: every value, byte for byte.
    pub headers: HeaderMap,
    /// Version.
    pub version: Version,
}

/// How an exchange ended well.
#[derive(Debug, Clone)]
struct Ending {
    url: Uri,
    timings: Timings,
}

#[derive(Default)]
struct State {
    head: Option<Head>,
    // Written, and not taken yet.
    piece: Option<Bytes>,
    // Taken last.
    current: Bytes,
    end: Option<Result<Ending, Failure>>,
}

#[derive(Default)]
struct Shared(Mutex<State>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The writer at the exchange's end: hands over one piece at a time.
struct Relay {
    shared: Arc<Shared>,
}

impl BodyWriter for Relay {
    fn begin(&mut self, head: &response::Parts) -> Keep {
        let head = Head { status: head.status, headers: head.headers.clone(), version: head.version };
        self.shared.lock().head = Some(head);
        Keep::Writer
    }

    // Whoever takes the piece polls the exchange for the next one, so nobody needs to be woken.
    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        let mut piece = Some(piece).filter(|piece| !piece.is_empty());
        Box::pin(poll_fn(move |_| {
            let mut state = self.shared.lock();
            if let Some(piece) = piece.take() {
                state.piece = Some(piece);
            }
            if state.piece.is_none() { Poll::Ready(Ok(())) } else { Poll::Pending }
        }))
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The second half: the body.
pub(super) struct Rest {
    // In a mutex that is never locked: only to be shared between threads, which bodies of surf must be.
    exchange: Option<Mutex<BoxFuture<'static, Result<Reply, Failure>>>>,
    shared: Arc<Shared>,
}

/// Makes the request, on an errand, as far as the head of its reply. `own`: it goes to the origin that the call was
/// meant for; no other gets a signature, and it is marked [`Abroad`], as nobody can tell who has led it there.
///
/// # Errors
/// What failed before the head was there.
pub(super) async fn begin(
    transport: Arc<dyn Transport>,
    errand: Arc<Errand>,
    mut request: Request<RequestBody>,
    own: bool,
) -> Result<(Head, Rest), Failure> {
    let shared: Arc<Shared> = Arc::default();
    errand.requests.fetch_add(1, Ordering::AcqRel);
    *lock(&errand.last) = Some(Arc::clone(&shared));
    let mut relay = Relay { shared: Arc::clone(&shared) };
    let exchange = async move {
        let gate = Knocker(Arc::clone(&errand));
        *request.extensions_mut() = errand.marks.clone();
        if !own {
            request.extensions_mut().insert(Abroad);
        }
        let mut call = Call::new(request, &gate, &errand.timeouts);
        call.signer = errand.signer.clone().filter(|_| own);
        call.writer = Some(&mut relay);
        transport.exchange(call).await
    };
    let mut rest = Rest { exchange: Some(Mutex::new(Box::pin(exchange))), shared };
    let head = poll_fn(|cx| rest.poll_head(cx)).await?;
    Ok((head, rest))
}

impl Rest {
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Failure>> {
        let moved = self.poll_exchange(cx);
        let mut state = self.shared.lock();
        if let Some(Err(failure)) = &state.end {
            return Poll::Ready(Err(failure.clone()));
        }
        match state.head.take() {
            Some(head) => Poll::Ready(Ok(head)),
            None if moved.is_ready() => {
                let message = "the reply ended before it began";
                Poll::Ready(Err(Failure::sent(FailureKind::Protocol, message)))
            }
            None => Poll::Pending,
        }
    }

    /// The next piece; `None`: the body was complete.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            let mut state = self.shared.lock();
            if let Some(piece) = state.piece.take() {
                state.current = piece.clone();
                return Poll::Ready(Some(Ok(piece)));
            }
            match &state.end {
                Some(Ok(_)) => return Poll::Ready(None),
                Some(Err(failure)) => return Poll::Ready(Some(Err(failure.clone()))),
                None => drop(state),
            }
            if self.poll_exchange(cx).is_pending() && self.shared.lock().piece.is_none() {
                return Poll::Pending;
            }
        }
    }

    /// Whether nothing more will come: the reply has no body.
    pub fn is_over(&self) -> bool {
        let state = self.shared.lock();
        state.piece.is_none() && matches!(state.end, Some(Ok(_)))
    }

    // Lets the exchange go on as far as it can; ready when it has ended.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(exchange) = &mut self.exchange else { return Poll::Ready(()) };
        let exchange = exchange.get_mut().unwrap_or_else(PoisonError::into_inner);
        let ended = ready!(Pin::new(exchange).poll(cx));
        self.exchange = None;
        let mut state = self.shared.lock();
        state.end = Some(ended.map(|reply| Ending { url: reply.url, timings: reply.timings }));
        Poll::Ready(())
    }
}
