//! What an attempt tells beside what it means for its row: of limits, of its host, of how many may be in flight.
//!
//! Must never end a row; `judging` decides about that, and asks here whether the host is to blame.

use std::time::Duration;

use crate::clock;
use crate::concurrency::Sample;
use crate::event::Event;
use crate::retry::{Attempted, Failure, FailureKind, Sign, Turn};

use super::control::Cause;
use super::judging::{millis, tell_hold};
use super::lane::Lane;
use super::outages::Leave;
use super::reading::Taken;
use super::taking;
use super::tried::Tried;
use super::worker::status_words;

/// A hold that a quota makes longer by no more than this is not told again.
const NEWS: Duration = Duration::from_millis(500);

/// Whether the host of an attempt is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// It answers.
    Fair,
    /// Every call to it fails, this one too: the row can't be blamed for it.
    Outage,
}

/// What a reply teaches the limits, whatever it means for the row.
pub(super) fn learn(lane: &Lane, tried: &Tried<'_>) {
    if tried.hints.malformed > 0 {
        lane.shared.meter.malformed(tried.hints.malformed);
    }
    if !tried.hints.quotas.is_empty() {
        let now = clock::now();
        for take in tried.taken.iter() {
            let before = take.limiter.held_until().unwrap_or(now);
            take.limiter.learn(&tried.hints, tried.left_at(now), now);
            // Every reply of an empty quota holds it anew: what only grows by the time in between is no news.
            let wait = take.limiter.held_until().filter(|until| *until - before > NEWS).map(|until| until - now);
            tell_hold(lane, Some(&take.limiter.plan().name), wait.unwrap_or_default());
        }
        used_up(lane, tried);
    }
}

/// What an attempt says about its host, whatever it means for the row.
pub(super) fn weather(
    lane: &Lane,
    tried: &Tried<'_>,
    accepted: &Result<Taken<'_>, Failure>,
    leave: Leave<'_>,
) -> Weather {
    let now = clock::now();
    let sign = sign(tried, accepted);
    sample(lane, tried, sign == Sign::Down);
    match sign {
        Sign::Nothing => return Weather::Fair,
        Sign::Up => {
            answered(lane, leave);
            return Weather::Fair;
        }
        Sign::Down => lane.pacing.let_through(),
    }
    let host = taking::host(leave.url()).to_owned();
    if let Some(Turn::Began(gap)) = leave.failed(now, crate::random::unit()) {
        let (endpoint, reason) = (lane.plan().name.clone(), reason(lane, tried));
        let (host, wait_ms) = (host.clone(), millis(gap));
        lane.shared.control.tell(Event::OutageBegan { endpoint, host, reason, wait_ms });
    }
    let Some(since) = lane.pacing.outages.since(&host) else { return Weather::Fair };
    let lasted = (now - since).saturating_sub(lane.shared.control.pauses().within(since, now));
    if lasted > lane.plan().retry.max_wait {
        let (endpoint, reason) = (lane.plan().name.clone(), reason(lane, tried));
        lane.shared.control.end(Cause::Outage { endpoint, host, lasted, reason });
    }
    Weather::Outage
}

/// The host answers.
pub(super) fn answered(lane: &Lane, leave: Leave<'_>) {
    let url = leave.url().clone();
    let Some(lasted) = leave.answered(clock::now()) else { return };
    let (endpoint, host) = (lane.plan().name.clone(), taking::host(&url).to_owned());
    lane.shared.control.tell(Event::OutageEnded { endpoint, host, lasted_ms: millis(lasted), answered: true });
    lane.queue.rouse();
}

/// A quota that is used up for longer than the job waits stops the run, whatever the reply was good for.
fn used_up(lane: &Lane, tried: &Tried<'_>) {
    let learns = tried.taken.iter().any(|take| take.limiter.plan().learn);
    let wait = tried.hints.throttle_wait().filter(|wait| learns && *wait > lane.plan().retry.max_wait);
    if let (Some(wait), true) = (wait, tried.hints.quotas.iter().any(|quota| quota.remaining == 0)) {
        lane.shared.control.end(Cause::ServerWait { endpoint: lane.plan().name.clone(), wait });
    }
}

/// Tells the number in flight what came of this one.
fn sample(lane: &Lane, tried: &Tried<'_>, out: bool) {
    let Some((began, in_flight)) = tried.left.filter(|_| lane.plan().adaptive) else { return };
    let overload = out || matches!(tried.status(), Some(429 | 500..=599));
    let latency = tried.wire.unwrap_or_default();
    lane.pacing.ended(Sample { latency, in_flight, overload, began });
    lane.allow();
}

/// What an attempt tells of the host. One that throttles answers.
fn sign(tried: &Tried<'_>, accepted: &Result<Taken<'_>, Failure>) -> Sign {
    match (accepted, tried.status()) {
        (_, Some(status)) if tried.hints.throttles(status) => Sign::Up,
        (Ok(Taken::Records(_)), _) => Sign::Up,
        (Ok(Taken::Ruled(_, rule)), Some(status)) => {
            Sign::of(Attempted::Ruled { then: rule.then, status, hints: &tried.hints })
        }
        (Err(failure), _) if failure.kind != FailureKind::Status => Sign::of(Attempted::Failed(failure)),
        (Ok(Taken::Ruled(..)) | Err(_), _) => Sign::of(attempted(tried)),
    }
}

/// What became of it, where nothing but its status was looked at.
pub(super) fn attempted<'t>(tried: &'t Tried<'_>) -> Attempted<'t> {
    match &tried.reply {
        Ok(reply) => Attempted::Refused { status: reply.status.as_u16(), hints: &tried.hints },
        Err(failure) => Attempted::Failed(failure),
    }
}

/// Why the attempt of an outage failed.
fn reason(lane: &Lane, tried: &Tried<'_>) -> String {
    match &tried.reply {
        Ok(reply) => status_words(reply.status),
        Err(failure) => lane.shared.masker.mask(&failure.message).into_owned(),
    }
}
