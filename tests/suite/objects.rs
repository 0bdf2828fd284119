//! Objects in buckets of S3: every record once, whatever dies, is cut off, refused or slow.
//!
//! The bucket of most tests is our own, for it does wrong what is asked of it; moto, which nobody here wrote, is in `lasting`.

mod lasting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::bucket::{Bucket, Fate};
use crate::support::oracle::script::item;
use crate::support::{Answer, Job, Oracle, wait};

/// A part has some 64 KiB of records.
const ROWS: u64 = 9000;

const JOB: &str = r#"
[secrets]
access.env = "ACCESS"
secret.env = "SECRET"

[limits.pace]
rate  = "5000/s"
burst = 50

[retry]
attempts = 1

[endpoints.item]
url   = "ORACLE/items/{{ row.value }}"
limit = "pace"
concurrency = 40
input.range = { from = 1, to = ROWS }
keep = ["value"]
columns.got = "$.id"
columns.price = "$.price"

[sinks.items.s3]
url = "s3://shop/prices/day.jsonl"
endpoint = "ENDPOINT"
access-key = "{{ secrets.access }}"
secret-key = "{{ secrets.secret }}"
part-size = "64KiB"
"#;

/// A secret that nobody may read.
const SECRET: &str = "kanarie/secret+of=s3";

fn text(oracle: &Oracle, endpoint: &str, rows: u64) -> String {
    let text = JOB.replace("ORACLE", &oracle.url()).replace("= ROWS }", &format!("= {rows} }}"));
    text.replace("ENDPOINT", endpoint)
}

fn job(oracle: &Oracle, bucket: &Bucket, rows: u64) -> Job {
    with_keys(Job::new(&text(oracle, &bucket.url(), rows)))
}

fn with_keys(job: Job) -> Job {
    job.variable("ACCESS", "kanarie-access").variable("SECRET", SECRET)
}

/// The records of lines of JSON.
fn lines(bytes: &[u8]) -> Vec<Value> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let shown = |line: &[u8]| String::from_utf8_lossy(&line[..line.len().min(100)]).into_owned();
    lines.map(|line| serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", shown(line)))).collect()
}

/// Each row stands in one object, the objects follow on each other, and nothing is unfinished.
fn whole(bucket: &Bucket, rows: u64) -> usize {
    let objects = bucket.objects();
    let mut reached = 0;
    for (key, object) in &objects {
        let place = |name: &str| object.note[&format!("x-amz-meta-paceline-{name}")].parse::<u64>().expect("a number");
        assert_eq!(place("from"), reached, "{key}: {:?}", objects.keys());
        assert!(key.ends_with(&format!("-items-{reached:016}.jsonl")), "{key}");
        reached = place("to");
    }
    let records: Vec<Value> = objects.values().flat_map(|object| lines(&object.bytes)).collect();
    let mut values: Vec<u64> = records.iter().map(|record| record["value"].as_u64().expect("a number")).collect();
    values.sort_unstable();
    assert_eq!(values, (1..=rows).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record["got"] == record["value"]));
    assert_eq!(bucket.unfinished(), 0);
    objects.len()
}

fn never(_: &str, _: u64) -> Fate {
    Fate::Done
}

#[test]
fn records_come_in_objects_that_say_where_they_belong() {
    let (oracle, bucket) = (Oracle::start(item), Bucket::start(never));
    let done = job(&oracle, &bucket, ROWS).run(&[]).expect_code(0);
    assert!(whole(&bucket, ROWS) >= 3, "{:?}", bucket.objects().keys());
    let objects = bucket.objects();
    let (key, object) = objects.first_key_value().expect("an object");
    assert!(key.starts_with("prices/day/part-"), "{key}");
    assert_eq!(object.note["x-amz-meta-paceline-sink"], "items");
    assert!(done.stderr.contains("s3://shop/prices/day/part-*.jsonl"), "{}", done.stderr);
    let asked = bucket.server().requests();
    assert!(asked.iter().all(|request| request.header("host") == Some(&bucket.server().address().to_string())));
}

