//! `input.stdin`: rows that another program writes.
//!
//! What stands there is not known before it is read, and can't be read twice: no count, no identity,
//! no resume. The cells of `csv` stand between what fits the first rows, as in a file; where more than one does, the
//! comma is taken and the run warns. Must never read a byte before the first row is asked for.

use std::io;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::problem::{Problem, settle, spec};
use super::unpack::Unpacked;
use super::{Columns, Source, SourceError, SourceKind, SourcePlan, csv, json, jsonl};

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "stdin",
    doc: "rows from standard input: csv, tsv, jsonl or json",
    example: r#"input.stdin = "csv""#,
    endings: &[],
    reads_packed: false,
    schema: <Format as JsonSchema>::json_schema,
    compile: |site, path, value| settle(site, path, decide(value)),
};

/// What is written to standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Csv,
    Tsv,
    Jsonl,
    Json,
}

const NAME: &str = "standard input";

/// Standard input, decided.
#[derive(Debug)]
struct StdinPlan {
    format: Format,
}

fn decide(value: &Value) -> Result<StdinPlan, Problem> {
    Ok(StdinPlan { format: spec(value)? })
}

impl SourcePlan for StdinPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        match self.format {
            Format::Csv => "standard input (stdin, csv)".to_owned(),
            Format::Tsv => "standard input (stdin, tsv)".to_owned(),
            Format::Jsonl => "standard input (stdin, jsonl)".to_owned(),
            Format::Json => "standard input (stdin, json)".to_owned(),
        }
    }

    fn columns(&self) -> Columns {
        Columns::Open
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(None)
    }

    fn is_read_once(&self) -> bool {
        true
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        Ok(None)
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(rows(self.format, io::stdin()))
    }
}

fn rows(format: Format, text: impl io::Read + Send + 'static) -> Box<dyn Source> {
    let (text, name) = (Unpacked::new(text), NAME.to_owned());
    match format {
        Format::Csv => Box::new(csv::Reader::lazy(csv::Rows::new(text, name, None))),
        Format::Tsv => Box::new(csv::Reader::lazy(csv::Rows::new(text, name, b'\t'))),
        Format::Jsonl => Box::new(jsonl::Reader::new(text, name)),
        Format::Json => Box::new(json::Reader::new(text, name, Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::Read;
    use crate::source::unpack::tests::gzip;

    /// A stream that fails when it is read.
    struct Untouchable;

    impl io::Read for Untouchable {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("read too early"))
        }
    }

    #[test]
    fn nothing_is_read_before_a_row_is_asked_for() {
        for format in [Format::Csv, Format::Tsv, Format::Jsonl, Format::Json] {
            let mut source = rows(format, Untouchable);
            assert!(source.next().unwrap_err().message.contains("read too early"));
        }
    }

    #[test]
    fn rows_come_from_the_stream() {
        let texts = [
            (Format::Csv, "a,b\n1,2\n"),
            (Format::Csv, "\u{feff}a;b\n1;2\n"),
            (Format::Csv, "a\tb\r\n1\t2\r\n"),
            (Format::Csv, "a|b\n1|2"),
            (Format::Tsv, "a\tb\n1\t2\n"),
            (Format::Jsonl, "{\"a\":\"1\",\"b\":\"2\"}\n"),
            (Format::Json, "[{\"a\":\"1\",\"b\":\"2\"}]\n"),
        ];
        let packed = texts.map(|(format, text)| (format, gzip(text.as_bytes())));
        for (format, text) in texts.map(|(format, text)| (format, text.as_bytes().to_vec())).into_iter().chain(packed) {
            let mut source = rows(format, io::Cursor::new(text));
            let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
            assert_eq!(Value::Object(row.to_object()), json!({"a": "1", "b": "2"}), "{format:?}");
            assert_eq!(source.next().unwrap(), None);
        }
    }

    #[test]
    fn of_two_delimiters_that_fit_the_first_is_taken_and_told() {
        for (text, doubted) in [("a,b;c\n1,2;3\n", true), ("a,b;c\n1;2,3,4\n", false)] {
            let mut source = rows(Format::Csv, text.as_bytes());
            assert_eq!(source.doubt(), None, "nothing was read yet");
            let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
            assert_eq!(row.to_object().contains_key("b;c"), doubted);
            let expected = "the rows of standard input have 2 cells between `,` and 2 between `;`: either fits, and `,` is \
                            taken; where that is wrong, write the text to a file and say so: \
                            `input.csv = { path = \"...\", delimiter = \";\" }`";
            assert_eq!(source.doubt(), doubted.then(|| expected.to_owned()));
            assert_eq!(source.doubt(), None, "told once");
        }
    }

    #[test]
    fn a_stream_without_a_header_is_refused() {
        let mut source = rows(Format::Csv, &b""[..]);
        let message = source.next().unwrap_err().message;
        assert_eq!(message, "standard input is empty: its first row names the columns");
    }

    #[test]
    fn it_can_not_be_known_or_resumed() {
        let plan = decide(&json!("jsonl")).unwrap();
        assert_eq!((plan.count().unwrap(), plan.identity().unwrap()), (None, None));
        assert!(matches!(plan.columns(), Columns::Open));
        assert!(decide(&json!("parquet")).is_err());
    }
}
