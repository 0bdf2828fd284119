//! Who asks: tokens that are fetched and renewed, keys in headers and queries.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::output::jsonl_file;
use crate::support::{Answer, Done, Job, Oracle, wait};

const SECRET: &str = "sühr-geheim/&7";
/// The same in a form, a URL and basic auth.
const FORMS: [&str; 3] = [SECRET, "s%C3%BChr-geheim%2F%267", "c3VlaHItZ2VoZWlt"];

const OAUTH: &str = r#"
[secrets]
client.env = "CLIENT"

[retry]
attempts = 2
initial = "1ms"

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = 200 }
concurrency = 200
client.connections = { total = 200, per-host = 200 }
columns.got = "$.id"

[endpoints.item.auth.oauth2]
token-url = "ORACLE/token"
client-id = "me"
client-secret = "{{ secrets.client }}"

[sinks.out]
path = "out.jsonl"
"#;

fn oauth(oracle: &Oracle) -> Job {
    Job::at(&oracle.url(), OAUTH).variable("CLIENT", SECRET)
}

fn token(number: usize) -> Answer {
    Answer::json(&json!({ "access_token": format!("token-number-{number}"), "token_type": "bearer" }))
}

fn number(request: &SeenRequest) -> Option<usize> {
    request.header("authorization")?.strip_prefix("Bearer token-number-")?.parse().ok()
}

fn tokens(oracle: &Oracle) -> usize {
    oracle.count_by_path().get("/token").copied().unwrap_or_default()
}

/// The secret and the tokens stand in nothing that is left behind.
fn nowhere(job: &Job, done: &Done) {
    let journal = job.state().join("journal");
    let journal = String::from_utf8_lossy(&std::fs::read(journal).expect("a journal")).into_owned();
    let records = ["out.jsonl"].map(|name| std::fs::read_to_string(job.path(name)).unwrap_or_default());
    for text in [&done.stdout, &done.stderr, &journal, &records[0]] {
        for form in FORMS.into_iter().chain(["token-number-"]) {
            assert!(!text.contains(form), "{form} in {text}");
        }
    }
}

#[test]
fn two_hundred_rows_at_once_ask_for_one_token() {
    let oracle = Oracle::start(|request| match request.path.as_str() {
        "/token" => token(1).after(Duration::from_millis(200)),
        _ if number(request) == Some(1) => item(request),
        _ => Answer::status(401),
    });
    let job = oauth(&oracle);
    let done = job.run(&["-v"]).expect_code(0);
    assert_eq!((tokens(&oracle), oracle.count()), (1, 201));
    assert_eq!(jsonl_file(&job.path("out.jsonl")).len(), 200);
    let asked = &oracle.requests()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/token"));
    assert_eq!(asked.body, b"grant_type=client_credentials");
    nowhere(&job, &done);
}

#[test]
fn endpoints_with_the_same_settings_share_a_token_and_others_do_not() {
    let oracle = Oracle::start(|request| if request.path == "/token" { token(1) } else { item(request) });
    let first = &OAUTH[OAUTH.find("[endpoints.item]").expect("an endpoint")..OAUTH.find("[sinks").expect("a sink")];
    for (change, count) in [("", 1), ("scope = \"more\"\n", 2)] {
        let second = format!("{}{change}\n", first.replace("endpoints.item", "endpoints.other"));
        let job =
            Job::at(&oracle.url(), &OAUTH.replace("[sinks", &format!("{second}[sinks"))).variable("CLIENT", SECRET);
        let before = tokens(&oracle);
        job.run(&[]).expect_code(0);
        assert_eq!(tokens(&oracle) - before, count, "{change}");
    }
}

#[test]
fn a_token_that_is_over_is_renewed_before_it_is_sent() {
    let given = AtomicUsize::new(0);
    let oracle = Oracle::start(move |request| {
        if request.path == "/token" {
            let number = given.fetch_add(1, Ordering::Relaxed) + 1;
            let body = json!({ "access_token": format!("token-number-{number}"), "token_type": "Bearer", "expires_in": 0.001 });
            return Answer::json(&body);
        }
        // No token is met twice: each is over when the next row comes.
        item(request).after(Duration::from_millis(5))
    });
    let job = oauth(&oracle);
    job.run(&["--limit", "10", "--set", "endpoints.item.concurrency=1"]).expect_code(0);
    let seen: Vec<usize> = oracle.requests().iter().filter_map(|request| number(request)).collect();
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}

