//! Tests of what is decided of connections that stay open. What is said of wrong jobs is tested by tests/check.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::compile::{Options, compile};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::plan::request::{FrameContents, RequestPlan, frame};
use crate::plan::{BodyPlan, HeartbeatPlan, Plan, StreamKind, StreamPlan, WebSocketPlan};
use crate::retry::{Jitter, RetryPlan};
use crate::row::{Fields, Row};
use crate::secret::Secrets;
use crate::template::Context;
use crate::transport::HttpVersion;

const SECOND: Duration = Duration::from_secs(1);

/// The plan of a job with an endpoint of two rows that has these lines.
fn plan(lines: &str) -> Plan {
    let text = format!("[endpoints.e]\ninput.values = [{{ a = \"x\" }}, {{ a = \"y z\" }}]\n{lines}\n");
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics);
    plan.unwrap_or_else(|| panic!("{lines}: {:?}", diagnostics.list()))
}

fn socket(plan: &Plan) -> &WebSocketPlan {
    match &plan.endpoints[0].stream.as_ref().unwrap().kind {
        StreamKind::WebSocket(socket) => socket,
        StreamKind::Events(_) => panic!("no socket"),
    }
}

const SMALL: &str = "websocket = { url = \"wss://h/{{ row.a }}\", until.idle = \"30s\" }";

#[test]
fn the_smallest_socket_is_safe_by_default() {
    let plan = plan(SMALL);
    let endpoint = &plan.endpoints[0];
    let stream = endpoint.stream.as_ref().unwrap();
    assert_eq!((stream.max_message, stream.uses_last, stream.until.idle), (1 << 20, false, Some(SECOND * 30)));
    assert_eq!(socket(&plan).heartbeat, Some(HeartbeatPlan { every: SECOND * 30, timeout: SECOND * 10 }));
    let RetryPlan { attempts, initial, max, jitter, budget, .. } = &endpoint.retry;
    assert_eq!((*attempts, *initial, *max, *jitter), (6, SECOND, SECOND * 30, Jitter::Full));
    assert!(budget.share.is_infinite() && endpoint.may_repeat());
    assert_eq!((endpoint.expect.to_string(), endpoint.method.as_str()), ("101".to_owned(), "GET"));
    let client = &endpoint.client;
    assert!(client.upgrades && !client.compression && client.http == HttpVersion::One);
    assert!(plan.limits.is_empty() && endpoint.one_origin && endpoint.needs_tls());
}

#[test]
fn events_are_asked_for_over_whatever_http_there_is() {
    let plan = plan("timeout.read = \"45s\"\nsse = { url = \"https://h/\", events = \"a\", until.messages = 3 }");
    let endpoint = &plan.endpoints[0];
    let StreamPlan { kind: StreamKind::Events(events), until, .. } = endpoint.stream.as_ref().unwrap() else {
        panic!("a socket")
    };
    assert_eq!((events.silence, until.messages), (Some(SECOND * 45), Some(3)));
    assert_eq!(events.events, ["a"]);
    assert_eq!((endpoint.client.http, endpoint.client.upgrades), (HttpVersion::Auto, false));
    let accepts = endpoint.headers.iter().find(|(name, _)| name == "accept").and_then(|(_, value)| value.constant());
    assert_eq!((accepts, endpoint.expect.to_string().as_str()), (Some("text/event-stream"), "200"));
    let given = self::plan("headers.accept = \"*/*\"\nsse = { url = \"https://h/\", until.idle = \"1s\" }");
    assert_eq!(given.endpoints[0].headers.len(), 1, "what the job says is what is accepted");
}

#[test]
fn retries_flow_down_as_far_as_they_say_which_replies_are_worth_one() {
    let top = "[retry]\nattempts = 9\ninitial = \"3s\"\njitter = \"none\"\nstatuses = [503]\nmax-wait = \"1m\"\nbudget = \"1%\"";
    let plan = plan(&format!("{SMALL}\n{top}"));
    let retry = &plan.endpoints[0].retry;
    assert_eq!((retry.attempts, retry.initial, retry.jitter), (6, SECOND, Jitter::Full));
    assert_eq!((retry.statuses.to_string().as_str(), retry.max_wait), ("503", SECOND * 60));
    assert!(retry.budget.share.is_infinite());
}

#[test]
fn reconnects_and_heartbeats_are_as_written() {
    let written = "[endpoints.e.websocket]\nurl = \"ws://h/\"\nuntil.time = \"1h\"\n";
    let of = |more: &str| plan(&format!("{written}{more}"));
    let retry = of("reconnect = { attempts = 0, initial = \"2s\", jitter = 0.25 }").endpoints[0].retry.clone();
    assert_eq!((retry.attempts, retry.initial, retry.jitter), (1, SECOND * 2, Jitter::Proportional(0.25)));
    let short = of("reconnect.max = \"500ms\"").endpoints[0].retry.clone();
    assert_eq!((short.initial, short.throttle_initial), (SECOND / 2, SECOND / 2), "no wait is longer than the longest");
    assert_eq!(socket(&of("heartbeat.every = \"0s\"")).heartbeat, None);
    let every = socket(&of("heartbeat.every = \"5s\"")).heartbeat;
    assert_eq!(every, Some(HeartbeatPlan { every: SECOND * 5, timeout: SECOND * 10 }));
}

