//! `rows`: which values of a JSON reply are the items, of which each gives a record.
//!
//! Must never leave an item out or change their order.

use std::fmt;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::Need;
use super::json;
use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;

/// A JSONPath (RFC 9535) whose matches are the items.
#[derive(Clone)]
pub struct RowsPlan {
    source: String,
    path: JsonPath,
}

impl fmt::Debug for RowsPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RowsPlan").field(&self.source).finish()
    }
}

impl RowsPlan {
    /// Decides `rows`; reports what is wrong, and warns of a path that has one match at most.
    pub fn compile(site: &mut Site<'_>, path: &KeyPath, source: &str) -> Option<Self> {
        let plan = Self::single(site, path, source)?;
        if json::steps(source).is_some() {
            let message = "this path has one match at most, and each match is a record";
            let help = format!("for the items of a list write `rows = \"{source}[*]\"`");
            let place = site.document.place(path);
            site.diagnostics.push(Diagnostic::warning(codes::SUSPICIOUS, message).at(place, "").help(help));
        }
        Some(plan)
    }

    /// Decides a path that may well have one match.
    pub fn single(site: &mut Site<'_>, path: &KeyPath, source: &str) -> Option<Self> {
        json::parse(site, path, source).map(|parsed| Self { source: source.to_owned(), path: parsed })
    }

    /// As written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it needs of the body.
    #[must_use]
    pub fn needs(&self) -> Need<'_> {
        Need::Whole
    }

    /// The items of a body, in its order.
    #[must_use]
    pub fn items<'v>(&self, body: &'v Value) -> Vec<&'v Value> {
        self.path.query(body).all()
    }
}
