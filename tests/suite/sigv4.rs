//! AWS signatures, judged by moto: a server that computes each one anew with AWS's own botocore.
//!
//! Without moto the test says that it was skipped; see `support::peers` for where it is looked for.

use crate::support::moto::Moto;
use crate::support::output::jsonl_file;

const JOB: &str = r#"
[secrets]
access.env = "ACCESS"
secret.env = "SECRET"

[endpoints.bucket]
method = "PUT"
url = "http://ADDRESS/bucket-one"
query = { x-id = "b c", a = ["2", "1"] }
input.values = [{ x = 1 }]
auth.aws-sigv4 = { region = "us-east-1", service = "s3", access-key = "{{ secrets.access }}", secret-key = "{{ secrets.secret }}" }

[endpoints.created]
method = "POST"
url = "http://ADDRESS/"
headers = { x-amz-target = "secretsmanager.CreateSecret", content-type = "application/x-amz-json-1.1" }
json = { Name = "{{ row.name }}", SecretString = "ü {{ row.name }}", ClientRequestToken = "01234567890123456789012345678901" }
input.values = [{ name = "one" }, { name = "two" }]
auth.aws-sigv4 = { region = "us-east-1", service = "secretsmanager", access-key = "{{ secrets.access }}", secret-key = "{{ secrets.secret }}" }
columns.made = "$.Name"

[sinks.out]
path = "out.jsonl"
"#;

const OBJECTS: &str = r#"
[secrets]
access.env = "ACCESS"
secret.env = "SECRET"

[endpoints.put]
method = "PUT"
url = "http://ADDRESS/bucket-one/folder//{{ row.key }}"
json = { said = "{{ row.key }}" }
input.values = [{ key = "a b.json" }, { key = "ü+~=@:" }, { key = "p%20q" }, { key = "plain" }]
auth.aws-sigv4 = { region = "us-east-1", service = "s3", access-key = "{{ secrets.access }}", secret-key = "{{ secrets.secret }}" }

[sinks.out]
path = "put.jsonl"
"#;

#[test]
fn signatures_are_those_that_botocore_computes() {
    let Some(moto) = Moto::start() else { return };
    let job = moto.job(JOB, &moto.secret);
    job.run(&[]).expect_code(0);
    assert_eq!(jsonl_file(&job.path("out.jsonl")).len(), 3);

    let job = moto.job(OBJECTS, &moto.secret);
    job.run(&[]).expect_code(0);
    let get = OBJECTS
        .replace("method = \"PUT\"", "columns.said = \"$.said\"")
        .replace("json = { said = \"{{ row.key }}\" }\n", "");
    let got = moto.job(&get, &moto.secret);
    got.run(&[]).expect_code(0);
    let records = jsonl_file(&got.path("put.jsonl"));
    assert!(records.len() == 4 && records.iter().all(|record| record["said"] == record["key"]), "{records:?}");

    // A server that lets everybody in would prove nothing.
    let wrong = moto.job(OBJECTS, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let done = wrong.run(&["-v"]).expect_code(1);
    let records = jsonl_file(&wrong.path("put.jsonl"));
    assert!(records.iter().all(|record| record["status"] == 403), "{records:?}");
    assert!(!done.stderr.contains("wJalr") && !done.stderr.contains("Signature="), "{}", done.stderr);
}
