//! Intents: requests that must not be repeated, noted durably before they are sent.
//!
//! After a kill nobody knows what the server did with a request that was on the wire. The journal says which rows
//! have ended; intents say which of the others may have been sent. On the way on, such a row ends as unknown, and
//! its request is not sent again unasked.
//!
//! A note is made before the request leaves, and is over in one of two ways:
//! - it is **cleared**: the request was surely never sent, or the server turned it away and the row comes again;
//! - its row is **settled**: a commit that holds it as ended is durable.
//!
//! An answer alone does not clear a note. A row whose answer was there but not yet in a commit when the run was
//! killed has left nothing durable of it: it would be sent again. So it is unknown as well, and its request, which
//! the server did answer, stays a single one. That is by design.
//!
//! A thread of its own writes. Whoever notes while it syncs shares the next write and sync with all others who do,
//! so that the price of a note is one sync, however many there are. What is cleared waits for the next group, for
//! `FLUSH` at most: lost with a kill, it makes a row unknown that need not be, and never the other way round.
//!
//! Must never say that a note is durable before it is, and never write again after a write or sync that failed.

mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

pub use file::{IntentFile, exists};

use super::RowSet;
use file::Key;

/// How long cleared notes wait for others before they are written.
const FLUSH: Duration = Duration::from_secs(1);

/// What a caller that notes is told.
type Told = Result<(), String>;

#[derive(Debug, Default)]
struct Inside {
    /// What is noted and neither cleared nor settled, and the number of the group that it was noted in.
    open: BTreeMap<Key, u64>,
    /// What became of rows since the last group was taken; `true`: noted.
    gathered: BTreeMap<Key, bool>,
    /// Callers that wait for what is gathered.
    waiting: Vec<oneshot::Sender<Told>>,
    /// Number of the group that is gathered.
    group: u64,
    /// Groups below this number are durable.
    durable: u64,
    closed: bool,
    /// Why nothing more is written.
    broken: Option<String>,
}

impl Inside {
    /// Has a note in the group that is gathered, if there is none yet; says whether one is durable.
    fn gather(&mut self, key: Key) -> bool {
        match self.open.get(&key) {
            Some(group) => *group < self.durable,
            None => {
                self.open.insert(key, self.group);
                self.gathered.insert(key, true);
                false
            }
        }
    }
}

