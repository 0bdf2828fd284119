//! Who is told of the end of a run: of which endings, with what, and that nothing of it changes the run or shows a secret.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::{Answer, Done, Job, Oracle, wait};

/// Where hooks are: the path is a secret.
const PATH: &str = "/hook/kanarie-77/8a9b";

const JOB: &str = r#"
secrets.hook.env = "HOOK"

[retry]
attempts = 1

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = 5 }
keep = []
columns.id = "$.id"

[sinks.out]
path = "out.csv"

"#;

const EVERY: &str = "[[notify]]\non = [\"success\", \"failure\", \"stop\"]\nwebhook = \"{{ secrets.hook }}\"\n";

/// Items, and a hook that answers its posts, counted from 0, with `hook`.
fn server(hook: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Oracle {
    let posts = AtomicUsize::new(0);
    Oracle::start(move |request| match request.path.as_str() {
        PATH => hook(posts.fetch_add(1, Ordering::SeqCst)),
        _ => item(request),
    })
}

fn taken() -> Oracle {
    server(|_| Answer::status(204))
}

fn job(oracle: &Oracle, notify: &str) -> Job {
    Job::at(&oracle.url(), &format!("{JOB}{notify}")).variable("HOOK", &format!("{}{PATH}", oracle.url()))
}

fn posts(oracle: &Oracle) -> Vec<Arc<SeenRequest>> {
    oracle.requests().into_iter().filter(|request| request.path == PATH).collect()
}

/// The only post, as JSON.
fn told(oracle: &Oracle) -> Value {
    let posts = posts(oracle);
    assert_eq!(posts.len(), 1, "{posts:?}");
    serde_json::from_slice(&posts[0].body).expect("JSON")
}

/// Neither the output, nor what was printed, nor the state shows the path of the hook.
fn shows_nothing(job: &Job, done: &Done) {
    let mut found = format!("{}{}", done.stdout, done.stderr);
    for file in std::fs::read_dir(job.state()).expect("a state folder").map(|entry| entry.expect("an entry").path()) {
        found += &String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default());
    }
    assert!(!found.contains("kanarie"), "{found}");
}

#[test]
fn a_success_is_told_with_all_that_is_known() {
    let oracle = taken();
    let job = job(&oracle, EVERY);
    let done = job.run(&[]).expect_code(0);
    let post = &posts(&oracle)[0];
    assert_eq!((post.method.as_str(), post.header("content-type")), ("POST", Some("application/json")));
    assert_eq!(post.header("idempotency-key").map(str::len), Some(38));
    let told = told(&oracle);
    for (name, value) in [
        ("name", json!("job")),
        ("ending", json!("success")),
        ("exit", json!(0)),
        ("reason", json!("")),
        ("next", json!("")),
        ("rows", json!(5)),
        ("ok", json!(5)),
        ("failed", json!(0)),
        ("skipped", json!(0)),
        ("unknown", json!(0)),
        ("attempts", json!(5)),
        ("retries", json!(0)),
    ] {
        assert_eq!(told[name], value, "{name} of {told}");
    }
    let is_text = |name: &str| told[name].as_str().is_some_and(|text| !text.is_empty());
    assert!(is_text("id") && is_text("started") && is_text("duration") && told["seconds"].is_f64(), "{told}");
    assert_eq!(told.as_object().map(serde_json::Map::len), Some(16));
    assert!(!done.stderr.contains("warning"), "{}", done.stderr);
    shows_nothing(&job, &done);
}

#[test]
fn a_success_is_no_news_unless_the_job_says_so() {
    let oracle = taken();
    job(&oracle, "[[notify]]\nwebhook = \"{{ secrets.hook }}\"\n").run(&[]).expect_code(0);
    assert!(posts(&oracle).is_empty());
}

#[test]
fn a_failure_is_told_in_the_words_of_the_job() {
    let oracle = Oracle::start(|request| match request.path.as_str() {
        "/items/3" => Answer::text(404, "no such item"),
        PATH => Answer::status(200),
        _ => item(request),
    });
    let notify = r#"
[[notify]]
webhook = "{{ secrets.hook }}"
method = "PUT"
headers = { x-ending = "{{ run.ending }}" }
json = { text = "{{ run.name }}: {{ run.ok }} ok, {{ run.failed }} failed", code = "{{ run.exit }}", why = "{{ run.reason }}{% if run.next %}; {{ run.next }}{% endif %}" }
"#;
    job(&oracle, notify).run(&[]).expect_code(1);
    let words = json!({
        "text": "job: 4 ok, 1 failed",
        "code": 1,
        "why": format!("failed > 0 held; {} run job.toml --failed", env!("CARGO_BIN_EXE_paceline")),
    });
    assert_eq!(told(&oracle), words);
    let post = &posts(&oracle)[0];
    assert_eq!((post.method.as_str(), post.header("x-ending")), ("PUT", Some("failure")));
}

