use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::*;
use crate::sink::tests::{layout, record};

/// A far end of which each step may go wrong.
#[derive(Default)]
struct Far {
    rows: Vec<Value>,
    have: u64,
    /// What the next steps come to.
    faults: Vec<Fault>,
    load: Load,
    /// Where a step that was begun ends.
    begun: Option<u64>,
    /// Lines in each step so far.
    steps: Vec<usize>,
    /// How many rows there were when it was told that the run is whole.
    completed: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Nothing is done.
    Away,
    /// All is done, and nobody is told.
    Deaf,
    /// Never.
    Refused,
    Panics,
}

struct FarEnd(Arc<Mutex<Far>>);

impl Destination for FarEnd {
    fn reach(&mut self, head: &Head) -> Result<u64, Setback> {
        assert_eq!(head.columns, ["id"]);
        Ok(self.0.lock().unwrap().have)
    }

    fn load(&self) -> Load {
        self.0.lock().unwrap().load
    }

    fn begun(&self) -> Option<u64> {
        self.0.lock().unwrap().begun
    }

    fn deliver(&mut self, _: &Head, from: u64, to: u64, lines: &mut Lines<'_>) -> Result<u64, Setback> {
        let mut far = self.0.lock().unwrap();
        let fault = far.faults.pop();
        match fault {
            Some(Fault::Away) => return Err(Setback::Away("gone".into())),
            Some(Fault::Refused) => return Err(Setback::Refused("never".into())),
            Some(Fault::Panics) => {
                drop(far);
                panic!("a bug");
            }
            Some(Fault::Deaf) | None => {}
        }
        assert_eq!(far.have, from);
        assert_eq!(far.begun.unwrap_or(to), to);
        (far.have, far.begun) = (to, None);
        let before = far.rows.len();
        far.rows.extend(lines.map(|line| match line.unwrap() {
            Line::Record(values) => values[0].clone(),
            Line::Take(values) => json!({ "take": values[0] }),
        }));
        let taken = far.rows.len() - before;
        far.steps.push(taken);
        fault.map_or(Ok(0), |_| Err(Setback::Away("cut off".into())))
    }

    fn complete(&mut self) -> Result<(), Setback> {
        let mut far = self.0.lock().unwrap();
        far.completed = Some(far.rows.len());
        match far.faults.pop() {
            Some(_) => Err(Setback::Away("cut off".into())),
            None => Ok(()),
        }
    }
}

#[derive(Default)]
struct Told {
    drains: AtomicBool,
    words: Mutex<Vec<String>>,
}

struct Watcher(Arc<Told>);

impl Watcher {
    fn note(&self, words: String) {
        self.0.words.lock().unwrap().push(words);
    }
}

impl Overseer for Watcher {
    fn drains(&self) -> bool {
        self.0.drains.load(Ordering::Relaxed)
    }
    fn stops(&self) -> bool {
        false
    }
    fn warn(&self, words: String) {
        self.note(format!("warned: {words}"));
    }
    fn away(&self, sink: &str, _: Duration, words: String) {
        self.note(format!("away: {sink} {words}"));
    }
    fn broken(&self, words: String) {
        self.note(format!("broken: {words}"));
    }
}

/// A sink over a far end, and what is told of it.
struct Bench {
    state: tempfile::TempDir,
    far: Arc<Mutex<Far>>,
    told: Arc<Told>,
}

impl Bench {
    fn new(faults: &[Fault]) -> Self {
        let far = Far { faults: faults.iter().rev().copied().collect(), ..Far::default() };
        Self { state: tempfile::tempdir().unwrap(), far: Arc::new(Mutex::new(far)), told: Arc::default() }
    }

    fn open(&self, start: Start) -> Box<dyn Sink> {
        let layouts = [(0, layout(Some(&["id"]), &[]))];
        let state = self.state.path();
        let opening = SinkOpening { start, name: "out", state, run: "r", layouts: &layouts, columns: None, types: &[] };
        // One that is away does not say.
        let far = self.far.lock().unwrap();
        let have = (far.faults.last() != Some(&Fault::Away)).then_some(far.have);
        drop(far);
        let demands = Demands { takes: |kind, cell| kind.takes(cell), refuses: |_| None };
        open(&opening, demands, &[], Box::new(FarEnd(Arc::clone(&self.far))), have).unwrap()
    }

