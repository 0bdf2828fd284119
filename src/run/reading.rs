//! Reading a reply: what the rules say of it, is it accepted, is it what the columns need, what are their values.
//!
//! A retry covers the whole attempt, so everything here is part of it and fails with a `Failure`.

use std::sync::atomic::Ordering;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::extract::{ExtractError, Page, Unsettled, Wanted, charset};
use crate::plan::{ColumnPlan, Meta, RulePlan};
use crate::retry::{Failure, FailureKind, Then};
use crate::save::Saving;
use crate::secret::Masker;
use crate::template::{Context, ReplyView};
use crate::transport::Reply;

use super::call::Call;
use super::ending::Yield;
use super::lane::{Lane, LastAttempt};
use super::records;
use super::ruling;
use super::tried::Tried;
use super::walking;
use super::worker::status_words;

/// Characters of a body that an error message shows.
const SNIPPET: usize = 80;

/// Bytes of a body that are looked at for a snippet: more than it shows, so that a secret that begins in
/// it is seen whole and masked whole.
const LOOKED_AT: usize = 16 * 1024;

/// What is said of a body that is not UTF-8 and stands in a cell all the same.
const UNLIKE: &str = "the reply is not text, and `body` has U+FFFD for each of its bytes that is not UTF-8; \
                      `save = { path = \"...\" }` keeps it as it is";

/// The reply, its body in UTF-8 where something reads it.
pub(super) fn as_text(lane: &Lane, mut reply: Reply) -> Reply {
    if lane.reads_body
        && let Some(text) = charset::converted(&reply.headers, &reply.body)
    {
        reply.body = text;
    }
    reply
}

/// What was made of a reply.
pub(super) enum Taken<'l> {
    /// It is accepted: its records.
    Records(Yield),
    /// A rule says what becomes of it; the rule and its position.
    Ruled(usize, &'l RulePlan),
}

/// What is made of the reply, or why the attempt failed.
pub(super) fn read<'l>(lane: &'l Lane, call: &Call, tried: &Tried<'_>) -> Result<Taken<'l>, Failure> {
    let reply = tried.reply.as_ref().map_err(Clone::clone)?;
    let expected = lane.plan().expect.contains(reply.status.as_u16());
    if !expected && lane.plan().rules.is_empty() {
        return Err(refused(lane, reply));
    }
    let json = body(lane, reply);
    let parsed = json.as_ref().and_then(|json| json.as_ref().ok());
    let last = last(call, tried, reply, parsed);
    let meta = if lane.needs_meta { lane.meta_object(&call.row, &last) } else { Map::new() };
    let page = Page::default();
    let view = view(reply, parsed, &meta, &page);
    let (row, secrets) = (Some(&*call.row), &lane.shared.secrets);
    let context = Context { row, secrets, reply: Some(&view), last: None };
    is_last(lane, tried, &context)?;
    match ruling::first(lane, &context)? {
        Some((_, rule)) if rule.then == Then::Accept => {}
        Some((position, rule)) => return Ok(Taken::Ruled(position, rule)),
        None if !expected => return Err(refused(lane, reply)),
        None => ruling::assert_all(lane, &context)?,
    }
    odd(lane, reply)?;
    // What a rule accepts although its status is not expected need not have what the columns want.
    if let (Some(_), Some(Err(failure)), true) = (&lane.wanted, &json, expected) {
        return Err(failure.clone());
    }
    let mut taken = records::of(lane, call, &view, &last)?;
    taken.turn = walking::turn(lane, call, &reply.url, &view, &taken)?;
    // A binary message stands there in base64.
    if !last.is_binary {
        unlike(lane, call, reply, last.json);
    }
    Ok(Taken::Records(taken))
}

