//! What becomes of a page of a walk: its records go out, and the next page is asked for, or all the others together.
//!
//! Must never end a row while pages of it are out, nor leave a row without an end.

use std::sync::Arc;

use http::Uri;

use crate::journal::WalkNote;
use crate::paginate::{End, Following, PageReply, Position, Walked};
use crate::plan::Order;
use crate::record::{Ending, Outcome};
use crate::retry::{Failure, FailureKind};
use crate::secret::Masker;
use crate::template::ReplyView;

use super::call::Call;
use super::ending::{self, Yield};
use super::judging;
use super::lane::{Lane, LastAttempt};
use super::tried::Tried;
use super::walk::{self, Course, Page, Turn, Walk};
use super::worker::Step;

/// What follows a page whose records went out.
#[derive(Debug)]
pub(super) enum Next {
    /// The call comes again, for the page that follows.
    Call,
    /// All other pages of its walk go out together.
    Together,
    /// Nothing for now: other pages of the row are out.
    Apart,
}

/// What a page says of its walk; `None`: the call is no walk.
///
/// # Errors
/// When it can't be told what follows.
pub(super) fn turn(
    lane: &Lane,
    call: &Call,
    url: &Uri,
    reply: &ReplyView<'_>,
    taken: &Yield,
) -> Result<Option<Turn>, Failure> {
    let (Some(plan), Some(page), Some(walk)) = (&lane.plan().paginate, &call.page, &call.walk) else { return Ok(None) };
    let records = taken.records.len() as u64;
    let seen = PageReply { json: reply.json, headers: reply.headers, url, records };
    let (told, print) = (plan.told(&seen), taken.print);
    // Of pages that go out together only one that is empty has something to say of the others.
    if records > 0 && walk.goes_together() {
        return Ok(Some(Turn { following: Following::End(End::Total), place: None, told, print }));
    }
    let following = plan
        .following(&page.position, page.number, &seen)
        .map_err(|words| Failure::sent(FailureKind::Extract, words))?;
    let following = in_order(lane, following, plan.position(1));
    let place = place(&lane.shared.masker, &following);
    Ok(Some(Turn { following, place, told, print }))
}

/// The print of the place that follows, where only the server names it.
fn place(masker: &Masker, following: &Following) -> Option<u64> {
    match following {
        Following::Next(place @ (Position::Token(_) | Position::Url(_))) => {
            Some(walk::print(&without_secrets(masker, place.clone())))
        }
        Following::Next(_) | Following::End(_) | Following::Pages(_) => None,
    }
}

/// Where records stand in the order of the input, pages come one after the other: those that came too early would have
/// to wait in memory, however many.
fn in_order(lane: &Lane, following: Following, second: Option<Position>) -> Following {
    match (following, second) {
        (Following::Pages(_), Some(second)) if lane.plan().order == Order::Input => Following::Next(second),
        (following, _) => following,
    }
}

/// Takes an accepted page. The words of an error fail the row.
pub(super) fn accept(
    lane: &Lane,
    call: &mut Call,
    tried: &Tried<'_>,
    (taken, turn): (Yield, Turn),
    last: &LastAttempt<'_>,
) -> Result<Step, String> {
    let (Some(walk), Some(page)) = (call.walk.clone(), call.page.clone()) else {
        return Ok(Step::Ended(ending::accepted(lane, call, taken, last), false));
    };
    let records = taken.records.len() as u64;
    let outcomes = ending::accepted(lane, call, taken, last);
    let mut post = walk.post.open();
    let course = walk.take(&page, records, turn)?;
    judging::tell(lane, call, tried, "accept", None, None);
    Ok(post.take(go_on(lane, call, (&walk, &page), course, outcomes)))
}

/// A page that a rule leaves out. The first one leaves the row out.
pub(super) fn skip(lane: &Lane, call: &mut Call) -> Step {
    let outcomes = ending::skipped(lane, call);
    let (Some(walk), Some(page)) = (call.walk.clone(), call.page.clone()) else { return Step::Ended(outcomes, false) };
    if page.number == 0 {
        return Step::Ended(outcomes, false);
    }
    let outcomes = outcomes.into_iter().map(|outcome| Outcome { ending: Ending::Ok, ..outcome }).collect();
    let mut post = walk.post.open();
    let course = walk.skip(&page);
    post.take(go_on(lane, call, (&walk, &page), course, outcomes))
}

