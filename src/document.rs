//! The job file as text: its sources, its spanned tree, and the way from a key path to a place.
//!
//! A document is read once, with its includes laid beneath it, and profiles and `--set` overlays over it; every value
//! keeps the place it was written at. Must never interpret a value: that is the work of `spec` and `compile`.

pub(crate) mod bounds;
mod duplicate;
mod head;
mod include;
mod inside;
mod overlay;
mod parse;
mod read;
mod repair;
mod replace;
mod scan;
mod stranger;
mod syntax;
mod table;
mod teach;
mod telling;
#[cfg(test)]
mod tests;
mod variables;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostics;
use crate::environment::Environment;

pub use variables::Given;

pub use replace::{NotReplaced, replace};
pub use table::Table;
pub use telling::shown;

/// A range of bytes in one of the document's sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Position in [`Document::sources`].
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A text that values were read from: the job file, one that it includes, or an argument such as `--set`.
#[derive(Clone)]
pub struct SourceText {
    /// How it is named in messages: the path as given, or `--set`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Whether it is the text of a file; otherwise of an argument.
    pub is_file: bool,
}

impl fmt::Debug for SourceText {
    /// Without the text: a file of variables holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceText").field("name", &self.name).field("is_file", &self.is_file).finish_non_exhaustive()
    }
}

/// One step into the tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// A position in an array.
    Index(usize),
}

/// The way from the root to a value, such as `endpoints.price.retry.attempts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct KeyPath(pub Vec<Step>);

