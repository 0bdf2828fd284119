//! The client at work: one fetch at a time, for all who wait for it.
//!
//! A row that needs a token and finds none waits for its turn; whoever has the turn fetches, and the others
//! take what came of it. A row that is dropped in its turn leaves it to the next. Must never keep a lock of
//! the state while it waits, and never ask a server that said when to come back before that time.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};

use super::super::{Auth, Proof, Unproved, Wire};
use super::grant;
use super::state::{LATER, REFUSED, Stamp, Stand, State};
use crate::clock::{self, Instant};
use crate::hints;
use crate::retry::{Attempt, Attempted, Failure, FailureKind, RetryPlan, Verdict, verdict};
use crate::secret::Masker;
use crate::transport::{BoxFuture, Call, Reply, RequestBody};

/// See the module.
pub(super) struct Client {
    request: Request<RequestBody>,
    masker: Masker,
    state: Mutex<State>,
    turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// What one request for a token came to.
enum Asked {
    Granted(Stamp),
    /// The same may be asked again after this wait.
    Again(Duration),
    Failed(Failure, Option<Duration>),
    /// Only after a wait beyond `retry.max-wait`.
    Later(Duration),
}

impl Client {
    /// A client that asks with this request.
    pub fn new(request: Request<RequestBody>, masker: Masker) -> Self {
        Self { request, masker, state: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn token(&self, wire: Wire<'_>) -> Result<Stamp, Unproved> {
        let stand = self.state().stand(clock::now());
        match stand {
            Stand::Good(stamp) => Ok(stamp),
            Stand::Ageing(stamp) => Ok(self.early(wire, stamp).await),
            Stand::Refused(failure) => Err(Unproved::Failed(failure)),
            Stand::Missing(fetches) => {
                let _turn = self.turn.lock().await;
                let since = self.state().since(fetches);
                match since {
                    Some(ended) => ended.map_err(Unproved::Failed),
                    None => self.fetch(wire).await,
                }
            }
        }
    }

    /// Renews a token that is good still. One row does, once; the others go on with what they have, and so does
    /// this one if there is no new token to be had.
    async fn early(&self, wire: Wire<'_>, old: Stamp) -> Stamp {
        let Ok(_turn) = self.turn.try_lock() else { return old };
        // Somebody may have done it between the look and the turn.
        if let Stand::Good(stamp) = self.state().stand(clock::now()) {
            return stamp;
        }
        let wait = match self.ask(wire, 1).await {
            Asked::Granted(stamp) => return stamp,
            Asked::Again(wait) | Asked::Later(wait) => wait,
            Asked::Failed(_, wait) => wait.unwrap_or_default(),
        };
        self.state().not_yet(clock::now() + wait.max(LATER));
        old
    }

    async fn fetch(&self, wire: Wire<'_>) -> Result<Stamp, Unproved> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let not_before = self.state().not_before();
            if let Some(until) = not_before.filter(|until| clock::now() < *until) {
                tokio::time::sleep_until(until).await;
            }
            match self.ask(wire, attempt).await {
                Asked::Granted(stamp) => return Ok(stamp),
                Asked::Again(wait) => self.state().hold(clock::now() + wait),
                Asked::Failed(failure, wait) => {
                    let until = wait.map(|wait| clock::now() + wait);
                    self.state().failed(failure.clone(), until);
                    return Err(Unproved::Failed(failure));
                }
                Asked::Later(wait) => {
                    self.state().hold(clock::now() + wait);
                    return Err(Unproved::Later(wait));
                }
            }
        }
    }

    async fn ask(&self, wire: Wire<'_>, attempt: u32) -> Asked {
        let call = Call::new(self.request.clone(), wire.gate, wire.timeouts);
        let reply = match wire.transport.exchange(call).await {
            Ok(reply) => reply,
            Err(why) => {
                let message = format!("auth.oauth2 got no token: {}", why.message);
                // Those who waited share it; what may go by is asked again by those who come later.
                let lasting = why.kind.class().is_none().then_some(REFUSED);
                return Asked::Failed(Failure::unsent(why.kind, message), lasting);
            }
        };
        if passes(reply.status, wire.retry) {
            return waits(&reply, attempt, wire.retry);
        }
        let born = born(&reply);
        match grant::read(reply.status, &reply.body, &self.masker) {
            Ok(grant) => Asked::Granted(self.state().granted(grant, born, &self.masker)),
            Err(words) => Asked::Failed(failure(&words), Some(REFUSED)),
        }
    }
}

impl Auth for Client {
    fn prove<'a>(
        &'a self,
        wire: Wire<'a>,
        request: &'a mut Request<RequestBody>,
    ) -> BoxFuture<'a, Result<Proof, Unproved>> {
        Box::pin(async move {
            let stamp = self.token(wire).await?;
            request.headers_mut().insert(AUTHORIZATION, stamp.header);
            Ok(stamp.proof)
        })
    }

    fn renews(&self, refused: Proof) -> bool {
        self.state().renews(refused, clock::now())
    }

    fn refused_again(&self, refused: Proof) {
        self.state().refused_again(refused);
    }
}

fn failure(words: &str) -> Failure {
    Failure::unsent(FailureKind::Auth, format!("auth.oauth2 got no token: {words}"))
}

/// Whether the status is one that goes by, and says nothing of the client.
fn passes(status: StatusCode, retry: &RetryPlan) -> bool {
    let of_the_client = matches!(status.as_u16(), 400 | 401 | 403);
    status == StatusCode::TOO_MANY_REQUESTS || (!of_the_client && retry.statuses.contains(status.as_u16()))
}

/// As for a row, but that a token may be asked for twice without harm.
fn waits(reply: &Reply, attempt: u32, retry: &RetryPlan) -> Asked {
    let retry = RetryPlan { methods: vec![Method::POST], ..retry.clone() };
    let hints = hints::read(&reply.headers, clock::wall());
    let attempted = Attempted::Refused { status: reply.status.as_u16(), hints: &hints };
    let refused =
        |wait| Asked::Failed(failure(&format!("the server answered {}", grant::in_words(reply.status))), wait);
    let tried = Attempt { spent: attempt, throttled: attempt - 1 };
    match verdict(attempted, tried, &Method::POST, &retry, crate::random::unit()) {
        // Every row waits for this one: unlike a row, it does not ask for ever.
        Verdict::Throttle { wait, again: true, .. } if attempt < retry.attempts => Asked::Again(wait),
        Verdict::Retry(wait) => Asked::Again(wait),
        Verdict::Throttle { hold, .. } => refused(Some(hold.max(REFUSED))),
        Verdict::Stop(wait) => Asked::Later(wait),
        Verdict::Fail | Verdict::Unknown | Verdict::Skip | Verdict::Halt | Verdict::Accept => refused(Some(REFUSED)),
    }
}

/// When the token's life began, at the latest: with the first byte of the request.
fn born(reply: &Reply) -> Instant {
    let now = clock::now();
    now.checked_sub(reply.timings.exchange()).unwrap_or(now)
}
