//! Reports: `[report]`, `--report-*`, the step summary of GitHub Actions. Written on every ending, valid for who reads
//! them, and never the reason why a run fails.
//!
//! Goldens stand in `tests/reports/`, with all that differs from run to run taken out; `UPDATE_GOLDEN=1` writes them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};

use crate::support::golden::{difference, is_updated};
use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::peers::find;
use crate::support::{Answer, Done, Job, Oracle, wait};

/// Where the goldens are, from the root of the crate, in which tests run.
const FOLDER: &str = "tests/reports";

/// How the program was called.
const PROGRAM: &str = env!("CARGO_BIN_EXE_paceline");

const JOB: &str = r#"
[limits.api]
rate = "5000/s"

[endpoints.item]
limit = "api"
url = "ORACLE/items/{{ row.id }}"
input = "rows.csv"
concurrency = 1
retry.attempts = 1
columns.got = "$.id"

[sinks.out]
path = "out/records.csv"

[report]
junit = "out/reports/junit.xml"
json = "out/reports/run.json"
markdown = "out/reports/run.md"
"#;

/// Ids that the server does not have, and one that it fails at.
fn answer(request: &SeenRequest) -> Answer {
    match request.id() {
        "7" | "11" => Answer::status(404),
        "13" => Answer::status(500),
        _ => item(request),
    }
}

fn job(oracle: &Oracle, more: &str, rows: u64) -> Job {
    let rows = (1..=rows).fold("id\n".to_owned(), |text, id| text + &format!("{id}\n"));
    Job::at(&oracle.url(), &format!("{JOB}{more}")).with("rows.csv", rows)
}

/// Judges JUnit XML by the schema of Ant's task.
pub fn validate(xml: &Path) {
    let Some(xmllint) = find("xmllint") else { return };
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/junit/JUnit.xsd");
    let done = Command::new(xmllint).args(["--noout", "--nonet", "--schema", schema]).arg(xml).output().unwrap();
    assert!(done.status.success(), "{}\n{}", String::from_utf8_lossy(&done.stderr), fs::read_to_string(xml).unwrap());
}

fn json_of(job: &Job, name: &str) -> Value {
    serde_json::from_str(&job.read(name)).unwrap()
}

/// All three reports are there, say this exit code and this ending, and nothing lies beside them.
fn written(job: &Job, exit: i32, ending: &str) -> Value {
    validate(&job.path("out/reports/junit.xml"));
    let summary = json_of(job, "out/reports/run.json");
    assert_eq!((&summary["exit"], &summary["ending"]["kind"]), (&json!(exit), &json!(ending)), "{summary}");
    let markdown = job.read("out/reports/run.md");
    assert!(markdown.starts_with("### ") && markdown.contains(&format!("exit code {exit}\n")), "{markdown}");
    let xml = job.read("out/reports/junit.xml");
    assert!(xml.contains(&format!("<property name=\"exit\" value=\"{exit}\"/>")), "{xml}");
    let is_red = xml.contains("<failure") || xml.contains("<error");
    assert_eq!(is_red, exit != 0, "{xml}");
    let names = fs::read_dir(job.path("out/reports")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(names, ["junit.xml", "run.json", "run.md"].map(str::to_owned).into());
    summary
}

/// A text without what differs from run to run.
fn normal(text: &str, run: &str) -> String {
    let mut text = text.replace(PROGRAM, "paceline").replace(run, "RUN").replace(env!("CARGO_PKG_VERSION"), "VERSION");
    for (pattern, instead) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}Z)?", "TIME"),
        (r#"time="[\d.]+""#, "time=\"_\""),
        (r"(?m)^(- )?limited .*\n", ""),
        (r"(?m)^stages .*\n", ""),
        (r"(?m)^(- .* sent, .* received|bytes .*)$", "BYTES"),
        (r"(?m)^\| dns .*\n", ""),
        (r"(?m)^\| item \| \d+ \| \d+ \| .*s \|$", "| SLOW |"),
        (r"\b\d[\d.,]*(ms|s)\b", "_"),
        (r"\b\d[\d.,]*/s", "_/s"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, instead).into_owned();
    }
    text
}

