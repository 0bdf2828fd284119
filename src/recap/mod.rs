//! Recap: what a run was, as data. Everything that reports show comes from here: the HTML report, the live page,
//! metrics, `paceline report`.
//!
//! Made while a run works (`run::recap`), kept in its state folder ([`mod@file`]), read by reporters,
//! with what the journal knows better ([`kept`]). Its size is
//! bounded whatever the run did: series have a fixed number of steps, lists a fixed number of entries, and what was
//! left out is counted. Must never hold a secret: texts are masked before they get in.

pub mod distribution;
pub mod file;
pub mod kept;
pub mod streams;
pub mod timeline;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::journal::Counts;

pub use distribution::Distribution;
pub use streams::StreamUse;
pub use timeline::{Mark, MarkKind, Marks, Step, StepLane, Timeline};

/// Version of the format; a recap of another version is refused with words.
pub const VERSION: u32 = 1;

/// Sessions of a run that are kept one by one: the first of more are dropped, their rows stay in the counts.
pub const MOST_SESSIONS: usize = 20;

/// Bytes of a file that are kept.
pub const MOST_TEXT: usize = 128 * 1024;

/// A run, over all of its sessions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recap {
    /// [`VERSION`].
    pub version: u32,
    /// Version of paceline that wrote it.
    pub program: String,
    /// Name of the job.
    pub job: String,
    /// What it is for, as it says.
    pub description: Option<String>,
    /// Id of the run.
    pub run: String,
    /// When its first session began, RFC 3339.
    pub started: String,
    /// Where its journal stands.
    pub journal: String,
    /// The job file, and the files that it includes, as they were read by the last session; masked.
    pub texts: Vec<Text>,
    /// What `paceline plan` says of the job, as the last session began; masked. Empty: nobody asked it.
    #[serde(default)]
    pub plan: String,
    /// Endpoints, by position.
    pub endpoints: Vec<Endpoint>,
    /// Where records went.
    pub outputs: Vec<Output>,
    /// Sessions that were dropped.
    pub sessions_left_out: u64,
    /// One for each process that worked on it, the first one first.
    pub sessions: Vec<Session>,
}

/// A file of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Path as given.
    pub path: String,
    /// Its text, masked.
    pub text: String,
}

impl Text {
    /// A file with its masked text, of which a report shows [`MOST_TEXT`] bytes at most.
    #[must_use]
    pub fn of(path: &Path, text: &str) -> Self {
        let path = path.display().to_string();
        if text.len() <= MOST_TEXT {
            return Self { path, text: text.to_owned() };
        }
        let end = (0..=MOST_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        Self { path, text: format!("{}\n# … and {} bytes more", &text[..end], text.len() - end) }
    }
}

/// An endpoint over all sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Rows of its input, where known.
    pub rows: Option<u64>,
    /// Rows that have ended, and their attempts and records.
    pub counts: Counts,
}

/// Where records went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the sink.
    pub sink: String,
    /// A path or a place.
    pub target: String,
    /// Records that stand there. Of outputs that do not take those of all rows: those that sessions told of at their end.
    pub records: u64,
}

/// What one process did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// When it began, RFC 3339.
    pub started: String,
    /// How long it took, milliseconds.
    pub elapsed_ms: u64,
    /// How it ended.
    pub ending: Ending,
    /// Attempts.
    pub attempts: u64,
    /// Those that were not the first of their row.
    pub retries: u64,
    /// Why attempts were made again and how often, most frequent first.
    pub retry_reasons: Vec<(String, u64)>,
    /// What held it back and for which share of the time (0..=1), most first.
    pub bound_by: Vec<(String, f64)>,
    /// Statuses and how often, ascending.
    pub statuses: Vec<(u16, u64)>,
    /// Rows that failed, grouped, most frequent first.
    pub failures: Vec<FailureGroup>,
    /// The attempts that took longest, longest first.
    pub slowest: Vec<Slow>,
    /// Attempts on the wire: from the request's first byte to the end of the reply's body.
    pub latency: Distribution,
    /// The same, and what comes before, by stage.
    pub stages: Stages,
    /// Bytes of requests and replies, heads included, TLS and retransmissions not.
    pub traffic: Bytes,
    /// Endpoints whose connections stay open.
    #[serde(default)]
    pub streams: Vec<StreamUse>,
    /// Limits, as the job has them.
    pub limits: Vec<LimitUse>,
    /// What happened when.
    pub timeline: Timeline,
    /// Conditions of `fail-if` that held, as written.
    pub failed_conditions: Vec<String>,
    /// What was legal and suspicious.
    pub warnings: Vec<String>,
}

/// How a session ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Which way.
    pub kind: EndingKind,
    /// Why, masked, where there is a reason.
    pub reason: Option<String>,
    /// When going on makes sense, RFC 3339, where that is known.
    pub resume_at: Option<String>,
}

