//! Real curl commands, and the jobs that are made of them: what a server sees must be the same, sent by curl, by
//! the job, and by the command that `plan --curl` writes of the job.
//!
//! Without curl or httpbin the test says that it was skipped.

use std::process::Command;

use serde_json::{Value, json};

use crate::httpbin;
use crate::support::peers::find;
use crate::support::{Answer, Job, Oracle};

const COMMANDS: &str = include_str!("../curl/commands.txt");

/// The proof that the issue asks for.
const FEWEST: usize = 60;

/// A command and the values of its secrets.
struct Case {
    command: String,
    secrets: Vec<(String, String)>,
}

fn cases(address: &str) -> Vec<Case> {
    let (_, port) = address.rsplit_once(':').expect("a port");
    let text = COMMANDS.replace("BASE", &format!("http://{address}")).replace("HOST", address).replace("PORT", port);
    let case = |paragraph: &str| {
        let lines: Vec<&str> = paragraph.lines().filter(|line| !line.starts_with('#')).collect();
        let begin = lines.iter().position(|line| line.starts_with("curl"))?;
        let secret = |line: &&str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Case { command: lines[begin..].join("\n"), secrets: lines[..begin].iter().filter_map(secret).collect() })
    };
    text.split("\n\n").filter_map(case).collect()
}

#[test]
fn curl_the_job_and_the_plan_send_the_same() {
    let (Some(_), Some(httpbin)) = (find("curl"), httpbin::httpbin()) else { return };
    let cases = cases(&httpbin.address().to_string());
    assert!(cases.len() >= FEWEST, "{}", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| compare(case).err()).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

fn compare(case: &Case) -> Result<(), String> {
    let mut job = Job::new("")
        .with("body.txt", "first=1 &\r\nzweite=ü\n")
        .with("payload", "first\nsecond\n")
        .with("data.json", "{\"from\": \"a file\"}");
    for (name, value) in &case.secrets {
        job = job.variable(name, value);
    }
    let tell = |what: &str, more: &str| format!("{}\n{what}: {more}", case.command);
    let first = seen(&sh(&job, case, &case.command).map_err(|why| tell("curl", &why))?);
    let made = job.command(&["init", "job.toml", "--force", "--from-curl", &case.command]);
    let text = job.read("job.toml");
    if made.code != Some(0) {
        return Err(tell("init", &format!("{}\n{text}", made.stderr)));
    }
    let leaked =
        case.secrets.iter().filter(|(name, _)| name.starts_with("API_")).any(|(_, value)| text.contains(value));
    if leaked || made.stdout.contains("s3cret") {
        return Err(tell("init wrote a secret's value", &text));
    }
    let ran = run(&job)?;
    if ran != first {
        return Err(tell("the job", &format!("{text}\nby curl {first:#}\nby the job {ran:#}")));
    }
    let planned = job.command(&["plan", "job.toml", "--curl"]);
    let third = seen(
        &sh(&job, case, &planned.stdout).map_err(|why| tell("plan --curl", &format!("{why}\n{}", planned.stdout)))?,
    );
    if third != first {
        return Err(tell("plan --curl", &format!("{}\nby curl {first:#}\nby its command {third:#}", planned.stdout)));
    }
    Ok(())
}

/// What a command of the shell gets back, in the job's folder and with its secrets.
fn sh(job: &Job, case: &Case, command: &str) -> Result<Value, String> {
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(job.folder());
    shell.envs(case.secrets.iter().map(|(name, value)| (name, value)));
    let done = shell.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&done.stdout);
    // `-i` shows the reply's head.
    let body = text.find("{\n").map_or("", |at| &text[at..]);
    serde_json::from_str(body).map_err(|error| format!("{error}: {text}{}", String::from_utf8_lossy(&done.stderr)))
}

/// What httpbin saw of the job. The reply is saved, as secrets are masked in records.
fn run(job: &Job) -> Result<Value, String> {
    let text = job.read("job.toml");
    let begin = text.find("[endpoints.").expect("an endpoint");
    let end = begin + text[begin..].find('\n').expect("a line") + 1;
    let saved = format!("{}save.path = \"seen.json\"\n{}", &text[..end], &text[end..]);
    std::fs::write(job.path("seen.toml"), saved).map_err(|error| error.to_string())?;
    let done = job.command(&["run", "seen.toml", "--fresh"]);
    let reply = std::fs::read_to_string(job.path("seen.json"));
    let reply = reply.map_err(|error| format!("the job: {error}: {}\n{text}", done.stderr))?;
    serde_json::from_str(&reply).map(|reply| seen(&reply)).map_err(|error| format!("{error}: {reply}"))
}

