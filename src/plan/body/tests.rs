//! Which files a row may name.

use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::row::{Fields, Row};
use crate::secret::Secrets;
use crate::template::{RowScope, Scope, Spot};

fn plan(path: &str, folder: &Path) -> FilePlan {
    let scope = Scope {
        row: RowScope::Open,
        vars: Default::default(),
        secrets: Vec::new(),
        reply: false,
        last: None,
        messages: None,
    };
    FilePlan::new(Template::compile(path, Spot::Text, &scope).unwrap(), folder)
}

fn find(plan: &FilePlan, a: &str) -> Result<FoundFile, String> {
    let fields = Fields::Object(Map::from_iter([("a".to_owned(), Value::from(a))]));
    let (row, secrets) = (Row { ordinal: 0, line: 1, fields }, Secrets::default());
    plan.find(&Context { row: Some(&row), secrets: &secrets, reply: None, last: None }).map_err(|failure| {
        assert_eq!((failure.kind, failure.sent), (FailureKind::Request, false));
        failure.message
    })
}

/// A folder with `docs/a.pdf` and more, and things beside it that are nobody's business.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("docs/sub")).unwrap();
    fs::write(at("secret.txt"), "secret").unwrap();
    fs::create_dir(at("docs-private")).unwrap();
    fs::write(at("docs-private/b.pdf"), "private").unwrap();
    fs::write(at("docs/a.pdf"), "12345").unwrap();
    fs::write(at("docs/sub/c d.pdf"), "").unwrap();
    symlink("../secret.txt", at("docs/out.pdf")).unwrap();
    symlink("../docs-private", at("docs/away")).unwrap();
    symlink("sub/c d.pdf", at("docs/in.pdf")).unwrap();
    folder
}

#[test]
fn rows_name_files_below_their_folder() {
    let folder = folder();
    let plan = plan("docs/{{ row.a }}", folder.path());
    for (a, length) in [("a.pdf", 5), ("sub/c d.pdf", 0), ("in.pdf", 0), ("./a.pdf", 5), ("sub/./c d.pdf", 0)] {
        let file = find(&plan, a).unwrap();
        assert_eq!((file.shown, file.length), (folder.path().join("docs").join(a), length));
        assert!(file.path.is_absolute() && !file.path.is_symlink());
    }
}

#[test]
fn rows_do_not_lead_out_of_their_folder() {
    let folder = folder();
    let docs = plan("docs/{{ row.a }}", folder.path());
    for (a, why) in [
        ("../secret.txt", "a row can't lead out of the folder with `..`"),
        ("sub/../a.pdf", "a row can't lead out of the folder with `..`"),
        ("..", "a row can't lead out of the folder with `..`"),
        ("/etc/passwd", "a row can't name a path from the top of the disk"),
        ("a.pdf\0", "its name holds a NUL"),
    ] {
        assert_eq!(find(&docs, a), Err(format!("the file {:?} can't be sent: {why}", format!("docs/{a}"))));
    }
    let docs_at = |path: &str| folder.path().join("docs").join(path).display().to_string();
    for (a, why) in [
        ("out.pdf", format!("a link leads out of the folder {}", docs_at(""))),
        ("away/b.pdf", format!("a link leads out of the folder {}", docs_at(""))),
        ("gone.pdf", "no such file".to_owned()),
        ("", "it is a directory".to_owned()),
        ("sub", "it is a directory".to_owned()),
        ("a.pdf/x", "a part of its path is a file, not a folder".to_owned()),
    ] {
        assert_eq!(find(&docs, a), Err(format!("the file {} can't be sent: {why}", docs_at(a))));
    }
    let top = plan("{{ row.a }}", folder.path());
    assert_eq!(find(&top, "secret.txt").unwrap().length, 6);
    assert!(find(&top, "/etc/passwd").is_err() && find(&top, "../x").is_err());
}

#[test]
fn the_folder_is_what_stands_before_the_first_value() {
    let folder = folder();
    for (path, a, good) in [
        ("docs/{{ row.a }}.pdf", "a", true),
        ("docs/{{ row.a }}.pdf", "sub/c d", true),
        ("docs/a{{ row.a }}", ".pdf", true),
        // The folder is `./`, so another one in it may be named; but not by `..`.
        ("docs{{ row.a }}", "-private/b.pdf", true),
        ("docs{{ row.a }}", "/../secret.txt", false),
        ("docs/../docs/{{ row.a }}", "a.pdf", true),
        ("docs/{% if row.a %}{{ row.a }}{% endif %}", "a.pdf", true),
        ("docs/{% if row.a %}{{ row.a }}{% endif %}", "../secret.txt", false),
    ] {
        assert_eq!(find(&plan(path, folder.path()), a).is_ok(), good, "{path} {a}");
    }
    let here = plan("{{ row.a }}", Path::new(""));
    assert_eq!((here.root(), here.constant()), (PathBuf::from("."), None));
}

#[test]
fn what_the_job_itself_names_may_lie_anywhere() {
    let folder = folder();
    let constant = plan("../secret.txt", &folder.path().join("docs"));
    assert_eq!(find(&constant, "").unwrap().length, 6);
    let path = folder.path().join("docs/out.pdf").display().to_string();
    assert_eq!(find(&plan(&path, Path::new("elsewhere")), "").unwrap().length, 6);
    assert!(find(&plan("/dev/null", folder.path()), "").unwrap_err().ends_with("it is not a regular file"));
}

/// What paths that lead astray are made of.
const PIECES: &[&str] = &[
    "..",
    ".",
    "/",
    "a.pdf",
    "sub",
    "secret.txt",
    "away",
    "docs",
    "out.pdf",
    "away/b.pdf",
    "../",
    "\0",
    "//",
    "~",
    "\\",
];

proptest! {
    #[test]
    fn no_value_reaches_what_lies_beside(pieces in prop::collection::vec(
        prop::sample::select(PIECES),
        0..8,
    )) {
        let folder = folder();
        let docs = folder.path().join("docs").canonicalize().unwrap();
        if let Ok(file) = find(&plan("docs/{{ row.a }}", folder.path()), &pieces.concat()) {
            prop_assert!(file.path.starts_with(&docs), "{file:?}");
            prop_assert!(file.path.is_file());
        }
    }
}