#[test]
fn frames_take_from_a_bucket_of_their_own() {
    let plan = plan(
        "rate = \"1/s\"\n[endpoints.e.websocket]\nurl = \"ws://h/\"\nuntil.idle = \"1s\"\nsend = [\"{{ row.a }}\"]\nsend-rate = \"10/s\"",
    );
    let limit = socket(&plan).send_limit.unwrap();
    assert_eq!(plan.limits[limit].name, "endpoints.e.websocket.send-rate");
    assert!(!plan.endpoints[0].limits.contains(&limit) && !plan.limits[limit].learn);
}

/// Texts of the frames for the first row.
fn frames(plan: &Plan, last: Option<&Map<String, Value>>) -> Vec<String> {
    let row = Row { ordinal: 0, line: 1, fields: Fields::Object(Map::from_iter([("a".to_owned(), json!("x\"y"))])) };
    let secrets = Secrets::default();
    let context = Context { row: Some(&row), secrets: &secrets, reply: None, last };
    let text = |plan: &BodyPlan| match frame(plan, &context).unwrap() {
        FrameContents::Text(text) => text,
        FrameContents::File(file) => file.shown.display().to_string(),
    };
    socket(plan).send.iter().map(text).collect()
}

#[test]
fn frames_are_templates_that_know_the_record_before() {
    let plan = plan(
        "columns.seq = \"$.seq\"\n[endpoints.e.websocket]\nurl = \"ws://h/\"\nuntil.idle = \"1s\"\nsend = [{ json = { s = \"{{ row.a }}\", after = \"{{ last.seq }}\" } }, \"AFTER {{ last.seq or 0 }} {{ row.a }}\", { text = \"BYE\" }]",
    );
    assert!(plan.endpoints[0].stream.as_ref().unwrap().uses_last);
    assert_eq!(frames(&plan, None), [r#"{"s":"x\"y","after":null}"#, "AFTER 0 x\"y", "BYE"]);
    let last = Map::from_iter([("seq".to_owned(), json!(7))]);
    assert_eq!(frames(&plan, Some(&last)), [r#"{"s":"x\"y","after":7}"#, "AFTER 7 x\"y", "BYE"]);
}

#[test]
fn requests_of_sockets_have_the_scheme_of_their_handshake() {
    let uri = |url: &str, a: &str| {
        let plan = plan(&format!("websocket = {{ url = \"{url}\", until.idle = \"1s\" }}"));
        let requests = RequestPlan::new(&plan.endpoints[0], Some("http://127.0.0.1:9")).map_err(|why| why.message)?;
        let row = Row { ordinal: 0, line: 1, fields: Fields::Object(Map::from_iter([("a".to_owned(), json!(a))])) };
        let secrets = Secrets::default();
        let context = Context { row: Some(&row), secrets: &secrets, reply: None, last: None };
        requests.build(&context).map(|request| request.uri().to_string()).map_err(|why| why.message)
    };
    assert_eq!(uri("wss://h/x", ""), Ok("https://h/x".to_owned()));
    assert_eq!(uri("WS://h:81/{{ row.a }}", "a b"), Ok("http://h:81/a%20b".to_owned()));
    assert_eq!(uri("demo:/ticks/{{ row.a }}", "A"), Ok("http://127.0.0.1:9/ticks/A".to_owned()));
    assert_eq!(uri("{{ row.a }}", "wss://h/y"), Ok("https://h/y".to_owned()));
    assert_eq!(uri("{{ row.a }}", "https://h/y"), Err("the URL of this row is neither ws nor wss".to_owned()));
    let plan = plan(SMALL);
    let stream = plan.endpoints[0].stream.as_ref().unwrap();
    assert_eq!((&*stream.shown("https://h/x"), &*stream.shown("demo:/x")), ("wss://h/x", "demo:/x"));
}

#[test]
fn what_is_sent_and_collected_is_what_a_job_is_known_by() {
    let of = |more: &str| {
        let written = "[endpoints.e.websocket]\nurl = \"ws://h/\"\n";
        plan(&format!("{written}{more}")).identity
    };
    let base = of("until.idle = \"1s\"\nsend = [\"a\"]");
    for other in ["until.idle = \"2s\"\nsend = [\"a\"]", "until.idle = \"1s\"\nsend = [\"b\"]"] {
        assert_ne!(of(other), base, "{other}");
    }
    assert_ne!(of("until.idle = \"1s\"\nsend = [\"a\"]\nprotocols = \"v1\""), base);
    for same in ["heartbeat.every = \"1s\"", "reconnect.attempts = 1", "send-rate = \"1/s\"", "max-message = \"1KiB\""]
    {
        assert_eq!(of(&format!("until.idle = \"1s\"\nsend = [\"a\"]\n{same}")), base, "{same}");
    }
}

#[test]
fn each_row_that_is_open_has_a_connection_where_the_job_does_not_say_how_many_there_are() {
    let of = |more: &str| {
        let client = plan(&format!("{SMALL}\n{more}")).endpoints[0].client.clone();
        (client.connections_total, client.connections_per_host)
    };
    assert_eq!(of(""), (100, 100));
    assert_eq!(of("concurrency = 250"), (250, 250));
    assert_eq!(of("concurrency = 250\n[client.connections]\nper-host = 50"), (250, 50));
    assert_eq!(of("concurrency = 250\nclient.connections.total = 300"), (300, 250));
}
