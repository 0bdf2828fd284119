//! The records of a row group, column by column.
//!
//! Parquet has all values of a column beside each other, so that the records of a group have to be held until it is
//! written: a bounded number of bounded bytes. Must never hold a whole part.

use ::parquet::column::writer::ColumnWriterImpl;
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use bytes::Bytes;
use serde_json::Value;

use super::schema::microseconds;
use crate::sink::ColumnType;
use crate::sink::spooled::Head;

/// Most records of a group.
const ROWS: usize = 128 << 10;

/// Bytes of values after which a group ends: what readers hold of it, and we.
const BYTES: usize = 16 << 20;

/// Values that are handed to the writer at once.
const BATCH: usize = 4096;

/// The values of a column that are not null.
#[derive(Debug)]
enum Values {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    /// All texts in one, and where each ends.
    Text(Vec<u8>, Vec<usize>),
}

#[derive(Debug)]
struct Column {
    kind: ColumnType,
    /// 1 for each value, 0 for each null.
    levels: Vec<i16>,
    values: Values,
}

/// A row group that is being filled.
#[derive(Debug)]
pub(super) struct Group {
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl Group {
    /// An empty one.
    pub fn new(head: &Head) -> Self {
        let columns = head.types.iter().map(|kind| Column::new(*kind)).collect();
        Self { columns, rows: 0, bytes: 0 }
    }

    /// Adds a record. Why it can't be added: it was not asked whether it fits.
    pub fn push(&mut self, record: &[Value]) -> Result<(), String> {
        if record.len() != self.columns.len() {
            return Err(format!("a record of its spool has {} values, not {}", record.len(), self.columns.len()));
        }
        for (column, value) in self.columns.iter_mut().zip(record) {
            self.bytes += column.push(value)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Whether it is as large as a group may be.
    pub fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }

    /// Writes it, where it holds anything, and is empty again.
    pub fn write<W: std::io::Write + Send>(&mut self, file: &mut SerializedFileWriter<W>) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = file.next_row_group()?;
        for column in &mut self.columns {
            let mut writer =
                group.next_column()?.ok_or_else(|| ParquetError::General("a column is missing".to_owned()))?;
            column.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Column {
    fn new(kind: ColumnType) -> Self {
        let values = match kind {
            ColumnType::Bool => Values::Bool(Vec::new()),
            ColumnType::Int | ColumnType::Timestamp => Values::Int(Vec::new()),
            ColumnType::Float => Values::Float(Vec::new()),
            ColumnType::Json | ColumnType::Text => Values::Text(Vec::new(), Vec::new()),
        };
        Self { kind, levels: Vec::new(), values }
    }

    /// Adds a value; how many bytes that takes.
    fn push(&mut self, value: &Value) -> Result<usize, String> {
        self.levels.push(i16::from(!value.is_null()));
        if value.is_null() {
            return Ok(size_of::<i16>());
        }
        let wrong = || format!("a value of its spool is no {}: {value}", self.kind.word());
        match (&mut self.values, self.kind) {
            (Values::Bool(values), _) => values.push(value.as_bool().ok_or_else(wrong)?),
            (Values::Int(values), ColumnType::Timestamp) => {
                values.push(value.as_str().and_then(microseconds).ok_or_else(wrong)?);
            }
            (Values::Int(values), _) => values.push(value.as_i64().ok_or_else(wrong)?),
            (Values::Float(values), _) => values.push(value.as_f64().ok_or_else(wrong)?),
            (Values::Text(text, ends), kind) => {
                let before = text.len();
                match value {
                    Value::String(value) if kind == ColumnType::Text => text.extend_from_slice(value.as_bytes()),
                    other => text.extend_from_slice(other.to_string().as_bytes()),
                }
                ends.push(text.len());
                return Ok(text.len() - before + size_of::<usize>());
            }
        }
        Ok(size_of::<i64>())
    }

    /// Writes what it holds, and holds nothing.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = &self.levels;
        match &mut self.values {
            Values::Bool(values) => write::<BoolType>(writer.typed(), levels, |from, to| values[from..to].to_vec())?,
            Values::Int(values) => write::<Int64Type>(writer.typed(), levels, |from, to| values[from..to].to_vec())?,
            Values::Float(values) => write::<DoubleType>(writer.typed(), levels, |from, to| values[from..to].to_vec())?,
            Values::Text(text, ends) => {
                let text = Bytes::from(std::mem::take(text));
                let start = |index: usize| index.checked_sub(1).map_or(0, |before| ends[before]);
                write::<ByteArrayType>(writer.typed(), levels, |from, to| {
                    (from..to).map(|index| ByteArray::from(text.slice(start(index)..ends[index]))).collect()
                })?;
            }
        }
        self.levels.clear();
        match &mut self.values {
            Values::Bool(values) => values.clear(),
            Values::Int(values) => values.clear(),
            Values::Float(values) => values.clear(),
            Values::Text(_, ends) => ends.clear(),
        }
        Ok(())
    }
}

/// Hands a column over piece by piece; `values` gives those between two positions.
fn write<T: DataType>(
    writer: &mut ColumnWriterImpl<'_, T>,
    levels: &[i16],
    values: impl Fn(usize, usize) -> Vec<T::T>,
) -> Result<(), ParquetError> {
    let mut from = 0;
    for levels in levels.chunks(BATCH) {
        let to = from + levels.iter().filter(|level| **level == 1).count();
        writer.write_batch(&values(from, to), Some(levels), None)?;
        from = to;
    }
    Ok(())
}
