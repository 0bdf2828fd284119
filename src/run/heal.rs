//! Healing: `--failed` takes the records of failed rows out of the outputs before the rows are sent
//! again, so that every row's records still stand once. Rows that failed as unknown are not among them unless the
//! job asks for it: their records stay, and move up with the rest of the file.
//!
//! Each output is rewritten beside itself; the commit that names the renames decides; the renames are
//! done after it and finished by the next session if a kill comes in between. Must never touch an
//! output before that commit is durable.

mod cutting;

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{self, File, Way};
use crate::journal::{Commit, FailedRow, JournalError, Opening, Rename, StateFolder, WalkNote, Writer};
use crate::plan::Plan;
use crate::sink::{Cursor, Form, claim, fill, spooled, tail_crc};

use cutting::{stand_on_lines, without};

/// What failed.
#[derive(Debug, Default)]
pub struct Failed {
    /// Rows to send again.
    pub sent: Vec<FailedRow>,
    /// Rows that are left as they are: nobody knows what the server did with them, and nobody asked to send them.
    pub left: Vec<FailedRow>,
}

impl Failed {
    /// Reads what failed. Of what is sent again nobody needs the words any more, which may be many.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn read(plan: &Plan, folder: &StateFolder) -> Result<Self, JournalError> {
        let mut failed = Self::default();
        folder.each_failed(|healed, rows| {
            if healed {
                failed = Self::default();
            }
            failed.sort(plan, rows);
            Ok(())
        })?;
        Ok(failed)
    }

    /// Tells apart what is sent again.
    pub fn sort(&mut self, plan: &Plan, rows: Vec<FailedRow>) {
        for row in rows {
            if !row.unknown || plan.endpoints[row.endpoint].resends_unknown() {
                self.sent.push(FailedRow { error: String::new(), ..row });
            } else {
                self.left.push(row);
            }
        }
    }
}

/// Rows to send again, by endpoint of the plan, ascending. Their records are gone from the outputs, and those of
/// rows that are left stand where `state.failed` says now.
/// `was_complete`: the run had ended, so that its outputs end where it left them.
///
/// # Errors
/// When an output can't be rewritten; all are untouched then.
pub fn begin(
    (plan, run): (&Plan, &str),
    Failed { sent: failed, mut left }: Failed,
    was_complete: bool,
    state: &mut Commit,
    writer: &mut Writer,
) -> Result<Vec<Vec<u64>>, String> {
    let mut outputs = Vec::new();
    for (position, sink) in plan.sinks.iter().enumerate() {
        let (Some(path), Some(cursor)) = (sink.kind.path(), state.cursors[position]) else { continue };
        let output = (path, sink.kind.form());
        let spans = spans_of(&failed, position, path)?;
        // All are looked at before any is rewritten, and are ours until the renames are done.
        let file = verify(output, cursor, &spans, was_complete)?;
        outputs.push((position, output, cursor, spans, file));
    }
    let mut renames = Vec::new();
    for (position, output, cursor, spans, _) in outputs.iter().filter(|(_, _, _, spans, _)| !spans.is_empty()) {
        let (path, _) = *output;
        let rewritten = rewrite(*output, *cursor, spans).inspect_err(|_| remove(path));
        let (rename, cursor) = rewritten.map_err(|error| unreadable(path, &error))?;
        renames.push(rename);
        state.cursors[*position] = Some(cursor);
        move_up(&mut left, *position, spans);
    }
    take_from_tables(plan, run, &failed, state)?;
    let rows = take_back(plan, &failed, &left, state);
    state.renames = renames;
    // All failed rows that were noted count no more, but for these.
    state.healed = true;
    state.failed = left;
    writer.commit(state).map_err(|error| error.message)?;
    finish(state, writer)?;
    Ok(rows)
}

