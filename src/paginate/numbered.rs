//! What page numbers and offsets share: when the walk ends, and whether all pages can go out at once.
//!
//! A total is what ends a walk first, then has-more; where neither is told, an empty page does. A page that is
//! merely short ends nothing: servers leave out what one may not see.

use super::path::Path;
use super::walked::{contradiction, cut, looks_full, most};
use super::{End, Following, PageReply, Position, Told, Walked};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::extract::Need;

/// How a walk by numbers ends.
#[derive(Debug)]
pub(super) struct Numbered {
    /// Items that are asked for on a page.
    pub size: Option<u64>,
    /// Where the number of pages stands.
    pub total_pages: Option<Path>,
    /// Where the number of items stands.
    pub total_items: Option<Path>,
    /// Where it stands whether there is more.
    pub has_more: Option<Path>,
    /// Most pages.
    pub max_pages: Option<u64>,
    /// Whether an empty page ends the walk, if the job says so.
    pub stop_after_empty_page: Option<bool>,
    /// Whether pages that are smaller than asked for only make more of them, as they do where pages are numbered.
    pub smaller_pages_are_more: bool,
}

impl Numbered {
    /// Reports a switch that changes nothing: where neither a total nor has-more says that more follow, an empty
    /// page is the only end there is.
    pub fn check(&self, site: &mut Site<'_>, path: &KeyPath) -> Option<()> {
        let told = [&self.total_pages, &self.total_items, &self.has_more].into_iter().any(Option::is_some);
        if told || self.stop_after_empty_page != Some(false) {
            return Some(());
        }
        let message = "`stop-after-empty-page = false` has no effect: an empty page is the only end of this walk";
        let help = "add `has-more` or a total, or take it out";
        site.error(codes::NO_EFFECT, &path.key("stop-after-empty-page"), message, help);
        None
    }

    /// How the walk goes and ends, for `plan`.
    pub fn describe(&self) -> String {
        let by_items = self.total_items.as_ref().filter(|_| self.size.is_some());
        let ends = if let Some(total) = self.total_pages.as_ref().or(by_items) {
            format!("together, once the first has told {}", total.source())
        } else if let Some(more) = &self.has_more {
            format!("one after the other, as {} says", more.source())
        } else {
            "one after the other, until one is empty".to_owned()
        };
        ends + &most(self.max_pages)
    }

