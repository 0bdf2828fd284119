//! Jobs that show where rows come from, and what is taken of replies.

use super::*;

pub(in crate::jobs) fn range(file: &str) {
    let (job, _) = run(file);
    let path = job.path("jobs/out/items.csv");
    assert_eq!(csv_columns(&path), ["value", "name", "price", "status"]);
    let records = by("value", csv(&path));
    let mut truth = Truth::start();
    for value in (10..=500).step_by(10) {
        let (item, _) = truth.ask(&format!("/items/{value}"));
        let record = &records[&value.to_string()];
        assert_eq!((&record["name"], &record["price"]), (&text(&item["name"]), &text(&item["price"])));
    }
    assert_eq!(records.len(), 50);
}

pub(in crate::jobs) fn shared_settings(file: &str) {
    let (job, _) = run(file);
    let records = by("sku", csv(&job.path("jobs/out/shared-settings.csv")));
    let mut truth = Truth::start();
    for (sku, record) in records.iter().step_by(10) {
        let (product, _) = truth.ask(&format!("/products/{sku}"));
        assert_eq!((record["status"].as_str(), &record["price"]), ("200", &text(&product["price"])));
    }
    assert_eq!(records.len(), 40);
    let path = format!("jobs/{file}");
    let plan =
        |more: &[&str]| job.command(&[&["plan", &path, "--output", "json"], more].concat()).expect_code(0).stdout;
    assert!(plan(&[]).contains("200/s") && !plan(&["--profile", "slow"]).contains("200/s"));
}

pub(in crate::jobs) fn backfill(file: &str) {
    let (job, _) = run(file);
    let path = job.path("jobs/out/rates.csv");
    assert_eq!(csv_columns(&path), ["value", "usd", "gbp"]);
    let records = csv(&path);
    let days = [(1, 31), (2, 28), (3, 31)];
    let days = days.iter().flat_map(|(month, last)| (1..=*last).map(move |day| format!("2026-{month:02}-{day:02}")));
    assert_eq!(records.iter().map(|record| record["value"].clone()).collect::<Vec<_>>(), days.collect::<Vec<_>>());
    let mut truth = Truth::start();
    for record in records.iter().step_by(20) {
        let (rates, _) = truth.ask(&format!("/rates/{}", record["value"]));
        assert_eq!((&record["usd"], &record["gbp"]), (&text(&rates["usd"]), &text(&rates["gbp"])));
    }
}

pub(in crate::jobs) fn select_rows(file: &str) {
    let (job, _) = run(file);
    let mut suppliers = BTreeSet::new();
    let lamps = csv(&job.path("jobs/data/products.csv"))
        .into_iter()
        .filter(|row| row["sku"].starts_with("LMP") && row["Unit cost"].parse::<f64>().is_ok_and(|cost| cost > 10.0));
    let first: Vec<Line> = lamps.filter(|row| suppliers.insert(row["supplier"].clone())).collect();
    let expected: Vec<&str> = first.iter().skip(1).take(4).map(|row| row["sku"].as_str()).collect();
    let selected = csv(&job.path("jobs/out/selected.csv"));
    let skus: Vec<&str> = selected.iter().map(|record| record["sku"].as_str()).collect();
    assert_eq!((skus, expected.len()), (expected, 4));
    let pages = ["en", "fr"]
        .iter()
        .flat_map(|language| (1..=3).map(move |value| json!({ "language": language, "value": value, "status": 200 })));
    let records = jsonl_file(&job.path("jobs/out/combinations.jsonl"));
    let wanted = |record: &Value| json!({ "language": record["language"], "value": record["value"], "status": record["status"] });
    assert_eq!(records.iter().map(wanted).collect::<Vec<_>>(), pages.collect::<Vec<_>>());
}

pub(in crate::jobs) fn jsonl_typed(file: &str) {
    let (job, _) = run(file);
    let mut records = jsonl_file(&job.path("jobs/out/orders.jsonl"));
    records.sort_by_key(|record| record["order"].as_u64());
    let orders = jsonl_file(&job.path("jobs/data/orders.jsonl"));
    assert_eq!(records.len(), orders.len());
    for (record, order) in records.iter().zip(&orders) {
        let subject = format!("Order {} of {} x {}", order["order"], order["quantity"], text(&order["sku"]));
        let sent = json!({
            "sku": order["sku"], "quantity": order["quantity"], "express": order["express"],
            "discount": order["discount"], "note": order["note"], "subject": subject,
            "lines": [{ "sku": order["sku"], "count": order["quantity"] }],
        });
        assert_eq!(record, &json!({ "order": order["order"], "sent": sent, "method": "POST", "status": 200 }));
    }
}

pub(in crate::jobs) fn scrape(file: &str) {
    let (job, _) = run(file);
    let records = jsonl_file(&job.path("jobs/out/pages.jsonl"));
    assert_eq!(records.len(), 12);
    let mut truth = Truth::start();
    for (record, id) in records.iter().zip(1_u64..) {
        let (item, _) = truth.ask(&format!("/items/{id}"));
        assert_eq!((&record["title"], &record["price"]), (&item["name"], &item["price"]), "{record}");
        assert_eq!(record["next"], json!(format!("/pages/{}", id + 1)));
        assert_eq!((&record["article"], &record["etag"]), (&json!(id), &json!(format!("\"page-{id}\""))));
        assert_eq!((&record["currency"], &record["status"]), (&json!("EUR"), &json!(200)));
        assert!(record["review"].is_string(), "{record}");
    }
    let reviews: Vec<&str> = records.iter().filter_map(|record| record["review"].as_str()).collect();
    assert!(reviews.contains(&"none yet") && reviews.iter().any(|review| *review != "none yet"), "{reviews:?}");
}

