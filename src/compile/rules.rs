//! `rules` and `expect.assert`: conditions over replies.
//!
//! Must never look at a reply: what is known of one before it has come is its names.

use super::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::{RulePlan, StatusSet};
use crate::retry::{RetryPlan, Then};
use crate::spec::EndpointSpec;
use crate::template::{Condition, Scope};

use super::names;

/// Compiles the rules of an endpoint. `scope` has the reply's names.
pub fn rules(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Vec<RulePlan> {
    let path = path.key("rules");
    let mut plans = Vec::new();
    for (index, rule) in spec.rules.iter().flatten().enumerate() {
        let when = condition(site, &path.index(index).key("when"), &rule.when, scope);
        plans.extend(when.map(|when| RulePlan { when, then: rule.then }));
    }
    plans
}

/// Compiles the assertions of an endpoint. `scope` has the reply's names.
pub fn asserts(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Vec<Condition> {
    let path = path.key("expect").key("assert");
    let written = spec.expect.as_ref().and_then(|expect| expect.assert.as_ref());
    let mut plans = Vec::new();
    for (index, text) in written.iter().flat_map(|list| &list.0).enumerate() {
        let here = names::item(site, &path, index);
        plans.extend(condition(site, &here, text, scope));
    }
    plans
}

/// Statuses whose replies may be accepted: all of them where a rule may accept any.
pub fn accepted(spec: &EndpointSpec, expect: StatusSet) -> StatusSet {
    let by_rule = spec.rules.iter().flatten().any(|rule| rule.then == Then::Accept);
    if by_rule { StatusSet::new(vec![(100, 999)]) } else { expect }
}

/// Warns of rules that ask for another attempt where there is only one.
pub fn idle(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, retry: &RetryPlan) {
    for (index, rule) in spec.rules.iter().flatten().enumerate() {
        if rule.then == Then::Retry && retry.attempts == 1 {
            let here = path.key("rules").index(index).key("then");
            let message = "there is no second attempt: `retry.attempts` is 1, and the row fails";
            let place = site.document.place(&here);
            let help = "write `then = \"fail\"`, or allow more attempts";
            site.diagnostics.push(Diagnostic::warning(codes::NO_EFFECT, message).at(place, "").help(help));
        }
    }
}

/// Compiles a condition and reports everything that is wrong with it, inside its string.
fn condition(site: &mut Site<'_>, path: &KeyPath, text: &str, scope: &Scope) -> Option<Condition> {
    match Condition::compile(text, scope) {
        Ok(condition) => {
            if condition.is_constant() {
                let message = "this condition looks at nothing: it is the same for every reply";
                let place = site.document.place(path);
                let help = "compare with a value of the reply, such as `status` or `json.ok`";
                site.diagnostics.push(Diagnostic::warning(codes::SUSPICIOUS, message).at(place, "").help(help));
            }
            Some(condition)
        }
        Err(errors) => {
            site.template_errors(path, errors, codes::EXPRESSION);
            None
        }
    }
}