/// A summary without what differs from run to run.
fn settled(value: &mut Value) {
    const VARIES: [&str; 17] = [
        "run",
        "program",
        "started",
        "elapsed_seconds",
        "attempts_per_second",
        "p50",
        "p95",
        "p99",
        "max",
        "ms",
        "row",
        "status",
        "sent",
        "received",
        "bound_by",
        "dns",
        "capacity",
    ];
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if VARIES.contains(&name.as_str()) { *value = json!("VARIES") } else { settled(value) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settled),
        _ => {}
    }
}

fn compare(name: &str, found: &str) {
    let golden = Path::new(FOLDER).join(name);
    if is_updated() {
        fs::create_dir_all(FOLDER).unwrap();
        fs::write(&golden, found).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert!(expected == found, "{name} differs; UPDATE_GOLDEN=1 writes it\n{}", difference(&expected, found));
}

#[test]
fn reports_say_what_is_committed() {
    let oracle = Oracle::start(answer);
    let job = job(&oracle, "", 20);
    let done = job.run(&[]).expect_code(1);
    let mut summary = written(&job, 1, "complete");
    let run = summary["run"].as_str().unwrap().to_owned();
    settled(&mut summary);
    compare("run.json", &format!("{summary:#}\n").replace(PROGRAM, "paceline"));
    compare("run.md", &normal(&job.read("out/reports/run.md"), &run));
    compare("junit.xml", &normal(&job.read("out/reports/junit.xml"), &run));
    compare("summary.txt", &normal(&done.stderr, &run));
}

#[test]
fn what_is_printed_as_json_is_what_is_written() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, "", 20);
    let done = job.run(&["--output", "json"]).expect_code(0);
    let printed: Value = serde_json::from_str(&done.stderr).unwrap();
    assert_eq!(written(&job, 0, "complete"), printed);
}

#[test]
fn a_run_that_goes_on_and_failed_rows_that_are_sent_again_replace_the_reports() {
    let oracle = Oracle::start(answer);
    let job = job(&oracle, "", 20);
    job.run(&["--limit", "5"]).expect_code(0);
    assert_eq!(written(&job, 0, "partial")["rows"]["ok"], json!(5));
    job.run(&[]).expect_code(1);
    let summary = written(&job, 1, "complete");
    assert_eq!((&summary["rows"]["ok"], summary["sessions"].as_array().unwrap().len()), (&json!(17), 2));
    job.run(&["--failed"]).expect_code(1);
    let summary = written(&job, 1, "complete");
    assert_eq!((&summary["rows"]["failed"], &summary["attempts"]), (&json!(3), &json!(3)));
}

#[test]
fn failed_rows_that_the_job_allows_make_nothing_red() {
    let oracle = Oracle::start(answer);
    let job = job(&oracle, "[run]\nfail-if = [\"failed > 3\"]\n", 20);
    job.run(&[]).expect_code(0);
    assert_eq!(written(&job, 0, "complete")["rows"]["failed"], json!(3));
}

#[test]
fn reports_are_written_when_the_run_can_not_start() {
    let oracle = Oracle::start(item);
    let secret =
        "[secrets]\ntoken.env = \"NOT_SET_ANYWHERE\"\n[endpoints.item.auth]\nbearer = \"{{ secrets.token }}\"\n";
    let unset = job(&oracle, secret, 5);
    unset.run(&[]).expect_code(2);
    let summary = written(&unset, 2, "broken");
    assert!(summary["ending"]["reason"].as_str().unwrap().contains("NOT_SET_ANYWHERE"), "{summary}");
    assert_eq!((&summary["run"], &summary["attempts"]), (&Value::Null, &json!(0)));
    // The report of the run before must not stay where a later one could not start.
    let there = job(&oracle, "", 5);
    there.run(&[]).expect_code(0);
    written(&there, 0, "complete");
    there.run(&[]).expect_code(3);
    let summary = written(&there, 3, "broken");
    assert!(summary["ending"]["reason"].as_str().unwrap().contains("out/records.csv"), "{summary}");
    assert!(there.read("out/reports/junit.xml").contains("could not start"));
}

