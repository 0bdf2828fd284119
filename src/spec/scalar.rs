//! Scalars with a unit: durations `"1h 30m"`, sizes `"64KiB"`, rates `"100/30s"`, statuses `"2xx"`.
//!
//! Each parser says what is wrong in words that mend it. Must never guess a unit.

mod rate;

use std::num::NonZeroU32;
use std::time::Duration;

use crate::limit::Window;

/// Why a text is no such scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalarError {
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

impl std::fmt::Display for ScalarError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

fn wrong<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, ScalarError> {
    Err(ScalarError { message: message.into(), help: help.into() })
}

/// A unit: its name and what one of it is worth in the smallest unit.
type Unit = (&'static str, u64);

/// Units of durations, in milliseconds.
const DURATION_UNITS: &[Unit] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Units of sizes, in bytes.
const SIZE_UNITS: &[Unit] = &[
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Words that people write for a unit of time.
const DURATION_WORDS: &[(&str, &str)] = &[
    ("msec", "ms"),
    ("millis", "ms"),
    ("millisecond", "ms"),
    ("sec", "s"),
    ("second", "s"),
    ("min", "m"),
    ("minute", "m"),
    ("hr", "h"),
    ("hour", "h"),
    ("day", "d"),
];

/// Words that people write for a unit of size.
const SIZE_WORDS: &[(&str, &str)] = &[
    ("byte", "B"),
    ("k", "KB"),
    ("m", "MB"),
    ("g", "GB"),
    ("kilobyte", "KB"),
    ("megabyte", "MB"),
    ("gigabyte", "GB"),
    ("kibibyte", "KiB"),
    ("mebibyte", "MiB"),
    ("gibibyte", "GiB"),
];

/// Longest duration: a hundred years, so that sums never overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Parses a duration such as `250ms`, `1.5s` or `1h 30m`.
///
/// # Errors
/// When there is no unit, an unknown one, or no number.
pub fn duration(text: &str) -> Result<Duration, ScalarError> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return wrong("an empty text is not a duration", "write a number and a unit, such as \"10s\"");
    }
    let mut before = None;
    while !rest.is_empty() {
        let (number, unit, after) = part(rest);
        if let (Some(before), true) = (before, unit.is_empty() && decimal(number).is_some()) {
            let smaller = smaller_unit(before);
            return wrong(
                format!("the `{number}` of the duration `{text}` has no unit"),
                format!("write \"{}{smaller}\"", text.trim()),
            );
        }
        before = Some(unit);
        total = total.saturating_add(duration_part(text, number, unit)?);
        rest = after;
    }
    if total > LONGEST {
        return wrong(format!("`{text}` is longer than a hundred years"), "write a shorter duration");
    }
    Ok(total)
}

/// Parses a duration that is longer than nothing.
///
/// # Errors
/// As [`duration`], and when it is zero.
pub fn positive_duration(text: &str) -> Result<Duration, ScalarError> {
    match duration(text)? {
        Duration::ZERO => wrong("a duration of zero is not possible here", "write a longer one, such as \"10s\""),
        positive => Ok(positive),
    }
}

/// The unit that is most likely meant behind another.
fn smaller_unit(unit: &str) -> &'static str {
    let position = DURATION_UNITS.iter().position(|(name, _)| *name == unit).unwrap_or(1);
    DURATION_UNITS[position.saturating_sub(1)].0
}

fn duration_part(whole: &str, number: &str, unit: &str) -> Result<Duration, ScalarError> {
    const UNITS: &str = "the units are ms, s, m, h and d";
    let Some(value) = decimal(number) else {
        return wrong(
            format!("`{whole}` is not a duration"),
            format!("write a number and a unit, such as \"10s\"; {UNITS}"),
        );
    };
    if unit.is_empty() {
        return wrong(
            format!("the duration `{whole}` has no unit"),
            format!("write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"),
        );
    }
    match DURATION_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, milliseconds)) => {
            Ok(Duration::try_from_secs_f64(value * *milliseconds as f64 / 1000.0).unwrap_or(Duration::MAX))
        }
        None => wrong(
            if unit.starts_with(char::is_whitespace) {
                format!("`{whole}` has a space between number and unit")
            } else {
                format!("`{unit}` is not a unit of time")
            },
            match near_duration_unit(unit.trim()) {
                Some(near) => format!("write \"{number}{near}\"; {UNITS}"),
                None => UNITS.to_owned(),
            },
        ),
    }
}

