//! Reports in files: what `[report]` and `--report-*` ask for, written when a run has ended, whichever way.
//!
//! One file a kind; all are made of an [`Account`]. Written beside its place and renamed, so that no half report is ever
//! seen. Must never fail a run: what can't be written is said, and the exit code stays that of the run.

pub mod junit;
pub mod markdown;
mod save;

use std::path::{Path, PathBuf};

use super::html;
use super::summary::{self, Next};
use crate::compile::real_path;
use crate::plan::Plan;
use crate::plan::files::{Doing, Naming};
use crate::run::RunReport;

pub use save::save;

/// A kind of report: the key of `[report]` and the end of its flag, `--report-KEY`.
pub struct Kind {
    /// The key.
    pub key: &'static str,
    /// What it is, for editors.
    pub doc: &'static str,
    /// A smallest example.
    pub example: &'static str,
    /// Endings that its files usually have.
    pub endings: &'static [&'static str],
    /// Its text.
    pub render: fn(&Account<'_>) -> String,
}

/// Every kind. A new one is a row here and a flag in `cli/args/run.rs`.
pub const KINDS: &[Kind] = &[
    Kind {
        key: "html",
        doc: "A page for people that loads nothing: timeline, latency, statuses, errors, slowest rows, the job as it was run; relative to the job file. Absent: none is written.",
        example: "out/report.html",
        endings: &["html", "htm"],
        render: |account| html::page(&account.report.recap),
    },
    Kind {
        key: "junit",
        doc: "JUnit XML for CI servers: a case for the run, each endpoint, and each condition of `fail-if` and `stop-if`; relative to the job file. Absent: none is written.",
        example: "out/junit.xml",
        endings: &["xml"],
        render: junit::render,
    },
    Kind {
        key: "json",
        doc: "The summary as JSON, the same object that `--output json` prints; relative to the job file. Absent: none is written.",
        example: "out/run.json",
        endings: &["json"],
        render: |account| format!("{:#}\n", account.json()),
    },
    Kind {
        key: "markdown",
        doc: "The summary as Markdown with tables, as it becomes the step summary of GitHub Actions; relative to the job file. Absent: none is written.",
        example: "out/run.md",
        endings: &["md", "markdown"],
        render: |account| markdown::render(account, usize::MAX),
    },
];

/// The kind of a key.
#[must_use]
pub fn kind(key: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.key == key)
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kind").field(&self.key).finish()
    }
}

/// A report that is to be written.
#[derive(Debug, Clone)]
pub struct ReportPlan {
    /// What.
    pub kind: &'static Kind,
    /// Where.
    pub path: PathBuf,
}

/// What reports are made of.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// The run.
    pub report: &'a RunReport,
    /// What was asked of it.
    pub asked: &'a Asked,
    /// With which code the program leaves.
    pub exit: u8,
    /// The command that makes sense now.
    pub next: Option<&'a Next>,
}

impl Account<'_> {
    /// The summary as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        summary::json(self.report, self.exit, self.next)
    }
}

/// What a plan says that a run may be judged by, kept while the run has the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Conditions that fail it, as written.
    pub fail_if: Vec<String>,
    /// Conditions that stop it, as written.
    pub stop_if: Vec<String>,
}

impl Asked {
    /// What this plan says.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            fail_if: plan.fail_if.iter().map(ToString::to_string).collect(),
            stop_if: plan.stop_if.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Why a report can't be written to a path that no pass has looked at; `None`: it can.
#[must_use]
pub fn clash(plan: &Plan, path: &Path) -> Option<String> {
    let real = real_path(path);
    let own: Vec<_> = std::iter::once(&plan.file).chain(&plan.includes).chain(&plan.env_files).collect();
    if own.iter().any(|file| real_path(file) == real) {
        return Some("the job is read from it".to_owned());
    }
    if real.starts_with(real_path(&plan.state)) {
        return Some(format!("the job keeps its journal in {}", plan.state.display()));
    }
    if real.is_dir() {
        return Some("it is a folder".to_owned());
    }
    let folder = plan.file.parent().unwrap_or(Path::new(""));
    Naming::of(plan).files().iter().find_map(|touched| match touched.files.does(&real, folder)? {
        Doing::Reads => Some(format!("{} reads it", touched.owner)),
        Doing::Writes => Some(format!("{} writes it", touched.owner)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names_and_examples_of_their_own() {
        for (position, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..position].iter().all(|other| other.key != kind.key), "{} stands twice", kind.key);
            assert!(kind.endings.iter().any(|ending| kind.example.ends_with(&format!(".{ending}"))), "{}", kind.key);
            assert!(kind.doc.contains("Absent: "), "{}", kind.key);
        }
        assert!(kind("json").is_some() && kind("JSON").is_none());
    }
}
