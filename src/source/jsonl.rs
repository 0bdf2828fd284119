//! `input.jsonl`: a JSON object on every line, types kept.
//!
//! A line that is no object is a bad row with its line and byte; blank lines are passed over. Must
//! never hold more than a line, and no line over the cap.

use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::file::{self, Opening, Text};
use super::lines::CAP;
use super::problem::{Problem, settle, spec};
use super::unpack::Packing;
use super::{Columns, Read, Source, SourceError, SourceKind, SourcePlan};
use crate::row::{Fields, Row};

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "jsonl",
    doc: "rows of a JSON Lines file, an object on each line",
    example: r#"input.jsonl = { path = "orders.jsonl" }"#,
    endings: &["jsonl", "ndjson"],
    reads_packed: true,
    schema: <JsonlSpec as JsonSchema>::json_schema,
    compile: |site, path, value| {
        let decision = decide(value, |written| site.file(written));
        settle(site, path, decision)
    },
};

/// A JSON Lines file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct JsonlSpec {
    /// The file, relative to the job file.
    #[schemars(length(min = 1), extend("examples" = ["products.jsonl"]))]
    path: String,
}

#[derive(Debug)]
struct JsonlPlan {
    path: PathBuf,
    packing: Option<Packing>,
}

fn decide(value: &Value, file: impl Fn(&str) -> PathBuf) -> Result<JsonlPlan, Problem> {
    let spec: JsonlSpec = spec(value)?;
    if spec.path.is_empty() {
        return Err(Problem::value(Some("path"), "the path is empty", "name the file to read"));
    }
    let path = file(&spec.path);
    let (mut content, packing) = file::survey_text(&path)?;
    match file::opening(&mut content) {
        Ok(Opening::Plain(_) | Opening::Marked) => Ok(JsonlPlan { path, packing }),
        Ok(Opening::Utf16(_)) => {
            Err(Problem::input(format!("{} can't be read: {}", path.display(), file::UTF16_JSON), file::UTF16_HELP))
        }
        Err(error) => Err(file::unreadable(&path, &error)),
    }
}

impl JsonlPlan {
    fn reader(&self) -> Result<Reader<Text>, SourceError> {
        Ok(Reader::new(file::text(&self.path)?, self.path.display().to_string()))
    }
}

impl SourcePlan for JsonlPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let packed = self.packing.map(|packing| format!(", {}", packing.name())).unwrap_or_default();
        format!("{} (jsonl{packed})", self.path.display())
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn columns(&self) -> Columns {
        Columns::Open
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        let mut reader = self.reader()?;
        reader.skip(u64::MAX)?;
        Ok(Some(reader.ordinal))
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        Ok(Some(format!("jsonl, {}", file::identity(&self.path)?)))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(self.reader()?))
    }
}

/// Rows of a JSON Lines text.
pub(super) struct Reader<R> {
    text: BufReader<R>,
    name: String,
    /// The line at hand, without its end; cut at the cap.
    buffer: Vec<u8>,
    /// One-based number of the line at hand.
    line: u64,
    /// Byte the line at hand begins at.
    begun: u64,
    /// Byte the next line begins at.
    offset: u64,
    ordinal: u64,
}

impl<R: io::Read> Reader<R> {
    /// Rows of `text`, which is called `name` in messages.
    pub fn new(text: R, name: String) -> Self {
        let text = BufReader::with_capacity(128 * 1024, text);
        Self { text, name, buffer: Vec::new(), line: 0, begun: 0, offset: 0, ordinal: 0 }
    }

