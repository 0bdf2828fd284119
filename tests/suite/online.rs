//! `check --online`: what servers say, at the key that it is about; and nothing that a check must not do is done.

mod judged;
mod together;

use serde_json::{Value, json};

use crate::support::oracle::Refusing;
use crate::support::oracle::script::item;
use crate::support::tls::{Authority, Front};
use crate::support::{Answer, Done, Job, Oracle};

const JOB: &str = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 7, to = 9 }
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;

/// What `check --online` with these flags says of a job.
fn check(job: &Job, flags: &[&str]) -> Done {
    job.command(&[&["check", "job.toml", "--online"], flags].concat())
}

/// The place that an error or a warning points at: what stands in the line above the carets.
fn points_at(done: &Done, code: &str, line: &str) {
    let (_, told) = done.stderr.split_once(code).unwrap_or_else(|| panic!("no {code}:\n{}", done.stderr));
    let shown = told.split("\n\n").next().unwrap_or_default();
    assert!(shown.contains(line), "{code} does not point at {line:?}:\n{}", done.stderr);
}

/// Nothing was written but what the test wrote.
fn leaves_nothing(job: &Job) {
    let names = std::fs::read_dir(job.folder()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let names: Vec<_> = names.filter(|name| name != "job.toml" && name != "ca.pem").collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn one_row_is_asked_for_and_its_record_shown_and_nothing_is_left() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), JOB);
    let done = check(&job, &[]).expect_code(0);
    let url = oracle.url();
    for words in [
        format!("  host     {url}: ok in "),
        format!("  request  item, GET {url}/items/7: 200 OK in "),
        ", 1 record\n".to_owned(),
        r#"{"value":7,"got":7}"#.to_owned(),
    ] {
        assert!(done.stdout.contains(&words), "{words} is missing:\n{}", done.stdout);
    }
    assert_eq!((oracle.count(), done.stderr.as_str()), (1, ""), "{}", done.stdout);
    leaves_nothing(&job);
}

#[test]
fn without_the_flag_nobody_is_asked() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), JOB);
    for flags in [&[][..], &["--online=off"]] {
        let done = job.command(&[&["check", "job.toml"], flags].concat()).expect_code(0);
        assert_eq!(done.stdout.lines().count(), 1, "{}", done.stdout);
    }
    assert_eq!(oracle.connections().accepted, 0);
}

#[test]
fn programs_get_everything_that_was_tried() {
    let oracle = Oracle::start(item);
    let done = check(&Job::at(&oracle.url(), JOB), &["--output", "json"]).expect_code(0);
    let told: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((&told["ok"], &told["rows"]), (&json!(true), &json!(3)));
    let [host, request] = told["online"].as_array().expect("a list").as_slice() else { panic!("{told}") };
    assert_eq!((&host["kind"], &host["ok"], &host["tls"]), (&json!("host"), &json!(true), &Value::Null));
    assert_eq!((&request["key"], &request["status"]), (&json!("endpoints.item"), &json!("200 OK")));
    assert_eq!(request["record"], json!({ "value": 7, "got": 7 }));
}

#[test]
fn a_column_that_finds_nothing_is_told_at_its_key() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), JOB);
    job.change("job.toml", "$.id", "$.ident");
    let done = check(&job, &[]).expect_code(0);
    points_at(&done, "warning[P0307]", "columns.got = \"$.ident\"");
    assert!(done.stderr.contains("the reply has no `ident`"), "{}", done.stderr);
}

#[test]
fn a_reply_that_would_fail_its_row_ends_the_check_with_3_and_is_not_asked_for_again() {
    let oracle = Oracle::start(|_| Answer::status(404));
    let done = check(&Job::at(&oracle.url(), JOB), &[]).expect_code(3);
    points_at(&done, "error[P0704]", "[endpoints.item]");
    assert!(done.stderr.contains("answered with 404 Not Found: a row with such a reply fails"), "{}", done.stderr);
    assert_eq!((oracle.count(), done.stdout.contains("ok: job.toml")), (1, false), "{}", done.stdout);
}

#[test]
fn a_rule_that_fails_the_row_is_where_the_error_points() {
    let oracle = Oracle::start(item);
    let rule = "rules = [{ when = \"json.id > 5\", then = \"fail\" }]\ncolumns.got";
    let job = Job::at(&oracle.url(), &JOB.replace("columns.got", rule));
    let done = check(&job, &[]).expect_code(3);
    points_at(&done, "error[P0704]", "rules = [");
    assert!(done.stderr.contains("this rule says `fail` of it"), "{}", done.stderr);
    job.change("job.toml", "then = \"fail\"", "then = \"skip\"");
    check(&job, &[]).expect_code(0);
}

