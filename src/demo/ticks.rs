//! Prices that tick: over a WebSocket, and as server-sent events.
//!
//! What a tick says depends on seed, symbol and number alone, so that a subscription that goes on behind a number
//! misses nothing and gets nothing twice. Must never wait or send: that is what `streams.rs` does.

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, StatusCode, header};
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{Answer, Reply, refuse, with};
use super::router::{Asked, Route, World};
use super::seed::{Draw, hash};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        pattern: "/ticks/{symbol}",
        doc: "a WebSocket of prices, numbered from 1, or behind ?after=7; ?count=20 closes after that number with 1000, ?rate=100 \
              a second (0: as fast as they are read), ?drop=5 ends each connection after five without a close frame, &close=1012 \
              with one, &times=1 once only, ?stall=5 says nothing more; without Upgrade 426",
        handle: ticks,
    },
    Route {
        method: "GET",
        pattern: "/ticks",
        doc: "the same for whoever subscribes: {\"subscribe\": \"LMP\", \"after\": 7}, more than one symbol if you like",
        handle: ticks,
    },
    Route {
        method: "GET",
        pattern: "/events/{symbol}",
        doc: "the same prices as server-sent events with ids, behind Last-Event-ID; ?after, count, rate, drop, close, times and \
              stall as there, and 204 behind the last",
        handle: events,
    },
];

/// Ticks in a second, unless asked for otherwise.
const RATE: u64 = 100;
/// Most that may be asked for.
const MOST_RATE: u64 = 10_000;
/// Length of a symbol at most.
const LONGEST: usize = 16;
/// The time of tick 0, in seconds since 1970: 2026-01-05T09:00:00Z, a Monday.
const OPENS: i64 = 1_767_603_600;
/// Sets the hashes of handshakes apart from those of other stumbles.
const TROUBLE: u64 = 0x0710_c500;
/// What RFC 6455, section 1.3, has everybody append to a key.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A reply that says why not.
type Refused = Box<Reply>;

/// What somebody who listens gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Feed {
    /// Seed of the prices.
    pub(super) seed: u64,
    /// Symbol and number of the last tick that is known there.
    pub(super) first: Option<(String, u64)>,
    /// Number of the last tick there is; `None`: there is always one more.
    pub(super) last: Option<u64>,
    /// Between two ticks; zero: none.
    pub(super) pause: Duration,
    /// What happens on this connection, and after how many ticks.
    pub(super) trouble: Option<(u64, Trouble)>,
}

/// What may happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is cut.
    Drop,
    /// It is closed with this code.
    Close(u16),
    /// Nothing comes any more, and nothing is answered.
    Stall,
}

/// A tick as JSON.
pub(super) fn tick(seed: u64, symbol: &str, seq: u64, last: Option<u64>) -> Value {
    let base = 1_000 + Draw::new(seed, symbol).below(49_000);
    let cents = base + Draw::new(seed ^ seq, symbol).below(base / 20);
    let second = i64::try_from(seq).unwrap_or(i64::MAX).min(1_000_000_000);
    let at = Timestamp::from_second(OPENS.saturating_add(second)).unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let price = cents as f64 / 100.0;
    let mut tick = json!({ "symbol": symbol, "seq": seq, "price": price, "at": at.to_string() });
    if last == Some(seq) {
        tick["done"] = true.into();
    }
    tick
}

/// Whether there is such a symbol.
pub(super) fn is_symbol(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !text.is_empty() && text.len() <= LONGEST && text.chars().all(plain)
}

fn ticks(world: &World, asked: &Asked<'_>) -> Answer {
    let reply = match handshake(asked) {
        Ok(reply) => reply,
        Err(refused) => return (*refused).into(),
    };
    match feed(world, asked) {
        Ok(feed) => Answer::Socket(reply, feed),
        Err(refused) => (*refused).into(),
    }
}

fn events(world: &World, asked: &Asked<'_>) -> Answer {
    let mut feed = match feed(world, asked) {
        Ok(feed) => feed,
        Err(refused) => return (*refused).into(),
    };
    let id = asked.headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let (Some((_, after)), Some(id)) = (&mut feed.first, id) {
        *after = id;
    }
    match (&feed.first, feed.last) {
        // What tells a client not to come again, by the standard.
        (Some((_, after)), Some(last)) if *after >= last => bare(StatusCode::NO_CONTENT).into(),
        _ => Answer::Events(feed),
    }
}

/// What the query asks for, or why not.
fn feed(world: &World, asked: &Asked<'_>) -> Result<Feed, Refused> {
    let symbol = asked.part.as_ref();
    if !symbol.is_empty() && !is_symbol(symbol) {
        let help = "a symbol has up to 16 letters, digits, dots, dashes and underscores";
        return Err(refuse(StatusCode::NOT_FOUND, &format!("no symbol {symbol}"), help).into());
    }
    let after = number(asked, "after")?;
    let rate = number(asked, "rate")?.unwrap_or(RATE);
    if rate > MOST_RATE {
        return Err(
            refuse(StatusCode::BAD_REQUEST, "10000 ticks a second at most", "try ?rate=0 for no pause at all").into()
        );
    }
    Ok(Feed {
        seed: world.seed,
        first: (!symbol.is_empty()).then(|| (symbol.to_owned(), after.unwrap_or(0))),
        last: number(asked, "count")?,
        pause: 1_000_000_u64.checked_div(rate).map_or(Duration::ZERO, Duration::from_micros),
        trouble: trouble(world, asked)?,
    })
}

