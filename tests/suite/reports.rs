//! Reports: `[report]`, `--report-*`, the step summary of GitHub Actions. Written on every ending, valid for who reads
//! them, and never the reason why a run fails.
//!
//! What they have in common stands here, and what holds for all of them: a file of `reports/` for each kind of question.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod endings;
mod goldens;
mod page;
mod places;
mod steps;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::peers::find;
use crate::support::{Answer, Job, Oracle};

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

/// A step of GitHub Actions, whose summary is `step.md`.
fn in_actions(job: Job) -> Job {
    let path = job.path("step.md").display().to_string();
    job.variable("GITHUB_ACTIONS", "true").variable("GITHUB_STEP_SUMMARY", &path)
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
