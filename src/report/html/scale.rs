//! Scales: which values an axis shows, and where a value stands on it. Pure. Must never give a place outside of 0..=1.

use super::write::{micros, number};

/// An axis from its beginning (0) to its end (1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
    /// Values with a label.
    pub(super) ticks: Vec<f64>,
}

/// Spaces between ticks that are aimed at.
const SPACES: f64 = 4.0;

/// A value this many times the smallest one is told on a logarithmic axis.
const WIDE: f64 = 25.0;

impl Scale {
    /// From 0 to a round number not below `most`. `whole`: in steps of 1 at least.
    pub(super) fn linear(most: f64, whole: bool) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = nice(most / SPACES);
        let step = if whole { step.max(1.0) } else { step };
        let spaces = (most / step - 1e-9).ceil().max(1.0);
        let ticks = (0..=spaces as u32).map(|tick| f64::from(tick) * step).collect();
        Self { low: 0.0, high: step * spaces, is_log: false, ticks }
    }

    /// From the decade (or its 2 or 5) below `least` to the one above `most`.
    pub(super) fn log(least: f64, most: f64) -> Self {
        let least = if least.is_finite() { least.max(1.0) } else { 1.0 };
        let most = if most.is_finite() { most.max(least) } else { least };
        let mut all = rungs().skip_while(|rung| *rung * 2.5 < least).collect::<Vec<_>>();
        let low = all.iter().copied().rfind(|rung| *rung <= least).unwrap_or(1.0);
        let high = all.iter().copied().find(|rung| *rung >= most && *rung > low).unwrap_or(most * 2.0);
        all.retain(|rung| *rung >= low && *rung <= high);
        let decades = all.iter().filter(|rung| is_decade(**rung)).count();
        if decades > 3 {
            all.retain(|rung| is_decade(*rung));
        }
        Self { low, high, is_log: true, ticks: all }
    }

    /// Logarithmic where values are far apart, else from zero.
    pub(super) fn fitting(least: f64, most: f64) -> Self {
        if least > 0.0 && most / least > WIDE { Self::log(least, most) } else { Self::linear(most, false) }
    }

    /// Whether equal ways are equal factors.
    pub(super) fn is_log(&self) -> bool {
        self.is_log
    }

    /// Both ends.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Where a value stands.
    pub(super) fn at(&self, value: f64) -> f64 {
        let place = if self.is_log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The value at a place.
    pub(super) fn value(&self, place: f64) -> f64 {
        if self.is_log {
            self.low * (self.high / self.low).powf(place)
        } else {
            self.low + (self.high - self.low) * place
        }
    }
}

/// A tick of microseconds.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ticks are not negative and below a day or so"
)]
pub(super) fn micros_label(tick: f64) -> String {
    if tick <= 0.0 { "0".to_owned() } else { micros(tick.round() as u64) }
}

/// A tick of a plain number.
pub(super) fn number_label(tick: f64) -> String {
    match tick {
        t if t >= 1e9 => format!("{}G", super::write::trimmed(t / 1e9, 1)),
        t if t >= 1e6 => format!("{}M", super::write::trimmed(t / 1e6, 1)),
        t if t >= 1e4 => format!("{}k", super::write::trimmed(t / 1e3, 1)),
        t => number(t),
    }
}

/// The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below `step`.
fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 2.5, 5.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|nice| *nice >= step * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// 1, 2, 5, 10, 20, ... to three hours in microseconds.
fn rungs() -> impl Iterator<Item = f64> {
    (0..11).flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(power)))
}

fn is_decade(rung: f64) -> bool {
    (rung.log10() - rung.log10().round()).abs() < 1e-9
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::linear(873.0, false).ticks, [0.0, 250.0, 500.0, 750.0, 1000.0]);
        assert_eq!(Scale::linear(1000.0, false).ticks, [0.0, 250.0, 500.0, 750.0, 1000.0]);
        assert_eq!(Scale::linear(2.0, true).ticks, [0.0, 1.0, 2.0]);
        assert_eq!(Scale::linear(0.0, false).ends(), (0.0, 1.0));
        assert_eq!(Scale::linear(f64::NAN, false).ends(), (0.0, 1.0));
        assert_eq!(Scale::log(300.0, 9_000.0).ticks, [200.0, 500.0, 1e3, 2e3, 5e3, 1e4]);
        // Between 2 and 5 is the widest gap.
        assert_eq!(Scale::log(4.9, 4.9).ticks, [2.0, 5.0]);
        assert_eq!(Scale::log(1.0, 3e6).ticks, [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]);
        assert!(Scale::fitting(100.0, 9_000.0).is_log() && !Scale::fitting(4_000.0, 9_000.0).is_log());
    }

    #[test]
    fn labels_of_ticks_are_short() {
        assert_eq!([0.0, 0.5, 250.0, 25_000.0, 1.5e6].map(number_label), ["0", "0.5", "250", "25k", "1.5M"]);
        assert_eq!([0.0, 200.0, 5e3, 2e6].map(micros_label), ["0", "200 µs", "5 ms", "2 s"]);
    }

    proptest! {
        #[test]
        fn every_value_has_a_place_and_greater_ones_are_not_before_it(least in 0.0f64..1e10, more in 0.0f64..1e10, values in prop::collection::vec(0.0f64..2e10, 2..9)) {
            for scale in [Scale::linear(least + more, false), Scale::log(least, least + more), Scale::fitting(least, least + more)] {
                let (low, high) = scale.ends();
                prop_assert!(low < high && high >= (least + more) * 0.999, "{scale:?}");
                prop_assert!((2..=16).contains(&scale.ticks.len()), "{scale:?}");
                prop_assert!(scale.ticks.iter().all(|tick| *tick >= low && *tick <= high * 1.000_001));
                let mut values = values.clone();
                values.sort_by(f64::total_cmp);
                let places: Vec<f64> = values.iter().map(|value| scale.at(*value)).collect();
                prop_assert!(places.is_sorted() && places.iter().all(|place| (0.0..=1.0).contains(place)));
                prop_assert!((scale.at(scale.value(0.5)) - 0.5).abs() < 1e-6);
            }
        }
    }
}
