//! Elements of a JSON array, one at a time: down to the array, through it, and out of what it stands in.
//!
//! An element that is no object is a bad row; a text that is no JSON is an error with its place, and so is one
//! that ends before its brackets do. Must never hold more than an element.

use std::io::{self, Chain, Cursor};

use serde_json::{Map, Value};

use super::scan::{Fault, Place, Scanner};
use crate::row::{Fields, Row};
use crate::source::file::{self, Opening};
use crate::source::lines::CAP;
use crate::source::{Read, Source, SourceError};

/// The first bytes of a text, put back, and the rest of it.
type Text<R> = Chain<Cursor<Vec<u8>>, R>;

/// Rows of a JSON array.
pub(in crate::source) struct Reader<R> {
    state: State<R>,
    name: String,
    /// Names of the objects around the array, from the outside.
    at: Vec<String>,
    ordinal: u64,
}

enum State<R> {
    Unopened(R),
    /// At the end of an element, or behind the bracket that opens the array.
    Inside(Box<Scanner<Text<R>>>),
    Over,
}

/// Why there is no array where one should be.
#[derive(Debug)]
pub(super) enum Missing {
    /// The text can't be read so far.
    Failed(SourceError),
    /// It is UTF-16.
    Utf16,
    /// This name is not in its object, which has these.
    Name(String, Vec<String>),
    /// What stands there is not an array, and of this kind.
    NoArray(&'static str),
}

/// Names of an object that are remembered, for people.
const NAMES: usize = 50;

impl<R: io::Read> Reader<R> {
    /// Rows of `text`, which is called `name` in messages; `at` leads to the array.
    pub fn new(text: R, name: String, at: Vec<String>) -> Self {
        Self { state: State::Unopened(text), name, at, ordinal: 0 }
    }

    /// Goes to the array.
    pub(super) fn open(&mut self) -> Result<(), Missing> {
        if !matches!(self.state, State::Unopened(_)) {
            return Ok(());
        }
        let State::Unopened(mut text) = std::mem::replace(&mut self.state, State::Over) else { return Ok(()) };
        let first = match file::opening(&mut text).map_err(|error| Missing::Failed(self.explain(Fault::Io(error))))? {
            Opening::Plain(first) => first,
            Opening::Marked => Vec::new(),
            Opening::Utf16(_) => return Err(Missing::Utf16),
        };
        let mut scanner = Scanner::new(io::Read::chain(Cursor::new(first), text));
        for name in &self.at {
            if let Some(missing) = self.descend(&mut scanner, name)? {
                return Err(missing);
            }
        }
        match self.told(scanner.space())? {
            Some(b'[') => {
                scanner.pass();
                self.state = State::Inside(Box::new(scanner));
                Ok(())
            }
            found => Err(self.no_array(&scanner, found)),
        }
    }

    fn told<T>(&self, result: Result<T, Fault>) -> Result<T, Missing> {
        result.map_err(|fault| Missing::Failed(self.explain(fault)))
    }

    /// Goes to the value of this name in the object at hand.
    fn descend(&self, scanner: &mut Scanner<Text<R>>, wanted: &str) -> Result<Option<Missing>, Missing> {
        let found = self.told(scanner.space())?;
        if found != Some(b'{') {
            return Ok(Some(self.no_array(scanner, found)));
        }
        scanner.pass();
        let mut names = Vec::new();
        if self.told(scanner.space())? != Some(b'}') {
            loop {
                let name = self.told(key(scanner))?;
                if name == wanted {
                    return Ok(None);
                }
                if names.len() < NAMES {
                    names.push(name);
                }
                self.told(scanner.value())?;
                if self.told(scanner.one_of(b",}"))? == b'}' {
                    break;
                }
            }
        }
        Ok(Some(Missing::Name(wanted.to_owned(), names)))
    }

    fn no_array(&self, scanner: &Scanner<Text<R>>, found: Option<u8>) -> Missing {
        match found {
            Some(b'[') => Missing::NoArray("an array"),
            Some(b'{') => Missing::NoArray("an object"),
            Some(b'"') => Missing::NoArray("a string"),
            Some(b'-' | b'0'..=b'9') => Missing::NoArray("a number"),
            found => Missing::Failed(self.explain(scanner.unexpected(found, "an array"))),
        }
    }

    /// What is wrong with a text, with its place.
    fn explain(&self, fault: Fault) -> SourceError {
        let name = &self.name;
        SourceError::new(match fault {
            Fault::Io(error) => format!("{name} can't be read any further: {}", file::reason(&error)),
            Fault::Broken(Place { line, column }, what) => {
                format!("{name} is not valid JSON at line {line}, column {column}: {what}")
            }
        })
    }

    /// As an error of the source.
    fn missing(&self, missing: Missing) -> SourceError {
        match missing {
            Missing::Failed(error) => error,
            Missing::Utf16 => {
                SourceError::new(format!("{} can't be read: {}; {}", self.name, file::UTF16_JSON, file::UTF16_HELP))
            }
            Missing::Name(name, _) => {
                SourceError::new(format!("{} has no `{name}` where the array should be", self.name))
            }
            Missing::NoArray(kind) => SourceError::new(format!("{} has {kind} where the array should be", self.name)),
        }
    }

