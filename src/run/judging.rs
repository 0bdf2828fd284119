//! What a failed attempt, or a rule, means for its row, its limits and its host.
//!
//! The verdict is pure and stands in `retry`; here it is carried out. Must never end a row without words that say
//! why, and never show a secret in them.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::clock::{self, Instant};
use crate::event::Event;
use crate::plan::RulePlan;
use crate::retry::{Attempt, Attempted, Failure, FailureKind, Reach, Then, Verdict, verdict};

use super::call::{Call, Postponed};
use super::chunk::Cut;
use super::control::Cause;
use super::ending::{self, Yield};
use super::lane::{Lane, LastAttempt};
use super::tried::Tried;
use super::walking;
use super::weather::{Weather, attempted};
use super::worker::{Step, row_timeout, status_words};

/// What a verdict is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged<'f> {
    /// Why the attempt is not accepted.
    pub failure: &'f Failure,
    /// What a rule says.
    pub then: Option<Then>,
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
        tell(lane, call, tried, "stop", Some(failure), None);
        let reason = lane.shared.masker.mask(&failure.message).into_owned();
        lane.shared.control.end(Cause::Doomed { endpoint: lane.plan().name.clone(), reason, kind: failure.kind });
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
            // The budget is for what a host is asked beside what it answers; sockets that fell together are not that.
            (call.spent, call.on_budget) = (spent, lane.plan().stream.is_none());
            (call.throttled, call.throttled_since) = (0, None);
            sleep(lane, call, tried, judged, ("retry", wait))
        }
        Verdict::Throttle { hold, named, wait, again } => {
            throttle(lane, tried, judged.then.is_some(), named, hold);
            if again { later(lane, call, tried, judged, wait) } else { fail(lane, call, tried, judged.failure) }
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
            walking::skip(lane, call)
        }
        Verdict::Unknown => unknown(lane, call, tried, judged.failure),
        // `Accept` is the verdict on an accepted reply, and an accepted reply is never judged.
        Verdict::Fail | Verdict::Accept => match halves(lane, call, tried, judged.failure) {
            Some(halves) => {
                tell(lane, call, tried, "split", Some(judged.failure), None);
                Step::Split(Box::new(halves))
            }
            None => fail(lane, call, tried, judged.failure),
        },
    }
}

/// A chunk that may be split comes again as its halves, down to the row that is to blame. What must not be repeated
/// does so only where the server surely refused it, with a 4xx: an answer that can't be read was given to something
/// that was done, and a 5xx or a timeout (408) may come after the deed.
fn halves(lane: &Lane, call: &Call, tried: &Tried<'_>, failure: &Failure) -> Option<[Call; 2]> {
    let plan = lane.plan();
    let by_status = tried.status().is_some_and(|status| (400..500).contains(&status) && status != 408);
    let by_words = matches!(failure.kind, FailureKind::Status | FailureKind::Rule);
    let refused = !failure.sent || (by_words && by_status);
    let splits = plan.chunk.as_ref().is_some_and(|chunk| chunk.split) && (refused || plan.may_repeat());
    Cut::of(plan).filter(|_| splits).and_then(|cut| call.halves(cut))
}

/// Ends an accepted call. Rows of a chunk that the reply has nothing for fail.
pub(super) fn accept(lane: &Lane, call: &mut Call, tried: &Tried<'_>, mut taken: Yield) -> Step {
    for (member, reason) in &taken.lost {
        tell_failed(lane, call.row.members()[*member].ordinal, (reason, reason));
    }
    let last = LastAttempt {
        reply: tried.reply.as_ref().ok(),
        status: tried.told_status(),
        duration_ms: tried.milliseconds(),
        attempts: call.attempts,
        page: call.page.as_ref().map(|page| page.number),
        ..LastAttempt::default()
    };
    if taken.stray > 0 {
        lane.doubt(call.row.ordinal, "replies to chunks have items that belong to none of their rows (chunk.by)");
    }
    let Some(turn) = taken.turn.take() else {
        tell(lane, call, tried, "accept", None, None);
        return Step::Ended(ending::accepted(lane, call, taken, &last), false);
    };
    walking::accept(lane, call, tried, (taken, turn), &last)
        .unwrap_or_else(|words| fail(lane, call, tried, &Failure::sent(FailureKind::Extract, words)))
}

/// Counts a row that failed by its reason, the same for all pages, and tells its error.
fn tell_failed(lane: &Lane, row: u64, (reason, error): (&str, &str)) {
    lane.shared.meter.failed(lane.index, reason, row);
    lane.shared.control.tell(Event::RowFailed { endpoint: lane.plan().name.clone(), row, reason: error.to_owned() });
}

