//! Steps of GitHub Actions: annotations, and the summary of a step.

use serde_json::Value;

use super::{answer, in_actions, job};
use crate::support::oracle::script::item;
use crate::support::{Done, Job, Oracle};

fn step_of(done: &Done, job: &Job, before: &str) -> String {
    assert!(done.stderr.contains("\n::error::job: failed > 0 held"), "{}", done.stderr);
    job.read("step.md").strip_prefix(before).unwrap().to_owned()
}

#[test]
fn a_step_of_github_actions_that_can_not_start_has_its_annotation() {
    let oracle = Oracle::start(item);
    let secret = "[secrets]\ntoken.env = \"NOT_SET\"\n[endpoints.item.auth]\nbearer = \"{{ secrets.token }}\"\n";
    let unset = in_actions(job(&oracle, secret, 5));
    for output in ["human", "github"] {
        let done = unset.run(&["--output", output]).expect_code(2);
        let is_told = |line: &str| line.starts_with("::error file=job.toml,") && line.contains("NOT_SET");
        assert_eq!(done.stderr.lines().filter(|line| is_told(line)).count(), 1, "{}", done.stderr);
        assert_eq!(done.stderr.contains("--> job.toml:"), output == "human", "{}", done.stderr);
    }
    let there = in_actions(job(&oracle, "", 5)).with("out/records.csv", "id\n");
    let done = there.run(&[]).expect_code(3);
    assert!(done.stderr.lines().any(|line| line.starts_with("::error")), "{}", done.stderr);
    let refused = there.run(&["--report-json", "rows.csv"]).expect_code(2);
    assert!(refused.stderr.contains("\n::error::--report-json rows.csv: "), "{}", refused.stderr);
    let json = there.run(&["--output", "json"]).expect_code(3);
    assert!(serde_json::from_str::<Value>(&json.stderr).is_ok(), "{}", json.stderr);
}

#[test]
fn a_step_of_github_actions_gets_annotations_and_a_summary() {
    let oracle = Oracle::start(answer);
    let job = in_actions(job(&oracle, "", 20)).with("step.md", "before\n");
    let done = job.run(&[]).expect_code(1);
    assert_eq!(step_of(&done, &job, "before\n\n"), job.read("out/reports/run.md"));
    let done = job.run(&["--failed", "--output", "json"]).expect_code(1);
    assert!(serde_json::from_str::<Value>(&done.stderr).is_ok(), "{}", done.stderr);
    assert!(job.read("step.md").ends_with(&format!("\n\n{}", job.read("out/reports/run.md"))));
}

#[test]
fn in_github_actions_a_run_annotates_a_wrong_job_and_what_can_not_be_served() {
    let oracle = Oracle::start(answer);
    let wrong = || in_actions(job(&oracle, "", 20));
    let job = wrong();
    job.change("job.toml", "[endpoints", "polite = true\n[endpoints");
    let check = job.command(&["check", "job.toml", "--output", "github"]).expect_code(2).stdout;
    let expected: Vec<&str> = check.lines().filter(|line| line.starts_with("::error")).collect();
    assert!(expected.len() == 1 && expected[0].contains("file=job.toml,line="), "{check}");
    for (output, times) in [("human", 1), ("github", 1), ("json", 0)] {
        let said = job.run(&["--output", output]).expect_code(2).stderr;
        assert_eq!(said.lines().filter(|line| *line == expected[0]).count(), times, "{output}: {said}");
        assert_eq!(said.contains("error[P0101]"), output == "human", "{said}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    let said = wrong().run(&["--serve", &place]).expect_code(3).stderr;
    assert!(said.contains(&format!("\n::error::--serve: can't listen at {place}: ")), "{said}");
    assert!(said.starts_with("error: --serve"), "{said}");
}

#[test]
fn a_step_summary_is_written_outside_of_actions_where_github_is_asked_for() {
    let oracle = Oracle::start(answer);
    let plain = job(&oracle, "", 20);
    let path = plain.path("step.md").display().to_string();
    let job = plain.variable("GITHUB_STEP_SUMMARY", &path);
    job.run(&[]).expect_code(1);
    assert!(!job.path("step.md").exists());
    let done = job.run(&["--fresh", "--set", "sinks.out.on-existing='replace'", "--output", "github"]).expect_code(1);
    assert_eq!(step_of(&done, &job, ""), job.read("out/reports/run.md"));
}

#[test]
fn a_step_summary_never_grows_over_what_github_takes() {
    const LIMIT: usize = 1024 * 1024;
    let oracle = Oracle::start(answer);
    for (there, is_written) in [(LIMIT - 1500, true), (LIMIT - 10, false)] {
        let job = in_actions(job(&oracle, "", 20)).with("step.md", "x".repeat(there));
        let done = job.run(&[]).expect_code(1);
        let text = job.read("step.md");
        assert!(text.len() <= LIMIT);
        assert_eq!(text.len() > there, is_written);
        assert_eq!(text.ends_with("The rest was left out: there is no room for it.\n"), is_written);
        assert_eq!(done.stderr.contains("step.md can't be written: it is full"), !is_written, "{}", done.stderr);
    }
}
