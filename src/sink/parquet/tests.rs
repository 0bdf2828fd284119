use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::parquet::basic::Compression;
use ::parquet::file::reader::FileReader as _;
use ::parquet::file::serialized_reader::SerializedFileReader;
use serde_json::{Value, json};

use super::part::{self, Note};
use super::*;
use crate::record::{Layout, Record};
use crate::sink::spooled::{Destination, Head, Line, Setback};
use crate::sink::tests::{layout, record};
use crate::sink::{ColumnType, Cursor, Start};

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

/// A folder of parts, and the state folder of each run that writes it.
struct Bench {
    top: tempfile::TempDir,
    plan: ParquetPlan,
    types: Vec<(String, ColumnType)>,
}

impl Bench {
    fn new(on_existing: OnExisting) -> Self {
        let top = tempfile::tempdir().unwrap();
        let plan = ParquetPlan {
            folder: top.path().join("out/x.parquet"),
            written: "out/x.parquet".into(),
            codec: Codec::Zstd,
            part_rows: usize::MAX,
            on_existing,
        };
        Self { top, plan, types: Vec::new() }
    }

    /// The same folder, otherwise.
    fn again(self, on_existing: OnExisting) -> Self {
        Self { plan: ParquetPlan { on_existing, ..self.plan }, ..self }
    }

    fn open(&self, start: Start, run: &str, layout: &Layout) -> Result<Box<dyn Sink>, SinkError> {
        let (layouts, state) = ([(0, layout.clone())], self.top.path().join(run));
        fs::create_dir_all(&state).unwrap();
        let types = &self.types;
        self.plan.open(&SinkOpening { start, name: "out", state: &state, run, layouts: &layouts, columns: None, types })
    }

    /// Writes records as a session of a run does; the cursor.
    fn session(&self, start: Start, run: &str, records: &[Record]) -> Cursor {
        let mut sink = self.open(start, run, &two()).unwrap();
        let delivery = sink.deliver(Box::new(Calm)).unwrap().unwrap();
        let mut cursor = sink.commit().unwrap();
        for record in records {
            assert_eq!(sink.fits(0, record), Ok(()));
            sink.write(0, record).unwrap();
        }
        sink.end().unwrap();
        cursor.clone_from(&sink.commit().unwrap());
        delivery.committed(cursor.offset);
        assert!(delivery.finish(|| false));
        cursor
    }

    /// What is in the folder, whatever it is.
    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.plan.folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn part(&self, name: &str) -> PathBuf {
        self.plan.folder.join(name)
    }

    /// The records of all parts, by the names of these.
    fn rows(&self) -> Vec<String> {
        self.names().iter().filter(|name| name.starts_with("part-")).flat_map(|name| rows(&self.part(name))).collect()
    }

    fn refusal(&self, run: &str) -> String {
        self.open(Start::New, run, &two()).err().expect("a refusal").message
    }
}

fn reader(path: &Path) -> SerializedFileReader<File> {
    SerializedFileReader::new(File::open(path).unwrap()).unwrap()
}

fn rows(path: &Path) -> Vec<String> {
    reader(path).get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
}

/// An input column and an extracted one.
fn two() -> Layout {
    layout(Some(&["id"]), &["x"])
}

