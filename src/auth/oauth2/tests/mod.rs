//! The scene that tests play on, and what a token is asked for with.

mod refusals;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::auth::{Auth, Proof, Unproved, Wire};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::plan::StatusSet;
use crate::retry::{BackoffShape, BudgetPlan, ErrorClass, Failure, Jitter, RetryPlan, Unknown};
use crate::secret::{Secret, Secrets};
use crate::template::RowScope;
use crate::transport::scripted::{ScriptedTransport, reply};
use crate::transport::{Gate, Reply, TimeoutPlan, Transport};

/// Lets every request pass, and counts them.
#[derive(Default)]
struct Open(AtomicUsize);

impl Gate for Open {
    fn pass(&self, _: &http::Uri) -> crate::transport::BoxFuture<'_, ()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

/// A client and the server it asks.
struct Scene {
    auth: Arc<dyn Auth>,
    server: Box<dyn Transport>,
    asked: Arc<AtomicUsize>,
    masker: Masker,
    gate: Open,
    timeouts: TimeoutPlan,
    retry: RetryPlan,
}

/// Answers after a second of the paused clock, as a server on the network would.
struct Slow(ScriptedTransport, Duration);

impl Transport for Slow {
    fn exchange<'a>(
        &'a self,
        call: crate::transport::Call<'a>,
    ) -> crate::transport::BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let answer = self.0.exchange(call).await;
            tokio::time::sleep(self.1).await;
            answer
        })
    }
}

const SECOND: Duration = Duration::from_secs(1);

impl Scene {
    /// A server whose answers depend on how many came before, from 1.
    fn new(script: impl Fn(usize) -> Result<Reply, Failure> + Send + Sync + 'static) -> Self {
        Self::at(SECOND, script)
    }

    fn at(pace: Duration, script: impl Fn(usize) -> Result<Reply, Failure> + Send + Sync + 'static) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let server = ScriptedTransport::new(move |_| script(counter.fetch_add(1, Ordering::Relaxed) + 1));
        let masker = Masker::default();
        let auth = live(&json!({}), &masker);
        let timeouts =
            TimeoutPlan { pool: 30 * SECOND, connect: 10 * SECOND, read: 30 * SECOND, total: 120 * SECOND, row: None };
        Self {
            auth,
            server: Box::new(Slow(server, pace)),
            asked,
            masker,
            gate: Open::default(),
            timeouts,
            retry: retry(),
        }
    }

    async fn prove(&self) -> Result<(Proof, String), Unproved> {
        let wire = Wire { transport: &*self.server, gate: &self.gate, timeouts: &self.timeouts, retry: &self.retry };
        let mut request = Request::new(RequestBody::default());
        let proof = self.auth.prove(wire, &mut request).await?;
        let header = &request.headers()[AUTHORIZATION];
        assert!(header.is_sensitive());
        Ok((proof, header.to_str().unwrap().to_owned()))
    }

    async fn header(&self) -> String {
        self.prove().await.unwrap().1
    }