/// What a server saw, without what differs between any two clients and any two requests: the boundary of parts, the
/// length of a body, the order of codings, the name that a client gives itself, spaces in JSON and between
/// cookies, a space and letters of escapes in a URL.
fn seen(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(headers) = body["headers"].as_object_mut() {
        for name in ["Host", "Content-Length", "Connection", "Expect"] {
            headers.remove(name);
        }
        if headers
            .get("User-Agent")
            .and_then(Value::as_str)
            .is_some_and(|name| name.starts_with("curl/") || name.starts_with("paceline/"))
        {
            headers.remove("User-Agent");
        }
        if let Some(kind) =
            headers.get("Content-Type").and_then(Value::as_str).filter(|kind| kind.starts_with("multipart/"))
        {
            headers.insert("Content-Type".to_owned(), json!(kind.split(';').next()));
        }
        if let Some(codings) = headers.get("Accept-Encoding").and_then(Value::as_str) {
            let mut codings: Vec<String> = codings.split(',').map(|coding| coding.trim().to_owned()).collect();
            codings.sort();
            headers.insert("Accept-Encoding".to_owned(), json!(codings));
        }
    }
    if !body["json"].is_null() {
        body["data"] = Value::Null;
    }
    if let Some(cookie) = body["headers"]["Cookie"].as_str() {
        body["headers"]["Cookie"] = json!(cookie.replace("; ", ";"));
    }
    let url = body["url"].as_str().unwrap_or_default().to_lowercase().replace("%20", "+");
    body["url"] = json!(url);
    body["origin"] = Value::Null;
    body
}

#[test]
fn what_a_job_can_not_do_is_said_with_the_way_out() {
    let job = Job::new("");
    let refused = |command: &str| {
        let done = job.command(&["init", "new.toml", "--from-curl", command]).expect_code(2);
        assert!(!job.path("new.toml").exists(), "nothing is written");
        done.stderr
    };
    for (command, words) in [
        ("curl http://a/ http://b/", "a second URL"),
        ("curl http://a/ --parallel", "--parallel has no counterpart in a job"),
        ("curl http://a/ --data-urlencod x", "did you mean --data-urlencode?"),
        ("curl \"http://a/\" ^\n -H ^\"a: b^\"", "Copy as cURL (bash)"),
        ("curl http://a/?x=1&y=2", "quote URLs"),
        ("curl 'http://a/", "is not closed"),
        ("wget http://a/", "not with `curl`"),
        ("curl http://a/ -d @-", "write it into a file"),
        ("curl http://a/ -H \"x: $(date)\"", "put its output into a variable"),
        ("curl http://a/{1,2}", "add -g"),
        ("curl http://a/\ncurl http://b/", "one at a time"),
        ("curl http://a/ --resolve a:80:1.1.1.1 --resolve a:81:1.1.1.2", "one for a host"),
        ("curl http://a/ --max-time=3", "a space in the place of the ="),
        ("curl http://a/ -H \"$HEADER\"", "the name without a variable"),
        ("curl https://a/ --unix-socket /run/x.sock", "plain HTTP"),
    ] {
        let said = refused(command);
        assert!(said.contains(words), "{command}: {said}");
    }
}

/// Whatever a command holds of it, nobody reads it: in the clear, and as `Authorization: Basic` has it.
const HIDDEN: [&str; 2] = ["hunter2", "aHVudG"];

