//! Small words that all reporters share: numbers with separators, texts that are safe to show.

use std::borrow::Cow;
use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use crate::clock;

/// Most characters shown of a text that came from outside.
pub const LONGEST: usize = 240;

/// A count with thousands separators: `1,000`.
#[must_use]
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.char_indices() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count and its noun: `1 row`, `1,000 rows`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", thousands(count)) }
}

/// A rate per second: `0.5/s`, `9.8/s`, `208/s`.
#[must_use]
pub fn per_second(rate: f64) -> String {
    match rate {
        rate if !rate.is_finite() || rate <= 0.0 => "0/s".to_owned(),
        rate if rate < 9.95 => format!("{rate:.1}/s"),
        // Bounded below 2^64 by any real clock, and positive: the cast only drops the fraction.
        rate => format!("{}/s", thousands(rate.round() as u64)),
    }
}

/// Bytes: `512 B`, `79.1 KiB`, `1.2 MiB`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = count as f64 / 1024.0;
    // What would be shown as 1,024 of a unit is one of the next.
    let unit = UNITS.iter().position(|unit| {
        let fits = value < 1023.95 || *unit == "EiB";
        value = if fits { value } else { value / 1024.0 };
        fits
    });
    match unit.filter(|_| count >= 1024) {
        Some(unit) => format!("{value:.1} {}", UNITS[unit]),
        None => format!("{count} B"),
    }
}

/// A latency: `0.4ms`, `12ms`, `1.2s`.
#[must_use]
pub fn latency(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros < 9_950 { format!("{:.1}ms", duration.as_secs_f64() * 1000.0) } else { clock::human(duration) }
}

/// A text from outside on one line, without control characters (a server's words must not move the
/// cursor), at most [`LONGEST`] characters.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", &line[..cut]),
        None => line,
    }
}

/// Whether a character shows nothing by itself: a control character, one that turns the direction of what stands beside
/// it, a joiner, a filler, a tag. What is read would not be what is there.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A text in which what can't be seen is escaped as JSON escapes it: what is read is what is there.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}"));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Columns that a text takes on a terminal: two for most of Chinese, Japanese, Korean, and for pictures.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.width()
}

/// A text in at most so many columns; what is left out is told by an ellipsis.
#[must_use]
pub fn cut(text: &str, most: usize, unicode: bool) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let ellipsis = if unicode { "…" } else { "..." };
    let room = most.saturating_sub(columns(ellipsis));
    if room == 0 {
        return ".".repeat(most);
    }
    let mut ends = text.char_indices().map(|(end, _)| end).filter(|end| columns(&text[..*end]) <= room);
    // What joins two letters into one would join the ellipsis.
    let kept = text[..ends.next_back().unwrap_or(0)].trim_end_matches(['\u{200d}', '\u{fe0f}', ' ']);
    format!("{kept}{ellipsis}")
}

/// A text for a terminal whose locale is not a Unicode one.
#[must_use]
pub fn ascii(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let shown: Vec<String> = [0, 7, 999, 1000, 12_345, 1_234_567, u64::MAX].map(thousands).into();
        assert_eq!(shown, ["0", "7", "999", "1,000", "12,345", "1,234,567", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn nouns_follow_their_count() {
        assert_eq!([counted(0, "row"), counted(1, "row"), counted(1000, "row")], ["0 rows", "1 row", "1,000 rows"]);
    }

    #[test]
    fn rates_are_short() {
        let shown: Vec<String> = [0.0, f64::NAN, 0.5, 9.96, 208.4, 12_345.0].map(per_second).into();
        assert_eq!(shown, ["0/s", "0/s", "0.5/s", "10/s", "208/s", "12,345/s"]);
    }

    #[test]
    fn latencies_are_short() {
        let shown: Vec<String> = [400, 3_200, 12_300, 1_200_000].map(|us| latency(Duration::from_micros(us))).into();
        assert_eq!(shown, ["0.4ms", "3.2ms", "12ms", "1.2s"]);
    }

    #[test]
    fn sizes_are_short() {
        let shown: Vec<String> = [0, 1023, 1024, 81_000, 1_048_575, 1 << 20, u64::MAX].map(bytes).into();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "79.1 KiB", "1.0 MiB", "1.0 MiB", "16.0 EiB"]);
    }

    #[test]
    fn a_text_is_cut_by_the_columns_that_it_takes() {
        assert_eq!(cut("prices", 6, true), "prices");
        assert_eq!([cut("prices", 5, true), cut("prices", 5, false)], ["pric…", "pr..."]);
        assert_eq!(
            [cut("価格表", 6, true), cut("価格表", 5, true), cut("価格表", 4, true)],
            ["価格表", "価格…", "価…"]
        );
        assert_eq!([cut("prices", 1, true), cut("prices", 3, false), cut("x", 0, true)], [".", "...", ""]);
        for text in [
            "👩\u{200d}👩\u{200d}👧 family",
            "e\u{301}e\u{301}e\u{301}e\u{301}",
            "❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}",
            "עברית",
            "\u{200b}\u{200b}",
        ] {
            for most in 0..12 {
                assert!(columns(&cut(text, most, true)) <= most, "{text:?} in {most}");
            }
        }
        assert_eq!(ascii("Größe"), "Gr??e");
    }

    #[test]
    fn what_can_not_be_seen_is_escaped() {
        assert_eq!(visible("Größe 価格 \u{1f600}"), "Größe 価格 \u{1f600}");
        let hidden = "a\u{202e}b\u{1b}[2J\u{9b}c\u{200b}\u{e0041}";
        assert_eq!(visible(hidden), r"a\u202eb\u001b[2J\u009bc\u200b\udb40\udc41");
    }

    #[test]
    fn a_servers_words_stay_on_their_line() {
        assert_eq!(clean("HTTP 500:\r\n \u{1b}[2Jboom\t!"), "HTTP 500: [2Jboom !");
        let long = clean(&"ä".repeat(500));
        assert_eq!(long.chars().count(), LONGEST + 3);
        assert!(long.ends_with("..."));
    }
}
