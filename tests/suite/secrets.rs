//! A canary: a secret that is sent in every way there is, to a server that says it back in every form,
//! stands in nothing that is printed, logged, journaled or written as an error.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::output::jsonl_file;
use crate::support::{Answer, Done, Job, Oracle};

/// Every form of it is different: it is encoded in URLs, escaped in JSON, and long enough for base64.
const CANARY: &str = "kan\"arie/vogel+7&8=ü?";
/// One that can stand in a header.
const HEADER_CANARY: &str = "hdr-kanarie/vogel+7&8=?";

/// Forms of a secret: as a server may say it, and what must not be found of it.
fn forms(secret: &str) -> Vec<(String, String)> {
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let percent = percent_encoding::utf8_percent_encode(secret, UNRESERVED).to_string();
    let form = percent.replace("%20", "+");
    let json = serde_json::Value::from(secret).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let plain = [secret.to_owned(), percent.to_lowercase(), percent, form, json].map(|form| (form.clone(), form));
    let base = [STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret), STANDARD.encode(format!("user:{secret}"))];
    // The ends of base64 depend on what stands beside the secret.
    let inside = |text: &str| text[12..text.trim_end_matches('=').len() - 3].to_owned();
    plain.into_iter().chain(base.map(|text| (text.clone(), inside(&text)))).collect()
}

const JOB: &str = r#"
[secrets]
canary.env = "CANARY"
header.file = "header.txt"

[retry]
attempts = 2
initial = "1ms"

[endpoints.basic]
method = "PUT"
url = "ORACLE/basic/{{ secrets.canary }}/{{ row.value }}"
query.token = "{{ secrets.canary }}"
headers.x-token = "{{ secrets.header }}"
auth.basic = { user = "user", password = "{{ secrets.canary }}" }
json = { token = "{{ secrets.canary }}", both = "a {{ secrets.canary }} b" }
input.range = { from = 1, to = 30 }
columns.got = "$.id"
meta = ["status", "error", "url"]

[endpoints.bearer]
method = "PUT"
form = { token = "{{ secrets.canary }}", both = ["a {{ secrets.canary }} b", "{{ secrets.header }}"] }
url = "ORACLE/bearer/{{ row.value }}"
auth.bearer = "{{ secrets.header }}"
input.range = { from = 1, to = 30 }
columns.got = "$.id"
meta = ["status", "error", "url"]

[endpoints.parts]
method = "PUT"
url = "ORACLE/parts/{{ row.value }}"
multipart = { token = "{{ secrets.canary }}", file = { text = "x", filename = "{{ secrets.canary }}" } }
input.range = { from = 1, to = 30 }
columns.got = "$.id"
meta = ["status", "error", "url"]

[sinks.table]
path = "out/table.csv"

[sinks.lines]
path = "out/lines.jsonl"
"#;

/// Says back what it was sent, in ways that end up in errors.
fn parrot(request: &SeenRequest) -> Answer {
    let row: u64 = request.id().parse().expect("a row");
    let forms: Vec<(String, String)> = [CANARY, HEADER_CANARY].into_iter().flat_map(forms).collect();
    let (form, _) = &forms[row as usize % forms.len()];
    let back = format!("{}/{form}?{form}", request.path);
    match row % 5 {
        0 => Answer::text(200, form.as_str()),
        1 => Answer::text(200, format!("{{\"token\": {}", request.header("authorization").unwrap_or_default())),
        2 => Answer::status(302).header("location", &format!("http://{}/", form.replace(|c: char| !c.is_ascii(), ""))),
        3 => Answer::Garbage(format!("HTTP/1.1 {form}\r\n{form}\r\n\r\n").into_bytes()),
        _ => Answer::text(500, back),
    }
}

fn job(oracle: &Oracle) -> Job {
    let job = Job::at(&oracle.url(), JOB).variable("CANARY", CANARY);
    job.with("header.txt", format!("{HEADER_CANARY}\n"))
}

/// Every file under a folder but those that the test wrote.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut files: Vec<_> = files.into_iter().filter(|path| !path.ends_with("header.txt")).collect();
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files
}

fn nowhere(job: &Job, done: &[Done]) {
    let mut texts: Vec<(String, String)> = Vec::new();
    for (turn, done) in done.iter().enumerate() {
        texts.push((format!("standard output {turn}"), done.stdout.clone()));
        texts.push((format!("standard error {turn}"), done.stderr.clone()));
    }
    for file in files(job.folder()) {
        let bytes = std::fs::read(&file).expect("a file");
        texts.push((file.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
    }
    assert!(texts.iter().any(|(name, _)| name.ends_with("journal")), "the journal is looked at");
    for secret in [CANARY, HEADER_CANARY] {
        for (_, form) in forms(secret) {
            // In CSV, quotes are doubled.
            for form in [form.replace('"', "\"\""), form] {
                for (name, text) in &texts {
                    let found = text.lines().find(|line| line.contains(&form));
                    assert!(found.is_none(), "{form} stands in {name}: {}", found.unwrap_or_default());
                }
            }
        }
    }
}

#[test]
fn what_was_sent_is_the_secret_and_what_is_left_behind_is_not() {
    let oracle = Oracle::start(parrot);
    let job = job(&oracle);
    let done = vec![
        job.command(&["plan", "job.toml", "--rows", "9"]).expect_code(0),
        job.run(&["-v"]).expect_code(1),
        job.run(&["--failed", "--output", "json"]).expect_code(1),
        job.command(&["plan", "job.toml", "--output", "json"]),
    ];
    let requests = oracle.requests();
    let put = requests.iter().find(|request| request.path.starts_with("/basic")).expect("a request");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&put.body).expect("JSON")["token"], CANARY);
    assert_eq!(put.header("x-token"), Some(HEADER_CANARY));
    let basic = format!("Basic {}", STANDARD.encode(format!("user:{CANARY}")));
    assert_eq!(put.header("authorization"), Some(basic.as_str()));
    assert!(done[1].stderr.contains("***"), "-v shows what it hides: {}", done[1].stderr);
    nowhere(&job, &done);
    let errors: Vec<String> =
        jsonl_file(&job.path("out/lines.jsonl")).iter().map(|record| record["error"].to_string()).collect();
    assert!(errors.len() == 90 && errors.iter().any(|error| error.contains("***")), "{errors:?}");
}

