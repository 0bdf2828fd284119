//! Where the events of a run go: the end of a file, a pipe, or standard output.
//!
//! Must never change a file that holds anything but events, and never write where the run's records go.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf, absolute};

use super::args::RunArgs;
use super::exit::Exit;
use super::print;
use crate::disk::{self, File, Way};
use crate::plan::Plan;
use crate::report::Reporter;
use crate::report::events::Events;
use crate::report::fault::Fault;
use crate::sink;

/// How every line begins.
const HEAD: &[u8] = b"{\"version\":";

/// Bytes of a file that are looked at together for its last line end.
const LOOK: usize = 64 * 1024;

/// Who writes the events of a run, and what may go wrong with that.
pub type Stream = (Box<dyn Reporter>, Fault);

/// The reporter that writes the events of a run; `None`: nobody asked for them.
///
/// # Errors
/// In words and with the exit code, when they can't go where they should.
pub fn reporter(args: &RunArgs, plan: &Plan) -> Result<Option<Stream>, (Exit, String)> {
    let Some(path) = &args.events else { return Ok(None) };
    if let Some(words) = in_the_way(path, plan) {
        return Err((Exit::Usage, words));
    }
    let (out, target) = if is_stdout(path) {
        (print::stdout(), "standard output".to_owned())
    } else {
        (open(path).map_err(|words| (Exit::Broken, words))?, path.display().to_string())
    };
    let fault = Fault::default();
    Ok(Some((Box::new(Events::new(out, target, args.events_detail, fault.clone())), fault)))
}

/// Whether events go to a terminal that also shows how the run goes.
pub fn are_on_terminal(args: &RunArgs) -> bool {
    let on_terminal = |path: &PathBuf| match is_stdout(path) || print::leads_to_stdout(path) {
        true => print::stdout_is_terminal(),
        // Asked where standard error is a terminal.
        false => print::leads_to_stderr(path) || path.as_os_str() == "/dev/tty",
    };
    args.events.as_ref().is_some_and(on_terminal)
}

/// Whether a path stands for standard output.
fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The way out where standard error goes elsewhere than standard output.
const OR_STDERR: &str = ", or with /dev/stderr to standard error";

/// What writes to the same place.
fn in_the_way(path: &Path, plan: &Plan) -> Option<String> {
    let same = |other: &Path| absolute(other).ok() == absolute(path).ok();
    let printing = plan.sinks.iter().find(|sink| sink.kind.kind() == "stdout");
    if let Some(sink) = printing.filter(|_| is_stdout(path) || print::leads_to_stdout(path)) {
        let or = if print::leads_to_stdout(Path::new("/dev/stderr")) { "" } else { OR_STDERR };
        return Some(format!(
            "--events {} would write between the records of sinks.{}, which go to standard output: write the events to a \
             file or a pipe, such as --events events.ndjson{or}",
            path.display(),
            sink.name
        ));
    }
    let sink = plan.sinks.iter().find(|sink| sink.kind.path().is_some_and(same))?;
    let (name, shown) = (&sink.name, path.display());
    Some(format!("--events {shown}: the records of sinks.{name} go there; write the events to another file"))
}

/// Opens a file to go on behind what stands there, or whatever else the path names.
fn open(path: &Path) -> Result<Box<dyn Write + Send>, String> {
    let failed = |error: io::Error| format!("--events {}: {error}", path.display());
    let is_file = match fs::metadata(path) {
        Ok(found) => found.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed(error)),
    };
    if !is_file {
        return Ok(Box::new(OpenOptions::new().append(true).open(path).map_err(failed)?));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        disk::make_folder(folder).map_err(failed)?;
    }
    let file = File::open(path, Way::KeepToExtend).map_err(failed)?;
    sink::claim(&file, path).map_err(|error| format!("--events: {}", error.message))?;
    if !is_of_events(&file).map_err(failed)? {
        return Err(format!(
            "--events {}: this file holds something else than events, and they would go behind it; name another file, or \
             move this one away",
            path.display()
        ));
    }
    cut_torn_line(&file).map_err(failed)?;
    Ok(Box::new(file))
}

/// Whether a file is empty or begins like a line of events, be it a torn one.
fn is_of_events(file: &File) -> io::Result<bool> {
    let mut head = [0; HEAD.len()];
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(HEAD.len());
    file.read_exact_at(&mut head[..length], 0)?;
    Ok(head[..length] == HEAD[..length])
}

/// Takes away the last line if it has no end: a session was killed, or the disk was full, within it.
fn cut_torn_line(file: &File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut end = length;
    let mut bytes = vec![0; LOOK];
    while end > 0 {
        let begin = end.saturating_sub(LOOK as u64);
        let part = &mut bytes[..usize::try_from(end - begin).unwrap_or(LOOK)];
        file.read_exact_at(part, begin)?;
        if let Some(last) = part.iter().rposition(|byte| *byte == b'\n') {
            end = begin + last as u64 + 1;
            break;
        }
        end = begin;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn opened(content: &[u8]) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/events.ndjson");
        if !content.is_empty() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
        }
        let mut out = open(&path)?;
        out.write_all(b"next\n").unwrap();
        drop(out);
        Ok(fs::read(&path).unwrap())
    }

    #[test]
    fn a_session_goes_on_behind_the_last_whole_line() {
        let whole = b"{\"version\":1}\n{\"version\":1}\n".as_slice();
        let behind = |kept: &[u8]| Ok([kept, b"next\n"].concat());
        assert_eq!(opened(b""), behind(b""));
        assert_eq!(opened(whole), behind(whole));
        assert_eq!(opened(&whole[..whole.len() - 1]), behind(&whole[..14]));
        assert_eq!(opened(&[whole, b"{\"ver"].concat()), behind(whole));
        assert_eq!(opened(&[whole, b"{\"version\":1,", &vec![b'x'; 3 * LOOK]].concat()), behind(whole));
        assert_eq!(opened(b"{\"vers"), behind(b""), "the very first line may be torn");
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/events.ndjson");
        drop(open(&path).unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let below = path.parent().unwrap();
        assert_eq!((mode(&path), mode(below), mode(below.parent().unwrap())), (0o600, 0o700, 0o700));
    }

    #[test]
    fn what_holds_no_events_is_left_as_it_is() {
        for content in ["id,name\n1,a\n", "{\"id\": 1}\n", "\n"] {
            let words = opened(content.as_bytes()).unwrap_err();
            assert!(words.contains("something else than events"), "{words}");
        }
        let words = open(Path::new("/proc/version/x")).err().unwrap();
        assert!(words.starts_with("--events /proc/version/x: "), "{words}");
    }
}