    /// Reads the next line that is not blank; `false` at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        loop {
            let more = self.read_line().map_err(|error| {
                let reason = file::reason(&error);
                SourceError::new(format!("{} can't be read any further after line {}: {reason}", self.name, self.line))
            })?;
            if !more {
                return Ok(false);
            }
            if self.line == 1 {
                self.strip_mark()?;
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Reads a line into the buffer, cut one byte behind the cap; `false` at the end.
    fn read_line(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        self.begun = self.offset;
        let mut taken = (&mut self.text).take(CAP + 1).read_until(b'\n', &mut self.buffer)? as u64;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if taken > CAP {
            taken += skip_line(&mut self.text)?;
        }
        self.offset += taken;
        self.line += u64::from(taken > 0);
        Ok(taken > 0)
    }

    fn strip_mark(&mut self) -> Result<(), SourceError> {
        match file::opening(&mut self.buffer.as_slice()).map_err(|error| SourceError::new(error.to_string()))? {
            Opening::Plain(_) => {}
            Opening::Marked => {
                self.buffer.drain(..3);
                self.begun = 3;
            }
            Opening::Utf16(_) => {
                let message = format!("{} can't be read: {}; {}", self.name, file::UTF16_JSON, file::UTF16_HELP);
                return Err(SourceError::new(message));
            }
        }
        Ok(())
    }

    fn row(&self) -> Read {
        let row = |map| Row { ordinal: self.ordinal, line: self.line, fields: Fields::Object(map) };
        match parse(&self.buffer) {
            Ok(map) => Read::Row(row(map)),
            Err(wrong) => {
                let reason = format!("line {} of {} (at byte {}) {wrong}", self.line, self.name, self.begun);
                Read::Bad { row: row(Map::new()), reason }
            }
        }
    }
}

/// Capacity that the line buffer keeps between lines.
const KEPT: usize = 1024 * 1024;

/// Passes over the rest of a line; the number of its bytes.
fn skip_line(text: &mut impl BufRead) -> io::Result<u64> {
    text.skip_until(b'\n').map(|bytes| bytes as u64)
}

fn parse(line: &[u8]) -> Result<Map<String, Value>, String> {
    if line.len() as u64 > CAP {
        return Err(format!("is longer than {} MiB; it begins {}", CAP / 1024 / 1024, prefix(line)));
    }
    match serde_json::from_slice(line) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Err("is null, not a JSON object".to_owned()),
        Ok(Value::Bool(_)) => Err("is a boolean, not a JSON object".to_owned()),
        Ok(Value::Number(_)) => Err("is a number, not a JSON object".to_owned()),
        Ok(Value::String(_)) => Err("is a string, not a JSON object".to_owned()),
        Ok(Value::Array(_)) => Err("is an array, not a JSON object".to_owned()),
        Err(error) => {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            Err(format!("is not valid JSON: {what} in column {}; it begins {}", error.column(), prefix(line)))
        }
    }
}

/// The beginning of a line, fit to be printed.
fn prefix(line: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&line[..line.len().min(60)]);
    let dots = if line.len() > 60 { "..." } else { "" };
    let plain = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    format!("`{}{dots}`", shown.trim_end().chars().map(plain).collect::<String>())
}

impl<R: io::Read + Send> Source for Reader<R> {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        if !self.advance()? {
            return Ok(None);
        }
        let row = self.row();
        self.ordinal += 1;
        Ok(Some(row))
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        for _ in 0..rows {
            if !self.advance()? {
                break;
            }
            self.ordinal += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &[u8]) -> Vec<Result<(u64, Value), String>> {
        let mut reader = Reader::new(text, "x.jsonl".to_owned());
        let mut rows = Vec::new();
        while let Some(read) = reader.next().unwrap() {
            assert_eq!(read.ordinal(), rows.len() as u64);
            rows.push(match read {
                Read::Row(row) => Ok((row.line, Value::Object(row.to_object()))),
                Read::Bad { reason, .. } | Read::Skipped { reason, .. } => Err(reason),
            });
        }
        rows
    }

    #[test]
    fn objects_keep_types_marks_and_blanks_are_passed_over() {
        let rows = read("\u{feff}{\"a\":1,\"b\":[true,null]}\r\n\n  \r\n{\"b\":1.5}".as_bytes());
        assert_eq!(rows, [Ok((1, json!({"a": 1, "b": [true, null]}))), Ok((4, json!({"b": 1.5})))]);
        assert_eq!(read(b""), []);
        assert_eq!(read("\u{feff}".as_bytes()), []);
    }

