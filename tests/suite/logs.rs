//! The log of a run: what is in it and where it goes, by the real program; and what nobody finds in it.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::oracle::h2::{Frames, reply};
use crate::support::oracle::script::item;
use crate::support::output::jsonl_file;
use crate::support::tls::{Authority, Front};
use crate::support::{Answer, Job, Oracle, wait};

const JOB: &str = r#"
[retry]
attempts = 2
initial = "1ms"

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
concurrency = 1
input.range = { from = 1, to = 4 }
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;

/// The second row is refused once, the third every time.
fn moody() -> Oracle {
    Oracle::start(|request| match (request.id(), request.number) {
        ("2", 1) | ("3", _) => Answer::status(503),
        _ => item(request),
    })
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().expect("an event")).collect()
}

#[test]
fn a_log_file_has_the_sessions_of_a_job_behind_each_other() {
    let oracle = moody();
    let job = Job::at(&oracle.url(), JOB).variable("PACELINE_LOG_FILE", "logs/run.log");
    let log = ["--log-format", "json", "-vv"];
    job.run(&[&log[..], &["--limit", "1"]].concat()).expect_code(0);
    let first = jsonl_file(&job.path("logs/run.log"));
    let done = job.run(&log).expect_code(1);
    let lines = jsonl_file(&job.path("logs/run.log"));
    assert_eq!(lines[..first.len()], first[..], "what was there stays");
    let (first, second) = (events(&first), events(&lines[first.len()..]));
    assert_eq!((first[0], first.last()), ("run-started", Some(&"run-partial")), "{first:?}");
    assert_eq!((second[0], second.last()), ("run-started", Some(&"run-failed")), "{second:?}");
    let last = lines.last().expect("a line");
    assert_eq!((&last["ok"], &last["failed"], &last["attempts"]), (&3.into(), &1.into(), &5.into()), "{last}");
    let mode = |name| job.path(name).metadata().expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("logs/run.log"), mode("logs")), (0o600, 0o700));
    assert!(!done.stderr.contains("attempt 1:") && done.stderr.contains("\nrows "), "{}", done.stderr);
}

#[test]
fn every_attempt_is_an_object_with_its_reason_and_its_wait() {
    let oracle = moody();
    let job = Job::at(&oracle.url(), JOB);
    let done = job.run(&["-vv", "--log-format", "json", "--log-file", "run.log", "--output", "json"]).expect_code(1);
    assert!(serde_json::from_str::<Value>(&done.stderr).is_ok(), "more than the summary: {}", done.stderr);
    let lines = jsonl_file(&job.path("run.log"));
    for line in &lines {
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 24), "{line}");
        assert!(line["message"].is_string() && line["level"].is_string() && line["target"].is_string(), "{line}");
    }
    let attempts: Vec<&Value> = lines.iter().filter(|line| line["event"] == "attempted").collect();
    assert_eq!(attempts.len(), 6, "{attempts:?}");
    let refused = attempts.iter().find(|line| line["row"] == 2).expect("the second row");
    assert_eq!((&refused["target"], &refused["level"]), (&"paceline::attempt".into(), &"DEBUG".into()), "{refused}");
    assert_eq!((&refused["attempt"], &refused["status"]), (&1.into(), &503.into()), "{refused}");
    assert_eq!((&refused["verdict"], &refused["reason"]), (&"retry".into(), &"503 Service Unavailable".into()));
    assert!(refused["wait_ms"].is_u64() && refused["duration_ms"].is_f64(), "{refused}");
    let failed = lines.iter().find(|line| line["event"] == "row-failed").expect("a row that failed");
    assert_eq!((&failed["level"], &failed["row"]), (&"WARN".into(), &3.into()), "{failed}");
}

