//! Writes a job file anew: whole or not at all, with the rights it had, where its name leads.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::disk::{self, File, Way};

/// Replaces what a file holds. A link stays a link; what it leads to is replaced.
///
/// # Errors
/// Those of the disk; the file is as it was then.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}", crate::random::bits()));
    let beside = path.with_file_name(name);
    let replaced = write(&beside, text, &path).and_then(|()| disk::rename(&beside, &path));
    if replaced.is_err() {
        // The error that is told is the one that came first.
        let _ = disk::remove_if_there(&beside);
    }
    replaced?;
    disk::sync_name(&path)
}

fn write(beside: &Path, text: &str, path: &Path) -> io::Result<()> {
    let mut file = File::open(beside, Way::New)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::metadata(path)?.permissions())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_a_link_leads_to_is_replaced_and_keeps_its_rights() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("job.toml"), folder.path().join("link.toml"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("job.toml", &link).unwrap();
        replace(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(replace(&folder.path().join("none.toml"), "new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
