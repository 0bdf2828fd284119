//! References by name: what to say of a name that nothing defines.

use std::collections::{HashMap, HashSet};

use super::{Site, known_names};
use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::document::{KeyPath, NodeValue};

/// The path of an item of a value that may be one or a list.
pub fn item(site: &Site<'_>, path: &KeyPath, index: usize) -> KeyPath {
    match site.document.get(path).map(|node| &node.value) {
        Some(NodeValue::Array(_)) => path.index(index),
        _ => path.clone(),
    }
}

/// Reports what a list names a second time, with the first: a list of nothing but one name is told of until nobody reads
/// more.
pub fn twice(site: &mut Site<'_>, list: &KeyPath, names: &[impl AsRef<str>]) {
    let mut firsts: HashMap<&str, usize> = HashMap::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let name = name.as_ref();
        let first = *firsts.entry(name).or_insert(index);
        if first == index {
            continue;
        }
        if site.diagnostics.is_flooded() {
            return;
        }
        let (here, first) = (item(site, list, index), item(site, list, first));
        let (here, first) = (site.document.place(&here), site.document.place(&first));
        site.diagnostics.push(
            Diagnostic::error(codes::DUPLICATE, format!("`{list}` names `{name}` twice"))
                .at(here, "the second")
                .also(first, "the first")
                .help("take one of the two out"),
        );
    }
}

/// Positions of what a list names, each once, in the order of the list; what nothing defines is told. `what`: one of them,
/// and the table of them.
pub fn positions(
    site: &mut Site<'_>,
    list: &KeyPath,
    names: &[String],
    what: (&str, &str),
    known: &[&str],
) -> Vec<usize> {
    // Of the same name the first counts, here and there.
    let at: HashMap<&str, usize> = known.iter().enumerate().rev().map(|(position, name)| (*name, position)).collect();
    let mut seen = HashSet::new();
    let mut positions = Vec::new();
    for (index, name) in names.iter().enumerate().filter(|(_, name)| seen.insert(name.as_str())) {
        match at.get(name.as_str()) {
            Some(position) => positions.push(*position),
            None => {
                let place = item(site, list, index);
                unknown(site, &place, what.0, name, known, &[what.1]);
            }
        }
    }
    positions
}

/// The name that was meant, else the names there are, else `none`.
pub fn meant(site: &mut Site<'_>, what: &str, name: &str, known: &[&str], none: &str) -> String {
    if !site.diagnostics.may_advise() {
        return "see the names that are told of first".to_owned();
    }
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => known_names(what, known, none),
    }
}

/// Reports an unknown name, unless the file defines it in a way that was already found wrong.
pub fn unknown(site: &mut Site<'_>, path: &KeyPath, what: &str, name: &str, known: &[&str], table: &[&str]) {
    let defined = KeyPath::of(table.iter().copied()).key(name);
    if site.document.get(&defined).is_some() {
        return;
    }
    let help = meant(site, &format!("{what}s"), name, known, &format!("define it: `[{defined}]` and its keys below"));
    site.error(codes::UNKNOWN_NAME, path, format!("there is no {what} `{name}`"), help);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::compile::{Options, compile};
    use crate::diagnostic::Diagnostics;
    use crate::document::{Document, Overlays};

    #[test]
    fn a_name_that_stands_there_for_ever_is_told_of_until_nobody_reads_more() {
        let told = |names: usize| {
            let keep = "\"value\", ".repeat(names);
            let text =
                format!("[endpoints.a]\nurl = \"demo:/\"\ninput.range = {{ from = 1, to = 3 }}\nkeep = [{keep}]\n");
            let mut diagnostics = Diagnostics::default();
            let document =
                Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics).unwrap();
            compile(&document, &Options::default(), &mut diagnostics);
            diagnostics.list().iter().filter(|one| one.message.ends_with("names `value` twice")).count()
        };
        assert_eq!((told(2), told(500)), (1, 499));
        assert!(told(20_000) < 1_100, "{}", told(20_000));
    }
}
