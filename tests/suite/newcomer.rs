//! The way of somebody new: a job is made, looked at, run, broken, mended as the error says, and run again.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::BTreeSet;
use std::fs;

use paceline::document::Place;

use crate::mends::edit;
use crate::mends::offer::Offer;
use crate::support::Job;

#[test]
fn a_new_job_runs_and_says_how_to_mend_it() {
    let job = Job::new("").with(".gitignore", "target");
    let made = job.command(&["init", "prices.toml"]).expect_code(0);
    assert!(made.stdout.contains("paceline check prices.toml"), "{}", made.stdout);
    assert_eq!(job.read(".gitignore"), "target\n.paceline/\n/out/\n");
    job.command(&["check", "prices.toml"]).expect_code(0);
    let plan = job.command(&["plan", "prices.toml"]).expect_code(0);
    assert!(plan.stdout.contains("demo:/products/LMP-1001"), "{}", plan.stdout);
    job.command(&["run", "prices.toml"]).expect_code(0);
    let records = job.read("out/records.csv");
    assert_eq!(records.lines().count(), 4, "{records}");

    // All but how long it took.
    let known = |record: &str| record.split(',').take(4).map(str::to_owned).collect::<Vec<String>>();
    let sorted = |records: &str| records.lines().map(known).collect::<BTreeSet<Vec<String>>>();
    let (sound, records) = (job.read("prices.toml"), sorted(&records));
    for (right, wrong) in BREAKS {
        fs::write(job.path("prices.toml"), &sound).unwrap();
        job.change("prices.toml", right, wrong);
        let mended = mended(&job, "prices.toml");
        fs::write(job.path("prices.toml"), &mended).unwrap();
        let check = job.command(&["check", "prices.toml"]).expect_code(0);
        assert_eq!(check.stderr, "", "{wrong}: {mended}");
        job.command(&["run", "prices.toml", "--fresh"]).expect_code(0);
        assert_eq!(sorted(&job.read("out/records.csv")), records, "{wrong}: {mended}");
    }
}

/// What stands in a new job, and what somebody new makes of it.
const BREAKS: [(&str, &str); 11] = [
    ("input.values", "inptu.values"),
    ("url = ", "URL = "),
    ("[endpoints.products]", "[endpoint.products]"),
    ("[endpoints.products]\n", ""),
    ("{{ row.sku }}", "{{ row.skuu }}"),
    ("\"demo:/products/{{ row.sku }}\"", "demo:/products/{{ row.sku }}"),
    ("\"$.price\"", "\".price\""),
    ("\"$.name\"", "\"name\""),
    ("# rate = \"10/s\"", "rate = \"100.5/s\""),
    ("# rate = \"10/s\"", "timeout = \"10s\""),
    ("input.values = ", "input = "),
];

/// The job with what the first line of help says, done to the letter.
fn mended(job: &Job, name: &str) -> String {
    let check = job.command(&["check", name, "--output", "json"]);
    let told: serde_json::Value = serde_json::from_str(&check.stdout).unwrap_or_else(|_| panic!("{}", check.stdout));
    let first = &told["diagnostics"][0];
    let help = first["help"][0].as_str().unwrap_or_else(|| panic!("nothing is told: {told}"));
    let text = job.read(name);
    let at = |line: &str, column: &str| {
        let [line, column] = [line, column].map(|key| usize::try_from(first[key].as_u64().unwrap()).unwrap());
        text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>() + column - 1
    };
    let place = Place { source: 0, start: at("line", "column"), end: at("end_line", "end_column") };
    let offer = Offer::of(help).unwrap_or_else(|| panic!("no mend is quoted: {help}"));
    edit::apply(&text, place, &offer).unwrap_or_else(|| panic!("there is no place for it: {help}")).text
}

#[test]
fn a_job_is_never_written_over_unasked() {
    let job = Job::new("").with("prices.toml", "mine");
    let refused = job.command(&["init", "prices.toml"]).expect_code(2);
    assert!(refused.stderr.contains("--force") && job.read("prices.toml") == "mine", "{}", refused.stderr);
    job.command(&["init", "prices.toml", "--force"]).expect_code(0);
    job.command(&["init", "other.toml"]).expect_code(0);
    assert_eq!(job.read(".gitignore"), ".paceline/\n/out/\n", "each line once");
}

#[test]
fn whatever_is_said_the_job_passes_check() {
    let job = Job::new("")
        .with("p.csv", "name;Unit price;product_id\na;1;7\n")
        .with("q.csv", "a b,c\n1,2\n")
        .with("s.csv", "id,name,status,error\n1,a,b,c\n")
        .with("pets.json", include_str!("../openapi/swagger.json"))
        .with("r.jsonl", "{\"id\": 1}\n{\"id\": 2}\n");
    for flags in [
        vec!["--url", "https://a.example/{{ row.x }}/{{ row.y }}", "--rate", "10/s", "--name", "n"],
        vec!["--from-csv", "p.csv"],
        vec!["--from-csv", "q.csv", "--sink", "r.jsonl"],
        vec!["--from-csv", "p.csv", "--url", "https://a.example/{{ row.name }}", "--method", "delete"],
        vec!["--from-curl", "curl https://a.example/ -o reply.html"],
        vec!["--from-curl", "curl https://a.example/ -o reply.html", "--from-csv", "p.csv"],
        vec!["--input", "p.csv", "--url", "https://a.example/{{ row.product_id }}"],
        vec!["--from-curl", "curl https://a.example/ -o reply.html", "--input", "p.csv"],
        vec!["--from-curl", "curl https://a.example/ -o reply.html", "--input", "r.jsonl"],
        vec!["--from-curl", "curl https://a.example/ -d a=1 -u me:you"],
        vec!["--from-curl", "curl https://a.example/ -X PATCH --json '{\"a\": 1}' --retry 3"],
        vec!["--from-curl", "curl https://a.example/ --aws-sigv4 aws:amz:eu-west-1:s3 -u me:you"],
        vec!["--url", "https://a.example/{{ row.x }}", "--method", "post"],
        vec!["--from-csv", "s.csv"],
        vec!["--from-openapi", "pets.json", "--operation", "listPets", "--from-csv", "s.csv"],
    ] {
        let made = job.command(&[vec!["init", "new.toml", "--force"], flags.clone()].concat()).expect_code(0);
        let check = job.command(&["check", "new.toml"]).expect_code(0);
        let text = job.read("new.toml");
        // Rows of a file that stand nowhere in the request: somebody has to say where they go.
        let has_rows = flags.iter().any(|flag| ["--input", "--from-csv"].contains(flag));
        let mut request = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("save"));
        if has_rows && !request.any(|line| line.contains("{{ row")) {
            assert!(made.stderr.contains("[P0408]") && check.stderr.contains("[P0408]"), "{flags:?}\n{text}");
        } else {
            assert_eq!((made.stderr.as_str(), check.stderr.as_str()), ("", ""), "{flags:?}\n{text}");
        }
        job.command(&["fmt", "--check", "new.toml"]).expect_code(0);
    }
    job.command(&["init", "new.toml", "--force", "--from-csv", "p.csv"]).expect_code(0);
    let text = job.read("new.toml");
    assert!(text.contains("items/{{ row.product_id }}") && text.contains("{{ row[\"Unit price\"] }}"), "{text}");
}
