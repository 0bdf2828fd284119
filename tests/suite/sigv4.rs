//! AWS signatures, judged by moto: a server that computes each one anew with AWS's own botocore.
//!
//! Without moto the test says that it was skipped; see `support::peers` for where it is looked for.

use std::process::Command;

use crate::support::Job;
use crate::support::client::Client;
use crate::support::output::jsonl_file;
use crate::support::peers::{Peer, find_pinned};

/// A running moto, and a user with a key in it.
struct Moto {
    peer: Peer,
    access: String,
    secret: String,
}

/// Requests that moto takes unsigned, to make a user with a key.
const UNSIGNED: [&str; 3] = [
    "Action=CreateUser&UserName=u&Version=2010-05-08",
    "Action=PutUserPolicy&UserName=u&PolicyName=p&Version=2010-05-08&PolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D",
    "Action=CreateAccessKey&UserName=u&Version=2010-05-08",
];

impl Moto {
    fn start() -> Option<Self> {
        let program = find_pinned("moto_server")?;
        let peer = Peer::start(|_, port| {
            let mut command = Command::new(&program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command.env("INITIAL_NO_AUTH_ACTION_COUNT", UNSIGNED.len().to_string());
            command
        });
        let mut moto = Self { peer, access: String::new(), secret: String::new() };
        let said: Vec<String> = UNSIGNED.iter().map(|form| moto.iam(form)).collect();
        moto.access = between(&said[2], "<AccessKeyId>", "<");
        moto.secret = between(&said[2], "<SecretAccessKey>", "<");
        Some(moto)
    }

    fn iam(&self, form: &str) -> String {
        let scope =
            "AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x";
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nauthorization: {scope}\r\ncontent-type: application/x-www-form-urlencoded\r\n",
            self.peer.address()
        );
        let mut client = Client::connect(self.peer.address());
        client.send(format!("{head}content-length: {}\r\n\r\n{form}", form.len()).as_bytes()).expect("moto reads");
        let received = client.receive().expect("moto answers");
        let body = String::from_utf8_lossy(&received.body).into_owned();
        assert_eq!(received.status, 200, "before the program is judged: {body}");
        body
    }

    fn job(&self, text: &str, secret: &str) -> Job {
        let job = text.replace("ADDRESS", &self.peer.address().to_string());
        Job::new(&job).variable("ACCESS", &self.access).variable("SECRET", secret)
    }
}

fn between(text: &str, before: &str, behind: &str) -> String {
    let (_, rest) = text.split_once(before).expect("moto says it");
    rest.split_once(behind).expect("moto closes it").0.to_owned()
}

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
