//! `cost` and `key` of limits: decided once, and checked against the rows of every endpoint that takes from them.
//!
//! Must never let a secret become a key: keys stand in the journal.

use std::num::NonZeroU32;

use super::super::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::limit::{CostPlan, KeyPlan};
use crate::plan::taking::tokens;
use crate::spec::pace::CostSpec;
use crate::spec::settings::LimitSpec;
use crate::template::{RowScope, Scope, Spot, Template, TemplateErrorKind};

/// `key = "host"`
const HOST: &str = "host";

/// Decides what a request takes. `scope` knows of no columns yet.
pub fn cost(site: &mut Site<'_>, path: &KeyPath, spec: &LimitSpec, scope: &Scope) -> CostPlan {
    const ONE: CostPlan = CostPlan::Fixed(NonZeroU32::MIN);
    let text = match &spec.cost {
        None => return ONE,
        Some(CostSpec::Fixed(tokens)) => return CostPlan::Fixed(*tokens),
        Some(CostSpec::Text(text)) => text,
    };
    let here = path.key("cost");
    let Some(template) = template(site, &here, text, scope, "the cost of a request") else { return ONE };
    let Some(value) = template.constant_value() else { return CostPlan::Row(template) };
    if let Some(tokens) = tokens(&value).and_then(NonZeroU32::new) {
        return CostPlan::Fixed(tokens);
    }
    let help = "write a number such as 5, or a template such as `{{ row.weight }}`";
    site.error(codes::BAD_VALUE, &here, format!("{value} is no cost: a request takes 1 token or more"), help);
    ONE
}

/// Decides how many buckets there are. `scope` knows of no columns yet.
pub fn key(site: &mut Site<'_>, path: &KeyPath, spec: &LimitSpec, scope: &Scope) -> KeyPlan {
    let Some(text) = &spec.key else { return KeyPlan::One };
    if text == HOST {
        return KeyPlan::Host;
    }
    let here = path.key("key");
    let Some(template) = template(site, &here, text, scope, "the key of a bucket") else { return KeyPlan::One };
    if template.constant().is_none() {
        return KeyPlan::Row(template);
    }
    let place = site.document.place(&here);
    let message = "this key is the same for every row: there is one bucket, as without it";
    let help = "write `key = \"host\"` for a bucket for each host, or a template such as `key = \"{{ row.tenant }}\"`";
    site.diagnostics.push(Diagnostic::warning(codes::NO_EFFECT, message).at(place, "").help(help));
    KeyPlan::One
}

fn template(site: &mut Site<'_>, path: &KeyPath, text: &str, scope: &Scope, what: &str) -> Option<Template> {
    let template = site.template(path, text, Spot::Text, scope)?;
    let Some(secret) = template.secrets().first() else { return Some(template) };
    let message = format!("the secret `{secret}` can't be a part of {what}");
    let start = text.find("secrets").unwrap_or_default();
    let place = site.document.place_in_string(path, start..start + "secrets".len());
    let help = "secrets are for requests; write a value of the row";
    site.diagnostics.push(Diagnostic::error(codes::SECRET_EXPOSED, message).at(place, "").help(help));
    None
}

/// Checks the templates of a limit against the rows of whoever takes from it.
pub fn check_columns(site: &mut Site<'_>, limit: &str, spec: &LimitSpec, taker: &KeyPath, scope: &Scope) {
    let (RowScope::Known(_) | RowScope::Rows | RowScope::None) = scope.row else { return };
    let path = KeyPath::of(["limits", limit]);
    let cost = spec.cost.as_ref().and_then(|cost| match cost {
        CostSpec::Text(text) => Some(text),
        CostSpec::Fixed(_) => None,
    });
    let open = Scope { row: RowScope::Open, ..scope.clone() };
    for (here, text) in [(path.key("cost"), cost), (path.key("key"), spec.key.as_ref())] {
        let Some(text) = text.filter(|text| Template::compile(text, Spot::Text, &open).is_ok()) else { continue };
        let errors = Template::compile(text, Spot::Text, scope).err().unwrap_or_default();
        for error in errors.into_iter().filter(|error| error.kind == TemplateErrorKind::Name) {
            let place = site.document.place_in_string(&here, error.range);
            let user = site.document.place(&taker.key("limit"));
            let message = format!("`{taker}` takes from this limit: {}", error.message);
            let mut diagnostic = Diagnostic::error(codes::TEMPLATE_NAME, message).at(place, "");
            diagnostic = diagnostic.also(user, "takes from it");
            diagnostic.help.extend(error.help);
            site.diagnostics.push(diagnostic);
        }
    }
}
