//! The axis that all charts over time share: the sessions of a run side by side, cut into bins. Pure.
//!
//! Between two sessions nobody was at work, for whatever time: a gap of one width stands for it. However many steps the
//! sessions have, there are [`MOST_BINS`] bins and a few at most: steps that are too many become one. Percentiles of
//! such a bin are the means of those of its steps, weighted by their attempts; the longest is the longest.

use std::fmt::Write as _;
use std::time::Duration;

use super::write::{escape, moment};
use crate::clock;
use crate::recap::{Recap, Session, Step, StepLane};

/// Bins over all sessions.
pub(super) const MOST_BINS: usize = 250;
/// A gap between two sessions, of the whole axis.
const GAP: f64 = 0.012;
/// Ticks that are aimed at.
const TICKS: u64 = 7;

/// See the module.
#[derive(Debug)]
pub(super) struct Time {
    pub(super) parts: Vec<Part>,
    pub(super) bins: Vec<Bin>,
}

/// A session on the axis.
#[derive(Debug)]
pub(super) struct Part {
    /// Its number, counted from 1, with those that were dropped.
    pub(super) number: u64,
    pub(super) elapsed_ms: u64,
    /// Where it begins and how long it is, of the whole axis (0..=1).
    from: f64,
    length: f64,
}

/// Some steps of a session.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bin {
    /// Position of the session among the parts.
    pub(super) part: usize,
    /// Since the session began.
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    /// By endpoint; sums, and the mean of what was in flight.
    pub(super) lanes: Vec<StepLane>,
    /// p50, p95, p99 and the longest.
    pub(super) latency: Option<[f64; 4]>,
}

impl Time {
    /// `None`: no session has a step.
    pub(super) fn of(recap: &Recap) -> Option<Self> {
        let kept = recap.sessions.iter().enumerate().filter(|(_, session)| !session.timeline.steps.is_empty());
        let sessions: Vec<(u64, &Session)> =
            kept.map(|(position, session)| (recap.sessions_left_out + position as u64 + 1, session)).collect();
        let steps: usize = sessions.iter().map(|(_, session)| session.timeline.steps.len()).sum();
        if steps == 0 {
            return None;
        }
        let total: u64 = sessions.iter().map(|(_, session)| length(session)).sum();
        let least = if steps > MOST_BINS { total.div_ceil(MOST_BINS as u64) } else { 0 };
        let bins = sessions.iter().enumerate().flat_map(|(part, (_, session))| bins(part, session, least)).collect();
        Some(Self { parts: parts(&sessions, total), bins })
    }

    /// Where a moment of a session stands, 0..=100.
    pub(super) fn percent(&self, part: usize, ms: u64) -> f64 {
        let Part { elapsed_ms, from, length, .. } = self.parts[part];
        (from + length * share(ms.min(elapsed_ms), elapsed_ms)) * 100.0
    }

    /// Both ends of a bin, 0..=100.
    pub(super) fn ends(&self, bin: &Bin) -> (f64, f64) {
        (self.percent(bin.part, bin.from_ms), self.percent(bin.part, bin.until_ms))
    }