    /// Passes over the next element, which is kept; where it begins, `None` at the end.
    fn advance(&mut self) -> Result<Option<Place>, SourceError> {
        self.open().map_err(|missing| self.missing(missing))?;
        let State::Inside(scanner) = &mut self.state else { return Ok(None) };
        match element(scanner, self.ordinal == 0, &self.at) {
            Ok(Some(place)) => Ok(Some(place)),
            Ok(None) => {
                self.state = State::Over;
                Ok(None)
            }
            Err(fault) => {
                self.state = State::Over;
                Err(self.explain(fault))
            }
        }
    }

    /// The element that was kept, as a row.
    fn row(&mut self, place: Place) -> Result<Read, SourceError> {
        let State::Inside(scanner) = &self.state else { return Err(SourceError::new("no element was read")) };
        let row = |map| Row { ordinal: self.ordinal, line: place.line, fields: Fields::Object(map) };
        match parse(scanner.kept()) {
            Ok(map) => Ok(Read::Row(row(map))),
            Err(Wrong::Element(wrong)) => {
                let (number, name) = (self.ordinal + 1, &self.name);
                let Place { line, column } = place;
                let reason = format!("element {number} of {name} (at line {line}, column {column}) {wrong}");
                Ok(Read::Bad { row: row(Map::new()), reason })
            }
            Err(Wrong::Json { line, column, what }) => {
                let column = if line == 1 { place.column + column.saturating_sub(1) } else { column };
                let place = Place { line: place.line + line - 1, column };
                self.state = State::Over;
                Err(self.explain(Fault::Broken(place, what)))
            }
        }
    }
}

/// Reads a name and the colon behind it.
fn key<R: io::Read>(scanner: &mut Scanner<R>) -> Result<String, Fault> {
    match scanner.space()? {
        Some(b'"') => {}
        found => return Err(scanner.unexpected(found, "a name in quotes")),
    }
    let place = scanner.keep_value()?;
    let name = serde_json::from_slice(scanner.kept())
        .map_err(|_| Fault::Broken(place, "the name is no JSON string".to_owned()))?;
    scanner.one_of(b":")?;
    Ok(name)
}

/// Passes over the next element, or out of the array to the end of the text.
fn element<R: io::Read>(scanner: &mut Scanner<R>, first: bool, at: &[String]) -> Result<Option<Place>, Fault> {
    let ended = if first {
        let ended = scanner.space()? == Some(b']');
        if ended {
            scanner.pass();
        }
        ended
    } else {
        scanner.one_of(b",]")? == b']'
    };
    if !ended {
        return scanner.keep_value().map(Some);
    }
    for name in at.iter().rev() {
        leave(scanner, name)?;
    }
    match scanner.space()? {
        None => Ok(None),
        found => Err(scanner.unexpected(found, "the end")),
    }
}

/// Passes over the rest of an object, in which `taken` must not stand again: one of the two would be lost.
fn leave<R: io::Read>(scanner: &mut Scanner<R>, taken: &str) -> Result<(), Fault> {
    while scanner.one_of(b",}")? == b',' {
        scanner.space()?;
        let place = scanner.place();
        if key(scanner)? == taken {
            return Err(Fault::Broken(place, format!("`{taken}` stands there twice")));
        }
        scanner.value()?;
    }
    Ok(())
}

/// What is wrong with an element.
enum Wrong {
    /// It is no row, but the next one may be.
    Element(String),
    /// It is no JSON, at this line of it and this column.
    Json { line: u64, column: u64, what: String },
}

fn parse(text: &[u8]) -> Result<Map<String, Value>, Wrong> {
    let element = |what: &str| Err(Wrong::Element(what.to_owned()));
    if text.len() as u64 > CAP {
        return Err(Wrong::Element(format!("is longer than {} MiB", CAP / 1024 / 1024)));
    }
    if std::str::from_utf8(text).is_err() {
        return element("is not UTF-8");
    }
    match serde_json::from_slice(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => element("is null, not an object"),
        Ok(Value::Bool(_)) => element("is a boolean, not an object"),
        Ok(Value::Number(_)) => element("is a number, not an object"),
        Ok(Value::String(_)) => element("is a string, not an object"),
        Ok(Value::Array(_)) => element("is an array, not an object"),
        Err(error) => {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
            if what == "recursion limit exceeded" {
                return element("is nested too deep");
            }
            Err(Wrong::Json { line: error.line() as u64, column: error.column() as u64, what })
        }
    }
}

impl<R: io::Read + Send> Source for Reader<R> {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        let Some(place) = self.advance()? else { return Ok(None) };
        let row = self.row(place)?;
        self.ordinal += 1;
        Ok(Some(row))
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        for _ in 0..rows {
            if self.advance()?.is_none() {
                break;
            }
            self.ordinal += 1;
        }
        Ok(())
    }
}

impl<R: io::Read> Reader<R> {
    /// Number of rows.
    pub fn count(mut self) -> Result<u64, SourceError> {
        while self.advance()?.is_some() {
            self.ordinal += 1;
        }
        Ok(self.ordinal)
    }
}
