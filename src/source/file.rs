//! What file-shaped sources share: opening with words, the first bytes, what identifies a file.
//!
//! Must never read the whole of a large file, and never open what is not a regular file: reading a pipe at
//! compile time would consume it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::SourceError;
use super::problem::Problem;
use super::unpack::{Packing, Unpacked};
use crate::diagnostic::did_you_mean;

/// Files up to this size are told by a checksum of all their bytes: some hundredths of a second.
const WHOLE: u64 = 64 * 1024 * 1024;
/// Bytes at each end of a larger file that stand in its identity; what stands between them is told by the time of the
/// last change, since reading it all would delay the start.
const SAMPLE: u64 = 64 * 1024;

/// Opens a regular file for reading.
pub(super) fn open(path: &Path) -> Result<File, SourceError> {
    regular(path).map_err(|reason| SourceError::new(format!("{} can't be read: {reason}", path.display())))
}

/// The bytes of a text, unpacked.
pub(super) type Text = Unpacked<File>;

/// Opens a regular file for reading what is in it, unpacked.
pub(super) fn text(path: &Path) -> Result<Text, SourceError> {
    open(path).map(Unpacked::new)
}

/// As [`survey`], for what is in the file, unpacked; and how it is packed.
pub(super) fn survey_text(path: &Path) -> Result<(Text, Option<Packing>), Problem> {
    let mut text = Unpacked::new(survey(path)?);
    let packing = text.packing().map_err(|error| unreadable(path, &error))?;
    Ok((text, packing))
}

/// A file that is there and can't be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let help = "see whether the file is what it should be";
    Problem::input(format!("{} can't be read: {}", path.display(), reason(error)), help)
}

/// Opens a regular file at compile time, where a missing one is answered with its neighbours.
pub(super) fn survey(path: &Path) -> Result<File, Problem> {
    regular(path).map_err(|reason| {
        let help = if path.exists() { advice(path) } else { missing(path, near) };
        Problem::input(format!("{} can't be read: {reason}", path.display()), help)
    })
}

/// What is wrong with a file that is to be sent, and the way out; `None`: nothing.
pub(crate) fn objection(path: &Path) -> Option<(String, String)> {
    let reason = regular(path).err()?;
    let help = if path.is_dir() {
        "name a file in it, or let each row name one: `path = \"docs/{{ row.file }}\"`".to_owned()
    } else if path.is_file() {
        advice(path)
    } else if path.exists() {
        "only a regular file can be sent: its length must be known before".to_owned()
    } else {
        missing(path, near)
    };
    Some((format!("{} can't be sent: {reason}", path.display()), help))
}

/// What is wrong with a folder in which rows name files, and the way out; `None`: nothing.
pub(crate) fn no_folder(path: &Path) -> Option<(String, String)> {
    if path.is_dir() {
        return None;
    }
    // Without its last slash.
    let shown = path.components().as_path().display();
    Some(match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (format!("there is no folder {shown}"), missing(path, near))
        }
        Ok(_) | Err(_) => (format!("{shown} is no folder"), "name the folder that the files are in".to_owned()),
    })
}

fn regular(path: &Path) -> Result<File, String> {
    let metadata = std::fs::metadata(path).map_err(|error| reason(&error))?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    File::open(path).map_err(|error| reason(&error))
}

/// An I/O error in words.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotADirectory => "a part of its path is a file, not a folder".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

fn advice(path: &Path) -> String {
    if path.is_dir() {
        "name a file in it; one endpoint reads one file".to_owned()
    } else if path.is_file() {
        "give the user who runs the job the right to read it".to_owned()
    } else {
        "a pipe is read with `input.stdin`, such as `input.stdin = \"csv\"`".to_owned()
    }
}

