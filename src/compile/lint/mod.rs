//! Lints: what is legal, runs, and was most likely not meant. One table; each has its file, its code and its text
//! in `paceline explain`.
//!
//! Only asked of jobs without errors. Must never refuse a job, nor tell of what its writer has decided.

mod newer_toml;
mod no_repeat;
mod pause;
mod same_request;
mod stream;
#[cfg(test)]
mod tests;

use super::Site;
use crate::limit::LimitPlan;
use crate::plan::EndpointPlan;
use crate::spec::JobSpec;

/// What a lint may look at, beside the text.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// As written.
    pub job: &'a JobSpec,
    /// As decided.
    pub endpoints: &'a [EndpointPlan],
    /// As decided.
    pub limits: &'a [LimitPlan],
}

/// Every lint.
const LINTS: &[fn(&mut Site<'_>, Facts<'_>)] =
    &[newer_toml::check, no_repeat::check, pause::check, same_request::check, stream::check];

/// Warns of everything that a lint finds.
pub fn check(site: &mut Site<'_>, facts: Facts<'_>) {
    for lint in LINTS {
        lint(site, facts);
    }
}
