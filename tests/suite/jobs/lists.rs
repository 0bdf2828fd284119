//! Jobs that walk lists from page to page, and one that sends many rows at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Truth, by, csv, csv_columns, jsonl_file, run, text};

/// All 95 items of the demo's list stand there once, as it tells them.
fn all_items(file: &str) {
    let (job, done) = run(file);
    assert!(!done.stderr.contains("warning"), "{}", done.stderr);
    let path = job.path(&format!("jobs/out/{}", file.replace(".toml", ".csv")));
    assert_eq!(csv_columns(&path), ["id", "name"]);
    let records = by("id", csv(&path));
    assert_eq!(records.len(), 95);
    let mut truth = Truth::start();
    for id in 1..=95 {
        let (item, _) = truth.ask(&format!("/items/{id}"));
        assert_eq!(records[&id.to_string()]["name"], text(&item["name"]), "{id}");
    }
}

pub(super) fn paginate_cursor(file: &str) {
    all_items(file);
}

pub(super) fn paginate_header_link(file: &str) {
    all_items(file);
}

pub(super) fn paginate_json_link(file: &str) {
    all_items(file);
}

pub(super) fn paginate_offset(file: &str) {
    all_items(file);
}

pub(super) fn paginate_page_number(file: &str) {
    all_items(file);
}

pub(super) fn bulk_upsert(file: &str) {
    let (job, _) = run(file);
    let stock = by("sku", csv(&job.path("jobs/out/bulk-upsert.csv")));
    let rows = by("sku", csv(&job.path("jobs/data/stock-list.csv")));
    let bad = BTreeSet::from(["LMP-0000", "OLD-1999", "SOFA-12"]);
    let refused = jsonl_file(&job.path("jobs/out/bulk-refused.jsonl"));
    let told: BTreeSet<&str> = refused.iter().map(|record| record["sku"].as_str().expect("a sku")).collect();
    assert_eq!((told, refused.len()), (bad.clone(), bad.len()), "no row fails for another");
    for record in &refused {
        assert_eq!((&record["status"], &record["item"]), (&json!(422), &Value::Null));
    }
    assert_eq!(stock.len(), rows.len() - bad.len());
    let ids: BTreeSet<&String> = stock.values().map(|record| &record["item"]).collect();
    assert!(ids.len() == stock.len() && ids.iter().all(|id| id.starts_with("itm-")), "{ids:?}");
    for (sku, record) in &stock {
        assert_eq!((&record["supplier"], record["status"].as_str()), (&rows[sku]["supplier"], "200"));
    }
}
