//! A Parquet file, decided: what its footer says. Must never read a row.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::file::reader::FileReader as _;
use ::parquet::schema::types::Type;

use super::reader::{self, Reader};
use super::{KIND, shape};
use crate::row::Header;
use crate::source::problem::Problem;
use crate::source::{Columns, Source, SourceError, SourcePlan, file};

/// A Parquet file whose footer was read.
#[derive(Debug)]
pub(super) struct ParquetPlan {
    path: PathBuf,
    header: Arc<Header>,
    rows: u64,
}

/// Reads the footer of a file.
///
/// # Errors
/// When it is no whole Parquet file, or holds what is not read.
pub(super) fn survey(path: PathBuf, content: File) -> Result<ParquetPlan, Problem> {
    let name = path.display().to_string();
    let footer = reader::footer(content, &name).map_err(|error| {
        Problem::input(error.message, "see whether it is a Parquet file, and whole: its footer is its end")
    })?;
    let schema = footer.metadata().file_metadata().schema();
    let header = Arc::new(columns(schema, &name)?);
    let rows = reader::rows(footer.metadata());
    Ok(ParquetPlan { path, header, rows })
}

fn columns(schema: &Type, name: &str) -> Result<Header, Problem> {
    let names: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    for (position, field) in schema.get_fields().iter().enumerate() {
        let column = field.name();
        if names[..position].iter().any(|known| known == column) {
            let message = format!("{name} names the column `{column}` twice");
            return Err(Problem::input(message, "rename one of them where the file is written"));
        }
        if let Some(what) = shape::unread(field) {
            let message = format!("the column `{column}` of {name} holds {what}, which is not read");
            return Err(Problem::input(
                message,
                "write it as a text, a number or a TIMESTAMP, or leave it out of the file",
            ));
        }
    }
    Ok(Header::new(names))
}

impl SourcePlan for ParquetPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let columns = self.header.names().len();
        let plural = if columns == 1 { "" } else { "s" };
        format!("{} (parquet, {columns} column{plural})", self.path.display())
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn columns(&self) -> Columns {
        Columns::Known(Arc::clone(&self.header))
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        let name = self.path.display().to_string();
        let footer = reader::footer(file::open(&self.path)?, &name)?;
        Ok(Some(reader::rows(footer.metadata())))
    }

    fn quick_count(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        Ok(Some(format!("parquet, {}", file::identity(&self.path)?)))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        let name = self.path.display().to_string();
        let reader = Reader::new(reader::footer(file::open(&self.path)?, &name)?, name);
        if reader.columns().ne(self.header.names()) {
            let message = format!("the columns of {} have changed since the job was read", self.path.display());
            return Err(SourceError::new(message));
        }
        Ok(Box::new(reader))
    }
}