    async fn failure(&self) -> Failure {
        match self.prove().await.unwrap_err() {
            Unproved::Failed(failure) => failure,
            Unproved::Later(wait) => panic!("to wait {wait:?}"),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn retry() -> RetryPlan {
    RetryPlan {
        attempts: 3,
        backoff: BackoffShape::Constant,
        initial: SECOND,
        throttle_initial: SECOND,
        factor: 1.0,
        max: 60 * SECOND,
        jitter: Jitter::None,
        statuses: StatusSet::new(vec![(401, 401), (408, 408), (429, 429), (500, 599)]),
        errors: vec![ErrorClass::Connect],
        methods: Vec::new(),
        max_wait: 900 * SECOND,
        unknown: Unknown::Fail,
        budget: BudgetPlan { share: 0.2 },
        keyed: false,
    }
}

fn secrets() -> Secrets {
    Secrets::new(vec![("client".to_owned(), Secret::new("s3cr&t:1".to_owned()))])
}

/// The plan of a table whose required keys may be left out here.
fn plan(table: &Value) -> Arc<dyn AuthPlan> {
    let mut whole =
        json!({"token-url": "demo:/oauth/token", "client-id": "me", "client-secret": "{{ secrets.client }}"});
    whole.as_object_mut().unwrap().extend(table.as_object().unwrap().clone());
    let mut diagnostics = Diagnostics::default();
    let text = "[endpoints.a]\n".to_owned();
    let document = Document::parse("job.toml".as_ref(), text, &Overlays::default(), &mut diagnostics).unwrap();
    let vars = BTreeMap::from([("base".to_owned(), json!("https://login.example.com"))]);
    let scope = Scope {
        row: RowScope::Open,
        vars: vars.into(),
        secrets: vec!["client".to_owned()],
        reply: false,
        last: None,
        messages: None,
    };
    let mut site = Site { document: &document, diagnostics: &mut diagnostics };
    compile(&mut site, &KeyPath::of(["auth", "oauth2"]), &whole, &scope).unwrap_or_else(|| panic!("{diagnostics:?}"))
}

fn opening<'a>(secrets: &'a Secrets, masker: &'a Masker) -> Opening<'a> {
    Opening { secrets, masker, demo: Some("http://127.0.0.1:4711/"), user_agent: "tests/1" }
}

fn live(table: &Value, masker: &Masker) -> Arc<dyn Auth> {
    plan(table).open(&opening(&secrets(), masker)).unwrap().unwrap()
}

fn token(number: usize, life: &str) -> Result<Reply, Failure> {
    Ok(reply(200, format!(r#"{{"access_token":"token-{number}","token_type":"Bearer"{life}}}"#)))
}

fn refused() -> Result<Reply, Failure> {
    Ok(reply(401, r#"{"error":"invalid_client","error_description":"who is s3cr&t:1?"}"#))
}

fn throttled(status: u16, seconds: &str) -> Result<Reply, Failure> {
    let mut reply = reply(status, "");
    reply.headers.insert("retry-after", HeaderValue::from_str(seconds).unwrap());
    Ok(reply)
}

/// What a client of this table asks with.
async fn asks_with(table: &Value) -> crate::transport::scripted::Recorded {
    let server = ScriptedTransport::new(|_| token(1, ""));
    let scene = Scene { auth: live(table, &Masker::default()), ..Scene::new(|_| refused()) };
    let wire = Wire { transport: &server, gate: &scene.gate, timeouts: &scene.timeouts, retry: &scene.retry };
    scene.auth.prove(wire, &mut Request::new(RequestBody::default())).await.unwrap();
    server.calls().remove(0)
}

#[tokio::test]
async fn the_request_is_that_of_the_rfc() {
    let asked = asks_with(&json!({"scope": "read write", "audience": "https://api/"})).await;
    assert_eq!((asked.method, asked.url.to_string().as_str()), (Method::POST, "http://127.0.0.1:4711/oauth/token"));
    let form = "grant_type=client_credentials&scope=read+write&audience=https%3A%2F%2Fapi%2F";
    assert_eq!(asked.body.whole().unwrap(), form);
    // me:s3cr%26t%3A1, by coreutils' base64.
    assert_eq!(asked.headers[AUTHORIZATION], "Basic bWU6czNjciUyNnQlM0Ex");
    assert!(asked.headers[AUTHORIZATION].is_sensitive());
    assert_eq!(asked.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(
        (&asked.headers[ACCEPT], &asked.headers[USER_AGENT]),
        (&"application/json".parse().unwrap(), &"tests/1".parse().unwrap())
    );
    let asked = asks_with(&json!({"client-auth": "body", "token-url": "{{ vars.base }}/t#part"})).await;
    assert_eq!(asked.url, "https://login.example.com/t");
    assert_eq!(asked.body.whole().unwrap(), "grant_type=client_credentials&client_id=me&client_secret=s3cr%26t%3A1");
    assert!(!asked.headers.contains_key(AUTHORIZATION));
}

#[test]
fn what_can_not_be_asked_is_told_before_the_first_row() {
    let table = json!({"token-url": "{{ secrets.client }}"});
    let why = plan(&table).open(&opening(&secrets(), &Masker::default())).map(|_| ()).unwrap_err();
    assert!(why.contains("token-url can't be built") && !why.contains("s3cr"), "{why}");
    for (url, words) in [
        ("http://me:pw@a.b/", "carries a user"),
        ("ftp://a.b/", "neither an http"),
        ("/t", "neither an http"),
        ("http:// /", "no URL"),
        ("demo:/t", "no URL"),
    ] {
        let why = absolute(url.to_owned(), None).unwrap_err();
        assert!(why.contains(words), "{url}: {why}");
    }
}

#[test]
fn a_client_in_the_header_is_masked_in_every_form() {
    let masker = Masker::default();
    live(&json!({}), &masker);
    assert_eq!(masker.mask("Basic bWU6czNjciUyNnQlM0Ex, s3cr%26t%3A1"), "Basic ***, ***");
}

proptest! {
    #[test]
    fn any_client_is_read_back_from_its_basic_auth(id in "\\PC{1,20}", secret in "\\PC{1,20}") {
        let header = basic(&[encoded(&id), encoded(&secret)], &Masker::default()).unwrap();
        let pair = String::from_utf8(STANDARD.decode(&header.as_bytes()[6..]).unwrap()).unwrap();
        let (first, second) = pair.split_once(':').unwrap();
        let decoded = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned();
        prop_assert_eq!((decoded(first), decoded(second)), (id, secret));
    }
}
