//! Files that a job names: the same file must not be read and written, or written twice.

use std::path::{Component, Path, PathBuf};

use super::{Site, body, input, sinks};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::source::glob;
use crate::spec::JobSpec;
use crate::spec::kind::{KindSpec, ShortOrKind};
use crate::spec::sink::SinkTarget;

/// The file that a short path or a kind with a `path` names, and where that was written.
pub fn of(site: &Site<'_>, path: &KeyPath, target: &ShortOrKind) -> Option<(PathBuf, KeyPath)> {
    match target {
        ShortOrKind::Short(file) => Some((site.file(file), path.clone())),
        ShortOrKind::Kind(kind) => of_kind(site, path, kind),
    }
}

/// The file that a sink writes, and where that was written.
pub fn of_sink(site: &Site<'_>, path: &KeyPath, target: &SinkTarget) -> Option<(PathBuf, KeyPath)> {
    match target {
        SinkTarget::File(file) => Some((site.file(file), path.key("path"))),
        SinkTarget::Url(_) => None,
        SinkTarget::Kind(kind) => of_kind(site, path, kind),
    }
}

fn of_kind(site: &Site<'_>, path: &KeyPath, kind: &KindSpec) -> Option<(PathBuf, KeyPath)> {
    let file = kind.value.get("path")?.as_str()?;
    Some((site.file(file), path.key(kind.kind.as_str()).key("path")))
}

/// A path without `.` and, as far as the text alone can tell, without `..`.
pub fn plain(path: &Path) -> PathBuf {
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

/// Where a path leads: without links, as far as it exists.
pub fn real(path: &Path) -> PathBuf {
    // What the folder of a job file that stands here is called.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let deepest = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let there = path.file_name().filter(|_| path != Path::new("."));
        there.map(|name| real(parent.unwrap_or(Path::new("."))).join(name))
    };
    std::fs::canonicalize(path).ok().or_else(|| deepest(&plain(path))).unwrap_or_else(|| plain(path))
}

/// Checks every file and standard stream against every other, and against the folder of the job's state.
pub fn check(site: &mut Site<'_>, spec: &JobSpec, state: Option<&Path>) {
    let endpoints = &spec.endpoints.0;
    let read = endpoints.iter().flat_map(|(name, endpoint)| {
        input::files(site, name, endpoint).into_iter().chain(body::files(site, name, endpoint))
    });
    let inputs: Vec<_> = read.map(|(file, place)| (real(&file), place)).collect();
    let written = spec.sinks.as_ref().map(|sinks| sinks.0.as_slice()).unwrap_or_default();
    let mut outputs: Vec<(PathBuf, KeyPath, Option<String>)> = Vec::new();
    for (name, sink) in written {
        let path = KeyPath::of(["sinks", name.as_str()]);
        let Some((file, place)) = of_sink(site, &path, &sink.target) else { continue };
        let file_written = plain(file.strip_prefix(site.document.folder()).unwrap_or(&file));
        let (file, shown) = (real(&file), plain(&file).display().to_string());
        let table = sinks::table(name, &sink.target);
        let apart = |other: &Option<String>| table.is_some() && other.is_some() && *other != table;
        if let Some((_, other, _)) = outputs.iter().find(|(known, _, table)| *known == file && !apart(table)) {
            let message = format!("`{shown}` is written by two sinks");
            site.conflict(&place, "the second", other, "the first", message, "give each sink a file of its own");
        }
        let nested = |other: &PathBuf| *other != file && (file.starts_with(other) || other.starts_with(&file));
        if let Some((_, other, _)) = outputs.iter().find(|(known, ..)| nested(known)) {
            let message = format!(
                "`{shown}` and another sink's path can't be one in the other: that one would be a folder and a file"
            );
            site.conflict(&place, "this one", other, "the other", message, "give each sink a path of its own");
        }
        if let Some((_, other)) = inputs.iter().find(|(known, _)| *known == file) {
            let message = format!("`{shown}` is read and written by the same job");
            site.conflict(&place, "written here", other, "read here", message, "write to another file");
        }
        globbed(site, spec, &file_written, &place);
        if file == real(&site.document.path) {
            let message = format!("`{shown}` is the job file itself");
            site.error(codes::CONFLICT, &place, message, "write to another file");
        }
        if site.document.includes.iter().any(|included| file == real(included)) {
            let message = format!("`{shown}` is a file that the job includes");
            site.error(codes::CONFLICT, &place, message, "write to another file");
        }
        if let Some(state) = state.filter(|state| file.starts_with(real(state))) {
            let message = format!("`{shown}` lies in {}, where the job keeps its journal", plain(state).display());
            site.error(codes::CONFLICT, &place, message, "write to another folder, such as `out/`");
        }
        outputs.push((file, place, table));
    }
    streams(site, spec);
}

