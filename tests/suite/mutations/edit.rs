//! One random edit of a job file: the slips of people who write such files by hand.

use std::ops::Range;
use std::path::Path;

use paceline::diagnostic::Diagnostics;
use paceline::document::{Document, KeyPath, Node, NodeValue, Overlays, Step};

use crate::support::dice::Dice;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Letters of a key swapped, dropped or doubled.
    Misspelt,
    /// A value of another type.
    WrongType,
    /// A name of something that is not there.
    MissingName,
    /// A table under another parent.
    Moved,
    /// A line that stands twice.
    Doubled,
}

/// All kinds, in turn.
pub const KINDS: [Kind; 5] = [Kind::Misspelt, Kind::WrongType, Kind::MissingName, Kind::Moved, Kind::Doubled];

/// A file with one edit.
#[derive(Debug, Clone)]
pub struct Mutant {
    pub kind: Kind,
    pub text: String,
    /// The lines that were edited, counted from 0.
    pub lines: Range<usize>,
    /// Names that are not there any more: what missed one of them may say so at its own place.
    pub lost: Vec<String>,
}

/// A job file that can be edited.
#[derive(Debug)]
pub struct Original {
    text: String,
    entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug)]
struct Entry {
    path: KeyPath,
    key: Range<usize>,
    value: Range<usize>,
    kind: &'static str,
    text: Option<String>,
}

impl Original {
    pub fn of(path: &Path, text: String) -> Self {
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(path, text.clone(), &Overlays::default(), &mut diagnostics).expect("a document");
        let mut entries = Vec::new();
        collect(&document.root, &KeyPath::default(), &mut entries);
        Self { text, entries }
    }

    /// An edit of this kind; `None` when the file has no place for it.
    pub fn edit(&self, kind: Kind, dice: &mut Dice) -> Option<Mutant> {
        match kind {
            Kind::Misspelt => self.misspelt(dice),
            Kind::WrongType => self.wrong_type(dice),
            Kind::MissingName => self.missing_name(dice),
            Kind::Moved => self.moved(dice),
            Kind::Doubled => self.doubled(dice),
        }
    }

    fn misspelt(&self, dice: &mut Dice) -> Option<Mutant> {
        let known: Vec<&Entry> = self.entries.iter().filter(|entry| entry.is_of_the_language()).collect();
        let entry = one(&known, dice)?;
        let name = &self.text[entry.key.clone()];
        let wrong = misspell(name, dice);
        let mut lost = vec![name.to_owned()];
        lost.extend(self.below(&entry.path));
        (wrong != name).then(|| self.replaced(Kind::Misspelt, entry.key.clone(), &wrong, lost))
    }

    fn wrong_type(&self, dice: &mut Dice) -> Option<Mutant> {
        let takes_all = |entry: &Entry| entry.path.0.iter().any(|step| is_key(step, &TAKES_ALL));
        // The value of `a` in `a.b = 1` stands where its key does.
        let is_written = |entry: &Entry| entry.kind != "a table" || self.text[entry.value.start..].starts_with('{');
        let known =
            |entry: &&Entry| !takes_all(entry) && is_written(entry) && !is_header(&self.text, entry.value.start);
        let known: Vec<&Entry> = self.entries.iter().filter(known).collect();
        let entry = one(&known, dice)?;
        let wrong = if entry.kind == "a boolean" { "17" } else { "true" };
        let mut lost = vec![entry.name().to_owned()];
        lost.extend(self.below(&entry.path));
        Some(self.replaced(Kind::WrongType, entry.value.clone(), wrong, lost))
    }

    fn missing_name(&self, dice: &mut Dice) -> Option<Mutant> {
        let mut names: Vec<Range<usize>> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.text.is_some()) {
            let is_name = entry.path.0.iter().any(|step| is_key(step, &["from", "keep", "limit"]));
            if is_name || entry.path.0.ends_with(&KeyPath::of(["input", "endpoint"]).0) {
                names.push(entry.value.start + 1..entry.value.end - 1);
            }
            names.extend(mentions(&self.text, &entry.value));
        }
        let name = one(&names, dice)?.clone();
        let wrong = format!("{}_gone", &self.text[name.clone()]);
        let lost = vec![wrong.clone()];
        Some(self.replaced(Kind::MissingName, name, &wrong, lost))
    }

    fn moved(&self, dice: &mut Dice) -> Option<Mutant> {
        let starts = self.text.match_indices("\n[").map(|(at, _)| at + 1);
        let headers: Vec<usize> = starts.filter(|at| is_header(&self.text, *at)).collect();
        let start = *one(&headers, dice)?;
        let end = start + self.text[start..].find('\n')?;
        let header = &self.text[start..end];
        let open = if header.starts_with("[[") { "[[" } else { "[" };
        let rest = &header[open.len()..];
        let path = &rest[..rest.find(']')?];
        let moved = match (dice.below(2), path.split_once('.')) {
            (0, Some((_, below))) => below.to_owned(),
            _ => format!("{}.{path}", one(&["client", "retry", "batch", "run", "timeout"], dice)?),
        };
        let close = "]".repeat(open.len());
        let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
        let mut lost = self.below(&KeyPath::of(keys.clone()));
        lost.extend(keys);
        Some(self.replaced(
            Kind::Moved,
            start..start + open.len() * 2 + path.len(),
            &format!("{open}{moved}{close}"),
            lost,
        ))
    }

    fn doubled(&self, dice: &mut Dice) -> Option<Mutant> {
        let own_line = |entry: &&Entry| {
            let line = line_of(&self.text, entry.key.start);
            let first = self.text[line.clone()].trim_start().as_ptr() as usize - self.text.as_ptr() as usize;
            first == entry.key.start && entry.value.end <= line.end && !is_header(&self.text, line.start)
        };
        let known: Vec<&Entry> = self.entries.iter().filter(own_line).collect();
        let entry = one(&known, dice)?;
        let line = line_of(&self.text, entry.key.start);
        let copy = format!("{0}\n{0}", &self.text[line.clone()]);
        Some(self.replaced(Kind::Doubled, line, &copy, Vec::new()))
    }

    /// Names that stand below a key.
    fn below(&self, path: &KeyPath) -> Vec<String> {
        let under = |entry: &&Entry| entry.path.0.starts_with(&path.0);
        self.entries.iter().filter(under).map(|entry| entry.name().to_owned()).collect()
    }

    fn replaced(&self, kind: Kind, range: Range<usize>, with: &str, lost: Vec<String>) -> Mutant {
        let text = format!("{}{with}{}", &self.text[..range.start], &self.text[range.end..]);
        let first = line_number(&text, range.start);
        let lines = first..line_number(&text, range.start + with.len()) + 1;
        Mutant { kind, text, lines, lost }
    }
}

