//! Tests of the door: what a file does with what the system makes of a write, and what the model leaves of a disk.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use tempfile::TempDir;

use super::model::{Model, Stop};
use super::watch::{Answer, Told, watch};
use super::*;

#[test]
fn interrupted_and_short_writes_are_gone_on_with() {
    for way in [Way::New, Way::NewToExtend] {
        let home = TempDir::new().unwrap();
        let mut turn = 0;
        let _watch = watch(home.path(), move |told| {
            let Told::Write { .. } = told else { return Answer::Do };
            turn += 1;
            [Answer::Fail(Errno::INTR), Answer::Part(3), Answer::Do][turn % 3]
        });
        let path = home.path().join("x");
        let mut file = File::open(&path, way).unwrap();
        let text: String = (0..50).map(|number| format!("{number},")).collect();
        for (at, piece) in text.as_bytes().chunks(20).enumerate() {
            match way {
                Way::New => file.write_all_at(piece, at as u64 * 20).unwrap(),
                _ => file.write_all(piece).unwrap(),
            }
        }
        assert_eq!(fs::read_to_string(path).unwrap(), text, "{way:?}");
    }
}

#[test]
fn a_write_that_takes_nothing_is_an_error() {
    let home = TempDir::new().unwrap();
    let _watch = watch(home.path(), |told| match told {
        Told::Write { .. } => Answer::Part(0),
        _ => Answer::Do,
    });
    let file = File::open(&home.path().join("x"), Way::New).unwrap();
    assert_eq!(file.write_all_at(b"x", 0).unwrap_err().kind(), io::ErrorKind::WriteZero);
}

#[test]
fn folders_are_durable_one_after_the_other_also_where_they_are_there() {
    let home = TempDir::new().unwrap();
    let told = Arc::<Mutex<Vec<Told>>>::default();
    let log = Arc::clone(&told);
    let _watch = watch(home.path(), move |change| {
        log.lock().unwrap().push(change.clone());
        Answer::Do
    });
    let at = |path: &str| home.path().join(path);
    make_folder(&at("a/b")).unwrap();
    let made = [
        Told::MakeFolder { path: at("a") },
        Told::SyncFolder { path: home.path().to_owned() },
        Told::MakeFolder { path: at("a/b") },
        Told::SyncFolder { path: at("a") },
    ];
    assert_eq!(told.lock().unwrap().split_off(0), made, "its parent first");
    make_folder(&at("a/b")).unwrap();
    assert_eq!(*told.lock().unwrap(), [Told::SyncFolder { path: at("a") }], "who made it may have been killed");
}

/// What the model may leave of a file at `x` after these changes of it.
fn left(changes: impl Fn(&Path), seeds: u64) -> (String, BTreeSet<Option<String>>) {
    let home = TempDir::new().unwrap();
    let model = Arc::<Mutex<Model>>::default();
    let noted = Arc::clone(&model);
    let tap = watch(home.path(), move |told| {
        noted.lock().unwrap().note(told);
        Answer::Do
    });
    changes(home.path());
    drop(tap);
    let model = model.lock().unwrap().clone();
    let found = |stop| {
        model.lay_out(home.path(), stop);
        fs::read(home.path().join("x")).ok().map(|bytes| String::from_utf8(bytes).unwrap().replace('\0', "0"))
    };
    let live = found(Stop::Kill).unwrap_or_default();
    (live, (0..seeds).map(|seed| found(Stop::Torn(seed))).chain([found(Stop::Bare)]).collect())
}

#[test]
fn what_is_synced_stays_and_what_is_not_may_be_anything() {
    let write = |folder: &Path, syncs: bool| {
        let file = File::open(&folder.join("x"), Way::New).unwrap();
        file.write_all_at(b"ab", 0).unwrap();
        if syncs {
            file.sync_data().unwrap();
            sync_folder(folder).unwrap();
        }
        file.write_all_at(b"c", 2).unwrap();
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).collect::<BTreeSet<_>>();
    let (live, synced) = left(|folder| write(folder, true), 200);
    assert_eq!((live.as_str(), synced), ("abc", texts(&["ab", "ab0", "abc"])));
    let (live, not) = left(|folder| write(folder, false), 800);
    assert_eq!(live, "abc");
    let mut all = texts(&["", "a", "ab", "00", "a0", "00c", "a0c", "abc", "000", "a00", "ab0"]);
    all.insert(None);
    assert!(not.is_subset(&all), "{not:?}");
    let some = [None, Some("abc".to_owned()), Some("00c".to_owned()), Some("a".to_owned()), Some(String::new())];
    assert!(some.iter().all(|some| not.contains(some)), "{not:?}");
}

#[test]
fn a_rename_is_there_or_not_and_never_half() {
    let (_, found) = left(
        |folder| {
            for (name, text) in [("x", "old"), ("y", "new")] {
                let file = File::open(&folder.join(name), Way::New).unwrap();
                file.write_all_at(text.as_bytes(), 0).unwrap();
                file.sync_all().unwrap();
            }
            sync_folder(folder).unwrap();
            rename(&folder.join("y"), &folder.join("x")).unwrap();
        },
        50,
    );
    assert_eq!(found, [Some("old".to_owned()), Some("new".to_owned())].into());
}