    /// Bins of each session.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[Bin]> {
        self.bins.chunk_by(|one, other| one.part == other.part)
    }

    /// From when to when a bin is, in words.
    pub(super) fn words(&self, bin: &Bin) -> String {
        let session = match self.parts.len() {
            1 => String::new(),
            _ => format!("session {}, ", self.parts[bin.part].number),
        };
        format!("{session}{} to {}", moment(bin.from_ms), moment(bin.until_ms))
    }

    /// Ticks with their labels, and where sessions begin and end: what stands below a chart.
    pub(super) fn axis(&self) -> String {
        let mut out = String::new();
        let total: u64 = self.parts.iter().map(|part| part.elapsed_ms).sum();
        let step = step(total.div_ceil(TICKS).max(1));
        for (position, part) in self.parts.iter().enumerate() {
            let ticks = (0..=part.elapsed_ms / step).map(|tick| tick * step);
            for (count, at_ms) in ticks.enumerate() {
                let x = self.percent(position, at_ms);
                // A label that would lie over that of the next session, or out of the page, is left out.
                let room = part.from.mul_add(100.0, part.length * 100.0) - x;
                let is_shown = (count == 0 && (position == 0 || room > 6.0))
                    || (count > 0 && (room > 4.0 || self.parts.len() == 1));
                tick(&mut out, x, is_shown.then(|| moment(at_ms)), count % 2 == 1);
            }
            if self.parts.len() > 1 {
                self.session(&mut out, position);
            }
        }
        out
    }

    fn session(&self, out: &mut String, position: usize) {
        let part = &self.parts[position];
        let (from, until) = (part.from * 100.0, (part.from + part.length) * 100.0);
        let _ = write!(out, "<line class=\"part\" x1=\"{from:.2}%\" x2=\"{until:.2}%\" y1=\"23\" y2=\"23\"/>");
        let label = match until - from {
            wide if wide > 14.0 => format!("session {}", part.number),
            wide if wide > 2.5 => part.number.to_string(),
            _ => return,
        };
        let _ = write!(out, "<text class=\"mid\" x=\"{:.2}%\" y=\"35\">{label}</text>", f64::midpoint(from, until));
    }

    /// How high what stands below a chart is.
    pub(super) fn height(&self) -> u32 {
        if self.parts.len() > 1 { 40 } else { 22 }
    }

    /// Where nobody was at work, as bands over the height of a chart.
    pub(super) fn gaps(&self) -> String {
        let mut out = String::new();
        for pair in self.parts.windows(2) {
            let (x, width) = ((pair[0].from + pair[0].length) * 100.0, GAP * 100.0);
            let words = escape(&format!("between session {} and {}: nobody at work", pair[0].number, pair[1].number));
            let _ = write!(
                out,
                "<rect class=\"gap\" x=\"{x:.2}%\" width=\"{width:.2}%\" height=\"100%\"><title>{words}</title></rect>"
            );
        }
        out
    }

    /// What the axis shows, in words.
    pub(super) fn described(&self) -> String {
        let total: u64 = self.parts.iter().map(|part| part.elapsed_ms).sum();
        let time = clock::human(Duration::from_millis(total));
        match self.parts.len() {
            1 => format!("over {time}"),
            sessions => format!("over {time} of {sessions} sessions, side by side"),
        }
    }
}

fn tick(out: &mut String, x: f64, label: Option<String>, is_odd: bool) {
    let odd = if is_odd { " odd" } else { "" };
    let _ = write!(out, "<line class=\"tick\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y2=\"5\"/>");
    let Some(label) = label else { return };
    let end = match x {
        x if x < 2.0 => "start",
        x if x > 97.0 => "end",
        _ => "mid",
    };
    let _ = write!(out, "<text class=\"{end}{odd}\" x=\"{x:.2}%\" y=\"17\">{label}</text>");
}

#[allow(clippy::cast_precision_loss, reason = "a place on a page")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// A session is as long as it says, and at least as the beginning of its last step.
fn length(session: &Session) -> u64 {
    let last = session.timeline.steps.len().saturating_sub(1) as u64;
    session.elapsed_ms.max(last.saturating_mul(session.timeline.step_ms).saturating_add(1))
}

fn parts(sessions: &[(u64, &Session)], total: u64) -> Vec<Part> {
    #[allow(clippy::cast_precision_loss, reason = "some sessions at most")]
    let room = 1.0 - GAP * (sessions.len() - 1) as f64;
    let mut from = 0.0;
    let part = |(number, session): &(u64, &Session)| {
        let elapsed_ms = length(session);
        let part = Part { number: *number, elapsed_ms, from, length: share(elapsed_ms, total) * room };
        from += part.length + GAP;
        part
    };
    sessions.iter().map(part).collect()
}

