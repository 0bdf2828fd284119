//! The commands that take a job: what they print where, and with which exit code they leave.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{Said, paceline, said, signal};

/// A job file in a folder of its own.
pub(super) struct Job {
    folder: TempDir,
}

impl Job {
    pub(super) fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("job.toml"), toml).unwrap();
        Self { folder }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `paceline COMMAND job.toml ARGUMENTS...` in the job's folder.
    pub(super) fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = paceline(&[&[name, "job.toml"], arguments].concat());
        command.current_dir(self.folder.path());
        command
    }

    pub(super) fn said(&self, name: &str, arguments: &[&str]) -> Said {
        said(&mut self.command(name, arguments))
    }
}

/// Three rows that all end ok.
pub(super) const FINE: &str = r#"
[endpoints.item]
url = "demo:/items/{{ row.value }}"
input.range = { from = 1, to = 3 }
columns.id = "$.id"

[sinks.out]
path = "out.csv"
"#;

#[test]
fn check_says_what_is_fine_and_what_is_wrong_of_every_file() {
    let job = Job::new(FINE);
    fs::write(job.file("bad.toml"), FINE.replace("columns.id", "colums.id")).unwrap();
    let said = job.said("check", &["bad.toml", "missing.toml"]);
    assert_eq!(said.code, Some(2));
    assert_eq!(said.out, "ok: job.toml (1 endpoint, 3 rows, 1 sink)\n");
    for word in ["colums", "columns", "bad.toml:5", "missing.toml"] {
        assert!(said.err.contains(word), "{word} is missing:\n{}", said.err);
    }
    let fine = job.said("check", &[]);
    assert_eq!((fine.code, fine.err.as_str()), (Some(0), ""));
}

#[test]
fn check_speaks_to_programs() {
    let job = Job::new(FINE);
    fs::write(job.file("bad.toml"), FINE.replace("columns.id", "colums.id")).unwrap();
    let said = job.said("check", &["bad.toml", "--output", "json"]);
    assert_eq!((said.code, said.err.as_str()), (Some(2), ""));
    let objects: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&objects[0]["ok"], &objects[0]["rows"]), (&Value::from(true), &Value::from(3)));
    assert_eq!((&objects[1]["ok"], &objects[1]["file"]), (&Value::from(false), &Value::from("bad.toml")));
    assert_eq!(objects[1]["diagnostics"][0]["code"], "P0101");
    let annotated = job.said("check", &["bad.toml", "--output", "github"]);
    assert!(annotated.out.contains("::error "), "{}", annotated.out);
}

#[test]
fn overlays_are_heard_from_flags_and_from_the_environment() {
    let toml = FINE.replace("items/{{", "{{ vars.what }}/{{")
        + "[vars]\nwhat = \"items\"\n[profiles.ci]\nretry.attempts = 1\n";
    let job = Job::new(&toml);
    let plan = |arguments: &[&str], environment: &[(&str, &str)]| {
        let said =
            said(job.command("plan", &[arguments, &["--output", "json"]].concat()).envs(environment.iter().copied()));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let plan: Value = serde_json::from_str(&said.out).unwrap();
        plan
    };
    let url = |plan: &Value| plan["endpoints"][0]["preview"][0]["request"]["url"].as_str().unwrap().to_owned();
    let most = |plan: &Value| plan["endpoints"][0]["most_requests"].as_u64().unwrap();
    assert_eq!(url(&plan(&[], &[])), "demo:/items/1");
    assert_eq!(url(&plan(&["--var", "what=slow"], &[])), "demo:/slow/1");
    assert_eq!(url(&plan(&[], &[("PACELINE_VAR", "what=slow")])), "demo:/slow/1");
    assert_eq!(url(&plan(&[], &[("PACELINE_VAR_WHAT", "slow")])), "demo:/slow/1");
    assert_eq!(most(&plan(&["--profile", "ci"], &[])), 3);
    assert_eq!(most(&plan(&[], &[("PACELINE_PROFILE", "ci")])), 3);
    assert_eq!(most(&plan(&["--set", "retry.attempts=2"], &[])), 6);
    assert_eq!(most(&plan(&[], &[("PACELINE_SET", "retry.attempts=2")])), 6);
    assert_eq!(most(&plan(&["--set", "retry.attempts=2", "--limit", "1"], &[])), 2);
}

#[test]
fn a_plan_shows_masked_requests_and_leaves_nothing_behind() {
    let toml = r#"
[secrets]
token.env = "TOKEN_THAT_IS_NOT_SET"

[limits.api]
rate = "1/s"

[endpoints.item]
url = "https://api.example.invalid/items/{{ row.value }}"
headers = { x-token = "{{ secrets.token }}" }
input.range = { from = 1, to = 61 }
limit = "api"

[sinks.out]
path = "out.csv"
"#;
    let job = Job::new(toml);
    for said in [job.said("plan", &[]), job.said("run", &["--dry-run"])] {
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        let expected = ["GET https://api.example.invalid/items/3", "x-token: ***", "61 rows", "at least 1m", "out.csv"];
        for words in expected.iter().chain(&["TOKEN_THAT_IS_NOT_SET", "api.example.invalid", "begins at the first row"])
        {
            assert!(said.out.contains(words), "{words} is missing:\n{}", said.out);
        }
        assert!(!said.out.contains("items/4"), "three requests are shown");
    }
    let left: Vec<_> = fs::read_dir(job.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["job.toml"]);
}

