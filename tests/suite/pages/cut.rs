//! A walk that is killed again and again, or asked to stop: in the end every item stands once, and no page that was
//! committed is asked for again.

use paceline::journal::{self, WalkNote};

use super::*;
use crate::support::{Dice, wait};

const SIZE: u64 = 4;
const PAGES: u64 = 700;
/// The last pages are not answered before the last kill, so that no run ends before it.
const HELD_BACK: u64 = 20;
const KILLS: u32 = 5;

const CURSOR: &str = "cursor = { path = \"$.next\" }";
const TOGETHER: &str = "page-number = { total-pages = \"$.pages\" }";

struct Scene {
    oracle: Oracle,
    open: Arc<AtomicBool>,
    job: Job,
}

fn scene(paginate: &str, delay: Duration) -> Scene {
    let open = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&open);
    let oracle = Oracle::start(move |request| {
        let held = page_of(SIZE, request) >= PAGES - HELD_BACK && !shared.load(Ordering::SeqCst);
        if held { Answer::Stall } else { list(PAGES * SIZE, SIZE, request).after(delay) }
    });
    let job = Job::at(&oracle.url(), &(endpoint("list", paginate) + "concurrency = 16\n" + LINES + TABLE));
    Scene { oracle, open, job }
}

impl Scene {
    /// How far the journal says that the walk has come.
    fn noted(&self) -> Option<WalkNote> {
        let found = journal::peek(&self.job.state()).unwrap_or_else(|error| panic!("{}", error.message))?;
        assert!(found.last.done.iter().all(|done| done.is_empty()), "the row has not ended");
        found.last.walks.iter().next().cloned()
    }

    /// No request from this one on is for a page that was taken.
    fn goes_on(&self, from: usize, note: Option<&WalkNote>) {
        let Some(note) = note else { return };
        for request in &self.oracle.requests()[from..] {
            let page = page_of(SIZE, request);
            let taken = if note.pages.is_some() { note.done.contains(page) } else { page < note.page };
            assert!(!taken, "page {} was committed, and asked for again; {note:?}", page + 1);
        }
    }

    /// Runs until the server has seen so many requests more, and gives how far the journal has come after a kill.
    fn live_and_die(&self, more: u64, kill: u32) -> Option<WalkNote> {
        let until = self.oracle.count() + usize::try_from(more).expect("a small number");
        let mut run = self.job.spawn(&["-q"]);
        let _ =
            wait::within(Duration::from_secs(5), || (self.oracle.count() >= until || !run.is_running()).then_some(()));
        let done = run.kill();
        assert_eq!(done.code, None, "kill {kill}: the run ended by itself\n{}\n{}", done.stdout, done.stderr);
        self.noted()
    }

    /// To its end, and looks at all that is left.
    fn end(&self, from: usize, note: Option<&WalkNote>) {
        self.open.store(true, Ordering::SeqCst);
        self.job.run(&[]).expect_code(0);
        self.goes_on(from, note);
        whole(&self.job, "list", PAGES * SIZE);
    }
}

/// Pages that the journal holds as taken.
fn taken(note: Option<&WalkNote>) -> u64 {
    note.map_or(0, |note| if note.pages.is_some() { note.done.len() } else { note.page })
}

fn survive(paginate: &str, delay: Duration, dice: &mut Dice) {
    let scene = scene(paginate, delay);
    let (mut note, mut from) = (None, 0);
    for kill in 0..KILLS {
        let now = scene.live_and_die(1 + dice.below(180), kill);
        assert!(taken(now.as_ref()) >= taken(note.as_ref()), "kill {kill}: pages were forgotten");
        scene.goes_on(from, note.as_ref());
        (note, from) = (now, scene.oracle.count());
    }
    // The last one comes when a commit was seen, so that there is something to go on with; unless all that is answered
    // was taken before.
    let run = scene.job.spawn(&["-q"]);
    let enough = (taken(note.as_ref()) + 1).min(PAGES - HELD_BACK);
    wait::until("a commit", Duration::from_secs(60), || (taken(scene.noted().as_ref()) >= enough).then_some(()));
    run.kill();
    scene.goes_on(from, note.as_ref());
    let note = scene.noted();
    assert!(taken(note.as_ref()) > 0);
    scene.end(scene.oracle.count(), note.as_ref());
}

#[test]
fn whatever_kills_a_walk_by_cursor_every_item_stands_once() {
    survive(CURSOR, Duration::from_millis(8), &mut Dice::printed("a walk by cursor"));
}

#[test]
fn whatever_kills_pages_that_are_out_together_every_item_stands_once() {
    survive(TOGETHER, Duration::from_millis(120), &mut Dice::printed("pages together"));
}

#[test]
fn a_walk_that_is_asked_to_stop_goes_on_where_it_stopped() {
    for (paginate, delay) in [(CURSOR, 4), (TOGETHER, 40)] {
        let scene = scene(paginate, Duration::from_millis(delay));
        let run = scene.job.spawn(&[]);
        wait::until("work", Duration::from_secs(60), || (scene.oracle.count() >= 60).then_some(()));
        run.signal("INT");
        run.wait().expect_code(130);
        let (note, from) = (scene.noted(), scene.oracle.count());
        assert_eq!(taken(note.as_ref()), from as u64, "what was asked for before the end was taken");
        scene.end(from, note.as_ref());
        assert_eq!(scene.oracle.count() as u64, PAGES, "draining leaves nothing to ask twice");
    }
}

/// Ten pages of four are told, and behind the fifth there is nothing: the sixth says so at once, those behind it `later`.
fn fewer_than_told(later: impl Fn() -> Answer + Send + Sync + 'static) -> Scene {
    let oracle = Oracle::start(move |request| match page_of(SIZE, request) {
        6.. => later(),
        page => Answer::json(&json!({ "items": items(page * SIZE..((page + 1) * SIZE).min(20)), "pages": 10 })),
    });
    let job = Job::at(&oracle.url(), &(endpoint("list", TOGETHER) + "concurrency = 16\n" + LINES + TABLE));
    Scene { oracle, open: Arc::default(), job }
}

#[test]
fn a_row_that_waited_for_nothing_but_pages_behind_an_empty_one_ends_after_a_kill() {
    let scene = fewer_than_told(|| Answer::Stall);
    let run = scene.job.spawn(&["-q"]);
    let all = |note: WalkNote| note.pages == Some(5) && note.done.first_missing() >= 5;
    wait::until("all pages", Duration::from_secs(60), || scene.noted().is_some_and(all).then_some(()));
    run.kill();
    let asked = scene.oracle.count();
    let done = scene.job.run(&[]).expect_code(0);
    assert!(done.stderr.contains("1 ok · 0 failed"), "the row has its end: {}", done.stderr);
    assert!(done.stderr.contains("warning: endpoints.list, row 1: "), "{}", done.stderr);
    assert_eq!(scene.oracle.count(), asked, "there was nothing left to ask for");
    whole(&scene.job, "list", 20);
}

#[test]
fn pages_that_fail_behind_an_empty_one_fail_no_row() {
    let scene = fewer_than_told(|| Answer::status(404).after(Duration::from_millis(300)));
    let done = scene.job.run(&[]).expect_code(0);
    assert!(done.stderr.contains("1 ok · 0 failed"), "{}", done.stderr);
    whole(&scene.job, "list", 20);
}
