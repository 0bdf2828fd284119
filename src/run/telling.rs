//! Telling: reporters on a thread of their own, so that a terminal that does not read holds nothing up.
//!
//! Must never make the conductor wait: notes are queued, ticks are left out while the reporters are behind,
//! and a reporter that never comes back is left behind at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::event::Event;
use crate::report::{Reporter, View};

use super::lane::Shared;

/// Notes on their way beyond which events about single rows are left out.
const MOST_BEHIND: usize = 1_000;
/// The same where every attempt is to be told: whoever asks for that reads a file, most likely.
const MOST_BEHIND_OF_ALL: usize = 200_000;
/// How long the end of a run waits for reporters to say the last things.
const PATIENCE: Duration = Duration::from_secs(2);

enum Note {
    Event(Event),
    Tick,
}

/// See the module.
pub struct Telling {
    notes: Option<mpsc::Sender<Note>>,
    behind: Arc<AtomicUsize>,
    most_behind: usize,
    /// Events that were left out.
    left_out: AtomicUsize,
    ended: Option<oneshot::Receiver<()>>,
}

impl Telling {
    /// Starts the thread; without reporters, or when it can't be made, nothing is told.
    #[must_use]
    pub fn start(mut reporters: Vec<Box<dyn Reporter>>, shared: Arc<Shared>) -> Self {
        let behind = Arc::new(AtomicUsize::new(0));
        let all = reporters.iter().any(|reporter| reporter.wants_attempts());
        let most_behind = if all { MOST_BEHIND_OF_ALL } else { MOST_BEHIND };
        let deaf =
            Self { notes: None, behind: behind.clone(), most_behind, left_out: AtomicUsize::new(0), ended: None };
        if reporters.is_empty() {
            return deaf;
        }
        shared.control.tell_attempts(all);
        let view: Arc<dyn View> = shared.clone();
        reporters.iter_mut().for_each(|reporter| reporter.opened(&view));
        let (notes, inbox) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        let left = behind.clone();
        let work = move || {
            tell_all(reporters, &inbox, &left, &shared);
            let _ = end.send(());
        };
        let started = std::thread::Builder::new().name("reporters".to_owned()).spawn(work).is_ok();
        Self { notes: started.then_some(notes), ended: started.then_some(ended), ..deaf }
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.notes.is_some()
    }

    /// Tells an event. Those about a single row are left out while the reporters are far behind; beginnings
    /// and ends never are, so that they balance.
    pub fn tell(&self, event: &Event) {
        let about_a_row = matches!(
            event,
            Event::Attempted { .. }
                | Event::Retrying { .. }
                | Event::Postponed { .. }
                | Event::RowFailed { .. }
                | Event::RowSkipped { .. }
                | Event::Held { .. }
        );
        if !about_a_row || self.behind.load(Ordering::Relaxed) < self.most_behind {
            self.send(Note::Event(event.clone()));
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Time went by; left out while the reporters still have something to tell.
    pub fn tick(&self) {
        if self.behind.load(Ordering::Relaxed) == 0 {
            self.send(Note::Tick);
        }
    }

    fn send(&self, note: Note) {
        if let Some(notes) = &self.notes {
            self.behind.fetch_add(1, Ordering::Relaxed);
            // A reporter that panicked has closed its end; the run goes on without it.
            let _ = notes.send(note);
        }
    }

    /// Waits for the last things to be said, but not for ever.
    pub async fn end(&mut self) {
        let left_out = self.left_out.load(Ordering::Relaxed);
        if left_out > 0 {
            let message =
                format!("{left_out} events about single rows were left out, for they were not taken fast enough");
            self.send(Note::Event(Event::Warning { message }));
        }
        self.notes = None;
        if let Some(ended) = self.ended.take() {
            let _ = tokio::time::timeout(PATIENCE, ended).await;
        }
    }
}

fn tell_all(
    mut reporters: Vec<Box<dyn Reporter>>,
    inbox: &mpsc::Receiver<Note>,
    behind: &AtomicUsize,
    shared: &Shared,
) {
    for note in inbox {
        for reporter in &mut reporters {
            match &note {
                Note::Event(event) => reporter.tell(event),
                Note::Tick => reporter.tick(&shared.live),
            }
        }
        behind.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::tests::shared;
    use super::*;
    use crate::run::live::Live;

    /// Remembers what it was told, and waits for leave before it goes on.
    struct Slow {
        told: Arc<Mutex<Vec<Event>>>,
        leave: Arc<Mutex<()>>,
    }

    impl Reporter for Slow {
        fn tell(&mut self, event: &Event) {
            drop(self.leave.lock().unwrap());
            self.told.lock().unwrap().push(event.clone());
        }

        fn tick(&mut self, _live: &Live) {}
    }

    #[tokio::test]
    async fn a_reporter_that_is_stuck_holds_nobody_up_and_misses_no_end() {
        let (told, leave) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(())));
        let stuck = leave.lock().unwrap();
        let reporter: Box<dyn Reporter> = Box::new(Slow { told: told.clone(), leave: leave.clone() });
        let mut telling = Telling::start(vec![reporter], shared());
        let row = Event::RowFailed { endpoint: "a".to_owned(), row: 1, reason: "no".to_owned() };
        (0..3 * MOST_BEHIND).for_each(|_| telling.tell(&row));
        telling.tick();
        let last = Event::RunFinished { complete: true };
        telling.tell(&last);
        drop(stuck);
        telling.end().await;
        let told = told.lock().unwrap();
        assert_eq!((told.len(), &told[MOST_BEHIND]), (MOST_BEHIND + 2, &last));
        let Some(Event::Warning { message }) = told.last() else { panic!("{:?}", told.last()) };
        assert!(message.starts_with("2000 events about single rows were left out"), "{message}");
    }
}
