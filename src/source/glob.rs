//! `input.glob`: files by a pattern, a row for each, with its path, name, stem and size.
//!
//! Rows come in the order of their paths, whatever order the disk has. `**` goes through folders and never through
//! links, so that a link that leads back does no harm. Must never open a file: what is in it is not asked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};
use schemars::json_schema;
use serde_json::{Map, Value};

use super::file::reason;
use super::problem::{Problem, settle, spec};
use super::{Columns, Read, Source, SourceError, SourceKind, SourcePlan};
use crate::row::{Fields, Header, Row};

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "glob",
    doc: "files that match a pattern, as path, name, stem and size",
    example: r#"input.glob = "docs/*.pdf""#,
    endings: &[],
    reads_packed: false,
    schema: |_| json_schema!({ "type": "string", "minLength": 1 }),
    compile: |site, path, value| {
        let decision = decide(value, site.file(""));
        settle(site, path, decision)
    },
};

/// The columns of a row.
const COLUMNS: [&str; 4] = ["path", "name", "stem", "size"];

/// As shells do: a star does not go into folders, and a leading dot is written or not matched.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// One name of a pattern, between two slashes.
#[derive(Debug, Clone)]
enum Part {
    /// A name as it is.
    Name(String),
    /// `**`: any number of folders, none too.
    Folders,
    /// A name with `*`, `?` or `[..]` in it.
    Pattern(Pattern),
}

/// A pattern, decided; which files it matches is looked up when it is asked for.
#[derive(Debug)]
struct GlobPlan {
    written: String,
    /// Where the pattern begins: the job file's folder, or the root.
    folder: PathBuf,
    parts: Vec<Part>,
    files: usize,
}

/// A file that matched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// As the pattern says it: relative to the job file, or from the root.
    path: String,
    size: u64,
    /// Whether its name is UTF-8; if not, `path` is only near to it.
    named: bool,
}

fn decide(value: &Value, folder: PathBuf) -> Result<GlobPlan, Problem> {
    let written: String = spec(value)?;
    let wrong = |message: String, help: &str| Problem::value(None, message, help);
    if written.is_empty() {
        return Err(wrong("the pattern is empty".to_owned(), "for example `glob = \"docs/*.pdf\"`"));
    }
    let parts = parts(&written).map_err(|error| {
        let help = "`*` and `?` stand for any letters and for one, `[ab]` for one of these, `**` for any folders";
        wrong(format!("`{written}` is not a pattern: {error}"), help)
    })?;
    let folder = if written.starts_with('/') { PathBuf::from("/") } else { folder };
    let mut plan = GlobPlan { written, folder, parts, files: 0 };
    plan.files = plan.found().map_err(|error| Problem { key: None, ..Problem::input(error.message, READABLE) })?.len();
    if plan.files == 0 {
        let problem = Problem::input(format!("no file matches `{}`", plan.written), plan.advice());
        return Err(Problem { key: None, ..problem });
    }
    Ok(plan)
}

const READABLE: &str = "give the user who runs the job the right to read the folder";

fn parts(written: &str) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    for name in written.split('/').filter(|name| !name.is_empty() && *name != ".") {
        let part = match name {
            "**" if matches!(parts.last(), Some(Part::Folders)) => continue,
            "**" => Part::Folders,
            name if !name.contains(['*', '?', '[']) => Part::Name(name.to_owned()),
            name => Part::Pattern(Pattern::new(name).map_err(|error| error.msg)?),
        };
        parts.push(part);
    }
    // Folders alone are no rows: what is meant is what is in them.
    if matches!(parts.last(), Some(Part::Folders)) {
        parts.push(Part::Pattern(Pattern::new("*").map_err(|error| error.msg)?));
    }
    Ok(parts)
}

/// Whether a path, written as in the job, is one that the pattern matches, there or not.
pub(crate) fn matches(pattern: &str, path: &Path) -> bool {
    Pattern::new(pattern.trim_start_matches("./")).is_ok_and(|pattern| pattern.matches_path_with(path, OPTIONS))
}

impl GlobPlan {
    /// The files that match now, in the order of their paths.
    fn found(&self) -> Result<Vec<Found>, SourceError> {
        let mut walk = Walk { found: Vec::new() };
        let shown = if self.written.starts_with('/') { "/" } else { "" };
        walk.go(&self.folder, shown, &self.parts).map_err(|(folder, error)| {
            SourceError::new(format!("the folder {} can't be read: {}", folder.display(), reason(&error)))
        })?;
        walk.found.sort();
        // Two `**` may lead to a file in two ways.
        walk.found.dedup();
        Ok(walk.found)
    }

