//! What a token endpoint answers: a token, or why there is none (RFC 6749, sections 5.1 and 5.2).
//!
//! Pure. Must never repeat a body that could not be understood: it may hold a token.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

use crate::secret::{Masker, Secret};

/// Most characters of a server's words that are repeated.
const LONGEST: usize = 200;

/// A token.
#[derive(Debug)]
pub(super) struct Grant {
    /// The token.
    pub token: Secret,
    /// `Authorization` with it, sensitive.
    pub header: HeaderValue,
    /// How long it is good for; `None`: the server does not say.
    pub life: Option<Duration>,
}

/// Reads a whole reply. What goes wrong is said in words that are safe to show.
pub(super) fn read(status: StatusCode, body: &[u8], masker: &Masker) -> Result<Grant, String> {
    let json = serde_json::from_slice::<Value>(body);
    match (&json, status.is_success()) {
        // Some servers refuse with status 200.
        (Ok(Value::Object(map)), true) if !map.contains_key("error") => granted(map, masker),
        (Ok(Value::Object(map)), _) => Err(refused(status, map, masker)),
        (_, false) => Err(format!("the server refused: {}", in_words(status))),
        (Ok(_), true) => Err("the reply is JSON, but no object".to_owned()),
        (Err(_), true) if body.is_empty() => Err(format!("the reply is empty ({})", in_words(status))),
        (Err(error), true) => Err(format!("the reply is not JSON ({error})")),
    }
}

fn granted(map: &Map<String, Value>, masker: &Masker) -> Result<Grant, String> {
    let kind = map.get("token_type").unwrap_or(&Value::Null);
    let is_bearer = kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    // The type is required, and left out all the same.
    if !is_bearer && !kind.is_null() {
        return Err(format!("the token is of the type {}, and only bearer tokens can be sent", words(kind, masker)));
    }
    let token = match map.get("access_token") {
        Some(Value::String(token)) if !token.is_empty() => token,
        Some(Value::String(_)) => return Err("`access_token` is empty".to_owned()),
        Some(_) => return Err("`access_token` is no string".to_owned()),
        None => return Err("the reply holds no `access_token`".to_owned()),
    };
    let sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
    let header = sendable.then(|| HeaderValue::from_str(&format!("Bearer {token}")).ok()).flatten();
    let mut header = header.ok_or("`access_token` holds a character that can't stand in a header")?;
    header.set_sensitive(true);
    Ok(Grant { token: Secret::new(token.clone()), header, life: map.get("expires_in").and_then(life) })
}

/// Seconds, as a number or, as some servers write it, as text. A life of 0 means none to most that send it.
fn life(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().parse::<f64>().ok(),
        other => other.as_f64(),
    }?;
    Duration::try_from_secs_f64(seconds).ok().filter(|life| !life.is_zero())
}

fn refused(status: StatusCode, map: &Map<String, Value>, masker: &Masker) -> String {
    let said = ["error", "error_description"].into_iter().filter_map(|key| map.get(key));
    let said: Vec<String> = said.map(|value| words(value, masker)).collect();
    match said.join(": ") {
        said if said.is_empty() => format!("the server refused: {}", in_words(status)),
        said => format!("the server refused: {}, {said}", in_words(status)),
    }
}

/// What a server says, masked before it is cut, on one line.
fn words(value: &Value, masker: &Masker) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let masked = masker.mask(&text);
    masked.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

/// `503 Service Unavailable`.
pub(super) fn in_words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(status: u16, body: &str) -> Result<Grant, String> {
        read(StatusCode::from_u16(status).unwrap(), body.as_bytes(), &Masker::new(["s3cret"]))
    }

    #[test]
    fn a_token_is_read_with_its_life() {
        for (written, life) in [
            (r#","expires_in":3600"#, Some(3600.0)),
            (r#","expires_in":"3600""#, Some(3600.0)),
            (r#","expires_in":1.5"#, Some(1.5)),
            (r#","expires_in":0"#, None),
            (r#","expires_in":-5"#, None),
            (r#","expires_in":"soon""#, None),
            (r#","expires_in":1e300"#, None),
            (r#","expires_in":null"#, None),
            ("", None),
        ] {
            let grant = grant(200, &format!(r#"{{"access_token":"abc","token_type":"bEARER"{written}}}"#)).unwrap();
            assert_eq!(grant.life.map(|life| life.as_secs_f64()), life, "{written}");
            assert_eq!((grant.token.reveal(), grant.header.to_str().unwrap()), ("abc", "Bearer abc"));
            assert!(grant.header.is_sensitive());
        }
        assert!(grant(200, r#"{"access_token":"abc"}"#).is_ok(), "the type may be missing");
    }

    #[test]
    fn whatever_is_no_token_is_named() {
        for (status, body, said) in [
            (200, "", "the reply is empty (200 OK)"),
            (200, "access_token=abc&token_type=bearer", "the reply is not JSON (expected value at line 1 column 1)"),
            (200, "[1]", "the reply is JSON, but no object"),
            (200, "{}", "the reply holds no `access_token`"),
            (200, r#"{"access_token":7}"#, "`access_token` is no string"),
            (200, r#"{"access_token":""}"#, "`access_token` is empty"),
            (200, r#"{"access_token":"a b"}"#, "`access_token` holds a character that can't stand in a header"),
            (200, r#"{"access_token":"a\r\nb"}"#, "`access_token` holds a character that can't stand in a header"),
            (
                200,
                r#"{"access_token":"a","token_type":"mac"}"#,
                "the token is of the type mac, and only bearer tokens can be sent",
            ),
            (
                200,
                r#"{"access_token":"a","token_type":7}"#,
                "the token is of the type 7, and only bearer tokens can be sent",
            ),
            (200, r#"{"error":"bad_verification_code"}"#, "the server refused: 200 OK, bad_verification_code"),
            (
                401,
                r#"{"error":"invalid_client","error_description":"no s3cret\nhere"}"#,
                "the server refused: 401 Unauthorized, invalid_client: no *** here",
            ),
            (400, r#"{"message":"no"}"#, "the server refused: 400 Bad Request"),
            (403, "<html>", "the server refused: 403 Forbidden"),
            (404, "[]", "the server refused: 404 Not Found"),
        ] {
            assert_eq!(grant(status, body).unwrap_err(), said, "{status} {body}");
        }
    }

    #[test]
    fn a_servers_words_are_masked_before_they_are_cut() {
        let long = format!("{}s3cret", "x".repeat(LONGEST - 3));
        let said = grant(400, &format!(r#"{{"error":"{long}"}}"#)).unwrap_err();
        assert!(said.ends_with("xx***") && !said.contains("s3c"), "{said}");
    }
}
