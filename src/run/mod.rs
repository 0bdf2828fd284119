//! The run: a plan, opened and worked through.
//!
//! The conductor is the single owner of the run's state; workers, feeders and the scribe send it
//! messages. Its main loop has no `?`: whatever happens becomes a phase, and every phase ends in a
//! commit.

mod auths;
mod balance;
mod batch;
mod bound;
mod call;
mod chain;
mod chunk;
mod command;
mod conductor;
mod control;
mod delivering;
mod ending;
pub mod failed;
mod feeder;
mod fitting;
mod gate;
mod handles;
mod heal;
pub mod holds;
mod hook;
pub mod idempotency;
mod judging;
mod keeping;
mod keyed;
mod lane;
mod lanes;
mod limits;
pub mod live;
mod mailbox;
mod meter;
mod notes;
mod notify;
mod open;
mod outages;
mod pacing;
mod pauses;
mod post;
pub mod probe;
mod queue;
mod reading;
mod recap;
mod records;
pub mod resume;
mod ruling;
mod scribe;
mod sending;
mod signals;
mod stops;
mod stream;
mod summing;
mod taking;
mod telling;
#[cfg(test)]
pub(crate) mod tests;
mod told;
mod tried;
mod unsent;
mod walk;
mod walking;
mod weather;
mod witness;
mod worker;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::clock;
use crate::journal::Counts;
use crate::plan::{EndpointPlan, Plan};
use crate::recap::{Endpoint, Recap, Session};
use crate::report::{Reporter, fault};
use crate::secret::{Masker, Secrets, Unset, unset_words};

pub(crate) use chunk::Cut;
pub use command::{Command, Commander, Commands, commands};
pub use keyed::Keyed;
pub use notify::{Aftermath, GoesOn};

/// How a run is begun.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Forget an unfinished run and start anew.
    pub fresh: bool,
    /// Go on although the job or an input changed in what it would send.
    pub accept_changes: bool,
    /// Send only the rows that failed in the run before.
    pub failed_only: bool,
}

/// Why a run could not start or go on; nothing was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunError {
    /// Secrets that are missing: a usage error (exit 2), before any request.
    Secrets(Vec<Unset>),
    /// State, and what else comes from no key of the job (exit 3): one sentence and the way out.
    Open(String),
    /// Input, sink, TLS, proxy or auth (exit 3), with the key that it comes from.
    Key(Keyed),
}

impl fmt::Display for RunError {
    /// In one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secrets(unset) => f.write_str(&unset_words(unset)),
            Self::Open(why) => f.write_str(why),
            Self::Key(keyed) => f.write_str(&keyed.message),
        }
    }
}

impl RunError {
    /// The same without secrets.
    fn masked(self, masker: &Masker) -> Self {
        self.saying(|words| masker.mask(words).into_owned())
    }

    /// The same, its words changed; those about secrets stay.
    fn saying(self, change: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Secrets(_) => self,
            Self::Open(words) => Self::Open(change(&words)),
            Self::Key(keyed) => Self::Key(keyed.saying(change)),
        }
    }
}

impl From<Keyed> for RunError {
    fn from(keyed: Keyed) -> Self {
        Self::Key(keyed)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnding {
    /// Every row has ended.
    Complete,
    /// The rows that `--limit` or `--failed` asked for have ended, and there are others; a plain `run`
    /// goes on with them.
    Partial,
    /// A signal; `run` again goes on.
    Interrupted(Signal),
    /// Stopped by itself; `run` again goes on, where known not before this wait.
    Stopped {
        /// Why.
        reason: String,
        /// When going on makes sense.
        resume_after: Option<Duration>,
        /// The same on the wall clock.
        resume_at: Option<SystemTime>,
    },
    /// A sink, an input or the journal failed while running, or a server can't be worked with by any row;
    /// what was committed is safe.
    Broken(String),
}

impl RunEnding {
    /// The same without secrets: what a file is called and what a database says may hold one.
    #[must_use]
    fn masked(self, masker: &Masker) -> Self {
        let mask = |words: String| masker.mask(&words).into_owned();
        match self {
            Self::Stopped { reason, resume_after, resume_at } => {
                Self::Stopped { reason: mask(reason), resume_after, resume_at }
            }
            Self::Broken(reason) => Self::Broken(mask(reason)),
            Self::Complete | Self::Partial | Self::Interrupted(_) => self,
        }
    }
}

/// A signal that ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT
    Interrupt,
    /// SIGTERM
    Terminate,
    /// SIGHUP
    Hangup,
}

impl Signal {
    /// Its name, as POSIX has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
        }
    }
}

/// Where records went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputReport {
    /// Name of the sink.
    pub sink: String,
    /// Where: a path, or `standard output`.
    pub target: String,
    /// Records written in this run, earlier sessions not included.
    pub records: u64,
    /// Records that it had before and were left out, earlier sessions not included.
    pub doubles: u64,
}