/// A file that the job writes, as written in it, that an `input.glob` matches: the run would change its own input.
pub fn globbed(site: &mut Site<'_>, spec: &JobSpec, written: &Path, place: &KeyPath) {
    for (name, endpoint) in &spec.endpoints.0 {
        for (_, other) in input::globs(name, endpoint).iter().filter(|(pattern, _)| glob::matches(pattern, written)) {
            let message = format!("`{}` is written by the job whose input would be this file, too", written.display());
            let help = "write to where the pattern does not match";
            site.conflict(place, "written here", other, "matched here", message, help);
        }
    }
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
    let to_stdout = |target: &SinkTarget| matches!(target, SinkTarget::Kind(kind) if kind.kind == "stdout");
    let mut writers = sinks.iter().filter(|(_, sink)| to_stdout(&sink.target));
    if let (Some((first, _)), Some((second, _))) = (writers.next(), writers.next()) {
        let at = |name: &str| KeyPath::of(["sinks", name, "stdout"]);
        let message = "two sinks write to standard output".to_owned();
        site.conflict(&at(second), "the second", &at(first), "the first", message, "write one of them to a file");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::compile::{Options, compile};
    use crate::diagnostic::Diagnostics;
    use crate::document::{Document, Overlays};

    #[test]
    fn paths_are_compared_without_detours() {
        for (written, expected) in
            [("./a/./b.csv", "a/b.csv"), ("a/../b.csv", "b.csv"), ("../b.csv", "../b.csv"), ("/a/../b", "/b")]
        {
            assert_eq!(plain(Path::new(written)), Path::new(expected));
        }
    }

    #[test]
    fn links_are_followed_as_far_as_a_path_exists() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("out/deep")).unwrap();
        std::fs::write(at("out/x.csv"), "").unwrap();
        symlink("out", at("link")).unwrap();
        symlink("out/deep", at("down")).unwrap();
        symlink("x.csv", at("out/y.csv")).unwrap();
        for (one, other) in [
            ("link/x.csv", "out/x.csv"),
            ("out/y.csv", "out/x.csv"),
            ("down/../x.csv", "out/x.csv"),
            ("link/new/z.csv", "out/./new/z.csv"),
            ("gone/../link/z.csv", "out/z.csv"),
        ] {
            assert_eq!(real(&at(one)), real(&at(other)), "{one}");
        }
        assert_ne!(real(&at("link/z.csv")), real(&at("z.csv")));
        assert_eq!(real(Path::new("")), std::env::current_dir().unwrap().canonicalize().unwrap());
        assert!(real(Path::new("gone/z.csv")).is_absolute() && real(Path::new("z.csv")).is_absolute());
    }

    /// What is said of a job in a folder that has a link to another.
    fn told(sinks: &str, options: &Options) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("out")).unwrap();
        symlink("out", folder.path().join("link")).unwrap();
        std::fs::write(folder.path().join("out/in.csv"), "a\n1\n").unwrap();
        let text = format!("[endpoints.e]\nurl = \"demo:/{{{{ row.a }}}}\"\ninput = \"out/in.csv\"\n{sinks}");
        let mut diagnostics = Diagnostics::default();
        let path = folder.path().join("job.toml");
        let document = Document::parse(&path, text, &Overlays::default(), &mut diagnostics).unwrap();
        let state = options.state.as_ref().map(|state| folder.path().join(state));
        compile(&document, &Options { state, ..options.clone() }, &mut diagnostics);
        let top = format!("{}/", folder.path().display());
        diagnostics.list().iter().map(|told| told.message.replace(&top, "")).collect()
    }

    #[test]
    fn one_file_by_two_ways_is_one_file() {
        let none = Options::default();
        let two = told("[sinks.a]\npath = \"out/x.csv\"\n[sinks.b]\npath = \"./link/x.csv\"\n", &none);
        assert_eq!(two, ["`link/x.csv` is written by two sinks"]);
        let input = told("[sinks.a]\npath = \"link/in.csv\"\n", &none);
        assert_eq!(input, ["`link/in.csv` is read and written by the same job"]);
        assert!(told("[sinks.a]\npath = \"link/x.csv\"\n[sinks.b]\npath = \"x.csv\"\n", &none).is_empty());
    }

    #[test]
    #[cfg(feature = "sqlite")]
    fn two_tables_of_a_database_are_two_outputs() {
        let none = Options::default();
        // One table is one, however its name is written.
        let tables = |other: &str| {
            told(
                &format!(
                    "[sinks.a]\npath = \"x.db\"\n[sinks.b.sqlite]\npath = \"x.db\"\n{other}\n[sinks.c]\npath = \"x.sqlite\"\n"
                ),
                &none,
            )
        };
        assert_eq!(tables(""), Vec::<String>::new());
        assert_eq!(tables("table = \"A\""), ["`x.db` is written by two sinks"]);
    }

    #[test]
    fn the_state_folder_takes_no_output() {
        let elsewhere = Options { state: Some("link/state".into()), ..Options::default() };
        let sink = "[sinks.a]\npath = \"out/state/job/x.csv\"\n";
        let words = ["`out/state/job/x.csv` lies in link/state/job, where the job keeps its journal"];
        assert_eq!(told(sink, &elsewhere), words);
        assert!(told(sink, &Options::default()).is_empty());
    }
}
