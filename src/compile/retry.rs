//! Retries of an endpoint.

use std::time::Duration;

use http::Method;

use super::{Site, flow, request, rules};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::plan::{EndpointPlan, StatusSet};
use crate::retry::{BackoffShape, BudgetPlan, ErrorClass, Jitter, RetryPlan, Unknown};
use crate::spec::settings::RetrySpec;
use crate::spec::text::{DurationSpec, JitterSpec, ShareSpec, StatusSpec};
use crate::spec::{EndpointSpec, JobSpec};

const STATUSES: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];
const ERRORS: [ErrorClass; 6] = [
    ErrorClass::Dns,
    ErrorClass::Connect,
    ErrorClass::Reset,
    ErrorClass::Timeout,
    ErrorClass::Body,
    ErrorClass::Decode,
];
/// Methods that may be repeated (RFC 9110, section 9.2.2), where the job does not say.
pub(super) const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE];

/// First wait of our own making.
const INITIAL: Duration = Duration::from_millis(250);
/// First wait where the server throttles.
pub(super) const THROTTLE_INITIAL: Duration = Duration::from_secs(1);
/// Longest wait of our own making.
const MAX: Duration = Duration::from_secs(60);
/// Longest wait a server may ask for.
const MAX_WAIT: Duration = Duration::from_secs(15 * 60);
/// Retries as a share of requests.
const BUDGET: f64 = 0.2;

/// Keys that say nothing where there is one attempt. The shape of the wait is not among them: it is also how long
/// a server is left alone that throttles and names no time.
const OF_MORE_ATTEMPTS: [&str; 4] = ["statuses", "errors", "factor", "budget"];

/// Decides the retries of an endpoint.
pub fn retry(site: &mut Site<'_>, path: &KeyPath, endpoint: &EndpointSpec, job: &JobSpec) -> RetryPlan {
    let spec = flow::settle(endpoint.retry.as_ref(), job.retry.as_ref());
    check(site, path, &spec);
    let methods = methods(site, path, &spec);
    let max = spec.max.as_ref().map_or(MAX, DurationSpec::get);
    let initial = spec.initial.as_ref().map(DurationSpec::get);
    RetryPlan {
        attempts: spec.attempts.map_or(5, std::num::NonZeroU32::get),
        backoff: spec.backoff.unwrap_or_default(),
        initial: initial.unwrap_or(INITIAL).min(max),
        throttle_initial: initial.unwrap_or_default().max(THROTTLE_INITIAL).min(max),
        factor: spec.factor.unwrap_or(2.0),
        max,
        jitter: jitter(spec.jitter.unwrap_or(JitterSpec::Full)),
        statuses: match &spec.statuses {
            Some(statuses) => status_set(statuses),
            None => StatusSet::new(STATUSES.map(|status| (status, status)).into()),
        },
        errors: spec.errors.unwrap_or_else(|| ERRORS.into()),
        methods,
        max_wait: spec.max_wait.as_ref().map_or(MAX_WAIT, DurationSpec::get),
        unknown: spec.unknown.unwrap_or_default(),
        budget: BudgetPlan { share: spec.budget.as_ref().map_or(BUDGET, ShareSpec::get) },
        keyed: false,
    }
}

/// A set of statuses as written.
pub fn status_set(statuses: &[StatusSpec]) -> StatusSet {
    StatusSet::new(statuses.iter().map(|StatusSpec(first, last)| (*first, *last)).collect())
}

/// The spread of waits.
pub(super) fn jitter(spec: JitterSpec) -> Jitter {
    match spec {
        JitterSpec::Full => Jitter::Full,
        JitterSpec::Equal => Jitter::Equal,
        JitterSpec::None => Jitter::None,
        JitterSpec::Share(share) => Jitter::Proportional(share),
    }
}

fn check(site: &mut Site<'_>, sender: &KeyPath, spec: &RetrySpec) {
    if let (Some(initial), Some(max)) = (&spec.initial, &spec.max)
        && initial.get() > max.get()
    {
        let (initial_path, max_path) =
            (flow::origin(site, sender, &["retry", "initial"]), flow::origin(site, sender, &["retry", "max"]));
        let message = format!("the first wait of {} is longer than the longest of {}", initial.text(), max.text());
        let help = "shorten `retry.initial`, or lengthen `retry.max`";
        site.conflict(&initial_path, "the first wait", &max_path, "the longest", message, help);
    }
    if spec.factor.is_some() && spec.backoff.is_some_and(|shape| shape != BackoffShape::Exponential) {
        let (factor, backoff) =
            (flow::origin(site, sender, &["retry", "factor"]), flow::origin(site, sender, &["retry", "backoff"]));
        let message = "`retry.factor` has no effect on a backoff that is not exponential";
        let help = "take `factor` out, or write `backoff = \"exponential\"`";
        // An endpoint may choose another shape under a factor of the top level: that is no mistake.
        if factor.0.len() >= backoff.0.len() {
            site.conflict(&factor, "no effect", &backoff, "because of this", message.to_owned(), help);
        }
    }
}

/// Warns of settings of retries that no endpoint they hold for can make use of.
pub fn idle(site: &mut Site<'_>, job: &JobSpec, endpoints: &[EndpointPlan]) {
    let all = endpoints.len() == job.endpoints.0.len() && endpoints.iter().all(|endpoint| endpoint.retry.attempts == 1);
    if all {
        with_one_attempt(site, &KeyPath::of(["retry"]), job.retry.as_ref());
    }
    for endpoint in endpoints {
        let Some(written) = job.endpoints.get(&endpoint.name) else { continue };
        let endpoint_path = KeyPath::of(["endpoints", endpoint.name.as_str()]);
        let (path, own) = (endpoint_path.key("retry"), written.retry.as_ref());
        if endpoint.retry.attempts == 1 {
            with_one_attempt(site, &path, own);
            rules::idle(site, &endpoint_path, written);
        }
        if own.is_some_and(|own| own.unknown == Some(Unknown::Resend)) && endpoint.may_repeat() {
            let message = format!("`{path}.unknown` has no effect: a {} may be repeated anyway", endpoint.method);
            site.warning(codes::NO_EFFECT, &path.key("unknown"), message, "take it out");
        }
    }
}

fn with_one_attempt(site: &mut Site<'_>, path: &KeyPath, spec: Option<&RetrySpec>) {
    let short = spec.and_then(|spec| spec.initial.as_ref()).filter(|initial| initial.get() <= THROTTLE_INITIAL);
    let initial = short.map(|_| "initial");
    for key in OF_MORE_ATTEMPTS.into_iter().chain(initial) {
        let here = path.key(key);
        if site.document.get(&here).is_some() {
            let message = format!("`{here}` has no effect: with one attempt nothing is tried again");
            site.warning(codes::NO_EFFECT, &here, message, "take it out, or allow more `attempts`");
        }
    }
}

fn methods(site: &mut Site<'_>, sender: &KeyPath, spec: &RetrySpec) -> Vec<Method> {
    let Some(written) = &spec.methods else { return METHODS.into() };
    let path: KeyPath = flow::origin(site, sender, &["retry", "methods"]);
    let parsed = written.iter().enumerate().map(|(index, method)| request::method(site, &path.index(index), method));
    parsed.collect::<Vec<_>>().into_iter().flatten().collect()
}
