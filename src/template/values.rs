//! Rows, replies and JSON as minijinja sees them: in the order they were written, and no more of
//! them than a template uses.
//!
//! minijinja owns its values, so what is put here is copied; plain paths never come this way.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};

use super::path::{self, header_text};
use super::{Context, RenderError};

/// Which members of an object a template uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Members {
    /// None of them.
    #[default]
    None,
    /// These.
    Named(BTreeSet<String>),
    /// Which ones is known only while rendering.
    All,
}

impl Members {
    /// Adds one member, or all.
    pub fn add(&mut self, name: Option<&str>) {
        match (name, &mut *self) {
            (None, _) => *self = Self::All,
            (Some(name), Self::None) => *self = Self::Named(BTreeSet::from([name.to_owned()])),
            (Some(name), Self::Named(names)) => {
                names.insert(name.to_owned());
            }
            (Some(_), Self::All) => {}
        }
    }

    /// Adds those of another.
    pub fn join(&mut self, others: &Self) {
        match others {
            Self::None => {}
            Self::Named(names) => names.iter().for_each(|name| self.add(Some(name))),
            Self::All => self.add(None),
        }
    }

    /// Whether there may be headers among them beside these.
    pub fn are_beside(&self, known: &http::HeaderMap) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.iter().any(|name| !known.contains_key(name)),
            Self::All => true,
        }
    }

    /// Whether anything is used.
    pub fn any(&self) -> bool {
        *self != Self::None
    }
}

/// What an expression uses.
#[derive(Debug, Clone, Default)]
pub(super) struct Uses {
    /// Columns.
    pub row: Members,
    /// What is said of a run that has ended.
    pub run: Members,
    /// Columns of the record before.
    pub last: Members,
    /// Members of the body.
    pub json: Members,
    /// Members of the item.
    pub item: Members,
    /// Headers.
    pub headers: Members,
    /// Meta values.
    pub meta: Members,
    /// Whether `rows` is used.
    pub rows: bool,
    /// Whether `vars` is used.
    pub vars: bool,
    /// Secrets, in the order of use.
    pub secrets: Vec<String>,
    /// Whether `text` is used.
    pub text: bool,
    /// Whether `status` is used.
    pub status: bool,
    /// Whether a body that is not JSON is as good as an empty one.
    pub lenient: bool,
    /// Every path with fixed steps, to name the one that led nowhere.
    pub paths: Vec<path::Plain>,
}

impl Uses {
    /// Whether the value can differ between two renderings.
    pub fn vary(&self) -> bool {
        self.differ() || !self.secrets.is_empty()
    }

    /// Whether the value can differ between two rows or replies.
    pub fn differ(&self) -> bool {
        let members = self.row.any() || self.run.any() || self.json.any() || self.headers.any() || self.meta.any();
        members || self.last.any() || self.item.any() || self.rows || self.text || self.status
    }

    /// The context that an expression with these uses is evaluated in.
    pub fn context(&self, vars: Option<&Value>, context: &Context<'_>) -> Result<Value, RenderError> {
        let mut root = Table::default();
        if let (true, Some(vars)) = (self.vars, vars) {
            root.push("vars", vars.clone());
        }
        if self.row.any() {
            root.push("row", row_value(&self.row, context)?);
        }
        if self.run.any() {
            root.push("run", row_value(&self.run, context)?);
        }
        if self.last.any() {
            root.push("last", last_value(&self.last, context));
        }
        if self.rows {
            let rows = path::rows(context)?.iter().map(|row| row_table(row).into_value()).collect::<Vec<_>>();
            root.push("rows", Value::from(rows));
        }
        if !self.secrets.is_empty() {
            let mut table = Table::default();
            for name in &self.secrets {
                table.push(name, Value::from(path::secret(context, name)?));
            }
            root.push("secrets", table.into_value());
        }
        self.reply_values(context, &mut root)?;
        Ok(root.into_value())
    }

    fn reply_values(&self, context: &Context<'_>, root: &mut Table) -> Result<(), RenderError> {
        if self.json.any() {
            match path::json(context) {
                Ok(json) => root.push("json", some_of(&self.json, json)),
                Err(_) if self.lenient => {}
                Err(error) => return Err(error),
            }
        }
        if self.item.any() {
            root.push("item", some_of(&self.item, path::item(context)?));
        }
        if self.headers.any() {
            root.push("headers", self.header_values(path::reply(context)?.headers));
        }
        if self.meta.any() {
            let mut table = Table::default();
            path::reply(context)?.meta.iter().for_each(|(name, value)| table.push(name, from_json(value)));
            root.push("meta", table.into_value());
        }
        if self.text {
            root.push("text", Value::from(String::from_utf8_lossy(path::reply(context)?.body).into_owned()));
        }
        if self.status {
            root.push("status", Value::from(path::reply(context)?.status));
        }
        Ok(())
    }