    pub fn needs(&self) -> Vec<Need<'_>> {
        [&self.total_pages, &self.total_items, &self.has_more].into_iter().flatten().map(Path::need).collect()
    }

    /// The paths of these, by the keys that name them.
    pub fn paths(&self) -> Vec<(&'static str, &str)> {
        let named =
            [("total-pages", &self.total_pages), ("total-items", &self.total_items), ("has-more", &self.has_more)];
        named.into_iter().filter_map(|(key, path)| Some((key, path.as_ref()?.source()))).collect()
    }

    pub fn told(&self, reply: &PageReply<'_>) -> Told {
        let count = |path: &Option<Path>| path.as_ref().and_then(|path| path.count(reply).ok().flatten());
        Told { pages: count(&self.total_pages), items: count(&self.total_items) }
    }

    /// What follows the page; `position` gives the others.
    pub fn following(
        &self,
        page: u64,
        reply: &PageReply<'_>,
        position: impl Fn(u64) -> Option<Position>,
    ) -> Result<Following, String> {
        let count = |path: &Option<Path>| path.as_ref().map_or(Ok(None), |path| path.count(reply));
        let told = Told { pages: count(&self.total_pages)?, items: count(&self.total_items)? };
        let more = self.has_more.as_ref().map_or(Ok(None), |path| path.flag(reply))?;
        let pages = self.pages(told, reply.records);
        let next = page.saturating_add(1);
        let goes_on = pages.map(|pages| next < pages).or(more);
        if reply.records == 0 && (self.stop_after_empty_page != Some(false) || goes_on.is_none()) {
            let more_was_said = goes_on == Some(true);
            return Ok(Following::End(if more_was_said { End::EmptyYetMore } else { End::Empty }));
        }
        if goes_on == Some(false) {
            return Ok(Following::End(if pages.is_some() { End::Total } else { End::HasMore }));
        }
        let most = self.max_pages.unwrap_or(u64::MAX);
        if next >= most {
            return Ok(Following::End(End::MaxPages));
        }
        if let (0, Some(pages)) = (page, pages) {
            return Ok(Following::Pages(pages.min(most)));
        }
        position(next).map(Following::Next).ok_or_else(|| format!("page {next} is beyond what can be counted"))
    }

    /// The number of pages, where it is told; by the number of items only while pages are as full as was asked.
    fn pages(&self, told: Told, records: u64) -> Option<u64> {
        let by_items = || {
            let (items, size) = (told.items?, self.size?);
            // The server may give less than was asked for: then there are more pages than these.
            let is_short = records < size && records < items;
            let is_sure = !(is_short && self.smaller_pages_are_more && self.stop_after_empty_page != Some(false));
            is_sure.then(|| items.div_ceil(size.max(1)))
        };
        told.pages.or_else(by_items)
    }

    pub fn doubts(&self, walked: &Walked) -> Vec<String> {
        let cut = self.cut(walked);
        let mut doubts = Vec::new();
        for (path, range, unit) in
            [(&self.total_pages, walked.total_pages, "pages"), (&self.total_items, walked.total_items, "items")]
        {
            let Some(path) = path.as_ref().map(Path::source) else { continue };
            doubts.extend(match range {
                None if walked.records > 0 => Some(format!("no reply told the number of {unit} at `{path}`")),
                Some(told) if told.least < told.most => Some(format!(
                    "the number of {unit} (`{path}`) changed during the walk, from {} to {}: the list may have moved \
                     under it",
                    told.least, told.most
                )),
                None | Some(_) => None,
            });
        }
        doubts.extend(contradiction(walked, self.stop_after_empty_page == Some(true)));
        if cut.is_none() {
            doubts.extend(self.pages_missing(walked));
            doubts.extend(self.items_missing(walked));
            doubts.extend(self.holes(walked));
        }
        doubts.extend(cut);
        doubts
    }

    /// As [`cut`], also by what the number of items says.
    fn cut(&self, walked: &Walked) -> Option<String> {
        let by_items = || {
            let told = walked.total_items.filter(|_| walked.total_pages.is_none())?;
            (walked.pages == self.max_pages? && told.most > walked.records)
                .then_some(Walked { end: Some(End::MaxPages), ..*walked })
        };
        cut(&by_items().unwrap_or(*walked), self.max_pages)
    }

    fn pages_missing(&self, walked: &Walked) -> Option<String> {
        let (path, told) = (self.total_pages.as_ref()?.source(), walked.total_pages?);
        let fits = walked.pages == told.most.max(1) && (told.most > 0 || walked.records == 0);
        (told.least == told.most && !fits)
            .then(|| format!("the server told {} pages (`{path}`), and {} were taken", told.most, walked.pages))
    }

    /// Items between two offsets that no page had, where no total tells of them.
    fn holes(&self, walked: &Walked) -> Option<String> {
        let size = self.size.filter(|size| !self.smaller_pages_are_more && walked.fullest < *size)?;
        let several = walked.records > walked.fullest;
        let lone = self.has_more.is_none() && looks_full(walked.fullest);
        (walked.total_items.is_none() && (several || lone)).then(|| {
            format!(
                "{size} were asked for on a page, and no page had more than {}: if the server gives no more, items \
                 between two pages are missing; ask for what it gives at most",
                walked.fullest
            )
        })
    }

    fn items_missing(&self, walked: &Walked) -> Option<String> {
        let (path, told) = (self.total_items.as_ref()?.source(), walked.total_items?);
        if told.least < told.most || told.most == walked.records {
            return None;
        }
        let mut text = format!("the server told {} items (`{path}`), and {} came", told.most, walked.records);
        if let Some(size) = self.size.filter(|size| walked.fullest != *size && walked.pages > 1) {
            text += &format!("; {size} were asked for on a page, and no page had more than {}", walked.fullest);
            if walked.fullest < size {
                text += ": ask for what the server gives at most";
            }
        }
        Some(text)
    }
}
