//! README.md is true: its commands are run, and so are its job files.
//!
//! Commands are the lines that begin with `$ ` in blocks marked `console` or `sh`. Those that call
//! paceline (as `paceline ...` or `cargo run --release -- ...`) are run in a copy of the job folder and
//! must be fine. Every `toml` block is a job file and must pass `check`; a first line
//! `# file: NAME.toml` gives it a name, and `csv` and `jsonl` blocks with such a line are its inputs. The
//! commands of the table are run with the job in the places of `JOB`, and must do what stands beside them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::cli::paceline;
use crate::support::output::{Line, csv, csv_columns};

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    pub language: String,
    /// Where it opens, counted from 1.
    pub line: usize,
    pub text: String,
}

/// The fenced blocks of a text.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (position, line) in markdown.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open.as_mut()) {
            (Some(language), None) => {
                let language = language.split([' ', ',']).next().unwrap_or_default().to_owned();
                open = Some(Block { language, line: position + 1, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block of README.md is not closed");
    blocks
}

/// The arguments of a command line that calls paceline; `None` for other programs.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let command = line.strip_prefix("$ ")?;
    // What stands behind a comment sign is for people.
    let command = command.split(" #").next().unwrap_or(command);
    let rest = ["cargo run --release -- ", "paceline "].iter().find_map(|start| command.strip_prefix(start))?;
    assert!(!rest.contains(['|', '>', '<', '&', ';', '\'', '"']), "`{line}` needs a shell, which this test is not");
    Some(rest.split_whitespace().collect())
}

fn commands(markdown: &str) -> Vec<(usize, String)> {
    let shown = blocks(markdown).into_iter().filter(|block| matches!(block.language.as_str(), "console" | "sh"));
    shown
        .flat_map(|block| block.text.lines().map(|line| (block.line, line.to_owned())).collect::<Vec<_>>())
        .filter(|(_, line)| arguments(line).is_some())
        .collect()
}

fn named(block: &Block) -> Option<&str> {
    block.text.lines().next()?.strip_prefix("# file: ").map(str::trim)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// README.md.
pub fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// Copies a folder without what runs left in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if name == "out" || name == ".paceline" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A folder with the repository's jobs in it and nothing else.
fn sandbox() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("jobs"), &folder.path().join("jobs"));
    folder
}

#[test]
fn every_command_of_the_readme_runs() {
    let folder = sandbox();
    let commands = commands(&readme());
    assert!(commands.iter().any(|(_, line)| line.contains(" run ")), "README.md shows no run");
    for (block, line) in commands {
        let arguments = arguments(&line).unwrap();
        if arguments.first() == Some(&"demo") {
            continue; // It runs until Ctrl-C, which has a test of its own.
        }
        let Output { status, stderr, .. } = paceline(&arguments).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(0), "README.md:{block}: {line}\n{said}");
    }
}

/// A folder with the job files and inputs of README.md, and the names of the job files.
fn written() -> (TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut jobs = Vec::new();
    for block in blocks(&readme()) {
        let name = named(&block).map(str::to_owned);
        match (block.language.as_str(), name) {
            ("toml", name) => {
                let name = name.unwrap_or_else(|| format!("line-{}.toml", block.line));
                fs::write(folder.path().join(&name), &block.text).unwrap();
                jobs.push(name);
            }
            ("csv" | "jsonl", Some(name)) => {
                let data: Vec<&str> = block.text.lines().skip(1).collect();
                fs::write(folder.path().join(name), data.join("\n") + "\n").unwrap();
            }
            _ => {}
        }
    }
    assert!(!jobs.is_empty(), "README.md shows no job file");
    (folder, jobs)
}

/// Runs the program in a folder; all that it said.
#[track_caller]
fn done(folder: &TempDir, arguments: &[&str], code: i32) -> String {
    let Output { status, stdout, stderr } = paceline(arguments).current_dir(folder.path()).output().unwrap();
    let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert_eq!(status.code(), Some(code), "README.md: paceline {}\n{said}", arguments.join(" "));
    said
}

/// The records of the job of README.md by sku; each row has one.
fn records(folder: &TempDir) -> BTreeMap<String, Line> {
    let lines = csv(&folder.path().join("out/prices.csv"));
    let count = lines.len();
    let records: BTreeMap<_, _> = lines.into_iter().map(|line| (line["sku"].clone(), line)).collect();
    assert_eq!(records.len(), count, "a row has two records");
    records
}

#[test]
fn every_job_file_of_the_readme_passes_check() {
    let (folder, jobs) = written();
    for job in jobs {
        done(&folder, &["check", &job], 0);
    }
}

