//! Whether a run goes on or begins, and why it may not go on.

use std::collections::BTreeMap;

use crate::journal::{Commit, Counts, FailedRow, Opening, Recovered, RowSet, Span, WalkNote};
use crate::plan::{EndpointPlan, Plan};
use crate::source::file;

use super::{Keyed, RunOptions};

/// What an input that can't be read twice is called in an identity.
pub const ONCE: &str = "read once";

/// What would be sent and written, key by key.
pub type Identity = BTreeMap<String, String>;

/// What a session does.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Begins a run.
    New,
    /// Goes on with an unfinished one.
    Resume(Recovered),
    /// Sends the failed rows of a run again.
    Again(Recovered),
}

/// What would be sent and written, inputs and files that go with every row included.
///
/// # Errors
/// When an input or a file can't be read.
pub fn identity(plan: &Plan) -> Result<Identity, Keyed> {
    let mut identity = plan.identity.clone();
    for endpoint in &plan.endpoints {
        let content = endpoint.source.identity().map_err(|error| Keyed::input(endpoint, &error.message))?;
        identity.insert(content_key(endpoint), content.unwrap_or_else(|| ONCE.to_owned()));
        for sent in endpoint.files_sent() {
            // Named as in the job: where the program was started makes no other file of it.
            if let (Some(name), Some(path)) = (sent.template().constant(), sent.constant()) {
                let content = file::identity(&path).map_err(|error| Keyed::body(endpoint, &error.message))?;
                identity.insert(format!("endpoints.{}.{name} (content)", endpoint.name), content);
            }
        }
    }
    Ok(identity)
}

/// The key of what an endpoint's input is.
pub(super) fn content_key(endpoint: &EndpointPlan) -> String {
    format!("endpoints.{}.input (content)", endpoint.name)
}

/// What an endpoint's input is; `None` where it can't be read twice.
#[must_use]
pub fn content_of<'i>(identity: &'i Identity, endpoint: &EndpointPlan) -> Option<&'i str> {
    identity.get(&content_key(endpoint)).map(String::as_str).filter(|content| *content != ONCE)
}

/// A key that changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Where in the job.
    pub key: String,
    /// What the run in the journal sends or writes.
    pub before: Option<String>,
    /// What the job says now.
    pub now: Option<String>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |side: &Option<String>| side.clone().unwrap_or_else(|| "(none)".to_owned());
        write!(f, "{}: was {}, is {}", self.key, shown(&self.before), shown(&self.now))
    }
}

/// What differs between two identities.
#[must_use]
pub fn changes(before: &Identity, now: &Identity) -> Vec<Change> {
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != now.get(*key))
        .map(|key| Change { key: key.clone(), before: before.get(key).cloned(), now: now.get(key).cloned() })
        .collect()
}

/// Decides what a session does.
///
/// # Errors
/// When a run can't go on: the job or an input changed, an input can't be read again, or there is no run
/// whose failed rows could be sent.
pub fn decide(
    plan: &Plan,
    recovered: Option<Recovered>,
    identity: &Identity,
    options: RunOptions,
) -> Result<Decision, String> {
    let Some(recovered) = recovered else {
        return if options.failed_only {
            Err(format!("there is no run of `{}` whose failed rows could be sent again; run it first", plan.name))
        } else {
            Ok(Decision::New)
        };
    };
    if options.failed_only {
        may_go_on(&recovered, identity, options)?;
        return Ok(Decision::Again(recovered));
    }
    if options.fresh || recovered.last.complete {
        return Ok(Decision::New);
    }
    may_go_on(&recovered, identity, options)?;
    Ok(Decision::Resume(recovered))
}

fn may_go_on(recovered: &Recovered, identity: &Identity, options: RunOptions) -> Result<(), String> {
    let run = &recovered.opening.run;
    if let Some((key, _)) = identity.iter().find(|(_, value)| *value == ONCE) {
        let endpoint = key.trim_end_matches(".input (content)");
        return Err(format!(
            "run {run} can't go on: {endpoint} reads standard input, which can't be read again; --fresh starts anew"
        ));
    }
    let changes = changes(&recovered.opening.identity, identity);
    if changes.is_empty() || options.accept_changes {
        return Ok(());
    }
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    Err(format!(
        "run {run} can't go on, for what it would send or write has changed:\n  {}\n\
         --accept-changes goes on with the job as it is now, --fresh starts anew",
        lines.join("\n  ")
    ))
}

