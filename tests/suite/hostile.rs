//! Job files of a mebibyte that are made to take time and memory: refused or accepted with words, at most twenty of them
//! shown, in memory that has an end. How long it takes is printed and not asserted: a machine may be busy.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use paceline::clock;
use serde_json::Value;

use crate::support::Job;

/// The largest job file.
const LARGEST: usize = 1 << 20;

/// What a check may take of addresses, in KiB; the program itself has a part of it.
const MOST: u64 = 1536 * 1024;

const JOB: &str = "[endpoints.a]\nurl = \"demo:/items/{{ row.value }}\"\ninput.range = { from = 1, to = 3 }\n";

/// So many times a part, up to the largest file.
fn filled(start: &str, part: &str, end: &str) -> String {
    let count = (LARGEST - start.len() - end.len()) / part.len();
    format!("{start}{}{end}", part.repeat(count))
}

fn nested() -> Vec<(&'static str, String)> {
    vec![
        ("lists", filled("a = ", "[", "")),
        ("lists that are closed", format!("a = {}{}", "[".repeat(500_000), "]".repeat(500_000))),
        ("inline tables", filled("a = ", "{a=", "")),
        ("lists and inline tables", filled("a = ", "[{a=", "")),
        ("a key of dots", filled("a", ".a", " = 1")),
        ("a header of dots", filled("[a", ".a", "]")),
        ("a template of braces", filled("[endpoints.a]\nurl = \"", "{{", "\"")),
        ("a template of brackets", filled("[endpoints.a]\nurl = \"{{ ", "(", " }}\"")),
        ("a JSONPath of brackets", filled(&format!("{JOB}columns.a = \"$"), "[?@", "\"")),
        ("a jq program of brackets", filled(&format!("{JOB}columns.a = {{ jq = \""), "[", "\" }")),
        ("a jq program of pipes", filled(&format!("{JOB}columns.a = {{ jq = \"."), "|.", "\" }")),
        ("a pattern of brackets", filled(&format!("{JOB}columns.a = {{ regex = '"), "(", "' }")),
    ]
}

fn many() -> Vec<(&'static str, String)> {
    vec![
        ("words", filled("", "x\n", "")),
        ("open lists", filled("", "a=[\n", "")),
        ("lines that end with a carriage return alone", filled("", "a=1\r", "")),
        ("errors in one line", filled("a = \"", "\\q", "\"")),
    ]
}

#[test]
fn deep_files_are_refused_with_words() {
    nested().iter().for_each(|(name, text)| checked(name, text));
}

#[test]
fn long_files_are_answered_with_words() {
    many().iter().for_each(|(name, text)| checked(name, text));
}

#[allow(clippy::print_stderr, reason = "the time is for who reads the output of the test")]
fn checked(name: &str, text: &str) {
    assert!(text.len() <= LARGEST && text.len() > LARGEST / 4, "{name}: {} bytes", text.len());
    let job = Job::new(text);
    let started = clock::now();
    let done = job.shell(&format!("ulimit -v {MOST}; exec \"$PACELINE\" check job.toml --output json"));
    eprintln!("{name}: {} bytes, {:?}", text.len(), started.elapsed());
    assert!(matches!(done.code, Some(0 | 2)), "{name}: {:?}\n{:.2000}", done.code, done.stderr);
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    let shown = told["diagnostics"].as_array().unwrap().len();
    assert!(shown <= 20 && (shown > 0 || done.code == Some(0)), "{name}: {shown} are shown");
}
