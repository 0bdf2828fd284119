//! Hosts that are not there, names that nobody knows, handshakes that stall, proxies and tokens that refuse.

use std::time::Duration;

use super::{Fault, JOB, meet, told};
use crate::support::oracle::script::item;
use crate::support::oracle::{Piece, Refusing};
use crate::support::output::csv;
use crate::support::{Answer, Job, Oracle, wait};

/// Rows choose their host, so that bad ones stand among good ones.
const CHOSEN: &str = r#"
retry = { attempts = 2, initial = "1ms" }
client.connections.total = 1
timeout.connect = "700ms"

[endpoints.item]
url = "{{ row.base }}/items/{{ row.id }}"
METHOD
concurrency = 1
input = "rows.csv"
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;

/// Rows 2 and 3 of four go to `base`: they fail with these words after so many attempts, the others are fine.
fn beside(base: &str, method: &str, words: &str, attempts: &[&str]) {
    let oracle = Oracle::start(item);
    let good = oracle.url();
    let rows = format!("id,base\n1,{good}\n2,{base}\n3,{base}\n4,{good}\n");
    let job = Job::new(&CHOSEN.replace("METHOD", method)).with("rows.csv", rows);
    let done = job.run(&[]).expect_code(1);
    assert!(done.stderr.contains("2 ok · 2 failed"), "{base}: {}", done.stderr);
    for record in csv(&job.path("out.csv")) {
        let bad = record["base"] == base;
        assert_eq!(bad, record["error"].contains(words), "{base}: {record:?}");
        let attempts = if bad { attempts } else { &["1"] };
        assert!(attempts.contains(&record["attempts"].as_str()), "{base}: {record:?}");
    }
    assert_eq!(oracle.count(), 2, "{base}");
}

#[test]
fn a_refused_connection_is_tried_again_whatever_the_method() {
    told(&Fault::new(1, "a connection that is refused", "Connect", Answer::Reset, ""));
    let refusing = Refusing::new();
    for method in ["", "method = \"POST\""] {
        beside(&refusing.url(), method, "refused", &["2"]);
    }
}

#[test]
fn rows_wait_out_a_server_that_is_not_there_yet() {
    let refusing = Refusing::new();
    let retry = "[retry]\nattempts = 12\ninitial = \"300ms\"\nmax = \"300ms\"\njitter = \"none\"";
    let text = JOB.replace("[retry]\nattempts = 2\ninitial = \"1ms\"", retry);
    let job = Job::at(&refusing.url(), &text.replace("CLIENT", "").replace("ENDPOINT", "method = \"POST\""));
    let run = job.spawn(&["-v"]);
    wait::until("a retry", Duration::from_secs(60), || run.stderr().contains("again in").then_some(()));
    let oracle = Oracle::listening(refusing, |_| Vec::new(), item);
    run.wait().expect_code(0);
    assert_eq!((oracle.count(), csv(&job.path("out.csv")).len()), (9, 9));
}

#[test]
fn a_name_that_nobody_knows_fails_its_rows() {
    // Later: the policy that keeps private addresses out.
    told(&Fault::new(8, "a name that nobody knows", "Dns", Answer::Reset, ""));
    // Once where a resolver knows that there is none, twice where it can't say.
    beside("http://nobody.invalid", "", "`nobody.invalid`", &["1", "2"]);
}

#[test]
fn a_handshake_that_stalls_is_a_connect_timeout() {
    told(&Fault::new(10, "a handshake that stalls", "ConnectTimeout", Answer::Reset, ""));
    let silent = Oracle::greeting(|_| vec![Piece::Silence], item);
    let base = silent.url().replace("http:", "https:");
    beside(&base, "", "timeout.connect): the TLS handshake", &["2"]);
    wait::until("the end of its connections", Duration::from_secs(20), || {
        (silent.connections().open == 0).then_some(())
    });
    assert_eq!(silent.connections().accepted, 4);
}

#[test]
fn a_token_that_is_refused_fails_its_rows_at_once() {
    // Later: so many in a row stop the run (`run.stop-if`).
    let refused = Answer::status(401).header("www-authenticate", "Bearer error=\"invalid_token\"");
    meet(Fault::new(26, "a token that is refused", "Status", refused, "401 Unauthorized").status("401").once());
}

