//! What lies around a job file, from outside: env files, variables of the environment, and what is said of them.

use std::io::Write;
use std::process::Stdio;

use crate::cli::{Said, paceline};
use crate::support::output::jsonl_file;
use crate::support::{Answer, Job, Oracle};

const JOB: &str = r#"
[vars]
base = "https://api.example.com"
page = 1

[secrets]
token.env = "API_TOKEN"

[endpoints.item]
url = "{{ vars.base }}/items/{{ row.value }}"
query.page = "{{ vars.page }}"
auth.bearer = "{{ secrets.token }}"
input.range = { from = 1, to = 3 }
meta = ["status", "url", "error"]

[sinks.out]
path = "out.jsonl"
on-existing = "replace"
"#;

const TOKEN: &str = "hunter2-do-not-print";

/// A server that says back which token it was sent, and a job with a file of variables.
fn bench() -> (Oracle, Job) {
    let oracle = Oracle::start(|request| {
        let said = request.header("authorization").unwrap_or_default();
        Answer::text(if request.id() == "2" { 404 } else { 200 }, format!("{{\"said\": \"{said}\"}}"))
    });
    let text = format!(
        "# of this test\nexport API_TOKEN=\"{TOKEN}\"\nPACELINE_VAR_BASE={}\nPACELINE_VAR_PAGE=2\n",
        oracle.url()
    );
    let job = Job::new(JOB).with("test.env", text);
    (oracle, job)
}

#[test]
fn an_env_file_is_read_only_where_it_is_named() {
    let (oracle, job) = bench();
    let missing = job.run(&["--var", &format!("base={}", oracle.url())]).expect_code(2);
    assert!(missing.stderr.contains("there is no environment variable API_TOKEN"), "{}", missing.stderr);
    assert_eq!(oracle.count(), 0);
    let done = job.run(&["--env-file", "test.env", "-v"]).expect_code(1);
    let requests = oracle.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        assert_eq!(request.query, "page=2");
    }
    let lines = jsonl_file(&job.path("out.jsonl"));
    assert_eq!(lines.len(), 3);
    let plan = job.command(&["plan", "job.toml", "--env-file", "test.env", "--output", "json"]).expect_code(0);
    assert!(plan.stdout.contains("variable API_TOKEN of test.env"), "{}", plan.stdout);
    let failed = job.command(&["failed", "job.toml", "--env-file", "test.env"]).expect_code(0);
    assert!(failed.stdout.contains('2'), "{}", failed.stdout);
    let journal = String::from_utf8_lossy(&std::fs::read(job.state().join("journal")).expect("a journal")).into_owned();
    for said in [&done.stdout, &done.stderr, &plan.stdout, &plan.stderr, &failed.stderr, &journal] {
        assert!(!said.contains(TOKEN), "{said}");
    }
}

#[test]
fn the_environment_wins_over_env_files_and_a_later_one_over_an_earlier() {
    let (oracle, job) = bench();
    let job = job.with("later.env", "API_TOKEN=later\nPACELINE_VAR_PAGE=3\n").variable("PACELINE_VAR_PAGE", "4");
    job.run(&["--env-file", "test.env", "--env-file", "later.env"]).expect_code(1);
    for request in oracle.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer later"));
        assert_eq!(request.query, "page=4");
    }
    let job = job.variable("API_TOKEN", "outer").variable("PACELINE_ENV_FILE", "test.env");
    job.run(&["--fresh"]).expect_code(1);
    assert_eq!(oracle.requests().last().and_then(|last| last.header("authorization")), Some("Bearer outer"));
}

#[test]
fn an_env_file_may_be_a_pipe() {
    let (oracle, job) = bench();
    job.shell("cat test.env | $PACELINE run job.toml --env-file /dev/stdin").expect_code(1);
    assert_eq!(oracle.count(), 3);
}

#[test]
fn no_message_about_an_env_file_shows_a_word_of_it() {
    let job = Job::new(JOB).with("bad.env", format!("API_TOKEN='{TOKEN}\n"));
    for output in ["human", "json", "github"] {
        let done = job.command(&["check", "job.toml", "--env-file", "bad.env", "--output", output]).expect_code(2);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains("bad.env") && said.contains("P0006") && !said.contains(TOKEN), "{said}");
    }
}

