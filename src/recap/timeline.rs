//! The timeline of a session: steps of equal length with what ended in each, and marks where something happened.
//!
//! However long a session is there are at most [`MOST_STEPS`] steps: when there are more, two become one and each
//! stands for twice the time from then on. Must never grow with the number of rows, batches or holds.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::Distribution;

/// Steps that are kept.
pub const MOST_STEPS: usize = 480;
/// What a step stands for at first, milliseconds.
const FIRST_STEP: u64 = 200;
/// Marks of one kind that are kept; of more, only how many there were.
const MOST_MARKS: usize = 150;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// What a step stands for, milliseconds; the last one may be shorter.
    pub step_ms: u64,
    /// Steps, from the start of the session.
    pub steps: Vec<Step>,
    /// What happened.
    pub marks: Marks,
}

/// What happened in a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// By position of the endpoint.
    pub lanes: Vec<StepLane>,
    /// p50, p95, p99 and the longest of attempts that ended in it, microseconds; `None`: there were none.
    pub latency: Option<[u64; 4]>,
}

/// What an endpoint did in a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StepLane {
    /// Rows that ended ok.
    pub ok: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Rows that were skipped.
    pub skipped: u64,
    /// Attempts.
    pub attempts: u64,
    /// Those that were not the first of their row.
    pub retries: u64,
    /// Attempts under way, on the average.
    pub in_flight: f64,
}

/// Marks, and how many were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Those that are kept, by their beginning.
    pub kept: Vec<Mark>,
    /// How many there were of each kind.
    pub counts: Vec<(MarkKind, u64)>,
}

/// Something that happened at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What.
    pub kind: MarkKind,
    /// Which batch, limit or host.
    pub what: String,
    /// From when, milliseconds from the start of the session.
    pub from_ms: u64,
    /// Until when; `None`: not over when the recap was made, or it has no length.
    pub until_ms: Option<u64>,
}

/// Kinds of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// A batch, from its first row to its last.
    Batch,
    /// A limit that a server's word held.
    Hold,
    /// A host that did not answer.
    Outage,
    /// Somebody paused the run.
    Pause,
    /// No more rows were begun.
    Drain,
}

impl Marks {
    /// How many there were of a kind.
    #[must_use]
    pub fn count(&self, kind: MarkKind) -> u64 {
        self.counts.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count)
    }

    /// Something begins, or happens.
    pub fn add(&mut self, mark: Mark) {
        match self.counts.iter_mut().find(|(kind, _)| *kind == mark.kind) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((mark.kind, 1)),
        }
        // What makes a run longer is kept first: one hold of ten minutes says more than the last of many batches.
        if self.count(mark.kind) <= MOST_MARKS as u64 {
            self.kept.push(mark);
        }
    }

    /// The last one of this kind and name is over.
    pub fn end(&mut self, kind: MarkKind, what: &str, at_ms: u64) {
        let open = |mark: &&mut Mark| mark.kind == kind && mark.what == what && mark.until_ms.is_none();
        if let Some(mark) = self.kept.iter_mut().rev().find(open) {
            mark.until_ms = Some(at_ms);
        }
    }
}

/// Sums since the start of a session, by which steps are measured.
pub type Totals = Vec<StepLane>;

/// Makes a timeline while a session works.
#[derive(Debug)]
pub struct Recorder {
    step_ms: u64,
    steps: Vec<Measured>,
    /// Sums at the end of the last look.
    before: Totals,
    marks: Marks,
}

/// A step that can still become one with the next.
#[derive(Debug, Clone)]
struct Measured {
    lanes: Vec<StepLane>,
    /// Looks, over which `in_flight` is a sum here.
    looks: u32,
    latency: Histogram<u32>,
}

impl Measured {
    fn new(lanes: usize) -> Self {
        Self { lanes: vec![StepLane::default(); lanes], looks: 0, latency: interval() }
    }

    fn add(&mut self, other: &Self) {
        self.lanes.iter_mut().zip(&other.lanes).for_each(|(own, other)| own.add(other));
        self.looks += other.looks;
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
    }

    fn step(&self) -> Step {
        let mean = |lane: &StepLane| StepLane { in_flight: lane.in_flight / f64::from(self.looks.max(1)), ..*lane };
        Step { lanes: self.lanes.iter().map(mean).collect(), latency: quantiles(&Distribution::of(&self.latency)) }
    }
}

impl StepLane {
    fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.attempts += other.attempts;
        self.retries += other.retries;
        self.in_flight += other.in_flight;
    }

    /// What came since `before`; counters may go down by a little where a row was counted too early.
    fn since(&self, before: &Self) -> Self {
        Self {
            ok: self.ok.saturating_sub(before.ok),
            failed: self.failed.saturating_sub(before.failed),
            skipped: self.skipped.saturating_sub(before.skipped),
            attempts: self.attempts.saturating_sub(before.attempts),
            retries: self.retries.saturating_sub(before.retries),
            in_flight: self.in_flight,
        }
    }
}

/// A histogram for the attempts between two looks: microseconds up to an hour, one significant digit, 2 KiB.
///
/// # Panics
/// Never: its bounds are constant and valid.
#[must_use]
pub fn interval() -> Histogram<u32> {
    match Histogram::new_with_bounds(1, 3_600_000_000, 1) {
        Ok(histogram) => histogram,
        Err(error) => unreachable!("the bounds are constant and valid: {error}"),
    }
}

