//! A job that is being made.

use std::path::{Component, Path, PathBuf};

use super::rows::META;
use super::{Secrets, toml};

/// Where the rows of a new job come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, as the job will name it.
    File(String),
    /// Rows in the job itself, as TOML.
    Rows(String),
}

/// Where a job lies that is made from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The folder of the job, from the root.
    pub folder: PathBuf,
    /// The folder that paths of a command start from, from the root.
    pub current: PathBuf,
}

impl Base {
    /// A path of a command, as the job names it: from its own folder, unless they share nothing but the root.
    fn named(&self, path: &Path) -> PathBuf {
        let whole = straight(&self.current.join(path));
        let folder: Vec<Component<'_>> = self.folder.components().collect();
        let parts: Vec<Component<'_>> = whole.components().collect();
        let shared = folder.iter().zip(&parts).take_while(|(a, b)| a == b).count();
        if path.is_absolute() || shared < 2 {
            return whole;
        }
        let up = std::iter::repeat_n(Component::ParentDir, folder.len() - shared);
        up.chain(parts[shared..].iter().copied()).collect()
    }
}

/// A path without `.` and `..`.
fn straight(path: &Path) -> PathBuf {
    let mut straight = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(straight.pop()),
            part => straight.push(part),
        }
    }
    straight
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
    /// Secrets that it reads.
    pub secrets: Secrets,
    /// The only column that an operation takes, if it takes one.
    pub sole: Option<String>,
    /// Comments at the top.
    pub notes: Vec<String>,
    /// The schema's place, for editors.
    pub schema: String,
    /// Where relative paths of a command start from; `None`: where the job lies.
    pub base: Option<Base>,
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
            secrets: Secrets::default(),
            sole: None,
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
        self.take_sole(&columns);
        self.apart(&columns);
        self.input = Input::File(path.to_owned());
        self.columns = columns;
    }

    /// The column that an operation takes is the one that names a row, where a file calls it otherwise.
    fn take_sole(&mut self, columns: &[String]) {
        let Some(sole) = self.sole.take_if(|sole| !columns.contains(sole)) else { return };
        let Some(key) = key_column(columns) else { return };
        let [from, to] = [sole.as_str(), key].map(|column| column_template(column).trim_end_matches("}}").to_owned());
        self.url = self.url.replace(&from, &to);
        for (_, value, _) in &mut self.keys {
            *value = value.replace(&from, &to);
        }
        self.notes.push(format!("{} is taken from the column {}", sole.escape_debug(), key.escape_debug()));
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

    /// A path of a command as the job names it, as a template.
    pub(super) fn path(&self, path: &str) -> String {
        literal(&self.way(path))
    }

    /// A path of a command as the job names it.
    pub(super) fn way(&self, path: &str) -> String {
        self.base.as_ref().map_or_else(|| path.to_owned(), |base| base.named(Path::new(path)).display().to_string())
    }

    /// Notes what is still to be done where rows come from a file and no request has anything of them.
    pub fn note_idle_rows(&mut self) {
        let Input::File(path) = &self.input else { return };
        let is_of_request = |key: &str| {
            ["url", "json", "form", "multipart", "body", "headers", "query", "auth"]
                .iter()
                .any(|begin| key.starts_with(begin))
        };
        let has_row = |text: &str| text.contains("row.") || text.contains("row[") || text.contains("{{ rows");
        let mut texts = self.keys.iter().filter(|(key, ..)| is_of_request(key)).map(|(_, value, _)| value.as_str());
        if has_row(&self.url) || texts.any(has_row) {
            return;
        }
        let example =
            self.columns.first().map_or_else(|| "{{ row.NAME }}".to_owned(), |column| column_template(column));
        self.notes.push(format!(
            "every row of {path} sends the same request; write {example} and the like where rows differ"
        ));
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

/// Columns that a template names, each once.
fn row_names(template: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for tag in template.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
        for (at, _) in tag.match_indices("row") {
            let is_whole = !tag[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
            let name = is_whole.then(|| column_of(&tag[at + "row".len()..])).flatten();
            names.extend(name.filter(|name| !names.contains(name)));
        }
    }
    names
}

/// The column behind `row`: `.name` or `["a name"]`.
fn column_of(rest: &str) -> Option<String> {
    if let Some(rest) = rest.strip_prefix('.') {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        return Some(name).filter(|name| !name.is_empty());
    }
    let rest = rest.strip_prefix('[')?.trim_start();
    let quote = rest.chars().next().filter(|c| "\"'".contains(*c))?;
    let name = rest[1..].split(quote).next()?;
    (!name.is_empty() && !name.contains('\\')).then(|| name.to_owned())
}

/// How a template names a column.
pub(super) fn column_template(column: &str) -> String {
    let is_name = column.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && column.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { format!("{{{{ row.{column} }}}}") } else { format!("{{{{ row[{}] }}}}", toml::quoted(column)) }
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
