//! Routes that make trouble: flaky, slow, any status.
//!
//! Every path of `/flaky` gets through in the end: how often and how it fails before depends on the
//! seed and the path, and begins anew once it got through.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use serde_json::json;

use super::answer::{Answer, Reply, json as json_reply, ok, refuse, with};
use super::router::{ANY, Asked, Route, World};
use super::seed::{Draw, hash};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: ANY,
        pattern: "/flaky/{rest...}",
        doc: "about one path in three fails once or twice (500, 503, connection cut), then answers",
        handle: flaky,
    },
    Route {
        method: "GET",
        pattern: "/slow/{ms}",
        doc: "answers after so many milliseconds, 30000 at most",
        handle: slow,
    },
    Route {
        method: ANY,
        pattern: "/status/{code}",
        doc: "that status, 200 to 599; ?retry-after=2 adds the header",
        handle: status,
    },
];

/// Longest wait of `/slow`, in milliseconds.
const SLOWEST: u64 = 30_000;

fn flaky(world: &World, asked: &Asked<'_>) -> Answer {
    let what = hash(world.seed ^ 0x000f_1a2e, asked.path);
    let mut draw = Draw::new(world.seed ^ 0x000f_1a2e, asked.path);
    let failures = draw.one_of(&[0_u32, 0, 0, 0, 1, 2]);
    let before = if failures == 0 { 0 } else { world.stumble(what) };
    if before >= failures {
        world.forget(what);
        return ok(&json!({ "path": asked.path, "failures": failures })).into();
    }
    match (draw.below(3) + u64::from(before)) % 3 {
        0 => refuse(StatusCode::INTERNAL_SERVER_ERROR, "this route is flaky", "try again").into(),
        1 => refuse(StatusCode::SERVICE_UNAVAILABLE, "this route is flaky", "try again").into(),
        _ => Answer::Cut,
    }
}

fn slow(_: &World, asked: &Asked<'_>) -> Answer {
    match asked.part.parse::<u64>() {
        Ok(ms) if ms <= SLOWEST => Answer::Later(Duration::from_millis(ms), ok(&json!({ "waited_ms": ms }))),
        _ => refuse(StatusCode::BAD_REQUEST, "0 to 30000 milliseconds", "try /slow/250").into(),
    }
}

fn status(_: &World, asked: &Asked<'_>) -> Answer {
    let code = asked.part.parse().ok().filter(|code| (200..600).contains(code));
    let Some(status) = code.and_then(|code| StatusCode::from_u16(code).ok()) else {
        return refuse(StatusCode::BAD_REQUEST, "a status is 200 to 599", "try /status/404").into();
    };
    let reply = match status {
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => bare(status),
        _ => json_reply(status, &json!({ "status": status.as_u16(), "reason": status.canonical_reason() })),
    };
    match asked.parameter("retry-after") {
        Some(value) => with(reply, "retry-after", value).into(),
        None => reply.into(),
    }
}

/// A reply of a status that has no body.
fn bare(status: StatusCode) -> Reply {
    let mut reply = Reply::new(Full::new(Bytes::new()));
    *reply.status_mut() = status;
    reply
}
