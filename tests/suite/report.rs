//! `paceline report`: a run as a page, made again whenever it is asked for, and two of them side by side.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::oracle::script::item;
use crate::support::{Answer, Done, Job, Oracle};

const JOB: &str = r#"
description = "Items <of> the oracle"

[secrets]
token = { env = "ITEM_TOKEN" }

[retry]
attempts = 1

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = 20 }
auth.bearer = "{{ secrets.token }}"

[sinks.lines]
path = "out.jsonl"
on-existing = "replace"
"#;

const TOKEN: &str = "canary-7f31c0d2e5";

fn job() -> (Oracle, Job) {
    let oracle = Oracle::start(|request| match request.id() {
        "7" | "9" => Answer::status(404),
        _ => item(request),
    });
    let job = Job::at(&oracle.url(), JOB).variable("ITEM_TOKEN", TOKEN);
    (oracle, job)
}

/// The id of the latest run.
fn latest(job: &Job) -> String {
    let runs: Value =
        serde_json::from_str(&job.command(&["runs", "job.toml", "--output", "json"]).expect_code(0).stdout)
            .expect("JSON");
    runs["jobs"][0]["runs"][0]["run"].as_str().expect("a run").to_owned()
}

/// The file that was written, as it was told.
fn written(job: &Job, done: &Done) -> String {
    let name = done.stdout.split(": ").next().expect("a name");
    job.read(name)
}

#[test]
fn a_run_is_a_page_with_all_that_became_of_it_and_no_secret() {
    let (_oracle, job) = job();
    let none = job.command(&["report", "job.toml"]).expect_code(2);
    assert!(none.stderr.contains("there is no run of `job` yet; `paceline run job.toml` makes one"), "{}", none.stderr);
    job.run(&[]).expect_code(1);
    let run = latest(&job);
    let done = job.command(&["report", "job.toml"]).expect_code(0);
    assert_eq!(done.stdout, format!("report-{run}.html: run {run} of job\n"), "{}", done.stderr);
    let page = written(&job, &done);
    for words in
        ["Items &lt;of&gt; the oracle", "18 ok", "2 failed", "404", "out.jsonl", "endpoint item", "input.range", &run]
    {
        assert!(page.contains(words), "{words} is missing");
    }
    assert!(!page.contains(TOKEN));
    // By the beginning of its id, on standard output, the same.
    let again = job.command(&["report", &run[..run.len() - 1], "--output-file", "-"]).expect_code(0);
    assert_eq!(again.stdout.trim_end(), page.trim_end());
    let told = job.command(&["report", &run, "--json"]).expect_code(0);
    let recap: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!((&recap["run"], &recap["endpoints"][0]["counts"]["failed"]), (&run.as_str().into(), &2.into()));
    assert!(!told.stdout.contains(TOKEN));
}

#[test]
fn without_its_recap_a_run_is_what_the_journal_says_and_what_is_missing_is_said() {
    let (_oracle, job) = job();
    job.run(&[]).expect_code(1);
    let run = latest(&job);
    fs::remove_dir_all(job.state().join("recaps")).unwrap();
    let done = job.command(&["report", "job.toml"]).expect_code(0);
    assert!(done.stderr.contains(&format!("no recap is kept of run {run}")), "{}", done.stderr);
    let page = written(&job, &done);
    for words in ["18 ok", "2 failed", "404", "no recap is kept of run"] {
        assert!(page.contains(words), "{words} is missing");
    }
    // A recap that is damaged is named, and the journal serves.
    fs::create_dir(job.state().join("recaps")).unwrap();
    fs::write(job.state().join(format!("recaps/{run}.json")), "{\"version\": 1,").unwrap();
    let done = job.command(&["report", "job.toml"]).expect_code(0);
    assert!(done.stderr.contains(&format!("{run}.json` is damaged")), "{}", done.stderr);
    fs::write(job.state().join("journal"), "what?").unwrap();
    let lost = job.command(&["report", "job.toml"]).expect_code(3);
    assert!(lost.stderr.contains("is not a journal"), "{}", lost.stderr);
}

