//! A SQLite file, opened to be read and nothing else.
//!
//! A statement borrows its connection, so both live on a thread of their own, which is never more than
//! two chunks of rows ahead. While rows are read the file can't be written by others, unless it is in WAL
//! mode. Must never end without saying so: rows that stop coming are an end only when it was told.

use std::collections::HashSet;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, InterruptHandle, OpenFlags, Statement};
use serde_json::{Map, Number, Value};

use super::{KIND, shown};
use crate::row::{Fields, Header, Row};
use crate::source::problem::Problem;
use crate::source::{Columns, Read, Source, SourceError, SourcePlan, file};

/// Rows that travel together.
const CHUNK: usize = 64;

/// A query of a SQLite file, decided; its columns are known.
#[derive(Debug)]
pub(super) struct SqlitePlan {
    path: PathBuf,
    query: String,
    header: Arc<Header>,
}

/// Looks at the columns of a query.
///
/// # Errors
/// When the file is no database or the query is none that can be read.
pub(super) fn survey(path: PathBuf, query: &str) -> Result<SqlitePlan, Problem> {
    let at = |key, message: String, help: &str| Problem { key: Some(key), ..Problem::input(message, help) };
    let connection = connect(&path).map_err(|why| {
        let message = format!("{} can't be read as a SQLite database: {why}", path.display());
        at("url", message, "see whether it is one, and whole")
    })?;
    let statement = prepare(&connection, query).map_err(|why| at("query", format!("the query {why}"), EXAMPLE))?;
    let header = Arc::new(Header::new(statement.column_names().map(str::to_owned).collect()));
    let mut seen = HashSet::new();
    if let Some(twice) = header.names().iter().find(|name| !seen.insert(name.as_str())) {
        let help = format!("give one of them another name: `{twice} AS other`");
        return Err(at("query", format!("the query names the column `{twice}` twice"), &help));
    }
    drop(statement);
    drop(connection);
    Ok(SqlitePlan { path, query: query.to_owned(), header })
}

const EXAMPLE: &str = "write one SELECT, such as `SELECT sku, price FROM products ORDER BY sku`";

fn connect(path: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| words(&error))?;
    // The first page says whether it is a database at all.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(|error| words(&error))?;
    Ok(connection)
}

/// What SQLite said, without numbers of its own.
fn words(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        Error::SqlInputError { msg, offset, .. } => match offset {
            0.. => format!("{msg} (at character {})", offset + 1),
            _ => msg.clone(),
        },
        other => other.to_string(),
    }
}

fn prepare<'c>(connection: &'c Connection, query: &str) -> Result<Statement<'c>, String> {
    let statement = connection.prepare(query).map_err(|error| match error {
        Error::MultipleStatement => "is more than one statement".to_owned(),
        error => format!("can't be read: SQLite says: {}", words(&error)),
    })?;
    if !statement.readonly() {
        return Err("would write to the database, which is only read".to_owned());
    }
    if statement.column_count() == 0 {
        return Err("gives no columns".to_owned());
    }
    if statement.parameter_count() > 0 {
        return Err("has parameters, and nothing gives them values".to_owned());
    }
    Ok(statement)
}

impl SqlitePlan {
    fn connection(&self) -> Result<Connection, SourceError> {
        file::open(&self.path)?;
        connect(&self.path).map_err(|why| SourceError::new(format!("{} can't be read: {why}", self.path.display())))
    }

    /// Whether changes go to a log beside the file first (WAL): then no place in the file counts them, and a checkpoint
    /// moves them without changing anything. Without a log every change counts in the first page.
    fn is_logged(&self) -> Result<bool, SourceError> {
        /// File format write and read version; 2 is WAL (sqlite.org/fileformat2.html, 1.3.3).
        const VERSIONS: u64 = 18;
        let mut versions = [0; 2];
        let read = file::open(&self.path)?.read_exact_at(&mut versions, VERSIONS);
        Ok(read.is_ok() && versions.contains(&2))
    }

    /// What the query gives, as a checksum.
    fn content(&self) -> Result<String, SourceError> {
        let (mut source, mut hasher, mut rows) = (self.open()?, crc32fast::Hasher::new(), 0_u64);
        while let Some(read) = source.next()? {
            let (Read::Row(row) | Read::Bad { row, .. } | Read::Skipped { row, .. }) = read;
            hasher.update(Value::Object(row.to_object()).to_string().as_bytes());
            rows += 1;
        }
        Ok(format!("sqlite, {rows} rows, content {:08x}", hasher.finalize()))
    }

    fn failed(&self, why: &str) -> SourceError {
        SourceError::new(format!("the query `{}` of {} {why}", shown(&self.query), self.path.display()))
    }
}

