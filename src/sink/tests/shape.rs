//! Which cell stands where.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{layout, open_as, plan, record};
use crate::record::{Layout, Record};
use crate::row::{Fields, Header, Row};
use crate::sink::{OnExisting, Start};

fn written(
    file: &str,
    layouts: &[(usize, Layout)],
    columns: Option<&[&str]>,
    records: &[(usize, Record)],
) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    let columns: Option<Vec<String>> = columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    let mut sink = open_as(plan(&path, OnExisting::Error).as_ref(), Start::New, layouts, columns.as_deref()).unwrap();
    records.iter().for_each(|(endpoint, record)| sink.write(*endpoint, record).unwrap());
    let cursor = sink.commit().unwrap();
    let text = super::text(&path);
    if !file.contains(".json.") && !file.ends_with(".json") {
        let of_text = if cursor.text > 0 { cursor.text } else { cursor.offset };
        assert_eq!(of_text, text.len() as u64);
    }
    (text, sink.dropped_columns())
}

fn text_record(names: &[&str], cells: &[&str], extracted: &[Value]) -> Record {
    let header = Arc::new(Header::new(names.iter().map(|name| (*name).to_owned()).collect()));
    let fields = Fields::Text { header, cells: csv::StringRecord::from(cells.to_vec()) };
    Record { row: Arc::new(Row { ordinal: 0, line: 2, fields }), cells: extracted.to_vec() }
}

#[test]
fn a_plain_table_is_input_then_cells() {
    let layouts = [(0, layout(Some(&["b", "a"]), &["x", "status"]))];
    let rows = [
        (0, text_record(&["a", "b"], &["1", "q\"q"], &[json!(1.5), json!(200)])),
        (0, text_record(&["a", "b"], &["", "2"], &[json!(null), json!({"k": [1]})])),
    ];
    let (text, _) = written("x.csv", &layouts, None, &rows);
    assert_eq!(text, "b,a,x,status\n\"q\"\"q\",1,1.5,200\n2,,,\"{\"\"k\"\":[1]}\"\n");
    let (text, _) = written("x.jsonl", &layouts, None, &rows);
    let expected = "{\"b\":\"q\\\"q\",\"a\":\"1\",\"x\":1.5,\"status\":200}\n\
                    {\"b\":\"2\",\"a\":\"\",\"x\":null,\"status\":{\"k\":[1]}}\n";
    assert_eq!(text, expected);
    assert_eq!(written("x.jsonl.zst", &layouts, None, &rows).0, expected);
    let array = format!("[\n{}\n]\n", expected.trim_end().replace('\n', ",\n"));
    assert_eq!(written("x.json", &layouts, None, &rows).0, array);
    assert_eq!(written("x.json.gz", &layouts, None, &rows).0, array);
    let (text, _) = written("x.tsv.gz", &layouts, None, &rows[..1]);
    assert_eq!(text, "b\ta\tx\tstatus\n\"q\"\"q\"\t1\t1.5\t200\n");
}

#[test]
fn an_empty_run_has_a_header_alone() {
    let layouts = [(0, layout(Some(&["a"]), &["x"]))];
    assert_eq!(written("x.csv", &layouts, None, &[]).0, "a,x\n");
    for file in ["x.jsonl", "x.jsonl.gz", "x.jsonl.zst"] {
        assert_eq!(written(file, &layouts, None, &[]).0, "");
    }
    for file in ["x.json", "x.json.gz", "x.json.zst"] {
        assert_eq!(written(file, &layouts, None, &[]).0, "[\n]\n");
    }
}

#[test]
fn several_endpoints_share_the_union_of_their_columns() {
    let layouts = [(0, layout(Some(&["a"]), &["x"])), (3, layout(Some(&["b", "a"]), &["y"]))];
    let rows = [(3, record(json!({"a": 1, "b": 2}), &[json!(3)])), (0, record(json!({"a": 4}), &[json!(5)]))];
    assert_eq!(written("x.csv", &layouts, None, &rows).0, "a,x,b,y\n1,,2,3\n4,5,,\n");
    // A line is no row of a table: it has the order of its own endpoint.
    let expected = "{\"b\":2,\"a\":1,\"y\":3}\n{\"a\":4,\"x\":5}\n";
    assert_eq!(written("x.jsonl", &layouts, None, &rows).0, expected);
}