#[test]
fn whatever_becomes_of_a_request_each_record_comes_once() {
    use Fate::{Garbled, Lost, Refused, Torn, Unheard};
    for (kind, fate) in [
        ("list", Lost),
        ("list", Refused(503, "SlowDown")),
        ("uploads", Refused(500, "InternalError")),
        ("uploads", Refused(501, "NotImplemented")),
        ("head", Lost),
        ("head", Refused(503, "")),
        ("put", Lost),
        ("put", Unheard),
        ("put", Torn),
        ("put", Garbled),
        ("put", Refused(503, "SlowDown")),
        ("put", Refused(400, "XAmzContentSHA256Mismatch")),
        ("put", Refused(501, "NotImplemented")),
    ] {
        let oracle = Oracle::start(item);
        // A server that does not know how to guard is asked without, and not again with it.
        let is_struck =
            move |number| if fate == Refused(501, "NotImplemented") { number == 1 } else { number % 3 == 1 };
        let bucket =
            Bucket::start(move |seen, number| if seen == kind && is_struck(number) { fate } else { Fate::Done });
        job(&oracle, &bucket, ROWS).run(&[]).expect_code(0);
        assert!(whole(&bucket, ROWS) >= 3, "{kind} {fate:?}");
        assert_eq!(oracle.count() as u64, ROWS);
        assert!(bucket.seen(kind) > 1, "{kind} {fate:?}");
    }
}

/// Rows of more than 1 MiB each, 24 in all, which make one part of four pieces.
fn large(oracle: &Oracle, bucket: &Bucket) -> Job {
    let job = text(oracle, &bucket.url(), LARGE).replace("64KiB", "64MiB").replace("$.price", "$.text");
    with_keys(Job::new(&job))
}

const LARGE: u64 = 24;

fn large_item(request: &crate::support::oracle::SeenRequest) -> Answer {
    let id: u64 = request.id().parse().expect("a number");
    let text = format!("{id:07}").repeat(160_000);
    Answer::json(&json!({ "id": id, "text": text }))
}

#[test]
fn a_large_part_goes_in_pieces_and_stands_whole_or_not_at_all() {
    use Fate::{Garbled, Lost, Refused, Torn, Unheard};
    let oracle = Oracle::start(large_item);
    for (kind, fate) in [
        ("none", Fate::Done),
        ("create", Lost),
        ("create", Unheard),
        ("create", Refused(503, "SlowDown")),
        ("piece", Lost),
        ("piece", Unheard),
        ("piece", Torn),
        ("piece", Refused(503, "SlowDown")),
        ("join", Lost),
        ("join", Unheard),
        ("join", Garbled),
        ("join", Refused(200, "InternalError")),
        ("join", Refused(501, "NotImplemented")),
        ("abort", Lost),
    ] {
        let bucket = Bucket::start(move |seen, number| match (seen, number) {
            ("piece", 1) if kind == "abort" => Refused(500, "InternalError"),
            (_, 0) if seen == kind && kind != "piece" => fate,
            ("piece", 2) if kind == "piece" => fate,
            _ => Fate::Done,
        });
        large(&oracle, &bucket).run(&["-q"]).expect_code(0);
        assert_eq!(whole(&bucket, LARGE), 1, "{kind} {fate:?}");
        assert!(bucket.seen("piece") >= 4, "{kind} {fate:?}: {} pieces", bucket.seen("piece"));
        // What stands already is not sent again.
        let again = matches!((kind, fate), ("join", Unheard | Garbled | Refused(501, _)) | ("none", _));
        assert_eq!(bucket.seen("create") == 1, again, "{kind} {fate:?}");
    }
}

