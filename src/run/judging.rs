//! What a failed attempt, or a rule, means for its row, its limits and its host.
//!
//! The verdict is pure and stands in `retry`; here it is carried out. Must never end a row without words that say
//! why, and never show a secret in them.

use std::time::Duration;

use http::StatusCode;

use crate::clock::{self, Instant};
use crate::concurrency::Sample;
use crate::event::Event;
use crate::plan::RulePlan;
use crate::retry::{Attempt, Attempted, Failure, FailureKind, Reach, Sign, Then, Turn, Verdict, verdict};

use super::control::Cause;
use super::lane::{Lane, LastAttempt};
use super::outages::Leave;
use super::queue::Call;
use super::reading::Taken;
use super::taking;
use super::worker::{Step, Tried, row_timeout, status_words};

/// A hold that a quota makes longer by no more than this is not told again.
const NEWS: Duration = Duration::from_millis(500);

/// What a verdict is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged<'f> {
    /// Why the attempt is not accepted.
    pub failure: &'f Failure,
    /// What a rule says.
    pub then: Option<Then>,
}

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
            let host = leave.url().clone();
            if let Some(lasted) = leave.answered(now) {
                let (endpoint, host) = (lane.plan().name.clone(), taking::host(&host).to_owned());
                lane.shared.control.tell(Event::OutageEnded { endpoint, host, lasted_ms: millis(lasted) });
                lane.queue.rouse();
            }
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
    let lasted = now - since;
    if lasted > lane.plan().retry.max_wait {
        let (endpoint, reason) = (lane.plan().name.clone(), reason(lane, tried));
        lane.shared.control.end(Cause::Outage { endpoint, host, lasted, reason });
    }
    Weather::Outage
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
    if let Some(allowed) = lane.pacing.ended(Sample { latency, in_flight, overload, began }) {
        lane.allow(allowed);
    }
}

/// What an attempt tells of the host. One that throttles answers.
fn sign(tried: &Tried<'_>, accepted: &Result<Taken<'_>, Failure>) -> Sign {
    match (accepted, tried.status()) {
        (_, Some(status)) if tried.hints.throttles(status) => Sign::Up,
        (Ok(Taken::Cells(_)), _) => Sign::Up,
        (Ok(Taken::Ruled(_, rule)), Some(status)) => {
            Sign::of(Attempted::Ruled { then: rule.then, status, hints: &tried.hints })
        }
        (Err(failure), _) if failure.kind != FailureKind::Status => Sign::of(Attempted::Failed(failure)),
        (Ok(Taken::Ruled(..)) | Err(_), _) => Sign::of(attempted(tried)),
    }
}

