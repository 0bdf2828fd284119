//! Routes that want to know who asks: OAuth 2, a fixed bearer token, basic.
//!
//! The credentials are the demo's own, printed here for everybody, and open nothing else. Tokens carry
//! their own end, so the server keeps none.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use serde_json::json;

use super::answer::{Answer, json as json_reply, ok, refuse, with};
use super::router::{Asked, Route, World, pairs};
use super::seed::hash;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        pattern: "/oauth/token",
        doc: "OAuth 2 client credentials: demo-client, demo-secret; ?expires_in=1 makes short-lived tokens",
        handle: token,
    },
    Route { method: "GET", pattern: "/oauth/me", doc: "wants a token of /oauth/token", handle: me },
    Route { method: "GET", pattern: "/bearer/{id}", doc: "wants the bearer token demo-token", handle: bearer },
    Route { method: "GET", pattern: "/basic/{id}", doc: "wants basic auth: demo, demo-password", handle: basic },
];

const CLIENT: (&str, &str) = ("demo-client", "demo-secret");
const USER: (&str, &str) = ("demo", "demo-password");
const TOKEN: &str = "demo-token";
/// Life of a token in seconds, unless asked for less.
const LIFE: u64 = 3600;

/// The token endpoint: RFC 6749, sections 4.4 and 5; credentials by basic auth or in the form (2.3.1).
fn token(world: &World, asked: &Asked<'_>) -> Answer {
    let form = String::from_utf8_lossy(asked.body);
    let field = |name: &str| pairs(&form).find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default();
    if field("grant_type") != "client_credentials" {
        let body = json!({ "error": "unsupported_grant_type", "help": "send grant_type=client_credentials as a form" });
        return json_reply(StatusCode::BAD_REQUEST, &body).into();
    }
    let client = credentials(asked).unwrap_or_else(|| (field("client_id"), field("client_secret")));
    if (client.0.as_str(), client.1.as_str()) != CLIENT {
        let body = json!({ "error": "invalid_client", "help": "the client is demo-client, its secret demo-secret" });
        return with(json_reply(StatusCode::UNAUTHORIZED, &body), "www-authenticate", "Basic realm=\"demo\"").into();
    }
    let life = asked.parameter("expires_in").and_then(|text| text.parse().ok()).unwrap_or(LIFE).min(LIFE);
    let token = issue(world, world.began.elapsed() + Duration::from_secs(life));
    let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life, "scope": field("scope") });
    with(ok(&body), "cache-control", "no-store").into()
}

/// A token that is good until `end`, counted from the server's begin.
fn issue(world: &World, end: Duration) -> String {
    let end = end.as_millis();
    format!("demo-{end:x}-{:016x}", hash(world.seed, &format!("token {end:x}")))
}

fn is_good(world: &World, token: &str) -> bool {
    let end = token.strip_prefix("demo-").and_then(|rest| rest.split('-').next());
    let Some(Ok(end)) = end.map(|text| u64::from_str_radix(text, 16)) else { return false };
    let end = Duration::from_millis(end);
    issue(world, end) == token && world.began.elapsed() < end
}

fn me(world: &World, asked: &Asked<'_>) -> Answer {
    match bearer_token(asked) {
        Some(token) if is_good(world, token) => ok(&json!({ "client": CLIENT.0, "scope": "demo" })).into(),
        Some(_) => challenge("Bearer error=\"invalid_token\"", "the token is unknown or over"),
        None => challenge("Bearer", "a token of /oauth/token is missing"),
    }
}

fn bearer(_: &World, asked: &Asked<'_>) -> Answer {
    match bearer_token(asked) {
        Some(TOKEN) => ok(&json!({ "id": asked.part, "user": "token" })).into(),
        Some(_) => challenge("Bearer error=\"invalid_token\"", "the token is demo-token"),
        None => challenge("Bearer", "a bearer token is missing"),
    }
}

fn basic(_: &World, asked: &Asked<'_>) -> Answer {
    match credentials(asked) {
        Some((user, password)) if (user.as_str(), password.as_str()) == USER => {
            ok(&json!({ "id": asked.part, "user": user })).into()
        }
        _ => challenge("Basic realm=\"demo\", charset=\"UTF-8\"", "the user is demo, the password demo-password"),
    }
}

/// A 401 with its challenge, RFC 9110, section 11.6.1.
fn challenge(challenge: &str, help: &str) -> Answer {
    with(refuse(StatusCode::UNAUTHORIZED, "who asks?", help), "www-authenticate", challenge).into()
}

fn scheme<'a>(asked: &'a Asked<'_>, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = asked.header(header::AUTHORIZATION).split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| rest.trim())
}

fn bearer_token<'a>(asked: &'a Asked<'_>) -> Option<&'a str> {
    scheme(asked, "Bearer")
}

/// User and password of basic auth, RFC 7617.
fn credentials(asked: &Asked<'_>) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(scheme(asked, "Basic")?).ok()?).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}