#[test]
fn without_a_file_it_is_on_standard_error_as_much_as_v_or_the_filter_says() {
    let oracle = moody();
    let said = |arguments: &[&str], variables: &[(&str, &str)]| {
        let job = variables.iter().fold(Job::at(&oracle.url(), JOB), |job, (name, value)| job.variable(name, value));
        job.run(arguments).expect_code(1).stderr
    };
    let counted = |text: &str, words: &str| text.lines().filter(|line| line.contains(words)).count();
    let (plain, v, vv) = (said(&[], &[]), said(&["-v"], &[]), said(&["-vv"], &[]));
    assert_eq!((counted(&plain, "item: begins"), counted(&plain, "attempt ")), (0, 0), "{plain}");
    assert_eq!((counted(&v, " item: begins, 4 rows"), counted(&v, " attempt 1:")), (1, 0), "{v}");
    assert_eq!((counted(&v, ": again in "), counted(&v, " item: row 3: failed: 503")), (1, 1), "{v}");
    assert_eq!((counted(&vv, " attempt 1: "), counted(&vv, ": again in ")), (4, 0), "{vv}");
    let line = vv.lines().find(|line| line.contains("row 1: attempt 1: 200 in ")).expect("an attempt");
    assert!(line.ends_with("ms: accept") && line.as_bytes()[8] == b'.' && line[13..].starts_with("item: "), "{line}");
    let chosen = said(&["-vv"], &[("PACELINE_LOG", "paceline::row=warn")]);
    assert_eq!((counted(&chosen, "row 3: failed"), counted(&chosen, "item: begins")), (1, 0), "{chosen}");
    let foreign = said(&[], &[("RUST_LOG", "trace")]);
    assert_eq!(foreign.lines().count(), plain.lines().count(), "RUST_LOG is nobody's:\n{foreign}");
    let json = said(&["-v", "--log-format", "json"], &[]);
    let objects: Vec<Value> = json.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(events(&objects).last(), Some(&"run-failed"), "the summary comes behind: {json}");
    let silent = said(&["--output", "json", "-vv"], &[("PACELINE_LOG", "trace")]);
    assert!(serde_json::from_str::<Value>(&silent).is_ok(), "{silent}");
    let quiet = said(&["-q"], &[("PACELINE_LOG", "trace")]);
    assert_eq!(counted(&quiet, "item: "), 0, "{quiet}");
}

#[test]
fn a_filter_that_means_nothing_is_bad_usage_and_an_empty_one_is_none() {
    let oracle = Oracle::start(item);
    let job = || Job::at(&oracle.url(), JOB);
    for (filter, words) in [
        ("debgu", "did you mean `debug`?"),
        ("paceline::atempt=debug", "did you mean `paceline::attempt`?"),
        ("h2", "`h2` is no level"),
    ] {
        let done = job().variable("PACELINE_LOG", filter).run(&[]).expect_code(2);
        assert!(done.stderr.contains(words) && done.stderr.contains("--log <FILTER>"), "{filter}:\n{}", done.stderr);
    }
    assert_eq!(oracle.count(), 0);
    let done = job().variable("PACELINE_LOG", "").run(&["-v"]).expect_code(0);
    assert!(done.stderr.contains(" item: begins, 4 rows"), "{}", done.stderr);
}

#[test]
fn a_log_file_that_can_not_be_or_is_something_else_is_told_before_anything_is_sent() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), JOB).with("file", "");
    std::os::unix::fs::symlink(job.path("job.toml"), job.path("link")).expect("a link");
    for (file, code, words) in [
        ("file/run.log", 3, "the log file file/run.log can't be opened: "),
        ("/", 3, "the log file / can't be opened: "),
        ("./out.csv", 2, "the log file ./out.csv is written by the job"),
        ("job.toml", 2, "the log file job.toml is read by the job"),
        ("link", 2, "the log file link is read by the job"),
    ] {
        let done = job.run(&["--log-file", file]).expect_code(code);
        assert!(done.stderr.contains(words) && done.stderr.contains("with --log-file"), "{file}:\n{}", done.stderr);
    }
    assert_eq!(oracle.count(), 0);
}

