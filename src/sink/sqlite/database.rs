//! A table of a SQLite file, being filled.
//!
//! Records and the note of how far they go are one transaction, so that a process that dies in its middle leaves nothing of
//! both. Journal mode is left as the file has it; every commit is synced. Must never wait for a lock for longer than
//! [`BUSY`]: the courier asks again.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{Null, ToSqlOutput, Value as SqlValue};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, ffi};
use serde_json::Value;

use super::SqlitePlan;
use crate::disk::{self, Way};
use crate::sink::spooled::{Destination, Head, Line, Lines, Setback};
use crate::sink::sql::{PROGRESS, SqlTable, list, quoted};
use crate::sink::{ColumnType, OnExisting, SinkError};

/// How long one step waits for another program's lock.
const BUSY: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Database {
    plan: SqlitePlan,
    run: String,
    sink: String,
    /// Connected, and how far the table has come.
    open: Option<(Connection, u64)>,
}

impl Database {
    /// The table of a plan, for a sink of a run.
    pub fn new(plan: &SqlitePlan, run: &str, sink: &str) -> Self {
        Self { plan: plan.clone(), run: run.to_owned(), sink: sink.to_owned(), open: None }
    }

    /// Whether a new run could begin; makes nothing.
    pub fn survey(&self) -> Result<(), SinkError> {
        let file = &self.plan.file;
        self.examine()?;
        if !file.exists() {
            return self.may_create().map_err(|words| self.error(&words));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).and_then(|connection| {
            connection.busy_timeout(BUSY)?;
            Ok(connection)
        });
        connection
            .map_err(|error| setback(&error))
            .and_then(|connection| self.look(&connection))
            .map_err(|setback| self.error(setback.words()))
    }

    /// Connects, and says how far the run has come; a new run is refused what it may not write to. `None`: that can't be
    /// told now, and a run that goes on can ask later.
    pub fn begin(&mut self, is_new: bool) -> Result<Option<u64>, SinkError> {
        self.examine()?;
        if !self.plan.file.exists() {
            self.may_create().map_err(|words| self.error(&words))?;
        }
        let begun = self.connect().and_then(|connection| {
            let have = if is_new { None } else { self.position(&connection).map_err(|error| setback(&error))? };
            if have.is_none() {
                self.look(&connection)?;
            }
            Ok(Some(have.unwrap_or_default()))
        });
        match begun {
            Err(Setback::Away(_)) if !is_new => Ok(None),
            begun => begun.map_err(|setback| self.error(setback.words())),
        }
    }

    /// Types of the columns of a table that is there, as far as it would change values of other types: what looks like a
    /// number is one in a column of numbers (sqlite.org/datatype3.html, 3.1).
    pub fn types(&self) -> Vec<(String, ColumnType)> {
        let query = "SELECT name, upper(type) FROM pragma_table_info(?)";
        let found = self.connect().and_then(|connection| {
            let mut query = connection.prepare(query).map_err(|error| setback(&error))?;
            let columns = query.query_map([&self.plan.table.name], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
            columns.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|error| setback(&error))
        });
        // What can't be asked now refuses the table when it is reached.
        let columns: Vec<(String, String)> = found.unwrap_or_default();
        columns.into_iter().filter_map(|(name, word)| Some((name, meant(&word)?))).collect()
    }

    fn error(&self, words: &str) -> SinkError {
        SinkError::new(format!("{}: {words}", self.plan.file.display()))
    }

    fn connect(&self) -> Result<Connection, Setback> {
        let file = &self.plan.file;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let refused = |error: std::io::Error| Setback::Refused(format!("it can't be written: {error}"));
        disk::make_folder(folder).map_err(refused)?;
        // SQLite would make it with whatever mode the umask leaves.
        let made = disk::File::open(file, Way::Keep);
        made.map_err(refused)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(file, flags)?;
            connection.busy_timeout(BUSY)?;
            // FULL would not sync the folder after a journal is gone from it, and a power cut could bring that back.
            connection.pragma_update(None, "synchronous", "EXTRA")?;
            // The first page says whether it is a database at all.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        };
        connect().map_err(|error| setback(&error))
    }

