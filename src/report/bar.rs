//! The bar: a line for each endpoint on a terminal, and one that says what holds the job back; redrawn from `tick`
//! alone.
//!
//! Must never be drawn from anywhere else: at 10,000 rows a second a redraw per row would be most of the work.

use std::sync::atomic::Ordering;

use super::Reporter;
use super::held::Held;
use super::layout::{self, Color, Line, Look};
use super::log::words;
use super::notice::Notices;
use super::progress::{Progress, Speed};
use super::screen::Screen;
use super::text::{columns, counted, cut};
use crate::clock;
use crate::event::Event;
use crate::run::live::{Lane, Live, read};
use crate::secret::Masker;

/// Looks of about a second: what holds an endpoint back is shown when it was most of them.
const LOOKS: usize = 10;

/// Shows how far a run is, in place.
pub struct Bar {
    screen: Box<dyn Screen>,
    look: Look,
    lanes: Vec<LaneBar>,
    notices: Notices,
    ticks: usize,
    ended: bool,
}

/// What is remembered of an endpoint from tick to tick.
struct LaneBar {
    speed: Speed,
    held: Held,
}

impl LaneBar {
    fn new() -> Self {
        Self { speed: Speed::default(), held: Held::over(LOOKS) }
    }

    fn note(&mut self, lane: &Lane) -> (Progress, Option<String>) {
        self.held.note(lane.bound());
        (Progress::of(lane, &mut self.speed, clock::now()), self.held.shown())
    }
}

impl Bar {
    /// Bars drawn on `screen`.
    #[must_use]
    pub fn new(screen: Box<dyn Screen>, look: Look) -> Self {
        Self { screen, look, lanes: Vec::new(), notices: Notices::default(), ticks: 0, ended: false }
    }

    fn draw(&mut self, live: &Live) {
        self.lanes.resize_with(live.lanes.len(), LaneBar::new);
        // Looked at also where nothing is drawn, so that speeds stay right.
        let noted: Vec<_> = self.lanes.iter_mut().zip(&live.lanes).map(|(bar, lane)| bar.note(lane)).collect();
        self.ticks = self.ticks.wrapping_add(1);
        let Some((width, height)) = self.screen.size() else { return };
        // The last column stays free: some terminals break a line that fills it.
        let (width, most) = (width.saturating_sub(1), height.saturating_sub(1).max(1));
        let shown = shown(live, (height / 2).max(1));
        let lines: Vec<Line<'_>> = shown
            .iter()
            .map(|lane| Line { name: &live.lanes[*lane].endpoint, progress: &noted[*lane].0, turn: self.ticks })
            .collect();
        let mut block = layout::lines(&lines, width, self.look);
        if shown.len() < live.lanes.len() {
            block.push(self.look.paint(&cut(&others(live, &shown), width, self.look.unicode), Color::Dim));
        }
        let held = live.lanes.iter().zip(&noted).filter_map(|(lane, (_, held))| Some((lane, held.as_deref()?)));
        block.push(self.state(live, &held.collect::<Vec<_>>(), width));
        block.truncate(most);
        self.screen.paint(&block);
    }

    /// The line below the bars: what holds the job back, and the keys.
    fn state(&self, live: &Live, held: &[(&Lane, &str)], width: usize) -> String {
        let on_wire: u64 = live.lanes.iter().map(|lane| read(&lane.on_wire)).sum();
        let telling = read(&live.telling);
        let (state, color) = if telling > 0 {
            (format!("{}; Ctrl-C waits no longer", words::telling(telling)), None)
        } else if live.draining.load(Ordering::Relaxed) {
            (draining(on_wire, self.look.keys), None)
        } else if live.paused.load(Ordering::Relaxed) {
            (paused(on_wire, self.look.keys), Some(Color::Yellow))
        } else {
            (held_back(held, self.look), None)
        };
        let state = cut(&state, width, self.look.unicode);
        let gap = width.saturating_sub(columns(&state) + KEYS.len());
        let shown = color.map_or_else(|| state.clone(), |color| self.look.paint(&state, color));
        // Apart, so that nobody takes them for a part of the sentence.
        let hint =
            self.look.keys && gap >= 4 && color.is_none() && telling == 0 && !live.draining.load(Ordering::Relaxed);
        if hint { format!("{shown}{}{}", " ".repeat(gap), self.look.paint(KEYS, Color::Dim)) } else { shown }
    }

