//! Saving replies to files: where the bodies of an endpoint go when it has `save`.
//!
//! ```text
//! SavePlan ─ place(row) ─ Saving (one attempt: memory → unfinished file) ─ keep ─ its name ─ sync ─ journal
//! ```
//!
//! A body is written to an unfinished file in a hidden folder of the root, and gets its name when the whole
//! attempt was accepted. It is synced, and the folder with its name, before the journal notes its row. Must
//! never write outside of the root, never leave a part of a body under a name, and never hold a body whole.

mod name;
mod root;
mod saves;
mod saving;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::plan::StatusSet;
use crate::template::{Context, Piece, Template};

pub use saves::{Saver, Saves};
pub use saving::Saving;

/// Where an endpoint's replies are saved, decided.
#[derive(Debug, Clone)]
pub struct SavePlan {
    path: Template,
    /// The folder that stands before the first tag, as written: empty, or with a `/` at its end.
    folder: String,
    /// The same as the program reaches it.
    root: PathBuf,
    /// Statuses whose bodies are saved.
    accepted: StatusSet,
    /// Whether the body is needed in memory too.
    also_in_memory: bool,
}

/// Where one row's reply goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavePath {
    /// The whole path as the job means it, relative to the job file.
    whole: String,
    /// Bytes of it that are the root.
    root: usize,
}

impl SavePath {
    /// As the record says it: relative to the job file, unless the job's path is absolute.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// Names from the root to the file; the last is the file's own.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.whole[self.root..].split('/')
    }
}

/// The folder of a path as written: what stands before its first tag, up to and with the last `/`.
#[must_use]
pub fn folder_of(written: &str) -> &str {
    let tag = ["{{", "{%", "{#"].iter().filter_map(|open| written.find(open)).min();
    let fixed = &written[..tag.unwrap_or(written.len())];
    &fixed[..fixed.rfind('/').map_or(0, |slash| slash + 1)]
}

impl SavePlan {
    /// A plan for the compiled path; `root` is its folder as the program reaches it.
    #[must_use]
    pub fn new(path: Template, root: PathBuf, accepted: StatusSet, also_in_memory: bool) -> Self {
        let folder = folder_of(path.source()).to_owned();
        Self { path, folder, root, accepted, also_in_memory }
    }

    /// The path as written.
    #[must_use]
    pub fn written(&self) -> &str {
        self.path.source()
    }

    /// The folder that nothing is saved outside of.
    #[must_use]
    pub fn root(&self) -> &std::path::Path {
        &self.root
    }

    /// Where a row's reply goes.
    ///
    /// # Errors
    /// When its values make no path below the root, with the way out.
    pub fn place(&self, context: &Context<'_>) -> Result<SavePath, String> {
        let mut whole = String::with_capacity(64);
        self.path.render(context, &mut whole).map_err(|error| error.message)?;
        let Some(below) = whole.strip_prefix(&self.folder) else {
            return Err(format!("it does not begin with `{}`", self.folder));
        };
        name::check(below).map_err(|what| format!("{what}; change the value, or `save.path`"))?;
        Ok(SavePath { whole, root: self.folder.len() })
    }

    /// What is wrong with a path that is the same for every row, or with a name that is.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        let outline = self.below();
        let fixed = |name: &str| !name.contains([VALUE, ANYTHING]);
        let names = outline.split('/').enumerate();
        names.into_iter().filter(|(_, name)| fixed(name)).find_map(|(at, name)| {
            let placed = if at == 0 { name.to_owned() } else { format!("_/{name}") };
            name::check(&placed).err()
        })
    }

    /// Whether every row is saved to the same path.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.path.constant().is_some()
    }

    /// Whether some row could be saved as the file that these names lead to from the root.
    #[must_use]
    pub fn may_write(&self, names: &[&str]) -> bool {
        self.meets(names, |written, wanted| written == wanted)
    }

    /// Whether some row could be saved in the folder that these names lead to from the root, or below it.
    #[must_use]
    pub fn may_write_in(&self, names: &[&str]) -> bool {
        self.meets(names, |written, wanted| written > wanted)
    }

    fn meets(&self, names: &[&str], length: impl Fn(usize, usize) -> bool) -> bool {
        let outline = self.below();
        // Blocks may write separators: what stands from there on may be any path.
        let (fixed, open) = match outline.split_once(ANYTHING) {
            Some((before, _)) => (before.rsplit_once('/').map_or("", |(folders, _)| folders), true),
            None => (outline.as_str(), false),
        };
        let patterns: Vec<&str> = fixed.split('/').filter(|_| !fixed.is_empty()).collect();
        let own = names.first().is_some_and(|first| name::is_own(first));
        let alike = !own && patterns.iter().zip(names).all(|(pattern, name)| matches(pattern, name));
        alike && (open || length(patterns.len(), names.len()))
    }

    /// What is known of the path below the root.
    fn below(&self) -> String {
        let mut outline = String::new();
        for piece in self.path.outline() {
            match piece {
                Piece::Text(text) => outline.push_str(text),
                Piece::Value => outline.push(VALUE),
                Piece::Anything => outline.push(ANYTHING),
            }
        }
        outline.strip_prefix(&self.folder).map_or_else(|| ANYTHING.to_string(), str::to_owned)
    }
}

/// Stands for a value: no name holds it.
const VALUE: char = '\0';
/// Stands for whatever blocks render.
const ANYTHING: char = '\u{1}';

/// Whether values could make `name` of `pattern`: the texts between them stand in it one after the other.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once(VALUE) else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once(VALUE).map_or(("", rest), |(middle, last)| (middle, last));
    for text in middle.split(VALUE) {
        let Some(found) = left.find(text) else { return false };
        left = &left[found + text.len()..];
    }
    left.ends_with(last)
}
