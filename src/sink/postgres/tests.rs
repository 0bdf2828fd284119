//! What is decided, said and written without a server; tests/suite/tables_postgres.rs has one.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::row::Cell;
use crate::sink::ColumnType;
use crate::sink::spooled::{Head, Line};

fn head(types: &[ColumnType]) -> Head {
    Head { columns: (0..types.len()).map(|column| format!("c\"{column}")).collect(), types: types.to_vec() }
}

fn table(key: &[&str]) -> SqlTable {
    let key = key.iter().map(|name| (*name).to_owned()).collect();
    SqlTable { name: "a\"b".into(), key, create: true, on_existing: OnExisting::Error }
}

/// What PostgreSQL makes of a line of COPY's text format (CopyReadAttributesText, without octal and hexadecimal forms).
fn read(line: &[u8]) -> Vec<Option<String>> {
    let field = |field: &[u8]| {
        if field == b"\\N" {
            return None;
        }
        let (mut out, mut bytes) = (Vec::new(), field.iter());
        while let Some(byte) = bytes.next() {
            out.push(match (byte, bytes.clone().next()) {
                (b'\\', Some(next)) => {
                    bytes.next();
                    *[(b'n', b'\n'), (b'r', b'\r'), (b't', b'\t'), (b'b', 8), (b'f', 12), (b'v', 11)]
                        .iter()
                        .find_map(|(letter, byte)| (letter == next).then_some(byte))
                        .unwrap_or(next)
                }
                _ => *byte,
            });
        }
        Some(String::from_utf8(out).unwrap())
    };
    line.split(|byte| *byte == b'\t').map(field).collect()
}

proptest! {
    #[test]
    fn texts_come_back_from_copy_as_they_were(
        rows in prop::collection::vec(
            prop::collection::vec(prop::option::of("(?s).{0,8}|[\\\\\r\n\tNnrbfv.0-9x\u{8}\u{b}\u{c}]{0,8}"), 3), 1..6),
    ) {
        let head = head(&[ColumnType::Text; 3]);
        let lines: Vec<Line> = rows.iter().map(|row| Line::Record(row.iter().map(|text| json!(text)).collect())).collect();
        let written = values::lines(&head, &lines, false);
        prop_assert!(!written.contains(&b'\r') && written.last() == Some(&b'\n'));
        let back: Vec<_> = written[..written.len() - 1].split(|byte| *byte == b'\n').map(read).collect();
        prop_assert_eq!(back, rows);
    }
}

#[test]
fn every_type_has_its_text() {
    let types =
        [ColumnType::Bool, ColumnType::Int, ColumnType::Float, ColumnType::Json, ColumnType::Text, ColumnType::Json];
    let number = serde_json::from_str("1e300").unwrap();
    let values = vec![json!(true), json!(i64::MIN), number, json!({"a\n": "\\"}), json!(false), json!("x")];
    let written = values::lines(&head(&types), &[Line::Take(values), Line::Record(vec![json!(null); 6])], true);
    let expected = "0\ttrue\t-9223372036854775808\t1e+300\t{\"a\\\\n\":\"\\\\\\\\\"}\tfalse\t\"x\"\n1\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n";
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

#[test]
fn what_no_column_can_hold_does_not_fit() {
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for value in [
        json!("a\0"),
        json!({"a": ["b\0"]}),
        json!({"a\0": 1}),
        json!([number("1e20000")]),
        json!({"a": number("1e-20000")}),
    ] {
        assert!(values::refuses(Cell::Json(&value)).is_some(), "{value}");
    }
    assert!(values::refuses(Cell::Text("\0")).is_some());
    for value in [json!("\\u0000"), json!({"a": "\u{1}"}), json!([1e300, i64::MAX]), number("1e20000")] {
        assert_eq!(values::refuses(Cell::Json(&value)), None, "{value}");
    }
    let takes = |text| values::takes(ColumnType::Timestamp, Cell::Text(text));
    assert!(
        takes("2026-11-27T14:00:00.25+02:00") && !takes("-000044-03-15T12:00:00Z") && !takes("0000-01-01T00:00:00Z")
    );
}

#[test]
fn names_are_quoted_in_every_statement() {
    let (head, table) = (head(&[ColumnType::Int, ColumnType::Text]), table(&["c\"0"]));
    assert_eq!(statements::copy(&table, &head), r#"COPY "a""b" ("c""0", "c""1") FROM STDIN"#);
    assert_eq!(
        statements::upsert(&table, &head),
        concat!(
            r#"INSERT INTO "a""b" ("c""0", "c""1") SELECT DISTINCT ON ("c""0") "c""0", "c""1" FROM pg_temp."_paceline_load" "#,
            r#"ORDER BY "c""0", "_paceline_line" DESC ON CONFLICT ("c""0") DO UPDATE SET "c""1" = excluded."c""1""#,
        )
    );
    for statement in
        [statements::take(&table, &head), statements::load(&table, &head), statements::rehearsal(&table, &head)]
    {
        assert!(statement.contains(r#""a""b""#) && !statement.contains(r#"a"b "#), "{statement}");
    }
}

#[test]
fn what_passes_is_waited_for_and_the_rest_is_not() {
    for code in ["08006", "53300", "53100", "57P01", "57P02", "57P03", "40001", "40P01", "55P03", "25006", "58030"] {
        assert!(statements::passes(code), "{code}");
    }
    for code in ["28P01", "28000", "42P01", "42501", "23505", "22P02", "3D000", "57P04", "0A000", "XX000", ""] {
        assert!(!statements::passes(code), "{code}");
    }
}

#[test]
fn types_have_their_words() {
    let kinds = [
        (ColumnType::Bool, "boolean"),
        (ColumnType::Int, "bigint"),
        (ColumnType::Float, "double precision"),
        (ColumnType::Timestamp, "timestamptz"),
        (ColumnType::Json, "jsonb"),
        (ColumnType::Text, "text"),
    ];
    for (kind, word) in kinds {
        assert_eq!(statements::word(kind), word);
    }
    assert_eq!(kinds.map(|(_, word)| word).into_iter().collect::<HashSet<_>>().len(), 6);
}
