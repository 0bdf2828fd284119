//! Reading CSV: records with their line, the header, and rows that fit or do not.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;

use csv::{ByteRecord, StringRecord};
use encoding_rs::{Encoding, UTF_8};

use super::sniff::{self, Sniffed};
use crate::row::{Fields, Header, Row};
use crate::source::file::{self, Opening};
use crate::source::lines::{CAP, Lines};
use crate::source::{self, Counted, Doubt, Source, SourceError};

/// Why a header could not be had.
#[derive(Debug)]
pub(in crate::source) enum Fault {
    /// The text has no row.
    Empty,
    /// A column without a name; its one-based position.
    Unnamed(usize),
    /// A name that stands twice.
    Twice(String),
    /// The text is UTF-16, by the name that `encoding` takes.
    Utf16(&'static str),
    /// The header is not in its encoding.
    Undecoded,
    /// A quote in the header, opened at this line and never closed.
    Unclosed(u64),
    /// Reading failed.
    Failed(SourceError),
}

/// The first bytes of a text, put back, and the rest of it.
type Text<R> = std::io::Chain<std::io::Cursor<Vec<u8>>, R>;

/// Records of a CSV text, with the line each begins at.
pub(in crate::source) struct Rows<R> {
    state: State<R>,
    name: String,
    /// What the text is written in, for people.
    encoding: &'static str,
    /// What stands between cells; `None`: what fits the first rows.
    delimiter: Option<u8>,
    record: ByteRecord,
    /// The line of a quote that the record opened and never closed.
    unclosed: Option<u64>,
    /// What the run is to be told.
    doubt: Option<String>,
}

/// The first bytes are read with the first record: a stream may keep its reader waiting.
enum State<R> {
    Unopened(R),
    Open(Box<csv::Reader<Lines<Text<R>>>>),
    Over,
}

impl<R: Read> Rows<R> {
    /// Records of `text`, which is called `name` in messages; without a delimiter it is looked for.
    pub fn new(text: R, name: String, delimiter: impl Into<Option<u8>>) -> Self {
        let (state, record, delimiter) = (State::Unopened(text), ByteRecord::new(), delimiter.into());
        Self { state, name, encoding: UTF_8.name(), delimiter, record, unclosed: None, doubt: None }
    }

    /// The same, decoded from this encoding; what meant nothing in it is no UTF-8.
    pub fn encoded(mut self, encoding: Option<&'static Encoding>) -> Self {
        self.encoding = encoding.unwrap_or(UTF_8).name();
        self
    }

    /// What the text is written in.
    pub fn encoding(&self) -> &'static str {
        self.encoding
    }

