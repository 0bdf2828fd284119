//! Opening: from a plan to everything a session needs, or a sentence why it can't start.
//!
//! The order matters: secrets before anything is touched, the lock before the journal is read, sinks
//! before a new journal begins (a kill in between leaves outputs without records, which a new run may
//! take over).

use std::path::PathBuf;
use std::sync::Arc;

use http::header::RANGE;

use crate::clock;
use crate::demo::{Demo, DemoPlan};
use crate::extract::{Need, Wanted};
use crate::journal::{Commit, Counts, Opening, Recovered, RowSet, StateFolder, VERSION, Writer};
use crate::limit::{LimitPlan, Limiter};
use crate::plan::request::RequestPlan;
use crate::plan::{EndpointPlan, Meta, Plan};
use crate::random;
use crate::save::Saves;
use crate::secret::{Masker, Secrets};
use crate::sink::Start;
use crate::template::Template;
use crate::transport::{self, ClientPlan, Transport};

use super::auths::Auths;
use super::control::{self, Desk};
use super::feeder::Selection;
use super::lane::{Lane, Shared};
use super::live::{self, Live};
use super::mailbox::Mailbox;
use super::meter::Meter;
use super::queue::Queue;
use super::resume::{self, Decision, Identity};
use super::scribe::OpenSink;
use super::{RunError, RunOptions, heal};

/// Outcomes on their way to the scribe. Rows and replies may be large: what waits is bounded tightly.
const OUTBOX: usize = 1_024;
/// Calls that stand ready in front of the workers, for each slot.
const READY_PER_SLOT: usize = 4;
/// Calls that may sleep before a retry, for each slot; beyond it no new row is begun.
const SLEEPERS_PER_SLOT: usize = 100;

/// What is known of a run before its first request.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Id of the run.
    pub run: String,
    /// Rows that earlier sessions committed.
    pub resumed_rows: u64,
    /// Rows to come, by endpoint, where the source knows without reading.
    pub rows: Vec<Option<u64>>,
    /// The journal.
    pub journal: PathBuf,
    /// Things to be said in the summary.
    pub warnings: Vec<String>,
}

/// Everything a session needs.
pub struct Opened {
    /// What lanes share.
    pub shared: Arc<Shared>,
    /// Lanes, by position of the endpoint.
    pub lanes: Vec<Arc<Lane>>,
    /// Rows to work on, by endpoint.
    pub selections: Vec<Selection>,
    /// Sinks, by position.
    pub sinks: Vec<OpenSink>,
    /// The journal.
    pub writer: Writer,
    /// The state to go on from.
    pub state: Commit,
    /// The conductor's end of the line.
    pub desk: Desk,
    /// For the report.
    pub facts: Facts,
    /// Holds the lock until the session ends.
    #[allow(dead_code, reason = "held for its drop")]
    pub folder: StateFolder,
    /// Ends with the session.
    #[allow(dead_code, reason = "held for its drop")]
    pub demo: Option<Demo>,
}

fn cannot(error: impl std::fmt::Display) -> RunError {
    RunError::Open(error.to_string())
}

/// Opens a plan.
///
/// # Errors
/// When the session can't start; nothing was sent.
pub async fn open(plan: Plan, options: RunOptions) -> Result<Opened, RunError> {
    if options.failed_only && plan.row_limit.is_some() {
        return Err(cannot("--failed sends all rows that failed; leave --limit away"));
    }
    let secrets = Secrets::open(&plan.secrets).map_err(RunError::Secrets)?;
    let folder = StateFolder::lock(&plan.state).map_err(|error| cannot(error.message))?;
    let recovered = match folder.recover() {
        // Nothing of a journal is needed to begin anew, so that a damaged one can be left behind.
        Err(_) if options.fresh => None,
        recovered => recovered.map_err(|error| cannot(error.message))?,
    };
    let identity = resume::identity(&plan).map_err(RunError::Open)?;
    let decision = resume::decide(&plan, recovered, &identity, options).map_err(RunError::Open)?;
    let demo = demo(&plan).await?;
    let base = demo.as_ref().map(|demo| format!("http://{}", demo.address()));
    let saves = Arc::new(Saves::open(&plan).map_err(RunError::Open)?);
    let (masker, record_masker) = secrets.maskers();
    let transports = transports(&plan, &secrets, &masker, base.as_deref())?;
    let session = begin(&plan, &folder, decision, identity)?;

    let (control, desk) = control::line();
    let facts = facts(&plan, &folder, &session);
    let shared = Arc::new(Shared {
        masker,
        record_masker,
        secrets,
        outbox: Mailbox::new(OUTBOX),
        live: live(&plan, &facts, &session.state),
        meter: Meter::default(),
        control,
        saves,
        plan: Arc::new(plan),
    });
    let lanes = lanes(&shared, &transports, base.as_deref())?;
    let selections = session.selections;
    let Session { sinks, writer, state, .. } = session;
    Ok(Opened { shared, lanes, selections, sinks, writer, state, desk, facts, folder, demo })
}