#[test]
fn the_beginning_of_a_secret_at_the_end_of_a_snippet_is_hidden() {
    for before in [50, 60, 70, 74] {
        let oracle = Oracle::start(move |_| Answer::text(200, "x".repeat(before) + HEADER_CANARY + " and more"));
        let job = job(&oracle);
        let done = job.run(&["-v"]).expect_code(1);
        for text in [done.stderr, job.read("out/table.csv"), job.read("out/lines.jsonl")] {
            let shown = text.lines().find(|line| line.contains(&HEADER_CANARY[..5]));
            assert_eq!(shown, None, "after {before} letters");
        }
    }
}

#[test]
fn a_server_that_says_the_secret_back_in_good_replies_does_not_get_it_into_the_outputs() {
    let oracle = Oracle::start(|request| {
        let said = request.header("x-token").unwrap_or_default();
        Answer::json(&serde_json::json!({ "id": said, "list": [CANARY, { "deep": CANARY }] })).header("x-echo", said)
    });
    let columns =
        "columns.list = \"$.list\"\ncolumns.text = \"{{ text }}\"\ncolumns.echo = \"{{ headers['x-echo'] }}\"";
    let job = job(&oracle);
    job.change("job.toml", "columns.got = \"$.id\"", &format!("columns.got = \"$.id\"\n{columns}"));
    job.change("job.toml", "\"error\", \"url\"", "\"error\", \"url\", \"body\"");
    let done = job.run(&["-v"]);
    nowhere(&job, &[done]);
}

#[test]
fn secrets_that_are_not_set_are_all_named_before_any_request() {
    let oracle = Oracle::start(item);
    let job = Job::at(&oracle.url(), JOB);
    for arguments in [&[] as &[&str], &["--fresh"]] {
        let done = job.run(arguments).expect_code(2);
        for words in ["`canary`", "CANARY", "`header`", "header.txt"] {
            assert!(done.stderr.contains(words), "{words} is missing: {}", done.stderr);
        }
    }
    assert_eq!(oracle.count(), 0);
    assert!(!job.path("out").exists() && !job.state().exists(), "nothing is left behind");
}

/// The name of a file that is the secret, in all that is said of it.
#[test]
fn an_input_or_output_that_says_a_secret_says_it_nowhere() {
    const NAME: &str = "s3cr3t-n4me";
    let oracle = Oracle::start(item);
    let broken =
        "headers.x = \"{{ secrets.name }}\"\ninput.json.path = \"s3cr3t-n4me.json\"\n[sinks.out]\npath = \"out.csv\"\n";
    let unopened = "headers.x = \"{{ secrets.name }}\"\ninput.range = { from = 1, to = 2 }\n[sinks.out]\npath = \"s3cr3t-n4me/out.csv\"\n";
    for rest in [broken, unopened] {
        let text =
            format!("secrets.name.env = \"NAME\"\n[endpoints.e]\nurl = \"ORACLE/items/{{{{ row.VALUE }}}}\"\n{rest}");
        let is_unopened = rest == unopened;
        let text = text.replace("VALUE", if is_unopened { "value" } else { "id" });
        for flags in [&[][..], &["-v"], &["--output", "json"], &["--output", "github"]] {
            let job = Job::at(&oracle.url(), &text).variable("NAME", NAME).variable("GITHUB_ACTIONS", "true");
            let job =
                if is_unopened { job.with(NAME, "") } else { job.with("s3cr3t-n4me.json", "[{\"id\":1},{\"id\":") };
            let files = ["--events", "events", "--report-html", "page.html", "--report-markdown", "run.md"];
            let done = job.run(&[&files, flags].concat()).expect_code(3);
            let said = if is_unopened { "***/out.csv" } else { "***.json" };
            assert!(done.stderr.contains(said), "{flags:?}: {}", done.stderr);
            let events = std::fs::read_to_string(job.path("events")).unwrap_or_default();
            for text in [&done.stderr, &done.stdout, &events, &job.read("page.html"), &job.read("run.md")] {
                let shown = text.lines().find(|line| line.contains(NAME));
                assert_eq!(shown, None, "{flags:?}");
            }
        }
    }
}
