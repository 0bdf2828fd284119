//! Limits: named token buckets, buckets of endpoints' own, and who takes from which.

mod taking;

use std::collections::HashSet;
use std::num::NonZeroU32;

use super::{Site, names, sinks};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::limit::LimitPlan;
use crate::spec::text::{ListSpec, RateSpec};
use crate::spec::{EndpointSpec, JobSpec};
use crate::template::Scope;

/// Buckets of `[limits]`, in the order of the file. `scope` knows of no columns: which there are depends on
/// who takes from a limit.
pub fn limits(site: &mut Site<'_>, spec: &JobSpec, scope: &Scope) -> Vec<LimitPlan> {
    let mut plans = Vec::new();
    for (name, limit) in spec.limits.iter().flat_map(|limits| &limits.0) {
        let path = KeyPath::of(["limits", name.as_str()]);
        plans.push(LimitPlan {
            cost: taking::cost(site, &path, limit, scope),
            key: taking::key(site, &path, limit, scope),
            learn: limit.learn.unwrap_or(true),
            ..bucket(name.clone(), &limit.rate, limit.burst)
        });
    }
    plans
}

/// Warns of limits that nothing takes from.
pub fn unused(site: &mut Site<'_>, spec: &JobSpec) {
    let lists = spec.endpoints.0.iter().filter_map(|(_, endpoint)| endpoint.limit.clone());
    let sinks = spec.sinks.iter().flat_map(|sinks| &sinks.0).filter_map(|(_, sink)| sinks::limit(sink));
    let lists: Vec<ListSpec<String>> = lists.chain(sinks).collect();
    let used: HashSet<&String> = lists.iter().flat_map(|list| &list.0).collect();
    for (name, _) in spec.limits.iter().flat_map(|limits| &limits.0).filter(|(name, _)| !used.contains(name)) {
        let message = format!("no endpoint takes from the limit `{name}`");
        let help = format!("write `limit = \"{name}\"` at an endpoint, or take the limit out");
        site.warning(codes::NO_EFFECT, &KeyPath::of(["limits", name.as_str()]), message, help);
    }
}

/// A bucket that nobody else takes from and no reply tells of.
pub(super) fn own_bucket(name: String, rate: &ListSpec<RateSpec>) -> LimitPlan {
    LimitPlan { learn: false, ..bucket(name, rate, None) }
}

fn bucket(name: String, rate: &ListSpec<RateSpec>, burst: Option<NonZeroU32>) -> LimitPlan {
    LimitPlan::new(name, rate.0.iter().map(RateSpec::get).collect(), burst.unwrap_or(NonZeroU32::MIN))
}

/// Positions of the buckets that the endpoint at `path` takes from, ascending; adds its own to `buckets`. `scope` is that of
/// what is sent.
pub fn of_endpoint(
    site: &mut Site<'_>,
    (path, name): (&KeyPath, &str),
    spec: &EndpointSpec,
    job: &JobSpec,
    scope: &Scope,
    buckets: &mut Vec<LimitPlan>,
) -> Vec<usize> {
    let mut positions = named(site, path, spec, buckets);
    for limit in positions.iter().map(|position| &buckets[*position].name) {
        if let Some(written) = job.limits.as_ref().and_then(|limits| limits.get(limit)) {
            taking::check_columns(site, limit, written, path, scope);
        }
    }
    if let (Some(_), Some(shared)) = (spec.learn, spec.limit.as_ref().and_then(|shared| shared.0.first())) {
        let message = format!("`{path}.learn` has no effect beside `limit`");
        let help = format!("a shared limit has its own: write `learn` into `[limits.{shared}]`");
        site.conflict(&path.key("learn"), "no effect", &path.key("limit"), "a shared limit", message, &help);
    }
    own(site, path, name, spec, buckets, &mut positions);
    positions.sort_unstable();
    positions
}

/// The bucket that an endpoint's own `rate` gives it.
fn own(
    site: &mut Site<'_>,
    path: &KeyPath,
    name: &str,
    spec: &EndpointSpec,
    buckets: &mut Vec<LimitPlan>,
    positions: &mut Vec<usize>,
) {
    match (&spec.rate, &spec.limit) {
        (Some(rate), Some(shared)) => {
            let message = format!("`{path}` can't have both `rate` and `limit`");
            let rate: Vec<String> = rate.0.iter().map(|rate| format!("{:?}", rate.text())).collect();
            let names: Vec<String> =
                shared.0.iter().chain([&name.to_owned()]).map(|name| format!("{name:?}")).collect();
            let rate = if let [only] = rate.as_slice() { only.clone() } else { format!("[{}]", rate.join(", ")) };
            let help = format!(
                "make the rate a limit, `[limits.{name}]` with `rate = {rate}`, and name all: `limit = [{}]`",
                names.join(", ")
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
            let learn = spec.learn.unwrap_or(true);
            buckets.push(LimitPlan { learn, ..bucket(path.to_string(), rate, spec.burst) });
        }
        (None, _) if spec.burst.is_some() => {
            let message = format!("`{path}.burst` has no effect without `rate`");
            match spec.limit.as_ref().and_then(|shared| shared.0.first()) {
                Some(shared) => {
                    let help = format!("a shared limit has its own: write `burst` into `[limits.{shared}]`");
                    site.conflict(
                        &path.key("burst"),
                        "no effect",
                        &path.key("limit"),
                        "a shared limit",
                        message,
                        &help,
                    );
                }
                None => site.error(codes::CONFLICT, &path.key("burst"), message, "add `rate = \"10/s\"`"),
            }
        }
        (None, _) => {}
    }
}

fn named(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, buckets: &[LimitPlan]) -> Vec<usize> {
    let wanted = spec.limit.as_ref().map(|list| list.0.as_slice()).unwrap_or_default();
    names::twice(site, &path.key("limit"), wanted);
    if wanted.is_empty() {
        return Vec::new();
    }
    let known: Vec<&str> = buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    names::positions(site, &path.key("limit"), wanted, ("limit", "limits"), &known)
}
