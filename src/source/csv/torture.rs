//! The CSV torture set: texts as spreadsheets, databases and accidents leave them, from a file to its rows.
//!
//! `cargo test --lib -- --ignored torture` adds those of 100 MB.

use std::io::{Read as _, repeat};

use serde_json::json;

use super::*;
use crate::row::{Fields, Row};
use crate::source::Read;
use crate::source::lines::CAP;
use crate::source::unpack::tests::{gzip, zstd};

fn cells(row: &Row) -> Vec<&str> {
    let Fields::Text { cells, .. } = &row.fields else { panic!("not text") };
    cells.iter().collect()
}

/// A file of this name and content, as the plan sees it.
fn planned(name: &str, content: &[u8], value: &serde_json::Value) -> (tempfile::TempDir, Result<CsvPlan, Problem>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    let mut value = value.clone();
    value["path"] = name.into();
    let plan = decide(&value, |name| folder.path().join(name)).map_err(Problem::from);
    (folder, plan)
}

/// What is described of a file, and every row as `LINE cell|cell`, a bad one with `! reason`.
fn read(name: &str, content: &[u8], value: serde_json::Value) -> (String, Vec<String>) {
    let (folder, plan) = planned(name, content, &value);
    let plan = plan.unwrap_or_else(|problem| panic!("{name}: {problem:?}"));
    let plain = |text: &str| text.replace(&format!("{}/", folder.path().display()), "");
    let mut source = plan.open().unwrap();
    let mut rows = Vec::new();
    loop {
        match source.next() {
            Ok(None) => break,
            Ok(Some(Read::Row(row))) => rows.push(format!("{} {}", row.line, cells(&row).join("|"))),
            Ok(Some(Read::Bad { row, reason } | Read::Skipped { row, reason })) => {
                rows.push(format!("{} {}! {}", row.line, cells(&row).join("|"), plain(&reason)));
            }
            Err(error) => {
                rows.push(format!("error: {}", plain(&error.message)));
                break;
            }
        }
    }
    (plain(&plan.describe()), rows)
}

#[test]
fn torture_line_ends_nul_and_missing_ends() {
    let mixed = b"\xef\xbb\xbfa,b\r\n1,x\n2,\"y\r\nz\"\r3,\0\r\n\r\r4,w";
    let (described, rows) = read("x.csv", mixed, json!({}));
    assert_eq!(described, "x.csv (csv, 2 columns)");
    assert_eq!(rows, ["2 1|x", "3 2|y\r\nz", "5 3|\0", "8 4|w"]);
    assert_eq!(read("x.csv", b"a;b\r1;2\r\r3;4", json!({})).1, ["2 1|2", "4 3|4"]);
    assert_eq!(read("x.csv", b"a,b\n", json!({})).1, Vec::<String>::new());
    assert_eq!(read("x.csv", b"a,b", json!({})).1, Vec::<String>::new());
    let ragged = read("x.csv", b"a,b\n1\n2,3,4\n5,6", json!({})).1;
    assert!(ragged[0].starts_with("2 1|! ") && ragged[1].starts_with("3 2|3! ") && ragged[2] == "4 5|6", "{ragged:?}");
}

#[test]
fn torture_delimiters_are_found_and_said() {
    for (name, text, described) in [
        ("x.csv", "a;b\n1,5;2\n", "x.csv (csv, 2 columns between `;`)"),
        ("x.csv", "a\tb\n1\t2\n", r"x.csv (csv, 2 columns between `\t`)"),
        ("x.csv", "\u{feff}a|b\n1|2\n", "x.csv (csv, 2 columns between `|`)"),
        ("x.tsv", "a\tb,c;d\n1\t2\n", "x.tsv (csv, 2 columns)"),
        ("x.TSV", "a\tb\n", "x.TSV (csv, 2 columns)"),
        ("x.csv", "\"a;b;c\",d\n", "x.csv (csv, 2 columns)"),
    ] {
        assert_eq!(read(name, text.as_bytes(), json!({})).0, described);
    }
    let given = read("x.csv", b"a;b,c\n1;2,3\n", json!({"delimiter": ","}));
    assert_eq!(given, ("x.csv (csv, 2 columns)".to_owned(), vec!["2 1;2|3".to_owned()]));
    let (_folder, unclear) = planned("x.csv", b"1,5;2,5\n3,5;4,5\n", &json!({"header": false}));
    let unclear = unclear.unwrap_err();
    assert!(unclear.message.ends_with("x.csv have 3 cells between `,` and 2 between `;`: either fits"), "{unclear:?}");
    assert_eq!(unclear.help, "say which it is: `delimiter = \",\"` or `delimiter = \";\"`");
}

