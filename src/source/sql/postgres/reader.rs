//! A cursor being read. Its texts keep every digit, which the binary forms of the crate would not.

use std::future::Future;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, SimpleQueryMessage, SimpleQueryRow};

use super::super::shown;
use super::value::Kind;
use crate::postgres::{self, name, words};
use crate::row::{Fields, Row};
use crate::source::{Read, Source, SourceError};

/// Rows of one fetch.
const CHUNK: usize = 256;
/// Most rows that one MOVE passes over: it takes 32 bits.
const MOVE: u64 = 1_000_000_000;

/// What makes the texts of values the same whatever the server's settings are, and keeps the transaction
/// while a run waits.
const SETTINGS: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL TimeZone TO 'UTC'; SET LOCAL DateStyle TO 'ISO'; SET LOCAL IntervalStyle TO 'iso_8601'; \
    SET LOCAL bytea_output TO 'hex'; SET LOCAL extra_float_digits TO 1; \
    SET LOCAL idle_in_transaction_session_timeout TO 0";

/// A query being read.
pub(super) struct Reader {
    client: Client,
    columns: Arc<[(String, Kind)]>,
    rows: std::vec::IntoIter<SimpleQueryRow>,
    ordinal: u64,
    ended: bool,
    /// What is said before what the server says.
    failed: String,
    /// Ends last: the connection is one of its tasks.
    runtime: Runtime,
}

impl Reader {
    /// Connects, and opens the cursor before its first row.
    ///
    /// # Errors
    /// When the server can't be reached, or refuses us or the query.
    pub fn open(config: &Config, query: &str) -> Result<Self, SourceError> {
        let server = name(config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| SourceError::new(format!("{server} can't be asked: {error}")))?;
        let refused = |error| SourceError::new(format!("{server} can't be connected to: {}", words(&error)));
        let client = runtime.block_on(postgres::connect(config)).map_err(refused)?;
        let failed = format!("the query `{}` of {server}", shown(query));
        let columns =
            runtime.block_on(begin(&client, query)).map_err(|why| SourceError::new(format!("{failed} {why}")))?;
        Ok(Self { client, columns, rows: Vec::new().into_iter(), ordinal: 0, ended: false, failed, runtime })
    }

    fn ask<T>(&self, question: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, SourceError> {
        self.runtime.block_on(question).map_err(|error| {
            let (failed, row) = (&self.failed, self.ordinal);
            SourceError::new(format!(
                "{failed} can't be read any further after row {row}: PostgreSQL says: {}",
                words(&error)
            ))
        })
    }

    /// Fetches the next rows; none at the end.
    fn fetch(&mut self) -> Result<(), SourceError> {
        let fetch = format!("FETCH FORWARD {CHUNK} FROM paceline");
        let messages = self.ask(self.client.simple_query(&fetch))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let rows: Vec<SimpleQueryRow> = rows.collect();
        self.ended = rows.len() < CHUNK;
        self.rows = rows.into_iter();
        Ok(())
    }

    fn row(&self, found: &SimpleQueryRow) -> Read {
        let mut map = Map::with_capacity(self.columns.len());
        let mut wrong = None;
        for (position, (name, kind)) in self.columns.iter().enumerate() {
            let value = match found.try_get(position) {
                Ok(text) => text.map_or(Value::Null, |text| kind.value(text)),
                Err(error) => {
                    let why = words(&error);
                    wrong
                        .get_or_insert_with(|| format!("row {} of {}: `{name}`: {why}", self.ordinal + 1, self.failed));
                    Value::Null
                }
            };
            map.insert(name.clone(), value);
        }
        let row = Row { ordinal: self.ordinal, line: 0, fields: Fields::Object(map) };
        match wrong {
            None => Read::Row(row),
            Some(reason) => Read::Bad { row, reason },
        }
    }
}

/// Opens the cursor; gives its columns.
async fn begin(client: &Client, query: &str) -> Result<Arc<[(String, Kind)]>, String> {
    let says = |error: tokio_postgres::Error| format!("failed: PostgreSQL says: {}", words(&error));
    client.batch_execute(SETTINGS).await.map_err(says)?;
    // A statement that is prepared can't be two.
    let statement = client.prepare(query).await.map_err(says)?;
    let columns: Arc<[(String, Kind)]> =
        statement.columns().iter().map(|column| (column.name().to_owned(), Kind::of(column.type_()))).collect();
    if columns.is_empty() {
        return Err("gives no columns; write one SELECT".to_owned());
    }
    if !statement.params().is_empty() {
        return Err("has parameters, and nothing gives them values".to_owned());
    }
    for (position, (name, _)) in columns.iter().enumerate() {
        if columns[..position].iter().any(|(known, _)| known == name) {
            return Err(format!("names the column `{name}` twice; give one of them another name: `{name} AS other`"));
        }
    }
    let declare = format!("DECLARE paceline NO SCROLL CURSOR FOR {query}");
    client.execute(declare.as_str(), &[]).await.map_err(|error| {
        format!("is not one that only reads (SELECT, VALUES, WITH ... SELECT): PostgreSQL says: {}", words(&error))
    })?;
    Ok(columns)
}

impl Source for Reader {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        if self.rows.len() == 0 && !self.ended {
            self.fetch()?;
        }
        let Some(found) = self.rows.next() else { return Ok(None) };
        let read = self.row(&found);
        self.ordinal += 1;
        Ok(Some(read))
    }

    fn skip(&mut self, mut rows: u64) -> Result<(), SourceError> {
        while rows > 0 && self.rows.next().is_some() {
            (self.ordinal, rows) = (self.ordinal + 1, rows - 1);
        }
        while rows > 0 && !self.ended {
            let step = rows.min(MOVE);
            let moved = format!("MOVE FORWARD {step} FROM paceline");
            let passed = self.ask(self.client.execute(moved.as_str(), &[]))?;
            (self.ordinal, rows) = (self.ordinal + passed, rows - passed.min(rows));
            self.ended = passed < step;
        }
        Ok(())
    }
}
