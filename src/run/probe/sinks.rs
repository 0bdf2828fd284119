//! Sinks whose records leave this machine: whether their servers let us in.
//!
//! Must never write anything, nor send a record.

use std::sync::Arc;

use super::around::NO_SECRETS;
use super::asking::Asker;
use super::{Outcome, What};
use crate::clock;
use crate::document::KeyPath;
use crate::plan::EndpointPlan;
use crate::sink::SinkPlan;

impl Asker<'_, '_> {
    /// Tries a sink. What writes to this machine is looked at offline.
    pub(super) async fn sink(&mut self, position: usize) {
        let plan = self.world.around.plan;
        let sink = &plan.sinks[position];
        match &sink.hook {
            Some(hook) => self.hook(position, sink, hook).await,
            None if is_far(sink) => self.server(sink).await,
            None => {}
        }
    }

    /// A sink that sends requests: its server, and its token. A request without records is none that it could send.
    async fn hook(&mut self, position: usize, sink: &SinkPlan, hook: &EndpointPlan) {
        let key = KeyPath::of(["sinks", sink.name.as_str(), sink.kind.kind()]);
        if self.world.around.lacks_secrets(hook, &format!("sinks.{}.", sink.name)) {
            return self.tell(key, what(sink), Outcome::Left(NO_SECRETS.to_owned()));
        }
        let buckets = self.world.around.buckets(hook, self.world.around.own_of_sink(position));
        let Some(party) = self.party(hook, key.clone(), buckets) else { return };
        match party.build(&self.world.around, None) {
            Ok(request) => {
                if self.connect(&party, Some(request.uri().clone())).await {
                    self.token(&party).await;
                }
            }
            Err(failure) => {
                let outcome = Outcome::Failed(self.world.around.masked(&failure.message));
                self.tell(key.key("url"), what(sink), outcome);
            }
        }
    }

    /// A database or a bucket.
    async fn server(&mut self, sink: &SinkPlan) {
        let key = KeyPath::of(["sinks", sink.name.as_str(), sink.kind.kind()]);
        if !self.world.around.options.reads_secrets {
            return self.tell(key, what(sink), Outcome::Left(NO_SECRETS.to_owned()));
        }
        let (kind, began) = (Arc::clone(&sink.kind), clock::now());
        // Its client blocks, and has a runtime of its own.
        let knocked = tokio::task::spawn_blocking(move || kind.knock()).await;
        let outcome = match knocked {
            Ok(None) => return,
            Ok(Some(Ok(()))) => Outcome::Fine(clock::now() - began),
            Ok(Some(Err(error))) => Outcome::Failed(self.world.around.masked(&error.message)),
            Err(_) => Outcome::Failed("asking it panicked; this is a bug".to_owned()),
        };
        self.tell(key, what(sink), outcome);
    }
}

fn what(sink: &SinkPlan) -> What {
    What::Sink { sink: sink.name.clone(), target: sink.kind.target() }
}

/// Whether its records wait here to be carried to a server.
fn is_far(sink: &SinkPlan) -> bool {
    sink.kind.is_spooled() && sink.kind.path().is_none()
}
