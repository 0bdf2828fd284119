//! One connection to the server, and the steps of a delivery on it.
//!
//! After an error the connection is not used again, which takes back whatever it had begun. Must never commit records
//! without the note of them, or a note without its records.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use serde_json::Value;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::Target;
use super::statements::{self, setback};
use super::values;
use crate::postgres;
use crate::sink::OnExisting;
use crate::sink::spooled::{Head, Line, Setback};
use crate::sink::sql::{PROGRESS, quoted};

/// How long a connection may say nothing before it is looked at, and not answer before it is taken for lost.
const SILENCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(60));
/// Characters of a record that are shown.
const SHOWN: usize = 60;

type Parameter<'p> = (&'p (dyn ToSql + Sync), Type);

/// See the module.
pub(super) struct Session<'t> {
    pub client: &'t Client,
    pub target: &'t Target,
    pub run: &'t str,
    pub sink: &'t str,
}

/// Connects to the server of a target.
pub(super) async fn connect(target: &Target) -> Result<Client, Setback> {
    let mut config = target.login.config(&target.place).map_err(Setback::Refused)?;
    config.keepalives_idle(SILENCE.0).keepalives_interval(SILENCE.0 / 3).keepalives_retries(3);
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE.1);
    }
    postgres::connect(&config)
        .await
        .map_err(|error| setback(&error).map(|words| format!("it can't be connected to: {words}")))
}

