//! What an attempt was on the wire, for reporters that draw a picture of it.
//!
//! It stands in an event and never in the stream of `--events`: a URL may hold secrets in every part. Must never be shown
//! before it has passed the masker, by `Debug` either.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::{Method, Uri};

use crate::retry::FailureKind;
use crate::secret::MASK;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// Method.
    pub method: Method,
    /// Where it went, of several places the first; not masked.
    pub url: Uri,
    /// When it left; of one that did not, when it was begun.
    pub at: SystemTime,
    /// From then to its end.
    pub lasted: Duration,
    /// In what way it failed, if it did.
    pub failure: Option<FailureKind>,
    /// One-based number of its batch in this session; `None`: it belongs to none.
    pub batch: Option<u64>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sent({} {MASK}, {:?}, {:?})", self.method, self.lasted, self.failure)
    }
}
