//! Keeping: the recap of a session, put beside its journal now and then and when it ends.
//!
//! Never on the conductor's thread, and never two at once: an older one that is slow could take the place of the last.
//! Must never keep a run from ending: only reports miss what can't be written.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::{self, Instant};
use crate::recap::{self, Recap};

use super::lane::Shared;

/// The shortest and the longest time from one to the next, and the part of the session that lies between: what a report
/// misses of a run that is killed.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);
const PART: u32 = 4;

/// See the module.
#[derive(Debug)]
pub struct Keeping {
    began: Instant,
    last: Instant,
    at_work: Option<JoinHandle<()>>,
}

impl Keeping {
    /// Keeps the first one, which says that the session has begun.
    #[must_use]
    pub fn begin(shared: &Arc<Shared>) -> Self {
        let now = clock::now();
        let mut keeping = Self { began: now, last: now, at_work: None };
        keeping.keep(shared);
        keeping
    }

    /// Keeps one where it is time to, unless one is being written.
    pub fn tick(&mut self, shared: &Arc<Shared>) {
        let now = clock::now();
        let wait = ((now - self.began) / PART).clamp(SHORTEST, LONGEST);
        let is_free = self.at_work.as_ref().is_none_or(JoinHandle::is_finished);
        if is_free && now - self.last >= wait {
            self.last = now;
            self.keep(shared);
        }
    }

    fn keep(&mut self, shared: &Arc<Shared>) {
        let shared = Arc::clone(shared);
        self.at_work = Some(tokio::task::spawn_blocking(move || write(&shared, &shared.chronicle.recap(&shared))));
    }

    /// Keeps the last one, behind those that are being written.
    pub async fn end(&mut self, shared: &Arc<Shared>, recap: Recap) {
        if let Some(at_work) = self.at_work.take() {
            // One that panicked has written nothing.
            let _ = at_work.await;
        }
        let shared = Arc::clone(shared);
        let _ = tokio::task::spawn_blocking(move || write(&shared, &recap)).await;
    }
}

fn write(shared: &Shared, recap: &Recap) {
    let _ = recap::file::keep(&shared.plan.state, recap);
}