#[test]
fn two_runs_are_set_side_by_side_and_a_run_that_is_not_there_is_told_with_those_that_are() {
    let (_oracle, job) = job();
    job.run(&[]).expect_code(1);
    let one = latest(&job);
    job.change("job.toml", "to = 20", "to = 6");
    job.run(&["--fresh"]).expect_code(0);
    let other = latest(&job);
    let done = job.command(&["report", "--compare", &one, "job.toml"]).expect_code(0);
    assert_eq!(done.stdout, format!("report-{one}-{other}.html: runs {one} and {other} of job\n"));
    let page = written(&job, &done);
    for words in
        ["▲ better", "only in A", "- input.range = { from = 1, to = 20 }", "+ input.range = { from = 1, to = 6 }"]
    {
        assert!(page.contains(words), "{words} is missing");
    }
    let unknown = job.command(&["report", "nothing"]).expect_code(2);
    for words in ["there is no run `nothing`; those that are kept:", &one, &other] {
        assert!(unknown.stderr.contains(words), "{words}: {}", unknown.stderr);
    }
    let alone = job.command(&["report", "--compare", &one]).expect_code(2);
    assert!(alone.stderr.contains("name the other"), "{}", alone.stderr);
    let two = job.command(&["report", &one, &other]).expect_code(2);
    assert!(two.stderr.contains("--compare sets them side by side"), "{}", two.stderr);
}

#[test]
fn a_report_takes_the_place_of_nothing_else_and_appears_whole() {
    let (_oracle, job) = job();
    job.run(&[]).expect_code(1);
    let run = latest(&job);
    let before = job.read("job.toml");
    let journal = fs::read(job.state().join("journal")).unwrap();
    for (named, path, why) in [
        ("job.toml", "job.toml", "the job is read from it"),
        (run.as_str(), "./job.toml", "the job is read from it"),
        ("job.toml", "out.jsonl", "sinks.lines writes it"),
        ("job.toml", ".paceline/job/journal", "the job keeps its journal in"),
        (run.as_str(), ".paceline/job/new.html", "the job keeps its journal in"),
    ] {
        let done = job.command(&["report", named, "--output-file", path]).expect_code(2);
        let words = format!("error: can't write {path}: {why}");
        assert!(done.stderr.contains(&words) && done.stderr.contains("--output-file"), "{words}\n{}", done.stderr);
    }
    assert_eq!((job.read("job.toml"), fs::read(job.state().join("journal")).unwrap()), (before, journal));
    let nowhere = job.command(&["report", &run, "--output-file", "job.toml/x.html"]).expect_code(3);
    let words = "can't write job.toml/x.html: ";
    assert!(nowhere.stderr.contains(words) && nowhere.stderr.contains("--output-file"), "{}", nowhere.stderr);
    job.command(&["report", &run, "--output-file", "new/folder/x.html"]).expect_code(0);
    let folder = job.path("new/folder");
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["x.html"], "nothing is left beside it");
    let rights = fs::metadata(folder.join("x.html")).unwrap().permissions().mode();
    assert_eq!(rights & 0o777, 0o600, "it says what servers said, to its owner");
}

#[test]
fn what_the_command_line_laid_over_a_job_stands_in_its_report_and_is_compared() {
    let (oracle, _) = job();
    let text = format!("vars.name = \"\"\nvars.api_key = \"\"\n{JOB}[profiles.slow]\nretry.initial = \"2s\"\n");
    let job = Job::at(&oracle.url(), &text).variable("ITEM_TOKEN", TOKEN).variable("PACELINE_VAR_NAME", "outside");
    let first = ["--profile", "slow", "--set", "run.fail-if='failed > 90%'", "--var", "api_key=th1rd-w0rd"];
    job.run(&first).expect_code(0);
    let one = latest(&job);
    let page = written(&job, &job.command(&["report", "job.toml"]).expect_code(0));
    let token = format!("endpoints.item.headers.x='{TOKEN}'");
    job.run(&["--fresh", "--set", &token]).expect_code(1);
    let two = latest(&job);
    let other = written(&job, &job.command(&["report", "job.toml"]).expect_code(0));
    for (page, lines) in [
        (
            &page,
            &[
                "--profile slow",
                "--set run.fail-if=&#39;failed &gt; 90%&#39;",
                "--var api_key=***",
                "PACELINE_VAR_NAME=outside",
            ][..],
        ),
        (&other, &["--set endpoints.item.headers.x=&#39;***&#39;"]),
    ] {
        assert!(page.contains("Laid over it by the command line and the environment"), "{page}");
        let missing: Vec<_> =
            lines.iter().filter(|line| !page.contains(&format!("<span class=\"ln\">{line}</span>"))).collect();
        assert!(missing.is_empty() && !page.contains(TOKEN) && !page.contains("th1rd-w0rd"), "{missing:?}\n{page}");
    }
    let compared = written(&job, &job.command(&["report", "--compare", &one, &two]).expect_code(0));
    assert!(compared.contains("<span class=\"removed\">- --profile slow</span>"), "{compared}");
    assert!(
        compared.contains("<span class=\"added\">+ --set endpoints.item.headers.x=&#39;***&#39;</span>"),
        "{compared}"
    );
    assert!(!compared.contains(TOKEN) && !compared.contains("th1rd-w0rd"));
}
