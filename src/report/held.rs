//! Held: what held an endpoint back over the last looks, so that what is shown can be read.
//!
//! What binds may change with every look; shown is what was found most often. Must never decide anything.

use std::collections::VecDeque;

/// What was found in the last looks.
#[derive(Debug)]
pub struct Held {
    looks: VecDeque<String>,
    most: usize,
    shown: Option<String>,
}

impl Held {
    /// Remembers so many looks.
    #[must_use]
    pub fn over(looks: usize) -> Self {
        Self { looks: VecDeque::new(), most: looks.max(1), shown: None }
    }

    /// Notes a look; `None`: nothing holds it back, it has no work left.
    pub fn note(&mut self, what: Option<String>) {
        let Some(what) = what else {
            self.looks.clear();
            return;
        };
        if self.looks.len() == self.most {
            self.looks.pop_front();
        }
        self.looks.push_back(what);
    }

    /// What was found most often; of several, what was shown before stays.
    pub fn shown(&mut self) -> Option<String> {
        let count = |what: &String| self.looks.iter().filter(|look| *look == what).count();
        let kept = self.shown.take().map(|shown| (count(&shown), shown)).filter(|(count, _)| *count > 0);
        let best = self.looks.iter().fold(kept, |best, look| match best {
            Some((most, best)) if count(look) <= most => Some((most, best)),
            _ => Some((count(look), look.clone())),
        });
        self.shown = best.map(|(_, what)| what);
        self.shown.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_most_often_is_shown_and_stays_while_others_are_no_more() {
        let mut held = Held::over(4);
        assert_eq!(held.shown(), None);
        let mut after = |what: &str| {
            held.note(Some(what.to_owned()));
            held.shown().unwrap()
        };
        assert_eq!([after("a"), after("b"), after("b"), after("a"), after("a")], ["a", "a", "b", "b", "b"]);
        assert_eq!([after("a"), after("a")], ["a", "a"]);
        held.note(None);
        assert_eq!(held.shown(), None, "no work left");
    }
}
