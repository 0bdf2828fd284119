//! Jobs and servers, drawn at random: how many rows, in batches or not, in which order, chained or not; and for each row
//! what the server does with it, how often.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::oracle::SeenRequest;
use crate::support::oracle::script::item;
use crate::support::{Answer, Dice, Job, Oracle};

/// A job and its server.
pub struct Drawn {
    pub job: Job,
    /// Rows of the first endpoint.
    pub rows: u64,
    /// Whether the server is good from now on.
    mended: Arc<AtomicBool>,
    /// Lives as long as the job.
    _oracle: Option<Oracle>,
}

impl Drawn {
    /// A job that needs no server of its own.
    pub fn of(job: Job, rows: u64) -> Self {
        Self { job, rows, mended: Arc::default(), _oracle: None }
    }

    /// From here on the server answers everything well.
    pub fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }
}

/// What the server does with the first requests of a row.
fn fault(luck: u64, turn: usize, request: &SeenRequest) -> Option<Answer> {
    let slow = Duration::from_millis(20);
    match (luck, turn) {
        (0, 0..2) => Some(Answer::status(503)),
        (1, 0) => Some(Answer::Reset),
        (2, 0) => Some(Answer::Close),
        (3, 0) => Some(item(request).reset_after(5)),
        (4, 0) => Some(Answer::status(429).header("retry-after", "0")),
        (5, _) => Some(Answer::status(404)),
        (6, _) => Some(Answer::status(500)),
        (7, _) => Some(Answer::text(200, "no JSON at all")),
        (8, _) => Some(item(request).cut_after(4)),
        (9, _) => Some(item(request).after(slow)),
        _ => None,
    }
}

fn oracle(seed: u64, mended: Arc<AtomicBool>) -> Oracle {
    let turns = Mutex::new(HashMap::<String, usize>::new());
    Oracle::start(move |request| {
        let mut turns = turns.lock().expect("no script panics");
        let turn = turns.entry(request.path.clone()).or_default();
        *turn += 1;
        // Far more luck than faults: twenty failures in a row would be an outage.
        let luck = request.path.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let luck = Dice::of(luck).below(40);
        let good = mended.load(Ordering::SeqCst);
        fault(luck, *turn - 1, request).filter(|_| !good).unwrap_or_else(|| item(request))
    })
}

/// Draws a job; every other one has a second endpoint behind the first.
pub fn draw(dice: &mut Dice, turn: u64) -> Drawn {
    let rows = 50 + dice.below(350);
    let mended = Arc::<AtomicBool>::default();
    let oracle = oracle(dice.below(u64::MAX), Arc::clone(&mended));
    let mut text = "retry = { attempts = 3, initial = \"1ms\", max = \"5ms\", budget = \"100%\" }\nlimits.pace = { rate = \"400/s\", \
                    burst = 10 }\n"
        .to_owned();
    if dice.below(2) == 0 {
        text += &format!("batch = {{ size = {}, in-flight = {} }}\n", 10 + dice.below(60), 1 + dice.below(3));
    }
    let order = ["finished", "input"][dice.below(2) as usize];
    text += &format!(
        "[endpoints.first]\nurl = \"ORACLE/first/{{{{ row.value }}}}\"\ninput.range = {{ from = 1, to = {rows} }}\n\
         limit = \"pace\"\nconcurrency = {}\norder = \"{order}\"\ncolumns.id = \"$.id\"\n",
        1 + dice.below(20)
    );
    if turn % 2 == 1 {
        text += "[endpoints.second]\nurl = \"ORACLE/second/{{ row.id }}\"\ninput.endpoint = \"first\"\n\
                 columns.price = \"$.price\"\n[sinks.second]\nfrom = [\"second\"]\npath = \"out/second.csv\"\non-existing = \"replace\"\n";
    }
    text += "[sinks.all]\nfrom = [\"first\"]\npath = \"out/all.csv\"\non-existing = \"replace\"\n\
             [sinks.bad]\nfrom = [\"first\"]\nrows = \"failed\"\npath = \"out/bad.jsonl\"\non-existing = \"replace\"\n";
    Drawn { job: Job::at(&oracle.url(), &text), rows, mended, _oracle: Some(oracle) }
}
