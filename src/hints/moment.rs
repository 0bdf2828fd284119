//! Moments and waits in the spellings that servers use: seconds, times since 1970, dates, `6m0s`.
//!
//! Pure. A wait must never come out shorter than what was said, and never longer than [`LONGEST`].

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::DATE;

/// Longest wait that is told apart, a century: larger ones are cut to it, so that adding one to any
/// clock can't overflow.
pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Numbers from here on are seconds since 1970, not a wait: it would be one of 31 years.
const SINCE_1970: Duration = Duration::from_secs(1_000_000_000);
/// Numbers beyond are milliseconds since 1970: as seconds they would be in the year 5138.
const IN_MILLISECONDS: Duration = Duration::from_secs(100_000_000_000);

/// The clock of the server: a reply's own `Date`, so that a skewed clock on either side does no harm, or our
/// own where the reply has none that can be read. Read only when something is compared with it.
pub(super) struct ServerClock<'a> {
    headers: &'a HeaderMap,
    now: SystemTime,
}

impl<'a> ServerClock<'a> {
    pub(super) fn new(headers: &'a HeaderMap, now: SystemTime) -> Self {
        Self { headers, now }
    }

    /// A wait in any spelling: a number as [`ServerClock::until_number`] takes it, with or without a fraction;
    /// a negative one, which has passed; units (`1s`, `6m0s`, `20ms`, as OpenAI has them); an HTTP-date (RFC
    /// 9110 §5.6.7); or a date as in RFC 3339.
    pub(super) fn until(&self, value: &str) -> Option<Duration> {
        if let Some(number) = value.strip_prefix('-') {
            return decimal(number).map(|_| Duration::ZERO);
        }
        let wait = match decimal(value) {
            Some(number) => self.until_number(number),
            None => units(value).or_else(|| self.until_http_date(value)).or_else(|| self.until_rfc3339(value))?,
        };
        Some(wait.min(LONGEST))
    }

    /// What a bare number means: below 1e9 it is a wait in seconds, up to 1e11 seconds since 1970, beyond it
    /// milliseconds since 1970. What has passed is zero.
    pub(super) fn until_number(&self, number: Duration) -> Duration {
        match number {
            wait if wait < SINCE_1970 => wait,
            seconds if seconds <= IN_MILLISECONDS => self.until_epoch(seconds),
            milliseconds => self.until_epoch(milliseconds / 1000),
        }
    }

    pub(super) fn until_http_date(&self, value: &str) -> Option<Duration> {
        Some(self.until_epoch(http_date(value)?))
    }

    fn until_rfc3339(&self, value: &str) -> Option<Duration> {
        let time: jiff::Timestamp = value.parse().ok()?;
        // What can't be told since 1970 was before it.
        Some(self.until_epoch(Duration::try_from(time.as_duration()).unwrap_or_default()))
    }

    fn until_epoch(&self, since_1970: Duration) -> Duration {
        since_1970.saturating_sub(self.since_1970()).min(LONGEST)
    }

    fn since_1970(&self) -> Duration {
        let date = self.headers.get(DATE).and_then(|value| value.to_str().ok());
        let date = date.and_then(|value| http_date(value.trim()));
        date.unwrap_or_else(|| self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

fn http_date(value: &str) -> Option<Duration> {
    httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()
}

/// `1*DIGIT [ "." 1*DIGIT ]` as seconds: what is beyond all bounds is as long as can be, and what is finer than
/// a nanosecond is rounded up.
pub(super) fn decimal(value: &str) -> Option<Duration> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    (digits(whole) && digits(fraction)).then(|| {
        let (nanoseconds, finer) = fraction.split_at(fraction.len().min(9));
        let up = u64::from(finer.bytes().any(|digit| digit != b'0'));
        let nanoseconds =
            nanoseconds.bytes().chain(*b"000000000").take(9).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let seconds = Duration::from_secs(whole.parse().unwrap_or(u64::MAX));
        seconds.saturating_add(Duration::from_nanos(nanoseconds + up))
    })
}

/// Numbers with units, one after the other, as Go writes durations: `1h2m3.5s`, `20ms`.
fn units(mut value: &str) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    loop {
        let (number, rest) = value.split_at(value.find(|char: char| char.is_ascii_alphabetic())?);
        let (unit, rest) = rest.split_at(rest.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(rest.len()));
        sum = sum.saturating_add(in_unit(decimal(number)?, unit)?);
        if rest.is_empty() {
            return Some(sum);
        }
        value = rest;
    }
}

/// That many units; `number` is told as if they were seconds.
fn in_unit(number: Duration, unit: &str) -> Option<Duration> {
    Some(match unit {
        "d" => number.saturating_mul(86_400),
        "h" => number.saturating_mul(3600),
        "m" => number.saturating_mul(60),
        "s" => number,
        "ms" => number / 1000,
        "us" => number / 1_000_000,
        "ns" => number / 1_000_000_000,
        _ => return None,
    })
}
