//! What docs/ says is true: its commands are run in their order, what they show is compared, its jobs are those that
//! run, its links lead somewhere.
//!
//! Most of it is what [`walk`] makes of marked blocks. `UPDATE_DOCS=1` writes what stands in files and outputs into the
//! documents; what commands print is written by hand, with `…` where it varies. Must never leave a file in the repository.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

/// Commands that documents and CI files show are known to the program.
mod commands;
/// Recipes, the tutorial and the pages for people who come from elsewhere.
mod documents;
/// Links and anchors.
mod links;
/// Manual pages and completions, as other programs see them.
mod manual;
/// Files for CI: hooks, the action, workflows.
mod pipelines;
/// From a document to what it should say.
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Markdown file that people read: README.md, docs/ and below.
fn markdown() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    below(&root().join("docs"), &mut found);
    found.sort();
    assert!(found.len() >= 5, "{found:?}");
    found
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            below(&entry, found);
        } else if entry.extension().is_some_and(|ending| ending == "md") {
            found.push(entry);
        }
    }
}
