//! One endpoint, all of its passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::sinks::Target;
use super::{Site, batch, client, columns, exposure, input, limits, request, retry, url};
use crate::auth::{self, AuthPlan};
use crate::document::KeyPath;
use crate::limit::LimitPlan;
use crate::plan::{EndpointPlan, StatusSet};
use crate::source::Columns;
use crate::spec::{EndpointSpec, JobSpec};
use crate::template::{RowScope, Scope, Spot};

/// What every endpoint is compiled with.
#[derive(Debug)]
pub struct Surroundings<'s> {
    /// The whole job, for what flows down.
    pub job: &'s JobSpec,
    /// Variables, decided.
    pub vars: &'s BTreeMap<String, Value>,
    /// Names of secrets.
    pub secrets: &'s [String],
}

/// Compiles an endpoint. The plan is `None` when it has no use; errors are told either way.
pub fn endpoint(
    site: &mut Site<'_>,
    around: &Surroundings<'_>,
    name: &str,
    spec: &EndpointSpec,
    buckets: &mut Vec<LimitPlan>,
) -> (Target, Option<EndpointPlan>) {
    let path = KeyPath::of(["endpoints", name]);
    let source = input::input(site, name, spec);
    let known = source.as_ref().map_or(Columns::Open, |source| source.columns());
    let scope = scope(around, &known);
    let reply_scope = Scope { reply: true, ..scope.clone() };

    let method = method(site, &path, spec);
    let url = site.template(&path.key("url"), &spec.url, Spot::Url, &scope);
    if let Some(url) = &url {
        url::check(site, &path.key("url"), url);
    }
    let query = request::query(site, &path, spec, &scope);
    let headers = request::headers(site, &path, spec, &scope);
    let auth = auth(site, &path, spec, &scope);
    let json = request::json(site, &path, spec, &scope);
    let limits = limits::of_endpoint(site, name, spec, buckets);
    let batch = batch::batch(site, name, spec, around.job);
    let retry = retry::retry(site, name, spec, around.job);
    let timeout = client::timeout(site, name, spec, around.job);
    let client = client::client(site, name, spec, around.job);
    let extracted = columns::columns(site, &path, spec, &reply_scope);
    let meta = columns::meta(site, &path, spec);
    let keep = columns::keep(site, &path, spec, &known);
    let layout = columns::layout(site, &path, spec, keep, &meta);

    let target = Target { name: name.to_owned(), layout: source.is_some().then(|| layout.clone()) };
    let plan = method.zip(url).zip(source).map(|((method, url), source)| EndpointPlan {
        name: name.to_owned(),
        method,
        url,
        query,
        headers,
        auth,
        json,
        source,
        limits,
        concurrency: spec.concurrency.unwrap_or(10) as usize,
        order: spec.order.unwrap_or_default(),
        batch,
        retry,
        timeout,
        client,
        expect: expect(spec),
        columns: extracted,
        meta,
        layout,
    });
    if let Some(plan) = &plan {
        exposure::check(site, plan);
    }
    (target, plan)
}

fn method(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec) -> Option<Method> {
    match &spec.method {
        Some(written) => request::method(site, &path.key("method"), written),
        None => Some(Method::GET),
    }
}

fn scope(around: &Surroundings<'_>, columns: &Columns) -> Scope {
    Scope {
        row: match columns {
            Columns::Known(header) => RowScope::Known(header.clone()),
            Columns::Open => RowScope::Open,
        },
        vars: around.vars.clone(),
        secrets: around.secrets.to_vec(),
        reply: false,
    }
}

fn expect(spec: &EndpointSpec) -> StatusSet {
    match spec.expect.as_ref().and_then(|expect| expect.status.as_ref()) {
        Some(statuses) => retry::status_set(&statuses.0),
        None => StatusSet::new(vec![(200, 299)]),
    }
}

fn auth(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Option<Arc<dyn AuthPlan>> {
    let written = &spec.auth.as_ref()?.0;
    let path = path.key("auth");
    let headers = spec.headers.iter().flat_map(|headers| headers.names());
    if let Some(header) = headers.into_iter().find(|header| header.eq_ignore_ascii_case(AUTHORIZATION.as_str())) {
        let other = KeyPath(path.0[..path.0.len() - 1].to_vec()).key("headers").key(header);
        let message = "`auth` and the header `authorization` both say who asks".to_owned();
        site.conflict(&other, "here", &path, "and here", message, "take one of the two out");
    }
    let row = auth::KINDS.iter().find(|row| row.name == written.kind)?;
    (row.compile)(site, &path.key(row.name), &written.value, scope)
}
