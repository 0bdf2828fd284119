//! The reference of the language as Markdown, from the schema alone: every key with its type, default, meaning and
//! example; a section for each table, and below it one for each kind.
//!
//! Must never know a key of the language by name: what editors show and what people read is the same text.

mod extent;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use self::extent::{TITLE, extent};
use self::words::{bounds, examples, most_entries, preset, sentence, types};
use super::kind::EXACTLY_ONE;
use super::schema::{PROFILE, schema};
use super::shape::view::View;

/// What stands for a name that the writer of a job chooses.
const NAME: &str = "NAME";

/// What stands for each table of a list.
const EACH: &str = "EACH";

/// Deepest heading of a section; Markdown has six, and keys need one below.
const DEEPEST: usize = 5;

const HEAD: &str = "\
# Reference of the job language

<!-- Written by `paceline schema --markdown`. Don't edit it: edit the doc comments in src/ and write it again. -->

A job file is TOML. `NAME` stands for a name of your choice, `EACH` for each table of a list. Every text here is what an editor shows with
`#:schema` in the first line of a job; `paceline schema --markdown` prints this page for the version that you have.

Durations are written `\"250ms\"`, `\"10s\"`, `\"1h 30m\"`, sizes `\"64KiB\"`, `\"10MB\"`, rates `\"10/s\"`, `\"100/30s\"`, `\"5000/h\"`: always with a unit.
Paths are relative to the job file. A key that is not known is an error, never ignored.

";

/// The reference of the language of this version, with a final newline.
#[must_use]
pub fn reference() -> String {
    let mut writer = Writer::default();
    writer.known.insert(PROFILE.to_owned(), String::new());
    let (job, section) = (View::new(schema(), schema()), Section { path: String::new(), level: 2 });
    writer.heading(&section);
    writer.text += &format!("{}\n\n", sentence(job.text("description").unwrap_or_default()));
    writer.keys(&job, &section);
    let _ = writeln!(writer.text, "## {TITLE}\n\n{}", extent());
    writer.contents.push(format!("- [{TITLE}](#{})\n", slug(TITLE)));
    format!("{HEAD}## Contents\n\n{}\n{}\n", writer.contents.concat(), writer.text.trim_end())
}

/// A table and where it stands.
struct Section {
    /// Its path; empty: the whole job.
    path: String,
    /// Of its heading.
    level: usize,
}

impl Section {
    fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Level of a section below: kinds stand in that of their family, and so does what stands below kinds.
    fn below(&self, is_kind: bool) -> usize {
        if is_kind || self.level > 2 { (self.level + 1).min(DEEPEST) } else { 2 }
    }
}

/// A key and what it says in its table.
struct Entry<'s> {
    name: &'s str,
    path: String,
    schema: &'s Value,
    view: View<'s>,
    required: bool,
}

impl Entry<'_> {
    /// Its type, what it means, and how it is written.
    fn about(&self) -> String {
        let must = if self.required { Some("required".to_owned()) } else { preset(&self.view) };
        let (bounds, entries) = (bounds(&self.view), most_entries(&self.view));
        let facts: Vec<String> = [Some(types(&self.view)), bounds, entries, must].into_iter().flatten().collect();
        let meaning = sentence(self.view.text("description").unwrap_or_default());
        format!("*{}*\n\n{meaning}\n\n{}\n\n", facts.join(" · "), examples(&self.view, self.name))
    }
}

/// A table below a key, and the path at which it stands.
struct Below<'s> {
    path: String,
    view: View<'s>,
}

#[derive(Default)]
struct Writer {
    text: String,
    contents: Vec<String>,
    /// Where the tables of each definition are described; the whole job: an empty path.
    known: BTreeMap<String, String>,
}

