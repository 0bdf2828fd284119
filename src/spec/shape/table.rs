//! Tables of the shape check: known keys, missing keys, and how many kinds stand there.

use serde_json::Value;

use super::example::{addition, example, example_name, toml_key};
use super::view::View;
use super::{Spot, Walker};
use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::document::{Key, Node, NodeValue};
use crate::spec::kind::EXACTLY_ONE;

/// What is said of a table that is empty and must not be, beside that.
const EMPTY: &str = "x-paceline-empty";

impl Walker<'_> {
    pub(super) fn table(&mut self, view: &View<'_>, entries: &[(Key, Node)], spot: &Spot) {
        let before = self.wrong.len();
        let mut meant = Vec::new();
        for (key, node) in entries {
            if self.is_flooded() {
                // As in a list.
                return self.wrong.push(spot.path.clone());
            }
            let below = Spot { path: spot.path.key(key.name.as_str()), key: key.place };
            let known = view.properties().find(|(name, _)| *name == key.name).map(|(_, schema)| schema);
            match known.or_else(|| view.get("additionalProperties")) {
                Some(Value::Bool(false)) => self.unknown_key(view, entries, key, &mut meant, spot),
                Some(schema) => self.value(&view.of(schema), node, &below),
                None => self.value(&view.of(&Value::Bool(true)), node, &below),
            }
            if known.is_none() && key.name.is_empty() {
                self.report(
                    codes::BAD_VALUE,
                    key.place,
                    &below.path,
                    "a name may not be empty".to_owned(),
                    ["give it a name, such as `prices`".to_owned()],
                );
            }
        }
        self.kinds(view, entries, &meant, spot);
        if !self.partial {
            self.missing(view, entries, &meant, spot);
        } else if view.texts("required").iter().any(|name| entries.iter().all(|(key, _)| key.name != *name)) {
            self.wrong.push(spot.path.clone());
        }
        self.unusable(view, spot, before);
    }

    /// A table whose required key or kind is wrong can't be read at all. What is wrong below it was found since `before`.
    fn unusable(&mut self, view: &View<'_>, spot: &Spot, before: usize) {
        let mut needed = view.texts("required").into_iter().chain(view.texts(EXACTLY_ONE));
        if needed.any(|name| self.wrong[before..].contains(&spot.path.key(name))) {
            self.wrong.push(spot.path.clone());
        }
    }

    /// Tells of a key that is not known here. `meant` are the keys that those before it were meant to be, or belong to.
    fn unknown_key<'s>(
        &mut self,
        view: &View<'s>,
        entries: &[(Key, Node)],
        key: &Key,
        meant: &mut Vec<&'s str>,
        spot: &Spot,
    ) {
        let name = key.name.as_str();
        let help = if self.may_advise() {
            self.advice(view, entries, name, meant, spot)
        } else {
            "see the keys that are told of first".to_owned()
        };
        self.report(
            codes::UNKNOWN_KEY,
            key.place,
            &spot.path.key(name),
            format!("unknown key `{name}` in {}", spot.name()),
            [help],
        );
    }

    /// What to do about a key that is not known here.
    fn advice<'s>(
        &self,
        view: &View<'s>,
        entries: &[(Key, Node)],
        name: &str,
        meant: &mut Vec<&'s str>,
        spot: &Spot,
    ) -> String {
        if let Some(help) = chosen_by_name(view, entries, name) {
            return help;
        }
        let names: Vec<&str> = view.properties().map(|(name, _)| name).collect();
        if let Some(near) = did_you_mean(name, names.iter().copied()) {
            meant.push(near);
            return format!("did you mean `{near}`?");
        }
        if let Some(owner) = owner(view, name) {
            return format!("`{name}` belongs to `{owner}`: write `{owner}.{name}`");
        }
        if let Some((owner, schema)) = owner_of_named(view, name).filter(|_| spot.path.0.is_empty()) {
            let is_told = meant.contains(&owner);
            meant.push(owner);
            return if is_told {
                format!("`{name}` is a key of each of the `{owner}`, too: it goes the same way")
            } else {
                belongs(&schema, entries, (owner, name))
            };
        }
        match names.as_slice() {
            [] => "no key is known here".to_owned(),
            names => format!("valid keys here: {}", names.join(", ")),
        }
    }

    /// Required keys that are not there. Of one that an unknown key was meant to be, that key is told.
    fn missing(&mut self, view: &View<'_>, entries: &[(Key, Node)], meant: &[&str], spot: &Spot) {
        for name in view.texts("required") {
            if entries.iter().any(|(key, _)| key.name == name) {
                continue;
            }
            if meant.contains(&name) {
                self.wrong.push(spot.path.clone());
                continue;
            }
            let help = if self.may_advise() { what_is_missing(view, name) } else { Vec::new() };
            self.report(
                codes::MISSING_KEY,
                spot.key,
                &spot.path,
                format!("`{name}` is missing in {}", spot.name()),
                help,
            );
        }
        let least = view.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
        if entries.is_empty() && least > 0 && view.get(EXACTLY_ONE).is_none() {
            let help = spot.key_name().and_then(|key| addition(view, key));
            let words = view.text(EMPTY).map(|words| format!(": {words}")).unwrap_or_default();
            self.report(codes::MISSING_KEY, spot.key, &spot.path, format!("{} is empty{words}", spot.name()), help);
        }
    }

    /// Exactly one of the keys that choose a kind; at most one in a partial job.
    fn kinds(&mut self, view: &View<'_>, entries: &[(Key, Node)], meant: &[&str], spot: &Spot) {
        let kinds = view.texts(EXACTLY_ONE);
        let chosen: Vec<&Key> =
            entries.iter().map(|(key, _)| key).filter(|key| kinds.contains(&key.name.as_str())).collect();
        match chosen.as_slice() {
            [] if kinds.is_empty() => {}
            [] if self.partial || is_reported(view, entries, self.may_advise().then_some(meant)) => {
                self.wrong.push(spot.path.clone())
            }
            [] => {
                let names: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
                let message = format!("{} needs one of {}", spot.name(), names.join(", "));
                let help = kinds.first().and_then(|kind| {
                    let (_, schema) = view.properties().find(|(name, _)| name == kind)?;
                    Some(format!("add one of them, such as {}", example(&view.of(schema), Some(kind))?))
                });
                self.report(codes::ONE_KIND, spot.key, &spot.path, message, help);
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!("{} can't have both `{}` and `{}`", spot.name(), first.name, second.name);
                self.wrong.push(spot.path.clone());
                self.found.push(
                    Diagnostic::error(codes::ONE_KIND, message)
                        .at(second.place, "the second")
                        .also(first.place, "the first")
                        .help("keep one of the two"),
                );
            }
        }
    }
}

