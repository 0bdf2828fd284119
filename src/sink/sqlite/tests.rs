use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;
use crate::record::{InputColumns, Layout, Record};
use crate::sink::Cursor;
use crate::sink::tests::{layout, record};

/// Whoever oversees a delivery of which nothing bad is expected.
struct Calm;

impl crate::sink::Overseer for Calm {
    fn drains(&self) -> bool {
        false
    }
    fn stops(&self) -> bool {
        false
    }
    fn warn(&self, words: String) {
        panic!("{words}");
    }
    fn away(&self, _: &str, _: Duration, words: String) {
        panic!("{words}");
    }
    fn broken(&self, words: String) {
        panic!("{words}");
    }
}

/// A table in a folder of its own, with its state folder.
struct Bench {
    folder: tempfile::TempDir,
    plan: SqlitePlan,
}

impl Bench {
    fn new(key: &[&str], on_existing: OnExisting) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        let table = SqlTable { name: "out put".into(), key, create: true, on_existing };
        let file = folder.path().join("x/y.sqlite");
        Self { folder, plan: SqlitePlan { file, written: "x/y.sqlite".into(), table } }
    }

    fn open(&self, start: Start, run: &str, layout: &Layout) -> Result<Box<dyn Sink>, SinkError> {
        let layouts = [(0, layout.clone())];
        let state = self.folder.path().join("state");
        let opening =
            SinkOpening { start, name: "out", state: &state, run, layouts: &layouts, columns: None, types: &[] };
        self.plan.open(&opening)
    }

    /// Writes records as a session of a run does; the cursor, and whether all were delivered.
    fn session(&self, start: Start, run: &str, records: &[Record]) -> (Cursor, bool) {
        let mut sink = self.open(start, run, &two()).unwrap();
        let delivery = sink.deliver(Box::new(Calm)).unwrap().unwrap();
        sink.commit().unwrap();
        for record in records {
            assert_eq!(sink.fits(0, record), Ok(()));
            sink.write(0, record).unwrap();
        }
        sink.end().unwrap();
        let cursor = sink.commit().unwrap();
        delivery.committed(cursor.offset);
        (cursor, delivery.finish(|| false))
    }

    fn connection(&self) -> Connection {
        Connection::open(&self.plan.file).unwrap()
    }

    fn rows(&self) -> Vec<String> {
        let connection = self.connection();
        let mut query =
            connection.prepare(r#"SELECT quote(id) || ' ' || quote(x) FROM "out put" ORDER BY rowid"#).unwrap();
        let rows = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

/// An input column and an extracted one.
fn two() -> Layout {
    layout(Some(&["id"]), &["x"])
}

fn rec(id: i64, x: Value) -> Record {
    record(json!({ "id": id }), &[x])
}

#[test]
fn values_keep_their_digits_and_tables_have_types() {
    let bench = Bench::new(&[], OnExisting::Error);
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let records =
        [rec(i64::MAX, number("19.99")), rec(i64::MIN, number("1e300")), rec(0, json!(null)), rec(2, json!(3))];
    assert!(bench.session(Start::New, "r", &records).1);
    assert_eq!(bench.rows(), ["9223372036854775807 19.99", "-9223372036854775808 1.0e+300", "0 NULL", "2 3.0"]);
    let created: String = bench
        .connection()
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'out put'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(created, r#"CREATE TABLE "out put" ("id" INTEGER, "x" REAL)"#);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&bench.plan.file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn texts_and_whatever_a_column_has_no_one_type_for_are_texts() {
    let bench = Bench::new(&[], OnExisting::Error);
    let records =
        [rec(1, json!("007")), rec(2, json!(true)), rec(3, json!({"k": [1.50, null]})), rec(4, json!("x'); DROP"))];
    assert!(bench.session(Start::New, "r", &records).1);
    assert_eq!(bench.rows(), ["1 '007'", "2 'true'", r#"3 '{"k":[1.5,null]}'"#, "4 'x''); DROP'"]);
}

#[test]
fn a_session_that_was_cut_anywhere_leaves_every_record_once() {
    let bench = Bench::new(&[], OnExisting::Error);
    let (first, _) = bench.session(Start::New, "r", &[rec(1, json!("a"))]);
    // Delivered, and then killed: the journal says the same, or stands where it was.
    for _ in 0..2 {
        let (cursor, delivered) = bench.session(Start::Resume(first), "r", &[]);
        assert_eq!((cursor, delivered, bench.rows().len()), (first, true, 1));
    }
    // Committed, and killed before anything was carried.
    let mut sink = bench.open(Start::Resume(first), "r", &two()).unwrap();
    sink.write(0, &rec(2, json!("b"))).unwrap();
    let second = sink.commit().unwrap();
    drop(sink);
    assert_eq!(bench.rows().len(), 1);
    assert!(bench.session(Start::Resume(second), "r", &[rec(3, json!("c"))]).1);
    assert_eq!(bench.rows(), ["1 'a'", "2 'b'", "3 'c'"]);
    // The journal of then knows nothing of what the table has by now.
    let refused = bench.open(Start::Resume(first), "r", &two()).err().unwrap();
    assert!(refused.message.contains("brought back from a backup"), "{refused}");
}

#[test]
fn what_a_new_run_finds_is_refused_kept_or_replaced() {
    let bench = Bench::new(&[], OnExisting::Error);
    assert_eq!(bench.plan.survey(), Ok(()));
    bench.session(Start::New, "one", &[rec(1, json!("a"))]);
    let refused = bench.open(Start::New, "two", &two()).err().unwrap();
    assert!(refused.message.contains("the table out put has rows"), "{refused}");
    assert_eq!(bench.plan.survey(), Err(refused));
    let with = |on_existing| Bench {
        folder: tempfile::tempdir_in(bench.folder.path()).unwrap(),
        plan: SqlitePlan { table: SqlTable { on_existing, ..bench.plan.table.clone() }, ..bench.plan.clone() },
    };
    for (on_existing, run, expected) in
        [(OnExisting::Append, "two", vec!["1 'a'", "2 'b'"]), (OnExisting::Replace, "three", vec!["2 'b'"])]
    {
        let bench = with(on_existing);
        std::fs::create_dir(bench.folder.path().join("state")).unwrap();
        assert!(bench.session(Start::New, run, &[rec(2, json!("b"))]).1);
        assert_eq!(bench.rows(), expected);
    }
}

#[test]
fn a_table_that_is_there_changes_no_value() {
    let bench = Bench::new(&[], OnExisting::Append);
    assert!(bench.session(Start::New, "one", &[rec(1, json!(0.5))]).1);
    let mut sink = bench.open(Start::New, "two", &two()).unwrap();
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for value in [json!("007"), json!("1e3"), number("9007199254740993.5"), number("1e400"), json!(true)] {
        assert!(sink.fits(0, &rec(2, value.clone())).unwrap_err().contains("the column x holds float"), "{value}");
    }
    for value in [json!(7), json!(null), number("0.25")] {
        assert_eq!(sink.fits(0, &rec(2, value)), Ok(()));
    }
    drop(sink);
    let bench = Bench::new(&[], OnExisting::Append);
    for run in ["one", "two"] {
        assert!(bench.session(Start::New, run, &[rec(1, json!(true))]).1);
    }
    assert_eq!(bench.rows(), ["1 1", "1 1"]);
}

#[test]
fn a_replaced_table_is_empty_when_no_record_comes() {
    let bench = Bench::new(&[], OnExisting::Replace);
    bench.session(Start::New, "one", &[rec(1, json!("a"))]);
    assert!(bench.session(Start::New, "two", &[]).1);
    assert_eq!(bench.rows(), Vec::<String>::new());
}

#[test]
fn a_key_updates_and_a_record_without_one_does_not_fit() {
    let bench = Bench::new(&["id"], OnExisting::Append);
    assert!(bench.session(Start::New, "one", &[rec(1, json!("a")), rec(2, json!("b")), rec(1, json!("c"))]).1);
    assert!(bench.session(Start::New, "two", &[rec(2, json!("d"))]).1);
    assert_eq!(bench.rows(), ["1 'c'", "2 'd'"]);
    let mut sink = bench.open(Start::New, "three", &two()).unwrap();
    sink.write(0, &rec(5, json!("e"))).unwrap();
    sink.commit().unwrap();
    let refused = sink.fits(0, &record(json!({ "id": null }), &[json!("x")])).unwrap_err();
    assert_eq!(refused, "sinks.out: the column id is part of the key and has no value");
    let refused = sink.fits(0, &record(json!({ "id": "x" }), &[json!("x")])).unwrap_err();
    assert!(refused.contains("the column id holds int"), "{refused}");
    assert_eq!(sink.fits(0, &record(json!({ "id": 1 }), &[json!({"any": 1})])), Ok(()));
}

#[test]
fn a_table_that_cannot_take_the_records_says_why() {
    let told = |sql: &str, key: &[&str]| {
        let bench = Bench::new(key, OnExisting::Append);
        std::fs::create_dir(bench.plan.file.parent().unwrap()).unwrap();
        bench.connection().execute_batch(sql).unwrap();
        let mut database = Database::new(&bench.plan, "r", "out");
        let head =
            spooled::Head { columns: vec!["id".into(), "x".into()], types: vec![ColumnType::Int, ColumnType::Text] };
        use crate::sink::spooled::{Destination, Line};
        let record = Line::Record(vec![json!(1), json!(null)]);
        let reached =
            database.reach(&head).and_then(|have| database.deliver(&head, have, 9, &mut std::iter::once(Ok(record))));
        let left = bench.connection().query_row(r#"SELECT count(*) FROM "out put""#, [], |row| row.get::<_, i64>(0));
        assert_eq!(left.unwrap(), 0, "nothing of it stands");
        reached.unwrap_err().words().to_owned()
    };
    let words = told(r#"CREATE TABLE "out put" (id)"#, &[]);
    assert!(words.contains("can't take the columns id, x") && words.contains("no column named x"), "{words}");
    let words = told(r#"CREATE TABLE "out put" (id, x)"#, &["id"]);
    assert!(words.contains("`key` needs a unique index"), "{words}");
    let words = told(r#"CREATE TABLE "out put" (id, x TEXT NOT NULL)"#, &[]);
    assert!(words.contains("does not take [1,null]") && words.contains("NOT NULL constraint failed"), "{words}");
}

#[test]
fn a_table_that_is_not_to_be_made_must_be_there() {
    let mut bench = Bench::new(&[], OnExisting::Error);
    bench.plan.table.create = false;
    let refused = bench.plan.survey().unwrap_err();
    assert!(refused.message.contains("`create = false`") && !bench.plan.file.exists(), "{refused}");
    assert!(bench.open(Start::New, "r", &two()).is_err() && !bench.plan.file.exists());
}

#[test]
fn what_is_no_regular_file_is_refused() {
    for (path, words) in [("/dev/null", "it is not a regular file"), ("/tmp", "it is a directory")] {
        let mut bench = Bench::new(&[], OnExisting::Append);
        bench.plan.file = path.into();
        let refused = bench.open(Start::New, "r", &two()).err().unwrap();
        assert_eq!(refused.message, format!("{path} can't be written: {words}"));
        assert_eq!(bench.plan.survey(), Err(refused));
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let bench = Bench::new(&[], OnExisting::Replace);
    std::fs::create_dir(bench.plan.file.parent().unwrap()).unwrap();
    let text = "sku,price\n".repeat(200);
    std::fs::write(&bench.plan.file, &text).unwrap();
    let refused = bench.open(Start::New, "r", &two()).err().unwrap();
    assert!(refused.message.contains("not a database"), "{refused}");
    assert_eq!((bench.plan.survey(), std::fs::read_to_string(&bench.plan.file).unwrap()), (Err(refused), text));
}

#[test]
fn the_record_of_a_failed_row_goes_and_no_other() {
    let bench = Bench::new(&[], OnExisting::Error);
    let records = [rec(1, json!(null)), rec(2, json!("x")), rec(1, json!(null))];
    let mut sink = bench.open(Start::New, "r", &two()).unwrap();
    assert_eq!(sink.position(), None);
    records.iter().for_each(|record| sink.write(0, record).unwrap());
    let cursor = sink.commit().unwrap();
    let places = sink.released();
    let line = sink.line(places[2]).unwrap().unwrap();
    assert_eq!((places.len(), line.as_ref()), (3, "[1,null]"));
    drop(sink);
    bench.session(Start::Resume(cursor), "r", &[]);
    let state = bench.folder.path().join("state");
    let cursor = spooled::take_back((&state, "r"), "out", cursor, &[&line]).unwrap();
    for _ in 0..2 {
        assert!(bench.session(Start::Resume(cursor), "r", &[]).1);
        assert_eq!(bench.rows().len(), 2, "two records are alike, and one of them goes once");
    }
    assert_eq!(two().input, InputColumns::Named(vec!["id".into()]));
    assert!(Path::new(&bench.plan.file).exists());
}
