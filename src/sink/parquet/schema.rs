//! Types of columns as Parquet has them, and how two tables differ.
//!
//! Must never let a value into a column that does not hold all of it.

use std::sync::Arc;

use ::parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use ::parquet::errors::ParquetError;
use ::parquet::schema::printer::print_schema;
use ::parquet::schema::types::{Type, TypePtr};
use jiff::Timestamp;
use serde_json::Value;

use crate::row::Cell;
use crate::sink::ColumnType;
use crate::sink::spooled::Head;

/// Whether a value can stand in a column of a type: moments have no more digits than microseconds.
pub(super) fn takes(kind: ColumnType, cell: Cell<'_>) -> bool {
    match (kind, cell) {
        (ColumnType::Timestamp, Cell::Text(text)) => microseconds(text).is_some(),
        (ColumnType::Timestamp, Cell::Json(Value::String(text))) => microseconds(text).is_some(),
        _ => kind.takes(cell),
    }
}

/// A moment in RFC 3339 as microseconds since 1970, where it is a whole number of them.
pub(super) fn microseconds(text: &str) -> Option<i64> {
    let moment = text.parse::<Timestamp>().ok()?;
    (moment.subsec_nanosecond() % 1_000 == 0).then(|| moment.as_microsecond())
}

/// The schema of a part. Every column may be null.
pub(super) fn schema(head: &Head) -> Result<TypePtr, ParquetError> {
    let fields = head.columns.iter().zip(&head.types).map(|(name, kind)| field(name, *kind).map(Arc::new));
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("schema").with_fields(fields).build().map(Arc::new)
}

