//! What sends the requests of a sink: an attempt, what it tells of limits, and whether there is another.
//!
//! Connections, auth, limits and verdicts are those of endpoints; there is no row, no queue and no slot, since one request
//! follows another. Blocking, on the thread of the sink's courier: the runtime is the run's. Must never let a request leave
//! once the run drains, nor take any reply but a whole 2xx for a yes, and never show a secret in what it says.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, StatusCode};
use tokio::runtime::Handle;

use crate::auth::Auth;
use crate::clock::{self, Instant};
use crate::event::Event;
use crate::hints::{self, Hints};
use crate::limit::{Buckets, Take};
use crate::plan::EndpointPlan;
use crate::plan::request::RequestPlan;
use crate::report::text::clean;
use crate::retry::{Attempt, Attempted, Failure, Verdict, verdict};
use crate::sink::webhook::{Parcel, Sender, Undelivered};
use crate::template::Context;
use crate::transport::{Bodied, Reply, RequestBody, Transport};

use super::auths::Auths;
use super::control::Cause;
use super::gate::LaneGate;
use super::judging::millis;
use super::lane::Shared;
use super::live;
use super::scribe::OpenSink;
use super::sending::{self, Takers, Way};
use super::taking::Limits;
use super::worker::status_words;
use super::{RunError, idempotency, keyed};

/// Bytes of a reply that are looked at for its first words.
const LOOKED_AT: usize = 1 << 16;

/// See the module.
struct Hook {
    shared: Arc<Shared>,
    /// Name of the sink.
    sink: String,
    plan: Arc<EndpointPlan>,
    request: RequestPlan,
    transport: Arc<dyn Transport>,
    auth: Option<Arc<dyn Auth>>,
    limits: Limits,
    counters: live::Lane,
    runtime: Handle,
    /// When the next attempt may leave.
    not_before: Instant,
}

/// One attempt, made.
struct Tried {
    reply: Result<Reply, Failure>,
    hints: Hints,
    /// When it left, and what it took from limits then.
    left: Instant,
    taken: Vec<Take>,
}

/// What follows an attempt that did not go wrong for good.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Delivered,
    Again,
}

/// Gives the sinks that send requests what sends them; `transports` are those of these sinks, in their order.
///
/// # Errors
/// When something that is the same for every request can't be had.
pub(super) fn equip(
    shared: &Arc<Shared>,
    sinks: &mut [OpenSink],
    transports: &[Arc<dyn Transport>],
    auths: &mut Auths,
    demo: Option<&str>,
) -> Result<(), RunError> {
    let hooks = shared.plan.sinks.iter().enumerate().filter_map(|(at, sink)| Some((at, sink, sink.hook.as_ref()?)));
    for ((position, sink, plan), transport) in hooks.zip(transports) {
        let request = RequestPlan::new(plan, demo);
        let request = request.map_err(|failure| RunError::Open(format!("{}: {failure}", plan.name)))?;
        sinks[position].sink.equip(Box::new(Hook {
            shared: Arc::clone(shared),
            sink: sink.name.clone(),
            plan: Arc::clone(plan),
            request,
            transport: Arc::clone(transport),
            auth: auths.open((&shared.secrets, &shared.masker), (&keyed::place_of_sink(sink), plan), demo)?,
            limits: Limits::new(buckets(shared, position, plan)),
            counters: live::Lane::default(),
            runtime: Handle::current(),
            not_before: clock::now(),
        }));
    }
    Ok(())
}

/// The limits of a sink's requests; their own, which only learn and are held, where they have none.
fn buckets(shared: &Shared, sink: usize, plan: &EndpointPlan) -> Vec<Arc<Buckets>> {
    let own = shared.buckets.of_hook(sink).filter(|_| plan.limits.is_empty());
    own.into_iter().chain(plan.limits.iter().map(|position| shared.buckets.named(*position))).collect()
}

impl Sender for Hook {
    fn send(&mut self, parcel: &Parcel) -> Result<(), Undelivered> {
        let runtime = self.runtime.clone();
        runtime.block_on(self.deliver(parcel))
    }
}

impl Hook {
    async fn deliver(&mut self, parcel: &Parcel) -> Result<(), Undelivered> {
        let mut attempt = Attempt { spent: 0, throttled: 0 };
        loop {
            tokio::select! {
                biased;
                () = self.shared.control.drained() => return Err(ended()),
                () = tokio::time::sleep_until(self.not_before) => {}
            }
            let tried = self.attempt(parcel).await?;
            self.learn(&tried);
            match self.judge(&tried, &mut attempt)? {
                Next::Delivered => return Ok(()),
                Next::Again => {}
            }
        }
    }

    async fn attempt(&self, parcel: &Parcel) -> Result<Tried, Undelivered> {
        let context = Context { row: None, secrets: &self.shared.secrets, reply: None, last: None };
        let unmade = |failure: Failure| Undelivered::Refused(self.masked(&failure.message));
        let takings = self.limits.of(&context).map_err(unmade)?;
        let build = || self.build(&context, parcel);
        let request = build().map_err(unmade)?;
        let control = &self.shared.control;
        let gate = LaneGate::new(&takings, control, &self.counters);
        let way = Way { plan: &self.plan, auth: self.auth.as_deref(), transport: &*self.transport, control };
        let reply = tokio::select! {
            biased;
            reply = sending::exchange(way, request, build, &gate, Takers::default()) => reply.ok_or_else(ended)?,
            () = gate.drained_before() => return Err(ended()),
            () = control.stopped() => return Err(ended()),
        };
        let hints = reply.as_ref().map(|reply| hints::read(&reply.headers, clock::wall())).unwrap_or_default();
        let left = gate.passed().unwrap_or_else(clock::now);
        Ok(Tried { reply, hints, left, taken: gate.taken().into_owned() })
    }

