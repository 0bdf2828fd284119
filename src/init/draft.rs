//! A job that is being made, and its text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::rows::META;
use super::toml;
use crate::format::format;

/// Methods that do the same once and twice (RFC 9110, section 9.2.2).
const REPEATABLE: &[&str] = &["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];

/// Where the rows of a new job come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, as the job will name it.
    File(String),
    /// Rows in the job itself, as TOML.
    Rows(String),
}

/// A job that is being made: what its text will say, in TOML where the type is a text.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The job's name; `None`: the file's stem.
    pub name: Option<String>,
    /// What the job is for.
    pub description: Option<String>,
    /// The endpoint's name.
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// The URL, a template.
    pub url: String,
    /// Requests a second and the like.
    pub rate: Option<String>,
    /// Further keys of the endpoint and their values, with a comment where one helps.
    pub keys: Vec<(String, String, Option<String>)>,
    /// Comments below those keys.
    pub hints: Vec<String>,
    /// Where rows come from.
    pub input: Input,
    /// Columns of the input, to be told in a comment.
    pub columns: Vec<String>,
    /// The file that records go to.
    pub output: String,
    /// Names of secrets and of the variables that hold them.
    pub secrets: Vec<(String, String)>,
    /// Comments at the top.
    pub notes: Vec<String>,
    /// The schema's place, for editors.
    pub schema: String,
    /// Where relative paths of a command start from; `None`: where the job lies.
    pub base: Option<PathBuf>,
}

impl Default for Draft {
    fn default() -> Self {
        let taken = |key: &str, path: &str| (format!("columns.{key}"), toml::text(path), None);
        Self {
            name: None,
            description: None,
            endpoint: "products".to_owned(),
            method: "GET".to_owned(),
            url: "demo:/products/{{ row.sku }}".to_owned(),
            rate: None,
            keys: vec![taken("name", "$.name"), taken("price", "$.price")],
            hints: Vec::new(),
            input: Input::Rows("[{ sku = \"LMP-1001\" }, { sku = \"MUG-1002\" }, { sku = \"BAG-1003\" }]".to_owned()),
            columns: Vec::new(),
            output: "out/records.csv".to_owned(),
            secrets: Vec::new(),
            notes: Vec::new(),
            schema: "job.schema.json".to_owned(),
            base: None,
        }
    }
}

impl Draft {
    /// Asks another URL than the demo's; what was taken from the demo's replies is left out.
    pub fn ask(&mut self, url: &str) {
        url.clone_into(&mut self.url);
        self.keys.clear();
        self.hints.clear();
        self.endpoint = endpoint_name(url);
    }

    /// Asks another URL; rows that are the demo's are no longer the right ones.
    pub fn turn_to(&mut self, url: &str) {
        let was_demo = self.url.starts_with("demo:");
        if was_demo {
            self.ask(url);
        } else {
            url.clone_into(&mut self.url);
        }
        if was_demo && matches!(self.input, Input::Rows(_)) {
            let names = row_names(url);
            let names = if names.is_empty() { vec!["id".to_owned()] } else { names };
            let pairs: Vec<_> = names.into_iter().map(|name| (name, "1".to_owned())).collect();
            self.input = Input::Rows(format!("[{}]", toml::table(&pairs)));
        }
    }

    /// Takes rows from a file with these columns; asks for them by the one that names them, if `asks`.
    pub fn rows_of(&mut self, path: &str, columns: Vec<String>, asks: bool) {
        if asks {
            let key = key_column(&columns).map(column_template).unwrap_or_default();
            self.ask(&format!("https://api.example.com/items/{key}"));
            self.notes.push("write the URL of the API in the place of https://api.example.com".to_owned());
        }
        self.rows_in(&self.path(path), columns);
    }

    /// Takes rows from a file as the job names it, with these columns as far as they are known.
    pub fn rows_in(&mut self, path: &str, columns: Vec<String>) {
        // Each row's reply needs a file of its own.
        let saves = |(key, ..): &(String, String, Option<String>)| key == "save.path";
        match key_column(&columns) {
            Some(key) => {
                let path = toml::text(&format!("replies/{}", column_template(key)));
                self.keys.iter_mut().filter(|key| saves(key)).for_each(|(_, value, _)| value.clone_from(&path));
            }
            None if self.keys.iter().any(saves) => {
                self.keys.retain(|key| !saves(key));
                self.hints.push(
                    "save.path = \"replies/{{ row.NAME }}\"  # keeps replies as files; NAME is a column that tells rows apart"
                        .to_owned(),
                );
            }
            None => {}
        }
        self.apart(&columns);
        self.input = Input::File(path.to_owned());
        self.columns = columns;
    }

