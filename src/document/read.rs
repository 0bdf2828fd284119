//! From a path to a text, with a clear word when there is none.
//!
//! Must never hold more than [`LARGEST`] bytes, whatever the path leads to, nor say a word of what a file of
//! variables holds.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, codes, did_you_mean};

/// Most bytes of a job file. Rows belong into an input file, not into the job.
pub(crate) const LARGEST: u64 = 1 << 20;

/// What a file is read for: what it is called, and where its name comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role<'r> {
    /// The job file.
    Job,
    /// A job file that is written anew.
    Rewritten,
    /// A file that a job file includes.
    Included {
        /// The path as written there.
        written: &'r str,
    },
    /// A file of `--env-file`.
    Variables,
}

impl Role<'_> {
    fn code(self) -> Code {
        match self {
            Self::Job | Self::Rewritten | Self::Included { .. } => codes::UNREADABLE,
            Self::Variables => codes::ENV_FILE,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Job | Self::Rewritten => "a job file",
            Self::Included { .. } => "a file to include",
            Self::Variables => "a file of variables",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Job | Self::Rewritten => "job.toml",
            Self::Included { .. } => "common.toml",
            Self::Variables => ".env",
        }
    }

    fn error(self, message: String) -> Diagnostic {
        Diagnostic::error(self.code(), message)
    }

    /// The path as it would be written for another file of the same folder.
    fn beside(self, path: &Path, name: &str) -> PathBuf {
        match self {
            Self::Included { written } => Path::new(written).with_file_name(name),
            Self::Job | Self::Rewritten | Self::Variables => path.with_file_name(name),
        }
    }

    fn is_like(self, name: &str) -> bool {
        match self {
            Self::Job | Self::Rewritten | Self::Included { .. } => name.ends_with(".toml"),
            Self::Variables => name.starts_with(".env") || name.ends_with(".env"),
        }
    }
}

/// The text of the file at `path`.
pub(super) fn text(path: &Path, role: Role<'_>) -> Result<String, Box<Diagnostic>> {
    let bytes = bytes(path, role)?;
    String::from_utf8(bytes)
        .map_err(|error| Box::new(not_text(path, error.as_bytes(), error.utf8_error().valid_up_to(), role)))
}

fn bytes(path: &Path, role: Role<'_>) -> Result<Vec<u8>, Box<Diagnostic>> {
    if path.is_dir() {
        return Err(Box::new(folder(path, role)));
    }
    // A job from a stranger must not wait for a pipe that it names; on the command line one is meant, but not one to be
    // written anew.
    let is_odd = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if is_odd && matches!(role, Role::Included { .. } | Role::Rewritten) {
        let message = format!("`{}` is not a plain file", path.display());
        return Err(Box::new(role.error(message).help(format!("name a file of text, such as `{}`", role.example()))));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| Box::new(unreadable(path, &error, role)))?;
    if bytes.len() as u64 > LARGEST {
        let help = match role {
            Role::Job | Role::Rewritten | Role::Included { .. } => {
                "a job file is small: put rows into a CSV or JSON lines file and name it as the `input`"
            }
            Role::Variables => "it holds a variable a line, such as `API_TOKEN=...`",
        };
        return Err(Box::new(role.error(format!("`{}` is larger than 1 MiB", path.display())).help(help)));
    }
    Ok(bytes)
}

fn folder(path: &Path, role: Role<'_>) -> Diagnostic {
    let diagnostic = role.error(format!("`{}` is a folder, not {}", path.display(), role.noun()));
    let inside = |name: &str| match role {
        Role::Included { written } => Path::new(written).join(name),
        Role::Job | Role::Rewritten | Role::Variables => path.join(name),
    };
    match neighbours(path, role).first() {
        Some(name) => diagnostic.help(format!("name the file itself, such as `{}`", inside(name).display())),
        None => diagnostic.help(format!("name the file itself, such as `{}`", role.example())),
    }
}

fn unreadable(path: &Path, error: &io::Error, role: Role<'_>) -> Diagnostic {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => missing(path, role),
        io::ErrorKind::PermissionDenied => role
            .error(format!("`{shown}` may not be read: permission denied"))
            .help("give this user the right to read the file"),
        _ => role
            .error(format!("`{shown}` can't be read: {error}"))
            .help(format!("{} is a plain file of text", role.noun())),
    }
}

fn missing(path: &Path, role: Role<'_>) -> Diagnostic {
    let diagnostic = role.error(format!("there is no file `{}`", path.display()));
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return diagnostic.help(format!("name {}, such as `{}`", role.noun(), role.example())),
    };
    if !folder.is_dir() {
        return diagnostic.help(format!("the folder `{}` does not exist either", folder.display()));
    }
    let names = neighbours(folder, role);
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match (did_you_mean(&wanted, names.iter().map(String::as_str)), role) {
        (Some(name), _) => diagnostic.help(format!("did you mean `{}`?", role.beside(path, name).display())),
        (None, Role::Included { .. }) => diagnostic.help("check the path; it is relative to the file that includes it"),
        (None, Role::Job | Role::Rewritten | Role::Variables) => {
            diagnostic.help("check the path; it is relative to the folder you are in")
        }
    }
}

/// Names of such files in a folder, sorted. Empty when it can't be listed: this only feeds a hint.
fn neighbours(folder: &Path, role: Role<'_>) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(1_000);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| role.is_like(name)).collect();
    names.sort();
    names
}

fn not_text(path: &Path, bytes: &[u8], valid: usize, role: Role<'_>) -> Diagnostic {
    let shown = path.display();
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return role.error(format!("`{shown}` is UTF-16, not UTF-8")).help("save the file as UTF-8");
    }
    let before = &bytes[..valid];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    let what = match role {
        Role::Job | Role::Rewritten | Role::Included { .. } => format!("byte 0x{:02X} at ", bytes[valid]),
        Role::Variables => String::new(),
    };
    let message = format!("`{shown}` is not UTF-8 text: {what}line {line}, column {column}");
    role.error(message).help("save the file as UTF-8")
}