#[test]
fn the_job_of_the_readme_runs_and_every_row_has_the_record_that_is_promised() {
    let (folder, jobs) = written();
    assert_eq!(jobs, ["prices.toml"]);
    done(&folder, &["run", "prices.toml"], 0);
    let columns = csv_columns(&folder.path().join("out/prices.csv"));
    assert_eq!(columns, ["sku", "supplier", "price", "status", "attempts", "duration_ms", "error"]);
    let promised = "input columns, extracted columns, then `status, attempts, duration_ms, error`";
    assert!(readme().contains(promised), "README.md says of columns what this test does not know");
    let (records, rows) = (records(&folder), csv(&folder.path().join("products.csv")));
    assert_eq!(records.len(), rows.len());
    for row in rows {
        let record = &records[&row["sku"]];
        assert_eq!(
            (&record["supplier"], record["status"].as_str(), record["error"].as_str()),
            (&row["supplier"], "200", "")
        );
        assert!(record["price"].parse::<f64>().is_ok_and(|price| price > 0.0), "{record:?}");
    }
}

/// The commands in the first column of tables, whole: `schema` behind `paceline demo` is
/// `paceline schema`.
fn table_commands(markdown: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for line in markdown.lines().filter_map(|line| line.strip_prefix("| `paceline ")) {
        let cell = line.split(" | ").next().unwrap_or_default();
        commands.extend(cell.split('`').step_by(2).map(|command| format!("paceline {command}")));
    }
    commands
}

#[test]
fn every_command_in_the_table_of_the_readme_does_what_stands_beside_it() {
    let commands = table_commands(&readme());
    assert!(commands.len() >= 9, "{commands:?}");
    for command in commands {
        let (folder, _) = written();
        match command.as_str() {
            "paceline check JOB..." => assert_eq!(done(&folder, &["check", "prices.toml"], 0).lines().count(), 1),
            "paceline check JOB --sample reply.json" => a_reply_is_judged(&folder),
            "paceline check JOB --online" => {
                assert!(done(&folder, &["check", "prices.toml", "--online"], 0).contains("200"))
            }
            "paceline plan JOB" => plan(&folder),
            "paceline run JOB" => _ = done(&folder, &["run", "prices.toml"], 0),
            "paceline run JOB --failed" => only_what_failed(&folder),
            "paceline run JOB --limit 10" => the_first_ten_and_then_the_rest(&folder),
            "paceline run JOB --events FILE" => events(&folder),
            "paceline failed JOB" => failed_rows(&folder),
            "paceline runs [JOB]" => past_runs(&folder),
            "paceline report RUN\\|JOB" => a_page_of_a_run(&folder),
            "paceline report --compare A B" => two_runs_side_by_side(&folder),
            "paceline init" => assert!(done(&folder, &["init", "new.toml"], 0).contains("paceline check")),
            "paceline plan JOB --curl" => {
                assert!(done(&folder, &["plan", "prices.toml", "--curl"], 0).contains("curl "))
            }
            "paceline plan JOB --diff" => _ = done(&folder, &["plan", "prices.toml", "--diff"], 0),
            "paceline explain [CODE]" => assert!(done(&folder, &["explain", "P0103"], 0).contains("Mended:")),
            "paceline fmt JOB..." => _ = done(&folder, &["fmt", "--check", "prices.toml"], 0),
            "paceline migrate JOB..." => _ = done(&folder, &["migrate", "--check", "prices.toml"], 0),
            "paceline man [DIR]" => assert!(done(&folder, &["man"], 0).contains(".TH paceline")),
            "paceline schema" => assert!(done(&folder, &["schema"], 0).contains("\"$schema\"")),
            "paceline kinds" => assert!(done(&folder, &["kinds"], 0).contains("jsonl")),
            "paceline completions SHELL" => assert!(done(&folder, &["completions", "bash"], 0).contains("complete -F")),
            "paceline demo" => {} // It runs until Ctrl-C, which has a test of its own.
            other => panic!("README.md shows `{other}`, and no test knows what it should do"),
        }
    }
}

