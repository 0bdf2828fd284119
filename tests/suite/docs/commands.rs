//! Commands of paceline that documents and CI files show: the program knows each of them, with its flags.
//!
//! Must never run one: some of them need what only a reader has.

use std::path::PathBuf;

use clap::error::ErrorKind;
use paceline::cli::args::command;

use super::{markdown, read, root};
use crate::readme::blocks;

/// What a line calls paceline with; `None` where it does not.
fn words(line: &str) -> Option<Vec<String>> {
    let line = line.trim().trim_start_matches("$ ").trim_start_matches("- ").trim_start_matches("run: ");
    let line = line.trim_start_matches("entry: ").split(" #").next().unwrap_or_default();
    let mut words = first_command(line).into_iter().skip_while(|word| word.contains('=') && !word.starts_with('-'));
    (words.next().as_deref() == Some("paceline")).then(|| words.collect())
}

/// The words of a line's first command; what stands between quotes is one.
fn first_command(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '|' | '>' | ';' | '&') => break,
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// Every call, with the file that shows it.
fn calls() -> Vec<(PathBuf, Vec<String>)> {
    let mut calls = Vec::new();
    for document in markdown() {
        let text: String = blocks(&read(&document)).into_iter().map(|block| block.text).collect();
        calls.extend(text.lines().filter_map(words).map(|words| (document.clone(), words)));
    }
    let hooks = root().join(".pre-commit-hooks.yaml");
    // A hook is given the files behind its words.
    let given = read(&hooks).lines().filter_map(words).map(|words| [words, vec!["job.toml".into()]].concat()).collect();
    let given: Vec<Vec<String>> = given;
    calls.extend(given.into_iter().map(|words| (hooks.clone(), words)));
    calls
}

#[test]
fn every_command_that_is_shown_is_known() {
    let calls = calls();
    assert!(calls.len() > 30, "only {} commands are shown", calls.len());
    for (file, words) in calls {
        let parsed = command().try_get_matches_from([&["paceline".to_owned()], &words[..]].concat());
        let told =
            parsed.err().filter(|error| !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion));
        assert!(told.is_none(), "{}: paceline {}\n{}", file.display(), words.join(" "), told.unwrap());
    }
}

#[test]
fn calls_are_found_in_their_lines() {
    let found = |line| words(line).map(|words| words.join(" "));
    assert_eq!(found("$ A=b paceline run x.toml --set a=1 # exit code 1").as_deref(), Some("run x.toml --set a=1"));
    assert_eq!(found("    - paceline check jobs/*.toml").as_deref(), Some("check jobs/*.toml"));
    assert_eq!(found("  entry: paceline check").as_deref(), Some("check"));
    assert_eq!(found("paceline man | man -l -").as_deref(), Some("man"));
    assert_eq!(found("cargo install paceline"), None);
    let split = words("$ paceline init a.toml --url 'https://x.test/{{ row.id }}?a=1&b=2' > log").unwrap();
    assert_eq!(split, ["init", "a.toml", "--url", "https://x.test/{{ row.id }}?a=1&b=2"]);
}
