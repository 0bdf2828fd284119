//! The loader, and `fmt`, on job files that were cut, glued and overwritten at random: never a panic, always words where
//! there is no plan, and a text that was formatted stays as it is and means what it meant.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::fs;
use std::path::Path;

use paceline::compile::{Options, compile};
use paceline::diagnostic::{Diagnostics, Format, render};
use paceline::document::{Document, Overlays};
use paceline::format::format;

use crate::support::dice::Dice;

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
        loaded(&text);
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

fn loaded(text: &str) {
    let mut diagnostics = Diagnostics::default();
    let overlays = Overlays::default();
    let document =
        Document::parse(Path::new("jobs/spoilt.toml"), text.to_owned(), &overlays, &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics);
    assert_eq!(plan.is_some(), !diagnostics.has_errors(), "a plan or errors:\n{text}");
    let said = render(&diagnostics, Some(&document), Format::Human, false);
    assert!(plan.is_some() || said.contains("error["), "no words for\n{text}");
}

/// Whether it could be formatted.
fn stays_formatted(text: &str) -> bool {
    let Ok(once) = format(text) else {
        assert!(format(text).is_err_and(|error| error == paceline::format::FormatError::Syntax), "{text}");
        return false;
    };
    assert_eq!(format(&once.text).unwrap().text, once.text, "of\n{text}");
    true
}