fn a_reply_is_judged(folder: &TempDir) {
    let judged = |reply: &str, code| {
        fs::write(folder.path().join("reply.json"), reply).unwrap();
        done(folder, &["check", "prices.toml", "--sample", "reply.json"], code)
    };
    let said = judged(r#"{"price": 2.5}"#, 0);
    assert!(said.contains("price") && said.contains("2.5"), "{said}");
    assert!(judged(r#"{"prize": 2.5}"#, 0).contains("prize"), "the name that is there is offered");
}

fn plan(folder: &TempDir) {
    let names = || {
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let said = done(folder, &["plan", "prices.toml"], 0);
    for words in
        ["2 rows", "requests", "limit", "duration", "GET demo:/products/PEN-1295", "out/prices.csv", "a run begins"]
    {
        assert!(said.contains(words), "{words} is missing:\n{said}");
    }
    assert_eq!(names(), before, "a plan leaves nothing behind");
}

fn only_what_failed(folder: &TempDir) {
    let path = folder.path().join("products.csv");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "NO-SUCH,Nobody\n").unwrap();
    done(folder, &["run", "prices.toml"], 1);
    let before = records(folder);
    assert_eq!(before["NO-SUCH"]["status"], "404");
    let said = done(folder, &["run", "prices.toml", "--failed"], 1);
    assert!(said.contains("attempts  1 "), "one row alone is sent:\n{said}");
    let after = records(folder);
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert_eq!(after["PEN-1295"], before["PEN-1295"]);
}

fn events(folder: &TempDir) {
    done(folder, &["run", "prices.toml", "--events", "events.ndjson"], 0);
    let text = fs::read_to_string(folder.path().join("events.ndjson")).unwrap();
    assert!(text.lines().last().is_some_and(|last| last.contains("\"event\":\"run-finished\"")), "{text}");
}

fn failed_rows(folder: &TempDir) {
    let path = folder.path().join("products.csv");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "NO-SUCH,Nobody\n").unwrap();
    done(folder, &["run", "prices.toml"], 1);
    assert_eq!(done(folder, &["failed", "prices.toml"], 0), "sku,supplier\nNO-SUCH,Nobody\n");
    let said = done(folder, &["failed", "prices.toml", "--reasons"], 0);
    assert!(said.contains(",status,") && said.contains("404"), "{said}");
}

fn past_runs(folder: &TempDir) {
    done(folder, &["run", "prices.toml"], 0);
    done(folder, &["run", "prices.toml", "--set", "sinks.out.on-existing=\"replace\""], 0);
    let said = done(folder, &["runs", "prices.toml"], 0);
    assert_eq!(said.matches(" complete ").count(), 2, "{said}");
    assert_eq!(done(folder, &["runs"], 0), said);
}

fn a_page_of_a_run(folder: &TempDir) {
    done(folder, &["run", "prices.toml"], 0);
    let said = done(folder, &["report", "prices.toml"], 0);
    let (name, of) = said.trim_end().split_once(": ").unwrap();
    let page = fs::read_to_string(folder.path().join(name)).unwrap();
    let run = of.strip_prefix("run ").and_then(|of| of.strip_suffix(" of prices")).unwrap();
    for part in ["timeline", "latency", "statuses", "slowest", "limits", "plan", "job"] {
        assert!(page.contains(&format!("<section id=\"{part}\">")), "{part} is missing");
    }
    assert_eq!(done(folder, &["report", run], 0), said);
}

fn two_runs_side_by_side(folder: &TempDir) {
    for _ in 0..2 {
        done(folder, &["run", "prices.toml", "--set", "sinks.out.on-existing=\"replace\""], 0);
    }
    let runs = done(folder, &["runs", "prices.toml"], 0);
    let runs: Vec<&str> = runs.lines().skip(2).filter_map(|line| line.split_whitespace().next()).collect();
    let said = done(folder, &["report", "--compare", runs[1], runs[0]], 0);
    assert!(said.contains(&format!("runs {} and {} of prices", runs[1], runs[0])), "{said}");
}

fn the_first_ten_and_then_the_rest(folder: &TempDir) {
    let skus = fs::read_to_string(root().join("jobs/data/products.csv")).unwrap();
    let skus: Vec<&str> = skus.lines().skip(1).take(14).map(|line| line.split(',').next().unwrap()).collect();
    let rows: String = skus.iter().map(|sku| format!("{sku},x\n")).collect();
    fs::write(folder.path().join("products.csv"), format!("sku,supplier\n{rows}")).unwrap();
    done(folder, &["run", "prices.toml", "--limit", "10"], 0);
    assert!(records(folder).keys().eq(skus[..10].iter().collect::<BTreeSet<_>>()));
    done(folder, &["run", "prices.toml"], 0);
    assert_eq!(records(folder).len(), 14);
}

#[test]
fn blocks_and_commands_are_found() {
    let markdown = "\
# Title
```console
$ paceline check jobs/a.toml   # fine?
ok: jobs/a.toml
$ cargo run --release -- plan jobs/a.toml --rows 1
$ curl http://x
```
text
```toml
# file: a.toml
version = 1
```
```sh
cargo build
```
";
    let found = blocks(markdown);
    let languages: Vec<_> = found.iter().map(|block| (block.language.as_str(), block.line)).collect();
    assert_eq!(languages, [("console", 2), ("toml", 9), ("sh", 13)]);
    assert_eq!(found.iter().map(named).collect::<Vec<_>>(), [None, Some("a.toml"), None]);
    let commands = commands(markdown);
    let arguments: Vec<_> = commands.iter().filter_map(|(_, line)| arguments(line)).collect();
    let expected: [&[&str]; 2] = [&["check", "jobs/a.toml"], &["plan", "jobs/a.toml", "--rows", "1"]];
    assert_eq!(arguments, expected);
    let table = "| command | |\n| `paceline check JOB` | fine |\n| `paceline a`, `b C` | x `d` |\n| `x` | y |\n";
    assert_eq!(table_commands(table), ["paceline check JOB", "paceline a", "paceline b C"]);
}
