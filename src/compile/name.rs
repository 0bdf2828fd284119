//! The name of the job and the folder that holds its state.

use std::path::PathBuf;

use super::{Options, Site};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::spec::JobSpec;

/// Longest name: it is a folder's name.
const LONGEST: usize = 100;

/// The name: as written, else the stem of the file.
pub fn name(site: &mut Site<'_>, spec: &JobSpec) -> Option<String> {
    let stem = || site.document.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = spec.name.clone().or_else(stem).unwrap_or_else(|| "job".to_owned());
    let reason = if name.contains(['/', '\\']) {
        "it names a folder and can't hold a path separator"
    } else if name.chars().all(|c| c == '.') {
        "it names a folder and can't be made of dots alone"
    } else if name.chars().any(char::is_control) {
        "it names a folder and can't hold control characters"
    } else if name.len() > LONGEST {
        "it names a folder and is too long"
    } else {
        return Some(name);
    };
    let mut shown: String = name.chars().take(40).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    let message = format!("the job can't be called \"{}\": {reason}", shown.escape_debug());
    site.error(codes::BAD_VALUE, &KeyPath::of(["name"]), message, "write a short name, such as `name = \"prices\"`");
    None
}

/// The folder of the job's state.
pub fn state(site: &Site<'_>, name: &str, options: &Options) -> PathBuf {
    match &options.state {
        Some(folder) => folder.join(name),
        None => site.document.folder().join(".paceline").join(name),
    }
}