/// The recovered state in the order of the plan's endpoints and sinks, which may have changed.
#[must_use]
pub fn fit(plan: &Plan, opening: &Opening, last: Commit) -> Commit {
    let endpoint = |name: &String| opening.endpoints.iter().position(|known| known == name);
    let sink = |name: &String| opening.sinks.iter().position(|known| known == name);
    let at = |name| endpoint(name).and_then(|position| last.done.get(position)).cloned().unwrap_or_default();
    let done: Vec<RowSet> = plan.endpoints.iter().map(|endpoint| at(&endpoint.name)).collect();
    let count = |name| endpoint(name).and_then(|position| last.counts.get(position)).copied().unwrap_or_default();
    let counts: Vec<Counts> = plan.endpoints.iter().map(|endpoint| count(&endpoint.name)).collect();
    let cursor = |name| sink(name).and_then(|position| last.cursors.get(position).copied().flatten());
    let cursors = plan.sinks.iter().map(|sink| cursor(&sink.name)).collect();
    let moved = |walk: WalkNote| {
        let name = opening.endpoints.get(walk.endpoint)?;
        let endpoint = plan.endpoints.iter().position(|endpoint| endpoint.name == *name)?;
        Some(WalkNote { endpoint, ..walk })
    };
    let walks = last.walks.iter().cloned().filter_map(moved).collect();
    let Commit { renames, holds, spools, written, .. } = last;
    Commit { done, counts, cursors, walks, renames, holds, spools, written, ..Commit::default() }
}

/// A failed row with the positions that its endpoint and its sinks have now; `None`: its endpoint is gone.
#[must_use]
pub fn renumber(row: FailedRow, before: &Opening, now: &Opening) -> Option<FailedRow> {
    let moved = |from: &[String], to: &[String], position: usize| {
        let name = from.get(position)?;
        to.iter().position(|known| known == name)
    };
    let endpoint = moved(&before.endpoints, &now.endpoints, row.endpoint)?;
    let span = |span: Span| Some(Span { sink: moved(&before.sinks, &now.sinks, span.sink)?, ..span });
    Some(FailedRow { endpoint, spans: row.spans.into_iter().filter_map(span).collect(), ..row })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::FailureKind;

    fn map(pairs: &[(&str, &str)]) -> Identity {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn changes_name_key_old_and_new() {
        let old = map(&[("endpoints.a.url", "http://x"), ("endpoints.a.method", "GET")]);
        let new = map(&[("endpoints.a.url", "http://y"), ("endpoints.a.method", "GET"), ("sinks.b.path", "c")]);
        let lines: Vec<String> = changes(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["endpoints.a.url: was http://x, is http://y", "sinks.b.path: was (none), is c"]);
    }

    #[test]
    fn failed_rows_follow_their_names() {
        let opening = |endpoints: &[&str], sinks: &[&str]| Opening {
            version: 1,
            run: String::new(),
            job: String::new(),
            started: String::new(),
            identity: Identity::new(),
            endpoints: endpoints.iter().map(ToString::to_string).collect(),
            sinks: sinks.iter().map(ToString::to_string).collect(),
        };
        let row = |endpoint, sinks: &[usize]| FailedRow {
            endpoint,
            row: 7,
            spans: sinks.iter().map(|sink| Span { sink: *sink, bytes: Some((1, 2)), line: None }).collect(),
            unknown: false,
            walk: None,
            attempts: 3,
            kind: Some(FailureKind::Status),
            error: "HTTP 500".to_owned(),
        };
        let (before, now) = (opening(&["a", "b"], &["x", "y"]), opening(&["c", "b"], &["y", "z", "x"]));
        assert_eq!(renumber(row(0, &[0]), &before, &now), None);
        assert_eq!(renumber(row(1, &[0, 1]), &before, &now), Some(row(1, &[2, 0])));
        assert_eq!(renumber(row(1, &[1]), &before, &opening(&["b"], &[])), Some(row(0, &[])));
    }
}
