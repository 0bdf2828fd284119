//! Job files of a mebibyte that are made to take time and memory: refused or accepted with words, at most twenty of them
//! shown, in processor time and memory that have an end. Seconds of the clock are asserted nowhere: a machine may be busy.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod files;

use std::time::Duration;

use serde_json::Value;

use crate::memory;
use crate::support::{Done, Job, wait};

/// The largest job file.
const LARGEST: usize = 1 << 20;

/// What a command may take of addresses, in KiB: the system ends it there.
const MOST: u64 = 1536 * 1024;

/// What may be resident at any time, in KiB.
const RESIDENT: u64 = 1024 * 1024;

/// Seconds of processor time that a command may take; the system ends it there. A release build takes less than one,
/// a debug build on a busy machine ten times as much and more. What takes long by design, square in the length of the
/// file, takes minutes.
const SECONDS: u64 = 30;

const JOB: &str = "[endpoints.a]\nurl = \"demo:/items/{{ row.value }}\"\ninput.range = { from = 1, to = 3 }\n";

/// So many times a part, up to the largest file.
fn filled(start: &str, part: &str, end: &str) -> String {
    let count = (LARGEST - start.len() - end.len()) / part.len();
    format!("{start}{}{end}", part.repeat(count))
}

/// As many parts, each with its number, up to the largest file.
fn numbered(start: &str, part: impl Fn(usize) -> String, end: &str) -> String {
    let mut text = start.to_owned();
    for number in 0.. {
        let part = part(number);
        if text.len() + part.len() + end.len() > LARGEST {
            break;
        }
        text.push_str(&part);
    }
    text + end
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
        ("a template of constants", filled("[endpoints.a]\nurl = \"demo:/", "{{1}}", "\"")),
        ("a template of names", filled("[endpoints.a]\nurl = \"demo:/", "{{a}}", "\"")),
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
        ("lines of an equals sign", filled("", "=\n", "")),
        ("a key twice", filled("", "a=1\n", "")),
        ("headers that are never closed", filled("", "[a\n", "")),
        ("a list that is opened again and again", filled(JOB, "x = [\n", "")),
        ("tables that stand there already", filled(JOB, "a.b.c1.d = 1\n", "")),
        ("quotes", filled(&format!("{JOB}x = "), "\"", "\n")),
    ]
}

/// What is compared with what else is there.
fn wide() -> Vec<(&'static str, String)> {
    let names = |number: usize| format!("'n{number}',");
    let table = |name: &'static str| move |number: usize| format!("[{name}.n{number}]\n");
    vec![
        ("names to keep", numbered(&format!("{JOB}keep = ["), names, "]")),
        ("one name to keep", filled(&format!("{JOB}keep = ["), "'a',", "]")),
        ("missing limits", numbered(&format!("{JOB}limit = ["), names, "]")),
        ("one missing limit", filled(&format!("{JOB}limit = ["), "'a',", "]")),
        ("unknown keys", numbered(JOB, |number| format!("n{number} = 1\n"), "")),
        ("unknown keys that are nearly known", numbered(JOB, |number| format!("limit{number} = 1\n"), "")),
        (
            "unknown keys of an input",
            numbered("[endpoints.a]\nurl = \"demo:/\"\ninput = {", |n| format!("n{n}=1,"), "}"),
        ),
        ("values of a wrong type", numbered("[limits]\n", |number| format!("n{number}='://a:b@'\n"), "")),
        (
            "limits that lack their rate",
            numbered(&format!("{JOB}[limits]\n"), |number| format!("n{number}={{}}\n"), ""),
        ),
        ("a wide profile", numbered(&format!("{JOB}[profiles.a]\n"), |number| format!("n{number} = 1\n"), "")),
        ("headers", numbered(&format!("{JOB}[endpoints.a.headers]\n"), |number| format!("n{number} = 1\n"), "")),
        ("columns", numbered(&format!("{JOB}[endpoints.a.columns]\n"), |number| format!("n{number} = '$.a'\n"), "")),
        ("variables", numbered(&format!("{JOB}[vars]\n"), |number| format!("n{number} = 1\n"), "")),
        ("secrets", numbered(&format!("{JOB}[secrets]\n"), |number| format!("n{number}.env = 'A'\n"), "")),
        ("empty endpoints", numbered("", table("endpoints"), "")),
        ("a chain of endpoints", numbered(JOB, linked, "")),
        ("sinks", numbered(JOB, |number| format!("[sinks.n{number}]\npath = 'out/{number}.csv'\n"), "")),
        ("columns that are handed on", handed_on()),
        ("headers that compute with large variables", computed()),
        ("settings for many endpoints", flowing()),
        ("a name twice, far down", twice_far_down()),
    ]
}