fn quantiles(latency: &Distribution) -> Option<[u64; 4]> {
    let micros = |share| latency.quantile(share).map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    Some([micros(0.5)?, micros(0.95)?, micros(0.99)?, micros(1.0)?])
}

impl Recorder {
    /// A recorder for so many endpoints.
    #[must_use]
    pub fn new(lanes: usize) -> Self {
        let before = vec![StepLane::default(); lanes];
        Self { step_ms: FIRST_STEP, steps: Vec::new(), before, marks: Marks::default() }
    }

    /// What happens.
    pub fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    /// Looks at the sums so far (and how many are in flight now), and takes the latencies since the last look.
    pub fn look(&mut self, at_ms: u64, totals: Totals, latency: &Histogram<u32>) {
        let position = |step_ms: u64| usize::try_from(at_ms / step_ms).unwrap_or(usize::MAX);
        while position(self.step_ms) >= MOST_STEPS {
            self.halve();
        }
        let lanes = totals.len();
        // A look that comes late leaves steps in which nothing is known to have happened.
        let wanted = position(self.step_ms) + 1;
        self.steps.resize_with(wanted.max(self.steps.len()), || Measured::new(lanes));
        if let Some(step) = self.steps.last_mut() {
            step.lanes
                .iter_mut()
                .zip(totals.iter().zip(&self.before))
                .for_each(|(own, (now, before))| own.add(&now.since(before)));
            step.looks += 1;
            let _ = step.latency.add(latency);
        }
        self.before = totals;
    }

    /// Two steps become one.
    fn halve(&mut self) {
        self.step_ms *= 2;
        let old = std::mem::take(&mut self.steps);
        self.steps = old
            .chunks(2)
            .map(|pair| match pair {
                [one, other] => {
                    let mut both = one.clone();
                    both.add(other);
                    both
                }
                rest => rest[0].clone(),
            })
            .collect();
    }

    /// The timeline so far.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        let steps = self.steps.iter().map(Measured::step).collect();
        Timeline { step_ms: self.step_ms, steps, marks: self.marks.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(ok: u64, in_flight: f64) -> Totals {
        vec![StepLane { ok, in_flight, ..StepLane::default() }]
    }

    fn one(micros: u64) -> Histogram<u32> {
        let mut histogram = interval();
        histogram.saturating_record(micros);
        histogram
    }

    #[test]
    fn a_step_holds_what_came_since_the_one_before() {
        let mut recorder = Recorder::new(1);
        recorder.look(0, totals(3, 2.0), &one(10));
        recorder.look(100, totals(5, 4.0), &one(20));
        recorder.look(500, totals(9, 1.0), &interval());
        let timeline = recorder.timeline();
        let ok: Vec<u64> = timeline.steps.iter().map(|step| step.lanes[0].ok).collect();
        assert_eq!((timeline.step_ms, ok), (FIRST_STEP, vec![5, 0, 4]));
        assert!((timeline.steps[0].lanes[0].in_flight - 3.0).abs() < 1e-9, "the mean of two looks");
        assert_eq!(timeline.steps[0].latency, Some([10, 20, 20, 20]));
        assert_eq!(timeline.steps[1].latency, None);
    }

    #[test]
    fn a_day_has_no_more_steps_than_a_minute_and_loses_no_row() {
        let mut recorder = Recorder::new(1);
        for look in 0..10_000u64 {
            recorder.look(look * 8_640, totals(look * 7, 1.0), &one(100));
        }
        let timeline = recorder.timeline();
        assert!(
            timeline.steps.len() <= MOST_STEPS && timeline.steps.len() > MOST_STEPS / 3,
            "{}",
            timeline.steps.len()
        );
        assert_eq!(timeline.steps.iter().map(|step| step.lanes[0].ok).sum::<u64>(), 9_999 * 7);
        let last = 9_999 * 8_640;
        assert!(timeline.step_ms * timeline.steps.len() as u64 >= last);
    }

    #[test]
    fn counters_that_go_down_take_nothing_away() {
        let mut recorder = Recorder::new(1);
        recorder.look(0, totals(5, 0.0), &interval());
        recorder.look(300, totals(4, 0.0), &interval());
        assert_eq!(recorder.timeline().steps[1].lanes[0].ok, 0);
    }

    #[test]
    fn marks_are_bounded_and_counted() {
        let mut marks = Marks::default();
        for batch in 0..1_000u64 {
            let what = batch.to_string();
            marks.add(Mark { kind: MarkKind::Batch, what: what.clone(), from_ms: batch, until_ms: None });
            marks.end(MarkKind::Batch, &what, batch + 1);
        }
        marks.add(Mark { kind: MarkKind::Hold, what: "api".to_owned(), from_ms: 5, until_ms: Some(9) });
        assert_eq!(marks.kept.len(), MOST_MARKS + 1);
        assert_eq!((marks.count(MarkKind::Batch), marks.count(MarkKind::Hold)), (1_000, 1));
        assert_eq!(marks.kept[3].until_ms, Some(4));
    }
}
