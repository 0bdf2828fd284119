//! Every help that quotes a mend mends: what it quotes is put where the diagnostic stands, and the job is checked again.
//!
//! The jobs are those of `tests/check`. Then that error is gone and no new one stands there. What can't be done without a
//! person is listed below, with its reason; an entry that nothing needs any more is a failure too.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

pub mod edit;
pub mod offer;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use paceline::compile;
use paceline::diagnostic::{Code, Diagnostic, Diagnostics, Severity, codes};
use paceline::document::{Document, Place};

use crate::golden::{command_line, judge_sample, names, sample};

use edit::Edit;
use offer::Offer;

/// Helps that a person has to carry out, by how they begin, and why.
const BY_HAND: &[(&str, &str)] = &[
    ("write `method = \"POST\"`", "goes beside the body, wherever the table around it is written"),
    ("write `rows = \"$.items[*]\"`", "goes beside the chunk"),
    ("write it in single quotes", "the expression itself has to change"),
    ("write `limit = \"idle\"`", "at which endpoint is for who writes the job to say"),
    ("write `include` at the top", "moves what stands there"),
    ("write it beside the product", "moves what stands there"),
    ("write it on one line", "names no text"),
    ("write to another folder", "names a folder, and the file's name stays"),
    ("write `access-key` and `secret-key`", "both are asked for"),
    ("write a value behind the `=`", "names no value"),
    ("write the host as DNS knows it", "only begins with what is quoted"),
    ("write `when = \"status == ", "two keys, of which one stands there"),
    ("write `>`", "takes the words before the place with it"),
    ("write `a and b` where", "`a` and `b` stand for what is written"),
    ("write `1 < a and a < 3`", "`a` stands for what is written"),
    ("write `{% end", "where it ends is for who writes it to say"),
    ("write `vars.page`", "takes the words before the place with it"),
    ("write `row['Unit price']`", "takes the words before the place with it"),
    ("write `client.engine = \"hyper\"`", "goes into the endpoint, however that is written"),
    ("write it into `run.stop-if`", "moves what stands there"),
    ("write how long it may be silent", "goes into `until`, however that is written"),
    ("write `https://` out", "a value goes elsewhere"),
];

/// Cases where a second mistake stands beside or beneath the one that is mended: what is said then, and why. Whatever
/// else comes of a help of theirs is a failure, as of all others.
const SECOND_MISTAKES: &[(&str, &str, &str)] = &[
    ("auth-oauth2", "now: this line of `auth` is not valid TOML", "`scopes` is a list, and `scope` a text"),
    ("body-files", "can't be sent: no such file", "the folder is named within the path"),
    ("conflict-timeouts", "now: `timeout.connect` of 10s has no effect", "a longer `connect` has no effect either"),
    (
        "file-crlf-tabs",
        "now: `endpoints.price.meta` names `status` twice",
        "the first of the names that can be stands there already",
    ),
    ("file-long-line", "now: the input has no column `5`", "there is no column `5`"),
    (
        "limit-cost-column",
        "now: `endpoints.stock` takes from this limit",
        "two endpoints take from the limit, and one has no such column",
    ),
    (
        "name-meta",
        "now: `endpoints.price.meta` names `status` twice",
        "the first of the names that can be stands there already",
    ),
    ("paginate-values", "now: `size` has no effect here", "`size` has no effect there, as a number either"),
    ("profile-unknown", "is told again of: [profiles.prod", "the name stands in the command line"),
    ("request-url-characters", "now: `%20` does not begin with `https://`", "escapes hide where in the string it is"),
    ("run-fail-if", "now: `2s` can't be compared", "of a condition only the duration is offered"),
    ("run-stop-if", "now: `2s` can't be compared", "of a condition only the duration is offered"),
    ("secret-unread", "now: unknown key `token` in the job", "the line is hidden, and what is around it too"),
    ("secret-unread", "is told again of: token.env", "the line is hidden, and what is around it too"),
    ("stream-meta", "now: `endpoints.ticks.meta` names `message` twice", "it stands there already"),
    ("stream-meta", "now: `endpoints.events.sse.events` names `trade` twice", "it stands there already"),
    ("syntax-brackets", "now: `endpoints.price`: expected a table, found a list", "an endpoint is no list of tables"),
    (
        "syntax-in-auth",
        "now: unknown key `auth` in `endpoints.other.auth.basic`",
        "the line is hidden, and what is around it too",
    ),
    ("syntax-numbers", "now: `limits.a.rate`: expected a rate", "`no` is no rate either"),
    ("syntax-several", "now: no kind of input reads", "no input is called `{{ vars.input }}`"),
    ("syntax-strings", "data\\products.csv can't be read: no such file", "there is no such file"),
];

