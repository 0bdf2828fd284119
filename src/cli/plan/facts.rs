//! The facts of a plan: everything `plan` shows, as plain data.

use std::time::Duration;

use serde::Serialize;

use super::first::count;
use super::notify::NotifyFacts;
use super::preview::{Shown, hosts, origins, preview, reached};
use super::resume::Resume;
use super::sinks::SinkFacts;
use super::stream::StreamFacts;
use super::touches::Touches;
use crate::clock;
use crate::limit::LimitPlan;
use crate::plan::display;
use crate::plan::estimate::{Binding, Estimate, estimate};
use crate::plan::{EndpointPlan, Plan, RulePlan};
use crate::retry::{Then, Unknown};
use crate::run::RunOptions;
use crate::save::SavePlan;
use crate::secret::{Origin, SecretPlan};
use crate::source::SourceError;
use crate::transport::proxy::routes::{self, Via};

/// What a run would do.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// Version of this format.
    pub version: u32,
    pub job: String,
    pub description: Option<String>,
    pub file: String,
    pub fingerprint: String,
    /// Rows taken of each input at most (`--limit`).
    pub row_limit: Option<u64>,
    pub endpoints: Vec<EndpointFacts>,
    pub sinks: Vec<SinkFacts>,
    /// Who is told when a run has ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<NotifyFacts>,
    pub secrets: Vec<SecretFacts>,
    /// What it can reach, read and write.
    pub touches: Touches,
    pub fail_if: Vec<String>,
    pub stop_if: Vec<String>,
    pub state: String,
    pub resume: Resume,
}

/// What an endpoint would do. What can't be known before the input is read is `None`.
#[derive(Debug, Serialize)]
pub struct EndpointFacts {
    pub name: String,
    pub input: String,
    /// The endpoint whose records are its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    pub rows: Option<u64>,
    /// How the list of each row is walked; `None`: one request for each row. Requests are those of first pages.
    pub paginate: Option<PaginateFacts>,
    pub requests: Option<u64>,
    /// How rows go out together; `None`: each alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<ChunkFacts>,
    /// With every retry that `retry.attempts` allows; what is sent again after a throttled reply or during an outage
    /// spends none of them and is not counted.
    pub most_requests: Option<u64>,
    pub batches: Option<u64>,
    pub batch_size: Option<u64>,
    pub batch_pause_seconds: Option<f64>,
    pub batches_in_flight: usize,
    /// Requests in flight; at most where `concurrency_auto`.
    pub concurrency: usize,
    /// Whether the number in flight is found while the run goes on.
    pub concurrency_auto: bool,
    pub limits: Vec<LimitFacts>,
    /// Whether what replies say of limits slows it down where it takes from no limit.
    pub learn: bool,
    pub shortest_seconds: Option<f64>,
    /// What it waits for most; `None`: requests in flight and the server decide.
    pub bound_by: Option<String>,
    /// Names of limits that are not in `shortest_seconds`, as rows decide what they take.
    pub not_counted: Vec<String>,
    pub repeats: RepeatFacts,
    pub rules: Vec<RuleFacts>,
    /// Conditions that every accepted reply must meet.
    pub asserts: Vec<String>,
    /// Hosts that requests go to; only those of the rows shown when `hosts_vary`.
    pub hosts: Vec<String>,
    pub hosts_vary: bool,
    /// How connections stay open; `None`: a request has one reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamFacts>,
    /// Where replies are saved; `None`: they are not.
    pub save: Option<SaveFacts>,
    /// Proxies that hosts are reached through, without users and passwords; other hosts are reached directly.
    pub proxies: Vec<Via>,
    pub preview: Vec<Shown>,
}

/// How a list is walked from page to page.
#[derive(Debug, Serialize)]
pub struct PaginateFacts {
    pub kind: &'static str,
    /// In words.
    pub words: String,
    /// Pages of each row at most; `None`: only the server knows.
    pub max_pages: Option<u64>,
}

/// Rows that go out in one request.
#[derive(Debug, Serialize)]
pub struct ChunkFacts {
    /// Rows in a request.
    pub size: u64,
    /// Whether the halves of a chunk that fails are tried.
    pub split: bool,
}

/// Where replies are saved.
#[derive(Debug, Serialize)]
pub struct SaveFacts {
    /// As written in the job.
    pub path: String,
    /// The folder that nothing is saved outside of, as the program reaches it.
    pub folder: String,
}

/// A token bucket.
#[derive(Debug, Serialize)]
pub struct LimitFacts {
    pub name: String,
    /// As in a job file: `10/s`, `100/30s`.
    pub rates: Vec<String>,
    pub burst: u32,
    /// Tokens of a request, as in a job file.
    pub cost: String,
    /// What there is a bucket for each of, as in a job file; `None`: there is one bucket.
    pub key: Option<String>,
    /// Whether what replies say of limits slows it down.
    pub learn: bool,
    /// All of it, for people.
    #[serde(skip)]
    pub line: String,
}