    /// The header, from the first record.
    pub fn header(&mut self) -> Result<Header, Fault> {
        self.first()?;
        let names = StringRecord::from_byte_record(self.record.clone()).map_err(|_| Fault::Undecoded)?;
        let mut seen = HashSet::new();
        for (position, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(Fault::Unnamed(position + 1));
            }
            if !seen.insert(name) {
                return Err(Fault::Twice(name.to_owned()));
            }
        }
        Ok(Header::new(names.iter().map(str::to_owned).collect()))
    }

    /// A header c1, c2, ... as wide as the first record.
    pub fn numbered(&mut self) -> Result<Header, Fault> {
        self.first()?;
        Ok(Header::new((1..=self.record.len()).map(|position| format!("c{position}")).collect()))
    }

    /// Reads the record that tells the columns.
    fn first(&mut self) -> Result<(), Fault> {
        let Some(_) = self.advance()? else { return Err(Fault::Empty) };
        self.unclosed.map_or(Ok(()), |line| Err(Fault::Unclosed(line)))
    }

    /// A fault of the header as an error of the source.
    pub fn explain(&self, fault: Fault) -> SourceError {
        let name = &self.name;
        match fault {
            Fault::Empty => SourceError::new(format!("{name} is empty: its first row names the columns")),
            Fault::Unnamed(position) => SourceError::new(format!("column {position} of {name} has no name")),
            Fault::Twice(column) => SourceError::new(format!("{name} names the column `{column}` twice")),
            Fault::Utf16(_) => {
                SourceError::new(format!("{name} can't be read: {}; {}", file::UTF16_JSON, file::UTF16_HELP))
            }
            Fault::Undecoded => {
                let encoding = self.encoding;
                SourceError::new(format!("the first row of {name} is not {encoding}; convert it to UTF-8"))
            }
            Fault::Unclosed(line) => SourceError::new(format!("{}; {CLOSE}", self.unclosed_at(line))),
            Fault::Failed(error) => error,
        }
    }

    /// What is wrong where a quote is never closed.
    pub fn unclosed_at(&self, line: u64) -> String {
        let name = &self.name;
        format!("the quote that opens at line {line} of {name} is never closed, so what follows it can't be read")
    }

    /// Reads the next record into `self.record`; the line it begins at, `None` at the end.
    fn advance(&mut self) -> Result<Option<u64>, Fault> {
        self.open()?;
        let State::Open(reader) = &mut self.state else { return Ok(None) };
        reader.get_mut().begin();
        let read = reader.read_byte_record(&mut self.record);
        let lines = reader.get_ref();
        self.unclosed = lines.open_quote();
        match read {
            Ok(true) => Ok(Some(lines.begun())),
            Ok(false) => {
                self.state = State::Over;
                Ok(None)
            }
            Err(error) => {
                let message = if lines.exhausted() {
                    runaway(&self.name, lines.begun(), self.unclosed)
                } else {
                    format!("{} can't be read any further after line {}: {error}", self.name, lines.begun())
                };
                self.state = State::Over;
                Err(Fault::Failed(SourceError::new(message)))
            }
        }
    }

    fn open(&mut self) -> Result<(), Fault> {
        if !matches!(self.state, State::Unopened(_)) {
            return Ok(());
        }
        let State::Unopened(mut text) = std::mem::replace(&mut self.state, State::Over) else { return Ok(()) };
        let name = &self.name;
        let failed = |error| Fault::Failed(SourceError::new(format!("{name} can't be read: {}", file::reason(&error))));
        let mut first = match file::opening(&mut text).map_err(failed)? {
            Opening::Plain(first) => first,
            Opening::Marked => Vec::new(),
            Opening::Utf16(name) => return Err(Fault::Utf16(name)),
        };
        let delimiter = match self.delimiter {
            Some(delimiter) => delimiter,
            None => match sniff::ahead(&mut first, &mut text).map_err(failed)? {
                Sniffed::Found(delimiter) => delimiter,
                Sniffed::Unclear(two) => {
                    self.doubt = Some(taken(name, two));
                    two[0].0
                }
            },
        };
        let lines = Lines::new(std::io::Cursor::new(first).chain(text), delimiter);
        let reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(lines);
        self.state = State::Open(Box::new(reader));
        Ok(())
    }
}

/// That the first of two delimiters is taken, and what to do where that is wrong.
fn taken(name: &str, two: [(u8, usize); 2]) -> String {
    let [first, second] = two.map(|(delimiter, _)| sniff::shown(delimiter));
    format!(
        "{}, and `{first}` is taken; where that is wrong, write the text to a file and say so: \
         `input.csv = {{ path = \"...\", delimiter = \"{second}\" }}`",
        sniff::either(name, two)
    )
}

fn runaway(name: &str, line: u64, quote: Option<u64>) -> String {
    let cap = CAP / 1024 / 1024;
    let row = format!("the row of {name} at line {line} is longer than {cap} MiB");
    match quote {
        Some(quote) => format!("{row}: the quote that opens at line {quote} is not closed by then; {CLOSE}"),
        None => format!("{row}, the most that a row may have"),
    }
}

/// The way out of a quote that is never closed.
pub(in crate::source) const CLOSE: &str = "close it behind the text, and double each quote inside";

