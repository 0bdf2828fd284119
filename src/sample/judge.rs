//! The judgement of a reply: rules, status, assertions, then what is taken of it, in the order of a run.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::columns::{Item, records};
use super::leave::{leave, there_is};
use super::pair::{Items, paired};
use super::{Again, Apart, Finding, Judged, Rows, Sample, Unjudged, Verdict, Why, kind, open};
use crate::diagnostic::{codes, did_you_mean};
use crate::document::KeyPath;
use crate::extract::{Page, Wanted};
use crate::paginate::{End, Following, PageReply};
use crate::plan::EndpointPlan;
use crate::retry::Then;
use crate::row::Row;
use crate::secret::{Masker, Secrets};
use crate::template::{Condition, Context, ReplyView};

/// A reply and all that it is judged by.
#[derive(Debug)]
pub(super) struct Trial<'t> {
    pub endpoint: &'t EndpointPlan,
    pub sample: &'t Sample,
    pub rows: &'t Rows,
    pub secrets: &'t Secrets,
    /// For words.
    pub masker: &'t Masker,
    /// For what stands in records, where a run leaves short secrets alone.
    pub cells: &'t Masker,
    /// The body, if it is JSON.
    pub json: Option<&'t Value>,
    /// What could not be judged.
    pub unjudged: RefCell<Vec<Unjudged>>,
    /// What has no partner in a chunk.
    pub apart: Cell<Apart>,
}

impl Trial<'_> {
    /// The path of a key of the endpoint.
    pub fn key(&self, name: &str) -> KeyPath {
        KeyPath::of(["endpoints", self.endpoint.name.as_str(), name])
    }

    /// Leaves something without a judgement.
    pub fn leave_open(&self, key: KeyPath, why: Why) {
        self.unjudged.borrow_mut().push(Unjudged { key, why });
    }

    /// What columns look at, for messages.
    pub fn what(&self) -> String {
        if self.endpoint.rows.is_some() { self.item() } else { self.sample.called.to_owned() }
    }

    /// One of several, for messages.
    pub fn item(&self) -> String {
        format!("an item of {}", self.sample.called)
    }

    fn status(&self) -> u16 {
        self.sample.status.or_else(|| self.endpoint.expect.typical()).unwrap_or(200)
    }
}

/// Judges a reply to an endpoint's request for these rows as a run would. Of secrets, the maskers of words and of
/// records know them all ([`Secrets::maskers`]).
#[must_use]
pub fn judge(
    endpoint: &EndpointPlan,
    sample: &Sample,
    rows: &Rows,
    secrets: &Secrets,
    (masker, cells): (&Masker, &Masker),
) -> Judged {
    let read = std::str::from_utf8(&sample.body).map_err(|error| error.to_string());
    let read = read.and_then(|text| Wanted::whole().read(text).map_err(|error| error.to_string()));
    let (json, unjudged, apart) = (read.as_ref().ok(), RefCell::default(), Cell::default());
    let trial = Trial { endpoint, sample, rows, secrets, masker, cells, json, unjudged, apart };
    let (page, meta) = (Page::default(), meta(&trial));
    let view = ReplyView {
        status: trial.status(),
        headers: &sample.headers,
        body: &sample.body,
        json: trial.json,
        meta: &meta,
        item: trial.json,
        page: &page,
    };
    let (mut findings, mut is_last) = (Vec::new(), false);
    let verdict = match ruled(&trial, &view, &mut findings) {
        Some(verdict) => verdict,
        None => {
            findings.extend(read.as_ref().err().and_then(|error| no_json(&trial, error)));
            let (verdict, follows) = taken(&trial, &view, &mut findings);
            is_last = matches!(follows, Some(Following::End(End::Absent)));
            verdict
        }
    };
    let findings = findings.into_iter().map(|one| one.masked(masker)).collect();
    Judged { verdict, findings, unjudged: trial.unjudged.take(), is_last, apart: trial.apart.take() }
}

/// What templates see of an attempt: the only one, which took no time.
fn meta(trial: &Trial<'_>) -> Map<String, Value> {
    let row = trial.rows.call.ordinal + 1;
    let page = trial.endpoint.paginate.as_ref().map(|_| 1);
    let mut meta = Map::new();
    for (name, value) in [
        ("status", json!(trial.status())),
        ("attempts", json!(1)),
        ("duration_ms", json!(0)),
        ("url", json!(trial.masker.mask(&trial.sample.url.to_string()))),
        ("received_at", json!(crate::clock::timestamp())),
        ("row", json!(row)),
        ("page", json!(page)),
        ("endpoint", json!(trial.endpoint.name)),
    ] {
        meta.insert(name.to_owned(), value);
    }
    if let Some(stream) = &trial.endpoint.stream {
        // The first message of its row, on a connection that is open.
        let kind = if stream.is_socket() { Value::Null } else { json!("message") };
        let own = [("message", json!(1)), ("event", kind), ("event_id", Value::Null)];
        let ends = [("close_code", Value::Null), ("close_reason", Value::Null)];
        meta.extend(own.into_iter().chain(ends).map(|(name, value)| (name.to_owned(), value)));
    }
    if trial.endpoint.save.is_some() {
        meta.insert("saved".to_owned(), Value::Null);
    }
    meta
}