/// The steps of a session, as many together as make `least` milliseconds. A last step that is shorter than a whole one is
/// part of the bin before it: a few rows over a moment would be a rate that never was.
fn bins(part: usize, session: &Session, least: u64) -> Vec<Bin> {
    let step_ms = session.timeline.step_ms.max(1);
    let together = usize::try_from(least.div_ceil(step_ms)).unwrap_or(usize::MAX).max(1);
    let steps = &session.timeline.steps;
    let before_last = (steps.len().saturating_sub(1) as u64).saturating_mul(step_ms);
    let last_ms = length(session).saturating_sub(before_last).clamp(1, step_ms);
    let whole = if last_ms < step_ms { steps.len().saturating_sub(1).max(1) } else { steps.len() };
    let of = |position: usize| {
        let end = if together < whole - position { position + together } else { steps.len() };
        let last = if end == steps.len() { share(last_ms, step_ms) } else { 1.0 };
        let (from_ms, steps) = (position as u64 * step_ms, &steps[position..end]);
        let until_ms = (from_ms + steps.len() as u64 * step_ms).min(length(session)).max(from_ms + 1);
        Bin { part, from_ms, until_ms, lanes: lanes(steps, last), latency: latency(steps) }
    };
    (0..whole).step_by(together).map(of).collect()
}

/// Sums; what is in flight is a mean, in which the last step counts for the share of a whole one that it has.
#[allow(clippy::cast_precision_loss, reason = "a mean over some steps")]
fn lanes(steps: &[Step], last: f64) -> Vec<StepLane> {
    let count = steps.iter().map(|step| step.lanes.len()).max().unwrap_or(0);
    let total = steps.len().saturating_sub(1) as f64 + last;
    let weighed = |position: usize, (at, step): (usize, &Step)| {
        let lane = step.lanes.get(position)?;
        let weight = if at + 1 == steps.len() { last } else { 1.0 };
        Some(StepLane { in_flight: lane.in_flight * weight / total, ..*lane })
    };
    let lane = |position: usize| sum(steps.iter().enumerate().filter_map(|step| weighed(position, step)));
    (0..count).map(lane).collect()
}

/// All of them together.
pub(super) fn sum(lanes: impl Iterator<Item = StepLane>) -> StepLane {
    lanes.fold(StepLane::default(), |all, lane| StepLane {
        ok: all.ok.saturating_add(lane.ok),
        failed: all.failed.saturating_add(lane.failed),
        skipped: all.skipped.saturating_add(lane.skipped),
        attempts: all.attempts.saturating_add(lane.attempts),
        retries: all.retries.saturating_add(lane.retries),
        in_flight: all.in_flight + lane.in_flight,
    })
}

#[allow(clippy::cast_precision_loss, reason = "latencies for people")]
fn latency(steps: &[Step]) -> Option<[f64; 4]> {
    let attempts = |step: &Step| step.lanes.iter().map(|lane| lane.attempts).sum::<u64>().max(1) as f64;
    let known: Vec<(f64, [u64; 4])> = steps.iter().filter_map(|step| Some((attempts(step), step.latency?))).collect();
    let weight: f64 = known.iter().map(|(weight, _)| weight).sum();
    let mean = |which: usize| known.iter().map(|(of, all)| of * all[which] as f64).sum::<f64>() / weight;
    let longest = known.iter().map(|(_, all)| all[3]).max()? as f64;
    Some([mean(0), mean(1), mean(2), longest])
}