    /// How a pattern that matches nothing is mended.
    fn advice(&self) -> String {
        if self.written.contains('{') {
            return "braces mean nothing in a pattern: write an endpoint for each, or `*`".to_owned();
        }
        let names = self.parts.iter().map_while(|part| match part {
            Part::Name(name) => Some(name),
            Part::Folders | Part::Pattern(_) => None,
        });
        let names: Vec<&String> = names.collect();
        let folder = self.folder.join(names.iter().take(self.parts.len().saturating_sub(1)).collect::<PathBuf>());
        // Without its last slash.
        let folder = folder.components().as_path();
        let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if shown.is_dir() {
            format!("patterns are relative to the job file: files are looked for in {}", shown.display())
        } else {
            format!("there is no folder {}; patterns are relative to the job file", shown.display())
        }
    }
}

struct Walk {
    found: Vec<Found>,
}

/// A folder that could not be read.
type Unread = (PathBuf, io::Error);

impl Walk {
    /// Looks for `parts` in a folder, which is called `shown` with its last slash.
    fn go(&mut self, folder: &Path, shown: &str, parts: &[Part]) -> Result<(), Unread> {
        match parts {
            [] => Ok(()),
            [Part::Name(name), rest @ ..] => self.take(&folder.join(name), format!("{shown}{name}"), true, rest),
            [Part::Pattern(pattern), rest @ ..] => {
                for entry in entries(folder)? {
                    let (name, named) = spelled(&entry);
                    if pattern.matches_with(&name, OPTIONS) {
                        self.take(&entry.path(), format!("{shown}{name}"), named, rest)?;
                    }
                }
                Ok(())
            }
            [Part::Folders, rest @ ..] => {
                self.go(folder, shown, rest)?;
                for entry in entries(folder)? {
                    let (name, _) = spelled(&entry);
                    // The type of the entry itself: a link to a folder is a link.
                    if !name.starts_with('.') && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        self.go(&entry.path(), &format!("{shown}{name}/"), parts)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn take(&mut self, path: &Path, shown: String, named: bool, rest: &[Part]) -> Result<(), Unread> {
        // What is not there any more, or a link to nothing, is no file.
        let Ok(about) = fs::metadata(path) else { return Ok(()) };
        if rest.is_empty() && about.is_file() {
            self.found.push(Found { path: shown, size: about.len(), named });
        } else if !rest.is_empty() && about.is_dir() {
            self.go(path, &format!("{shown}/"), rest)?;
        }
        Ok(())
    }
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, Unread> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let read = fs::read_dir(folder).and_then(Iterator::collect);
    read.map_err(|error| (folder.to_owned(), error))
}

/// The name of an entry, and whether that is what it is.
fn spelled(entry: &fs::DirEntry) -> (String, bool) {
    match entry.file_name().into_string() {
        Ok(name) => (name, true),
        Err(name) => (name.to_string_lossy().into_owned(), false),
    }
}

impl SourcePlan for GlobPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let plural = if self.files == 1 { "" } else { "s" };
        format!("{} (glob, {} file{plural})", self.written, self.files)
    }

    fn pattern(&self) -> Option<&str> {
        Some(&self.written)
    }

    fn columns(&self) -> Columns {
        Columns::Known(Arc::new(Header::new(COLUMNS.map(str::to_owned).to_vec())))
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(Some(self.found()?.len() as u64))
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        let (found, mut hasher, mut bytes) = (self.found()?, crc32fast::Hasher::new(), 0_u64);
        for file in &found {
            hasher.update(format!("{}\0{}\n", file.path, file.size).as_bytes());
            bytes = bytes.saturating_add(file.size);
        }
        let checksum = hasher.finalize();
        Ok(Some(format!("glob, {} files of {bytes} bytes, names and sizes {checksum:08x}", found.len())))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(Files { files: self.found()?.into_iter(), ordinal: 0 }))
    }
}

/// Files being told.
struct Files {
    files: std::vec::IntoIter<Found>,
    ordinal: u64,
}

impl Source for Files {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        let Some(file) = self.files.next() else { return Ok(None) };
        let fields = Fields::Object(columns(&file));
        let row = Row { ordinal: self.ordinal, line: 0, fields };
        self.ordinal += 1;
        if file.named {
            return Ok(Some(Read::Row(row)));
        }
        let reason = format!("the name of the file {} is not UTF-8; rename it", file.path);
        Ok(Some(Read::Bad { row, reason }))
    }
}

fn columns(file: &Found) -> Map<String, Value> {
    let part = |part: Option<&std::ffi::OsStr>| Value::from(part.unwrap_or_default().to_string_lossy());
    let path = Path::new(&file.path);
    let values = [file.path.clone().into(), part(path.file_name()), part(path.file_stem()), file.size.into()];
    COLUMNS.iter().map(|name| (*name).to_owned()).zip(values).collect()
}

#[cfg(test)]
mod tests;