impl KeyPath {
    /// A path of plain keys.
    pub fn of<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(keys.into_iter().map(|key| Step::Key(key.into())).collect())
    }

    /// This path and one more key.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.into()));
        Self(steps)
    }

    /// This path and one more position.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// The path in backticks, for messages. Of an item the list is named: which one, the place shows.
    #[must_use]
    pub fn named(&self) -> String {
        match self.0.split_last() {
            Some((Step::Index(_), list)) => format!("an item of `{}`", Self(list.to_vec())),
            Some((Step::Key(_), _)) => format!("`{self}`"),
            None => "the job".to_owned(),
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where the value stands.
    pub place: Place,
    /// The value.
    pub value: NodeValue,
}

/// A key with its place.
#[derive(Debug, Clone)]
pub struct Key {
    /// Where the key stands.
    pub place: Place,
    /// The key, unquoted.
    pub name: String,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub enum NodeValue {
    /// A string, unescaped.
    String(String),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A boolean.
    Boolean(bool),
    /// A date or time, as written.
    Datetime(String),
    /// An array.
    Array(Vec<Node>),
    /// A table, in the order of the file.
    Table(Table),
}

/// What lies over the file: `--profile P` and `--set path=value`, in that order, and variables.
#[derive(Debug, Clone, Default)]
pub struct Overlays {
    /// The profile to lay over the file.
    pub profile: Option<String>,
    /// `path=value` arguments.
    pub set: Vec<String>,
    /// Whether `PACELINE_SET` said so, and not `--set`.
    pub set_from_environment: bool,
    /// `--var name=value`, over `PACELINE_VAR_NAME`, over `[vars]`.
    pub vars: Vec<(String, String)>,
    /// Whether `PACELINE_VAR` said so, and not `--var`.
    pub vars_from_environment: bool,
    /// `--env-file`: files of variables beneath the environment, a later one over those before it.
    pub env_files: Vec<PathBuf>,
}

/// A job file, read.
#[derive(Debug, Clone)]
pub struct Document {
    /// Path of the job file as given.
    pub path: PathBuf,
    /// Texts that places point into; the job file is the first.
    pub sources: Vec<SourceText>,
    /// The files that the job file includes, in the order of reading.
    pub includes: Vec<PathBuf>,
    /// The merged tree, without its `profiles`. What could not be read is missing from it.
    pub root: Node,
    /// Every profile of the file, the chosen one too, as written; each must have the shape of a job.
    pub profiles: Vec<(Key, Node)>,
    /// Variables that the command line or the environment gives; the first of a name counts.
    pub given: Vec<Given>,
    /// The environment, with the files of `--env-file` beneath it.
    pub environment: Environment,
    /// What included files say of their version: it is theirs, whatever lies over it.
    pub beneath: Vec<Node>,
    /// The chosen profile and the places of all that it says.
    chosen: Option<(String, Vec<Place>)>,
}

impl Document {
    /// Reads and parses a job file and lays the overlays over it.
    ///
    /// Returns `None` when there is no text to point at: a missing, unreadable or oversized file, or
    /// one that is not UTF-8. Otherwise there is a document, and all syntax errors are in
    /// `diagnostics`: what could be read is in the tree, and complaints that only follow from
    /// what could not are dropped by [`Diagnostics::push`].
    pub fn read(path: &Path, overlays: &Overlays, diagnostics: &mut Diagnostics) -> Option<Self> {
        match read::text(path, read::Role::Job) {
            Ok(text) => Self::parse(path, text, overlays, diagnostics),
            Err(diagnostic) => {
                diagnostics.push(*diagnostic);
                None
            }
        }
    }

    /// Parses a text as if it had been read from `path`.
    ///
    /// Always gives a document; see [`Document::read`].
    pub fn parse(path: &Path, text: String, overlays: &Overlays, diagnostics: &mut Diagnostics) -> Option<Self> {
        let include::Gathered { root, sources, files, versions } = include::gather(path, text, diagnostics);
        let mut document = Self { beneath: versions, ..Self::of(path, root, sources, files) };
        overlay::lay(&mut document, overlays, diagnostics);
        variables::note(&mut document, overlays, diagnostics);
        Some(document)
    }

    /// A tree with nothing laid over it.
    fn of(path: &Path, root: Node, sources: Vec<SourceText>, includes: Vec<PathBuf>) -> Self {
        Self {
            path: path.to_path_buf(),
            sources,
            includes,
            root,
            profiles: Vec::new(),
            given: Vec::new(),
            environment: Environment::default(),
            beneath: Vec::new(),
            chosen: None,
        }
    }

    /// Takes up one more text; gives its position.
    fn add(&mut self, name: String, text: String, is_file: bool) -> usize {
        self.sources.push(SourceText { name, text, is_file });
        self.sources.len() - 1
    }

    /// The profile that says what stands at a place, if the chosen one does.
    #[must_use]
    pub fn profile_of(&self, place: Place) -> Option<&str> {
        let (name, places) = self.chosen.as_ref()?;
        let holds = |one: &Place| one.source == place.source && one.start <= place.start && place.end <= one.end;
        places.iter().any(holds).then_some(name.as_str())
    }

    /// Reads a job file that is to be written anew, as it is, with nothing laid over or beneath it; `None` as
    /// [`Document::read`] has it.
    pub fn read_alone(path: &Path, diagnostics: &mut Diagnostics) -> Option<Self> {
        let text = read::text(path, read::Role::Rewritten).map_err(|diagnostic| diagnostics.push(*diagnostic)).ok()?;
        Some(Self::alone(path, text, diagnostics))
    }

    /// Parses a text as it is written: its `profiles` stay in the tree, and its syntax alone is looked at.
    pub fn alone(path: &Path, text: String, diagnostics: &mut Diagnostics) -> Self {
        let root = parse::file(path, &text, diagnostics);
        let sources = vec![SourceText { name: path.display().to_string(), text, is_file: true }];
        Self::of(path, root, sources, Vec::new())
    }

    /// Takes the profiles out of a tree that was read alone, for who looks at the shape of both.
    pub(crate) fn take_profiles(&mut self, diagnostics: &mut Diagnostics) {
        self.profiles = overlay::take_profiles(&mut self.root, diagnostics);
    }

    /// The folder that relative paths of the job start from.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.path.parent().map(Path::to_path_buf).unwrap_or_default()
    }

    /// The value at a path.
    #[must_use]
    pub fn get(&self, path: &KeyPath) -> Option<&Node> {
        path.0.iter().try_fold(&self.root, |node, step| node.child(step))
    }

    /// The place of the value at `path`, or of its nearest ancestor that exists.
    #[must_use]
    pub fn place(&self, path: &KeyPath) -> Place {
        let mut node = &self.root;
        for step in &path.0 {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node.place
    }

    /// The place of the key that ends `path`, or of its nearest ancestor that exists.
    ///
    /// A path that ends with a position gives the place of the value there, for it has no key.
    #[must_use]
    pub fn key_place(&self, path: &KeyPath) -> Place {
        let (mut node, mut place) = (&self.root, self.root.place);
        for step in &path.0 {
            let (child, child_place) = match step {
                Step::Key(name) => match node.entry(name) {
                    Some((key, child)) => (child, key.place),
                    None => break,
                },
                Step::Index(_) => match node.child(step) {
                    Some(child) => (child, child.place),
                    None => break,
                },
            };
            (node, place) = (child, child_place);
        }
        place
    }

    /// The path, or its nearest ancestor that exists.
    #[must_use]
    pub fn standing(&self, path: &KeyPath) -> KeyPath {
        let mut path = path.clone();
        while self.get(&path).is_none() && path.0.pop().is_some() {}
        path
    }

    /// What is pointed at for `path` or its nearest ancestor that exists: a value, of a table its name.
    #[must_use]
    pub fn mark(&self, path: &KeyPath) -> Place {
        match self.get(&self.standing(path)) {
            Some(Node { value: NodeValue::Table(_), .. }) => self.key_place(path),
            Some(_) | None => self.place(path),
        }
    }

    /// The place of `range` (bytes of the unescaped text) inside the string at `path`; the whole
    /// string where escapes make that impossible.
    #[must_use]
    pub fn place_in_string(&self, path: &KeyPath, range: std::ops::Range<usize>) -> Place {
        if let Some(Node { place, value: NodeValue::String(value) }) = self.get(path) {
            return inside::place(&self.sources[place.source].text, *place, value, range).unwrap_or(*place);
        }
        self.place(path)
    }
}

impl Node {
    /// The key and the value of `name`, in a table.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        match &self.value {
            NodeValue::Table(table) => table.entry(name),
            NodeValue::String(_)
            | NodeValue::Integer(_)
            | NodeValue::Float(_)
            | NodeValue::Boolean(_)
            | NodeValue::Datetime(_)
            | NodeValue::Array(_) => None,
        }
    }

    fn child(&self, step: &Step) -> Option<&Node> {
        match (step, &self.value) {
            (Step::Key(name), _) => self.entry(name).map(|(_, node)| node),
            (Step::Index(index), NodeValue::Array(items)) => items.get(*index),
            (Step::Index(_), _) => None,
        }
    }
}

impl NodeValue {
    /// What it is, for messages: `a string`, `an integer`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date or time",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}
