//! One row's life between two sleeps: request, tokens, wire, what is made of the reply.
//!
//! A worker holds one slot of its endpoint. A row that must wait, before a retry or for a host that is out, goes
//! back to the queue and gives its slot to another. Must never end a row twice, and never end it without a
//! reason.

use std::sync::Arc;

use http::{Request, StatusCode};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::clock::{self, Instant};
use crate::hints;
use crate::record::Outcome;
use crate::retry::{Failure, FailureKind};
use crate::row::Row;
use crate::save::Saving;
use crate::template::Context;
use crate::transport::RequestBody;

use super::call::{Asks, Call};
use super::control::Cause;
use super::gate::LaneGate;
use super::judging::{self, Judged};
use super::lane::Lane;
use super::live::{self, Raised};
use super::meter::Attempt;
use super::outages::Leave;
use super::reading::{self, Taken};
use super::sending::{self, Takers};
use super::stream::{self, Listening};
use super::taking::Takings;
use super::tried::Tried;
use super::walk::Page;
use super::walking::{self, Next};
use super::weather;
use super::witness::Witness;

/// What becomes of a call for now.
pub(super) enum Step {
    /// It has ended; and whether that was because the server does not know who asks.
    Ended(Vec<Outcome>, bool),
    /// A page of a walk was taken; the row has not ended.
    Turned(Vec<Outcome>, Next),
    /// A chunk comes again as its halves.
    Split(Box<[Call; 2]>),
    /// It comes again.
    Sleep(Instant),
    /// The run drains; the row has not ended.
    Abandoned,
}

/// What an attempt needs.
struct Prepared<'l> {
    request: Request<RequestBody>,
    takings: Takings<'l>,
    saving: Option<Saving>,
}

/// Works on the lane's calls until there are no more.
pub async fn work(lane: Arc<Lane>) {
    while let Some(mut call) = lane.queue.next().await {
        let step = live(&lane, &mut call).await;
        let step = stream::not_beyond(&lane, &call, step);
        if let (Step::Ended(..) | Step::Turned(..), Some(walk)) = (&step, &call.walk) {
            walk.post.deliver(&lane).await;
        }
        match step {
            Step::Ended(outcomes, unauthorized) => {
                lane.deliver(outcomes, unauthorized).await;
                lane.queue.finish();
            }
            Step::Turned(outcomes, next) => {
                lane.deliver(outcomes, false).await;
                match next {
                    Next::Call => lane.queue.sleep(call, clock::now()),
                    Next::Together => lane.queue.spread(call),
                    Next::Apart => lane.queue.finish(),
                }
            }
            Step::Split(halves) => lane.queue.split(*halves),
            Step::Sleep(due) => lane.queue.sleep(call, due),
            Step::Abandoned => lane.queue.finish(),
        }
    }
}

async fn live(lane: &Lane, call: &mut Call) -> Step {
    let deadline = row_deadline(lane, call);
    if let (Some(walk), None) = (&call.walk, &call.page) {
        return walking::resumed(lane, call, walk);
    }
    if let Some(step) = stream::ended(lane, call) {
        return step;
    }
    let (row, page, last) = (Arc::clone(&call.row), call.page.clone(), call.last());
    let context = Context { row: Some(&row), secrets: &lane.shared.secrets, reply: None, last: last.as_ref() };
    let (Prepared { request, takings, saving }, leave) = match admitted(lane, call, &context) {
        Ok(admitted) => admitted,
        Err(step) => return step,
    };
    call.postponed = None;
    let at_work = Raised::new(&lane.live().in_flight);
    let asked = Asked { row: &row, page: page.as_deref(), context: &context, deadline, is_probe: leave.is_probe() };
    let (mut listening, mut leave) = match &lane.plan().stream {
        Some(plan) => (Some(Listening::new(lane, call, plan, leave)), None),
        None => (None, Some(leave)),
    };
    let made = attempt(lane, asked, (request, &takings, saving), listening.as_mut()).await;
    let left = listening.map(Listening::into_left);
    drop(at_work);
    let mut tried = match made {
        Made::Tried(tried) => *tried,
        Made::Abandoned => return Step::Abandoned,
        // It asks at once, and is told then for how long it waits.
        Made::TurnedBack => {
            lane.pacing.turned_back(call);
            return Step::Sleep(clock::now());
        }
    };
    count(lane, call, &mut tried);
    if let Some(left) = left {
        leave = match stream::settle(lane, call, &mut tried, left).await {
            Ok(step) => return step,
            Err(leave) => leave,
        };
    }
    // Who was never open has told nobody anything.
    let Some(leave) = leave else { return Step::Abandoned };
    let step = settle(lane, call, &mut tried, leave).await;
    if let (Step::Sleep(_) | Step::Split(_) | Step::Abandoned, true) = (&step, may_go_again(&tried)) {
        forget_note(lane, &row, page.as_deref());
    }
    stream::rest_as_told(lane, call, step)
}