fn rec(id: i64, x: Value) -> Record {
    record(json!({ "id": id }), &[x])
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_type_is_read_back_with_every_digit() {
    let bench = Bench::new(OnExisting::Error);
    let head = Head {
        columns: ["b", "i", "f", "t", "j", "s"].map(str::to_owned).to_vec(),
        types: {
            use ColumnType::{Bool, Float, Int, Json, Text, Timestamp};
            vec![Bool, Int, Float, Timestamp, Json, Text]
        },
    };
    let records = [
        json!([true, i64::MIN, number("1.7976931348623157e308"), "2026-01-02T03:04:05.000006+01:00", {"k": number("1.50")}, "ü\u{0}\n"]),
        json!([null, null, null, null, null, null]),
        json!([false, i64::MAX, 3, "0001-01-01T00:00:00Z", "text", number("10000000000000000000.10")]),
    ];
    let lines = records.iter().map(|record| Ok(Line::Record(record.as_array().unwrap().clone())));
    let path = bench.top.path().join("part");
    let note = Note { run: "r".into(), sink: "out".into(), from: 3, to: 99, replaces: Vec::new() };
    part::write(&path, &head, &note, Codec::Zstd, &mut lines.into_iter()).unwrap();
    assert_eq!(
        rows(&path),
        [
            "{b: true, i: -9223372036854775808, f: 1.7976931348623157E308, t: 2026-01-02 02:04:05.000006 +00:00, j: \"{\"k\":1.50}\", s: \"ü\0\n\"}",
            "{b: null, i: null, f: null, t: null, j: null, s: null}",
            "{b: false, i: 9223372036854775807, f: 3.0, t: 0001-01-01 00:00:00.000000 +00:00, j: \"\"text\"\", s: \"10000000000000000000.10\"}",
        ]
    );
    let said = part::read(&path).unwrap();
    assert_eq!((said.note, schema::columns(&said.schema).unwrap().len()), (Some(note), 6));
    let footer = reader(&path);
    assert_eq!(footer.metadata().file_metadata().created_by(), Some(part::CREATED_BY));
    let column = footer.metadata().row_group(0).column(1);
    assert_eq!(column.statistics().unwrap().null_count_opt(), Some(1));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn every_codec_is_what_it_is_called() {
    let head = Head { columns: vec!["s".into()], types: vec![ColumnType::Text] };
    let note = Note { run: "r".into(), sink: "out".into(), from: 0, to: 1, replaces: Vec::new() };
    for codec in [Codec::Zstd, Codec::Snappy, Codec::Gzip, Codec::Lz4, Codec::None] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let mut lines = (0..5000).map(|number| Ok(Line::Record(vec![json!(format!("row {number}"))])));
        part::write(&path, &head, &note, codec, &mut lines).unwrap();
        let found = reader(&path).metadata().row_group(0).column(0).compression();
        let is_it = match codec {
            Codec::Zstd => matches!(found, Compression::ZSTD(_)),
            Codec::Snappy => found == Compression::SNAPPY,
            Codec::Gzip => matches!(found, Compression::GZIP(_)),
            Codec::Lz4 => found == Compression::LZ4_RAW,
            Codec::None => found == Compression::UNCOMPRESSED,
        };
        assert!(is_it, "{codec:?}: {found:?}");
        let expected: Vec<String> = (0..5000).map(|number| format!("{{s: \"row {number}\"}}")).collect();
        assert_eq!(rows(&path), expected);
    }
}

#[test]
fn row_groups_are_bounded_by_records_and_by_bytes() {
    let head = Head { columns: vec!["s".into(), "n".into()], types: vec![ColumnType::Text, ColumnType::Int] };
    let note = Note { run: "r".into(), sink: "out".into(), from: 0, to: 1, replaces: Vec::new() };
    for (length, records, groups) in [(1, 300_000_i64, vec![131_072, 131_072, 37_856]), (1 << 20, 20, vec![16, 4])] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let text = json!("x".repeat(length));
        let mut lines = (0..records).map(|number| {
            let number = if number % 3 == 0 { Value::Null } else { json!(number) };
            Ok(Line::Record(vec![text.clone(), number]))
        });
        part::write(&path, &head, &note, Codec::Zstd, &mut lines).unwrap();
        let footer = reader(&path);
        let found: Vec<i64> = footer.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(found, groups);
        let numbers = footer.get_row_iter(None).unwrap().map(|row| row.unwrap());
        for (expected, row) in (0..records).zip(numbers) {
            let found = row.get_column_iter().nth(1).unwrap().1.to_string();
            assert_eq!(found, if expected % 3 == 0 { "null".to_owned() } else { expected.to_string() });
        }
    }
}

#[test]
fn a_session_that_was_cut_anywhere_leaves_every_record_once() {
    let bench = Bench::new(OnExisting::Error);
    let first = bench.session(Start::New, "r", &[rec(1, json!("a"))]);
    assert_eq!(bench.names(), ["part-r-00000001.parquet"]);
    // A part that stands, and then a kill: the journal says the same, or stands where it was.
    for _ in 0..2 {
        assert_eq!(bench.session(Start::Resume(first), "r", &[]), first);
        assert_eq!(bench.rows(), ["{id: 1, x: \"a\"}"]);
    }
    // A kill while a part was written, when the journal stood for its records.
    let mut sink = bench.open(Start::Resume(first), "r", &two()).unwrap();
    sink.write(0, &rec(2, json!("b"))).unwrap();
    let second = sink.commit().unwrap();
    drop(sink);
    fs::write(bench.part(".part-r-00000002.unfinished"), "PAR1 half of a part").unwrap();
    bench.session(Start::Resume(second), "r", &[rec(3, json!("c"))]);
    assert_eq!(bench.names(), ["part-r-00000001.parquet", "part-r-00000002.parquet"]);
    assert_eq!(bench.rows(), ["{id: 1, x: \"a\"}", "{id: 2, x: \"b\"}", "{id: 3, x: \"c\"}"]);
    let note = part::read(&bench.part("part-r-00000002.parquet")).unwrap().note.unwrap();
    assert_eq!((note.run.as_str(), note.sink.as_str(), note.from), ("r", "out", first.offset));
    // The journal of then knows nothing of what stands by now.
    let refused = bench.open(Start::Resume(first), "r", &two()).err().unwrap();
    assert!(refused.message.contains("brought back from a backup"), "{refused}");
}