/// A CSV source behind its header.
pub(in crate::source) struct Reader<R> {
    rows: Rows<R>,
    header: Option<Arc<Header>>,
    ordinal: u64,
}

impl<R: Read> Reader<R> {
    /// A reader of the rows that are left in `rows`.
    pub fn behind(rows: Rows<R>, header: Arc<Header>) -> Self {
        Self { rows, header: Some(header), ordinal: 0 }
    }

    /// A reader that takes the header from the first record when it is first asked for a row.
    pub fn lazy(rows: Rows<R>) -> Self {
        Self { rows, header: None, ordinal: 0 }
    }

    /// Number of rows left, and whether the last of them has no end.
    pub fn survey(mut self) -> Result<Counted, SourceError> {
        let (mut rows, mut unclosed) = (0, None);
        while self.advance()?.is_some() {
            rows += 1;
            unclosed = self.rows.unclosed;
        }
        let doubt = |line| Doubt { message: self.rows.unclosed_at(line), help: CLOSE };
        Ok(Counted { rows: Some(rows), doubts: unclosed.map(doubt).into_iter().collect() })
    }

    fn header(&mut self) -> Result<Arc<Header>, SourceError> {
        if let Some(header) = &self.header {
            return Ok(Arc::clone(header));
        }
        let header = self.rows.header().map_err(|fault| self.rows.explain(fault))?;
        Ok(Arc::clone(self.header.insert(Arc::new(header))))
    }

    fn advance(&mut self) -> Result<Option<u64>, SourceError> {
        self.rows.advance().map_err(|fault| self.rows.explain(fault))
    }

    fn row(&self, header: Arc<Header>, line: u64) -> source::Read {
        let (record, width, ordinal) = (&self.rows.record, header.names().len(), self.ordinal);
        let row = |cells| Row { ordinal, line, fields: Fields::Text { header, cells } };
        if let Some(opened) = self.rows.unclosed {
            // The last cell is the rest of the text, which is nobody's value.
            let sound = record.iter().take(record.len().saturating_sub(1)).collect();
            let cells = StringRecord::from_byte_record_lossy(fitted(&sound, width));
            return source::Read::Bad {
                row: row(cells),
                reason: format!("{}; {CLOSE}", self.rows.unclosed_at(opened)),
            };
        }
        let cells = match StringRecord::from_byte_record(fitted(record, width)) {
            Ok(cells) => cells,
            Err(error) => {
                let field = error.utf8_error().field() + 1;
                let (name, encoding) = (&self.rows.name, self.rows.encoding);
                let reason = format!("field {field} of the row at line {line} of {name} is not {encoding}");
                return source::Read::Bad {
                    row: row(StringRecord::from_byte_record_lossy(error.into_byte_record())),
                    reason,
                };
            }
        };
        if record.len() == width {
            return source::Read::Row(row(cells));
        }
        let found = counted(record.len(), "field");
        let reason = format!("the row at line {line} of {} has {found}, expected {width}", self.rows.name);
        source::Read::Bad { row: row(cells), reason }
    }
}

/// A copy of a record, no larger than it must be, with as many fields as the header has.
fn fitted(record: &ByteRecord, width: usize) -> ByteRecord {
    let mut copy = ByteRecord::with_capacity(record.as_slice().len(), width);
    record.iter().chain(std::iter::repeat(&b""[..])).take(width).for_each(|field| copy.push_field(field));
    copy
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

impl<R: Read + Send> Source for Reader<R> {
    fn next(&mut self) -> Result<Option<source::Read>, SourceError> {
        let header = self.header()?;
        let Some(line) = self.advance()? else { return Ok(None) };
        let row = self.row(header, line);
        self.ordinal += 1;
        Ok(Some(row))
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        self.header()?;
        for _ in 0..rows {
            if self.advance()?.is_none() {
                break;
            }
            self.ordinal += 1;
        }
        Ok(())
    }

    fn doubt(&mut self) -> Option<String> {
        self.rows.doubt.take()
    }
}
