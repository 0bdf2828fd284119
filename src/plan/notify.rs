//! Notifications, decided: who is told of the end of a run, when, and what can be said of it.
//!
//! Must never look at a run: `run/notify` does, when it has ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EndpointPlan;

/// How a run ended, as far as somebody wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    /// All went well: exit code 0.
    Success,
    /// A `fail-if` held (exit code 1), or the run could not start or go on (3).
    Failure,
    /// It stopped by itself (exit code 4) or by a signal (129, 130, 143), and can be gone on with.
    Stop,
}

impl Occasion {
    /// Those that are told where the job does not say.
    pub const DEFAULT: [Self; 2] = [Self::Failure, Self::Stop];

    /// As in a job.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Stop => "stop",
        }
    }
}

/// Somebody who is told.
#[derive(Debug, Clone)]
pub struct NotifyPlan {
    /// Of which endings.
    pub on: Vec<Occasion>,
    /// The request; its templates see a run.
    pub sends: EndpointPlan,
}

/// What templates can say of a run: the names under `run`, in the order of a body that the job does not give.
pub const NAMES: [&str; 16] = [
    "name", "id", "ending", "exit", "reason", "next", "started", "duration", "seconds", "rows", "ok", "failed",
    "skipped", "unknown", "attempts", "retries",
];
