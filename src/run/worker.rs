//! One row's life between two sleeps: request, tokens, wire, verdict, columns.
//!
//! A worker holds one slot of its endpoint. A row that must wait before a retry goes back to the queue
//! and gives its slot to another. Must never end a row twice, and never end it without a reason.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::clock::{self, Instant};
use crate::event::Event;
use crate::record::{Ending, Outcome};
use crate::retry::{Attempted, Failure, FailureKind, Reach, Verdict, verdict};
use crate::save::Saving;
use crate::template::Context;
use crate::transport::Reply;

use super::control::Cause;
use super::gate::LaneGate;
use super::lane::{Lane, LastAttempt};
use super::live;
use super::queue::Call;
use super::reading;
use super::sending;

/// What becomes of a call for now.
enum Step {
    /// It has ended.
    Ended(Outcome),
    /// It comes again.
    Sleep(Instant),
    /// The run drains; the row has not ended.
    Abandoned,
}

/// One attempt, made.
pub(super) struct Tried {
    pub reply: Result<Reply, Failure>,
    /// Time on the wire; `None` when nothing left.
    pub wire: Option<Duration>,
    /// What takes the body to its file.
    pub saving: Option<Saving>,
}

impl Tried {
    /// Milliseconds on the wire with two decimals.
    pub fn milliseconds(&self) -> Option<f64> {
        self.wire.map(|wire| (wire.as_secs_f64() * 100_000.0).round() / 100.0)
    }

    /// Whether the server may have seen the request.
    fn was_sent(&self) -> bool {
        self.wire.is_some() && !matches!(&self.reply, Err(failure) if !failure.sent)
    }

    /// Whether it was sent and cut off without a whole answer.
    fn was_cut_off(&self) -> bool {
        let cut = |kind: FailureKind| kind.class().is_some() || kind == FailureKind::RowTimeout;
        self.was_sent() && matches!(&self.reply, Err(failure) if cut(failure.kind))
    }
}

/// Works on the lane's calls until there are no more.
pub async fn work(lane: Arc<Lane>) {
    while let Some(mut call) = lane.queue.next().await {
        match live(&lane, &mut call).await {
            Step::Ended(outcome) => {
                lane.deliver(outcome).await;
                lane.queue.finish();
            }
            Step::Sleep(due) => lane.queue.sleep(call, due),
            Step::Abandoned => lane.queue.finish(),
        }
    }
}

async fn live(lane: &Lane, call: &mut Call) -> Step {
    let deadline = row_deadline(lane, call);
    live::raise(&lane.live().in_flight);
    let tried = attempt(lane, call, deadline).await;
    live::lower(&lane.live().in_flight);
    let Some(mut tried) = tried else { return Step::Abandoned };
    count(lane, call, &tried);
    if let Some(wire) = tried.wire {
        lane.shared.meter.attempt(wire, tried.reply.as_ref().ok().map(|reply| reply.status.as_u16()));
    }
    let accepted = accept(lane, call, &mut tried).await;
    if let Some(words) = tried.saving.as_ref().and_then(Saving::broken) {
        // It would be the same for every row: none of them fails for it.
        lane.shared.control.end(Cause::Broken(words.to_owned()));
        return Step::Abandoned;
    }
    let step = match accepted {
        Ok(cells) => Step::Ended(lane.outcome(Ending::Ok, call.attempts, call.row.clone(), call.sequence, cells)),
        Err(failure) => judge(lane, call, &tried, &failure),
    };
    if matches!(step, Step::Sleep(_)) || !tried.was_sent() {
        clear(lane, call);
    }
    step
}

/// The request surely did nothing, or may be sent again: there is nothing to remember after a kill. An answer that
/// ends its row is no such thing: until that is committed, a kill leaves nothing of it.
fn clear(lane: &Lane, call: &Call) {
    if let Some(intents) = lane.intents() {
        intents.clear(lane.index, call.row.ordinal);
    }
}

/// The cells of an accepted attempt, whose file has its name then.
async fn accept(lane: &Lane, call: &Call, tried: &mut Tried) -> Result<Vec<Value>, Failure> {
    let cells = reading::read(lane, call, tried)?;
    if let Some(saving) = &mut tried.saving {
        saving.keep().await?;
    }
    Ok(cells)
}

/// Counts the attempt, unless the row gave no request that could have been sent.
fn count(lane: &Lane, call: &mut Call, tried: &Tried) {
    if matches!(&tried.reply, Err(failure) if failure.kind == FailureKind::Request && !failure.sent) {
        return;
    }
    call.attempts += 1;
    live::raise(&lane.live().attempts);
    if call.attempts > 1 {
        live::raise(&lane.live().retries);
    }
}

fn row_deadline(lane: &Lane, call: &mut Call) -> Option<Instant> {
    let bound = lane.plan().timeout.row?;
    Some(*call.deadline.get_or_insert_with(|| clock::now() + bound))
}