#[test]
fn without_secrets_env_files_are_not_looked_at() {
    let job = Job::new(JOB);
    let words = ["check", "job.toml", "--env-file", "gone.env"];
    job.command(&words).expect_code(2);
    let done = job.command(&[&words[..], &["--no-secrets"]].concat()).expect_code(0);
    assert!(done.stderr.contains("gone.env") && done.stderr.contains("--no-secrets"), "{}", done.stderr);
    let quiet = job.command(&[&words[..], &["--no-secrets", "-q"]].concat()).expect_code(0);
    assert_eq!(quiet.stderr, "");
    let words = ["plan", "job.toml", "--env-file", "gone.env"];
    job.command(&words).expect_code(2);
    let plan = job.command(&[&words[..], &["--no-secrets"]].concat()).expect_code(0);
    assert!(plan.stderr.contains("gone.env is not read") && !plan.stdout.contains("gone.env"), "{}", plan.stderr);
}

/// What a command makes of a job that comes from standard input.
fn piped(arguments: &[&str], text: &str) -> Said {
    let mut child = paceline(arguments);
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().expect("the program");
    // What is refused unread is a closed pipe.
    let _ = child.stdin.take().expect("a pipe").write_all(text.as_bytes());
    let output = child.wait_with_output().expect("its end");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_job_may_come_from_standard_input_where_nothing_is_left_of_it() {
    const PIPED: &str = "[endpoints.e]\nurl = \"demo:/items/{{ row.i }}\"\ninput.values = [{ i = 7 }]\n";
    let good = piped(&["check", "-"], PIPED);
    assert_eq!((good.code, good.err.as_str()), (Some(0), ""));
    assert!(good.out.starts_with("ok: stdin (1 endpoint, 1 row"), "{}", good.out);
    let object = piped(&["check", "-", "--output", "json"], PIPED);
    assert!(object.out.contains(r#""file":"stdin""#), "{}", object.out);
    let bad = piped(&["check", "-"], &PIPED.replace("url", "ulr"));
    assert!(bad.code == Some(2) && bad.err.contains("stdin:2:1"), "{}", bad.err);
    let broken = piped(&["fmt", "-"], "[endpoints.e\n");
    assert!(broken.code == Some(2) && broken.err.contains("stdin:1:"), "{}", broken.err);
    let loose = piped(&["fmt", "-", "--check"], "a=1\n");
    assert!(loose.code == Some(1) && loose.out.contains("--- stdin"), "{}{}", loose.out, loose.err);
    let plan = piped(&["plan", "-"], PIPED);
    assert!(plan.code == Some(0) && plan.out.contains("GET demo:/items/7"), "{}{}", plan.out, plan.err);
    for command in ["run", "failed", "runs"] {
        let refused = piped(&[command, "-"], PIPED);
        assert!(refused.code == Some(2) && refused.err.contains("name a file"), "{command}: {}", refused.err);
    }
    let twice = piped(&["check", "-", "-"], PIPED);
    assert!(twice.code == Some(2) && twice.err.contains("only once"), "{}", twice.err);
}

#[test]
fn what_the_environment_says_is_named_so() {
    let job = Job::new(JOB).variable("PACELINE_SET", "retry.attempts=none").variable("PACELINE_VAR_PAGE", "two");
    let done = job.command(&["check", "job.toml", "--var", "base=htp://x"]).expect_code(2);
    for place in ["--> PACELINE_SET:1:16", "--> environment:1:19", "PACELINE_VAR_PAGE=two", "--> --var:1:6"] {
        assert!(done.stderr.contains(place), "{place}: {}", done.stderr);
    }
    let job = Job::new(JOB).variable("PACELINE_VAR", "bse=x");
    let done = job.command(&["check", "job.toml"]).expect_code(2);
    assert!(done.stderr.contains("--> PACELINE_VAR:1:1") && done.stderr.contains("`base`"), "{}", done.stderr);
}

#[test]
fn what_the_demo_does_not_have_is_told_without_a_server() {
    const LACKS: &str = r#"
[endpoints.price]
url = "demo:/products/{{ row.sku }}"
input.values = [{ sku = "BAG-1429" }]
columns.price = "$.pirce"
columns.name = "$.name"

[endpoints.refused]
url = "demo:/nowhere"
input.values = [{ sku = 1 }]
columns.price = "$.pirce"
"#;
    let done = Job::new(LACKS).command(&["check", "job.toml"]).expect_code(0);
    assert!(done.stderr.contains("warning[P0307]") && done.stderr.contains("job.toml:5:20"), "{}", done.stderr);
    assert!(done.stderr.contains("did you mean") && done.stderr.contains("price"), "{}", done.stderr);
    assert_eq!(done.stderr.matches("P0307]").count(), 1, "of a refusal nothing is told:\n{}", done.stderr);
    let mended = Job::new(&LACKS.replace("$.pirce", "$.price")).command(&["check", "job.toml"]).expect_code(0);
    assert_eq!(mended.stderr, "");
}
