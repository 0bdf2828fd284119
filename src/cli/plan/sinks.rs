//! What a plan says of its sinks: where records go, what is there already, and what is sent. Must never open one.

use serde::Serialize;

use super::facts::LimitFacts;
use super::preview::{hosts, origins};
use crate::plan::{EndpointPlan, Plan};
use crate::sink::{RowChoice, SinkPlan};
use crate::transport::proxy::routes::{self, Via};

/// A sink.
#[derive(Debug, Serialize)]
pub struct SinkFacts {
    pub name: String,
    pub target: String,
    pub from: Vec<String>,
    pub rows: RowChoice,
    pub columns: Option<Vec<String>>,
    /// Columns by which doubles are known and left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dedupe: Vec<String>,
    /// What it sends, where it sends requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sends: Option<SendsFacts>,
    /// Bytes that stand in its file already; `None`: it writes no file, or there is none yet.
    pub there: Option<u64>,
    /// Why a new run would be refused, if it would.
    pub refused: Option<String>,
}

/// The requests of a sink, or of a notification.
#[derive(Debug, Serialize)]
pub struct SendsFacts {
    /// Hosts that requests go to.
    pub hosts: Vec<String>,
    pub limits: Vec<LimitFacts>,
    /// The header that lets the receiver tell a repetition.
    pub key: Option<String>,
    /// Proxies that hosts are reached through, without users and passwords; other hosts are reached directly.
    pub proxies: Vec<Via>,
}

impl SinkFacts {
    pub fn of(plan: &Plan, sink: &SinkPlan) -> Self {
        let name = |position: &usize| plan.endpoints.get(*position).map(|endpoint| endpoint.name.clone());
        Self {
            name: sink.name.clone(),
            target: sink.kind.describe(),
            from: sink.from.iter().filter_map(name).collect(),
            rows: sink.rows,
            columns: sink.columns.clone(),
            dedupe: sink.dedupe.clone(),
            sends: sink.hook.as_ref().map(|hook| SendsFacts::of(plan, hook)),
            there: sink.kind.path().and_then(|path| std::fs::metadata(path).ok()).map(|about| about.len()),
            refused: sink.kind.survey().err().map(|error| error.message),
        }
    }
}

impl SendsFacts {
    pub(super) fn of(plan: &Plan, hook: &EndpointPlan) -> Self {
        let (prefix, is_constant) = (hook.url.literal_prefix(), hook.url.constant().is_some());
        Self {
            hosts: hosts(prefix, is_constant, &[]).0,
            limits: hook.limits.iter().filter_map(|limit| plan.limits.get(*limit)).map(LimitFacts::of).collect(),
            key: hook.idempotency.as_ref().map(|key| key.header.to_string()),
            proxies: routes::survey(&hook.client.proxy, &origins(prefix, is_constant, &[])),
        }
    }
}
