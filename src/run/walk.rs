//! A walk through the pages of a row: which page comes next, which are out, what has been taken.
//!
//! Pages come one after the other, or, once their number is known, together. Must never take a page twice, and never
//! go on from a page that was there before.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

use crate::journal::{RowSet, WalkNote};
use crate::paginate::{End, Following, PaginatePlan, Position, Told, Walked};
use crate::record::Outcome;

use super::post::Post;

/// Places whose repetition is noticed, at 8 bytes each; beyond it a walk in circles is noticed by its pages alone.
const MOST_SEEN: usize = 4_000_000;

/// Places whose prints stand in the journal: the first, and the latest. A walk that went on after a kill notices at
/// once that it comes back to one of them, and to any other place a lap later.
const MOST_NOTED: usize = 16;

/// What a page says of the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What follows.
    pub following: Following,
    /// The print of the place that follows, as it may stand in the journal.
    pub place: Option<u64>,
    /// Totals that it tells.
    pub told: Told,
    /// A hash of what it holds; `None` where that is nothing.
    pub print: Option<u64>,
}

/// A page of a walk, asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it is.
    pub position: Position,
    /// Its number in the walk, from zero.
    pub number: u64,
}

/// What follows a page that was taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Course {
    /// This page.
    Next(Page),
    /// All the others, together.
    Together,
    /// Others are still out.
    Apart,
    /// Nothing: the walk is over.
    Over(Walked),
}

#[derive(Debug)]
struct State {
    walked: Walked,
    next: Page,
    pages: Option<u64>,
    done: RowSet,
    /// An empty page behind which there is nothing, where they go out together.
    emptied: Option<End>,
    /// The next of all pages that has not gone out yet, where they go out together.
    unsent: u64,
    /// Pages that are out together.
    out: u64,
    /// Places of this session.
    seen: HashSet<u64>,
    /// Prints of places that earlier sessions left.
    earlier: Vec<u64>,
    /// Prints of places for the journal, at most [`MOST_NOTED`].
    noted: Vec<u64>,
    /// Of the first page and the latest.
    prints: [Option<u64>; 2],
    /// How the row ends when the last page that is out has ended: a page of it has failed.
    failed: Option<(Vec<Outcome>, bool)>,
}

/// See the module.
#[derive(Debug)]
pub struct Walk {
    plan: Arc<dyn PaginatePlan>,
    endpoint: usize,
    row: u64,
    state: Mutex<State>,
    /// Its outcomes, on their way. Opened before the state is changed.
    pub post: Post,
}

/// A page that is there already.
fn again(what: &str) -> String {
    format!("{what}: the walk goes in circles, and what it has taken so far stands in the output")
}

