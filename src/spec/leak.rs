//! Secrets in plain: every place of a job file, its profiles too, where one stands or seems to.
//!
//! Must never show what stands there: only the place and the kind leave this file.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::document::{Document, KeyPath, Node, NodeValue, Place, Step};
use crate::secret::{names, shape};
use crate::template::literal;

use super::plain::{self, PUBLIC};

/// A text that is a secret, or looks like one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leak {
    /// The way to it, from the root of the file.
    pub(crate) path: KeyPath,
    /// Where it stands.
    pub(crate) place: Place,
    /// Why it is taken for one.
    pub(crate) what: What,
}

/// Why a text is taken for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Only credentials stand there.
    Credential,
    /// It has the form of one.
    Like(&'static str),
}

/// Of a URL the secret is a part, and the rest is no secret.
pub(crate) const URL: &str = "a URL with a password";

/// What a text stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Auth,
    Headers,
    Query,
    /// What is sent as a body.
    Body,
    /// What is said of the job, and of replies: only the form of a text tells there.
    Words,
    Other,
}

/// All of them, in the order of the file; comments last.
pub(crate) fn find(document: &Document) -> Vec<Leak> {
    let base = document.get(&KeyPath::of(["vars"]));
    let mut finder =
        Finder { base, own: base, own_path: KeyPath::of(["vars"]), found: Vec::new(), known: Known::new() };
    finder.job(&document.root, &KeyPath::default());
    let profiles = KeyPath::of(["profiles"]);
    for (key, profile) in &document.profiles {
        let path = profiles.key(key.name.as_str());
        finder.own = profile.entry("vars").map(|(_, vars)| vars);
        finder.own_path = path.key("vars");
        finder.job(profile, &path);
    }
    let mut found = finder.found;
    let comments = in_comments(document, &found, &finder.known);
    found.extend(comments);
    found
}

/// Tokens in comments, known by their form. A line is looked at from its first ` #` on: what is no comment there is
/// told of already.
fn in_comments(document: &Document, leaks: &[Leak], known: &Known) -> Vec<Leak> {
    let mut found = Vec::new();
    let files = document.sources.iter().take(1 + document.includes.len()).enumerate();
    for (source, text) in files.filter(|(_, source)| source.is_file && source.text.contains('#')) {
        let mut line_start = 0;
        for line in text.text.split_inclusive('\n') {
            if let Some((at, what)) = comment(line) {
                let (start, end) = (line_start + at, line_start + line.trim_end().len());
                // Leaks don't overlap: the last that begins before the end is the only one that may hold this.
                let before = known.range(..(source, end)).next_back().map(|(_, at)| leaks[*at].place);
                if !before.is_some_and(|place| place.source == source && start < place.end) {
                    let place = Place { source, start, end };
                    found.push(Leak { path: KeyPath::default(), place, what: What::Like(what) });
                }
            }
            line_start += line.len();
        }
    }
    found
}

/// Where the comment of a line begins that has a token in it, and what that is.
fn comment(line: &str) -> Option<(usize, &'static str)> {
    let begins = |(at, _): &(usize, &str)| *at == 0 || line[..*at].ends_with([' ', '\t']);
    let (start, _) = line.match_indices('#').find(begins)?;
    shape::issued(&line[start..]).map(|what| (start, what))
}

struct Finder<'d> {
    /// Variables of the job.
    base: Option<&'d Node>,
    /// Variables of the profile that is looked at, and where they stand.
    own: Option<&'d Node>,
    own_path: KeyPath,
    found: Vec<Leak>,
    known: Known,
}

/// Positions of leaks, by the source and the start of their places.
type Known = BTreeMap<(usize, usize), usize>;

