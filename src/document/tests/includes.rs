//! Tests of `include`, and of variables from outside.

use std::fmt::Write;

use super::*;

/// A folder with files, the first of which is the job.
struct Files(tempfile::TempDir);

impl Files {
    fn of(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn read(&self, overlays: &Overlays) -> (Document, Diagnostics) {
        let mut diagnostics = Diagnostics::default();
        let document = Document::read(&self.0.path().join("job.toml"), overlays, &mut diagnostics).unwrap();
        (document, diagnostics)
    }

    /// Codes and messages, without the folder.
    fn told(&self, diagnostics: &Diagnostics) -> Vec<(&'static str, String)> {
        let top = format!("{}/", self.0.path().display());
        diagnostics.list().iter().map(|one| (one.code.0, one.message.replace(&top, ""))).collect()
    }
}

/// The name of the text that a value stands in, and what stands there.
fn stands<'d>(document: &'d Document, keys: &[&str]) -> (&'d str, &'d str) {
    let place = document.place(&KeyPath::of(keys.iter().copied()));
    let name = document.sources[place.source].name.rsplit('/').next().unwrap();
    (name, words(document, place))
}

#[test]
fn a_file_lies_over_its_includes_and_a_later_one_over_an_earlier() {
    let files = Files::of(&[
        ("job.toml", "include = ['a.toml', 'b.toml']\nx = 1\n[t]\nown = 1\n[profiles.ci.t]\np = 1\n"),
        ("a.toml", "x = 2\ny = 'a'\nz = 'a'\n[t]\nown = 2\na = 'a'\n"),
        ("b.toml", "y = 'b'\nt.a = 'b'\nt.b = 'b'\nprofiles.ci.t = { p = 2, q = 2 }\n"),
    ]);
    let overlays = Overlays { profile: Some("ci".to_owned()), ..Overlays::default() };
    let (document, diagnostics) = files.read(&overlays);
    assert_eq!(files.told(&diagnostics), []);
    assert_eq!(stands(&document, &["x"]), ("job.toml", "1"));
    assert_eq!(stands(&document, &["y"]), ("b.toml", "'b'"));
    assert_eq!(stands(&document, &["z"]), ("a.toml", "'a'"));
    assert_eq!(stands(&document, &["t", "own"]), ("job.toml", "1"));
    assert_eq!(stands(&document, &["t", "a"]), ("b.toml", "'b'"));
    assert_eq!((stands(&document, &["t", "p"]), stands(&document, &["t", "q"])), (("job.toml", "1"), ("b.toml", "2")));
    assert_eq!(stands(&document, &["t"]), ("job.toml", "[t]"), "a table is named where the job has it");
    assert!(document.get(&KeyPath::of(["include"])).is_none());
    let names = document.includes.iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names, ["a.toml", "b.toml"]);
    let q = document.place(&KeyPath::of(["t", "q"]));
    assert_eq!((document.profile_of(q), document.profile_of(document.place(&KeyPath::of(["x"])))), (Some("ci"), None));
}

#[cfg(unix)]
#[test]
fn the_texts_of_a_job_are_told_whatever_its_folder_is_called() {
    use std::os::unix::ffi::OsStrExt as _;

    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join(std::ffi::OsStr::from_bytes(b"a\xffb"));
    if std::fs::create_dir(&folder).is_err() {
        return; // A file system that knows texts alone.
    }
    std::fs::write(folder.join("job.toml"), "include = 'in.toml'").unwrap();
    std::fs::write(folder.join("in.toml"), "x = 1").unwrap();
    let job = folder.join("job.toml");
    let document = Document::read(&job, &Overlays::default(), &mut Diagnostics::default()).unwrap();
    let texts = [(job, "include = 'in.toml'".to_owned()), (folder.join("in.toml"), "x = 1".to_owned())];
    assert_eq!(document.job_texts(), texts);
}

#[test]
fn paths_are_relative_to_the_file_that_includes_and_a_file_may_come_by_two_ways() {
    let files = Files::of(&[
        ("job.toml", "include = ['in/a.toml', 'in/b.toml']"),
        ("in/a.toml", "include = '../base.toml'\na = 1"),
        ("in/b.toml", "include = './../base.toml'\nb = 1"),
        ("base.toml", "c = 1"),
    ]);
    let (document, diagnostics) = files.read(&Overlays::default());
    assert_eq!(files.told(&diagnostics), []);
    assert_eq!((document.includes.len(), document.sources.len()), (3, 4), "it is read once");
    for (key, file) in [("a", "a.toml"), ("b", "b.toml"), ("c", "base.toml")] {
        assert_eq!(stands(&document, &[key]), (file, "1"));
    }
}