#[test]
fn reports_are_written_when_the_run_breaks_off_or_stops() {
    let oracle = Oracle::start(|_| Answer::status(401));
    let stopped = job(&oracle, "", 50);
    stopped.run(&[]).expect_code(4);
    let summary = written(&stopped, 4, "stopped");
    assert!(summary["next"].as_str().unwrap().ends_with("run job.toml"), "{summary}");
    let xml = stopped.read("out/reports/junit.xml");
    assert!(xml.contains("unauthorized &gt;= 5 in a row held and stopped the run"), "{xml}");
    let oracle = Oracle::start(item);
    let broken = job(&oracle, "", 5);
    broken.change("job.toml", &oracle.url(), "http://no-such-host.invalid");
    broken.run(&[]).expect_code(3);
    assert_ne!(written(&broken, 3, "broken")["run"], Value::Null);
}

#[test]
fn reports_are_written_when_a_signal_ends_the_run() {
    for (signal, exit) in [("INT", 130), ("TERM", 143)] {
        let oracle = Oracle::start(item);
        let job = job(&oracle, "[batch]\nsize = 1\npause = \"50ms\"\n", 2000);
        let run = job.spawn(&[]);
        wait::within(Duration::from_secs(60), || (oracle.count() > 2).then_some(())).unwrap();
        run.signal(signal);
        run.wait().expect_code(exit);
        assert_eq!(written(&job, exit, "interrupted")["ending"]["signal"], json!(format!("SIG{signal}")));
    }
}

#[test]
fn flags_lie_over_the_job_and_are_relative_to_the_working_directory() {
    // One of them by its twin in the environment.
    let job = Job::example("reports.toml").variable("PACELINE_REPORT_JUNIT", "here.xml");
    job.run(&["--report-markdown", "deep/er/here.md"]).expect_code(0);
    validate(&job.path("here.xml"));
    assert!(job.read("deep/er/here.md").starts_with("### "));
    let entries = fs::read_dir(job.path("jobs/out/reports")).unwrap();
    let names: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, ["run.html", "run.json"].map(str::to_owned).into(), "what no flag names goes where the job says");
}

#[test]
fn flags_that_name_what_can_not_be_a_report_are_refused_before_anything_is_sent() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, "", 5);
    for (path, why) in [
        ("rows.csv", "endpoints.item reads it"),
        ("./out/records.csv", "sinks.out writes it"),
        ("job.toml", "the job is read from it"),
        (".paceline/job/run.json", "the job keeps its journal in"),
        ("out/reports/run.md", "the report `markdown` goes there"),
        (".", "it is a folder"),
    ] {
        fs::create_dir_all(job.path("out/reports")).unwrap();
        let done = job.run(&["--report-json", path]).expect_code(2);
        assert!(
            done.stderr.contains(&format!("error: --report-json {path}: ")) && done.stderr.contains(why),
            "{}",
            done.stderr
        );
    }
    assert_eq!(oracle.count(), 0);
}

