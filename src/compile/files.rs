//! Files that a job names: the same file must not be read and written, or written twice.

use std::path::{Component, Path, PathBuf};

use super::{Site, input};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::spec::JobSpec;
use crate::spec::kind::ShortOrKind;

/// The file that a short path or a kind with a `path` names, and where that was written.
pub fn of(site: &Site<'_>, path: &KeyPath, target: &ShortOrKind) -> Option<(PathBuf, KeyPath)> {
    match target {
        ShortOrKind::Short(file) => Some((plain(&site.file(file)), path.clone())),
        ShortOrKind::Kind(kind) => {
            let file = kind.value.get("path")?.as_str()?;
            Some((plain(&site.file(file)), path.key(kind.kind.as_str()).key("path")))
        }
    }
}

/// A path without `.` and, as far as the text alone can tell, without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            Component::ParentDir | Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                plain.push(component);
            }
        }
    }
    plain
}

/// Checks every file and standard stream against every other.
pub fn check(site: &mut Site<'_>, spec: &JobSpec) {
    let endpoints = &spec.endpoints.0;
    let inputs: Vec<_> = endpoints.iter().filter_map(|(name, endpoint)| input::file(site, name, endpoint)).collect();
    let sinks = spec.sinks.as_ref().map(|sinks| sinks.0.as_slice()).unwrap_or_default();
    let mut outputs: Vec<(PathBuf, KeyPath)> = Vec::new();
    for (name, sink) in sinks {
        let path = KeyPath::of(["sinks", name.as_str()]);
        let Some((file, place)) = of(site, &path, &sink.target) else { continue };
        let place = if place == path { path.key("path") } else { place };
        if let Some((_, other)) = outputs.iter().find(|(known, _)| *known == file) {
            let message = format!("`{}` is written by two sinks", file.display());
            site.conflict(&place, "the second", other, "the first", message, "give each sink a file of its own");
        }
        if let Some((_, other)) = inputs.iter().find(|(known, _)| *known == file) {
            let message = format!("`{}` is read and written by the same job", file.display());
            site.conflict(&place, "written here", other, "read here", message, "write to another file");
        }
        if file == plain(&site.document.path) {
            let message = format!("`{}` is the job file itself", file.display());
            site.error(codes::CONFLICT, &place, message, "write to another file");
        }
        outputs.push((file, place));
    }
    streams(site, spec);
}

/// Standard input has one reader, standard output one writer.
fn streams(site: &mut Site<'_>, spec: &JobSpec) {
    let mut readers = spec.endpoints.0.iter().filter(|(_, endpoint)| input::reads_stdin(endpoint));
    if let (Some((first, _)), Some((second, _))) = (readers.next(), readers.next()) {
        let at = |name: &str| KeyPath::of(["endpoints", name, "input"]);
        let help = "only one endpoint can read it: save it to a file and read that";
        let message = "standard input is read by two endpoints".to_owned();
        site.conflict(&at(second), "the second", &at(first), "the first", message, help);
    }
    let sinks = spec.sinks.as_ref().map(|sinks| sinks.0.as_slice()).unwrap_or_default();
    let to_stdout = |target: &ShortOrKind| matches!(target, ShortOrKind::Kind(kind) if kind.kind == "stdout");
    let mut writers = sinks.iter().filter(|(_, sink)| to_stdout(&sink.target));
    if let (Some((first, _)), Some((second, _))) = (writers.next(), writers.next()) {
        let at = |name: &str| KeyPath::of(["sinks", name, "stdout"]);
        let message = "two sinks write to standard output".to_owned();
        site.conflict(&at(second), "the second", &at(first), "the first", message, "write one of them to a file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_detours() {
        for (written, expected) in
            [("./a/./b.csv", "a/b.csv"), ("a/../b.csv", "b.csv"), ("../b.csv", "../b.csv"), ("/a/../b", "/b")]
        {
            assert_eq!(plain(Path::new(written)), Path::new(expected));
        }
    }
}
