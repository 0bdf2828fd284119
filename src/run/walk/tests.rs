//! How walks go, without a server: every page once, whatever order pages end in and wherever a session ends.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::compile::Site;
use crate::diagnostic::Diagnostics;
use crate::document::{Document, KeyPath, Overlays};
use crate::journal::Walks;
use crate::paginate::KINDS;

fn plan() -> Arc<dyn PaginatePlan> {
    let text = "[endpoints.a]\n".to_owned();
    let document = Document::parse("job.toml".as_ref(), text, &Overlays::default(), &mut Diagnostics::default());
    let mut diagnostics = Diagnostics::default();
    let mut site = Site { document: &document.unwrap(), diagnostics: &mut diagnostics };
    let kind = KINDS.iter().find(|kind| kind.name == "page-number").unwrap();
    (kind.compile)(&mut site, &KeyPath::of(["a"]), &json!({"total-pages": "$.pages"})).unwrap()
}

fn walk(note: Option<WalkNote>) -> Walk {
    Walk::begin(0, 0, plan(), note)
}

fn turn(following: Following, print: u64) -> Turn {
    let place = match &following {
        Following::Next(position) => Some(super::print(position)),
        Following::End(_) | Following::Pages(_) => None,
    };
    Turn { following, place, told: Told::default(), print: Some(print) }
}

fn next(number: u64) -> Turn {
    turn(Following::Next(Position::Number(number + 1)), number)
}

/// What a journal has of a walk behind the page of this number.
fn noted(journal: &mut Walks, walk: &Walk, taken: u64) -> Option<WalkNote> {
    journal.put(walk.note(taken));
    journal.iter().next().cloned()
}

#[test]
fn pages_come_one_after_the_other_and_a_note_goes_on_behind_the_last() {
    let first = walk(None);
    let mut page = first.start().unwrap();
    for _ in 0..3 {
        let Course::Next(after) = first.take(&page, 10, next(page.number + 1)).unwrap() else { panic!("no next") };
        page = after;
    }
    let again = walk(Some(first.note(2)));
    assert_eq!(again.start(), Some(page.clone()));
    let Course::Over(walked) = again.take(&page, 5, turn(Following::End(End::HasMore), 9)).unwrap() else {
        panic!("not over")
    };
    assert_eq!((walked.pages, walked.records, walked.end), (4, 35, Some(End::HasMore)));
}

#[test]
fn a_place_that_was_there_and_a_page_that_was_there_are_errors_and_nothing_is_taken() {
    let walk = walk(None);
    let first = walk.start().unwrap();
    let to = |token: &str, print| turn(Following::Next(Position::Token(token.to_owned())), print);
    let Ok(Course::Next(second)) = walk.take(&first, 1, to("a", 1)) else { panic!("no next") };
    let before = walk.note(0);
    assert!(walk.take(&second, 1, to("a", 7)).unwrap_err().contains("leads back"));
    assert!(walk.take(&second, 1, to("b", 1)).unwrap_err().contains("holds the same"));
    assert_eq!(walk.note(0), before);
    // Two pages with nothing in them are no repetition.
    let none = |token| Turn { print: None, ..to(token, 0) };
    let Ok(Course::Next(third)) = walk.take(&second, 0, none("b")) else { panic!("no next") };
    assert!(walk.take(&third, 0, none("c")).is_ok());
}

#[test]
fn a_page_that_failed_ends_the_row_when_no_other_is_out() {
    let walk = walk(None);
    let first = walk.start().unwrap();
    assert_eq!(walk.take(&first, 1, turn(Following::Pages(5), 0)), Ok(Course::Together));
    let out = [walk.unsent().unwrap(), walk.unsent().unwrap()];
    assert!(walk.fail(Vec::new(), true).is_none());
    assert_eq!(walk.unsent(), None, "no page goes out for a row that has failed");
    assert_eq!(walk.take(&out[1], 1, next(9)), Ok(Course::Apart));
    assert_eq!(walk.failed().map(|(_, unauthorized)| unauthorized), Some(true));
    let mut journal = Walks::default();
    noted(&mut journal, &walk, 0);
    assert_eq!(noted(&mut journal, &walk, 2).unwrap().done.ranges().collect::<Vec<_>>(), [0..1, 2..3]);
}

#[test]
fn an_empty_page_ends_pages_that_go_together_however_many_were_told() {
    let walk = walk(None);
    let first = walk.start().unwrap();
    assert_eq!(walk.take(&first, 1, turn(Following::Pages(1_000_000_000), 0)), Ok(Course::Together));
    let out: Vec<Page> = (0..5).map_while(|_| walk.unsent()).collect();
    let empty = || turn(Following::End(End::EmptyYetMore), 9);
    assert_eq!(walk.take(&out[4], 0, Turn { print: None, ..empty() }), Ok(Course::Apart));
    assert_eq!(walk.take(&out[2], 0, Turn { print: None, ..empty() }), Ok(Course::Apart), "page 3 is empty");
    assert_eq!(walk.unsent(), None);
    assert_eq!(walk.take(&out[0], 1, next(1)), Ok(Course::Apart));
    assert_eq!(walk.take(&out[3], 0, Turn { print: None, ..empty() }), Ok(Course::Apart), "behind the empty one");
    let Ok(Course::Over(walked)) = walk.take(&out[1], 1, next(2)) else { panic!("not over") };
    assert_eq!((walked.records, walked.end), (3, Some(End::EmptyYetMore)));
}