#[test]
fn a_run_that_stops_by_itself_is_told_as_a_stop() {
    let oracle = Oracle::start(|request| if request.path == PATH { Answer::status(200) } else { Answer::status(404) });
    let stop = "[run]\nstop-if = [\"failed >= 2\"]\n[[notify]]\nwebhook = \"{{ secrets.hook }}\"\n";
    job(&oracle, &format!("{stop}form = {{ ending = \"{{{{ run.ending }}}}\", exit = \"{{{{ run.exit }}}}\" }}\n"))
        .run(&["--set", "endpoints.item.concurrency=1"])
        .expect_code(4);
    let posts = posts(&oracle);
    assert_eq!((posts.len(), posts[0].body.as_slice()), (1, b"ending=stop&exit=4".as_slice()));
}

#[test]
fn an_input_that_breaks_and_a_run_that_cannot_start_are_failures() {
    let oracle = taken();
    let broken = JOB.replace("input.range = { from = 1, to = 5 }", "input = \"rows.json\"");
    let begun = Job::at(&oracle.url(), &format!("{broken}{EVERY}"))
        .variable("HOOK", &format!("{}{PATH}", oracle.url()))
        .with("rows.json", "[{\"value\": 1},\n {\"value\": 2 \"x\": 3}]");
    begun.run(&[]).expect_code(3);
    let words = told(&oracle);
    assert_eq!((&words["ending"], &words["exit"]), (&json!("failure"), &json!(3)), "{words}");
    assert!(words["reason"].as_str().is_some_and(|reason| reason.contains("is not valid JSON")), "{words}");

    let oracle = taken();
    let done = job(&oracle, EVERY).with("out.csv", "mine\n").run(&[]).expect_code(3);
    let words = told(&oracle);
    assert_eq!((&words["ending"], &words["exit"], &words["rows"]), (&json!("failure"), &json!(3), &json!(0)));
    let reason = words["reason"].as_str().expect("text");
    assert!(reason.starts_with("it could not start: ") && reason.contains("out.csv"), "{reason}");
    assert!(!done.stderr.contains("not told"), "{}", done.stderr);
}

#[test]
fn a_run_that_cannot_start_says_whom_that_did_not_reach() {
    let oracle = server(|_| Answer::text(410, "gone"));
    let done = job(&oracle, EVERY).with("out.csv", "mine\n").run(&[]).expect_code(3);
    let words = format!("notify[0]: not told of the failure: {}: it answered 410 Gone: gone", oracle.url());
    assert!(done.stderr.contains(&words), "{}", done.stderr);
    assert!(done.stderr.contains("out.csv"), "{}", done.stderr);
}

#[test]
fn without_its_secret_nothing_is_sent() {
    let oracle = taken();
    Job::at(&oracle.url(), &format!("{JOB}{EVERY}")).run(&[]).expect_code(2);
    assert_eq!(oracle.count(), 0);
}

#[test]
fn an_interrupted_run_is_told_as_a_stop() {
    let held = Arc::new(AtomicUsize::new(0));
    let (seen, hold) = (Arc::clone(&held), Duration::from_millis(300));
    let oracle = Oracle::start(move |request| {
        if request.path == PATH {
            return Answer::status(200);
        }
        seen.fetch_add(1, Ordering::SeqCst);
        item(request).after(hold)
    });
    let job = job(&oracle, EVERY);
    let running = job.spawn(&["--set", "endpoints.item.concurrency=1"]);
    let is_out = || (held.load(Ordering::SeqCst) > 0).then_some(());
    crate::support::wait::until("a first request", Duration::from_secs(60), is_out);
    running.signal("INT");
    running.wait().expect_code(130);
    let words = told(&oracle);
    assert_eq!((&words["ending"], &words["exit"]), (&json!("stop"), &json!(130)), "{words}");
    assert_eq!(words["reason"], "interrupted by SIGINT");
    assert!(words["next"].as_str().is_some_and(|next| next.contains(" run job.toml")), "{words}");
}

