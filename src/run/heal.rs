//! Healing: `--failed` takes the records of failed rows out of the outputs before the rows are sent
//! again, so that every row's records still stand once.
//!
//! Each output is rewritten beside itself; the commit that names the renames decides; the renames are
//! done after it and finished by the next session if a kill comes in between. Must never touch an
//! output before that commit is durable.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::journal::{Commit, FailedRow, Opening, Rename, Writer};
use crate::plan::Plan;
use crate::sink::{Cursor, tail_crc};

/// Rows to send again, by endpoint of the plan, ascending. Their records are gone from the outputs.
///
/// # Errors
/// When nothing failed, or an output can't be rewritten; it is untouched then.
pub fn begin(
    plan: &Plan,
    opening: &Opening,
    failed: Vec<FailedRow>,
    state: &mut Commit,
    writer: &mut Writer,
) -> Result<Vec<Vec<u64>>, String> {
    if failed.is_empty() {
        return Err(format!("no row of run {} failed; there is nothing to send again", opening.run));
    }
    let mut renames = Vec::new();
    for (position, sink) in plan.sinks.iter().enumerate() {
        let Some(old) = opening.sinks.iter().position(|name| *name == sink.name) else { continue };
        let (Some(path), Some(cursor)) = (sink.kind.path(), state.cursors[position]) else { continue };
        let spans = spans_of(&failed, old, path)?;
        if spans.is_empty() {
            continue;
        }
        let (rename, cursor) = rewrite(path, cursor, &spans).map_err(|error| unreadable(path, &error))?;
        renames.push(rename);
        state.cursors[position] = Some(cursor);
    }
    let rows = take_back(plan, opening, &failed, state);
    state.renames = renames;
    state.healed = true;
    writer.commit(state).map_err(|error| error.message)?;
    finish(state, writer)?;
    Ok(rows)
}

/// Does the renames that a commit decided and a kill kept from being done.
///
/// # Errors
/// When a file can't be renamed.
pub fn finish(state: &mut Commit, writer: &mut Writer) -> Result<(), String> {
    if state.renames.is_empty() {
        return Ok(());
    }
    for rename in std::mem::take(&mut state.renames) {
        // Gone: an earlier session renamed it and was killed before it could note so.
        if rename.from.exists() {
            std::fs::rename(&rename.from, &rename.to).map_err(|error| unreadable(&rename.to, &error))?;
            sync_folder(&rename.to).map_err(|error| unreadable(&rename.to, &error))?;
        }
    }
    writer.commit(state).map_err(|error| error.message)
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{}: the failed rows could not be taken out: {error}", path.display())
}

/// Byte ranges that failed rows take in a sink of the old run, ascending.
///
/// # Errors
/// When the place of a record is not known.
fn spans_of(failed: &[FailedRow], sink: usize, path: &Path) -> Result<Vec<(u64, u64)>, String> {
    let mut spans = Vec::new();
    for row in failed {
        for span in row.spans.iter().filter(|span| span.sink == sink) {
            let place = span.bytes.ok_or_else(|| {
                format!(
                    "{}: where the record of row {} stands is not known, so it can't be taken out; run the job anew with --fresh",
                    path.display(),
                    row.row + 1
                )
            })?;
            spans.push(place);
        }
    }
    spans.sort_unstable();
    Ok(spans)
}

/// Takes failed rows out of the state: they have not ended any more.
fn take_back(plan: &Plan, opening: &Opening, failed: &[FailedRow], state: &mut Commit) -> Vec<Vec<u64>> {
    let mut rows = vec![Vec::new(); plan.endpoints.len()];
    for row in failed {
        let name = opening.endpoints.get(row.endpoint);
        if let Some(position) = plan.endpoints.iter().position(|endpoint| Some(&endpoint.name) == name) {
            rows[position].push(row.row);
        }
    }
    for (position, rows) in rows.iter_mut().enumerate() {
        rows.sort_unstable();
        rows.dedup();
        state.done[position].remove_all(rows);
        let counts = &mut state.counts[position];
        counts.records -= counts.failed.min(counts.records);
        counts.failed = 0;
    }
    rows
}

/// Writes the output without `spans` beside itself and makes it durable.
fn rewrite(path: &Path, cursor: Cursor, spans: &[(u64, u64)]) -> io::Result<(Rename, Cursor)> {
    let from = beside(path);
    let mut old = File::open(path)?;
    let mut new = OpenOptions::new().write(true).read(true).create(true).truncate(true).mode(0o600).open(&from)?;
    let mut position = 0;
    for (start, end) in spans.iter().copied().chain([(cursor.offset, cursor.offset)]) {
        old.seek(SeekFrom::Start(position))?;
        let wanted = start.saturating_sub(position);
        if io::copy(&mut Read::by_ref(&mut old).take(wanted), &mut new)? != wanted {
            return Err(io::Error::other("it is shorter than the journal says"));
        }
        position = end;
    }
    new.flush()?;
    new.sync_all()?;
    let offset = new.stream_position()?;
    let cursor = Cursor { offset, tail_crc: tail_crc(&new, offset)? };
    Ok((Rename { from, to: path.to_path_buf() }, cursor))
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.healing"))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewrite_leaves_out_the_spans_and_what_was_never_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        std::fs::write(&path, "head\none\ntwo\nthree\ntorn").unwrap();
        let cursor = Cursor { offset: 19, tail_crc: 0 };
        let (rename, cursor) = rewrite(&path, cursor, &[(5, 9), (13, 19)]).unwrap();
        assert_eq!(std::fs::read_to_string(&rename.from).unwrap(), "head\ntwo\n");
        assert_eq!(cursor.offset, 9);
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("torn"), "the output itself is untouched");
    }
}