/// The row may be sent again although its request was noted. The note of a walk that is beyond its first page stays
/// until the row has ended: other pages are out, or answered and not yet durable, and it is the only trace of them.
fn forget_note(lane: &Lane, row: &Arc<Row>, page: Option<&Page>) {
    if page.is_none_or(|page| page.number == 0) {
        lane.forget_note(row);
    }
}

/// Whether nothing stays open when the row is sent again: the server has answered, or was never asked. A row that
/// has ended keeps its note until that is durable.
fn may_go_again(tried: &Tried<'_>) -> bool {
    // What was answered well and could not be saved has been done all the same.
    let lost = tried.saving.as_ref().is_some_and(|saving| saving.broken().is_some());
    // A proxy that refuses has sent nothing on.
    let refused = |failure: &Failure| !failure.sent || failure.kind == FailureKind::Proxy;
    !lost && tried.reply.as_ref().map_or_else(refused, |_| true)
}

/// The row's attempt, if it may be made now. A row that was postponed asks first and is built afterwards: thousands
/// may wake in vain.
fn admitted<'l>(lane: &'l Lane, call: &mut Call, context: &Context<'_>) -> Result<(Prepared<'l>, Leave<'l>), Step> {
    let Some(mut asks) = call.asks.take() else { return built(lane, call, context) };
    let takings = lane.limits.again(std::mem::take(&mut asks.takings));
    match lane.pacing.admit(call, &asks.url, &takings) {
        Ok(leave) => Ok((prepare(lane, call, context, takings)?, leave)),
        Err(postponed) => {
            asks.takings = takings.into_own();
            call.asks = Some(asks);
            Err(judging::postpone(lane, call, postponed))
        }
    }
}

/// As [`admitted`], for a row that asks for the first time: its request tells what it asks for.
fn built<'l>(lane: &'l Lane, call: &mut Call, context: &Context<'_>) -> Result<(Prepared<'l>, Leave<'l>), Step> {
    let takings = lane.limits.of(context).map_err(|failure| unmade(lane, call, failure))?;
    let prepared = prepare(lane, call, context, takings)?;
    match lane.pacing.admit(call, prepared.request.uri(), &prepared.takings) {
        Ok(leave) => Ok((prepared, leave)),
        Err(postponed) => {
            let (url, takings) = (prepared.request.uri().clone(), prepared.takings.into_own());
            call.asks = Some(Box::new(Asks { url, takings }));
            Err(judging::postpone(lane, call, postponed))
        }
    }
}

fn prepare<'l>(lane: &Lane, call: &Call, context: &Context<'_>, takings: Takings<'l>) -> Result<Prepared<'l>, Step> {
    let request = lane.build(context, call.page.as_deref()).map_err(|failure| unmade(lane, call, failure))?;
    let saving = sending::saving(lane, context).map_err(|failure| unmade(lane, call, failure))?;
    Ok(Prepared { request, takings, saving })
}

