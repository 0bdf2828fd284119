//! Tests of the shape check: what is said, and where.

use std::path::Path;

use super::*;
use crate::document::Overlays;

/// What is wrong with the value of `key` in a text, as a schema sees it.
pub(super) fn problems(view: &View<'_>, text: &str) -> Vec<String> {
    let mut diagnostics = Diagnostics::default();
    let document =
        Document::parse(Path::new("job.toml"), text.to_owned(), &Overlays::default(), &mut diagnostics).unwrap();
    let (key, node) = document.root.entry("key").unwrap();
    let spot = Spot { path: KeyPath::of(["key"]), key: key.place };
    let wrong = run(&document, &mut diagnostics, false, |walker| walker.value(view, node, &spot));
    assert_eq!(wrong.is_empty(), diagnostics.list().is_empty(), "{text}");
    diagnostics.list().iter().map(|diagnostic| diagnostic.message.clone()).collect()
}

/// Every error of a job: code, the text at its place, message, first help.
fn errors(text: &str) -> Vec<(String, String, String, String)> {
    let mut diagnostics = Diagnostics::default();
    let document =
        Document::parse(Path::new("job.toml"), text.to_owned(), &Overlays::default(), &mut diagnostics).unwrap();
    let wrong = check(&document, &document.root, &mut diagnostics);
    assert_eq!(wrong.is_empty(), diagnostics.list().is_empty(), "{text}: {:?}", diagnostics.list());
    let shown = diagnostics.list().iter().map(|diagnostic| {
        let place = diagnostic.primary.as_ref().map(|label| text[label.place.start..label.place.end].to_owned());
        let help = diagnostic.help.first().cloned().unwrap_or_default();
        (diagnostic.code.0.to_owned(), place.unwrap_or_default(), diagnostic.message.clone(), help)
    });
    shown.collect()
}

const GOOD: &str = "[endpoints.a]\nurl = \"demo:/x\"\ninput = \"a.csv\"\n";

/// The one error of a good job with more lines at its top.
fn error(head: &str) -> (String, String, String, String) {
    let mut all = errors(&format!("{head}\n{GOOD}"));
    assert_eq!(all.len(), 1, "{head}: {all:?}");
    all.remove(0)
}

fn says(head: &str, code: &str, place: &str, message: &str, help: &str) {
    let (found_code, found_place, found_message, found_help) = error(head);
    assert_eq!(
        (found_code.as_str(), found_place.as_str(), found_message.as_str(), found_help.as_str()),
        (code, place, message, help),
        "{head}"
    );
}

#[test]
fn a_good_job_is_clean() {
    assert_eq!(errors(GOOD), []);
}

#[test]
fn keys() {
    says("rety = {}", "P0101", "rety", "unknown key `rety` in the job", "did you mean `retry`?");
    says(
        "timeout.wat = 1",
        "P0101",
        "wat",
        "unknown key `wat` in `timeout`",
        "valid keys here: pool, connect, read, total, row",
    );
    says(
        "attempts = 3",
        "P0101",
        "attempts",
        "unknown key `attempts` in the job",
        "`attempts` belongs to `retry`: write `retry.attempts`",
    );
}

#[test]
fn types() {
    says(
        "timeout.total = 10",
        "P0102",
        "10",
        "`timeout.total`: expected a duration such as \"10s\", found the integer 10",
        "write the unit too: \"10s\" or \"10ms\"",
    );
    says(
        "retry.attempts = \"3\"",
        "P0102",
        "\"3\"",
        "`retry.attempts`: expected an integer, found the string \"3\"",
        "write it without quotes: 3",
    );
    says(
        "retry.methods = \"GET\"",
        "P0102",
        "\"GET\"",
        "`retry.methods`: expected a list, found the string \"GET\"",
        "write a list: [\"GET\"]",
    );
    says(
        "client.tls.verify = \"true\"",
        "P0102",
        "\"true\"",
        "`client.tls.verify`: expected true or false, found the string \"true\"",
        "write it without quotes: true",
    );
    says(
        "run.fail-if = 3",
        "P0102",
        "3",
        "`run.fail-if`: expected a string or a list, found the integer 3",
        "for example `fail-if = [\"failed > 0\"]`",
    );
}