#[test]
fn input_columns_of_a_second_endpoint_stand_before_what_was_extracted() {
    let meta = ["status", "attempts"];
    let layouts = [(0, layout(Some(&["a"]), &meta)), (1, layout(Some(&["x"]), &meta))];
    let rows =
        [(0, record(json!({"a": 1}), &[json!(200), json!(1)])), (1, record(json!({"x": 2}), &[json!(200), json!(3)]))];
    let expected = "{\"a\":1,\"status\":200,\"attempts\":1}\n{\"x\":2,\"status\":200,\"attempts\":3}\n";
    assert_eq!(written("x.jsonl", &layouts, None, &rows).0, expected);
    let chosen = Some(["status", "x", "a"].as_slice());
    let expected = "{\"status\":200,\"a\":1}\n{\"status\":200,\"x\":2}\n";
    assert_eq!(written("x.jsonl", &layouts, chosen, &rows).0, expected);
}

#[test]
fn chosen_columns_are_these_in_this_order() {
    let layouts = [(0, layout(None, &["x", "y"]))];
    let rows =
        [(0, record(json!({"a": 1, "b": 2}), &[json!(3), json!(4)])), (0, record(json!({}), &[json!(5), json!(6)]))];
    let columns = Some(["y", "b"].as_slice());
    let (text, dropped) = written("x.csv", &layouts, columns, &rows);
    assert_eq!((text.as_str(), dropped.len()), ("y,b\n4,2\n6,\n", 0));
    assert_eq!(written("x.jsonl", &layouts, columns, &rows).0, "{\"y\":4,\"b\":2}\n{\"y\":6}\n");
}

#[test]
fn rows_that_bring_their_own_columns() {
    let layouts = [(0, layout(None, &["x"]))];
    let rows = [
        (0, record(json!({"b": 1, "a": "k"}), &[json!(1)])),
        (0, record(json!({"a": 2, "new": true, "other": 1}), &[json!(2)])),
        (0, record(json!({"new": 1}), &[json!(3)])),
    ];
    let (text, dropped) = written("x.csv", &layouts, None, &rows);
    assert_eq!(text, "b,a,x\n1,k,1\n,2,2\n,,3\n");
    assert_eq!(dropped, ["new", "other"]);
    let (text, dropped) = written("x.jsonl", &layouts, None, &rows);
    assert_eq!(
        text,
        "{\"b\":1,\"a\":\"k\",\"x\":1}\n{\"a\":2,\"new\":true,\"other\":1,\"x\":2}\n{\"new\":1,\"x\":3}\n"
    );
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn an_input_column_with_the_name_of_a_cell_gives_way_and_is_told() {
    let layouts = [(0, layout(None, &["status"]))];
    let rows = [(0, record(json!({"a": 1, "status": "input"}), &[json!(200)]))];
    let (text, dropped) = written("x.csv", &layouts, None, &rows);
    assert_eq!((text.as_str(), dropped), ("a,status\n1,200\n", vec!["status".to_owned()]));
    let (text, dropped) = written("x.jsonl", &layouts, None, &rows);
    assert_eq!((text.as_str(), dropped), ("{\"a\":1,\"status\":200}\n", vec!["status".to_owned()]));
}

#[test]
fn a_row_that_could_not_be_read_does_not_fix_the_columns() {
    let layouts = [(0, layout(None, &["x"]))];
    let rows = [(0, record(json!({}), &[json!(1)])), (0, record(json!({"a": 2}), &[json!(2)]))];
    let (text, dropped) = written("x.csv", &layouts, None, &rows);
    assert_eq!((text.as_str(), dropped.len()), ("a,x\n,1\n2,2\n", 0));
    assert_eq!(written("x.csv", &layouts, None, &rows[..1]).0, "x\n1\n");
}

#[test]
fn integers_and_headers_that_change_are_followed() {
    let layouts = [(0, layout(Some(&["value"]), &["x"])), (1, layout(Some(&["value"]), &["x"]))];
    let integer = Record {
        row: Arc::new(Row { ordinal: 0, line: 0, fields: Fields::Integer(i64::MIN) }),
        cells: vec![json!(false)],
    };
    let rows = [
        (0, integer),
        (1, text_record(&["value"], &["v"], &[json!(1)])),
        (1, text_record(&["other", "value"], &["o", "w"], &[json!(2)])),
    ];
    let (text, _) = written("x.csv", &layouts, None, &rows);
    assert_eq!(text, "value,x\n-9223372036854775808,false\nv,1\nw,2\n");
}

#[test]
fn a_record_of_a_stranger_is_refused_and_leaves_no_bytes() {
    for file in super::FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        let mut sink = open_as(plan(&path, OnExisting::Error).as_ref(), Start::New, &super::layouts(), None).unwrap();
        let before = sink.commit().unwrap();
        let error = sink.write(9, &record(json!({"a": 1}), &[json!(1)])).unwrap_err();
        assert!(error.message.contains("endpoint 9"), "{error}");
        assert_eq!(sink.commit().unwrap(), before);
    }
}