impl Entry {
    fn name(&self) -> &str {
        let keys = self.path.0.iter().rev();
        keys.filter_map(|step| if let Step::Key(name) = step { Some(name.as_str()) } else { None })
            .next()
            .unwrap_or_default()
    }

    /// Whether the language gave the key its name, and not the writer.
    fn is_of_the_language(&self) -> bool {
        let Some((Step::Key(_), above)) = self.path.0.split_last() else { return false };
        let named = above.last().is_some_and(|step| is_key(step, &NAMED));
        !named && !above.iter().any(|step| is_key(step, &TAKES_ALL))
    }
}

/// Tables whose keys are names that the writer chose.
const NAMED: [&str; 7] = ["endpoints", "sinks", "limits", "vars", "secrets", "columns", "resolve"];

/// Tables that take whatever the server wants.
const TAKES_ALL: [&str; 9] =
    ["headers", "query", "json", "form", "multipart", "values", "variables", "product", "vars"];

fn is_key(step: &Step, names: &[&str]) -> bool {
    matches!(step, Step::Key(name) if names.contains(&name.as_str()))
}

fn collect(node: &Node, path: &KeyPath, entries: &mut Vec<Entry>) {
    match &node.value {
        NodeValue::Table(table) => {
            for (key, child) in table {
                let below = path.key(&key.name);
                entries.push(Entry::of(below.clone(), key.place.start..key.place.end, child));
                collect(child, &below, entries);
            }
        }
        NodeValue::Array(items) => {
            for (position, child) in items.iter().enumerate() {
                let below = path.index(position);
                if matches!(child.value, NodeValue::String(_)) {
                    entries.push(Entry::of(below.clone(), child.place.start..child.place.end, child));
                }
                collect(child, &below, entries);
            }
        }
        _ => {}
    }
}

impl Entry {
    fn of(path: KeyPath, key: Range<usize>, node: &Node) -> Self {
        let text = if let NodeValue::String(text) = &node.value { Some(text.clone()) } else { None };
        Self { path, key, value: node.place.start..node.place.end, kind: node.value.kind(), text }
    }
}

fn one<'t, T>(choices: &'t [T], dice: &mut Dice) -> Option<&'t T> {
    if choices.is_empty() { None } else { choices.get(dice.below(choices.len() as u64) as usize) }
}

/// Swaps two letters, drops one or doubles one.
fn misspell(name: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let at = dice.below(letters.len() as u64) as usize;
    match dice.below(3) {
        0 if at + 1 < letters.len() => letters.swap(at, at + 1),
        1 if letters.len() > 2 => drop(letters.remove(at)),
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

/// Where a string mentions a column, a variable or a secret.
fn mentions(text: &str, value: &Range<usize>) -> Vec<Range<usize>> {
    let inside = &text[value.clone()];
    let mut found = Vec::new();
    for root in ["row.", "vars.", "secrets."] {
        for (at, _) in inside.match_indices(root) {
            let before = inside[..at].chars().next_back();
            let start = at + root.len();
            let length = inside[start..].find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(0);
            if inside[..at].contains("{{") && before.is_none_or(|letter| !letter.is_alphanumeric()) && length > 0 {
                found.push(value.start + start..value.start + start + length);
            }
        }
    }
    found
}

fn is_header(text: &str, at: usize) -> bool {
    let line = &text[line_of(text, at)];
    line.starts_with('[') && line.split('#').next().unwrap_or_default().trim_end().ends_with(']') && !line.contains('=')
}

fn line_of(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    start..text[at..].find('\n').map_or(text.len(), |length| at + length)
}

/// The line of a position, counted from 0.
pub fn line_number(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count()
}
