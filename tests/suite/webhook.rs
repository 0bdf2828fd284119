//! Records that are posted to a receiver: each at least once, those that come again with the same key and body.

/// Receivers that are away, and runs that are killed meanwhile.
mod away;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::{Answer, Done, Job, Oracle};

const JOB: &str = r#"
[retry]
initial = "5ms"
max = "20ms"

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = ROWS }
order = "input"
keep = []
columns.id = "$.id"
meta = []

[sinks.out.webhook]
url = "ORACLE/in"
batch = 10
"#;

/// What becomes of a post.
enum Fate {
    Taken,
    /// It is not taken.
    Refused(Answer),
    /// It is taken, and this is said instead of that.
    Lost(Answer),
}

/// What a receiver has taken: key and body, as they came.
#[derive(Default)]
struct Inbox {
    taken: Mutex<Vec<(String, Vec<u8>)>>,
    posts: AtomicUsize,
    items: AtomicUsize,
}

impl Inbox {
    fn taken(&self) -> Vec<(String, Vec<u8>)> {
        self.taken.lock().expect("no script panics").clone()
    }

    fn posts(&self) -> usize {
        self.posts.load(Ordering::SeqCst)
    }

    fn items(&self) -> usize {
        self.items.load(Ordering::SeqCst)
    }

    /// Bodies by key, in the order in which they came first; a key that comes again has the same body.
    fn bodies(&self) -> Vec<Vec<u8>> {
        let (mut known, mut bodies) = (BTreeMap::new(), Vec::new());
        for (key, body) in self.taken() {
            assert!(key.len() == 38 && key.starts_with('"'), "a key as the draft has it: {key}");
            match known.insert(key.clone(), body.clone()) {
                Some(before) => assert_eq!(before, body, "{key} came with another body"),
                None => bodies.push(body),
            }
        }
        bodies
    }

    /// Values of `id` in the order in which they came first.
    fn ids(&self) -> Vec<u64> {
        let records = |body: &Vec<u8>| serde_json::from_slice::<Vec<Value>>(body).expect("an array");
        let bodies = self.bodies();
        bodies.iter().flat_map(records).map(|record| record["id"].as_u64().expect("an id")).collect()
    }
}

/// Items, and a receiver that does with each post, counted from 0, what `fate` says.
fn server(inbox: &Arc<Inbox>, fate: impl Fn(usize, &SeenRequest) -> Fate + Send + Sync + 'static) -> Oracle {
    let inbox = Arc::clone(inbox);
    Oracle::start(move |request| {
        if request.path != "/in" {
            inbox.items.fetch_add(1, Ordering::SeqCst);
            return item(request);
        }
        let fate = fate(inbox.posts.fetch_add(1, Ordering::SeqCst), request);
        if !matches!(fate, Fate::Refused(_)) {
            let key = request.header("idempotency-key").expect("a key").to_owned();
            inbox.taken.lock().expect("no script panics").push((key, request.body.clone()));
        }
        match fate {
            Fate::Taken => Answer::status(202),
            Fate::Refused(answer) | Fate::Lost(answer) => answer,
        }
    })
}

fn job(oracle: &Oracle, rows: u64, more: &str) -> Job {
    Job::at(&oracle.url(), &format!("{}{more}", JOB.replace("ROWS", &rows.to_string())))
}

fn posts(oracle: &Oracle) -> Vec<Arc<SeenRequest>> {
    oracle.requests().into_iter().filter(|request| request.path == "/in").collect()
}

/// First and last `id` of a post.
fn span(post: &SeenRequest) -> (u64, u64) {
    let records: Vec<Value> = serde_json::from_slice(&post.body).expect("an array");
    let id = |record: Option<&Value>| record.and_then(|record| record["id"].as_u64()).expect("an id");
    (id(records.first()), id(records.last()))
}

fn same_request(one: &SeenRequest, other: &SeenRequest) -> bool {
    one.body == other.body && one.header("idempotency-key") == other.header("idempotency-key")
}

