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
