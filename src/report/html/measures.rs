//! What two runs are measured by, and which of two values is better. Pure.
//!
//! Two runs rarely have as many rows: only what is measured by the row, by time or as a share is judged; counts, and the
//! longest of many, are shown as they are. Must never call a number zero that is not known.

use std::time::Duration;

use super::table::UNKNOWN;
use super::whole::Whole;
use super::write::{bytes, escape, micros, number, percent, trimmed};
use crate::clock;
use crate::report::text::thousands;

/// Differences below this share are noise.
const NOISE: f64 = 0.02;

/// A measure of both runs.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) name: &'static str,
    unit: Unit,
    better: Better,
    /// `None`: not known of it.
    pub(super) a: Option<f64>,
    pub(super) b: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Count,
    Rate,
    Share,
    Micros,
    Milliseconds,
    Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    More,
    Less,
    /// It depends.
    Neither,
}

/// What B is against A.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    Better,
    Worse,
    Same,
    /// Different, and neither good nor bad; or not known of both.
    Neither,
}

/// All measures in their order.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn all(one: &Whole<'_>, other: &Whole<'_>) -> Vec<Measure> {
    use Better::{Less, More, Neither};
    let of = |name, unit, better, value: &dyn Fn(&Whole<'_>) -> Option<f64>| Measure {
        name,
        unit,
        better,
        a: value(one),
        b: value(other),
    };
    let rows =
        |whole: &Whole<'_>, part: u64| (whole.counts.rows() > 0).then(|| Whole::share(part, whole.counts.rows()));
    let quantile = |share: f64| move |whole: &Whole<'_>| whole.quantile(share).map(|value| value as f64);
    let of_rows = |whole: &Whole<'_>, count: u64| (!whole.recap.endpoints.is_empty()).then_some(count as f64);
    let measured = |whole: &Whole<'_>, count: u64| whole.is_measured().then_some(count as f64);
    // Rows are those of all sessions, so that only what is known of all sessions can be divided by them or divide them.
    let is_whole = |whole: &Whole<'_>| whole.is_measured() && whole.recap.sessions_left_out == 0;
    vec![
        of("rows that have ended", Unit::Count, Neither, &|whole| of_rows(whole, whole.counts.rows())),
        of("rows that failed", Unit::Count, Neither, &|whole| of_rows(whole, whole.counts.failed)),
        of("share of failed rows", Unit::Share, Less, &|whole| rows(whole, whole.counts.failed)),
        of("rows per second", Unit::Rate, More, &|whole| is_whole(whole).then(|| whole.rate())),
        of("time at work", Unit::Milliseconds, Neither, &|whole| measured(whole, whole.elapsed_ms)),
        of("median latency", Unit::Micros, Less, &quantile(0.5)),
        of("95 % latency", Unit::Micros, Less, &quantile(0.95)),
        of("99 % latency", Unit::Micros, Less, &quantile(0.99)),
        of("longest latency", Unit::Micros, Neither, &quantile(1.0)),
        of("attempts a row", Unit::Rate, Less, &|whole| {
            (is_whole(whole) && whole.counts.rows() > 0 && whole.attempts > 0)
                .then(|| Whole::share(whole.attempts, whole.counts.rows()))
        }),
        of("retries", Unit::Count, Neither, &|whole| measured(whole, whole.retries)),
        of("retries of attempts", Unit::Share, Less, &|whole| {
            (whole.attempts > 0).then(|| Whole::share(whole.retries, whole.attempts))
        }),
        of("records", Unit::Count, Neither, &|whole| of_rows(whole, whole.counts.records)),
        of("sent", Unit::Bytes, Neither, &|whole| Some(whole.traffic.sent as f64).filter(|sent| *sent > 0.0)),
        of("received", Unit::Bytes, Neither, &|whole| {
            Some(whole.traffic.received as f64).filter(|received| *received > 0.0)
        }),
    ]
}

impl Measure {
    /// A value as people read it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures for people, not negative")]
    pub(super) fn shown(&self, value: Option<f64>) -> String {
        let Some(value) = value else { return UNKNOWN.to_owned() };
        escape(&match self.unit {
            Unit::Count => thousands(value as u64),
            Unit::Rate => number(value),
            Unit::Share => percent(value),
            Unit::Micros => micros(value as u64),
            Unit::Milliseconds => clock::human(Duration::from_millis(value as u64)),
            Unit::Bytes => bytes(value as u64),
        })
    }

    /// How much more or less B is.
    pub(super) fn difference(&self) -> String {
        match (self.a, self.b) {
            (Some(a), Some(b)) if a > 0.0 => {
                let percent = (b - a) / a * 100.0;
                match trimmed(percent.abs(), usize::from(percent.abs() < 10.0)).as_str() {
                    "0" => "0 %".to_owned(),
                    more if percent > 0.0 => format!("+{more} %"),
                    less => format!("−{less} %"),
                }
            }
            (Some(_), Some(b)) if b > 0.0 => format!("+{}", self.shown(Some(b))),
            (Some(_), Some(_)) => "0 %".to_owned(),
            (_, _) => String::new(),
        }
    }

    pub(super) fn judged(&self) -> Judged {
        let (Some(a), Some(b)) = (self.a, self.b) else { return Judged::Neither };
        if (a - b).abs() <= NOISE * a.max(b) {
            return Judged::Same;
        }
        match (self.better, b > a) {
            (Better::Neither, _) => Judged::Neither,
            (Better::More, true) | (Better::Less, false) => Judged::Better,
            (Better::More, false) | (Better::Less, true) => Judged::Worse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(better: Better, a: f64, b: f64) -> (Judged, String) {
        let measure = Measure { name: "x", unit: Unit::Count, better, a: Some(a), b: Some(b) };
        (measure.judged(), measure.difference())
    }

    #[test]
    fn more_of_what_is_good_is_better_and_more_of_what_is_bad_is_worse() {
        assert_eq!(judged(Better::More, 100.0, 150.0), (Judged::Better, "+50 %".to_owned()));
        assert_eq!(judged(Better::More, 100.0, 75.0), (Judged::Worse, "−25 %".to_owned()));
        assert_eq!(judged(Better::Less, 0.0, 7.0), (Judged::Worse, "+7".to_owned()));
        assert_eq!(judged(Better::Less, 7.0, 0.0), (Judged::Better, "−100 %".to_owned()));
        assert_eq!(judged(Better::Less, 0.0, 0.0), (Judged::Same, "0 %".to_owned()));
        assert_eq!(judged(Better::Less, 1000.0, 1015.0), (Judged::Same, "+1.5 %".to_owned()));
        assert_eq!(judged(Better::Neither, 1.0, 9.0), (Judged::Neither, "+800 %".to_owned()));
        let unknown = Measure { name: "x", unit: Unit::Bytes, better: Better::Less, a: None, b: Some(1.0) };
        assert_eq!((unknown.judged(), unknown.difference()), (Judged::Neither, String::new()));
    }
}
