//! The text of a new job.
//!
//! What comes from elsewhere must never end a comment.

use std::fmt::Write as _;
use std::path::Path;

use super::draft::column_template;
use super::{Draft, Input, toml};
use crate::curl::Word;
use crate::format::format;
use crate::report::text::is_invisible;

/// Methods that do the same once and twice (RFC 9110, section 9.2.2).
const REPEATABLE: &[&str] = &["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];

/// Most columns of the input that a comment names.
const MOST_COLUMNS: usize = 60;

impl Draft {
    /// The job as text, for the file at `path`, in the style of `fmt`.
    #[must_use]
    pub fn text(&self, path: &Path) -> String {
        let text = self.raw(path);
        format(&text).map_or(text, |formatted| formatted.text)
    }

    fn raw(&self, path: &Path) -> String {
        let file = shell_path(path);
        let mut text = format!("#:schema {}\n", self.schema);
        text += "# The line above lets editors with Taplo or Tombi complete and check this file.\n";
        let _ = writeln!(text, "# Next: `paceline check {file}`, `paceline plan {file}`, `paceline run {file}`.");
        for note in &self.notes {
            let _ = writeln!(text, "# Note: {}.", on_a_line(note));
        }
        text.push('\n');
        for (key, value) in [("name", &self.name), ("description", &self.description)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", toml::text(value));
            }
        }
        text.push('\n');
        self.write_secrets(&mut text);
        self.write_endpoint(&mut text);
        let _ = writeln!(
            text,
            "# Where records go: .csv, .jsonl, .json, .parquet or .sqlite. Without a sink they go to standard output."
        );
        let _ = writeln!(text, "[sinks.out]\npath = {}", toml::text(&self.output));
        text +=
            "on-existing = \"replace\"  # what a new run does with the file of the run before; \"error\" keeps it\n";
        text
    }

    fn write_secrets(&self, text: &mut String) {
        if self.secrets.is_empty() {
            return;
        }
        *text += "# Secrets are read from the environment when the job runs, and shown nowhere.\n[secrets]\n";
        for (name, variable) in self.secrets.iter() {
            let _ = writeln!(text, "{}.env = {}  # export {variable}=...", toml::key(name), toml::text(variable));
        }
        text.push('\n');
    }

    fn write_endpoint(&self, text: &mut String) {
        let _ = writeln!(text, "# One request for each row of the input; {{{{ row.NAME }}}} is its column NAME.");
        let _ = writeln!(text, "[endpoints.{}]", toml::key(&self.endpoint));
        if self.method != "GET" {
            let _ = writeln!(text, "method = {}", toml::text(&self.method));
        }
        let _ = writeln!(text, "url = {}", toml::text(&self.url));
        if let Some(rate) = &self.rate {
            let _ = writeln!(text, "rate = {}", toml::text(rate));
        } else {
            text.push_str(
                "# rate = \"10/s\"  # requests that may leave in a second; as fast as the server answers without it\n",
            );
        }
        for (key, value, comment) in &self.keys {
            let comment = comment.as_ref().map(|comment| format!("  # {comment}")).unwrap_or_default();
            let _ = writeln!(text, "{key} = {value}{comment}");
        }
        if !self.keys.iter().any(|(key, ..)| key.starts_with("columns.")) {
            text.push_str("# columns.price = \"$.price\"  # values of the reply that go into the record (JSONPath)\n");
        }
        for hint in &self.hints {
            let _ = writeln!(text, "# {}", on_a_line(hint));
        }
        if self.leaves_repeating_open() {
            let _ = writeln!(
                text,
                "retry.unknown = \"fail\"  # a {} is not sent again when its answer is lost; idempotency-key = true lets it be, where the server knows such keys",
                self.method
            );
        }
        self.write_input(text);
        text.push('\n');
    }

    /// Whether the job would not say what happens to a request that may have been heard.
    fn leaves_repeating_open(&self) -> bool {
        let is_decided = |(key, value, _): &(String, String, Option<String>)| {
            ["retry.unknown", "retry.methods", "idempotency-key"].contains(&key.as_str())
                || (key == "retry.attempts" && value == "1")
        };
        !REPEATABLE.contains(&self.method.as_str())
            && !self.url.starts_with("demo:")
            && !self.keys.iter().any(is_decided)
    }

    fn write_input(&self, text: &mut String) {
        match &self.input {
            Input::File(path) => {
                let _ = writeln!(text, "input = {}", toml::text(path));
                if !self.columns.is_empty() {
                    let columns = self.columns.iter().take(MOST_COLUMNS);
                    let columns: Vec<String> = columns.map(|column| column_template(column)).collect();
                    let more = if self.columns.len() > MOST_COLUMNS { ", .." } else { "" };
                    let _ = writeln!(text, "# Its columns: {}{more}", columns.join(", "));
                }
            }
            Input::Rows(rows) => {
                text.push_str("# Put rows here, or name a file that holds them: input = \"rows.csv\"\n");
                let _ = writeln!(text, "input.values = {rows}");
            }
        }
    }
}

/// A path as a shell reads it back, also where it looks like a flag; on one line.
#[must_use]
pub fn shell_path(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    on_a_line(Word::of(&text).as_str())
}

fn on_a_line(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    spaced.filter(|c| !is_invisible(*c)).collect()
}
