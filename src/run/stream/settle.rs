//! What the end of a connection means for its row.
//!
//! Must never let a row end before what it has heard is on its way.

use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::clock;
use crate::plan::{RulePlan, StreamKind};
use crate::record::Outcome;
use crate::retry::{Failure, FailureKind, Then};
use crate::websocket::close::{self, Meaning};

use super::super::call::Call;
use super::super::ending::{self, Yield};
use super::super::judging::{self, Judged};
use super::super::lane::Lane;
use super::super::outages::Leave;
use super::super::reading::{self, Taken};
use super::super::tried::Tried;
use super::super::weather::{self, Weather};
use super::super::worker::{Step, status_words};
use super::listening::{Left, Over};

/// What is to be done with the row.
enum Course<'l> {
    /// It has ended well.
    End,
    /// It is left out, if it has heard nothing.
    Skip,
    /// It goes on in another session.
    Leave,
    /// The attempt has failed, and this is what becomes of it where that is decided.
    Judge(Failure, Option<Then>),
    /// It has failed, and so has what stands behind who closed it.
    Down(Failure),
    /// As judged by a rule.
    Rule(Failure, &'l RulePlan),
}

/// Carries out what the end of a connection means. The leave that it had: it was never open, and its reply is
/// like any other.
pub(in super::super) async fn settle<'l>(
    lane: &'l Lane,
    call: &mut Call,
    tried: &mut Tried<'_>,
    left: Left<'l>,
) -> Result<Step, Option<Leave<'l>>> {
    let Left { heard, over, was_taken, leave, mut rest } = left;
    if was_taken {
        (call.spent, call.throttled, call.throttled_since) = (0, 0, None);
        lane.pacing.let_through();
    }
    call.heard = Some(Box::new(heard));
    let course = match over {
        Some(over) => course(lane, over),
        None => {
            deliver(lane, rest.take()).await;
            match (never_open(lane, call, tried), &tried.reply, &leave) {
                (Some(course), _, _) => course,
                // It has spoken, and was cut off for the sake of its row.
                (None, Err(failure), None) => Course::Judge(failure.clone(), None),
                (None, _, _) => return Err(leave),
            }
        }
    };
    let weather = leave.map_or(Weather::Fair, |leave| look(lane, tried, &course, leave));
    Ok(carry_out(lane, call, tried, (course, weather), rest).await)
}

/// What a reply means that is no event stream (WHATWG HTML, section 9.2.3); `None`: what it means of any request.
fn never_open<'l>(lane: &'l Lane, call: &Call, tried: &Tried<'_>) -> Option<Course<'l>> {
    let StreamKind::Events(_) = &lane.plan().stream.as_ref()?.kind else { return None };
    let reply = tried.reply.as_ref().ok()?;
    if !matches!(reply.status, StatusCode::OK | StatusCode::NO_CONTENT) {
        return None;
    }
    match reading::of_end(lane, call, tried) {
        Ok(Some((position, rule))) => return Some(ruled(position, rule, &status_words(reply.status))),
        Ok(None) if reply.status == StatusCode::NO_CONTENT => return Some(Course::End),
        Ok(None) => {}
        Err(failure) => return Some(Course::Judge(failure, Some(Then::Fail))),
    }
    let kind = reply.headers.get(CONTENT_TYPE);
    let kind = kind.map_or("of no type".into(), |kind| String::from_utf8_lossy(kind.as_bytes()));
    let message = format!("the reply is {kind} and no stream of events, which is text/event-stream");
    Some(Course::Judge(Failure::sent(FailureKind::Protocol, message), Some(Then::Fail)))
}

async fn deliver(lane: &Lane, rest: Option<Outcome>) {
    if let Some(rest) = rest {
        lane.deliver(vec![rest], false).await;
    }
}

fn course<'l>(lane: &Lane, over: Over<'l>) -> Course<'l> {
    let only_once = lane.plan().retry.attempts == 1;
    match over {
        Over::Enough => Course::End,
        Over::Drained => Course::Leave,
        Over::Ended if only_once => Course::End,
        Over::Ended => {
            let message = "the server ended the stream before the row had all that `until` asks for";
            Course::Judge(Failure::sent(FailureKind::Closed, message), Some(Then::Retry))
        }
        Over::Closed { code, reason } => closed(code, &reason),
        Over::Broken(failure) => Course::Judge(failure, None),
        Over::Unfit(failure) => Course::Judge(failure, Some(Then::Fail)),
        Over::Ruled(position, rule, what) => ruled(position, rule, &what),
    }
}