/// Help for a file that is not there; `pick` chooses a near name out of the folder's.
fn missing(path: &Path, pick: impl Fn(&str, &[String]) -> Option<String>) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_file() {
        return format!("{} is a file itself", folder.display());
    }
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("there is no folder {}; paths are relative to the job file", folder.display());
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let wanted = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    match pick(wanted, &names) {
        Some(name) => format!("did you mean `{name}`, in the same folder?"),
        None => format!("paths are relative to the job file: it is looked for in {}", folder.display()),
    }
}

fn near(wanted: &str, names: &[String]) -> Option<String> {
    did_you_mean(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

/// What tells a file from what it was: size and a checksum, such as `1234 bytes, content 89ab...`. Of a large one
/// checksums of both ends and the time of its last change: a copy of it has another time, and is refused rather than
/// believed.
pub(crate) fn identity(path: &Path) -> Result<String, SourceError> {
    told_by(path, WHOLE)
}

/// As [`identity`], where files up to `whole` bytes are read.
fn told_by(path: &Path, whole: u64) -> Result<String, SourceError> {
    let failed = |error: io::Error| SourceError::new(format!("{} can't be read: {}", path.display(), reason(&error)));
    let file = open(path)?;
    let about = file.metadata().map_err(failed)?;
    let size = about.len();
    if size <= whole {
        let content = checksum(&file, 0, size).map_err(failed)?;
        return Ok(format!("{size} bytes, content {content:08x}"));
    }
    let sample = size.min(SAMPLE);
    let head = checksum(&file, 0, sample).map_err(failed)?;
    let tail = checksum(&file, size - sample, sample).map_err(failed)?;
    let changed = about.modified().and_then(|time| jiff::Timestamp::try_from(time).map_err(io::Error::other));
    Ok(format!("{size} bytes, head {head:08x}, tail {tail:08x}, changed {}", changed.map_err(failed)?))
}

fn checksum(file: &File, from: u64, length: u64) -> io::Result<u32> {
    let (mut at, end, mut hasher) = (from, from + length, crc32fast::Hasher::new());
    let mut bytes = vec![0; usize::try_from(length.min(SAMPLE)).map_err(io::Error::other)?];
    while at < end {
        let part = usize::try_from(end - at).unwrap_or(usize::MAX).min(bytes.len());
        file.read_exact_at(&mut bytes[..part], at)?;
        hasher.update(&bytes[..part]);
        at += part as u64;
    }
    Ok(hasher.finalize())
}

/// What the first bytes of a text say of its encoding.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// UTF-8, as far as can be seen; these first bytes are not a mark and belong to the text.
    Plain(Vec<u8>),
    /// UTF-8 behind a byte order mark of three bytes, which is consumed.
    Marked,
    /// UTF-16, by the name that `encoding` takes: with a mark, or with every other byte empty.
    Utf16(&'static str),
}

/// Takes the first three bytes off a text.
pub(super) fn opening(text: &mut impl Read) -> io::Result<Opening> {
    let mut first = Vec::with_capacity(3);
    text.take(3).read_to_end(&mut first)?;
    Ok(match first.as_slice() {
        [0xEF, 0xBB, 0xBF] => Opening::Marked,
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Opening::Utf16("utf-16"),
        [letter, 0, next] if letter.is_ascii_graphic() && *next != 0 => Opening::Utf16("utf-16le"),
        [0, letter, 0] if letter.is_ascii_graphic() => Opening::Utf16("utf-16be"),
        _ => Opening::Plain(first),
    })
}

/// What is said of a UTF-16 text.
pub(super) const UTF16: &str = "it is UTF-16, and only UTF-8 is read unless `encoding` says otherwise";
/// What is said of a UTF-16 text that should be JSON, which is UTF-8 by its standard.
pub(super) const UTF16_JSON: &str = "it is UTF-16, and only UTF-8 is read";
/// How a UTF-16 text is mended where no encoding can be named.
pub(super) const UTF16_HELP: &str = "convert it, such as with `iconv -f UTF-16 -t UTF-8`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_read_has_words() {
        let folder = tempfile::tempdir().unwrap();
        let gone = open(&folder.path().join("gone.csv")).unwrap_err().message;
        assert!(gone.ends_with("gone.csv can't be read: no such file"), "{gone}");
        let directory = open(folder.path()).unwrap_err().message;
        assert!(directory.ends_with("it is a directory"), "{directory}");
        let special = open(Path::new("/dev/null")).unwrap_err().message;
        assert_eq!(special, "/dev/null can't be read: it is not a regular file");
        std::fs::write(folder.path().join("file"), "").unwrap();
        let through = open(&folder.path().join("file/x.csv")).unwrap_err().message;
        assert!(through.ends_with("a part of its path is a file, not a folder"), "{through}");
        assert!(advice(folder.path()).contains("name a file in it"));
        assert!(advice(Path::new("/dev/null")).contains("input.stdin"));
    }

    #[test]
    fn a_missing_file_is_answered_with_its_neighbours() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("products.csv"), "a\n").unwrap();
        let pick = |wanted: &str, names: &[String]| {
            assert_eq!((wanted, names), ("product.csv", ["products.csv".to_owned()].as_slice()));
            names.first().cloned()
        };
        let help = missing(&folder.path().join("product.csv"), pick);
        assert!(help == "did you mean `products.csv`, in the same folder?", "{help}");
        let help = missing(&folder.path().join("product.csv"), |_, _| None);
        assert!(help.starts_with("paths are relative to the job file"), "{help}");
        let help = missing(&folder.path().join("no/product.csv"), |_, _| None);
        assert!(help.starts_with("there is no folder"), "{help}");
    }

    #[test]
    fn identity_sees_size_and_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut seen = std::collections::HashSet::new();
        let long = vec![b'x'; 200_000];
        let mut head = long.clone();
        head[10] = b'y';
        let mut tail = long.clone();
        tail[199_990] = b'y';
        let mut middle = long.clone();
        middle[100_000] = b'y';
        for content in [b"".to_vec(), b"a".to_vec(), long, head, middle, tail, vec![b'x'; 200_001]] {
            std::fs::write(&path, content).unwrap();
            let told = identity(&path).unwrap();
            assert!(seen.insert(told.clone()));
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(identity(&path).unwrap(), told, "of a small file times say nothing");
        }
        assert!(identity(&folder.path().join("gone")).is_err());
    }

    #[test]
    fn the_middle_of_a_large_file_is_told_by_its_time_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let at = |byte: usize, seconds: u64| {
            let mut content = vec![b'x'; 200_000];
            content[byte] = b'y';
            std::fs::write(&path, content).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
            told_by(&path, 199_999).unwrap()
        };
        let first = at(100_000, 1_792_567_680);
        assert!(first.ends_with(", changed 2026-10-21T07:28:00Z"), "{first}");
        assert_ne!(at(100_001, 1_792_567_681), first);
        assert_eq!(at(100_001, 1_792_567_680), first, "the same time: nobody looks");
        assert_ne!(at(10, 1_792_567_680), first);
        // Ten gigabytes of nothing, of which two samples are read.
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(10_000_000_000).unwrap();
        assert!(identity(&path).unwrap().starts_with("10000000000 bytes, head "));
    }

    #[test]
    fn the_first_bytes_tell_the_encoding() {
        assert_eq!(opening(&mut "\u{feff}a".as_bytes()).unwrap(), Opening::Marked);
        for (text, name) in
            [(b"\xff\xfea\0", "utf-16"), (b"\xfe\xff\0a", "utf-16"), (b"a\0b\0", "utf-16le"), (b"\0a\0b", "utf-16be")]
        {
            assert_eq!(opening(&mut &text[..]).unwrap(), Opening::Utf16(name));
        }
        assert_eq!(opening(&mut &b"a\0\0"[..]).unwrap(), Opening::Plain(b"a\0\0".to_vec()));
        assert_eq!(opening(&mut &b"abcd"[..]).unwrap(), Opening::Plain(b"abc".to_vec()));
        assert_eq!(opening(&mut &b""[..]).unwrap(), Opening::Plain(Vec::new()));
    }
}
