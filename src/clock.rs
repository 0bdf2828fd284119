//! The one door to time: monotonic instants for pacing, wall time for what people read.
//!
//! Nothing else in the crate may call `Instant::now` or `SystemTime::now` (clippy.toml keeps the
//! door shut), so that a test with a paused tokio clock pauses everything.

use std::time::{Duration, SystemTime};

pub use tokio::time::Instant;

/// The monotonic now; follows tokio's paused clock in tests.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall-clock now.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
#[must_use]
pub fn wall() -> SystemTime {
    #[cfg(test)]
    return stepped(SystemTime::now());
    #[cfg(not(test))]
    SystemTime::now()
}

#[cfg(test)]
thread_local! {
    /// Seconds that the wall clock of this thread was set forward.
    static STEPS: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

/// Sets the wall clock of this thread forward, or back; the monotonic one does not notice, as on a real machine.
#[cfg(test)]
pub fn step(seconds: i64) {
    STEPS.set(STEPS.get() + seconds);
}

#[cfg(test)]
fn stepped(time: SystemTime) -> SystemTime {
    let step = Duration::from_secs(STEPS.get().unsigned_abs());
    if STEPS.get() < 0 { time - step } else { time + step }
}

/// The wall-clock now as RFC 3339 in UTC with milliseconds, such as `2026-11-20T15:04:05.123Z`.
#[must_use]
pub fn timestamp() -> String {
    rfc3339(wall())
}

/// `time` as RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(stamp) => format!("{stamp:.3}"),
        Err(_) => "out of range".to_owned(),
    }
}

/// `time` as people read it, in UTC, when it is `now`: `14:05:10 UTC` today, else `2026-11-30 14:05 UTC`. Rounded up:
/// who comes back then does not come too early.
#[must_use]
pub fn moment(time: SystemTime, now: SystemTime) -> String {
    let rounded = |to: Duration| {
        let time = time.checked_add(to - Duration::from_nanos(1)).map(jiff::Timestamp::try_from);
        time.and_then(Result::ok)
    };
    let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d").to_string();
    let today = jiff::Timestamp::try_from(now).map(day).ok();
    match (rounded(Duration::from_secs(1)), rounded(Duration::from_secs(60))) {
        (Some(seconds), _) if Some(day(seconds)) == today => seconds.strftime("%H:%M:%S UTC").to_string(),
        (_, Some(minutes)) => minutes.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        (_, None) => "a time out of range".to_owned(),
    }
}

/// A duration as people write it in a job file: `1h 30m`, `2.5s`, `250ms`.
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{:.1}s", duration.as_secs_f64()).replace(".0s", "s"),
        60..3600 => two(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

fn two(big: u64, big_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{big}{big_unit}") } else { format!("{big}{big_unit} {small}{small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_a_job_file() {
        let shown: Vec<String> =
            [250, 2000, 2500, 90_000, 120_000, 5_400_000, 90_000_000].map(|ms| human(Duration::from_millis(ms))).into();
        assert_eq!(shown, ["250ms", "2s", "2.5s", "1m 30s", "2m", "1h 30m", "1d 1h"]);
    }

    #[test]
    fn a_moment_is_a_time_today_and_a_date_on_other_days_and_never_early() {
        let at = |seconds: f64| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
        let now = at(50_000.0);
        assert_eq!(moment(at(50_709.5), now), "14:05:10 UTC");
        assert_eq!(moment(at(50_710.0), now), "14:05:10 UTC");
        assert_eq!(moment(at(86_399.5), now), "1970-01-02 00:00 UTC");
        assert_eq!(moment(at(86_400.0 * 3.0 + 61.0), now), "1970-01-04 00:02 UTC");
        assert_eq!(moment(now + Duration::from_secs(1 << 40), now), "a time out of range");
    }

    #[test]
    fn wall_time_is_rfc3339_with_milliseconds() {
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }
}
