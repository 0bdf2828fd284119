//! Jobs that read and write databases and Parquet files; where the build can't, they are passed over.

use std::process::Command;

use serde_json::{Value, json};

use super::{Truth, run};
use crate::support::output::jsonl_file;
use crate::support::peers::find;

/// Whether this build can run a job.
pub fn is_built(file: &str) -> bool {
    let needs = [
        ("parquet-input.toml", cfg!(feature = "parquet")),
        ("sqlite-input.toml", cfg!(feature = "sqlite")),
        ("to-parquet.toml", cfg!(feature = "parquet")),
        ("to-postgres.toml", cfg!(feature = "postgres")),
        ("to-s3.toml", cfg!(feature = "s3")),
        ("to-sqlite.toml", cfg!(feature = "sqlite")),
    ];
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

/// Twice: the second run finds every record there, and updates it.
pub fn to_sqlite(file: &str) {
    if !is_built(file) {
        return;
    }
    let (Some(program), (job, _)) = (find("sqlite3"), run(file)) else { return };
    let records = || {
        // As JSON sqlite3 would print more digits of a double than there are.
        let query = "SELECT id, name, CAST(price AS TEXT) AS price, received_at FROM prices ORDER BY id";
        let done = Command::new(&program).arg("-json").arg(job.path("jobs/out/shop.sqlite")).arg(query).output();
        let text = String::from_utf8(done.expect("sqlite3 runs").stdout).expect("JSON");
        serde_json::from_str::<Vec<Value>>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let first = records();
    let mut truth = Truth::start();
    let said: Vec<Value> = (1..=200).map(|id| truth.ask(&format!("/items/{id}")).0).collect();
    let price = |price: &Value| super::text(price).parse::<f64>().expect("a number");
    let columns = |record: &Value| json!([record["id"], record["name"], price(&record["price"])]);
    assert_eq!(first.iter().map(columns).collect::<Vec<_>>(), said.iter().map(columns).collect::<Vec<_>>());
    job.run(&[]).expect_code(0);
    let second = records();
    assert_eq!(second.len(), 200);
    assert!(first.iter().zip(&second).all(|(first, second)| first["received_at"] != second["received_at"]));
}

#[cfg(not(feature = "parquet"))]
pub fn to_parquet(_: &str) {}

/// Twice: the second run adds a part with the same columns.
#[cfg(feature = "parquet")]
pub fn to_parquet(file: &str) {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    let (job, _) = run(file);
    let parts = || {
        let entries = std::fs::read_dir(job.path("jobs/out/prices.parquet")).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    let mut truth = Truth::start();
    let mut said: Vec<String> = (1..=200)
        .map(|id| truth.ask(&format!("/items/{id}")).0)
        .map(|item| {
            let price = super::text(&item["price"]).parse::<f64>().expect("a number");
            format!("{{id: {}, name: {}, price: {price:?}", item["id"], item["name"])
        })
        .collect();
    said.sort();
    job.run(&[]).expect_code(0);
    assert_eq!(parts().len(), 2);
    for part in parts() {
        let file = SerializedFileReader::new(std::fs::File::open(&part).expect("a part")).expect("a whole part");
        let rows = file.get_row_iter(None).expect("rows").map(|row| row.expect("a row").to_string());
        let mut found: Vec<String> =
            rows.map(|row| row.split(", received_at: ").next().unwrap_or_default().to_owned()).collect();
        found.sort();
        assert_eq!(found, said, "{}", part.display());
    }
}

#[cfg(not(feature = "postgres"))]
pub fn to_postgres(_: &str) {}

/// Twice: the second run finds every record there, and updates it.
#[cfg(feature = "postgres")]
pub fn to_postgres(file: &str) {
    use crate::support::Job;
    use crate::support::peers::{PASSWORD, postgres, query};

    let Some(server) = postgres() else { return };
    let url = format!("sinks.prices.postgres.url=\"postgres://tester@{}/tester\"", server.address());
    let job = Job::example(file).variable("SHOP_DATABASE_PASSWORD", PASSWORD);
    job.run(&["--set", &url]).expect_code(0);
    let mut truth = Truth::start();
    let said: Vec<String> = (1..=200)
        .map(|id| truth.ask(&format!("/items/{id}")).0)
        .map(|item| {
            let price = super::text(&item["price"]).parse::<f64>().expect("a number");
            format!("{}|{}|{price}", super::text(&item["id"]), super::text(&item["name"]))
        })
        .collect();
    assert_eq!(query(&server, "SELECT id, name, price FROM prices ORDER BY id"), said);
    let moments = || query(&server, "SELECT received_at FROM prices ORDER BY id");
    let first = moments();
    job.run(&["--set", &url]).expect_code(0);
    let second = moments();
    assert_eq!(second.len(), 200);
    assert!(first.iter().zip(&second).all(|(first, second)| first != second));
}

#[cfg(not(feature = "s3"))]
pub fn to_s3(_: &str) {}

/// Twice: the second run takes the place of the first.
#[cfg(feature = "s3")]
pub fn to_s3(file: &str) {
    use crate::support::Job;
    use crate::support::moto::Moto;

    let Some(moto) = Moto::start() else { return };
    moto.python("s3.create_bucket(Bucket='shop')");
    let endpoint = format!("sinks.prices.s3.endpoint=\"http://{}\"", moto.address());
    let job = Job::example(file).variable("SHOP_ACCESS_KEY", &moto.access).variable("SHOP_SECRET_KEY", &moto.secret);
    let mut truth = Truth::start();
    let price = |item: &Value| json!([item["id"], item["name"], item["price"]]);
    let mut said: Vec<String> = (1..=200).map(|id| price(&truth.ask(&format!("/items/{id}")).0).to_string()).collect();
    said.sort();
    let mut keys = Vec::new();
    for _ in 0..2 {
        job.run(&["--set", &endpoint]).expect_code(0);
        let objects = moto.objects("shop");
        let [object] = &objects[..] else { panic!("{objects:?}") };
        assert!(object.key.starts_with("prices/part-") && object.key.ends_with(".jsonl.zst"), "{}", object.key);
        let text = zstd::decode_all(&std::fs::read(&object.file).expect("a file")[..]).expect("zstd");
        let records = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut found: Vec<String> =
            records.map(|line| price(&serde_json::from_slice(line).expect("JSON")).to_string()).collect();
        found.sort();
        assert_eq!(found, said);
        keys.push(object.key.clone());
    }
    assert_ne!(keys[0], keys[1]);
}
