//! Items of a reply and the rows of the chunk that they belong to, as a run pairs them.
//!
//! A sample need not be the reply to the very rows that are at hand: what has no partner is left out then, and counted. Must
//! never take a reply for better than a run would where it is the reply to these rows.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::columns::Item;
use super::judge::Trial;
use super::leave::leave;
use super::{Apart, Finding};
use crate::diagnostic::codes;
use crate::plan::{ChunkKeyPlan, ChunkPlan};
use crate::row::Row;

/// Items that columns look at.
pub(super) struct Items<'t> {
    pub items: Vec<Item<'t>>,
    /// Whether no row is known that they belong to: no record is made of them.
    pub are_strays: bool,
}

impl<'t> Items<'t> {
    /// Each with its row.
    pub fn of(items: Vec<Item<'t>>) -> Self {
        Self { items, are_strays: false }
    }
}

/// Items with the rows of their chunk.
pub(super) fn paired<'t>(
    trial: &Trial<'_>,
    chunk: &ChunkPlan,
    (members, items): (&[Arc<Row>], &[&'t Value]),
    findings: &mut Vec<Finding>,
) -> Items<'t> {
    match &chunk.by {
        None => {
            findings.extend(uneven(trial, chunk, members.len(), items.len()));
            let (more, less) = (items.len().saturating_sub(members.len()), members.len().saturating_sub(items.len()));
            leave_apart(trial, more, less);
            Items::of(members.iter().zip(items).map(|(row, value)| item(row, value)).collect())
        }
        Some(by) => by_key(trial, by, (members, items), findings),
    }
}

fn item<'t>(row: &Arc<Row>, value: &'t Value) -> Item<'t> {
    Item { row: Arc::clone(row), value: Some(value) }
}

/// Notes what has no partner.
fn leave_apart(trial: &Trial<'_>, items: usize, rows: usize) {
    trial.apart.set(Apart { items, rows: if trial.rows.known { rows } else { 0 } });
}

fn uneven(trial: &Trial<'_>, chunk: &ChunkPlan, rows: usize, items: usize) -> Option<Finding> {
    let [message, help] = chunk.uneven(items, rows);
    let finding = || Finding::new(codes::SAMPLE_REFUSED, trial.key("chunk"), message, help);
    (trial.rows.asked && rows != items && trial.json.is_some()).then(finding)
}

/// Items belong to the rows that have the same value; of equal rows to each.
fn by_key<'t>(
    trial: &Trial<'_>,
    by: &ChunkKeyPlan,
    (members, items): (&[Arc<Row>], &[&'t Value]),
    findings: &mut Vec<Finding>,
) -> Items<'t> {
    let mut owners = HashMap::<String, Vec<usize>>::new();
    for (member, row) in members.iter().enumerate() {
        if let Some(key) = by.of_row(row) {
            owners.entry(key).or_default().push(member);
        }
    }
    let (mut pairs, mut found, mut strays) = (Vec::new(), vec![false; members.len()], 0);
    for value in items {
        let of_item = by.of_item(value).and_then(|key| owners.get(&key));
        strays += usize::from(of_item.is_none());
        for member in of_item.into_iter().flatten() {
            found[*member] = true;
            pairs.push(item(&members[*member], value));
        }
    }
    let lost = || members.iter().zip(&found).filter(|(_, found)| !**found).map(|(row, _)| row);
    leave_apart(trial, strays, lost().count());
    let left = leave(by.item.source(), items, &trial.item()).filter(|_| !items.is_empty());
    let is_slip = left.is_some();
    findings.extend(left.map(|left| left.at(trial.key("chunk").key("by"))));
    if trial.rows.asked {
        findings.extend(lost_rows(trial, by, lost));
    } else if pairs.is_empty() && !items.is_empty() && !is_slip {
        findings.extend(strange(trial, by, &members[0]));
    }
    if pairs.is_empty() {
        let all = items.iter().map(|value| item(&members[0], value)).collect();
        return Items { items: all, are_strays: true };
    }
    Items::of(pairs)
}

/// Rows of a request that no item of its reply is for.
fn lost_rows<'r, L: Iterator<Item = &'r Arc<Row>>>(
    trial: &Trial<'_>,
    by: &ChunkKeyPlan,
    lost: impl Fn() -> L,
) -> Option<Finding> {
    let first = by.missing(lost().next()?);
    let others = match lost().count() - 1 {
        0 => String::new(),
        others => format!(", and {others} more rows of it lack theirs"),
    };
    let help = "a row that no item is for fails: look at what the reply calls it, or at the row itself";
    let message = format!("{first}{others}");
    Some(Finding::new(codes::SAMPLE_REFUSED, trial.key("chunk").key("by"), message, help))
}

/// A sample with items, none of which is for a row at hand.
fn strange(trial: &Trial<'_>, by: &ChunkKeyPlan, row: &Row) -> Option<Finding> {
    let message = format!("no item of {} belongs to a row at hand: {}", trial.sample.called, by.missing(row));
    let help =
        "take the reply to the first rows of the input, or look at `chunk.by`; columns are looked at in all items";
    let finding = || Finding::new(codes::SAMPLE_LACKS, trial.key("chunk").key("by"), message, help);
    trial.rows.known.then(finding)
}
