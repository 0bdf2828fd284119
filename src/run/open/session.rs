//! A session's sinks, journal and intents: begun, or gone on with where an earlier session left them.
//!
//! Intents are read once the journal stands as the job has it now, and before failed rows are taken out of what has
//! ended: rows of which the journal says that they ended are no intents of then. Must never begin a session that
//! could send a row whose request an earlier one left on the wire.

use crate::clock;
use crate::journal::{
    Commit, Counts, FailedRow, IntentFile, Opening, Recovered, RowSet, StateFolder, VERSION, Writer, intents,
};
use crate::plan::Plan;
use crate::random;
use crate::report::text::counted;
use crate::run::chain::OpenSpool;
use crate::run::chunk::Cut;
use crate::run::feeder::Selection;
use crate::run::resume::{self, Decision, Identity};
use crate::run::scribe::OpenSink;
use crate::run::{Keyed, RunError, heal, summing};
use crate::sink::dedupe::Doubles;
use crate::sink::spool::{self, Spool};
use crate::sink::{SinkOpening, Start, declared, spooled};

use super::cannot;

/// See the module.
pub(super) struct Session {
    /// Id of the run.
    pub run: String,
    /// When it began, RFC 3339.
    pub started: String,
    pub sinks: Vec<OpenSink>,
    pub spools: Vec<OpenSpool>,
    pub writer: Writer,
    pub state: Commit,
    pub selections: Vec<Selection>,
    /// What must not be repeated is noted there; `None`: no endpoint has such requests.
    pub intents: Option<IntentFile>,
    /// Bytes of a half-written record that were cut from the journal.
    torn: u64,
    /// Rows that `--failed` leaves as they are.
    left: Vec<FailedRow>,
}

pub(super) fn begin(
    plan: &Plan,
    folder: &StateFolder,
    decision: Decision,
    identity: Identity,
) -> Result<Session, RunError> {
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
    let opening = opening(plan, identity);
    let sinks = open_sinks(plan, &opening.run, &mut state)?;
    let spools = open_spools(plan, &mut state)?;
    let mut writer = folder.begin(&opening).map_err(|error| cannot(error.message))?;
    heal::clean(plan);
    writer.commit(&state).map_err(|error| cannot(error.message))?;
    // The run before can't be gone on with any more.
    spooled::sweep(&plan.state, &opening.run);
    let unknown = vec![RowSet::default(); plan.endpoints.len()];
    let selections = selections(plan, &opening.identity, &state, unknown, None);
    let begin = |_| IntentFile::begin(folder.path(), &opening.run, &opening.endpoints);
    let intents = notes_some(plan).then_some(()).map(begin).transpose().map_err(|error| cannot(error.message))?;
    Ok(Session {
        run: opening.run,
        started: opening.started,
        sinks,
        spools,
        writer,
        state,
        selections,
        intents,
        torn: 0,
        left: Vec::new(),
    })
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
    if now != opening {
        let renumber = &mut |row| resume::renumber(row, &opening, &now);
        writer.reopen(&now, &state, renumber).map_err(|error| cannot(error.message))?;
    }
    let (intents, unknown) = resume_intents(plan, folder, &now, &state.done)?;
    let mut left = Vec::new();
    let only = if send_failed {
        let failed = heal::Failed::read(plan, folder).map_err(|error| cannot(error.message))?;
        left.clone_from(&failed.left);
        let rows =
            heal::begin((plan, &now.run), failed, was_complete, &mut state, &mut writer).map_err(RunError::Open)?;
        Some(rows).filter(|_| !again)
    } else {
        None
    };
    let sinks = open_sinks(plan, &now.run, &mut state)?;
    let spools = open_spools(plan, &mut state)?;
    writer.commit(&state).map_err(|error| cannot(error.message))?;
    let selections = selections(plan, &now.identity, &state, unknown, only);
    Ok(Session { run: now.run, started: now.started, sinks, spools, writer, state, selections, intents, torn, left })
}

/// Whether some endpoint's requests must be noted before they are sent.
fn notes_some(plan: &Plan) -> bool {
    plan.endpoints.iter().any(crate::plan::EndpointPlan::holds_back)
}

/// Intents to go on with, and by endpoint the rows that are unknown, but for those that the job sends again. A
/// file is read wherever there is one: the job may have asked for it before it changed.
fn resume_intents(
    plan: &Plan,
    folder: &StateFolder,
    now: &Opening,
    done: &[RowSet],
) -> Result<(Option<IntentFile>, Vec<RowSet>), RunError> {
    let none = || vec![RowSet::default(); plan.endpoints.len()];
    if !notes_some(plan) && !intents::exists(folder.path()) {
        return Ok((None, none()));
    }
    let file = match IntentFile::resume(folder.path(), &now.run, &now.endpoints, done) {
        Ok(file) => file,
        // Nobody asks for what can't be read.
        Err(_) if plan.endpoints.iter().all(crate::plan::EndpointPlan::resends_unknown) => return Ok((None, none())),
        Err(error) => return Err(cannot(error.message)),
    };
    let mut unknown = file.unknown(plan.endpoints.len());
    let sent = plan.endpoints.iter().zip(&mut unknown).filter(|(endpoint, _)| endpoint.resends_unknown());
    sent.for_each(|(_, rows)| *rows = RowSet::default());
    Ok((notes_some(plan).then_some(file), unknown))
}

