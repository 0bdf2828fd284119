//! `idempotency-key`: the header that lets a server tell a repetition, and what its keys depend on.
//!
//! Must never make a key depend on pace, sinks or columns: they may change in the middle of a run, and the
//! server must know the request again all the same.

use std::collections::BTreeMap;

use http::{HeaderName, Method};
use serde_json::Value;

use super::{Site, mention};
use crate::auth;
use crate::document::KeyPath;
use crate::plan::IdempotencyPlan;
use crate::spec::EndpointSpec;
use crate::spec::pace::{IdempotencySpec, IdempotencyTable, KeyStyle};

/// The header of draft-ietf-httpapi-idempotency-key-header.
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Decides the key of an endpoint's requests; `None`: they have none.
pub fn idempotency(
    site: &mut Site<'_>,
    path: &KeyPath,
    spec: &EndpointSpec,
    vars: &BTreeMap<String, Value>,
) -> Option<IdempotencyPlan> {
    let table = match spec.idempotency_key.as_ref()? {
        IdempotencySpec::Switch(false) => return None,
        IdempotencySpec::Switch(true) => IdempotencyTable::default(),
        IdempotencySpec::Table(table) => table.clone(),
    };
    let here = path.key("idempotency-key");
    let header = match &table.header {
        Some(name) => site.header_name(&here.key("header"), name)?,
        None => HEADER,
    };
    said_twice(site, path, spec, &header);
    let quoted = table.style.unwrap_or_default() == KeyStyle::Quoted;
    Some(IdempotencyPlan { header, quoted, content: content(spec, vars) })
}

fn said_twice(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, header: &HeaderName) {
    let here = path.key("idempotency-key");
    let mut headers = spec.headers.iter().flat_map(|headers| headers.names());
    if let Some(name) = headers.find(|name| name.eq_ignore_ascii_case(header.as_str())) {
        let message = format!("`idempotency-key` and the header `{header}` both say the key");
        let help = "take one of the two out";
        site.conflict(&path.key("headers").key(name), "here", &here, "and here", message, help);
    }
    let Some(auth) = spec.auth.as_ref().map(|auth| &auth.0) else { return };
    let Some(row) = auth::KINDS.iter().find(|row| row.name == auth.kind) else { return };
    if (row.owned)(&auth.value).headers.iter().any(|owned| owned.eq_ignore_ascii_case(header.as_str())) {
        let message = format!("`auth` and the key of a request can't both stand in the header `{header}`");
        site.conflict(&here, "here", &path.key("auth"), "and here", message, "give the key a header of its own");
    }
}

/// A fingerprint of what the job says of a request: another payload is another request, and has other keys.
fn content(spec: &EndpointSpec, vars: &BTreeMap<String, Value>) -> String {
    let method = spec.method.as_deref().unwrap_or(Method::GET.as_str());
    let said = (method, spec.address(), &spec.query, &spec.headers);
    let body = (&spec.json, &spec.form, &spec.multipart, &spec.body, &spec.body_file);
    let text = mention::text_of(&(said, body));
    let mentions = mention::Mentions::of([text.as_str()], "vars");
    let used: Vec<_> = vars.iter().filter(|(name, _)| mentions.has(name)).collect();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(text.as_bytes());
    hasher.update(mention::text_of(&used).as_bytes());
    format!("{:08x}", hasher.finalize())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(more: Value, vars: Value) -> String {
        let mut spec = json!({ "url": "https://a/{{ vars.base }}", "input": "a.csv", "method": "POST" });
        let more = more.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(more);
        content(&serde_json::from_value(spec).unwrap(), &serde_json::from_value(vars).unwrap())
    }

    #[test]
    fn another_payload_has_other_keys_and_another_pace_has_not() {
        let vars = json!({ "base": "x", "other": 1 });
        let plain = of(json!({}), vars.clone());
        assert_eq!(plain.len(), 8);
        for more in [
            json!({ "method": "PATCH" }),
            json!({ "url": "https://b" }),
            json!({ "query": { "a": 1 } }),
            json!({ "headers": { "a": "b" } }),
            json!({ "json": { "a": 1 } }),
            json!({ "form": { "a": 1 } }),
            json!({ "multipart": { "a": "b" } }),
            json!({ "body": "a" }),
            json!({ "body-file": "a" }),
        ] {
            assert_ne!(of(more.clone(), vars.clone()), plain, "{more}");
        }
        assert_ne!(of(json!({}), json!({ "base": "y", "other": 1 })), plain, "a variable that is used");
        for more in [
            json!({ "concurrency": 3, "rate": "1/s", "retry": { "attempts": 1 }, "order": "input" }),
            json!({ "columns": { "a": "$.b" }, "keep": [], "meta": [], "timeout": { "total": "1s" } }),
            json!({ "expect": { "status": 200 }, "rules": [], "input": "b.csv", "idempotency-key": true }),
        ] {
            assert_eq!(of(more.clone(), vars.clone()), plain, "{more}");
        }
        assert_eq!(of(json!({}), json!({ "base": "x", "other": 2 })), plain, "a variable that is not used");
    }
}
