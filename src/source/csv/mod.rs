//! `input.csv`: rows of delimited text, RFC 4180 as the world writes it.
//!
//! A byte order mark, CRLF and blank lines are understood; a row that does not fit the header, or is not in
//! its encoding, is a bad row and the next one is read. Must never guess: a row whose quote is never closed is
//! bad, and ends at a cap; UTF-16 is refused where no encoding is named, and so are two delimiters that both fit.

mod reader;
mod sniff;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod torture;

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use encoding_rs::Encoding;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::charset::{self, Decoded};
use super::file::{self, Opening};
use super::problem::{Problem, settle, spec};
use super::unpack::{Packing, inner};
use super::{Columns, Counted, Source, SourceError, SourceKind, SourcePlan};
use crate::row::Header;

pub(super) use reader::{Fault, Reader, Rows};
use sniff::{Sniffed, sniff};

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "csv",
    doc: "rows of a CSV or TSV file, columns named by its header",
    example: r#"input.csv = { path = "products.csv" }"#,
    endings: &["csv", "tsv"],
    reads_packed: true,
    schema: <CsvSpec as JsonSchema>::json_schema,
    compile: |site, path, value| {
        let decision = decide(value, |written| site.file(written)).map_err(Problem::from);
        settle(site, path, decision)
    },
};

/// A CSV or TSV file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CsvSpec {
    /// The file, relative to the job file.
    #[schemars(length(min = 1), extend("examples" = ["products.csv"]))]
    path: String,
    /// The character between cells; default a tab for .tsv files, and for others what fits the first rows: a comma,
    /// a semicolon, a tab or a bar.
    #[schemars(length(min = 1, max = 1), extend("examples" = [";"]))]
    delimiter: Option<String>,
    /// Whether the first row names the columns; without, they are c1, c2, and so on.
    #[serde(default = "yes")]
    header: bool,
    /// What the text is written in, by a name that browsers know, such as windows-1252, utf-16 or shift_jis; default
    /// UTF-8. A byte order mark wins over it.
    #[schemars(length(min = 1), extend("examples" = ["windows-1252"]))]
    encoding: Option<String>,
}

fn yes() -> bool {
    true
}

/// What stands in a file, as UTF-8.
type Text = Box<dyn Read + Send>;

/// A CSV file, decided; its header is read.
#[derive(Debug)]
struct CsvPlan {
    path: PathBuf,
    packing: Option<Packing>,
    encoding: Option<&'static Encoding>,
    delimiter: u8,
    named: bool,
    header: Arc<Header>,
}

/// Why a file gives no names of columns, in words.
#[derive(Debug, PartialEq, Eq)]
pub enum NoColumns {
    /// What is there can't be read as rows.
    Unreadable(String),
    /// Its first row does not name every column, each once.
    Unnamed(String),
}

/// The names of the columns of a CSV or TSV file, as a job reads it that says nothing but its path.
///
/// # Errors
/// See [`NoColumns`].
pub fn columns(path: &Path) -> Result<Vec<String>, NoColumns> {
    let plan = decide(&serde_json::json!({ "path": path.display().to_string() }), |_| path.to_path_buf());
    plan.map(|plan| plan.header.names().to_vec()).map_err(|refused| match refused {
        Refused::Unnamed(problem) => NoColumns::Unnamed(problem.message),
        Refused::Other(problem) => NoColumns::Unreadable(problem.message),
    })
}

/// What is wrong with a file or what is said of it.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// The first row does not name every column, each once.
    Unnamed(Problem),
    Other(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unnamed(problem) | Refused::Other(problem) => problem,
        }
    }
}

fn decide(value: &Value, file: impl Fn(&str) -> PathBuf) -> Result<CsvPlan, Refused> {
    let spec: CsvSpec = spec(value)?;
    if spec.path.is_empty() {
        return Err(Problem::value(Some("path"), "the path is empty", "name the file to read").into());
    }
    let written = spec.delimiter.as_deref().map(delimiter).transpose()?;
    let encoding = spec.encoding.as_deref().map(charset::named).transpose()?.flatten();
    let path = file(&spec.path);
    let (content, packing) = file::survey_text(&path)?;
    let mut content = decoded(content, encoding);
    let head = head(&mut content).map_err(|error| file::unreadable(&path, &error))?;
    let delimiter = match written {
        Some(delimiter) => delimiter,
        None if is_tsv(&path) => b'\t',
        None => found(&head, &path)?,
    };
    let content: Text = Box::new(io::Cursor::new(head).chain(content));
    let rows = Rows::new(content, path.display().to_string(), delimiter).encoded(encoding);
    let header = read_header(rows, &path, &spec)?;
    Ok(CsvPlan { path, packing, encoding, delimiter, named: spec.header, header })
}