/// What rules, status and assertions make of the reply; `None`: it is accepted.
fn ruled(trial: &Trial<'_>, view: &ReplyView<'_>, findings: &mut Vec<Finding>) -> Option<Verdict> {
    let context = Context { row: Some(&trial.rows.call), secrets: trial.secrets, reply: Some(view), last: None };
    for (position, rule) in trial.endpoint.rules.iter().enumerate() {
        let key = trial.key("rules").index(position).key("when");
        if let Some(why) = open::of_condition(trial, &rule.when) {
            trial.leave_open(key, why);
            continue;
        }
        match holds(trial, &rule.when, &context, &key) {
            Ok(true) if rule.then == Then::Accept => return None,
            Ok(true) => return Some(Verdict::Ruled(position, rule.then)),
            Ok(false) => findings.extend(slip(trial, &rule.when, &context, &key)),
            Err(finding) => {
                findings.push(*finding);
                return Some(Verdict::Refused);
            }
        }
    }
    if !trial.endpoint.expect.contains(trial.status()) {
        return Some(unexpected(trial, findings));
    }
    asserted(trial, &context, findings)
}

/// A status that is not expected. Where a run tries such a reply again no key of the job is to blame.
fn unexpected(trial: &Trial<'_>, findings: &mut Vec<Finding>) -> Verdict {
    let status = trial.status();
    if let Some(again) = Again::of(trial.endpoint, status, &trial.sample.headers) {
        return Verdict::Again(again);
    }
    let message = format!("{} has the status {status}, which is not expected", trial.sample.called);
    let help = match status {
        401 | 403 | 407 => "look at what proves who asks: `auth`, `headers`, and the secrets in them",
        _ if trial.endpoint.stream.is_some() => "write a rule for it, or look at the URL: this opens nothing",
        429 | 500.. => "the server is not well or asked too often: `retry` says which replies a run tries again",
        _ => "add it to `expect.status`, write a rule for it, or take a reply that is accepted",
    };
    findings.push(Finding::new(codes::SAMPLE_REFUSED, trial.key("expect").key("status"), message, help));
    Verdict::Refused
}

fn asserted(trial: &Trial<'_>, context: &Context<'_>, findings: &mut Vec<Finding>) -> Option<Verdict> {
    for (position, condition) in trial.endpoint.asserts.iter().enumerate() {
        let key = trial.key("expect").key("assert").index(position);
        if let Some(why) = open::of_condition(trial, condition) {
            trial.leave_open(key, why);
            continue;
        }
        match holds(trial, condition, context, &key) {
            Ok(true) => continue,
            Ok(false) => findings.push(slip(trial, condition, context, &key).unwrap_or_else(|| {
                let message = format!("this does not hold for {}: {}", trial.sample.called, condition.source());
                let help = "a row with such a reply fails: assert something else, or take a reply that is accepted";
                Finding::new(codes::SAMPLE_REFUSED, key, message, help)
            })),
            Err(finding) => findings.push(*finding),
        }
        return Some(Verdict::Refused);
    }
    None
}

/// Whether a condition holds, or why that can't be told.
fn holds(trial: &Trial<'_>, condition: &Condition, context: &Context<'_>, key: &KeyPath) -> Result<bool, Box<Finding>> {
    condition.holds(context).map_err(|error| {
        let message = format!(
            "the condition can't be computed for {}: {}",
            trial.sample.called,
            trial.masker.mask(&error.message)
        );
        let help = "a row with such a reply fails: write the filter that makes the value what it is compared with";
        Box::new(Finding::new(codes::SAMPLE_REFUSED, key.clone(), message, help))
    })
}

