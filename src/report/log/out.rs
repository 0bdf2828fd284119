//! Where a log goes that goes into a file: opened for its end, so that the sessions of a job stand behind each other.
//!
//! Must never empty a file, nor show it to others than its owner where it makes it.

use std::io::{self, Write};
use std::path::Path;

use crate::disk::{self, File, Way};

/// Opens the file, and makes it and the folder that it is in where they are missing.
///
/// # Errors
/// Those of the disk.
pub fn open(path: &Path) -> io::Result<Box<dyn Write + Send>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        disk::make_folder(folder)?;
    }
    Ok(Box::new(File::open(path, Way::KeepToExtend)?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_there_stays_and_what_is_made_is_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/deep/run.log");
        for line in ["one\n", "two\n"] {
            open(&path).unwrap().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(open(folder.path()).err().map(|error| error.kind()), Some(io::ErrorKind::IsADirectory));
        assert!(open(&path.join("below")).is_err(), "a file is no folder");
    }
}
