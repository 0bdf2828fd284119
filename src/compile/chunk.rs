//! `chunk` and `rows`: how many rows a request is for, and what a reply's records are taken from.
//!
//! Must never let an endpoint send chunks whose records could not find their rows.

use super::{Site, names};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::extract::RowsPlan;
use crate::plan::{BatchPlan, ChunkKeyPlan, ChunkPlan};
use crate::source::Columns;
use crate::spec::EndpointSpec;
use crate::spec::pace::{ChunkKeySpec, ChunkSpec};
use crate::template::{RowScope, Scope};

/// The items of a reply.
pub fn rows(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec) -> Option<RowsPlan> {
    RowsPlan::compile(site, &path.key("rows"), spec.rows.as_ref()?)
}

/// Rows that go out in one request.
pub fn chunk(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, input: &Columns) -> Option<ChunkPlan> {
    let written = spec.chunk.as_ref()?;
    let table = written.table();
    let here = path.key("chunk");
    let by = table.by.as_ref().and_then(|by| key(site, &here.key("by"), by, input));
    if table.by.is_some() && spec.rows.is_none() {
        let message = "`by` finds the row of an item, and without `rows` there are no items";
        let help = "write `rows = \"$.items[*]\"`, or leave `by` out: then every row of the chunk has the same record";
        site.key_error(codes::CONFLICT, &here.key("by"), message, help);
    }
    if spec.paginate.is_some() {
        let (message, help) = (
            "a chunk can't be walked from page to page".to_owned(),
            "take one of the two out: a chunk is many rows in one request, a walk many requests for one row",
        );
        site.conflict(&here, "here", &path.key("paginate"), "and here", message, help);
    }
    if let ChunkSpec::Table(_) = written
        && table.split == Some(true)
        && table.size.get() == 1
    {
        let message = "a chunk of one row can't be split";
        site.warning(codes::NO_EFFECT, &here.key("split"), message, "leave `split` out, or make the chunk larger");
    }
    Some(ChunkPlan { size: table.size.get() as usize, split: table.split.unwrap_or(false), by })
}

fn key(site: &mut Site<'_>, path: &KeyPath, spec: &ChunkKeySpec, input: &Columns) -> Option<ChunkKeyPlan> {
    let (column, column_path, item, item_path) = match spec {
        ChunkKeySpec::Name(name) => (name, path.clone(), member(name), path.clone()),
        ChunkKeySpec::Table(table) => (&table.row, path.key("row"), table.item.clone(), path.key("item")),
    };
    if let Columns::Known(header) = input
        && header.position(column).is_none()
    {
        let known: Vec<&str> = header.names().iter().map(String::as_str).collect();
        let help = names::meant(site, "columns", column, &known, "the input has no columns");
        site.error(codes::UNKNOWN_NAME, &column_path, format!("the input has no column `{column}`"), help);
        return None;
    }
    let item = RowsPlan::single(site, &item_path, &item)?;
    Some(ChunkKeyPlan { column: column.clone(), item })
}

/// The path of a member of an item.
fn member(name: &str) -> String {
    format!("$['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The names that requests of an endpoint see: `rows` where they are for a chunk, else `row`.
#[must_use]
pub fn request_scope(site: &Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Scope {
    if spec.chunk.is_some() || site.is_refused(path, "chunk") {
        Scope { row: RowScope::Rows, ..scope.clone() }
    } else {
        scope.clone()
    }
}

/// A file for each row can't hold the pages of its walk.
pub fn saved_pages(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec) {
    if spec.paginate.is_some() && spec.save.is_some() {
        let message = "every page of a walk would be saved to the same file".to_owned();
        let help = "take `save` out; `meta = [\"body\"]` keeps each page in a record";
        site.conflict(&path.key("save"), "here", &path.key("paginate"), "and here", message, help);
    }
}

/// Warns of chunks that batches cut off.
pub fn idle(site: &mut Site<'_>, path: &KeyPath, chunk: &ChunkPlan, batch: &BatchPlan) {
    if batch.size.is_some_and(|size| size < chunk.size as u64) {
        let place = site.document.place(&path.key("chunk"));
        let message =
            format!("no chunk has {} rows: a batch has fewer, and a chunk never reaches beyond it", chunk.size);
        let help = "make batches larger with `batch.size`, best a multiple of the chunk, or chunks smaller";
        site.diagnostics.push(Diagnostic::warning(codes::NO_EFFECT, message).at(place, "").help(help));
    }
}
