//! What the values of a column mean, beyond what the crate's records tell, and how they look as JSON.
//!
//! Instants are RFC 3339 in UTC, times of no zone have none, decimals are texts with all of their digits,
//! bytes are base64, numbers that JSON does not have are texts (`NaN`). Must never guess: what is out of
//! range is a reason to fail the row.

use ::parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use ::parquet::record::Field;
use ::parquet::schema::types::Type;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// What stands in a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// What the record tells is all.
    Plain,
    /// A moment, counted from 1970; of no zone unless `utc`.
    Moment { nanoseconds: i64, utc: bool },
    /// A time of day, counted from midnight.
    Time { nanoseconds: i64 },
    /// Sixteen bytes that are an identifier.
    Uuid,
    /// A text that is JSON.
    Json,
    /// A list of these.
    List(Box<Shape>),
    /// Keys and values.
    Map(Box<(Shape, Shape)>),
    /// Named values.
    Group(Vec<Shape>),
}

/// What of a column is not read; `None`: all is.
pub(super) fn unread(field: &Type) -> Option<&'static str> {
    if field.is_group() {
        return field.get_fields().iter().find_map(|inner| unread(inner));
    }
    if field.get_physical_type() == PhysicalType::INT96 {
        // What reads records keeps no more than milliseconds of it.
        return Some("an INT96 timestamp, the form of old writers");
    }
    (field.get_basic_info().converted_type() == ConvertedType::INTERVAL).then_some("an INTERVAL")
}

impl Shape {
    /// What stands in a column of this type.
    pub fn of(field: &Type) -> Self {
        if field.is_primitive() { Self::of_primitive(field) } else { Self::of_group(field) }
    }

    fn of_primitive(field: &Type) -> Self {
        let info = field.get_basic_info();
        match (info.logical_type_ref(), info.converted_type()) {
            (Some(LogicalType::Timestamp(stamp)), _) => {
                Self::Moment { nanoseconds: length(&stamp.unit), utc: stamp.is_adjusted_to_u_t_c }
            }
            (Some(LogicalType::Time(time)), _) => Self::Time { nanoseconds: length(&time.unit) },
            (Some(LogicalType::Uuid), _) => Self::Uuid,
            (Some(LogicalType::Json), _) | (None, ConvertedType::JSON) => Self::Json,
            _ => Self::Plain,
        }
    }

    fn of_group(field: &Type) -> Self {
        let inner = field.get_fields();
        match (field.get_basic_info().converted_type(), inner) {
            (ConvertedType::LIST, [repeated]) => Self::List(Box::new(Self::of_element(repeated))),
            (ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE, [pairs]) if pairs.is_group() => {
                match pairs.get_fields() {
                    [key, value] => Self::Map(Box::new((Self::of(key), Self::of(value)))),
                    [key] => Self::List(Box::new(Self::of(key))),
                    _ => Self::Plain,
                }
            }
            _ => Self::Group(inner.iter().map(|field| Self::of(field)).collect()),
        }
    }

    /// The element of a list: what is repeated, or the only thing in it (the format's rules for old files).
    fn of_element(repeated: &Type) -> Self {
        if repeated.is_primitive() {
            return Self::of(repeated);
        }
        let is_repeated = |field: &Type| {
            field.get_basic_info().has_repetition() && field.get_basic_info().repetition() == Repetition::REPEATED
        };
        match repeated.get_fields() {
            [only] if repeated.get_basic_info().converted_type() == ConvertedType::LIST || is_repeated(only) => {
                Self::of(only)
            }
            [only] if repeated.name() != "array" && !repeated.name().ends_with("_tuple") => Self::of(only),
            _ => Self::of(repeated),
        }
    }

    /// A value as JSON.
    ///
    /// # Errors
    /// What is wrong with it, to stand behind the name of the column.
    pub fn value(&self, field: Field) -> Result<Value, String> {
        Ok(match field {
            Field::Null => Value::Null,
            Field::Bool(value) => value.into(),
            Field::Byte(value) => value.into(),
            Field::Short(value) => value.into(),
            Field::Int(value) => self.integer(value.into())?,
            Field::Long(value) => self.integer(value)?,
            Field::UByte(value) => value.into(),
            Field::UShort(value) => value.into(),
            Field::UInt(value) => value.into(),
            Field::ULong(value) => value.into(),
            Field::Float16(value) => float(value.to_f32().into(), value.to_f32()),
            Field::Float(value) => float(value.into(), value),
            Field::Double(value) => double(value),
            // A scale of zero leaves a point at the end.
            Field::Decimal(_) => field.to_string().trim_end_matches('.').into(),
            Field::Str(text) => self.text(text),
            Field::Bytes(bytes) => self.bytes(bytes.data()),
            Field::Date(days) => date(days)?,
            Field::TimeMillis(value) => time(value.into(), 1_000_000)?,
            Field::TimeMicros(value) => time(value, 1_000)?,
            Field::TimestampMillis(value) => moment(value, 1_000_000, self.is_utc())?,
            Field::TimestampMicros(value) => moment(value, 1_000, self.is_utc())?,
            Field::Group(row) => self.group(row.into_columns())?,
            Field::ListInternal(list) => {
                list.elements().iter().map(|item| self.element().value(item.clone())).collect::<Result<_, _>>()?
            }
            Field::MapInternal(map) => self.map(map.entries())?,
        })
    }