/// Rows to work on, by endpoint; `only` of them where that is given. Those that are `unknown` must be told whatever
/// was asked for, since nothing is sent for them; `--limit` alone leaves them for later, with all that is behind it.
fn selections(
    plan: &Plan,
    identity: &Identity,
    state: &Commit,
    unknown: Vec<RowSet>,
    only: Option<Vec<Vec<u64>>>,
) -> Vec<Selection> {
    let mut only = only.map(Vec::into_iter);
    let endpoints = plan.endpoints.iter().zip(&state.done).zip(unknown);
    endpoints
        .enumerate()
        .map(|(position, ((endpoint, done), unknown))| Selection {
            done: done.clone(),
            walks: state.walks.of(position),
            only: only.as_mut().map(|rows| with(rows.next().unwrap_or_default(), &unknown)),
            unknown,
            cut: Cut::of(endpoint),
            limit: plan.row_limit,
            content: resume::content_of(identity, endpoint).map(str::to_owned),
        })
        .collect()
}

/// All rows of both, ascending.
fn with(mut rows: Vec<u64>, more: &RowSet) -> Vec<u64> {
    rows.extend(more.ranges().flatten());
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Opens every sink where its cursor stands, and moves the cursors to where the sinks begin.
fn open_sinks(plan: &Plan, run: &str, state: &mut Commit) -> Result<Vec<OpenSink>, RunError> {
    let mut sinks = Vec::with_capacity(plan.sinks.len());
    let known = std::mem::take(&mut state.written);
    for (position, sink) in plan.sinks.iter().enumerate() {
        let layouts: Vec<_> =
            sink.from.iter().map(|endpoint| (*endpoint, plan.endpoints[*endpoint].layout.clone())).collect();
        let opening = SinkOpening {
            start: state.cursors[position].map_or(Start::New, Start::Resume),
            name: &sink.name,
            state: &plan.state,
            run,
            layouts: &layouts,
            columns: sink.columns.as_deref(),
            types: &declared(sink.from.iter().map(|endpoint| &plan.endpoints[*endpoint])),
        };
        let open = sink.kind.open(&opening);
        let mut open = open.map_err(|error| Keyed::sink(sink, &error.message))?;
        let cursor = open.commit().map_err(|error| cannot(error.message))?;
        state.cursors[position] = Some(cursor);
        let doubles = match sink.dedupe.as_slice() {
            [] => Ok(None),
            columns => Doubles::open(&plan.state, (&sink.name, columns), &layouts, &known).map(Some),
        };
        let doubles = doubles.map_err(|error| cannot(error.message))?;
        let mut open = OpenSink::new(open, sink).leaving_out(doubles);
        state.written.extend(open.commit_doubles().map_err(cannot)?);
        sinks.push(open);
    }
    Ok(sinks)
}

/// Opens the spool of every endpoint whose records are the rows of others, where it stands.
///
/// # Errors
/// When one can't be opened, or rows have ended whose records were not kept: nobody read them then.
fn open_spools(plan: &Plan, state: &mut Commit) -> Result<Vec<OpenSpool>, RunError> {
    let parents = plan.parents();
    let mut spools = Vec::new();
    for (position, endpoint) in plan.endpoints.iter().enumerate() {
        let Some(child) = parents.iter().position(|parent| *parent == Some(position)) else { continue };
        let begun = state.spools.iter().find(|note| note.endpoint == endpoint.name);
        let walks = state.walks.iter().any(|walk| walk.endpoint == position);
        if begun.is_none() && (walks || !state.done[position].is_empty()) {
            let (name, reader) = (&endpoint.name, &plan.endpoints[child].name);
            return Err(RunError::Open(format!(
                "endpoints.{reader} reads the records of {name}, of which {} have ended before it did, and their records were \
                 not kept for it; begin anew with --fresh",
                counted(state.done[position].len(), "row")
            )));
        }
        let begun = begun.map(|note| (note.lines, note.cursor));
        let path = spool::path(&plan.state, &endpoint.name);
        let file = Spool::open(path, &endpoint.name, &endpoint.layout, endpoint.columns.len(), begun);
        let file = file.map_err(|error| RunError::Open(format!("endpoints.{}: {}", endpoint.name, error.message)))?;
        spools.push(OpenSpool { endpoint: position, name: endpoint.name.clone(), file });
    }
    let notes = spools.iter_mut().map(OpenSpool::commit).collect::<Result<_, _>>();
    state.spools = notes.map_err(cannot)?;
    Ok(spools)
}

impl Session {
    /// Things to be said of how it begins: certificates that are not verified, rows that are not sent, and a journal
    /// that was torn.
    pub(super) fn warnings(&self, plan: &Plan) -> Vec<String> {
        let open = plan.endpoints.iter().filter(|endpoint| !endpoint.client.tls.verify);
        let open = open.map(|endpoint| {
            format!(
                "endpoints.{}: client.tls.verify = false, anybody on the way can read and change the traffic",
                endpoint.name
            )
        });
        open.chain(self.unknown_rows()).chain(self.left_rows(plan)).chain(self.torn_journal()).collect()
    }

    fn torn_journal(&self) -> Option<String> {
        (self.torn > 0).then(|| {
            format!(
                "the journal ended in {} bytes of a half-written note, which were cut off; its rows are sent again",
                self.torn
            )
        })
    }

    fn unknown_rows(&self) -> Option<String> {
        let rows: u64 = self.selections.iter().map(|selection| selection.unknown.len()).sum();
        (rows > 0).then(|| {
            format!(
                "requests of {} were on the wire when the run was cut off and must not be repeated: each row fails as \
                 unknown when its turn comes, and is not sent again",
                counted(rows, "row")
            )
        })
    }

    fn left_rows(&self, plan: &Plan) -> Vec<String> {
        let endpoints = plan.endpoints.iter().enumerate().map(|(position, endpoint)| {
            let rows = self.left.iter().filter(|row| row.endpoint == position).count() as u64;
            (rows, &endpoint.name)
        });
        let left = endpoints.filter(|(rows, _)| *rows > 0).map(|(rows, name)| summing::unknown_words(name, rows));
        left.collect()
    }
}
