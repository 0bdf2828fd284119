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
pub struct Takings<'l> {
    limits: &'l Limits,
    /// What this row's requests take, for each limit; empty where it is the same for all.
    own: Vec<Taking>,
}

/// What one attempt takes of a limit.
#[derive(Debug)]
pub struct Taking {
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
    pub fn of(&self, context: &Context<'_>) -> Result<Takings<'_>, Failure> {
        if self.same.is_some() {
            return Ok(self.again(Vec::new()));
        }
        let taking = |buckets: &Arc<Buckets>| {
            let plan = buckets.plan();
            Ok(Taking { cost: plan.cost.of(context)?, key: plan.key.of(context)? })
        };
        Ok(self.again(self.buckets.iter().map(taking).collect::<Result<_, _>>()?))
    }

    /// What an attempt takes that was asked about before: nothing is computed anew.
    #[must_use]
    pub fn again(&self, own: Vec<Taking>) -> Takings<'_> {
        Takings { limits: self, own }
    }
}

impl<'l> Takings<'l> {
    /// The tokens of a request to this URL.
    #[must_use]
    pub fn to(&self, url: &Uri) -> Cow<'l, [Take]> {
        match &self.limits.same {
            Some(same) => Cow::Borrowed(same),
            None => self.with_buckets().map(|(taking, buckets)| taking.to(buckets, url)).collect(),
        }
    }

    /// What is the row's own, to be asked about [again](Limits::again).
    #[must_use]
    pub fn into_own(self) -> Vec<Taking> {
        self.own
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
        let keyed = self.with_buckets().filter(|(_, buckets)| !matches!(buckets.plan().key, KeyPlan::One));
        keyed.map(|(taking, buckets)| taking.to(buckets, url))
    }

    /// What is the row's own, and of which limit.
    fn with_buckets(&self) -> impl Iterator<Item = (&Taking, &'l Buckets)> {
        self.own.iter().zip(self.limits.buckets.iter().map(|buckets| &**buckets))
    }
}

impl Taking {
    fn to(&self, buckets: &Buckets, url: &Uri) -> Take {
        let limiter = match (&buckets.plan().key, &self.key) {
            (KeyPlan::Row(_), Some(key)) => buckets.of(key),
            (KeyPlan::Host, _) => buckets.of(host(url)),
            (KeyPlan::One | KeyPlan::Row(_), _) => match buckets.one() {
                Some(only) => Arc::clone(only),
                None => buckets.of(""),
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
