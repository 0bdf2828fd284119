//! Pagination: which page of a list is asked for next, and when there is none. One file and one row of
//! [`KINDS`] each.
//!
//! Decides from what a reply says and from nothing else: no network, no clock, no memory of pages before. Whoever
//! walks keeps the [`Position`], notes that no position comes twice, and decides what a page of another origin may
//! be given. Must never end a walk without saying why.

mod cursor;
mod header_link;
mod json_link;
mod link;
mod named;
mod numbered;
mod offset;
mod page_number;
mod path;
#[cfg(test)]
mod tests;
mod url;
mod walked;

use std::fmt::Debug;
use std::sync::Arc;

use http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::extract::Need;

pub use walked::{End, Range, Told, Walked};

/// Where a walk stands: which page is asked for. It stands in journals, so its form is stable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    /// The first page, as the job's own request asks for it.
    First,
    /// A page by its number, as it is sent.
    Number(u64),
    /// A page by the number of items before it.
    Offset(u64),
    /// A page by its cursor, as it is sent: the text itself, or the digits of a number.
    Token(String),
    /// A page by its URL, absolute.
    Url(String),
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::First => f.write_str("the first page"),
            Self::Number(number) => write!(f, "page {number}"),
            Self::Offset(offset) => write!(f, "offset {offset}"),
            Self::Token(token) => write!(f, "cursor {token}"),
            Self::Url(url) => f.write_str(url),
        }
    }
}

/// What the request of a page carries beside what the job says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Parameters that stand behind the job's own query, not escaped yet; the job says none of these names.
    pub query: Vec<(String, String)>,
    /// Instead of the job's URL and its query: the server made it, parameters and all, and it is http or https, or
    /// the same socket as before. It may be of another origin.
    pub url: Option<String>,
}

/// A reply, as paginators see it.
#[derive(Debug, Clone, Copy)]
pub struct PageReply<'a> {
    /// The JSON body, at least with the branches of [`PaginatePlan::needs`]; `None`: nothing is needed.
    pub json: Option<&'a Value>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The URL that was asked, for links that are relative.
    pub url: &'a Uri,
    /// Records taken from this page.
    pub records: u64,
}

/// What follows a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Following {
    /// The walk is over.
    End(End),
    /// The next page, known only now.
    Next(Position),
    /// This is the first page and the number of pages is known (at least 2): all the others can go out at once, as
    /// `position(1..pages)`. What they say of what follows need not be asked; their totals belong into [`Walked`].
    /// As large as the server says: never make a list of it.
    Pages(u64),
}

/// A kind of pagination, decided.
pub trait PaginatePlan: Debug + Send + Sync {
    /// Name of the kind, a row of [`KINDS`].
    fn kind(&self) -> &'static str;

    /// Pages of a walk at most; `None`: only the server knows.
    fn max_pages(&self) -> Option<u64>;

    /// In one line, for `plan`.
    fn describe(&self) -> String;

    /// What a change of it would send otherwise: part of the job's identity.
    fn identity(&self) -> String;

    /// Parameters of the query that it says, so that nobody else may say them; with the key of its table that names
    /// each.
    fn owned(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }

    /// What of a JSON body it looks at; the body must be JSON if that is anything.
    fn needs(&self) -> Vec<Need<'_>>;

    /// Whether it looks at headers.
    fn reads_headers(&self) -> bool {
        false
    }

    /// The JSONPaths that it looks along, as written, with the key of its table that names each.
    fn paths(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }

    /// Where a walk begins.
    fn first(&self) -> Position;

    /// What the request of a page carries.
    ///
    /// # Errors
    /// In words, when the position is none of this kind: it is from a journal of another job.
    fn request(&self, position: &Position) -> Result<PageRequest, String>;

    /// The nth page (0 = first), for kinds whose pages are numbered; `None` for cursors and links, and for what is
    /// beyond counting.
    fn position(&self, _page: u64) -> Option<Position> {
        None
    }

    /// The totals that a reply tells, as far as they can be read; for [`Walked::page`].
    fn told(&self, _reply: &PageReply<'_>) -> Told {
        Told::default()
    }

    /// What follows. `page`: zero-based number of this page in the walk.
    ///
    /// # Errors
    /// In words, naming the place in the reply: the row fails with them.
    fn following(&self, position: &Position, page: u64, reply: &PageReply<'_>) -> Result<Following, String>;

    /// What does not fit at the end of a walk, each in a sentence without a full stop.
    fn doubts(&self, walked: &Walked) -> Vec<String>;
}

/// Decides a pagination from its value in the job; reports what is wrong.
pub type Compile = fn(&mut Site<'_>, &KeyPath, &Value) -> Option<Arc<dyn PaginatePlan>>;

/// A row of [`KINDS`].
#[derive(Debug)]
pub struct PaginateKind {
    /// Key in `paginate.KIND`.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// The smallest example, TOML.
    pub example: &'static str,
    /// Schema of the value of `paginate.KIND`.
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Decides the value of `paginate.KIND` (already valid by the schema). Pure.
    pub compile: Compile,
}

/// Every kind of pagination.
pub const KINDS: &[PaginateKind] = &[page_number::KIND, offset::KIND, cursor::KIND, header_link::KIND, json_link::KIND];

/// Reads a value as the spec of a kind. The schema has been checked before, so this fails only where it says less
/// than the type does.
fn spec<T: DeserializeOwned>(site: &mut Site<'_>, path: &KeyPath, value: &Value) -> Option<T> {
    match T::deserialize(value) {
        Ok(spec) => Some(spec),
        Err(error) => {
            let message = format!("this pagination does not have the right shape: {error}");
            let help = "`paceline kinds` shows an example of every kind of pagination";
            site.error(codes::WRONG_TYPE, path, message, help);
            None
        }
    }
}

/// A spec with its defaults, as part of the job's identity: what is written out and what is left out are the same.
fn identity(spec: &impl Serialize) -> String {
    serde_json::to_string(spec).unwrap_or_default()
}

/// A position that this kind never gives.
fn foreign(kind: &str, position: &Position) -> String {
    format!("paginate.{kind} can't go on at {position:?}: it is the place of another kind of pagination")
}