/// A name in a condition that is most likely a slip of the pen. That a reply lacks what a condition looks for is no
/// mistake by itself.
fn slip(trial: &Trial<'_>, condition: &Condition, context: &Context<'_>, key: &KeyPath) -> Option<Finding> {
    condition.lacking(context).into_iter().find_map(|lacking| {
        let names: Vec<&str> = lacking.names.iter().map(String::as_str).collect();
        let near = did_you_mean(&lacking.name, names.iter().copied())?;
        let message = format!("{} of {} has no `{}`", lacking.holder, trial.sample.called, lacking.name);
        let finding = Finding::new(codes::SAMPLE_LACKS, key.clone(), message, there_is(Some(near), &names));
        Some(match condition.source().find(&lacking.name) {
            Some(start) => finding.within(start..start + lacking.name.len()),
            None => finding,
        })
    })
}

/// A body that is not JSON, told at the first key that needs it to be.
fn no_json(trial: &Trial<'_>, error: &str) -> Option<Finding> {
    let endpoint = trial.endpoint;
    let rows = endpoint.rows.iter().map(|_| trial.key("rows"));
    let columns = endpoint.columns.iter().filter(|column| column.extractor.needs().is_json());
    let columns = columns.map(|column| trial.key("columns").key(&column.name).key(column.extractor.kind()));
    let pages = endpoint.paginate.iter().filter(|pages| pages.needs().iter().any(crate::extract::Need::is_json));
    let pages = pages.map(|pages| trial.key("paginate").key(pages.kind()));
    let key = rows.chain(columns).chain(pages).next()?;
    let (words, help) = kind::no_json(&trial.sample.body, error);
    let message = format!("this needs JSON, and {} {words}", trial.sample.called);
    Some(Finding::new(codes::SAMPLE_REFUSED, key, message, help))
}

/// The records of an accepted reply, and what follows it; `None`: its walk could not go on.
fn taken(trial: &Trial<'_>, view: &ReplyView<'_>, findings: &mut Vec<Finding>) -> (Verdict, Option<Following>) {
    let Items { items, are_strays } = items(trial, findings);
    let refused = findings.iter().any(|finding| finding.code == codes::SAMPLE_REFUSED);
    let records = records(trial, view, &items, findings);
    let records = records.map(|records| if are_strays { Vec::new() } else { records });
    let count = records.as_ref().map_or(0, Vec::len) as u64;
    let follows = pages(trial, view, count, findings);
    let verdict = match records {
        Some(records) if follows.is_some() && !refused => Verdict::Accepted(records),
        Some(_) | None => Verdict::Refused,
    };
    (verdict, follows)
}

/// The items of the reply with their rows; one for the whole of it where it has no `rows`.
fn items<'t>(trial: &Trial<'t>, findings: &mut Vec<Finding>) -> Items<'t> {
    let members = trial.rows.call.members();
    let item = |row: &Arc<Row>, value| Item { row: Arc::clone(row), value };
    let Some(rows) = &trial.endpoint.rows else {
        return Items::of(members.iter().map(|row| item(row, trial.json)).collect());
    };
    let Some(json) = trial.json else { return Items::of(Vec::new()) };
    let items = rows.items(json);
    if items.is_empty() {
        findings.extend(leave(rows.source(), &[json], trial.sample.called).map(|left| left.at(trial.key("rows"))));
    }
    match &trial.endpoint.chunk {
        None => Items::of(items.into_iter().map(|value| item(&members[0], Some(value))).collect()),
        Some(chunk) => paired(trial, chunk, (members, &items), findings),
    }
}

/// What follows by the place where the next page is named, its end where there are no pages; `None`: the walk could not
/// go on. That nothing stands there is so on every last page: only a slip of the pen is told.
fn pages(trial: &Trial<'_>, view: &ReplyView<'_>, records: u64, findings: &mut Vec<Finding>) -> Option<Following> {
    let over = Some(Following::End(End::NoNext));
    let (Some(plan), Some(json)) = (&trial.endpoint.paginate, trial.json) else { return over };
    let key = trial.key("paginate").key(plan.kind());
    if plan.reads_headers() && !trial.sample.has_head {
        trial.leave_open(key, Why::Head);
        return over;
    }
    for (name, path) in plan.paths() {
        let left = leave(path, &[json], trial.sample.called).filter(|left| left.is_near);
        findings.extend(left.map(|left| left.at(key.key(name))));
    }
    let reply = PageReply { json: Some(json), headers: view.headers, url: &trial.sample.url, records };
    match plan.following(&plan.first(), 0, &reply) {
        Ok(follows) => Some(follows),
        Err(words) => {
            let message = format!("the walk can't go on behind {}: {}", trial.sample.called, trial.masker.mask(&words));
            let help = "name the place in the reply where this stands, or take another kind of pagination";
            findings.push(Finding::new(codes::SAMPLE_UNLIKE, key, message, help));
            None
        }
    }
}