impl Walk {
    /// At its beginning, or where an earlier session left it.
    #[must_use]
    pub fn begin(endpoint: usize, row: u64, plan: Arc<dyn PaginatePlan>, note: Option<WalkNote>) -> Self {
        let first = || Page { position: plan.first(), number: 0 };
        let state = match note {
            None => State::new(first(), Walked::default(), Vec::new()),
            Some(note) => {
                let next = Page { position: note.next, number: note.page };
                let state = State::new(next, note.walked, note.seen);
                State { pages: note.pages, done: note.done, emptied: note.emptied, ..state }
            }
        };
        Self { plan, endpoint, row, state: Mutex::new(state), post: Post::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page to begin with; `None`: its pages go out together.
    #[must_use]
    pub fn start(&self) -> Option<Page> {
        let state = self.lock();
        state.pages.is_none().then(|| state.next.clone())
    }

    /// Whether its pages go out together.
    #[must_use]
    pub fn goes_together(&self) -> bool {
        self.lock().pages.is_some()
    }

    /// The next of the pages that go out together; `None`: all are out.
    pub fn unsent(&self) -> Option<Page> {
        let mut state = self.lock();
        let pages = state.pages?;
        while state.unsent < pages && state.failed.is_none() {
            let number = state.unsent;
            state.unsent += 1;
            if !state.done.contains(number) {
                state.out += 1;
                // Where the job pages in another way now than when the walk began, the place of then fails the row.
                let position = self.plan.position(number).unwrap_or_else(|| state.next.position.clone());
                return Some(Page { position, number });
            }
        }
        None
    }

    /// What the walk has come to, where no page of those that go out together is missing or out: an earlier session was
    /// ended between the last of them and one behind an empty page, for which the row had waited.
    pub fn whole(&self) -> Option<Walked> {
        let mut state = self.lock();
        let is_whole = state.out == 0 && state.done.first_missing() >= state.pages?;
        is_whole.then(|| state.over())
    }

    /// A page that failed where nothing stands, behind an empty one, counts as taken; `None`: it is not there.
    pub fn behind(&self, number: u64) -> Option<Course> {
        let mut state = self.lock();
        let is_behind = state.emptied.is_some() && state.pages.is_some_and(|pages| number >= pages);
        is_behind.then(|| state.taken_together(number))
    }

    /// Takes a page with so many records.
    ///
    /// # Errors
    /// In words, when the walk has been there before.
    pub fn take(&self, page: &Page, records: u64, turn: Turn) -> Result<Course, String> {
        let mut state = self.lock();
        state.look(page, turn.print)?;
        if let Some(pages) = state.pages {
            state.walked.page(records, turn.told);
            if let (0, Following::End(end @ (End::Empty | End::EmptyYetMore))) = (records, turn.following) {
                // However many were told: nobody asks for a billion pages of nothing.
                (state.pages, state.emptied) = (Some(pages.min(page.number)), Some(end));
            }
            return Ok(state.taken_together(page.number));
        }
        let before = state.walked;
        state.walked.page(records, turn.told);
        // What fails is not taken.
        state.follow(page, turn.following, turn.place).inspect_err(|_| state.walked = before)
    }

    /// A page that a rule leaves out: the end of pages that come one after the other, and a gap among others.
    pub fn skip(&self, page: &Page) -> Course {
        let mut state = self.lock();
        if state.pages.is_some() {
            return state.taken_together(page.number);
        }
        state.walked.end = Some(End::NoNext);
        Course::Over(state.walked)
    }

    /// A page has failed, so that the row ends like this: now, or when the last page that is out has ended.
    pub fn fail(&self, outcomes: Vec<Outcome>, unauthorized: bool) -> Option<(Vec<Outcome>, bool)> {
        let mut state = self.lock();
        if state.pages.is_none() {
            return Some((outcomes, unauthorized));
        }
        state.out = state.out.saturating_sub(1);
        // The row is over: no page of it goes out any more, also once its end is on its way.
        state.unsent = state.pages.unwrap_or(state.unsent);
        state.failed.get_or_insert((outcomes, unauthorized));
        if state.out == 0 { state.failed.take() } else { None }
    }

    /// How the row ends if a page has failed and none is out any more.
    pub fn failed(&self) -> Option<(Vec<Outcome>, bool)> {
        let mut state = self.lock();
        if state.out == 0 { state.failed.take() } else { None }
    }

    /// For the journal, once the page of this number was taken. Of pages that go out together it says that one alone:
    /// the notes before it say the others, however many.
    #[must_use]
    pub fn note(&self, taken: u64) -> WalkNote {
        let state = self.lock();
        let mut done = RowSet::default();
        if state.pages.is_some() {
            done.insert(taken);
        }
        WalkNote {
            endpoint: self.endpoint,
            row: self.row,
            next: state.next.position.clone(),
            page: state.next.number,
            pages: state.pages,
            done,
            emptied: state.emptied,
            seen: state.noted.clone(),
            walked: state.walked,
            stream: None,
        }
    }
}

impl State {
    fn new(next: Page, walked: Walked, earlier: Vec<u64>) -> Self {
        let seen = HashSet::from([hash(&next.position)]);
        Self {
            walked,
            next,
            pages: None,
            done: RowSet::default(),
            emptied: None,
            unsent: 0,
            out: 0,
            seen,
            noted: earlier.clone(),
            earlier,
            prints: [None; 2],
            failed: None,
        }
    }

    /// Whether a page holds what another one held. Nothing is no repetition.
    fn look(&mut self, page: &Page, print: Option<u64>) -> Result<(), String> {
        if print.is_some() && self.prints.contains(&print) {
            return Err(again("the page holds the same as one before, so that the server gives it again"));
        }
        if page.number == 0 {
            self.prints[0] = print;
        } else if self.pages.is_none() {
            self.prints[1] = print;
        }
        Ok(())
    }

    fn follow(&mut self, page: &Page, following: Following, place: Option<u64>) -> Result<Course, String> {
        match following {
            Following::End(end) => {
                self.walked.end = Some(end);
                Ok(Course::Over(self.walked))
            }
            Following::Pages(pages) => {
                self.pages = Some(pages);
                self.done.insert(page.number);
                // Numbers need no prints.
                self.noted.clear();
                Ok(Course::Together)
            }
            Following::Next(position) => {
                // Numbers only rise.
                let may_repeat = matches!(position, Position::Token(_) | Position::Url(_) | Position::First);
                let place = place.filter(|_| may_repeat);
                let was_there = place.is_some_and(|place| self.earlier.contains(&place));
                if may_repeat && (was_there || !self.seen.insert(hash(&position))) {
                    return Err(again(&format!("the page leads back to one that was taken, {position}")));
                }
                if self.seen.len() > MOST_SEEN {
                    self.seen.clear();
                }
                self.noted.extend(place);
                if self.noted.len() > MOST_NOTED {
                    // The first stays: circles mostly lead back to the beginning.
                    self.noted.remove(1);
                }
                self.next = Page { position, number: page.number + 1 };
                Ok(Course::Next(self.next.clone()))
            }
        }
    }

    /// One of the pages that are out together has ended.
    fn taken_together(&mut self, number: u64) -> Course {
        self.out = self.out.saturating_sub(1);
        self.done.insert(number);
        let pages = self.pages.unwrap_or_default();
        // Pages behind an empty one may still be out.
        if self.out > 0 || self.done.first_missing() < pages {
            return Course::Apart;
        }
        Course::Over(self.over())
    }

    /// All pages that go out together were taken.
    fn over(&mut self) -> Walked {
        self.walked.end = Some(self.emptied.unwrap_or(End::Total));
        self.walked
    }
}

/// The print of a place, the same in every version of the program: it stands in journals.
#[must_use]
pub fn print(position: &Position) -> u64 {
    let hash = digest(&SHA256, position.to_string().as_bytes());
    hash.as_ref().iter().take(8).fold(0, |print, byte| print << 8 | u64::from(*byte))
}

fn hash(position: &Position) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    position.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
