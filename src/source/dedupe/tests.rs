//! Dedupe against a set of the standard library, with so little memory that nearly all of it spills.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::row::{Fields, Row};

const TINY: Limits = Limits { slots: 16, filters: 64 };

fn row(value: i64) -> Row {
    Row { ordinal: 0, line: 0, fields: Fields::Integer(value) }
}

fn agrees(limits: Limits, values: impl IntoIterator<Item = i64>) -> Seen {
    let (mut seen, mut expected) = (Seen::new(limits), HashSet::new());
    for value in values {
        assert_eq!(seen.is_new(&row(value), None).unwrap(), expected.insert(value), "{value}");
    }
    seen
}

proptest! {
    #[test]
    fn rows_are_new_as_in_a_set(values in prop::collection::vec(-60i64..60, 0..600), filters in 0usize..200) {
        agrees(Limits { filters, ..TINY }, values);
    }

    #[test]
    fn neighbouring_fingerprints_are_told_apart(prints in prop::collection::vec(0u128..90, 0..400)) {
        let (mut seen, mut expected) = (Seen::new(TINY), HashSet::new());
        for print in prints {
            prop_assert_eq!(seen.insert(print).unwrap(), expected.insert(print.max(1)));
        }
    }
}

#[test]
fn many_pages_and_merges_forget_nothing() {
    let limits = Limits { slots: 1024, filters: 8 << 10 };
    let values = (0..30_000).chain((0..30_000).step_by(7)).chain(20_000..40_000).chain((0..40_000).rev());
    let seen = agrees(limits, values);
    let sizes = seen.earlier.sizes();
    assert!(sizes.iter().sum::<usize>() > 38_000 && sizes.len() < 8, "{sizes:?}");
    assert!(sizes.is_sorted_by(|larger, smaller| larger > smaller), "{sizes:?}");
}

#[test]
fn filters_keep_to_their_bytes() {
    let limits = Limits { slots: 1024, filters: 8 << 10 };
    let mut seen = Seen::new(limits);
    for value in 0..50_000 {
        seen.is_new(&row(value), None).unwrap();
        assert!(seen.earlier.filter_bytes() <= limits.filters, "{}", seen.earlier.filter_bytes());
    }
}
