//! A whole run without a network, for disks that fail: opened, written and ended as a real one is, its rows answered by
//! a function. It has what a run can have on a disk: files of each form, one without doubles, a spool for another endpoint, one for a far
//! end, saved replies and notes of what must not be repeated; it is cut off and gone on with, its journal is
//! compacted, and what failed in it is sent again.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};

use crate::disk::watch::Told;
use crate::journal::{self, FailedRow, Recovered, StateFolder};
use crate::plan::Plan;
use crate::record::{Ending, Outcome, Record};
use crate::retry::FailureKind;
use crate::row::{Fields, Row};
use crate::run::feeder::{Intake, Selection};
use crate::run::lane::Shared;
use crate::run::scribe::Scribe;
use crate::run::{RunError, RunOptions};
use crate::secret::Secrets;
use crate::sink::spooled::far::{Far, FarKind};
use crate::source::unpack::Unpacked;
use crate::template::Context;
use crate::transport::BodyWriter;

use super::super::{Opened, open};

/// Rows of the endpoint that may repeat its requests, and of the one that may not.
pub const ROWS: [u64; 2] = [16, 4];
/// Values of the column by which one sink leaves out doubles.
pub const GROUPS: u64 = 8;
/// Rows between two commits.
const COMMIT: u64 = 5;
/// The row before which the first session is cut off.
const CUT: u64 = 8;

/// What happens in a run.
#[derive(Debug, Clone)]
pub enum Event {
    Disk(Told),
    /// A request that must not be repeated has left.
    Sent(u64),
    /// The far end has this.
    Far(Far),
}

/// What hears of it.
pub type Log = Arc<Mutex<Vec<Event>>>;

/// A folder, and what is outside of its machine.
pub struct World {
    pub root: PathBuf,
    pub far: Arc<Mutex<Far>>,
    pub log: Log,
    /// Requests that have left and must not leave again.
    pub sent: Arc<Mutex<Vec<u64>>>,
    plan: OnceLock<Plan>,
    _home: tempfile::TempDir,
}

/// How far a session is let.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Cut,
    End,
}

/// What a run has left, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    pub texts: BTreeMap<String, String>,
    pub far: Vec<Vec<Value>>,
}

impl World {
    pub fn new() -> Self {
        // In memory where there is such a folder: what a disk would do is played.
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let root = std::fs::canonicalize(home.path()).unwrap();
        Self {
            root,
            far: Arc::default(),
            log: Arc::default(),
            sent: Arc::default(),
            plan: OnceLock::new(),
            _home: home,
        }
    }

    fn plan(&self) -> Plan {
        self.plan.get_or_init(|| self.compiled()).clone()
    }

    fn compiled(&self) -> Plan {
        let at = |path: &str| self.root.join(path).display().to_string();
        let sinks = ["rows.csv", "rows.jsonl.gz", "rows.jsonl.zst", "deep/rows.json"].map(|name| {
            let key = name.replace(['.', '/'], "-");
            format!("[sinks.{key}]\nfrom = [\"get\"]\npath = \"{}\"\n", at(&format!("out/{name}")))
        });
        let mut plan = super::plan(&format!(
            "[endpoints.get]\nurl = \"http://a.example/{{{{ row.value }}}}\"\ninput.range = {{ from = 0, to = {} }}\n\
             columns = {{ name = \"$.name\", group = \"$.group\" }}\nmeta = []\nsave = {{ path = \"{}/{{{{ row.value }}}}\" }}\n\
             [endpoints.post]\nmethod = \"POST\"\nurl = \"http://a.example/{{{{ row.value }}}}\"\n\
             input.range = {{ from = 0, to = {} }}\ncolumns.name = \"$.name\"\nmeta = []\n\
             [endpoints.child]\nurl = \"http://a.example/{{{{ row.name }}}}\"\ninput.endpoint = \"get\"\n\
             [sinks.posted]\nfrom = [\"post\"]\npath = \"{}\"\n\
             [sinks.once]\nfrom = [\"get\"]\npath = \"{}\"\ndedupe = [\"group\"]\n{}",
            ROWS[0] - 1,
            at("pages"),
            ROWS[1] - 1,
            at("out/posted.csv"),
            at("out/once.jsonl"),
            sinks.concat(),
        ));
        plan.state = self.root.join(".paceline/job");
        let (far, log) = (Arc::clone(&self.far), Arc::clone(&self.log));
        let told = Arc::new(move |far: &Far| log.lock().unwrap().push(Event::Far(far.clone())));
        plan.sinks.push(FarKind { far, told }.sink());
        plan
    }