#[test]
fn a_run_that_can_not_start_says_so_in_its_log() {
    let job = Job::at("http://127.0.0.1:9", &format!("{JOB}\n[secrets]\ntoken.env = \"NOBODY_HAS_IT\"\n"));
    job.change("job.toml", "concurrency = 1", "auth.bearer = \"{{ secrets.token }}\"");
    job.run(&["--log-file", "run.log"]).expect_code(2);
    let log = job.read("run.log");
    let words = "ERROR job: can't start: the secret `token` is not set: there is no environment variable NOBODY_HAS_IT";
    assert!(log.lines().count() == 1 && log.contains(words), "{log}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_the_run_goes_on() {
    let oracle = Oracle::start(item);
    let words = "the log file /dev/full can't be written: No space left on device (os error 28)";
    let done = Job::at(&oracle.url(), JOB).run(&["--log-file", "/dev/full", "-vv"]).expect_code(0);
    assert!(done.stderr.contains(&format!("warning   {words}")), "{}", done.stderr);
    let job = Job::at(&oracle.url(), JOB);
    job.run(&["--log-file", "/dev/full", "-vv", "--report-html", "page.html"]).expect_code(0);
    assert!(job.read("page.html").contains(&words.replace('\'', "&#39;")), "{}", job.read("page.html"));
    let json = Job::at(&oracle.url(), JOB).run(&["--log-file", "/dev/full", "--output", "json"]).expect_code(0);
    let summary: Value = serde_json::from_str(&json.stderr).expect("one object");
    assert!(summary["warnings"][0].as_str().is_some_and(|warning| warning.starts_with(words)), "{summary}");
    assert_eq!(oracle.count(), 12);
}

#[test]
fn what_was_told_before_a_kill_is_in_the_file() {
    let oracle = Oracle::start(|request| if request.id() == "3" { Answer::Stall } else { item(request) });
    let job = Job::at(&oracle.url(), JOB);
    let run = job.spawn(&["--log-file", "run.log", "-vv"]);
    let written =
        || std::fs::read_to_string(job.path("run.log")).ok().filter(|log| log.contains("row 2: attempt 1: 200"));
    wait::until("the line of the second row", Duration::from_secs(60), written);
    run.kill();
    let log = job.read("run.log");
    assert!(log.ends_with('\n') && log.contains("row 1: attempt 1: 200 in "), "{log}");
}

/// Odd enough to look different in every form.
const SECRET: &str = "kanarie/v\"7+8&9=?'\\";
/// Two secrets that leave as one text.
const HALVES: [&str; 2] = ["erste-haelfte", "zweite-haelfte"];

/// With a secret in a header, in the URL, in basic auth, and one made of two.
const SECRETS: &str = r#"
[secrets]
word.env = "WORD"
left.env = "LEFT"
right.env = "RIGHT"

[client]
http = "VERSION"

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
query.key = "{{ secrets.word }}"
headers.x-key = "{{ secrets.word }}"
headers.x-both = "{{ secrets.left }}{{ secrets.right }}"
auth.basic = { user = "me", password = "{{ secrets.word }}" }
input.range = { from = 1, to = 3 }
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;

fn keeps_its_secrets(server: &str, version: &str, says: &str) {
    let text = SECRETS.replace("VERSION", version);
    let logged = |arguments: &[&str]| {
        let job = Job::at(server, &text).variable("WORD", SECRET);
        let job = job.variable("LEFT", HALVES[0]).variable("RIGHT", HALVES[1]).variable("PACELINE_LOG", "trace");
        let done = job.run(arguments).expect_code(0);
        std::fs::read_to_string(job.path("run.log")).unwrap_or(done.stderr)
    };
    let file = ["--log-file", "run.log"];
    let logs = [logged(&file), logged(&[&file[..], &["--log-format", "json"]].concat()), logged(&[])];
    let percent = percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC).to_string();
    let basic = STANDARD.encode(format!("me:{SECRET}"));
    let forms = ["kanarie", &SECRET[8..], &percent[8..], &basic[8..24], HALVES[0], HALVES[1]];
    for log in logs {
        assert!(log.contains(says), "{says} is missing:\n{log}");
        for form in forms {
            let found = log.lines().find(|line| line.contains(form));
            assert_eq!(found, None, "{form} stands in the log");
        }
    }
}

#[test]
fn no_secret_stands_in_the_finest_log_of_any_version_of_http() {
    let oracle = Oracle::start(item);
    keeps_its_secrets(&oracle.url(), "1.1", ": 200 in ");
    let frames = Frames::start(|asked| reply(asked.stream, "{\"id\":1}"));
    keeps_its_secrets(&frames.url(), "2", "h2::");
    assert_eq!((oracle.count(), frames.asked().len()), (9, 9));
}

#[test]
fn crates_that_do_not_know_tracing_are_heard_as_well() {
    let (oracle, authority) = (Oracle::start(item), Authority::new());
    let front = Front::start(&oracle, &authority.certify("localhost"));
    let url = format!("https://localhost:{}", front.port());
    let client =
        format!("\n[client]\ntls.ca = \"ca.pem\"\nresolve = {{ localhost = \"127.0.0.1:{}\" }}\n", front.port());
    let job = Job::at(&url, &format!("{JOB}{client}")).with("ca.pem", authority.pem());
    job.run(&["--log", "rustls=debug", "--log-file", "run.log"]).expect_code(0);
    let log = job.read("run.log");
    // The beginning of a path is a target: `rustls_platform_verifier` is meant as well.
    assert!(log.lines().all(|line| line[24..].starts_with(" DEBUG rustls")), "{log}");
    assert!(log.contains(" DEBUG rustls::client"), "{log}");
}