#[test]
fn a_port_where_nobody_listens_and_a_name_that_is_none_are_told_at_the_url() {
    let port = Refusing::new();
    for (server, words) in
        [(port.url(), "refused"), ("http://paceline-test.invalid".to_owned(), "paceline-test.invalid")]
    {
        let job = Job::at(&server, JOB);
        let done = check(&job, &[]).expect_code(3);
        points_at(&done, "error[P0701]", &format!("url = \"{server}/items/"));
        assert!(done.stderr.contains(words), "{}", done.stderr);
        assert!(done.stdout.contains("not tried: its server can't be reached"), "{}", done.stdout);
        leaves_nothing(&job);
    }
}

#[test]
fn each_server_is_connected_to_once() {
    let port = Refusing::new();
    let second = JOB[..JOB.find("[sinks").expect("a sink")].replace("endpoints.item", "endpoints.other");
    let done = check(&Job::at(&port.url(), &format!("{second}{JOB}")), &[]).expect_code(3);
    assert_eq!(done.stderr.matches("error[").count(), 1, "{}", done.stderr);
    assert_eq!(done.stdout.matches("not tried: its server can't be reached").count(), 2, "{}", done.stdout);
}

/// A job that goes over TLS to a server whose certificate ends then.
fn over_tls(oracle: &Oracle, ends: [i32; 3], ca: &str) -> (Front, Job) {
    let authority = Authority::new();
    let month = |number: i32| u8::try_from(number).expect("small");
    let certified = authority.certify_with("localhost", |params| {
        params.not_after = rcgen::date_time_ymd(ends[0], month(ends[1]), month(ends[2]));
    });
    let front = Front::start(oracle, &certified);
    let settings = format!(
        "[client]\n{ca}\nresolve = {{ localhost = \"127.0.0.1:{}\" }}\n{}",
        front.port(),
        JOB.replace("ORACLE", &format!("https://localhost:{}", front.port()))
    );
    (front, Job::new(&settings).with("ca.pem", authority.pem()))
}

const CA: &str = "tls.ca = \"ca.pem\"";

#[test]
fn tls_is_told_with_its_version_and_the_end_of_the_certificate() {
    let oracle = Oracle::start(item);
    let (_front, job) = over_tls(&oracle, [2345, 6, 7], CA);
    let done = check(&job, &[]).expect_code(0);
    assert!(done.stdout.contains("(TLS 1.3, certificate until 2345-06-07)"), "{}", done.stdout);
    assert_eq!((oracle.count(), done.stderr.as_str()), (1, ""));
}

#[test]
fn a_certificate_that_ends_soon_is_warned_of() {
    let oracle = Oracle::start(item);
    let now = jiff::Timestamp::try_from(paceline::clock::wall()).expect("a date");
    let soon = now + jiff::SignedDuration::from_hours(5 * 24);
    let [year, month, day] = ["%Y", "%m", "%d"].map(|part| soon.strftime(part).to_string().parse().expect("a number"));
    let (_front, job) = over_tls(&oracle, [year, month, day], CA);
    let done = check(&job, &[]).expect_code(0);
    points_at(&done, "warning[P0703]", "url = \"https://localhost:");
    assert!(done.stderr.contains(" ends in 4 days, on "), "{}", done.stderr);
}

#[test]
fn a_certificate_that_is_not_believed_is_an_error_and_nothing_is_sent() {
    let oracle = Oracle::start(item);
    let (_front, job) = over_tls(&oracle, [2345, 6, 7], "");
    let done = check(&job, &[]).expect_code(3);
    points_at(&done, "error[P0701]", "url = \"https://localhost:");
    assert!(done.stderr.contains("unknown issuer"), "{}", done.stderr);
    assert_eq!(oracle.count(), 0);
}

#[test]
fn what_may_change_something_is_sent_only_when_asked_for() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), &JOB.replace("columns.got", "method = \"POST\"\ncolumns.got"));
    let done = check(&job, &[]).expect_code(0);
    assert!(done.stdout.contains("not tried: POST may change something: --online=send sends it"), "{}", done.stdout);
    assert_eq!(oracle.count(), 0);
    let done = job.command(&["check", "job.toml", "--online=send"]).expect_code(0);
    assert!(done.stdout.contains("/items/7: 200 OK"), "{}", done.stdout);
    assert_eq!((oracle.count(), oracle.requests()[0].method.as_str()), (1, "POST"));
}

