//! Replies that are whole and wrong: JSON that is none, statuses nobody expects, redirects, headers.

use super::{Fault, meet, run, told};
use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::tls::{Authority, Front};
use crate::support::{Answer, Job, Oracle};

fn text(body: &str) -> Answer {
    Answer::text(200, body)
}

#[test]
fn bodies_that_are_not_json_fail_with_their_beginning() {
    for (name, body, words) in [
        ("JSON that is none", "{id: 3}", "it begins with `{id: 3}`"),
        ("JSON that is cut short", "{\"id\": 3", "it begins with `{\"id\": 3`"),
        ("an empty body", "", "empty and not JSON"),
        ("HTML with 200", "<!doctype html>\n<title>Log in</title>", "`<!doctype html> <title>Log in</title>`"),
    ] {
        meet(Fault::new(16, name, "Decode", text(body), words).status("200"));
    }
}

#[test]
fn json_that_is_too_much_fails() {
    let deep = format!("{{\"id\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    meet(Fault::new(17, "JSON 10,000 deep", "Decode", text(&deep), "recursion limit").status("200"));
    let lone = text("{\"id\": \"\\ud800 alone\"}");
    meet(Fault::new(17, "a lone surrogate", "Decode", lone, "hex escape").status("200"));
    let latin = Answer::text(200, b"{\"id\": \"caf\xe9\"}".to_vec());
    meet(Fault::new(18, "JSON that is not UTF-8", "Decode", latin, "not JSON").status("200"));
}

#[test]
fn odd_json_keeps_what_it_says() {
    for (body, got) in [
        ("{\"id\": 9223372036854775808}", "9223372036854775808"),
        ("{\"id\": 18446744073709551615}", "18446744073709551615"),
        ("{\"id\": -9223372036854775808}", "-9223372036854775808"),
        ("{\"id\": 12345678901234567890123}", "12345678901234567890123"),
        ("{\"id\": 1e400}", "1e+400"),
        ("{\"id\": 1, \"id\": 2}", "2"),
        ("{\"id\": \"\\ud83d\\ude00\"}", "\u{1f600}"),
        (" \n{\"id\" :\t0.1 } ", "0.1"),
        // What no column wants is skipped without a stack, however deep it is.
        (&format!("{{\"other\":{}{},\"id\":3}}", "[".repeat(100_000), "]".repeat(100_000)), "3"),
    ] {
        let said = text(body);
        let ran = run(move |_| said.clone(), "", "");
        let shown = &body[..body.len().min(60)];
        assert!(ran.records.iter().all(|record| record["got"] == got), "{shown}: {:?}", ran.records);
    }
}

#[test]
fn texts_that_are_not_utf8_lose_no_row() {
    // #18: what can't be read is replaced where a text is asked for.
    let ran = run(|_| Answer::text(200, b"caf\xe9".to_vec()), "", "columns.text = \"{{ text }}\"");
    assert_eq!(ran.done.code, Some(1), "`$.id` wants JSON");
    let oracle = Oracle::start(|_| Answer::text(200, b"caf\xe9".to_vec()));
    let job = "[endpoints.a]\nurl = \"ORACLE/x\"\ninput.range = { from = 1, to = 1 }\ncolumns.text = \"{{ text }}\"\n";
    let done = Job::at(&oracle.url(), job).run(&[]).expect_code(0);
    assert!(done.stdout.contains("caf\u{fffd}"), "{}", done.stdout);
}

#[test]
fn statuses_that_nobody_expects_are_no_empty_rows() {
    meet(
        Fault::new(19, "204 where JSON is wanted", "Decode", Answer::status(204), "204 No Content: it has no body")
            .status("204"),
    );
    meet(Fault::new(19, "304 unasked", "Status", Answer::status(304), "304 Not Modified").status("304").once());
}

#[test]
fn a_change_of_the_protocol_is_not_taken_for_a_reply() {
    let switch = Answer::raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", []);
    meet(Fault::new(19, "101 unasked", "Protocol", switch, "101 Switching Protocols"));
}

#[test]
fn a_part_is_not_taken_for_the_whole() {
    let part = Answer::text(206, "{\"id\":3}").header("content-range", "bytes 0-7/80");
    meet(Fault::new(19, "206 unasked", "Protocol", part.clone(), "206 Partial Content").status("206"));
    let ran = run(move |_| part.clone(), "", "headers.range = \"bytes=0-7\"");
    assert_eq!((ran.done.code, ran.records[0]["got"].as_str()), (Some(0), "3"), "{}", ran.done.stderr);
}

fn to(target: &str) -> Answer {
    Answer::status(302).header("location", target)
}

#[test]
fn redirects_that_lead_nowhere_fail_their_row() {
    meet_redirect("a redirect in a circle", |_| to("/back"), |_| to("/items/3"), "in a circle", 2);
    let further = |request: &SeenRequest| to(&format!("/on/{}", request.number));
    meet_redirect("redirects without end", further, further, "10 were followed (client.redirects)", 11);
    meet_redirect("a redirect to a file", |_| to("file:///etc/passwd"), item, "redirect", 1);
}

/// Row 3 is led astray; `on` answers whatever is asked beside the rows.
fn meet_redirect(
    name: &'static str,
    first: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static,
    on: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static,
    words: &'static str,
    requests: usize,
) {
    told(&Fault::new(20, name, "Redirect", Answer::Reset, words));
    let ran = run(
        move |request| match request.path.as_str() {
            "/items/3" => first(request),
            path if path.starts_with("/items/") => item(request),
            _ => on(request),
        },
        "",
        "",
    );
    let record = &ran.records[2];
    assert!(record["error"].contains(words), "{name}: {record:?}");
    assert_eq!((record["attempts"].as_str(), ran.oracle.count()), ("1", 8 + requests), "{name}");
    assert!(ran.done.stderr.contains("8 ok · 1 failed"), "{name}: {}", ran.done.stderr);
}

#[test]
fn what_is_secret_stays_in_its_origin() {
    let other = Oracle::start(item);
    let away = format!("{}/items/3", other.url());
    let oracle = Oracle::start(move |request| if request.id() == "3" { to(&away) } else { item(request) });
    let job = r#"
secrets.token.env = "TOKEN"
[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
auth.bearer = "{{ secrets.token }}"
headers = { x-key = "{{ secrets.token }}", x-plain = "plain", cookie = "a=b" }
input.range = { from = 1, to = 4 }
columns.got = "$.id"
"#;
    let job = Job::at(&oracle.url(), job).variable("TOKEN", "s3cret-canary");
    job.run(&[]).expect_code(0);
    let there = other.requests().pop().expect("a request");
    assert_eq!((there.header("authorization"), there.header("x-key"), there.header("cookie")), (None, None, None));
    assert_eq!(there.header("x-plain"), Some("plain"));
    assert!(oracle.requests().iter().all(|request| request.header("x-key") == Some("s3cret-canary")));
}

#[test]
fn a_redirect_never_leaves_https() {
    told(&Fault::new(20, "a redirect from https to http", "Redirect", Answer::Reset, ""));
    let (plain, authority) = (Oracle::start(item), Authority::new());
    let away = format!("{}/items/3", plain.url());
    let oracle = Oracle::start(move |request| if request.id() == "3" { to(&away) } else { item(request) });
    let front = Front::start(&oracle, &authority.certify("localhost"));
    let text = super::JOB.replace("ORACLE", &format!("https://localhost:{}", front.port())).replace("ENDPOINT", "");
    let resolve = format!("tls.ca = \"ca.pem\"\nresolve = {{ localhost = \"127.0.0.1:{}\" }}", front.port());
    let job = Job::new(&text.replace("CLIENT", &resolve)).with("ca.pem", authority.pem());
    let done = job.run(&[]).expect_code(1);
    assert!(done.stderr.contains("8 ok · 1 failed") && done.stderr.contains("from https to"), "{}", done.stderr);
    assert_eq!(plain.count(), 0);
}

#[test]
fn a_header_value_that_can_not_be_sent_fails_its_row_before_anything_leaves() {
    told(&Fault::new(50, "a header value with a line break", "Request", Answer::Reset, ""));
    let oracle = Oracle::start(item);
    let job = r#"
[endpoints.item]
url = "ORACLE/items/{{ row.id }}"
headers.x-note = "{{ row.note }}"
input = "rows.csv"
columns.got = "$.id"
[sinks.out]
path = "out.csv"
"#;
    let long = "y".repeat(1024 * 1024);
    let rows = format!(
        "id,note\n1,plain\n2,\"a\r\nx-evil: 1\"\n3,\"a\nb\"\n4,\"a\rb\"\n5,gr\u{fc}n\n6,\"tab\there\"\n7,\u{7f}\n8,{long}\n"
    );
    let job = Job::at(&oracle.url(), job).with("rows.csv", rows);
    job.run(&[]).expect_code(1);
    for record in crate::support::output::csv(&job.path("out.csv")) {
        let fails = ["2", "3", "4", "7"].contains(&record["id"].as_str());
        assert_eq!(record["error"].contains("header `x-note`"), fails, "row {}: {}", record["id"], record["error"]);
        assert_eq!((record["attempts"] == "0", record["got"].is_empty()), (fails, fails), "row {}", record["id"]);
    }
    let mut sent: Vec<_> = oracle.requests().iter().map(|request| (request.id().to_owned(), request.clone())).collect();
    sent.sort_by(|one, other| one.0.cmp(&other.0));
    let notes: Vec<_> = sent.iter().map(|(_, request)| request.header("x-note").unwrap_or_default()).collect();
    assert_eq!(notes, ["plain", "gr\u{fc}n", "tab\there", &long]);
    assert!(sent.iter().all(|(_, request)| request.header("x-evil").is_none()));
}

#[test]
fn headers_that_come_twice_are_all_there() {
    let oracle = Oracle::start(|request| {
        item(request).header("x-two", "a").header("x-two", "b").header("set-cookie", "c=1").header("set-cookie", "d=2")
    });
    let job = "[endpoints.a]\nurl = \"ORACLE/items/1\"\ninput.range = { from = 1, to = 1 }\n\
               columns.two = \"{{ headers['x-two'] }}\"\ncolumns.cookies = \"{{ headers['set-cookie'] }}\"\n";
    let done = Job::at(&oracle.url(), job).run(&[]).expect_code(0);
    let record: serde_json::Value = serde_json::from_str(done.stdout.trim()).expect("JSON");
    assert_eq!(record["two"], "a, b");
    let cookies = record["cookies"].to_string();
    assert!(cookies.contains("c=1") && cookies.contains("d=2"), "{cookies}");
}