#[test]
fn what_may_pass_is_tried_again_with_the_same_key_and_body() {
    let oracle = server(|post| match post {
        0 => Answer::text(503, "not now"),
        1 => Answer::text(200, "so it was").reset_after(3),
        _ => Answer::status(202),
    });
    let retry = format!("{EVERY}retry = {{ initial = \"1ms\", max = \"5ms\" }}\n");
    let done = job(&oracle, &retry).run(&[]).expect_code(0);
    let posts = posts(&oracle);
    assert_eq!(posts.len(), 3);
    for post in &posts {
        assert_eq!((&post.body, post.header("idempotency-key")), (&posts[0].body, posts[0].header("idempotency-key")));
    }
    assert!(!done.stderr.contains("not told"), "{}", done.stderr);
}

#[test]
fn what_is_refused_is_a_warning_without_its_secret_and_changes_no_exit() {
    let oracle = server(|_| Answer::text(404, format!("no hook at {PATH}")));
    let job = job(&oracle, EVERY);
    let done = job.run(&[]).expect_code(0);
    assert_eq!(posts(&oracle).len(), 1, "a 404 is not tried again");
    let words =
        format!("notify[0]: not told of the success: {}: it answered 404 Not Found: no hook at ***", oracle.url());
    assert!(done.stderr.contains(&words), "{}", done.stderr);
    shows_nothing(&job, &done);
    let done = job.run(&["--fresh", "--output", "json", "--set", "sinks.out.on-existing='replace'"]).expect_code(0);
    let summary: Value = serde_json::from_str(&done.stderr).expect("JSON");
    assert_eq!(summary["warnings"], json!([words]));
    shows_nothing(&job, &done);
}

#[test]
fn attempts_that_all_fail_are_counted() {
    let oracle = server(|_| Answer::status(500));
    let more = format!("{EVERY}retry = {{ attempts = 4, initial = \"1ms\", max = \"1ms\" }}\n");
    let done = job(&oracle, &more).run(&[]).expect_code(0);
    assert_eq!(posts(&oracle).len(), 4);
    assert!(done.stderr.contains("it answered 500 Internal Server Error (4 attempts)"), "{}", done.stderr);
}

#[test]
fn a_wait_beyond_all_patience_is_not_waited_for() {
    let oracle = server(|_| Answer::status(429).header("retry-after", "3600"));
    let done = job(&oracle, EVERY).run(&[]).expect_code(0);
    assert_eq!(posts(&oracle).len(), 1);
    assert!(done.stderr.contains("it answered 429 Too Many Requests"), "{}", done.stderr);
}

