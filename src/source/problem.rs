//! What a kind finds wrong with its value: decided without a site, so that it can be tested alone,
//! and reported with one. Must never be kept: it becomes a diagnostic at once.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::SourcePlan;
use crate::compile::Site;
use crate::diagnostic::{Code, codes};
use crate::document::KeyPath;

/// One thing that is wrong with the value of `input.KIND`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Its code.
    pub code: Code,
    /// The key of the value it is about; `None`: the whole value.
    pub key: Option<&'static str>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

impl Problem {
    /// An input that can't be read.
    pub fn input(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code: codes::INPUT, key: Some("path"), message: message.into(), help: help.into() }
    }

    /// A kind that this build was made without; `what` it is that it can't read.
    #[cfg_attr(
        all(feature = "parquet", feature = "sqlite", feature = "postgres"),
        expect(dead_code, reason = "a build with everything has nothing to say of what is missing")
    )]
    pub fn not_built(key: &'static str, what: &str, feature: &str) -> Self {
        Self {
            code: codes::BAD_VALUE,
            key: Some(key),
            message: format!("this build reads no {what}: it was made without the feature `{feature}`"),
            help: format!("build with `--features {feature}`, or without --no-default-features"),
        }
    }

    /// A value that is not allowed.
    pub fn value(key: Option<&'static str>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code: codes::BAD_VALUE, key, message: message.into(), help: help.into() }
    }
}

/// Reads a value as the spec of a kind. The schema has been checked before, so this fails only where
/// it says less than the type does.
pub(super) fn spec<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    T::deserialize(value).map_err(|error| Problem {
        code: codes::WRONG_TYPE,
        key: None,
        message: format!("this input does not have the right shape: {error}"),
        help: "`paceline kinds` shows an example of every kind of input".to_owned(),
    })
}

/// Hands a decision on, or reports why there is none.
pub(super) fn settle<P: SourcePlan + 'static>(
    site: &mut Site<'_>,
    path: &KeyPath,
    decision: Result<P, Problem>,
) -> Option<Arc<dyn SourcePlan>> {
    match decision {
        Ok(plan) => Some(Arc::new(plan)),
        Err(problem) => {
            let place = problem.key.map_or_else(|| path.clone(), |key| path.key(key));
            site.error(problem.code, &place, problem.message, problem.help);
            None
        }
    }
}
