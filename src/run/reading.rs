//! Reading a reply: is it accepted, is it what the columns need, what are their values.
//!
//! A retry covers the whole attempt, so everything here is part of it and fails with a `Failure`.

use http::StatusCode;
use http::header::RANGE;
use serde_json::{Map, Value};

use crate::extract::Wanted;
use crate::retry::{Failure, FailureKind};
use crate::save::Saving;
use crate::secret::Masker;
use crate::template::{Context, ReplyView};
use crate::transport::Reply;

use super::lane::{Lane, LastAttempt};
use super::queue::Call;
use super::worker::{Tried, status_words};

/// Characters of a body that an error message shows.
const SNIPPET: usize = 80;

/// Bytes of a body that are looked at for a snippet: more than it shows, so that a secret that begins in
/// it is seen whole and masked whole.
const LOOKED_AT: usize = 16 * 1024;

/// The cells of the record, or why the attempt failed.
pub(super) fn read(lane: &Lane, call: &Call, tried: &Tried) -> Result<Vec<Value>, Failure> {
    let reply = tried.reply.as_ref().map_err(Clone::clone)?;
    if !lane.plan().expect.contains(reply.status.as_u16()) {
        return Err(Failure::sent(FailureKind::Status, status_words(reply.status)));
    }
    if reply.status == StatusCode::PARTIAL_CONTENT && !lane.plan().headers.iter().any(|(name, _)| *name == RANGE) {
        let words = "206 Partial Content, though no part was asked for (with a header `range`)";
        return Err(Failure::sent(FailureKind::Protocol, words));
    }
    let json = lane.wanted.as_ref().map(|wanted| parse(wanted, &lane.shared.masker, reply)).transpose()?;
    let last = LastAttempt {
        reply: Some(reply),
        duration_ms: tried.milliseconds(),
        json: json.as_ref(),
        error: None,
        attempts: call.attempts,
        saved: tried.saving.as_ref().and_then(Saving::saved),
    };
    let mut cells = extract(lane, call, reply, &last)?;
    cells.extend(lane.plan().meta.iter().map(|meta| lane.meta(*meta, &call.row, &last)));
    // A server may say a secret back.
    cells.iter_mut().for_each(|cell| lane.shared.record_masker.mask_value(cell));
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

fn parse(wanted: &Wanted, masker: &Masker, reply: &Reply) -> Result<Value, Failure> {
    wanted.read(&reply.body).map_err(|error| {
        let message = if reply.body.is_empty() {
            "the reply is empty and not JSON".to_owned()
        } else {
            format!("the reply is not JSON ({error}); it begins with `{}`", snippet(masker, &reply.body))
        };
        Failure::sent(FailureKind::Decode, message)
    })
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
    fn a_snippet_is_one_short_line() {
        let masker = Masker::default();
        assert_eq!(snippet(&masker, b"<html>\n<body>"), "<html> <body>");
        assert_eq!(snippet(&masker, "ä".repeat(500).as_bytes()), "ä".repeat(SNIPPET));
    }
}
