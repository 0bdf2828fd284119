//! The loader, and `fmt`, on job files that were cut, glued and overwritten at random: never a panic, always words where
//! there is no plan, and a text that was formatted stays as it is and means what it meant.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::fs;
use std::path::Path;

use crate::support::dice::Dice;

mod always;

use always::{loaded, stays_formatted};

/// How many files are made.
const FILES: usize = 1_500;

/// Pieces that mean something to TOML or to a template.
const PIECES: [&str; 24] = [
    "[",
    "]",
    "[[",
    "{",
    "}",
    "{{",
    "}}",
    "=",
    ".",
    ",",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "#",
    "\n",
    "\r\n",
    "\\",
    "\u{feff}",
    "é",
    "0x",
    "inf",
    "2026-01-01",
    "profiles.ci",
];

#[test]
fn random_files_are_answered_and_formatted_once() {
    let texts: Vec<String> =
        crate::jobs::job_files().iter().map(|file| fs::read_to_string(format!("jobs/{file}")).unwrap()).collect();
    let mut dice = Dice::printed("random files");
    let mut formatted = 0;
    for _ in 0..FILES {
        let text = spoilt(&texts, &mut dice);
        // Beside the inputs that our jobs name.
        loaded(Path::new("jobs/spoilt.toml"), &text);
        formatted += usize::from(stays_formatted(&text));
    }
    assert!(formatted > FILES / 100, "only {formatted} of {FILES} files could be formatted");
}

/// The fuzz targets are a package of their own, which nothing here builds: what would keep them from building is found here.
#[test]
fn the_lock_of_the_fuzz_targets_knows_our_dependencies() {
    let read = |path: &str| fs::read_to_string(path).unwrap().parse::<toml::Table>().unwrap();
    let (ours, lock) = (read("Cargo.toml"), read("tests/fuzz/Cargo.lock"));
    let mut packages = lock["package"].as_array().unwrap().iter();
    let paceline = packages.find(|package| package["name"].as_str() == Some("paceline")).unwrap();
    assert_eq!(
        paceline["version"], ours["package"]["version"],
        "run cargo metadata --manifest-path tests/fuzz/Cargo.toml"
    );
    let locked: Vec<&str> =
        paceline["dependencies"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    let is_optional = |value: &toml::Value| value.get("optional").is_some_and(|it| it.as_bool() == Some(true));
    for (name, _) in ours["dependencies"].as_table().unwrap().iter().filter(|(_, value)| !is_optional(value)) {
        // Beside a name stands its version where there are several.
        let is_there = locked.iter().any(|locked| locked.split(' ').next() == Some(name.as_str()));
        assert!(is_there, "{name} is missing: run cargo metadata --manifest-path tests/fuzz/Cargo.toml");
    }
}

/// One of the texts after one change to eight.
fn spoilt(texts: &[String], dice: &mut Dice) -> String {
    let mut text: Vec<char> = texts[dice.below(texts.len() as u64) as usize].chars().collect();
    for _ in 0..=dice.below(8) {
        let at = dice.below(text.len() as u64 + 1) as usize;
        let end = (at + dice.below(12) as usize).min(text.len());
        match dice.below(3) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, text[at..end].to_vec())),
            _ => drop(text.splice(at..at, PIECES[dice.below(PIECES.len() as u64) as usize].chars())),
        }
    }
    text.into_iter().collect()
}