#[test]
fn records_come_in_order_in_batches_and_each_in_one_request() {
    let inbox = Arc::<Inbox>::default();
    let oracle = server(&inbox, |_, _| Fate::Taken);
    let done = job(&oracle, 95, "headers = { x-team = \"prices\" }\n").run(&[]).expect_code(0);
    assert_eq!(inbox.ids(), (1..=95).collect::<Vec<_>>());
    assert_eq!(inbox.taken().len(), inbox.bodies().len());
    for post in posts(&oracle) {
        let (first, last) = span(&post);
        assert!(last - first < 10, "no more than 10 records in a request");
        assert_eq!(post.header("content-type"), Some("application/json"));
        assert_eq!((post.method.as_str(), post.header("x-team")), ("POST", Some("prices")));
    }
    assert!(done.stderr.contains("/in"), "the summary says where records went: {}", done.stderr);
    assert_eq!(oracle.faults(), [""; 0]);
}

#[test]
fn check_and_plan_ask_nobody_and_say_who_will_be_asked() {
    let inbox = Arc::<Inbox>::default();
    let oracle = server(&inbox, |_, _| Fate::Taken);
    let job = job(
        &oracle,
        5,
        "auth.bearer = \"{{ secrets.hook }}\"\nlimit = \"all\"\n[secrets]\nhook.env = \"HOOK\"\n[limits.all]\nrate = \"50/s\"\n",
    );
    job.command(&["check", "job.toml"]).expect_code(0);
    let plan = job.command(&["plan", "job.toml"]).expect_code(0).stdout;
    let sink = plan.split("\nsink ").nth(1).expect("a sink");
    let address = oracle.address();
    for line in [
        format!(
            "out: http://{address}/in (webhook, 10 records at most in a request, json), rows that ended ok of item"
        ),
        format!("hosts     {address}"),
        "limit     all: 50/s".to_owned(),
        "the server tells them by idempotency-key".to_owned(),
        "hook from environment variable HOOK".to_owned(),
    ] {
        assert!(sink.contains(&line), "{line} is not in\n{sink}");
    }
    assert_eq!(oracle.count(), 0);
}

#[test]
fn what_was_taken_and_not_heard_of_comes_again_as_it_was() {
    let inbox = Arc::<Inbox>::default();
    let oracle = server(&inbox, |post, _| match post {
        1 => Fate::Lost(Answer::Reset),
        3 => Fate::Lost(Answer::Close),
        5 => Fate::Lost(Answer::text(200, "whole or not at all").cut_after(3)),
        7 => Fate::Refused(Answer::status(503)),
        _ => Fate::Taken,
    });
    job(&oracle, 200, "").run(&[]).expect_code(0);
    assert_eq!(inbox.ids(), (1..=200).collect::<Vec<_>>());
    let posts = posts(&oracle);
    assert!([1, 3, 5, 7].iter().all(|lost| same_request(&posts[*lost], &posts[lost + 1])), "sent again as they were");
    assert_eq!(inbox.taken().len() - inbox.bodies().len(), 3, "an answer without its end is none");
}

#[test]
fn a_storm_of_503_is_waited_out_and_nothing_comes_twice() {
    let inbox = Arc::<Inbox>::default();
    let oracle = server(&inbox, |post, _| match post {
        0..7 => Fate::Refused(Answer::text(503, "not now")),
        _ => Fate::Taken,
    });
    let done = job(&oracle, 60, "retry = { attempts = 3 }\n").run(&[]).expect_code(0);
    assert_eq!((inbox.ids(), inbox.taken().len()), ((1..=60).collect(), inbox.bodies().len()));
    assert!(posts(&oracle).windows(2).take(7).all(|pair| same_request(&pair[0], &pair[1])));
    let words =
        format!("sinks.out: {}/in: it answered 503 Service Unavailable: not now; its records wait", oracle.url());
    assert!(done.stderr.contains(&words), "{}", done.stderr);
}

#[test]
fn a_wait_that_the_receiver_asks_for_is_obeyed() {
    let inbox = Arc::<Inbox>::default();
    let until = Mutex::new(None);
    let early = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&early);
    let oracle = server(&inbox, move |post, request| {
        let mut until = until.lock().expect("no script panics");
        if post == 1 {
            *until = Some(request.at + Duration::from_secs(1));
        }
        match *until {
            Some(until) if request.at < until => {
                seen.fetch_add(1, Ordering::SeqCst);
                Fate::Refused(Answer::status(429).header("retry-after", "1"))
            }
            _ => Fate::Taken,
        }
    });
    job(&oracle, 60, "").run(&[]).expect_code(0);
    assert_eq!(inbox.ids(), (1..=60).collect::<Vec<_>>());
    assert_eq!(early.load(Ordering::SeqCst), 1, "it was asked once and left alone");
}

