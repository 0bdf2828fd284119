//! What a source's thread hands on, and with which marks.

use super::super::tests::shared;
use super::*;

fn set(rows: &[u64]) -> RowSet {
    let mut set = RowSet::default();
    rows.iter().for_each(|row| _ = set.insert(*row));
    set
}

#[tokio::test]
async fn rows_that_are_unknown_are_read_and_marked() {
    let (shared, intake) = (shared(), Intake::default());
    let selection = Selection { done: set(&[0, 3]), unknown: set(&[2, 3]), limit: Some(5), ..Selection::default() };
    let source = &*shared.plan.endpoints[0].source;
    intake.pump(source.open().unwrap(), source, &selection).unwrap();
    let rows = intake.take(&mut 0, 100, &mut Room::new(None, 100)).await;
    let seen: Vec<_> = rows.iter().map(|(_, taken)| (taken.read.ordinal(), taken.unknown)).collect();
    assert_eq!(seen, [(1, false), (2, true), (4, false)]);
}
