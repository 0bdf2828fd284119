//! Jobs that show where records go.

use super::*;

pub(in crate::jobs) fn packed_output(file: &str) {
    let (job, _) = run(file);
    let labels = ["=1+2", "-2.5", "@home, away", "plain"];
    let lines = jsonl_file(&job.path("jobs/out/labels.jsonl.zst"));
    let record = |(id, label): (usize, &&str)| json!({ "id": id + 1, "label": label, "echo": label, "status": 200 });
    assert_eq!(lines, labels.iter().enumerate().map(record).collect::<Vec<_>>());
    assert_eq!(json_file(&job.path("jobs/out/labels.json")), lines);
    let table = csv(&job.path("jobs/out/labels.csv.gz"));
    let cells: Vec<&str> = table.iter().map(|record| record["echo"].as_str()).collect();
    assert_eq!(cells, ["'=1+2", "-2.5", "'@home, away", "plain"]);
}

pub(in crate::jobs) fn reports(file: &str) {
    let (job, _) = run(file);
    let summary = std::fs::read_to_string(job.path("jobs/out/reports/run.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(
        (&summary["rows"]["ok"], &summary["rows"]["failed"], &summary["exit"]),
        (&json!(37), &json!(3), &json!(0))
    );
    let xml = job.path("jobs/out/reports/junit.xml");
    crate::reports::validate(&xml);
    // The run, its endpoint, and two conditions; none is red, since the job allows the three rows.
    let text = std::fs::read_to_string(xml).expect("a report");
    assert!(text.contains(r#"tests="4" failures="0" errors="0" skipped="0""#), "{text}");
    let markdown = std::fs::read_to_string(job.path("jobs/out/reports/run.md")).expect("a report");
    assert!(markdown.starts_with("### ✅ reports: complete in ") && markdown.contains("404"), "{markdown}");
}

pub(in crate::jobs) fn webhook(file: &str) {
    run(file);
    // The same with an inbox that can be asked when the run has ended.
    let mut truth = Truth::start();
    let base = format!("base=http://{}", truth.demo.address());
    Job::example(file).run(&["--var", &base]).expect_code(0);
    let (inbox, _) = truth.ask("/inbox");
    let records = inbox["records"].as_array().expect("records");
    assert!(inbox["batches"].as_u64() >= Some(10), "20 records in a request at most: {}", inbox["batches"]);
    let ids: BTreeSet<u64> = records.iter().filter_map(|record| record["id"].as_u64()).collect();
    assert_eq!((records.len(), ids), (200, (1..=200).collect()), "every record once");
    for record in records.iter().step_by(40) {
        let (item, _) = truth.ask(&format!("/items/{}", record["id"]));
        assert_eq!(
            (&record["name"], &record["price"], &record["status"]),
            (&item["name"], &item["price"], &json!(200))
        );
    }
}

pub(in crate::jobs) fn notify(file: &str) {
    let (_, done) = run(file);
    assert!(!done.stderr.contains("not told"), "{}", done.stderr);
    // The same with an inbox that can be asked when the run has ended.
    let mut truth = Truth::start();
    let base = format!("base=http://{}", truth.demo.address());
    Job::example(file).run(&["--var", &base]).expect_code(0);
    let (inbox, _) = truth.ask("/inbox");
    let records = inbox["records"].as_array().expect("records");
    assert_eq!((records.len(), &inbox["batches"]), (2, &json!(2)), "each once: {inbox}");
    let text = records.iter().find_map(|record| record["text"].as_str()).expect("a text");
    assert!(text.starts_with("notify: 20 ok, 0 failed in "), "{text}");
    let whole = records.iter().find(|record| record["ending"] == "success").expect("one with everything");
    assert_eq!((&whole["ok"], &whole["exit"], &whole["name"]), (&json!(20), &json!(0), &json!("notify")));
}