const OAUTH: &str = r#"
secrets.secret.env = "SECRET"
[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
auth.oauth2 = { token-url = "ORACLE/token", client-id = "me", client-secret = "{{ secrets.secret }}" }
concurrency = 4
input.range = { from = 1, to = 40 }
columns.got = "$.id"
[sinks.out]
path = "out.csv"
"#;

/// A server whose tokens are good for so many requests: it takes the newest one alone.
fn tokens(good_for: usize) -> Oracle {
    let issued = std::sync::Mutex::new((0_usize, 0_usize));
    Oracle::start(move |request| {
        let mut issued = issued.lock().expect("no script panics");
        if request.path == "/token" {
            *issued = (issued.0 + 1, 0);
            return Answer::json(&serde_json::json!({
                "access_token": format!("token-{}", issued.0), "token_type": "Bearer", "expires_in": 3600
            }));
        }
        let newest = request.header("authorization") == Some(&format!("Bearer token-{}", issued.0));
        if !newest || issued.1 >= good_for {
            return Answer::status(401);
        }
        issued.1 += 1;
        item(request)
    })
}

#[test]
fn a_token_that_has_ended_is_fetched_anew_and_no_row_fails() {
    let oracle = tokens(15);
    let job = Job::at(&oracle.url(), OAUTH).variable("SECRET", "oauth-secret");
    job.run(&[]).expect_code(0);
    let fetched = oracle.count_by_path()["/token"];
    assert_eq!((fetched, csv(&job.path("out.csv")).len()), (3, 40), "40 rows, 15 for each token");
}

#[test]
fn a_token_that_is_never_good_fails_rows_after_one_renewal_each() {
    let oracle = tokens(0);
    let job = Job::at(&oracle.url(), &OAUTH.replace("to = 40", "to = 4")).variable("SECRET", "oauth-secret");
    job.run(&[]).expect_code(1);
    assert!(csv(&job.path("out.csv")).iter().all(|record| record["status"] == "401"));
    let items: Vec<_> = oracle.requests().iter().filter(|request| request.path != "/token").cloned().collect();
    assert!(items.len() <= 10, "each row is sent twice at most: {}", items.len());
}

#[test]
fn a_token_server_that_refuses_us_stops_the_run() {
    let oracle = Oracle::start(|request| match request.path.as_str() {
        "/token" => Answer::text(401, "{\"error\":\"invalid_client\"}").header("content-type", "application/json"),
        _ => item(request),
    });
    let job = Job::at(&oracle.url(), OAUTH).variable("SECRET", "oauth-secret");
    let done = job.run(&[]).expect_code(3);
    assert!(
        done.stderr.contains("every row of item would fail") && done.stderr.contains("0 failed"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("invalid_client") && !done.stderr.contains("oauth-secret"), "{}", done.stderr);
    assert!(oracle.requests().iter().all(|request| request.path == "/token"));
}

/// A job through a proxy that says so of itself: `http` goes to it whole, `https` through CONNECT.
fn through(proxy: &Oracle, origin: &str) -> Job {
    let client = format!("proxy = \"http://me:{{{{ secrets.pw }}}}@{}\"", proxy.address());
    let text = JOB.replace("CLIENT", &client).replace("ENDPOINT", "").replace("ORACLE", origin);
    let text = text.replace("[timeout]", "[timeout]\nconnect = \"700ms\"");
    Job::new(&format!("secrets.pw.env = \"PW\"\n{text}")).variable("PW", "proxy-hush")
}

#[test]
fn a_proxy_that_refuses_us_stops_the_run() {
    told(&Fault::new(12, "a proxy that refuses us", "Proxy", Answer::Reset, ""));
    let refuse = || {
        Piece::text(
            "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\n\r\n",
        )
    };
    for origin in ["http://api.example", "https://api.example"] {
        // What comes before a request is no reply to it.
        let proxy = Oracle::greeting(move |_| vec![Piece::Hear, refuse(), Piece::Silence], item);
        let job = through(&proxy, origin);
        let done = job.run(&[]).expect_code(3);
        assert!(
            done.stderr.contains("refuses the user or the password") && done.stderr.contains("0 ok · 0 failed"),
            "{origin}: {}",
            done.stderr
        );
        assert!(!done.stderr.contains("proxy-hush"), "{}", done.stderr);
        assert_eq!(csv(&job.path("out.csv")).len(), 0, "{origin}");
    }
}

#[test]
fn a_proxy_that_dies_or_hangs_is_tried_again() {
    for (name, kind, piece, words) in [
        ("a proxy that dies", "Connect", Piece::Close, ""),
        ("a CONNECT that hangs", "ConnectTimeout", Piece::Silence, "timeout.connect"),
    ] {
        told(&Fault::new(12, name, kind, Answer::Reset, words));
        let proxy = Oracle::greeting(move |_| vec![piece.clone()], item);
        let job = through(&proxy, "https://api.example");
        job.change("job.toml", "to = 9", "to = 2");
        job.run(&[]).expect_code(1);
        let records = csv(&job.path("out.csv"));
        assert_eq!(records.len(), 2, "{name}");
        for record in records {
            assert!(record["error"].contains(words) && !record["error"].contains("proxy-hush"), "{name}: {record:?}");
            assert_eq!(record["attempts"], "2", "{name}: {record:?}");
        }
        assert_eq!(proxy.connections().accepted, 4, "{name}");
    }
}
