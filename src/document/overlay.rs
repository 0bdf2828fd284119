//! Profiles and `--set`, which lie over the file, and how trees are laid over and beneath each other.
//!
//! Tables merge key by key, anything else replaces. Every value keeps the place it was written at.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Diagnostics, codes, did_you_mean};

use super::include::INCLUDE;
use super::{Document, Key, Node, NodeValue, Overlays, Place, Table, parse};

/// The top-level key that holds the profiles.
const PROFILES: &str = "profiles";

/// Takes the profiles out of the root, lays the chosen one over it, then the `--set` arguments.
pub(super) fn lay(document: &mut Document, overlays: &Overlays, diagnostics: &mut Diagnostics) {
    document.profiles = take_profiles(&mut document.root, diagnostics);
    if let Some(name) = &overlays.profile {
        match document.profiles.iter().find(|(key, _)| key.name == *name) {
            Some((_, profile)) => {
                let mut places = Vec::new();
                said(profile, &mut places);
                document.chosen = Some((name.clone(), places));
                // A profile that is no table was told when the profiles were taken out.
                if let (Some(below), Some(above)) = (entries_of(&mut document.root), entries_of(&mut profile.clone())) {
                    merge(below, std::mem::take(above));
                }
            }
            None => diagnostics.push(unknown_profile(name, &document.profiles)),
        }
    }
    for argument in &overlays.set {
        let name = if overlays.set_from_environment { "PACELINE_SET" } else { "--set" };
        let source = document.add(name.to_owned(), argument.clone(), false);
        if let Err(diagnostic) = set(&mut document.root, argument, source, diagnostics) {
            diagnostics.push(*diagnostic);
        }
    }
}

/// Takes the profiles out of a root.
pub(super) fn take_profiles(root: &mut Node, diagnostics: &mut Diagnostics) -> Vec<(Key, Node)> {
    let Some(entries) = entries_of(root) else { return Vec::new() };
    let Some(position) = entries.iter().position(|(key, _)| key.name == PROFILES) else { return Vec::new() };
    let (_, node) = entries.remove(position);
    let mut profiles = match node.value {
        NodeValue::Table(profiles) => profiles.into_entries(),
        other => {
            diagnostics.push(not_a_table(node.place, "profiles", &other, "write `[profiles.NAME]` and its keys below"));
            return Vec::new();
        }
    };
    for (key, profile) in &profiles {
        if !matches!(profile.value, NodeValue::Table(_)) {
            let help = format!("write `[profiles.{}]` and its keys below", key.name);
            diagnostics.push(not_a_table(profile.place, &format!("profiles.{}", key.name), &profile.value, &help));
        }
    }
    profiles.iter_mut().for_each(|(_, profile)| refuse_include(profile, diagnostics));
    profiles
}

/// Files are included before a profile is chosen.
fn refuse_include(profile: &mut Node, diagnostics: &mut Diagnostics) {
    let Some(entries) = entries_of(profile) else { return };
    let Some(position) = entries.iter().position(|(key, _)| key.name == INCLUDE) else { return };
    let (key, _) = entries.remove(position);
    diagnostics.push(
        Diagnostic::error(codes::INCLUDE, "a profile can't include files")
            .at(key.place, "")
            .help("write `include` at the top of the file; included files can have profiles of their own"),
    );
}

