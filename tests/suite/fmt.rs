//! `paceline fmt`, from outside: what it writes, what it leaves, and that our own jobs are in its style.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;

use crate::cli::{paceline, said};
use crate::readme::{blocks, readme};

const UGLY: &str = "# why\r\nname='x'   # kept\r\n[vars]\na=1\n";
const PRETTY: &str = "# why\nname = \"x\"   # kept\n\n[vars]\na = 1\n";

fn folder(files: &[(&str, &str)]) -> (TempDir, impl Fn(&str) -> PathBuf + use<>) {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    let root = folder.path().to_owned();
    (folder, move |name: &str| root.join(name))
}

#[test]
fn fmt_writes_what_changes_and_says_so() {
    let (folder, path) = folder(&[("ugly.toml", UGLY), ("pretty.toml", PRETTY)]);
    let done = said(paceline(&["fmt", "ugly.toml", "pretty.toml"]).current_dir(folder.path()));
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (Some(0), "formatted: ugly.toml\n", ""));
    assert_eq!(fs::read_to_string(path("ugly.toml")).unwrap(), PRETTY);
    let again = said(paceline(&["fmt", "ugly.toml"]).current_dir(folder.path()));
    assert_eq!((again.code, again.out.as_str()), (Some(0), ""));
}

#[test]
fn fmt_check_shows_the_difference_and_changes_nothing() {
    let (folder, path) = folder(&[("ugly.toml", UGLY), ("pretty.toml", PRETTY)]);
    let done = said(paceline(&["fmt", "--check", "pretty.toml", "ugly.toml"]).current_dir(folder.path()));
    assert_eq!(done.code, Some(1), "{}", done.err);
    for part in ["--- ugly.toml\n+++ ugly.toml\n@@ ", "-a=1\n", "+a = 1\n", "+name = \"x\"   # kept\n"] {
        assert!(done.out.contains(part), "{part} is missing:\n{}", done.out);
    }
    assert!(!done.out.contains("pretty"), "{}", done.out);
    assert_eq!(fs::read_to_string(path("ugly.toml")).unwrap(), UGLY);
    assert_eq!(said(paceline(&["fmt", "--check", "pretty.toml"]).current_dir(folder.path())).code, Some(0));
}

#[test]
fn fmt_check_is_an_annotation_of_the_lines_that_change_first_and_shows_no_secret() {
    let text = "name = \"x\"\n\n[endpoints.a]\nheaders.authorization='Bearer 0123456789-s3cr3t'\n";
    let (folder, _) = folder(&[("ugly.toml", text)]);
    for output in ["github", "human", "json"] {
        let done = said(paceline(&["fmt", "--check", "--output", output, "ugly.toml"]).current_dir(folder.path()));
        assert_eq!((done.code, done.err.as_str()), (Some(1), ""), "{output}");
        assert!(!done.out.contains("s3cr3t") && done.out.contains("not shown"), "{output}: {}", done.out);
        let starts = done.out.starts_with("::error file=ugly.toml,line=4,endLine=4::ugly.toml would change%0A---");
        assert_eq!(starts, output == "github", "{}", done.out);
    }
}

#[test]
fn fmt_leaves_a_file_that_is_read_only() {
    let (folder, path) = folder(&[("shut.toml", UGLY)]);
    fs::set_permissions(path("shut.toml"), fs::Permissions::from_mode(0o444)).unwrap();
    let done = said(paceline(&["fmt", "shut.toml"]).current_dir(folder.path()));
    assert_eq!((done.code, done.out.as_str()), (Some(3), ""), "{}", done.err);
    let words = "shut.toml can't be written: it is read-only; it is as it was";
    assert!(done.err.contains(words), "{}", done.err);
    assert_eq!(fs::read_to_string(path("shut.toml")).unwrap(), UGLY);
    let github = said(paceline(&["fmt", "--output", "github", "shut.toml"]).current_dir(folder.path()));
    assert!(github.err.starts_with("::error file=shut.toml::shut.toml can't be written"), "{}", github.err);
}

#[test]
fn fmt_keeps_all_names_of_a_file() {
    let (folder, path) = folder(&[("ugly.toml", UGLY)]);
    fs::hard_link(path("ugly.toml"), path("other.toml")).unwrap();
    assert_eq!(said(paceline(&["fmt", "ugly.toml"]).current_dir(folder.path())).code, Some(0));
    assert_eq!(fs::read_to_string(path("other.toml")).unwrap(), PRETTY);
}

#[test]
fn fmt_leaves_a_broken_file_as_check_does_and_goes_on() {
    let broken = "name = \nurl = 1 2\n";
    let (folder, path) = folder(&[("broken.toml", broken), ("ugly.toml", UGLY)]);
    let done = said(paceline(&["fmt", "broken.toml", "none.toml", "ugly.toml"]).current_dir(folder.path()));
    assert_eq!(done.code, Some(2));
    let check = said(paceline(&["check", "broken.toml"]).current_dir(folder.path()));
    // `check` goes on to what is missing.
    assert_eq!(done.err.lines().next(), check.err.lines().next(), "{}", done.err);
    assert!(done.err.starts_with("error[P0002]"), "{}", done.err);
    assert!(done.err.contains("none.toml"), "{}", done.err);
    assert_eq!(fs::read_to_string(path("broken.toml")).unwrap(), broken);
    assert_eq!(fs::read_to_string(path("ugly.toml")).unwrap(), PRETTY);
}

#[test]
fn fmt_reads_standard_input() {
    let mut child = paceline(&["fmt", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(UGLY.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), String::from_utf8(done.stdout).unwrap().as_str()), (Some(0), PRETTY));
}

#[test]
fn our_jobs_and_the_blocks_of_the_readme_are_in_the_style() {
    let mut texts = Vec::new();
    for file in crate::jobs::job_files() {
        texts.push((file.clone(), fs::read_to_string(format!("jobs/{file}")).unwrap()));
    }
    let jobs = texts.len();
    for block in blocks(&readme()).into_iter().filter(|block| block.language == "toml") {
        texts.push((format!("README.md:{}", block.line), block.text));
    }
    assert!(jobs > 30 && texts.len() > jobs, "{jobs} of {}", texts.len());
    for (name, text) in texts {
        let formatted = paceline::format::format(&text).unwrap_or_else(|error| panic!("{name}: {}", error.words()));
        assert!(formatted.text == text, "{name}: run `paceline fmt` over it");
        assert_eq!(formatted.left, [], "{name}");
    }
}
