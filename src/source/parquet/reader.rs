//! Rows of a Parquet file, one row group after the other.
//!
//! The crate decodes a page of each column at a time. What it can't make sense of is an error that names
//! the file, a panic of its decoders too: they trust what a file says of itself more than is good.

use std::fs::File;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::reader::FileReader as _;
use ::parquet::file::serialized_reader::SerializedFileReader;
use ::parquet::record::reader::{ReaderIter, TreeBuilder};
use serde_json::Map;

use super::quiet::quietly;
use super::shape::Shape;
use crate::row::{Fields, Row};
use crate::source::{Read, Source, SourceError};

/// Values of a column that are decoded at once.
const DECODED: usize = 256;

/// A file whose footer was read.
pub(crate) type Footer = SerializedFileReader<File>;

/// Reads the footer of the file that is called `name` in messages.
pub(crate) fn footer(content: File, name: &str) -> Result<Footer, SourceError> {
    guarded(|| Footer::new(content)).map_err(|why| SourceError::new(format!("{name} can't be read as Parquet: {why}")))
}

/// Number of rows of all row groups.
pub(super) fn rows(metadata: &ParquetMetaData) -> u64 {
    (0..metadata.num_row_groups()).map(|group| group_rows(metadata, group)).sum()
}

fn group_rows(metadata: &ParquetMetaData, group: usize) -> u64 {
    u64::try_from(metadata.row_group(group).num_rows()).unwrap_or(0)
}

/// What the crate says, or that it gave up.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match quietly(read) {
        Ok(result) => result.map_err(|error| error.to_string().trim_start_matches("Parquet error: ").to_owned()),
        Err(_) => Err("it contradicts itself; see whether it is whole".to_owned()),
    }
}

/// A Parquet file being read.
pub(super) struct Reader {
    footer: Footer,
    name: String,
    /// What stands in each column.
    shapes: Vec<(String, Shape)>,
    /// The row group at hand, when one is open.
    open: Option<ReaderIter>,
    /// The row group to open next.
    group: usize,
    ordinal: u64,
}

impl Reader {
    /// Begins at the first row.
    pub fn new(footer: Footer, name: String) -> Self {
        let fields = footer.metadata().file_metadata().schema().get_fields();
        let shapes = fields.iter().map(|field| (field.name().to_owned(), Shape::of(field))).collect();
        Self { footer, name, shapes, open: None, group: 0, ordinal: 0 }
    }

    /// Names of the columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &String> {
        self.shapes.iter().map(|(name, _)| name)
    }

    fn broken(&self, why: &str) -> SourceError {
        SourceError::new(format!("{} can't be read any further after row {}: {why}", self.name, self.ordinal))
    }

    /// Opens the next row group; `false` when there is none.
    fn advance(&mut self) -> Result<bool, SourceError> {
        if self.group >= self.footer.metadata().num_row_groups() {
            return Ok(false);
        }
        let schema = self.footer.metadata().file_metadata().schema_descr_ptr();
        let opened = guarded(|| {
            let group = self.footer.get_row_group(self.group)?;
            TreeBuilder::new().with_batch_size(DECODED).as_iter(schema, group.as_ref())
        });
        self.open = Some(opened.map_err(|why| self.broken(&why))?);
        self.group += 1;
        Ok(true)
    }

    /// The next row as the crate gives it.
    fn decoded(&mut self) -> Result<Option<::parquet::record::Row>, SourceError> {
        loop {
            if let Some(open) = &mut self.open {
                match guarded(|| open.next().transpose()) {
                    Ok(Some(row)) => return Ok(Some(row)),
                    Ok(None) => self.open = None,
                    Err(why) => return Err(self.broken(&why)),
                }
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }

    fn row(&self, decoded: ::parquet::record::Row) -> Read {
        let (mut map, mut wrong) = (Map::with_capacity(self.shapes.len()), None);
        for ((name, shape), (_, field)) in self.shapes.iter().zip(decoded.into_columns()) {
            let value = shape.value(field).unwrap_or_else(|why| {
                wrong.get_or_insert_with(|| {
                    format!("row {} of {}: the column `{name}` {why}", self.ordinal + 1, self.name)
                });
                serde_json::Value::Null
            });
            map.insert(name.clone(), value);
        }
        let row = Row { ordinal: self.ordinal, line: 0, fields: Fields::Object(map) };
        match wrong {
            None => Read::Row(row),
            Some(reason) => Read::Bad { row, reason },
        }
    }
}

impl Source for Reader {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        let Some(decoded) = self.decoded()? else { return Ok(None) };
        let read = self.row(decoded);
        self.ordinal += 1;
        Ok(Some(read))
    }

    fn skip(&mut self, mut rows: u64) -> Result<(), SourceError> {
        while rows > 0 {
            let metadata = self.footer.metadata();
            if self.open.is_none() && self.group < metadata.num_row_groups() {
                let whole = group_rows(metadata, self.group);
                if whole <= rows {
                    (self.group, self.ordinal, rows) = (self.group + 1, self.ordinal + whole, rows - whole);
                    continue;
                }
            }
            if self.decoded()?.is_none() {
                break;
            }
            (self.ordinal, rows) = (self.ordinal + 1, rows - 1);
        }
        Ok(())
    }
}
