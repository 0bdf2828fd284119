//! Rates below one of a second: the same pace in whole numbers.
//!
//! Must never round: what is offered is the rate that was written.

use std::time::Duration;

use super::{DURATION_UNITS, rate};

/// Most digits behind the point.
const DIGITS: usize = 9;

/// A count with a point per window as a whole count per longer window: 0.5/s is 30/m, 0.001/s is 1/1000s. `None`: there is none.
pub(super) fn whole(count: &str, per: Duration) -> Option<String> {
    let (whole, behind) = count.split_once('.')?;
    let digits = behind.trim_end_matches('0');
    if digits.len() > DIGITS {
        return None;
    }
    let count: u128 = format!("{whole}{digits}").parse().ok().filter(|count| *count > 0)?;
    let window = per.as_millis() * 10_u128.pow(u32::try_from(digits.len()).ok()?);
    let common = gcd(count, window);
    let (count, window) = (count / common, window / common);
    let of_unit = |(name, length): &(&'static str, u64)| {
        let times = u128::from(*length);
        // No longer window than it takes.
        (times % window == 0).then(|| format!("{}/{name}", count * (times / window)))
    };
    let divided = || {
        let (name, length) = DURATION_UNITS.iter().rev().find(|(_, length)| window % u128::from(*length) == 0)?;
        Some(format!("{count}/{}{name}", window / u128::from(*length)))
    };
    let units = DURATION_UNITS.iter().filter(|(name, _)| ["s", "m", "h"].contains(name));
    units.into_iter().find_map(of_unit).or_else(divided).filter(|offered| rate(offered).is_ok())
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_with_a_point_is_the_same_pace_in_whole_numbers() {
        for (count, window, expected) in [
            ("0.5", 1, Some("30/m")),
            ("1.5", 1, Some("90/m")),
            ("0.001", 1, Some("1/1000s")),
            ("0.01", 1, Some("36/h")),
            ("2.50", 60, Some("150/h")),
            ("0.1", 86_400, Some("1/10d")),
            ("0.0", 1, None),
            ("0.0000000001", 1, None),
            ("99999999999.5", 1, None),
        ] {
            assert_eq!(whole(count, Duration::from_secs(window)).as_deref(), expected, "{count}");
        }
    }

    #[test]
    fn what_is_offered_is_the_rate_that_was_written() {
        for count in 1..2_000_u32 {
            let written = format!("{}.{:03}", count / 1_000, count % 1_000);
            let Some(offered) = whole(&written, Duration::from_secs(1)) else { continue };
            let window = rate(&offered).unwrap();
            let found = f64::from(window.count.get()) / window.per.as_secs_f64();
            assert!((found - f64::from(count) / 1_000.0).abs() < 1e-9, "{written}: {offered}");
        }
    }
}
