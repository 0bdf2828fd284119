//! Where reports go: what flags name, and what no report may take the place of.

use std::collections::BTreeSet;
use std::fs;

use super::{job, validate};
use crate::support::oracle::script::item;
use crate::support::{Job, Oracle};

#[test]
fn flags_lie_over_the_job_and_are_relative_to_the_working_directory() {
    // One of them by its twin in the environment.
    let job = Job::example("reports.toml").variable("PACELINE_REPORT_JUNIT", "here.xml");
    job.run(&["--report-markdown", "deep/er/here.md"]).expect_code(0);
    validate(&job.path("here.xml"));
    assert!(job.read("deep/er/here.md").starts_with("### "));
    let entries = fs::read_dir(job.path("jobs/out/reports")).unwrap();
    let names: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, ["run.html", "run.json"].map(str::to_owned).into(), "what no flag names goes where the job says");
}

#[test]
fn flags_that_name_what_can_not_be_a_report_are_refused_before_anything_is_sent() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, "", 5);
    for (path, why) in [
        ("rows.csv", "endpoints.item reads it"),
        ("./out/records.csv", "sinks.out writes it"),
        ("job.toml", "the job is read from it"),
        (".paceline/job/run.json", "the job keeps its journal in"),
        ("out/reports/run.md", "the report `markdown` goes there"),
        (".", "it is a folder"),
    ] {
        fs::create_dir_all(job.path("out/reports")).unwrap();
        let done = job.run(&["--report-json", path]).expect_code(2);
        assert!(
            done.stderr.contains(&format!("error: --report-json {path}: ")) && done.stderr.contains(why),
            "{}",
            done.stderr
        );
    }
    assert_eq!(oracle.count(), 0);
}

#[test]
fn flags_take_the_place_of_nothing_that_the_job_reads_or_writes() {
    const FILES: &str = r#"
[secrets]
token.file = "token.txt"
[client]
tls = { ca = "ca.pem", cert = "cert.pem", key = "key.pem" }
[endpoints.form]
url = "ORACLE/form"
method = "PUT"
input.glob = "texts/*.txt"
multipart = { file = { path = "page.html" }, token = "{{ secrets.token }}" }
[endpoints.body]
url = "ORACLE/body"
method = "PUT"
input.values = [{ id = 1 }]
body-file = "body.bin"
save.path = "replies/{{ row.id }}.json"
[sinks.table]
path = "out/table.sqlite"
[sinks.parts]
path = "out/parts.parquet"
"#;
    let oracle = Oracle::start(item);
    let mut job = job(&oracle, &FILES.replace("ORACLE", &oracle.url()), 5);
    for name in ["token.txt", "ca.pem", "cert.pem", "key.pem", "texts/a.txt", "page.html", "body.bin"] {
        job = job.with(name, "precious");
    }
    for (path, why) in [
        ("token.txt", "secrets.token reads it"),
        ("./texts/../ca.pem", "endpoints.item reads it"),
        ("cert.pem", "endpoints.item reads it"),
        ("key.pem", "endpoints.item reads it"),
        ("texts/b.txt", "endpoints.form reads it"),
        ("page.html", "endpoints.form reads it"),
        ("body.bin", "endpoints.body reads it"),
        ("replies/a.json", "endpoints.body writes it"),
        ("out/table.sqlite", "sinks.table writes it"),
        ("out/parts.parquet/part.json", "sinks.parts writes it"),
    ] {
        let done = job.run(&["--report-json", path]).expect_code(2);
        let words = format!("error: --report-json {path}: {why}; name another file");
        assert!(done.stderr.contains(&words), "{words}\n{}", done.stderr);
        let (done, does) = (job.run(&["--log-file", path]).expect_code(2), why.split(' ').nth(1).unwrap());
        let does = if does == "reads" { "read" } else { "written" };
        assert!(done.stderr.contains(&format!("the log file {path} is {does} by the job")), "{}", done.stderr);
    }
    assert_eq!((oracle.count(), job.read("token.txt").as_str()), (0, "precious"));
}

#[test]
fn two_files_of_a_run_that_are_one_are_refused_with_both_their_names() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, "", 5);
    for (flags, words) in [
        (["--events", "e.json", "--report-json", "./e.json"], "--events e.json: --report-json goes there as well"),
        (["--log-file", "l.md", "--report-markdown", "l.md"], "--log-file l.md: --report-markdown goes there as well"),
        (["--log-file", "out/../one", "--events", "one"], "--log-file out/../one: --events goes there as well"),
        (
            ["--events", "out/reports/run.json", "--events-detail", "run"],
            "--events out/reports/run.json: `report.json` of the job goes there as well",
        ),
    ] {
        let done = job.run(&flags).expect_code(2);
        assert!(done.stderr.contains(&format!("error: {words}; give each a file of its own")), "{}", done.stderr);
    }
    assert_eq!(oracle.count(), 0);
    for name in ["e.json", "l.md", "one", "out/reports/run.json"] {
        assert!(!job.path(name).exists(), "{name} was made");
    }
    job.run(&["--events", "/dev/null", "--report-html", "/dev/null"]).expect_code(0);
}
