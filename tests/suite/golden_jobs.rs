//! Golden jobs: every `tests/golden-jobs/NAME.toml` runs against `demo:`, and what it leaves is compared byte by byte.
//!
//! A new case is two files and no code: the job, and for each file `out/FILE` that it writes a `NAME.FILE`, unpacked. What
//! it prints is `NAME.stdout`; its warnings, and why rows failed, are `NAME.stderr`; either is there only where something
//! is said. `NAME.stdin` is its standard input. A run that does not end with exit code 0 is a failure.
//! `UPDATE_GOLDEN=1 cargo test golden` writes what is compared; read it before you commit it.
//!
//! Each kind of the tables has a case here. PostgreSQL has none: it is a server, and in `postgres.rs`. Packed inputs
//! are their plain twins: `gzip -9n <products.csv >products.csv.gz`, `zstd -19 orders.jsonl`. Must never skip a case
//! that this build can run.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use paceline::compile::{self, Options};
use paceline::diagnostic::Diagnostics;
use paceline::document::{Document, Overlays};
use paceline::plan::Plan;
use paceline::spec::input::SelectingSpec;
use paceline::{extract, paginate, sink, source};
use serde_json::Value;

use crate::support::golden::{difference, is_updated};
use crate::support::output::unpacked;
use crate::support::{Done, Job};

/// Where the cases are, from the root of the crate, in which tests run.
const FOLDER: &str = "tests/golden-jobs";

/// Kinds of inputs that not every build has, with their one case.
const OPTIONAL: [(bool, &str, &str); 2] =
    [(cfg!(feature = "parquet"), "parquet", "input-parquet"), (cfg!(feature = "sqlite"), "sql", "input-sqlite")];

/// Sinks that leave no text in a folder: other programs judge them in tests of their own.
const JUDGED: [&str; 5] = ["parquet", "postgres", "s3", "sqlite", "webhook"];

/// What a job leaves, by the end of its golden's name.
type Left = BTreeMap<String, Vec<u8>>;

#[test]
fn golden_jobs_leave_what_is_committed() {
    let failures: Vec<String> =
        names().iter().filter_map(|name| case(name).err().map(|why| format!("== {name}: {why}"))).collect();
    assert!(
        failures.is_empty(),
        "{} golden jobs differ; if the new records are right, run UPDATE_GOLDEN=1 cargo test golden\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

#[test]
fn golden_jobs_have_every_kind() {
    let plans: Vec<Plan> = names().iter().map(|name| plan(name)).collect();
    let endpoints: Vec<_> = plans.iter().flat_map(|plan| &plan.endpoints).collect();
    let inputs = endpoints.iter().map(|endpoint| endpoint.source.kind());
    let built = |kind: &&str| OPTIONAL.iter().all(|(is_built, optional, _)| *is_built || optional != kind);
    have_all("input", source::KINDS.iter().map(|kind| kind.name).filter(built), inputs);
    let paginations = endpoints.iter().filter_map(|endpoint| endpoint.paginate.as_ref()).map(|plan| plan.kind());
    have_all("pagination", paginate::KINDS.iter().map(|kind| kind.name), paginations);
    let columns = endpoints.iter().flat_map(|endpoint| &endpoint.columns).map(|column| column.extractor.kind());
    let sinks = plans.iter().flat_map(|plan| &plan.sinks).map(|sink| sink.kind.kind());
    let text = |kind: &&str| !JUDGED.contains(kind);
    have_all("sink", sink::KINDS.iter().map(|kind| kind.name).filter(text), sinks);
    have_all("column", extract::KINDS.iter().map(|kind| kind.name), columns);
}

#[test]
fn golden_jobs_have_every_way_to_select_rows() {
    let known = serde_json::to_value(SelectingSpec::default()).unwrap();
    let jobs: Vec<Value> = names().iter().map(|name| toml::from_str(&text(&format!("{name}.toml"))).unwrap()).collect();
    let endpoints = jobs.iter().flat_map(|job| job["endpoints"].as_object().unwrap().values());
    let inputs: Vec<_> = endpoints.filter_map(|endpoint| endpoint["input"].as_object()).collect();
    let keys = inputs.iter().flat_map(|input| input.keys()).map(String::as_str);
    have_all("way to select rows", known.as_object().unwrap().keys().map(String::as_str), keys);
}

#[test]
fn golden_jobs_read_packed_inputs_as_plain_ones() {
    for (packed, plain) in
        [("input-csv-gzip.out.csv", "input-csv.out.csv"), ("input-jsonl-zstd.out.jsonl", "input-jsonl.out.jsonl")]
    {
        assert_eq!(text(packed), text(plain), "{packed}");
    }
}

/// Each of the kinds that are `known` is among the `used` ones.
fn have_all<'k>(what: &str, known: impl Iterator<Item = &'k str>, used: impl Iterator<Item = &'k str>) {
    let (known, used): (BTreeSet<_>, BTreeSet<_>) = (known.collect(), used.collect());
    assert!(!known.is_empty(), "the table of each {what} is empty");
    let missing: Vec<_> = known.difference(&used).collect();
    assert!(missing.is_empty(), "{what} without a golden job in {FOLDER}: {missing:?}");
}

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn plan(name: &str) -> Plan {
    let mut diagnostics = Diagnostics::default();
    let document =
        Document::read(&Path::new(FOLDER).join(format!("{name}.toml")), &Overlays::default(), &mut diagnostics);
    let plan = document.and_then(|document| compile::compile(&document, &Options::default(), &mut diagnostics));
    plan.unwrap_or_else(|| panic!("{name}: {:#?}", diagnostics.list()))
}

/// Files of the folder as name of the case and the rest.
fn files() -> Vec<(String, String)> {
    let entries = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file()).map(|entry| entry.file_name());
    let split =
        |file: std::ffi::OsString| file.to_str()?.split_once('.').map(|(name, end)| (name.to_owned(), end.to_owned()));
    files.filter_map(split).filter(|(name, _)| !name.is_empty()).collect()
}