    fn build(&self, context: &Context<'_>, parcel: &Parcel) -> Result<Request<RequestBody>, Failure> {
        let mut request = self.request.build(context)?;
        *request.body_mut() = RequestBody::from(parcel.body.clone());
        request.extensions_mut().insert(Bodied);
        let headers = request.headers_mut();
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(parcel.content_type));
        if let Some(plan) = &self.plan.idempotency {
            let content = format!("{} {}", parcel.form, plan.content);
            let key = self.shared.keys.delivery(&self.sink, parcel.bytes, &content);
            idempotency::put(plan, key, headers);
        }
        Ok(request)
    }

    /// What a reply teaches the limits, whatever it means for the parcel.
    fn learn(&self, tried: &Tried) {
        if tried.hints.quotas.is_empty() {
            return;
        }
        let now = clock::now();
        tried.taken.iter().for_each(|take| take.limiter.learn(&tried.hints, tried.left, now));
        let learns = tried.taken.iter().any(|take| take.limiter.plan().learn);
        let used_up = learns && tried.hints.quotas.iter().any(|quota| quota.remaining == 0);
        let wait = tried.hints.throttle_wait().filter(|wait| used_up && *wait > self.plan.retry.max_wait);
        if let Some(wait) = wait {
            self.shared.control.end(Cause::ServerWait { endpoint: self.plan.name.clone(), wait });
        }
    }

    fn judge(&mut self, tried: &Tried, attempt: &mut Attempt) -> Result<Next, Undelivered> {
        let attempted = match &tried.reply {
            Ok(reply) if reply.status.is_success() => return Ok(Next::Delivered),
            Ok(reply) if reply.status == StatusCode::GONE => {
                let words = format!("the receiver is gone for good: {}", self.said(reply));
                return Err(Undelivered::Refused(words));
            }
            Ok(reply) => Attempted::Refused { status: reply.status.as_u16(), hints: &tried.hints },
            Err(failure) => Attempted::Failed(failure),
        };
        let now_spent = Attempt { spent: attempt.spent + 1, ..*attempt };
        let (plan, random) = (Arc::clone(&self.plan), crate::random::unit());
        match verdict(attempted, now_spent, &plan.method, &plan.retry, random) {
            Verdict::Retry(wait) => {
                *attempt = Attempt { throttled: 0, ..now_spent };
                self.not_before = clock::now() + wait;
                Ok(Next::Again)
            }
            Verdict::Throttle { hold, named, wait, again } => {
                self.throttle(tried, named, hold);
                self.not_before = clock::now() + wait;
                attempt.throttled += 1;
                // Between two rounds of attempts somebody is told, and looks whether the run still wants to wait.
                let goes_on = again && attempt.throttled < plan.retry.attempts;
                if goes_on { Ok(Next::Again) } else { Err(Undelivered::Away(self.words(tried))) }
            }
            Verdict::Stop(wait) => {
                tried.taken.iter().for_each(|take| take.limiter.hold(clock::now() + wait));
                self.shared.control.end(Cause::ServerWait { endpoint: plan.name.clone(), wait });
                Err(Undelivered::Away(self.words(tried)))
            }
            // Of a request with a key and without rules.
            Verdict::Accept | Verdict::Skip | Verdict::Fail | Verdict::Unknown | Verdict::Halt => {
                Err(self.given_up(tried, attempt))
            }
        }
    }

    /// The server throttles: slows the limits of the request down, or holds them for as long as it said.
    fn throttle(&self, tried: &Tried, named: bool, wait: Duration) {
        let now = clock::now();
        for take in &tried.taken {
            let plan = take.limiter.plan();
            if !named || wait.is_zero() {
                take.limiter.throttled(tried.left, now);
                continue;
            }
            take.limiter.told(now + wait);
            if plan.learn {
                let limit = plan.name.clone();
                self.shared.control.tell(Event::Held { limit, wait_ms: millis(wait) });
            }
        }
    }

    /// There is no other attempt: what may go well later is away, anything else a person has to mend.
    fn given_up(&self, tried: &Tried, attempt: &Attempt) -> Undelivered {
        let may_pass = match &tried.reply {
            Ok(reply) => {
                let status = reply.status;
                // 409: the same request is still at work there.
                let again = self.plan.retry.statuses.contains(status.as_u16()) || status == StatusCode::CONFLICT;
                status.is_server_error() || again
            }
            Err(failure) => failure.kind.class().is_some(),
        };
        let words = self.words(tried);
        // A try before it may have been taken, though nobody said so.
        let is_sure = tried.reply.is_ok() && attempt.spent == 0;
        match (may_pass, is_sure) {
            (true, _) => Undelivered::Away(words),
            (false, true) => Undelivered::Declined(words),
            (false, false) => Undelivered::Refused(words),
        }
    }

    fn words(&self, tried: &Tried) -> String {
        match &tried.reply {
            Ok(reply) => self.said(reply),
            Err(failure) => self.masked(&failure.message),
        }
    }

    /// The status and the first words of a reply.
    fn said(&self, reply: &Reply) -> String {
        let status = status_words(reply.status);
        let text = String::from_utf8_lossy(&reply.body[..reply.body.len().min(LOOKED_AT)]);
        // Masked before it is cut: half a secret would not be found.
        let first = clean(&self.masked(&text));
        if first.is_empty() { format!("it answered {status}") } else { format!("it answered {status}: {first}") }
    }

    fn masked(&self, text: &str) -> String {
        self.shared.masker.mask(text).into_owned()
    }
}

/// No request leaves any more.
fn ended() -> Undelivered {
    Undelivered::Away("the run ends".to_owned())
}
