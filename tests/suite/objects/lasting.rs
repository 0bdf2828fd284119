//! What a server that nobody here wrote makes of it, and what kills leave.
//!
//! Without moto its tests say that they were skipped.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{lines, text, whole, with_keys};
use crate::support::bucket::{Bucket, Fate};
use crate::support::dice::kills;
use crate::support::moto::Moto;
use crate::support::oracle::script::item;
use crate::support::{Answer, Dice, Job, Oracle, wait};

/// What the parts of a run hold, unpacked.
fn fetched(moto: &Moto) -> BTreeMap<String, Vec<u8>> {
    let unpack = |key: &str, bytes: Vec<u8>| {
        let mut text = Vec::new();
        match key.rsplit_once('.') {
            Some((_, "gz")) => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).map(|_| text),
            Some((_, "zst")) => zstd::decode_all(&bytes[..]),
            _ => Ok(bytes),
        }
    };
    let objects = moto.objects("shop").into_iter();
    objects
        .map(|object| {
            let bytes = std::fs::read(&object.file).expect("a file");
            assert_eq!(object.metadata["paceline-sink"], "items");
            let text = unpack(&object.key, bytes).expect("whole");
            (object.key, text)
        })
        .collect()
}

fn moto_job(moto: &Moto, oracle: &Oracle, rows: u64, secret: &str, ending: &str) -> Job {
    let text = text(oracle, "http://ADDRESS", rows).replace("day.jsonl", ending);
    moto.job(&text, secret)
}

#[test]
fn boto3_reads_what_was_written_in_every_form() {
    let Some(moto) = Moto::start() else { return };
    moto.python("s3.create_bucket(Bucket='shop')");
    let oracle = Oracle::start(item);
    for ending in ["a.jsonl", "b.jsonl.gz", "c.csv.zst", "d.tsv", "e ü+&.csv.gz"] {
        moto_job(&moto, &oracle, 3000, &moto.secret, ending).run(&[]).expect_code(0);
        let prefix = format!("prices/{}/", ending.split('.').next().expect("a name"));
        let parts: Vec<Vec<u8>> =
            fetched(&moto).into_iter().filter(|(key, _)| key.starts_with(&prefix)).map(|(_, text)| text).collect();
        assert!(parts.len() >= 2, "{ending}: {} parts", parts.len());
        let mut values: Vec<u64> = parts
            .iter()
            .flat_map(|text| match ending.contains("jsonl") {
                true => {
                    lines(text).iter().map(|record| record["value"].as_u64().expect("a number")).collect::<Vec<_>>()
                }
                false => {
                    let delimiter = if ending.contains("tsv") { b'\t' } else { b',' };
                    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(&text[..]);
                    assert_eq!(
                        reader.headers().expect("a header").iter().take(3).collect::<Vec<_>>(),
                        ["value", "got", "price"]
                    );
                    reader.records().map(|row| row.expect("a row")[0].parse().expect("a number")).collect()
                }
            })
            .collect();
        values.sort_unstable();
        assert_eq!(values, (1..=3000).collect::<Vec<_>>(), "{ending}");
    }
    let wrong =
        moto_job(&moto, &oracle, 5, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "f.jsonl").run(&[]).expect_code(3);
    assert!(wrong.stderr.contains("SignatureDoesNotMatch") && !wrong.stderr.contains("wJalr"), "{}", wrong.stderr);
    let text = text(&oracle, "http://ADDRESS", 5).replace("s3://shop/", "s3://nowhere/");
    let nowhere = moto.job(&text, &moto.secret).run(&[]).expect_code(3);
    assert!(
        nowhere.stderr.contains("NoSuchBucket") && nowhere.stderr.contains("make the bucket"),
        "{}",
        nowhere.stderr
    );
}

/// Rows of 20 kB, two pieces a part, of which the last ones are not answered before `open`.
const KILLED: u64 = 1500;

fn stalling(open: &Arc<AtomicBool>) -> Oracle {
    let opened = Arc::clone(open);
    Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("a number");
        match id > KILLED - 50 && !opened.load(Ordering::SeqCst) {
            true => Answer::Stall,
            false => Answer::json(&json!({ "id": id, "price": format!("{id:05}").repeat(4000) })),
        }
    })
}

fn killed(oracle: &Oracle, endpoint: &str, rate: &str) -> String {
    text(oracle, endpoint, KILLED).replace("64KiB", "9MiB").replace("5000/s", rate)
}

#[test]
fn a_kill_in_whatever_request_leaves_nothing_behind() {
    let open = Arc::new(AtomicBool::new(false));
    let oracle = stalling(&open);
    let bucket = Bucket::start(|kind, _| if kind == "head" { Fate::Done } else { Fate::Slow });
    let job = with_keys(Job::new(&killed(&oracle, &bucket.url(), "5000/s")));
    let turns =
        ["create", "piece", "list", "uploads", "create", "piece", "join", "piece", "abort", "join", "head", "create"];
    for (kill, kind) in turns.into_iter().chain(["piece", "create"]).enumerate() {
        let before = bucket.seen(kind);
        let mut run = job.spawn(&["-q"]);
        // A piece is one of two: now the first is meant, now the second.
        let wanted = before + if kind == "piece" { 1 + kill as u64 % 2 } else { 1 };
        let _ =
            wait::within(Duration::from_secs(20), || (bucket.seen(kind) >= wanted || !run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill} in {kind}: {}", done.stderr);
        assert!(bucket.seen(kind) > before, "kill {kill}: no {kind} was asked for");
    }
    assert!(bucket.seen("create") > 4 && bucket.seen("abort") > 1, "kills struck uploads");
    open.store(true, Ordering::SeqCst);
    job.run(&[]).expect_code(0);
    assert!(whole(&bucket, KILLED) >= 3);
}

#[test]
fn whatever_kills_a_run_each_record_comes_once() {
    let Some(moto) = Moto::start() else { return };
    moto.python("s3.create_bucket(Bucket='shop')");
    let open = Arc::new(AtomicBool::new(false));
    let oracle = stalling(&open);
    let text = killed(&oracle, "http://ADDRESS", "300/s");
    let job = moto.job(&text, &moto.secret);
    let mut dice = Dice::printed("objects");
    for kill in 0..kills(30) {
        let mut run = job.spawn(&["-q"]);
        let _ = wait::within(dice.life(), || (!run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: {}", done.stderr);
    }
    open.store(true, Ordering::SeqCst);
    job.run(&[]).expect_code(0);
    let parts = fetched(&moto);
    let records: Vec<Value> = parts.values().flat_map(|text| lines(text)).collect();
    let mut values: Vec<u64> = records.iter().map(|record| record["value"].as_u64().expect("a number")).collect();
    values.sort_unstable();
    assert_eq!(values, (1..=KILLED).collect::<Vec<_>>());
    assert!(
        parts.len() >= 2
            && records.iter().all(|record| record["price"].as_str().is_some_and(|text| text.len() == 20_000))
    );
}
