//! What a job would send and write, key by key: a resume is refused when it differs.
//!
//! Pace, patience and words for people are no part of it: they may change in the middle of a run.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::mention::{self, Mentions};
use super::{input, stream};
use crate::plan::EndpointPlan;
use crate::sink::SinkPlan;
use crate::spec::{EndpointSpec, JobSpec};

/// A sink, with the names of the endpoints it takes records from.
#[derive(Debug)]
pub struct Output<'p> {
    /// The sink.
    pub plan: &'p SinkPlan,
    /// Names of endpoints.
    pub from: Vec<&'p str>,
}

/// Collects the identity of a job.
pub fn identity(
    spec: &JobSpec,
    vars: &BTreeMap<String, Value>,
    endpoints: &[EndpointPlan],
    outputs: &[Output<'_>],
) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let mut texts = String::new();
    for plan in endpoints {
        if let Some(written) = spec.endpoints.get(&plan.name) {
            texts.push_str(&mention::text_of(written));
            endpoint(&mut keys, plan, written);
        }
    }
    // Of sinks only those that hold templates may mention any.
    let sinks = spec.sinks.iter().flat_map(|sinks| &sinks.0).map(|(_, sink)| mention::text_of(sink));
    sinks.filter(|text| text.contains("{{")).for_each(|text| texts.push_str(&text));
    let mentions = Mentions::of([texts.as_str()], "vars");
    for (name, value) in vars.iter().filter(|(name, _)| mentions.has(name)) {
        keys.insert(format!("vars.{name}"), value.to_string());
    }
    for Output { plan, from } in outputs {
        let prefix = format!("sinks.{}", plan.name);
        keys.insert(format!("{prefix}.kind"), plan.kind.kind().to_owned());
        keys.insert(format!("{prefix}.target"), plan.kind.identity());
        keys.insert(format!("{prefix}.from"), from.join(", "));
        keys.insert(format!("{prefix}.rows"), text(&plan.rows));
        keys.insert(format!("{prefix}.columns"), plan.columns.as_ref().map_or("all".to_owned(), text));
        // A run whose journal is older than this key has none.
        if !plan.dedupe.is_empty() {
            keys.insert(format!("{prefix}.dedupe"), text(&plan.dedupe));
        }
    }
    keys
}

fn endpoint(keys: &mut BTreeMap<String, String>, plan: &EndpointPlan, written: &EndpointSpec) {
    let mut put = |key: &str, value: String| keys.insert(format!("endpoints.{}.{key}", plan.name), value);
    put("method", plan.method.to_string());
    put("url", written.address().to_owned());
    put("input", input::identity(written));
    put("order", text(&plan.order));
    put("expect.status", plan.expect.to_string());
    put("meta", text(&plan.meta));
    put("keep", written.keep.as_ref().map_or("all".to_owned(), text));
    for (name, values) in written.query.iter().flat_map(|query| &query.0) {
        put(&format!("query.{name}"), text(values));
    }
    for (name, value) in written.headers.iter().flat_map(|headers| &headers.0) {
        put(&format!("headers.{}", name.to_lowercase()), text(value));
    }
    if let Some(json) = &written.json {
        put("json", json.to_string());
    }
    for (name, values) in written.form.iter().flat_map(|form| &form.0) {
        put(&format!("form.{name}"), text(values));
    }
    for (name, values) in written.multipart.iter().flat_map(|parts| &parts.0) {
        put(&format!("multipart.{name}"), text(values));
    }
    if let Some(body) = &written.body {
        put("body", text(body));
    }
    if let Some(file) = &written.body_file {
        put("body-file", text(file));
    }
    if let Some(key) = &plan.idempotency {
        put("idempotency-key", format!("{} {}", key.header, if key.quoted { "quoted" } else { "bare" }));
    }
    if let Some(written) = stream::Written::of(written) {
        written.identity().into_iter().for_each(|(key, value)| drop(put(&key, value)));
    }
    if let Some(save) = &plan.save {
        put("save", save.written().to_owned());
    }
    if let Some(auth) = &plan.auth {
        put("auth", format!("{} {}", auth.kind(), auth.identity()));
    }
    if let Some(paginate) = &plan.paginate {
        put("paginate", format!("{} {}", paginate.kind(), paginate.identity()));
    }
    // A run whose journal is older than this key has none.
    if plan.client.cookies {
        put("client.cookies", "true".to_owned());
    }
    replies(keys, plan, written);
}

/// What is made of replies.
fn replies(keys: &mut BTreeMap<String, String>, plan: &EndpointPlan, written: &EndpointSpec) {
    let mut put = |key: &str, value: String| keys.insert(format!("endpoints.{}.{key}", plan.name), value);
    if let Some(rules) = written.rules.as_ref().filter(|rules| !rules.is_empty()) {
        put("rules", text(rules));
    }
    if let Some(chunk) = &written.chunk {
        // A batch that is no multiple of the chunk cuts it: then it decides what goes out together.
        let cut = plan.batch.size.filter(|batch| batch % u64::from(chunk.table().size.get()) != 0);
        put("chunk", text(chunk) + &cut.map(|batch| format!(", in batches of {batch}")).unwrap_or_default());
    }
    if let Some(rows) = &plan.rows {
        put("rows", rows.source().to_owned());
    }
    if let Some(asserts) =
        written.expect.as_ref().and_then(|expect| expect.assert.as_ref()).filter(|asserts| !asserts.0.is_empty())
    {
        put("expect.assert", text(asserts));
    }
    let names: Vec<&str> = plan.columns.iter().map(|column| column.name.as_str()).collect();
    put("columns", text(&names));
    for column in &plan.columns {
        let extractor =
            format!("{} {}{}", column.extractor.kind(), column.extractor.identity(), column.settle.identity());
        put(&format!("columns.{}", column.name), extractor);
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
