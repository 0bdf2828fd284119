//! What the commands need of other rooms and can't have by a plain call: requests rendered for show,
//! the estimate, the identity of job and inputs together. One file, so that a change there is mended here.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;

use self::stand_in::RequestPlan;
use crate::plan::{EndpointPlan, Plan};
use crate::row::Row;
use crate::secret::Secrets;
use crate::source::SourceError;
use crate::template::Context;

pub use self::stand_in::{Estimate, schema_text};

/// Where `demo:` leads while nothing runs; shown as `demo:` again. A name that can't exist (RFC 6761).
const DEMO: &str = "http://demo.invalid";

/// Renders requests of an endpoint for show.
pub struct Preview {
    requests: RequestPlan,
    secrets: Secrets,
}

impl Preview {
    /// A preview with every secret masked.
    #[must_use]
    pub fn new(plan: &Plan, endpoint: &EndpointPlan) -> Self {
        Self { requests: RequestPlan::prepare(endpoint, Some(DEMO)), secrets: Secrets::masked(&plan.secrets) }
    }

    /// The request of a row.
    ///
    /// # Errors
    /// Why the row would fail, in words.
    pub fn request(&self, row: &Row) -> Result<Request<Bytes>, String> {
        let context = Context { row: Some(row), secrets: &self.secrets, reply: None };
        self.requests.build(&context).map_err(|failure| failure.message)
    }
}

/// A URL as it is shown.
#[must_use]
pub fn shown_url(url: &str) -> String {
    url.strip_prefix(DEMO).map_or_else(|| url.to_owned(), |path| format!("demo:{path}"))
}

/// Requests, batches and shortest duration of an endpoint.
#[must_use]
pub fn estimate(plan: &Plan, endpoint: &EndpointPlan, rows: u64) -> Estimate {
    stand_in::estimate(endpoint, &plan.limits, rows)
}

/// The identity of a job with its inputs, key by key, as a journal's opening holds it.
///
/// # Errors
/// When an input can't be read.
pub fn identity(plan: &Plan) -> Result<BTreeMap<String, String>, SourceError> {
    stand_in::identity(plan)
}

/// STAND-IN until the rooms it names are there: `crate::spec::schema_text`, `crate::plan::request`,
/// `crate::plan::estimate` and the run's identity. Goes away whole when they are.
mod stand_in {
    use super::{BTreeMap, Bytes, Context, EndpointPlan, Plan, Request, SourceError};
    use crate::limit::LimitPlan;
    use crate::retry::{Failure, FailureKind};
    use std::time::Duration;

    pub fn schema_text() -> String {
        "{}\n".to_owned()
    }

    pub struct RequestPlan;

    impl RequestPlan {
        pub fn prepare(_endpoint: &EndpointPlan, _demo: Option<&str>) -> Self {
            Self
        }

        pub fn build(&self, _context: &Context<'_>) -> Result<Request<Bytes>, Failure> {
            Err(Failure::unsent(FailureKind::Request, "requests can't be rendered yet"))
        }
    }

    pub struct Estimate {
        pub requests: u64,
        pub batches: u64,
        pub duration: Option<Duration>,
        pub bound_by: String,
    }

    pub fn estimate(endpoint: &EndpointPlan, _limits: &[LimitPlan], rows: u64) -> Estimate {
        let batches = endpoint.batch.size.map_or(1, |size| rows.div_ceil(size));
        Estimate { requests: rows, batches, duration: None, bound_by: String::new() }
    }

    pub fn identity(plan: &Plan) -> Result<BTreeMap<String, String>, SourceError> {
        let mut identity = plan.identity.clone();
        for endpoint in &plan.endpoints {
            if let Some(input) = endpoint.source.identity()? {
                identity.insert(format!("inputs.{}", endpoint.name), input);
            }
        }
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::shown_url;

    #[test]
    fn demo_urls_are_shown_as_written() {
        assert_eq!(shown_url("http://demo.invalid/products/1?a=b"), "demo:/products/1?a=b");
        assert_eq!(shown_url("https://api.example.com/x"), "https://api.example.com/x");
    }
}
