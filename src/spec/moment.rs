//! Dates and times as they are written, and steps from one to the next: `2026-01-31`, `"1 month"`.
//!
//! A date has no clock and a time without an offset no place on earth: none is added. Must never ask what time it is.

use std::fmt;

use jiff::Span;
use jiff::civil::{Date, DateTime};

use super::scalar::ScalarError;

/// A date, or a date and a time, with its offset where one is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What calendar and clock say; midnight where there is no clock.
    pub civil: DateTime,
    /// What of it is written.
    pub form: Form,
}

/// What is written of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `2026-01-31`
    Date,
    /// `2026-01-31T12:00:00`
    Local,
    /// `2026-01-31T12:00:00Z`: an offset of nothing, written so.
    Zulu,
    /// `2026-01-31T12:00:00+02:00`: seconds east.
    Offset(i32),
}

impl Form {
    /// Whether both have a clock, an offset, or neither.
    #[must_use]
    pub fn is_like(self, other: Self) -> bool {
        self.in_words() == other.in_words()
    }

    /// With its article.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Date => "a date",
            Self::Local => "a time without an offset",
            Self::Zulu | Self::Offset(_) => "a time with an offset",
        }
    }

    fn seconds(self) -> i64 {
        match self {
            Self::Date | Self::Local | Self::Zulu => 0,
            Self::Offset(seconds) => i64::from(seconds),
        }
    }
}

impl Moment {
    /// The same moment as clocks with the offset of `form` show it; `None` where no calendar has it.
    #[must_use]
    pub fn seen_from(self, form: Form) -> Option<DateTime> {
        self.civil.checked_add(Span::new().seconds(form.seconds() - self.form.seconds())).ok()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Date => write!(f, "{}", self.civil.date()),
            Form::Local => write!(f, "{}", self.civil),
            Form::Zulu => write!(f, "{}Z", self.civil),
            Form::Offset(seconds) => {
                let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                write!(f, "{}{sign}{:02}:{:02}", self.civil, minutes / 60, minutes % 60)
            }
        }
    }
}

/// Parses a moment, as RFC 3339 and TOML write it.
///
/// # Errors
/// When it is none, or no calendar has it.
pub fn moment(text: &str) -> Result<Moment, ScalarError> {
    parse(text.trim()).ok_or_else(|| ScalarError {
        message: format!("`{text}` is not a date"),
        help: "write one such as 2026-01-31 or 2026-01-31T12:00:00Z".to_owned(),
    })
}

fn parse(text: &str) -> Option<Moment> {
    // The basic forms of ISO 8601 look like numbers: 20260131.
    let (day, rest) = text.split_at_checked(10).filter(|(day, _)| day.as_bytes()[4] == b'-')?;
    let date: Date = day.parse().ok()?;
    if rest.is_empty() {
        return Some(Moment { civil: date.at(0, 0, 0, 0), form: Form::Date });
    }
    let clock = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, form) = match clock.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, Form::Zulu),
        None => match clock.rfind(['+', '-']) {
            Some(sign) => (&clock[..sign], Form::Offset(offset(&clock[sign..])?)),
            None => (clock, Form::Local),
        },
    };
    let is_clock = clock.len() >= 5 && clock.bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte));
    let time: jiff::civil::Time = is_clock.then(|| clock.parse().ok()).flatten()?;
    Some(Moment { civil: date.to_datetime(time), form })
}

/// Seconds east, of `+02:00`.
fn offset(text: &str) -> Option<i32> {
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let number = |digits: &str, most: i32| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|number| plain && *number <= most)
    };
    let seconds = number(hours, 23)? * 3600 + number(minutes, 59)? * 60;
    Some(if text.starts_with('-') { -seconds } else { seconds })
}

/// From one moment to the next; backwards where it is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How many units; not zero.
    pub amount: i64,
    /// Of what.
    pub unit: Unit,
}

/// A unit of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A second of the clock.
    Second,
    /// 60 of them.
    Minute,
    /// 60 of these.
    Hour,
    /// A day of the calendar.
    Day,
    /// Seven days.
    Week,
    /// A month of the calendar, whatever its length.
    Month,
    /// Twelve months.
    Year,
}

/// What a unit is called; the first is how it is told.
const UNITS: &[(Unit, &[&str])] = &[
    (Unit::Second, &["second", "seconds", "s", "sec"]),
    (Unit::Minute, &["minute", "minutes", "m", "min"]),
    (Unit::Hour, &["hour", "hours", "h"]),
    (Unit::Day, &["day", "days", "d"]),
    (Unit::Week, &["week", "weeks", "w"]),
    (Unit::Month, &["month", "months"]),
    (Unit::Year, &["year", "years", "y"]),
];