    /// How far the run's sink has come; `None`: it has not begun.
    fn position(&self, connection: &Connection) -> Result<Option<u64>, Error> {
        if !has_table(connection, PROGRESS)? {
            return Ok(None);
        }
        let query = format!("SELECT position FROM {PROGRESS} WHERE run = ? AND sink = ?");
        let position = connection.query_row(&query, [&self.run, &self.sink], |row| row.get::<_, i64>(0)).optional()?;
        Ok(position.and_then(|position| u64::try_from(position).ok()))
    }

    /// Whether a run may begin to write the table.
    fn look(&self, connection: &Connection) -> Result<(), Setback> {
        let table = &self.plan.table;
        let look = || {
            if !has_table(connection, &table.name)? {
                return Ok(None);
            }
            let first = format!("SELECT 1 FROM {} LIMIT 1", quoted(&table.name));
            Ok(Some(connection.query_row(&first, [], |_| Ok(())).optional()?.is_some()))
        };
        match look().map_err(|error| setback(&error))? {
            None => self.may_create().map_err(Setback::Refused),
            Some(true) if table.on_existing == OnExisting::Error => Err(Setback::Refused(format!(
                "the table {} has rows, and a new run would not add to them: set `on-existing = \"append\"` or \
                 \"replace\" on the sink, or name another table",
                table.name
            ))),
            Some(_) => Ok(()),
        }
    }