    /// The run as it is without a fault: cut off by a signal, gone on with, and healed.
    pub async fn run(&self) -> Result<(), String> {
        self.session(RunOptions::default(), Until::Cut).await?;
        self.finish().await
    }

    /// Goes on from whatever is there until nothing is left to do.
    pub async fn finish(&self) -> Result<(), String> {
        for _ in 0..4 {
            let failed_only = match self.found()? {
                (Some(found), failed) if found.last.complete => {
                    if failed.iter().all(|row| row.unknown) {
                        return Ok(());
                    }
                    true
                }
                _ => false,
            };
            self.session(RunOptions { failed_only, ..RunOptions::default() }, Until::End).await?;
        }
        Err("it never ends".to_owned())
    }

    fn found(&self) -> Result<(Option<Recovered>, Vec<FailedRow>), String> {
        let state = self.root.join(".paceline/job");
        let found = journal::peek(&state).map_err(|error| error.message)?;
        if found.is_none() {
            return Ok((None, Vec::new()));
        }
        let folder = StateFolder::lock(&state).map_err(|error| error.message)?;
        Ok((found, folder.failed_rows().map_err(|error| error.message)?))
    }

    async fn session(&self, options: RunOptions, until: Until) -> Result<(), String> {
        let opened = open(self.plan(), options, Secrets::default(), |_| {}).await.map_err(|error| match error {
            RunError::Open(words) => words,
            RunError::Key(keyed) => keyed.message,
            RunError::Secrets(names) => panic!("{names:?}"),
        })?;
        let Opened { shared, selections, sinks, spools, writer, state, mut desk, folder, .. } = opened;
        let again = state.again;
        let complete = Arc::new(AtomicBool::new(false));
        let intakes = selections.iter().map(|_| Arc::new(Intake::default())).collect();
        let held = Box::new(Arc::clone(&shared));
        let scribe = Scribe::new(Arc::clone(&shared), sinks, writer, state, intakes, Arc::clone(&complete), held);
        let mut session = Session { world: self, shared, scribe: scribe.with_spools(spools), selections, again };
        let worked = session.work(until).await;
        let Session { shared, scribe, .. } = session;
        if worked.is_ok() {
            complete.store(until == Until::End, Ordering::Release);
            shared.outbox.close();
            let _ = scribe.run();
        }
        shared.saves.close();
        if let Some(intents) = &shared.intents {
            intents.close();
        }
        drop(folder);
        worked?;
        desk.causes.try_recv().map_or(Ok(()), |cause| Err(format!("{cause:?}")))
    }

    /// What the run has left, each text whole.
    pub fn outputs(&self) -> Outputs {
        let mut texts = BTreeMap::new();
        for folder in ["out", "out/deep", "pages"] {
            for entry in std::fs::read_dir(self.root.join(folder)).into_iter().flatten().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() {
                    let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                    texts.insert(name, text(&entry.path()));
                }
            }
        }
        let spool = self.root.join(".paceline/job/spool-get.jsonl");
        if spool.exists() {
            texts.insert("spool".to_owned(), text(&spool));
        }
        let mut far = self.far.lock().unwrap().rows.clone();
        far.sort_by_key(|row| row[0].as_u64());
        Outputs { texts, far }
    }

    /// Every row has ended, and its journal says so.
    pub fn is_whole(&self) -> Result<(), String> {
        let last = self.found()?.0.ok_or("there is no journal")?.last;
        let each = |(endpoint, rows): (usize, u64)| {
            let counts = last.counts[endpoint];
            (last.done[endpoint].len(), counts.rows(), counts.records) == (rows, rows, rows)
        };
        let failed = (last.counts[0].failed, last.counts[1].failed) == (0, last.counts[1].unknown);
        let whole = last.complete && failed && ROWS.into_iter().enumerate().all(each);
        if whole { Ok(()) } else { Err(format!("not whole: {last:?}")) }
    }

    /// All that a world has to be after a fault, but for rows of which nobody knows what became.
    pub fn is_as(&self, expected: &Outputs) -> Result<(), String> {
        self.is_whole()?;
        let (mut found, mut expected) = (self.outputs(), expected.clone());
        let posted = [&mut found, &mut expected].map(|outputs| {
            let text = outputs.texts.remove("out/posted.csv").unwrap_or_default();
            text.lines().map(|line| line.split(',').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        });
        if posted[0] == posted[1] && found == expected {
            return Ok(());
        }
        let texts = found.texts.iter().filter(|(name, text)| expected.texts.get(*name) != Some(text));
        let missing = expected.texts.keys().filter(|name| !found.texts.contains_key(*name));
        Err(format!(
            "posted {:?}, other texts {:?}, missing {:?}, far {:?}",
            posted[0],
            texts.collect::<Vec<_>>(),
            missing.collect::<Vec<_>>(),
            found.far
        ))
    }
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let read = Unpacked::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text);
    // What can't be read is told with what could be.
    if let Err(error) = read { format!("{text}{error}") } else { text }
}