#[test]
fn flags_take_the_place_of_nothing_that_the_job_reads_or_writes() {
    const FILES: &str = r#"
[secrets]
token.file = "token.txt"
[client]
tls = { ca = "ca.pem", cert = "cert.pem", key = "key.pem" }
[endpoints.form]
url = "ORACLE/form"
method = "PUT"
input.glob = "texts/*.txt"
multipart = { file = { path = "page.html" }, token = "{{ secrets.token }}" }
[endpoints.body]
url = "ORACLE/body"
method = "PUT"
input.values = [{ id = 1 }]
body-file = "body.bin"
save.path = "replies/{{ row.id }}.json"
[sinks.table]
path = "out/table.sqlite"
[sinks.parts]
path = "out/parts.parquet"
"#;
    let oracle = Oracle::start(item);
    let mut job = job(&oracle, &FILES.replace("ORACLE", &oracle.url()), 5);
    for name in ["token.txt", "ca.pem", "cert.pem", "key.pem", "texts/a.txt", "page.html", "body.bin"] {
        job = job.with(name, "precious");
    }
    for (path, why) in [
        ("token.txt", "secrets.token reads it"),
        ("./texts/../ca.pem", "endpoints.item reads it"),
        ("cert.pem", "endpoints.item reads it"),
        ("key.pem", "endpoints.item reads it"),
        ("texts/b.txt", "endpoints.form reads it"),
        ("page.html", "endpoints.form reads it"),
        ("body.bin", "endpoints.body reads it"),
        ("replies/a.json", "endpoints.body writes it"),
        ("out/table.sqlite", "sinks.table writes it"),
        ("out/parts.parquet/part.json", "sinks.parts writes it"),
    ] {
        let done = job.run(&["--report-json", path]).expect_code(2);
        let words = format!("error: --report-json {path}: {why}; name another file");
        assert!(done.stderr.contains(&words), "{words}\n{}", done.stderr);
        let (done, does) = (job.run(&["--log-file", path]).expect_code(2), why.split(' ').nth(1).unwrap());
        let does = if does == "reads" { "read" } else { "written" };
        assert!(done.stderr.contains(&format!("the log file {path} is {does} by the job")), "{}", done.stderr);
    }
    assert_eq!((oracle.count(), job.read("token.txt").as_str()), (0, "precious"));
}

#[test]
fn two_files_of_a_run_that_are_one_are_refused_with_both_their_names() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, "", 5);
    for (flags, words) in [
        (["--events", "e.json", "--report-json", "./e.json"], "--events e.json: --report-json goes there as well"),
        (["--log-file", "l.md", "--report-markdown", "l.md"], "--log-file l.md: --report-markdown goes there as well"),
        (["--log-file", "out/../one", "--events", "one"], "--log-file out/../one: --events goes there as well"),
        (
            ["--events", "out/reports/run.json", "--events-detail", "run"],
            "--events out/reports/run.json: `report.json` of the job goes there as well",
        ),
    ] {
        let done = job.run(&flags).expect_code(2);
        assert!(done.stderr.contains(&format!("error: {words}; give each a file of its own")), "{}", done.stderr);
    }
    assert_eq!(oracle.count(), 0);
    for name in ["e.json", "l.md", "one", "out/reports/run.json"] {
        assert!(!job.path(name).exists(), "{name} was made");
    }
    job.run(&["--events", "/dev/null", "--report-html", "/dev/null"]).expect_code(0);
}

#[test]
fn no_report_and_no_terminal_says_a_secret_that_somebody_typed() {
    const SECRETS: &str = r#"
[vars]
key = ""
[secrets]
word.env = "WORD"
[endpoints.item.headers]
x-word = "{{ secrets.word }}"
x-key = "{{ vars.key }}"
"#;
    const WORD: &str = "kan'arie/v7+8&9";
    let oracle = Oracle::start(answer);
    let more = format!("html = \"out/reports/run.html\"\n{SECRETS}");
    for output in ["human", "json", "github"] {
        let job = in_actions(job(&oracle, &more, 20)).variable("WORD", WORD);
        let (var, set) = (format!("key={WORD}"), format!("description=\"{WORD}\""));
        let done = job.run(&["--output", output, "--var", &var, "--set", &set]).expect_code(1);
        let names = ["run.html", "run.md", "run.json", "junit.xml"].map(|name| format!("out/reports/{name}"));
        let texts = names.iter().map(String::as_str).chain(["step.md"]).map(|name| (name, job.read(name)));
        for (name, text) in texts.chain([("standard error", done.stderr.clone())]) {
            for form in [WORD, "kan'\\''arie", "arie/v7", "arie&#47;v7"] {
                assert!(!text.contains(form), "{name} says {form}:\n{text}");
            }
        }
        let next = json_of(&job, "out/reports/run.json")["next"].as_str().unwrap().to_owned();
        let told = "run job.toml --var 'key=***' --set 'description=\"***\"'";
        assert!(next.contains(told) && next.ends_with(" --failed"), "{next}");
        assert!(output == "json" || done.stderr.contains(&next), "{}", done.stderr);
    }
}

