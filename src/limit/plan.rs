//! What a limit is, decided: windows, burst, cost, key.
//!
//! Plain data. Must never hold anything live.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock;
use crate::template::Template;

/// Fastest rate that is paced, in tokens per second.
pub const FASTEST: u32 = 1_000_000;

/// Longest time in which an empty bucket may fill: a century.
const LONGEST_FILL: Duration = Duration::from_secs(100 * 365 * 86_400);

/// `count` tokens per `per`, spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tokens.
    pub count: NonZeroU32,
    /// Length of the window.
    pub per: Duration,
}

impl Window {
    /// Nanoseconds from one token to the next, rounded up: never faster than written.
    pub(crate) fn interval(&self) -> u128 {
        self.per.as_nanos().div_ceil(u128::from(self.count.get()))
    }
}

/// Tokens that a request takes.
#[derive(Debug, Clone)]
pub enum CostPlan {
    /// The same for every row.
    Fixed(NonZeroU32),
    /// Decided by each row: a whole number, 0 for a request that takes none.
    Row(Template),
}

/// How many buckets a limit has.
#[derive(Debug, Clone)]
pub enum KeyPlan {
    /// One for all requests.
    One,
    /// One for each host (and port) that requests go to, redirects included.
    Host,
    /// One for each text that rows make of this.
    Row(Template),
}

/// A token bucket, decided.
#[derive(Debug, Clone)]
pub struct LimitPlan {
    /// Its name; `endpoints.NAME` for a bucket of an endpoint's own.
    pub name: String,
    /// All hold at once.
    pub windows: Vec<Window>,
    /// Tokens that may be taken at once after a quiet time.
    pub burst: NonZeroU32,
    /// Tokens that a request takes.
    pub cost: CostPlan,
    /// How many buckets there are.
    pub key: KeyPlan,
    /// Whether what replies say of limits slows the bucket down.
    pub learn: bool,
}

impl LimitPlan {
    /// One bucket, a token for each request, that learns.
    #[must_use]
    pub fn new(name: impl Into<String>, windows: Vec<Window>, burst: NonZeroU32) -> Self {
        let cost = CostPlan::Fixed(NonZeroU32::MIN);
        Self { name: name.into(), windows, burst, cost, key: KeyPlan::One, learn: true }
    }

    /// A bucket that never runs out and knows only holds: for an endpoint without a limit, so that a
    /// server's word has something to hold.
    #[must_use]
    pub fn hold_only(endpoint: &str) -> Self {
        Self::new(format!("endpoints.{endpoint}"), Vec::new(), NonZeroU32::MIN)
    }

    /// Requests per second in the long run: the slowest window.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.windows
            .iter()
            .map(|window| f64::from(window.count.get()) / window.per.as_secs_f64())
            .fold(f64::INFINITY, f64::min)
    }

    /// Whether the bucket can be kept as written.
    ///
    /// # Errors
    /// A sentence for people when there is no window, a window is empty or faster than
    /// [`FASTEST`], or the burst would take more than a century to fill.
    pub fn check(&self) -> Result<(), String> {
        if self.windows.is_empty() {
            return Err(format!("limit `{}` has no rate; give it one, such as \"10/s\"", self.name));
        }
        self.windows.iter().try_for_each(|window| self.check_window(window))
    }

    fn check_window(&self, window: &Window) -> Result<(), String> {
        let (name, count, per) = (&self.name, window.count, clock::human(window.per));
        if window.per.is_zero() {
            return Err(format!(
                "limit `{name}` has a rate over no time; write a time above zero, as in \"{count}/s\""
            ));
        }
        if u128::from(count.get()) * 1_000_000_000 > u128::from(FASTEST) * window.per.as_nanos() {
            return Err(format!(
                "limit `{name}` is too fast: {count} per {per} is more than {FASTEST} per second, the most that is \
                 paced; lower the rate, or leave the limit away"
            ));
        }
        if window.interval().saturating_mul(u128::from(self.burst.get())) > LONGEST_FILL.as_nanos() {
            return Err(format!(
                "limit `{name}` has a burst that never fills: {} tokens at {count} per {per} take more than a \
                 century; lower `burst`, or raise the rate",
                self.burst
            ));
        }
        Ok(())
    }
}
