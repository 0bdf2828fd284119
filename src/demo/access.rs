//! Routes that want to know who asks: OAuth 2, a fixed bearer token, basic.
//!
//! The credentials are the demo's own, printed here for everybody, and open nothing else. Tokens carry
//! their own end, so the server keeps none; how often one was used counts among the world's stumbles.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::answer::{Answer, json as json_reply, ok, refuse, with};
use super::router::{Asked, Route, World, pairs};
use super::seed::hash;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        pattern: "/oauth/token",
        doc: "OAuth 2 client credentials: demo-client, demo-secret; ?expires_in=1 makes short-lived tokens, ?uses=40 such that end unannounced",
        handle: token,
    },
    Route {
        method: "GET",
        pattern: "/oauth/items/{id}",
        doc: "an item, and the number of the token of /oauth/token that it wants",
        handle: item,
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
    let parameter = |name| asked.parameter(name).and_then(|text| text.parse::<u64>().ok());
    let life = parameter("expires_in").unwrap_or(LIFE).min(LIFE);
    let end = world.began.elapsed() + Duration::from_secs(life);
    let claims = Claims { end: end.as_millis(), uses: parameter("uses"), number: world.next_token() };
    let mut body = json!({ "access_token": claims.issue(world), "token_type": "Bearer", "scope": field("scope") });
    if claims.uses.is_none() {
        body["expires_in"] = life.into();
    }
    with(ok(&body), "cache-control", "no-store").into()
}

/// What stands in a token.
struct Claims {
    /// Milliseconds from the server's begin.
    end: u128,
    /// Requests it is good for; `None`: any number.
    uses: Option<u64>,
    /// One-based.
    number: u64,
}

impl Claims {
    fn issue(&self, world: &World) -> String {
        let Self { end, uses, number } = self;
        let claims = format!("{end:x}.{}.{number}", uses.map_or_else(String::new, |uses| uses.to_string()));
        format!("demo-{claims}-{:016x}", hash(world.seed, &format!("token {claims}")))
    }

    fn read(token: &str) -> Option<Self> {
        let (claims, _) = token.strip_prefix("demo-")?.split_once('-')?;
        let mut parts = claims.split('.');
        let (end, uses, number) = (parts.next()?, parts.next()?, parts.next()?);
        let uses = if uses.is_empty() { None } else { Some(uses.parse().ok()?) };
        Some(Self { end: u128::from_str_radix(end, 16).ok()?, uses, number: number.parse().ok()? })
    }
}

/// The number of a token that opens, which is used once more by that.
fn opened(world: &World, token: &str) -> Option<u64> {
    let claims = Claims::read(token).filter(|claims| claims.issue(world) == token)?;
    let used = |uses| u64::from(world.stumble(hash(world.seed, token))) >= uses;
    let over = world.began.elapsed().as_millis() >= claims.end || claims.uses.is_some_and(used);
    (!over).then_some(claims.number)
}

/// What a token opens, by its number.
fn behind_token(world: &World, asked: &Asked<'_>, show: impl FnOnce(u64) -> Value) -> Answer {
    let Some(token) = bearer_token(asked) else { return challenge("Bearer", "a token of /oauth/token is missing") };
    match opened(world, token) {
        Some(number) => ok(&show(number)).into(),
        None => challenge("Bearer error=\"invalid_token\"", "the token is unknown or over"),
    }
}

fn me(world: &World, asked: &Asked<'_>) -> Answer {
    behind_token(world, asked, |_| json!({ "client": CLIENT.0, "scope": "demo" }))
}

fn item(world: &World, asked: &Asked<'_>) -> Answer {
    behind_token(world, asked, |number| json!({ "id": asked.part, "token": number }))
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