/// A time that people count in, not below so many milliseconds.
fn step(least: u64) -> u64 {
    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let below = [1, 2, 5, 10, 20, 50, 100, 200, 500];
    let clock = [1, 2, 5, 10, 15, 30].map(|count| count * SECOND);
    let minutes = [1, 2, 5, 10, 15, 30].map(|count| count * MINUTE);
    let hours = [HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR];
    let mut all = below.into_iter().chain(clock).chain(minutes).chain(hours);
    all.find(|step| *step >= least).unwrap_or_else(|| least.div_ceil(DAY) * DAY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::full;
    use super::*;

    #[test]
    fn ticks_are_times_that_people_count_in() {
        assert_eq!(
            [1, 3, 700, 1_500, 40_000, 100_000, 5_000_000].map(step),
            [1, 5, 1_000, 2_000, 60_000, 120_000, 7_200_000]
        );
        assert_eq!(step(3 * 86_400_000 - 5), 3 * 86_400_000);
    }

    #[test]
    fn percentiles_of_steps_together_are_their_means_by_attempts_and_the_longest_is_the_longest() {
        let lane = |attempts| vec![StepLane { attempts, in_flight: 2.0, ..StepLane::default() }];
        let steps = [
            Step { lanes: lane(1), latency: Some([10, 20, 30, 90]) },
            Step { lanes: lane(3), latency: Some([30, 40, 50, 60]) },
            Step { lanes: lane(7), latency: None },
        ];
        assert_eq!(latency(&steps), Some([25.0, 35.0, 45.0, 90.0]));
        let all = lanes(&steps, 1.0);
        assert_eq!(all[0].attempts, 11);
        assert!((all[0].in_flight - 2.0).abs() < 1e-9);
        assert_eq!(latency(&steps[2..]), None);
    }

    #[test]
    fn a_last_step_that_is_short_is_part_of_the_bin_before_it() {
        let mut recap = full(1, 1, 4);
        let session = &mut recap.sessions[0];
        (session.timeline.step_ms, session.elapsed_ms) = (200, 610);
        for (step, (ok, in_flight)) in
            session.timeline.steps.iter_mut().zip([(40, 8.0), (40, 8.0), (40, 8.0), (20, 0.0)])
        {
            step.lanes = vec![StepLane { ok, in_flight, ..StepLane::default() }];
        }
        let ends = |recap: &Recap| {
            let bins = Time::of(recap).unwrap().bins;
            bins.iter().map(|bin| (bin.from_ms, bin.until_ms, bin.lanes[0].ok)).collect::<Vec<_>>()
        };
        // 20 rows in 10 ms would be 2,000/s: they are 60 in 210 ms.
        assert_eq!(ends(&recap), [(0, 200, 40), (200, 400, 40), (400, 610, 60)]);
        let last = Time::of(&recap).unwrap().bins[2].lanes[0].in_flight;
        assert!((last - 8.0 * 200.0 / 210.0).abs() < 1e-9, "weighed by its time: {last}");
        recap.sessions[0].elapsed_ms = 800;
        assert_eq!(ends(&recap)[3], (600, 800, 20), "a whole one stands alone");
        recap.sessions[0].timeline.steps.truncate(1);
        recap.sessions[0].elapsed_ms = 10;
        assert_eq!(ends(&recap), [(0, 10, 40)], "and so does the only one");
    }

    #[test]
    fn nothing_to_show_is_no_axis() {
        assert!(Time::of(&Recap::default()).is_none());
        assert!(Time::of(&full(0, 3, 0)).is_none());
    }

    proptest! {
        #[test]
        fn no_row_is_lost_between_steps_and_bins_and_every_bin_has_its_place(sessions in 1usize..21, steps in 1usize..481, lanes in 1usize..4) {
            let recap = full(lanes, sessions, steps);
            let time = Time::of(&recap).unwrap();
            prop_assert!(time.bins.len() <= MOST_BINS + 2 * sessions, "{}", time.bins.len());
            let rows = |lane: &StepLane| lane.ok + lane.failed + lane.skipped;
            let before: u64 = recap.sessions.iter().flat_map(|s| &s.timeline.steps).flat_map(|step| &step.lanes).map(rows).sum();
            prop_assert_eq!(time.bins.iter().flat_map(|bin| &bin.lanes).map(rows).sum::<u64>(), before);
            let mut at = 0.0;
            for bin in &time.bins {
                let (from, until) = time.ends(bin);
                prop_assert!(from >= at - 1e-6 && until >= from && until <= 100.0 + 1e-6, "{at} {from} {until}");
                at = until;
            }
            prop_assert_eq!(time.runs().count(), sessions);
        }
    }
}
