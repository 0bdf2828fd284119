//! What is decided of a query, and SQLite files in a temporary folder.

use super::*;

#[test]
fn a_url_tells_its_database() {
    for (url, path) in [
        ("shop.db", "shop.db"),
        ("data/shop.SQLITE", "data/shop.SQLITE"),
        ("sqlite:shop", "shop"),
        ("sqlite://shop.db", "shop.db"),
        ("sqlite:///var/shop.db", "/var/shop.db"),
    ] {
        assert_eq!(Database::of(url), Ok(Database::Sqlite(path)), "{url}");
    }
    for url in ["postgres://me@host/db", "postgresql://host", "{{ secrets.url }}"] {
        assert_eq!(Database::of(url), Ok(Database::Postgres), "{url}");
    }
    for (url, message) in [
        ("mysql://me:hunter2@host/db.db", "`mysql://` is no database that is read"),
        ("shop.csv", "this names no database"),
        ("sqlite:", "this names no database"),
        ("", "this names no database"),
    ] {
        assert_eq!(Database::of(url).unwrap_err().message, message, "{url}");
    }
}

#[cfg(feature = "sqlite")]
mod sqlite_files {
    use std::path::Path;

    use rusqlite::Connection;
    use serde_json::json;

    use super::super::*;
    use crate::source::{Columns, Read, Source};

    fn database(folder: &Path, rows: u64) -> PathBuf {
        let path = folder.join("shop.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)").unwrap();
        let many = format!(
            "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {rows}) \
             INSERT INTO t SELECT id, 'v' || id, NULL FROM n"
        );
        connection.execute_batch(&many).unwrap();
        path
    }

    fn plan(path: &Path, query: &str) -> Result<DecidedFile, Problem> {
        let spec = SqlSpec { url: String::new(), query: query.to_owned(), password: None };
        sqlite(&spec, path.to_owned())
    }

    fn all(source: &mut dyn Source) -> Vec<(u64, Value)> {
        std::iter::from_fn(|| source.next().unwrap())
            .map(|read| match read {
                Read::Row(row) => (row.ordinal, Value::Object(row.to_object())),
                Read::Bad { row, reason } | Read::Skipped { row, reason } => (row.ordinal, reason.into()),
            })
            .collect()
    }