impl<'d> Finder<'d> {
    fn job(&mut self, root: &Node, path: &KeyPath) {
        let NodeValue::Table(entries) = &root.value else { return };
        for (key, node) in entries {
            let path = path.key(key.name.as_str());
            match (key.name.as_str(), &node.value) {
                ("secrets", _) => self.sources(node, &path),
                ("endpoints" | "sinks", NodeValue::Table(senders)) => {
                    let base = self.base;
                    for (name, sender) in senders.iter().filter(|(_, sender)| !is_demo(sender, base)) {
                        self.below(sender, (&name.name, &path.key(name.name.as_str())), Around::Other);
                    }
                }
                (name, _) => self.below(node, (name, &path), around(name, Around::Other, &KeyPath::default())),
            }
        }
    }

    /// Where the values of secrets come from: a value itself may have been pasted there.
    fn sources(&mut self, node: &Node, path: &KeyPath) {
        let NodeValue::Table(secrets) = &node.value else { return };
        for (name, secret) in secrets {
            for key in ["env", "file"] {
                let Some((_, Node { place, value: NodeValue::String(text) })) = secret.entry(key) else { continue };
                if shape::is_pasted(text) {
                    let path = path.key(name.name.as_str()).key(key);
                    self.push(Leak { path, place: *place, what: What::Credential });
                }
            }
        }
    }

    fn below(&mut self, node: &Node, (name, path): (&str, &KeyPath), around: Around) {
        match &node.value {
            NodeValue::String(text) => {
                if let Some(what) = look(name, text, around, path).filter(|_| !is_public(path, text)) {
                    self.push(Leak { path: path.clone(), place: node.place, what });
                }
                self.variables(name, text, around);
            }
            NodeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.below(item, (name, &path.index(index)), around);
                }
            }
            NodeValue::Table(entries) => {
                let named = pair_name(node);
                for (key, value) in entries {
                    let own = key.name.as_str();
                    // `{ text = "…" }` of a part, and `{ name = "…", value = "…" }`, are what they are called.
                    let called = match (own, named) {
                        ("value", Some(named)) => named,
                        ("text" | "json", _) if around == Around::Body => name,
                        _ => own,
                    };
                    self.below(value, (called, &path.key(own)), self::around(own, around, path));
                }
            }
            NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Boolean(_) | NodeValue::Datetime(_) => {}
        }
    }

    /// Variables that a header or a parameter is made of: what is a credential there is one in `[vars]`.
    fn variables(&mut self, name: &str, text: &str, around: Around) {
        if !matches!(around, Around::Headers | Around::Query) || !text.contains("vars") {
            return;
        }
        for variable in literal::of(text).vars {
            let entry = |vars: Option<&'d Node>| vars.and_then(|vars| vars.entry(&variable)).map(|(_, node)| node);
            let own = entry(self.own).map(|node| (node, self.own_path.clone()));
            let found = own.or_else(|| entry(self.base).map(|node| (node, KeyPath::of(["vars"]))));
            let Some((Node { place, value: NodeValue::String(value) }, path)) = found else { continue };
            let path = path.key(variable);
            if shape::is_literal(value) && is_credential(name, value, around) && !is_public(&path, value) {
                self.push(Leak { path, place: *place, what: What::Credential });
            }
        }
    }

    /// Each place is told of once, as the worst that it is.
    fn push(&mut self, leak: Leak) {
        match self.known.entry((leak.place.source, leak.place.start)) {
            Entry::Occupied(known) if leak.what == What::Credential => self.found[*known.get()] = leak,
            Entry::Occupied(_) => {}
            Entry::Vacant(vacant) => {
                vacant.insert(self.found.len());
                self.found.push(leak);
            }
        }
    }
}

/// What a value of this name stands in, in the table at `path`.
fn around(name: &str, around: Around, path: &KeyPath) -> Around {
    match name {
        // Of replies, and no text that is sent.
        "columns" | "description" | "name" if matches!(around, Around::Other) => Around::Words,
        "auth" if around == Around::Other && plain::sends(path) => Around::Auth,
        "headers" if around != Around::Words => Around::Headers,
        "query" if around != Around::Words => Around::Query,
        "body" | "form" | "json" | "multipart" | "send" if around == Around::Other => Around::Body,
        _ => around,
    }
}

