//! Batches of an endpoint.

use std::time::Duration;

use super::{Site, flow};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::{BatchPlan, EndpointPlan};
use crate::spec::{EndpointSpec, JobSpec};

/// Decides the batches of an endpoint.
pub fn batch(site: &mut Site<'_>, path: &KeyPath, endpoint: &EndpointSpec, job: &JobSpec) -> BatchPlan {
    let spec = flow::settle(endpoint.batch.as_ref(), job.batch.as_ref());
    let pause = spec.pause.as_ref().map_or(Duration::ZERO, |pause| pause.get());
    let in_flight = spec.in_flight.map_or(1, std::num::NonZeroU32::get);
    if spec.size.is_none() {
        if !pause.is_zero() {
            alone(site, path, "pause", "there is no batch to pause after");
        }
        if in_flight > 1 {
            alone(site, path, "in-flight", "there are no batches to run side by side");
        }
    }
    BatchPlan { size: spec.size.map(std::num::NonZeroU64::get), pause, in_flight: in_flight as usize }
}

fn alone(site: &mut Site<'_>, endpoint: &KeyPath, key: &str, why: &str) {
    let path = flow::origin(site, endpoint, &["batch", key]);
    let message = format!("`{path}` has no effect without `batch.size`: {why}");
    site.error_once(codes::CONFLICT, &path, message, "write beside it how many rows a batch has, such as `size = 500`");
}

/// Warns of more calls in flight than the batches have rows.
pub fn idle(site: &mut Site<'_>, endpoint: &EndpointPlan) {
    let path = KeyPath::of(["endpoints", endpoint.name.as_str()]);
    let concurrency = path.key("concurrency");
    let Some(size) = endpoint.batch.size else { return };
    let most = size.saturating_mul(endpoint.batch.in_flight as u64);
    let wanted = endpoint.concurrency as u64;
    if endpoint.adaptive || wanted <= most || site.document.get(&concurrency).is_none() {
        return;
    }
    let size_path = flow::origin(site, &path, &["batch", "size"]);
    let (place, size_place) = (site.document.place(&concurrency), site.document.place(&size_path));
    let message = format!("no more than {most} of the {wanted} calls can be in flight: batches have no more rows");
    let help = format!(
        "write `concurrency = {most}`, or make batches larger, or let more of them run side by side with `batch.in-flight`"
    );
    let diagnostic = Diagnostic::warning(codes::NO_EFFECT, message).at(place, "").also(size_place, "rows in a batch");
    site.diagnostics.push(diagnostic.help(help));
}