#[test]
fn a_value_of_a_key_below_is_told_with_that_key() {
    let mend = |head: &str| error(head).3;
    assert_eq!(mend("timeout = \"10s\""), "write `timeout.total = \"10s\"`");
    assert_eq!(mend("batch = 500"), "write `batch.size = 500`");
    // Which key a number was meant for, nobody can tell, nor is a number of a text any.
    assert_eq!(mend("client = 5"), "for example `client = { engine = \"hyper\" }`");
    assert_eq!(mend("timeout = \"soon\""), "for example `timeout = { total = \"30s\" }`");
    let long = format!("timeout = \"{}10s\"", "0".repeat(80));
    assert_eq!(mend(&long), "write `timeout.total` in place of `timeout`");
}

#[test]
fn a_key_that_was_meant_to_be_a_missing_one_is_one_error() {
    for text in [
        "[endpoint.a]\nurl = \"demo:/x\"\ninput = \"a.csv\"\n",
        "[endpoints.a]\nURL = \"demo:/x\"\ninput = \"a.csv\"\n",
        "[endpoints.a]\nurl = \"demo:/x\"\nInput.values = [1]\n",
        "url = \"demo:/x\"\n",
    ] {
        let codes: Vec<String> = errors(text).into_iter().map(|(code, ..)| code).collect();
        assert_eq!(codes, ["P0101"], "{text}");
    }
}

#[test]
fn values() {
    says(
        "version = 0",
        "P0103",
        "0",
        "there never was a version 0 of the job language",
        "write `version = 1`, or take the line out",
    );
    says(
        "retry.backoff = \"expo\"",
        "P0103",
        "\"expo\"",
        "`retry.backoff` can't be \"expo\"",
        "did you mean \"exponential\"?",
    );
    says("retry.attempts = 0", "P0103", "0", "`retry.attempts` is 0, which is too small", "write 1 or more");
    says(
        "retry.jitter = 1.5",
        "P0103",
        "1.5",
        "`retry.jitter` is 1.5, which is too large",
        "write a number from 0 to 1",
    );
    says(
        "retry.statuses = [\"7xx\"]",
        "P0103",
        "\"7xx\"",
        "`7xx` is not a status",
        "write a class from \"1xx\" to \"5xx\", or a number such as 404",
    );
}

#[test]
fn units() {
    says(
        "timeout.total = \"10 sec\"",
        "P0104",
        "\"10 sec\"",
        "`sec` is not a unit of time",
        "write \"10s\"; the units are ms, s, m, h and d",
    );
    says(
        "client.max-body = \"64mib\"",
        "P0104",
        "\"64mib\"",
        "`mib` is not a unit of size",
        "write \"64MiB\"; the units are B, KB, MB, GB, KiB, MiB and GiB",
    );
    says(
        "limits.a.rate = [\"10/s\", \"0/s\"]",
        "P0104",
        "\"0/s\"",
        "a rate of zero would never let a request leave",
        "write a count of at least 1, such as \"1/m\"",
    );
}

#[test]
fn what_is_missing() {
    let all = errors("[endpoints.a]\ninput = \"a.csv\"\n");
    assert_eq!(all.len(), 1);
    let wanted = "`endpoints.a` needs one of `url`, `websocket`, `sse`";
    assert_eq!((all[0].0.as_str(), all[0].2.as_str()), ("P0106", wanted));
    assert_eq!(all[0].3, "add one of them, such as `url = \"https://api.example.com/products/{{ row.sku }}\"`");
    assert_eq!(errors("name = \"x\"\n")[0].2, "`endpoints` is missing in the job");
}

#[test]
fn kinds() {
    says(
        "secrets.token = {}",
        "P0106",
        "token",
        "`secrets.token` needs one of `env`, `file`",
        "add one of them, such as `env = \"API_TOKEN\"`",
    );
    says(
        "secrets.token = { env = \"A\", file = \"b\" }",
        "P0106",
        "file",
        "`secrets.token` can't have both `env` and `file`",
        "keep one of the two",
    );
}

