//! The statements that fill a table, and what the errors of a server mean for a delivery.
//!
//! Must never build a statement from a value of a row.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;

use crate::postgres::words;
use crate::sink::ColumnType;
use crate::sink::spooled::{Head, Setback};
use crate::sink::sql::{PROGRESS, SqlTable, list, quoted};

/// The temporary table of records that can't be copied to where they belong at once, and its column with their order.
const LOAD: &str = "\"_paceline_load\"";
const ORDER: &str = "\"_paceline_line\"";

/// Begins a transaction. Waits for locks have an end, and a commit that was answered is on disk, whatever the server's
/// settings say.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout TO '10s'; \
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";

/// Has what is checked at the end of the transaction checked at once, so that it can be told which record it is about.
pub(super) const CHECK: &str = "SET CONSTRAINTS ALL IMMEDIATE";

/// Makes the table of notes; two processes that begin at once do so one after the other.
pub(super) fn progress() -> String {
    format!(
        "SELECT pg_advisory_xact_lock(hashtext('{PROGRESS}')); CREATE TABLE IF NOT EXISTS {PROGRESS} \
         (run text NOT NULL, sink text NOT NULL, position bigint NOT NULL, PRIMARY KEY (run, sink))"
    )
}

/// Copies records straight into the table.
pub(super) fn copy(table: &SqlTable, head: &Head) -> String {
    format!("COPY {} ({}) FROM STDIN", quoted(&table.name), list(&head.columns))
}

/// Makes the temporary table: the columns have the types of the table's own, so that texts become the same values.
pub(super) fn load(table: &SqlTable, head: &Head) -> String {
    format!(
        "CREATE TEMPORARY TABLE {LOAD} ON COMMIT DROP AS SELECT 0::bigint AS {ORDER}, {} FROM {} WITH NO DATA",
        list(&head.columns),
        quoted(&table.name)
    )
}

/// Copies records into the temporary table, each behind its number.
pub(super) fn copy_load(head: &Head) -> String {
    format!("COPY pg_temp.{LOAD} ({ORDER}, {}) FROM STDIN", list(&head.columns))
}

/// Empties the temporary table.
pub(super) fn clear() -> String {
    format!("DELETE FROM pg_temp.{LOAD}")
}

/// Moves records from the temporary table to the table; of those with one key the last counts, as ON CONFLICT refuses to
/// touch a row twice.
pub(super) fn upsert(table: &SqlTable, head: &Head) -> String {
    let (name, columns, key) = (quoted(&table.name), list(&head.columns), list(&table.key));
    let conflict = table.conflict(head);
    format!(
        "INSERT INTO {name} ({columns}) SELECT DISTINCT ON ({key}) {columns} FROM pg_temp.{LOAD} \
         ORDER BY {key}, {ORDER} DESC{conflict}"
    )
}

/// Takes out one record that is like the one with a number in the temporary table. Texts are compared, as not every type
/// can be; a key is compared by itself as well, for which there is an index.
pub(super) fn take(table: &SqlTable, head: &Head) -> String {
    let same = head.columns.iter().map(|name| format!("t.{0}::text IS NOT DISTINCT FROM l.{0}::text", quoted(name)));
    let keys = table.key.iter().map(|name| format!("t.{0} = l.{0}", quoted(name)));
    let (name, same) = (quoted(&table.name), keys.chain(same).collect::<Vec<_>>().join(" AND "));
    format!(
        "DELETE FROM {name} t USING (SELECT t.tableoid AS o, t.ctid AS c FROM {name} t, pg_temp.{LOAD} l \
         WHERE l.{ORDER} = $1 AND {same} LIMIT 1) s WHERE t.ctid = s.c AND t.tableoid = s.o"
    )
}

/// Says what is wrong with the columns or the key, and does nothing.
pub(super) fn rehearsal(table: &SqlTable, head: &Head) -> String {
    let nulls = vec!["NULL"; head.columns.len()].join(", ");
    let (name, columns, conflict) = (quoted(&table.name), list(&head.columns), table.conflict(head));
    format!("EXPLAIN INSERT INTO {name} ({columns}) SELECT {nulls} WHERE false{conflict}")
}

/// What a type is called in a table that is made.
pub(super) fn word(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Bool => "boolean",
        ColumnType::Int => "bigint",
        ColumnType::Float => "double precision",
        ColumnType::Timestamp => "timestamptz",
        ColumnType::Json => "jsonb",
        ColumnType::Text => "text",
    }
}

/// What an error means for a delivery.
pub(super) fn setback(error: &Error) -> Setback {
    let words = words(error);
    let passes = match error.as_db_error() {
        Some(said) => passes(said.code().code()),
        None => error.is_closed() || error.source().is_some_and(is_of_the_wire),
    };
    if passes { Setback::Away(words) } else { Setback::Refused(words) }
}

/// Whether what a server says of itself may be over later (postgresql.org/docs/current/errcodes-appendix.html).
pub(super) fn passes(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    // Connections, resources, transactions that got in each other's way, the system around the server.
    matches!(class, "08" | "40" | "53" | "58")
        // Going down, coming up; a statement cancelled; a lock that was waited for; a standby; sessions that were idle.
        || matches!(
            code,
            "57P01" | "57P02" | "57P03" | "57P05" | "57014" | "55P03" | "55006" | "25006" | "25P03" | "25P04"
        )
}

/// Whether an error is one of the connection; certificates that are not believed are of another kind.
fn is_of_the_wire(error: &(dyn std::error::Error + 'static)) -> bool {
    let lasting = |kind| matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput);
    error.downcast_ref::<io::Error>().is_some_and(|error| !lasting(error.kind()))
}