/// Puts a row that was throttled to sleep, unless that has gone on for too long: for every row, which stops the run,
/// or for this one while others were let through, which fails it. What spends no attempts would never end otherwise.
fn later(lane: &Lane, call: &mut Call, tried: &Tried<'_>, judged: Judged<'_>, wait: Duration) -> Step {
    let (now, max_wait) = (clock::now(), lane.plan().retry.max_wait);
    call.throttled += 1;
    let lasted = unpaused(lane, lane.pacing.throttled(now), now);
    if lasted > max_wait {
        tell(lane, call, tried, "stop", Some(judged.failure), None);
        lane.shared.control.end(Cause::Throttled { endpoint: lane.plan().name.clone(), lasted, wait });
        return Step::Abandoned;
    }
    let own = unpaused(lane, now - *call.throttled_since.get_or_insert(now), now);
    if own > max_wait {
        return fail(lane, call, tried, &throttled_alone(judged.failure, max_wait));
    }
    sleep(lane, call, tried, judged, ("throttle", wait))
}

/// What is left of a time up to now without the pauses by hand in it.
fn unpaused(lane: &Lane, lasted: Duration, now: Instant) -> Duration {
    lasted.saturating_sub(lane.shared.control.pauses().within(now - lasted, now))
}

/// A row that was throttled on and on while the endpoint let others through.
fn throttled_alone(last: &Failure, max_wait: Duration) -> Failure {
    let message = format!(
        "{}; this row was throttled for more than {} (retry.max-wait) while others were let through: look at what the \
         server minds in it, or at a rule that always meets it",
        last.message,
        clock::human(max_wait)
    );
    Failure { message, ..last.clone() }
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

pub(super) fn tell_hold(lane: &Lane, limit: Option<&String>, wait: Duration) {
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

/// Puts a row that may not be tried yet to sleep; no attempt was made. It is told when it begins to wait for something,
/// and not again for each time that it asked in vain.
pub(super) fn postpone(lane: &Lane, call: &mut Call, Postponed { until, wait }: Postponed) -> Step {
    if let Some(late) = late(lane, call, until, None) {
        return fail(lane, call, &Tried::not(late.clone()), &late);
    }
    if call.postponed.replace(wait) != Some(wait) {
        lane.shared.control.tell_attempt(|| Event::Postponed {
            endpoint: lane.plan().name.clone(),
            row: call.row.ordinal,
            reason: wait.words().to_owned(),
            wait_ms: millis(until.saturating_duration_since(clock::now())),
        });
    }
    Step::Sleep(until)
}

/// A row that would be out of time by then.
fn late(lane: &Lane, call: &Call, due: Instant, last: Option<&Failure>) -> Option<Failure> {
    let (deadline, bound) = call.deadline.zip(lane.plan().timeout.row)?;
    if due < lane.shared.control.pauses().put_off(deadline, bound, clock::now()) {
        return None;
    }
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

/// A request that must not be repeated was cut off without an answer, or within it: what the head says is no more
/// than a part, and the row must not be sent again unasked either way.
fn unknown(lane: &Lane, call: &Call, tried: &Tried<'_>, failure: &Failure) -> Step {
    let came = match failure.head {
        Some(status) => format!("the body of its answer, {}, was cut off", status_words(status)),
        None => "no answer came".to_owned(),
    };
    let message = format!(
        "unknown: the {} was sent and {came} ({}); the server may have acted on it, and it is not sent again",
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
    if let (false, Some(step)) = (unknown, walking::behind(lane, call)) {
        return step;
    }
    let reason = lane.shared.masker.mask(&failure.message).into_owned();
    let error = match &call.page {
        Some(page) => format!("page {} of the walk: {reason}", page.number + 1),
        None => match call.heard.as_ref().map_or(0, |heard| heard.note.messages) {
            0 => reason.clone(),
            1 => format!("after 1 message: {reason}"),
            messages => format!("after {messages} messages: {reason}"),
        },
    };
    call.row.members().iter().for_each(|row| tell_failed(lane, row.ordinal, (&reason, &error)));
    let last = LastAttempt {
        reply: tried.reply.as_ref().ok(),
        status: tried.told_status(),
        duration_ms: tried.milliseconds(),
        json: None,
        error: Some(&error),
        kind: Some(failure.kind),
        attempts: call.attempts,
        page: call.page.as_ref().map(|page| page.number),
        unknown,
        ..LastAttempt::default()
    };
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].map(|status| Some(status.as_u16()));
    let unauthorized = failure.kind == FailureKind::Status && refused.contains(&tried.status());
    walking::failed(call, ending::failed(lane, call, &last), unauthorized)
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
        again_after: tried.again_after.clone(),
        status: tried.told_status(),
        whole: tried.reply.is_ok(),
        duration_ms: tried.milliseconds(),
        verdict: verdict.to_owned(),
        reason: failure.map(|failure| lane.shared.masker.mask(&failure.message).into_owned()),
        wait_ms: wait.map(millis),
        sent: tried.witness.as_ref().map(|witness| Arc::new(witness.sent((lane, call), tried, failure))),
    });
}

pub(super) fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