#[test]
fn a_run_that_is_fine_is_exit_0_with_a_summary_on_standard_error() {
    let job = Job::new(FINE);
    let said = job.said("run", &[]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
    assert!(said.err.contains("3 ok · 0 failed · 0 skipped") && said.err.lines().count() <= 12, "{}", said.err);
    assert_eq!(fs::read_to_string(job.file("out.csv")).unwrap().lines().count(), 4);
}

#[test]
fn quiet_is_quiet_and_json_is_json() {
    let quiet = Job::new(FINE).said("run", &["-q"]);
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (Some(0), "", ""));
    let json = Job::new(FINE).said("run", &["--output", "json"]);
    let report: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!((&report["rows"]["ok"], &report["exit"]), (&Value::from(3), &Value::from(0)));
}

#[test]
fn failed_rows_are_exit_1_and_the_summary_says_how_to_try_them_again() {
    let job = Job::new(&FINE.replace("items", "status/404?row="));
    let said = job.said("run", &[]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("0 ok · 3 failed") && said.err.contains("failed > 0 held"), "{}", said.err);
    assert!(said.err.trim_end().ends_with("run job.toml --failed"), "{}", said.err);
}

#[test]
fn a_secret_that_is_not_set_is_exit_2_before_any_request() {
    let job = Job::new(&format!(
        "[secrets]\ntoken.env = \"NOT_SET\"\n{}",
        FINE.replace("columns.id", "headers = { x-token = \"{{ secrets.token }}\" }\ncolumns.id")
    ));
    let said = job.said("run", &[]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("NOT_SET") && said.err.contains("job.toml:2:"), "{}", said.err);
    assert!(!job.file("out.csv").exists());
}

#[test]
fn an_output_that_exists_is_exit_3() {
    let job = Job::new(FINE);
    fs::write(job.file("out.csv"), "precious\n").unwrap();
    let said = job.said("run", &[]);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.starts_with("error[P0502]: sinks.") && said.err.contains("out.csv"), "{}", said.err);
    let line = FINE.lines().position(|line| line.contains("out.csv")).unwrap() + 1;
    assert!(said.err.contains(&format!("job.toml:{line}:")), "{}", said.err);
    let json = job.said("run", &["--output", "json"]);
    let json: Value = serde_json::from_str(&json.err).unwrap();
    assert!(json["error"].as_str().unwrap().contains("out.csv"), "{json}");
    assert_eq!(json["diagnostics"][0]["line"], line, "{json}");
    assert_eq!(fs::read_to_string(job.file("out.csv")).unwrap(), "precious\n");
}

#[test]
fn what_can_not_be_opened_is_told_at_its_key() {
    for (code, key, beside) in [
        ("P0503", "client.tls.ca = \"blocked\"", "url = \"https://a.invalid/{{ row.value }}\""),
        ("P0502", "save.path = \"blocked/{{ row.value }}.json\"", "url = \"demo:/items/{{ row.value }}\""),
    ] {
        let job = Job::new(&format!(
            "[endpoints.item]\n{key}\n{beside}\ninput.range = {{ from = 1, to = 3 }}\n[sinks.out]\npath = \"out.csv\"\n"
        ));
        fs::write(job.file("blocked"), "a file, and no folder\n").unwrap();
        let said = job.said("run", &[]);
        assert_eq!(said.code, Some(3), "{}", said.err);
        assert!(said.err.starts_with(&format!("error[{code}]: endpoints.item")), "{}", said.err);
        assert!(said.err.contains("job.toml:2:") && said.err.contains(key), "{}", said.err);
        assert!(!job.file("out.csv").exists());
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_prints_the_command_that_goes_on() {
    let slow = FINE.replace("items/{{ row.value }}", "slow/50?row={{ row.value }}").replace("to = 3", "to = 200");
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let job = Job::new(&format!("[retry]\nattempts = 2\n{slow}"));
        let mut child = job.command("run", &["-v", "--limit", "190"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let begun = lines.find(|line| line.contains("begins")).expect("-v says that the run begins");
        assert!(begun.contains("run "), "{begun}");
        signal(&child, name);
        let said: Vec<String> = lines.collect();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        let resume = said.iter().find(|line| line.starts_with("resume ")).unwrap_or_else(|| panic!("{said:#?}"));
        assert!(resume.contains(" run job.toml ") && resume.contains(" --limit 190"), "{resume}");
    }
}

#[test]
fn plan_tells_what_differs_from_the_latest_run() {
    let job = Job::new(FINE);
    let diff = |arguments: &[&str]| {
        let said = job.said("plan", &[&["--diff"], arguments].concat());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        said.out
    };
    assert!(diff(&[]).contains("no run yet"));
    assert_eq!(job.said("run", &[]).code, Some(0));
    assert!(diff(&[]).contains("nothing changed") && diff(&[]).contains("(complete)"));
    let set = ["--set", "endpoints.item.query={ page = 2 }", "--set", "endpoints.item.retry.attempts=2"];
    let changed: Vec<String> = diff(&set).lines().skip(1).map(|line| line.trim().to_owned()).collect();
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert_eq!(changed[1], "the next run begins anew, with the job as it is now");
    let limited = diff(&["--limit", "2"]);
    assert!(limited.contains("nothing changed") && limited.contains("--limit: at most 2 rows"), "{limited}");
    assert!(
        changed[0].starts_with("endpoints.item.query.page: nothing -> ") && changed[0].contains('2'),
        "{changed:?}"
    );
    let json: Value = serde_json::from_str(&diff(&[&set[..], &["--output", "json"]].concat())).unwrap();
    assert_eq!((&json["run"]["complete"], &json["changes"][0]["before"]), (&Value::Bool(true), &Value::Null));
}
