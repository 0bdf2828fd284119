//! `[[notify]]`: requests that tell of the end of a run, decided by the passes that decide those of endpoints.
//!
//! Pace and patience of the job are for its rows: nothing of `[retry]`, `[timeout]` or `[limits]` flows down here. Must
//! never let a template of it see a row, nor a URL whose path is a password stand in the file.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::endpoint::{Surroundings, Written};
use super::{Site, hook, names};
use crate::clock;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::EndpointPlan;
use crate::plan::notify::{NAMES, NotifyPlan, Occasion};
use crate::row::Header;
use crate::spec::notify::NotifySpec;
use crate::spec::{EndpointSpec, JobSpec};
use crate::template::{RowScope, Scope, Template};

/// Attempts where the job does not say.
const ATTEMPTS: u32 = 3;

/// The whole of an attempt where the job does not say.
const TOTAL: Duration = Duration::from_secs(10);

/// All of a notification, its retries too.
pub const ALTOGETHER: Duration = Duration::from_secs(30);

/// Keys of an endpoint that say nothing here, and why.
const IDLE: [(&str, &str, &str); 5] = [
    ("retry", "methods", "each request has a key that tells a repetition"),
    ("retry", "unknown", "each request has a key that tells a repetition, and is sent again"),
    ("retry", "budget", "one request follows the other"),
    ("retry", "max-wait", "a notification is given up after 30 seconds"),
    ("timeout", "row", "there is no row: a notification is given up after 30 seconds"),
];

/// Services whose webhooks are known to whoever knows their path: end of the host, beginning of the path.
const BY_PATH: [(&str, &str); 6] = [
    ("hooks.slack.com", "/services/"),
    ("discord.com", "/api/webhooks/"),
    ("discordapp.com", "/api/webhooks/"),
    ("office.com", "/webhook"),
    ("api.telegram.org", "/bot"),
    ("chat.googleapis.com", "/v1/spaces/"),
];

/// Decides every notification.
pub fn notify(site: &mut Site<'_>, around: &Surroundings<'_>) -> Vec<NotifyPlan> {
    let Some(written) = &around.job.notify else { return Vec::new() };
    let job = JobSpec { batch: None, retry: None, timeout: None, limits: None, ..around.job.clone() };
    let around = Surroundings { job: &job, ..*around };
    let plans = written.iter().enumerate().map(|(position, spec)| one(site, &around, position, spec));
    plans.collect::<Vec<_>>().into_iter().flatten().collect()
}

/// The key of a notification.
#[must_use]
pub fn place(position: usize) -> KeyPath {
    KeyPath::of(["notify"]).index(position)
}

fn one(site: &mut Site<'_>, around: &Surroundings<'_>, position: usize, spec: &NotifySpec) -> Option<NotifyPlan> {
    let path = place(position);
    let on = spec.on.as_ref().map_or(Occasion::DEFAULT.to_vec(), |on| on.0.clone());
    let named: Vec<&str> = on.iter().map(|occasion| occasion.name()).collect();
    names::twice(site, &path.key("on"), &named);
    let sends = sends(site, &path, spec)?;
    let written = Written { name: &path.to_string(), spec: &sends, path: path.clone(), url: &["webhook"], around };
    let row = RowScope::Run(Arc::new(Header::new(NAMES.map(str::to_owned).to_vec())));
    let scope = Scope {
        row,
        vars: around.vars.clone(),
        secrets: around.secrets.to_vec(),
        reply: false,
        last: None,
        messages: None,
    };
    idle(site, &path, spec);
    let plan = hook::decide(site, &written, &scope, &mut Vec::new())?;
    in_plain(site, &path.key("webhook"), &plan.url);
    Some(NotifyPlan { on, sends: patient(spec, plan) })
}

