//! Chains between a scribe that is played and readers on threads of their own.

use std::sync::mpsc;
use std::thread;

use super::super::tests::stage::job;
use super::*;
use crate::record::Ending;

const JOB: &str = r#"
[endpoints.orders]
url = "http://h/users/{{ row.id }}/orders"
input.endpoint = "users"

[endpoints.users]
url = "http://h/users/{{ row.value }}"
input.range = { from = 1, to = 3 }
columns = { id = "$.id" }

[endpoints.mails]
url = "http://h/mails/{{ row.id }}"
input.endpoint = "users"

[sinks.out]
stdout = "jsonl"
"#;

const USERS: usize = 1;

/// A chain with its spool, in a folder that lives as long.
struct Stage {
    chains: Chains,
    spool: OpenSpool,
    _home: tempfile::TempDir,
}

fn stage() -> Stage {
    let home = tempfile::tempdir().unwrap();
    let plan = Plan { state: home.path().to_owned(), ..job(JOB) };
    let users = &plan.endpoints[USERS];
    let file = Spool::open(spool::path(&plan.state, "users"), "users", &users.layout, 1, None).unwrap();
    let spool = OpenSpool { endpoint: USERS, name: "users".to_owned(), file };
    Stage { chains: Chains::new(&plan, &[0; 3], &[0; 3]), spool, _home: home }
}

impl Stage {
    fn write(&mut self, ids: std::ops::Range<u64>) {
        for id in ids {
            let row = Arc::new(Row { ordinal: id, line: 0, fields: Fields::Integer(7) });
            let record = crate::record::Record { row, cells: vec![id.into(); 5] };
            let (ending, error) = (Ending::Ok, None);
            let (ordinal, sequence, records) = (id, id, vec![record]);
            let outcome = Outcome {
                endpoint: USERS,
                ordinal,
                sequence,
                ending,
                unknown: false,
                error,
                kind: None,
                attempts: 1,
                tried: 1,
                walk: None,
                records,
            };
            self.chains.of(USERS).unwrap().gave(1);
            self.spool.write(&outcome, &self.chains).unwrap();
        }
    }

    fn commit(&mut self) {
        self.spool.commit().unwrap();
        self.spool.publish(&self.chains);
    }
}

fn take(source: &mut dyn Source) -> Option<(u64, u64)> {
    let Read::Row(row) = source.next().unwrap()? else { panic!("a row") };
    Some((row.ordinal, row.get("id").unwrap().as_u64().unwrap()))
}

#[test]
fn each_reader_sees_every_line_once_it_is_committed_and_then_the_end() {
    let mut stage = stage();
    let (tell, told) = mpsc::channel();
    for reader in [0, 2] {
        let mut rows = stage.chains.rows(reader).unwrap();
        let tell = tell.clone();
        thread::spawn(move || {
            while let Some(row) = take(rows.as_mut()) {
                tell.send(Some(row)).unwrap();
            }
            assert!(!rows.was_cut_off());
            tell.send(None).unwrap();
        });
    }
    assert!(stage.chains.rows(USERS).is_none() && stage.chains.of(0).is_none());
    stage.write(10..12);
    assert!(told.try_recv().is_err(), "nothing is committed");
    stage.commit();
    let mut seen: Vec<_> = (0..4).map(|_| told.recv().unwrap().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(0, 10), (0, 10), (1, 11), (1, 11)]);
    let chain = stage.chains.of(USERS).unwrap().clone();
    assert!(stage.chains.ended().is_empty());
    chain.end();
    assert_eq!(stage.chains.ended().len(), 1);
    chain.complete();
    assert!(stage.chains.ended().is_empty(), "it is told once");
    assert_eq!([told.recv().unwrap(), told.recv().unwrap()], [None, None]);
}

#[test]
fn a_run_that_drains_is_no_end_and_begins_no_row() {
    let mut stage = stage();
    stage.write(0..3);
    stage.commit();
    let mut rows = stage.chains.rows(0).unwrap();
    rows.skip(1).unwrap();
    assert_eq!(take(rows.as_mut()), Some((1, 1)));
    stage.chains.cut();
    stage.chains.of(USERS).unwrap().complete();
    // What was known to be there may still be taken: the mailbox refuses it.
    while take(rows.as_mut()).is_some() {}
    assert!(rows.was_cut_off());
    let mut late = stage.chains.rows(2).unwrap();
    assert_eq!(take(late.as_mut()), None);
}

#[test]
fn a_reader_is_hungry_when_few_committed_lines_are_left_and_more_are_written() {
    let mut stage = stage();
    assert!(!stage.chains.is_hungry(), "nothing is written");
    stage.write(0..1);
    assert!(stage.chains.is_hungry());
    stage.commit();
    assert!(!stage.chains.is_hungry());
    stage.write(1..2 * NEAR);
    stage.commit();
    stage.write(0..1);
    assert!(!stage.chains.is_hungry(), "there is enough to do");
    let mut rows = stage.chains.rows(0).unwrap();
    rows.skip(NEAR + 1).unwrap();
    assert!(stage.chains.is_hungry());
    drop(rows);
    assert!(!stage.chains.is_hungry(), "the other has enough to do");
}

#[tokio::test]
async fn the_feeder_waits_for_the_slowest_reader_and_not_for_one_that_is_gone() {
    let mut stage = stage();
    let chain = stage.chains.of(USERS).unwrap().clone();
    let (mut fast, mut slow) = (stage.chains.rows(0).unwrap(), stage.chains.rows(2).unwrap());
    stage.write(0..AHEAD - 1);
    chain.room().await;
    stage.write(0..2);
    stage.commit();
    let waits = tokio::spawn({
        let chain = chain.clone();
        async move { chain.room().await }
    });
    fast.skip(100).unwrap();
    slow.skip(1).unwrap();
    tokio::task::yield_now().await;
    assert!(!waits.is_finished(), "10,000 ahead of the slow one");
    slow.skip(1).unwrap();
    waits.await.unwrap();
    stage.write(0..AHEAD - 1);
    drop(slow);
    fast.skip(AHEAD + 1 - 100).unwrap();
    chain.room().await;
    drop(fast);
    stage.write(0..2 * AHEAD);
    chain.room().await;
}