#[test]
fn a_silent_receiver_is_given_up_and_the_others_are_told() {
    let (oracle, silent) = (taken(), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = silent.local_addr().expect("an address");
    let more = format!(
        "[[notify]]\non = \"success\"\nwebhook = \"http://{address}/x\"\ntimeout.total = \"200ms\"\nretry.attempts = 1\n{EVERY}"
    );
    let done = job(&oracle, &more).run(&[]).expect_code(0);
    assert!(
        done.stderr.contains(&format!("notify[0]: not told of the success: http://{address}: ")),
        "{}",
        done.stderr
    );
    assert_eq!(told(&oracle)["ok"], 5);
}

#[test]
fn a_signal_ends_the_wait_for_a_receiver_that_hangs() {
    let (oracle, silent) = (taken(), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = silent.local_addr().expect("an address");
    let more = format!("[[notify]]\non = \"success\"\nwebhook = \"http://{address}/x\"\n");
    let job = Job::at(&oracle.url(), &format!("{JOB}{more}")).variable("HOOK", "https://unused.example");
    let running = job.spawn(&[]);
    // Its first bytes have come: the run has ended, and waits for the answer.
    let (mut stream, _) = silent.accept().expect("a connection");
    stream.read_exact(&mut [0; 4]).expect("a request");
    running.signal("INT");
    let done = running.wait().expect_code(0);
    let words = format!("notify[0]: not told of the success: http://{address}: interrupted before there was an answer");
    assert!(done.stderr.contains(&words), "{}", done.stderr);
}

#[test]
fn a_secret_that_is_no_url_is_a_warning_that_does_not_show_it() {
    let oracle = taken();
    let job = Job::at(&oracle.url(), &format!("{JOB}{EVERY}")).variable("HOOK", "kanarie-77/8a9b");
    let done = job.run(&[]).expect_code(0);
    assert!(done.stderr.contains("notify[0]: not told of the success: the URL can't be built"), "{}", done.stderr);
    assert!(done.stderr.contains("must begin with http:// or https://"), "{}", done.stderr);
    shows_nothing(&job, &done);
}

#[test]
fn a_plan_says_who_would_be_told_and_tells_nobody() {
    let oracle = taken();
    let job = job(&oracle, &format!("{EVERY}[[notify]]\nwebhook = \"https://hooks.example.com/a\"\n"));
    for words in [&["plan", "job.toml"][..], &["run", "job.toml", "--dry-run"]] {
        let done = job.command(words).expect_code(0);
        assert!(
            done.stdout.contains("notify    on success and failure and stop: POST {{ secrets.hook }}"),
            "{}",
            done.stdout
        );
        assert!(
            done.stdout.contains("notify    on failure and stop: POST https://hooks.example.com/a"),
            "{}",
            done.stdout
        );
        let touched = done.stdout.split("touches").nth(1).expect("what it touches");
        assert!(touched.contains("https://hooks.example.com:443") && touched.contains("hook from"), "{touched}");
    }
    let done = job.command(&["plan", "job.toml", "--output", "json"]).expect_code(0);
    let facts: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(facts["notify"][1]["on"], json!(["failure", "stop"]));
    assert_eq!(oracle.count(), 0);
}

#[test]
fn an_online_check_connects_and_tells_nobody() {
    let (oracle, receiver) = (taken(), Oracle::start(item));
    let job = Job::at(&oracle.url(), &format!("{JOB}{EVERY}")).variable("HOOK", &format!("{}{PATH}", receiver.url()));
    let done = job.command(&["check", "job.toml", "--online"]).expect_code(0);
    assert!(done.stdout.contains(&format!("  host     {}: ok in ", receiver.url())), "{}", done.stdout);
    assert_eq!(receiver.count(), 0);
    let done = job.command(&["check", "job.toml", "--online", "--no-secrets"]).expect_code(0);
    assert!(done.stdout.contains("  notify   notify[0]: not tried: it needs a secret"), "{}", done.stdout);
    let job = Job::at(&oracle.url(), &format!("{JOB}{EVERY}")).variable("HOOK", "kanarie-77");
    let done = job.command(&["check", "job.toml", "--online"]).expect_code(3);
    assert!(done.stdout.contains("notify   notify[0]: failed: nobody can be told: "), "{}", done.stdout);
    assert!(done.stderr.contains("error[P0701]") && !done.stderr.contains("kanarie"), "{}", done.stderr);
}

#[test]
fn each_session_tells_once_and_a_notification_may_change_in_between() {
    let oracle = taken();
    let job = job(&oracle, EVERY);
    job.run(&["--limit", "2"]).expect_code(0);
    job.change("job.toml", "[[notify]]", "[[notify]]\nheaders.x-more = \"1\"");
    job.run(&[]).expect_code(0);
    let oks = posts(&oracle);
    let ok = |post: &Arc<SeenRequest>| serde_json::from_slice::<Value>(&post.body).expect("JSON")["ok"].clone();
    assert_eq!(oks.iter().map(ok).collect::<Vec<_>>(), [json!(2), json!(5)]);
    assert_ne!(
        oks[0].header("idempotency-key"),
        oks[1].header("idempotency-key"),
        "another telling is another request"
    );
    assert_eq!(oks[1].header("x-more"), Some("1"));
}

#[test]
fn a_hook_that_does_not_answer_is_said_to_be_waited_for() {
    let oracle = server(|_| Answer::Stall);
    let job = job(&oracle, EVERY);
    let run = job.spawn(&[]);
    wait::until("a word", Duration::from_secs(60), || {
        run.stderr().lines().any(|line| line == "telling 1 webhook that the run has ended").then_some(())
    });
    run.signal("INT");
    let done = run.wait().expect_code(0);
    assert_eq!(done.stderr.matches("telling 1 webhook").count(), 1, "{}", done.stderr);
    shows_nothing(&job, &done);
}