#[test]
fn a_wait_beyond_patience_stops_the_run_to_go_on_later() {
    let inbox = Arc::<Inbox>::default();
    let oracle = server(&inbox, |_, _| Fate::Refused(Answer::status(503).header("retry-after", "7200")));
    let done = job(&oracle, 20, "").run(&[]).expect_code(4);
    assert!(done.stderr.contains("sinks.out: the server asks to wait 2h"), "{}", done.stderr);
    assert_eq!((inbox.posts(), inbox.taken().len()), (1, 0));
}

/// Refuses the third post until `mended`; the job and what the first run said.
fn refusing(inbox: &Arc<Inbox>, status: u16) -> (Oracle, Job, Done, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let oracle = server(inbox, move |post, _| match is_mended.load(Ordering::SeqCst) {
        false if post >= 2 => Fate::Refused(Answer::text(status, "no such\nteam")),
        _ => Fate::Taken,
    });
    let job = job(&oracle, 60, "");
    let done = job.run(&[]).expect_code(3);
    (oracle, job, done, mended)
}

#[test]
fn what_is_refused_is_told_with_its_records_and_goes_there_when_it_is_mended() {
    for (status, words) in [
        (400, "it answered 400 Bad Request: no such team"),
        (422, "it answered 422 Unprocessable Entity: no such team"),
        (410, "the receiver is gone for good: it answered 410 Gone: no such team"),
    ] {
        let inbox = Arc::<Inbox>::default();
        let (oracle, job, done, mended) = refusing(&inbox, status);
        assert_eq!(inbox.posts(), 3, "no answer of this kind is tried again");
        let (first, last) = span(&posts(&oracle)[2]);
        let which = if first == last { format!("record {first}") } else { format!("records {first} to {last}") };
        let words = format!("{words} ({which} of this sink)");
        assert!(done.stderr.contains(&words), "{words} is not in {}", done.stderr);
        mended.store(true, Ordering::SeqCst);
        job.run(&[]).expect_code(0);
        let posts = posts(&oracle);
        assert!(same_request(&posts[2], &posts[3]), "the first of the next session");
        assert_eq!((inbox.ids(), inbox.items()), ((1..=60).collect(), 60));
    }
}

#[test]
fn a_redirect_is_followed_with_its_body_or_not_at_all() {
    for status in [301, 302, 303] {
        let inbox = Arc::<Inbox>::default();
        let oracle = server(&inbox, move |_, _| Fate::Refused(Answer::status(status).header("location", "/items/7")));
        let done = job(&oracle, 3, "").run(&[]).expect_code(3);
        assert!(done.stderr.contains("would turn the POST into a GET without its body"), "{}", done.stderr);
        assert_eq!((inbox.posts(), inbox.items()), (1, 3), "nobody was asked instead");
    }
    let inbox = Arc::<Inbox>::default();
    let oracle = server(&inbox, |_, request| match request.query.as_str() {
        "" => Fate::Refused(Answer::status(307).header("location", "/in?there")),
        _ => Fate::Taken,
    });
    job(&oracle, 30, "").run(&[]).expect_code(0);
    assert_eq!(inbox.ids(), (1..=30).collect::<Vec<_>>());
}