#[test]
fn rows_that_meet_a_401_together_renew_once_and_are_sent_again() {
    let oracle = Oracle::start({
        let given = AtomicUsize::new(0);
        move |request| match (request.path.as_str(), number(request)) {
            ("/token", _) => token(given.fetch_add(1, Ordering::Relaxed) + 1),
            // Says the token back, which must not get into a record.
            (_, Some(2)) => Answer::json(&json!({ "id": request.header("authorization") })),
            (_, _) => Answer::status(401),
        }
    });
    let job = oauth(&oracle);
    let done = job.run(&["-v"]).expect_code(0);
    assert_eq!(tokens(&oracle), 2);
    let records = jsonl_file(&job.path("out.jsonl"));
    assert!(records.len() == 200 && records.iter().all(|record| record["attempts"] == 1), "no second attempt");
    assert!(oracle.count_by_path().values().all(|count| *count <= 2));
    nowhere(&job, &done);
}

#[test]
fn a_row_that_is_refused_twice_fails_and_does_not_cost_a_token_each() {
    let oracle = Oracle::start(|request| if request.path == "/token" { token(1) } else { Answer::status(401) });
    let job = oauth(&oracle);
    job.run(&["--set", "endpoints.item.concurrency=2", "--set", "run.stop-if=[]"]).expect_code(1);
    let records = jsonl_file(&job.path("out.jsonl"));
    assert!(records.len() == 200 && records.iter().all(|record| record["status"] == 401), "{records:?}");
    assert!(tokens(&oracle) < 20, "{} tokens for 200 rows", tokens(&oracle));
}

#[test]
fn wrong_credentials_stop_the_run_and_are_asked_about_once() {
    let oracle = Oracle::start(|request| {
        let said = format!("who is {SECRET}, {}?", request.header("authorization").unwrap_or_default());
        let body = json!({ "error": "invalid_client", "error_description": said });
        Answer::text(401, body.to_string())
    });
    let job = oauth(&oracle);
    let done = job.run(&["-v", "--set", "endpoints.item.concurrency=2"]).expect_code(3);
    assert_eq!(oracle.count(), 1, "one question for 200 rows");
    assert!(jsonl_file(&job.path("out.jsonl")).is_empty(), "no row is failed for it");
    let error =
        "auth.oauth2 got no token: the server refused: 401 Unauthorized, invalid_client: who is ***, Basic ***?";
    assert!(done.stderr.contains(&format!("every row of item would fail: {error}")), "{}", done.stderr);
    let shown = ["error[P0503]: what ended the run comes from here", "job.toml:"];
    assert!(shown.iter().all(|words| done.stderr.contains(words)), "{}", done.stderr);
    nowhere(&job, &done);
}

#[test]
fn a_token_server_that_asks_for_days_stops_the_run_which_can_go_on() {
    let closed = AtomicUsize::new(1);
    let oracle = Oracle::start(move |request| match request.path.as_str() {
        "/token" if closed.swap(0, Ordering::Relaxed) == 1 => Answer::status(503).header("retry-after", "259200"),
        "/token" => token(1),
        _ => item(request),
    });
    let job = oauth(&oracle);
    let done = job.run(&[]).expect_code(4);
    assert!(done.stderr.contains("3d"), "{}", done.stderr);
    assert_eq!(oracle.count(), 1);
    job.run(&[]).expect_code(0);
    assert_eq!(jsonl_file(&job.path("out.jsonl")).len(), 200);
}

