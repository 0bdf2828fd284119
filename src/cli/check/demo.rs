//! Endpoints that ask the API behind `demo:`: what they look for and its reply to the first row does not have is told
//! without a server, as that API is in the program.
//!
//! Must never say anything of a reply that a run would not take: refusals, waits and cut connections are what some of its
//! routes are for.

use serde_json::{Map, Value};

use crate::cli::plan::first::{self, Unit};
use crate::demo;
use crate::diagnostic::{Diagnostics, codes};
use crate::document::Document;
use crate::plan::request::{Contents, DEMO, RequestPlan};
use crate::plan::{EndpointPlan, Plan};
use crate::sample::{Finding, Judged, Rows, Sample, Verdict, judge, tell};
use crate::secret::{Masker, Secrets};

/// What stands for `demo:`; nothing is sent there (RFC 6761).
const BASE: &str = "http://demo.invalid";

/// Tells what endpoints look for in vain, of which each has so many rows; of those that are `judged` by a sample nothing
/// is told here.
pub(super) fn tell_lacking(
    (document, plan): (&Document, &Plan),
    counts: &[Option<u64>],
    is_judged: impl Fn(&str) -> bool,
    diagnostics: &mut Diagnostics,
) {
    let asks = |endpoint: &EndpointPlan| endpoint.url.literal_prefix().starts_with(DEMO) && !is_judged(&endpoint.name);
    for (endpoint, count) in plan.endpoints.iter().zip(counts).filter(|(endpoint, _)| asks(endpoint)) {
        tell(document, &lacking(plan, endpoint, *count).unwrap_or_default(), diagnostics);
    }
}

/// What the reply to the first row lacks; `None`: there is no such reply.
fn lacking(plan: &Plan, endpoint: &EndpointPlan, count: Option<u64>) -> Option<Vec<Finding>> {
    if first::unknown(endpoint, count).is_some() {
        return None;
    }
    let Judged { verdict, findings, .. } = judged(plan, endpoint, first::units(plan, endpoint, 1).ok()?.first()?)?;
    matches!(verdict, Verdict::Accepted(_))
        .then(|| findings.into_iter().filter(|finding| finding.code == codes::SAMPLE_LACKS).collect())
}

/// The first record that an endpoint gives where the demo is who it asks; `None`: it gives none, or is not known.
pub(super) fn record(plan: &Plan, name: &str) -> Option<Map<String, Value>> {
    let endpoint = plan.endpoints.iter().find(|endpoint| endpoint.name == name)?;
    if !endpoint.url.literal_prefix().starts_with(DEMO) {
        return None;
    }
    let unit = match endpoint.source.parent() {
        Some(parent) => {
            let rows = Rows::of_record(endpoint, &record(plan, parent)?);
            Unit { row: 1, rows: endpoint.chunk.as_ref().map(|_| 1), content: Ok(rows.call) }
        }
        None if first::unknown(endpoint, first::count(plan, endpoint).ok()?).is_some() => return None,
        None => first::units(plan, endpoint, 1).ok()?.into_iter().next()?,
    };
    match judged(plan, endpoint, &unit)?.verdict {
        Verdict::Accepted(records) => records.into_iter().next(),
        Verdict::Ruled(..) | Verdict::Again(_) | Verdict::Refused => None,
    }
}

/// What a run would make of the demo's reply to a request; `None`: there is no such reply.
fn judged(plan: &Plan, endpoint: &EndpointPlan, unit: &Unit) -> Option<Judged> {
    let secrets = Secrets::masked(&plan.secrets);
    let requests = RequestPlan::new(endpoint, Some(BASE)).ok()?;
    let ready = first::ready((plan, endpoint), &requests, unit, &secrets).ok()?;
    let Contents::Bytes(body) = ready.contents else { return None };
    let (head, body) = demo::reply(&ready.request, &body)?;
    let sample = Sample {
        called: "the reply of the demo",
        status: Some(head.status.as_u16()),
        headers: head.headers,
        has_head: true,
        body,
        url: ready.request.uri().clone(),
        packed: None,
    };
    let rows = Rows::asked(unit.content.as_ref().ok()?.clone());
    // None of them is known here.
    let masker = Masker::default();
    Some(judge(endpoint, &sample, &rows, &secrets, (&masker, &masker)))
}
