//! Endpoints that ask the API behind `demo:`: what they look for and its reply to the first row does not have is told
//! without a server, as that API is in the program.
//!
//! Must never say anything of a reply that a run would not take: refusals, waits and cut connections are what some of its
//! routes are for.

use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::judgement::Judgement;
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

/// What an endpoint gives those that read its records.
type Records = Vec<Map<String, Value>>;

/// Tells what endpoints look for in vain, of which each has so many rows. Of those that a sample is at hand for nothing is
/// told here; its records are the rows of those that read them.
pub(super) fn tell_lacking(
    (document, plan): (&Document, &Plan),
    counts: &[Option<u64>],
    sampled: &[Judgement],
    diagnostics: &mut Diagnostics,
) {
    let mut lacking: Vec<Vec<Finding>> = plan.endpoints.iter().map(|_| Vec::new()).collect();
    // Each before those that read it, with the records that are its rows: nobody is asked twice, however long a chain is.
    let parents = plan.parents();
    let first = (0..parents.len()).filter(|position| parents[*position].is_none());
    let mut ahead: VecDeque<(usize, Option<Rc<Records>>)> = first.map(|position| (position, None)).collect();
    while let Some((position, given)) = ahead.pop_front() {
        let endpoint = &plan.endpoints[position];
        let records = match sampled.iter().find(|judgement| judgement.is_of(&endpoint.name)) {
            Some(judgement) => Some(judgement.records().to_vec()),
            None => asked(plan, endpoint, counts[position], given.as_deref()).and_then(|judged| {
                let Judged { verdict: Verdict::Accepted(records), findings, .. } = judged else { return None };
                lacking[position] = findings;
                Some(records)
            }),
        };
        let records = records.map(Rc::new);
        let children = (0..parents.len()).filter(|child| parents[*child] == Some(position));
        ahead.extend(children.filter(|_| records.is_some()).map(|child| (child, records.clone())));
    }
    for findings in &mut lacking {
        findings.retain(|finding| finding.code == codes::SAMPLE_LACKS);
        tell(document, findings, diagnostics);
    }
}

/// The records that an endpoint gives for its first request where the demo is who it asks; `None`: they are not known.
pub(super) fn records(plan: &Plan, counts: &[Option<u64>], name: &str) -> Option<Records> {
    let parents = plan.parents();
    let position = plan.endpoints.iter().position(|endpoint| endpoint.name == name)?;
    let line: Vec<usize> = std::iter::successors(Some(position), |position| parents[*position]).collect();
    let mut given = None;
    for position in line.into_iter().rev() {
        let judged = asked(plan, &plan.endpoints[position], counts[position], given.as_ref())?;
        let Verdict::Accepted(records) = judged.verdict else { return None };
        given = Some(records);
    }
    given
}

/// What a run would make of the demo's reply to the first request of an endpoint; `None`: there is none, or it is not known.
/// `count`: how many rows it has; `given`: the records that are its rows.
fn asked(plan: &Plan, endpoint: &EndpointPlan, count: Option<u64>, given: Option<&Records>) -> Option<Judged> {
    if !endpoint.url.literal_prefix().starts_with(DEMO) {
        return None;
    }
    let unit = match given {
        Some(records) => {
            let rows = Rows::of_records(endpoint, records)?;
            let members = endpoint.chunk.as_ref().map(|_| rows.call.members().len() as u64);
            Unit { row: 1, rows: members, content: Ok(rows.call) }
        }
        None if first::unknown(endpoint, count).is_some() => return None,
        None => first::units(plan, endpoint, 1).ok()?.into_iter().next()?,
    };
    judged(plan, endpoint, &unit)
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
