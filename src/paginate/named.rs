//! What cursors and links share: each page names the next, and the walk ends where none is named.

use super::path::Path;
use super::walked::{contradiction, cut, looks_full};
use super::{End, Following, PageReply, Position, Walked};

/// The next page, as a reply names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// Nothing stands where its name would: the place may be the wrong one.
    Absent,
    /// The reply says that there is none.
    None,
    /// This one.
    Next(Position),
}

/// How a walk from name to name ends.
#[derive(Debug)]
pub(super) struct Chain {
    /// Where it stands whether there is more.
    pub has_more: Option<Path>,
    /// Most pages.
    pub max_pages: Option<u64>,
    /// Whether an empty page ends the walk, if the job says so.
    pub stop_after_empty_page: Option<bool>,
}

impl Chain {
    /// What follows the page. `next` is looked for only where there may be one: behind the last page some servers
    /// name what is none.
    pub fn following(
        &self,
        page: u64,
        reply: &PageReply<'_>,
        next: impl FnOnce() -> Result<Named, String>,
    ) -> Result<Following, String> {
        let more = self.has_more.as_ref().map_or(Ok(None), |path| path.flag(reply))?;
        if more == Some(false) {
            return Ok(Following::End(End::HasMore));
        }
        let end = match next()? {
            Named::Absent | Named::None if more == Some(true) => End::Unnamed,
            Named::Absent => End::Absent,
            Named::None => End::NoNext,
            Named::Next(_) if reply.records == 0 && self.stop_after_empty_page != Some(false) => End::EmptyYetMore,
            Named::Next(_) if self.max_pages.is_some_and(|most| page.saturating_add(1) >= most) => End::MaxPages,
            Named::Next(position) => return Ok(Following::Next(position)),
        };
        Ok(Following::End(end))
    }

    /// What does not fit; `place` is where the next page is named.
    pub fn doubts(&self, walked: &Walked, place: &str) -> Vec<String> {
        let cut = cut(walked, self.max_pages);
        let contradiction = contradiction(walked, self.stop_after_empty_page == Some(true));
        cut.into_iter().chain(contradiction).chain(lone(walked, place)).collect()
    }
}

/// A lone page that is as full as pages are made, with nothing where the next one would be named.
fn lone(walked: &Walked, place: &str) -> Option<String> {
    (walked.end == Some(End::Absent) && walked.pages == 1 && looks_full(walked.records)).then(|| {
        format!(
            "the only page has {} records, which looks like a full one, and nothing stands at {place}: is this where \
             the next page is named?",
            walked.records
        )
    })
}
