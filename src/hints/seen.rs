//! Which dialects the names of a reply's headers belong to.
//!
//! This is all that most replies cost: must never look at a value, allocate, or look a name up.

use http::HeaderMap;

use super::triple::SHOPIFY;

/// Dialects that a reply has headers of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) retry_after: bool,
    pub(super) structured: bool,
    pub(super) draft: bool,
    pub(super) x: bool,
    pub(super) x_requests: bool,
    pub(super) dashed: bool,
    pub(super) shopify: bool,
    pub(super) github: bool,
}

impl Seen {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut seen = Self::default();
        for name in headers.keys() {
            seen.note(name.as_str());
        }
        seen
    }

    /// `name` is in lower case, as names of `http` are.
    fn note(&mut self, name: &str) {
        match name.as_bytes().first() {
            Some(b'r') => match name.strip_prefix("ratelimit") {
                Some("") => self.structured = true,
                Some(rest) => self.draft |= rest.starts_with('-'),
                None => self.retry_after |= name == "retry-after",
            },
            Some(b'x') => {
                let x = name.starts_with("x-ratelimit-");
                self.x |= x;
                self.x_requests |= x && name.ends_with("-requests");
                self.dashed |= name.starts_with("x-rate-limit-");
                self.shopify |= name == SHOPIFY;
                self.github |= name == "x-github-request-id";
            }
            _ => {}
        }
    }
}