#[derive(Debug, Default)]
struct Desk {
    inside: Mutex<Inside>,
    changed: Condvar,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Whoever panicked, what stands here is whole: it is changed in single steps.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module. Rows are named by the position of their endpoint in the plan and their ordinal.
#[derive(Debug)]
pub struct Intents {
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Intents {
    /// Starts the thread that writes. `broken` is called once, with words for people, when it can't go on.
    ///
    /// # Errors
    /// When the thread can't be made.
    pub fn start(file: IntentFile, broken: impl FnOnce(String) + Send + 'static) -> std::io::Result<Self> {
        let open = file.open.iter().map(|key| (*key, 0)).collect();
        let desk = Arc::new(Desk {
            inside: Mutex::new(Inside { open, group: 1, durable: 1, ..Inside::default() }),
            changed: Condvar::new(),
        });
        let mut keeper = Keeper { desk: desk.clone(), file, broken: Some(Box::new(broken)) };
        let thread = std::thread::Builder::new().name("intents".into()).spawn(move || keeper.keep())?;
        Ok(Self { desk, thread: Mutex::new(Some(thread)) })
    }

    /// Notes that the request of these rows is about to be sent; returns when the notes are durable. At once where
    /// they are already. Whoever gives up the wait has not sent anything and says so with [`Intents::clear`].
    ///
    /// # Errors
    /// When it can't be noted, in words: the request must not be sent. The run has been told to end.
    pub async fn note(&self, endpoint: usize, rows: impl IntoIterator<Item = u64>) -> Result<(), String> {
        let told = {
            let mut inside = self.desk.lock();
            let inside = &mut *inside;
            if let Some(words) = &inside.broken {
                return Err(words.clone());
            }
            if inside.closed {
                return Err("the run has ended".to_owned());
            }
            if rows.into_iter().map(|row| inside.gather((endpoint, row))).filter(|durable| !durable).count() == 0 {
                return Ok(());
            }
            let (teller, told) = oneshot::channel();
            inside.waiting.push(teller);
            told
        };
        self.desk.changed.notify_one();
        told.await.unwrap_or_else(|_| Err("the thread that notes requests is gone".to_owned()))
    }

    /// Says that a noted request surely did nothing: it was never sent, or the server turned it away and the row
    /// comes again. Not for a row that has ended: its commit settles it. A row that is not noted is no matter.
    pub fn clear(&self, endpoint: usize, row: u64) {
        let mut inside = self.desk.lock();
        if inside.open.remove(&(endpoint, row)).is_none() {
            return;
        }
        let first = inside.gathered.is_empty();
        inside.gathered.insert((endpoint, row), false);
        drop(inside);
        if first {
            self.desk.changed.notify_one();
        }
    }

    /// Says that a commit is durable: rows of `done`, by endpoint, have ended. Nothing is written for it, since
    /// the journal says it already; the next time that the file is written anew it is without them.
    pub fn settle(&self, done: &[RowSet]) {
        let ended = |endpoint: usize, row: u64| done.get(endpoint).is_some_and(|done| done.contains(row));
        self.desk.lock().open.retain(|(endpoint, row), _| !ended(*endpoint, *row));
    }

    /// Rows that are noted and neither cleared nor settled.
    #[must_use]
    pub fn open(&self) -> usize {
        self.desk.lock().open.len()
    }

    /// Ends the thread, after what was cleared is written. Blocks until then.
    pub fn close(&self) {
        self.desk.lock().closed = true;
        self.desk.changed.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of it has been told to the run.
            let _ = thread.join();
        }
    }
}

impl Drop for Intents {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the thread owns.
struct Keeper {
    desk: Arc<Desk>,
    file: IntentFile,
    broken: Option<Box<dyn FnOnce(String) + Send>>,
}

/// A group that is being written.
struct Taken {
    rows: BTreeMap<Key, bool>,
    /// All that is open after it, where the file is to be written anew.
    open: Option<Vec<Key>>,
    waiting: Vec<oneshot::Sender<Told>>,
    number: u64,
}

impl Keeper {
    fn keep(&mut self) {
        while let Some(taken) = self.take() {
            let written = self.file.write(&taken.rows, taken.open.as_deref());
            if let Err(error) = written {
                let words = self.file.words(&error);
                self.give_up(&words);
                tell(taken.waiting, &Err(words));
                return;
            }
            self.desk.lock().durable = taken.number + 1;
            tell(taken.waiting, &Ok(()));
        }
    }

    /// Waits for the next group. `None`: there will be none.
    fn take(&self) -> Option<Taken> {
        let mut inside = self.desk.lock();
        let mut flush = false;
        while inside.waiting.is_empty() && !inside.closed && !flush {
            if inside.gathered.is_empty() {
                inside = self.desk.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
            } else {
                let waited = self.desk.changed.wait_timeout(inside, FLUSH).unwrap_or_else(PoisonError::into_inner);
                flush = waited.1.timed_out();
                inside = waited.0;
            }
        }
        if inside.waiting.is_empty() && inside.gathered.is_empty() {
            return None;
        }
        inside.group += 1;
        Some(Taken {
            rows: std::mem::take(&mut inside.gathered),
            open: self.file.has_grown(inside.open.len()).then(|| inside.open.keys().copied().collect()),
            waiting: std::mem::take(&mut inside.waiting),
            number: inside.group - 1,
        })
    }

    /// Refuses every note from now on, and ends the run.
    fn give_up(&mut self, words: &str) {
        let waiting = {
            let mut inside = self.desk.lock();
            inside.broken.get_or_insert_with(|| words.to_owned());
            std::mem::take(&mut inside.waiting)
        };
        if let Some(broken) = self.broken.take() {
            broken(words.to_owned());
        }
        tell(waiting, &Err(words.to_owned()));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.give_up("the thread that notes requests panicked; this is a bug of paceline");
        }
    }
}

fn tell(waiting: Vec<oneshot::Sender<Told>>, told: &Told) {
    for teller in waiting {
        // Who no longer listens has given up, and sends nothing.
        let _ = teller.send(told.clone());
    }
}