fn near_duration_unit(unit: &str) -> Option<&'static str> {
    let lower = unit.to_lowercase();
    let singular = lower.strip_suffix('s').filter(|rest| !rest.is_empty()).unwrap_or(&lower);
    let known = DURATION_UNITS.iter().map(|(name, _)| *name).find(|name| *name == lower || *name == singular);
    known.or_else(|| DURATION_WORDS.iter().find(|(word, _)| *word == singular).map(|(_, unit)| *unit))
}

/// Splits the first number and its unit off. A space may stand between parts, not inside one; it is
/// skipped here so that the message can speak of the unit.
fn part(text: &str) -> (&str, &str, &str) {
    let number_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, after) = text.split_at(number_end);
    let spaced = after.len() - after.trim_start().len();
    let unit_end =
        after[spaced..].find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(after.len() - spaced);
    let (unit, rest) = after.split_at(spaced + unit_end);
    // `10 s`: the unit keeps its space, so that it is no known unit.
    let unit =
        if spaced > 0 && DURATION_UNITS.iter().any(|(name, _)| *name == unit.trim()) { unit } else { unit.trim() };
    (number, unit, rest.trim_start())
}

fn decimal(text: &str) -> Option<f64> {
    let digits = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Parses a size in bytes such as `512B`, `10MB` or `64KiB`.
///
/// # Errors
/// When there is no unit, an unknown one, or no number.
pub fn size(text: &str) -> Result<u64, ScalarError> {
    const UNITS: &str = "the units are B, KB, MB, GB, KiB, MiB and GiB";
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let Some(value) = decimal(number) else {
        return wrong(
            format!("`{text}` is not a size"),
            format!("write a number and a unit, such as \"64MiB\"; {UNITS}"),
        );
    };
    if unit.is_empty() {
        return wrong(
            format!("the size `{text}` has no unit"),
            format!("write \"{number}B\" for bytes or \"{number}MiB\""),
        );
    }
    match SIZE_UNITS.iter().find(|(name, _)| *name == unit) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
        Some((_, bytes)) => Ok((value * *bytes as f64).round() as u64),
        None => {
            let known = SIZE_UNITS.iter().any(|(name, _)| *name == unit.trim());
            wrong(
                if known {
                    format!("`{text}` has a space between number and unit")
                } else {
                    format!("`{}` is not a unit of size", unit.trim())
                },
                match near_size_unit(unit.trim()) {
                    Some(near) => format!("write \"{number}{near}\"; {UNITS}"),
                    None => UNITS.to_owned(),
                },
            )
        }
    }
}

fn near_size_unit(unit: &str) -> Option<&'static str> {
    let lower = unit.to_lowercase();
    let singular = lower.strip_suffix('s').unwrap_or(&lower);
    let known = SIZE_UNITS.iter().map(|(name, _)| *name).find(|name| name.eq_ignore_ascii_case(unit));
    known.or_else(|| SIZE_WORDS.iter().find(|(word, _)| *word == singular).map(|(_, unit)| *unit))
}

/// Parses a size of one byte or more.
///
/// # Errors
/// As [`size`], and when it is zero.
pub fn positive_size(text: &str) -> Result<u64, ScalarError> {
    match size(text)? {
        0 => wrong("a size of zero is not possible here", "write a larger one, such as \"64MiB\""),
        positive => Ok(positive),
    }
}

