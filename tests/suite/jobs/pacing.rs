//! The jobs about pace, batches, retries and keys, as their records tell it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{by, run};
use crate::support::output::{Line, csv, jsonl_file};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn attempts<'l>(records: impl IntoIterator<Item = &'l Line>) -> u64 {
    records.into_iter().map(|record| record["attempts"].parse::<u64>().expect("a number")).sum()
}

pub(super) fn polite(file: &str) {
    let (job, _) = run(file);
    let items = by("value", csv(&job.path("jobs/out/polite-items.csv")));
    assert_eq!(items.len(), 150);
    for (value, record) in &items {
        assert_eq!((&record["id"], record["status"].as_str()), (value, "200"));
    }
    // At 400 a second a hundred of them would have met a 429; what was on its way may have.
    let refused = attempts(items.values()) - 150;
    assert!(refused <= 15, "{refused} requests were refused although the server said what was left");
    let queries = by("id", csv(&job.path("jobs/out/polite-queries.csv")));
    assert_eq!(queries.keys().map(String::as_str).collect::<String>(), "abcdefgh");
    for (id, record) in &queries {
        assert_eq!((&record["item"], &record["points"]), (id, &record["cost"]));
    }
    assert_eq!(attempts(queries.values()), 8, "a query that has its points is not throttled");
}

pub(super) fn batches(file: &str) {
    let (job, _) = run(file);
    let records = jsonl_file(&job.path("jobs/out/batches.jsonl"));
    let mut ends = BTreeMap::<u64, Vec<jiff::Timestamp>>::new();
    for record in &records {
        let end = record["received_at"].as_str().and_then(|text| text.parse().ok()).expect("a time");
        ends.entry((number(&record["row"]) - 1) / 20).or_default().push(end);
    }
    assert_eq!(ends.values().map(Vec::len).collect::<Vec<_>>(), [20; 4]);
    assert!(records.iter().any(|record| number(&record["attempts"]) > 1), "retries are a part of their batch");
    for (batch, next) in (0..3).zip(1..4) {
        let (last, first) = (ends[&batch].iter().max().expect("rows"), ends[&next].iter().min().expect("rows"));
        let rest = first.duration_since(*last).as_millis();
        // Times in records are cut to the millisecond.
        assert!(rest >= 399, "batch {next} came {rest} ms after batch {batch}");
    }
}

pub(super) fn retries(file: &str) {
    let (job, done) = run(file);
    let records = jsonl_file(&job.path("jobs/out/retries.jsonl"));
    let of = |column: &str| records.iter().filter(|record| record.get(column).is_some()).collect::<Vec<_>>();
    let (flaky, products, points) = (of("failures"), of("sku"), of("id"));
    assert_eq!((flaky.len(), products.len(), points.len(), records.len()), (60, 37, 15, 112));
    for record in &flaky {
        assert_eq!(number(&record["attempts"]), number(&record["failures"]) + 1, "{record}");
    }
    assert!(flaky.iter().any(|record| record["failures"] != 0), "some path must have failed");
    assert!(products.iter().all(|record| record["status"] == 200), "{products:?}");
    let ids: BTreeSet<_> = points.iter().map(|record| record["id"].to_string()).collect();
    assert_eq!(ids.len(), 15, "no throttled reply became a record: {points:?}");
    assert!(points.iter().any(|record| number(&record["attempts"]) > 1), "150 points are not there at once");
    assert!(done.stderr.contains("112 ok · 0 failed · 3 skipped"), "{}", done.stderr);
}

pub(super) fn idempotent_post(file: &str) {
    let (job, _) = run(file);
    let orders = by("number", csv(&job.path("jobs/out/orders-made.csv")));
    let numbers: BTreeSet<u64> = orders.keys().map(|number| number.parse().expect("a number")).collect();
    assert_eq!(numbers, (1..=40).collect(), "forty rows made forty orders");
    assert_eq!(by("order", orders.values().cloned().collect()).len(), 40);
    let mut replayed = 0;
    for record in orders.values() {
        let attempts = if record["replayed"] == "true" { "2" } else { "1" };
        assert_eq!((record["attempts"].as_str(), record["status"].as_str()), (attempts, "201"), "{record:?}");
        replayed += usize::from(record["replayed"] == "true");
    }
    assert!((5..25).contains(&replayed), "one reply in three is lost: {replayed}");
}

#[test]
fn without_its_key_the_post_is_not_repeated() {
    let job = crate::support::Job::example("idempotent-post.toml");
    job.change("jobs/idempotent-post.toml", "idempotency-key = true\n", "");
    job.run(&[]).expect_code(1);
    let records = csv(&job.path("jobs/out/orders-made.csv"));
    assert_eq!((records.len() as u64, attempts(&records)), (40, 40), "{records:?}");
    let failed: Vec<&Line> = records.iter().filter(|record| !record["error"].is_empty()).collect();
    assert!((5..25).contains(&failed.len()), "{failed:?}");
    // A 503 is an answer; a cut connection is none.
    assert!(failed.iter().any(|record| record["error"].contains("503")), "{failed:?}");
    assert!(failed.iter().any(|record| record["error"].contains("unknown")), "{failed:?}");
}
