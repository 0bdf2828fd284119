//! Extraction: from a reply to the values of a record. One file and one row of [`KINDS`] each.
//!
//! Expressions are compiled once; a value that is not there is null unless the column says otherwise.

pub mod charset;
mod convert;
mod css;
mod header;
mod jq;
mod json;
mod regex;
mod rows;
mod settle;
mod template;
mod value;
pub mod wanted;

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::Value;

use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::template::{Context, Scope};

pub use convert::As;
pub use css::Page;
pub(crate) use json::Query;
pub use rows::RowsPlan;
pub use settle::{Settle, Unsettled};
pub use wanted::{Need, Wanted};

/// Why a value could not be extracted; the attempt fails with this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractError {
    /// What went wrong; the column is named by whoever asked.
    pub message: String,
}

/// Takes one value out of a reply.
pub trait Extractor: Debug + Send + Sync {
    /// Name of the kind, a row of [`KINDS`].
    fn kind(&self) -> &'static str;

    /// As written in the job: part of the job's identity.
    fn identity(&self) -> String;

    /// What of a JSON body it looks at; the body must be JSON if that is anything.
    fn needs(&self) -> Need<'_>;

    /// Whether it looks at the body at all, so that one that is saved to a file is kept in memory too.
    fn reads_body(&self) -> bool {
        true
    }

    /// Whether it may work for so long on one reply that others must not wait for it.
    fn is_slow(&self) -> bool {
        false
    }

    /// Whether it looks at the item or the row, so that records of one reply have different values.
    fn varies(&self) -> bool {
        true
    }

    /// Whether it looks at the row.
    fn reads_row(&self) -> bool {
        false
    }

    /// Whether it looks at headers.
    fn reads_headers(&self) -> bool {
        false
    }

    /// The JSONPath that it is, as written; `None`: it is something else.
    fn path(&self) -> Option<&str> {
        None
    }

    /// The value; `context.reply` is always there. `item` is the JSON body, of which only what is needed
    /// is there.
    ///
    /// # Errors
    /// When the value can't be had; null is not an error.
    fn extract(&self, context: &Context<'_>, item: &Value) -> Result<Value, ExtractError>;
}

/// A column's kind as it stands in the job.
#[derive(Debug, Clone, Copy)]
pub struct Written<'w> {
    /// The value under the kind's name.
    pub value: &'w Value,
    /// `attr` beside it, which `css` alone may have.
    pub attr: Option<&'w str>,
}

impl<'w> Written<'w> {
    /// The value, which must be a text that is not empty; reports it otherwise. `what` says what it is.
    fn text(&self, site: &mut Site<'_>, path: &KeyPath, what: &str, help: &str) -> Option<&'w str> {
        match self.value.as_str() {
            Some("") => site.error(codes::BAD_VALUE, path, format!("{what} is empty"), help),
            Some(text) => return Some(text),
            None => site.error(codes::WRONG_TYPE, path, format!("{what} must be a string"), help),
        }
        None
    }
}

/// Decides an extractor from what is written in the job; reports what is wrong.
pub type Compile = fn(&mut Site<'_>, &KeyPath, &Written<'_>, &Scope) -> Option<Arc<dyn Extractor>>;

/// A row of [`KINDS`].
#[derive(Debug)]
pub struct ExtractKind {
    /// Key in `columns.NAME = { KIND = ... }`.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// The smallest example, TOML.
    pub example: &'static str,
    /// Schema of the value of the key.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Decides the value of the key (already valid by the schema; a plain string column comes as
    /// `json` when it begins with `$`, else as `template`). Pure. `scope` has the reply's names.
    pub compile: Compile,
}

/// Every kind of extraction.
pub const KINDS: &[ExtractKind] =
    &[json::KIND, template::KIND, header::KIND, css::KIND, regex::KIND, jq::KIND, value::KIND];