    #[test]
    fn values_keep_their_types() {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), 1);
        let query = "SELECT 9223372036854775807 AS i, 0.1 AS r, 'ü' AS t, x'00ff10' AS b, NULL AS n, 9e999 AS inf, \
                     CAST(x'ff' AS TEXT) AS bad";
        let plan = plan(&path, query).unwrap();
        let Columns::Known(header) = plan.columns() else { panic!("columns are known") };
        assert_eq!(header.names(), ["i", "r", "t", "b", "n", "inf", "bad"]);
        let Some(Read::Bad { row, reason }) = plan.open().unwrap().next().unwrap() else { panic!("not UTF-8") };
        assert_eq!(reason, "row 1 of the query: the column `bad` is not UTF-8");
        let expected =
            json!({"i": i64::MAX, "r": 0.1, "t": "ü", "b": "AP8Q", "n": null, "inf": "Infinity", "bad": null});
        assert_eq!(Value::Object(row.to_object()), expected);
    }

    #[test]
    fn rows_come_in_order_and_can_be_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), 1000);
        let plan = plan(&path, "SELECT id, v FROM t ORDER BY id").unwrap();
        assert_eq!(plan.count().unwrap(), Some(1000));
        for (first, second) in [(0, 0), (1, 63), (64, 64), (130, 700), (999, 1), (1000, 5), (u64::MAX, 1)] {
            let mut source = plan.open().unwrap();
            source.skip(first).unwrap();
            let one = source.next().unwrap();
            assert_eq!(one.as_ref().map(Read::ordinal), (first < 1000).then_some(first));
            source.skip(second).unwrap();
            let begun = first.saturating_add(1).saturating_add(second);
            let expected: Vec<(u64, Value)> =
                (begun..1000).map(|row| (row, json!({"id": row + 1, "v": format!("v{}", row + 1)}))).collect();
            assert_eq!(all(source.as_mut()), expected);
        }
    }

    #[test]
    fn a_source_that_is_left_early_ends_its_thread() {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), 3);
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        let plan = plan(&path, endless).unwrap();
        let mut source = plan.open().unwrap();
        source.skip(100).unwrap();
        assert_eq!(source.next().unwrap().map(|read| read.ordinal()), Some(100));
    }

    #[test]
    fn a_query_that_is_none_to_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), 3);
        for (query, why) in [
            ("DELETE FROM t", "the query would write to the database, which is only read"),
            ("DELETE FROM t RETURNING id", "the query would write to the database, which is only read"),
            ("VACUUM INTO 'other.db'", "the query would write to the database, which is only read"),
            ("ATTACH 'other.db' AS other", "the query gives no columns"),
            ("SELECT 1; SELECT 2", "the query is more than one statement"),
            ("SELECT id FROM t WHERE id > ?", "the query has parameters, and nothing gives them values"),
            ("SELECT id, v AS id FROM t", "the query names the column `id` twice"),
            ("SELECT nope FROM t", "the query can't be read: SQLite says: no such column: nope (at character 8)"),
            ("SELEC 1", "the query can't be read: SQLite says: near \"SELEC\": syntax error (at character 1)"),
        ] {
            let problem = plan(&path, query).err().unwrap();
            assert_eq!((problem.key, problem.message.as_str()), (Some("query"), why), "{query}");
        }
        assert!(std::fs::read_dir(folder.path()).unwrap().count() == 1, "nothing was written");
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.db");
        std::fs::write(&path, "sku,price\n".repeat(100)).unwrap();
        let problem = plan(&path, "SELECT 1 AS a").err().unwrap();
        assert_eq!(problem.key, Some("url"));
        assert!(problem.message.ends_with("can't be read as a SQLite database: file is not a database"), "{problem:?}");
        let gone = plan(&folder.path().join("gone.db"), "SELECT 1 AS a").err().unwrap();
        assert!(gone.message.ends_with("gone.db can't be read: no such file"), "{gone:?}");
        assert!(!folder.path().join("gone.db").exists());
    }

    #[test]
    fn a_change_anywhere_changes_the_identity() {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), 100_000);
        let plan = plan(&path, "SELECT id, v FROM t ORDER BY id").unwrap();
        let mut seen = vec![plan.identity().unwrap().unwrap()];
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("UPDATE t SET v = 'w50000' WHERE id = 50000").unwrap();
        seen.push(plan.identity().unwrap().unwrap());
        connection.execute_batch("PRAGMA journal_mode = WAL; UPDATE t SET v = 'x50000' WHERE id = 50000").unwrap();
        seen.push(plan.identity().unwrap().unwrap());
        connection.execute_batch("UPDATE t SET v = 'y50000' WHERE id = 50000").unwrap();
        seen.push(plan.identity().unwrap().unwrap());
        assert!((1..seen.len()).all(|at| !seen[..at].contains(&seen[at])), "{seen:?}");
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        assert_eq!(plan.identity().unwrap().unwrap(), seen[3], "a checkpoint changes nothing");
        drop(connection);
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("UPDATE t SET v = 'z50000' WHERE id = 50000; PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        drop(connection);
        assert!(!seen.contains(&plan.identity().unwrap().unwrap()), "a change that no log tells of any more");
    }

    #[test]
    fn an_error_while_reading_names_the_query() {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), 200);
        let plan = plan(&path, "SELECT id, json(CASE WHEN id < 150 THEN '1' ELSE 'x' END) AS j FROM t").unwrap();
        let mut source = plan.open().unwrap();
        let error = std::iter::repeat_with(|| source.next()).find_map(Result::err).unwrap();
        assert!(error.message.starts_with("the query `SELECT id, json("), "{error}");
        assert!(error.message.ends_with("failed: SQLite says: malformed JSON"), "{error}");
        assert!(plan.count().is_err());
    }

    #[test]
    fn other_columns_than_at_check_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), 2);
        let plan = plan(&path, "SELECT * FROM t").unwrap();
        Connection::open(&path).unwrap().execute_batch("ALTER TABLE t ADD COLUMN x").unwrap();
        let error = plan.open().err().unwrap().message;
        assert!(error.ends_with("gives other columns than when the job was read"), "{error}");
    }
}
