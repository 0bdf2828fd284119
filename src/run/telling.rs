//! Telling: each reporter on a thread of its own, so that a terminal that does not read holds nothing up, and no other
//! reporter either.
//!
//! Must never make the conductor wait: notes are queued, ticks are left out while the reporter is behind,
//! and a reporter that never comes back is left behind at the end. What waits for one is bounded: events about rows are
//! left out first, then all but the few that every run has once for itself and for each endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::clock;
use crate::event::{Event, Hearers, Part, Stretch};
use crate::report::text::counted;
use crate::report::{Reporter, View};

use super::lane::Shared;

/// Notes on their way beyond which events about single rows are left out, until half of them were taken.
const MOST_BEHIND: usize = 1_000;
/// The same for a record of the run.
const MOST_BEHIND_OF_A_RECORD: usize = 200_000;
/// So many times as far behind, other events are left out as well.
const FAR: usize = 2;
/// How long the end of a run waits for a reporter that takes nothing more.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits for one that goes on taking.
const LONGEST: Duration = Duration::from_secs(30);

enum Note {
    Event(Arc<Event>, SystemTime),
    Tick(SystemTime),
}

/// See the module.
pub struct Telling {
    voices: Vec<Voice>,
}

/// What is known of a reporter.
struct Wishes {
    is_record: bool,
    attempts: bool,
    rows: bool,
    most_behind: usize,
}

/// What a reporter and who tells it share.
#[derive(Default)]
struct Queue {
    /// Events on their way.
    behind: AtomicUsize,
    /// Whether a tick is on its way.
    ticking: AtomicBool,
}

/// A reporter at work.
struct Voice {
    wishes: Wishes,
    notes: mpsc::Sender<Note>,
    queue: Arc<Queue>,
    ended: oneshot::Receiver<()>,
    /// Whether events about single rows are left out for now.
    full: bool,
    /// Whether others are, too.
    is_stuck: bool,
    /// Those that were and have not been told of, by name.
    left_out: BTreeMap<String, u64>,
    /// What began untold, and so ends untold.
    untold: BTreeSet<Stretch>,
}

impl Telling {
    /// Starts the threads; a reporter for which none can be made is told nothing.
    #[must_use]
    pub fn start(reporters: Vec<Box<dyn Reporter>>, shared: &Arc<Shared>) -> Self {
        let control = &shared.control;
        control.tell_attempts(reporters.iter().any(|reporter| reporter.wants_attempts()));
        control.tell_rows(reporters.iter().any(|reporter| reporter.wants_rows()));
        shared.chronicle.mind(reporters.iter().filter_map(|reporter| reporter.fault()).collect());
        Self { voices: reporters.into_iter().filter_map(|reporter| Voice::start(reporter, shared)).collect() }
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        !self.voices.is_empty()
    }

    /// Tells an event. Those about a single row are left out while a reporter is far behind, and others while it is stuck,
    /// and it is told how many; of what begins and ends both are, or neither, so that they balance.
    pub fn tell(&mut self, event: Event) {
        if !self.is_heard() {
            return;
        }
        let (event, at) = (Arc::new(event), clock::wall());
        self.voices.iter_mut().filter(|voice| voice.wishes.want(&event)).for_each(|voice| voice.tell(&event, at));
    }

    /// Time went by; left out while the last tick was not taken.
    pub fn tick(&self) {
        let at = clock::wall();
        self.voices.iter().for_each(|voice| voice.tick(at));
    }

    /// The last things are said. What to wait for, which gives what a record of the run misses, in words; and how to say
    /// that nobody waits any more.
    pub fn end(&mut self) -> (impl Future<Output = Vec<String>> + 'static, Leave) {
        let (leave, left) = watch::channel(false);
        let ends: JoinSet<Option<String>> = self.voices.drain(..).map(|voice| voice.end(left.clone())).collect();
        (async move { ends.join_all().await.into_iter().flatten().collect() }, Leave(leave))
    }
}

/// How who waits for reporters says that it does not any more.
pub struct Leave(watch::Sender<bool>);

impl Leave {
    /// Whatever is not said by now stays unsaid.
    pub fn give_up(&self) {
        self.0.send_replace(true);
    }
}

impl Wishes {
    fn of(reporter: &dyn Reporter) -> Self {
        let is_record = reporter.is_record();
        let most_behind = if is_record { MOST_BEHIND_OF_A_RECORD } else { MOST_BEHIND };
        Self { is_record, attempts: reporter.wants_attempts(), rows: reporter.wants_rows(), most_behind }
    }

    fn want(&self, event: &Event) -> bool {
        match event.about_a_row() {
            None | Some((_, Hearers::All)) => true,
            Some((_, Hearers::OfRows)) => self.rows,
            Some((_, Hearers::OfAttempts)) => self.attempts,
        }
    }
}

