//! The records of an accepted reply: one for the whole of it, or one for each item; and which row each belongs to.
//!
//! Must never give an item to a row that it may not belong to: where that can't be told the attempt fails.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::sync::Arc;

use serde_json::Value;

use crate::paginate::Position;
use crate::plan::{ChunkKeyPlan, ChunkPlan, ColumnPlan};
use crate::record::Record;
use crate::retry::{Failure, FailureKind};
use crate::row::Row;
use crate::template::{Context, ReplyView};

use super::call::Call;
use super::ending::Yield;
use super::lane::{Lane, LastAttempt};
use super::reading;

/// What an accepted reply leaves.
///
/// # Errors
/// When a value can't be had, or items can't be told apart.
pub(super) fn of(lane: &Lane, call: &Call, reply: &ReplyView<'_>, last: &LastAttempt<'_>) -> Result<Yield, Failure> {
    let rows = call.row.members();
    let taking = Taking { lane, reply, last, same: OnceCell::new() };
    let Some(items) = &lane.plan().rows else {
        if let [row] = rows {
            let one = taking.record(row, reply.json).map(Yield::one)?;
            return Ok(Yield { print: is_numbered(call).then(|| print(&[], reply.body)), ..one });
        }
        let each = rows.iter().enumerate();
        let records =
            each.map(|(member, row)| Ok((member, taking.record(row, reply.json)?))).collect::<Result<_, _>>()?;
        return Ok(Yield { records, ..Yield::default() });
    };
    // Without JSON it is a reply that a rule accepts although its status is not expected: it has no items.
    let items = reply.json.map(|json| items.items(json)).unwrap_or_default();
    match &lane.plan().chunk {
        None => {
            let all = taking.all(&rows[0], &items)?;
            let prints = is_numbered(call) && !items.is_empty();
            Ok(Yield { print: prints.then(|| print(&items, reply.body)), ..all })
        }
        Some(chunk) => match &chunk.by {
            None => taking.by_position(rows, &items, chunk),
            Some(by) => taking.by_key(rows, &items, by),
        },
    }
}

/// What records are taken with.
struct Taking<'t> {
    lane: &'t Lane,
    reply: &'t ReplyView<'t>,
    last: &'t LastAttempt<'t>,
    /// Values of columns that are the same for every record of the reply, by column; taken with the first record.
    same: OnceCell<Vec<Option<Value>>>,
}

impl Taking<'_> {
    /// The record of one item.
    fn record(&self, row: &Arc<Row>, item: Option<&Value>) -> Result<Record, Failure> {
        let (lane, reply) = (self.lane, self.reply);
        let own = (lane.needs_meta && lane.plan().chunk.is_some()).then(|| lane.meta_object(row, self.last));
        let view = ReplyView {
            status: reply.status,
            headers: reply.headers,
            body: reply.body,
            json: reply.json,
            meta: own.as_ref().unwrap_or(reply.meta),
            item,
            page: reply.page,
        };
        // What stands beside an item in the page belongs to the others as well: the body of a record is its item.
        let last = &LastAttempt { json: item, ..*self.last };
        let context = Context { row: Some(row), secrets: &lane.shared.secrets, reply: Some(&view), last: None };
        let mut cells = self.extracted(&context, item)?;
        cells.extend(lane.plan().meta.iter().map(|meta| lane.meta(*meta, row, last)));
        // A server may say a secret back.
        cells.iter_mut().for_each(|cell| lane.shared.record_masker.mask_value(cell));
        Ok(Record { row: Arc::clone(row), cells })
    }

    /// The extracted columns of a record. What looks at the whole reply alone is taken once, however many items it has.
    fn extracted(&self, context: &Context<'_>, item: Option<&Value>) -> Result<Vec<Value>, Failure> {
        let columns = &self.lane.plan().columns;
        let mut cells = Vec::with_capacity(columns.len() + self.lane.plan().meta.len());
        for (position, column) in columns.iter().enumerate() {
            if let Some(Some(value)) = self.same.get().and_then(|same| same.get(position)) {
                cells.push(value.clone());
                continue;
            }
            let value = reading::cell(&self.lane.shared.masker, column, context, item.unwrap_or(&Value::Null));
            cells.push(value.map_err(|message| {
                Failure::sent(FailureKind::Extract, format!("columns.{}: {message}", column.name))
            })?);
        }
        if self.lane.plan().rows.is_some() {
            let same = |(column, cell): (&ColumnPlan, &Value)| (!column.extractor.varies()).then(|| cell.clone());
            self.same.get_or_init(|| columns.iter().zip(&cells).map(same).collect());
        }
        Ok(cells)
    }

    /// All items belong to one row.
    fn all(&self, row: &Arc<Row>, items: &[&Value]) -> Result<Yield, Failure> {
        let records = items.iter().map(|item| Ok((0, self.record(row, Some(item))?))).collect::<Result<_, _>>()?;
        Ok(Yield { records, ..Yield::default() })
    }

    /// The first item belongs to the first row, and so on.
    fn by_position(&self, rows: &[Arc<Row>], items: &[&Value], chunk: &ChunkPlan) -> Result<Yield, Failure> {
        if rows.len() != items.len() {
            let message = chunk.uneven(items.len(), rows.len()).join("; ");
            return Err(Failure::sent(FailureKind::Extract, message));
        }
        let pairs = rows.iter().zip(items).enumerate();
        let records = pairs.map(|(member, (row, item))| Ok((member, self.record(row, Some(item))?)));
        Ok(Yield { records: records.collect::<Result<_, _>>()?, ..Yield::default() })
    }

    /// Items belong to the rows that have the same value; of equal rows to each.
    fn by_key(&self, rows: &[Arc<Row>], items: &[&Value], by: &ChunkKeyPlan) -> Result<Yield, Failure> {
        let mut owners = HashMap::<String, Vec<usize>>::new();
        for (member, row) in rows.iter().enumerate() {
            if let Some(key) = by.of_row(row) {
                owners.entry(key).or_default().push(member);
            }
        }
        let mut records = Vec::with_capacity(items.len());
        let (mut found, mut stray) = (vec![false; rows.len()], 0);
        for item in items {
            let members = by.of_item(item).and_then(|key| owners.get(&key));
            stray += usize::from(members.is_none());
            for member in members.into_iter().flatten() {
                found[*member] = true;
                records.push((*member, self.record(&rows[*member], Some(item))?));
            }
        }
        let lost = (0..rows.len()).filter(|member| !found[*member]);
        let lost = lost.map(|member| (member, by.missing(&rows[member]))).collect();
        Ok(Yield { records, lost, stray, ..Yield::default() })
    }
}

/// Whether the page that a call asks for has a number that a server may pass over: then it gives the same page again.
fn is_numbered(call: &Call) -> bool {
    call.page.as_ref().is_some_and(|page| matches!(page.position, Position::Number(_) | Position::Offset(_)))
}

/// A hash of what a page holds: its items where they tell themselves apart, since what stands beside them may count
/// pages. Plain values may well be the same on two pages: then it is the whole body that counts.
fn print(items: &[&Value], body: &[u8]) -> u64 {
    let mut hasher = Hashing(DefaultHasher::new());
    if items.is_empty() || !items.iter().all(|item| item.is_object()) {
        body.hash(&mut hasher.0);
    }
    for item in items {
        // What takes all bytes has no error.
        let _ = serde_json::to_writer(&mut hasher, item);
    }
    hasher.0.finish()
}

/// Hashes what is written to it.
struct Hashing(DefaultHasher);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
