//! What `paceline explain` tells of a code: why it is told, a job that has it, and the same job mended.
//!
//! Written in `explain/CODE.md`: a few sentences, then two blocks of TOML whose fences say `broken` and
//! `mended`. Behind these words may stand flags of `check`. Every pair is checked by a test. Must never hold an
//! example that the program would not tell of in this way.

use serde::Serialize;

use super::codes::{Entry, TABLE};
use super::did_you_mean;

/// The explanation of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code.
    pub code: &'static str,
    /// What it means, in one line.
    pub title: &'static str,
    /// Why it is told.
    pub why: &'static str,
    /// A job that has it; `None`: no job file alone shows it, and `why` says what does.
    pub broken: Option<Example>,
    /// The same job without it.
    pub mended: Option<Example>,
}

/// A whole job file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Flags that `check` is given with it; mostly none.
    pub flags: &'static str,
    /// The job.
    pub job: &'static str,
}

impl Explanation {
    /// The explanation of a row of the table.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let why = entry.text.split("\n```").next().unwrap_or_default().trim();
        let example = |word| example(entry.text, word);
        Self { code: entry.code.0, title: entry.title, why, broken: example("broken"), mended: example("mended") }
    }

    /// Every explanation, in the order of the codes.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(Self::of)
    }
}

/// The block of a text whose fence has `word`.
fn example(text: &'static str, word: &str) -> Option<Example> {
    let (_, behind) = text.split_once(&format!("\n```toml {word}"))?;
    let (flags, job) = behind.split_once('\n')?;
    let (job, _) = job.split_once("```")?;
    Some(Example { flags: flags.trim(), job })
}

/// The code that is meant by a word: in any case, with or without its letter.
///
/// # Errors
/// The nearest code, if one is near.
pub fn find(word: &str) -> Result<&'static Entry, Option<&'static str>> {
    let word = word.trim().to_ascii_uppercase();
    let digits = word.strip_prefix('P').unwrap_or(&word);
    let written = format!("P{digits:0>4}");
    let known = TABLE.iter().find(|entry| entry.code.0 == written);
    // Of a digit or two every code is as near as any other.
    let is_told = digits.len() > 2;
    known.ok_or_else(|| did_you_mean(&written, TABLE.iter().map(|entry| entry.code.0)).filter(|_| is_told))
}

/// All explanations as a page of Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Diagnostics\n\n<!-- Written by a test from src/diagnostic/explain: edit there and run it with UPDATE_DOCS=1. -->\n\n\
         Each error and warning about a job file has a code, which never changes its meaning. `paceline explain P0101`\n\
         prints what stands here; `paceline explain` lists all codes. Beside the examples lies a file `products.csv` with\n\
         the columns `sku` and `weight`.\n",
    );
    for explanation in Explanation::all() {
        page += &section(&explanation);
    }
    page
}

fn section(explanation: &Explanation) -> String {
    let Explanation { code, title, why, broken, mended } = explanation;
    let mut section = format!("\n## {code}\n\n**{title}**\n\n{why}\n");
    for (word, example) in [("Broken", broken), ("Mended", mended)] {
        if let Some(example) = example {
            section += &format!("\n{}:\n\n```toml\n{}```\n", heading(word, example), example.job);
        }
    }
    section
}

/// `Broken, with --profile ci`.
#[must_use]
pub fn heading(word: &str, example: &Example) -> String {
    match example.flags {
        "" => word.to_owned(),
        flags => format!("{word}, with `{flags}`"),
    }
}

#[cfg(test)]
mod tests;
