//! `paceline explain`: each example of an explanation is told of as its text says, and the command prints it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::fs;
use std::path::Path;

use paceline::compile::compile;
use paceline::diagnostic::codes::{self, TABLE};
use paceline::diagnostic::explain::{Example, Explanation};
use paceline::diagnostic::{Diagnostics, Format, render};
use paceline::document::Document;
use serde_json::Value;

use crate::cli::paceline;
use crate::golden::{command_line, judge_sample, sample};

/// Codes that are told of an example in a folder with an input.
fn told(example: &Example) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("products.csv"), "sku,weight\na,1\n").unwrap();
    fs::write(folder.path().join("reply.json"), "{ \"name\": \"lamp\", \"price\": \"12.50\", \"tags\": [\"new\"] }")
        .unwrap();
    let job = folder.path().join("job.toml");
    fs::write(&job, example.job).unwrap();
    told_of(&job, example.flags)
}

fn told_of(job: &Path, flags: &str) -> Vec<&'static str> {
    let line = format!("# options: {flags}");
    let (overlays, options) = command_line(line.as_bytes());
    let mut diagnostics = Diagnostics::default();
    if let Some(document) = Document::read(job, &overlays, &mut diagnostics) {
        let plan = compile(&document, &options, &mut diagnostics);
        if let (Some(plan), Some(reply)) = (plan, sample(line.as_bytes())) {
            judge_sample(&job.parent().unwrap().join(reply), &document, &plan, &mut diagnostics);
        }
    }
    diagnostics.list().iter().map(|diagnostic| diagnostic.code.0).collect()
}

#[test]
fn explained_examples_are_told_of_as_they_say() {
    let mut wrong = Vec::new();
    for explanation in Explanation::all() {
        let (code, Some(broken), Some(mended)) = (explanation.code, explanation.broken, explanation.mended) else {
            continue;
        };
        let found = (told(&broken), told(&mended));
        if found != (vec![code], Vec::new()) {
            wrong.push((code, found));
        }
    }
    assert!(wrong.is_empty(), "broken and mended examples are told of otherwise: {wrong:?}");
}

#[test]
fn explained_codes_without_an_example_can_have_none() {
    let without: Vec<&str> = Explanation::all().filter(|one| one.broken.is_none()).map(|one| one.code).collect();
    assert_eq!(
        without,
        [
            codes::UNREADABLE,
            codes::SAMPLE_FILE,
            codes::OUTPUT,
            codes::UNUSABLE,
            codes::SECRET,
            // What servers say: tests/suite/online.rs has each of them.
            codes::UNREACHABLE,
            codes::NOT_ANSWERED,
            codes::CERTIFICATE_ENDS,
            codes::REPLY_REFUSED,
        ]
        .map(|code| code.0)
    );
    let folder = tempfile::tempdir().unwrap();
    let job = folder.path().join("job.toml");
    assert_eq!(told_of(&job, ""), [codes::UNREADABLE.0], "a file that is not there");
    fs::write(&job, b"# caf\xe9\n").unwrap();
    assert_eq!(told_of(&job, ""), [codes::UNREADABLE.0], "a file in another encoding");
    fs::write(&job, "[endpoints.price]\nurl = \"demo:/\"\ninput.values = [{ a = 1 }]\n").unwrap();
    for (sample, words) in [("not/there.json", "not/there.json can't be read"), ("pirce=x", "did you mean `price`?")] {
        let check = paceline(&["check", job.to_str().unwrap(), "--sample", sample]).output().unwrap();
        let said = String::from_utf8(check.stderr).unwrap();
        assert!(check.status.code() == Some(2) && said.contains("error[P0008]") && said.contains(words), "{said}");
    }
    fs::write(&job, "secrets.key.env = \"NEVER_SET\"\n[endpoints.e]\nurl = \"demo:/\"\ninput.values = [{ a = 1 }]\nauth.bearer = \"{{ secrets.key }}\"\n").unwrap();
    let run = paceline(&["run", job.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("error[P0601]") && said.contains("paceline explain P0601"), "{said}");
}

/// Exit code, standard output and standard error of `explain`.
fn explain(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = paceline(&[&["explain"], arguments].concat()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn explain_prints_why_and_both_jobs() {
    let (code, out, err) = explain(&["p101"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("P0101: a key the job language does not have\n\n"), "{out}");
    assert!(
        out.contains("\nBroken:\n\n    [endpoints.price]\n") && out.contains("    atempts = 3\n\nMended:\n"),
        "{out}"
    );
    let (_, json, _) = explain(&["P0003", "--output", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["code"].as_str(), json["broken"]["flags"].as_str()), (Some("P0003"), Some("--profile prd")));
}

#[test]
fn explain_alone_lists_every_code() {
    let (code, out, _) = explain(&[]);
    assert_eq!((code, out.lines().count()), (Some(0), TABLE.len()));
    assert!(out.contains("P0406  requests that can't be repeated"), "{out}");
    let (_, json, _) = explain(&["--output", "json"]);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&json).unwrap().len(), TABLE.len());
}

#[test]
fn explain_refuses_what_is_no_code() {
    let (code, out, err) = explain(&["P0499"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("there is no code `P0499`: ") && err.contains("`paceline explain` lists all"), "{err}");
    let (_, _, err) = explain(&["99", "--color", "never", "-q"]);
    assert!(err.contains("there is no code `99`: `paceline explain`"), "{err}");
    let (_, _, err) = explain(&["widget"]);
    assert!(!err.contains("did you mean"), "{err}");
}

#[test]
fn explain_is_what_the_last_line_of_diagnostics_names() {
    let mut diagnostics = Diagnostics::default();
    assert_eq!(render(&diagnostics, None, Format::Human, false), "");
    Document::read(Path::new("not/there.toml"), &Default::default(), &mut diagnostics);
    let text = render(&diagnostics, None, Format::Human, false);
    assert!(text.ends_with("; more: paceline explain P0001\n"), "{text}");
}
