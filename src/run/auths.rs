//! The live auths of a run: endpoints and sinks that prove the same share one, and with it what it fetches.

use std::sync::Arc;

use crate::auth::{self, Auth};
use crate::document::KeyPath;
use crate::plan::EndpointPlan;
use crate::secret::{Masker, Secrets};

use super::Keyed;

/// What was opened for a kind and an identity.
struct Known {
    kind: &'static str,
    identity: String,
    auth: Option<Arc<dyn Auth>>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Auths {
    known: Vec<Known>,
}

impl Auths {
    /// What proves the requests of the endpoint, or of the sink, at `place`.
    ///
    /// # Errors
    /// When something that is the same for every row can't be had.
    pub fn open(
        &mut self,
        (secrets, masker): (&Secrets, &Masker),
        (place, endpoint): (&KeyPath, &EndpointPlan),
        demo: Option<&str>,
    ) -> Result<Option<Arc<dyn Auth>>, Keyed> {
        let Some(plan) = &endpoint.auth else { return Ok(None) };
        let identity = plan.identity();
        let same = |known: &&Known| known.kind == plan.kind() && known.identity == identity;
        if let Some(known) = self.known.iter().find(same) {
            return Ok(known.auth.clone());
        }
        let opening = auth::Opening { secrets, masker, demo, user_agent: &endpoint.client.user_agent };
        let auth = plan.open(&opening);
        let auth = auth.map_err(|words| Keyed::auth(place, plan.kind(), &words))?;
        self.known.push(Known { kind: plan.kind(), identity, auth: auth.clone() });
        Ok(auth)
    }
}
