//! Reports on every ending of a run: they are there, and say how it ended.

use std::time::Duration;

use serde_json::{Value, json};

use super::{answer, job, validate, written};
use crate::support::oracle::script::item;
use crate::support::{Answer, Oracle, wait};

#[test]
fn what_is_printed_as_json_is_what_is_written() {
    let oracle = Oracle::start(item);
    let job = job(&oracle, "", 20);
    let done = job.run(&["--output", "json"]).expect_code(0);
    let printed: Value = serde_json::from_str(&done.stderr).unwrap();
    assert_eq!(written(&job, 0, "complete"), printed);
}

#[test]
fn a_run_that_goes_on_and_failed_rows_that_are_sent_again_replace_the_reports() {
    let oracle = Oracle::start(answer);
    let job = job(&oracle, "", 20);
    job.run(&["--limit", "5"]).expect_code(0);
    assert_eq!(written(&job, 0, "partial")["rows"]["ok"], json!(5));
    job.run(&[]).expect_code(1);
    let summary = written(&job, 1, "complete");
    assert_eq!((&summary["rows"]["ok"], summary["sessions"].as_array().unwrap().len()), (&json!(17), 2));
    job.run(&["--failed"]).expect_code(1);
    let summary = written(&job, 1, "complete");
    assert_eq!((&summary["rows"]["failed"], &summary["attempts"]), (&json!(3), &json!(3)));
}

#[test]
fn failed_rows_that_the_job_allows_make_nothing_red() {
    let oracle = Oracle::start(answer);
    let job = job(&oracle, "[run]\nfail-if = [\"failed > 3\"]\n", 20);
    job.run(&[]).expect_code(0);
    assert_eq!(written(&job, 0, "complete")["rows"]["failed"], json!(3));
}

#[test]
fn reports_are_written_when_the_run_can_not_start() {
    let oracle = Oracle::start(item);
    let secret =
        "[secrets]\ntoken.env = \"NOT_SET_ANYWHERE\"\n[endpoints.item.auth]\nbearer = \"{{ secrets.token }}\"\n";
    let unset = job(&oracle, secret, 5);
    unset.run(&[]).expect_code(2);
    let summary = written(&unset, 2, "broken");
    assert!(summary["ending"]["reason"].as_str().unwrap().contains("NOT_SET_ANYWHERE"), "{summary}");
    assert_eq!((&summary["run"], &summary["attempts"]), (&Value::Null, &json!(0)));
    // The report of the run before must not stay where a later one could not start.
    let there = job(&oracle, "", 5);
    there.run(&[]).expect_code(0);
    written(&there, 0, "complete");
    there.run(&[]).expect_code(3);
    let summary = written(&there, 3, "broken");
    assert!(summary["ending"]["reason"].as_str().unwrap().contains("out/records.csv"), "{summary}");
    assert!(there.read("out/reports/junit.xml").contains("could not start"));
}

#[test]
fn reports_are_written_when_the_run_breaks_off_or_stops() {
    let oracle = Oracle::start(|_| Answer::status(401));
    let stopped = job(&oracle, "", 50);
    stopped.run(&[]).expect_code(4);
    let summary = written(&stopped, 4, "stopped");
    assert!(summary["next"].as_str().unwrap().ends_with("run job.toml"), "{summary}");
    let xml = stopped.read("out/reports/junit.xml");
    assert!(xml.contains("unauthorized &gt;= 5 in a row held and stopped the run"), "{xml}");
    let oracle = Oracle::start(item);
    let broken = job(&oracle, "", 5);
    broken.change("job.toml", &oracle.url(), "http://no-such-host.invalid");
    broken.run(&[]).expect_code(3);
    assert_ne!(written(&broken, 3, "broken")["run"], Value::Null);
}

#[test]
fn reports_are_written_when_a_signal_ends_the_run() {
    for (signal, exit) in [("INT", 130), ("TERM", 143)] {
        let oracle = Oracle::start(item);
        let job = job(&oracle, "[batch]\nsize = 1\npause = \"50ms\"\n", 2000);
        let run = job.spawn(&[]);
        wait::within(Duration::from_secs(60), || (oracle.count() > 2).then_some(())).unwrap();
        run.signal(signal);
        run.wait().expect_code(exit);
        assert_eq!(written(&job, exit, "interrupted")["ending"]["signal"], json!(format!("SIG{signal}")));
    }
}

#[test]
fn a_report_that_can_not_be_written_is_a_warning_and_changes_no_exit_code() {
    let oracle = Oracle::start(answer);
    for (rows, exit) in [(5, 0), (20, 1)] {
        let job = job(&oracle, "", rows);
        let done = job.run(&["--report-json", "rows.csv/run.json"]).expect_code(exit);
        let warning = "warning   the report rows.csv/run.json can't be written: ";
        assert!(done.stderr.contains(warning), "{}", done.stderr);
        validate(&job.path("out/reports/junit.xml"));
    }
}
