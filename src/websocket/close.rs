//! Close codes: what they mean for a row where no rule says otherwise, and their names.
//!
//! Numbers and names of 1000 to 3999 are IANA's (WebSocket Close Code Number Registry); 4000 to 4999 are private, and of these
//! 4400 to 4599 are read as HTTP's statuses, as most who use them mean them. Pure.

use http::StatusCode;

/// What a close means for the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The row has all of its messages.
    End,
    /// The socket is opened again.
    Reconnect,
    /// It is opened again, and the server throttles: the limits are held.
    Throttle,
    /// The row fails: the next socket would be closed for the same reason.
    Fail,
}

/// What a close with this code means; `None`: a close frame without one. A connection that ended without a close frame is 1006.
#[must_use]
pub fn meaning(code: Option<u16>) -> Meaning {
    match code {
        None | Some(1000 | 1005) => Meaning::End,
        Some(1001 | 1006 | 1011..=1015 | 3008 | 4408 | 4425) => Meaning::Reconnect,
        Some(4429) => Meaning::Throttle,
        Some(3000 | 3003 | 4400..=4499) => Meaning::Fail,
        Some(3000..=4999) => Meaning::Reconnect,
        // 1002, 1003, 1007 to 1010: whatever was sent or expected would be so again. Others are no codes.
        Some(_) => Meaning::Fail,
    }
}

/// The code and its name: `1011 (internal error)`.
#[must_use]
pub fn words(code: Option<u16>) -> String {
    let Some(code) = code else { return "no code".to_owned() };
    let name = match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no code",
        1006 => "no close frame",
        1007 => "invalid data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "extension missing",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS handshake failed",
        3000 => "unauthorized",
        3003 => "forbidden",
        3008 => "timeout",
        4400..=4599 => return as_status(code),
        _ => return code.to_string(),
    };
    format!("{code} ({name})")
}

fn as_status(code: u16) -> String {
    let status = StatusCode::from_u16(code - 4000).ok();
    match status.and_then(|status| status.canonical_reason()) {
        Some(name) => format!("{code} (as HTTP's {} {name})", code - 4000),
        None => code.to_string(),
    }
}
