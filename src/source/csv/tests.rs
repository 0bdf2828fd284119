//! Rows of delimited text as the world writes it: what becomes a row, what a bad one, and which line it has.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::row::{Fields, Row};
use crate::source::Read;
use crate::source::lines::CAP;

fn reader(text: &[u8]) -> Reader<&[u8]> {
    Reader::lazy(Rows::new(text, "x.csv".to_owned(), b','))
}

fn cells(row: &Row) -> Vec<&str> {
    let Fields::Text { cells, .. } = &row.fields else { panic!("not text") };
    cells.iter().collect()
}

/// Every row as `LINE cell|cell`, bad ones as `LINE cell|cell! reason`.
fn read(text: &[u8]) -> Vec<String> {
    let mut source = reader(text);
    let mut rows = Vec::new();
    while let Some(read) = source.next().unwrap() {
        assert_eq!(read.ordinal(), rows.len() as u64);
        rows.push(match &read {
            Read::Row(row) => format!("{} {}", row.line, cells(row).join("|")),
            Read::Bad { row, reason } | Read::Skipped { row, reason } => {
                format!("{} {}! {reason}", row.line, cells(row).join("|"))
            }
        });
    }
    assert_eq!(source.next().unwrap(), None);
    rows
}

fn problem(content: &[u8], value: serde_json::Value) -> Problem {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.csv"), content).unwrap();
    let mut problem = Problem::from(decide(&value, |name| folder.path().join(name)).unwrap_err());
    problem.message = problem.message.replace(&format!("{}/", folder.path().display()), "");
    problem
}

#[test]
fn marks_line_ends_quotes_and_blank_lines_are_understood() {
    assert_eq!(read("\u{feff}a,b\r\n1,x\r\n\r\n2,\"y\r\nz\"\r\n3,".as_bytes()), ["2 1|x", "4 2|y\r\nz", "6 3|"]);
    assert_eq!(read(b"\n\na,b\n1,\"q\"\"q\"\n\n\n2,\"a,b\""), ["4 1|q\"q", "7 2|a,b"]);
    assert_eq!(read(b"a\r1\r2\r"), ["2 1", "3 2"]);
    assert_eq!(read(b"a,b\n1,x\0y\n"), ["2 1|x\0y"]);
    assert_eq!(read(b"a,b\n"), Vec::<String>::new());
    assert_eq!(read(b"a,b"), Vec::<String>::new());
}

#[test]
fn ragged_rows_are_bad_and_keep_what_they_have() {
    let rows = read(b"a,b,c\n1,2\n1,2,3\n1,2,3,4\r\n\r\nonly\n");
    let expected = [
        "2 1|2|! the row at line 2 of x.csv has 2 fields, expected 3",
        "3 1|2|3",
        "4 1|2|3! the row at line 4 of x.csv has 4 fields, expected 3",
        "6 only||! the row at line 6 of x.csv has 1 field, expected 3",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_row_that_is_not_utf8_is_bad_and_the_next_is_read() {
    let rows = read(b"a,b\n1,ok\n2,\xff\xfe!\n3,ok\n");
    let bad = "3 2|\u{fffd}\u{fffd}!! field 2 of the row at line 3 of x.csv is not UTF-8";
    assert_eq!(rows, ["2 1|ok", bad, "4 3|ok"]);
}

#[test]
fn a_quote_that_is_never_closed_makes_its_row_bad() {
    let never = |line| format!("the quote that opens at line {line} of x.csv is never closed");
    let rows = read(b"x,y\n1,2\n2,\"abc\n3,4\n4,5\n");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], "2 1|2");
    assert!(rows[1].starts_with(&format!("3 2|! {}", never(3))), "what it swallowed is no cell: {}", rows[1]);
    for (text, line, fields) in [
        (&b"x,y\n\"a\nb\",\"c\n"[..], 3, "2 a\nb|!"),
        (b"x,y\n1,\"", 2, "2 1|!"),
        (b"x,y\r\n\r\n1,\"\"\"\r\n", 3, "3 1|!"),
        (b"x,y\n\"\xff", 2, "2 |!"),
        (b"x,y\n1,2,3,\"", 2, "2 1|2!"),
    ] {
        let rows = read(text);
        assert_eq!(rows.len(), 1);
        assert!(rows[0].starts_with(fields) && rows[0].contains(&never(line)), "{}", rows[0]);
    }
    assert_eq!(read(b"x,y\n1,\"a\"\"\""), ["2 1|a\""]);
    assert_eq!(read(b"x,y\n1,a\"b\n"), ["2 1|a\"b"]);
    assert_eq!(read(b"x,y\n1,\"\""), ["2 1|"]);
}