/// Has the records of failed rows taken out of tables. Noted in a spool, which is cut back to its cursor unless the
/// commit that comes next stands for it.
fn take_from_tables(plan: &Plan, run: &str, failed: &[FailedRow], state: &mut Commit) -> Result<(), String> {
    for (position, sink) in plan.sinks.iter().enumerate().filter(|(_, sink)| sink.kind.is_spooled()) {
        let spans = failed.iter().flat_map(|row| row.spans.iter().map(move |span| (row.row, span)));
        let lines = spans.filter(|(_, span)| span.sink == position).map(|(row, span)| {
            span.line.as_deref().ok_or_else(|| {
                let target = sink.kind.target();
                format!("{target}: the record of row {} is not known, so it can't be taken out; run the job anew with --fresh", row + 1)
            })
        });
        let lines: Vec<&str> = lines.collect::<Result<_, _>>()?;
        if let Some(cursor) = state.cursors[position].filter(|_| !lines.is_empty()) {
            let taken = spooled::take_back((&plan.state, run), &sink.name, cursor, &lines);
            state.cursors[position] = Some(taken.map_err(|error| format!("sinks.{}: {}", sink.name, error.message))?);
        }
    }
    Ok(())
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
            disk::rename(&rename.from, &rename.to).map_err(|error| unreadable(&rename.to, &error))?;
            disk::sync_name(&rename.to).map_err(|error| unreadable(&rename.to, &error))?;
        }
    }
    writer.commit(state).map_err(|error| error.message)
}

/// Removes what a kill left of a healing that was never decided.
pub fn clean(plan: &Plan) {
    plan.sinks.iter().filter_map(|sink| sink.kind.path()).for_each(remove);
}

fn remove(output: &Path) {
    // Nothing depends on it: where it can't be removed, the next healing writes over it.
    let _ = std::fs::canonicalize(output).and_then(|path| disk::remove(&beside(&path)));
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{}: the failed rows could not be taken out: {error}", path.display())
}

/// Byte ranges that failed rows take in a sink, ascending.
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

/// Where records of a sink stand once `spans`, which ascend, are taken out before them.
fn move_up(rows: &mut [FailedRow], sink: usize, spans: &[(u64, u64)]) {
    let places = rows.iter_mut().flat_map(|row| &mut row.spans).filter(|span| span.sink == sink);
    for (start, end) in places.filter_map(|span| span.bytes.as_mut()) {
        let before = spans.iter().take_while(|gone| gone.1 <= *start);
        let gone: u64 = before.map(|(start, end)| end - start).sum();
        (*start, *end) = (*start - gone, *end - gone);
    }
}

/// Takes failed rows out of the state: they have not ended any more. Those of `left` have.
fn take_back(plan: &Plan, failed: &[FailedRow], left: &[FailedRow], state: &mut Commit) -> Vec<Vec<u64>> {
    let mut rows = vec![Vec::new(); plan.endpoints.len()];
    for row in failed {
        rows[row.endpoint].push(row.row);
    }
    for (position, rows) in rows.iter_mut().enumerate() {
        rows.sort_unstable();
        rows.dedup();
        state.done[position].remove_all(rows);
        let walks = failed.iter().filter(|row| row.endpoint == position).filter_map(|row| row.walk.as_deref());
        walks.for_each(|walk| state.walks.put(WalkNote { endpoint: position, ..walk.clone() }));
        let counts = &mut state.counts[position];
        let left = left.iter().filter(|row| row.endpoint == position).count() as u64;
        counts.records -= counts.failed.saturating_sub(left).min(counts.records);
        // What is left is so because it is unknown.
        (counts.failed, counts.unknown) = (left, left);
    }
    rows
}

/// Whether every endpoint and sink of the run is still in the job: what they did can't be mended otherwise.
///
/// # Errors
/// Which of them are gone.
pub fn still_there(plan: &Plan, opening: &Opening) -> Result<(), String> {
    let endpoints = opening.endpoints.iter().filter(|name| !plan.endpoints.iter().any(|known| known.name == **name));
    let sinks = opening.sinks.iter().filter(|name| !plan.sinks.iter().any(|known| known.name == **name));
    let gone: Vec<String> =
        endpoints.map(|name| format!("endpoints.{name}")).chain(sinks.map(|name| format!("sinks.{name}"))).collect();
    if gone.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the run had {}, which the job no longer has, so its failed rows can't be sent again; put it back, or run the \
         job anew with --fresh",
        gone.join(" and ")
    ))
}

/// Takes the output for us alone, and looks whether it is as the run left it: cutting at noted places of an
/// edited file would tear records, and what others wrote behind it is not ours to cut.
fn verify(
    (path, form): (&Path, Form),
    cursor: Cursor,
    spans: &[(u64, u64)],
    was_complete: bool,
) -> Result<File, String> {
    let edited = || {
        format!(
            "{} was edited since the run wrote it, so the records of failed rows can't be found in it; put back the \
             file as it was, or move it away and run the job anew",
            path.display()
        )
    };
    let file = File::open(path, Way::Edit).map_err(|error| unreadable(path, &error))?;
    claim(&file, path).map_err(|error| error.message)?;
    let whole = (|| {
        let length = file.metadata()?.len();
        let committed = length >= cursor.offset && tail_crc(&file, cursor.offset)? == cursor.tail_crc;
        Ok(committed
            && (!was_complete || form.is_closed(&file, cursor, length)?)
            && stand_on_lines(spans, form.lines(&file, cursor)?)?)
    })();
    if whole.map_err(|error| unreadable(path, &error))? { Ok(file) } else { Err(edited()) }
}

