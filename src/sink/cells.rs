//! Values as bytes: cells of CSV, and JSON. Must never allocate for a plain value.

use std::borrow::Cow;

use serde::Serialize;

use crate::row::Cell;

/// Appends a value as JSON.
pub(super) fn json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "a vector takes every byte, and JSON values have only text for keys");
}

/// Appends a cell as JSON.
pub(super) fn json_cell(cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Text(text) => json(text, out),
        Cell::Json(value) => json(value, out),
        Cell::Integer(value) => json(&value, out),
    }
}

/// Writes records of delimited text as the csv crate does (RFC 4180, LF): quotes only where they
/// are needed, and around an empty cell that is alone in its record, which would be a blank line.
#[derive(Debug)]
pub(crate) struct CsvCells {
    delimiter: u8,
    /// Whether what a spreadsheet would run as a formula is made text.
    escapes: bool,
    scratch: Vec<u8>,
}

impl CsvCells {
    /// Cells between `delimiter`.
    pub fn new(delimiter: u8) -> Self {
        Self { delimiter, escapes: false, scratch: Vec::new() }
    }

    /// The same, that escapes formulas if `escapes`.
    pub fn escaping(self, escapes: bool) -> Self {
        Self { escapes, ..self }
    }

    /// A text as it stands in its cell, but for quotes.
    pub fn escaped<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.escapes && is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
    }

    /// The text of which [`CsvCells::escaped`] made this one.
    pub fn unescaped<'t>(&self, text: &'t str) -> &'t str {
        text.strip_prefix('\'').filter(|text| self.escapes && is_formula(text)).unwrap_or(text)
    }

    /// Appends a cell, and the delimiter before it unless it is the first.
    pub fn cell(&mut self, column: usize, cell: Option<Cell<'_>>, out: &mut Vec<u8>) {
        use serde_json::Value;
        if column > 0 {
            out.push(self.delimiter);
        }
        match cell {
            None | Some(Cell::Json(Value::Null)) => {}
            Some(Cell::Text(text)) => self.text(self.escaped(text).as_bytes(), out),
            Some(Cell::Integer(value)) => json(&value, out),
            Some(Cell::Json(Value::String(text))) => self.text(self.escaped(text).as_bytes(), out),
            Some(Cell::Json(value @ (Value::Bool(_) | Value::Number(_)))) => json(value, out),
            Some(Cell::Json(value @ (Value::Array(_) | Value::Object(_)))) => {
                let mut scratch = std::mem::take(&mut self.scratch);
                scratch.clear();
                json(value, &mut scratch);
                self.text(&scratch, out);
                self.scratch = scratch;
            }
        }
    }

    /// Ends a record that began at byte `begun` of `out`.
    pub fn end(&self, begun: usize, out: &mut Vec<u8>) {
        if out.len() == begun {
            out.extend_from_slice(b"\"\"");
        }
        out.push(b'\n');
    }

    fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        if !text.iter().any(|byte| matches!(byte, b'"' | b'\r' | b'\n') || *byte == self.delimiter) {
            out.extend_from_slice(text);
            return;
        }
        out.push(b'"');
        for part in text.split_inclusive(|byte| *byte == b'"') {
            out.extend_from_slice(part);
            if part.last() == Some(&b'"') {
                out.push(b'"');
            }
        }
        out.push(b'"');
    }
}

/// Whether a spreadsheet may run a text as a formula (OWASP, CSV injection): a number is none, whatever its sign.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) && !is_number(text)
}

fn is_number(text: &str) -> bool {
    // What `parse` takes beside digits, such as `-inf`, is a name to a spreadsheet.
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn written(cells: &[Value]) -> String {
        let mut writer = CsvCells::new(b',');
        let mut out = Vec::new();
        cells.iter().enumerate().for_each(|(column, cell)| writer.cell(column, Some(Cell::Json(cell)), &mut out));
        writer.end(0, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_type_has_its_form() {
        let cells = [json!("a"), json!(null), json!(true), json!(-1.5), json!(["x", 1]), json!({"k": "v\"w"})];
        assert_eq!(written(&cells), "a,,true,-1.5,\"[\"\"x\"\",1]\",\"{\"\"k\"\":\"\"v\\\"\"w\"\"}\"\n");
        assert_eq!(written(&[json!(null)]), "\"\"\n");
        assert_eq!(written(&[json!(null), json!("")]), ",\n");
        assert_eq!(written(&[json!(u64::MAX), json!(1e300)]), "18446744073709551615,1e+300\n");
    }

    #[test]
    fn formulas_become_text_and_numbers_stay() {
        let cases = [
            ("=1+2", "'=1+2"),
            ("+CMD|' /C calc'!A0", "'+CMD|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            ("＝1+2", "'＝1+2"),
            ("＠SUM(1)", "'＠SUM(1)"),
            ("=1,2", "\"'=1,2\""),
            ("=\"a\"", "\"'=\"\"a\"\"\""),
            ("-1.5", "-1.5"),
            ("+4e-7", "+4e-7"),
            ("-", "'-"),
            ("-inf", "'-inf"),
            ("+1-1", "'+1-1"),
            ("1-1", "1-1"),
            (" =1", " =1"),
            ("'=1", "'=1"),
            ("", ""),
        ];
        let mut writer = CsvCells::new(b',').escaping(true);
        for (text, expected) in cases {
            let mut out = Vec::new();
            writer.cell(0, Some(Cell::Text(text)), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
            assert!(text == "'=1" || writer.unescaped(&writer.escaped(text)) == text, "{text}");
        }
        let mut out = Vec::new();
        let cells = [json!("=1"), json!(-1.5), json!("-1.5"), json!([1]), json!("\tx")];
        let mut writer = CsvCells::new(b'\t').escaping(true);
        cells.iter().enumerate().for_each(|(column, cell)| writer.cell(column, Some(Cell::Json(cell)), &mut out));
        assert_eq!(String::from_utf8(out).unwrap(), "'=1\t-1.5\t-1.5\t[1]\t\"'\tx\"");
    }

    proptest! {
        #[test]
        fn text_is_written_as_the_csv_crate_writes_it(
            cells in prop::collection::vec("(?s).{0,6}|[\"\r\n,\t ]{0,4}", 1..5), tab: bool,
        ) {
            let delimiter = if tab { b'\t' } else { b',' };
            let mut out = Vec::new();
            let mut writer = CsvCells::new(delimiter);
            cells.iter().enumerate().for_each(|(column, cell)| writer.cell(column, Some(Cell::Text(cell)), &mut out));
            writer.end(0, &mut out);
            let mut model = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
            model.write_record(&cells).unwrap();
            prop_assert_eq!(out, model.into_inner().unwrap());
        }
    }
}
