//! The queue: lines on their way, and the thread that writes them.
//!
//! Whatever waits is written at once and in one piece, and nothing is held back: what was told is with the system
//! before the thread looks for more, so that a crash takes no more than what was told in its last moment. Must never
//! make anybody wait who tells something: lines beyond [`MOST_WAITING`] are left out and counted. A place that can't be
//! written is told once and tried again with the next lines; how many are missing stands in the log itself.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use tracing::Level;

use super::line::{Line, Style};
use crate::report::fault::Fault;
use crate::report::text::counted;

/// Bytes of lines that wait for a place that is slow or takes nothing.
pub const MOST_WAITING: usize = 64 * 1024 * 1024;

/// Bytes that are written at once.
const BLOCK: usize = 64 * 1024;

enum Note {
    Line(String),
    Flush(Sender<()>),
}

/// Where the thread stands.
#[derive(Debug, Default)]
struct State {
    /// Bytes that wait.
    waiting: AtomicUsize,
    /// Lines that were left out since the log last said so.
    left_out: AtomicU64,
    /// Why lines could not be written.
    fault: Fault,
}

/// See the module.
#[derive(Debug)]
pub struct Queue {
    notes: Sender<Note>,
    state: Arc<State>,
}

impl Queue {
    /// Starts the thread. `place` is what the log is called where it can't be written.
    ///
    /// # Errors
    /// When there is no thread left to be had.
    pub fn start(out: Box<dyn Write + Send>, place: &str, style: Style) -> io::Result<Self> {
        let (notes, inbox) = mpsc::channel();
        let state = Arc::new(State::default());
        let mut scribe = Scribe { out, place: place.to_owned(), style, state: state.clone(), missing: 0, torn: false };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || scribe.work(&inbox))?;
        Ok(Self { notes, state })
    }

    /// Puts a line, with its end, behind the others.
    pub fn push(&self, line: String) {
        if self.state.waiting.load(Ordering::Relaxed) + line.len() > MOST_WAITING {
            self.state.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.state.waiting.fetch_add(line.len(), Ordering::Relaxed);
        let _ = self.notes.send(Note::Line(line));
    }

    /// Waits until everything before is written, but not longer than `patience`.
    pub fn flush(&self, patience: Duration) {
        let (done, written) = mpsc::channel();
        if self.notes.send(Note::Flush(done)).is_ok() {
            let _ = written.recv_timeout(patience);
        }
    }

    /// Why lines could not be written, once that was so.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.state.fault
    }
}

/// The thread's own.
struct Scribe {
    out: Box<dyn Write + Send>,
    place: String,
    style: Style,
    state: Arc<State>,
    /// Lines that could not be written since the log last said so.
    missing: u64,
    /// Whether the last line that was written lacks its end.
    torn: bool,
}

impl Scribe {
    fn work(&mut self, inbox: &Receiver<Note>) {
        let mut next = inbox.recv().ok();
        while let Some(note) = next.take() {
            let (mut block, mut lines, mut flushed) = (String::new(), 0, None);
            let mut taken = Some(note);
            while let Some(note) = taken {
                match note {
                    Note::Line(line) => {
                        block += &line;
                        lines += 1;
                    }
                    Note::Flush(done) => flushed = Some(done),
                }
                taken = if block.len() < BLOCK && flushed.is_none() { inbox.try_recv().ok() } else { None };
            }
            self.write(&block, lines);
            self.state.waiting.fetch_sub(block.len(), Ordering::Relaxed);
            let _ = flushed.map(|done| done.send(()));
            next = inbox.recv().ok();
        }
    }

    /// Writes lines, and before them how many are missing there.
    fn write(&mut self, block: &str, lines: u64) {
        let left_out = self.state.left_out.swap(0, Ordering::Relaxed);
        self.missing += left_out;
        let mut text = if self.torn { "\n".to_owned() } else { String::new() };
        if self.missing > 0 {
            let message = format!("{} could not be written and are missing here", counted(self.missing, "line"));
            text += &Line::own(Level::WARN, message).render(self.style, None);
        }
        text += block;
        match self.write_all(text.as_bytes()) {
            Ok(()) => (self.missing, self.torn) = (0, false),
            Err(error) => {
                self.missing += lines;
                let place = &self.place;
                let told =
                    || format!("{place} can't be written: {error}; lines are missing from it, and the run goes on");
                self.state.fault.note(told);
            }
        }
    }

    /// As that of [`Write`], which does not tell whether a part was written.
    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.out.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.torn = bytes[written - 1] != b'\n';
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::line::LogFormat;
    use super::*;

    const STYLE: Style = Style { format: LogFormat::Text, dated: false };
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A place that takes as many bytes as it is given leave for, and nothing while it is locked.
    #[derive(Clone, Default)]
    struct Place {
        held: Arc<Mutex<Vec<u8>>>,
        room: Arc<AtomicUsize>,
    }

    impl Write for Place {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut held = self.held.lock().unwrap();
            let room = self.room.load(Ordering::Relaxed).min(bytes.len());
            if room == 0 {
                return Err(io::Error::from_raw_os_error(28));
            }
            self.room.fetch_sub(room, Ordering::Relaxed);
            held.extend_from_slice(&bytes[..room]);
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Place {
        fn queue(&self, room: usize) -> Queue {
            self.room.store(room, Ordering::Relaxed);
            Queue::start(Box::new(self.clone()), "the log", STYLE).unwrap()
        }

        fn text(&self) -> String {
            String::from_utf8(self.held.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn lines_are_written_in_their_order_and_all_of_them() {
        let place = Place::default();
        let queue = place.queue(usize::MAX);
        let lines: Vec<String> = (0..20_000).map(|number| format!("line {number}\n")).collect();
        lines.iter().for_each(|line| queue.push(line.clone()));
        queue.flush(PATIENCE);
        assert_eq!((place.text(), queue.fault().words()), (lines.concat(), None));
    }

    #[test]
    fn a_full_disk_is_told_and_the_log_says_what_it_lacks() {
        let place = Place::default();
        let queue = place.queue(8);
        for line in ["one\n", "two and more\n", "three\n"] {
            queue.push(line.to_owned());
            queue.flush(PATIENCE);
        }
        let fault = queue.fault().words().unwrap().to_owned();
        assert!(fault.starts_with("the log can't be written: No space left on device"), "{fault}");
        assert!(fault.ends_with("lines are missing from it, and the run goes on"), "{fault}");
        place.room.store(usize::MAX, Ordering::Relaxed);
        queue.push("four\n".to_owned());
        queue.flush(PATIENCE);
        let text = place.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[1], lines[3], lines.len()), ("one", "two ", "four", 4), "{text}");
        assert!(lines[2].ends_with(" 2 lines could not be written and are missing here"), "{text}");
    }

    #[test]
    fn a_place_that_takes_nothing_holds_nobody_up() {
        let place = Place::default();
        let stuck = place.held.lock().unwrap();
        let queue = place.queue(usize::MAX);
        let line = "x".repeat(MOST_WAITING / 4 - 1) + "\n";
        (0..9).for_each(|_| queue.push(line.clone()));
        queue.flush(Duration::ZERO);
        drop(stuck);
        queue.flush(PATIENCE);
        queue.push("last\n".to_owned());
        queue.flush(PATIENCE);
        let text = place.text();
        let (short, long): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.len() < 100);
        assert_eq!((long.len(), short.last()), (4, Some(&"last")));
        // `15:04:05.123 5 lines could not be written and are missing here`, in one line or in two.
        let missing = short[..short.len() - 1].iter().filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
        assert_eq!(missing.sum::<u64>(), 5, "{short:?}");
    }
}
