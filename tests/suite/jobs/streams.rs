//! The jobs of connections that stay open: what the demo ticks, each tick once and in order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::run;
use crate::support::output::{csv, jsonl_file};

pub(super) fn stream(file: &str) {
    let (job, done) = run(file);
    let mut ticks = BTreeMap::<String, Vec<Value>>::new();
    for record in jsonl_file(&job.path("jobs/out/ticks.jsonl")) {
        assert_eq!(record["message"], record["seq"], "{record}");
        let at = format!("2026-01-05T09:00:{:02}Z", record["seq"].as_u64().expect("a number"));
        assert_eq!((record["price"].is_f64(), &record["at"]), (true, &json!(at)), "{record}");
        ticks.entry(record["symbol"].as_str().expect("a symbol").to_owned()).or_default().push(record["seq"].clone());
    }
    let all: Vec<Value> = (1..=40).map(Value::from).collect();
    assert_eq!(ticks, BTreeMap::from(["LMP", "MUG"].map(|symbol| (symbol.to_owned(), all.clone()))));
    assert!(done.stderr.contains("2 ok · 0 failed"), "{}", done.stderr);
}

pub(super) fn events(file: &str) {
    let (job, _) = run(file);
    let mut ticks = BTreeMap::<String, Vec<u64>>::new();
    for record in csv(&job.path("jobs/out/events.csv")) {
        assert_eq!((record["event"].as_str(), &record["event_id"]), ("tick", &record["seq"]), "{record:?}");
        ticks.entry(record["symbol"].clone()).or_default().push(record["seq"].parse().expect("a number"));
    }
    let all: Vec<u64> = (1..=30).collect();
    assert_eq!(ticks, BTreeMap::from(["LMP", "MUG"].map(|symbol| (symbol.to_owned(), all.clone()))));
}
