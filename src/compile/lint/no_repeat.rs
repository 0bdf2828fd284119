//! Requests with retries that are not sent again when an answer is lost: the method may not be repeated, and
//! nothing lets the server tell a repetition.
//!
//! Must never warn where the job says what is meant, nor of the demo API, where nothing is done twice.

use super::Facts;
use crate::compile::{Site, flow};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::EndpointPlan;
use crate::spec::{EndpointSpec, JobSpec};

/// Where requests that change nothing go.
const DEMO: &str = "demo:";

pub(super) fn check(site: &mut Site<'_>, facts: Facts<'_>) {
    for endpoint in facts.endpoints {
        let Some(written) = facts.job.endpoints.get(&endpoint.name) else { continue };
        if !is_left_open(endpoint, written, facts.job) {
            continue;
        }
        let method = &endpoint.method;
        let path = KeyPath::of(["endpoints", endpoint.name.as_str(), "method"]);
        let message = format!("a {method} is not repeated when its answer is lost: its row fails as unknown");
        let told = Diagnostic::warning(codes::NO_REPEAT, message)
            .at(site.document.place(&path), "")
            .help("if the server knows idempotency keys, write `idempotency-key = true`")
            .help(format!("if a repetition does no harm, write `retry.methods = [\"{method}\"]`"))
            .help("if such rows are to fail, write `retry.unknown = \"fail\"`");
        site.diagnostics.push(told);
    }
}

/// Whether nobody has said what is to happen.
fn is_left_open(endpoint: &EndpointPlan, written: &EndpointSpec, job: &JobSpec) -> bool {
    let retry = flow::settle(written.retry.as_ref(), job.retry.as_ref());
    let is_decided = retry.unknown.is_some() || retry.methods.is_some() || written.idempotency_key.is_some();
    endpoint.retry.attempts > 1
        && !endpoint.may_repeat()
        && !is_decided
        && !endpoint.url.literal_prefix().starts_with(DEMO)
}