/// Names of all cases of this build, from all kinds of files: one without its job is a failure of its case.
fn names() -> BTreeSet<String> {
    let others = OPTIONAL.iter().filter(|(is_built, ..)| !is_built).map(|(_, _, case)| *case);
    let others: Vec<&str> = others.collect();
    files().into_iter().map(|(name, _)| name).filter(|name| !others.contains(&name.as_str())).collect()
}

fn case(name: &str) -> Result<(), String> {
    let ends: Vec<String> = files().into_iter().filter(|(case, _)| case == name).map(|(_, end)| end).collect();
    if !ends.iter().any(|end| end == "toml") {
        return Err(format!("there is no {name}.toml"));
    }
    let goldens: BTreeSet<String> = ends.into_iter().filter(|end| end != "toml" && end != "stdin").collect();
    let left = run(name)?;
    if is_updated() {
        return update(name, &goldens, &left);
    }
    let all: BTreeSet<&String> = goldens.iter().chain(left.keys()).collect();
    let differences: Vec<String> = all.into_iter().filter_map(|end| compare(name, end, left.get(end)).err()).collect();
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

fn update(name: &str, goldens: &BTreeSet<String>, left: &Left) -> Result<(), String> {
    let path = |end: &String| Path::new(FOLDER).join(format!("{name}.{end}"));
    for stale in goldens.iter().filter(|end| !left.contains_key(*end)) {
        fs::remove_file(path(stale)).unwrap();
    }
    for (end, bytes) in left {
        fs::write(path(end), bytes).unwrap();
    }
    if left.is_empty() { Err("it leaves nothing".to_owned()) } else { Ok(()) }
}

fn compare(name: &str, end: &str, found: Option<&Vec<u8>>) -> Result<(), String> {
    let golden = format!("{name}.{end}");
    let expected = fs::read(Path::new(FOLDER).join(&golden));
    match (expected, found) {
        (Err(_), _) => Err(format!("there is no {golden}")),
        (Ok(_), None) => Err(format!("the job left nothing for {golden}")),
        (Ok(expected), Some(found)) if expected == *found => Ok(()),
        (Ok(expected), Some(found)) => Err(format!("{golden}\n{}", difference(&shown(&expected), &shown(found)))),
    }
}

/// Bytes as a text in which no two different ones look the same.
fn shown(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::new(), |text, chunk| {
        let valid = chunk.valid().replace('\\', "\\\\").replace('\r', "\\r");
        text + &valid + &chunk.invalid().escape_ascii().to_string()
    })
}

/// Runs a job to a good end.
fn run(name: &str) -> Result<Left, String> {
    let mut job = Job::golden(&format!("{name}.toml"));
    if let Ok(input) = fs::read_to_string(Path::new(FOLDER).join(format!("{name}.stdin"))) {
        job = job.input(&input);
    }
    let Done { code, stdout, stderr } = job.run(&[]);
    if code != Some(0) {
        return Err(format!("exit code {code:?}\n{stdout}\n{stderr}"));
    }
    let mut left = Left::new();
    for entry in fs::read_dir(job.path("golden-jobs/out")).into_iter().flatten() {
        let path = entry.unwrap().path();
        // How many members a packed file has depends on the clock; the text does not.
        let (name, ending) = (path.file_stem().unwrap(), path.extension().unwrap_or_default());
        let is_packed = ["gz", "zst"].iter().any(|known| ending.eq_ignore_ascii_case(known));
        let name = if is_packed { name } else { path.file_name().unwrap() };
        let bytes = unpacked(ending.to_str().unwrap(), &fs::read(&path).unwrap()).unwrap();
        left.insert(name.to_str().unwrap().to_owned(), bytes);
    }
    for (end, text) in [("stdout", stdout), ("stderr", said(&stderr))] {
        if !text.is_empty() {
            left.insert(end.to_owned(), text.into_bytes());
        }
    }
    Ok(left)
}

/// Warnings and failures of what is said of a run, each with the indented lines below it.
fn said(stderr: &str) -> String {
    let (mut kept, mut is_kept) = (String::new(), false);
    for line in stderr.lines() {
        if !line.starts_with(' ') {
            is_kept = ["warning", "failures", "fail-if"].iter().any(|word| line.starts_with(word));
        }
        if is_kept {
            kept += &format!("{}\n", line.trim_end());
        }
    }
    kept
}

#[test]
fn golden_jobs_show_every_byte_that_differs() {
    assert_eq!(shown(b"a\r\n\\r\xff\n"), "a\\r\n\\\\r\\xff\n");
}

#[test]
fn golden_jobs_keep_warnings_and_failures() {
    let stderr = "rows  1 ok\nfailures  1 row: a\n          1 row: b\nrecords  out\n   (2)\nwarning: c\n";
    assert_eq!(said(stderr), "failures  1 row: a\n          1 row: b\nwarning: c\n");
}