#[test]
fn parts_have_no_more_records_than_they_may_and_are_made_while_more_come() {
    let mut bench = Bench::new(OnExisting::Error);
    bench.plan.part_rows = 2;
    let mut sink = bench.open(Start::New, "r", &two()).unwrap();
    let delivery = sink.deliver(Box::new(Calm)).unwrap().unwrap();
    for id in 0..5 {
        sink.write(0, &rec(id, json!(null))).unwrap();
        delivery.committed(sink.commit().unwrap().offset);
    }
    // Nothing says yet that no more will come.
    let begun = crate::clock::now();
    while bench.names().iter().filter(|name| name.starts_with("part-")).count() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", bench.names());
        std::thread::yield_now();
    }
    assert!(delivery.finish(|| false));
    let counts: Vec<usize> = bench.names().iter().map(|name| rows(&bench.part(name)).len()).collect();
    assert_eq!(counts, [2, 2, 1]);
}

#[test]
fn a_run_without_a_record_leaves_a_part_with_columns() {
    let mut bench = Bench::new(OnExisting::Error);
    bench.types = vec![("x".to_owned(), ColumnType::Float)];
    bench.session(Start::New, "r", &[]);
    assert_eq!((bench.names(), bench.rows().len()), (vec!["part-r-00000001.parquet".to_owned()], 0));
    let columns = schema::columns(&part::read(&bench.part("part-r-00000001.parquet")).unwrap().schema).unwrap();
    assert_eq!(columns, [("id".to_owned(), ColumnType::Text), ("x".to_owned(), ColumnType::Float)]);
}

#[test]
fn what_a_new_run_finds_is_refused_kept_or_replaced() {
    let bench = Bench::new(OnExisting::Error);
    assert_eq!(bench.plan.survey(), Ok(()));
    bench.session(Start::New, "one", &[rec(1, json!("a"))]);
    let refused = bench.refusal("two");
    assert!(refused.contains("holds part-one-00000001.parquet") && refused.contains("on-existing"), "{refused}");
    assert_eq!(bench.plan.survey(), Err(SinkError::new(refused)));
    let bench = bench.again(OnExisting::Append);
    bench.session(Start::New, "two", &[rec(2, json!("b"))]);
    assert_eq!(bench.rows(), ["{id: 1, x: \"a\"}", "{id: 2, x: \"b\"}"]);
    let bench = bench.again(OnExisting::Replace);
    for name in ["_SUCCESS", "notes.txt", ".hidden.parquet"] {
        fs::write(bench.part(name), "theirs").unwrap();
    }
    let sink = bench.open(Start::New, "three", &two()).unwrap();
    assert_eq!(bench.rows().len(), 2, "nothing goes before its successor stands");
    drop(sink);
    bench.session(Start::New, "three", &[rec(3, json!("c"))]);
    assert_eq!(bench.names(), [".hidden.parquet", "_SUCCESS", "notes.txt", "part-three-00000001.parquet"]);
    assert_eq!(rows(&bench.part("part-three-00000001.parquet")), ["{id: 3, x: \"c\"}"]);
}

#[test]
fn a_replacement_that_was_cut_is_ended_and_takes_nothing_that_came_since() {
    let bench = Bench::new(OnExisting::Error);
    bench.session(Start::New, "one", &[rec(1, json!("a"))]);
    let bench = bench.again(OnExisting::Append);
    bench.session(Start::New, "two", &[rec(2, json!("b"))]);
    let bench = bench.again(OnExisting::Replace);
    // A copy of what is replaced comes back, as if a kill had kept it from being removed.
    let (one, two) = (bench.part("part-one-00000001.parquet"), bench.part("part-two-00000001.parquet"));
    for path in [&one, &two] {
        fs::hard_link(path, bench.top.path().join(path.file_name().unwrap())).unwrap();
    }
    let cursor = bench.session(Start::New, "three", &[rec(3, json!("c"))]);
    assert_eq!(bench.names(), ["part-three-00000001.parquet"]);
    fs::rename(bench.top.path().join("part-one-00000001.parquet"), &one).unwrap();
    // Of the same name, and written since.
    fs::copy(bench.part("part-three-00000001.parquet"), &two).unwrap();
    bench.session(Start::Resume(cursor), "three", &[rec(4, json!("d"))]);
    let left = ["part-three-00000001.parquet", "part-three-00000002.parquet", "part-two-00000001.parquet"];
    assert_eq!(bench.names(), left);
}