fn attempted<'t>(tried: &'t Tried<'_>) -> Attempted<'t> {
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

/// What a rule that was met says of a reply.
pub(super) fn ruled(tried: &Tried<'_>, position: usize, rule: &RulePlan) -> Failure {
    let status = tried.reply.as_ref().map(|reply| status_words(reply.status)).unwrap_or_default();
    Failure::sent(FailureKind::Rule, format!("rules[{position}], {}: {status}", rule.when.source()))
}

/// Decides what an attempt that was not accepted means for the row.
pub(super) fn judge(lane: &Lane, call: &mut Call, tried: &Tried<'_>, judged: Judged<'_>, weather: Weather) -> Step {
    let failure = judged.failure;
    if is_doom(lane, failure) {
        let reason = lane.shared.masker.mask(&failure.message).into_owned();
        lane.shared.control.end(Cause::Doomed { endpoint: lane.plan().name.clone(), reason });
        return Step::Abandoned;
    }
    let plan = lane.plan();
    let attempted = match (&tried.reply, judged.then) {
        (Ok(reply), Some(then)) => Attempted::Ruled { then, status: reply.status.as_u16(), hints: &tried.hints },
        (Ok(_), None) if failure.kind == FailureKind::Status => attempted(tried),
        _ => Attempted::Failed(failure),
    };
    // An outage takes no attempt of a row that may be tried again at all.
    let spent = if weather == Weather::Outage { call.spent.max(1) } else { call.spent + 1 };
    let attempt = Attempt { spent, throttled: call.throttled };
    let decided = verdict(attempted, attempt, &plan.method, &plan.retry, crate::random::unit());
    if !matches!(decided, Verdict::Throttle { .. } | Verdict::Stop(_)) && tried.reply.is_ok() {
        lane.pacing.let_through();
    }
    let decided = if weather == Weather::Outage { patient(lane, judged, decided) } else { decided };
    carry_out(lane, call, tried, judged, (decided, spent))
}

/// While its host is out a row that may be sent again waits, whatever the policy says of this failure.
fn patient(lane: &Lane, judged: Judged<'_>, decided: Verdict) -> Verdict {
    let plan = lane.plan();
    let again = plan.retry.attempts > 1 && judged.then.is_none() && (plan.may_repeat() || !judged.failure.sent);
    if decided == Verdict::Fail && again { Verdict::Retry(plan.retry.initial) } else { decided }
}

fn carry_out(
    lane: &Lane,
    call: &mut Call,
    tried: &Tried<'_>,
    judged: Judged<'_>,
    (decided, spent): (Verdict, u32),
) -> Step {
    let (control, endpoint) = (&lane.shared.control, &lane.plan().name);
    match decided {
        Verdict::Retry(wait) => {
            (call.spent, call.throttled, call.on_budget) = (spent, 0, true);
            sleep(lane, call, tried, judged, ("retry", wait))
        }
        Verdict::Throttle { hold, named, wait, again } => {
            throttle(lane, tried, judged.then.is_some(), named, hold);
            if !again {
                return fail(lane, call, tried, judged.failure);
            }
            call.throttled += 1;
            let lasted = lane.pacing.throttled(clock::now());
            if lasted > lane.plan().retry.max_wait {
                tell(lane, call, tried, "stop", Some(judged.failure), None);
                control.end(Cause::Throttled { endpoint: endpoint.clone(), lasted, wait });
                return Step::Abandoned;
            }
            sleep(lane, call, tried, judged, ("throttle", wait))
        }
        Verdict::Stop(wait) => {
            hold(lane, tried, wait);
            tell(lane, call, tried, "stop", Some(judged.failure), Some(wait));
            control.end(Cause::ServerWait { endpoint: endpoint.clone(), wait });
            Step::Abandoned
        }
        Verdict::Halt => {
            tell(lane, call, tried, "stop", Some(judged.failure), None);
            let reason = lane.shared.masker.mask(&judged.failure.message).into_owned();
            control.end(Cause::Rule { endpoint: endpoint.clone(), reason });
            Step::Abandoned
        }
        Verdict::Skip => {
            tell(lane, call, tried, "skip", Some(judged.failure), None);
            Step::Ended(lane.skipped(call.attempts, call.row.clone(), call.sequence), false)
        }
        Verdict::Unknown => unknown(lane, call, tried, judged.failure),
        // `Accept` is the verdict on an accepted reply, and an accepted reply is never judged.
        Verdict::Fail | Verdict::Accept => fail(lane, call, tried, judged.failure),
    }
}

/// Whether every other row of the endpoint would meet the same.
fn is_doom(lane: &Lane, failure: &Failure) -> bool {
    match failure.kind.reach() {
        Reach::Row => false,
        Reach::Origin => lane.plan().one_origin,
        Reach::Endpoint => true,
    }
}

/// The server throttles: slows the limits of the request down, or holds them for as long as it said.
fn throttle(lane: &Lane, tried: &Tried<'_>, by_rule: bool, named: bool, wait: Duration) {
    let now = clock::now();
    if by_rule {
        return hold(lane, tried, wait);
    }
    for take in tried.taken.iter() {
        if named && !wait.is_zero() {
            take.limiter.told(now + wait);
            tell_hold(lane, take.limiter.plan().learn.then_some(&take.limiter.plan().name), wait);
        } else {
            take.limiter.throttled(tried.left_at(now), now);
        }
    }
}

/// Holds the limits of the request.
fn hold(lane: &Lane, tried: &Tried<'_>, wait: Duration) {
    let until = clock::now() + wait;
    for take in tried.taken.iter() {
        take.limiter.hold(until);
        tell_hold(lane, Some(&take.limiter.plan().name), wait);
    }
}

fn tell_hold(lane: &Lane, limit: Option<&String>, wait: Duration) {
    if let Some(limit) = limit.filter(|_| !wait.is_zero()) {
        lane.shared.control.tell(Event::Held { limit: limit.clone(), wait_ms: millis(wait) });
    }
}

/// Puts the row to sleep until it may be tried again.
fn sleep(lane: &Lane, call: &mut Call, tried: &Tried<'_>, judged: Judged<'_>, (what, wait): (&str, Duration)) -> Step {
    let due = clock::now() + wait;
    if let Some(late) = late(lane, call, due, Some(judged.failure)) {
        return fail(lane, call, tried, &late);
    }
    call.again_after = Some(in_a_word(tried, judged));
    tell(lane, call, tried, what, Some(judged.failure), Some(wait));
    lane.shared.control.tell(Event::Retrying {
        endpoint: lane.plan().name.clone(),
        row: call.row.ordinal,
        attempts: call.attempts,
        reason: lane.shared.masker.mask(&judged.failure.message).into_owned(),
        wait_ms: millis(wait),
    });
    Step::Sleep(due)
}

/// Puts a row that may not be tried yet to sleep; no attempt was made.
pub(super) fn postpone(lane: &Lane, call: &mut Call, due: Instant) -> Step {
    call.postponed = true;
    match late(lane, call, due, None) {
        Some(late) => fail(lane, call, &Tried::not(late.clone()), &late),
        None => Step::Sleep(due),
    }
}

/// A row that would be out of time by then.
fn late(lane: &Lane, call: &Call, due: Instant, last: Option<&Failure>) -> Option<Failure> {
    call.deadline.filter(|deadline| due >= *deadline)?;
    let mut late = row_timeout(lane);
    if let Some(last) = last {
        late.message = format!("{}; the last attempt: {}", late.message, lane.shared.masker.mask(&last.message));
    }
    Some(late)
}

/// The reason of a retry, for counting: a status, a rule, a kind of failure.
fn in_a_word(tried: &Tried<'_>, judged: Judged<'_>) -> String {
    match (tried.status(), judged.failure.kind) {
        (Some(_), FailureKind::Rule) => judged.failure.message.split(',').next().unwrap_or_default().to_owned(),
        (Some(status), FailureKind::Status) => status.to_string(),
        (_, kind) => kind.name(),
    }
}

/// A request that must not be repeated was cut off without an answer.
fn unknown(lane: &Lane, call: &Call, tried: &Tried<'_>, failure: &Failure) -> Step {
    let message = format!(
        "unknown: the {} was sent and no answer came ({}); the server may have acted on it, and it is not sent again",
        lane.plan().method,
        failure.message
    );
    tell(lane, call, tried, "unknown", Some(failure), None);
    end_failed(lane, call, tried, &Failure { message, ..failure.clone() }, true)
}

/// Ends the row as failed.
pub(super) fn fail(lane: &Lane, call: &Call, tried: &Tried<'_>, failure: &Failure) -> Step {
    tell(lane, call, tried, "fail", Some(failure), None);
    end_failed(lane, call, tried, failure, false)
}

fn end_failed(lane: &Lane, call: &Call, tried: &Tried<'_>, failure: &Failure, unknown: bool) -> Step {
    let error = lane.shared.masker.mask(&failure.message).into_owned();
    lane.shared.meter.failed(&error, call.row.ordinal);
    lane.shared.control.tell(Event::RowFailed {
        endpoint: lane.plan().name.clone(),
        row: call.row.ordinal,
        reason: error.clone(),
    });
    let last = LastAttempt {
        reply: tried.reply.as_ref().ok(),
        duration_ms: tried.milliseconds(),
        json: None,
        error: Some(&error),
        attempts: call.attempts,
        saved: None,
        unknown,
    };
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].map(|status| Some(status.as_u16()));
    let unauthorized = failure.kind == FailureKind::Status && refused.contains(&tried.status());
    Step::Ended(lane.failed(call.row.clone(), call.sequence, &last), unauthorized)
}

/// Tells the attempt, where somebody wants to know of each. What was never made is no attempt.
pub(super) fn tell(
    lane: &Lane,
    call: &Call,
    tried: &Tried<'_>,
    verdict: &str,
    failure: Option<&Failure>,
    wait: Option<Duration>,
) {
    if !tried.made {
        return;
    }
    lane.shared.control.tell_attempt(|| Event::Attempted {
        endpoint: lane.plan().name.clone(),
        row: call.row.ordinal,
        attempt: call.attempts,
        status: tried.status(),
        duration_ms: tried.milliseconds(),
        verdict: verdict.to_owned(),
        reason: failure.map(|failure| lane.shared.masker.mask(&failure.message).into_owned()),
        wait_ms: wait.map(millis),
    });
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
