//! A line of a log: an event of `tracing` or a record of `log`, as text or as a JSON object.
//!
//! Everything but the time and the level passes the masker here, values before they are put into JSON, so that a secret
//! that looks like a part of its syntax breaks no line. Must never end in the middle, nor hold a control character.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use tracing::Level;
use tracing::field::{Field, Visit};

use super::filter::OWN;
use crate::clock;
use crate::secret::Masker;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// Time, level and words, for people.
    #[default]
    Text,
    /// A JSON object a line: timestamp, level, target, event and its fields, message.
    Json,
}

/// How lines are written, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Text or JSON.
    pub format: LogFormat,
    /// Whether text says the day and the level: for a file. Who looks on knows the day.
    pub dated: bool,
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    level: Level,
    target: String,
    message: String,
    fields: Vec<(&'static str, Value)>,
    /// When it happened; `None`: now.
    at: Option<String>,
}

impl Line {
    /// What this program says of its log itself.
    #[must_use]
    pub fn own(level: Level, message: String) -> Self {
        Self { level, target: "paceline::log".to_owned(), message, fields: Vec::new(), at: None }
    }

    /// Of an event.
    #[must_use]
    pub fn of_event(event: &tracing::Event<'_>) -> Self {
        let (level, target) = (*event.metadata().level(), event.metadata().target().to_owned());
        let mut line = Self { level, target, message: String::new(), fields: Vec::new(), at: None };
        event.record(&mut line);
        line
    }

    /// Of what a crate says that knows `log` alone.
    #[must_use]
    pub fn of_record(record: &log::Record<'_>) -> Self {
        let (level, target) = (level(record.level()), record.target().to_owned());
        Self { level, target, message: record.args().to_string(), fields: Vec::new(), at: None }
    }

    /// Whether it is this program that speaks, and no crate below it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.target.strip_prefix(OWN).is_some_and(|rest| rest.starts_with("::"))
    }

    /// The line as it is written, with its end.
    #[must_use]
    pub fn render(&self, style: Style, masker: Option<&Masker>) -> String {
        let masked = |text: &str| printable(&masker.map_or_else(|| text.into(), |masker| masker.mask(text)));
        match style.format {
            LogFormat::Text => format!("{}{}\n", self.head(style.dated), masked(&self.words())),
            LogFormat::Json => self.object(masked).to_string() + "\n",
        }
    }

    fn stamp(&self) -> String {
        self.at.clone().unwrap_or_else(clock::timestamp)
    }

    fn head(&self, dated: bool) -> String {
        let stamp = self.stamp();
        if dated {
            return format!("{stamp} {:5} ", self.level);
        }
        // `2026-11-20T15:04:05.123Z`: the day is known to whoever looks on.
        let time = stamp.get(11..23).unwrap_or(&stamp);
        if self.is_own() { format!("{time} ") } else { format!("{time} {} ", self.level) }
    }

    /// Of our own events the words say all that the fields do.
    fn words(&self) -> String {
        if self.is_own() {
            return self.message.clone();
        }
        let mut words = format!("{}: {}", self.target, self.message);
        for (name, value) in &self.fields {
            let space = if words.ends_with(' ') { "" } else { " " };
            let _ = match value {
                Value::String(text) => write!(words, "{space}{name}={text}"),
                other => write!(words, "{space}{name}={other}"),
            };
        }
        words
    }

    fn object(&self, masked: impl Fn(&str) -> String) -> Value {
        let mut object = Map::new();
        object.insert("timestamp".to_owned(), self.stamp().into());
        object.insert("level".to_owned(), self.level.as_str().into());
        object.insert("target".to_owned(), masked(&self.target).into());
        for (name, value) in &self.fields {
            // The names of others may be our own ones.
            let mut name = (*name).to_owned();
            while object.contains_key(&name) || name == "message" {
                name.push('_');
            }
            let value = if let Value::String(text) = value { masked(text).into() } else { value.clone() };
            object.insert(name, value);
        }
        object.insert("message".to_owned(), masked(&self.message).into());
        Value::Object(object)
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            // Whoever else has such a field may mean whatever they like.
            "timestamp" if self.is_own() => self.at = Some(value.to_owned()),
            name => self.fields.push((name, value.into())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The level of a record in the words of `tracing`.
#[must_use]
pub fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::ERROR,
        log::Level::Warn => Level::WARN,
        log::Level::Info => Level::INFO,
        log::Level::Debug => Level::DEBUG,
        log::Level::Trace => Level::TRACE,
    }
}