#[test]
fn torture_encodings_by_name() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let text = "name;price\r\ncafé;1\r\n日本;2\r\n";
    for (encoding, bytes) in [
        ("utf-16", utf16(&format!("\u{feff}{text}"), u16::to_le_bytes)),
        ("utf-16", utf16(&format!("\u{feff}{text}"), u16::to_be_bytes)),
        ("utf-16le", utf16(text, u16::to_le_bytes)),
        ("utf-16be", utf16(text, u16::to_be_bytes)),
        ("gb18030", encoding_rs::GB18030.encode(text).0.into_owned()),
        ("UTF8", text.as_bytes().to_vec()),
    ] {
        let (_, rows) = read("x.csv", &bytes, json!({"encoding": encoding}));
        assert_eq!(rows, ["2 café|1", "3 日本|2"], "{encoding}");
    }
    let (described, rows) = read("x.csv", b"a,b\ncaf\xe9,\x80\n", json!({"encoding": "latin1"}));
    assert_eq!((described.as_str(), rows), ("x.csv (csv, 2 columns, windows-1252)", vec!["2 café|€".to_owned()]));
    let (_, rows) = read("x.csv", b"a,b\n\x93\xfa,\x81\x00\n\x93\xfa,x\n", json!({"encoding": "shift_jis"}));
    assert!(rows[0].ends_with("! field 2 of the row at line 2 of x.csv is not Shift_JIS"), "{rows:?}");
    assert_eq!(rows[1], "3 日|x");
    let (_folder, unknown) = planned("x.csv", b"a\n", &json!({"encoding": "latin-one"}));
    assert_eq!(unknown.unwrap_err().key, Some("encoding"));
}

#[test]
fn torture_packed_files() {
    let text = b"a;b\n1;2\n3;4\n";
    for (name, content, described) in [
        ("x.csv.gz", gzip(text), "x.csv.gz (csv, 2 columns between `;`, gzip)"),
        ("x.csv.zst", zstd(text), "x.csv.zst (csv, 2 columns between `;`, zstd)"),
        ("x.csv", gzip(text), "x.csv (csv, 2 columns between `;`, gzip)"),
        ("x.csv.gz", text.to_vec(), "x.csv.gz (csv, 2 columns between `;`)"),
        ("x.csv.gz", [gzip(b"a;b\n1;"), gzip(b"2\n3;4\n")].concat(), "x.csv.gz (csv, 2 columns between `;`, gzip)"),
    ] {
        let expected = (described.to_owned(), vec!["2 1|2".to_owned(), "3 3|4".to_owned()]);
        assert_eq!(read(name, &content, json!({})), expected);
    }
    let tabs = read("x.tsv.gz", &gzip(b"a\tb,c\n1\t2\n"), json!({}));
    assert_eq!(tabs, ("x.tsv.gz (csv, 2 columns, gzip)".to_owned(), vec!["2 1|2".to_owned()]));
    let latin = read("x.csv.gz", &gzip(b"a,b\ncaf\xe9,1\n"), json!({"encoding": "latin1"}));
    assert_eq!(latin.0, "x.csv.gz (csv, 2 columns, windows-1252, gzip)");
    let whole = gzip(b"a,b\n1,2\n");
    let (_folder, cut) = planned("x.csv.gz", &whole[..whole.len() - 3], &json!({}));
    let message = cut.unwrap_err().message;
    assert!(message.ends_with("its gzip data ends in the middle: the file was cut off"), "{message}");
}