/// Parses a rate such as `10/s`, `100/30s` or `5000/h`.
///
/// # Errors
/// When it has no window, the count is no whole number above zero, or the window is no duration.
pub fn rate(text: &str) -> Result<Window, ScalarError> {
    let Some((count, window)) = text.split_once('/') else {
        return wrong(
            format!("`{text}` is not a rate"),
            "write a count and a window, such as \"10/s\", \"100/30s\" or \"5000/h\"",
        );
    };
    let (count, window) = (count.trim(), window.trim());
    let per = rate_window(text, window)?;
    if count.contains('.') && decimal(count).is_some() {
        return wrong(
            format!("the count of the rate `{text}` is not a whole number"),
            match rate::whole(count, per) {
                Some(rate) => format!("lengthen the window instead: write \"{rate}\""),
                None => "write a whole number, and a longer window such as in \"1/10m\"".to_owned(),
            },
        );
    }
    match count.parse::<u32>().map(NonZeroU32::new) {
        Ok(Some(count)) => Ok(Window { count, per }),
        Ok(None) => {
            wrong("a rate of zero would never let a request leave", "write a count of at least 1, such as \"1/m\"")
        }
        Err(_) => wrong(
            if count.is_empty() {
                format!("the rate `{text}` has no count")
            } else if count.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("the count of the rate `{text}` is too large")
            } else {
                format!("`{count}` is not a count of requests")
            },
            "write a whole number before the `/`, such as \"10/s\"",
        ),
    }
}

fn rate_window(text: &str, window: &str) -> Result<Duration, ScalarError> {
    let written =
        if window.starts_with(|c: char| c.is_ascii_digit()) { window.to_owned() } else { format!("1{window}") };
    match duration(&written) {
        Ok(Duration::ZERO) => {
            wrong(format!("the window of the rate `{text}` is zero"), "write a longer one, such as \"10/s\"")
        }
        Ok(per) => Ok(per),
        Err(_) if window.is_empty() || window.ends_with(|c: char| c.is_ascii_digit()) => wrong(
            format!("the window of the rate `{text}` has no unit"),
            format!("write \"{}/{window}s\"", before_slash(text)),
        ),
        Err(_) => wrong(
            format!("`{window}` is not a window of time"),
            match near_duration_unit(window) {
                Some(near) => format!("write \"{}/{near}\"", before_slash(text)),
                None => "write a unit or a duration, such as \"10/s\", \"100/30s\" or \"5000/h\"".to_owned(),
            },
        ),
    }
}

fn before_slash(text: &str) -> &str {
    text.split_once('/').map_or(text, |(count, _)| count.trim())
}

/// Parses a share such as `20%` into a share of 1.
///
/// # Errors
/// When it is no percentage from 0% to 100%.
pub fn share(text: &str) -> Result<f64, ScalarError> {
    let Some(number) = text.trim().strip_suffix('%').map(str::trim_end) else {
        return wrong(format!("`{text}` is not a share"), "write a percentage, such as \"20%\"");
    };
    match decimal(number) {
        Some(percent) if percent <= 100.0 => Ok(percent / 100.0),
        Some(_) | None => {
            wrong(format!("`{text}` is not a share from 0% to 100%"), "write a percentage, such as \"20%\"")
        }
    }
}

/// Parses a class of statuses such as `2xx` into its inclusive range.
///
/// # Errors
/// When it is no class from `1xx` to `5xx`.
pub fn status_class(text: &str) -> Result<(u16, u16), ScalarError> {
    let class = match text.as_bytes() {
        [digit @ b'1'..=b'5', b'x', b'x'] => u16::from(digit - b'0'),
        _ => {
            let help = match text.parse::<u16>() {
                Ok(status) => format!("write it without quotes: {status}"),
                Err(_) => "write a class from \"1xx\" to \"5xx\", or a number such as 404".to_owned(),
            };
            return wrong(format!("`{text}` is not a status"), help);
        }
    };
    Ok((class * 100, class * 100 + 99))
}

/// Parses `address:port`.
///
/// # Errors
/// When it is no IP address with a port.
pub fn address(text: &str) -> Result<std::net::SocketAddr, ScalarError> {
    text.parse().or_else(|_| {
        wrong(
            format!("`{text}` is not an IP address with a port"),
            "write one such as \"127.0.0.1:8443\" or \"[::1]:8443\"",
        )
    })
}

#[cfg(test)]
mod tests;
