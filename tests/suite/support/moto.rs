//! A moto: a server that does what AWS does, and computes each signature anew with AWS's own botocore.

#[cfg(feature = "s3")]
use std::net::SocketAddr;
use std::process::Command;

use super::Job;
use super::client::Client;
use super::peers::{Peer, find_pinned};

/// A running moto, and a user with a key in it.
pub struct Moto {
    peer: Peer,
    /// Id of the access key.
    pub access: String,
    /// The secret key.
    pub secret: String,
}

/// Requests that moto takes unsigned, to make a user with a key.
const UNSIGNED: [&str; 3] = [
    "Action=CreateUser&UserName=u&Version=2010-05-08",
    "Action=PutUserPolicy&UserName=u&PolicyName=p&Version=2010-05-08&PolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D",
    "Action=CreateAccessKey&UserName=u&Version=2010-05-08",
];

impl Moto {
    /// Starts it; `None` is said, as a skip.
    pub fn start() -> Option<Self> {
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

    /// A job with this text, in which `ADDRESS` stands for that of moto, with the secrets `ACCESS` and `SECRET`.
    pub fn job(&self, text: &str, secret: &str) -> Job {
        let job = text.replace("ADDRESS", &self.peer.address().to_string());
        Job::new(&job).variable("ACCESS", &self.access).variable("SECRET", secret)
    }
}

fn between(text: &str, before: &str, behind: &str) -> String {
    let (_, rest) = text.split_once(before).expect("moto says it");
    rest.split_once(behind).expect("moto closes it").0.to_owned()
}

/// An object as boto3 reads it.
#[cfg(feature = "s3")]
#[derive(Debug, serde::Deserialize)]
pub struct Object {
    /// Its name.
    pub key: String,
    /// What it says of itself.
    pub metadata: std::collections::BTreeMap<String, String>,
    /// The file that its bytes are in.
    pub file: std::path::PathBuf,
}

#[cfg(feature = "s3")]
impl Moto {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.peer.address()
    }

    /// Runs lines of Python, in which `s3` is boto3's client and `folder` a folder of this moto; what they print.
    pub fn python(&self, lines: &str) -> String {
        let begin = format!(
            "import boto3, json, os\nfrom botocore.config import Config\nfolder = {:?}\n\
             s3 = boto3.client('s3', endpoint_url='http://{}', region_name='us-east-1', \
             aws_access_key_id='{}', aws_secret_access_key='{}', config=Config(s3={{'addressing_style': 'path'}}))\n",
            self.peer.path("").display().to_string(),
            self.peer.address(),
            self.access,
            self.secret
        );
        let program = find_pinned("python").expect("where moto is, there is Python");
        let done = Command::new(program).args(["-c", &(begin + lines)]).output().expect("Python runs");
        assert!(done.status.success(), "{lines}\n{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    }

    /// All objects of a bucket, of which no upload is unfinished.
    pub fn objects(&self, bucket: &str) -> Vec<Object> {
        let lines = "
assert not s3.list_multipart_uploads(Bucket=bucket).get('Uploads'), 'an upload is unfinished'
found = []
for page in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket):
    for item in page.get('Contents', []):
        got = s3.get_object(Bucket=bucket, Key=item['Key'])
        file = os.path.join(folder, 'object-%d' % len(found))
        open(file, 'wb').write(got['Body'].read())
        found.append({'key': item['Key'], 'metadata': got['Metadata'], 'file': file})
print(json.dumps(found))
";
        let said = self.python(&format!("bucket = '{bucket}'\n{lines}"));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}