#[test]
fn no_page_goes_out_behind_the_end_of_a_row_that_failed() {
    let walk = walk(None);
    let first = walk.start().unwrap();
    assert_eq!(walk.take(&first, 1, turn(Following::Pages(100), 0)), Ok(Course::Together));
    assert!(walk.unsent().is_some());
    assert!(walk.fail(Vec::new(), false).is_some(), "it was the only one that was out");
    assert_eq!(walk.unsent(), None);
}

#[test]
fn a_note_is_small_however_many_pages_came_out_of_order() {
    let walk = walk(None);
    let first = walk.start().unwrap();
    assert_eq!(walk.take(&first, 1, turn(Following::Pages(10_000), 0)), Ok(Course::Together));
    let out: Vec<Page> = (0..9_000).map_while(|_| walk.unsent()).collect();
    let mut journal = Walks::default();
    noted(&mut journal, &walk, 0);
    for page in out.iter().step_by(2) {
        assert_eq!(walk.take(page, 1, next(page.number)), Ok(Course::Apart));
        assert!(walk.note(page.number).done.ranges().flatten().eq([page.number]));
        noted(&mut journal, &walk, page.number);
    }
    let note = journal.iter().next().unwrap();
    assert_eq!((note.done.len(), note.done.ranges().len()), (4_501, 4_500), "the journal has them all");
}

/// A cursor that the server names.
fn to(token: u64) -> Turn {
    turn(Following::Next(Position::Token(format!("c{token}"))), token)
}

#[test]
fn a_circle_is_noticed_where_it_closes_also_when_it_was_begun_before_a_kill() {
    for (pages, back, at_once) in
        [(5, 0, true), (5, 3, true), (5, 4, true), (100, 0, true), (100, 90, true), (100, 50, false)]
    {
        let first = walk(None);
        let mut page = first.start().unwrap();
        for token in 0..pages {
            let Course::Next(after) = first.take(&page, 1, to(token)).unwrap() else { panic!("no next") };
            page = after;
        }
        let note = first.note(page.number - 1);
        assert!(note.seen.len() <= MOST_NOTED, "{}", note.seen.len());
        let again = walk(Some(note));
        let page = again.start().unwrap();
        let Ok(Course::Next(page)) = again.take(&page, 1, to(pages)) else { panic!("no next") };
        let led = again.take(&page, 1, to(back));
        assert_eq!(led.is_err_and(|words| words.contains("leads back")), at_once, "{pages} pages, back to {back}");
    }
}

proptest! {
    #[test]
    fn pages_that_go_together_are_taken_once_over_any_number_of_sessions(
        told in 2..60_u64, empty in 1..90_u64, behind in 0..3_u64,
        ends in proptest::collection::vec((0..8_usize, 0..12_usize), 0..40),
    ) {
        // How many pages hold something.
        let pages = told.min(empty);
        let mut session = walk(None);
        let first = session.start().unwrap();
        prop_assert_eq!(session.take(&first, 1, turn(Following::Pages(told), 0)), Ok(Course::Together));
        let (mut out, mut taken, mut over) = (Vec::<Page>::new(), vec![0_u64], None);
        let mut journal = Walks::default();
        let mut note = noted(&mut journal, &session, 0);
        let ends = ends.into_iter().chain(std::iter::repeat_n((3, 0), 4 * told as usize));
        for (more, which) in ends {
            if which > 10 {
                // Killed: what is out is lost, and the note goes on.
                session = walk(note.clone());
                prop_assert_eq!(session.start(), None);
                out.clear();
                over = session.whole();
                if over.is_some() {
                    break;
                }
            }
            out.extend((0..more).map_while(|_| session.unsent()));
            if out.is_empty() {
                continue;
            }
            let page = out.remove(which % out.len());
            let course = if page.number < pages {
                taken.push(page.number);
                session.take(&page, 1, next(page.number + 1)).unwrap()
            } else {
                // Where nothing stands a server says so, or that it knows no such page.
                let nothing = Turn { print: None, ..turn(Following::End(End::EmptyYetMore), 0) };
                let failed = (page.number > pages && page.number % 3 == behind).then(|| session.behind(page.number));
                failed.flatten().unwrap_or_else(|| session.take(&page, 0, nothing).unwrap())
            };
            match course {
                Course::Over(walked) => {
                    over = Some(walked);
                    break;
                }
                course => {
                    prop_assert_eq!(course, Course::Apart);
                    note = noted(&mut journal, &session, page.number);
                }
            }
        }
        taken.sort_unstable();
        let end = if empty < told { End::EmptyYetMore } else { End::Total };
        prop_assert_eq!(over.map(|walked| (walked.records, walked.end)), Some((pages, Some(end))));
        prop_assert_eq!(taken, (0..pages).collect::<Vec<_>>());
    }
}