impl Voice {
    fn start(mut reporter: Box<dyn Reporter>, shared: &Arc<Shared>) -> Option<Self> {
        let view: Arc<dyn View> = shared.clone();
        reporter.opened(&view);
        let (wishes, queue) = (Wishes::of(&*reporter), Arc::new(Queue::default()));
        let ((notes, inbox), (end, ended)) = (mpsc::channel(), oneshot::channel());
        let (taken, shared) = (queue.clone(), shared.clone());
        let work = move || {
            tell_all(&mut *reporter, &inbox, &taken, &shared);
            // Whoever waits for the end waits for what the reporter says when it is dropped as well.
            drop(reporter);
            let _ = end.send(());
        };
        std::thread::Builder::new().name("reporter".to_owned()).spawn(work).ok()?;
        let (left_out, untold) = (BTreeMap::new(), BTreeSet::new());
        Some(Self { wishes, notes, queue, ended, full: false, is_stuck: false, left_out, untold })
    }

    fn tell(&mut self, event: &Arc<Event>, at: SystemTime) {
        let (behind, most) = (self.queue.behind.load(Ordering::Relaxed), self.wishes.most_behind);
        // Room for one event after the other would be told as one gap after the other.
        self.full = behind >= if self.full { most / 2 } else { most };
        self.is_stuck = behind >= if self.is_stuck { most } else { FAR * most };
        match self.left_out_as(event) {
            Some(name) => *self.left_out.entry(name.to_owned()).or_default() += 1,
            None => {
                self.tell_of_gap(at);
                self.send(event.clone(), at);
            }
        }
    }

    /// The name of an event that is left out now; `None`: it is told.
    fn left_out_as(&mut self, event: &Event) -> Option<&'static str> {
        if let Some((name, _)) = event.about_a_row() {
            return self.full.then_some(name);
        }
        match event.part() {
            Part::Kept => None,
            Part::Alone(name) => self.is_stuck.then_some(name),
            Part::Begin(name, stretch) => {
                let is_stuck = self.is_stuck;
                is_stuck.then(|| {
                    self.untold.insert(stretch);
                    name
                })
            }
            Part::End(name, stretch) => self.untold.remove(&stretch).then_some(name),
        }
    }

    fn tell_of_gap(&mut self, at: SystemTime) {
        if !self.left_out.is_empty() {
            let events = std::mem::take(&mut self.left_out);
            self.send(Arc::new(Event::LeftOut { events }), at);
        }
    }

    fn send(&self, event: Arc<Event>, at: SystemTime) {
        self.queue.behind.fetch_add(1, Ordering::Relaxed);
        // A reporter that panicked has closed its end; the run goes on without it.
        let _ = self.notes.send(Note::Event(event, at));
    }

    fn tick(&self, at: SystemTime) {
        if !self.queue.ticking.swap(true, Ordering::Relaxed) {
            let _ = self.notes.send(Note::Tick(at));
        }
    }

    /// Waits until everything was taken: of a terminal as long as it goes on taking, of a record of the run until
    /// somebody leaves. What such a record misses then, in words.
    async fn end(mut self, mut left: watch::Receiver<bool>) -> Option<String> {
        self.tell_of_gap(clock::wall());
        drop(self.notes);
        let (latest, mut behind) = (clock::now() + LONGEST, usize::MAX);
        loop {
            tokio::select! {
                biased;
                _ = &mut self.ended => return None,
                _ = left.wait_for(|left| *left) => break,
                () = tokio::time::sleep(PATIENCE), if !self.wishes.is_record => {
                    let now = self.queue.behind.load(Ordering::Relaxed);
                    if now >= behind || clock::now() >= latest {
                        return None;
                    }
                    behind = now;
                }
            }
        }
        let missing = self.queue.behind.load(Ordering::Relaxed) as u64;
        self.wishes.is_record.then(|| {
            format!(
                "the last {} were taken by nobody: who reads them was too slow for who waited",
                counted(missing, "event")
            )
        })
    }
}