#[test]
fn each_record_is_a_line_between_two_positions() {
    for file in super::FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        let mut sink = open_as(plan(&path, OnExisting::Error).as_ref(), Start::New, &super::layouts(), None).unwrap();
        let mut places = vec![sink.position().unwrap()];
        for a in ["x", "\n,\n[", "]"] {
            sink.write(0, &record(json!({"a": a}), &[json!(1)])).unwrap();
            places.push(sink.position().unwrap());
            sink.commit().unwrap();
            assert_eq!(sink.position(), places.last().copied(), "{file}: a commit moves nothing");
        }
        let text = super::text(&path);
        // The comma of the last line comes with the record behind it.
        let text = text.replace("}\n]\n", "},\n");
        let at = |pair: &[u64]| text[pair[0].try_into().unwrap()..pair[1].try_into().unwrap()].to_owned();
        let lines: Vec<String> = places.windows(2).map(at).collect();
        assert!(lines.iter().all(|line| line.ends_with('\n')) && text.ends_with(&lines.concat()), "{file} {lines:?}");
        assert_eq!(places[3], text.len() as u64, "{file}");
    }
}

#[test]
fn formulas_are_escaped_in_names_too_and_names_are_found_again() {
    use crate::sink::csv::CsvFile;
    use crate::sink::target::Target;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv.gz");
    let open = |start| {
        let target = Target::decide(&json!({"path": "x.csv.gz"}), None, |_| path.clone()).unwrap();
        let kind = CsvFile { target, delimiter: b',', escapes: true };
        open_as(&kind, start, &[(0, layout(None, &["-x"]))], None).unwrap()
    };
    let mut sink = open(Start::New);
    sink.write(0, &record(json!({"=a": "@1", "b": "-1"}), &[json!(-2)])).unwrap();
    let cursor = sink.commit().unwrap();
    drop(sink);
    let mut sink = open(Start::Resume(cursor));
    sink.write(0, &record(json!({"=a": "+b", "b": 3}), &[json!("=4")])).unwrap();
    sink.commit().unwrap();
    assert_eq!(super::text(&path), "'=a,b,'-x\n'@1,-1,-2\n'+b,3,'=4\n");
    assert_eq!(sink.dropped_columns(), Vec::<String>::new());
}

#[test]
fn records_that_come_before_the_columns_are_found_again() {
    let layouts = [(0, layout(None, &["x"]))];
    let unread = record(json!({}), &[json!(1)]);
    let real = record(json!({"a": "é"}), &[json!(2)]);
    let cases: [(&[&Record], &[&str]); 4] = [
        (&[&unread, &unread, &real, &real], &[",1\n", ",1\n", "é,2\n"]),
        (&[&real, &unread], &["é,2\n"]),
        (&[&unread], &["1\n"]),
        (&[], &[]),
    ];
    for (records, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let mut sink = open_as(plan(&path, OnExisting::Error).as_ref(), Start::New, &layouts, None).unwrap();
        sink.commit().unwrap();
        let mut open = 0;
        for record in records {
            open += usize::from(sink.position().is_none());
            sink.write(0, record).unwrap();
        }
        let end = sink.commit().unwrap().offset;
        let text = std::fs::read_to_string(&path).unwrap();
        let at = |(start, end): (u64, u64)| &text[start.try_into().unwrap()..end.try_into().unwrap()];
        let released: Vec<&str> = sink.released().into_iter().map(at).collect();
        assert_eq!((released.as_slice(), released.len()), (expected, open));
        assert!(sink.released().is_empty(), "each is told once");
        assert_eq!(sink.position(), (!records.is_empty()).then_some(end));
    }
}