pub(in crate::jobs) fn values(file: &str) {
    let (job, _) = run(file);
    let mut records = jsonl_file(&job.path("jobs/out/quotes.jsonl"));
    records.sort_by_key(|record| record["city"].as_str().map(str::to_owned));
    let rows = [
        ("Gent", "new & old", "/echo/quotes/Gent"),
        ("São Paulo", "50%", "/echo/quotes/S%C3%A3o%20Paulo"),
        ("a/b?c#d", "x=y", "/echo/quotes/a%2Fb%3Fc%23d"),
    ];
    assert_eq!(records.len(), rows.len());
    for (record, (city, tag, path)) in records.iter().zip(rows) {
        assert_eq!((&record["city"], &record["tag"], &record["path"]), (&json!(city), &json!(tag), &json!(path)));
        assert_eq!((&record["tags"], &record["currency"]), (&json!(["sale", tag]), &json!("EUR")));
        assert_eq!((&record["header"], &record["status"]), (&json!(tag), &json!(200)));
        assert!(text(&record["url"]).contains(path), "{record}");
    }
    // A variable of the environment goes over the file, a flag over both.
    let job = Job::example(file).variable("PACELINE_VAR_CURRENCY", "GBP");
    for (arguments, currency) in [(vec![], "GBP"), (vec!["--var", "currency=USD"], "USD")] {
        job.run(&arguments).expect_code(0);
        let records = jsonl_file(&job.path("jobs/out/quotes.jsonl"));
        assert!(records.iter().all(|record| record["currency"] == currency), "{records:?}");
    }
}

pub(in crate::jobs) fn glob_files(file: &str) {
    let (job, _) = run(file);
    let mut records = jsonl_file(&job.path("jobs/out/documents.jsonl"));
    records.sort_by_key(|record| record["path"].as_str().map(str::to_owned));
    let mut listed: Vec<String> =
        csv(&job.path("jobs/data/documents.csv")).into_iter().map(|row| row["file"].clone()).collect();
    listed.sort();
    assert_eq!(records.len(), listed.len());
    for (record, file) in records.iter().zip(listed) {
        let path = format!("data/documents/{file}");
        let content = std::fs::read(job.path("jobs").join(&path)).expect("a file of jobs/");
        let known = Path::new(&path);
        let part = |part: Option<&std::ffi::OsStr>| json!(part.and_then(|part| part.to_str()));
        let (name, stem) = (part(known.file_name()), part(known.file_stem()));
        assert_eq!((&record["path"], &record["name"], &record["stem"]), (&json!(path), &name, &stem));
        assert_eq!((&record["size"], &record["sent"]), (&json!(content.len()), &json!(content.len())));
        assert_eq!(record["checksum"], format!("{:08x}", crc32fast::hash(&content)));
        assert_eq!((&record["told"], &record["status"]), (&stem, &json!(200)));
    }
}

pub(in crate::jobs) fn packed_json(file: &str) {
    let (job, _) = run(file);
    let mut records = jsonl_file(&job.path("jobs/out/stock.jsonl"));
    records.sort_by_key(|record| record["sku"].as_str().map(str::to_owned));
    let packed = std::fs::File::open(job.path("jobs/data/stock.json.gz")).expect("a file of jobs/");
    let stock: Value = serde_json::from_reader(flate2::read::GzDecoder::new(packed)).expect("JSON");
    let mut items = stock["stock"]["items"].as_array().expect("items").clone();
    items.sort_by_key(|item| item["sku"].as_str().map(str::to_owned));
    assert_eq!((records.len(), items.len()), (4, 4));
    for (record, mut item) in records.iter().zip(items) {
        let sku = item.as_object_mut().and_then(|item| item.shift_remove("sku"));
        assert_eq!(Some(&record["sku"]), sku.as_ref());
        assert_eq!((&record["sent"], &record["status"]), (&item, &json!(200)));
    }
}

pub(in crate::jobs) fn users_and_orders(file: &str) {
    let (job, _) = run(file);
    let path = job.path("jobs/out/orders-of-users.csv");
    assert_eq!(csv_columns(&path), ["user", "name", "number", "total"]);
    let records = by("number", csv(&path));
    let mut truth = Truth::start();
    let mut expected = 0;
    for user in 1..=24 {
        let (name, _) = truth.ask(&format!("/users/{user}"));
        let (orders, _) = truth.ask(&format!("/users/{user}/orders"));
        for order in orders["items"].as_array().expect("a list") {
            let record = &records[order["number"].as_str().expect("text")];
            let values = [&user.to_string(), &text(&name["name"]), &text(&order["total"])];
            assert_eq!([&record["user"], &record["name"], &record["total"]], values);
            expected += 1;
        }
    }
    assert_eq!(records.len(), expected);
}
