//! Values as COPY's text format has them, and which a server can't hold.
//!
//! The server converts a text to what its column is. Must never let a value be anything but one field of one line.

use serde_json::{Number, Value};

use crate::row::Cell;
use crate::sink::ColumnType;
use crate::sink::spooled::{Head, Line};

/// Most digits before and behind the point that are surely a `numeric` (16,383 behind it are the most).
const DIGITS: i64 = 16_000;

/// Whether a value can stand in a column of a type.
pub(super) fn takes(kind: ColumnType, cell: Cell<'_>) -> bool {
    let year =
        |text: &str| text.get(..4).is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit()) && year != "0000");
    match (kind, cell) {
        // Before the year 1, and with six digits, the server has other words for years.
        (ColumnType::Timestamp, Cell::Text(text)) => kind.takes(cell) && year(text),
        (ColumnType::Timestamp, Cell::Json(Value::String(text))) => kind.takes(cell) && year(text),
        _ => kind.takes(cell),
    }
}

/// Why no column of whatever type can hold a value.
pub(super) fn refuses(cell: Cell<'_>) -> Option<&'static str> {
    match cell {
        Cell::Text(text) => refused_text(text),
        Cell::Json(value) => refused(value, false),
        Cell::Integer(_) => None,
    }
}

fn refused_text(text: &str) -> Option<&'static str> {
    text.contains('\0').then_some("holds the character U+0000, which PostgreSQL can't store")
}

fn refused(value: &Value, nested: bool) -> Option<&'static str> {
    match value {
        Value::String(text) => refused_text(text),
        Value::Array(items) => items.iter().find_map(|item| refused(item, true)),
        Value::Object(map) => map.iter().find_map(|(key, value)| refused_text(key).or_else(|| refused(value, true))),
        Value::Number(number) if nested && !is_numeric(number) => {
            Some("holds a number with more digits than PostgreSQL can store")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Whether JSON may hold the number: there it is a `numeric`.
fn is_numeric(number: &Number) -> bool {
    let text = number.to_string();
    let exponent = text.split_once(['e', 'E']).map_or(Some(0), |(_, exponent)| exponent.parse::<i64>().ok());
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    exponent
        .is_some_and(|exponent| exponent.unsigned_abs().saturating_add(length.unsigned_abs()) < DIGITS.unsigned_abs())
}

/// What COPY reads: a line for each record, each behind its number from 0 where they are `numbered`.
pub(super) fn lines(head: &Head, lines: &[Line], numbered: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, Line::Record(values) | Line::Take(values)) in lines.iter().enumerate() {
        if numbered {
            out.extend_from_slice(format!("{number}\t").as_bytes());
        }
        for (position, (value, kind)) in values.iter().zip(&head.types).enumerate() {
            if position > 0 {
                out.push(b'\t');
            }
            field(value, *kind, &mut out);
        }
        out.push(b'\n');
    }
    out
}

fn field(value: &Value, kind: ColumnType, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"\\N"),
        Value::String(text) if kind != ColumnType::Json => escaped(text, out),
        other => escaped(&other.to_string(), out),
    }
}

/// A text whose backslashes, tabs and ends of lines are written out (postgresql.org/docs/current/sql-copy.html, "Text Format").
fn escaped(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.push(other),
        }
    }
}
