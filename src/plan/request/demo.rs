//! Whether anything of a plan goes to the API built into the program, so that it has to be started.
//!
//! Must never pass over whoever gives tokens, or is told of the end.

use super::DEMO;
use crate::plan::{EndpointPlan, Plan};
use crate::template::Template;

impl Plan {
    /// Whether any request goes to the API built into the program.
    #[must_use]
    pub fn uses_demo(&self) -> bool {
        self.senders().chain(self.notify.iter().map(|notify| &notify.sends)).any(EndpointPlan::asks_demo)
    }
}

impl EndpointPlan {
    /// Whether its requests, or those for its tokens, go to the API built into the program.
    #[must_use]
    pub fn asks_demo(&self) -> bool {
        let is_demo = |url: &Template| url.literal_prefix().starts_with(DEMO);
        is_demo(&self.url) || self.auth.as_ref().and_then(|auth| auth.url()).is_some_and(is_demo)
    }
}
