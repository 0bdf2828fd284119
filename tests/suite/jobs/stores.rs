//! Jobs that read databases and Parquet files; where the build can't, they are passed over.

use serde_json::{Value, json};

use super::run;
use crate::support::output::jsonl_file;

/// Whether this build can run a job.
pub fn is_built(file: &str) -> bool {
    let needs = [("parquet-input.toml", cfg!(feature = "parquet")), ("sqlite-input.toml", cfg!(feature = "sqlite"))];
    needs.iter().all(|(needy, is_built)| *is_built || *needy != file)
}

fn sent(file: &str, output: &str, key: &str) -> Vec<Value> {
    let (job, _) = run(file);
    let mut records: Vec<Value> = jsonl_file(&job.path(output)).into_iter().map(|record| json!(record)).collect();
    records.sort_by_key(|record| record[key].to_string());
    records
}

pub fn parquet_input(file: &str) {
    if !is_built(file) {
        return;
    }
    let records = sent(file, "jobs/out/stock-seen.jsonl", "sku");
    let counted = [json!(12), json!(0), json!(7), json!(null), json!(140), json!(3), json!(55), json!(1)];
    let cost = [
        json!("1.20"),
        json!("0.99"),
        json!("100.00"),
        json!("12.50"),
        json!("3.05"),
        json!(null),
        json!("7.00"),
        json!("0.10"),
    ];
    let tags = [json!(["new"]), json!([]), json!(null), json!(["sale", "last"]), json!([]), json!(["new", "sale"])];
    assert_eq!(records.len(), 8);
    for (position, record) in records.iter().enumerate() {
        let body = json!({
            "counted": counted[position],
            "cost": cost[position],
            "seen": format!("2026-11-{:02}T08:30:00Z", position + 1),
            "tags": tags.get(position).cloned().unwrap_or_else(|| if position == 6 { json!(null) } else { json!([]) }),
        });
        let sku = format!("BK-{:04}", position + 1);
        assert_eq!(record, &json!({ "sku": sku, "sent": body, "status": 200 }));
    }
}

pub fn sqlite_input(file: &str) {
    if !is_built(file) {
        return;
    }
    let expected = [
        (101, 19.5, "Ines", json!(null)),
        (102, 4.25, "Jürgen", json!("leave at the door")),
        (104, 0.75, "Maeve", json!(null)),
    ];
    let expected = expected.map(|(id, total, customer, note)| {
        json!({ "id": id, "total": total, "sent": { "total": total, "customer": customer, "note": note }, "status": 200 })
    });
    assert_eq!(sent(file, "jobs/out/paid-orders.jsonl", "id"), expected);
}