/// Sinks and journal, ready to go on.
struct Session {
    run: String,
    sinks: Vec<OpenSink>,
    writer: Writer,
    state: Commit,
    selections: Vec<Selection>,
    /// Bytes of a half-written record that were cut from the journal.
    torn: u64,
}

fn begin(plan: &Plan, folder: &StateFolder, decision: Decision, identity: Identity) -> Result<Session, RunError> {
    match decision {
        Decision::New => begin_new(plan, folder, identity),
        Decision::Resume(recovered) => resume_run(plan, folder, identity, recovered, false),
        Decision::Again(recovered) => resume_run(plan, folder, identity, recovered, true),
    }
}

fn begin_new(plan: &Plan, folder: &StateFolder, identity: Identity) -> Result<Session, RunError> {
    let mut state = Commit {
        done: vec![RowSet::default(); plan.endpoints.len()],
        cursors: vec![None; plan.sinks.len()],
        counts: vec![Counts::default(); plan.endpoints.len()],
        ..Commit::default()
    };
    let sinks = open_sinks(plan, &mut state)?;
    let opening = opening(plan, identity);
    let mut writer = folder.begin(&opening).map_err(|error| cannot(error.message))?;
    heal::clean(plan);
    writer.commit(&state).map_err(|error| cannot(error.message))?;
    let selections = selections(plan, &opening.identity, &state, None);
    Ok(Session { run: opening.run, sinks, writer, state, selections, torn: 0 })
}

fn opening(plan: &Plan, identity: Identity) -> Opening {
    Opening {
        version: VERSION,
        run: format!("{:016x}", random::bits()),
        job: plan.name.clone(),
        started: clock::timestamp(),
        identity,
        endpoints: plan.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect(),
        sinks: plan.sinks.iter().map(|sink| sink.name.clone()).collect(),
    }
}

/// The opening that a run has from now on: positions are those of the plan as it is now, and the job as it is
/// now is what the next session compares with.
fn opening_of(plan: &Plan, before: &Opening, identity: Identity) -> Opening {
    let Opening { run, started, .. } = before.clone();
    Opening { run, started, ..opening(plan, identity) }
}

fn resume_run(
    plan: &Plan,
    folder: &StateFolder,
    identity: Identity,
    recovered: Recovered,
    send_failed: bool,
) -> Result<Session, RunError> {
    let Recovered { opening, last, torn } = recovered;
    if send_failed {
        heal::still_there(plan, &opening).map_err(RunError::Open)?;
    }
    let mut writer = folder.resume().map_err(|error| cannot(error.message))?;
    // In the journal's own positions; the failed rows of its last commit are noted already.
    let mut last = Commit { failed: Vec::new(), healed: false, ..last };
    heal::finish(&mut last, &mut writer).map_err(RunError::Open)?;
    heal::clean(plan);
    let now = opening_of(plan, &opening, identity);
    let was_complete = last.complete;
    // Of a run that was complete, and whose job is the same, all rows that are not done now are failed ones.
    let again = (last.again || (send_failed && was_complete)) && now == opening;
    let mut state = resume::fit(plan, &opening, last);
    state.again = again;
    let mut failed = Vec::new();
    if send_failed || now != opening {
        failed = folder.failed_rows().map_err(|error| cannot(error.message))?;
    }
    if now != opening {
        failed = resume::renumber(failed, &opening, &now);
        let carried = Commit { failed: failed.clone(), healed: true, ..state.clone() };
        writer.reopen(&now, &carried).map_err(|error| cannot(error.message))?;
    }
    let only = if send_failed {
        let rows = heal::begin(plan, &failed, was_complete, &mut state, &mut writer).map_err(RunError::Open)?;
        Some(rows).filter(|_| !again)
    } else {
        None
    };
    let sinks = open_sinks(plan, &mut state)?;
    writer.commit(&state).map_err(|error| cannot(error.message))?;
    let selections = selections(plan, &now.identity, &state, only);
    Ok(Session { run: now.run, sinks, writer, state, selections, torn })
}

