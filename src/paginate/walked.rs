//! What a walk came to: counted page by page, in whatever order pages come, and judged at its end.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a walk is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// All pages of the total were asked for.
    Total,
    /// The server says that there is no more.
    HasMore,
    /// The server says that there is no next page.
    NoNext,
    /// Where the next page would stand is nothing at all.
    Absent,
    /// A page was empty.
    Empty,
    /// A page was empty, although the server says that more follow.
    EmptyYetMore,
    /// The server says that there is more, and does not name the next page.
    Unnamed,
    /// There was a next page, and `max-pages` is reached.
    MaxPages,
}

impl fmt::Display for End {
    /// For logs, behind "the walk ended: ".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "the total is reached",
            Self::HasMore => "the server has no more",
            Self::NoNext => "there is no next page",
            Self::Absent => "no next page is named",
            Self::Empty => "the page is empty",
            Self::EmptyYetMore => "the page is empty, although more are to follow",
            Self::Unnamed => "more is to follow, and no next page is named",
            Self::MaxPages => "max-pages is reached",
        })
    }
}

/// Totals of a list, as one reply tells them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Pages.
    pub pages: Option<u64>,
    /// Items.
    pub items: Option<u64>,
}

/// The least and the most that was told of a total: the same, unless the list changed during the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
}

/// What a walk came to so far; it may stand in a journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Walked {
    /// Pages that were taken.
    pub pages: u64,
    /// Records that were taken of them.
    pub records: u64,
    /// Records of the fullest page.
    pub fullest: u64,
    /// Totals of pages that were told.
    pub total_pages: Option<Range>,
    /// Totals of items that were told.
    pub total_items: Option<Range>,
    /// Why it is over.
    pub end: Option<End>,
}

impl Walked {
    /// Counts a page, once; pages may come in any order.
    pub fn page(&mut self, records: u64, told: Told) {
        self.pages = self.pages.saturating_add(1);
        self.records = self.records.saturating_add(records);
        self.fullest = self.fullest.max(records);
        widen(&mut self.total_pages, told.pages);
        widen(&mut self.total_items, told.items);
    }
}

fn widen(range: &mut Option<Range>, told: Option<u64>) {
    let Some(told) = told else { return };
    let known = range.unwrap_or(Range { least: told, most: told });
    *range = Some(Range { least: known.least.min(told), most: known.most.max(told) });
}

/// The bound on pages, behind a description.
pub(super) fn most(max_pages: Option<u64>) -> String {
    max_pages.map(|most| format!(", {most} pages at most")).unwrap_or_default()
}

/// Whether so many records look like all that a server gives on a page, and not like the end of a list.
pub(super) fn looks_full(records: u64) -> bool {
    [10, 20, 25, 30, 50, 100, 200, 250, 500, 1000].contains(&records)
}

/// What `max-pages` cut off, if anything.
pub(super) fn cut(walked: &Walked, max_pages: Option<u64>) -> Option<String> {
    let told = walked.total_pages.is_some_and(|told| told.most > walked.pages);
    let most = max_pages.filter(|most| walked.end == Some(End::MaxPages) || (told && walked.pages >= *most))?;
    let of = walked.total_pages.map(|told| format!(" of {}", told.most)).unwrap_or_default();
    Some(format!("`max-pages = {most}` ended the walk after {} pages{of}: there may be more", walked.pages))
}

/// An end that contradicts what the server said. `chosen`: the job says itself that an empty page ends the walk.
pub(super) fn contradiction(walked: &Walked, chosen: bool) -> Option<String> {
    match walked.end? {
        End::EmptyYetMore if !chosen => Some(
            "an empty page ended the walk although the server said that more follow: `stop-after-empty-page = false` \
             goes on, `true` says that this is meant"
                .to_owned(),
        ),
        End::Unnamed => Some("the server said that there is more, and named no next page".to_owned()),
        End::EmptyYetMore | End::Total | End::HasMore | End::NoNext | End::Absent | End::Empty | End::MaxPages => None,
    }
}