/// The row gives no request that could be sent.
fn unmade(lane: &Lane, call: &Call, failure: Failure) -> Step {
    judging::fail(lane, call, &Tried::not(failure.clone()), &failure)
}

/// What becomes of the attempt.
async fn settle(lane: &Lane, call: &mut Call, tried: &mut Tried<'_>, leave: Leave<'_>) -> Step {
    weather::learn(lane, tried);
    let accepted = accept(lane, call, tried).await;
    if let Some(words) = tried.saving.as_ref().and_then(Saving::broken) {
        // It would be the same for every row: none of them fails for it.
        lane.shared.control.end(Cause::Broken(words.to_owned()));
        judging::tell(lane, call, tried, "stop", None, None);
        return Step::Abandoned;
    }
    let weather = weather::weather(lane, tried, &accepted, leave);
    match accepted {
        Ok(Taken::Records(taken)) => {
            lane.pacing.let_through();
            judging::accept(lane, call, tried, taken)
        }
        Ok(Taken::Ruled(position, rule)) => {
            let failure = judging::ruled(tried, position, rule);
            judging::judge(lane, call, tried, Judged { failure: &failure, then: Some(rule.then) }, weather)
        }
        Err(failure) => judging::judge(lane, call, tried, Judged { failure: &failure, then: None }, weather),
    }
}

/// What an accepted attempt leaves, whose file has its name then.
async fn accept<'l>(lane: &'l Lane, call: &Call, tried: &mut Tried<'_>) -> Result<Taken<'l>, Failure> {
    let taken = aside(lane, || reading::read(lane, call, tried))?;
    if let (Taken::Records(_), Some(saving)) = (&taken, &mut tried.saving) {
        saving.keep().await?;
    }
    Ok(taken)
}

/// Does what may take long where nobody waits for it: timers, signals and the other rows get another thread.
pub(super) fn aside<T>(lane: &Lane, work: impl FnOnce() -> T) -> T {
    let is_slow = lane.plan().columns.iter().any(|column| column.extractor.is_slow());
    // The one thread of a runtime that has no other can't be left.
    if is_slow && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        return block_in_place(work);
    }
    work()
}

/// Counts the attempt, unless the row gave no request that could have been sent.
fn count(lane: &Lane, call: &mut Call, tried: &mut Tried<'_>) {
    if let Some(wire) = tried.wire {
        let timings = tried.reply.as_ref().ok().map(|reply| &reply.timings);
        let (status, endpoint, row) = (tried.status(), lane.index, call.row.ordinal);
        lane.shared.meter.attempt(&Attempt { wire, status, timings, endpoint, row });
    }
    if matches!(&tried.reply, Err(failure) if failure.kind == FailureKind::Request && !failure.sent) {
        return;
    }
    call.attempts += 1;
    live::raise(&lane.live().attempts);
    if call.attempts > 1 {
        live::raise(&lane.live().retries);
        // Counted when it is made: what sleeps when a run ends was no retry.
        let why = call.again_after.take().unwrap_or_else(|| "another session".to_owned());
        lane.shared.meter.retried(&why);
        if lane.plan().stream.is_some() {
            lane.shared.meter.reconnected(lane.index, &why);
        }
        tried.again_after = Some(why);
    }
}

fn row_deadline(lane: &Lane, call: &mut Call) -> Option<Instant> {
    let bound = lane.plan().timeout.row?;
    Some(*call.deadline.get_or_insert_with(|| clock::now() + bound))
}

/// What became of an attempt that was to be made.
enum Made<'l> {
    /// It was made.
    Tried(Box<Tried<'l>>),
    /// The run drained before the request left.
    Abandoned,
    /// Its host went out, or the run was paused, before it left.
    TurnedBack,
}