/// Templates, rows, and what else there may be many of.
fn templated() -> Vec<(&'static str, String)> {
    vec![
        ("templates in a header", filled(&format!("{JOB}headers.x = \""), "{{ row.value }}", "\"")),
        (
            "templates in a URL",
            filled("[endpoints.a]\ninput.range={from=1,to=3}\nurl=\"demo:/", "{{ row.value }}", "\""),
        ),
        ("headers of templates", numbered(&format!("{JOB}[endpoints.a.headers]\n"), header, "")),
        ("parameters of templates", numbered(&format!("{JOB}[endpoints.a.query]\n"), header, "")),
        ("columns of templates", numbered(&format!("{JOB}[endpoints.a.columns]\n"), header, "")),
        ("members of templates", numbered(&format!("{JOB}method = 'POST'\n[endpoints.a.json]\n"), header, "")),
        ("endpoints", numbered("", endpoint, "")),
        ("rows", numbered(VALUES, |n| format!("{{a={n}}},"), "]")),
        ("rows of other names", numbered(VALUES, |n| format!("{{a{n}=1}},"), "]")),
        ("a row of many names", numbered(&format!("{VALUES}{{"), |n| format!("a{n}=1,"), "}]")),
        ("variables that name each other", numbered(&format!("{JOB}[vars]\n"), named, "")),
        ("buckets", numbered(JOB, |n| format!("[limits.l{n}]\nrate=\"1/s\"\n"), "")),
        ("profiles", numbered(JOB, |n| format!("[profiles.p{n}.vars]\n"), "")),
        ("included files", numbered("include = [", |n| format!("\"i{n}.toml\","), &format!("]\n{JOB}"))),
        ("rules", filled(JOB, "[[endpoints.a.rules]]\nwhen='row.value > 1'\nthen='retry'\n", "")),
        ("a JSONPath of filters", filled(&format!("{JOB}columns.a = \"$"), "[?@.a]", "\"")),
        ("hosts", numbered(&format!("{JOB}[client.resolve]\n"), |n| format!("h{n}=\"127.0.0.1:1\"\n"), "")),
    ]
}

/// The beginning of an input that stands in the job.
const VALUES: &str = "[endpoints.a]\nurl = \"demo:/\"\ninput.values = [";

/// A name with a template.
fn header(number: usize) -> String {
    format!("h{number}=\"{{{{ row.value }}}}\"\n")
}

fn endpoint(number: usize) -> String {
    format!("[endpoints.e{number}]\nurl=\"https://x.y/{{{{ row.value }}}}\"\ninput.range={{from=1,to=3}}\n")
}

/// A variable that takes its value from the next one.
fn named(number: usize) -> String {
    format!("v{number}=\"{{{{ vars.v{} }}}}\"\n", number + 1)
}

/// An endpoint that reads the one before it.
fn linked(number: usize) -> String {
    let before = number.checked_sub(1).map_or("a".to_owned(), |before| format!("n{before}"));
    format!("[endpoints.n{number}]\nurl = 'demo:/'\ninput.endpoint = '{before}'\ncolumns.c{number} = '$.a'\n")
}

