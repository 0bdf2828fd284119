//! `include`: files that lie beneath the file that names them. Every value keeps its place in its own file.
//!
//! Must never read without bounds: a job may come from anyone, so how deep, how many and how large the files
//! are is limited, and one that was read is not read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Diagnostics, codes};

use super::read::{self, LARGEST, Role};
use super::{Document, Node, NodeValue, Place, SourceText, overlay, parse, stranger};

/// The top-level key that names the files.
pub(super) const INCLUDE: &str = "include";

/// Most files between a value and the job file.
pub(crate) const DEEPEST: usize = 10;

/// Most inclusions of a job; a file that comes in by two ways counts twice.
pub(crate) const MOST: usize = 32;

/// What to write.
const EXAMPLE: &str = "for example `include = [\"common.toml\"]`";

/// A job file and all that it includes.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The merged tree.
    pub(super) root: Node,
    /// The texts, the job file first.
    pub(super) sources: Vec<SourceText>,
    /// The included files, in the order of reading.
    pub(super) files: Vec<PathBuf>,
    /// The `version` of each included file that says one.
    pub(super) versions: Vec<Node>,
}

/// Reads what `text`, the job file at `path`, includes, and lays it beneath.
pub(super) fn gather(path: &Path, text: String, diagnostics: &mut Diagnostics) -> Gathered {
    let size = text.len() as u64;
    let mut gatherer = Gatherer {
        sources: Vec::new(),
        files: Vec::new(),
        versions: Vec::new(),
        known: BTreeMap::new(),
        open: Vec::new(),
        size,
        inclusions: 0,
        diagnostics,
    };
    let root = gatherer.tree(path, text, None);
    Gathered { root, sources: gatherer.sources, files: gatherer.files, versions: gatherer.versions }
}

struct Gatherer<'d> {
    sources: Vec<SourceText>,
    files: Vec<PathBuf>,
    versions: Vec<Node>,
    /// Whole trees, by the real path of their file.
    known: BTreeMap<PathBuf, Node>,
    /// Files whose includes are being read, the job file first.
    open: Vec<Open>,
    /// Bytes of all texts.
    size: u64,
    inclusions: usize,
    diagnostics: &'d mut Diagnostics,
}

/// A file on the way from the job file.
struct Open {
    real: PathBuf,
    shown: String,
    /// Where it was named; the job file was not.
    named: Option<Place>,
}

/// One path of an `include`.
struct Item {
    written: String,
    place: Place,
}