impl Step {
    /// `from` and so many steps; `None` where no calendar has it. Months are counted from `from`, so a day that a
    /// month does not have becomes its last, and the month behind it has it again.
    #[must_use]
    pub fn from(self, from: DateTime, count: i64) -> Option<DateTime> {
        let amount = self.amount.checked_mul(count)?;
        let span = match self.unit {
            Unit::Second => Span::new().try_seconds(amount),
            Unit::Minute => Span::new().try_minutes(amount),
            Unit::Hour => Span::new().try_hours(amount),
            Unit::Day => Span::new().try_days(amount),
            Unit::Week => Span::new().try_weeks(amount),
            Unit::Month => Span::new().try_months(amount),
            Unit::Year => Span::new().try_years(amount),
        };
        from.checked_add(span.ok()?).ok()
    }

    /// Whether it moves the clock.
    #[must_use]
    pub fn is_of_clock(self) -> bool {
        matches!(self.unit, Unit::Second | Unit::Minute | Unit::Hour)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, names) = UNITS.iter().find(|(unit, _)| *unit == self.unit).ok_or(fmt::Error)?;
        write!(f, "{} {}", self.amount, names[usize::from(self.amount.abs() != 1)])
    }
}

/// Parses a step such as `1 day`, `2 weeks`, `-1h`.
///
/// # Errors
/// When it is no whole number, not zero, with a unit.
pub fn step(text: &str) -> Result<Step, ScalarError> {
    let wrong = |message: String| {
        let help = "write a number and a unit, such as \"1 day\"; the units are s, m, h, days, weeks, months and years";
        Err(ScalarError { message, help: help.to_owned() })
    };
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(text.len());
    let (number, name) = (&text[..digits], text[digits..].trim().to_lowercase());
    let unit = UNITS.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(unit, _)| *unit);
    match (number.parse::<i64>(), unit) {
        (Ok(0), _) => wrong(format!("a range with a step of `{text}` never ends")),
        (Ok(amount), Some(unit)) => Ok(Step { amount, unit }),
        (Ok(_), None) if name.is_empty() => wrong(format!("the step `{text}` has no unit")),
        _ => wrong(format!("`{text}` is no step from one date to the next")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written_alike() {
        for text in [
            "2026-01-31",
            "0001-01-01",
            "2026-01-31T00:00:00",
            "2026-01-31T12:30:01.25",
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00+05:30",
            "2026-01-31T12:00:00-08:00",
        ] {
            assert_eq!(moment(text).unwrap().to_string(), text);
        }
        assert_eq!(moment(" 2026-01-31 12:00:00z ").unwrap().to_string(), "2026-01-31T12:00:00Z");
        let east = moment("2026-01-31T12:00:00+02:00").unwrap();
        assert_eq!(east.seen_from(Form::Zulu).unwrap().to_string(), "2026-01-31T10:00:00");
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in
            ["", "today", "2026-02-30", "20260131", "07:32:00", "2026-01", "2026-1-1", "2026-01-31T", "31.01.2026"]
        {
            assert_eq!(moment(text).unwrap_err().message, format!("`{text}` is not a date"));
        }
        for text in ["2026-01-31T25:00:00", "2026-01-31T12:00:00+2", "2026-01-31T12:00:00+24:00", "2026-01-31x12:00:00"]
        {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn steps_have_a_number_and_a_unit() {
        for (text, told) in [
            ("1 day", "1 day"),
            ("2weeks", "2 weeks"),
            ("-1h", "-1 hour"),
            ("15 m", "15 minutes"),
            ("1 Month", "1 month"),
        ] {
            assert_eq!(step(text).unwrap().to_string(), told);
        }
        for (text, message) in [
            ("0 days", "a range with a step of `0 days` never ends"),
            ("7", "the step `7` has no unit"),
            ("1 fortnight", "`1 fortnight` is no step from one date to the next"),
            ("day", "`day` is no step from one date to the next"),
            ("1.5 h", "`1.5 h` is no step from one date to the next"),
        ] {
            assert_eq!(step(text).unwrap_err().message, message);
        }
    }

    #[test]
    fn months_are_counted_from_the_first() {
        let (from, month) = (moment("2026-01-31").unwrap().civil, step("1 month").unwrap());
        let days: Vec<String> = (0..4).map(|count| month.from(from, count).unwrap().date().to_string()).collect();
        assert_eq!(days, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]);
        assert_eq!(step("1 year").unwrap().from(from, 20_000), None);
    }
}
