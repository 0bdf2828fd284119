//! One endpoint, all of its passes.

use std::sync::Arc;

use http::{HeaderName, Method};

use super::sinks::Target;
use super::{
    Site, batch, body, chunk, client, columns, connections, engine, exposure, idempotency, input, limits, paginate,
    request, retry, rules, save, stream, url,
};
use crate::auth::{self, AuthPlan};
use crate::document::KeyPath;
use crate::extract::RowsPlan;
use crate::limit::LimitPlan;
use crate::paginate::PaginatePlan;
use crate::plan::{
    BatchPlan, BodyPlan, ChunkPlan, ColumnPlan, EndpointPlan, IdempotencyPlan, Meta, RulePlan, StatusSet, StreamPlan,
};
use crate::record::{InputColumns, Layout};
use crate::retry::RetryPlan;
use crate::save::SavePlan;
use crate::source::{Columns, SourcePlan};
use crate::spec::pace::ConcurrencySpec;
use crate::spec::{EndpointSpec, JobSpec};
use crate::template::{Condition, RowScope, Scope, Spot, Template, Vars};
use crate::transport::{ClientPlan, TimeoutPlan};

/// Requests in flight where the job does not say.
const CONCURRENCY: usize = 10;

/// What every endpoint is compiled with.
#[derive(Debug)]
pub struct Surroundings<'s> {
    /// The whole job, for what flows down.
    pub job: &'s JobSpec,
    /// Variables, decided.
    pub vars: &'s Vars,
    /// Names of secrets.
    pub secrets: &'s [String],
}

impl Surroundings<'_> {
    /// The names that templates over these columns may use.
    pub fn scope(&self, columns: &Columns) -> Scope {
        Scope {
            row: match columns {
                Columns::Known(header) => RowScope::Known(header.clone()),
                Columns::Open => RowScope::Open,
            },
            vars: self.vars.clone(),
            secrets: self.secrets.to_vec(),
            reply: false,
            last: None,
            messages: None,
        }
    }
}

/// Compiles an endpoint; `records`: the columns of those it reads where it is a chained one. The plan is `None` when it has no use; errors are told either way.
pub fn endpoint(
    site: &mut Site<'_>,
    around: &Surroundings<'_>,
    name: &str,
    spec: &EndpointSpec,
    records: Option<Columns>,
    buckets: &mut Vec<LimitPlan>,
) -> (Target, Option<EndpointPlan>) {
    let used = stream::without(spec);
    let (spec, whole) = (&*used, spec);
    let written = Written { name, spec, path: KeyPath::of(["endpoints", name]), url: spec.address_keys(), around };
    let source = input::input(site, around, name, spec, records);
    let known = source.as_ref().map_or(Columns::Open, |source| source.columns());
    let scope = chunk::request_scope(site, &written.path, spec, &around.scope(&known));
    let sending = stream::sending_scope(spec, &scope, &known);
    let request = written.request(site, &scope, &sending);
    let settings = written.settings(site, &scope, buckets);
    let mut output = written.output(site, &known);
    output.save = written.save(site, source.as_deref(), &scope, &output);
    let stream = written.stream(site, &known, &sending, buckets);
    stream::idle(site, &written.path, whole, around.job);
    if let Some(plan) = &output.chunk {
        chunk::idle(site, &written.path, plan, &settings.batch);
    }

    let target =
        Target { name: name.to_owned(), layout: source.is_some().then(|| output.layout.clone()), is_read: false };
    let plan = request.zip(source).map(|(request, source)| EndpointPlan {
        stream: stream.map(|stream| StreamPlan { uses_last: stream::uses_last(&request, &stream), ..stream }),
        ..written.plan(request, source, settings, output)
    });
    if let Some(plan) = &plan {
        exposure::check(site, plan);
        engine::check(site, &written.path, plan);
    }
    (target, plan)
}

/// An endpoint as it stands in the job, or whatever else sends requests.
pub(super) struct Written<'e> {
    pub(super) name: &'e str,
    pub(super) spec: &'e EndpointSpec,
    pub(super) path: KeyPath,
    /// The keys that its URL stands under.
    pub(super) url: &'e [&'e str],
    pub(super) around: &'e Surroundings<'e>,
}