#[test]
fn what_is_added_has_the_columns_that_are_there_or_is_refused_with_the_difference() {
    let bench = Bench::new(OnExisting::Append);
    bench.session(Start::New, "one", &[rec(1, json!(0.5))]);
    // Types are those that are there, whatever the first records would say.
    let mut sink = bench.open(Start::New, "two", &two()).unwrap();
    sink.write(0, &rec(2, json!(7))).unwrap();
    sink.commit().unwrap();
    assert!(sink.fits(0, &rec(2, json!("7"))).unwrap_err().contains("the column x holds float"));
    drop(sink);
    bench.session(Start::New, "two", &[rec(2, json!(7))]);
    assert_eq!(bench.rows(), ["{id: 1, x: 0.5}", "{id: 2, x: 7.0}"]);
    let others = layout(Some(&["id"]), &["x", "y"]);
    let refused = bench.open(Start::New, "three", &others).err().unwrap().message;
    assert!(refused.contains("has no column y, which this run would write. Parts of one table"), "{refused}");
    let mut bench = bench;
    bench.types = vec![("x".to_owned(), ColumnType::Text)];
    let refused = bench.refusal("three");
    assert!(refused.contains("holds float in the column x, and this run would write string"), "{refused}");
    // Columns that come with the rows are known when these are.
    let mut parts = Parts::new(&bench.plan, "three", "out");
    let head = Head { columns: vec!["id".into()], types: vec![ColumnType::Int] };
    let Err(Setback::Refused(words)) = parts.reach(&head) else { panic!("not refused") };
    assert!(words.contains("has the column x, which this run would not write"), "{words}");
    fs::write(bench.part("broken.parquet"), "no Parquet").unwrap();
    let refused = bench.refusal("three");
    assert!(
        refused.contains("broken.parquet can't be read as Parquet") && refused.contains("move it away"),
        "{refused}"
    );
}

#[test]
fn what_is_no_folder_or_holds_folders_is_refused_and_left_alone() {
    let bench = Bench::new(OnExisting::Replace);
    fs::create_dir(bench.top.path().join("out")).unwrap();
    fs::write(&bench.plan.folder, "a file").unwrap();
    let refused = bench.refusal("r");
    assert!(refused.contains("is no folder, and Parquet files are written as the parts of one"), "{refused}");
    assert_eq!(
        (bench.plan.survey(), fs::read(&bench.plan.folder).unwrap()),
        (Err(SinkError::new(refused)), b"a file".to_vec())
    );
    fs::remove_file(&bench.plan.folder).unwrap();
    fs::create_dir_all(bench.part("year=2026")).unwrap();
    assert!(bench.refusal("r").contains("holds the folder year=2026"), "{}", bench.refusal("r"));
    fs::rename(bench.part("year=2026"), bench.part("_old")).unwrap();
    bench.session(Start::New, "r", &[rec(1, json!("a"))]);
    assert_eq!(bench.names(), ["_old", "part-r-00000001.parquet"]);
}

#[test]
fn only_one_run_at_a_time_writes_a_folder() {
    let bench = Bench::new(OnExisting::Append);
    let sink = bench.open(Start::New, "one", &two()).unwrap();
    assert!(bench.refusal("two").contains("is being written by another run"), "{}", bench.refusal("two"));
    drop(sink);
    assert!(bench.open(Start::New, "two", &two()).is_ok());
}

#[test]
fn a_part_that_can_not_be_written_leaves_nothing_and_is_made_again() {
    let bench = Bench::new(OnExisting::Error);
    let opening = bench.open(Start::New, "r", &two()).unwrap();
    drop(opening);
    let mut parts = Parts::new(&bench.plan, "r", "out");
    let head = Head { columns: vec!["id".into()], types: vec![ColumnType::Int] };
    assert_eq!(parts.reach(&head), Ok(0));
    let broken = [Ok(Line::Record(vec![json!(1)])), Err(Setback::Away("gone".to_owned()))];
    let words = parts.deliver(&head, 0, 9, &mut broken.into_iter()).unwrap_err();
    assert!(words.words().ends_with("x.parquet: gone"), "{words:?}");
    assert_eq!((bench.names(), parts.reach(&head)), (Vec::new(), Ok(0)));
    let unfit = [Ok(Line::Record(vec![json!("x")]))];
    assert!(matches!(parts.deliver(&head, 0, 9, &mut unfit.into_iter()), Err(Setback::Refused(_))));
    assert_eq!((bench.names(), parts.reach(&head)), (Vec::new(), Ok(0)));
    assert_eq!(parts.deliver(&head, 0, 9, &mut [Ok(Line::Record(vec![json!(1)]))].into_iter()), Ok(0));
    assert_eq!((parts.reach(&head), bench.rows()), (Ok(9), vec!["{id: 1}".to_owned()]));
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert!(matches!(part::setback(&full), Setback::Away(words) if words.contains("no space is left")));
}