#[test]
fn a_server_that_is_away_for_a_while_holds_up_no_request() {
    let away = Arc::new(AtomicBool::new(false));
    let is_away = Arc::clone(&away);
    let oracle = Oracle::start(item);
    let bucket = Bucket::start(move |_, _| if is_away.load(Ordering::SeqCst) { Fate::Lost } else { Fate::Done });
    let job = job(&oracle, &bucket, ROWS);
    let run = job.spawn(&[]);
    wait::until("the first object", Duration::from_secs(60), || (!bucket.objects().is_empty()).then_some(()));
    away.store(true, Ordering::SeqCst);
    wait::until("all requests", Duration::from_secs(60), || (oracle.count() as u64 == ROWS).then_some(()));
    let told = || run.stderr().contains("its records wait in the state folder").then_some(());
    assert!(wait::within(Duration::from_secs(60), told).is_some(), "no word: {}", run.stderr());
    away.store(false, Ordering::SeqCst);
    let done = run.wait().expect_code(0);
    assert!(!done.stderr.contains("kanarie"), "{}", done.stderr);
    whole(&bucket, ROWS);
}

#[test]
fn who_may_not_come_in_is_told_before_any_request_and_how_to_mend_it() {
    let oracle = Oracle::start(item);
    for (status, code, words) in [
        (
            403,
            "SignatureDoesNotMatch",
            "it answered 403 SignatureDoesNotMatch: said \"SignatureDoesNotMatch\"; the secret key does not belong",
        ),
        (403, "InvalidAccessKeyId", "the server knows no such access key"),
        (403, "AccessDenied", "the sink needs s3:ListBucket and s3:ListBucketMultipartUploads on the bucket"),
        (403, "RequestTimeTooSkewed", "the clock of this machine is wrong"),
        (400, "ExpiredToken", "the credentials have expired"),
        (404, "NoSuchBucket", "make the bucket, or mend `url`"),
        (301, "PermanentRedirect", "the bucket is in another region: set `region` to it"),
    ] {
        let bucket = Bucket::start(move |_, _| Fate::Refused(status, code));
        let done = job(&oracle, &bucket, 5).run(&[]).expect_code(3);
        assert!(done.stderr.contains(words) && done.stderr.contains("s3://shop/prices/day: "), "{}", done.stderr);
        assert!(!done.stderr.contains("kanarie"), "{}", done.stderr);
        assert_eq!(bucket.server().count(), 1, "{code}");
    }
    assert_eq!(oracle.count(), 0);
}

#[test]
fn keys_that_expire_while_it_runs_stop_it_and_new_ones_go_on() {
    let expired = Arc::new(AtomicBool::new(true));
    let is_expired = Arc::clone(&expired);
    let oracle = Oracle::start(item);
    let bucket = Bucket::start(move |kind, number| match kind {
        "put" if number > 0 && is_expired.load(Ordering::SeqCst) => Fate::Refused(400, "ExpiredToken"),
        _ => Fate::Done,
    });
    let job = job(&oracle, &bucket, ROWS);
    let done = job.run(&[]).expect_code(3);
    assert!(
        done.stderr.contains("the credentials have expired: get new ones and run the job again"),
        "{}",
        done.stderr
    );
    expired.store(false, Ordering::SeqCst);
    job.run(&[]).expect_code(0);
    whole(&bucket, ROWS);
}