/// What is sent.
pub(super) struct Request {
    method: Method,
    url: Template,
    query: Vec<(String, Vec<Template>)>,
    headers: Vec<(HeaderName, Template)>,
    auth: Option<Arc<dyn AuthPlan>>,
    body: BodyPlan,
    idempotency: Option<IdempotencyPlan>,
    paginate: Option<Arc<dyn PaginatePlan>>,
}

/// How it is sent.
pub(super) struct Settings {
    limits: Vec<usize>,
    batch: BatchPlan,
    retry: RetryPlan,
    timeout: TimeoutPlan,
    client: ClientPlan,
}

/// What becomes of replies.
pub(super) struct Output {
    rules: Vec<RulePlan>,
    asserts: Vec<Condition>,
    chunk: Option<ChunkPlan>,
    rows: Option<RowsPlan>,
    columns: Vec<ColumnPlan>,
    meta: Vec<Meta>,
    save: Option<SavePlan>,
    layout: Layout,
}

impl Output {
    /// Replies are looked at by their status alone, and give no records.
    pub(super) fn none() -> Self {
        Self {
            rules: Vec::new(),
            asserts: Vec::new(),
            chunk: None,
            rows: None,
            columns: Vec::new(),
            meta: Vec::new(),
            save: None,
            layout: Layout { input: InputColumns::Named(Vec::new()), cells: Vec::new() },
        }
    }
}

impl Request {
    /// Templates of what is sent, but for the body's and those of what proves who asks.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let query = self.query.iter().flat_map(|(_, values)| values);
        let headers = self.headers.iter().map(|(_, value)| value);
        std::iter::once(&self.url).chain(query).chain(headers)
    }
}

impl Written<'_> {
    /// Every part is looked at, also behind one that is wrong.
    /// `scope` has the names that are known before anything is sent, `sending` those of what is sent.
    pub(super) fn request(&self, site: &mut Site<'_>, scope: &Scope, sending: &Scope) -> Option<Request> {
        let (path, spec) = (&self.path, self.spec);
        let method = match &spec.method {
            Some(written) => request::method(site, &path.key("method"), written),
            None => Some(Method::GET),
        };
        let here = self.url.iter().fold(path.clone(), |path, key| path.key(*key));
        let url = site.template(&here, spec.address(), Spot::Url, sending);
        if let Some(url) = &url {
            url::check(site, &here, url, url::Schemes::of(spec));
        }
        let query = request::query(site, path, spec, sending);
        let mut headers = request::headers(site, path, spec, sending);
        stream::accepts(spec, scope, &mut headers);
        let auth = auth(site, path, spec, scope);
        let body = body::body(site, path, spec, scope, &headers);
        let idempotency = idempotency::idempotency(site, path, spec, self.around.vars);
        let paginate = paginate::paginate(site, path, spec);
        method.zip(url).map(|(method, url)| Request { method, url, query, headers, auth, body, idempotency, paginate })
    }

    pub(super) fn settings(&self, site: &mut Site<'_>, scope: &Scope, buckets: &mut Vec<LimitPlan>) -> Settings {
        let (path, name, spec, job) = (&self.path, self.name, self.spec, self.around.job);
        let limits = limits::of_endpoint(site, (path, name), spec, job, scope, buckets);
        let batch = batch::batch(site, path, spec, job);
        let retry = retry::retry(site, path, spec, job);
        Settings {
            limits,
            batch,
            retry: stream::reconnects(site, path, spec, retry),
            timeout: client::timeout(site, path, spec, job),
            client: stream::client(spec, job, client::client(site, path, spec, self.around)),
        }
    }

    fn output(&self, site: &mut Site<'_>, known: &Columns) -> Output {
        let (path, spec) = (&self.path, self.spec);
        let scope = self.reply_scope(known);
        let judging = chunk::request_scope(site, path, spec, &scope);
        let rules = rules::rules(site, path, spec, &judging);
        let asserts = rules::asserts(site, path, spec, &judging);
        let columns = columns::columns(site, path, spec, &scope);
        let meta = columns::meta(site, path, spec);
        let keep = columns::keep(site, path, spec, known);
        let layout = columns::layout(site, path, spec, keep, &meta);
        chunk::saved_pages(site, path, spec);
        let chunk = chunk::chunk(site, path, spec, known);
        let rows = chunk::rows(site, path, spec);
        Output { rules, asserts, chunk, rows, columns, meta, save: None, layout }
    }

    /// The names of replies.
    fn reply_scope(&self, known: &Columns) -> Scope {
        let messages = stream::Written::of(self.spec).map(stream::Written::messages);
        Scope { reply: true, messages, ..self.around.scope(known) }
    }

    fn stream(
        &self,
        site: &mut Site<'_>,
        known: &Columns,
        sending: &Scope,
        buckets: &mut Vec<LimitPlan>,
    ) -> Option<StreamPlan> {
        let judging = self.reply_scope(known);
        stream::stream(site, &self.path, (self.spec, self.around), (sending, &judging), buckets)
    }

    fn save(
        &self,
        site: &mut Site<'_>,
        source: Option<&dyn SourcePlan>,
        scope: &Scope,
        output: &Output,
    ) -> Option<SavePlan> {
        let accepted = rules::accepted(self.spec, expect(self.spec));
        let mut conditions = output.rules.iter().map(|rule| &rule.when).chain(&output.asserts);
        let reads = conditions.any(|condition| condition.uses_json() || condition.uses_text());
        let taken = save::Taken { columns: &output.columns, meta: &output.meta, reads, accepted };
        save::save(site, &self.path, self.spec, source, scope, taken)
    }

    pub(super) fn plan(
        &self,
        request: Request,
        source: Arc<dyn SourcePlan>,
        settings: Settings,
        output: Output,
    ) -> EndpointPlan {
        let Request { method, url, query, headers, auth, body, idempotency, paginate } = request;
        let Settings { limits, batch, retry, timeout, client } = settings;
        let Output { rules, asserts, chunk, rows, columns, meta, save, layout } = output;
        let plan = EndpointPlan {
            name: self.name.to_owned(),
            method,
            one_origin: url::is_one_for_all(&url),
            url,
            query,
            headers,
            auth,
            body,
            source,
            stream: None,
            paginate,
            limits,
            learn: self.spec.learn.unwrap_or(true),
            concurrency: CONCURRENCY,
            adaptive: false,
            order: self.spec.order.unwrap_or_default(),
            batch,
            retry: RetryPlan { keyed: idempotency.is_some(), ..retry },
            timeout,
            client,
            rules,
            expect: expect(self.spec),
            asserts,
            idempotency,
            chunk,
            rows,
            columns,
            meta,
            save,
            layout,
        };
        match self.spec.concurrency {
            None => plan,
            Some(ConcurrencySpec::Fixed(calls)) => EndpointPlan { concurrency: calls as usize, ..plan },
            Some(ConcurrencySpec::Auto) => {
                EndpointPlan { concurrency: connections::capacity(&plan), adaptive: true, ..plan }
            }
        }
    }
}

