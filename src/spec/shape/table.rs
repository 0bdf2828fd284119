//! Tables of the shape check: known keys, missing keys, and how many kinds stand there.

use serde_json::Value;

use super::example::{addition, example};
use super::view::View;
use super::{Spot, Walker};
use crate::diagnostic::{ADVISED, Diagnostic, codes, did_you_mean};
use crate::document::{Key, Node};
use crate::spec::kind::EXACTLY_ONE;

impl Walker<'_> {
    pub(super) fn table(&mut self, view: &View<'_>, entries: &[(Key, Node)], spot: &Spot) {
        let before = self.wrong.len();
        for (key, node) in entries {
            let below = Spot { path: spot.path.key(key.name.as_str()), key: key.place };
            let known = view.properties().find(|(name, _)| *name == key.name).map(|(_, schema)| schema);
            match known.or_else(|| view.get("additionalProperties")) {
                Some(Value::Bool(false)) => self.unknown_key(view, key, spot),
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
        self.kinds(view, entries, spot);
        if !self.partial {
            self.missing(view, entries, spot);
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

    fn unknown_key(&mut self, view: &View<'_>, key: &Key, spot: &Spot) {
        let name = key.name.as_str();
        let names: Vec<&str> = view.properties().map(|(name, _)| name).collect();
        let help = if self.found.len() > ADVISED {
            "see the keys that are told of first".to_owned()
        } else if let Some(near) = did_you_mean(name, names.iter().copied()) {
            format!("did you mean `{near}`?")
        } else if let Some(owner) = owner(view, name) {
            format!("`{name}` belongs to `{owner}`: write `{owner}.{name}`")
        } else if names.is_empty() {
            "no key is known here".to_owned()
        } else {
            format!("valid keys here: {}", names.join(", "))
        };
        self.report(
            codes::UNKNOWN_KEY,
            key.place,
            &spot.path.key(name),
            format!("unknown key `{name}` in {}", spot.name()),
            [help],
        );
    }

    fn missing(&mut self, view: &View<'_>, entries: &[(Key, Node)], spot: &Spot) {
        for name in view.texts("required") {
            if entries.iter().any(|(key, _)| key.name == name) {
                continue;
            }
            let schema = view.properties().find(|(known, _)| *known == name).map(|(_, schema)| view.of(schema));
            let mut help = Vec::new();
            if let Some(schema) = schema {
                help.extend(addition(&schema, name));
                help.extend(
                    schema.text("description").map(|description| format!("`{name}`: {}", inner_sentence(description))),
                );
            }
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
            self.report(codes::MISSING_KEY, spot.key, &spot.path, format!("{} is empty", spot.name()), help);
        }
    }

    /// Exactly one of the keys that choose a kind; at most one in a partial job.
    fn kinds(&mut self, view: &View<'_>, entries: &[(Key, Node)], spot: &Spot) {
        let kinds = view.texts(EXACTLY_ONE);
        let chosen: Vec<&Key> =
            entries.iter().map(|(key, _)| key).filter(|key| kinds.contains(&key.name.as_str())).collect();
        match chosen.as_slice() {
            [] if kinds.is_empty() => {}
            [] if self.partial || unknown_is_reported(view, entries) => self.wrong.push(spot.path.clone()),
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

/// Whether a key stands there that is no key of the language: it has been reported, and was most
/// likely meant to be the kind.
fn unknown_is_reported(view: &View<'_>, entries: &[(Key, Node)]) -> bool {
    entries.iter().any(|(key, _)| view.properties().all(|(name, _)| name != key.name))
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
