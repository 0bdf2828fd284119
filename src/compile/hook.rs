//! What a sink sends by itself, and what tells of the end of a run: a request without a row, decided by the passes that decide those of endpoints.
//!
//! Must never let a template of it see a row: a request is for many records.

use std::sync::Arc;

use serde_json::json;

use super::endpoint::{Output, Surroundings, Written};
use super::{Site, engine};
use crate::document::KeyPath;
use crate::limit::LimitPlan;
use crate::plan::EndpointPlan;
use crate::source::values;
use crate::spec::EndpointSpec;
use crate::template::{RowScope, Scope};

/// Decides the requests of the sink `name`, whose keys stand at `path`. `None` when they have no use; errors are told
/// either way.
pub fn hook(
    site: &mut Site<'_>,
    around: &Surroundings<'_>,
    (path, name): (&KeyPath, &str),
    spec: &EndpointSpec,
    buckets: &mut Vec<LimitPlan>,
) -> Option<EndpointPlan> {
    let written = Written { name: &format!("sinks.{name}"), spec, path: path.clone(), url: &["url"], around };
    let scope = Scope {
        row: RowScope::None,
        vars: around.vars.clone(),
        secrets: around.secrets.to_vec(),
        reply: false,
        last: None,
        messages: None,
    };
    decide(site, &written, &scope, buckets)
}

/// Decides requests that no row is sent with.
pub(super) fn decide(
    site: &mut Site<'_>,
    written: &Written<'_>,
    scope: &Scope,
    buckets: &mut Vec<LimitPlan>,
) -> Option<EndpointPlan> {
    let request = written.request(site, scope, scope);
    let settings = written.settings(site, scope, buckets);
    // Nothing asks it for rows.
    let source = (values::KIND.compile)(site, &written.path, &json!([{}]))?;
    let plan = written.plan(request?, Arc::clone(&source), settings, Output::none());
    engine::check(site, &written.path, &plan);
    Some(plan)
}
