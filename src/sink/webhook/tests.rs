use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::sink::spooled::{Overseer, sweep, take_back};
use crate::sink::tests::{layout, record};
use crate::sink::{Cursor, Start};

/// A receiver that does what it is told, and keeps what it was sent.
#[derive(Default)]
struct Far {
    sent: Mutex<Vec<Parcel>>,
    /// What the next parcels come to; `None`: all arrive.
    answer: Mutex<Option<Undelivered>>,
}

struct Wire(Arc<Far>);

impl Sender for Wire {
    fn send(&mut self, parcel: &Parcel) -> Result<(), Undelivered> {
        self.0.sent.lock().unwrap().push(parcel.clone());
        self.0.answer.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

/// An overseer of a run that ends, or not; what it is told.
#[derive(Default, Clone)]
struct Told {
    drains: Arc<AtomicBool>,
    words: Arc<Mutex<Vec<String>>>,
}

impl Overseer for Told {
    fn drains(&self) -> bool {
        self.drains.load(Ordering::Relaxed)
    }
    fn stops(&self) -> bool {
        false
    }
    fn warn(&self, words: String) {
        self.words.lock().unwrap().push(words);
    }
    fn away(&self, _: &str, _: Duration, words: String) {
        self.words.lock().unwrap().push(words);
    }
    fn broken(&self, words: String) {
        self.words.lock().unwrap().push(words);
    }
}

struct Bench {
    state: tempfile::TempDir,
    far: Arc<Far>,
    told: Told,
    plan: WebhookPlan,
}

impl Bench {
    fn new(table: Value) -> Self {
        let plan = decide(&table).unwrap();
        Self { state: tempfile::tempdir().unwrap(), far: Arc::default(), told: Told::default(), plan }
    }

    fn open(&self, start: Start) -> Result<Box<dyn Sink>, SinkError> {
        let layouts = [(0, layout(Some(&["id"]), &[]))];
        let state = self.state.path();
        self.plan.open(&SinkOpening {
            start,
            name: "out",
            state,
            run: "r",
            layouts: &layouts,
            columns: None,
            types: &[],
        })
    }

    /// Writes numbers in one commit and waits for their delivery: whether all came, and the cursor.
    fn session(&self, start: Start, numbers: Range<i64>) -> (bool, Cursor) {
        let mut sink = self.open(start).unwrap();
        sink.equip(Box::new(Wire(Arc::clone(&self.far))));
        for number in numbers {
            sink.write(0, &record(json!({ "id": number }), &[])).unwrap();
        }
        let cursor = sink.commit().unwrap();
        let delivery = sink.deliver(Box::new(self.told.clone())).unwrap().unwrap();
        delivery.committed(cursor.offset);
        (delivery.finish(|| false), cursor)
    }

    fn fails(&self, answer: Option<Undelivered>) {
        *self.far.answer.lock().unwrap() = answer;
    }

    fn sent(&self) -> Vec<Parcel> {
        std::mem::take(&mut *self.far.sent.lock().unwrap())
    }

    fn words(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.words.lock().unwrap())
    }
}

#[test]
fn what_was_surely_not_taken_may_be_cut_otherwise_and_what_may_have_been_taken_not() {
    for (answer, batches) in [
        (Undelivered::Declined("it answered 413".to_owned()), vec![1, 1, 1, 1]),
        (Undelivered::Refused("it answered 400".to_owned()), vec![4]),
    ] {
        let mut bench = Bench::new(webhook(100, "jsonl"));
        bench.fails(Some(answer));
        let (delivered, cursor) = bench.session(Start::New, 0..4);
        assert!(!delivered && bench.words()[0].contains("(records 1 to 4 of this sink)"));
        bench.sent();
        bench.fails(None);
        bench.plan = decide(&webhook(1, "jsonl")).unwrap();
        assert!(bench.session(Start::Resume(cursor), 0..0).0);
        let lines = |parcel: &Parcel| parcel.body.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(bench.sent().iter().map(lines).collect::<Vec<_>>(), batches);
    }
}

fn webhook(batch: u32, form: &str) -> Value {
    json!({ "url": "https://a.example/in", "batch": batch, "form": form })
}

fn bodies(parcels: &[Parcel]) -> Vec<String> {
    parcels.iter().map(|parcel| String::from_utf8(parcel.body.to_vec()).unwrap()).collect()
}

#[test]
fn records_come_in_batches_and_in_order() {
    let bench = Bench::new(webhook(3, "json"));
    assert!(bench.session(Start::New, 0..7).0);
    let sent = bench.sent();
    assert_eq!(bodies(&sent), [r#"[{"id":0},{"id":1},{"id":2}]"#, r#"[{"id":3},{"id":4},{"id":5}]"#, r#"[{"id":6}]"#]);
    assert!(sent.windows(2).all(|pair| pair[0].bytes.1 == pair[1].bytes.0), "they cover the spool");
    let lines = Bench::new(webhook(2, "jsonl"));
    assert!(lines.session(Start::New, 0..3).0);
    let sent = lines.sent();
    assert_eq!(bodies(&sent), ["{\"id\":0}\n{\"id\":1}\n", "{\"id\":2}\n"]);
    assert_eq!((sent[0].form, sent[0].content_type), ("jsonl", "application/x-ndjson"));
}

#[test]
fn what_was_begun_is_sent_again_as_it_was_whatever_came_since() {
    let bench = Bench::new(webhook(100, "json"));
    bench.told.drains.store(true, Ordering::Relaxed);
    bench.fails(Some(Undelivered::Away("gone".to_owned())));
    let (delivered, first) = bench.session(Start::New, 0..3);
    assert!(!delivered);
    // More records, and smaller batches.
    let smaller = Bench { plan: decide(&webhook(2, "json")).unwrap(), ..bench };
    let (delivered, cursor) = smaller.session(Start::Resume(first), 3..8);
    assert!(!delivered);
    smaller.fails(None);
    assert!(smaller.session(Start::Resume(cursor), 8..9).0);
    let sent = smaller.sent();
    assert!(sent[0] == sent[1] && sent[1] == sent[2], "{sent:?}");
    assert_eq!(
        bodies(&sent)[2..],
        [
            r#"[{"id":0},{"id":1},{"id":2}]"#,
            r#"[{"id":3},{"id":4}]"#,
            r#"[{"id":5},{"id":6}]"#,
            r#"[{"id":7},{"id":8}]"#
        ]
    );
    assert!(smaller.words().iter().all(|words| words.starts_with("sinks.out: https://a.example/in: gone")));
}

#[test]
fn a_refusal_names_the_records_and_they_come_first_when_the_run_goes_on() {
    let bench = Bench::new(webhook(2, "json"));
    let (_, cursor) = bench.session(Start::New, 0..4);
    bench.sent();
    bench.fails(Some(Undelivered::Refused("it answered 400".to_owned())));
    let (delivered, cursor) = bench.session(Start::Resume(cursor), 4..6);
    assert!(!delivered);
    assert_eq!(bench.words(), ["sinks.out: https://a.example/in: it answered 400 (records 5 to 6 of this sink)"]);
    bench.fails(None);
    assert!(bench.session(Start::Resume(cursor), 6..7).0);
    let sent = bench.sent();
    assert_eq!(sent[0], sent[1]);
    assert_eq!(bodies(&sent)[1..], [r#"[{"id":4},{"id":5}]"#, r#"[{"id":6}]"#]);
}

#[test]
fn records_of_rows_that_are_sent_again_are_not_taken_back() {
    let bench = Bench::new(webhook(100, "json"));
    let (_, cursor) = bench.session(Start::New, 0..2);
    let cursor = take_back((bench.state.path(), "r"), "out", cursor, &["[0]"]).unwrap();
    bench.sent();
    // A step of nothing else is no request.
    assert!(bench.session(Start::Resume(cursor), 0..0).0);
    assert_eq!(bench.sent(), []);
    assert!(bench.session(Start::Resume(cursor), 0..1).0);
    assert_eq!(bodies(&bench.sent()), [r#"[{"id":0}]"#]);
}

#[test]
fn a_note_that_is_gone_or_of_another_spool_is_refused() {
    let note = |state: &Path| state.join("sink-r-out.note");
    let bench = Bench::new(webhook(2, "json"));
    let (_, cursor) = bench.session(Start::New, 0..4);
    let whole = std::fs::read(note(bench.state.path())).unwrap();
    std::fs::remove_file(note(bench.state.path())).unwrap();
    assert!(bench.open(Start::Resume(cursor)).is_err_and(|error| error.message.contains("can't be read")));
    std::fs::write(note(bench.state.path()), whole).unwrap();
    assert!(bench.session(Start::Resume(cursor), 4..5).0);
    // Of another run.
    sweep(bench.state.path(), "r");
    assert!(note(bench.state.path()).exists());
    sweep(bench.state.path(), "other");
    assert_eq!(std::fs::read_dir(bench.state.path()).unwrap().count(), 0);
}

#[test]
fn a_request_that_ends_behind_the_spool_is_told() {
    let bench = Bench::new(webhook(2, "json"));
    let mut note = Note::begin(bench.state.path().join("note")).unwrap();
    note.send(99).unwrap();
    let sender: Box<dyn Sender> = Box::new(Wire(Arc::clone(&bench.far)));
    let mut receiver = Receiver { url: "u".to_owned(), batch: 1, form: BodyForm::Json, note, sender: Some(sender) };
    let head = Head { columns: vec!["id".to_owned()], types: Vec::new() };
    let refused = receiver.deliver(&head, 0, 50, &mut std::iter::empty());
    assert!(matches!(&refused, Err(Setback::Refused(words)) if words.contains("byte 99")), "{refused:?}");
    assert_eq!(bench.sent(), []);
}

#[test]
fn pace_is_no_part_of_what_it_is() {
    let of = |more: Value| {
        let mut table = webhook(5, "jsonl");
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        identity(&table)
    };
    let plain = of(json!({}));
    for same in
        [json!({ "batch": 9 }), json!({ "limit": "x", "retry": { "attempts": 1 }, "timeout": {}, "client": {} })]
    {
        assert_eq!(of(same), plain);
    }
    let others = [json!({ "url": "https://b" }), json!({ "form": "json" }), json!({ "headers": { "a": "b" } })];
    for other in others.into_iter().chain([json!({ "auth": { "bearer": "{{ secrets.a }}" } })]) {
        assert_ne!(of(other), plain);
    }
}