#[test]
fn a_secret_of_a_command_is_written_and_printed_nowhere() {
    let commands = include_str!("../curl/secrets.txt").split("\n\n").skip(1).map(str::trim);
    let mut wrong = Vec::new();
    for command in commands.filter(|command| !command.is_empty()) {
        let job = Job::new("");
        let done = job.command(&["init", "new.toml", "--from-curl", command]);
        let is_written = job.path("new.toml").exists();
        let text = if is_written { job.read("new.toml") } else { String::new() };
        let all = format!("{text}\n{}\n{}", done.stdout, done.stderr);
        let is_told = HIDDEN.iter().any(|hidden| all.contains(hidden));
        let is_fine = if is_written { done.code == Some(0) } else { done.code == Some(2) };
        if is_told || !is_fine {
            wrong.push(format!("{command}\n{all}"));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

const OAUTH: &str = r#"
[secrets]
client.env = "CLIENT"

[endpoints.item]
url = "ORACLE/items/{{ row.id }}"
input.values = [{ id = 7 }]
auth.oauth2 = { token-url = "ORACLE/token", client-id = "me", client-secret = "{{ secrets.client }}", scope = "read" }
"#;

#[test]
fn a_token_is_fetched_by_the_command_before() {
    let Some(_) = find("curl") else { return };
    let oracle = Oracle::start(|request| match request.path.as_str() {
        "/token" => Answer::json(&json!({ "token_type": "bearer", "access_token": "t-9", "expires_in": 60 })),
        _ => Answer::json(&json!({ "id": 7 })),
    });
    let job = Job::at(&oracle.url(), OAUTH);
    let plan = job.command(&["plan", "job.toml", "--curl"]).expect_code(0).stdout;
    let done = Command::new("bash").args(["-c", &plan]).env("CLIENT", "cl-13nt").output().expect("bash");
    let said = String::from_utf8_lossy(&done.stderr);
    let asked = oracle.requests();
    assert_eq!(asked.len(), 2, "{plan}\n{said}");
    assert_eq!(asked[0].header("authorization"), Some("Basic bWU6Y2wtMTNudA=="), "{plan}");
    assert_eq!(asked[0].body, b"grant_type=client_credentials&scope=read");
    assert_eq!((asked[1].path.as_str(), asked[1].header("authorization")), ("/items/7", Some("Bearer t-9")), "{plan}");
}

const FIRSTS: &str = r#"
[endpoints.list]
url = "ORACLE/list"
query.q = "a b"
input.values = [{ id = 7 }]
paginate.page-number = { param = "page", total-pages = "$.pages" }

[endpoints.bulk]
method = "POST"
url = "ORACLE/bulk"
json = { items = "{{ rows }}" }
input.values = [{ id = 1 }, { id = 2 }, { id = "3'" }]
chunk = 2

[endpoints.moved]
url = "ORACLE/old/{{ row.id }}"
input.values = [{ id = 7 }]

[endpoints.kept]
url = "ORACLE/old/{{ row.id }}"
input.values = [{ id = 8 }]
client.redirects = 0
expect.status = [302]
"#;

#[test]
fn pages_chunks_and_redirects_are_asked_for_as_a_run_does() {
    let Some(_) = find("curl") else { return };
    let oracle = Oracle::start(|request| match request.path.as_str() {
        path if path.starts_with("/old/") => Answer::status(302).header("location", "/new"),
        _ => Answer::json(&json!({ "pages": 1 })),
    });
    let job = Job::at(&oracle.url(), FIRSTS);
    let asked = |count: usize| {
        let mut asked: Vec<(String, Vec<u8>)> = oracle.requests()[count..]
            .iter()
            .map(|request| (format!("{} {}?{}", request.method, request.path, request.query), request.body.clone()))
            .collect();
        asked.sort();
        asked
    };
    job.command(&["run", "job.toml"]).expect_code(0);
    let by_the_run = asked(0);
    assert_eq!(by_the_run.len(), 6, "{by_the_run:?}");
    let plan = job.command(&["plan", "job.toml", "--curl", "--rows", "9"]).expect_code(0).stdout;
    let done = Command::new("bash").args(["-c", &plan]).output().expect("bash");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(asked(by_the_run.len()), by_the_run, "{plan}");
}

const SIGNED: &str = r#"
[secrets]
access.env = "ACCESS"
secret.env = "SECRET"
user.env = "PROXY_USER"
password.env = "PROXY_PASSWORD"

[client]
proxy = "http://{{ secrets.user }}:{{ secrets.password }}@proxy.example.com:3128"
tls.min-version = "1.3"

[endpoints.item]
url = "https://api.example.com/items/{{ row.id }}"
input.values = [{ id = 7 }]
auth.aws-sigv4 = { region = "eu-west-1", service = "execute-api", access-key = "{{ secrets.access }}", secret-key = "{{ secrets.secret }}" }

[endpoints.plain]
url = "http://api.example.com/items/{{ row.id }}"
input.values = [{ id = 8 }]
client.proxy = "none"
"#;

#[test]
fn signatures_and_proxies_are_flags_of_curl() {
    let plan = Job::new(SIGNED).command(&["plan", "job.toml", "--curl"]).expect_code(0).stdout;
    let (signed, plain) = plan.split_once("# plain, row 1").expect("two endpoints");
    for line in [
        "--aws-sigv4 aws:amz:eu-west-1:execute-api",
        "--user \"${ACCESS}\":\"${SECRET}\"",
        "--proxy http://\"${PROXY_USER}\":\"${PROXY_PASSWORD}\"@proxy.example.com:3128",
        "--noproxy ''",
        "--tlsv1.3",
    ] {
        assert!(signed.contains(line), "{line} is missing:\n{signed}");
    }
    assert!(!signed.contains("authorization") && plain.contains("--noproxy '*'"), "{plan}");
    assert!(!plain.contains("--tlsv1.3") && !plain.contains("--aws-sigv4"), "{plain}");
}