#[test]
fn what_exists_is_refused_kept_or_replaced_once_the_new_run_is_whole() {
    let (oracle, bucket) = (Oracle::start(item), Bucket::start(never));
    let job = job(&oracle, &bucket, 50);
    job.run(&[]).expect_code(0);
    let first: Vec<String> = bucket.objects().into_keys().collect();
    assert_eq!(first.len(), 1);
    let strangers = [
        "prices/day/part-00001.parquet",
        "prices/day/other-0000000000000000.jsonl",
        "prices/day2/part-a-b-0000000000000000.jsonl",
    ];
    strangers.iter().for_each(|key| bucket.put(key, b"mine"));
    let done = job.run(&["--fresh"]).expect_code(3);
    assert!(done.stderr.contains("is there already: set `on-existing` on the sink"), "{}", done.stderr);
    job.run(&["--fresh", "--set", "sinks.items.on-existing=\"append\""]).expect_code(0);
    assert_eq!(bucket.objects().len(), 2 + strangers.len());
    bucket.begin(&first[0]);
    bucket.begin(strangers[0]);
    let dice = ["--fresh", "--set", "sinks.items.on-existing=\"replace\""];
    let stopped = job.run(&[&dice[..], &["--limit", "10"]].concat());
    assert!(stopped.stderr.contains("10"), "{}", stopped.stderr);
    assert!(first.iter().all(|key| bucket.objects().contains_key(key)), "a run that is not whole replaces nothing");
    job.run(&dice[1..]).expect_code(0);
    let objects = bucket.objects();
    assert!(strangers.iter().all(|key| objects.contains_key(*key)), "{:?}", objects.keys());
    let ours: Vec<Value> = objects
        .iter()
        .filter(|(key, _)| !strangers.contains(&key.as_str()))
        .flat_map(|(_, object)| lines(&object.bytes))
        .collect();
    assert_eq!(ours.len(), 50, "{:?}", objects.keys());
    assert_eq!(bucket.unfinished(), 1, "what somebody else began is theirs");
}

#[test]
fn an_object_that_somebody_else_wrote_since_is_not_counted_by() {
    let (oracle, bucket) = (
        Oracle::start(item),
        Bucket::start(|kind, number| match kind {
            "put" if number == 1 => Fate::Refused(403, "AccessDenied"),
            _ => Fate::Done,
        }),
    );
    let job = job(&oracle, &bucket, ROWS);
    job.run(&[]).expect_code(3);
    let key = bucket.objects().into_keys().next().expect("the first part");
    bucket.put(&key, b"{}\n");
    let done = job.run(&[]).expect_code(3);
    assert!(done.stderr.contains("does not say which records of the run it holds"), "{}", done.stderr);
}

#[test]
fn keys_and_server_come_from_the_environment_where_the_job_names_none() {
    let (oracle, bucket) = (Oracle::start(item), Bucket::start(never));
    let text = text(&oracle, "", 5);
    let text: String = text
        .lines()
        .filter(|line| !["endpoint =", "access", "secret", "[secrets]"].iter().any(|key| line.starts_with(key)))
        .map(|line| format!("{line}\n"))
        .collect();
    let bare = || Job::new(&text);
    let keyed = || bare().variable("AWS_ACCESS_KEY_ID", "kanarie-access").variable("AWS_SECRET_ACCESS_KEY", SECRET);
    for (job, words) in [
        (bare().variable("AWS_REGION", "eu-west-1"), "write `access-key` and `secret-key`, or set AWS_ACCESS_KEY_ID"),
        (keyed(), "set `region`, or AWS_REGION in the environment"),
        (
            keyed().variable("AWS_ENDPOINT_URL_S3", "http://s3.example.com"),
            "AWS_ENDPOINT_URL_S3 names another machine by http://",
        ),
        (keyed().variable("AWS_ENDPOINT_URL_S3", "s3.example.com"), "AWS_ENDPOINT_URL_S3: `endpoint` begins with"),
    ] {
        let done = job.run(&[]).expect_code(3);
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    assert_eq!(oracle.count(), 0);
    let job = keyed().variable("AWS_ENDPOINT_URL_S3", &bucket.url()).variable("AWS_SESSION_TOKEN", "kanarie-token");
    job.variable("AWS_REGION", "eu-west-9").run(&[]).expect_code(0);
    whole(&bucket, 5);
    for request in bucket.server().requests() {
        assert_eq!(request.header("x-amz-security-token"), Some("kanarie-token"));
        let authorization = request.header("authorization").unwrap_or_default();
        assert!(
            authorization.contains("kanarie-access/") && authorization.contains("/eu-west-9/s3/"),
            "{authorization}"
        );
    }
}