    fn integer(&self, value: i64) -> Result<Value, String> {
        match *self {
            Self::Moment { nanoseconds, utc } => moment(value, nanoseconds, utc),
            Self::Time { nanoseconds } => time(value, nanoseconds),
            Self::Plain | Self::Uuid | Self::Json | Self::List(_) | Self::Map(_) | Self::Group(_) => Ok(value.into()),
        }
    }

    /// Files from before zones could be said meant UTC.
    fn is_utc(&self) -> bool {
        !matches!(self, Self::Moment { utc: false, .. })
    }

    fn text(&self, text: String) -> Value {
        let parsed = if *self == Self::Json { serde_json::from_str(&text).ok() } else { None };
        parsed.unwrap_or(Value::String(text))
    }

    fn bytes(&self, bytes: &[u8]) -> Value {
        let mut text = String::with_capacity(36);
        if *self != Self::Uuid || bytes.len() != 16 {
            return STANDARD.encode(bytes).into();
        }
        for (position, byte) in bytes.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        text.into()
    }

    /// What stands in a list: a repeated column is a list of what it is itself.
    fn element(&self) -> &Self {
        if let Self::List(element) = self { element } else { self }
    }

    fn group(&self, columns: Vec<(String, Field)>) -> Result<Value, String> {
        let shapes = if let Self::Group(shapes) = self { shapes.as_slice() } else { &[] };
        let mut map = Map::with_capacity(columns.len());
        for (position, (name, field)) in columns.into_iter().enumerate() {
            map.insert(name, shapes.get(position).unwrap_or(&Self::Plain).value(field)?);
        }
        Ok(Value::Object(map))
    }

    fn map(&self, entries: &[(Field, Field)]) -> Result<Value, String> {
        let plain = (Self::Plain, Self::Plain);
        let (keys, values) = if let Self::Map(shapes) = self { shapes.as_ref() } else { &plain };
        let mut map = Map::with_capacity(entries.len());
        for (key, value) in entries {
            let key = match keys.value(key.clone())? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            map.insert(key, values.value(value.clone())?);
        }
        Ok(Value::Object(map))
    }
}

/// Nanoseconds of a unit.
fn length(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000_000,
        TimeUnit::MICROS => 1_000,
        TimeUnit::NANOS => 1,
    }
}

/// A number of single precision by its own shortest digits: 0.1, not 0.10000000149011612.
fn float(exact: f64, value: f32) -> Value {
    double(if value.is_finite() { value.to_string().parse().unwrap_or(exact) } else { exact })
}

fn double(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| infinite(value).into(), Value::Number)
}

fn infinite(value: f64) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    }
}

fn moment(value: i64, nanoseconds: i64, utc: bool) -> Result<Value, String> {
    let out_of_range = || format!("holds a moment out of range: {value} x {nanoseconds} ns from 1970");
    let since = i128::from(value) * i128::from(nanoseconds);
    let stamp = Timestamp::from_nanosecond(since).map_err(|_| out_of_range())?;
    if utc {
        return Ok(stamp.to_string().into());
    }
    let civil: DateTime = jiff::tz::Offset::UTC.to_datetime(stamp);
    Ok(civil.to_string().into())
}

fn date(days: i32) -> Result<Value, String> {
    let date = Date::constant(1970, 1, 1).checked_add(SignedDuration::from_hours(i64::from(days) * 24));
    date.map(|date| date.to_string().into()).map_err(|_| format!("holds a date out of range: {days} days from 1970"))
}

fn time(value: i64, nanoseconds: i64) -> Result<Value, String> {
    let since = value.checked_mul(nanoseconds).filter(|since| *since >= 0).map(SignedDuration::from_nanos);
    let time = since.and_then(|since| Time::midnight().checked_add(since).ok());
    time.map(|time| time.to_string().into())
        .ok_or_else(|| format!("holds a time of day out of range: {value} x {nanoseconds} ns"))
}

#[cfg(test)]
mod tests {
    use ::parquet::schema::parser::parse_message_type;

    use super::*;

    #[test]
    fn what_would_lose_digits_is_not_read() {
        for (column, is_read) in [("int96 t", false), ("int64 t (TIMESTAMP(NANOS, true))", true), ("double t", true)] {
            for text in [
                format!("message m {{ required {column}; }}"),
                format!("message m {{ required group g {{ optional {column}; }} }}"),
            ] {
                assert_eq!(unread(&parse_message_type(&text).unwrap()).is_none(), is_read, "{text}");
            }
        }
    }
}
