//! README.md is true: its commands are run, its job files are checked.
//!
//! Commands are the lines that begin with `$ ` in blocks marked `console` or `sh`. Those that call
//! paceline (as `paceline ...` or `cargo run --release -- ...`) are run in a copy of the job folder and
//! must be fine. Every `toml` block is a job file and must pass `check`; a first line
//! `# file: NAME.toml` gives it a name, and `csv` and `jsonl` blocks with such a line are its inputs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::cli::paceline;

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
fn copy(from: &Path, to: &Path) {
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

#[test]
fn every_job_file_of_the_readme_passes_check() {
    let folder = sandbox();
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
    for job in jobs {
        let Output { status, stderr, .. } = paceline(&["check", &job]).current_dir(folder.path()).output().unwrap();
        assert_eq!(status.code(), Some(0), "README.md, {job}:\n{}", String::from_utf8_lossy(&stderr));
    }
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
}