fn field(name: &str, kind: ColumnType) -> Result<Type, ParquetError> {
    let (physical, logical) = match kind {
        ColumnType::Bool => (PhysicalType::BOOLEAN, None),
        ColumnType::Int => (PhysicalType::INT64, None),
        ColumnType::Float => (PhysicalType::DOUBLE, None),
        // Readers of nanoseconds are few, and these end in the year 2262.
        ColumnType::Timestamp => (PhysicalType::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        ColumnType::Json => (PhysicalType::BYTE_ARRAY, Some(LogicalType::Json)),
        ColumnType::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
    };
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

/// What a column of a file holds; `None`: something that is never written.
pub(super) fn meant(field: &Type) -> Option<ColumnType> {
    let info = field.get_basic_info();
    if !field.is_primitive() || !info.has_repetition() || info.repetition() != Repetition::OPTIONAL {
        return None;
    }
    match (field.get_physical_type(), info.logical_type_ref(), info.converted_type()) {
        (PhysicalType::BOOLEAN, None, ConvertedType::NONE) => Some(ColumnType::Bool),
        (PhysicalType::INT64, None, ConvertedType::NONE) | (PhysicalType::INT64, _, ConvertedType::INT_64) => {
            Some(ColumnType::Int)
        }
        (PhysicalType::DOUBLE, None, ConvertedType::NONE) => Some(ColumnType::Float),
        (PhysicalType::INT64, Some(LogicalType::Timestamp(stamp)), _) => {
            (stamp.is_adjusted_to_u_t_c && stamp.unit == TimeUnit::MICROS).then_some(ColumnType::Timestamp)
        }
        (PhysicalType::BYTE_ARRAY, Some(LogicalType::Json), _)
        | (PhysicalType::BYTE_ARRAY, None, ConvertedType::JSON) => Some(ColumnType::Json),
        (PhysicalType::BYTE_ARRAY, Some(LogicalType::String), _)
        | (PhysicalType::BYTE_ARRAY, None, ConvertedType::UTF8) => Some(ColumnType::Text),
        _ => None,
    }
}

/// The columns of a file with what they hold, or the first of them that is none of ours.
pub(super) fn columns(schema: &Type) -> Result<Vec<(String, ColumnType)>, String> {
    let column = |field: &TypePtr| match meant(field) {
        Some(kind) => Ok((field.name().to_owned(), kind)),
        None => Err(format!("has the column {}, which is not written here", shown(field))),
    };
    schema.get_fields().iter().map(column).collect()
}

/// A column as Parquet's own language has it.
fn shown(field: &Type) -> String {
    let mut text = Vec::new();
    print_schema(&mut text, field);
    let text = String::from_utf8_lossy(&text);
    format!("`{}`", text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(';'))
}

/// How the columns of a file differ from those that are to be written beside it.
pub(super) fn difference(there: &[(String, ColumnType)], here: &Head) -> Option<String> {
    let types = here.columns.iter().zip(&here.types);
    names(there, &here.columns).or_else(|| {
        let other = |((name, there), (_, here)): (&(String, ColumnType), (&String, &ColumnType))| {
            (there != here).then(|| {
                format!("holds {} in the column {name}, and this run would write {}", there.word(), here.word())
            })
        };
        there.iter().zip(types).find_map(other)
    })
}

/// How the names of columns differ from those that are to be written.
pub(super) fn names(there: &[(String, ColumnType)], here: &[String]) -> Option<String> {
    let has = |name: &String| there.iter().any(|(known, _)| known == name);
    if let Some(name) = here.iter().find(|name| !has(name)) {
        return Some(format!("has no column {name}, which this run would write"));
    }
    if let Some((name, _)) = there.iter().find(|(name, _)| !here.contains(name)) {
        return Some(format!("has the column {name}, which this run would not write"));
    }
    let place = there.iter().zip(here).position(|((there, _), here)| there != here)?;
    Some(format!("has the column {} where this run would write {}", there[place].0, here[place]))
}

#[cfg(test)]
mod tests {
    use ::parquet::schema::parser::parse_message_type;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_comes_back_as_it_was_written() {
        use ColumnType::{Bool, Float, Int, Json, Text, Timestamp};
        let types = [Bool, Int, Float, Timestamp, Json, Text];
        let head = Head { columns: types.map(|kind| kind.word().to_owned()).to_vec(), types: types.to_vec() };
        let columns = columns(&schema(&head).unwrap()).unwrap();
        assert_eq!(columns, head.columns.iter().cloned().zip(types).collect::<Vec<_>>());
        assert_eq!(difference(&columns, &head), None);
    }

    #[test]
    fn what_others_write_is_taken_for_the_same_or_named() {
        for (column, kind) in [
            ("optional int64 x", Some(ColumnType::Int)),
            ("optional int64 x (INTEGER(64, true))", Some(ColumnType::Int)),
            ("optional binary x (UTF8)", Some(ColumnType::Text)),
            ("optional int64 x (TIMESTAMP(MICROS, true))", Some(ColumnType::Timestamp)),
            ("required int64 x", None),
            ("optional int64 x (INTEGER(64, false))", None),
            ("optional int64 x (TIMESTAMP(MICROS, false))", None),
            ("optional int64 x (TIMESTAMP(NANOS, true))", None),
            ("optional int64 x (DECIMAL(10, 2))", None),
            ("optional int32 x", None),
            ("optional binary x", None),
            ("optional group x { optional int64 y; }", None),
        ] {
            let schema =
                parse_message_type(&format!("message m {{ {column}; }}").replace("};;", "}; }")).or_else(|_| {
                    // A group ends without a semicolon.
                    parse_message_type(&format!("message m {{ {column} }}"))
                });
            assert_eq!(meant(&schema.unwrap().get_fields()[0]), kind, "{column}");
        }
        let schema = parse_message_type("message m { optional int64 a; optional int32 qty; }").unwrap();
        assert_eq!(columns(&schema).unwrap_err(), "has the column `OPTIONAL INT32 qty`, which is not written here");
    }

    #[test]
    fn a_difference_is_named() {
        let there = [("a".to_owned(), ColumnType::Int), ("b".to_owned(), ColumnType::Text)];
        let told = |columns: &[&str], types: &[ColumnType]| {
            let columns = columns.iter().map(|name| (*name).to_owned()).collect();
            difference(&there, &Head { columns, types: types.to_vec() }).unwrap()
        };
        let (int, text) = (ColumnType::Int, ColumnType::Text);
        assert_eq!(told(&["a"], &[int]), "has the column b, which this run would not write");
        assert_eq!(told(&["a", "b", "c"], &[int; 3]), "has no column c, which this run would write");
        assert_eq!(told(&["b", "a"], &[text, int]), "has the column a where this run would write b");
        assert_eq!(told(&["a", "b"], &[int, int]), "holds string in the column b, and this run would write int");
    }

    #[test]
    fn moments_have_microseconds_and_no_more() {
        assert_eq!(microseconds("1970-01-01T01:00:00.000001+01:00"), Some(1));
        assert_eq!(microseconds("0001-01-01T00:00:00Z"), Some(-62_135_596_800_000_000));
        for text in ["1970-01-01T00:00:00.0000001Z", "yesterday", ""] {
            assert!(!takes(ColumnType::Timestamp, Cell::Text(text)), "{text}");
            assert!(!takes(ColumnType::Timestamp, Cell::Json(&json!(text))), "{text}");
        }
        assert!(takes(ColumnType::Timestamp, Cell::Json(&Value::Null)));
    }
}