/// What an example may name that this job does not have: a file, a column, a secret, a table of a database.
const OF_EXAMPLES: [Code; 5] =
    [codes::UNREADABLE, codes::INPUT, codes::TEMPLATE_NAME, codes::UNKNOWN_NAME, codes::SUSPICIOUS];

/// What became of the helps of all cases.
#[derive(Default)]
struct Tally {
    applied: usize,
    /// Entries of the lists that were needed: the case, if it is one of a case, and what it is known by.
    used: BTreeSet<(&'static str, &'static str)>,
    failures: Vec<String>,
}

#[test]
fn every_help_that_quotes_a_mend_mends() {
    let mut tally = Tally::default();
    for name in names() {
        let job = PathBuf::from(format!("tests/check/{name}.toml"));
        let Ok(text) = fs::read_to_string(&job) else { continue };
        let before = check(&job, &text);
        for told in before.list() {
            told.help.iter().for_each(|help| tally.try_help(&name, (&job, &text), (&before, told), help));
        }
    }
    let by_hand = BY_HAND.iter().map(|(help, _)| ("", *help));
    let second = SECOND_MISTAKES.iter().map(|(case, said, _)| (*case, *said));
    let idle: Vec<_> = by_hand.chain(second).filter(|listed| !tally.used.contains(listed)).collect();
    assert!(tally.failures.is_empty(), "{} don't mend:\n{}", tally.failures.len(), tally.failures.join("\n"));
    assert_eq!(idle, Vec::new(), "listed, and nothing needs it");
    assert!(tally.applied >= 300, "only {} were applied", tally.applied);
}

impl Tally {
    fn try_help(&mut self, case: &str, job: (&Path, &str), told: (&Diagnostics, &Diagnostic), help: &str) {
        let Some(offer) = Offer::of(help) else { return };
        if let Some((begin, _)) = BY_HAND.iter().find(|(begin, _)| help.starts_with(begin)) {
            self.used.insert(("", begin));
            return;
        }
        // What stands in an argument or in another file is not this text's to mend.
        let Some(place) = told.1.primary.as_ref().map(|label| label.place).filter(|place| place.source == 0) else {
            return;
        };
        match mended(job, told, place, &offer) {
            Ok(()) => self.applied += 1,
            Err(why) => match SECOND_MISTAKES.iter().find(|(known, said, _)| *known == case && why.contains(said)) {
                Some((known, said, _)) => drop(self.used.insert((known, said))),
                None => self.failures.push(format!("{case}: {}\n  help: {help}\n  {why}", told.1.message)),
            },
        }
    }
}

/// Whether the error is gone when its help is followed, and no other has come in its place.
fn mended(
    (job, text): (&Path, &str),
    (before, told): (&Diagnostics, &Diagnostic),
    place: Place,
    offer: &Offer<'_>,
) -> Result<(), String> {
    let Some(Edit { text: mended, start, end }) = edit::apply(text, place, offer) else {
        return Err("there is no place for it".to_owned());
    };
    let after = check(job, &mended);
    let line = |at: usize| mended[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let stretch = line(start)..end.max(start + 1);
    let shown = &mended[stretch.start..stretch.end.min(mended.len())];
    let is_here = |place: Place| place.source == 0 && place.start < stretch.end && place.end > stretch.start;
    let edited = start.min(place.start)..end;
    let is_same = |other: &&Diagnostic| other.code == told.code && other.message == told.message;
    let again = after.list().iter().filter(is_same).filter_map(|other| other.primary.as_ref());
    let mut again = again.filter(|label| label.place.start < edited.end && label.place.end > edited.start);
    if count(&after, told) >= count(before, told) && again.next().is_some() {
        return Err(format!("is told again of: {shown}"));
    }
    let is_of_example = |new: &Diagnostic| offer.is_example && OF_EXAMPLES.contains(&new.code);
    let new = after.list().iter().filter(|new| new.severity == Severity::Error && !is_of_example(new));
    let mut new = new.filter(|new| new.primary.as_ref().is_some_and(|label| is_here(label.place)));
    match new.find(|new| count(&after, new) > count(before, new)) {
        Some(new) => Err(format!("now: {}, of: {shown}", new.message)),
        None => Ok(()),
    }
}

/// How often the same is told.
fn count(diagnostics: &Diagnostics, told: &Diagnostic) -> usize {
    diagnostics.list().iter().filter(|other| other.code == told.code && other.message == told.message).count()
}

/// All that is told of a text at the place of a job.
fn check(job: &Path, text: &str) -> Diagnostics {
    let (overlays, options) = command_line(text.as_bytes());
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(job, text.to_owned(), &overlays, &mut diagnostics);
    let plan = document.as_ref().and_then(|document| compile::compile(document, &options, &mut diagnostics));
    if let (Some(document), Some(plan), Some(sample)) = (&document, &plan, sample(text.as_bytes())) {
        judge_sample(&sample, document, plan, &mut diagnostics);
    }
    diagnostics
}