fn tell_all(reporter: &mut dyn Reporter, inbox: &mpsc::Receiver<Note>, queue: &Queue, shared: &Shared) {
    for note in inbox {
        match note {
            Note::Event(event, at) => {
                reporter.tell_at(&event, at);
                queue.behind.fetch_sub(1, Ordering::Relaxed);
            }
            Note::Tick(at) => {
                queue.ticking.store(false, Ordering::Relaxed);
                reporter.tick_at(&shared.live, at);
            }
        }
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
        wants_rows: bool,
    }

    impl Reporter for Slow {
        fn wants_rows(&self) -> bool {
            self.wants_rows
        }

        fn is_record(&self) -> bool {
            false
        }

        fn tell(&mut self, event: &Event) {
            drop(self.leave.lock().unwrap());
            self.told.lock().unwrap().push(event.clone());
        }

        fn tick(&mut self, _live: &Live) {}
    }

    type Told = Arc<Mutex<Vec<Event>>>;

    fn slow(wants_rows: bool) -> (Box<dyn Reporter>, Told, Arc<Mutex<()>>) {
        let (told, leave) = (Told::default(), Arc::new(Mutex::new(())));
        (Box::new(Slow { told: told.clone(), leave: leave.clone(), wants_rows }), told, leave)
    }

    fn failed() -> Event {
        Event::RowFailed { endpoint: "a".to_owned(), row: 1, reason: "no".to_owned() }
    }

    fn last() -> Event {
        Event::RunFinished { complete: true, summary: Box::default() }
    }

    fn gap(rows: usize) -> Event {
        Event::LeftOut { events: [("row-failed".to_owned(), rows as u64)].into() }
    }

    #[tokio::test]
    async fn a_reporter_that_is_stuck_holds_nobody_up_and_misses_no_end() {
        let (reporter, told, leave) = slow(false);
        let (other, heard, _) = slow(false);
        let stuck = leave.lock().unwrap();
        let mut telling = Telling::start(vec![reporter, other], &shared());
        (0..3 * MOST_BEHIND).for_each(|_| telling.tell(failed()));
        telling.tick();
        telling.tell(last());
        while heard.lock().unwrap().last() != Some(&last()) {
            std::thread::yield_now();
        }
        drop(stuck);
        telling.end().0.await;
        let told = told.lock().unwrap();
        assert_eq!(told.len(), MOST_BEHIND + 2);
        assert_eq!(told[MOST_BEHIND..], [gap(2 * MOST_BEHIND), last()], "the gap is told where it is");
    }

    #[tokio::test]
    async fn a_gap_is_over_when_half_of_what_waited_was_taken() {
        let (reporter, told, leave) = slow(false);
        let stuck = leave.lock().unwrap();
        let mut telling = Telling::start(vec![reporter], &shared());
        (0..=MOST_BEHIND).for_each(|_| telling.tell(failed()));
        drop(stuck);
        while told.lock().unwrap().len() < MOST_BEHIND {
            tokio::task::yield_now().await;
        }
        // All were taken; that the last one is no longer counted may come a moment later, and makes no difference.
        (0..2).for_each(|_| telling.tell(failed()));
        telling.end().0.await;
        let told = told.lock().unwrap();
        assert_eq!(told[MOST_BEHIND..], [gap(1), failed(), failed()]);
    }

    #[tokio::test]
    async fn a_reporter_that_is_stuck_keeps_a_bounded_number_waiting_and_what_it_is_told_balances() {
        let (reporter, told, leave) = slow(false);
        let stuck = leave.lock().unwrap();
        let mut telling = Telling::start(vec![reporter], &shared());
        let begins = |batch| Event::BatchStarted { endpoint: "a".to_owned(), batch };
        let ends = |batch| Event::BatchFinished { endpoint: "a".to_owned(), batch, rows: 1 };
        let warning = || Event::Warning { message: "odd".to_owned() };
        telling.tell(begins(0));
        (0..10 * MOST_BEHIND).for_each(|_| telling.tell(warning()));
        (1..=500).for_each(|batch| telling.tell(begins(batch)));
        (0..=500).for_each(|batch| telling.tell(ends(batch)));
        telling.tell(last());
        drop(stuck);
        telling.end().0.await;
        let told = told.lock().unwrap();
        assert!(told.len() <= FAR * MOST_BEHIND + 4, "{}", told.len());
        assert_eq!(told.last(), Some(&last()));
        let batches: Vec<&Event> =
            told.iter().filter(|event| matches!(event.part(), Part::Begin(..) | Part::End(..))).collect();
        assert_eq!(batches, [&begins(0), &ends(0)], "what was told to have begun ends, and nothing else does");
        let gaps = told.iter().filter_map(|event| match event {
            Event::LeftOut { events } => Some(events),
            _ => None,
        });
        let left_out = |name: &str| gaps.clone().filter_map(|events| events.get(name)).sum::<u64>();
        let warnings = told.iter().filter(|event| **event == warning()).count() as u64;
        assert_eq!(left_out("warning"), 10 * MOST_BEHIND as u64 - warnings);
        assert_eq!((left_out("batch-started"), left_out("batch-finished")), (500, 500));
    }

    #[tokio::test]
    async fn only_who_asks_is_told_of_rows_and_attempts() {
        let ((plain, told, _), (asking, heard, _)) = (slow(false), slow(true));
        let shared = shared();
        let mut telling = Telling::start(vec![plain, asking], &shared);
        let ended = Event::RowEnded {
            endpoint: "a".to_owned(),
            row: 1,
            ending: crate::event::RowEnding::Ok,
            unknown: false,
            attempts: 1,
            records: 1,
        };
        telling.tell(ended.clone());
        telling.end().0.await;
        assert_eq!((told.lock().unwrap().len(), heard.lock().unwrap().as_slice()), (0, [ended].as_slice()));
    }
}