#[test]
fn a_token_is_fetched_and_renewed() {
    let inbox = Arc::<Inbox>::default();
    let (tokens, uses) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let (given, taken) = (Arc::clone(&tokens), Arc::clone(&inbox));
    let oracle = Oracle::start(move |request| match request.path.as_str() {
        "/token" => {
            uses.store(0, Ordering::SeqCst);
            let token = format!("t{}", given.fetch_add(1, Ordering::SeqCst) + 1);
            Answer::json(&json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 }))
        }
        "/in" => {
            let now = format!("Bearer t{}", given.load(Ordering::SeqCst));
            // A token is good for two requests.
            if request.header("authorization") != Some(&now) || uses.fetch_add(1, Ordering::SeqCst) >= 2 {
                return Answer::status(401);
            }
            let key = request.header("idempotency-key").expect("a key").to_owned();
            taken.taken.lock().expect("no script panics").push((key, request.body.clone()));
            Answer::status(200)
        }
        _ => item(request),
    });
    let auth = "auth.oauth2 = { token-url = \"ORACLE/token\", client-id = \"me\", client-secret = \"{{ secrets.client }}\" }\n\
                [secrets]\nclient.env = \"CLIENT\"\n";
    let job = job(&oracle, 95, &auth.replace("ORACLE", &oracle.url())).variable("CLIENT", "hunter2");
    let done = job.run(&[]).expect_code(0);
    assert_eq!((inbox.ids(), inbox.taken().len()), ((1..=95).collect(), inbox.bodies().len()));
    let tokens = tokens.load(Ordering::SeqCst);
    assert_eq!(tokens, inbox.taken().len().div_ceil(2), "each to its last use");
    assert!(tokens >= 5 && !done.stderr.contains("hunter2") && !done.stderr.contains("its records wait"));
}

#[test]
fn a_limit_that_it_shares_with_an_endpoint_holds_for_both_together() {
    let inbox = Arc::<Inbox>::default();
    let oracle = server(&inbox, |_, _| Fate::Taken);
    let job = job(&oracle, 60, "limit = \"all\"\n[limits.all]\nrate = \"60/s\"\nburst = 3\n");
    job.change("job.toml", "order = \"input\"", "order = \"input\"\nlimit = \"all\"");
    job.run(&[]).expect_code(0);
    assert_eq!(inbox.ids(), (1..=60).collect::<Vec<_>>());
    assert!(inbox.posts() >= 6);
    assert_eq!(oracle.window_violation(60.0, 3.0, 3.0), None);
}

#[test]
fn records_of_rows_that_are_sent_again_come_behind_those_they_had() {
    let inbox = Arc::<Inbox>::default();
    let taken = Arc::clone(&inbox);
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let oracle = Oracle::start(move |request| match request.path.as_str() {
        "/in" => {
            let key = request.header("idempotency-key").expect("a key").to_owned();
            taken.taken.lock().expect("no script panics").push((key, request.body.clone()));
            Answer::status(200)
        }
        "/items/5" if !is_mended.load(Ordering::SeqCst) => Answer::status(404),
        _ => item(request),
    });
    let job = job(&oracle, 9, "");
    job.change("job.toml", "keep = []", "keep = [\"value\"]");
    let all = ["--set", "sinks.out.rows=\"all\""];
    job.run(&all).expect_code(1);
    mended.store(true, Ordering::SeqCst);
    job.run(&["--failed", all[0], all[1]]).expect_code(0);
    let records: Vec<Value> =
        inbox.bodies().iter().flat_map(|body| serde_json::from_slice::<Vec<Value>>(body).expect("an array")).collect();
    let of_five: Vec<&Value> = records.iter().filter(|record| record["value"] == 5).collect();
    assert_eq!(of_five, [&json!({ "value": 5, "id": null }), &json!({ "value": 5, "id": 5 })]);
    assert_eq!(records.len(), 10);
}

#[test]
fn another_receiver_is_noticed_and_another_pace_is_not() {
    let inbox = Arc::<Inbox>::default();
    let oracle = server(&inbox, |_, _| Fate::Taken);
    let job = job(&oracle, 40, "");
    job.run(&["--limit", "20"]).expect_code(0);
    job.change("job.toml", "batch = 10", "batch = 4\nretry = { attempts = 2 }");
    job.run(&["--limit", "30"]).expect_code(0);
    job.change("job.toml", "/in\"", "/in?other\"");
    let refused = job.run(&[]).expect_code(3);
    assert!(refused.stderr.contains("sinks.out.target"), "{}", refused.stderr);
    job.run(&["--accept-changes"]).expect_code(0);
    assert_eq!(inbox.ids(), (1..=40).collect::<Vec<_>>());
    assert_eq!(posts(&oracle).iter().filter(|post| post.query == "other").map(|post| span(post).0).min(), Some(31));
}
