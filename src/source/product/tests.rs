//! Products against nested loops.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::source::selecting::Selecting;

/// The source of a job's only endpoint, or what is said against it.
fn source(input: &str) -> Result<Arc<dyn SourcePlan>, Vec<String>> {
    let text = format!("[endpoints.e]\nurl = \"demo:/\"\n{input}\n");
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics);
    let plan = document
        .and_then(|document| crate::compile::compile(&document, &crate::compile::Options::default(), &mut diagnostics));
    let told = || diagnostics.list().iter().map(|found| found.message.clone()).collect();
    plan.map(|plan| Arc::clone(&plan.endpoints[0].source)).ok_or_else(told)
}

fn rows(plan: &dyn SourcePlan, skip: u64) -> Vec<(u64, Value)> {
    let mut source = plan.open().unwrap();
    source.skip(skip).unwrap();
    let mut rows = Vec::new();
    while let Some(read) = source.next().unwrap() {
        let Read::Row(row) = read else { panic!("{read:?}") };
        rows.push((row.ordinal, Value::Object(row.to_object())));
    }
    assert_eq!(source.next().unwrap(), None, "the end is the end");
    rows
}

fn values(name: &str, count: usize) -> Arc<dyn SourcePlan> {
    let rows: Vec<Value> = (0..count.max(1)).map(|value| json!({ name: value })).collect();
    let document = Document::parse(Path::new("x"), String::new(), &Overlays::default(), &mut Diagnostics::default());
    let (document, mut diagnostics) = (document.unwrap(), Diagnostics::default());
    let mut site = Site { document: &document, diagnostics: &mut diagnostics };
    let plan = (crate::source::values::KIND.compile)(&mut site, &KeyPath::default(), &Value::from(rows)).unwrap();
    // An input without any row can only be had by leaving out all.
    if count == 0 { Selecting { skip: 1, ..Selecting::default() }.over(plan) } else { plan }
}

#[test]
fn rows_are_those_of_nested_loops_with_their_types() {
    let plan = source(
        "input.product = [ { values = [{ a = \"x\", b = 1 }, { a = \"y\", b = true }] }, { range = { from = 1, to = 2 } } ]",
    )
    .unwrap();
    let expected = [
        json!({"a": "x", "b": 1, "value": 1}),
        json!({"a": "x", "b": 1, "value": 2}),
        json!({"a": "y", "b": true, "value": 1}),
        json!({"a": "y", "b": true, "value": 2}),
    ];
    assert_eq!(rows(&*plan, 0), (0..).zip(expected).collect::<Vec<_>>());
    assert_eq!(plan.quick_count(), Some(4));
    assert_eq!(plan.describe(), "every combination of 2 rows in the job file (values) and 1 to 2 (range) (product)");
    assert!(matches!(plan.columns(), Columns::Known(header) if header.names() == ["a", "b", "value"]));
    assert!(plan.identity().unwrap().unwrap().starts_with("product of (values, 2 rows"));
}

#[test]
fn huge_products_are_jumped_in_and_uncountable_ones_refused() {
    let million = "{ range = { from = 1, to = 1_000_000 } }";
    let plan = source(&format!("input.product = [ {{ values = [{{ a = 1 }}, {{ a = 2 }}] }}, {million} ]")).unwrap();
    let last = rows(&*plan, 1_999_999);
    assert_eq!(last, [(1_999_999, json!({"a": 2, "value": 1_000_000}))]);
    assert_eq!(rows(&*plan, u64::MAX), []);
    let huge = "{ range = { from = 1, to = 9_000_000_000_000_000_000 } }";
    let told = source(&format!("input.product = [ {{ values = [{{ a = 1 }}, {{ a = 2 }}, {{ a = 3 }}] }}, {huge} ]"));
    assert_eq!(told.unwrap_err(), ["the product has more rows than can be counted"]);
}

#[test]
fn members_may_take_some_of_their_rows_and_be_products_themselves() {
    let plan = source(
        "input.product = [ { range = { from = 1, to = 9 }, where = \"row.value > 7\" }, \
         { product = [ { values = [{ a = 1 }, { a = 2 }], skip = 1 }, { values = [{ b = 3 }] } ] } ]",
    )
    .unwrap();
    let expected = [(0, json!({"value": 8, "a": 2, "b": 3})), (1, json!({"value": 9, "a": 2, "b": 3}))];
    assert_eq!(rows(&*plan, 0), expected);
    assert_eq!((plan.quick_count(), plan.count().unwrap()), (None, Some(2)));
}

#[test]
fn what_is_odd_about_a_member_is_odd_about_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "a\n1\n\"2\n").unwrap();
    let plan =
        source(&format!("input.product = [ {{ range = {{ from = 1, to = 3 }} }}, {{ csv = {{ path = {path:?} }} }} ]"));
    let counted = plan.unwrap().survey().unwrap();
    assert_eq!((counted.rows, counted.doubts.len()), (Some(6), 1));
}

#[test]
fn a_column_that_is_only_seen_while_running_fails_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, "{\"a\":1}\n{\"b\":2}\nnonsense\n").unwrap();
    let input = format!("input.product = [ {path:?}, {{ values = [{{ a = 3 }}] }} ]");
    let plan = source(&input).unwrap();
    assert!(matches!(plan.columns(), Columns::Open));
    let mut source = plan.open().unwrap();
    let Some(Read::Bad { reason, .. }) = source.next().unwrap() else { panic!("not bad") };
    assert_eq!(reason, "two inputs of the product have the column `a`");
    let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
    assert_eq!(Value::Object(row.to_object()), json!({"b": 2, "a": 3}));
    let Some(Read::Bad { row, reason }) = source.next().unwrap() else { panic!("not bad") };
    assert!(row.ordinal == 2 && reason.contains("not valid JSON"), "{reason}");
}

proptest! {
    #[test]
    fn any_product_equals_nested_loops_from_everywhere(counts in prop::collection::vec(0usize..4, 1..4), skip in 0u64..70) {
        let names = ["a", "b", "c"];
        let members: Vec<_> = names.iter().zip(&counts).map(|(name, count)| values(name, *count)).collect();
        let mut expected = vec![Map::new()];
        for (name, count) in names.iter().zip(&counts) {
            let longer = |row: &Map<String, Value>| {
                let first = if *count == 0 { 1 } else { 0 };
                let row = row.clone();
                (first..(*count).max(1)).map(move |value| {
                    let mut row = row.clone();
                    row.insert((*name).to_owned(), value.into());
                    row
                }).collect::<Vec<_>>()
            };
            expected = expected.iter().flat_map(longer).collect();
        }
        let plan = decide(members).unwrap();
        prop_assert_eq!(plan.count().unwrap(), Some(expected.len() as u64));
        let expected: Vec<_> = (0..).zip(expected.into_iter().map(Value::Object)).skip(skip as usize).collect();
        prop_assert_eq!(rows(&plan, skip), expected);
    }
}
