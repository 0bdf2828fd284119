//! Who may write what, and what is left of a file when the disk fails.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::disk::watch::{Answer, Told, watch};

const OLD: &str = "old and long";
const LONGER: &str = "new, and longer than it was";
const SHORT: &str = "new";

/// A folder with a file; the folder's path is the one that changes are told by.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = fs::canonicalize(folder.path()).unwrap().join("job.toml");
    fs::write(&file, OLD).unwrap();
    (folder, file)
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o7777
}

fn allow(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_a_link_leads_to_is_replaced_and_keeps_its_rights() {
    let (folder, file) = folder();
    allow(&file, 0o640);
    let link = folder.path().join("link.toml");
    symlink("job.toml", &link).unwrap();
    replace(&link, OLD, SHORT).unwrap();
    assert_eq!((text(&file).as_str(), mode(&file)), (SHORT, 0o640));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
}

#[test]
fn a_file_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(replace(&folder.path().join("none.toml"), OLD, SHORT), Err(NotReplaced::Kept(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_read_only_is_left_alone_whoever_asks() {
    let (folder, file) = folder();
    allow(&file, 0o444);
    let Err(NotReplaced::Kept(error)) = replace(&file, OLD, SHORT) else { panic!("it was written") };
    assert_eq!((error.to_string().as_str(), text(&file).as_str(), mode(&file)), ("it is read-only", OLD, 0o444));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_changed_since_it_was_read_is_left_alone() {
    let (_folder, file) = folder();
    let Err(NotReplaced::Kept(error)) = replace(&file, "what it was", SHORT) else { panic!("it was written") };
    assert_eq!(error.to_string(), "it was changed by somebody else meanwhile");
    assert_eq!(text(&file), OLD);
}

#[test]
fn a_file_with_several_names_keeps_them() {
    for after in [LONGER, SHORT] {
        let (folder, file) = folder();
        let other = folder.path().join("other.toml");
        fs::hard_link(&file, &other).unwrap();
        replace(&file, OLD, after).unwrap();
        assert_eq!((text(&file).as_str(), text(&other).as_str()), (after, after));
        let known = fs::metadata(&file).unwrap();
        assert_eq!((known.nlink(), known.ino()), (2, fs::metadata(&other).unwrap().ino()));
    }
}

#[test]
fn a_file_in_a_closed_folder_is_written_in_place() {
    let (folder, file) = folder();
    let number = fs::metadata(&file).unwrap().ino();
    let closed = |told: &Told| match told {
        Told::Open { made: true, .. } | Told::Rename { .. } => Answer::Fail(Errno::ACCESS),
        _ => Answer::Do,
    };
    let _watch = watch(file.parent().unwrap(), closed);
    replace(&file, OLD, LONGER).unwrap();
    assert_eq!((text(&file).as_str(), fs::metadata(&file).unwrap().ino()), (LONGER, number));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_may_not_be_written_is_left_alone_though_its_folder_is_open() {
    let (folder, file) = folder();
    let closed = |told: &Told| match told {
        Told::Open { way: Way::Edit, .. } => Answer::Fail(Errno::ACCESS),
        _ => Answer::Do,
    };
    let _watch = watch(file.parent().unwrap(), closed);
    assert!(matches!(replace(&file, OLD, SHORT), Err(NotReplaced::Kept(_))));
    assert_eq!((text(&file).as_str(), fs::read_dir(folder.path()).unwrap().count()), (OLD, 1));
}

/// Another owner can be given by the administrator alone; others see that nobody else becomes the owner.
#[test]
fn the_owner_stays() {
    let (_folder, file) = folder();
    // Not `nobody`, whom some containers know by no number.
    let given = std::os::unix::fs::chown(&file, Some(1), Some(1)).is_ok();
    let owner = |file: &Path| fs::metadata(file).map(|known| (known.uid(), known.gid())).unwrap();
    let before = owner(&file);
    assert!(!given || before == (1, 1));
    replace(&file, OLD, LONGER).unwrap();
    assert_eq!((owner(&file), text(&file).as_str()), (before, LONGER));
}

#[test]
fn a_disk_that_fails_in_place_leaves_the_file_as_it_was_or_says_that_it_did_not() {
    for after in [LONGER, SHORT] {
        for fails_at in 1..8 {
            for is_mended in [true, false] {
                fails(after, fails_at, is_mended);
            }
        }
    }
}

/// Lets the change of a number fail, and if `is_mended` none behind it.
fn fails(after: &str, fails_at: usize, is_mended: bool) {
    let (folder, file) = folder();
    fs::hard_link(&file, folder.path().join("other.toml")).unwrap();
    let seen = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&seen);
    let hear = move |told: &Told| {
        let mut count = count.lock().unwrap();
        *count += usize::from(!matches!(told, Told::Open { .. }));
        let fails = *count == fails_at || (*count > fails_at && !is_mended);
        if fails { Answer::Fail(Errno::NOSPC) } else { Answer::Do }
    };
    let told = watch(file.parent().unwrap(), hear);
    let done = replace(&file, OLD, after);
    drop(told);
    let failed = *seen.lock().unwrap() >= fails_at;
    match done {
        Ok(()) => assert!(!failed && text(&file) == after, "{after} {fails_at}"),
        Err(NotReplaced::Kept(_)) => assert!(failed && text(&file) == OLD, "{after} {fails_at} {is_mended}"),
        Err(NotReplaced::Torn(_)) => assert!(failed && !is_mended, "{after} {fails_at}"),
    }
}