impl SourcePlan for SqlitePlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let columns = self.header.names().len();
        let plural = if columns == 1 { "" } else { "s" };
        format!("{} (sql, {columns} column{plural})", self.path.display())
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn columns(&self) -> Columns {
        Columns::Known(Arc::clone(&self.header))
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        let connection = self.connection()?;
        let mut statement = prepare(&connection, &self.query).map_err(|why| self.failed(&why))?;
        let (mut rows, mut count) = (statement.raw_query(), 0);
        while rows.next().map_err(|error| self.failed(&format!("failed: SQLite says: {}", words(&error))))?.is_some() {
            count += 1;
        }
        Ok(Some(count))
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        // The query is part of the job's identity.
        if self.is_logged()? {
            self.content().map(Some)
        } else {
            Ok(Some(format!("sqlite, {}", file::identity(&self.path)?)))
        }
    }

    fn is_snapshot(&self) -> bool {
        true
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        let connection = self.connection()?;
        let statement = prepare(&connection, &self.query).map_err(|why| self.failed(&why))?;
        if statement.column_names().ne(self.header.names()) {
            return Err(self.failed("gives other columns than when the job was read"));
        }
        drop(statement);
        let interrupt = connection.get_interrupt_handle();
        let (query, header) = (self.query.clone(), Arc::clone(&self.header));
        let failed = self.failed("failed");
        let reading = Reading { connection, query, header, failed };
        Ok(Box::new(Reader { idle: Some(reading), interrupt, rows: None, chunk: Chunk::default(), passed: 0 }))
    }
}

/// Rows that travel together.
#[derive(Default)]
struct Chunk {
    rows: std::vec::IntoIter<Read>,
    /// Whether no more come.
    last: bool,
}

type Told = Result<Chunk, SourceError>;

/// A query being read.
struct Reader {
    /// What the thread will do, until the first row is asked for.
    idle: Option<Reading>,
    interrupt: InterruptHandle,
    rows: Option<Receiver<Told>>,
    chunk: Chunk,
    /// Rows to pass over before the first.
    passed: u64,
}

impl Reader {
    /// Starts the thread, when it has not been.
    fn started(&mut self) -> Result<(), SourceError> {
        let Some(reading) = self.idle.take() else { return Ok(()) };
        let (sender, receiver) = sync_channel(1);
        let passed = self.passed;
        let thread = std::thread::Builder::new().name("sqlite".to_owned());
        let spawned = thread.spawn(move || reading.run(passed, &sender));
        spawned.map_err(|error| SourceError::new(format!("no thread can be made to read from: {error}")))?;
        self.rows = Some(receiver);
        Ok(())
    }
}

impl Source for Reader {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        self.started()?;
        loop {
            if let Some(read) = self.chunk.rows.next() {
                return Ok(Some(read));
            }
            if self.chunk.last {
                return Ok(None);
            }
            let told = self.rows.as_ref().and_then(|rows| rows.recv().ok());
            let broken = || Err(SourceError::new("the thread that reads SQLite ended early; this is a bug"));
            self.chunk = told.unwrap_or_else(broken)?;
        }
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        if self.idle.is_some() {
            self.passed += rows;
            return Ok(());
        }
        for _ in 0..rows {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A query that sorts for minutes before its first row would keep the thread.
        self.interrupt.interrupt();
    }
}

/// What the thread reads from.
struct Reading {
    connection: Connection,
    query: String,
    header: Arc<Header>,
    /// What is said before what SQLite says.
    failed: SourceError,
}

impl Reading {
    fn run(self, passed: u64, chunks: &SyncSender<Told>) {
        if let Err(why) = self.read(passed, chunks) {
            // Nobody listens any more when this fails.
            let _ = chunks.send(Err(SourceError::new(format!("{}: SQLite says: {why}", self.failed))));
        }
    }

    fn read(&self, passed: u64, chunks: &SyncSender<Told>) -> Result<(), String> {
        let mut statement = self.connection.prepare(&self.query).map_err(|error| words(&error))?;
        let mut rows = statement.raw_query();
        let (mut chunk, mut ordinal) = (Vec::with_capacity(CHUNK), 0);
        while let Some(row) = rows.next().map_err(|error| words(&error))? {
            if ordinal >= passed {
                chunk.push(self.row(row, ordinal));
            }
            ordinal += 1;
            if chunk.len() == CHUNK {
                let rows = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)).into_iter();
                if chunks.send(Ok(Chunk { rows, last: false })).is_err() {
                    return Ok(());
                }
            }
        }
        // Nobody listens any more when this fails.
        let _ = chunks.send(Ok(Chunk { rows: chunk.into_iter(), last: true }));
        Ok(())
    }

    fn row(&self, row: &rusqlite::Row<'_>, ordinal: u64) -> Read {
        let (mut map, mut wrong) = (Map::with_capacity(self.header.names().len()), None);
        for (position, name) in self.header.names().iter().enumerate() {
            let found = row.get_ref(position).map_err(|error| words(&error)).and_then(value);
            let value = found.unwrap_or_else(|why| {
                wrong.get_or_insert_with(|| format!("row {} of the query: the column `{name}` {why}", ordinal + 1));
                Value::Null
            });
            map.insert(name.clone(), value);
        }
        let row = Row { ordinal, line: 0, fields: Fields::Object(map) };
        match wrong {
            None => Read::Row(row),
            Some(reason) => Read::Bad { row, reason },
        }
    }
}

fn value(found: ValueRef<'_>) -> Result<Value, String> {
    Ok(match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => value.into(),
        ValueRef::Real(value) => Number::from_f64(value).map_or_else(
            // SQLite has no NaN.
            || if value > 0.0 { "Infinity".into() } else { "-Infinity".into() },
            Value::Number,
        ),
        ValueRef::Text(text) => std::str::from_utf8(text).map_err(|_| "is not UTF-8".to_owned())?.into(),
        ValueRef::Blob(bytes) => STANDARD.encode(bytes).into(),
    })
}
