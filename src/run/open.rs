//! Opening: from a plan to everything a session needs, or a sentence why it can't start.
//!
//! The order matters: secrets before anything is touched, the lock before the journal is read, sinks
//! before a new journal begins (a kill in between leaves outputs without records, which a new run may
//! take over).

mod session;

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock;
use crate::demo::{Demo, DemoPlan};
use crate::journal::{Commit, IntentFile, Intents, RowSet, StateFolder, Writer};
use crate::plan::{EndpointPlan, Plan};
use crate::recap::{self, Recap};
use crate::save::Saves;
use crate::secret::{Masker, Secrets};
use crate::template::Template;
use crate::transport::{self, ClientPlan, Transport};

use super::auths::Auths;
use super::chain::{Chains, OpenSpool};
use super::control::{self, Cause, Control, Desk};
use super::feeder::Selection;
use super::handles;
use super::holds::{self, HeldOver};
use super::hook;
use super::idempotency::Keys;
use super::lane::{self, Lane, Shared};
use super::lanes::lanes;
use super::limits::AllLimits;
use super::live::{self, Live};
use super::mailbox::Mailbox;
use super::meter::Meter;
use super::recap::{Before, Chronicle};
use super::resume;
use super::scribe::OpenSink;
use super::stops::Stops;
use super::{Keyed, RunError, RunOptions, keyed};

use session::Session;

/// Records on their way to the scribe. Rows and replies may be large: what waits is bounded tightly.
const OUTBOX: usize = 1_024;

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
    /// What chained endpoints read.
    pub spools: Vec<OpenSpool>,
    /// The journal.
    pub writer: Writer,
    /// The state to go on from.
    pub state: Commit,
    /// What is left of waits that servers asked earlier sessions for; the limits are held for them.
    pub holds: Vec<HeldOver>,
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

/// Opens a plan. `veil` gets the masker as soon as there is one: whoever logs has it before anything is touched.
///
/// # Errors
/// When the session can't start; nothing was sent.
pub async fn open(
    mut plan: Plan,
    options: RunOptions,
    secrets: Secrets,
    veil: impl FnOnce(&Masker) + Send,
) -> Result<Opened, RunError> {
    let (masker, record_masker) = secrets.maskers();
    veil(&masker);
    if options.failed_only && plan.row_limit.is_some() {
        return Err(cannot("--failed sends all rows that failed; leave --limit away"));
    }
    let folder = StateFolder::lock(&plan.state).map_err(|error| cannot(error.message))?;
    let recovered = match folder.recover() {
        // Nothing of a journal is needed to begin anew, so that a damaged one can be left behind.
        Err(_) if options.fresh => None,
        recovered => recovered.map_err(|error| cannot(error.message))?,
    };
    let identity = resume::identity(&plan)?;
    let decision = resume::decide(&plan, recovered, &identity, options).map_err(RunError::Open)?;
    let demo = demo(&plan).await?;
    let base = demo.as_ref().map(|demo| format!("http://{}", demo.address()));
    let saves = Arc::new(Saves::open(&plan).map_err(|(endpoint, why)| Keyed::save(&endpoint, &why))?);
    let transports = transports(&plan, &secrets, &masker, base.as_deref())?;
    let mut session = session::begin(&plan, &folder, decision, identity)?;

    let (control, desk) = control::line();
    let held = holds::left(&session.state.holds, clock::wall());
    let mut facts = facts(&plan, &folder, &session);
    facts.warnings.extend(handles::fit(&mut plan, handles::limit));
    let before = before(&plan, &session, &folder, &masker);
    let shared = Arc::new(Shared {
        keys: Keys::of(&session.run),
        run: session.run.clone(),
        intents: session.intents.take().map(|file| intents(file, &control)).transpose()?.map(Arc::new),
        buckets: AllLimits::open(&plan),
        stops: Stops::default(),
        masker,
        record_masker,
        secrets,
        outbox: Mailbox::weighing(OUTBOX, |outcomes| lane::weight(outcomes)),
        live: live(&plan, &facts, &session.state),
        meter: Meter::default(),
        chronicle: Chronicle::begin(before, distinct(&transports)),
        control,
        saves,
        chains: chains(&plan, &session),
        plan: Arc::new(plan),
    });
    let mut auths = Auths::default();
    let lanes = lanes(&shared, &transports, shared.intents.as_ref(), &mut auths, base.as_deref())?;
    hook::equip(&shared, &mut session.sinks, &transports[lanes.len()..], &mut auths, base.as_deref())?;
    holds::give_back(&held, clock::now(), |limit, key, until| shared.buckets.hold(limit, key, until));
    let Session { sinks, spools, writer, state, selections, .. } = session;
    Ok(Opened { shared, lanes, selections, sinks, spools, writer, state, holds: held, desk, facts, folder, demo })
}