#[test]
fn torture_an_archive_that_was_cut_off_behind_its_head() {
    let mut dice = fastrand::Rng::with_seed(7);
    let text: String = (0..40_000).map(|number| format!("{number},{}\n", dice.u64(..))).collect();
    for (packed, name) in
        [(gzip(format!("a,b\n{text}").as_bytes()), "gzip"), (zstd(format!("a,b\n{text}").as_bytes()), "zstd")]
    {
        let (_, rows) = read("x.csv", &packed[..packed.len() - 100], json!({}));
        let (last, good) = rows.split_last().unwrap();
        let words = format!(": its {name} data ends in the middle: the file was cut off");
        assert!(
            last.starts_with("error: x.csv can't be read any further after line ") && last.ends_with(&words),
            "{last}"
        );
        assert!(good.len() > 10_000 && good.iter().all(|row| !row.contains('!')), "rows before it are good");
    }
}

#[test]
fn torture_a_field_of_10_mb_is_a_field() {
    let long = "x\"\"\n".repeat(10 * 1024 * 1024 / 5);
    let (_, rows) = read("x.csv", format!("a,b\n1,\"{long}\"\n2,y\n").as_bytes(), json!({}));
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], format!("2 1|{}", long.replace("\"\"", "\"")));
    assert!(rows[1].ends_with(" 2|y"), "{}", rows[1]);
}

/// Reads rows of `before`, then a quote that opens and `behind` bytes; what it ends with.
fn runaway(before: u64, behind: u64) -> (u64, String) {
    let line = b"12345,some text that is no number,\"quoted\"\n";
    let rows = Repeated { line, at: 0 }.take(before * line.len() as u64);
    let text = (&b"a,b,c\n"[..]).chain(rows).chain(&b"1,2,\"open\n"[..]).chain(repeat(b'x').take(behind));
    let mut source = Reader::lazy(Rows::new(text, "x.csv".to_owned(), b','));
    let mut read = 0;
    loop {
        match source.next() {
            Ok(Some(Read::Row(_))) => read += 1,
            Ok(Some(Read::Bad { reason, .. } | Read::Skipped { reason, .. })) => return (read, reason),
            Ok(None) => return (read, String::new()),
            Err(error) => return (read, error.message),
        }
    }
}

/// A line, again and again.
struct Repeated {
    line: &'static [u8],
    at: usize,
}

impl std::io::Read for Repeated {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let taken = out.len().min(self.line.len() - self.at);
        out[..taken].copy_from_slice(&self.line[self.at..self.at + taken]);
        self.at = (self.at + taken) % self.line.len();
        Ok(taken)
    }
}

#[test]
fn torture_a_quote_that_is_never_closed_is_told_with_its_line() {
    let (read, reason) = runaway(1000, 1000);
    assert_eq!(read, 1000);
    assert!(reason.starts_with("the quote that opens at line 1002 of x.csv is never closed"), "{reason}");
    let (read, reason) = runaway(1000, CAP + 1000);
    assert_eq!(read, 1000);
    let words = "the row of x.csv at line 1002 is longer than 16 MiB: the quote that opens at line 1002 is not closed";
    assert!(reason.starts_with(words), "{reason}");
}

#[test]
#[ignore = "100 MB through a debug build"]
fn torture_a_quote_that_is_never_closed_behind_and_before_100_mb() {
    let rows = 100 * 1024 * 1024 / 43;
    let (read, reason) = runaway(rows, 1000);
    assert_eq!(read, rows);
    assert!(
        reason.starts_with(&format!("the quote that opens at line {} of x.csv is never closed", rows + 2)),
        "{reason}"
    );
    let (read, reason) = runaway(10, 100 * 1024 * 1024);
    assert_eq!(read, 10);
    assert!(reason.contains("longer than 16 MiB: the quote that opens at line 12 is not closed"), "{reason}");
}