/// On one line, and nothing in it that moves a cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Style = Style { format: LogFormat::Text, dated: false };
    const JSON: Style = Style { format: LogFormat::Json, dated: true };

    fn foreign(fields: Vec<(&'static str, Value)>) -> Line {
        Line { level: Level::TRACE, target: "h2::codec".to_owned(), message: "send".to_owned(), fields, at: None }
    }

    fn behind_time(line: &str) -> &str {
        line.split_once(' ').unwrap().1
    }

    #[test]
    fn what_others_say_has_its_level_its_target_and_its_fields() {
        let line = foreign(vec![("frame", "Data { id: 1 }".into()), ("rem", 9.into())]);
        let text = line.render(TEXT, None);
        assert_eq!(behind_time(&text), "TRACE h2::codec: send frame=Data { id: 1 } rem=9\n");
        let bare = Line { message: String::new(), ..foreign(vec![("eof", true.into())]) };
        assert_eq!(behind_time(&bare.render(TEXT, None)), "TRACE h2::codec: eof=true\n");
    }

    #[test]
    fn a_file_says_day_and_level_and_who_looks_on_knows_them() {
        let line = Line::own(Level::WARN, "5 lines are missing".to_owned());
        let dated = line.render(Style { dated: true, ..TEXT }, None);
        assert_eq!(behind_time(&dated), "WARN  5 lines are missing\n");
        assert!(dated.as_bytes()[10] == b'T' && dated.as_bytes()[23] == b'Z', "{dated}");
        let text = line.render(TEXT, None);
        assert_eq!(behind_time(&text), "5 lines are missing\n");
        assert!(text.as_bytes()[2] == b':' && text.as_bytes()[8] == b'.', "{text}");
    }

    #[test]
    fn a_secret_that_looks_like_syntax_breaks_no_object() {
        let line = foreign(vec![("level", "x".into()), ("message_", "a\":b".into()), ("row", 1.into())]);
        let text = line.render(JSON, Some(&Masker::new(["\":", "1", "e"])));
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["level"], "TRACE");
        assert_eq!((&object["level_"], &object["message_"]), (&"x".into(), &"a***b".into()));
        assert_eq!((&object["row"], &object["message"]), (&1.into(), &"s***nd".into()));
    }

    #[test]
    fn a_secret_over_two_fields_is_masked_in_text() {
        let line = foreign(vec![("a", "hunter".into())]);
        let shown = line.render(TEXT, Some(&Masker::new(["send a=hun"])));
        assert_eq!(behind_time(&shown), "TRACE h2::codec: ***ter\n");
    }

    #[test]
    fn nothing_moves_a_cursor_or_ends_a_line() {
        let line = foreign(vec![("a", "x\r\n\u{1b}[2J\u{9b}1A\u{2028}y".into())]);
        assert_eq!(behind_time(&line.render(TEXT, None)), "TRACE h2::codec: send a=x   [2J 1A y\n");
        let json = line.render(JSON, None);
        assert_eq!(json.matches('\n').count(), 1);
        assert!(json.contains(r#""a":"x   [2J 1A y""#), "{json}");
    }

    #[test]
    fn a_secret_with_a_line_end_is_found_before_it_is_cleaned() {
        let line = foreign(vec![("key", "one\ntwo".into())]);
        assert!(line.render(TEXT, Some(&Masker::new(["one\ntwo"]))).ends_with("key=***\n"));
    }
}
