//! `input.csv`: rows of delimited text, RFC 4180 as the world writes it.
//!
//! A byte order mark, CRLF and blank lines are understood; a row that does not fit the header, or is
//! not UTF-8, is a bad row and the next one is read. Must never guess: a row whose quote is
//! never closed is bad, and ends at a cap; UTF-16 is refused.

mod reader;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::file;
use super::problem::{Problem, settle, spec};
use super::{Columns, Source, SourceError, SourceKind, SourcePlan};
use crate::row::Header;

pub(super) use reader::{Fault, Reader, Rows};

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "csv",
    doc: "rows of a CSV or TSV file, columns named by its header",
    example: r#"input.csv = { path = "products.csv" }"#,
    endings: &["csv", "tsv"],
    schema: <CsvSpec as JsonSchema>::json_schema,
    compile: |site, path, value| {
        let decision = decide(value, |written| site.file(written));
        settle(site, path, decision)
    },
};

/// A CSV or TSV file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CsvSpec {
    /// The file, relative to the job file.
    #[schemars(length(min = 1))]
    path: String,
    /// The character between cells; default "," and a tab for .tsv files.
    #[schemars(length(min = 1, max = 1))]
    delimiter: Option<String>,
    /// Whether the first row names the columns; without, they are c1, c2, and so on.
    #[serde(default = "yes")]
    header: bool,
}

fn yes() -> bool {
    true
}

/// A CSV file, decided; its header is read.
#[derive(Debug)]
struct CsvPlan {
    path: PathBuf,
    delimiter: u8,
    named: bool,
    header: Arc<Header>,
}

fn decide(value: &Value, file: impl Fn(&str) -> PathBuf) -> Result<CsvPlan, Problem> {
    let spec: CsvSpec = spec(value)?;
    if spec.path.is_empty() {
        return Err(Problem::value(Some("path"), "the path is empty", "name the file to read"));
    }
    let path = file(&spec.path);
    let delimiter = delimiter(spec.delimiter.as_deref(), &path)?;
    let content = file::survey(&path)?;
    let header = read_header(content, &path, delimiter, spec.header)?;
    Ok(CsvPlan { path, delimiter, named: spec.header, header })
}

fn delimiter(written: Option<&str>, path: &Path) -> Result<u8, Problem> {
    match written.map(str::as_bytes) {
        None if is_tsv(path) => Ok(b'\t'),
        None => Ok(b','),
        Some(&[byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Ok(byte),
        Some(_) => Err(Problem::value(
            Some("delimiter"),
            "a delimiter is one ASCII character, and no quote or line end",
            r#"for example `delimiter = ";"` or `delimiter = "\t"`"#,
        )),
    }
}

/// Whether a file's ending says that cells stand between tabs.
pub(crate) fn is_tsv(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"))
}

fn read_header(content: File, path: &Path, delimiter: u8, named: bool) -> Result<Arc<Header>, Problem> {
    let name = path.display();
    let mut rows = Rows::new(content, path.display().to_string(), delimiter);
    let header = if named { rows.header() } else { rows.numbered() };
    header.map(Arc::new).map_err(|fault| match fault {
        Fault::Empty => Problem::input(
            format!("{name} is empty"),
            if named {
                "write the names of the columns into its first row"
            } else {
                "write a row into it: the columns are counted from the first"
            },
        ),
        Fault::Unnamed(position) => Problem::input(
            format!("column {position} of {name} has no name"),
            "name it in the first row, or set `header = false` where the first row is data",
        ),
        Fault::Twice(column) => Problem::input(
            format!("{name} names the column `{column}` twice"),
            "rename one of them in the first row, or set `header = false` where the first row is data",
        ),
        Fault::Utf16 => Problem::input(format!("{name} can't be read: {}", file::UTF16), file::UTF16_HELP),
        Fault::NotUtf8 => Problem::input(
            format!("the first row of {name} is not UTF-8"),
            "convert it, such as with `iconv -f WINDOWS-1252 -t UTF-8`",
        ),
        Fault::Unclosed(line) => Problem::input(rows.unclosed_at(line), reader::CLOSE),
        Fault::Failed(error) => Problem::input(error.message, "see whether the file is what it should be"),
    })
}

impl CsvPlan {
    fn rows(&self) -> Result<Rows<File>, SourceError> {
        Ok(Rows::new(file::open(&self.path)?, self.path.display().to_string(), self.delimiter))
    }

    /// A reader behind the header, which must be what it was when the job was compiled.
    fn reader(&self) -> Result<Reader<File>, SourceError> {
        let mut rows = self.rows()?;
        if self.named {
            let found = rows.header().map_err(|fault| rows.explain(fault))?;
            if found != *self.header {
                let message = format!("the header of {} has changed since the job was read", self.path.display());
                return Err(SourceError::new(message));
            }
        }
        Ok(Reader::behind(rows, Arc::clone(&self.header)))
    }
}

impl SourcePlan for CsvPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let columns = self.header.names().len();
        let plural = if columns == 1 { "" } else { "s" };
        format!("{} (csv, {columns} column{plural})", self.path.display())
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn columns(&self) -> Columns {
        Columns::Known(Arc::clone(&self.header))
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        self.reader()?.count().map(Some)
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        let shape = if self.named { "header" } else { "no header" };
        let delimiter = char::from(self.delimiter).escape_default();
        Ok(Some(format!("csv, {shape}, delimiter {delimiter}, {}", file::identity(&self.path)?)))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(self.reader()?))
    }
}