    /// Writes numbers and waits for their delivery: whether all came, and the cursor.
    fn session(&self, start: Start, numbers: std::ops::Range<i64>) -> (bool, Cursor) {
        let mut sink = self.open(start);
        let delivery = sink.deliver(Box::new(Watcher(Arc::clone(&self.told)))).unwrap().unwrap();
        let mut cursor = sink.commit().unwrap();
        for number in numbers {
            sink.write(0, &record(json!({ "id": number }), &[])).unwrap();
            cursor = sink.commit().unwrap();
            delivery.committed(cursor.offset);
        }
        (delivery.finish(|| false), cursor)
    }

    fn rows(&self) -> Vec<Value> {
        self.far.lock().unwrap().rows.clone()
    }

    fn words(&self) -> Vec<String> {
        self.told.words.lock().unwrap().clone()
    }
}

#[test]
fn what_is_away_for_a_while_gets_everything_once() {
    let bench = Bench::new(&[Fault::Away, Fault::Deaf, Fault::Away]);
    assert!(bench.session(Start::New, 0..20).0);
    assert_eq!(bench.rows(), (0..20).map(Value::from).collect::<Vec<_>>());
    assert!(
        bench.words().iter().all(|words| words.ends_with("its records wait in the state folder")),
        "{:?}",
        bench.words()
    );
}

#[test]
fn a_run_that_is_whole_is_told_so_behind_its_last_record_and_no_other_is() {
    let bench = Bench::new(&[Fault::Away, Fault::Deaf]);
    let (_, cursor) = bench.session(Start::New, 0..20);
    assert_eq!(bench.far.lock().unwrap().completed, None, "a run that was stopped");
    bench.far.lock().unwrap().faults = vec![Fault::Away; 2];
    let mut sink = bench.open(Start::Resume(cursor));
    let delivery = sink.deliver(Box::new(Watcher(Arc::clone(&bench.told)))).unwrap().unwrap();
    delivery.whole();
    assert!(delivery.finish(|| false));
    let far = bench.far.lock().unwrap();
    assert_eq!((far.completed, far.faults.len()), (Some(20), 0), "and again until it was heard");
}

#[test]
fn a_step_is_as_large_as_the_destination_wants_it() {
    // 20 records of 4 or 5 bytes behind a long head, each in a commit of its own.
    for (bytes, lines, steps) in [
        (10, usize::MAX, vec![1, 3, 3, 3, 2, 2, 2, 2, 2]),
        (1 << 20, usize::MAX, vec![20]),
        (1 << 20, 8, vec![8, 8, 4]),
    ] {
        let bench = Bench::new(&[Fault::Deaf]);
        bench.far.lock().unwrap().load = Load { bytes, lines, is_full: true };
        assert!(bench.session(Start::New, 0..20).0);
        let far = bench.far.lock().unwrap();
        assert_eq!(far.rows, (0..20).map(Value::from).collect::<Vec<_>>());
        assert_eq!(far.steps, steps);
    }
}

#[test]
fn a_step_that_was_begun_is_done_again_as_it_was() {
    let bench = Bench::new(&[Fault::Away; 50]);
    bench.told.drains.store(true, Ordering::Relaxed);
    let (_, middle) = bench.session(Start::New, 0..3);
    let (_, end) = bench.session(Start::Resume(middle), 3..9);
    {
        let mut far = bench.far.lock().unwrap();
        far.faults.clear();
        far.begun = Some(middle.offset);
    }
    assert!(bench.session(Start::Resume(end), 9..10).0);
    let far = bench.far.lock().unwrap();
    assert_eq!(far.rows, (0..10).map(Value::from).collect::<Vec<_>>());
    assert_eq!(far.steps[0], 3);
}