const SECRET: &str = "hunter2-do-not-print";

/// A job whose requests carry a token.
fn with_token(oracle: &Oracle, method: &str) -> Job {
    let auth = "[endpoints.item.auth.oauth2]\ntoken-url = \"ORACLE/token\"\nclient-id = \"me\"\nclient-secret = \"{{ secrets.client }}\"\n";
    let text = JOB.replace("columns.got", &format!("method = \"{method}\"\ncolumns.got"));
    let text = text.replace("[sinks", &format!("{auth}\n[sinks"));
    Job::at(&oracle.url(), &format!("secrets.client.env = \"CLIENT\"\n{text}"))
}

#[test]
fn a_token_is_fetched_also_where_no_request_is_sent() {
    let oracle = Oracle::start(|request| match request.path.as_str() {
        "/token" => Answer::json(&json!({ "access_token": "given-token", "token_type": "bearer" })),
        // It says the token back.
        _ if request.header("authorization") == Some("Bearer given-token") => {
            Answer::json(&json!({ "id": "given-token", "given-token": 1 }))
        }
        _ => Answer::status(401),
    });
    let done = check(&with_token(&oracle, "GET").variable("CLIENT", SECRET), &[]).expect_code(0);
    assert!(done.stdout.contains("/items/7: 200 OK") && done.stdout.contains("\"got\":\"***\""), "{}", done.stdout);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("given-token"), "{}{}", done.stdout, done.stderr);
    let done = check(&with_token(&oracle, "POST").variable("CLIENT", SECRET), &[]).expect_code(0);
    assert!(done.stdout.contains("  token    item: ok in "), "{}", done.stdout);
    let count = oracle.count_by_path();
    assert_eq!((count["/token"], count["/items/7"]), (2, 1), "{count:?}");
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(!said.contains("given-token") && !said.contains(SECRET), "{said}");
}

#[test]
fn a_server_of_tokens_that_is_silent_is_told_at_auth() {
    let oracle = Oracle::start(|request| match request.path.as_str() {
        "/token" => Answer::Stall,
        _ => item(request),
    });
    let job = with_token(&oracle, "GET").variable("CLIENT", SECRET);
    job.change("job.toml", "secrets.client.env", "timeout.read = \"300ms\"\nsecrets.client.env");
    let done = check(&job, &[]).expect_code(3);
    points_at(&done, "error[P0702]", "[endpoints.item.auth.oauth2]");
    assert!(done.stdout.contains("  token    item: failed: "), "{}", done.stdout);
}

#[test]
fn a_refused_client_is_told_at_auth_once_and_without_its_secret() {
    let oracle = Oracle::start(|_| {
        Answer::text(401, json!({ "error": "invalid_client", "error_description": SECRET }).to_string())
    });
    for method in ["GET", "POST"] {
        let before = oracle.count();
        let done = check(&with_token(&oracle, method).variable("CLIENT", SECRET), &[]).expect_code(3);
        points_at(&done, "error[P0702]", "[endpoints.item.auth.oauth2]");
        assert!(done.stderr.contains("invalid_client"), "{}", done.stderr);
        assert!(!done.stderr.contains(SECRET) && !done.stdout.contains(SECRET), "{}{}", done.stdout, done.stderr);
        assert_eq!(oracle.count() - before, 1, "{method}: a refusal is not asked about again");
    }
}

#[test]
fn without_secrets_what_needs_them_is_left_out_with_a_word() {
    let oracle = Oracle::start(item);
    let job = with_token(&oracle, "GET");
    let done = check(&job, &[]).expect_code(2);
    points_at(&done, "error[P0601]", "CLIENT");
    let done = check(&job, &["--no-secrets"]).expect_code(0);
    assert!(done.stdout.contains("item, GET: not tried: it needs a secret"), "{}", done.stdout);
    assert_eq!(oracle.connections().accepted, 0);
    check(&Job::at(&oracle.url(), JOB), &["--no-secrets"]).expect_code(0);
    assert_eq!(oracle.count(), 1, "what needs none is asked");
}

