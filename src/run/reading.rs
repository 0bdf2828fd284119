//! Reading a reply: is it accepted, is it what the columns need, what are their values.
//!
//! A retry covers the whole attempt, so everything here is part of it and fails with a `Failure`.

use serde_json::{Map, Value};

use crate::extract::Wanted;
use crate::retry::{Failure, FailureKind};
use crate::template::{Context, ReplyView};
use crate::transport::Reply;

use super::lane::{Lane, LastAttempt};
use super::queue::Call;
use super::worker::{Tried, status_words};

/// Characters of a body that an error message shows.
const SNIPPET: usize = 80;

/// The cells of the record, or why the attempt failed.
pub(super) fn read(lane: &Lane, call: &Call, tried: &Tried) -> Result<Vec<Value>, Failure> {
    let reply = tried.reply.as_ref().map_err(Clone::clone)?;
    if !lane.plan().expect.contains(reply.status.as_u16()) {
        return Err(Failure::sent(FailureKind::Status, status_words(reply.status)));
    }
    let json = lane.wanted.as_ref().map(|wanted| parse(wanted, reply)).transpose()?;
    let last = LastAttempt {
        reply: Some(reply),
        duration_ms: tried.milliseconds(),
        json: json.as_ref(),
        error: None,
        attempts: call.attempts,
    };
    let mut cells = extract(lane, call, reply, &last)?;
    cells.extend(lane.plan().meta.iter().map(|meta| lane.meta(*meta, &call.row, &last)));
    Ok(cells)
}

fn extract(lane: &Lane, call: &Call, reply: &Reply, last: &LastAttempt<'_>) -> Result<Vec<Value>, Failure> {
    let columns = &lane.plan().columns;
    let mut cells = Vec::with_capacity(columns.len() + lane.plan().meta.len());
    let meta = if lane.needs_meta { lane.meta_object(&call.row, last) } else { Map::new() };
    let view = ReplyView {
        status: reply.status.as_u16(),
        headers: &reply.headers,
        body: &reply.body,
        json: last.json,
        meta: &meta,
    };
    let context = Context { row: Some(&call.row), secrets: &lane.shared.secrets, reply: Some(&view) };
    for column in columns {
        let value = column.extractor.extract(&context, last.json.unwrap_or(&Value::Null));
        cells.push(value.map_err(|error| {
            Failure::sent(FailureKind::Extract, format!("columns.{}: {}", column.name, error.message))
        })?);
    }
    Ok(cells)
}

fn parse(wanted: &Wanted, reply: &Reply) -> Result<Value, Failure> {
    wanted.read(&reply.body).map_err(|error| {
        let message = if reply.body.is_empty() {
            "the reply is empty and not JSON".to_owned()
        } else {
            format!("the reply is not JSON ({error}); it begins with `{}`", snippet(&reply.body))
        };
        Failure::sent(FailureKind::Decode, message)
    })
}

/// The beginning of a body on one line.
fn snippet(body: &[u8]) -> String {
    // A few bytes more than needed, so that a character cut at the end is not shown broken.
    let head = String::from_utf8_lossy(&body[..body.len().min(SNIPPET * 4 + 4)]);
    head.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SNIPPET).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_one_short_line() {
        assert_eq!(snippet(b"<html>\n<body>"), "<html> <body>");
        assert_eq!(snippet("ä".repeat(500).as_bytes()), "ä".repeat(SNIPPET));
    }
}