/// What a rule says.
fn ruled<'l>(position: usize, rule: &'l RulePlan, what: &str) -> Course<'l> {
    let message = format!("rules[{position}], {}: {what}", rule.when.source());
    match rule.then {
        Then::Accept => Course::End,
        Then::Skip => Course::Skip,
        Then::Retry | Then::Throttle | Then::Fail | Then::Stop => {
            Course::Rule(Failure::sent(FailureKind::Rule, message), rule)
        }
    }
}

/// What a close frame means where no rule says so.
fn closed<'l>(code: Option<u16>, reason: &str) -> Course<'l> {
    let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let message = format!("the server closed the socket with {}{because}", close::words(code));
    let failure = Failure::sent(FailureKind::Closed, message);
    match close::meaning(code) {
        Meaning::End => Course::End,
        Meaning::Reconnect if code.is_some_and(is_down) => Course::Down(failure),
        Meaning::Reconnect => Course::Judge(failure, Some(Then::Retry)),
        Meaning::Throttle => Course::Judge(failure, Some(Then::Throttle)),
        Meaning::Fail => Course::Judge(failure, Some(Then::Fail)),
    }
}

/// Codes of who is about to go, or can't reach what it stands for.
fn is_down(code: u16) -> bool {
    matches!(code, 1001 | 1011..=1014 | 4500..=4599)
}

/// What a connection tells of its host that nobody has told of before: it was not open, or has said nothing.
fn look(lane: &Lane, tried: &Tried<'_>, course: &Course<'_>, leave: Leave<'_>) -> Weather {
    let seen = match course {
        Course::Judge(failure, None) => Err(failure.clone()),
        // A gateway that opens and closes speaks for a host that is out.
        Course::Down(failure) => Err(Failure { kind: FailureKind::Reset, ..failure.clone() }),
        Course::Judge(..) | Course::Rule(..) | Course::End | Course::Skip | Course::Leave => {
            Ok(Taken::Records(Yield::default()))
        }
    };
    weather::weather(lane, tried, &seen, leave)
}

async fn carry_out(
    lane: &Lane,
    call: &mut Call,
    tried: &mut Tried<'_>,
    (course, weather): (Course<'_>, Weather),
    rest: Option<Outcome>,
) -> Step {
    let has_heard = call.heard.as_ref().is_some_and(|heard| heard.note.messages > 0);
    let (failure, then) = match course {
        Course::End => return end(lane, call, tried, rest),
        Course::Skip if has_heard => return end(lane, call, tried, rest),
        Course::Skip => {
            judging::tell(lane, call, tried, "skip", None, None);
            return Step::Ended(ending::skipped(lane, call), false);
        }
        Course::Leave => {
            deliver(lane, rest).await;
            judging::tell(lane, call, tried, "leave", None, None);
            return Step::Abandoned;
        }
        Course::Judge(failure, then) => (failure, then),
        Course::Down(failure) => (failure, Some(Then::Retry)),
        Course::Rule(failure, rule) => (failure, Some(rule.then)),
    };
    // Before the row sleeps or ends: nothing of it may come behind.
    deliver(lane, rest).await;
    if then.is_none() {
        tried.reply = Err(failure.clone());
    }
    let step = judging::judge(lane, call, tried, Judged { failure: &failure, then }, weather);
    rest_as_told(lane, call, step)
}

/// Ends the row well, with what has not gone out yet.
fn end(lane: &Lane, call: &Call, tried: &Tried<'_>, rest: Option<Outcome>) -> Step {
    judging::tell(lane, call, tried, "accept", None, None);
    let mut outcomes = ending::empty(lane, call);
    if let (Some(outcome), Some(rest)) = (outcomes.first_mut(), rest) {
        outcome.records = rest.records;
    }
    Step::Ended(outcomes, false)
}

/// A server may say how long it wants to be left alone (`retry:` of an event stream), no longer than the job waits for any.
pub(in super::super) fn rest_as_told(lane: &Lane, call: &Call, step: Step) -> Step {
    let (Step::Sleep(due), Some(heard)) = (&step, &call.heard) else { return step };
    let Some(rest) = heard.rest else { return step };
    Step::Sleep((*due).max(clock::now() + rest.min(lane.plan().retry.max_wait)))
}

/// No row sleeps beyond its time.
pub(in super::super) fn not_beyond(lane: &Lane, call: &Call, step: Step) -> Step {
    let (Step::Sleep(due), Some(heard), Some(plan)) = (&step, &call.heard, &lane.plan().stream) else { return step };
    Step::Sleep(heard.time_over(&plan.until).map_or(*due, |over| over.min(*due)))
}