fn trouble(world: &World, asked: &Asked<'_>) -> Result<Option<(u64, Trouble)>, Refused> {
    let code = number(asked, "close")?.map(close_code).transpose()?;
    let trouble = match (number(asked, "stall")?, number(asked, "drop")?, code) {
        (Some(after), ..) => (after, Trouble::Stall),
        (None, after, Some(code)) => (after.unwrap_or(0), Trouble::Close(code)),
        (None, Some(after), None) => (after, Trouble::Drop),
        (None, None, None) => return Ok(None),
    };
    // Without the number that goes on from connection to connection, so that it is still the same trouble.
    let kept = asked.query.split('&').filter(|pair| !pair.starts_with("after=")).collect::<Vec<_>>().join("&");
    let what = hash(world.seed ^ TROUBLE, &format!("{}?{kept}", asked.path));
    let over = number(asked, "times")?.is_some_and(|times| u64::from(world.stumble(what)) >= times);
    Ok((!over).then_some(trouble))
}

/// A code that a close frame may carry.
fn close_code(code: u64) -> Result<u16, Refused> {
    let sendable = |code: &u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    let help = "1000 to 1003, 1007 to 1014, 3000 to 4999";
    u16::try_from(code)
        .ok()
        .filter(sendable)
        .ok_or_else(|| refuse(StatusCode::BAD_REQUEST, &format!("no close frame says {code}"), help).into())
}

/// A parameter that is a whole number. An empty one counts as none: so is a template of nothing.
fn number(asked: &Asked<'_>, name: &str) -> Result<Option<u64>, Refused> {
    let text = asked.parameter(name).filter(|text| !text.is_empty() && text != "null");
    let refused = |text: &str| -> Refused {
        let error = format!("{name}={text} is no whole number");
        refuse(StatusCode::BAD_REQUEST, &error, &format!("try ?{name}=5")).into()
    };
    text.map(|text| text.parse().map_err(|_| refused(&text))).transpose()
}

/// The answer to an opening handshake, RFC 6455, section 4.2.
fn handshake(asked: &Asked<'_>) -> Result<Reply, Refused> {
    let says = |name: HeaderName, word: &str| {
        let values = asked.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    let version = HeaderName::from_static("sec-websocket-version");
    if !says(header::CONNECTION, "upgrade") || !says(header::UPGRADE, "websocket") || asked.header(version) != "13" {
        let help = "open it as a WebSocket: Connection: Upgrade, Upgrade: websocket, Sec-WebSocket-Version: 13";
        let reply = refuse(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket", help);
        let reply = with(with(reply, "upgrade", "websocket"), "connection", "upgrade");
        return Err(with(reply, "sec-websocket-version", "13").into());
    }
    let key = asked.header(header::SEC_WEBSOCKET_KEY);
    if STANDARD.decode(key).map(|key| key.len()) != Ok(16) {
        let help = "send Sec-WebSocket-Key: 16 random bytes as base64";
        return Err(refuse(StatusCode::BAD_REQUEST, "the key is missing or wrong", help).into());
    }
    let reply = with(with(bare(StatusCode::SWITCHING_PROTOCOLS), "upgrade", "websocket"), "connection", "upgrade");
    let reply = with(reply, "sec-websocket-accept", accept(key));
    let protocols = asked.header(header::SEC_WEBSOCKET_PROTOCOL);
    // Any is spoken: the first is the one that is liked best.
    match protocols.split(',').map(str::trim).find(|protocol| !protocol.is_empty()) {
        Some(protocol) => Ok(with(reply, "sec-websocket-protocol", protocol)),
        None => Ok(reply),
    }
}

/// What proves that a key was read.
fn accept(key: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{MAGIC}").as_bytes()))
}

fn bare(status: StatusCode) -> Reply {
    let mut reply = Reply::new(Full::new(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_is_accepted_as_it_says() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_tick_depends_on_seed_symbol_and_number() {
        assert_eq!(tick(1, "LMP", 7, None), tick(1, "LMP", 7, Some(8)));
        assert_ne!(tick(1, "LMP", 7, None)["price"], tick(2, "LMP", 7, None)["price"]);
        assert_ne!(tick(1, "LMP", 7, None)["price"], tick(1, "LMP", 8, None)["price"]);
        let last = tick(1, "LMP", 7, Some(7));
        assert_eq!((&last["done"], &last["at"]), (&json!(true), &json!("2026-01-05T09:00:07Z")));
        assert_eq!(tick(1, "LMP", u64::MAX, None)["seq"], json!(u64::MAX));
    }

    #[test]
    fn symbols_are_short_and_plain() {
        assert_eq!(
            ["LMP", "brk.b", "", "a b", "ÄÖ", "ABCDEFGHIJKLMNOPQ"].map(is_symbol),
            [true, true, false, false, false, false]
        );
    }
}
