//! Outcomes of a walk on their way to the scribe, in the order in which they were decided.
//!
//! Pages that are out together end on several workers, while the note of each says what was taken before it, and the
//! end of the row that all of it was. Must never let an outcome overtake one that was decided before: a commit in
//! between would hold pages as taken whose records are not written.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::Outcome;

use super::lane::Lane;
use super::worker::Step;

/// Outcomes that arrive together, each time with whether they failed because the server does not know who asks.
#[derive(Debug, Default)]
pub struct Letters(VecDeque<(Vec<Outcome>, bool)>);

impl Letters {
    /// Takes the outcomes of a step; what becomes of its call stays.
    pub(super) fn take(&mut self, step: Step) -> Step {
        match step {
            Step::Ended(outcomes, unauthorized) => {
                self.0.push_back((outcomes, unauthorized));
                Step::Ended(Vec::new(), unauthorized)
            }
            Step::Turned(outcomes, next) => {
                self.0.push_back((outcomes, false));
                Step::Turned(Vec::new(), next)
            }
            other @ (Step::Split(_) | Step::Sleep(_) | Step::Abandoned) => other,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Post {
    letters: Mutex<Letters>,
    /// Whether a letter was taken out and has not arrived.
    in_hand: tokio::sync::Mutex<bool>,
}

impl Post {
    /// What is decided while this is held goes out behind all that was decided before.
    pub fn open(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when all that has been decided so far is delivered.
    pub async fn deliver(&self, lane: &Lane) {
        let mut in_hand = self.in_hand.lock().await;
        // Whoever had a letter in hand was stopped with the run: it is lost, and those behind it must not arrive.
        if *in_hand {
            return;
        }
        while let Some((outcomes, unauthorized)) = self.next() {
            *in_hand = true;
            lane.deliver(outcomes, unauthorized).await;
            *in_hand = false;
        }
    }

    fn next(&self) -> Option<(Vec<Outcome>, bool)> {
        self.open().0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::{Act, Server, lanes};
    use super::super::walking::Next;
    use super::*;
    use crate::record::Ending;

    const ITEM: &str =
        "[endpoints.item]\nurl = \"http://api.test/items/{{ row.value }}\"\ninput.range = { from = 0, to = 9 }\n";

    fn outcome(ordinal: u64, ending: Ending) -> Outcome {
        let (unknown, error, walk, records) = (false, None, None, Vec::new());
        Outcome {
            endpoint: 0,
            ordinal,
            sequence: ordinal,
            ending,
            unknown,
            error,
            kind: None,
            attempts: 1,
            tried: 1,
            walk,
            records,
        }
    }

    fn two_letters() -> Post {
        let post = Post::default();
        let page = post.open().take(Step::Turned(vec![outcome(1, Ending::Page)], Next::Apart));
        assert!(matches!(page, Step::Turned(left, Next::Apart) if left.is_empty()));
        let end = post.open().take(Step::Ended(vec![outcome(2, Ending::Ok)], false));
        assert!(matches!(end, Step::Ended(left, false) if left.is_empty()));
        post
    }

    #[tokio::test]
    async fn whoever_delivers_first_delivers_what_was_decided_first() {
        let (lanes, _desk) = lanes(ITEM, &Server::new(|_| Act::status(200)), None);
        let post = two_letters();
        post.deliver(&lanes[0]).await;
        post.deliver(&lanes[0]).await;
        let arrived: Vec<u64> =
            lanes[0].shared.outbox.drain(9).await.iter().flatten().map(|outcome| outcome.ordinal).collect();
        assert_eq!(arrived, [1, 2]);
    }

    #[tokio::test]
    async fn nothing_arrives_behind_a_letter_that_was_lost() {
        let (lanes, _desk) = lanes(ITEM, &Server::new(|_| Act::status(200)), None);
        let post = two_letters();
        *post.in_hand.lock().await = true;
        post.deliver(&lanes[0]).await;
        lanes[0].shared.outbox.close();
        assert!(lanes[0].shared.outbox.drain(9).await.is_empty());
    }
}