/// What is sent more than once.
#[derive(Debug, Serialize)]
pub struct RepeatFacts {
    /// Retries as a share of requests, 0..=1; `None`: reconnects alone bound them.
    pub budget: Option<f64>,
    /// The header that lets the server tell a repetition; `None`: there is none.
    pub key: Option<String>,
    /// Whether a request is sent again that may have reached the server.
    pub lost: bool,
    /// Why, or why not.
    pub why: String,
}

/// What becomes of some replies.
#[derive(Debug, Serialize)]
pub struct RuleFacts {
    pub when: String,
    pub then: Then,
}

/// A secret: never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretFacts {
    pub name: String,
    pub source: String,
}

impl Facts {
    /// Gathers everything; reads inputs to count their rows and to render the first of them.
    ///
    /// # Errors
    /// When an input can't be read.
    pub fn gather(plan: &Plan, options: RunOptions, rows: u64) -> Result<Self, SourceError> {
        let counted = plan.endpoints.iter().map(|endpoint| count(plan, endpoint)).collect::<Result<_, _>>()?;
        let resume = Resume::gather(plan, options).map_err(SourceError::new)?;
        Self::with(plan, counted, rows, resume)
    }

    /// What is known without reading an input: nothing is said of first rows, nor of a run before.
    ///
    /// # Errors
    /// None, as nothing is read.
    pub fn known(plan: &Plan) -> Result<Self, SourceError> {
        let limited = |rows: u64| plan.row_limit.map_or(rows, |limit| rows.min(limit));
        let counted = plan.endpoints.iter().map(|endpoint| endpoint.source.quick_count().map(limited)).collect();
        Self::with(plan, counted, 0, Resume::untold())
    }

    fn with(plan: &Plan, counted: Vec<Option<u64>>, rows: u64, resume: Resume) -> Result<Self, SourceError> {
        let estimates = estimate(plan, &counted);
        let endpoints = plan.endpoints.iter().zip(counted).zip(estimates);
        let endpoint = |((endpoint, counted), estimate)| {
            let facts = EndpointFacts::gather(plan, endpoint, counted, rows)?;
            Ok(match estimate {
                Some(estimate) => facts.estimated(plan, estimate, endpoint.retry.attempts),
                None => facts,
            })
        };
        let endpoints = endpoints.map(endpoint).collect::<Result<Vec<_>, SourceError>>()?;
        let secrets: Vec<SecretFacts> = plan.secrets.iter().map(SecretFacts::of).collect();
        Ok(Self {
            version: 1,
            job: plan.name.clone(),
            description: plan.description.clone(),
            file: plan.file.display().to_string(),
            fingerprint: plan.fingerprint(),
            row_limit: plan.row_limit,
            touches: Touches::of(plan, &endpoints, &secrets),
            endpoints,
            sinks: plan.sinks.iter().map(|sink| SinkFacts::of(plan, sink)).collect(),
            notify: plan.notify.iter().map(|notify| NotifyFacts::of(plan, notify)).collect(),
            secrets,
            fail_if: plan.fail_if.iter().map(ToString::to_string).collect(),
            stop_if: plan.stop_if.iter().map(ToString::to_string).collect(),
            state: plan.state.display().to_string(),
            resume,
        })
    }

    /// Rows of all endpoints, where every input is known.
    pub fn rows(&self) -> Option<u64> {
        self.endpoints.iter().map(|endpoint| endpoint.rows).sum()
    }

    /// The endpoint that takes longest by what is known: endpoints work side by side.
    pub fn longest(&self) -> Option<&EndpointFacts> {
        let known = self.endpoints.iter().filter(|endpoint| endpoint.shortest_seconds.is_some_and(|least| least > 0.0));
        known.max_by(|a, b| a.shortest_seconds.unwrap_or(0.0).total_cmp(&b.shortest_seconds.unwrap_or(0.0)))
    }
}

impl EndpointFacts {
    fn gather(plan: &Plan, endpoint: &EndpointPlan, rows: Option<u64>, shown: u64) -> Result<Self, SourceError> {
        // An input that can't be counted (standard input) would be used up by looking at it.
        let shown = rows.map_or(0, |rows| rows.min(shown));
        let preview = preview(plan, endpoint, shown)?;
        let (prefix, is_constant) = (endpoint.url.literal_prefix(), endpoint.url.constant().is_some());
        let (hosts, hosts_vary) = hosts(prefix, is_constant, &preview);
        let origins = origins(prefix, is_constant, &preview);
        let origins: Vec<String> = origins.iter().map(|origin| reached(origin)).collect();
        let proxies = routes::survey(&endpoint.client.proxy, &origins);
        Ok(Self {
            name: endpoint.name.clone(),
            input: endpoint.source.describe(),
            parent: endpoint.source.parent().map(str::to_owned),
            rows,
            paginate: endpoint.paginate.as_ref().map(|plan| PaginateFacts {
                kind: plan.kind(),
                words: plan.describe(),
                max_pages: plan.max_pages(),
            }),
            requests: None,
            chunk: endpoint.chunk.as_ref().map(|chunk| ChunkFacts { size: chunk.size as u64, split: chunk.split }),
            most_requests: None,
            batches: None,
            batch_size: endpoint.batch.size,
            batch_pause_seconds: endpoint.batch.size.map(|_| endpoint.batch.pause.as_secs_f64()),
            batches_in_flight: endpoint.batch.in_flight,
            concurrency: endpoint.concurrency,
            concurrency_auto: endpoint.adaptive,
            limits: endpoint.limits.iter().filter_map(|limit| plan.limits.get(*limit)).map(LimitFacts::of).collect(),
            learn: endpoint.learn,
            shortest_seconds: None,
            bound_by: None,
            not_counted: Vec::new(),
            repeats: RepeatFacts::of(endpoint),
            rules: endpoint.rules.iter().map(RuleFacts::of).collect(),
            asserts: endpoint.asserts.iter().map(|condition| condition.source().to_owned()).collect(),
            hosts,
            hosts_vary,
            stream: endpoint.stream.as_ref().map(|stream| StreamFacts::of(plan, endpoint, stream)),
            save: endpoint.save.as_ref().map(SaveFacts::of),
            proxies,
            preview,
        })
    }

