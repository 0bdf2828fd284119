//! What an attempt takes from its limits: how many tokens of which bucket.
//!
//! Where every request of an endpoint takes one token of the same buckets, nothing is computed or allocated
//! for a row. Must never decide whether a token may be taken.

use std::borrow::Cow;
use std::sync::Arc;

use http::Uri;

use crate::clock::Instant;
use crate::limit::{Buckets, CostPlan, KeyPlan, Take};
use crate::retry::Failure;
use crate::template::Context;

/// What an endpoint's requests take.
#[derive(Debug)]
pub struct Limits {
    /// Its limits; at least one, so that a server's word always has something to hold.
    pub buckets: Vec<Arc<Buckets>>,
    /// What every request takes, where it is the same for all.
    same: Option<Vec<Take>>,
}

/// What one attempt takes.
#[derive(Debug)]
pub enum Takings<'l> {
    /// What every request of the endpoint takes.
    Same(&'l [Take]),
    /// What this row's requests take, for each limit.
    Own(Vec<Taking<'l>>),
}

/// What one attempt takes of a limit.
#[derive(Debug)]
pub struct Taking<'l> {
    buckets: &'l Buckets,
    cost: u32,
    /// Which bucket, where the row decides; else the only one, or that of the host.
    key: Option<String>,
}

impl Limits {
    /// The limits of an endpoint.
    #[must_use]
    pub fn new(buckets: Vec<Arc<Buckets>>) -> Self {
        let take = |buckets: &Arc<Buckets>| match &buckets.plan().cost {
            CostPlan::Fixed(cost) => Some(Take { limiter: Arc::clone(buckets.one()?), cost: cost.get() }),
            CostPlan::Row(_) => None,
        };
        let same = buckets.iter().map(take).collect();
        Self { buckets, same }
    }

    /// What the attempt of a row takes.
    ///
    /// # Errors
    /// When the row makes no cost or key of it.
    pub fn of<'l>(&'l self, context: &Context<'_>) -> Result<Takings<'l>, Failure> {
        if let Some(same) = &self.same {
            return Ok(Takings::Same(same));
        }
        let taking = |buckets: &'l Arc<Buckets>| {
            let plan = buckets.plan();
            Ok(Taking { buckets, cost: plan.cost.of(context)?, key: plan.key.of(context)? })
        };
        self.buckets.iter().map(taking).collect::<Result<_, _>>().map(Takings::Own)
    }
}

impl<'l> Takings<'l> {
    /// The tokens of a request to this URL.
    #[must_use]
    pub fn to(&self, url: &Uri) -> Cow<'l, [Take]> {
        match self {
            Self::Same(takes) => Cow::Borrowed(takes),
            Self::Own(takings) => takings.iter().map(|taking| taking.to(url)).collect(),
        }
    }

    /// When it is about this attempt's turn at a limit with a bucket for each key, if that is not now.
    #[must_use]
    pub fn place(&self, url: &Uri, now: Instant) -> Option<Instant> {
        self.keyed(url).filter_map(|take| take.limiter.place(take.cost, now)).max()
    }

    /// Whether a bucket for its key is held.
    #[must_use]
    pub fn is_held(&self, url: &Uri, now: Instant) -> bool {
        self.keyed(url).any(|take| take.limiter.held_until().is_some_and(|until| until > now))
    }

    /// What it takes of limits with a bucket for each key.
    fn keyed(&self, url: &Uri) -> impl Iterator<Item = Take> {
        let own = match self {
            Self::Same(_) => &[],
            Self::Own(takings) => takings.as_slice(),
        };
        own.iter().filter(|taking| !matches!(taking.buckets.plan().key, KeyPlan::One)).map(|taking| taking.to(url))
    }
}

impl Taking<'_> {
    fn to(&self, url: &Uri) -> Take {
        let limiter = match (&self.buckets.plan().key, &self.key) {
            (KeyPlan::Row(_), Some(key)) => self.buckets.of(key),
            (KeyPlan::Host, _) => self.buckets.of(host(url)),
            (KeyPlan::One | KeyPlan::Row(_), _) => match self.buckets.one() {
                Some(only) => Arc::clone(only),
                None => self.buckets.of(""),
            },
        };
        Take { limiter, cost: self.cost }
    }
}

/// The host of a URL, with its port where it says one.
#[must_use]
pub fn host(url: &Uri) -> &str {
    url.authority().map_or("", |authority| authority.as_str().rsplit('@').next().unwrap_or_default())
}
