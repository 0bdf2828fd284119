//! Commands that read and write files beside `check`: jobs of as much as there may be, wide tables, and what is no plain
//! file.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::{JOB, LARGEST, bounded, header, numbered, told};
use crate::support::Job;

/// The most that a job may hold, of all at once.
fn full() -> String {
    let each = |most: usize, of: &dyn Fn(usize) -> String| (0..most).map(of).collect::<String>();
    let endpoint = |n| {
        format!(
            "[endpoints.e{n}]\nurl=\"demo:/{{{{ row.value }}}}{{{{ vars.v{n} }}}}\"\ninput.range={{from=1,to=3}}\n\
             limit=\"l{n}\"\nheaders.h=\"{{{{ secrets.s{n} }}}}\"\n[sinks.k{n}]\npath=\"out/{n}.csv\"\nfrom=\"e{n}\"\n"
        )
    };
    let variables = each(10_000, &|n| format!("v{n}={n}\n"));
    let secrets = each(1_000, &|n| format!("s{n}.env=\"S{n}\"\n"));
    let limits = each(1_000, &|n| format!("l{n}.rate=\"1/s\"\n"));
    format!("[vars]\n{variables}[secrets]\n{secrets}[limits]\n{limits}{}", each(1_000, &endpoint))
}

#[test]
fn as_much_as_a_job_may_hold_is_checked_and_planned() {
    let job = Job::new(&full());
    assert_eq!(told("a full job", &job), Some(0));
    for words in ["plan job.toml", "plan --curl job.toml", "fmt --check job.toml", "migrate --check job.toml"] {
        let done = bounded(words, &job, words);
        assert!(matches!(done.code, Some(0 | 1)), "{words}: {:?}\n{:.2000}", done.code, done.stderr);
    }
}

#[test]
fn a_file_that_is_all_different_is_formatted_and_its_difference_shown() {
    let pairs = numbered(&format!("{JOB}[endpoints.a.headers]\n"), header, "");
    let list = numbered(&format!("{JOB}[vars]\nb=[\n"), |n| format!(" {n},\n"), "]\n");
    let grown = bounded("pairs that grow", &Job::new(&pairs), "fmt job.toml").expect_code(3);
    assert!(grown.stderr.contains("formatted it would be larger than 1 MiB"), "{}", grown.stderr);
    // With room for the spaces that it gets.
    let lines = |text: &str| text[..text[..LARGEST / 2].rfind('\n').map_or(0, |end| end + 1)].to_owned();
    for (name, text) in [("pairs", lines(&pairs)), ("a list", lines(&list) + "]\n")] {
        let job = Job::new(&text);
        let done = bounded(&format!("the difference of {name}"), &job, "fmt --check job.toml");
        assert_eq!(done.code, Some(1), "{:.2000}", done.stderr);
        bounded(&format!("{name}, formatted"), &job, "fmt job.toml").expect_code(0);
        bounded(&format!("{name}, formatted again"), &job, "fmt --check job.toml").expect_code(0);
    }
}

#[test]
fn a_table_of_many_columns_becomes_a_job_and_is_run() {
    let names: Vec<String> = (0..20_000).map(|number| format!("column {number}")).collect();
    let mut table = names.join(",") + "\n";
    for row in 0..3 {
        let cells: Vec<String> = (0..20_000).map(|column| format!("{row}.{column}")).collect();
        let _ = writeln!(table, "{}", cells.join(","));
    }
    let job = Job::new("").with("wide.csv", table);
    let url = "--url 'demo:/items/{{ row[\"column 0\"] }}'";
    bounded("init --from-csv", &job, &format!("init new.toml --from-csv wide.csv {url}")).expect_code(0);
    bounded("check of a wide table", &job, "check new.toml").expect_code(0);
    bounded("plan of a wide table", &job, "plan new.toml").expect_code(0);
    let done = bounded("run over a wide table", &job, "run new.toml --quiet");
    assert!(matches!(done.code, Some(0 | 1)), "{:?}\n{:.2000}", done.code, done.stderr);
}

/// Makes a pipe that nobody writes to: whoever opens it waits.
fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn no_command_that_writes_waits_for_a_pipe() {
    let job = Job::new(JOB);
    pipe(&job.path("pipe.toml"));
    for words in ["fmt pipe.toml", "fmt --check pipe.toml", "migrate pipe.toml"] {
        let done = bounded(words, &job, words).expect_code(2);
        assert!(done.stderr.contains("`pipe.toml` is not a plain file"), "{words}: {}", done.stderr);
    }
    std::fs::create_dir(job.path("new")).unwrap();
    pipe(&job.path("new/.gitignore"));
    let done = bounded("init", &job, "init new/job.toml --url demo:/items/1").expect_code(2);
    assert!(done.stderr.contains("new/.gitignore: it is not a plain file"), "{}", done.stderr);
    assert!(!job.path("new/job.toml").exists());
    let done = bounded("init --force", &job, "init pipe.toml --force --url demo:/items/1").expect_code(2);
    assert!(done.stderr.contains("pipe.toml: it is not a plain file"), "{}", done.stderr);
}

#[test]
fn a_jq_program_that_the_system_has_no_room_for_is_told_of_in_words() {
    let job = Job::new(&format!("{JOB}columns.a = {{ jq = \".id\" }}\n"));
    let done = job.shell("ulimit -v 200000; exec \"$PACELINE\" check job.toml").expect_code(2);
    let told = ["there is no room for the 256 MiB", "nothing is wrong with the program", "`ulimit -v`", "job.toml:4:"];
    told.iter().for_each(|words| assert!(done.stderr.contains(words), "{words}: {}", done.stderr));
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
}
