//! `paceline failed`: the rows that failed in the latest run, as CSV that can be an input again.
//!
//! Offline: nothing is sent, no secret is read, the lock is not taken. Rows pass through one at a time. Must never
//! write a row that differs from the one in the input without saying so.

use std::collections::HashSet;

use super::args::{FailedArgs, OutputArgs};
use super::exit::Exit;
use super::load::load;
use super::print::Printer;
use crate::journal::Why;
use crate::plan::Plan;
use crate::report::text::{counted, thousands};
use crate::row::{Cell, Row};
use crate::run::failed::{FailedRead, FailedRun, RowsOf, known_columns};
use crate::sink::cells::CsvCells;

/// Columns that `--reasons` puts in front.
const REASONS: [&str; 5] = ["endpoint", "row", "attempts", "kind", "error"];
/// Bytes that are written at once.
const BLOCK: usize = 64 * 1024;

/// Prints the rows.
pub fn failed(args: &FailedArgs, print: &mut Printer) -> Exit {
    let plan = match load(&args.job, &args.file, args.speech, print) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    write(&plan, args, print).unwrap_or_else(|(exit, message)| {
        print.error(args.speech.output, &message);
        exit
    })
}

/// How a command fails.
type Fault = (Exit, String);

fn broken(message: String) -> Fault {
    (Exit::Broken, message)
}

fn write(plan: &Plan, args: &FailedArgs, print: &mut Printer) -> Result<Exit, Fault> {
    let run = FailedRun::open(plan).map_err(broken)?;
    let speech = args.speech;
    let chosen = choose(plan, &run.endpoints(), args.endpoint.as_deref()).map_err(|words| (Exit::Usage, words))?;
    let failed = chosen.as_ref().is_some_and(|name| run.endpoints().iter().any(|(known, _)| known == name));
    if !run.is_complete() {
        note(speech, print, &format!("run {} is not complete: these are the rows that have failed so far", run.run()));
    }
    if !failed {
        let whose = chosen.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
        note(speech, print, &format!("no row{whose} failed in run {}", run.run()));
        print.out(&header_alone(plan, chosen.as_deref(), args.reasons));
        return Ok(Exit::Fine);
    }
    let name = chosen.unwrap_or_default();
    let mut rows = run.rows(&name).map_err(broken)?;
    let unknown = rows.unknown();
    let columns = columns(&mut rows, args.reasons).map_err(broken)?;
    let odd = stream(&mut rows, &name, &columns, args.reasons, print).map_err(broken)?;
    if !print.is_closed() {
        tell(speech, print, unknown, &odd);
    }
    Ok(Exit::Fine)
}

/// The endpoint whose rows are wanted; `None`: none failed, and the job has several.
fn choose(plan: &Plan, failed: &[(&str, u64)], wanted: Option<&str>) -> Result<Option<String>, String> {
    let names = || plan.endpoints.iter().map(|endpoint| endpoint.name.as_str());
    match (wanted, failed) {
        (Some(wanted), _) if names().chain(failed.iter().map(|(name, _)| *name)).any(|name| name == wanted) => {
            Ok(Some(wanted.to_owned()))
        }
        (Some(wanted), _) => {
            Err(format!("there is no endpoint `{wanted}`; the job has {}", names().collect::<Vec<_>>().join(", ")))
        }
        (None, []) => Ok(plan.endpoints.first().filter(|_| plan.endpoints.len() == 1).map(|only| only.name.clone())),
        (None, [(only, _)]) => Ok(Some((*only).to_owned())),
        (None, several) => {
            let lines = several.iter().map(|(name, rows)| format!("\n  --endpoint {name}  {}", counted(*rows, "row")));
            Err(format!(
                "rows of several endpoints failed, and each has columns of its own; say which:{}",
                lines.collect::<String>()
            ))
        }
    }
}

/// The header of no rows, as far as it is known.
fn header_alone(plan: &Plan, chosen: Option<&str>, reasons: bool) -> String {
    let endpoint = plan.endpoints.iter().find(|endpoint| Some(endpoint.name.as_str()) == chosen);
    let known = endpoint.and_then(known_columns).unwrap_or_default();
    if known.is_empty() && !reasons { String::new() } else { Table::new(&known, reasons).text() }
}

