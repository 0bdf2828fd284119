//! From endpoints to lanes: everything that workers share, made once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::header::RANGE;

use crate::extract::{Need, Wanted};
use crate::journal::Intents;
use crate::limit::Buckets;
use crate::plan::request::RequestPlan;
use crate::plan::{EndpointPlan, Meta, StreamKind};
use crate::transport::Transport;

use super::auths::Auths;
use super::lane::{Hand, Lane, Shared};
use super::notes::Notes;
use super::pacing::Pacing;
use super::queue::Queue;
use super::taking::Limits;
use super::{RunError, keyed};

/// Calls that stand ready in front of the workers, for each slot.
const READY_PER_SLOT: usize = 4;
/// Calls that may sleep before a retry, for each slot; beyond it no new row is begun.
const SLEEPERS_PER_SLOT: usize = 100;

/// The lanes of a run, by position of the endpoint.
///
/// # Errors
/// When something that is the same for every row can't be had.
pub(super) fn lanes(
    shared: &Arc<Shared>,
    transports: &[Arc<dyn Transport>],
    intents: Option<&Arc<Intents>>,
    auths: &mut Auths,
    demo: Option<&str>,
) -> Result<Vec<Arc<Lane>>, RunError> {
    let endpoints = shared.plan.endpoints.iter().enumerate();
    let lane = |(index, endpoint): (usize, &EndpointPlan)| {
        let place = keyed::place(&shared.plan, index);
        let request =
            RequestPlan::new(endpoint, demo).map_err(|failure| RunError::Open(format!("{place}: {failure}")))?;
        let needs_body =
            endpoint.rows.is_some() || endpoint.columns.iter().any(|column| column.extractor.needs() != Need::Nothing);
        let slots = slots(endpoint);
        let limits = Limits::new(buckets(shared, index, endpoint));
        let noted = intents.filter(|_| endpoint.holds_back());
        let notes = noted.map(|intents| {
            Notes::new(Arc::clone(intents), index, slots, limits.buckets.iter().map(|buckets| buckets.plan()))
        });
        Ok(Arc::new(Lane {
            index,
            needs_body,
            needs_utf8: endpoint.columns.iter().any(|column| column.extractor.needs() == Need::Utf8),
            reads_body: needs_body || endpoint.meta.contains(&Meta::Body) || judges_body(endpoint),
            asks_part: endpoint.headers.iter().any(|(name, _)| *name == RANGE),
            auth: auths.open((&shared.secrets, &shared.masker), (&place, endpoint), demo)?,
            slots,
            hand: Hand::new(slots),
            request,
            transport: transports[index].clone(),
            limits,
            frames: frames(shared, endpoint),
            pacing: Pacing::new(endpoint, slots),
            notes,
            queue: Queue::new(slots * READY_PER_SLOT, slots * SLEEPERS_PER_SLOT),
            wanted: wanted(endpoint),
            judges_json: conditions(endpoint).any(crate::template::Condition::uses_json),
            saver: endpoint.save.as_ref().and_then(|save| shared.saves.saver(index, save)),
            needs_meta: needs_meta(endpoint),
            shared: shared.clone(),
        }))
    };
    endpoints.map(lane).collect()
}

/// The limits of an endpoint; its own, which only learns and is held, where it has none.
fn buckets(shared: &Shared, index: usize, endpoint: &EndpointPlan) -> Vec<Arc<Buckets>> {
    if endpoint.limits.is_empty() {
        return vec![shared.buckets.own(index)];
    }
    endpoint.limits.iter().map(|position| shared.buckets.named(*position)).collect()
}

/// What frames that are sent over sockets take from.
fn frames(shared: &Shared, endpoint: &EndpointPlan) -> Option<Limits> {
    let stream = endpoint.stream.as_ref()?;
    let StreamKind::WebSocket(plan) = &stream.kind else { return None };
    Some(Limits::new(vec![shared.buckets.named(plan.send_limit?)]))
}

/// Calls of an endpoint that can be on the wire at once: more than the connections carry would only wait.
pub(super) fn slots(endpoint: &EndpointPlan) -> usize {
    let each = endpoint.client.calls_per_connection(endpoint.needs_tls());
    endpoint.concurrency.min(endpoint.client.connections_total.saturating_mul(each)).max(1)
}

/// What an endpoint wants of JSON replies. A body that is JSON is kept whole for the `body` column.
fn wanted(endpoint: &EndpointPlan) -> Option<Wanted> {
    let items = endpoint.rows.iter().map(crate::extract::RowsPlan::needs);
    let pages = endpoint.paginate.iter().flat_map(|paginate| paginate.needs());
    let columns = endpoint.columns.iter().map(|column| column.extractor.needs());
    let wanted = Wanted::of(columns.chain(items).chain(pages));
    if endpoint.meta.contains(&Meta::Body) { wanted.map(|_| Wanted::whole()) } else { wanted }
}

/// Rules, assertions, and what the last message of a row meets.
fn conditions(endpoint: &EndpointPlan) -> impl Iterator<Item = &crate::template::Condition> {
    let last = endpoint.stream.as_ref().and_then(|stream| stream.until.when.as_ref());
    endpoint.rules.iter().map(|rule| &rule.when).chain(&endpoint.asserts).chain(last)
}

fn judges_body(endpoint: &EndpointPlan) -> bool {
    conditions(endpoint).any(|condition| condition.uses_json() || condition.uses_text())
}

fn needs_meta(endpoint: &EndpointPlan) -> bool {
    let in_columns = endpoint.columns.iter().any(|column| column.extractor.kind() == "template");
    in_columns || conditions(endpoint).next().is_some()
}

/// Counts the rows of an input in the background: only the progress bar wants to know, and the process
/// does not wait for it.
pub(super) fn count(lane: Arc<Lane>) {
    let counting = move || {
        if let Ok(Some(rows)) = lane.plan().source.count() {
            let rows = lane.shared.plan.row_limit.map_or(rows, |limit| rows.min(limit));
            lane.live().rows.store(rows, Ordering::Relaxed);
        }
    };
    // Without the thread the bar has no end; nothing else is missing.
    let _ = std::thread::Builder::new().name("count".into()).spawn(counting);
}
