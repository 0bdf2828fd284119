//! Pagination: its kind, and that nobody else says its parameters.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::Site;
use crate::auth;
use crate::document::KeyPath;
use crate::paginate::{KINDS, PaginatePlan};
use crate::spec::EndpointSpec;

/// Decides how an endpoint goes from page to page; `None`: it takes one page, or what is written is wrong.
pub fn paginate(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec) -> Option<Arc<dyn PaginatePlan>> {
    let written = &spec.paginate.as_ref()?.0;
    let row = KINDS.iter().find(|row| row.name == written.kind)?;
    let here = path.key("paginate").key(row.name);
    let plan = (row.compile)(site, &here, &written.value)?;
    said_twice(site, path, &here, spec, plan.as_ref());
    Some(plan)
}

/// A parameter that stands there twice has two values, and servers take either.
fn said_twice(site: &mut Site<'_>, path: &KeyPath, here: &KeyPath, spec: &EndpointSpec, plan: &dyn PaginatePlan) {
    let owned = plan.owned();
    for (position, (key, param)) in owned.iter().enumerate() {
        let named = here.key(*key);
        // A name that is a default stands nowhere.
        let named = if site.document.get(&named).is_some() { named } else { here.clone() };
        if let Some((other, _)) = owned[..position].iter().find(|(_, other)| other == param) {
            let message = format!("`{other}` and `{key}` both are the query parameter `{param}`");
            site.conflict(&named, "here", &here.key(*other), "and here", message, "give each a parameter of its own");
        }
        let Some(other) = said_elsewhere(path, spec, param) else { continue };
        let message = format!("`paginate` and `{}` both say the query parameter `{param}`", last(&other, path));
        let help = "take it out there: `paginate` says it for every page";
        site.conflict(&named, "here", &other, "and here", message, help);
    }
}

/// Where else the job says a query parameter.
fn said_elsewhere(path: &KeyPath, spec: &EndpointSpec, param: &str) -> Option<KeyPath> {
    if spec.query.iter().flat_map(|query| query.names()).any(|name| name == param) {
        return Some(path.key("query").key(param));
    }
    if in_query_of(spec.address(), param) {
        return Some(path.key("url"));
    }
    let auth = &spec.auth.as_ref()?.0;
    let row = auth::KINDS.iter().find(|row| row.name == auth.kind)?;
    (row.owned)(&auth.value).query.iter().any(|name| name == param).then(|| path.key("auth").key(row.name))
}

/// Whether the query that is written in a URL has a parameter; names that are templates are not seen.
fn in_query_of(url: &str, param: &str) -> bool {
    let sent = url.split('#').next().unwrap_or_default();
    let query = sent.split_once('?').map(|(_, query)| query);
    let names = query.into_iter().flat_map(|query| query.split('&')).map(|pair| pair.split('=').next());
    names.flatten().any(|name| percent_decode_str(name).decode_utf8_lossy() == param)
}

/// The key of the endpoint that a path goes through.
fn last(other: &KeyPath, endpoint: &KeyPath) -> String {
    KeyPath(other.0[endpoint.0.len()..other.0.len().min(endpoint.0.len() + 1)].to_vec()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_written_query_are_seen() {
        for url in ["https://a.b/?page=1", "https://a.b/x?a=b&page", "https://{{ row.h }}/?p%61ge={{ row.p }}#x"] {
            assert!(in_query_of(url, "page"), "{url}");
        }
        for url in ["https://a.b/page=1", "https://a.b/?pages=1&a=page", "https://a.b/#?page=1"] {
            assert!(!in_query_of(url, "page"), "{url}");
        }
    }
}