/// The input's columns; where each row brings its own, those of all rows in the order in which they appear.
fn columns(rows: &mut RowsOf<'_>, reasons: bool) -> Result<Vec<String>, String> {
    if let Some(known) = known_columns(rows.endpoint()) {
        return Ok(known);
    }
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    rows.each(false, |read| {
        if read.whole || reasons {
            read.row.visit(|name, _| {
                if !seen.contains(name) {
                    seen.insert(name.to_owned());
                    names.push(name.to_owned());
                }
            });
        }
        true
    })?;
    Ok(names)
}

/// What is not in the CSV as it was in the input.
#[derive(Default)]
struct Odd {
    /// Rows that are left out, since they could not be read.
    unread: u64,
    /// Rows to be fed back with a value that is neither text nor a number of a range.
    typed: u64,
}

/// Writes the rows, those that could not be read only with their reasons.
fn stream(
    rows: &mut RowsOf<'_>,
    endpoint: &str,
    columns: &[String],
    reasons: bool,
    print: &mut Printer,
) -> Result<Odd, String> {
    let (mut table, mut odd) = (Table::new(columns, reasons), Odd::default());
    rows.each(reasons, |read| {
        if read.whole || reasons {
            table.row(endpoint, columns, &read);
            odd.typed += u64::from(!reasons && is_typed(read.row));
        } else {
            odd.unread += 1;
        }
        if table.bytes.len() >= BLOCK {
            print.out(&table.text());
        }
        !print.is_closed()
    })?;
    print.out(&table.text());
    Ok(odd)
}

/// Whether a row has a value that comes back from CSV as another one.
fn is_typed(row: &Row) -> bool {
    let mut typed = false;
    row.visit(|_, cell| typed |= matches!(cell, Cell::Json(value) if !value.is_string()));
    typed
}

fn tell(speech: OutputArgs, print: &mut Printer, unknown: u64, odd: &Odd) {
    if odd.typed > 0 {
        let rows = counted(odd.typed, "row");
        let words = "fed back they are texts, and null is an empty one";
        note(
            speech,
            print,
            &format!("{rows} with values that CSV has no types for (numbers, true, null, lists): {words}"),
        );
    }
    let unread = odd.unread;
    if unread > 0 {
        let them = if unread == 1 { "it" } else { "they" };
        let rows = counted(unread, "row");
        note(speech, print, &format!("left out, since {them} could not be read: {rows} (--reasons shows why)"));
    }
    if unknown > 0 {
        let (are, count) = (if unknown == 1 { "is" } else { "are" }, thousands(unknown));
        let words = "the server may have acted on what was sent, and acts twice where it is sent again";
        note(speech, print, &format!("{count} of the rows {are} unknown: {words}"));
    }
}

fn note(speech: OutputArgs, print: &mut Printer, words: &str) {
    if !speech.quiet {
        print.note(speech.output, words);
    }
}

/// CSV on its way out.
struct Table {
    cells: CsvCells,
    reasons: bool,
    bytes: Vec<u8>,
}

impl Table {
    /// Begins with the header.
    fn new(columns: &[String], reasons: bool) -> Self {
        let mut table = Self { cells: CsvCells::new(b','), reasons, bytes: Vec::new() };
        let reasons = REASONS.into_iter().filter(|_| reasons);
        let names = reasons.chain(columns.iter().map(String::as_str)).enumerate();
        names.for_each(|(column, name)| table.cells.cell(column, Some(Cell::Text(name)), &mut table.bytes));
        table.cells.end(0, &mut table.bytes);
        table
    }

    fn row(&mut self, endpoint: &str, columns: &[String], read: &FailedRead<'_>) {
        let begun = self.bytes.len();
        let mut column = 0;
        let mut put = |cell: Option<Cell<'_>>| {
            self.cells.cell(column, cell, &mut self.bytes);
            column += 1;
        };
        if self.reasons {
            put(Some(Cell::Text(endpoint)));
            put(i64::try_from(read.row.ordinal + 1).ok().map(Cell::Integer));
            put(read.why.map(|why| Cell::Integer(why.attempts.into())));
            put(read.why.map(kind).as_deref().map(Cell::Text));
            put(read.why.map(|why| Cell::Text(&why.error)));
        }
        columns.iter().for_each(|name| put(read.row.cell(name)));
        self.cells.end(begun, &mut self.bytes);
    }

    /// What stands there, which is taken out.
    fn text(&mut self) -> String {
        // Names and cells are text, so nothing is lost.
        String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned()
    }
}