    fn header_values(&self, headers: &http::HeaderMap) -> Value {
        let mut table = Table { fold_case: true, ..Table::default() };
        for name in headers.keys() {
            let wanted = match &self.headers {
                Members::Named(names) => names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name.as_str())),
                Members::All | Members::None => true,
            };
            if let Some(text) = header_text(headers, name.as_str()).filter(|_| wanted) {
                table.push(name.as_str(), Value::from(text.into_owned()));
            }
        }
        table.into_value()
    }
}

/// No more of the row than these columns.
fn row_value(members: &Members, context: &Context<'_>) -> Result<Value, RenderError> {
    let row = path::row(context)?;
    let mut table = Table::default();
    match members {
        Members::Named(names) => {
            for name in names {
                if let Some(value) = row.get(name) {
                    table.push(name, from_json(&value));
                }
            }
        }
        Members::All | Members::None => table = row_table(row),
    }
    Ok(table.into_value())
}

/// The record before; of one that is not there the columns that are asked for are null.
fn last_value(members: &Members, context: &Context<'_>) -> Value {
    let mut table = Table::default();
    match members {
        Members::Named(names) => {
            names.iter().for_each(|name| table.push(name, from_json(path::last(context, name))));
        }
        Members::All | Members::None => {
            context.last.into_iter().flatten().for_each(|(name, value)| table.push(name, from_json(value)));
        }
    }
    table.into_value()
}

/// All columns of a row.
fn row_table(row: &crate::row::Row) -> Table {
    let mut table = Table::default();
    row.to_object().iter().for_each(|(name, value)| table.push(name, from_json(value)));
    table
}

/// No more of a JSON value than these members of it.
fn some_of(members: &Members, whole: &serde_json::Value) -> Value {
    match (members, whole) {
        (Members::Named(names), serde_json::Value::Object(map)) => {
            let mut table = Table::default();
            for (name, value) in names.iter().filter_map(|name| map.get_key_value(name)) {
                table.push(name, from_json(value));
            }
            table.into_value()
        }
        _ => from_json(whole),
    }
}

/// A JSON value as minijinja's.
pub(super) fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => from_number(number),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => Value::from(items.iter().map(from_json).collect::<Vec<_>>()),
        serde_json::Value::Object(map) => table(map.iter()),
    }
}

fn from_number(number: &serde_json::Number) -> Value {
    if let Some(whole) = number.as_i64() {
        return Value::from(whole);
    }
    if let Some(whole) = number.as_u64() {
        return Value::from(whole);
    }
    match number.as_i128() {
        Some(whole) => Value::from(whole),
        // Filters calculate with floats; a number that is only passed on never comes here.
        None => Value::from(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// Named JSON values as one object.
pub(super) fn table<'j>(members: impl Iterator<Item = (&'j String, &'j serde_json::Value)>) -> Value {
    let mut table = Table::default();
    members.for_each(|(name, value)| table.push(name, from_json(value)));
    table.into_value()
}

/// Members as one object, in this order; what has other keys than texts is minijinja's own.
pub(super) fn ordered(members: Vec<(Value, Value)>) -> Value {
    if members.iter().any(|(key, _)| key.as_str().is_none()) {
        return Value::from_pairs(members);
    }
    let mut table = Table::default();
    members.into_iter().for_each(|(key, member)| table.push(key.as_str().unwrap_or_default(), member));
    table.into_value()
}

/// Up to so many members are searched one by one.
const FEW: usize = 8;

/// An object that keeps the order of its members; minijinja's own sorts them.
#[derive(Debug, Default)]
struct Table {
    members: Vec<(Arc<str>, Value)>,
    positions: HashMap<Arc<str>, usize>,
    fold_case: bool,
}

impl Table {
    fn push(&mut self, name: &str, value: Value) {
        self.members.push((Arc::from(name), value));
    }

    fn into_value(mut self) -> Value {
        if self.members.len() > FEW {
            self.positions = self.members.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        }
        Value::from_object(self)
    }

    fn find(&self, name: &str) -> Option<Value> {
        if self.members.len() > FEW {
            return self.positions.get(name).map(|position| self.members[*position].1.clone());
        }
        self.members.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
    }
}

impl Object for Table {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if self.fold_case { self.find(&key.to_ascii_lowercase()) } else { self.find(key) }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.members.iter().map(|(name, _)| Value::from(name.clone())).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.members.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_comes_back_as_it_went_in_and_in_order() {
        let members: serde_json::Map<String, serde_json::Value> =
            (0..20).rev().map(|number| (format!("k{number}"), json!(number))).collect();
        let value = json!({"z": 1, "a": [1.5, null, true, "x", {}], "big": u64::MAX, "low": i64::MIN, "many": members});
        let back = super::super::engine::json(&from_json(&value)).unwrap();
        assert_eq!(back.to_string(), value.to_string());
    }

    #[test]
    fn members_add_up() {
        let mut members = Members::default();
        assert!(!members.any());
        members.add(Some("a"));
        members.add(Some("b"));
        assert_eq!(members, Members::Named(BTreeSet::from(["a".to_owned(), "b".to_owned()])));
        members.add(None);
        members.add(Some("c"));
        assert_eq!(members, Members::All);
    }
}