    /// Columns of the record that have the name of one of the input get out of its way.
    fn apart(&mut self, columns: &[String]) {
        for column in columns {
            let key = format!("columns.{}", toml::key(column));
            let other = format!("columns.{}", toml::key(&format!("reply_{column}")));
            self.keys.iter_mut().filter(|(known, ..)| *known == key).for_each(|(known, ..)| known.clone_from(&other));
        }
        let is_of_input = |name: &str| columns.iter().any(|column| column == name);
        if META.iter().any(|name| is_of_input(name)) {
            let has_body = !self.keys.iter().any(|(key, ..)| key.starts_with("columns.") || key == "save.path");
            let others = META.iter().filter(|name| !is_of_input(name) && (has_body || **name != "body"));
            let others: Vec<String> = others.map(|name| toml::text(name)).collect();
            let comment = Some("without those that the input has".to_owned());
            self.keys.push(("meta".to_owned(), toml::list(&others), comment));
        }
    }

    /// One row that stands for those to come.
    pub fn one_row(&mut self) {
        self.input = Input::Rows("[{ id = 1 }]".to_owned());
    }

    /// With a key of the endpoint.
    pub(super) fn key(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.keys.push((key.into(), value.into(), None));
    }

    /// A path of a command as the job names it.
    pub(super) fn path(&self, path: &str) -> String {
        match &self.base {
            Some(base) => literal(&base.join(path).display().to_string()),
            None => literal(path),
        }
    }

    /// The job as text, for the file at `path`, in the style of `fmt`.
    #[must_use]
    pub fn text(&self, path: &Path) -> String {
        let text = self.raw(path);
        format(&text).map_or(text, |formatted| formatted.text)
    }

    fn raw(&self, path: &Path) -> String {
        let file = path.display();
        let mut text = format!("#:schema {}\n", self.schema);
        text += "# The line above lets editors with Taplo or Tombi complete and check this file.\n";
        let _ = writeln!(text, "# Next: `paceline check {file}`, `paceline plan {file}`, `paceline run {file}`.");
        for note in &self.notes {
            let _ = writeln!(text, "# Note: {note}.");
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
        for (name, variable) in &self.secrets {
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
            let _ = writeln!(text, "# {hint}");
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
                    let columns: Vec<String> = self.columns.iter().map(|column| column_template(column)).collect();
                    let _ = writeln!(text, "# Its columns: {}", columns.join(", "));
                }
            }
            Input::Rows(rows) => {
                text.push_str("# Put rows here, or name a file that holds them: input = \"rows.csv\"\n");
                let _ = writeln!(text, "input.values = {rows}");
            }
        }
    }
}

/// The column that is likely to name a row: one called so, or the first.
fn key_column(columns: &[String]) -> Option<&str> {
    let is_key = |column: &&String| {
        let name = column.to_lowercase();
        ["id", "key", "code", "sku", "slug", "uuid"].contains(&name.as_str())
            || name.ends_with("_id")
            || name.ends_with(" id")
    };
    columns.iter().find(is_key).or(columns.first()).map(String::as_str)
}

/// Names after `row.` in a template, each once.
fn row_names(template: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for after in template.split("row.").skip(1) {
        let name: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// How a template names a column.
pub(super) fn column_template(column: &str) -> String {
    let is_name = column.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && column.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { format!("{{{{ row.{column} }}}}") } else { format!("{{{{ row[{}] }}}}", toml::text(column)) }
}

/// A text that is no template, as a template.
pub(super) fn literal(text: &str) -> String {
    text.replace("{{", "{\u{0}").replace("{%", "{{ '{%' }}").replace("{#", "{{ '{#' }}").replace("{\u{0}", "{{ '{{' }}")
}

/// A name for an endpoint: the last part of the path that is a word.
fn endpoint_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let is_word = |part: &&str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    path.rsplit(['/', ':']).find(is_word).unwrap_or("request").to_lowercase()
}