/// What failed, by its name; of a request that was on the wire when the run was cut off nothing more is known.
fn kind(why: &Why) -> String {
    why.kind.map_or_else(|| if why.unknown { "unknown" } else { "" }.to_owned(), |kind| kind.name())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::super::plan::tests::plan;
    use super::*;
    use crate::retry::FailureKind;
    use crate::row::{Fields, Header, Row};

    fn text(columns: &[String], row: Fields, why: Option<&Why>) -> String {
        let mut table = Table::new(columns, why.is_some());
        let row = Row { ordinal: 6, line: 0, fields: row };
        table.row("item", columns, &FailedRead { row: &row, whole: true, why });
        table.text()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn values_of_every_type_are_cells() {
        let row: Map<String, Value> =
            json!({ "a": [1, { "b": null }], "n": 1.50, "x": null, "t": true }).as_object().unwrap().clone();
        let written = text(&names(&["n", "a", "x", "t", "gone"]), Fields::Object(row), None);
        assert_eq!(written, "n,a,x,t,gone\n1.5,\"[1,{\"\"b\"\":null}]\",,true,\n");
        assert_eq!(text(&names(&["value"]), Fields::Integer(-3), None), "value\n-3\n");
    }

    #[test]
    fn reasons_stand_in_front() {
        let why =
            Why { attempts: 3, kind: Some(FailureKind::ReadTimeout), unknown: true, error: "slow, \"so\"".into() };
        let shown = |why: &Why| text(&names(&["value"]), Fields::Integer(1), Some(why));
        let header = "endpoint,row,attempts,kind,error,value\n";
        assert_eq!(shown(&why), format!("{header}item,7,3,read-timeout,\"slow, \"\"so\"\"\",1\n"));
        let cut_off = Why { attempts: 1, kind: None, error: String::new(), ..why };
        assert_eq!(shown(&cut_off), format!("{header}item,7,1,unknown,,1\n"));
        assert_eq!(shown(&Why { unknown: false, attempts: 0, ..cut_off }), format!("{header}item,7,0,,,1\n"));
    }

    #[test]
    fn an_endpoint_is_chosen_where_it_must_be() {
        let endpoint = |name: &str| format!("[endpoints.{name}]\nurl = \"http://h/\"\ninput.values = [{{ a = 1 }}]\n");
        let (one, two) = (plan(&endpoint("a")), plan(&(endpoint("a") + &endpoint("b"))));
        let none: [(&str, u64); 0] = [];
        assert_eq!(choose(&one, &none, None), Ok(Some("a".into())));
        assert_eq!(choose(&two, &none, None), Ok(None));
        assert_eq!(choose(&two, &[("b", 3)], None), Ok(Some("b".into())));
        assert_eq!(choose(&two, &[("a", 1), ("b", 3)], Some("b")), Ok(Some("b".into())));
        let several = choose(&two, &[("a", 1), ("b", 3000)], None).unwrap_err();
        assert!(several.ends_with("\n  --endpoint a  1 row\n  --endpoint b  3,000 rows"), "{several}");
        assert!(choose(&two, &none, Some("c")).unwrap_err().contains("the job has a, b"));
        assert_eq!(header_alone(&two, Some("b"), false), "a\n");
        assert_eq!(header_alone(&two, None, false), "");
        assert_eq!(header_alone(&two, None, true), "endpoint,row,attempts,kind,error\n");
    }

    proptest! {
        #[test]
        fn a_row_of_a_table_comes_back_as_it_was(cells in prop::collection::vec("(?s).{0,6}|[\"\r\n,;\t ]{0,4}", 1..5)) {
            let header: Vec<String> = (0..cells.len()).map(|column| format!("c{column}")).collect();
            let fields = Fields::Text { header: Arc::new(Header::new(header.clone())), cells: cells.iter().collect() };
            let written = text(&header, fields, None);
            let mut reader = csv::ReaderBuilder::new().from_reader(written.as_bytes());
            let back: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(back.len(), 1);
            prop_assert!(back[0].iter().eq(cells.iter().map(String::as_str)));
        }
    }
}