impl Gatherer<'_> {
    fn tree(&mut self, path: &Path, text: String, named: Option<Place>) -> Node {
        let source = self.sources.len();
        let mut told = Diagnostics::default();
        let mut root = parse::file(path, &text, &mut told);
        shift(&mut root, source);
        self.diagnostics.adopt(told, source);
        let shown = path.display().to_string();
        self.sources.push(SourceText { name: shown.clone(), text, is_file: true });
        if named.is_some() {
            self.versions.extend(root.entry("version").map(|(_, version)| version.clone()));
        }
        let items = take(&mut root, self.diagnostics);
        self.open.push(Open { real: real(path), shown, named });
        let folder = path.parent().unwrap_or(Path::new(""));
        let below: Vec<Node> = items.iter().filter_map(|item| self.included(folder, item)).collect();
        self.open.pop();
        // The last lies next beneath, the first at the bottom.
        below.into_iter().rev().for_each(|below| overlay::underlay(&mut root, below));
        root
    }

    fn included(&mut self, folder: &Path, item: &Item) -> Option<Node> {
        self.inclusions += 1;
        if self.inclusions > MOST + 1 {
            // Told of the first that was too many.
            return None;
        }
        let path = folder.join(&item.written);
        let found = real(&path);
        if let Some(problem) = self.refusal(&path, &found, item.place) {
            self.diagnostics.push(problem);
            return None;
        }
        if let Some(tree) = self.known.get(&found) {
            return Some(tree.clone());
        }
        let text = match read::text(&path, Role::Included { written: &item.written }) {
            Ok(text) => text,
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic.at(item.place, ""));
                return None;
            }
        };
        if !stranger::is_named_as_job(&path) {
            // What is wrong in a file is shown with its lines: those of a file of passwords must not be.
            let help = "name a job file, such as `common.toml`; variables of an env file come in with `--env-file`";
            let message = "only a file whose name ends in .toml can be included";
            self.diagnostics.push(Diagnostic::error(codes::INCLUDE, message).at(item.place, "").help(help));
            return None;
        }
        self.size += text.len() as u64;
        if self.size > LARGEST {
            let message = "the job file and the files it includes are larger than 1 MiB together";
            let help = "put rows into a CSV or JSON lines file and name it as the `input`";
            self.diagnostics.push(Diagnostic::error(codes::INCLUDE, message).at(item.place, "").help(help));
            return None;
        }
        self.files.push(path.clone());
        let tree = self.tree(&path, text, Some(item.place));
        self.known.insert(found, tree.clone());
        Some(tree)
    }

    /// Why a file is not to be included here, however it looks.
    fn refusal(&self, path: &Path, found: &Path, place: Place) -> Option<Diagnostic> {
        if let Some(position) = self.open.iter().position(|open| open.real == *found) {
            return Some(self.circle(position, path, place));
        }
        let error = |message: String| Diagnostic::error(codes::INCLUDE, message).at(place, "");
        if self.open.len() > DEEPEST {
            let help = "name the file in the job file's own `include`";
            return Some(error(format!("includes are nested more than {DEEPEST} files deep")).help(help));
        }
        let help = "put what belongs together into one file";
        (self.inclusions > MOST).then(|| error(format!("a job includes at most {MOST} files")).help(help))
    }

    fn circle(&self, position: usize, path: &Path, place: Place) -> Diagnostic {
        let way = self.open[position..].iter().map(|open| format!("`{}`", open.shown)).collect::<Vec<_>>();
        let message = format!("the includes go in a circle: {} → `{}`", way.join(" → "), path.display());
        let diagnostic = Diagnostic::error(codes::INCLUDE, message).at(place, "leads back");
        let begin = self.open.get(position + 1).and_then(|next| next.named);
        let diagnostic = match begin {
            Some(begin) => diagnostic.also(begin, "the circle begins here"),
            None => diagnostic,
        };
        diagnostic.help("take one of the includes out; what both files need belongs into a third one")
    }
}

impl Document {
    /// The job file and what it includes: path as given and text. No other source: an argument or a file of variables
    /// may hold a secret.
    #[must_use]
    pub fn job_texts(&self) -> Vec<(PathBuf, String)> {
        // Texts come in the order of their files, the job file first, and arguments behind them.
        let paths = std::iter::once(&self.path).chain(&self.includes);
        paths.zip(&self.sources).map(|(path, source)| (path.clone(), source.text.clone())).collect()
    }
}

/// The file itself, whatever it is called.
fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Moves a tree from the only text of a parse into its place among the sources.
fn shift(node: &mut Node, source: usize) {
    node.place.source = source;
    match &mut node.value {
        NodeValue::Array(items) => items.iter_mut().for_each(|item| shift(item, source)),
        NodeValue::Table(entries) => {
            for (key, value) in entries.entries_mut() {
                key.place.source = source;
                shift(value, source);
            }
        }
        NodeValue::String(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::Boolean(_)
        | NodeValue::Datetime(_) => {}
    }
}

/// Takes the `include` out of a tree.
fn take(root: &mut Node, diagnostics: &mut Diagnostics) -> Vec<Item> {
    let Some(entries) = overlay::entries_of(root) else { return Vec::new() };
    let Some(position) = entries.iter().position(|(key, _)| key.name == INCLUDE) else { return Vec::new() };
    let (_, node) = entries.remove(position);
    let (name, nodes) = match node.value {
        NodeValue::Array(items) => ("an item of `include`", items),
        _ => ("`include`", vec![node]),
    };
    let mut items = Vec::new();
    for node in nodes {
        match node.value {
            NodeValue::String(written) if !written.is_empty() => items.push(Item { written, place: node.place }),
            NodeValue::String(_) => {
                let message = format!("{name} names no file");
                diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.place, "").help(EXAMPLE));
            }
            other => {
                let message = format!("{name}: expected a path, found {}", other.kind());
                diagnostics.push(Diagnostic::error(codes::WRONG_TYPE, message).at(node.place, "").help(EXAMPLE));
            }
        }
    }
    items
}