/// The name in `{ name = "…", value = "…" }`.
fn pair_name(node: &Node) -> Option<&str> {
    let (_, name) = ["name", "key", "header"].into_iter().find_map(|key| node.entry(key))?;
    match &name.value {
        NodeValue::String(name) => Some(name),
        _ => None,
    }
}

fn below<'n>(endpoint: &'n Node, key: &str) -> Option<&'n Node> {
    endpoint.entry(key).map(|(_, node)| node)
}

/// The demo takes tokens that everyone may know.
fn is_demo(endpoint: &Node, vars: Option<&Node>) -> bool {
    let text = |node: &Node| match &node.value {
        NodeValue::String(text) => Some(text.clone()),
        _ => None,
    };
    let owners = [Some(endpoint), below(endpoint, "websocket"), below(endpoint, "sse")];
    let url = owners.into_iter().flatten().find_map(|owner| text(&owner.entry("url")?.1));
    let Some(url) = url else { return false };
    let variable = url.strip_prefix("{{").and_then(|rest| rest.split_once("}}")).map(|(inner, _)| inner.trim());
    let name = variable.and_then(|variable| variable.strip_prefix("vars."));
    let base = name.and_then(|name| text(&vars?.entry(name)?.1));
    base.unwrap_or(url).starts_with("demo:")
}

fn is_credential(name: &str, text: &str, around: Around) -> bool {
    match around {
        Around::Headers => shape::is_credential_header(name, text),
        Around::Query => shape::is_credential_parameter(name, text),
        Around::Auth | Around::Body | Around::Words | Around::Other => false,
    }
}

fn look(name: &str, text: &str, around: Around, path: &KeyPath) -> Option<What> {
    // An access key is a name, and may stand; what belongs to it may not.
    let issued = shape::issued(text).filter(|_| name != "access-key" || around == Around::Body);
    if around == Around::Words {
        return issued.map(What::Like);
    }
    // Of the file itself, what compiles an auth tells.
    let is_auth = || {
        shape::is_literal(text)
            && is_in(path, "profiles")
            && !PUBLIC.contains(&name)
            && !matches!(path.0.last(), Some(Step::Index(_)))
    };
    let written = if text.contains("{{") { literal::of(text).texts } else { vec![text.to_owned()] };
    let is_written = |of: &dyn Fn(&str) -> bool| written.iter().any(|text| shape::is_literal(text) && of(text));
    if (around == Around::Auth && is_auth())
        || is_written(&|text| is_credential(name, text, around))
        || shape::has_credential_parameter(text)
    {
        return Some(What::Credential);
    }
    if around == Around::Auth {
        return None;
    }
    let password = shape::password_of(text).filter(|_| is_in(path, "vars") || is_in(path, "profiles"));
    let url = password.filter(|password| shape::is_literal(password)).map(|_| URL);
    let is_told =
        (name != "access-key" || around == Around::Body) && is_written(&|text| shape::is_told_by_name(name, text));
    let has_member = || around == Around::Body && shape::has_secret_member(text);
    issued.or(url).or_else(|| (is_told || has_member()).then_some("a secret")).map(What::Like)
}

/// Whether a text is the value of a variable that is called public, in the job or in a profile. A private key never is.
fn is_public(path: &KeyPath, text: &str) -> bool {
    let of_job = if is_in(path, "profiles") { path.0.get(2..) } else { path.0.get(..) };
    let [Step::Key(table), Step::Key(name)] = of_job.unwrap_or_default() else { return false };
    table == "vars" && names::is_public(name) && !shape::is_private_key(text)
}

/// Whether a path begins with a table of the file's top level.
fn is_in(path: &KeyPath, table: &str) -> bool {
    matches!(path.0.first(), Some(Step::Key(key)) if key == table)
}
