//! What the reports say, field by field and word by word.
//!
//! Goldens stand in `tests/reports/`, with all that differs from run to run taken out; `UPDATE_GOLDEN=1` writes them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};

use super::{answer, job, written};
use crate::support::Oracle;
use crate::support::golden::{difference, is_updated};

/// Where the goldens are, from the root of the crate, in which tests run.
const FOLDER: &str = "tests/reports";

/// How the program was called.
const PROGRAM: &str = env!("CARGO_BIN_EXE_paceline");

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