impl Writer {
    /// The keys of a table, then the tables below it.
    fn keys(&mut self, view: &View<'_>, section: &Section) {
        let kinds = view.texts(EXACTLY_ONE);
        self.choice(&kinds, section);
        let required = view.texts("required");
        let entries = view.properties().map(|(name, schema)| Entry {
            name,
            path: section.key(name),
            schema,
            view: view.of(schema),
            required: required.contains(&name),
        });
        let entries: Vec<Entry<'_>> = entries.collect();
        for entry in &entries {
            if !below(&entry.view, &entry.path).iter().any(|table| table.path == entry.path) {
                let _ = write!(self.text, "{} `{}`\n\n{}", "#".repeat(section.level + 1), entry.path, entry.about());
            }
        }
        for entry in &entries {
            self.tables(entry, section.below(kinds.contains(&entry.name)));
        }
    }

    fn heading(&mut self, section: &Section) {
        let title = if section.path.is_empty() { "The job".to_owned() } else { format!("`{}`", section.path) };
        let _ = writeln!(self.text, "{} {title}\n", "#".repeat(section.level));
        let indent = "  ".repeat(section.level - 2);
        self.contents.push(format!("{indent}- [{title}](#{})\n", slug(&title)));
    }

    fn choice(&mut self, kinds: &[&str], section: &Section) {
        let link = |kind: &&str| format!("[`{kind}`](#{})", slug(&section.key(kind)));
        if !kinds.is_empty() {
            let _ = writeln!(self.text, "Exactly one of {}.\n", kinds.iter().map(link).collect::<Vec<_>>().join(", "));
        }
    }

    /// The sections of the tables that a key leads to, once for each definition.
    fn tables(&mut self, entry: &Entry<'_>, level: usize) {
        let tables = below(&entry.view, &entry.path);
        let Some(first) = tables.first().map(|table| table.path.clone()) else { return };
        let definition = referred(entry.schema).map(str::to_owned);
        let described = definition.as_ref().and_then(|name| self.known.get(name)).cloned();
        self.known.extend(definition.filter(|_| described.is_none()).map(|name| (name, first.clone())));
        for Below { path, view } in tables {
            let section = Section { path, level };
            self.heading(&section);
            let is_key = section.path == entry.path;
            let about = sentence(view.text("description").unwrap_or_default());
            self.text += &if is_key { entry.about() } else { format!("{about}\n\n") };
            match &described {
                Some(path) if path.is_empty() => self.text += "The keys are those of [the job](#the-job).\n\n",
                Some(path) => self.text += &format!("The keys are those of [`{path}`](#{}).\n\n", slug(path)),
                None => self.keys(&view, &section),
            }
        }
    }
}

/// The tables with known keys that a value may be or hold.
fn below<'s>(view: &View<'s>, path: &str) -> Vec<Below<'s>> {
    let mut tables = Vec::new();
    for branch in view.branches() {
        if branch.properties().next().is_some() {
            tables.push(Below { path: path.to_owned(), view: branch });
            continue;
        }
        for (keyword, path) in [("additionalProperties", format!("{path}.{NAME}")), ("items", format!("{path}.{EACH}"))]
        {
            if let Some(schema) = branch.get(keyword).filter(|schema| schema.is_object()) {
                tables.extend(below(&branch.of(schema), &path));
            }
        }
    }
    // `ListSpec` allows one and a list of them: one path is enough.
    let mut seen = Vec::new();
    tables.retain(|table| {
        let plain = table.path.replace(&format!(".{EACH}"), "");
        let new = !seen.contains(&plain);
        seen.push(plain);
        new
    });
    tables
}

/// The definition that a schema is, whatever it adds to it.
fn referred(schema: &Value) -> Option<&str> {
    let places = ["/$ref", "/allOf/0/$ref", "/additionalProperties/$ref", "/items/$ref"];
    places.iter().find_map(|place| schema.pointer(place))?.as_str()?.strip_prefix("#/definitions/")
}

/// The anchor that a heading gets where Markdown is shown.
fn slug(title: &str) -> String {
    let kept = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests;