#[test]
fn the_command_that_makes_a_page_works_as_it_is_printed() {
    let oracle = Oracle::start(item);
    // Without its profile the job is none.
    let job = job(&oracle, "[profiles.there.endpoints.item]\nmethod = \"GET\"\n", 5);
    let needs = format!("url = \"{}/items/{{{{ row.id }}}}\"\n", oracle.url());
    job.change("job.toml", &needs, "");
    job.change("job.toml", "method = \"GET\"\n", &format!("method = \"GET\"\n{needs}"));
    for flags in [&["--profile", "there"][..], &["--profile", "there", "--state", "a state", "--fresh"]] {
        fs::remove_file(job.path("out/records.csv")).ok();
        let done = job.run(flags).expect_code(0);
        let line = done.stderr.lines().find_map(|line| line.strip_prefix("report    ")).expect("a command");
        let shell = Command::new("sh").args(["-c", line]).current_dir(job.path(".")).output().unwrap();
        let told = String::from_utf8_lossy(&shell.stdout).into_owned();
        assert!(shell.status.success(), "{line}\n{}", String::from_utf8_lossy(&shell.stderr));
        assert!(job.read(told.split(": ").next().unwrap()).starts_with("<!doctype html>"), "{told}");
    }
}

#[test]
fn a_step_of_github_actions_that_can_not_start_has_its_annotation() {
    let oracle = Oracle::start(item);
    let secret = "[secrets]\ntoken.env = \"NOT_SET\"\n[endpoints.item.auth]\nbearer = \"{{ secrets.token }}\"\n";
    let unset = in_actions(job(&oracle, secret, 5));
    for output in ["human", "github"] {
        let done = unset.run(&["--output", output]).expect_code(2);
        let is_told = |line: &str| line.starts_with("::error file=job.toml,") && line.contains("NOT_SET");
        assert_eq!(done.stderr.lines().filter(|line| is_told(line)).count(), 1, "{}", done.stderr);
        assert_eq!(done.stderr.contains("--> job.toml:"), output == "human", "{}", done.stderr);
    }
    let there = in_actions(job(&oracle, "", 5)).with("out/records.csv", "id\n");
    let done = there.run(&[]).expect_code(3);
    assert!(done.stderr.lines().any(|line| line.starts_with("::error")), "{}", done.stderr);
    let refused = there.run(&["--report-json", "rows.csv"]).expect_code(2);
    assert!(refused.stderr.contains("\n::error::--report-json rows.csv: "), "{}", refused.stderr);
    let json = there.run(&["--output", "json"]).expect_code(3);
    assert!(serde_json::from_str::<Value>(&json.stderr).is_ok(), "{}", json.stderr);
}

#[test]
fn a_report_that_can_not_be_written_is_a_warning_and_changes_no_exit_code() {
    let oracle = Oracle::start(answer);
    for (rows, exit) in [(5, 0), (20, 1)] {
        let job = job(&oracle, "", rows);
        let done = job.run(&["--report-json", "rows.csv/run.json"]).expect_code(exit);
        let warning = "warning   the report rows.csv/run.json can't be written: ";
        assert!(done.stderr.contains(warning), "{}", done.stderr);
        validate(&job.path("out/reports/junit.xml"));
    }
}

/// A step of GitHub Actions, whose summary is `step.md`.
fn in_actions(job: Job) -> Job {
    let path = job.path("step.md").display().to_string();
    job.variable("GITHUB_ACTIONS", "true").variable("GITHUB_STEP_SUMMARY", &path)
}

