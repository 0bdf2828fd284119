//! A row as bytes: the same for rows that are the same, and different for any two that are not.
//!
//! Every value has its kind before it and texts have their length, so nothing runs into its neighbour.

use serde_json::{Map, Value};

use crate::row::{Cell, Fields, Row};

/// Appends these columns of a row (`None`: all of them).
pub(super) fn write(out: &mut Vec<u8>, row: &Row, columns: Option<&[String]>) {
    match (columns, &row.fields) {
        (Some(columns), _) => columns.iter().for_each(|name| cell(out, row.cell(name))),
        // The names are the same in every row.
        (None, Fields::Text { cells, .. }) => cells.iter().for_each(|text| cell(out, Some(Cell::Text(text)))),
        (None, Fields::Object(map)) => object(out, map),
        (None, Fields::Integer(number)) => cell(out, Some(Cell::Integer(*number))),
        (None, Fields::Rows(_)) => {}
    }
}

pub(super) fn cell(out: &mut Vec<u8>, cell: Option<Cell<'_>>) {
    match cell {
        None => out.push(b'0'),
        Some(Cell::Text(text)) => bytes(out, b's', text.as_bytes()),
        Some(Cell::Integer(number)) => bytes(out, b'n', number.to_string().as_bytes()),
        Some(Cell::Json(json)) => value(out, json),
    }
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(b'0'),
        Value::Bool(false) => out.push(b'f'),
        Value::Bool(true) => out.push(b't'),
        Value::Number(number) => bytes(out, b'n', number.to_string().as_bytes()),
        Value::String(text) => bytes(out, b's', text.as_bytes()),
        Value::Array(items) => {
            out.push(b'[');
            items.iter().for_each(|item| self::value(out, item));
            out.push(b']');
        }
        Value::Object(map) => object(out, map),
    }
}

/// By the names of the keys: their order means nothing.
fn object(out: &mut Vec<u8>, map: &Map<String, Value>) {
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    out.push(b'{');
    for (name, item) in entries {
        bytes(out, b'k', name.as_bytes());
        value(out, item);
    }
    out.push(b'}');
}

fn bytes(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;

    fn of(value: &Value, columns: Option<&[&str]>) -> Vec<u8> {
        let Value::Object(map) = value else { panic!("no object") };
        let row = Row { ordinal: 0, line: 0, fields: Fields::Object(map.clone()) };
        let columns: Option<Vec<String>> = columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let mut out = Vec::new();
        write(&mut out, &row, columns.as_deref());
        out
    }

    #[test]
    fn different_rows_are_different_bytes() {
        let rows = [
            json!({}),
            json!({"a": null}),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!({"a": 1.0}),
            json!({"a": true}),
            json!({"a": [1, 2]}),
            json!({"a": [[1], 2]}),
            json!({"a": {"b": 1}}),
            json!({"a": "x", "b": "y"}),
            json!({"a": "xs", "b": "y"}),
            json!({"ab": "x"}),
            json!({"b": "x", "a": ""}),
        ];
        let seen: HashSet<Vec<u8>> = rows.iter().map(|row| of(row, None)).collect();
        assert_eq!(seen.len(), rows.len());
    }

    #[test]
    fn order_of_keys_and_columns_beside_mean_nothing() {
        let (one, other) = (json!({"a": {"x": 1, "y": 2}, "b": 3}), json!({"b": 3, "a": {"y": 2, "x": 1}}));
        assert_eq!(of(&one, None), of(&other, None));
        assert_eq!(of(&json!({"a": 1, "b": 2}), Some(&["a"])), of(&json!({"b": 3, "a": 1}), Some(&["a"])));
        assert_eq!(of(&json!({"b": 3}), Some(&["a"])), of(&json!({"a": null}), Some(&["a"])), "missing is null");
        assert_ne!(of(&one, Some(&["a", "b"])), of(&one, Some(&["b", "a"])));
    }
}
