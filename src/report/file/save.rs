//! Writes a report to its place: whole, or not at all.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::disk::{self, File, Way};

/// Writes a report; folders are made, a report that was there is replaced and keeps its rights, a link stays one. What is
/// no file, such as a pipe, is written into.
///
/// # Errors
/// Those of the disk.
pub fn save(path: &Path, text: &str) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder")),
        Ok(about) if about.is_file() => replace(&fs::canonicalize(path)?, text, Some(about.permissions())),
        Ok(_) => File::open(path, Way::Edit)?.write_all(text.as_bytes()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
                disk::make_folder(folder)?;
            }
            replace(path, text, None)
        }
        Err(error) => Err(error),
    }
}

/// Writes a file beside it and gives it its name.
fn replace(path: &Path, text: &str, rights: Option<Permissions>) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}", crate::random::bits()));
    let beside = path.with_file_name(name);
    let replaced = write(&beside, text, rights).and_then(|()| disk::rename(&beside, path));
    if replaced.is_err() {
        // The error that is told is the one that came first.
        let _ = disk::remove_if_there(&beside);
    }
    replaced
}

fn write(beside: &Path, text: &str, rights: Option<Permissions>) -> io::Result<()> {
    let mut file = File::open(beside, Way::New)?;
    if let Some(rights) = rights {
        file.set_permissions(rights)?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::disk::watch::steps;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn folders_are_made_and_what_was_there_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/run.json");
        save(&path, "one").unwrap();
        save(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(names(path.parent().unwrap()), ["run.json"], "nothing is left beside it");
    }

    #[test]
    fn rights_and_links_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("run.xml"), folder.path().join("latest.xml"));
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        symlink("run.xml", &link).unwrap();
        save(&link, "after").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "after");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(names(folder.path()), ["latest.xml", "run.xml"]);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_can_not_be_written_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(save(folder.path(), "x").unwrap_err().kind(), ErrorKind::IsADirectory);
        assert!(save(&folder.path().join("file/run.json"), "x").is_err());
        assert_eq!(names(folder.path()), ["file"]);
        save(Path::new("/dev/null"), "x").unwrap();
    }

    #[test]
    fn a_disk_that_fails_leaves_the_report_before_and_nothing_beside_it() {
        for fails_at in [1, 2] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("run.json");
            fs::write(&path, "before").unwrap();
            let (_watch, log) = steps(folder.path(), fails_at);
            assert_eq!(save(&path, "after").unwrap_err().kind(), ErrorKind::StorageFull);
            assert_eq!(*log.lock().unwrap(), ["write", "sync"][..fails_at]);
            assert_eq!(fs::read_to_string(&path).unwrap(), "before");
            assert_eq!(names(folder.path()), ["run.json"]);
        }
    }
}