fn expect(spec: &EndpointSpec) -> StatusSet {
    if let Some(written) = stream::Written::of(spec) {
        return written.status();
    }
    match spec.expect.as_ref().and_then(|expect| expect.status.as_ref()) {
        Some(statuses) => retry::status_set(&statuses.0),
        None => StatusSet::new(vec![(200, 299)]),
    }
}

fn auth(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Option<Arc<dyn AuthPlan>> {
    let written = &spec.auth.as_ref()?.0;
    let row = auth::KINDS.iter().find(|row| row.name == written.kind)?;
    let auth::Owned { headers, query } = (row.owned)(&written.value);
    let names = spec.headers.iter().flat_map(|headers| headers.names());
    let twice: Vec<&str> = names.filter(|name| headers.iter().any(|owned| owned.eq_ignore_ascii_case(name))).collect();
    for name in twice {
        let message = format!("`auth` and the header `{}` both say who asks", name.to_ascii_lowercase());
        said_twice(site, path, &path.key("headers").key(name), message);
    }
    let names = spec.query.iter().flat_map(|query| query.names());
    let twice: Vec<&str> = names.filter(|name| query.iter().any(|owned| owned == name)).collect();
    for name in twice {
        let message = format!("`auth` and the query parameter `{name}` both say who asks");
        said_twice(site, path, &path.key("query").key(name), message);
    }
    (row.compile)(site, &path.key("auth").key(row.name), &written.value, scope)
}

fn said_twice(site: &mut Site<'_>, endpoint: &KeyPath, other: &KeyPath, message: String) {
    site.conflict(other, "here", &endpoint.key("auth"), "and here", message, "take one of the two out");
}