impl Session<'_> {
    async fn batch(&self, statements: &str) -> Result<(), Setback> {
        self.client.batch_execute(statements).await.map_err(|error| setback(&error))
    }

    async fn exists(&self, table: &str) -> Result<bool, Setback> {
        let name = quoted(table);
        let query = "SELECT to_regclass($1) IS NOT NULL";
        let found = self.client.query_typed_one(query, &[(&name, Type::TEXT)]).await;
        found.map(|row| row.get(0)).map_err(|error| setback(&error))
    }

    /// How far the run's sink has come, held until the transaction ends; `None`: it has not begun.
    async fn position(&self) -> Result<Option<u64>, Setback> {
        let query = format!("SELECT position FROM {PROGRESS} WHERE run = $1 AND sink = $2 FOR UPDATE");
        let who: [Parameter<'_>; 2] = [(&self.run, Type::TEXT), (&self.sink, Type::TEXT)];
        let found = self.client.query_typed_opt(&query, &who).await.map_err(|error| setback(&error))?;
        Ok(found.and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok()))
    }

    /// How far the run has come, which a run that does not go on has not at all; whether it may begin where it has not.
    pub async fn begin(&self, is_new: bool) -> Result<u64, Setback> {
        let begun = !is_new && self.exists(PROGRESS).await?;
        let have = if begun { self.position().await? } else { None };
        if have.is_none() {
            self.look().await?;
        }
        Ok(have.unwrap_or_default())
    }

    /// Whether a run may begin to write the table; whether it is there.
    async fn look(&self) -> Result<bool, Setback> {
        let table = &self.target.table;
        if !self.exists(&table.name).await? {
            let words = format!("there is no table {}, and `create = false` says not to make one", table.name);
            return if table.create { Ok(false) } else { Err(Setback::Refused(words)) };
        }
        if table.on_existing != OnExisting::Error {
            return Ok(true);
        }
        let first = format!("SELECT 1 FROM {} LIMIT 1", quoted(&table.name));
        match self.client.query_typed_opt(&first, &[]).await.map_err(|error| setback(&error))? {
            None => Ok(true),
            Some(_) => Err(Setback::Refused(format!(
                "the table {} has rows, and a new run would not add to them: set `on-existing = \"append\"` or \
                 \"replace\" on the sink, or name another table",
                table.name
            ))),
        }
    }

    /// Whether the table is there and takes the columns; it stays so until the transaction ends. A COPY that fails for that
    /// would leave a connection whose answers are one message behind (two `Sync`, of which COPY takes none then).
    async fn suits(&self, head: &Head) -> Result<(), Setback> {
        let table = &self.target.table;
        if !self.exists(&table.name).await? {
            return Err(Setback::Refused(table.gone()));
        }
        let rehearsal = statements::rehearsal(table, head);
        self.client.batch_execute(&rehearsal).await.map_err(|error| self.unfit(&error, head))
    }

    /// Makes what is written to where a run begins; how far it has come.
    pub async fn reach(&self, head: &Head) -> Result<u64, Setback> {
        self.batch(statements::BEGIN).await?;
        let begun = self.exists(PROGRESS).await?;
        let have = match if begun { self.position().await? } else { None } {
            Some(have) => have,
            None => self.prepare(head).await?,
        };
        self.suits(head).await?;
        self.batch("COMMIT").await?;
        Ok(have)
    }

    async fn prepare(&self, head: &Head) -> Result<u64, Setback> {
        let table = &self.target.table;
        self.batch(&statements::progress()).await?;
        // Somebody else may have begun it in the meantime.
        if let Some(have) = self.position().await? {
            return Ok(have);
        }
        if !self.look().await? {
            self.batch(&table.creation(head, statements::word)).await?;
        } else if table.on_existing == OnExisting::Replace {
            self.batch(&format!("DELETE FROM {}", quoted(&table.name))).await?;
        }
        let note = format!("INSERT INTO {PROGRESS} (run, sink, position) VALUES ($1, $2, 0)");
        let who: [Parameter<'_>; 2] = [(&self.run, Type::TEXT), (&self.sink, Type::TEXT)];
        self.client.execute_typed(&note, &who).await.map_err(|error| setback(&error))?;
        Ok(0)
    }

    fn unfit(&self, error: &Error, head: &Head) -> Setback {
        let table = &self.target.table;
        match setback(error) {
            Setback::Refused(_) if error.code() == Some(&SqlState::INVALID_COLUMN_REFERENCE) => {
                Setback::Refused(format!(
                    "the table {} has no unique index over the columns {}, which `key` needs",
                    table.name,
                    table.key.join(", ")
                ))
            }
            Setback::Refused(words) => Setback::Refused(format!(
                "the table {} can't take the columns {}: {words}; `columns` on the sink chooses some",
                table.name,
                head.columns.join(", ")
            )),
            away @ Setback::Away(_) => away,
        }
    }

    /// Lines and their note in one transaction; how many records had to go and were not there.
    pub async fn deliver(&self, head: &Head, (from, to): (u64, u64), lines: &[Line]) -> Result<u64, Setback> {
        self.batch(statements::BEGIN).await?;
        if self.position().await? != Some(from) {
            return Err(Setback::Away("another process moved it on".to_owned()));
        }
        self.suits(head).await?;
        let missed = match self.apply(head, lines).await {
            Ok(missed) => missed,
            Err(setback) => return Err(self.explained(head, lines, setback).await),
        };
        let place = i64::try_from(to).map_err(|_| Setback::Refused("it is more than a table can count".to_owned()))?;
        let note = format!("UPDATE {PROGRESS} SET position = $1 WHERE run = $2 AND sink = $3");
        let what: [Parameter<'_>; 3] = [(&place, Type::INT8), (&self.run, Type::TEXT), (&self.sink, Type::TEXT)];
        self.client.execute_typed(&note, &what).await.map_err(|error| setback(&error))?;
        self.batch("COMMIT").await?;
        Ok(missed)
    }

    /// Records and what has to go, in their order; how many of these were not there.
    async fn apply(&self, head: &Head, lines: &[Line]) -> Result<u64, Setback> {
        let mut missed = 0;
        let is_record = |line: &Line| matches!(line, Line::Record(_));
        let keyed = !self.target.table.key.is_empty();
        if keyed || !lines.iter().all(is_record) {
            self.batch(&statements::load(&self.target.table, head)).await?;
        }
        for group in lines.chunk_by(|one, other| is_record(one) == is_record(other)) {
            let records = group.first().is_some_and(is_record);
            if records && !keyed {
                let copied = values::lines(head, group, false);
                self.copy(&statements::copy(&self.target.table, head), copied).await?;
                continue;
            }
            self.load(head, group).await?;
            if records {
                self.batch(&statements::upsert(&self.target.table, head)).await?;
            } else {
                missed += self.take(head, group.len()).await?;
            }
            self.batch(&statements::clear()).await?;
        }
        self.batch(statements::CHECK).await?;
        Ok(missed)
    }

    /// Brings lines into the temporary table, numbered from 0.
    async fn load(&self, head: &Head, lines: &[Line]) -> Result<(), Setback> {
        let out = values::lines(head, lines, true);
        self.copy(&statements::copy_load(head), out).await
    }

    /// Takes one record out for each line of the temporary table; how many were not there.
    async fn take(&self, head: &Head, lines: usize) -> Result<u64, Setback> {
        let (take, mut taken) = (statements::take(&self.target.table, head), 0);
        for number in 0..lines as i64 {
            let gone = self.client.execute_typed(&take, &[(&number, Type::INT8)]).await;
            taken += gone.map_err(|error| setback(&error))?;
        }
        Ok((lines as u64).saturating_sub(taken))
    }

    async fn copy(&self, statement: &str, bytes: Vec<u8>) -> Result<(), Setback> {
        let copied = async {
            let mut copy = pin!(self.client.copy_in(statement).await?);
            copy.send(Bytes::from(bytes)).await?;
            copy.finish().await
        };
        copied.await.map(drop).map_err(|error| setback(&error))
    }

    /// Why lines were refused, with the one that it is about: the last of the fewest that are refused.
    async fn explained(&self, head: &Head, lines: &[Line], why: Setback) -> Setback {
        let Setback::Refused(mut words) = why else { return why };
        // So many are taken, and so many are not.
        let (mut taken, mut refused) = (0, lines.len());
        if let Err(setback) = self.batch("ROLLBACK").await {
            return setback;
        }
        while refused - taken > 1 {
            let middle = taken + (refused - taken) / 2;
            match self.rehearse(head, &lines[..middle]).await {
                Ok(None) => taken = middle,
                Ok(Some(said)) => (refused, words) = (middle, said),
                Err(setback) => return setback,
            }
        }
        let Some(Line::Record(values) | Line::Take(values)) = lines.get(taken) else { return Setback::Refused(words) };
        let record: String = Value::from(values.clone()).to_string().chars().take(SHOWN).collect();
        Setback::Refused(format!(
            "the table {} does not take {record}: {words}; change the table and run again, and it goes on with this record",
            self.target.table.name
        ))
    }

    /// Why lines are refused, if they are; leaves nothing of them.
    async fn rehearse(&self, head: &Head, lines: &[Line]) -> Result<Option<String>, Setback> {
        self.batch(statements::BEGIN).await?;
        let said = match self.apply(head, lines).await {
            Ok(_) => None,
            Err(Setback::Refused(words)) => Some(words),
            Err(away) => return Err(away),
        };
        self.batch("ROLLBACK").await?;
        Ok(said)
    }
}