fn last<'r>(call: &Call, tried: &'r Tried<'_>, reply: &'r Reply, json: Option<&'r Value>) -> LastAttempt<'r> {
    let spoken = tried.spoken.as_ref();
    LastAttempt {
        reply: Some(reply),
        status: Some(reply.status.as_u16()),
        duration_ms: tried.milliseconds(),
        json,
        // A message comes before its attempt is counted.
        attempts: call.attempts + u32::from(spoken.is_some()),
        page: call.page.as_ref().map(|page| page.number),
        message: spoken.and_then(|spoken| spoken.number),
        is_binary: spoken.is_some_and(|spoken| spoken.binary),
        event: spoken.and_then(|spoken| spoken.event.as_ref()).map(|(kind, id)| (kind.as_str(), id.as_deref())),
        close: spoken.and_then(|spoken| spoken.close.as_ref()).map(|(code, reason)| (*code, reason.as_str())),
        saved: tried.saving.as_ref().and_then(Saving::saved),
        ..LastAttempt::default()
    }
}

fn view<'v>(reply: &'v Reply, json: Option<&'v Value>, meta: &'v Map<String, Value>, page: &'v Page) -> ReplyView<'v> {
    let (status, headers, body) = (reply.status.as_u16(), &reply.headers, &*reply.body);
    ReplyView { status, headers, body, json, meta, item: json, page }
}