#[test]
fn a_header_whose_quote_is_never_closed_is_refused() {
    let words = "the quote that opens at line 2 of x.csv is never closed";
    let refused = problem(b"\nx,\"y\n1,2\n", json!({"path": "x.csv"}));
    assert!(refused.message.starts_with(words), "{}", refused.message);
    let counted = problem(b"\nx,\"y\n1,2\n", json!({"path": "x.csv", "header": false}));
    assert_eq!(counted.message, refused.message);
    let message = reader(b"\nx,\"y\n1,2\n").next().unwrap_err().message;
    assert!(message.starts_with(words), "{message}");
}

#[test]
fn an_open_quote_ends_at_the_cap_with_the_line_it_began_at() {
    for (quote, words) in [
        ("\"open", "the row of x.csv at line 3 is longer than 16 MiB: the quote that opens at line 4 is not closed"),
        ("open", "the row of x.csv at line 3 is longer than 16 MiB, the most that a row may have"),
    ] {
        let runaway = std::io::Read::take(std::io::repeat(b'x'), 2 * CAP);
        let text = format!("a,b\n1,2\n\"3\n\",{quote}");
        let text = std::io::Read::chain(text.as_bytes(), runaway);
        let mut source = Reader::lazy(Rows::new(text, "x.csv".to_owned(), b','));
        assert!(matches!(source.next().unwrap(), Some(Read::Row(_))));
        let message = source.next().unwrap_err().message;
        assert!(message.starts_with(words), "{message}");
        assert_eq!(source.next().unwrap(), None);
    }
}

#[test]
fn utf16_is_refused_with_the_way_out() {
    let message = reader(b"\xff\xfea\0,\0b\0\n\0").next().unwrap_err().message;
    assert!(message.contains("UTF-16") && message.contains("iconv"), "{message}");
}

#[test]
fn headers_that_can_not_name_columns_are_refused() {
    let value = || json!({"path": "x.csv"});
    let empty = problem(b"", value());
    assert_eq!((empty.message.as_str(), empty.key), ("x.csv is empty", Some("path")));
    assert_eq!(problem(b"\r\n\n", value()).message, "x.csv is empty");
    assert_eq!(problem(b"a,,c\n", value()).message, "column 2 of x.csv has no name");
    assert_eq!(problem(b"a,b,a\n", value()).message, "x.csv names the column `a` twice");
    let latin = problem(b"a,\xff\n", value());
    assert_eq!(latin.message, "the first row of x.csv is not UTF-8");
    assert!(latin.help.contains("encoding = \"windows-1252\""), "{}", latin.help);
    for (text, name) in [(&b"\xfe\xff\0a"[..], "utf-16"), (b"a\0,\0b\0\n\0", "utf-16le"), (b"\0a\0,", "utf-16be")] {
        let utf16 = problem(text, value());
        assert!(utf16.message.starts_with("x.csv can't be read: it is UTF-16"), "{}", utf16.message);
        let help = format!("name its encoding: `input.csv = {{ path = \"x.csv\", encoding = \"{name}\" }}`");
        assert_eq!(utf16.help, help);
    }
    let directory = problem(b"a\n", json!({"path": "."}));
    assert!(directory.message.ends_with("it is a directory"), "{}", directory.message);
    assert_eq!(directory.help, "name a file in it; one endpoint reads one file");
}

#[test]
fn a_delimiter_is_one_ascii_character() {
    for delimiter in ["", ";;", "\"", "\n", "é"] {
        let problem = problem(b"a\n", json!({"path": "x.csv", "delimiter": delimiter}));
        assert_eq!(problem.key, Some("delimiter"), "{delimiter:?}");
    }
}

#[test]
fn a_file_is_counted_described_identified_and_skipped_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tsv");
    std::fs::write(&path, "a\tb\r\n1\t\"x\ny\"\r\n\r\n2\n3\tz\r\n").unwrap();
    let plan = decide(&json!({"path": "x.tsv"}), |name| folder.path().join(name)).unwrap();
    assert_eq!(plan.count().unwrap(), Some(3));
    assert_eq!(plan.describe(), format!("{} (csv, 2 columns)", path.display()));
    let identity = plan.identity().unwrap().unwrap();
    assert!(identity.starts_with("csv, header, delimiter \\t, 23 bytes, content "), "{identity}");
    let mut source = plan.open().unwrap();
    source.skip(2).unwrap();
    let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
    assert_eq!((row.ordinal, row.line, cells(&row)), (2, 6, vec!["3", "z"]));
    assert_eq!(source.next().unwrap(), None);
}