/// Goes on where an earlier session left pages that go out together: with those that are missing, or with the end of
/// the row where none is.
pub(super) fn resumed(lane: &Lane, call: &Call, walk: &Walk) -> Step {
    let Some(walked) = walk.whole() else { return Step::Turned(Vec::new(), Next::Together) };
    doubt(lane, call, &walked);
    Step::Ended(ending::empty(lane, call), false)
}

/// A page that failed behind an empty one, where nothing is missing; `None`: it is not there, and fails the row.
pub(super) fn behind(lane: &Lane, call: &Call) -> Option<Step> {
    let (Some(walk), Some(page)) = (&call.walk, &call.page) else { return None };
    let mut post = walk.post.open();
    let course = walk.behind(page.number)?;
    let outcomes = ending::empty(lane, call);
    Some(post.take(go_on(lane, &mut call.on(Page::clone(page)), (walk, page), course, outcomes)))
}

/// A page that failed fails the row, once no page of it is out.
pub(super) fn failed(call: &Call, outcomes: Vec<Outcome>, unauthorized: bool) -> Step {
    let Some(walk) = &call.walk else { return Step::Ended(outcomes, unauthorized) };
    let mut post = walk.post.open();
    post.take(match walk.fail(outcomes, unauthorized) {
        Some((outcomes, unauthorized)) => Step::Ended(outcomes, unauthorized),
        None => Step::Turned(Vec::new(), Next::Apart),
    })
}

/// What follows once a page has ended.
fn go_on(
    lane: &Lane,
    call: &mut Call,
    (walk, ended): (&Arc<Walk>, &Page),
    course: Course,
    outcomes: Vec<Outcome>,
) -> Step {
    let next = match course {
        Course::Over(walked) => {
            doubt(lane, call, &walked);
            return Step::Ended(outcomes, false);
        }
        Course::Next(page) => {
            *call = call.on(page);
            Next::Call
        }
        Course::Together => Next::Together,
        Course::Apart => {
            if let Some((failed, unauthorized)) = walk.failed() {
                return Step::Ended(
                    part(lane, walk, ended, outcomes).into_iter().chain(failed).collect(),
                    unauthorized,
                );
            }
            Next::Apart
        }
    };
    Step::Turned(part(lane, walk, ended, outcomes), next)
}

/// The outcomes of a page that is not the last.
fn part(lane: &Lane, walk: &Walk, ended: &Page, outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let note = || {
        let note = walk.note(ended.number);
        WalkNote { next: without_secrets(&lane.shared.masker, note.next), ..note }
    };
    let part = |outcome| Outcome { ending: Ending::Page, walk: Some(note()), ..outcome };
    outcomes.into_iter().map(part).collect()
}

/// A place as it may stand in the journal: a server may say a secret back in a link. Parameters that hold one are left
/// out (what `auth` puts into a query it puts there again), and what stands elsewhere is masked, so that going on from
/// there fails in the server's words.
fn without_secrets(masker: &Masker, place: Position) -> Position {
    let Position::Url(url) = place else { return place };
    if *masker.mask(&url) == *url {
        return Position::Url(url);
    }
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let kept: Vec<&str> = query.split('&').filter(|pair| *masker.mask(pair) == **pair).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    Position::Url(format!("{}{mark}{}", masker.mask(path), kept.join("&")))
}

/// Tells what does not fit at the end of a walk: nothing is cut short in silence.
fn doubt(lane: &Lane, call: &Call, walked: &Walked) {
    let Some(plan) = &lane.plan().paginate else { return };
    plan.doubts(walked).iter().for_each(|words| lane.doubt(call.row.ordinal, words));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_a_server_says_back_in_a_link_is_not_journaled() {
        let masker = Masker::new(["hunter2-hunter2"]);
        for (said, noted) in [
            ("http://a/list?page=3&tag=x", "http://a/list?page=3&tag=x"),
            ("http://a/list?key=hunter2-hunter2&page=3", "http://a/list?page=3"),
            ("http://a/list?page=3&key=hunter2-hunter2", "http://a/list?page=3"),
            ("http://a/hunter2-hunter2/list?page=3", "http://a/***/list?page=3"),
        ] {
            let place = Position::Url(said.to_owned());
            assert_eq!(without_secrets(&masker, place), Position::Url(noted.to_owned()), "{said}");
        }
        let cursor = Position::Token("hunter2".to_owned());
        assert_eq!(without_secrets(&masker, cursor.clone()), cursor);
    }
}