#[test]
fn a_circle_shows_its_way_and_both_places() {
    let files = Files::of(&[
        ("job.toml", "include = 'a.toml'"),
        ("a.toml", "include = 'b.toml'"),
        ("b.toml", "x = 1\ninclude = ['./a.toml']"),
        ("self.toml", "include = 'self.toml'"),
    ]);
    let (document, diagnostics) = files.read(&Overlays::default());
    let way = "the includes go in a circle: `a.toml` → `b.toml` → `./a.toml`";
    assert_eq!(files.told(&diagnostics), [("P0005", way.to_owned())]);
    let circle = &diagnostics.list()[0];
    let at = |label: &crate::diagnostic::Label| (label.place.source, words(&document, label.place));
    assert_eq!(at(circle.primary.as_ref().unwrap()), (2, "'./a.toml'"));
    assert_eq!(at(&circle.others[0]), (1, "'b.toml'"));
    assert_eq!(stands(&document, &["x"]), ("b.toml", "1"), "the rest is read");
}

#[test]
fn what_is_included_is_bounded() {
    let nested = |depth: usize| {
        let mut files: Vec<(String, String)> =
            (0..depth).map(|at| (format!("{at}.toml"), format!("include = '{}.toml'", at + 1))).collect();
        files.push((format!("{depth}.toml"), "deep = 1".to_owned()));
        files.push(("job.toml".to_owned(), "include = '0.toml'".to_owned()));
        Files::of(&files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>())
    };
    assert_eq!(told(&nested(9).read(&Overlays::default()).1), []);
    assert_eq!(
        told(&nested(10).read(&Overlays::default()).1),
        [("P0005", "includes are nested more than 10 files deep")]
    );
    let many = Files::of(&[("job.toml", &format!("include = [{}]", "'a.toml', ".repeat(50_000))), ("a.toml", "a = 1")]);
    assert_eq!(told(&many.read(&Overlays::default()).1), [("P0005", "a job includes at most 32 files")]);
    let half = format!("# {}", "x".repeat(600_000));
    let large = Files::of(&[("job.toml", "include = ['a.toml', 'b.toml']"), ("a.toml", &half), ("b.toml", &half)]);
    let (_, diagnostics) = large.read(&Overlays::default());
    let message = "the job file and the files it includes are larger than 1 MiB together";
    assert_eq!(told(&diagnostics), [("P0005", message)]);
}

#[test]
fn two_files_of_very_many_keys_are_merged_by_name() {
    let keys = |first: usize| {
        (first..first + 30_000).fold(String::new(), |mut text, key| {
            writeln!(text, "k{key} = 1").unwrap();
            text
        })
    };
    let job = format!("include = 'a.toml'\n{}", keys(0));
    let files = Files::of(&[("job.toml", &job), ("a.toml", &keys(15_000))]);
    let (document, diagnostics) = files.read(&Overlays::default());
    let NodeValue::Table(entries) = &document.root.value else { panic!("a root is a table") };
    assert_eq!((files.told(&diagnostics), entries.len()), (vec![], 45_000));
    assert_eq!(stands(&document, &["k20000"]).0, "job.toml");
    assert_eq!(stands(&document, &["k40000"]).0, "a.toml");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let files = Files::of(&[("job.toml", "include = '/dev/zero'")]);
    let (_, diagnostics) = files.read(&Overlays::default());
    assert_eq!(files.told(&diagnostics), [("P0001", "`/dev/zero` is not a plain file".to_owned())]);
}

#[test]
fn variables_come_from_the_command_line_before_env_files() {
    let files = Files::of(&[
        ("job.toml", "[vars]\na-b = 1\nc = 1\nd = 1\n"),
        (".env", "PACELINE_VAR_A_B=2\nPACELINE_VAR_C='3'\nOTHER=hunter2\n"),
    ]);
    let overlays = Overlays {
        vars: vec![("c".to_owned(), "4".to_owned()), ("c".to_owned(), "x=5".to_owned())],
        env_files: vec![files.0.path().join(".env")],
        ..Overlays::default()
    };
    let (document, diagnostics) = files.read(&overlays);
    assert_eq!(files.told(&diagnostics), []);
    let given = |name: &str| document.given.iter().find(|given| given.name == name);
    let shown =
        |name: &str| given(name).map(|given| (given.text.as_str(), given.from.as_str(), words(&document, given.value)));
    assert_eq!(shown("c"), Some(("x=5", "--var c", "x=5")), "the last counts");
    assert_eq!(shown("a-b"), Some(("2", "PACELINE_VAR_A_B", "2")));
    assert!(shown("d").is_none());
    assert!(!format!("{document:?}").contains("hunter2"));
}
