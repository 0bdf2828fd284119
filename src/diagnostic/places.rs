//! Sets of places, and diagnostics by their places. Must never be slow: a job file of nothing but errors has a hundred
//! thousand of them, and each is asked for.

use std::collections::BTreeMap;

use super::{Code, Diagnostic, Place, Severity};

/// Stretches of texts; those that overlap or touch are joined.
#[derive(Debug, Clone, Default)]
pub(super) struct Stretches(BTreeMap<(usize, usize), usize>);

impl Stretches {
    /// Takes up a place.
    pub(super) fn add(&mut self, place: Place) {
        let (mut start, mut end) = (place.start, place.end);
        while let Some(last) = self.last_from(place.source, end).filter(|last| last.end >= start) {
            self.0.remove(&(last.source, last.start));
            (start, end) = (start.min(last.start), end.max(last.end));
        }
        self.0.insert((place.source, start), end);
    }

    /// Whether a place touches one of them.
    pub(super) fn touch(&self, place: Place) -> bool {
        self.last_from(place.source, place.end).is_some_and(|last| place.start <= last.end)
    }

    /// Whether a place that is not empty crosses one of them.
    pub(super) fn overlap(&self, place: Place) -> bool {
        let before = place.end.checked_sub(1).and_then(|end| self.last_from(place.source, end));
        place.start < place.end && before.is_some_and(|last| place.start < last.end)
    }

    /// Whether a place lies within one of them.
    pub(super) fn hold(&self, place: Place) -> bool {
        self.last_from(place.source, place.start).is_some_and(|last| place.end <= last.end)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Place> {
        self.0.iter().map(|((source, start), end)| Place { source: *source, start: *start, end: *end })
    }

    /// The last that starts at a position or before it. No other one before that position ends behind it.
    fn last_from(&self, source: usize, at: usize) -> Option<Place> {
        let ((_, start), end) = self.0.range((source, 0)..=(source, at)).next_back()?;
        Some(Place { source, start: *start, end: *end })
    }
}

/// Positions in a list of diagnostics, by where each begins.
#[derive(Debug, Clone, Default)]
pub(super) struct Index(BTreeMap<Option<(usize, usize)>, Vec<usize>>);

impl Index {
    /// Takes up the diagnostic at a position of the list.
    pub(super) fn add(&mut self, diagnostic: &Diagnostic, position: usize) {
        self.0.entry(start(diagnostic)).or_default().push(position);
    }

    /// Those of `list` that begin where one does.
    pub(super) fn beside<'l>(
        &self,
        list: &'l [Diagnostic],
        one: &Diagnostic,
    ) -> impl Iterator<Item = &'l Diagnostic> + use<'l, '_> {
        self.0.get(&start(one)).into_iter().flatten().filter_map(|position| list.get(*position))
    }

    /// Whether something of a code stands exactly here.
    pub(super) fn has(&self, list: &[Diagnostic], code: Code, place: Place) -> bool {
        let here = self.0.get(&Some((place.source, place.start))).into_iter().flatten();
        here.filter_map(|position| list.get(*position)).any(|known| known.code == code && at(known) == Some(place))
    }

    /// Whether an error stands within a place.
    pub(super) fn has_error_in(&self, list: &[Diagnostic], place: Place) -> bool {
        let range = Some((place.source, place.start))..=Some((place.source, place.end));
        let within =
            self.0.range(range).flat_map(|(_, positions)| positions).filter_map(|position| list.get(*position));
        within
            .filter(|known| known.severity == Severity::Error)
            .any(|known| at(known).is_some_and(|known| known.end <= place.end))
    }
}

fn at(diagnostic: &Diagnostic) -> Option<Place> {
    diagnostic.primary.as_ref().map(|label| label.place)
}

fn start(diagnostic: &Diagnostic) -> Option<(usize, usize)> {
    at(diagnostic).map(|place| (place.source, place.start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::codes;

    fn place((source, start, length): (usize, usize, usize)) -> Place {
        Place { source, start, end: start + length }
    }

    proptest! {
        #[test]
        fn stretches_are_what_a_list_of_places_would_be(
            places in prop::collection::vec((0usize..2, 0usize..40, 0usize..6), 0..20),
            asked in (0usize..2, 0usize..40, 0usize..6),
        ) {
            let mut stretches = Stretches::default();
            places.iter().for_each(|one| stretches.add(place(*one)));
            let asked = place(asked);
            let touches = |one: Place| {
                one.source == asked.source && one.start <= asked.end && asked.start <= one.end
            };
            let holds = |one: Place| one.source == asked.source && one.start <= asked.start && asked.end <= one.end;
            prop_assert_eq!(stretches.touch(asked), places.iter().any(|one| touches(place(*one))));
            let overlaps = |one: Place| {
                let crosses = one.start < asked.end && asked.start < one.end;
                one.source == asked.source && asked.start < asked.end && crosses
            };
            prop_assert_eq!(stretches.overlap(asked), places.iter().any(|one| overlaps(place(*one))));
            // What is joined may hold what no part of it does, and never the other way round.
            prop_assert!(stretches.hold(asked) || !places.iter().any(|one| holds(place(*one))));
            prop_assert_eq!(stretches.hold(asked), stretches.iter().any(holds));
        }
    }

    #[test]
    fn diagnostics_are_found_by_their_places() {
        let one = Diagnostic::error(codes::INPUT, "a").at(place((0, 5, 3)), "");
        let list = [one.clone(), Diagnostic::warning(codes::INPUT, "b").at(place((0, 20, 1)), "")];
        let mut index = Index::default();
        list.iter().enumerate().for_each(|(at, one)| index.add(one, at));
        assert!(index.has(&list, codes::INPUT, place((0, 5, 3))) && !index.has(&list, codes::INPUT, place((0, 5, 2))));
        assert!(index.has_error_in(&list, place((0, 4, 4))) && !index.has_error_in(&list, place((0, 4, 3))));
        assert!(!index.has_error_in(&list, place((0, 19, 5))) && !index.has_error_in(&list, place((1, 0, 99))));
        assert_eq!(index.beside(&list, &one).count(), 1);
    }
}
