//! Tests of saving: where files go, and what stands in the way.

mod attempts;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::root::{NotPlaced, Root};
use super::*;
use crate::row::{Fields, Row};
use crate::secret::Secrets;
use crate::template::{RowScope, Scope, Spot};

fn plan(folder: &Path, path: &str) -> SavePlan {
    let vars = [("day".to_owned(), json!("2026/11"))].into();
    let scope = Scope { row: RowScope::Open, vars, secrets: Vec::new(), reply: false, last: None, messages: None };
    let template = Template::compile(path, Spot::File, &scope).unwrap();
    SavePlan::new(template, folder.join(folder_of(path)), StatusSet::new(vec![(200, 299)]), false)
}

fn row(values: &[(&str, &str)]) -> Row {
    let fields = values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    Row { ordinal: 0, line: 0, fields: Fields::Object(fields) }
}

fn place(plan: &SavePlan, values: &[(&str, &str)]) -> Result<SavePath, String> {
    let secrets = Secrets::default();
    plan.place(&Context { row: Some(&row(values)), secrets: &secrets, reply: None, last: None })
}

/// Every file and link below a folder with what it holds; links are not followed.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            found.insert(name, format!("-> {}", fs::read_link(path).unwrap().display()));
        } else if kind.is_dir() {
            found.extend(tree(&path).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            found.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    found
}

fn pairs(tree: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    tree.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

#[test]
fn the_folder_is_what_stands_before_the_first_tag() {
    for (written, folder) in [
        ("pages/{{ row.a }}.html", "pages/"),
        ("pages/x-{{ row.a }}/y/{{ row.b }}", "pages/"),
        ("{{ row.a }}", ""),
        ("a{{ row.a }}", ""),
        ("../a/b/{% if row.a %}c{% endif %}", "../a/b/"),
        ("/{# x #}{{ row.a }}", "/"),
        ("a/b.html", "a/"),
    ] {
        assert_eq!(folder_of(written), folder, "{written}");
    }
}

#[test]
fn a_row_is_placed_by_its_values() {
    let plan = plan(Path::new("jobs"), "pages/{{ vars.day }}/{{ row.a }}-{{ row.b }}.html");
    assert_eq!(plan.root(), Path::new("jobs/pages"));
    let path = place(&plan, &[("a", "x y"), ("b", "ü")]).unwrap();
    assert_eq!(path.as_str(), "pages/2026/11/x y-ü.html");
    assert_eq!(path.names().collect::<Vec<_>>(), ["2026", "11", "x y-ü.html"]);
    let separator = place(&plan, &[("a", "x/y"), ("b", "z")]).unwrap_err();
    assert!(separator.contains("`row.a` holds a `/`") && separator.contains("replace"), "{separator}");
    let long = "x".repeat(300);
    let long = place(&plan, &[("a", &long), ("b", "z")]).unwrap_err();
    assert!(long.contains("307 bytes long") && long.contains("change the value, or `save.path`"), "{long}");
}

#[test]
fn a_value_that_is_a_way_or_a_device_is_refused() {
    let plan = plan(Path::new(""), "a/{{ row.a }}/{{ row.b }}");
    for (a, b) in [("..", "x"), (".", "x"), ("", "x"), ("x", ".."), ("x", ""), ("NUL", "x"), (".paceline-job", "0")] {
        assert!(place(&plan, &[("a", a), ("b", b)]).is_err(), "{a:?} {b:?}");
    }
    assert!(place(&plan, &[("a", "..."), ("b", "x")]).is_ok());
}

#[test]
fn a_constant_part_that_can_not_be_written_is_found_without_a_row() {
    for (path, words) in [
        ("a/../{{ row.a }}", None),
        ("a/{{ row.a }}/../b", Some("no name but a way")),
        ("a/{{ row.a }}//b", Some("is empty")),
        ("a/{{ row.a }}/", Some("is empty")),
        ("a/", Some("is empty")),
        ("{{ row.a }}\\b/c", None),
        ("a/{{ vars.day }}/con/{{ row.a }}", Some("a device")),
        ("a/.paceline-x/{{ row.a }}", None),
        ("{{ vars.day }}/b", None),
    ] {
        let flaw = plan(Path::new(""), path).flaw();
        assert_eq!(flaw.is_some(), words.is_some(), "{path}: {flaw:?}");
        assert!(flaw.unwrap_or_default().contains(words.unwrap_or_default()), "{path}");
    }
}

#[test]
fn what_a_row_could_be_saved_over_is_known() {
    for (path, names, file, folder) in [
        ("{{ row.a }}.html", &["out.csv"][..], false, false),
        ("{{ row.a }}.html", &["out.html"], true, false),
        ("{{ row.a }}", &["out.csv"], true, false),
        ("{{ row.a }}", &["a", "out.csv"], false, false),
        ("{{ row.a }}/{{ row.b }}", &["a", "out.csv"], true, false),
        ("{{ row.a }}/{{ row.b }}", &["a"], false, true),
        ("{{ row.a }}/{{ row.b }}", &[".paceline", "job"], false, false),
        ("x-{{ row.a }}-{{ row.b }}.c", &["x-1-2.c"], true, false),
        ("x-{{ row.a }}-{{ row.b }}.c", &["x-12.c"], false, false),
        ("{{ row.a }}/x", &["a", "y"], false, false),
        ("{% if row.a %}x{% endif %}", &["a", "b"], true, true),
        ("{{ row.b }}/x{% if row.a %}x{% endif %}", &["a", "b"], true, true),
    ] {
        let plan = plan(Path::new(""), path);
        assert_eq!((plan.may_write(names), plan.may_write_in(names)), (file, folder), "{path} {names:?}");
    }
}

/// A value, most likely one that tries to be a path.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("\\".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("\0".to_owned()),
        Just("con".to_owned()),
        Just(".paceline-job".to_owned()),
        Just("link".to_owned()),
        "[a-c]{0,3}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_leads_out_of_the_root(
        a in value(),
        b in value(),
        path in prop::sample::select(vec![
            "root/{{ row.a }}", "root/{{ row.a }}{{ row.b }}.x", "root/{{ row.a }}/{{ row.b }}",
            "root/{{ row.a | trim }}/x/{% if row.b %}{{ row.b }}{% endif %}", "root/.{{ row.a }}",
        ]),
    ) {
        let world = tempfile::tempdir().unwrap();
        fs::create_dir_all(world.path().join("outside")).unwrap();
        fs::create_dir_all(world.path().join("root")).unwrap();
        symlink("../outside", world.path().join("root/link")).unwrap();
        let plan = plan(world.path(), path);
        let Ok(path) = place(&plan, &[("a", &a), ("b", &b)]) else { return Ok(()) };
        for name in path.names() {
            prop_assert!(!name.contains(['/', '\\', '\0']) && !["", ".", ".."].contains(&name) && name.len() <= 255);
        }
        let root = Arc::new(Root::open(plan.root(), "job").unwrap());
        let mut file = root.begin().unwrap();
        file.write(b"x").unwrap();
        let placed = file.place(&path);
        root.close();
        let found = tree(world.path());
        prop_assert_eq!(found.len(), 1 + usize::from(placed.is_ok() && path.names().next() != Some("link")));
        prop_assert!(found.keys().all(|file| file.starts_with("root/")), "{:?}", found);
    }
}

