//! What each root of a path stands for: columns, rows, variables, secrets, parts of the reply.
//!
//! Must never pass over a name that is not there: it is told with the nearest one, or with all that there are.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::{Names, Resolved, Steps};
use crate::diagnostic::did_you_mean;
use crate::row::Header;
use crate::template::path::{Key, Plain, Root, listed, written};
use crate::template::token::Token;
use crate::template::values::Uses;
use crate::template::{RowScope, TemplateErrorKind};

impl Names<'_> {
    pub(super) fn column(
        &mut self,
        word: &Token<'_>,
        first: Option<(&str, &Range<usize>)>,
        steps: &Steps,
        uses: &mut Uses,
    ) -> Option<Resolved> {
        if matches!(self.scope.row, RowScope::Rows) {
            let help =
                "a request is for a whole chunk: its rows are `rows`, as in `{{ rows | map(attribute='id') | list }}`";
            self.error(&word.range, TemplateErrorKind::Name, "there is no single row here", Some(help.to_owned()));
            return None;
        }
        if matches!(self.scope.row, RowScope::None | RowScope::Run(_)) {
            let help = format!("a template here may use {}", self.known_roots().join(", "));
            self.error(&word.range, TemplateErrorKind::Name, "there is no row here", Some(help));
            return None;
        }
        uses.row.add(first.map(|(first, _)| first));
        let Some((name, range)) = first else { return Some(Resolved::Whole) };
        let position = match &self.scope.row {
            RowScope::Known(header) => {
                let header = Arc::clone(header);
                let position = header.position(name);
                if position.is_none() {
                    self.unknown_column(name, range, &header);
                    return None;
                }
                position
            }
            RowScope::None | RowScope::Rows | RowScope::Run(_) | RowScope::Open => None,
        };
        Some(Resolved::Path(Plain { root: Root::Column { name: name.to_owned(), position }, keys: steps.rest() }))
    }

    /// The rows of a chunk.
    pub(super) fn rows(&mut self, word: &Token<'_>, uses: &mut Uses) -> Option<Resolved> {
        if !matches!(self.scope.row, RowScope::Rows) {
            let help = "`rows` are the rows of a chunk: give the endpoint `chunk = 50`, or write `row`".to_owned();
            self.error(&word.range, TemplateErrorKind::Name, "there are no `rows` here", Some(help));
            return None;
        }
        uses.rows = true;
        Some(Resolved::Whole)
    }

    /// What is said of a run that has ended.
    pub(super) fn run(
        &mut self,
        word: &Token<'_>,
        first: Option<(&str, &Range<usize>)>,
        steps: &Steps,
        uses: &mut Uses,
    ) -> Option<Resolved> {
        let RowScope::Run(known) = &self.scope.row else {
            let help = "use it in `[[notify]]`, which is sent when the run has ended".to_owned();
            let message = "there is no `run` before the run has ended";
            self.error(&word.range, TemplateErrorKind::Name, message, Some(help));
            return None;
        };
        let known = Arc::clone(known);
        uses.run.add(first.map(|(first, _)| first));
        let Some((name, range)) = first else { return Some(Resolved::Whole) };
        if known.position(name).is_none() {
            let help = match did_you_mean(name, known.names().iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", known.names().join(", ")),
            };
            self.error(range, TemplateErrorKind::Name, format!("a run has no `{name}`"), Some(help));
            return None;
        }
        Some(Resolved::Path(Plain { root: Root::Run(name.to_owned()), keys: steps.rest() }))
    }

    /// The record before, of a row whose messages are records.
    pub(super) fn last(
        &mut self,
        word: &Token<'_>,
        first: Option<(&str, &Range<usize>)>,
        steps: &Steps,
        uses: &mut Uses,
    ) -> Option<Resolved> {
        let Some(known) = self.scope.last.clone() else {
            let help =
                "it is the record before, for the URL, the query, the headers and `send` of a `websocket` or `sse`";
            let message = "there is no `last` here";
            self.error(&word.range, TemplateErrorKind::Name, message, Some(help.to_owned()));
            return None;
        };
        uses.last.add(first.map(|(first, _)| first));
        let Some((name, range)) = first else { return Some(Resolved::Whole) };
        if !known.open && known.columns.position(name).is_none() {
            let names = known.columns.names();
            let help = match did_you_mean(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its columns: {}", listed(names)),
            };
            self.error(range, TemplateErrorKind::Name, format!("a record has no column `{name}`"), Some(help));
            return None;
        }
        Some(Resolved::Path(Plain { root: Root::Last(name.to_owned()), keys: steps.rest() }))
    }

    fn unknown_column(&mut self, name: &str, range: &Range<usize>, header: &Header) {
        let help = match did_you_mean(name, header.names().iter().map(String::as_str)) {
            Some(near) => {
                // A name that can't stand behind a dot stands in brackets already.
                let in_brackets = written("row", name) != format!("row.{name}");
                let whole = written("row", near);
                let shown = if in_brackets { near } else { whole.strip_prefix("row.").unwrap_or(&whole) };
                format!("did you mean `{shown}`?")
            }
            None => format!("known columns: {}", listed(header.names())),
        };
        self.error(range, TemplateErrorKind::Name, format!("the input has no column `{name}`"), Some(help));
    }

    pub(super) fn var(
        &mut self,
        first: Option<(&str, &Range<usize>)>,
        steps: &Steps,
        uses: &mut Uses,
    ) -> Option<Resolved> {
        uses.vars = true;
        let Some((name, range)) = first else { return Some(Resolved::Whole) };
        let Some(mut value) = self.scope.vars.get(name) else {
            let known: Vec<&String> = self.scope.vars.keys().collect();
            let help = near_or_declare(name, &known, "vars", "NAME = \"value\"");
            self.error(range, TemplateErrorKind::Name, format!("there is no variable `{name}`"), Some(help));
            return None;
        };
        for (key, range) in &steps.keys[1..] {
            let next = match (value, key) {
                (Value::Object(map), Key::Name(name)) => map.get(name),
                (Value::Array(items), Key::Index(index)) => items.get(*index),
                // A letter of a text: left to minijinja.
                (Value::String(_), Key::Index(_)) => return Some(Resolved::Whole),
                _ => None,
            };
            let Some(next) = next else {
                let known = value.as_object().map(|map| listed(map.keys()));
                let help = match known {
                    Some(known) => format!("it has {known}"),
                    None => format!("write `{}` for the whole of it", written("vars", name)),
                };
                let message = format!("the variable `{name}` has no `{key}` here");
                self.error(range, TemplateErrorKind::Name, message, Some(help));
                return None;
            };
            value = next;
        }
        Some(Resolved::Constant(value.clone()))
    }

    pub(super) fn secret(
        &mut self,
        word: &Token<'_>,
        first: Option<(&str, &Range<usize>)>,
        steps: &Steps,
        uses: &mut Uses,
    ) -> Option<Resolved> {
        let Some((name, range)) = first.filter(|_| steps.keys.len() == 1 && steps.fixed) else {
            let help = "for example `secrets.token`".to_owned();
            self.error(&word.range, TemplateErrorKind::Name, "a secret is used by its name alone", Some(help));
            return None;
        };
        if !self.scope.secrets.iter().any(|known| known == name) {
            let known: Vec<&String> = self.scope.secrets.iter().collect();
            let help = near_or_declare(name, &known, "secrets", "NAME.env = \"VARIABLE\"");
            self.error(range, TemplateErrorKind::Name, format!("there is no secret `{name}`"), Some(help));
            return None;
        }
        if !uses.secrets.iter().any(|used| used == name) {
            uses.secrets.push(name.to_owned());
        }
        Some(Resolved::Path(Plain { root: Root::Secret(name.to_owned()), keys: Vec::new() }))
    }
}