/// The places of all keys and values below a node, and its own.
fn said(node: &Node, places: &mut Vec<Place>) {
    places.push(node.place);
    match &node.value {
        NodeValue::Table(entries) => {
            for (key, value) in entries {
                places.push(key.place);
                said(value, places);
            }
        }
        NodeValue::Array(items) => items.iter().for_each(|item| said(item, places)),
        NodeValue::String(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::Boolean(_)
        | NodeValue::Datetime(_) => {}
    }
}

fn not_a_table(place: Place, what: &str, value: &NodeValue, help: &str) -> Diagnostic {
    Diagnostic::error(codes::WRONG_TYPE, format!("`{what}`: expected a table, found {}", value.kind()))
        .at(place, "")
        .help(help)
}

fn unknown_profile(name: &str, profiles: &[(Key, Node)]) -> Diagnostic {
    let diagnostic = Diagnostic::error(codes::PROFILE, format!("there is no profile `{name}`"));
    let names: Vec<&str> = profiles.iter().map(|(key, _)| key.name.as_str()).collect();
    if let Some(near) = did_you_mean(name, names.iter().copied()) {
        let diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        return match profiles.iter().find(|(key, _)| key.name == near) {
            Some((key, _)) => diagnostic.at(key.place, "the nearest profile"),
            None => diagnostic,
        };
    }
    match names.as_slice() {
        [] => diagnostic.help(format!("the file defines no profiles; write `[profiles.{name}]` and its keys below")),
        names => diagnostic.help(format!("known profiles: {}", list(names))),
    }
}

/// Names in backquotes, at most ten of them.
fn list(names: &[&str]) -> String {
    let mut text = names.iter().take(10).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > 10 {
        text.push_str(", ...");
    }
    text
}

/// The entries of a table.
pub(super) fn entries_of(node: &mut Node) -> Option<&mut Vec<(Key, Node)>> {
    match &mut node.value {
        NodeValue::Table(table) => Some(table.entries_mut()),
        NodeValue::String(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::Boolean(_)
        | NodeValue::Datetime(_)
        | NodeValue::Array(_) => None,
    }
}

/// Lays `over` over `base`: tables merge, anything else replaces, new keys go last.
pub(super) fn merge(base: &mut Vec<(Key, Node)>, over: Vec<(Key, Node)>) {
    let names = base.iter().enumerate().map(|(position, (key, _))| (key.name.clone(), position));
    let mut known: HashMap<String, usize> = names.collect();
    for (key, node) in over {
        let Some((base_key, base_node)) = known.get(&key.name).and_then(|position| base.get_mut(*position)) else {
            known.insert(key.name.clone(), base.len());
            base.push((key, node));
            continue;
        };
        let mut node = node;
        match (entries_of(base_node), entries_of(&mut node)) {
            (Some(below), Some(above)) => merge(below, std::mem::take(above)),
            (_, _) => (*base_key, *base_node) = (key, node),
        }
    }
}

/// Lays `below` beneath a tree: what the tree has stays, and where both have a table, its keys are laid beneath in turn.
pub(super) fn underlay(tree: &mut Node, mut below: Node) {
    let (Some(own), Some(below)) = (entries_of(tree), entries_of(&mut below)) else { return };
    // By name: both may be long, and come from a stranger.
    let known: HashMap<String, usize> =
        own.iter().enumerate().map(|(position, (key, _))| (key.name.clone(), position)).collect();
    for (key, node) in std::mem::take(below) {
        match known.get(&key.name) {
            Some(position) => underlay(&mut own[*position].1, node),
            None => own.push((key, node)),
        }
    }
}

/// Puts the value of one `path=value` argument into the tree; it replaces what stood there.
fn set(root: &mut Node, argument: &str, source: usize, diagnostics: &mut Diagnostics) -> Result<(), Box<Diagnostic>> {
    let malformed = |message: &str, start: usize, end: usize| {
        Box::new(
            Diagnostic::error(codes::SET, message)
                .at(Place { source, start, end }, "")
                .help("write `--set path=value`, such as `--set retry.attempts=3`"),
        )
    };
    let equals = equals_sign(argument).ok_or_else(|| malformed("a --set argument has no `=`", 0, argument.len()))?;
    let keys = key_path(&argument[..equals], source)
        .ok_or_else(|| malformed("the path of a --set argument is not a dotted key", 0, equals))?;
    if keys[0].name == PROFILES {
        return Err(Box::new(
            Diagnostic::error(codes::SET, "--set can't change a profile")
                .at(keys[0].place, "")
                .help("set the key itself: --set goes over the profile that --profile chose"),
        ));
    }
    if keys[0].name == INCLUDE {
        return Err(Box::new(
            Diagnostic::error(codes::SET, "--set can't include files")
                .at(keys[0].place, "")
                .help("write `include` into the job file, or set the keys themselves"),
        ));
    }
    let start = equals + 1;
    let text = &argument[start..];
    let node = parse::value(text, source, start, diagnostics).unwrap_or_else(|| Node {
        place: Place { source, start, end: argument.len() },
        value: NodeValue::String(text.to_owned()),
    });
    put(root, keys, node)
}

/// The first `=` outside quotes.
fn equals_sign(argument: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (position, character) in argument.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if character == '=' => return Some(position),
            None if character == '"' || character == '\'' => quote = Some(character),
            None => {}
        }
    }
    None
}

/// The keys of a dotted path, read as TOML reads the left side of a line.
fn key_path(path: &str, source: usize) -> Option<Vec<Key>> {
    // A comment or a second line would be TOML, and no path.
    if path.contains(['\n', '\r']) || path.trim_start().starts_with('[') {
        return None;
    }
    let line = format!("{path} = 0");
    let tree = toml::de::DeTable::parse(&line).ok()?;
    let mut keys = Vec::new();
    let mut table = tree.get_ref();
    loop {
        let (key, value) = table.iter().next()?;
        let span = key.span();
        keys.push(Key { place: Place { source, start: span.start, end: span.end }, name: key.get_ref().to_string() });
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => table = inner,
            _ => return Some(keys),
        }
    }
}

/// Puts a value under `keys`, making tables on the way.
fn put(root: &mut Node, keys: Vec<Key>, value: Node) -> Result<(), Box<Diagnostic>> {
    let mut node = root;
    let last = keys.len() - 1;
    for (position, key) in keys.into_iter().enumerate() {
        let refusal = through_a_value(&key, node);
        let Some(entries) = entries_of(node) else { return Err(Box::new(refusal)) };
        let found = entries.iter().position(|(known, _)| known.name == key.name);
        if position == last {
            match found {
                Some(index) => entries[index] = (key, value),
                None => entries.push((key, value)),
            }
            return Ok(());
        }
        let index = found.unwrap_or_else(|| {
            let table = Node { place: key.place, value: NodeValue::Table(Table::default()) };
            entries.push((key, table));
            entries.len() - 1
        });
        node = &mut entries[index].1;
    }
    Ok(())
}

fn through_a_value(key: &Key, node: &Node) -> Diagnostic {
    let kind = node.value.kind();
    let diagnostic = Diagnostic::error(codes::SET, format!("--set can't put `{}` into {kind}", key.name))
        .at(key.place, "no table holds this key")
        .also(node.place, format!("this is {kind}"));
    match node.value {
        NodeValue::Array(_) => diagnostic.help("a list is set as a whole: `--set path='[1, 2]'`"),
        NodeValue::String(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::Boolean(_)
        | NodeValue::Datetime(_)
        | NodeValue::Table(_) => {
            diagnostic.help("replace the value itself, or set it to a table: `--set path='{ key = 1 }'`")
        }
    }
}