#[test]
fn a_secret_in_the_file_is_not_shown_again() {
    let (code, place, message, help) = error("[secrets]\napi-token = \"hunter2\"\n");
    assert_eq!((code.as_str(), place.as_str()), ("P0603", "\"hunter2\""));
    assert_eq!(message, "`secrets.api-token` holds its value, and a job file holds no secret");
    assert_eq!(help, "write `api-token.env = \"API_TOKEN\"`, or `api-token.file = \"/run/secrets/api-token\"`");
}

#[test]
fn all_errors_are_found_in_one_go() {
    assert_eq!(errors("rety = 1\nname = 3\n[retry]\nattempts = \"x\"\n[endpoints.a]\nmethd = 1\n").len(), 6);
}

#[test]
fn profiles_are_partial_jobs() {
    let text = "vars.base = \"demo:\"\nendpoints.a.concurrency = 1\nretry.attemts = 1\n";
    let mut diagnostics = Diagnostics::default();
    let document =
        Document::parse(Path::new("job.toml"), text.to_owned(), &Overlays::default(), &mut diagnostics).unwrap();
    let key = Key { place: document.root.place, name: "ci".to_owned() };
    check_profiles(&document, &[(key, document.root.clone())], &mut diagnostics);
    let messages: Vec<&str> = diagnostics.list().iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    assert_eq!(messages, ["unknown key `attemts` in `profiles.ci.retry`"]);
}

#[test]
fn what_can_not_be_read_is_left_out_with_its_table_and_the_rest_is_read() {
    let bad = "[endpoints.bad]\nurl = 5\ninput = \"a.csv\"\n[endpoints.worse]\nurl = \"demo:/x\"\ninput.exel = {}\n";
    let text = format!("limits.a.rate = \"fast\"\nname = 7\nrun.fail-if = [\"a\", 3, \"b\"]\n{GOOD}{bad}");
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics).unwrap();
    let reading = crate::spec::read(&document, &mut diagnostics).unwrap();
    assert!(!reading.whole);
    assert_eq!(diagnostics.list().len(), 5, "{:?}", diagnostics.list());
    assert_eq!(reading.spec.endpoints.names().collect::<Vec<_>>(), ["a"]);
    assert_eq!((reading.spec.limits.unwrap().0.len(), reading.spec.name), (0, None));
    assert_eq!(reading.spec.run.unwrap().fail_if.unwrap().0, ["a", "b"]);
}

#[test]
fn a_flood_over_many_tables_ends() {
    let flood = |entry: &dyn Fn(usize) -> String| -> String { (0..3 * FLOOD).map(entry).collect() };
    for text in [
        flood(&|number| format!("k{number} = 1\n")),
        flood(&|number| format!("[sinks.s{number}]\nx = 1\n")),
        flood(&|number| format!("[endpoints.e{number}]\nx = 1\n")),
        flood(&|number| format!("[profiles.p{number}]\nx = 1\n")),
        flood(&|number| format!("[[profiles.p{number}.notify]]\nx = 1\n")),
        flood(&|_| "[[notify]]\nx = 1\n".to_owned()),
    ] {
        let mut diagnostics = Diagnostics::default();
        let text = format!("{text}{GOOD}");
        let document = Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics).unwrap();
        let reading = crate::spec::read(&document, &mut diagnostics);
        let found = diagnostics.list().len();
        assert!((FLOOD..FLOOD + 50).contains(&found), "{found} errors of {}", &document.sources[0].text[..30]);
        let is_of_profiles = document.sources[0].text.trim_start_matches('[').starts_with("profiles");
        assert!(is_of_profiles || reading.is_none_or(|reading| !reading.whole));
    }
}

#[test]
fn no_help_is_looked_for_where_nobody_reads_of_it() {
    let limits: String = (0..ADVISED + 10).map(|number| format!("n{number} = 1\n")).collect();
    let all = errors(&format!("{GOOD}[limits]\n{limits}"));
    assert_eq!(all.len(), ADVISED + 10);
    assert!(all[0].3.starts_with("for example `n0 = "), "{:?}", all[0]);
    assert_eq!(all[ADVISED + 9].3, "see the values that are told of first");
}