#[test]
fn whoever_reads_records_is_asked_with_the_first_that_its_where_takes() {
    let oracle = Oracle::start(|request| match request.path.as_str() {
        "/lists/7" => Answer::json(&json!({ "items": [{ "id": 1 }, { "id": 2 }, { "id": 3 }] })),
        _ => item(request),
    });
    let text = r#"
[endpoints.detail]
url = "ORACLE/items/{{ row.id }}"
input = { endpoint = "list", where = "row.id > 1" }
columns.name = "$.name"

[endpoints.list]
url = "ORACLE/lists/{{ row.value }}"
input.range = { from = 7, to = 9 }
rows = "$.items[*]"
columns.id = "$.id"

[sinks.out]
path = "out.csv"
"#;
    let done = check(&Job::at(&oracle.url(), text), &[]).expect_code(0);
    let paths: Vec<String> = oracle.requests().iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths, ["/lists/7", "/items/2"], "{}", done.stdout);
    assert!(done.stdout.contains(", 3 records"), "{}", done.stdout);
}

#[test]
fn a_receiver_is_connected_to_and_sent_nothing() {
    let (oracle, receiver) = (Oracle::start(item), Oracle::start(item));
    let text = JOB.replace("path = \"out.csv\"", "webhook.url = \"RECEIVER/in\"");
    let done = check(&Job::at(&oracle.url(), &text.replace("RECEIVER", &receiver.url())), &[]).expect_code(0);
    assert!(done.stdout.contains(&format!("  host     {}: ok in ", receiver.url())), "{}", done.stdout);
    assert_eq!(receiver.count(), 0);
    let gone = Refusing::new();
    let done = check(&Job::at(&oracle.url(), &text.replace("RECEIVER", &gone.url())), &[]).expect_code(3);
    points_at(&done, "error[P0701]", "webhook.url = ");
}

#[cfg(feature = "s3")]
#[test]
fn a_bucket_is_listed_and_nothing_is_put_there() {
    use crate::support::bucket::{Bucket, Fate};

    let oracle = Oracle::start(item);
    let sink = r#"s3 = { url = "s3://shop/day.jsonl", endpoint = "ENDPOINT", access-key = "{{ secrets.access }}", secret-key = "{{ secrets.key }}" }"#;
    let text = JOB.replace("path = \"out.csv\"", sink);
    let secrets = "secrets.access.env = \"ACCESS\"\nsecrets.key.env = \"KEY\"\n";
    for (fate, code) in [(Fate::Done, 0), (Fate::Refused(403, "AccessDenied"), 3)] {
        let bucket = Bucket::start(move |_, _| fate);
        let job = Job::at(&oracle.url(), &format!("{secrets}{}", text.replace("ENDPOINT", &bucket.url())));
        let job = job.variable("ACCESS", "me").variable("KEY", SECRET);
        let done = check(&job, &[]).expect_code(code);
        let requests = bucket.server().requests();
        assert!(requests.iter().all(|request| request.method == "GET"), "{}", done.stdout);
        assert_eq!((bucket.seen("list"), bucket.objects().len(), bucket.unfinished()), (1, 0, 0));
        if code == 3 {
            points_at(&done, "error[P0701]", "s3 = {");
        }
        check(&job, &["--no-secrets"]).expect_code(0);
        assert_eq!(bucket.server().requests().len(), requests.len());
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_database_lets_the_job_in_or_says_why_not() {
    use crate::support::peers::{PASSWORD, postgres, query};

    let Some(server) = postgres() else {
        eprintln!("skipped: no PostgreSQL server");
        return;
    };
    let oracle = Oracle::start(item);
    let sink = format!(
        "postgres = {{ url = \"postgres://tester@{}/tester\", password = \"{{{{ secrets.key }}}}\", table = \"items\" }}",
        server.address()
    );
    let text = format!("secrets.key.env = \"KEY\"\n{}", JOB.replace("path = \"out.csv\"", &sink));
    let job = || Job::at(&oracle.url(), &text);
    let done = check(&job().variable("KEY", PASSWORD), &[]).expect_code(0);
    assert!(done.stdout.contains("  sink     out, "), "{}", done.stdout);
    let tables = query(&server, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(tables, ["0"], "nothing was made");
    let done = check(&job().variable("KEY", "wrong-password"), &[]).expect_code(3);
    points_at(&done, "error[P0701]", "postgres = {");
    assert!(!done.stderr.contains("wrong-password"), "{}", done.stderr);
}

#[test]
fn a_wrong_job_file_is_not_asked_about() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), JOB);
    job.change("job.toml", "columns.got", "colums.got");
    check(&job, &[]).expect_code(2);
    assert_eq!(oracle.connections().accepted, 0);
}