fn step_of(done: &Done, job: &Job, before: &str) -> String {
    assert!(done.stderr.contains("\n::error::job: failed > 0 held"), "{}", done.stderr);
    job.read("step.md").strip_prefix(before).unwrap().to_owned()
}

#[test]
fn a_step_of_github_actions_gets_annotations_and_a_summary() {
    let oracle = Oracle::start(answer);
    let job = in_actions(job(&oracle, "", 20)).with("step.md", "before\n");
    let done = job.run(&[]).expect_code(1);
    assert_eq!(step_of(&done, &job, "before\n\n"), job.read("out/reports/run.md"));
    let done = job.run(&["--failed", "--output", "json"]).expect_code(1);
    assert!(serde_json::from_str::<Value>(&done.stderr).is_ok(), "{}", done.stderr);
    assert!(job.read("step.md").ends_with(&format!("\n\n{}", job.read("out/reports/run.md"))));
}

#[test]
fn a_step_summary_is_written_outside_of_actions_where_github_is_asked_for() {
    let oracle = Oracle::start(answer);
    let plain = job(&oracle, "", 20);
    let path = plain.path("step.md").display().to_string();
    let job = plain.variable("GITHUB_STEP_SUMMARY", &path);
    job.run(&[]).expect_code(1);
    assert!(!job.path("step.md").exists());
    let done = job.run(&["--fresh", "--set", "sinks.out.on-existing='replace'", "--output", "github"]).expect_code(1);
    assert_eq!(step_of(&done, &job, ""), job.read("out/reports/run.md"));
}

#[test]
fn a_step_summary_never_grows_over_what_github_takes() {
    const LIMIT: usize = 1024 * 1024;
    let oracle = Oracle::start(answer);
    for (there, is_written) in [(LIMIT - 1500, true), (LIMIT - 10, false)] {
        let job = in_actions(job(&oracle, "", 20)).with("step.md", "x".repeat(there));
        let done = job.run(&[]).expect_code(1);
        let text = job.read("step.md");
        assert!(text.len() <= LIMIT);
        assert_eq!(text.len() > there, is_written);
        assert_eq!(text.ends_with("The rest was left out: there is no room for it.\n"), is_written);
        assert_eq!(done.stderr.contains("step.md can't be written: it is full"), !is_written, "{}", done.stderr);
    }
}

/// Paths of all fields, `[]` for each item of a list.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    // What stands in these is named by servers and jobs.
    const OPEN: [&str; 2] = ["retries_by_reason", "statuses"];
    match value {
        Value::Object(object) if !OPEN.contains(&path) => {
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                found.insert(path.clone());
                fields(value, &path, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, &format!("{path}[]"), found)),
        _ => {}
    }
}

#[test]
fn the_page_about_reports_has_every_field_of_the_summary() {
    // Of other endings, and of what differs from run to run.
    const OTHERS: [&str; 10] = [
        "bound_by[].share",
        "bound_by[].what",
        "ending.reason",
        "ending.resume_after_seconds",
        "ending.resume_at",
        "ending.signal",
        "streams[].closes",
        "streams[].endpoint",
        "streams[].messages",
        "streams[].reconnects_by_reason",
    ];
    let page = fs::read_to_string("docs/reports.md").unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ").map(|(field, _)| field));
    // All stages have the same fields; the page says them of one.
    let one_stage = |field: &str| field.split_once("stages_ms.").is_none_or(|(_, stage)| !stage.contains('.'));
    let told: BTreeSet<String> = cells.filter(|field| !field.starts_with("paceline ")).map(str::to_owned).collect();
    let mut found = OTHERS.map(str::to_owned).into();
    let golden = fs::read_to_string(Path::new(FOLDER).join("run.json")).unwrap();
    fields(&serde_json::from_str(&golden).unwrap(), "", &mut found);
    found.retain(|field| one_stage(field));
    assert_eq!(told, found);
}
