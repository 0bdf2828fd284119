//! Standard output: records for the program that reads it.
//!
//! What has been read can't be taken back: a resume goes on behind what was committed and may repeat
//! what was written after it. Must never be mixed with other output of the program.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::appender::reason;
use super::cells::CsvCells;
use super::jsonl::Lines;
use super::table::Dropped;
use super::{Cursor, Sink, SinkError, SinkKind, SinkOpening, SinkRow, Start, csv};
use crate::diagnostic::codes;
use crate::document::{KeyPath, Step};
use crate::record::{Layout, Record};

/// The row of [`super::KINDS`].
pub const KIND: SinkRow = SinkRow {
    name: "stdout",
    doc: "standard output, as JSON Lines or CSV",
    example: "[sinks.out]\nstdout = \"jsonl\"",
    endings: &[],
    schemes: &[],
    tables: false,
    packs: false,
    schema: <Format as JsonSchema>::json_schema,
    compile: |site, path, value, on_existing| {
        if on_existing.is_some() {
            let message = "`on-existing` has no effect on standard output";
            site.error(codes::NO_EFFECT, &beside(path, "on-existing"), message, "leave it out");
            return None;
        }
        match Format::deserialize(value) {
            Ok(format) => Some(Arc::new(Stdout { format })),
            Err(error) => {
                site.error(codes::BAD_VALUE, path, error.to_string(), "stdout is \"jsonl\" or \"csv\"");
                None
            }
        }
    },
};

/// The path of a key that stands beside the last key of `path`.
fn beside(path: &KeyPath, key: &str) -> KeyPath {
    let mut steps = path.0.clone();
    steps.pop();
    steps.push(Step::Key(key.to_owned()));
    KeyPath(steps)
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Jsonl,
    Csv,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

/// Standard output, decided.
#[derive(Debug)]
struct Stdout {
    format: Format,
}

impl SinkKind for Stdout {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        format!("standard output ({})", self.format.name())
    }

    fn path(&self) -> Option<&Path> {
        None
    }

    fn identity(&self) -> String {
        format!("stdout {}", self.format.name())
    }

    fn survey(&self) -> Result<(), SinkError> {
        Ok(())
    }

    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError> {
        let SinkOpening { start, layouts, columns, .. } = *opening;
        Ok(Box::new(Stream::new(io::stdout(), self.format, start, layouts, columns)))
    }
}

/// Bytes that gather before they are written.
const FLUSH: usize = 64 * 1024;

enum Form {
    Jsonl(Lines),
    Csv(csv::Rows),
}

/// A stream being written.
struct Stream<W> {
    output: W,
    form: Form,
    buffer: Vec<u8>,
    offset: u64,
    broken: Option<SinkError>,
}

impl<W: Write> Stream<W> {
    fn new(output: W, format: Format, start: Start, layouts: &[(usize, Layout)], columns: Option<&[String]>) -> Self {
        let offset = match start {
            Start::New => 0,
            Start::Resume(cursor) => cursor.offset,
        };
        let mut buffer = Vec::with_capacity(FLUSH);
        let form = match format {
            Format::Jsonl => Form::Jsonl(Lines::new(layouts, columns)),
            Format::Csv => {
                let mut rows = csv::Rows::new(CsvCells::new(b','), layouts, columns);
                if offset > 0 {
                    rows.headed();
                }
                rows.begin(&mut buffer);
                Form::Csv(rows)
            }
        };
        Self { output, form, buffer, offset, broken: None }
    }

    /// Writes what has gathered; after a failure nothing is counted any more.
    fn flush(&mut self) -> Result<(), SinkError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let written = self.output.write_all(&self.buffer).and_then(|()| self.output.flush());
        written.map_err(|error| {
            let error = SinkError::new(format!("standard output could not be written: {}", reason(&error)));
            self.broken.insert(error).clone()
        })?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write + Send> Sink for Stream<W> {
    fn write(&mut self, endpoint: usize, record: &Record) -> Result<(), SinkError> {
        let written = match &mut self.form {
            Form::Jsonl(lines) => lines.write(endpoint, record, &mut self.buffer),
            Form::Csv(rows) => rows.write(endpoint, record, &mut self.buffer),
        };
        written.map_err(SinkError::new)?;
        if self.buffer.len() < FLUSH { Ok(()) } else { self.flush() }
    }

    /// What has gone out can't be taken back.
    fn position(&self) -> Option<u64> {
        None
    }

    fn commit(&mut self) -> Result<Cursor, SinkError> {
        if let Form::Csv(rows) = &mut self.form {
            rows.release(&mut self.buffer).map_err(SinkError::new)?;
        }
        self.flush()?;
        Ok(Cursor { offset: self.offset, ..Cursor::default() })
    }

    fn dropped_columns(&self) -> Vec<String> {
        let dropped: &Dropped = match &self.form {
            Form::Jsonl(lines) => &lines.dropped,
            Form::Csv(rows) => &rows.dropped,
        };
        dropped.names()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sink::tests::{layout, record};

    /// An output that takes a byte at a time, is interrupted, and ends after some bytes.
    struct Trickle {
        taken: Vec<u8>,
        room: usize,
        calls: usize,
    }

    impl Trickle {
        fn of(room: usize) -> Self {
            Self { taken: Vec::new(), room, calls: 0 }
        }
    }

    impl Write for Trickle {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.taken.len() == self.room {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.taken.push(bytes[0]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stream(format: Format, start: Start, room: usize) -> Stream<Trickle> {
        Stream::new(Trickle::of(room), format, start, &[(0, layout(Some(&["a"]), &["x"]))], None)
    }

    #[test]
    fn partial_and_interrupted_writes_lose_nothing() {
        for (format, expected) in [(Format::Jsonl, "{\"a\":1,\"x\":2}\n"), (Format::Csv, "a,x\n1,2\n")] {
            let mut stream = stream(format, Start::New, 1000);
            stream.write(0, &record(json!({"a": 1}), &[json!(2)])).unwrap();
            assert_eq!(stream.commit().unwrap().offset, expected.len() as u64);
            assert_eq!(String::from_utf8_lossy(&stream.output.taken), expected);
        }
    }

    #[test]
    fn a_reader_that_went_away_ends_the_sink_with_words() {
        let mut stream = stream(Format::Jsonl, Start::New, 5);
        stream.write(0, &record(json!({"a": 1}), &[json!(2)])).unwrap();
        let error = stream.commit().unwrap_err();
        assert_eq!(error.message, "standard output could not be written: the program that read it went away");
        assert_eq!(stream.commit().unwrap_err(), error);
        assert_eq!(stream.offset, 0);
    }

    #[test]
    fn a_resume_goes_on_without_a_header() {
        let start = Start::Resume(Cursor { offset: 40, tail_crc: 0, text: 0 });
        let mut stream = stream(Format::Csv, start, 1000);
        stream.write(0, &record(json!({"a": 1}), &[json!(2)])).unwrap();
        assert_eq!(stream.commit().unwrap().offset, 44);
        assert_eq!(stream.output.taken, b"1,2\n");
    }

    #[test]
    fn a_key_beside_another_is_found() {
        assert_eq!(beside(&KeyPath::of(["sinks", "out", "stdout"]), "x"), KeyPath::of(["sinks", "out", "x"]));
    }
}
