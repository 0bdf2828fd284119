//! Recaps in a state folder: `recaps/RUN.json`, one for each run whose journal is kept.
//!
//! Written now and then while a run works and when it ends, beside its place and renamed, so that a reader never sees a
//! half one. Nothing depends on it: a recap that is missing or damaged costs a report its timeline, and no row. Must
//! never keep a run from going on.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Recap, VERSION};
use crate::disk::{self, File, Way};

/// Name of the folder.
const FOLDER: &str = "recaps";
/// How names of recaps end.
const ENDING: &str = "json";

/// The part that says whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

/// Where the recap of a run stands. `None`: the id is no name of a file.
#[must_use]
pub fn path(state: &Path, run: &str) -> Option<PathBuf> {
    let is_name = !run.is_empty() && run.len() <= 64 && run.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| state.join(FOLDER).join(format!("{run}.{ENDING}")))
}

/// Keeps a recap, in place of an earlier one of its run.
///
/// # Errors
/// Those of the disk.
pub fn keep(state: &Path, recap: &Recap) -> io::Result<()> {
    let Some(path) = path(state, &recap.run) else { return Ok(()) };
    let beside = path.with_extension("new");
    let text = serde_json::to_vec(recap)?;
    let folder = state.join(FOLDER);
    if !folder.is_dir() {
        disk::make_folder(&folder)?;
    }
    disk::remove_if_there(&beside)?;
    let mut file = File::open(&beside, Way::NewToExtend)?;
    file.write_all(&text)?;
    file.sync_data()?;
    disk::rename(&beside, &path)
}

/// Reads the recap of a run; `None`: there is none.
///
/// # Errors
/// In words, when it is damaged or of another version.
pub fn read(state: &Path, run: &str) -> Result<Option<Recap>, String> {
    let Some(path) = path(state, run) else { return Ok(None) };
    let shown = path.display();
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("can't read `{shown}`: {error}")),
    };
    let damaged = |error: serde_json::Error| format!("`{shown}` is damaged ({error}); delete it: only reports read it");
    let Head { version } = serde_json::from_slice(&text).map_err(damaged)?;
    if version != VERSION {
        return Err(format!("`{shown}` is of version {version} and this paceline reads version {VERSION}"));
    }
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

/// Drops recaps of runs that are not among these.
pub fn clean(state: &Path, runs: &[String]) {
    let entries = fs::read_dir(state.join(FOLDER)).into_iter().flatten().filter_map(Result::ok);
    for path in entries.map(|entry| entry.path()) {
        let run = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !runs.contains(&run) {
            // It is tried again when the next run begins.
            let _ = disk::remove(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Distribution, Session};
    use super::*;

    fn recap(run: &str) -> Recap {
        let session = Session { latency: Distribution { counts: vec![(7, 2)] }, ..Session::default() };
        Recap { version: VERSION, run: run.to_owned(), sessions: vec![session], ..Recap::default() }
    }

    #[test]
    fn what_is_kept_is_read_and_goes_with_its_run() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(read(state.path(), "a"), Ok(None));
        keep(state.path(), &recap("a")).unwrap();
        keep(state.path(), &Recap { job: "x".to_owned(), ..recap("a") }).unwrap();
        keep(state.path(), &recap("b")).unwrap();
        assert_eq!(read(state.path(), "a").unwrap().map(|recap| recap.job), Some("x".to_owned()));
        assert_eq!(read(state.path(), "b"), Ok(Some(recap("b"))));
        clean(state.path(), &["b".to_owned()]);
        assert_eq!(read(state.path(), "a"), Ok(None));
        assert!(read(state.path(), "b").unwrap().is_some());
    }

    #[test]
    fn what_can_not_be_read_is_told_and_no_name_leads_out_of_the_folder() {
        let state = tempfile::tempdir().unwrap();
        for name in ["", "../x", "a/b", "a.b"] {
            assert_eq!(path(state.path(), name), None, "{name}");
        }
        keep(state.path(), &recap("a")).unwrap();
        let path = path(state.path(), "a").unwrap();
        fs::write(&path, "{\"version\": 1, ").unwrap();
        let error = read(state.path(), "a").unwrap_err();
        assert!(error.contains("damaged") && error.contains("delete it"), "{error}");
        fs::write(&path, "{\"version\": 2}").unwrap();
        assert!(read(state.path(), "a").unwrap_err().contains("version 2"));
    }
}
