//! Rows of JSON arrays, wherever they stand, and what is said of texts that are broken.

use std::io::Read as _;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::source::Read;
use crate::source::lines::CAP;

fn reader<'t>(text: &'t [u8], at: &str) -> Reader<&'t [u8]> {
    Reader::new(text, "x.json".to_owned(), at.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Every row, or what is wrong with it; at last the error, if it ended with one.
fn read_at(text: &[u8], at: &str) -> (Vec<Result<Value, String>>, Option<String>) {
    let mut source = reader(text, at);
    let mut rows = Vec::new();
    loop {
        match source.next() {
            Ok(Some(read)) => {
                assert_eq!(read.ordinal(), rows.len() as u64);
                rows.push(match read {
                    Read::Row(row) => Ok(Value::Object(row.to_object())),
                    Read::Bad { reason, .. } | Read::Skipped { reason, .. } => Err(reason),
                });
            }
            Ok(None) => return (rows, None),
            Err(error) => {
                assert_eq!(source.next().unwrap(), None, "it is over");
                return (rows, Some(error.message));
            }
        }
    }
}

fn good(text: &str, at: &str) -> Vec<Value> {
    let (rows, error) = read_at(text.as_bytes(), at);
    assert_eq!(error, None, "{text}");
    rows.into_iter().map(Result::unwrap).collect()
}

fn problem(content: &[u8], value: Value) -> Problem {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.json"), content).unwrap();
    let mut problem = decide(&value, |name| folder.path().join(name)).unwrap_err();
    problem.message = problem.message.replace(&format!("{}/", folder.path().display()), "");
    problem
}

#[test]
fn elements_are_rows_and_keep_their_types() {
    assert_eq!(
        good("\u{feff} [ {\"a\":1,\"b\":[true,null]} ,\r\n{\"b\":\"]}\\\"\"}\n]\n", ""),
        [json!({"a": 1, "b": [true, null]}), json!({"b": "]}\""}),]
    );
    for empty in ["[]", " [ ] ", "[\n]"] {
        assert_eq!(good(empty, ""), Vec::<Value>::new());
    }
}

#[test]
fn the_array_is_found_in_objects() {
    let text =
        r#"{"meta": {"items": [9], "x": "}"}, "n": 1, "data": {"a": [], "items": [{"a": 1}], "b": null}, "z": [{}]}"#;
    assert_eq!(good(text, "data.items"), [json!({"a": 1})]);
    assert_eq!(good(text, "z"), [json!({})]);
    assert_eq!(good(r#"{"\u00e9": [{"a": 1}]}"#, "é"), [json!({"a": 1})]);
}

#[test]
fn an_element_that_is_no_object_is_bad_and_the_next_is_read() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let text = format!("[1,\n \"x\", null, [2], true, {deep}, {{\"a\": 1}}]");
    let (rows, error) = read_at(text.as_bytes(), "");
    assert_eq!(error, None);
    let bad: Vec<&str> = rows[..6].iter().map(|row| row.as_ref().unwrap_err().as_str()).collect();
    assert_eq!(bad[0], "element 1 of x.json (at line 1, column 2) is a number, not an object");
    assert_eq!(bad[1], "element 2 of x.json (at line 2, column 2) is a string, not an object");
    for (bad, words) in bad[2..].iter().zip(["is null", "is an array", "is a boolean", "is nested too deep"]) {
        assert!(bad.contains(words), "{bad}");
    }
    assert_eq!(rows[6], Ok(json!({"a": 1})));
    let (rows, error) = read_at(b"[{\"a\":\"\xff\"},{}]", "");
    assert!(rows[0].as_ref().unwrap_err().ends_with("is not UTF-8"), "{rows:?}");
    assert_eq!((rows.len(), error), (2, None));
}

#[test]
fn broken_json_ends_the_rows_with_its_place() {
    for (text, at, rows, words) in [
        ("[{},\n {\"a\":1,}]", "", 1, "line 2, column 9: trailing comma"),
        ("[{\n\"a\":tru}]", "", 0, "line 2, column 8: expected"),
        ("[{}\n{}]", "", 1, "line 2, column 1: there is `{` where `,` or `]` should be"),
        ("[{},]", "", 1, "line 1, column 5: there is `]` where a value should be"),
        ("[{}, {\"a\": [1}]", "", 1, "line 1, column 14: there is `}` where `]` should be"),
        ("[{}", "", 1, "line 1, column 4: the text ends where `,` or `]` should be"),
        ("[{}, {\"a", "", 1, "line 1, column 7: the quote that opens here is never closed"),
        ("[{}] x", "", 1, "line 1, column 6: there is `x` where the end should be"),
        ("[{}][{}]", "", 1, "where the end should be"),
        ("{\"a\":[{}]", "a", 1, "line 1, column 10: the text ends where `,` or `}` should be"),
        ("{\"a\":[{}], \"a\":[]}", "a", 1, "line 1, column 12: `a` stands there twice"),
        ("{\"b\":1 \"a\":[{}]}", "a", 0, "line 1, column 8: there is `\"` where `,` or `}` should be"),
        ("", "", 0, "line 1, column 1: the text ends where an array should be"),
        ("<html>", "", 0, "there is `<` where an array should be"),
    ] {
        let (read, error) = read_at(text.as_bytes(), at);
        let error = error.unwrap_or_else(|| panic!("{text} was read"));
        assert!(error.starts_with("x.json is not valid JSON at ") && error.contains(words), "{text}: {error}");
        assert_eq!(read.len(), rows, "{text}");
    }
    let message = read_at("[".repeat(20_000).as_bytes(), "").1.unwrap();
    assert!(message.contains("more than 10000 brackets are open"), "{message}");
}

#[test]
fn what_is_no_array_is_told_before_the_run() {
    let object = problem(b"{\"items\": []}", json!({"path": "x.json"}));
    assert_eq!(object.message, "x.json has an object where the array should be");
    assert!(object.help.contains("at = \"items\"") && object.help.contains("input.jsonl"), "{}", object.help);
    let missing = problem(b"{\"items\": [], \"n\": 1}", json!({"path": "x.json", "at": "item"}));
    assert_eq!((missing.message.as_str(), missing.key), ("x.json has no `item`", Some("at")));
    assert_eq!(missing.help, "did you mean `items`?");
    let other = problem(b"{\"x\": {\"b\": 1}}", json!({"path": "x.json", "at": "x.longer"}));
    assert_eq!(other.help, "its object has: b");
    assert_eq!(problem(b"7", json!({"path": "x.json"})).message, "x.json has a number where the array should be");
    assert!(problem(b"", json!({"path": "x.json"})).message.contains("the text ends"));
    assert!(problem(b"\xff\xfe[\0", json!({"path": "x.json"})).message.contains("UTF-16"));
    for at in ["$.items[*]", "a..b", "", "items[0]"] {
        assert_eq!(problem(b"[]", json!({"path": "x.json", "at": at})).key, Some("at"), "{at}");
    }
}

#[test]
fn an_element_over_the_cap_is_bad_and_the_next_is_read() {
    let giant = std::io::Read::take(std::io::repeat(b'x'), 2 * CAP);
    let text = (&b"[{\"a\":\""[..]).chain(giant).chain(&b"\"},\n{\"a\":2}]"[..]);
    let mut source = Reader::new(text, "x.json".to_owned(), Vec::new());
    let Some(Read::Bad { reason, .. }) = source.next().unwrap() else { panic!("not bad") };
    assert_eq!(reason, "element 1 of x.json (at line 1, column 2) is longer than 16 MiB");
    let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
    assert_eq!((row.line, Value::Object(row.to_object())), (2, json!({"a": 2})));
    assert_eq!(source.next().unwrap(), None);
}

#[test]
fn a_file_is_counted_described_and_skipped_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json.gz");
    let text = super::super::unpack::tests::gzip(b"{\"items\": [{}, 7,\n{\"a\": 1}]}");
    std::fs::write(&path, &text).unwrap();
    let plan = decide(&json!({"path": "x.json.gz", "at": "items"}), |name| folder.path().join(name)).unwrap();
    assert_eq!(plan.count().unwrap(), Some(3));
    assert_eq!(plan.describe(), format!("{} (json, items, gzip)", path.display()));
    let identity = plan.identity().unwrap().unwrap();
    assert!(identity.starts_with(&format!("json, at \"items\", {} bytes, content ", text.len())), "{identity}");
    let mut source = plan.open().unwrap();
    source.skip(2).unwrap();
    let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
    assert_eq!((row.ordinal, row.line), (2, 2));
    assert_eq!(source.next().unwrap(), None);
}

#[test]
fn a_large_file_is_looked_at_no_further_than_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{{\"pad\": \"{}\", \"items\": [{{}}]}}", "x".repeat(HEAD as usize));
    std::fs::write(folder.path().join("x.json"), text).unwrap();
    let plan = |at: &str| decide(&json!({"path": "x.json", "at": at}), |name| folder.path().join(name)).unwrap();
    assert_eq!(plan("items").count().unwrap(), Some(1));
    let message = plan("item").count().unwrap_err().message;
    assert!(message.ends_with("x.json has no `item` where the array should be"), "{message}");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[\"\\\\\\[\\]{}, :a\n\u{e9}]{0,6}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c\"]{0,2}", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_wrote_is_read_back(values in prop::collection::vec(value(), 0..6), pretty: bool, inside: bool) {
        let whole = if inside { json!({"before": values, "at": values, "z": {"at": 1}}) } else { json!(values) };
        let text = if pretty { serde_json::to_string_pretty(&whole) } else { serde_json::to_string(&whole) }.unwrap();
        let at = if inside { "at" } else { "" };
        let (rows, error) = read_at(text.as_bytes(), at);
        prop_assert_eq!(error, None);
        prop_assert_eq!(rows.len(), values.len());
        prop_assert_eq!(reader(text.as_bytes(), at).count().unwrap(), values.len() as u64);
        for (row, value) in rows.iter().zip(&values) {
            prop_assert_eq!(row.as_ref().ok(), Some(value).filter(|value| value.is_object()));
        }
        // Without its end it is never taken for whole.
        let text = text.trim_end();
        prop_assert!(read_at(&text.as_bytes()[..text.len() - 1], at).1.is_some());
    }

    #[test]
    fn any_bytes_end_in_words(text in prop::collection::vec(
        prop_oneof![Just(b'['), Just(b']'), Just(b'{'), Just(b'}'), Just(b'"'), Just(b','), Just(b':'), any::<u8>()], 0..60,
    )) {
        let text = [&b"["[..], &text].concat();
        let (rows, error) = read_at(&text, "");
        if serde_json::from_slice::<Vec<Value>>(&text).is_ok() {
            prop_assert_eq!(error, None);
        } else {
            prop_assert!(error.is_some() || rows.iter().any(Result::is_err));
        }
    }
}