/// A root with a folder beside it that nothing may reach.
fn world() -> (tempfile::TempDir, Arc<Root>) {
    let world = tempfile::tempdir().unwrap();
    fs::create_dir_all(world.path().join("outside")).unwrap();
    fs::write(world.path().join("outside/kept"), "kept").unwrap();
    fs::create_dir_all(world.path().join("root")).unwrap();
    let root = Root::open(&world.path().join("root"), "job").unwrap();
    (world, Arc::new(root))
}

fn put(root: &Arc<Root>, world: &Path, a: &str, b: &str) -> Result<Vec<PathBuf>, NotPlaced> {
    let path = place(&plan(world, "root/{{ row.a }}/{{ row.b }}"), &[("a", a), ("b", b)]).unwrap();
    let mut file = root.begin().unwrap();
    file.write(b"new").unwrap();
    file.place(&path).map(|(_, way)| way.into_iter().map(|folder| folder.below).collect())
}

#[test]
fn links_are_never_followed() {
    let (world, root) = world();
    symlink("../outside", world.path().join("root/away")).unwrap();
    fs::create_dir(world.path().join("root/a")).unwrap();
    symlink("../../outside/kept", world.path().join("root/a/file")).unwrap();
    let Err(NotPlaced::Path(words)) = put(&root, world.path(), "away", "kept") else { panic!("a link was followed") };
    assert!(words.contains("root/away is a file or a link"), "{words}");
    put(&root, world.path(), "a", "file").unwrap();
    root.close();
    let found = tree(world.path());
    assert_eq!(pairs(&found), [("outside/kept", "kept"), ("root/a/file", "new"), ("root/away", "-> ../outside")]);
}

#[test]
fn a_folder_swapped_for_a_link_while_the_body_comes_changes_nothing() {
    let (world, root) = world();
    let mut file = root.begin().unwrap();
    file.write(b"new").unwrap();
    // The root itself is moved, and a link put in its place.
    fs::rename(world.path().join("root"), world.path().join("moved")).unwrap();
    symlink("outside", world.path().join("root")).unwrap();
    let path = place(&plan(world.path(), "root/{{ row.a }}"), &[("a", "kept")]).unwrap();
    file.place(&path).unwrap();
    root.close();
    let found = tree(world.path());
    assert_eq!(pairs(&found), [("moved/kept", "new"), ("outside/kept", "kept"), ("root", "-> outside")]);
}

#[test]
fn a_file_gets_its_folders_and_replaces_what_was_there() {
    let (world, root) = world();
    assert_eq!(put(&root, world.path(), "a", "b").unwrap(), [Path::new(""), Path::new("a")]);
    fs::write(world.path().join("root/a/b"), "what was there, and longer").unwrap();
    put(&root, world.path(), "a", "b").unwrap();
    fs::create_dir(world.path().join("root/a/folder")).unwrap();
    let Err(NotPlaced::Path(words)) = put(&root, world.path(), "a", "folder") else { panic!("a folder was replaced") };
    assert!(words.contains("root/a/folder is a folder"), "{words}");
    fs::write(world.path().join("root/f"), "f").unwrap();
    let Err(NotPlaced::Path(words)) = put(&root, world.path(), "f", "x") else { panic!("a file took a file") };
    assert!(words.contains("root/f is a file or a link"), "{words}");
    root.close();
    assert_eq!(pairs(&tree(&world.path().join("root"))), [("a/b", "new"), ("f", "f")]);
}

#[test]
fn one_session_has_the_root_and_clears_what_another_left() {
    let (world, root) = world();
    let path = world.path().join("root");
    let refused = Root::open(&path, "job").unwrap_err();
    assert!(refused.contains("another run"), "{refused}");
    Root::open(&path, "other").unwrap();
    std::mem::forget(root.begin().unwrap());
    assert!(path.join(".paceline-job/0").exists());
    // A kill closes the handles, and removes nothing.
    let left = path.join(".paceline-later");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("7"), "torn").unwrap();
    let next = Root::open(&path, "later").unwrap();
    assert!(!left.join("7").exists() && left.is_dir());
    drop(next);
    assert!(!left.exists());
}