pub(super) fn reply_root(name: &str, first: Option<&str>, steps: &Steps, uses: &mut Uses) -> Resolved {
    let (members, root): (_, fn(String) -> Root) = match name {
        "headers" => (&mut uses.headers, |name| Root::Header(name.to_ascii_lowercase())),
        "meta" => (&mut uses.meta, Root::Meta),
        "json" => {
            uses.json.add(first);
            return Resolved::Path(Plain { root: Root::Json, keys: steps.all() });
        }
        "item" => {
            uses.item.add(first);
            return Resolved::Path(Plain { root: Root::Item, keys: steps.all() });
        }
        "text" => {
            uses.text = true;
            return Resolved::Path(Plain { root: Root::Text, keys: steps.all() });
        }
        _ => {
            uses.status = true;
            return Resolved::Path(Plain { root: Root::Status, keys: steps.all() });
        }
    };
    members.add(first);
    match first {
        Some(first) => Resolved::Path(Plain { root: root(first.to_owned()), keys: steps.rest() }),
        None => Resolved::Whole,
    }
}

fn near_or_declare(name: &str, known: &[&String], table: &str, example: &str) -> String {
    let example = example.replace("NAME", name);
    match did_you_mean(name, known.iter().map(|known| known.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("declare it under `[{table}]`: `{example}`"),
        None => {
            format!("known {table}: {}; or declare it under `[{table}]`: `{example}`", listed(known.iter().copied()))
        }
    }
}
