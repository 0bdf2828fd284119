//! What a request's body is made of, and which files may be sent.
//!
//! A value of a row must never name a file outside of the folder that stands before it: whoever writes the
//! rows would choose what leaves this machine.

use std::fs::{canonicalize, metadata};
use std::path::{Component, Path, PathBuf};

use crate::retry::{Failure, FailureKind};
use crate::source::file::reason;
use crate::template::{Context, JsonTemplate, Template};

/// What a request's body is made of.
#[derive(Debug, Clone)]
pub enum BodyPlan {
    /// None.
    None,
    /// JSON, built by its structure.
    Json(JsonTemplate),
    /// A form, as the WHATWG's URL standard writes it; a list gives the name several times.
    Form(Vec<(String, Vec<Template>)>),
    /// Parts (RFC 7578).
    Multipart(Vec<PartPlan>),
    /// Text, as it is rendered.
    Text(Template),
    /// A file.
    File(FilePlan),
}

/// A part of a multipart body.
#[derive(Debug, Clone)]
pub struct PartPlan {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: PartContent,
    /// Media type; `None`: by what it holds.
    pub content_type: Option<Template>,
    /// File name for the server; `None`: the file's own, where there is a file.
    pub filename: Option<Template>,
}

/// What a part of a multipart body holds.
#[derive(Debug, Clone)]
pub enum PartContent {
    /// Text.
    Text(Template),
    /// JSON.
    Json(JsonTemplate),
    /// A file.
    File(FilePlan),
}

impl BodyPlan {
    /// Every file that is named in it.
    pub fn files(&self) -> Vec<&FilePlan> {
        match self {
            Self::None | Self::Json(_) | Self::Form(_) | Self::Text(_) => Vec::new(),
            Self::File(file) => vec![file],
            Self::Multipart(parts) => parts.iter().filter_map(PartPlan::file).collect(),
        }
    }
}

impl PartPlan {
    fn file(&self) -> Option<&FilePlan> {
        match &self.content {
            PartContent::File(file) => Some(file),
            PartContent::Text(_) | PartContent::Json(_) => None,
        }
    }
}

/// A file that is sent: the same for every row, or named by the row.
#[derive(Debug, Clone)]
pub struct FilePlan {
    path: Template,
    folder: PathBuf,
}

/// A file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// The path as the job says it, from where the program was started.
    pub shown: PathBuf,
    /// The path to read: where a row names the file, without links.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
}

impl FilePlan {
    /// A path, relative to the job file's folder.
    #[must_use]
    pub fn new(path: Template, folder: &Path) -> Self {
        Self { path, folder: folder.to_owned() }
    }

    /// The template of the path.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.path
    }

    /// The path, where it is the same for every row.
    #[must_use]
    pub fn constant(&self) -> Option<PathBuf> {
        self.path.constant().map(|path| self.folder.join(path))
    }

    /// Where a row names the file: the folder before the first value, which no value leads out of.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        // The folder of a job file in the current one is an empty path.
        let root = self.folder.join(self.before());
        if root.as_os_str().is_empty() { PathBuf::from(".") } else { root }
    }

    fn before(&self) -> &str {
        let prefix = self.path.literal_prefix();
        prefix.rfind('/').map_or("", |slash| &prefix[..=slash])
    }

    /// Finds the file of a row and its length. Looks at the disk, and reads no file.
    ///
    /// # Errors
    /// A [`FailureKind::Request`] when there is no such file, or the row may not name it.
    pub fn find(&self, context: &Context<'_>) -> Result<FoundFile, Failure> {
        if let Some(path) = self.constant() {
            return found(path.clone(), path);
        }
        let mut written = String::new();
        let rendered = self.path.render(context, &mut written);
        rendered
            .map_err(|error| refused(format!("the path of a file can't be built from this row: {}", error.message)))?;
        let shown = self.folder.join(&written);
        let below = written.strip_prefix(self.before()).unwrap_or(&written);
        if let Some(why) = detour(below) {
            return Err(refused(format!("the file {written:?} can't be sent: {why}")));
        }
        let (root, path) = (canonicalize(self.root()), canonicalize(&shown));
        let root = root.map_err(|error| unreadable(&self.root(), &reason(&error)))?;
        let path = path.map_err(|error| unreadable(&shown, &reason(&error)))?;
        if !path.starts_with(&root) {
            let root = self.root();
            return Err(unreadable(&shown, &format!("a link leads out of the folder {}", root.display())));
        }
        found(shown, path)
    }
}

/// Why a row may not name this path below its folder.
fn detour(below: &str) -> Option<&'static str> {
    if below.contains('\0') {
        Some("its name holds a NUL")
    } else if below.starts_with('/') {
        Some("a row can't name a path from the top of the disk")
    } else if Path::new(below).components().any(|component| component == Component::ParentDir) {
        Some("a row can't lead out of the folder with `..`")
    } else {
        None
    }
}

fn found(shown: PathBuf, path: PathBuf) -> Result<FoundFile, Failure> {
    match metadata(&path) {
        Ok(about) if about.is_file() => Ok(FoundFile { shown, path, length: about.len() }),
        Ok(about) if about.is_dir() => Err(unreadable(&shown, "it is a directory")),
        Ok(_) => Err(unreadable(&shown, "it is not a regular file")),
        Err(error) => Err(unreadable(&shown, &reason(&error))),
    }
}

fn unreadable(path: &Path, why: &str) -> Failure {
    refused(format!("the file {} can't be sent: {why}", path.display()))
}

fn refused(message: String) -> Failure {
    Failure::unsent(FailureKind::Request, message)
}

#[cfg(test)]
mod tests;