    /// Requests when every chunk that may be split is, down to single rows: a row less than twice as many as its rows.
    fn at_worst(&self, requests: u64) -> u64 {
        match (&self.chunk, self.rows) {
            (Some(ChunkFacts { split: true, .. }), Some(rows)) => rows.saturating_mul(2).saturating_sub(requests),
            (_, _) => requests,
        }
    }

    fn estimated(self, plan: &Plan, estimate: Estimate, attempts: u32) -> Self {
        let name = |position: &usize| plan.limits[*position].name.clone();
        Self {
            not_counted: estimate.uncounted.iter().map(name).collect(),
            requests: Some(estimate.requests),
            // A message gives a connection all of its attempts back.
            most_requests: self
                .stream
                .is_none()
                .then(|| self.at_worst(estimate.requests).saturating_mul(u64::from(attempts))),
            batches: estimate.batches,
            shortest_seconds: Some(estimate.shortest.as_secs_f64()),
            bound_by: estimate.binding.map(|binding| bound_by(plan, binding)),
            ..self
        }
    }
}

/// What an endpoint waits for, in words.
fn bound_by(plan: &Plan, binding: Binding) -> String {
    match binding {
        Binding::Limit { limit, window } => {
            let limit = &plan.limits[limit];
            format!("limit {} ({})", limit.name, display::rate(&limit.windows[window]))
        }
        Binding::Pause => "the pause between batches".to_owned(),
    }
}

impl SaveFacts {
    fn of(save: &SavePlan) -> Self {
        Self { path: save.written().to_owned(), folder: save.root().display().to_string() }
    }
}

impl LimitFacts {
    pub(super) fn of(limit: &LimitPlan) -> Self {
        Self {
            name: limit.name.clone(),
            rates: limit.windows.iter().map(display::rate).collect(),
            burst: limit.burst.get(),
            cost: limit.cost.to_string(),
            key: limit.key.written().map(ToOwned::to_owned),
            learn: limit.learn,
            line: display::limit(limit),
        }
    }
}

impl RepeatFacts {
    fn of(endpoint: &EndpointPlan) -> Self {
        let method = &endpoint.method;
        let (lost, why) = if let Some(key) = &endpoint.idempotency {
            (true, format!("repeated: the server tells them by {}", key.header))
        } else if endpoint.may_repeat() {
            (true, format!("repeated: {method} in retry.methods"))
        } else if endpoint.retry.unknown == Unknown::Resend {
            (true, format!("repeated although {method} has no key: the server may act twice"))
        } else {
            (false, format!("not repeated: {method} without a key; their rows fail as unknown"))
        };
        let key = endpoint.idempotency.as_ref().map(|key| key.header.to_string());
        Self { budget: Some(endpoint.retry.budget.share).filter(|share| share.is_finite()), key, lost, why }
    }
}

impl RuleFacts {
    fn of(rule: &RulePlan) -> Self {
        Self { when: rule.when.source().to_owned(), then: rule.then }
    }
}

impl SecretFacts {
    fn of(secret: &SecretPlan) -> Self {
        let source = match &secret.origin {
            Origin::Environment(name) => format!("environment variable {name}"),
            Origin::EnvFile { variable, file, .. } => format!("variable {variable} of {}", file.display()),
            Origin::File(path) => format!("file {}", path.display()),
        };
        Self { name: secret.name.clone(), source }
    }
}

/// Seconds as people write them.
pub fn human_seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "longer than anyone can wait".to_owned(), clock::human)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn secrets_are_told_by_name_and_source() {
        let secret = SecretPlan { name: "token".into(), origin: Origin::Environment("PRICES_TOKEN".into()) };
        assert_eq!(SecretFacts::of(&secret).source, "environment variable PRICES_TOKEN");
    }

    #[test]
    fn seconds_for_people() {
        assert_eq!([human_seconds(99.8), human_seconds(f64::INFINITY)], ["1m 39s", "longer than anyone can wait"]);
    }
}