/// Notes whether a message is the one that `until.when` waits for.
fn is_last(lane: &Lane, tried: &Tried<'_>, context: &Context<'_>) -> Result<(), Failure> {
    let when = lane.plan().stream.as_ref().and_then(|stream| stream.until.when.as_ref());
    let Some((when, spoken)) = when.zip(tried.spoken.as_ref()) else { return Ok(()) };
    if ruling::holds(when, context, "until.when")? {
        spoken.is_last.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// The rule that the end of a connection meets, or a reply that opens none, with its position.
///
/// # Errors
/// When a condition can't be computed.
pub(super) fn of_end<'l>(
    lane: &'l Lane,
    call: &Call,
    tried: &Tried<'_>,
) -> Result<Option<(usize, &'l RulePlan)>, Failure> {
    let reply = tried.reply.as_ref().map_err(Clone::clone)?;
    let json = body(lane, reply).and_then(Result::ok);
    let meta = lane.meta_object(&call.row, &last(call, tried, reply, json.as_ref()));
    let page = Page::default();
    let view = view(reply, json.as_ref(), &meta, &page);
    let (row, secrets) = (Some(&*call.row), &lane.shared.secrets);
    ruling::first(lane, &Context { row, secrets, reply: Some(&view), last: None })
}

/// Warns of a body that a cell can't hold as it is.
fn unlike(lane: &Lane, call: &Call, reply: &Reply, json: Option<&Value>) {
    let is_cell = lane.plan().rows.is_none() && json.is_none() && lane.plan().meta.contains(&Meta::Body);
    if is_cell && std::str::from_utf8(&reply.body).is_err() {
        lane.doubt_once(call.row.ordinal, UNLIKE);
    }
}

fn refused(lane: &Lane, reply: &Reply) -> Failure {
    let status = status_words(reply.status);
    let switches = lane.plan().client.upgrades && reply.status.is_success();
    let unlike = if switches { ": the server does not switch to WebSocket here" } else { "" };
    Failure::sent(FailureKind::Status, format!("{status}{unlike}"))
}

/// What is wanted of a JSON body; `None` where nothing is.
fn body(lane: &Lane, reply: &Reply) -> Option<Result<Value, Failure>> {
    let wanted = if lane.judges_json { &Some(Wanted::whole()) } else { &lane.wanted };
    wanted.as_ref().map(|wanted| parse(wanted, &lane.shared.masker, reply))
}

/// Accepted statuses that are no answer to what was asked (RFC 9110 §15.3.5-7, §15.4.5).
fn odd(lane: &Lane, reply: &Reply) -> Result<(), Failure> {
    let words = status_words(reply.status);
    match reply.status {
        StatusCode::PARTIAL_CONTENT if !lane.asks_part => {
            let message = format!("the reply is {words}, a part of a body, and no part was asked for");
            Err(Failure::sent(FailureKind::Protocol, message))
        }
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
            if lane.needs_body && reply.body.is_empty() =>
        {
            let message = format!("the reply is {words}: it has no body, and the columns need one");
            Err(Failure::sent(FailureKind::Decode, message))
        }
        _ if lane.reads_body && lane.wanted.is_none() => {
            readable(reply)?;
            if lane.needs_utf8 { text(&lane.shared.masker, reply) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// Text in a charset that nobody knows is read only where it is UTF-8 all the same.
fn readable(reply: &Reply) -> Result<(), Failure> {
    match charset::unknown(&reply.headers) {
        Some(label) if std::str::from_utf8(&reply.body).is_err() => Err(unreadable(&label)),
        Some(_) | None => Ok(()),
    }
}

fn unreadable(label: &str) -> Failure {
    let message = format!("the reply is in the charset `{label}`, which is not known, and it is not UTF-8");
    Failure::sent(FailureKind::Decode, message)
}

/// The value of one column, or why there is none.
pub(super) fn cell(masker: &Masker, column: &ColumnPlan, context: &Context<'_>, item: &Value) -> Result<Value, String> {
    let value = column.extractor.extract(context, item).map_err(|ExtractError { message }| message)?;
    column.settle.settle(value).map_err(|unsettled| match unsettled {
        Unsettled::Missing => "it is required and the reply does not have it; give it a `default`, take `required` \
                               out, or let a rule skip such replies"
            .to_owned(),
        Unsettled::Unlike(kind, value) => {
            let found = match &value {
                Value::String(text) => snippet(masker, text.as_bytes()),
                other => snippet(masker, other.to_string().as_bytes()),
            };
            format!("{}; take another value, another `as`, or leave it out", Unsettled::unlike(kind, &found))
        }
    })
}

/// What columns read as text must be text.
fn text(masker: &Masker, reply: &Reply) -> Result<(), Failure> {
    let Err(error) = std::str::from_utf8(&reply.body) else { return Ok(()) };
    let why = not_utf8(&reply.body, error.valid_up_to());
    let head = snippet(masker, &reply.body);
    Err(Failure::sent(FailureKind::Decode, format!("the reply is not text: {why}; it begins with `{head}`")))
}

fn parse(wanted: &Wanted, masker: &Masker, reply: &Reply) -> Result<Value, Failure> {
    let text = std::str::from_utf8(&reply.body).map_err(|error| match charset::unknown(&reply.headers) {
        Some(label) => unreadable(&label),
        None => {
            let message = format!("the reply is not JSON: {}", not_utf8(&reply.body, error.valid_up_to()));
            Failure::sent(FailureKind::Decode, message)
        }
    })?;
    wanted.read(text).map_err(|error| {
        let message = if reply.body.is_empty() {
            "the reply is empty and not JSON".to_owned()
        } else {
            format!("the reply is not JSON ({error}); it begins with `{}`", snippet(masker, &reply.body))
        };
        Failure::sent(FailureKind::Decode, message)
    })
}

/// What is no UTF-8, and where: lines and columns from 1, columns in bytes, as in errors of JSON.
fn not_utf8(body: &[u8], at: usize) -> String {
    let before = &body[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = at - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) + 1;
    let byte = body.get(at).copied().unwrap_or_default();
    format!("the byte 0x{byte:02X} at line {line} column {column} is not UTF-8")
}

/// The beginning of a body on one line, without secrets.
fn snippet(masker: &Masker, body: &[u8]) -> String {
    let head = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]);
    let head = masker.mask(&head);
    head.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SNIPPET).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_across_the_cut_is_masked_whole() {
        let masker = Masker::new(["hunter2-hunter2"]);
        let body = format!("{}hunter2-hunter2 and more", "x".repeat(SNIPPET - 5));
        assert_eq!(snippet(&masker, body.as_bytes()), format!("{}*** a", "x".repeat(SNIPPET - 5)));
    }

    #[test]
    fn a_byte_that_is_no_text_has_a_place() {
        assert_eq!(not_utf8(b"{\n \"a\": \"\xe9\"}", 9), "the byte 0xE9 at line 2 column 8 is not UTF-8");
        assert_eq!(not_utf8(b"\xff", 0), "the byte 0xFF at line 1 column 1 is not UTF-8");
    }

    #[test]
    fn a_snippet_is_one_short_line() {
        let masker = Masker::default();
        assert_eq!(snippet(&masker, b"<html>\n<body>"), "<html> <body>");
        assert_eq!(snippet(&masker, "ä".repeat(500).as_bytes()), "ä".repeat(SNIPPET));
    }
}