#[test]
fn the_first_interrupt_ends_a_run_whose_token_does_not_come() {
    for first in [Answer::Stall, token(1)] {
        let stalls_at_once = first == Answer::Stall;
        let given = AtomicUsize::new(0);
        let oracle = Oracle::start(move |request| match request.path.as_str() {
            "/token" if given.fetch_add(1, Ordering::Relaxed) == 0 => first.clone(),
            "/token" => Answer::Stall,
            _ => Answer::status(401),
        });
        let job = oauth(&oracle);
        // No timeout is what ends it.
        let patient = ["--set", "timeout.read=\"1h\"", "--set", "timeout.total=\"1h\""];
        let running = job.spawn(&[&["--set", "endpoints.item.concurrency=3"], &patient[..]].concat());
        let asked = if stalls_at_once { 1 } else { 2 };
        wait::until("the token is asked for", Duration::from_secs(60), || (tokens(&oracle) == asked).then_some(()));
        running.signal("INT");
        running.wait().expect_code(130);
    }
}

#[test]
fn a_token_server_that_leads_elsewhere_does_not_lead_the_credentials_there() {
    let other = Oracle::start(|_| token(1));
    for status in [302, 307] {
        let to = other.url();
        let oracle = Oracle::start(move |_| Answer::status(status).header("location", &format!("{to}/token")));
        for way in ["", "client-auth = \"body\"\n"] {
            let text = OAUTH.replace("[sinks", &format!("{way}[sinks")).replace("to = 200", "to = 1");
            let done = Job::at(&oracle.url(), &text).variable("CLIENT", SECRET).run(&["-v"]);
            assert!(done.code == Some(0) || done.code == Some(1), "{done:?}");
        }
    }
    for request in other.requests() {
        assert!(request.header("authorization").is_none_or(|value| !value.starts_with("Basic")), "{request:?}");
        assert!(!String::from_utf8_lossy(&request.body).contains("client_secret"), "{request:?}");
    }
}

const KEYS: &str = r#"
[secrets]
client.env = "CLIENT"

[endpoints.header]
url = "ORACLE/header/{{ row.value }}"
input.range = { from = 1, to = 3 }
auth.api-key = { name = "X-Api-Key", value = "{{ secrets.client }}" }
meta = ["status", "url", "error"]

[endpoints.query]
url = "ORACLE/query/{{ row.value }}?a=b"
input.range = { from = 1, to = 3 }
query.c = "d"
auth.api-key = { name = "api key", value = "{{ secrets.client }}", in = "query" }
meta = ["status", "url", "error"]

[sinks.out]
path = "out.jsonl"
"#;

#[test]
fn a_key_is_sent_where_it_belongs_and_shown_nowhere() {
    let elsewhere = Oracle::start(item);
    let to = elsewhere.url();
    let oracle = Oracle::start(move |request| match request.id() {
        "2" => Answer::status(302).header("location", &format!("{to}/there")),
        "3" => Answer::text(500, "no"),
        _ => item(request),
    });
    let job = Job::at(&oracle.url(), KEYS).variable("CLIENT", SECRET);
    let plan = job.command(&["plan", "job.toml"]).expect_code(0);
    assert!(plan.stdout.contains("/query/1?a=b&c=d&api%20key=***"), "{}", plan.stdout);
    assert!(plan.stdout.contains("x-api-key: ***"), "{}", plan.stdout);
    let done = job.run(&["-v", "--set", "retry.attempts=1"]).expect_code(1);
    for request in oracle.requests() {
        if request.path.starts_with("/header") {
            assert_eq!(request.header("x-api-key"), Some(SECRET));
        } else {
            assert_eq!(request.query, "a=b&c=d&api%20key=s%C3%BChr-geheim%2F%267");
        }
    }
    for request in elsewhere.requests() {
        assert_eq!((request.header("x-api-key"), request.query.as_str()), (None, ""));
    }
    assert_eq!(elsewhere.count(), 2);
    nowhere(&job, &done);
    let url = format!("{}/query/1?a=b&c=d&api%20key=***", oracle.url());
    assert!(jsonl_file(&job.path("out.jsonl")).iter().any(|record| record["url"] == url.as_str()));
}

#[test]
fn nothing_is_asked_of_the_environment_to_check_a_job() {
    for text in [OAUTH, KEYS] {
        Job::at("https://api.example.com", text).command(&["check", "job.toml"]).expect_code(0);
    }
}
