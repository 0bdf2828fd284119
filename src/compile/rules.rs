//! `rules` and `expect.assert`: conditions over replies.
//!
//! Must never look at a reply: what is known of one before it has come is its names.

use super::{Site, names, stream};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::{KeyPath, Node, NodeValue};
use crate::plan::{RulePlan, StatusSet};
use crate::retry::Then;
use crate::spec::EndpointSpec;
use crate::template::{Condition, Scope};

/// Most wrong items in a row that are looked past.
const MOST_LEFT_OUT: usize = 100;

/// Compiles the rules of an endpoint. `scope` has the reply's names.
pub fn rules(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Vec<RulePlan> {
    let written: Vec<&str> = spec.rules.iter().flatten().map(|rule| rule.when.as_str()).collect();
    let places = places(site, &path.key("rules"), Some("when"), &written);
    let mut plans = Vec::new();
    for (rule, here) in spec.rules.iter().flatten().zip(places) {
        let when = condition(site, &here, &rule.when, scope);
        plans.extend(when.map(|when| RulePlan { when, then: rule.then }));
    }
    plans
}

/// Compiles the assertions of an endpoint. `scope` has the reply's names.
pub fn asserts(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, scope: &Scope) -> Vec<Condition> {
    let path = path.key("expect").key("assert");
    let written = spec.expect.as_ref().and_then(|expect| expect.assert.as_ref());
    let texts: Vec<&str> = written.iter().flat_map(|list| &list.0).map(String::as_str).collect();
    let places = places(site, &path, None, &texts);
    texts.into_iter().zip(places).filter_map(|(text, here)| condition(site, &here, text, scope)).collect()
}

/// Statuses whose replies may be accepted: all of them where a rule may accept any.
pub fn accepted(spec: &EndpointSpec, expect: StatusSet) -> StatusSet {
    let by_rule = spec.rules.iter().flatten().any(|rule| rule.then == Then::Accept);
    if by_rule { StatusSet::new(vec![(100, 999)]) } else { expect }
}

/// Warns of rules that ask for another attempt where there is only one.
pub fn idle(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec) {
    for (index, rule) in spec.rules.iter().flatten().enumerate().filter(|(_, rule)| rule.then == Then::Retry) {
        let place = site.document.place(&path.key("rules").index(index).key("then"));
        let message = match stream::Written::of(spec) {
            None => "there is no second attempt: `retry.attempts` is 1, and the row fails",
            Some(_) => "there is no second attempt: `reconnect.attempts` is 0, and the row fails",
        };
        let help = format!("write `when = {:?}, then = \"fail\"`, or allow more attempts", rule.when);
        site.diagnostics.push(Diagnostic::warning(codes::NO_EFFECT, message).at(place, "").help(help));
    }
}

/// Where each of these texts stands in the list at `path`, whose items may have been left out where they are
/// wrong; `key` leads from an item to its text.
fn places(site: &Site<'_>, path: &KeyPath, key: Option<&str>, texts: &[&str]) -> Vec<KeyPath> {
    let mut next = 0;
    let mut place = |text: &&str| {
        let of = |index: usize| {
            let item = names::item(site, path, index);
            key.map_or_else(|| item.clone(), |key| item.key(key))
        };
        let is_here = |index: &usize| matches!(site.document.get(&of(*index)), Some(Node { value: NodeValue::String(here), .. }) if here == text);
        let found = (next..next + MOST_LEFT_OUT).find(is_here).unwrap_or(next);
        next = found + 1;
        of(found)
    };
    texts.iter().map(&mut place).collect()
}

/// Compiles a condition and reports everything that is wrong with it, inside its string.
pub(super) fn condition(site: &mut Site<'_>, path: &KeyPath, text: &str, scope: &Scope) -> Option<Condition> {
    match Condition::compile(text, scope) {
        Ok(condition) => {
            if condition.uses_item() {
                let message = "a condition looks at a whole reply, and `item` is a part of it";
                site.error(codes::TEMPLATE_NAME, path, message, "write `json`, with the way to what is meant");
                return None;
            }
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
