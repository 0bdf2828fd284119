//! The way of somebody new: a job is made, looked at, run, broken, mended as the error says, and run again.

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

    job.change("prices.toml", "input.values", "inptu.values");
    let broken = job.command(&["run", "prices.toml"]).expect_code(2);
    let (_, after) = broken.stderr.split_once("did you mean `").unwrap_or_else(|| panic!("{}", broken.stderr));
    let (meant, _) = after.split_once('`').expect("a name in quotes");
    job.change("prices.toml", "inptu", meant);
    job.command(&["run", "prices.toml"]).expect_code(0);
    assert_eq!(job.read("out/records.csv").lines().count(), 4);
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
        assert_eq!((made.stderr.as_str(), check.stderr.as_str()), ("", ""), "{flags:?}\n{}", job.read("new.toml"));
        job.command(&["fmt", "--check", "new.toml"]).expect_code(0);
    }
    job.command(&["init", "new.toml", "--force", "--from-csv", "p.csv"]).expect_code(0);
    let text = job.read("new.toml");
    assert!(text.contains("items/{{ row.product_id }}") && text.contains("{{ row[\"Unit price\"] }}"), "{text}");
}