/// Half of a file of variables, and half of templates that compute with one of them.
fn computed() -> String {
    let items = "1,".repeat(LARGEST / 5);
    numbered(
        &format!("{JOB}[vars]\na = [{items}]\nb = 1\n[endpoints.a.headers]\n"),
        |n| format!("n{n}='{{{{vars.b ~ row.value}}}}'\n"),
        "",
    )
}

/// Half of a file of settings that flow to all endpoints of the other half.
fn flowing() -> String {
    let methods = "'GET',".repeat(LARGEST / 12);
    numbered(
        &format!("retry.methods = [{methods}]\n"),
        |n| format!("[endpoints.n{n}]\nurl='demo:/'\ninput.range={{from=1,to=3}}\n"),
        "",
    )
}

/// Names that stand twice at the end of a file.
fn twice_far_down() -> String {
    let first = |number: usize| format!("[n{number}]\na = 1\n");
    let most = LARGEST / 20;
    (0..most).chain(0..500).map(first).collect()
}

/// Half of a file of columns, and five hundred endpoints that read them.
fn handed_on() -> String {
    let columns: String = (0..LARGEST / 40).map(|number| format!("n{number} = '$.a'\n")).collect();
    let reader = |number| format!("[endpoints.r{number}]\nurl = 'demo:/'\ninput.endpoint = 'a'\n");
    format!("{JOB}[endpoints.a.columns]\n{columns}{}", (0..500).map(reader).collect::<String>())
}

#[test]
fn deep_files_are_refused_with_words() {
    nested().iter().for_each(|(name, text)| checked(name, text));
}

#[test]
fn long_files_are_answered_with_words() {
    many().iter().for_each(|(name, text)| checked(name, text));
}

#[test]
fn wide_files_are_answered_with_words() {
    wide().iter().for_each(|(name, text)| checked(name, text));
}

/// Runs a command with bounds, and looks at how much of them it takes.
#[allow(clippy::print_stderr, reason = "the figures are worth knowing although the test is fine")]
fn bounded(name: &str, job: &Job, words: &str) -> Done {
    let line = format!("ulimit -v {MOST}; ulimit -t {SECONDS}; exec \"$PACELINE\" {words}");
    let mut running = job.spawn_shell(&line);
    let (mut resident, mut ticks) = (0, 0);
    wait::until(name, Duration::from_secs(600), || {
        resident = memory::peak(running.pid()).unwrap_or_default().max(resident);
        ticks = memory::ticks(running.pid()).unwrap_or_default().max(ticks);
        (!running.is_running()).then_some(())
    });
    let done = running.wait();
    eprintln!("{name}: {}.{:02} s of a processor, {resident} KiB", ticks / 100, ticks % 100);
    assert!(done.code.is_some(), "{name}: was ended, after {ticks} hundredths of a second\n{:.2000}", done.stderr);
    assert!(resident < RESIDENT, "{name}: {resident} KiB were resident, {RESIDENT} are the most");
    done
}

#[test]
fn files_of_templates_and_rows_are_answered_with_words() {
    templated().iter().for_each(|(name, text)| checked(name, text));
}

fn checked(name: &str, text: &str) {
    assert!(text.len() <= LARGEST && text.len() > LARGEST / 4, "{name}: {} bytes", text.len());
    told(name, &Job::new(text));
}

/// Checks a job, which is told of in no more words than anybody reads.
fn told(name: &str, job: &Job) -> Option<i32> {
    let done = bounded(name, job, "check job.toml --output json");
    assert!(matches!(done.code, Some(0 | 2)), "{name}: {:?}\n{:.2000}", done.code, done.stderr);
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    let shown = told["diagnostics"].as_array().unwrap().len();
    assert!(shown <= 20 && (shown > 0 || done.code == Some(0)), "{name}: {shown} are shown");
    assert!(done.stdout.len() < LARGEST, "{name}: {} bytes are told", done.stdout.len());
    done.code
}
