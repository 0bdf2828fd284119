//! From a path to the text of the job file, with a clear word when there is none.
//!
//! Must never hold more than [`LARGEST`] bytes, whatever the path leads to.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics, codes, did_you_mean};

/// Most bytes of a job file. Rows belong into an input file, not into the job.
pub(super) const LARGEST: u64 = 1 << 20;

/// The text of the file at `path`.
pub(super) fn text(path: &Path, diagnostics: &mut Diagnostics) -> Option<String> {
    match bytes(path).map(String::from_utf8) {
        Ok(Ok(text)) => Some(text),
        Ok(Err(error)) => {
            diagnostics.push(not_text(path, error.as_bytes(), error.utf8_error().valid_up_to()));
            None
        }
        Err(diagnostic) => {
            diagnostics.push(*diagnostic);
            None
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Box<Diagnostic>> {
    if path.is_dir() {
        return Err(Box::new(folder(path)));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| Box::new(unreadable(path, &error)))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Box::new(
            Diagnostic::error(codes::UNREADABLE, format!("`{}` is larger than 1 MiB", path.display()))
                .help("a job file is small: put rows into a CSV or JSON lines file and name it as the `input`"),
        ));
    }
    Ok(bytes)
}

fn folder(path: &Path) -> Diagnostic {
    let message = format!("`{}` is a folder, not a job file", path.display());
    let diagnostic = Diagnostic::error(codes::UNREADABLE, message);
    match neighbours(path).into_iter().find(|name| name.ends_with(".toml")) {
        Some(name) => diagnostic.help(format!("name the file itself, such as `{}`", path.join(name).display())),
        None => diagnostic.help("name the job file itself, such as `job.toml`"),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => missing(path),
        io::ErrorKind::PermissionDenied => {
            Diagnostic::error(codes::UNREADABLE, format!("`{shown}` may not be read: permission denied"))
                .help("give this user the right to read the file")
        }
        _ => Diagnostic::error(codes::UNREADABLE, format!("`{shown}` can't be read: {error}"))
            .help("a job file is a plain file of text"),
    }
}

fn missing(path: &Path) -> Diagnostic {
    let diagnostic = Diagnostic::error(codes::UNREADABLE, format!("there is no file `{}`", path.display()));
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return diagnostic.help("name the job file, such as `job.toml`"),
    };
    if !folder.is_dir() {
        return diagnostic.help(format!("the folder `{}` does not exist either", folder.display()));
    }
    let names = neighbours(folder);
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match did_you_mean(&wanted, names.iter().map(String::as_str)) {
        Some(name) => diagnostic.help(format!("did you mean `{}`?", path.with_file_name(name).display())),
        None => diagnostic.help("check the path; it is relative to the folder you are in"),
    }
}

/// Names of the job files in a folder, sorted. Empty when it can't be listed: this only feeds a hint.
fn neighbours(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(1_000);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".toml")).collect();
    names.sort();
    names
}

fn not_text(path: &Path, bytes: &[u8], valid: usize) -> Diagnostic {
    let shown = path.display();
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Diagnostic::error(codes::UNREADABLE, format!("`{shown}` is UTF-16, not UTF-8"))
            .help("save the file as UTF-8");
    }
    let before = &bytes[..valid];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    let message = format!("`{shown}` is not UTF-8 text: byte 0x{:02X} at line {line}, column {column}", bytes[valid]);
    Diagnostic::error(codes::UNREADABLE, message).help("save the file as UTF-8")
}
