//! Texts and numbers as they stand in the report. Must never let a text from outside become markup.

use std::fmt::Write as _;
use std::time::Duration;

use crate::clock;
use crate::report::text::thousands;

/// Most characters shown of a name or a reason.
const LONGEST: usize = 300;

/// A text between tags or in an attribute between double quotes. Characters that HTML can't hold become U+FFFD.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            // Ends of lines of other systems.
            '\r' => out.push(' '),
            c if c.is_control() || is_noncharacter(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn is_noncharacter(c: char) -> bool {
    let code = c as u32;
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// A name or reason from outside, cut where it is very long, and whatever its script is, not turning around what stands
/// beside it.
pub(super) fn foreign(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(&cut(text)))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A share (0..=1) in percent: `0 %`, `0.3 %`, `12 %`, `99.7 %`, `100 %`: what is not all is never told as all.
pub(super) fn percent(share: f64) -> String {
    let percent = (share * 100.0).clamp(0.0, 100.0);
    match percent {
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.1 => "below 0.1 %".to_owned(),
        p if p < 9.95 => format!("{} %", trimmed(p, 1)),
        p if p > 99.0 && p < 100.0 => format!("{} %", trimmed(p.min(99.9), 1)),
        p => format!("{p:.0} %"),
    }
}

/// A number with so many decimals and without zeros at its end.
pub(super) fn trimmed(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number for people: `0.25`, `3.5`, `120`, `12,000`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative; more than 2^64 of anything never was"
)]
pub(super) fn number(number: f64) -> String {
    match number {
        n if !n.is_finite() || n <= 0.0 => "0".to_owned(),
        n if n < 1.0 => trimmed(n, 2),
        n if n < 99.95 => trimmed(n, 1),
        n => thousands(n.round() as u64),
    }
}

/// Microseconds for people: `85 µs`, `1.2 ms`, `340 ms`, `2.5 s`, `1m 30s`.
#[allow(clippy::cast_precision_loss, reason = "a duration for people")]
pub(super) fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..99_950 => format!("{} ms", trimmed(micros as f64 / 1e3, 1)),
        99_950..999_500 => format!("{:.0} ms", micros as f64 / 1e3),
        999_500..60_000_000 => format!("{} s", trimmed(micros as f64 / 1e6, 2)),
        _ => clock::human(Duration::from_micros(micros)),
    }
}

/// A duration for people.
pub(super) fn duration(duration: Duration) -> String {
    micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// Milliseconds since a session began: `0`, `250ms`, `2m 30s`.
pub(super) fn moment(ms: u64) -> String {
    if ms == 0 { "0".to_owned() } else { clock::human(Duration::from_millis(ms)) }
}

/// Bytes: `512 B`, `1.5 kB`, `12 MB`.
#[allow(clippy::cast_precision_loss, reason = "a size for people")]
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let (mut size, mut unit) = (count as f64 / 1e3, 0);
    while size >= 999.5 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1e3, unit + 1);
    }
    format!("{} {}", trimmed(size, usize::from(size < 99.95)), UNITS[unit])
}

/// RFC 3339 in UTC as people read it, with the exact text for programs.
pub(super) fn time(text: &str) -> String {
    let shown = match text.split_once('.').and_then(|(seconds, _)| seconds.split_once('T')) {
        Some((day, time)) => format!("{day} {time} UTC"),
        None => text.to_owned(),
    };
    format!("<time datetime=\"{}\">{}</time>", escape(text), escape(&shown))
}

/// A coordinate, short: the page has many thousands of them.
pub(super) fn coordinate(out: &mut String, command: &str, value: f64) {
    let value = if value.is_finite() { value } else { 0.0 };
    let tenths = (value * 10.0).round() / 10.0;
    // Writing into a String never fails.
    let _ = write!(out, "{command}{tenths}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(
            escape("</script><b a=\"1\" b='2'>&amp;"),
            "&lt;/script&gt;&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;amp;"
        );
        assert_eq!(escape("a\0\u{1b}[31m\r\n\tb\u{fffe}"), "a\u{fffd}\u{fffd}[31m \n\tb\u{fffd}");
        let long = foreign(&"é".repeat(700));
        assert!(long.ends_with("é…</bdi>") && long.chars().count() == 300 + 12, "{}", long.chars().count());
    }

    #[test]
    fn what_is_not_all_is_not_told_as_all() {
        let shown = [0.0, 0.0001, 0.004, 0.5, 0.999_999, 1.0, 1.2].map(percent);
        assert_eq!(shown, ["0 %", "below 0.1 %", "0.4 %", "50 %", "99.9 %", "100 %", "100 %"]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 0.256, 3.49, 120.4, 12_000.0].map(number), ["0", "0.26", "3.5", "120", "12,000"]);
        let shown = [0, 85, 1_000, 1_240, 340_000, 999_600, 2_500_000, 90_000_000].map(micros);
        assert_eq!(shown, ["0 µs", "85 µs", "1 ms", "1.2 ms", "340 ms", "1 s", "2.5 s", "1m 30s"]);
        assert_eq!([0, 999, 1_500, 12_000_000, 999_600].map(bytes), ["0 B", "999 B", "1.5 kB", "12 MB", "1 MB"]);
    }
}