fn delimiter(written: &str) -> Result<u8, Problem> {
    match written.as_bytes() {
        &[byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Ok(byte),
        _ => Err(Problem::value(
            Some("delimiter"),
            "a delimiter is one ASCII character, and no quote or line end",
            r#"for example `delimiter = ";"` or `delimiter = "\t"`"#,
        )),
    }
}

fn decoded(text: impl Read + Send + 'static, encoding: Option<&'static Encoding>) -> Text {
    match encoding {
        Some(encoding) => Box::new(Decoded::new(text, encoding)),
        None => Box::new(text),
    }
}

fn head(text: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    text.take(sniff::HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// The delimiter that fits the head of a file.
fn found(head: &[u8], path: &Path) -> Result<u8, Problem> {
    let whole = (head.len() as u64) < sniff::HEAD;
    let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    // It is refused for that, in better words.
    if matches!(file::opening(&mut &*head), Ok(Opening::Utf16(_))) {
        return Ok(b',');
    }
    match sniff(text, whole) {
        Sniffed::Found(delimiter) => Ok(delimiter),
        Sniffed::Unclear(two) => {
            let [first, second] = two.map(|(delimiter, _)| sniff::shown(delimiter));
            let help = format!("say which it is: `delimiter = \"{first}\"` or `delimiter = \"{second}\"`");
            Err(Problem::input(sniff::either(&path.display().to_string(), two), help))
        }
    }
}

/// Whether a file's ending says that cells stand between tabs.
pub(crate) fn is_tsv(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).map(inner).unwrap_or_default();
    Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"))
}

fn read_header(mut rows: Rows<Text>, path: &Path, spec: &CsvSpec) -> Result<Arc<Header>, Refused> {
    let name = path.display();
    let written = |encoding: &str| format!("`input.csv = {{ path = {:?}, encoding = \"{encoding}\" }}`", spec.path);
    let header = if spec.header { rows.header() } else { rows.numbered() };
    let unnamed = |message: String, help: &str| Refused::Unnamed(Problem::input(message, help));
    header.map(Arc::new).map_err(|fault| match fault {
        Fault::Empty => unnamed(
            format!("{name} is empty"),
            if spec.header {
                "write the names of the columns into its first row"
            } else {
                "write a row into it: the columns are counted from the first"
            },
        ),
        Fault::Unnamed(position) => unnamed(
            format!("column {position} of {name} has no name"),
            "name it in the first row, or set `header = false` where the first row is data",
        ),
        Fault::Twice(column) => unnamed(
            format!("{name} names the column `{column}` twice"),
            "rename one of them in the first row, or set `header = false` where the first row is data",
        ),
        Fault::Utf16(encoding) => {
            let help = format!("name its encoding: {}", written(encoding));
            Problem::input(format!("{name} can't be read: {}", file::UTF16), help).into()
        }
        Fault::Undecoded => {
            let help = format!("name its encoding, such as {}", written("windows-1252"));
            Problem::input(format!("the first row of {name} is not {}", rows.encoding()), help).into()
        }
        Fault::Unclosed(line) => Problem::input(rows.unclosed_at(line), reader::CLOSE).into(),
        Fault::Failed(error) => Problem::input(error.message, "see whether the file is what it should be").into(),
    })
}

impl CsvPlan {
    fn rows(&self) -> Result<Rows<Text>, SourceError> {
        let text = decoded(file::text(&self.path)?, self.encoding);
        Ok(Rows::new(text, self.path.display().to_string(), self.delimiter).encoded(self.encoding))
    }

    /// A reader behind the header, which must be what it was when the job was compiled.
    fn reader(&self) -> Result<Reader<Text>, SourceError> {
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
        let mut line = format!("{} (csv, {columns} column{plural}", self.path.display());
        // What goes without saying is not said.
        if self.delimiter != if is_tsv(&self.path) { b'\t' } else { b',' } {
            line.push_str(&format!(" between `{}`", char::from(self.delimiter).escape_default()));
        }
        let packing = self.packing.map(Packing::name);
        let encoding = self.encoding.map(Encoding::name);
        [encoding, packing].into_iter().flatten().for_each(|word| line.extend([", ", word]));
        line + ")"
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn columns(&self) -> Columns {
        Columns::Known(Arc::clone(&self.header))
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(self.survey()?.rows)
    }

    fn survey(&self) -> Result<Counted, SourceError> {
        self.reader()?.survey()
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        let shape = if self.named { "header" } else { "no header" };
        let delimiter = char::from(self.delimiter).escape_default();
        let encoding = self.encoding.map(|encoding| format!(", {}", encoding.name())).unwrap_or_default();
        Ok(Some(format!("csv, {shape}, delimiter {delimiter}{encoding}, {}", file::identity(&self.path)?)))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(self.reader()?))
    }
}
