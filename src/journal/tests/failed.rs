//! Failed rows: what is kept of them, for how long, and under which numbers.

use proptest::prelude::*;

use super::*;

#[test]
fn failed_rows_of_an_older_journal_are_read() {
    let old: FailedRow = serde_json::from_str(r#"{"endpoint":1,"row":7,"spans":[],"unknown":true}"#).unwrap();
    let (attempts, kind, error) = (0, None, String::new());
    assert_eq!(old, FailedRow { endpoint: 1, row: 7, spans: vec![], unknown: true, walk: None, attempts, kind, error });
    let text = serde_json::to_string(&failed(0, 1)).unwrap();
    assert!(text.ends_with(r#""attempts":2,"kind":"read-timeout","error":"row 1 took too long"}"#), "{text}");
}

#[test]
fn failed_rows_are_gathered_from_all_commits_since_the_last_healing() {
    let (_home, state) = folder();
    assert_eq!(state.failed_rows().unwrap(), []);
    state.begin(&opening()).unwrap();
    assert_eq!(state.failed_rows().unwrap(), []);
    let mut writer = state.resume().unwrap();
    for rows in [vec![failed(0, 9), failed(1, 4)], vec![], vec![failed(0, 2)]] {
        writer.commit(&Commit { failed: rows, ..commit(1) }).unwrap();
    }
    assert_eq!(state.failed_rows().unwrap(), [failed(0, 9), failed(1, 4), failed(0, 2)]);
    writer.commit(&Commit { failed: vec![], healed: true, ..commit(1) }).unwrap();
    writer.commit(&Commit { failed: vec![failed(0, 3)], ..commit(1) }).unwrap();
    drop(writer);
    assert_eq!(state.failed_rows().unwrap(), [failed(0, 3)]);
}

#[test]
fn a_journal_that_goes_on_under_another_opening_renumbers_its_failed_rows() {
    let (_home, state) = folder();
    let mut writer = state.begin(&opening()).unwrap();
    writer.commit(&Commit { failed: vec![failed(1, 3)], ..commit(1) }).unwrap();
    writer.commit(&Commit { failed: vec![], healed: true, ..commit(1) }).unwrap();
    let rows = (0..25_000).map(|row| failed((row % 2) as usize, row)).collect();
    writer.commit(&Commit { failed: rows, ..commit(1) }).unwrap();
    let now = Opening { endpoints: vec!["stock".to_owned()], ..opening() };
    let renumber = &mut |row: FailedRow| (row.endpoint == 1).then_some(FailedRow { endpoint: 0, ..row });
    writer.reopen(&now, &commit(4), renumber).unwrap();
    assert_eq!(state.recover().unwrap(), Some(Recovered { opening: now, last: commit(4), torn: 0 }));
    let expected: Vec<_> =
        (0..25_000).filter(|row| row % 2 == 1).map(|row| FailedRow { endpoint: 0, ..failed(1, row) }).collect();
    assert_eq!(state.failed_rows().unwrap(), expected);
    writer.commit(&commit(6)).unwrap();
    assert_eq!((last(&state), state.failed_rows().unwrap().len()), (commit(6), expected.len()));
}

proptest! {
    #[test]
    fn an_error_is_cut_between_two_characters(error in "(?s).{0,700}") {
        let kept = short(&error);
        let cut = error.chars().count() > 500;
        prop_assert_eq!(kept.chars().count(), if cut { 503 } else { error.chars().count() });
        prop_assert!(error.starts_with(kept.strip_suffix("...").filter(|_| cut).unwrap_or(&kept)));
    }
}
