//! Files by patterns: which ones, in which order, and what links and odd names do.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::*;

/// A folder with these files, each as long as its name says.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    folder
}

fn plan(folder: &Path, pattern: &str) -> Result<GlobPlan, Problem> {
    decide(&json!(pattern), folder.to_owned())
}

fn paths(folder: &Path, pattern: &str) -> Vec<String> {
    let mut source = plan(folder, pattern).unwrap().open().unwrap();
    let mut paths = Vec::new();
    while let Some(read) = source.next().unwrap() {
        assert_eq!(read.ordinal(), paths.len() as u64);
        let Read::Row(row) = read else { panic!("a bad row") };
        paths.push(row.get("path").unwrap().as_str().unwrap().to_owned());
    }
    paths
}

const FILES: &[&str] = &[
    "b.txt",
    "a.txt",
    "a.pdf",
    ".hidden.txt",
    "docs/c.txt",
    "docs/deep/d.txt",
    ".git/e.txt",
    "z/docs/f.txt",
    "[x].txt",
];

#[test]
fn files_match_as_in_a_shell_and_come_sorted() {
    let folder = folder(FILES);
    for (pattern, expected) in [
        ("*.txt", &["[x].txt", "a.txt", "b.txt"][..]),
        ("./a.*", &["a.pdf", "a.txt"]),
        ("?.txt", &["a.txt", "b.txt"]),
        ("[!b].txt", &["a.txt"]),
        ("[[]x].txt", &["[x].txt"]),
        (".*.txt", &[".hidden.txt"]),
        ("docs/*", &["docs/c.txt"]),
        ("*/docs/*.txt", &["z/docs/f.txt"]),
        ("**/*.txt", &["[x].txt", "a.txt", "b.txt", "docs/c.txt", "docs/deep/d.txt", "z/docs/f.txt"]),
        ("**/**/docs/**/*.txt", &["docs/c.txt", "docs/deep/d.txt", "z/docs/f.txt"]),
        ("docs/**", &["docs/c.txt", "docs/deep/d.txt"]),
        ("docs/../a.txt", &["docs/../a.txt"]),
        ("a.txt", &["a.txt"]),
    ] {
        assert_eq!(paths(folder.path(), pattern), expected, "{pattern}");
    }
    let absolute = format!("{}/docs/*.txt", folder.path().display());
    assert_eq!(paths(Path::new("elsewhere"), &absolute), [format!("{}/docs/c.txt", folder.path().display())]);
}

#[test]
fn a_row_has_path_name_stem_and_size() {
    let folder = folder(&["docs/a.tar.gz"]);
    let plan = plan(folder.path(), "docs/*").unwrap();
    let Some(Read::Row(row)) = plan.open().unwrap().next().unwrap() else { panic!("no row") };
    let expected = json!({"path": "docs/a.tar.gz", "name": "a.tar.gz", "stem": "a.tar", "size": 13});
    assert_eq!(Value::Object(row.to_object()), expected);
    assert!(matches!(plan.columns(), Columns::Known(header) if header.names() == COLUMNS));
    assert_eq!((plan.describe().as_str(), plan.count().unwrap()), ("docs/* (glob, 1 file)", Some(1)));
    assert_eq!(plan.path(), None);
}

#[test]
fn links_are_files_and_a_loop_of_them_does_no_harm() {
    let folder = folder(&["docs/a.txt", "other/b.txt"]);
    for name in ["one", "two"] {
        symlink("..", folder.path().join("docs").join(name)).unwrap();
    }
    symlink("a.txt", folder.path().join("docs/link.txt")).unwrap();
    symlink("nowhere", folder.path().join("docs/gone.txt")).unwrap();
    symlink("self.txt", folder.path().join("docs/self.txt")).unwrap();
    assert_eq!(paths(folder.path(), "**/*.txt"), ["docs/a.txt", "docs/link.txt", "other/b.txt"]);
    assert_eq!(paths(folder.path(), "docs/one/other/*"), ["docs/one/other/b.txt"], "a link that is named is followed");
}

#[test]
fn a_name_that_is_not_utf8_is_a_bad_row() {
    let folder = folder(&["a.txt"]);
    let name = std::ffi::OsString::from_vec(b"b\xff.txt".to_vec());
    fs::write(folder.path().join(name), "").unwrap();
    let mut source = plan(folder.path(), "*.txt").unwrap().open().unwrap();
    assert!(matches!(source.next().unwrap(), Some(Read::Row(_))));
    let Some(Read::Bad { reason, .. }) = source.next().unwrap() else { panic!("not bad") };
    assert_eq!(reason, "the name of the file b\u{fffd}.txt is not UTF-8; rename it");
}

#[test]
fn names_and_sizes_are_the_identity() {
    let folder = folder(&["a.txt"]);
    let plan = plan(folder.path(), "*.txt").unwrap();
    let mut seen = std::collections::HashSet::new();
    let mut is_new = || seen.insert(plan.identity().unwrap().unwrap());
    assert!(is_new());
    fs::write(folder.path().join("a.txt"), "other").unwrap();
    assert!(!is_new(), "what is in a file is not asked");
    fs::write(folder.path().join("a.txt"), "longer").unwrap();
    assert!(is_new());
    fs::write(folder.path().join("b.txt"), "").unwrap();
    assert!(is_new());
    fs::rename(folder.path().join("b.txt"), folder.path().join("c.txt")).unwrap();
    assert!(is_new());
}

#[test]
fn patterns_that_match_nothing_or_mean_nothing_are_told() {
    let folder = folder(&["docs/a.txt"]);
    let told = |pattern: &str| {
        let problem = plan(folder.path(), pattern).unwrap_err();
        let shown = folder.path().display().to_string();
        (problem.message.replace(&shown, "JOB"), problem.help.replace(&shown, "JOB"))
    };
    let (message, help) = told("docs/*.pdf");
    assert_eq!(message, "no file matches `docs/*.pdf`");
    assert_eq!(help, "patterns are relative to the job file: files are looked for in JOB/docs");
    assert_eq!(told("dcs/*").1, "there is no folder JOB/dcs; patterns are relative to the job file");
    assert!(told("docs").0.contains("no file matches"), "a folder is no file");
    assert!(told("docs/*.{pdf,txt}").1.starts_with("braces mean nothing"));
    assert!(told("docs/[a.txt").0.starts_with("`docs/[a.txt` is not a pattern: "));
    assert!(told("docs/a**").0.contains("is not a pattern"));
    assert_eq!(told("").0, "the pattern is empty");
    assert!(told("/").0.contains("no file matches"));
}

#[test]
fn an_output_is_told_whether_it_would_be_an_input() {
    for (pattern, path, expected) in [
        ("**/*", "out/x.csv", true),
        ("out/*.csv", "out/x.csv", true),
        ("./out/*.csv", "out/x.csv", true),
        ("*", "out/x.csv", false),
        ("**/*", ".out/x.csv", false),
        ("docs/*", "out/x.csv", false),
    ] {
        assert_eq!(matches(pattern, Path::new(path)), expected, "{pattern} {path}");
    }
}