#[test]
fn a_destination_that_took_a_step_of_another_end_gets_the_rest() {
    let bench = Bench::new(&[Fault::Away; 50]);
    bench.told.drains.store(true, Ordering::Relaxed);
    let (_, middle) = bench.session(Start::New, 0..3);
    let (_, end) = bench.session(Start::Resume(middle), 3..9);
    let mut sink = bench.open(Start::Resume(end));
    {
        // It was away when the session began, and had heard what it was told then.
        let mut far = bench.far.lock().unwrap();
        far.faults.clear();
        (far.have, far.rows) = (middle.offset, (0..3).map(Value::from).collect());
    }
    let delivery = sink.deliver(Box::new(Watcher(Arc::clone(&bench.told)))).unwrap().unwrap();
    assert!(delivery.finish(|| false));
    assert_eq!(bench.rows(), (0..9).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn a_run_that_ends_leaves_the_rest_in_the_spool_and_the_next_session_carries_it() {
    let bench = Bench::new(&[Fault::Away; 50]);
    bench.told.drains.store(true, Ordering::Relaxed);
    let (delivered, cursor) = bench.session(Start::New, 0..5);
    assert!(!delivered && bench.rows().is_empty());
    // Once more in vain, and then it is there.
    let (delivered, cursor) = bench.session(Start::Resume(cursor), 0..0);
    assert!(!delivered && bench.rows().is_empty());
    bench.far.lock().unwrap().faults.clear();
    let (delivered, _) = bench.session(Start::Resume(cursor), 5..6);
    assert!(delivered);
    assert_eq!(bench.rows(), (0..6).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn what_is_refused_or_panics_is_told_and_nobody_waits_for_ever() {
    for (fault, words) in
        [(Fault::Refused, "broken: sinks.out: never"), (Fault::Panics, "broken: sinks.out: its thread panicked")]
    {
        let bench = Bench::new(&[fault]);
        assert!(!bench.session(Start::New, 0..3).0);
        assert!(bench.words()[0].starts_with(words), "{:?}", bench.words());
    }
}

#[test]
fn a_destination_that_others_moved_is_not_written_to() {
    let bench = Bench::new(&[]);
    let (_, cursor) = bench.session(Start::New, 0..3);
    let mut sink = bench.open(Start::Resume(cursor));
    bench.far.lock().unwrap().have = 1;
    let delivery = sink.deliver(Box::new(Watcher(Arc::clone(&bench.told)))).unwrap().unwrap();
    sink.write(0, &record(json!({ "id": 9 }), &[])).unwrap();
    delivery.committed(sink.commit().unwrap().offset);
    assert!(!delivery.finish(|| false));
    assert!(bench.words()[0].contains("changed by somebody else"), "{:?}", bench.words());
}

#[test]
fn a_full_spool_has_no_room_until_it_is_carried_away() {
    let delivery = Delivery::new(0, Some(0), vec![0]);
    assert!(delivery.has_room(Duration::ZERO));
    delivery.committed(1 << 30);
    assert!(!delivery.has_room(Duration::ZERO));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| delivery.has_room(Duration::from_secs(600)));
        delivery.delivered(1 << 30);
        assert!(waits.join().unwrap());
    });
}

#[test]
fn what_could_not_be_read_back_does_not_fit() {
    let bench = Bench::new(&[]);
    let mut sink = bench.open(Start::New);
    let nested = |levels| {
        (0..levels).fold(json!(1), |value, level| if level % 2 == 0 { json!([value]) } else { json!({ "k": value }) })
    };
    assert!(
        sink.fits(0, &record(json!({ "id": nested(DEEPEST + 1) }), &[])).unwrap_err().contains("nested in more than")
    );
    let deepest = record(json!({ "id": nested(DEEPEST) }), &[]);
    assert_eq!(sink.fits(0, &deepest), Ok(()));
    drop(sink);
    let mut sink = bench.open(Start::New);
    let delivery = sink.deliver(Box::new(Watcher(Arc::clone(&bench.told)))).unwrap().unwrap();
    sink.write(0, &deepest).unwrap();
    delivery.committed(sink.commit().unwrap().offset);
    assert!(delivery.finish(|| false));
    assert_eq!(bench.rows(), [nested(DEEPEST)]);
}

#[test]
fn columns_of_rows_that_bring_their_own_are_those_of_all_that_are_held() {
    let state = tempfile::tempdir().unwrap();
    let layouts = [(0, layout(None, &["x"]))];
    let opening = SinkOpening {
        start: Start::New,
        name: "out",
        state: state.path(),
        run: "r",
        layouts: &layouts,
        columns: None,
        types: &[("x".to_owned(), ColumnType::Text)],
    };
    let demands = Demands { takes: |kind, cell| kind.takes(cell), refuses: |_| None };
    let mut sink = open(&opening, demands, &[], Box::new(FarEnd(Arc::default())), Some(0)).unwrap();
    sink.write(0, &record(json!({ "a": 1 }), &[json!(5)])).unwrap();
    sink.write(0, &record(json!({ "b": [2] }), &[json!(null)])).unwrap();
    sink.commit().unwrap();
    let spool = std::fs::read_to_string(state.path().join("sink-r-out.0.jsonl")).unwrap();
    let lines: Vec<&str> = spool.lines().collect();
    assert_eq!(lines[0], r#"{"columns":["a","x","b"],"types":["int","string","json"]}"#);
    assert_eq!(lines[1..], ["[1,5,null]", "[null,null,[2]]"]);
    assert_eq!(sink.fits(0, &record(json!({ "a": null }), &[json!(true)])), Ok(()));
    assert!(sink.fits(0, &record(json!({ "a": "x" }), &[json!(1)])).is_err());
}