    /// Opening a pipe would wait for its other end, and a device is no database.
    fn examine(&self) -> Result<(), SinkError> {
        let refused =
            |what: &str| Err(SinkError::new(format!("{} can't be written: it is {what}", self.plan.file.display())));
        match std::fs::metadata(&self.plan.file) {
            Ok(about) if about.is_dir() => refused("a directory"),
            Ok(about) if !about.is_file() => refused("not a regular file"),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn may_create(&self) -> Result<(), String> {
        let table = &self.plan.table;
        if table.create {
            return Ok(());
        }
        Err(format!("there is no table {}, and `create = false` says not to make one", table.name))
    }

    /// Makes the table what it has to be at the beginning of a run, and notes that it has begun.
    fn prepare(&self, transaction: &Transaction<'_>, head: &Head) -> Result<(), Setback> {
        let (table, at) = (&self.plan.table, |error: Error| setback(&error));
        self.look(transaction)?;
        if !has_table(transaction, &table.name).map_err(at)? {
            transaction.execute_batch(&table.creation(head, word)).map_err(at)?;
        } else if table.on_existing == OnExisting::Replace {
            transaction.execute(&format!("DELETE FROM {}", quoted(&table.name)), []).map_err(at)?;
        }
        let progress = format!(
            "CREATE TABLE IF NOT EXISTS {PROGRESS} \
             (run TEXT NOT NULL, sink TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (run, sink))"
        );
        transaction.execute_batch(&progress).map_err(at)?;
        let note = format!("INSERT INTO {PROGRESS} (run, sink, position) VALUES (?, ?, 0)");
        transaction.execute(&note, [&self.run, &self.sink]).map_err(at)?;
        Ok(())
    }

    /// How many records had to go and were not there.
    fn apply(&self, transaction: &Transaction<'_>, head: &Head, lines: &[Line]) -> Result<u64, Setback> {
        let mut missed = 0;
        let at = |error: Error| setback(&error);
        let mut insert = transaction.prepare(&insertion(&self.plan.table, head)).map_err(at)?;
        let mut delete = None;
        for line in lines {
            let (statement, values) = match (line, &mut delete) {
                (Line::Record(values), _) => (&mut insert, values),
                (Line::Take(values), Some(delete)) => (delete, values),
                (Line::Take(values), delete) => {
                    (delete.insert(transaction.prepare(&deletion(&self.plan.table, head)).map_err(at)?), values)
                }
            };
            let bound = values.iter().zip(&head.types).map(|(value, kind)| bound(value, *kind));
            let done = statement.execute(rusqlite::params_from_iter(bound));
            let done = done.map_err(|error| self.unwanted(&error, values))?;
            missed += u64::from(done == 0 && matches!(line, Line::Take(_)));
        }
        Ok(missed)
    }

    fn unwanted(&self, error: &Error, values: &[Value]) -> Setback {
        match setback(error) {
            Setback::Refused(words) => {
                let record: String = Value::from(values.to_vec()).to_string().chars().take(200).collect();
                Setback::Refused(format!(
                    "the table {} does not take {record}: {words}; change the table and run again, and it goes on with this \
                     record",
                    self.plan.table.name
                ))
            }
            away @ Setback::Away(_) => away,
        }
    }

    fn note(&self, transaction: &Transaction<'_>, to: u64) -> Result<(), Setback> {
        let place = i64::try_from(to).map_err(|_| Setback::Refused("it is more than a table can count".to_owned()))?;
        let note = format!("UPDATE {PROGRESS} SET position = ? WHERE run = ? AND sink = ?");
        let noted = transaction.execute(&note, rusqlite::params![place, self.run, self.sink]);
        match noted.map_err(|error| setback(&error))? {
            1 => Ok(()),
            _ => Err(Setback::Refused(format!("the note of this run is gone from the table {PROGRESS}"))),
        }
    }

    fn try_reach(&mut self, head: &Head) -> Result<(Connection, u64), Setback> {
        let table = &self.plan.table;
        if let Some(missing) = table.missing_key(&head.columns) {
            return Err(Setback::Refused(format!("the records have no column {missing}, which `key` names")));
        }
        let mut connection = self.connect()?;
        let at = |error: Error| setback(&error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(at)?;
        let have = self.position(&transaction).map_err(at)?;
        match have {
            None => self.prepare(&transaction, head)?,
            Some(_) => self.stands(&transaction)?,
        }
        // Says now what is wrong with the columns or the key.
        transaction.prepare(&insertion(table, head)).map_err(|error| self.unfit(&error, head))?;
        transaction.commit().map_err(at)?;
        Ok((connection, have.unwrap_or_default()))
    }

    fn stands(&self, connection: &Connection) -> Result<(), Setback> {
        let table = &self.plan.table;
        let found = has_table(connection, &table.name).map_err(|error| setback(&error))?;
        if found { Ok(()) } else { Err(Setback::Refused(table.gone())) }
    }

    fn unfit(&self, error: &Error, head: &Head) -> Setback {
        match setback(error) {
            Setback::Refused(words) => Setback::Refused(format!(
                "the table {} can't take the columns {}: {words}; `columns` on the sink chooses some, and `key` needs a \
                 unique index",
                self.plan.table.name,
                head.columns.join(", ")
            )),
            away @ Setback::Away(_) => away,
        }
    }

    fn try_deliver(
        &mut self,
        head: &Head,
        (from, to): (u64, u64),
        lines: &[Line],
    ) -> Result<(Connection, u64), Setback> {
        let (mut connection, _) = match self.open.take() {
            Some(open) => open,
            None => self.try_reach(head)?,
        };
        let at = |error: Error| setback(&error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(at)?;
        if self.position(&transaction).map_err(at)? != Some(from) {
            return Err(Setback::Away("another process moved it on".to_owned()));
        }
        self.stands(&transaction)?;
        let missed = self.apply(&transaction, head, lines)?;
        self.note(&transaction, to)?;
        transaction.commit().map_err(at)?;
        Ok((connection, missed))
    }
}

impl Destination for Database {
    fn reach(&mut self, head: &Head) -> Result<u64, Setback> {
        if let Some((_, have)) = self.open {
            return Ok(have);
        }
        let reached = self.try_reach(head).map_err(|setback| self.placed(setback))?;
        Ok(self.open.insert(reached).1)
    }

    fn deliver(&mut self, head: &Head, from: u64, to: u64, lines: &mut Lines<'_>) -> Result<u64, Setback> {
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        let (connection, missed) =
            self.try_deliver(head, (from, to), &lines).map_err(|setback| self.placed(setback))?;
        self.open = Some((connection, to));
        Ok(missed)
    }
}

impl Database {
    fn placed(&self, setback: Setback) -> Setback {
        setback.map(|words| format!("{}: {words}", self.plan.file.display()))
    }
}

fn has_table(connection: &Connection, name: &str) -> Result<bool, Error> {
    // Names of tables are the same whatever the case of their letters (sqlite.org/lang_keywords.html).
    let query = "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE";
    connection.query_row(query, [name], |row| row.get::<_, i64>(0)).map(|count| count > 0)
}

fn insertion(table: &SqlTable, head: &Head) -> String {
    let places = vec!["?"; head.columns.len()].join(", ");
    let (name, columns, conflict) = (quoted(&table.name), list(&head.columns), table.conflict(head));
    format!("INSERT INTO {name} ({columns}) VALUES ({places}){conflict}")
}

/// Takes out one record with these values; records that are alike are the same.
fn deletion(table: &SqlTable, head: &Head) -> String {
    let same: Vec<String> = head.columns.iter().map(|name| format!("{} IS ?", quoted(name))).collect();
    let (name, same) = (quoted(&table.name), same.join(" AND "));
    // Names of the number of a row, of which a column may hide two (sqlite.org/lang_createtable.html#rowid).
    let hidden = |alias: &&&str| head.columns.iter().any(|name| name.eq_ignore_ascii_case(alias));
    match ["rowid", "_rowid_", "oid"].iter().find(|alias| !hidden(alias)) {
        Some(id) if table.key.is_empty() => {
            format!("DELETE FROM {name} WHERE {id} = (SELECT {id} FROM {name} WHERE {same} LIMIT 1)")
        }
        Some(_) | None => format!("DELETE FROM {name} WHERE {same}"),
    }
}

/// What a column of a table holds by the word for its type, in capitals; `None`: whatever comes.
fn meant(word: &str) -> Option<ColumnType> {
    let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
    match word {
        "BOOLEAN" => Some(ColumnType::Bool),
        _ if has(&["INT"]) => Some(ColumnType::Int),
        _ if has(&["CHAR", "CLOB", "TEXT"]) => Some(ColumnType::Text),
        _ if has(&["REAL", "FLOA", "DOUB"]) => Some(ColumnType::Float),
        _ => None,
    }
}

/// What a type is called in a table that is made. SQLite has no booleans: 0 and 1 stand for them.
fn word(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Bool => "BOOLEAN",
        ColumnType::Int => "INTEGER",
        ColumnType::Float => "REAL",
        ColumnType::Timestamp | ColumnType::Json | ColumnType::Text => "TEXT",
    }
}

/// A value as it stands in the table.
fn bound(value: &Value, kind: ColumnType) -> ToSqlOutput<'_> {
    let text = |text: String| ToSqlOutput::Owned(SqlValue::Text(text));
    match value {
        Value::Null => ToSqlOutput::from(Null),
        Value::Bool(flag) if kind == ColumnType::Bool => ToSqlOutput::from(*flag),
        Value::Number(number) if matches!(kind, ColumnType::Int | ColumnType::Float) => match number.as_i64() {
            Some(whole) => ToSqlOutput::from(whole),
            // What does not fit was refused before it came here.
            None => number.as_f64().map_or_else(|| text(number.to_string()), ToSqlOutput::from),
        },
        Value::String(value) if kind != ColumnType::Json => ToSqlOutput::from(value.as_str()),
        other => text(other.to_string()),
    }
}

/// What an error of SQLite means for a delivery.
fn setback(error: &Error) -> Setback {
    let words = match error {
        Error::SqliteFailure(_, Some(words)) => words.clone(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Setback::Away("another program holds it locked".to_owned())
        }
        Some(ErrorCode::DiskFull) => Setback::Away("no space is left on its disk".to_owned()),
        Some(ErrorCode::SystemIoFailure) => Setback::Away(words),
        Some(ErrorCode::ReadOnly) if matches!(error, Error::SqliteFailure(why, _) if why.extended_code == ffi::SQLITE_READONLY_DBMOVED) => Setback::Refused(
            "the file was deleted, or another took its place, while the run wrote to it: bring it back and run again, or \
             begin a new run with --fresh"
                .to_owned(),
        ),
        _ => Setback::Refused(words),
    }
}