/// The run as earlier sessions left it. What reports miss of it because it can't be read is no reason not to go on.
fn before(plan: &Plan, session: &Session, folder: &StateFolder, masker: &Masker) -> Before {
    let kept = recap::file::read(folder.path(), &session.run).unwrap_or_default();
    let mut recap = kept.unwrap_or_else(|| Recap { started: session.started.clone(), ..Recap::default() });
    recap.sessions.iter_mut().for_each(recap::Session::has_ended);
    let text = |(path, text): &(PathBuf, String)| recap::Text::of(path, &masker.mask(text));
    let recap = Recap {
        version: recap::VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        job: plan.name.clone(),
        description: plan.description.as_deref().map(|text| masker.mask(text).into_owned()),
        run: session.run.clone(),
        journal: folder.journal().display().to_string(),
        texts: plan.texts.iter().map(text).collect(),
        plan: masker.mask(&plan.words).into_owned(),
        ..recap
    };
    Before { recap, counts: session.state.counts.clone() }
}

/// Each of them once.
fn distinct(transports: &[Arc<dyn Transport>]) -> Vec<Arc<dyn Transport>> {
    let mut once: Vec<Arc<dyn Transport>> = Vec::new();
    for transport in transports {
        if !once.iter().any(|known| Arc::ptr_eq(known, transport)) {
            once.push(transport.clone());
        }
    }
    once
}

/// Notes what must not be repeated. Where it can't, nothing of that kind may be sent: the run ends.
fn intents(file: IntentFile, control: &Control) -> Result<Intents, RunError> {
    let control = control.clone();
    let broken = move |words| control.end(Cause::Broken(words));
    Intents::start(file, broken).map_err(|error| cannot(format!("no thread could be made for notes: {error}")))
}

fn chains(plan: &Plan, session: &Session) -> Chains {
    let mut lines = vec![0; plan.endpoints.len()];
    session.spools.iter().for_each(|spool| lines[spool.endpoint] = spool.file.lines());
    let passed: Vec<u64> = session.selections.iter().map(|selection| selection.done.first_missing()).collect();
    Chains::new(plan, &lines, &passed)
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
        warnings: session.warnings(plan),
    }
}

fn live(plan: &Plan, facts: &Facts, state: &Commit) -> Live {
    let lanes = plan.endpoints.iter().enumerate().map(|(position, endpoint)| live::Lane {
        endpoint: endpoint.name.clone(),
        stream: endpoint.stream.is_some(),
        rows: facts.rows[position].unwrap_or_default().into(),
        resumed: state.done[position].len(),
        ..live::Lane::default()
    });
    Live { lanes: lanes.collect(), ..Live::default() }
}

/// One transport for each distinct setting, so that endpoints and sinks share connections, caps and cookies, whether or
/// not each of them needs TLS; in the order of [`Plan::senders`].
fn transports(
    plan: &Plan,
    secrets: &Secrets,
    masker: &Masker,
    demo: Option<&str>,
) -> Result<Vec<Arc<dyn Transport>>, RunError> {
    let mut known: Vec<(&ClientPlan, Arc<dyn Transport>)> = Vec::new();
    let mut transports: Vec<Arc<dyn Transport>> = Vec::new();
    for (position, endpoint) in plan.senders().enumerate() {
        let transport = match known.iter().find(|(client, _)| **client == endpoint.client) {
            Some((_, transport)) => transport.clone(),
            None => {
                let secure = plan.senders().position(|other| other.client == endpoint.client && needs_tls(other));
                let opening = transport::Opening { needs_tls: secure.is_some(), secrets, masker, demo };
                let opened = transport::open(&endpoint.client, &opening).map_err(|error| {
                    Keyed::client(&keyed::place(plan, secure.unwrap_or(position)), error.key, &error.message)
                })?;
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

pub(super) async fn demo(plan: &Plan) -> Result<Option<Demo>, RunError> {
    if !plan.uses_demo() {
        return Ok(None);
    }
    let demo = Demo::start(DemoPlan::default()).await;
    demo.map(Some).map_err(|error| RunError::Open(format!("the demo API could not start: {error}")))
}

#[cfg(test)]
mod tests;
