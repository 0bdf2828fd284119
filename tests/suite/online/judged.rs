//! `check --online`: what is made of a reply, and of what can't be asked at all, is what a run would make of it.

use serde_json::json;

use super::{JOB, check, points_at};
use crate::support::oracle::script::item;
use crate::support::{Answer, Job, Oracle};

#[test]
fn a_reply_that_a_run_tries_again_is_no_fault_of_the_job() {
    for (answer, words) in [
        (Answer::status(503), "503 Service Unavailable: a run tries again, up to 5 attempts"),
        (
            Answer::status(429).header("retry-after", "2"),
            "429 Too Many Requests: the server throttles, and a run asks again after 2s",
        ),
        (Answer::status(429).header("retry-after", "86000"), "a run stops, to be resumed"),
    ] {
        let oracle = Oracle::start(move |_| answer.clone());
        let done = check(&Job::at(&oracle.url(), JOB), &[]).expect_code(3);
        points_at(&done, "error[P0702]", "[endpoints.item]");
        assert!(done.stderr.contains(words), "{words} is missing:\n{}", done.stderr);
        assert!(!done.stderr.contains("P0704") && !done.stderr.contains("P0309"), "{}", done.stderr);
        assert_eq!(oracle.count(), 1);
    }
}

#[test]
fn a_secret_that_a_reply_has_for_a_name_is_nowhere_printed() {
    const KEY: &str = "hunter2donotprint";
    let oracle = Oracle::start(|request| {
        let key = request.header("x-key").unwrap_or_default();
        Answer::json(&json!({ key: 1, "deep": { key: [{ key: 2 }] } }))
    });
    let keys = "headers.x-key = \"{{ secrets.k }}\"\ncolumns.deep = \"$.deep\"\n\
                rules = [{ when = \"json.hunter3donotprint == 1\", then = \"skip\" }]\ncolumns.got";
    let text = format!("secrets.k.env = \"K\"\n{}", JOB.replace("columns.got", keys));
    for flags in [&[][..], &["--output", "json"]] {
        let job = Job::at(&oracle.url(), &text).variable("K", KEY);
        let done = check(&job, flags).expect_code(0);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains("it has `***`, `deep`") && said.contains("did you mean `***`?"), "{said}");
        assert!(said.contains("\"***\":[{\"***\":2}]") && !said.contains(KEY), "{said}");
    }
}

#[test]
fn a_short_secret_is_left_in_records_as_a_run_leaves_it() {
    let oracle = Oracle::start(|_| Answer::json(&json!({ "id": "4242" })));
    let text = JOB.replace(
        "columns.got = \"$.id\"",
        "headers.x-pin = \"{{ secrets.k }}\"\ncolumns.got = { json = \"$.id\", as = \"int\" }",
    );
    let job = Job::at(&oracle.url(), &format!("secrets.k.env = \"K\"\n{text}")).variable("K", "4242");
    let done = check(&job, &[]).expect_code(0);
    assert!(done.stdout.contains(r#"{"value":7,"got":4242}"#), "{}{}", done.stdout, done.stderr);
}

#[test]
fn a_row_that_gives_no_file_is_not_sent_as_in_a_run() {
    let oracle = Oracle::start(item);
    let text =
        JOB.replace("input.range = { from = 7, to = 9 }", "method = \"POST\"\ninput.values = [{ value = \"../x\" }]");
    let text = text.replace("columns.got", "save.path = \"sv/{{ row.value }}.html\"\ncolumns.got");
    let job = Job::at(&oracle.url(), &text);
    let done = job.command(&["check", "job.toml", "--online=send"]).expect_code(3);
    points_at(&done, "error[P0702]", "save.path = ");
    assert!(done.stderr.contains("the file to save to can't be named: "), "{}", done.stderr);
    assert_eq!(oracle.count(), 0);
}

#[test]
fn what_can_not_be_opened_is_told_as_a_run_tells_it() {
    let oracle = Oracle::start(item);
    let over_tls = JOB.replace("ORACLE", "https://a.invalid");
    let endpoint = format!("[client]\nhttp = \"auto\"\ntls.ca = \"none.pem\"\n{over_tls}");
    let webhook = "[sinks.w.webhook]\nurl = \"https://a.invalid/in\"\nclient.tls.ca = \"none.pem\"\n";
    let job = JOB.find("[sinks").map_or(JOB, |end| &JOB[..end]);
    for (text, line) in [(endpoint, "tls.ca = "), (format!("{job}{webhook}"), "client.tls.ca = ")] {
        let job = Job::at(&oracle.url(), &text);
        let done = check(&job, &[]).expect_code(3);
        points_at(&done, "error[P0503]", line);
        assert!(!done.stderr.contains("P0702"), "{}", done.stderr);
        points_at(&job.run(&[]).expect_code(3), "error[P0503]", line);
    }
}

#[test]
fn a_header_or_a_parameter_that_names_another_method_may_change_something() {
    let oracle = Oracle::start(item);
    for key in ["headers.X-HTTP-Method-Override = \"delete\"", "query._method = \"DELETE\""] {
        let job = Job::at(&oracle.url(), &JOB.replace("columns.got", &format!("{key}\ncolumns.got")));
        let done = check(&job, &[]).expect_code(0);
        assert!(done.stdout.contains("not tried: DELETE may change something"), "{key}: {}", done.stdout);
    }
    assert_eq!(oracle.count(), 0);
}
