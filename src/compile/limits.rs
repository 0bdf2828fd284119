//! Limits: named token buckets, buckets of endpoints' own, and who takes from which.

use std::num::NonZeroU32;

use super::{Site, names};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::limit::LimitPlan;
use crate::spec::text::{ListSpec, RateSpec};
use crate::spec::{EndpointSpec, JobSpec};

/// Buckets of `[limits]`, in the order of the file; warns of those that nothing takes from.
pub fn limits(site: &mut Site<'_>, spec: &JobSpec, whole: bool) -> Vec<LimitPlan> {
    let written = spec.limits.as_ref().map(|limits| limits.0.as_slice()).unwrap_or_default();
    let used = |name: &String| {
        let mut lists = spec.endpoints.0.iter().filter_map(|(_, endpoint)| endpoint.limit.as_ref());
        lists.any(|list| list.0.contains(name))
    };
    for (name, _) in written.iter().filter(|(name, _)| whole && !used(name)) {
        let message = format!("no endpoint takes from the limit `{name}`");
        let help = format!("write `limit = \"{name}\"` at an endpoint, or take the limit out");
        site.warning(codes::NO_EFFECT, &KeyPath::of(["limits", name.as_str()]), message, help);
    }
    written.iter().map(|(name, limit)| bucket(name.clone(), &limit.rate, limit.burst)).collect()
}

fn bucket(name: String, rate: &ListSpec<RateSpec>, burst: Option<NonZeroU32>) -> LimitPlan {
    LimitPlan { name, windows: rate.0.iter().map(RateSpec::get).collect(), burst: burst.unwrap_or(NonZeroU32::MIN) }
}

/// Positions of the buckets an endpoint takes from, ascending; adds its own to `buckets`.
pub fn of_endpoint(site: &mut Site<'_>, name: &str, spec: &EndpointSpec, buckets: &mut Vec<LimitPlan>) -> Vec<usize> {
    let path = KeyPath::of(["endpoints", name]);
    let mut positions = named(site, &path, spec, buckets);
    match (&spec.rate, &spec.limit) {
        (Some(_), Some(_)) => {
            let message = format!("`{path}` has both `rate` and `limit`");
            let help = format!(
                "put the rate into a limit of its own and name both: `[limits.{name}] rate = ..` and `limit = [\"..\", \"{name}\"]`"
            );
            site.conflict(
                &path.key("rate"),
                "a bucket of its own",
                &path.key("limit"),
                "and a shared one",
                message,
                &help,
            );
        }
        (Some(rate), None) => {
            positions.push(buckets.len());
            buckets.push(bucket(path.to_string(), rate, spec.burst));
        }
        (None, _) if spec.burst.is_some() => {
            let message = format!("`{path}.burst` has no effect without `rate`");
            site.error(codes::CONFLICT, &path.key("burst"), message, "a shared limit has its burst in [limits.NAME]");
        }
        (None, _) => {}
    }
    positions.sort_unstable();
    positions
}

fn named(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, buckets: &[LimitPlan]) -> Vec<usize> {
    let wanted = spec.limit.as_ref().map(|list| list.0.as_slice()).unwrap_or_default();
    let mut positions = Vec::new();
    for (index, name) in wanted.iter().enumerate() {
        let place = names::item(site, &path.key("limit"), index);
        match buckets.iter().position(|bucket| bucket.name == *name) {
            Some(position) if positions.contains(&position) => {
                let message = format!("`{path}` names the limit `{name}` twice");
                site.error(codes::DUPLICATE, &place, message, "name it once: a request takes one token of each limit");
            }
            Some(position) => positions.push(position),
            None => {
                let known: Vec<&str> = buckets.iter().map(|bucket| bucket.name.as_str()).collect();
                names::unknown(site, &place, "limit", name, &known, &["limits"]);
            }
        }
    }
    positions
}