/// Rows to work on, by endpoint; `only` of them where that is given.
fn selections(plan: &Plan, identity: &Identity, state: &Commit, only: Option<Vec<Vec<u64>>>) -> Vec<Selection> {
    let mut only = only.map(Vec::into_iter);
    let endpoints = plan.endpoints.iter().zip(&state.done);
    endpoints
        .map(|(endpoint, done)| Selection {
            done: done.clone(),
            only: only.as_mut().map(|rows| rows.next().unwrap_or_default()),
            limit: plan.row_limit,
            content: resume::content_of(identity, endpoint).map(str::to_owned),
        })
        .collect()
}

/// Opens every sink where its cursor stands, and moves the cursors to where the sinks begin.
fn open_sinks(plan: &Plan, state: &mut Commit) -> Result<Vec<OpenSink>, RunError> {
    let mut sinks = Vec::with_capacity(plan.sinks.len());
    for (position, sink) in plan.sinks.iter().enumerate() {
        let start = state.cursors[position].map_or(Start::New, Start::Resume);
        let layouts: Vec<_> =
            sink.from.iter().map(|endpoint| (*endpoint, plan.endpoints[*endpoint].layout.clone())).collect();
        let open = sink.kind.open(start, &layouts, sink.columns.as_deref());
        let mut open = open.map_err(|error| RunError::Open(format!("sinks.{}: {}", sink.name, error.message)))?;
        let cursor = open.commit().map_err(|error| cannot(error.message))?;
        state.cursors[position] = Some(cursor);
        sinks.push(OpenSink::new(open, sink));
    }
    Ok(sinks)
}

fn facts(plan: &Plan, folder: &StateFolder, session: &Session) -> Facts {
    let rows = plan.endpoints.iter().zip(&session.selections).map(|(endpoint, selection)| {
        let known = endpoint.source.quick_count();
        match &selection.only {
            Some(only) => Some(selection.done.len() + only.len() as u64),
            None => known.map(|rows| plan.row_limit.map_or(rows, |limit| rows.min(limit))),
        }
    });
    Facts {
        run: session.run.clone(),
        resumed_rows: session.state.done.iter().map(RowSet::len).sum(),
        rows: rows.collect(),
        journal: folder.journal(),
        warnings: warnings(plan, session),
    }
}

/// A warning for every endpoint whose certificates are not verified, and for a journal that was torn.
fn warnings(plan: &Plan, session: &Session) -> Vec<String> {
    let torn = (session.torn > 0).then(|| {
        format!(
            "the journal ended in {} bytes of a half-written note, which were cut off; its rows are sent again",
            session.torn
        )
    });
    let open = plan.endpoints.iter().filter(|endpoint| !endpoint.client.tls.verify);
    open.map(|endpoint| {
        format!(
            "endpoints.{}: client.tls.verify = false, anybody on the way can read and change the traffic",
            endpoint.name
        )
    })
    .chain(torn)
    .collect()
}

fn live(plan: &Plan, facts: &Facts, state: &Commit) -> Live {
    let lanes = plan.endpoints.iter().enumerate().map(|(position, endpoint)| live::Lane {
        endpoint: endpoint.name.clone(),
        rows: facts.rows[position].unwrap_or_default().into(),
        resumed: state.done[position].len(),
        ..live::Lane::default()
    });
    Live { lanes: lanes.collect() }
}