#[test]
fn a_last_row_without_an_end_is_counted_and_told() {
    let survey = |text: &[u8]| reader(text).survey().unwrap();
    let Counted { rows, doubts } = survey(b"a,b\n1,\"2\n3,4\n5,6\n");
    let words = "the quote that opens at line 2 of x.csv is never closed, so what follows it can't be read";
    assert_eq!((rows, doubts.len(), doubts[0].message.as_str()), (Some(2), 1, words), "the header is one of them");
    assert_eq!(survey(b"a,b\n1,\"2\"\n3,4\n"), Counted { rows: Some(3), doubts: Vec::new() });
}

#[test]
fn columns_are_numbered_where_there_is_no_header() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.csv"), "1;x\n2;y\n").unwrap();
    let value = json!({"path": "x.csv", "delimiter": ";", "header": false});
    let plan = decide(&value, |name| folder.path().join(name)).unwrap();
    assert!(matches!(plan.columns(), Columns::Known(header) if header.names() == ["c1", "c2"]));
    assert_eq!(plan.count().unwrap(), Some(2));
    let Some(Read::Row(row)) = plan.open().unwrap().next().unwrap() else { panic!("no row") };
    assert_eq!((row.ordinal, row.line, cells(&row)), (0, 1, vec!["1", "x"]));
}

#[test]
fn a_header_that_changed_since_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let plan = decide(&json!({"path": "x.csv"}), |name| folder.path().join(name)).unwrap();
    std::fs::write(&path, "a,c\n1,2\n").unwrap();
    let Err(error) = plan.open() else { panic!("opened") };
    assert!(error.message.contains("has changed since"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert!(plan.count().unwrap_err().message.ends_with("no such file"));
}

proptest! {
    #[test]
    fn what_a_csv_writer_wrote_is_read_back(
        width in 1usize..5,
        table in prop::collection::vec(prop::collection::vec("(?s).{0,8}|[\"\r\n, ]{0,4}", 5), 0..8),
        crlf: bool,
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        writer.write_record((0..width).map(|column| format!("h{column}"))).unwrap();
        for row in &table {
            writer.write_record(&row[..width]).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let mut source = reader(&text);
        for row in &table {
            let Some(Read::Row(read)) = source.next().unwrap() else { panic!("no row") };
            prop_assert_eq!(cells(&read), row[..width].iter().map(String::as_str).collect::<Vec<_>>());
            let newlines = text.iter().filter(|byte| matches!(byte, b'\n' | b'\r'));
            prop_assert!(read.line >= 2 && read.line <= 1 + newlines.count() as u64);
        }
        prop_assert_eq!(source.next().unwrap(), None);
    }

    #[test]
    fn a_quote_is_open_at_the_end_where_a_line_behind_it_would_be_no_row(text in prop::collection::vec(
        prop_oneof![Just(b'\n'), Just(b'\r'), Just(b','), Just(b'"'), Just(b'a')], 0..40,
    )) {
        let whole = [b"a,b\n", &text[..]].concat();
        let rows = read(&whole);
        let more = read(&[&whole[..], b"\n9,9\n"].concat());
        let is_open = rows.last().is_some_and(|row| row.contains("is never closed"));
        prop_assert_eq!(is_open, more.len() == rows.len(), "{:?}", rows);
        let earlier = rows.iter().rev().skip(1).filter(|row| row.contains("is never closed")).count();
        prop_assert_eq!(earlier, 0);
    }

    #[test]
    fn any_bytes_are_read_to_the_end_and_counted_alike(text in prop::collection::vec(
        prop_oneof![Just(b'\n'), Just(b'\r'), Just(b','), Just(b'"'), Just(b'a'), any::<u8>()], 0..200,
    )) {
        let mut text = text;
        text.splice(0..0, *b"a,b\n");
        let rows = read(&text);
        prop_assert_eq!(reader(&text[..]).survey().unwrap().rows, Some(rows.len() as u64 + 1));
        let skip = rows.len() as u64 / 2;
        let mut source = reader(&text);
        source.skip(skip).unwrap();
        let next = source.next().unwrap().map(|read| read.ordinal());
        prop_assert_eq!(next, (skip < rows.len() as u64).then_some(skip));
    }
}
