//! A stage for whole endpoints without a network, a disk or real time: lanes compiled from a job, workers, batches,
//! limits and retries as in a run, a server that is a function, and tokio's paused clock.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::task::JoinSet;

use super::super::auths::Auths;
use super::super::control::{self, Cause, Desk};
use super::super::feeder::{self, Intake, Selection};
use super::super::idempotency::Keys;
use super::super::lane::{self, Lane, Shared};
use super::super::limits::AllLimits;
use super::super::live::{self, Live};
use super::super::mailbox::Mailbox;
use super::super::meter::Meter;
use super::super::recap::{Before, Chronicle};
use super::super::worker;
use crate::clock::{self, Instant};
use crate::compile::{Options, compile};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::event::Event;
use crate::journal::Intents;
use crate::plan::Plan;
use crate::record::Outcome;
use crate::retry::{Failure, FailureKind};
use crate::secret::{Masker, Secrets};
use crate::transport::{BoxFuture, Call, Reply, Timings, Transport};

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Sent {
    pub at: Instant,
    /// When the reply was complete, or the connection broke.
    pub ended: Instant,
    /// The last segment of the path.
    pub id: String,
    /// How many requests with this id there were, this one included.
    pub turn: u32,
    pub status: u16,
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub struct Act {
    /// 0: it breaks the connection.
    pub status: u16,
    pub after: Duration,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Act {
    pub fn status(status: u16) -> Self {
        Self { status, after: Duration::from_millis(10), headers: Vec::new(), body: "{}".to_owned() }
    }

    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// What the script knows of a request.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'s> {
    pub id: &'s str,
    pub turn: u32,
    /// Since the beginning.
    pub since: Duration,
}

type Script = Box<dyn Fn(Seen<'_>) -> Act + Send + Sync>;

/// The server, and its log.
pub struct Server {
    script: Script,
    began: Instant,
    turns: Mutex<HashMap<String, u32>>,
    log: Mutex<Vec<Sent>>,
}

impl Server {
    pub fn new(script: impl Fn(Seen<'_>) -> Act + Send + Sync + 'static) -> Arc<Self> {
        let (turns, log) = (Mutex::default(), Mutex::default());
        Arc::new(Self { script: Box::new(script), began: clock::now(), turns, log })
    }

    /// All requests, in the order in which they came.
    pub fn log(&self) -> Vec<Sent> {
        let mut log = self.log.lock().unwrap().clone();
        log.sort_by_key(|sent| sent.at);
        log
    }

    fn turn(&self, id: &str) -> u32 {
        let mut turns = self.turns.lock().unwrap();
        let turn = turns.entry(id.to_owned()).or_default();
        *turn += 1;
        *turn
    }

    async fn serve(&self, call: Call<'_>) -> Result<Reply, Failure> {
        let url = call.request.uri().clone();
        call.gate.pass(&url).await;
        let at = clock::now();
        let id = url.path().rsplit('/').next().unwrap_or_default().to_owned();
        let turn = self.turn(&id);
        let act = (self.script)(Seen { id: &id, turn, since: at - self.began });
        tokio::time::sleep(act.after).await;
        self.log.lock().unwrap().push(Sent { at, ended: clock::now(), id, turn, status: act.status });
        if act.status == 0 {
            return Err(Failure::sent(FailureKind::Reset, "the connection was reset"));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in act.headers {
            headers.append(name, value.parse().unwrap());
        }
        let timings = Timings { first_byte: act.after, ..Timings::default() };
        let status = StatusCode::from_u16(act.status).unwrap();
        Ok(Reply { status, headers, body: Bytes::from(act.body), url, timings })
    }
}

impl Transport for Server {
    fn exchange<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(self.serve(call))
    }
}

/// What became of a job on the stage.
pub struct Played {
    pub outcomes: Vec<Outcome>,
    pub events: Vec<Event>,
    /// What would have ended the run.
    pub causes: Vec<Cause>,
}

/// Compiles a job.
pub fn job(text: &str) -> Plan {
    let mut diagnostics = Diagnostics::default();
    let (path, overlays) = (std::path::Path::new("job.toml"), Overlays::default());
    let document = Document::parse(path, text.to_owned(), &overlays, &mut diagnostics);
    let plan = document.and_then(|document| compile(&document, &Options::default(), &mut diagnostics));
    plan.unwrap_or_else(|| panic!("{diagnostics:?}\n{text}"))
}

fn shared(plan: Plan, intents: Option<Arc<Intents>>) -> (Arc<Shared>, Desk) {
    let (control, desk) = control::line();
    let lane = |endpoint: &crate::plan::EndpointPlan| live::Lane {
        endpoint: endpoint.name.clone(),
        stream: endpoint.stream.is_some(),
        ..Default::default()
    };
    let live = Live { lanes: plan.endpoints.iter().map(lane).collect(), ..Live::default() };
    let shared = Shared {
        buckets: AllLimits::open(&plan),
        secrets: Secrets::masked(&plan.secrets),
        plan: Arc::new(plan),
        run: "r1".to_owned(),
        keys: Keys::of("r1"),
        masker: Masker::default(),
        record_masker: Masker::default(),
        outbox: Mailbox::weighing(1_024, |outcomes| lane::weight(outcomes)),
        live,
        meter: Meter::default(),
        chronicle: Chronicle::begin(Before::default(), Vec::new()),
        stops: Default::default(),
        control,
        saves: Arc::default(),
        intents,
        chains: Default::default(),
    };
    (Arc::new(shared), desk)
}

/// The lanes of a job before this server; its requests are noted where there is something to note them in.
pub fn lanes<S: Transport + 'static>(
    text: &str,
    server: &Arc<S>,
    intents: Option<Arc<Intents>>,
) -> (Vec<Arc<Lane>>, Desk) {
    let (shared, desk) = shared(job(text), intents);
    let transports: Vec<Arc<dyn Transport>> =
        shared.plan.endpoints.iter().map(|_| Arc::clone(server) as Arc<dyn Transport>).collect();
    let lanes = super::super::lanes::lanes(&shared, &transports, shared.intents.as_ref(), &mut Auths::default(), None);
    (lanes.unwrap_or_else(|error| panic!("{error:?}")), desk)
}

/// Plays a job to its end, or until something would end the run. Its inputs have 256 rows at most.
pub async fn play<S: Transport + 'static>(text: &str, server: &Arc<S>) -> Played {
    play_beside(text, server, |_| std::future::ready(())).await
}

/// As [`play`], while something else is done with its lanes.
pub async fn play_beside<S, F>(text: &str, server: &Arc<S>, other: impl FnOnce(Vec<Arc<Lane>>) -> F) -> Played
where
    S: Transport + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (lanes, mut desk) = lanes(text, server, None);
    let shared = Arc::clone(&lanes[0].shared);
    shared.control.tell_attempts(true);
    let mut tasks = JoinSet::new();
    tasks.spawn(other(lanes.clone()));
    for lane in &lanes {
        lane.allow();
        let intake = Arc::new(Intake::default());
        let source = lane.plan().source.open().unwrap();
        intake.pump(source, lane.plan().source.as_ref(), &Selection::default()).unwrap();
        intake.close();
        tasks.spawn(feed(lane.clone(), intake));
        for _ in 0..lane.slots {
            tasks.spawn(worker::work(lane.clone()));
        }
    }
    let (mut outcomes, mut causes) = (Vec::new(), Vec::new());
    loop {
        tokio::select! {
            some = shared.outbox.drain(1_000) => outcomes.extend(some.into_iter().flatten()),
            Some(cause) = desk.causes.recv() => {
                causes.push(cause);
                desk.phase.send_replace(control::Phase::Draining);
                lanes.iter().for_each(|lane| lane.queue.drain());
            }
            ended = tasks.join_next() => match ended {
                Some(ended) => ended.unwrap(),
                None => break,
            },
        }
    }
    shared.outbox.close();
    outcomes.extend(shared.outbox.drain(10_000).await.into_iter().flatten());
    let events = std::iter::from_fn(|| desk.events.try_recv().ok()).collect();
    causes.extend(std::iter::from_fn(|| desk.causes.try_recv().ok()));
    Played { outcomes, events, causes }
}

async fn feed(lane: Arc<Lane>, intake: Arc<Intake>) {
    let batches = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..lane.plan().batch.in_flight {
        tasks.spawn(feeder::dispatch(lane.clone(), intake.clone(), batches.clone()));
    }
    tasks.join_all().await;
    lane.queue.complete();
}