/// Makes one attempt. `None`: the run drained before the request left.
async fn attempt(lane: &Lane, call: &Call, deadline: Option<Instant>) -> Option<Tried> {
    let context = Context { row: Some(&call.row), secrets: &lane.shared.secrets, reply: None };
    let prepared = lane.request.build(&context).and_then(|request| Ok((request, sending::saving(lane, &context)?)));
    let (request, mut saving) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return Some(Tried { reply: Err(failure), wire: None, saving: None }),
    };
    if let Some(intents) = lane.intents()
        && intents.note(lane.index, call.row.ordinal).await.is_err()
    {
        // The run has been told to end.
        return None;
    }
    let gate = LaneGate::new(&lane.limiters, &lane.shared.control);
    let reply = tokio::select! {
        biased;
        reply = sending::exchange(lane, &context, request, &gate, saving.as_mut()) => {
            reply.map(|reply| reply.map(|reply| reading::as_text(lane, reply)))
        }
        () = gate.drained_before() => None,
        failure = out_of_time(lane, deadline) => Some(Err(failure)),
    };
    let Some(reply) = reply else {
        if gate.passed().is_none() {
            clear(lane, call);
        }
        return None;
    };
    let wire = match &reply {
        Ok(reply) => Some(reply.timings.exchange()),
        Err(_) => gate.passed().map(|passed| clock::now() - passed),
    };
    Some(Tried { reply, wire, saving })
}

async fn out_of_time(lane: &Lane, deadline: Option<Instant>) -> Failure {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
    row_timeout(lane)
}

fn row_timeout(lane: &Lane) -> Failure {
    let bound = lane.plan().timeout.row.unwrap_or_default();
    Failure::sent(FailureKind::RowTimeout, format!("the row took longer than timeout.row = {}", clock::human(bound)))
}

/// Decides what a failed attempt means for the row.
fn judge(lane: &Lane, call: &Call, tried: &Tried, failure: &Failure) -> Step {
    if is_doom(lane, failure) {
        let reason = lane.shared.masker.mask(&failure.message).into_owned();
        lane.shared.control.end(Cause::Doomed { endpoint: lane.plan().name.clone(), reason });
        return Step::Abandoned;
    }
    let attempted = match &tried.reply {
        Ok(reply) if failure.kind == FailureKind::Status => {
            Attempted::Refused { status: reply.status.as_u16(), headers: &reply.headers }
        }
        _ => Attempted::Failed(failure),
    };
    let plan = lane.plan();
    let decided = verdict(attempted, call.attempts, &plan.method, &plan.retry, crate::random::unit(), clock::wall());
    match decided {
        Verdict::Retry(wait) => sleep(lane, call, tried, failure, wait),
        Verdict::Throttle { hold: held, wait, again } => {
            hold(lane, held);
            if again { sleep(lane, call, tried, failure, wait) } else { fail(lane, call, tried, failure) }
        }
        Verdict::Stop(wait) => {
            hold(lane, wait);
            clear(lane, call);
            lane.shared.control.end(Cause::ServerWait { endpoint: plan.name.clone(), wait });
            Step::Abandoned
        }
        // `Accept` is the verdict on an accepted reply, and an accepted reply is never judged.
        Verdict::Fail | Verdict::Accept => fail(lane, call, tried, failure),
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

fn hold(lane: &Lane, wait: Duration) {
    if wait.is_zero() {
        return;
    }
    let until = clock::now() + wait;
    for limiter in &lane.limiters {
        limiter.hold(until);
        lane.shared.control.tell(Event::Held { limit: limiter.plan().name.clone(), wait_ms: millis(wait) });
    }
}

fn sleep(lane: &Lane, call: &Call, tried: &Tried, failure: &Failure, wait: Duration) -> Step {
    let due = clock::now() + wait;
    if call.deadline.is_some_and(|deadline| due >= deadline) {
        let last = lane.shared.masker.mask(&failure.message).into_owned();
        let mut late = row_timeout(lane);
        late.message = format!("{}; the last attempt: {last}", late.message);
        return fail(lane, call, tried, &late);
    }
    lane.shared.control.tell(Event::Retrying {
        endpoint: lane.plan().name.clone(),
        row: call.row.ordinal,
        attempts: call.attempts,
        reason: lane.shared.masker.mask(&failure.message).into_owned(),
        wait_ms: millis(wait),
    });
    Step::Sleep(due)
}

fn fail(lane: &Lane, call: &Call, tried: &Tried, failure: &Failure) -> Step {
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
        unknown: lane.plan().holds_back() && tried.was_cut_off(),
    };
    Step::Ended(lane.failed(call.row.clone(), call.sequence, &last))
}

/// A refused status in words: `503 Service Unavailable`.
pub(super) fn status_words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
