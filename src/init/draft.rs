//! A job that is being made, and its text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{sensitive, toml};
use crate::curl::{Reference, parts};

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
            endpoint: "products".to_owned(),
            method: "GET".to_owned(),
            url: "demo:/products/{{ row.sku }}".to_owned(),
            rate: None,
            keys: vec![taken("name", "$.name"), taken("price", "$.price")],
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
        // Each row's reply needs a file of its own.
        if let Some(key) = key_column(&columns) {
            let path = toml::text(&format!("replies/{}", column_template(key)));
            self.keys
                .iter_mut()
                .filter(|(name, ..)| name == "save.path")
                .for_each(|(_, value, _)| value.clone_from(&path));
        }
        self.input = Input::File(self.path(path));
        self.columns = columns;
    }

    /// One row that stands for those to come.
    pub fn one_row(&mut self) {
        self.input = Input::Rows("[{ id = 1 }]".to_owned());
    }

    /// With a key of the endpoint.
    pub(super) fn key(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.keys.push((key.into(), value.into(), None));
    }

    /// The template of a secret whose value must not stand in the job.
    pub(super) fn secret(&mut self, hint: &str) -> String {
        let name = sensitive::name(hint);
        let variable = format!("API_{}", name.to_uppercase());
        self.named_secret(name, variable)
    }

    fn named_secret(&mut self, name: String, variable: String) -> String {
        if !self.secrets.iter().any(|(_, known)| *known == variable) {
            self.secrets.push((name, variable.clone()));
        }
        let name = self.secrets.iter().find(|(_, known)| *known == variable).map_or("", |(name, _)| name);
        format!("{{{{ secrets.{name} }}}}")
    }

    /// A text of a command as a template: its variables are secrets, and its braces are what they are.
    pub(super) fn template(&mut self, text: &str) -> String {
        let mut template = String::new();
        for part in parts(text) {
            match part {
                Reference::Literal(text) => template += &literal(text),
                Reference::Variable(name) => {
                    template += &self.named_secret(sensitive::name(name), name.to_owned());
                }
            }
        }
        template
    }

    /// A value that is kept out of the job if its name is that of a secret.
    pub(super) fn valued(&mut self, name: &str, text: &str) -> String {
        // What stands beside a variable may be a part of the secret.
        let is_named = parts(text).iter().all(|part| matches!(part, Reference::Variable(_)));
        if sensitive::is_sensitive(name) && !text.is_empty() && !is_named {
            self.secret(name)
        } else {
            self.template(text)
        }
    }

    /// A path of a command as the job names it.
    pub(super) fn path(&self, path: &str) -> String {
        match &self.base {
            Some(base) => literal(&base.join(path).display().to_string()),
            None => literal(path),
        }
    }

    /// The job as text, for the file at `path`.
    #[must_use]
    pub fn text(&self, path: &Path) -> String {
        let file = path.display();
        let mut text = format!("#:schema {}\n", self.schema);
        text += "# The line above lets editors with Taplo or Tombi complete and check this file.\n";
        let _ = writeln!(text, "# Next: `paceline check {file}`, `paceline plan {file}`, `paceline run {file}`.");
        for note in &self.notes {
            let _ = writeln!(text, "# Note: {note}.");
        }
        text.push('\n');
        if let Some(name) = &self.name {
            let _ = writeln!(text, "name = {}\n", toml::text(name));
        }
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
        self.write_input(text);
        text.push('\n');
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
fn literal(text: &str) -> String {
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