/// What an attempt is about.
#[derive(Clone, Copy)]
struct Asked<'l, 'a> {
    row: &'l Arc<Row>,
    page: Option<&'a Page>,
    context: &'a Context<'a>,
    /// When its row is out of time.
    deadline: Option<Instant>,
    /// Whether it only looks whether its host is back.
    is_probe: bool,
}

/// Makes one attempt.
async fn attempt<'l>(
    lane: &'l Lane,
    asked: Asked<'l, '_>,
    (request, takings, mut saving): (Request<RequestBody>, &'l Takings<'l>, Option<Saving>),
    listening: Option<&mut Listening<'l, '_>>,
) -> Made<'l> {
    let Asked { row, page, context, deadline, is_probe } = asked;
    let outages = (!is_probe).then_some(&lane.pacing.outages);
    let gate = LaneGate::new(takings, &lane.shared.control, lane.live());
    let gate = gate.noting(lane.notes.as_ref(), row.members()).minding(outages).pausing();
    let witness = Witness::of(lane, request.uri());
    let (build, listens) = (|| lane.build(context, page), listening.is_some());
    let exchange = async {
        match listening {
            Some(listening) => listening.exchange(request, build, &gate).await,
            None => sending::exchange(lane.way(), request, build, &gate, Takers::saving(saving.as_mut())).await,
        }
    };
    let reply = tokio::select! {
        biased;
        reply = exchange => match reply {
            Some(reply) => reply.map(|reply| reading::as_text(lane, reply)),
            None => return abandoned(lane, (row, page), &gate),
        },
        () = gate.turned_back() => {
            forget_note(lane, row, page);
            return Made::TurnedBack;
        }
        () = gate.drained_before() => return abandoned(lane, (row, page), &gate),
        failure = out_of_time(lane, deadline, &gate) => Err(failure),
    };
    let passed = gate.passed();
    let wire = match &reply {
        // How long is listened says nothing of the server.
        Ok(reply) if listens => Some(reply.timings.first_byte),
        Ok(reply) => Some(reply.timings.exchange()),
        Err(_) => passed.map(|passed| clock::now() - passed),
    };
    let hints = reply.as_ref().map(|reply| hints::read(&reply.headers, clock::wall())).unwrap_or_default();
    let left = passed.map(|passed| (passed, gate.in_flight()));
    Made::Tried(Box::new(Tried {
        reply,
        hints,
        wire,
        left,
        taken: gate.taken(),
        saving,
        made: true,
        again_after: None,
        witness,
        spoken: None,
    }))
}

/// The run drained before the request left, or before it left again; its note goes where nothing is open.
fn abandoned<'l>(lane: &Lane, (row, page): (&Arc<Row>, Option<&Page>), gate: &LaneGate<'_>) -> Made<'l> {
    if !gate.is_open() {
        forget_note(lane, row, page);
    }
    Made::Abandoned
}

async fn out_of_time(lane: &Lane, deadline: Option<Instant>, gate: &LaneGate<'_>) -> Failure {
    match deadline.zip(lane.plan().timeout.row) {
        Some((deadline, bound)) => loop {
            let now = clock::now();
            let due = lane.shared.control.pauses().put_off(deadline, bound, now);
            if due <= now {
                break;
            }
            // A pause that comes meanwhile puts it off.
            tokio::time::sleep_until(due).await;
        },
        None => std::future::pending().await,
    }
    Failure { sent: gate.is_open(), ..row_timeout(lane) }
}

/// A row that is out of time.
pub(super) fn row_timeout(lane: &Lane) -> Failure {
    let bound = lane.plan().timeout.row.unwrap_or_default();
    Failure::sent(FailureKind::RowTimeout, format!("the row took longer than timeout.row = {}", clock::human(bound)))
}

/// A refused status in words: `503 Service Unavailable`.
pub(super) fn status_words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

#[cfg(test)]
mod tests;