/// What a run leaves to be said.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// Name of the job.
    pub job: String,
    /// Id of the run; empty: it could not start.
    pub run: String,
    /// How it ended.
    pub ending: RunEnding,
    /// Which key of the job that comes from, where it comes from one.
    pub blamed: Option<Keyed>,
    /// Counts over all sessions of this run.
    pub total: Counts,
    /// Failed rows that `--failed` leaves as they are: nobody knows what the server did with their requests, and the
    /// job does not send such rows again.
    pub unknown: u64,
    /// Rows that earlier sessions had committed.
    pub resumed_rows: u64,
    /// Attempts of this session.
    pub attempts: u64,
    /// Attempts of this session that were not the first of their row.
    pub retries: u64,
    /// Retries of this session by reason, most frequent first: a status, a kind of failure, a rule.
    pub retry_reasons: Vec<(String, u64)>,
    /// What held this session back and for which share of the time (0..=1), most first.
    pub bound_by: Vec<(String, f64)>,
    /// What replies said of limits in this session and could not be read.
    pub malformed_hints: u64,
    /// Length of this session.
    pub elapsed: Duration,
    /// p50, p95, p99 of attempt durations in this session; `None` when there were no attempts.
    pub latency: Option<[Duration; 3]>,
    /// Statuses of this session's replies and how often, ascending.
    pub statuses: Vec<(u16, u64)>,
    /// First failures of this session by reason: reason, rows, example row (zero-based).
    pub failures: Vec<(String, u64, u64)>,
    /// Whether another run can go on with this one; not where an input is read only once.
    pub resumable: bool,
    /// Where records went.
    pub outputs: Vec<OutputReport>,
    /// The journal.
    pub journal: PathBuf,
    /// Conditions of `fail-if` that held, as written.
    pub failed_conditions: Vec<String>,
    /// Things legal and suspicious.
    pub warnings: Vec<String>,
    /// The whole run, as reports show it.
    pub recap: Recap,
}

impl RunReport {
    /// Of a run that has not begun.
    #[must_use]
    pub fn unstarted(plan: &Plan) -> Self {
        let endpoint = |endpoint: &EndpointPlan| Endpoint { name: endpoint.name.clone(), ..Endpoint::default() };
        let recap = Recap {
            job: plan.name.clone(),
            description: plan.description.clone(),
            started: clock::timestamp(),
            endpoints: plan.endpoints.iter().map(endpoint).collect(),
            ..Recap::default()
        };
        Self {
            job: plan.name.clone(),
            run: String::new(),
            ending: RunEnding::Broken(String::new()),
            blamed: None,
            total: Counts::default(),
            unknown: 0,
            resumed_rows: 0,
            attempts: 0,
            retries: 0,
            retry_reasons: Vec::new(),
            bound_by: Vec::new(),
            malformed_hints: 0,
            elapsed: Duration::ZERO,
            latency: None,
            statuses: Vec::new(),
            failures: Vec::new(),
            resumable: false,
            outputs: Vec::new(),
            journal: plan.state.join("journal"),
            failed_conditions: Vec::new(),
            warnings: Vec::new(),
            recap,
        }
    }

    /// Warns of these too, where it does not yet; `first`: before all others, for a summary has room for one. Whether there
    /// was anything new.
    pub fn warn(&mut self, first: Vec<String>, last: Vec<String>) -> bool {
        let mut is_new = false;
        let sessions = self.recap.sessions.last_mut().map(|session| &mut session.warnings);
        for warnings in sessions.into_iter().chain([&mut self.warnings]) {
            is_new |= fault::put_among(warnings, first.clone()) || !last.is_empty();
            warnings.extend_from_slice(&last);
        }
        is_new
    }

    /// The same of one that could not start, for this reason.
    #[must_use]
    pub fn refused(mut self, error: &RunError) -> Self {
        self.ending = RunEnding::Broken(error.to_string());
        let (started, ending) = (self.recap.started.clone(), recap::ending(&self.ending));
        self.recap.push(Session { started, ending, ..Session::default() });
        self
    }
}

/// Runs a plan to its end. Needs a tokio runtime.
///
/// # Errors
/// When it could not start. Whatever happens later is part of the report.
pub async fn run(plan: Plan, options: RunOptions, reporters: Vec<Box<dyn Reporter>>) -> Result<RunReport, RunError> {
    run_with(plan, options, reporters, commands().1, &GoesOn).await
}

/// As [`run`], with commands to it while it goes on, and with what the program does after it, of which `[[notify]]` tells.
///
/// # Errors
/// When it could not start. Whatever happens later is part of the report.
pub async fn run_with(
    plan: Plan,
    options: RunOptions,
    mut reporters: Vec<Box<dyn Reporter>>,
    commands: Commands,
    aftermath: &dyn Aftermath,
) -> Result<RunReport, RunError> {
    let secrets = Secrets::open(&plan.secrets).map_err(RunError::Secrets)?;
    let herald = notify::Herald::of(&plan, &secrets, aftermath);
    let mut known = None;
    let veil = |masker: &Masker| {
        aftermath.masked_by(masker);
        reporters.iter_mut().for_each(|reporter| reporter.masked_by(masker));
        known = Some(masker.clone());
    };
    match open::open(plan, options, secrets, veil).await {
        Ok(opened) => Ok(conductor::Conductor::conduct(opened, (reporters, commands), &herald).await),
        Err(error) => {
            let error = herald.refuse(error).await;
            Err(match &known {
                Some(masker) => error.masked(masker),
                None => error,
            })
        }
    }
}