/// Ways to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndingKind {
    /// It is at work, or was killed before it could say how it ended.
    #[default]
    Running,
    /// Every row has ended.
    Complete,
    /// The rows that were asked for have ended, and there are others.
    Partial,
    /// By a signal.
    Interrupted,
    /// By itself, resumable.
    Stopped,
    /// Something failed that it can't do without.
    Broken,
}

/// Rows that failed for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureGroup {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Why, masked.
    pub reason: String,
    /// How many.
    pub rows: u64,
    /// One of them, counted from zero.
    pub example_row: u64,
}

/// An attempt that took long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// Name of the endpoint.
    pub endpoint: String,
    /// The row, counted from zero.
    pub row: u64,
    /// Status of its reply, if one came.
    pub status: Option<u16>,
    /// Microseconds on the wire.
    pub micros: u64,
}

/// Durations of the stages of attempts. Connections are kept, so that name, connect and TLS are those of the
/// attempts that had to make one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// Wait for a connection.
    pub pool: Distribution,
    /// Name resolution.
    pub dns: Distribution,
    /// TCP, or the way to a proxy.
    pub connect: Distribution,
    /// TLS.
    pub tls: Distribution,
    /// From the request's first byte to the reply's head.
    pub first_byte: Distribution,
    /// From the reply's head to the end of its body.
    pub body: Distribution,
}

impl Stages {
    /// All of them with their names, in the order in which they happen.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &Distribution); 6] {
        [
            ("pool", &self.pool),
            ("dns", &self.dns),
            ("connect", &self.connect),
            ("tls", &self.tls),
            ("first byte", &self.first_byte),
            ("body", &self.body),
        ]
    }

    fn add(&mut self, other: &Self) {
        let own =
            [&mut self.pool, &mut self.dns, &mut self.connect, &mut self.tls, &mut self.first_byte, &mut self.body];
        own.into_iter().zip(other.named()).for_each(|(own, (_, other))| own.add(other));
    }
}

/// Bytes over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// To servers.
    pub sent: u64,
    /// From servers.
    pub received: u64,
}

/// What became of a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUse {
    /// Its name.
    pub name: String,
    /// Its rates, as written.
    pub rate: String,
    /// Tokens that were taken from it.
    pub tokens: u64,
    /// Those that its narrowest window could have given in the time of the session, `None` where it has one bucket
    /// for each key, or no rate of its own.
    pub capacity: Option<u64>,
    /// How often a server's word held it.
    pub holds: u64,
}

impl Session {
    /// A later session begins, so that one that never said how it ended was killed.
    pub fn has_ended(&mut self) {
        if self.ending.kind == EndingKind::Running && self.ending.reason.is_none() {
            self.ending.reason = Some("it was killed, or lost its machine".to_owned());
        }
    }
}

impl Recap {
    /// Counts over all endpoints.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.endpoints.iter().fold(Counts::default(), |sum, endpoint| sum + endpoint.counts)
    }

    /// The last session.
    #[must_use]
    pub fn last(&self) -> Option<&Session> {
        self.sessions.last()
    }

    /// Adds the session that is at work now, and drops the first of too many.
    pub fn push(&mut self, session: Session) {
        self.sessions.push(session);
        let over = self.sessions.len().saturating_sub(MOST_SESSIONS);
        self.sessions.drain(..over);
        self.sessions_left_out += over as u64;
    }

    /// Latencies of all sessions together.
    #[must_use]
    pub fn latency(&self) -> Distribution {
        let mut all = Distribution::default();
        self.sessions.iter().for_each(|session| all.add(&session.latency));
        all
    }

    /// Stages of all sessions together.
    #[must_use]
    pub fn stages(&self) -> Stages {
        let mut all = Stages::default();
        self.sessions.iter().for_each(|session| all.add(&session.stages));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_sessions_are_kept() {
        let mut recap = Recap::default();
        for elapsed_ms in 0..25 {
            recap.push(Session { elapsed_ms, ..Session::default() });
        }
        assert_eq!((recap.sessions.len(), recap.sessions_left_out), (MOST_SESSIONS, 5));
        assert_eq!(recap.sessions.first().map(|session| session.elapsed_ms), Some(5));
        assert_eq!(recap.last().map(|session| session.elapsed_ms), Some(24));
    }

    #[test]
    fn sessions_are_measured_together() {
        let session = |micros| Session {
            latency: Distribution { counts: vec![(micros, 2)] },
            stages: Stages { dns: Distribution { counts: vec![(micros, 1)] }, ..Stages::default() },
            ..Session::default()
        };
        let mut recap = Recap::default();
        [10, 30].into_iter().for_each(|micros| recap.push(session(micros)));
        assert_eq!(recap.latency().counts, [(10, 2), (30, 2)]);
        assert_eq!(recap.stages().dns.total(), 2);
        assert_eq!(recap.stages().tls.total(), 0);
    }
}