/// As an endpoint, whose passes decide the rest.
fn sends(site: &mut Site<'_>, path: &KeyPath, spec: &NotifySpec) -> Option<EndpointSpec> {
    let method = spec.method.as_deref().unwrap_or("POST");
    let has_own_key = own_key(site, path, spec);
    let told =
        json!({ "url": spec.webhook, "method": method, "input": { "values": [{}] }, "idempotency-key": !has_own_key });
    match EndpointSpec::deserialize(told) {
        Ok(told) => Some(EndpointSpec {
            headers: spec.headers.clone(),
            auth: spec.auth.clone(),
            json: spec.json.clone().or_else(|| whole(spec, method)),
            form: spec.form.clone(),
            body: spec.body.clone(),
            retry: spec.retry.clone(),
            timeout: spec.timeout.clone(),
            client: spec.client.clone(),
            ..told
        }),
        Err(error) => {
            let help = "for example `webhook = \"https://hooks.example.com/paceline\"`";
            site.error(codes::BAD_VALUE, path, format!("this notification is not right: {error}"), help);
            None
        }
    }
}

/// Whether the job gives a key that tells a repetition, which is told: each telling has one of its own.
fn own_key(site: &mut Site<'_>, path: &KeyPath, spec: &NotifySpec) -> bool {
    let mut names = spec.headers.iter().flat_map(|headers| headers.names());
    let Some(name) = names.find(|name| name.eq_ignore_ascii_case("idempotency-key")) else { return false };
    let message = "a notification has an `idempotency-key` already, another one each time that it is told";
    site.key_error(codes::CONFLICT, &path.key("headers").key(name), message, "take it out");
    true
}

/// A body with all that is known, where the job gives none and the method has one.
fn whole(spec: &NotifySpec, method: &str) -> Option<Value> {
    let is_given = spec.form.is_some() || spec.body.is_some();
    let value = |name: &str| (name.to_owned(), Value::from(format!("{{{{ run.{name} }}}}")));
    let has_none = is_given || matches!(method, "GET" | "HEAD");
    (!has_none).then(|| Value::Object(NAMES.into_iter().map(value).collect::<Map<_, _>>()))
}

fn idle(site: &mut Site<'_>, path: &KeyPath, spec: &NotifySpec) {
    for (group, key, why) in IDLE {
        let here = path.key(group).key(key);
        if site.document.get(&here).is_some() {
            site.warning(codes::NO_EFFECT, &here, format!("`{here}` has no effect: {why}"), "take it out");
        }
    }
    let total =
        spec.timeout.as_ref().and_then(|timeout| timeout.total.as_ref()).filter(|total| total.get() > ALTOGETHER);
    if let Some(total) = total {
        let (here, most) = (path.key("timeout").key("total"), clock::human(ALTOGETHER));
        let message = format!("`{here}` of {} has no effect: a notification is given up after {most}", total.text());
        site.warning(codes::NO_EFFECT, &here, message, format!("write {most} at most"));
    }
}

/// What a notification has in the place of an endpoint's defaults.
fn patient(spec: &NotifySpec, mut plan: EndpointPlan) -> EndpointPlan {
    if spec.retry.as_ref().and_then(|retry| retry.attempts).is_none() {
        plan.retry.attempts = ATTEMPTS;
    }
    if spec.timeout.as_ref().and_then(|timeout| timeout.total.as_ref()).is_none() {
        plan.timeout.total = TOTAL;
    }
    plan.retry.max_wait = ALTOGETHER;
    plan
}

/// A webhook that is secret as a whole, and stands there for all to read.
fn in_plain(site: &mut Site<'_>, path: &KeyPath, url: &Template) {
    let written = url.constant().unwrap_or_else(|| url.literal_prefix());
    let Some((host, rest)) = written.split_once("://").and_then(|(_, rest)| rest.split_once('/')) else { return };
    let is_secret = |(end, start): &(&str, &str)| {
        let is_host = host.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        let behind = format!("/{rest}");
        is_host && behind.strip_prefix(start).is_some_and(|token| !token.is_empty())
    };
    let place = site.document.place(path);
    if !BY_PATH.iter().any(is_secret) || site.diagnostics.has(codes::SECRET_IN_FILE, place) {
        return;
    }
    let message = format!("whoever knows this URL can post to {host}: it is a secret, and a job file holds none");
    let help = "keep it out of the file: declare `hook.env = \"HOOK_URL\"` under `[secrets]` and write \
                `webhook = \"{{ secrets.hook }}\"`";
    site.diagnostics.push(Diagnostic::error(codes::SECRET_IN_FILE, message).at_hidden(place).help(help));
}