/// What works on rows.
struct Session<'w> {
    world: &'w World,
    shared: Arc<Shared>,
    scribe: Scribe,
    selections: Vec<Selection>,
    /// Whether failed rows are sent again.
    again: bool,
}

impl Session<'_> {
    async fn work(&mut self, until: Until) -> Result<(), String> {
        for row in 0..ROWS[0] {
            if until == Until::Cut && row == CUT {
                return self.scribe.commit();
            }
            if self.wants(0, row) {
                self.get(row).await?;
            }
            if row < ROWS[1] && self.wants(1, row) {
                self.post(row).await?;
            }
            if row % COMMIT == COMMIT - 1 {
                self.scribe.commit()?;
            }
            if row == CUT + 2 {
                self.scribe.commit()?;
                let compact = journal::Commit { failed: Vec::new(), healed: false, ..self.scribe.state.clone() };
                self.scribe.writer.commit_compactly(&compact).map_err(|error| error.message)?;
            }
        }
        Ok(())
    }

    fn wants(&self, endpoint: usize, row: u64) -> bool {
        let Selection { done, only, .. } = &self.selections[endpoint];
        !done.contains(row) && only.as_ref().is_none_or(|only| only.contains(&row))
    }

    async fn get(&mut self, row: u64) -> Result<(), String> {
        if row % 6 == 3 && !self.again {
            return self.end(0, row, Ending::Failed, false);
        }
        if row % 8 == 2 {
            self.save(row).await?;
        }
        self.end(0, row, Ending::Ok, false)
    }

    async fn save(&self, row: u64) -> Result<(), String> {
        let plan = self.shared.plan.endpoints[0].save.as_ref().unwrap();
        let (saver, row) = (self.shared.saves.saver(0, plan).unwrap(), number(row));
        let context = Context { row: Some(&row), secrets: &self.shared.secrets, reply: None, last: None };
        let mut saving = saver.attempt(plan, &context).map_err(|failure| failure.message)?;
        let head = http::Response::new(()).into_parts().0;
        let _ = saving.begin(&head);
        saving.write(vec![b'x'; 600].into()).await.map_err(|failure| failure.message)?;
        saving.end().await.map_err(|failure| failure.message)?;
        saving.keep().await.map_err(|failure| failure.message)
    }

    async fn post(&mut self, row: u64) -> Result<(), String> {
        if self.selections[1].unknown.contains(row) {
            return self.end(1, row, Ending::Failed, true);
        }
        self.shared.intents.as_ref().unwrap().note(1, [row]).await?;
        let mut sent = self.world.sent.lock().unwrap();
        if sent.contains(&row) {
            return Err(format!("row {row} was sent again"));
        }
        sent.push(row);
        self.world.log.lock().unwrap().push(Event::Sent(row));
        drop(sent);
        self.end(1, row, Ending::Ok, false)
    }

    fn end(&mut self, endpoint: usize, row: u64, ending: Ending, unknown: bool) -> Result<(), String> {
        let failed = ending == Ending::Failed;
        let name = if failed { Value::Null } else { json!(format!("item {row}, äöü")) };
        let group = if failed { Value::Null } else { json!(row % GROUPS) };
        let cells = if endpoint == 0 { vec![name, group] } else { vec![name] };
        self.scribe.accept(Outcome {
            endpoint,
            ordinal: row,
            sequence: row,
            ending,
            unknown,
            error: failed.then(|| "no".to_owned()),
            kind: failed.then_some(FailureKind::Status),
            attempts: 1,
            tried: 1,
            walk: None,
            records: vec![Record { row: Arc::new(number(row)), cells }],
        })
    }
}

fn number(ordinal: u64) -> Row {
    Row { ordinal, line: 0, fields: Fields::Integer(ordinal as i64) }
}