    #[test]
    fn a_line_that_is_no_object_is_bad_and_the_next_is_read() {
        let rows = read(b"[1]\n{\"a\":1,}\n{\"a\":\"\xff\"}\n{\"a\":2} {\"a\":3}\nnull\n{\"a\":4}\n");
        let bad: Vec<&str> = rows[..5].iter().map(|row| row.as_ref().unwrap_err().as_str()).collect();
        assert_eq!(bad[0], "line 1 of x.jsonl (at byte 0) is an array, not a JSON object");
        assert_eq!(
            bad[1],
            "line 2 of x.jsonl (at byte 4) is not valid JSON: trailing comma in column 8; it begins `{\"a\":1,}`"
        );
        assert!(bad[2].starts_with("line 3 of x.jsonl (at byte 13) is not valid JSON: invalid unicode"), "{}", bad[2]);
        assert!(bad[3].contains("trailing characters"), "{}", bad[3]);
        assert_eq!(bad[4], "line 5 of x.jsonl (at byte 39) is null, not a JSON object");
        assert_eq!(rows[5], Ok((6, json!({"a": 4}))));
    }

    #[test]
    fn nesting_without_end_is_bad_not_fatal() {
        let rows = read(&[b"{\"a\":".as_slice(), &vec![b'['; 100_000], b"\n{}\n"].concat());
        assert!(rows[0].as_ref().unwrap_err().contains("recursion limit"), "{rows:?}");
        assert_eq!(rows[1], Ok((2, json!({}))));
    }

    #[test]
    fn a_line_over_the_cap_is_bad_with_its_beginning() {
        let long = CAP as usize + 10;
        let text = io::Read::chain(io::Read::take(io::repeat(b'x'), long as u64), &b"\n{\"a\":1}\n"[..]);
        let mut reader = Reader::new(text, "x.jsonl".to_owned());
        let Some(Read::Bad { reason, .. }) = reader.next().unwrap() else { panic!("not bad") };
        assert!(reason.starts_with("line 1 of x.jsonl (at byte 0) is longer than 16 MiB; it begins `xxx"), "{reason}");
        assert!(reason.len() < 200);
        let Some(Read::Row(row)) = reader.next().unwrap() else { panic!("no row") };
        assert_eq!((row.line, reader.begun), (2, long as u64 + 1));
    }

    #[test]
    fn utf16_is_refused() {
        let mut reader = Reader::new(&b"\xff\xfe{\0}\0"[..], "x.jsonl".to_owned());
        assert!(reader.next().unwrap_err().message.contains("UTF-16"));
    }

    #[test]
    fn a_file_is_counted_identified_and_skipped_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        std::fs::write(&path, "{}\n\nnonsense\n{\"a\":1}").unwrap();
        let plan = decide(&json!({"path": "x.jsonl"}), |name| folder.path().join(name)).unwrap();
        assert_eq!(plan.count().unwrap(), Some(3));
        assert!(plan.identity().unwrap().unwrap().starts_with("jsonl, 20 bytes, content "));
        assert_eq!(plan.path(), Some(path.as_path()));
        let mut source = plan.open().unwrap();
        source.skip(2).unwrap();
        let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
        assert_eq!((row.ordinal, row.line), (2, 4));
        assert_eq!(source.next().unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_the_end_and_counted_alike(text in prop::collection::vec(
            prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), Just(b'{'), Just(b'}'), Just(b'"'), any::<u8>()], 0..200,
        )) {
            prop_assume!(!matches!(file::opening(&mut text.as_slice()), Ok(Opening::Utf16(_))));
            let rows = read(&text).len() as u64;
            let mut reader = Reader::new(text.as_slice(), "x".to_owned());
            reader.skip(u64::MAX).unwrap();
            prop_assert_eq!(reader.ordinal, rows);
        }
    }
}