    fn clear(&mut self) {
        self.ended = true;
        self.screen.clear();
    }
}

/// The keys, as far as they are told all the time.
const KEYS: &str = "p pause  q drain  ? keys";

fn on_the_wire(requests: u64) -> String {
    let end = if requests == 1 { "ends" } else { "end" };
    format!("{} on the wire {end}", counted(requests, "request"))
}

fn paused(on_wire: u64, keys: bool) -> String {
    let wire = if on_wire > 0 { format!("; {}", on_the_wire(on_wire)) } else { String::new() };
    let keys = if keys { ", r goes on" } else { "" };
    format!("paused{keys}{wire}")
}

fn draining(on_wire: u64, keys: bool) -> String {
    let wire = if on_wire > 0 { format!(": {}", on_the_wire(on_wire)) } else { String::new() };
    let keys = if keys { "; q or Ctrl-C stops at once" } else { "; Ctrl-C stops at once" };
    format!("draining{wire}{keys}")
}

/// `held back by limit api`, with the endpoints where it is not the same for all.
fn held_back(held: &[(&Lane, &str)], look: Look) -> String {
    let mut causes: Vec<(&str, Vec<String>)> = Vec::new();
    for (lane, what) in held {
        let name = look.name(&lane.endpoint);
        match causes.iter_mut().find(|(known, _)| known == what) {
            Some((_, names)) => names.push(name),
            None => causes.push((what, vec![name])),
        }
    }
    let words = match causes.as_slice() {
        [] => return String::new(),
        [(what, _)] => look.name(what),
        several => {
            let cause = |(what, names): &(&str, Vec<String>)| format!("{} ({})", look.name(what), names.join(", "));
            several.iter().map(cause).collect::<Vec<_>>().join(", ")
        }
    };
    format!("held back by {words}")
}

/// Which endpoints are shown where there is room for so many: those at work, then those to come, then those that have
/// ended; in the order of the job.
fn shown(live: &Live, room: usize) -> Vec<usize> {
    let rank = |lane: &Lane| match standing(lane) {
        Stands::AtWork => 0,
        Stands::ToCome => 1,
        Stands::Ended => 2,
    };
    let mut shown: Vec<usize> = (0..live.lanes.len()).collect();
    shown.sort_by_key(|lane| rank(&live.lanes[*lane]));
    shown.truncate(room);
    shown.sort_unstable();
    shown
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    AtWork,
    ToCome,
    Ended,
}

fn standing(lane: &Lane) -> Stands {
    let (ended, rows) = (lane.resumed + lane.ended(), read(&lane.rows));
    match () {
        () if read(&lane.in_flight) > 0 => Stands::AtWork,
        () if rows > 0 && ended >= rows => Stands::Ended,
        () if lane.ended() > 0 || read(&lane.attempts) > 0 => Stands::AtWork,
        () => Stands::ToCome,
    }
}

/// `and 18 more: 12 at work, 4 to come, 2 ended`
fn others(live: &Live, shown: &[usize]) -> String {
    let hidden: Vec<Stands> = (0..live.lanes.len())
        .filter(|lane| shown.binary_search(lane).is_err())
        .map(|lane| standing(&live.lanes[lane]))
        .collect();
    let of = |wanted, words: &str| {
        let count = hidden.iter().filter(|stands| **stands == wanted).count();
        (count > 0).then(|| format!("{count} {words}"))
    };
    let parts = [of(Stands::AtWork, "at work"), of(Stands::ToCome, "to come"), of(Stands::Ended, "ended")];
    format!("and {} more: {}", hidden.len(), parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

impl Reporter for Bar {
    fn masked_by(&mut self, masker: &Masker) {
        self.notices.masked_by(masker);
    }

    fn tell(&mut self, event: &Event) {
        if let Event::RunFinished { .. } = event {
            return self.clear();
        }
        if let Some(notice) = self.notices.of(event) {
            self.screen.say(&notice);
        }
    }

    fn tick(&mut self, live: &Live) {
        if !self.ended {
            self.draw(live);
        }
    }
}

impl Drop for Bar {
    /// Whatever ended the run: no half bar stays behind.
    fn drop(&mut self) {
        if !self.ended {
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests;
