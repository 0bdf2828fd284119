//! What a plan says of notifications: who is told of which endings. Must never say what a secret holds.

use serde::Serialize;

use super::sinks::SendsFacts;
use crate::plan::Plan;
use crate::plan::notify::{NotifyPlan, Occasion};

/// Somebody who is told.
#[derive(Debug, Serialize)]
pub struct NotifyFacts {
    /// Of which endings.
    pub on: Vec<Occasion>,
    pub method: String,
    /// As written in the job.
    pub webhook: String,
    pub sends: SendsFacts,
}

impl NotifyFacts {
    pub fn of(plan: &Plan, notify: &NotifyPlan) -> Self {
        Self {
            on: notify.on.clone(),
            method: notify.sends.method.to_string(),
            webhook: notify.sends.url.source().to_owned(),
            sends: SendsFacts::of(plan, &notify.sends),
        }
    }

    /// In a line.
    pub fn line(&self) -> String {
        let names: Vec<&str> = self.on.iter().map(|occasion| occasion.name()).collect();
        format!("on {}: {} {}", names.join(" and "), self.method, self.webhook)
    }
}