/// What to add for a required key, and what it is for.
fn what_is_missing(view: &View<'_>, name: &str) -> Vec<String> {
    let Some((_, schema)) = view.properties().find(|(known, _)| *known == name) else { return Vec::new() };
    let schema = view.of(schema);
    let about = schema.text("description").map(|text| format!("`{name}`: {}", inner_sentence(text)));
    addition(&schema, name).into_iter().chain(about).collect()
}

/// A sentence as it stands inside another: without its capital, if that is one, and its full stop.
fn inner_sentence(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    let first = letters.next().unwrap_or_default();
    let rest = letters.as_str();
    if rest.starts_with(char::is_uppercase) {
        format!("{first}{rest}")
    } else {
        format!("{}{rest}", first.to_lowercase())
    }
}

/// Whether a key was reported that was most likely meant to be the kind: one that is none of the language, and that was not
/// taken for another key. `meant` is what those keys were taken for; `None`: nobody looked.
fn is_reported(view: &View<'_>, entries: &[(Key, Node)], meant: Option<&[&str]>) -> bool {
    let kinds = view.texts(EXACTLY_ONE);
    let unknown = entries.iter().filter(|(key, _)| view.properties().all(|(name, _)| name != key.name));
    let others = meant.unwrap_or_default().iter().filter(|name| !kinds.contains(name));
    unknown.count() > others.count()
}

/// What to write where `type = "bearer"` stands: here the kind is the key.
fn chosen_by_name(view: &View<'_>, entries: &[(Key, Node)], name: &str) -> Option<String> {
    if !["type", "kind"].contains(&name) {
        return None;
    }
    let (_, node) = entries.iter().find(|(key, _)| key.name == name)?;
    let NodeValue::String(text) = &node.value else { return None };
    let kind = did_you_mean(text, view.texts(EXACTLY_ONE))?;
    let (_, schema) = view.properties().find(|(known, _)| *known == kind)?;
    Some(format!("the kind is the key: {} stands in place of `{name}`", example(&view.of(schema), Some(kind))?))
}

/// The one table beside it that knows a key.
fn owner<'s>(view: &View<'s>, name: &str) -> Option<&'s str> {
    let knows = |schema: &'s Value| {
        view.of(schema).branches().iter().any(|branch| branch.properties().any(|(known, _)| known == name))
    };
    let mut owners = view.properties().filter(|(_, schema)| knows(schema)).map(|(owner, _)| owner);
    let first = owners.next()?;
    owners.next().is_none().then_some(first)
}

/// The table beside it whose tables have names of their own and know a key: one that is required before others.
fn owner_of_named<'s>(view: &View<'s>, name: &str) -> Option<(&'s str, View<'s>)> {
    let knows = |schema: &View<'s>| {
        let named = schema.get("additionalProperties").filter(|named| named.is_object())?;
        let mut branches = view.of(named).branches().into_iter();
        branches.any(|branch| branch.properties().any(|(known, _)| known == name)).then_some(())
    };
    let owners = view.properties().map(|(owner, schema)| (owner, view.of(schema)));
    let mut owners: Vec<(&str, View<'_>)> = owners.filter(|(_, schema)| knows(schema).is_some()).collect();
    let required = view.texts("required");
    match owners.iter().position(|(owner, _)| required.contains(owner)) {
        Some(position) => Some(owners.swap_remove(position)),
        None => owners.pop().filter(|_| owners.is_empty()),
    }
}

/// Where a key of a named table goes: below the header of the first of them, or of one that is still to be written.
fn belongs(schema: &View<'_>, entries: &[(Key, Node)], (owner, name): (&str, &str)) -> String {
    let tables = entries.iter().find(|(key, _)| key.name == owner).map(|(_, node)| &node.value);
    if let Some(NodeValue::Table(tables)) = tables
        && let Some((first, _)) = tables.iter().next()
    {
        return format!(
            "`{name}` is a key of each of the `{owner}`: move it under `[{owner}.{}]`",
            toml_key(&first.name)
        );
    }
    let named = example_name(schema).unwrap_or_else(|| "name".to_owned());
    format!("`{name}` is a key of each of the `{owner}`: write `[{owner}.{}]` above it", toml_key(&named))
}
