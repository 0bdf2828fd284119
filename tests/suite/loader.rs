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
