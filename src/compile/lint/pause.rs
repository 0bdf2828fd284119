//! A pause between batches that is no longer than the gap the rate leaves between any two requests.
//!
//! Must never warn where a pause could be felt: small batches, buckets of which there are many, and a pause of the
//! top level that does something for one of its endpoints.

use super::Facts;
use crate::compile::{Site, flow};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::limit::{KeyPlan, LimitPlan};
use crate::plan::EndpointPlan;

/// Rows from which the time of a batch is made by the rate, and not by what a single reply takes.
const LARGE: u64 = 10;

pub(super) fn check(site: &mut Site<'_>, facts: Facts<'_>) {
    let mut found: Vec<(KeyPath, Option<&LimitPlan>)> = Vec::new();
    for endpoint in facts.endpoints.iter().filter(|endpoint| !endpoint.batch.pause.is_zero()) {
        let path = KeyPath::of(["endpoints", endpoint.name.as_str()]);
        found.push((flow::origin(site, &path, &["batch", "pause"]), swallowing(endpoint, facts.limits)));
    }
    let mut told: Vec<&KeyPath> = Vec::new();
    for (pause, limit) in &found {
        let is_felt = found.iter().any(|(other, limit)| other == pause && limit.is_none());
        if let (Some(limit), false, false) = (limit, is_felt, told.contains(&pause)) {
            told.push(pause);
            tell(site, pause, limit);
        }
    }
}

/// The limit whose rate swallows the pauses of an endpoint.
fn swallowing<'l>(endpoint: &EndpointPlan, limits: &'l [LimitPlan]) -> Option<&'l LimitPlan> {
    endpoint.batch.size.filter(|size| *size >= LARGE)?;
    let pause = endpoint.batch.pause.as_secs_f64();
    let of_endpoint = endpoint.limits.iter().filter_map(|position| limits.get(*position));
    let mut single = of_endpoint.filter(|limit| matches!(limit.key, KeyPlan::One));
    single.find(|limit| pause * limit.rate() <= 1.0)
}

fn tell(site: &mut Site<'_>, pause: &KeyPath, limit: &LimitPlan) {
    // A bucket of an endpoint's own is named by its path.
    let rate = match limit.name.strip_prefix("endpoints.") {
        Some(endpoint) => KeyPath::of(["endpoints", endpoint, "rate"]),
        None => KeyPath::of(["limits", limit.name.as_str(), "rate"]),
    };
    let message = "the pause between batches is not felt: the rate leaves a longer gap between any two requests";
    let told = Diagnostic::warning(codes::PAUSE_UNFELT, message)
        .at(site.document.place(pause), "")
        .also(site.document.place(&rate), "this rate")
        .help("write a longer pause, or a higher rate, or take the pause out");
    site.diagnostics.push(told);
}
