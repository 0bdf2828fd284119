//! The committed schema, judged by a validator that nobody here wrote: every job that is run and shown is
//! good by it, and what is broken is refused at its place.
//!
//! The program checks job files by the same schema with a walker of its own; this is for the editors,
//! which do not have that walker. Must never use the code that it judges.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

use crate::cli::paceline;
use crate::readme::{blocks, readme};

fn schema() -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/job.schema.json");
    let schema = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft7::new(&schema).unwrap()
}

fn as_json(toml: &str) -> Value {
    let table: toml::Table = toml.parse().unwrap_or_else(|error| panic!("{error}\n{toml}"));
    json(toml::Value::Table(table))
}

/// As editors turn TOML into JSON: dates and times are texts.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
        plain => serde_json::to_value(plain).unwrap(),
    }
}

/// What is wrong with a job and where, as JSON pointers; ascending.
fn places(schema: &Validator, toml: &str) -> Vec<String> {
    let job = as_json(toml);
    let mut places: Vec<String> = schema.iter_errors(&job).map(|error| error.instance_path().to_string()).collect();
    places.sort();
    places
}

#[test]
fn every_job_of_the_repository_is_good() {
    let (schema, mut jobs) = (schema(), 0);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            assert_eq!(places(&schema, &fs::read_to_string(&path).unwrap()), [""; 0], "{}", path.display());
            jobs += 1;
        }
    }
    assert!(jobs >= 10, "only {jobs} jobs");
}

#[test]
fn every_job_of_the_readme_is_good() {
    let (schema, blocks) = (schema(), blocks(&readme()));
    let jobs: Vec<_> = blocks.iter().filter(|block| block.language == "toml").collect();
    assert!(!jobs.is_empty(), "README.md shows no job file");
    for job in jobs {
        assert_eq!(places(&schema, &job.text), [""; 0], "README.md:{}", job.line);
    }
}

/// A job to break: what is put in front of it stands at the top, what is put behind it in the endpoint.
fn job(top: &str, endpoint: &str) -> String {
    format!("{top}\n[endpoints.price]\nurl = \"demo:/items/1\"\n{endpoint}\n")
}

const INPUT: &str = "input = \"rows.csv\"";

#[test]
fn a_broken_job_is_refused_at_its_place() {
    let with_input = |top: &str, endpoint: &str| job(top, &format!("{INPUT}\n{endpoint}"));
    let cases = [
        ("no endpoint", "name = \"x\"".to_owned(), ""),
        ("no input", job("", ""), "/endpoints/price"),
        (
            "a socket without an end",
            format!("[endpoints.price]\n{INPUT}\nwebsocket.url = \"ws://h/\""),
            "/endpoints/price/websocket",
        ),
        ("an unknown key at the top", with_input("[endpoint.x]\na = 1", ""), ""),
        ("an unknown key", with_input("", "limits = \"api\""), "/endpoints/price"),
        ("a number for a text", with_input("name = 5", ""), "/name"),
        ("a version to come", with_input("version = 2", ""), "/version"),
        ("a text for a number", with_input("", "concurrency = \"20\""), "/endpoints/price/concurrency"),
        ("no request in flight", with_input("", "concurrency = 0"), "/endpoints/price/concurrency"),
        ("a duration without a unit", with_input("[timeout]\ntotal = \"30\"", ""), "/timeout/total"),
        ("a duration that is a number", with_input("[batch]\nsize = 1\npause = 1", ""), "/batch/pause"),
        ("a rate without a unit", with_input("", "rate = \"10\""), "/endpoints/price/rate"),
        ("a limit without a rate", with_input("[limits.api]\nburst = 5", ""), "/limits/api"),
        ("an unknown choice", with_input("[retry]\nbackoff = \"fast\"", ""), "/retry/backoff"),
        ("an unknown meta column", with_input("", "meta = [\"state\"]"), "/endpoints/price/meta/0"),
        ("an unknown kind of input", job("", "input.cvs = { path = \"a\" }"), "/endpoints/price/input"),
        (
            "two kinds of auth",
            with_input("", "auth = { bearer = \"a\", basic = { user = \"u\", password = \"p\" } }"),
            "/endpoints/price/auth",
        ),
        ("an unknown kind of column", with_input("", "columns.a = { jsn = \"$.a\" }"), "/endpoints/price/columns/a"),
        ("a broken profile", with_input("[profiles.ci]\nname = 5", ""), "/profiles/ci/name"),
    ];
    let schema = schema();
    assert_eq!(places(&schema, &with_input("", "")), [""; 0], "the job that is broken in each case is good");
    for (what, toml, place) in cases {
        let found = places(&schema, &toml);
        assert_eq!(found, [place], "{what}:\n{toml}");
    }
}

#[test]
fn every_mistake_that_editors_must_find_is_found_here_and_by_check_at_its_line() {
    let (schema, mut mistakes) = (schema(), 0);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/editors")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let wrong: Vec<usize> =
            (1..).zip(text.lines()).filter(|(_, line)| line.contains("# expect: ")).map(|(at, _)| at).collect();
        let [line] = wrong[..] else { panic!("{}: {wrong:?}", path.display()) };
        assert!(!places(&schema, &text).is_empty(), "{}", path.display());
        let done = paceline(&["check", path.to_str().unwrap()]).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        // A whole table that is missing has no line of its own.
        let line = if name == "missing-endpoints.toml" { 1 } else { line };
        assert!(done.status.code() == Some(2) && said.contains(&format!("{name}:{line}:")), "{name}:{line}\n{said}");
        mistakes += 1;
    }
    assert!(mistakes >= 25, "only {mistakes} files");
}
