//! What the columns of an endpoint find in the items of a reply.
//!
//! Must never tell of a column that finds something in some item that it finds nothing.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::judge::Trial;
use super::leave::leave;
use super::{Finding, open, shown};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::extract::{ExtractError, Unsettled};
use crate::plan::{ColumnPlan, Meta};
use crate::record::InputColumns;
use crate::row::Row;
use crate::template::{Context, ReplyView};

/// An item of a reply, and the row it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Item<'i> {
    pub row: Arc<Row>,
    /// `None`: the body is not JSON.
    pub value: Option<&'i Value>,
}

/// What a column has of each item.
type Cells = Vec<Result<Value, ExtractError>>;

/// The records of items; `None` where a row with such a reply fails. What does not fit is added to the findings.
pub(super) fn records(
    trial: &Trial<'_>,
    view: &ReplyView<'_>,
    items: &[Item<'_>],
    findings: &mut Vec<Finding>,
) -> Option<Vec<Map<String, Value>>> {
    let mut settled = Vec::new();
    let mut fails = false;
    for column in &trial.endpoint.columns {
        let cells: Cells = items.iter().map(|item| extract(trial, view, item, column)).collect();
        if let Some(why) = open::of_column(trial, column) {
            trial.leave_open(trial.key("columns").key(&column.name).key(column.extractor.kind()), why);
            settled.push(as_they_are(trial, column, cells));
            continue;
        }
        findings.extend(look(trial, column, items, &cells));
        // A run masks what it has settled: a short secret may be a number that is looked for.
        let settle = |cell: Result<Value, ExtractError>| {
            let mut value = column.settle.settle(cell.ok()?).ok()?;
            trial.cells.mask_value(&mut value);
            Some(value)
        };
        let values: Option<Vec<Value>> = cells.into_iter().map(settle).collect();
        fails |= values.is_none();
        settled.push(values.unwrap_or_default());
    }
    if fails {
        return None;
    }
    let record = |(at, item): (usize, &Item<'_>)| record(trial, item, at, &settled, view);
    Some(items.iter().enumerate().map(record).collect())
}

/// What stands in the records of a column that is not judged: what is found, or what stands for nothing.
fn as_they_are(trial: &Trial<'_>, column: &ColumnPlan, cells: Cells) -> Vec<Value> {
    let shown = |cell: Result<Value, ExtractError>| {
        let found = cell.ok().filter(|value| !value.is_null());
        let mut value = found.or_else(|| column.settle.default.clone()).unwrap_or_default();
        trial.cells.mask_value(&mut value);
        value
    };
    cells.into_iter().map(shown).collect()
}

fn extract(
    trial: &Trial<'_>,
    view: &ReplyView<'_>,
    item: &Item<'_>,
    column: &ColumnPlan,
) -> Result<Value, ExtractError> {
    let view = ReplyView { item: item.value, ..*view };
    let context = Context { row: Some(&item.row), secrets: trial.secrets, reply: Some(&view), last: None };
    column.extractor.extract(&context, item.value.unwrap_or(&Value::Null))
}

/// What does not fit of one column: the first thing of each kind.
fn look(trial: &Trial<'_>, column: &ColumnPlan, items: &[Item<'_>], cells: &Cells) -> Option<Finding> {
    let kind = column.extractor.kind();
    let key = trial.key("columns").key(&column.name);
    if column.extractor.needs().is_json() && trial.json.is_none() {
        // Told once, of the reply.
        return None;
    }
    if let Some(Err(error)) = cells.iter().find(|cell| cell.is_err()) {
        let message = format!("the column `{}` can't be had of {}: {}", column.name, trial.what(), error.message);
        let help = "a row with such a reply fails: look at what the reply has, or give what is missing a `default`";
        return Some(Finding::new(codes::SAMPLE_LACKS, key.key(kind), trial.masker.mask(&message), help));
    }
    if items.is_empty() {
        return None;
    }
    let values: Vec<&Value> = cells.iter().filter_map(|cell| cell.as_ref().ok()).collect();
    if values.iter().all(|value| value.is_null()) {
        return absent(trial, column, items, &key);
    }
    values.iter().enumerate().find_map(|(at, value)| unfit(trial, column, at, value, &key))
}

/// A value that can't stand in a record.
fn unfit(trial: &Trial<'_>, column: &ColumnPlan, at: usize, value: &Value, key: &KeyPath) -> Option<Finding> {
    match column.settle.settle(value.clone()).err()? {
        Unsettled::Missing => {
            let message =
                format!("`{}` is required, and item {} of {} lacks it", column.name, at + 1, trial.sample.called);
            let help = "give it a `default`, take `required` out, or let a rule skip such replies";
            Some(Finding::new(codes::SAMPLE_LACKS, key.key("required"), message, help))
        }
        Unsettled::Unlike(wanted, mut value) => {
            // Before it is cut, which may be within a secret.
            trial.masker.mask_value(&mut value);
            trial.masker.mask_names(&mut value);
            let words = Unsettled::unlike(wanted, &shown(&value));
            let message = format!("the column `{}` gets what it can't take: {words}", column.name);
            let help = "take another value, another `as`, or leave it out";
            Some(Finding::new(codes::SAMPLE_UNLIKE, key.key("as"), message, help))
        }
    }
}

/// A column that is null in every record. Where the job says what stands there then, only a slip of the pen is told.
fn absent(trial: &Trial<'_>, column: &ColumnPlan, items: &[Item<'_>], key: &KeyPath) -> Option<Finding> {
    let (kind, expected) = (column.extractor.kind(), column.settle.default.is_some());
    let here = key.key(kind);
    if let Some(path) = column.extractor.path() {
        let values: Vec<&Value> = items.iter().filter_map(|item| item.value).collect();
        if let Some(left) = leave(path, &values, &trial.what()) {
            return (left.is_near || !expected).then(|| left.at(here));
        }
    }
    let what = match kind {
        "css" => "the selector finds nothing",
        "regex" => "the regular expression matches nothing",
        "jq" => "the program gives nothing",
        "header" => "there is no such header",
        _ if trial.sample.body.is_empty() => "there is no body",
        _ if column.settle.required => "it is null",
        _ => return None,
    };
    let help = match kind {
        "css" | "regex" => {
            "look at the text of the sample; what a browser shows may be made by scripts that do not run here"
        }
        _ => "take another way to it, a reply that is like those that are meant, or give the column a `default`",
    };
    let message = format!("the column `{}` is empty with {}: {what}", column.name, trial.sample.called);
    (!expected).then(|| Finding::new(codes::SAMPLE_LACKS, here, message, help))
}

/// The record of one item.
fn record(
    trial: &Trial<'_>,
    item: &Item<'_>,
    at: usize,
    settled: &[Vec<Value>],
    view: &ReplyView<'_>,
) -> Map<String, Value> {
    let endpoint = trial.endpoint;
    let mut record = match &endpoint.layout.input {
        InputColumns::AsTheyCome => item.row.to_object(),
        InputColumns::Named(names) => {
            names.iter().map(|name| (name.clone(), item.row.get(name).unwrap_or_default())).collect()
        }
    };
    for (column, values) in endpoint.columns.iter().zip(settled) {
        record.insert(column.name.clone(), values.get(at).cloned().unwrap_or_default());
    }
    if endpoint.meta.contains(&Meta::Body) {
        let text = || Value::from(String::from_utf8_lossy(view.body));
        let mut body = item.value.cloned().unwrap_or_else(text);
        trial.cells.mask_value(&mut body);
        record.insert(Meta::Body.name().to_owned(), body);
    }
    // A run keeps names as they came; here they are shown.
    record.values_mut().for_each(|value| trial.masker.mask_names(value));
    record
}