/// One transport for each distinct setting, so that endpoints share connections, caps and cookies, whether or
/// not each of them needs TLS.
fn transports(
    plan: &Plan,
    secrets: &Secrets,
    masker: &Masker,
    demo: Option<&str>,
) -> Result<Vec<Arc<dyn Transport>>, RunError> {
    let mut known: Vec<(&ClientPlan, Arc<dyn Transport>)> = Vec::new();
    let mut transports: Vec<Arc<dyn Transport>> = Vec::new();
    for endpoint in &plan.endpoints {
        let transport = match known.iter().find(|(client, _)| **client == endpoint.client) {
            Some((_, transport)) => transport.clone(),
            None => {
                let secure = plan.endpoints.iter().find(|other| other.client == endpoint.client && needs_tls(other));
                let opening = transport::Opening { needs_tls: secure.is_some(), secrets, masker, demo };
                let named = &secure.unwrap_or(endpoint).name;
                let opened = transport::open(&endpoint.client, &opening)
                    .map_err(|error| RunError::Open(format!("endpoints.{named}: {error}")))?;
                known.push((&endpoint.client, opened.clone()));
                opened
            }
        };
        transports.push(transport);
    }
    Ok(transports)
}

/// Whether TLS will be needed: by its requests, or by the server of its tokens.
fn needs_tls(endpoint: &EndpointPlan) -> bool {
    let is_tls = |url: &Template| !["http://", "demo:"].iter().any(|plain| url.literal_prefix().starts_with(plain));
    endpoint.needs_tls() || endpoint.auth.as_ref().and_then(|auth| auth.url()).is_some_and(is_tls)
}

async fn demo(plan: &Plan) -> Result<Option<Demo>, RunError> {
    if !plan.uses_demo() {
        return Ok(None);
    }
    let demo = Demo::start(DemoPlan::default()).await;
    demo.map(Some).map_err(|error| RunError::Open(format!("the demo API could not start: {error}")))
}

/// Calls of an endpoint that can be on the wire at once: more than the connections carry would only wait.
fn slots(endpoint: &EndpointPlan) -> usize {
    let each = endpoint.client.calls_per_connection(endpoint.needs_tls());
    endpoint.concurrency.min(endpoint.client.connections_total.saturating_mul(each)).max(1)
}

/// What an endpoint wants of JSON replies. A body that is JSON is kept whole for the `body` column.
fn wanted(endpoint: &EndpointPlan) -> Option<Wanted> {
    let wanted = Wanted::of(endpoint.columns.iter().map(|column| column.extractor.needs()));
    let whole = || Wanted::of([Need::Whole]);
    if endpoint.meta.contains(&Meta::Body) { wanted.and_then(|_| whole()) } else { wanted }
}

fn lanes(
    shared: &Arc<Shared>,
    transports: &[Arc<dyn Transport>],
    demo: Option<&str>,
) -> Result<Vec<Arc<Lane>>, RunError> {
    let plan = &shared.plan;
    let named: Vec<Arc<Limiter>> = plan.limits.iter().map(|limit| Arc::new(Limiter::open(limit.clone()))).collect();
    let mut auths = Auths::default();
    let lane = |(index, endpoint): (usize, &EndpointPlan)| {
        let mut limiters: Vec<_> = endpoint.limits.iter().map(|position| named[*position].clone()).collect();
        if limiters.is_empty() {
            limiters.push(Arc::new(Limiter::open(LimitPlan::hold_only(&endpoint.name))));
        }
        let request = RequestPlan::new(endpoint, demo)
            .map_err(|failure| RunError::Open(format!("endpoints.{}: {failure}", endpoint.name)))?;
        let needs_body = endpoint.columns.iter().any(|column| column.extractor.needs() != Need::Nothing);
        let auth = auths.open(shared, endpoint, demo)?;
        Ok(Arc::new(Lane {
            index,
            needs_body,
            reads_body: needs_body || endpoint.meta.contains(&Meta::Body),
            asks_part: endpoint.headers.iter().any(|(name, _)| *name == RANGE),
            auth,
            slots: slots(endpoint),
            request,
            transport: transports[index].clone(),
            limiters,
            queue: Queue::new(slots(endpoint) * READY_PER_SLOT, slots(endpoint) * SLEEPERS_PER_SLOT),
            wanted: wanted(endpoint),
            saver: endpoint.save.as_ref().and_then(|save| shared.saves.saver(index, save)),
            needs_meta: endpoint.columns.iter().any(|column| column.extractor.kind() == "template"),
            shared: shared.clone(),
        }))
    };
    plan.endpoints.iter().enumerate().map(lane).collect()
}

#[cfg(test)]
mod tests;
