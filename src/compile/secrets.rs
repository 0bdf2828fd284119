//! Secrets: where each will be read from. Must never read one.

use super::{Site, mention};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::secret::{Origin, SecretPlan};
use crate::spec::JobSpec;

/// Decides where secrets come from.
pub fn secrets(site: &Site<'_>, spec: &JobSpec) -> Vec<SecretPlan> {
    let written = spec.secrets.iter().flat_map(|secrets| &secrets.0);
    let plan = written.filter_map(|(name, secret)| {
        let origin = match (&secret.env, &secret.file) {
            (Some(variable), _) => Origin::Environment(variable.clone()),
            (None, Some(file)) => Origin::File(site.file(file)),
            (None, None) => return None,
        };
        Some(SecretPlan { name: name.clone(), origin })
    });
    plan.collect()
}

/// Warns of secrets that no endpoint uses.
pub fn unused(site: &mut Site<'_>, spec: &JobSpec) {
    let texts: Vec<String> = spec.endpoints.0.iter().map(|(_, endpoint)| mention::text_of(endpoint)).collect();
    for name in spec.secrets.iter().flat_map(|secrets| secrets.names()) {
        if !texts.iter().any(|text| mention::mentions(text, "secrets", name)) {
            let message = format!("the secret `{name}` is used nowhere, and must be set all the same");
            let help = format!("use it as {{{{ secrets.{name} }}}}, or take it out");
            site.warning(codes::NO_EFFECT, &KeyPath::of(["secrets", name]), message, help);
        }
    }
}
