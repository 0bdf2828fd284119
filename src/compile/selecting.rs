//! The keys beside an input's kind: which of its rows are taken.
//!
//! Must never read the input: what is known of it here is its columns.

use serde_json::Value;

use super::{Site, mention, names};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::source::selecting::{Dedupe, Sample, Selecting};
use crate::spec::input::{DedupeSpec, SelectingSpec};
use crate::template::{Condition, RowScope, Scope};

/// Decides which rows of the input at `path` are taken; `scope` has the columns of the input. `None` when it
/// is wrong, which was told.
pub fn selecting(site: &mut Site<'_>, path: &KeyPath, spec: &SelectingSpec, scope: &Scope) -> Option<Selecting> {
    let written = spec.condition.as_ref();
    let condition = written.map(|text| condition(site, &path.key("where"), text, scope));
    let dedupe = spec.dedupe.as_ref().map(|dedupe| self::dedupe(site, &path.key("dedupe"), dedupe, scope));
    let sample = spec.sample.map(|sample| {
        let place = path.key("sample");
        let sample = Sample::new(sample.share, sample.seed);
        if sample.is_none() {
            let message = "this sample takes no row at all";
            site.error(codes::BAD_VALUE, &place, message, "write a share above 0, such as \"1%\"");
        }
        sample
    });
    // Everything was looked at before anything is given up.
    Some(Selecting {
        condition: settled(condition)?,
        dedupe: settled(dedupe)?.flatten(),
        sample: settled(sample)?,
        skip: spec.skip.unwrap_or_default(),
        take: spec.take,
    })
}

/// What is absent is fine, what is wrong is not.
fn settled<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        Some(None) => None,
        Some(Some(part)) => Some(Some(part)),
        None => Some(None),
    }
}

fn condition(site: &mut Site<'_>, path: &KeyPath, text: &str, scope: &Scope) -> Option<Condition> {
    if mention::names_table(text, "secrets") {
        let message = "a secret can't choose rows: which of them went out would tell it";
        site.error(codes::TEMPLATE_NAME, path, message, "compare columns with values, or with `vars`");
        return None;
    }
    match Condition::compile(text, scope) {
        Ok(condition) => {
            if condition.is_constant() {
                let message = "this condition looks at nothing: it is the same for every row";
                let place = site.document.place(path);
                let help = "compare a column with a value, such as `row.price | float > 10`";
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

/// Which columns are compared. `Some(None)`: it was turned off.
fn dedupe(site: &mut Site<'_>, path: &KeyPath, spec: &DedupeSpec, scope: &Scope) -> Option<Option<Dedupe>> {
    let wanted = match spec {
        DedupeSpec::Whole(true) => return Some(Some(Dedupe::Whole)),
        DedupeSpec::Whole(false) => return Some(None),
        DedupeSpec::Columns(columns) => &columns.0,
    };
    names::twice(site, path, wanted);
    if let RowScope::Known(header) = &scope.row {
        let known: Vec<&str> = header.names().iter().map(String::as_str).collect();
        let strange = wanted.iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str()));
        let mut wrong = false;
        for (index, name) in strange {
            let place = names::item(site, path, index);
            let help = names::meant(site, "columns", name, &known, "the input has no columns");
            site.error(codes::UNKNOWN_NAME, &place, format!("the input has no column `{name}`"), help);
            wrong = true;
        }
        if wrong {
            return None;
        }
    }
    Some(Some(Dedupe::Columns(wanted.clone())))
}

/// What is written of it, for the job's identity; `None`: nothing is.
pub fn identity(spec: &SelectingSpec) -> Option<String> {
    let Ok(Value::Object(mut keys)) = serde_json::to_value(spec) else { return None };
    keys.retain(|_, value| !value.is_null());
    (!keys.is_empty()).then(|| Value::Object(keys).to_string())
}
