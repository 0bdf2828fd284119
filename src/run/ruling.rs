//! Rules and assertions: what the job says of a reply, before and behind its status.
//!
//! Must never change a reply, and never say yes where a condition can't be computed: that fails the attempt, with
//! the condition and the reason.

use crate::plan::RulePlan;
use crate::retry::{Failure, FailureKind};
use crate::template::{Condition, Context};

use super::lane::Lane;

/// The position of the first rule that the reply meets, and the rule.
///
/// # Errors
/// When a condition can't be computed.
pub(super) fn first<'l>(lane: &'l Lane, context: &Context<'_>) -> Result<Option<(usize, &'l RulePlan)>, Failure> {
    for (position, rule) in lane.plan().rules.iter().enumerate() {
        if holds(&rule.when, context, &format!("rules[{position}].when"))? {
            return Ok(Some((position, rule)));
        }
    }
    Ok(None)
}

/// Whether everything holds that `expect.assert` wants.
///
/// # Errors
/// The first that does not, or can't be computed.
pub(super) fn assert_all(lane: &Lane, context: &Context<'_>) -> Result<(), Failure> {
    for condition in &lane.plan().asserts {
        if !holds(condition, context, "expect.assert")? {
            let message = format!("expect.assert does not hold: {}", condition.source());
            return Err(Failure::sent(FailureKind::Assert, message));
        }
    }
    Ok(())
}

/// Whether a condition holds; `place` says where it stands.
///
/// # Errors
/// When it can't be computed.
pub(super) fn holds(condition: &Condition, context: &Context<'_>, place: &str) -> Result<bool, Failure> {
    condition.holds(context).map_err(|error| {
        let message = format!("{place} = {:?} can't be computed: {}", condition.source(), error.message);
        Failure::sent(FailureKind::Rule, message)
    })
}