/// Writes the output without `spans` beside itself and makes it durable. Keeps the file's mode, and a link
/// that leads to it.
fn rewrite((path, form): (&Path, Form), cursor: Cursor, spans: &[(u64, u64)]) -> io::Result<(Rename, Cursor)> {
    let path = &std::fs::canonicalize(path)?;
    let from = beside(path);
    let old = std::fs::File::open(path)?;
    let new = File::open(&from, Way::Empty)?;
    new.set_permissions(old.metadata()?.permissions())?;
    let cursor = fill(new, &from, form, without(spans, form, &old, cursor)?)?;
    // Its name must be there after a power cut as well: the commit that comes next counts on it.
    disk::sync_name(&from)?;
    Ok((Rename { from, to: path.to_path_buf() }, cursor))
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.healing"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::journal::Span;

    const TEXT: &str = "head\none\ntwo\nthree\ntorn";

    fn cursor(path: &Path, offset: u64) -> Cursor {
        Cursor { offset, tail_crc: tail_crc(&File::open(path).unwrap(), offset).unwrap(), text: 0 }
    }

    #[test]
    fn a_rewrite_leaves_out_the_spans_and_what_was_never_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        std::fs::write(&path, TEXT).unwrap();
        let (rename, cursor) = rewrite((&path, Form::default()), cursor(&path, 19), &[(5, 9), (13, 19)]).unwrap();
        assert_eq!(std::fs::read_to_string(&rename.from).unwrap(), "head\ntwo\n");
        assert_eq!(cursor.offset, 9);
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("torn"), "the output itself is untouched");
    }

    #[test]
    fn records_that_are_left_are_found_where_they_stand_then() {
        let row = |row, spans: &[(usize, u64, u64)]| FailedRow {
            endpoint: 0,
            row,
            spans: spans
                .iter()
                .map(|(sink, start, end)| Span { sink: *sink, bytes: Some((*start, *end)), line: None })
                .collect(),
            unknown: true,
            walk: None,
            attempts: 1,
            kind: None,
            error: String::new(),
        };
        let mut left = [row(1, &[(0, 0, 5), (1, 9, 13)]), row(2, &[(0, 9, 13)]), row(3, &[(0, 19, 30)])];
        left[0].spans.push(Span { sink: 0, bytes: None, line: None });
        move_up(&mut left, 0, &[(5, 9), (13, 19)]);
        assert_eq!(left[0].spans[..2], row(1, &[(0, 0, 5), (1, 9, 13)]).spans, "before all, or in another sink");
        assert_eq!(left[1], row(2, &[(0, 5, 9)]));
        assert_eq!(left[2], row(3, &[(0, 9, 20)]));
    }

    #[test]
    fn a_rewrite_keeps_the_mode_and_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("real.csv"), folder.path().join("link.csv"));
        std::fs::write(&path, TEXT).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        symlink("real.csv", &link).unwrap();
        let (rename, _) = rewrite((&link, Form::default()), cursor(&path, 19), &[(5, 9)]).unwrap();
        assert_eq!(std::fs::metadata(&rename.from).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(rename.to.file_name(), path.file_name());
    }

    #[test]
    fn an_edited_output_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        std::fs::write(&path, TEXT).unwrap();
        let (good, output) = (cursor(&path, 19), (path.as_path(), Form::default()));
        assert!(verify(output, good, &[(5, 9), (9, 13)], false).is_ok());
        assert!(verify(output, good, &[(5, 9)], true).is_err(), "somebody wrote behind a complete run");
        assert!(verify(output, good, &[(6, 9)], false).is_err(), "no line begins there");
        assert!(verify(output, good, &[(13, 24)], false).is_err(), "behind the last commit");
        for edited in ["head\ntwo\none\nthree\n", "head\n"] {
            std::fs::write(&path, edited).unwrap();
            assert!(verify(output, good, &[(5, 9)], false).unwrap_err().contains("was edited"));
        }
    }
}
