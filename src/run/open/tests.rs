//! Tests of what is opened from a plan.

mod crash;
mod faults;
mod world;

use std::path::Path;

use super::*;
use std::time::Duration;

use crate::compile::{Options, compile};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::journal::FailedRow;
use crate::retry::Unknown;
use crate::run::control::Cause;
use crate::run::heal::Failed;
use crate::run::resume::{self, Decision};

fn plan(text: &str) -> Plan {
    let mut diagnostics = Diagnostics::default();
    let document =
        Document::parse(Path::new("job.toml"), text.to_owned(), &Overlays::default(), &mut diagnostics).unwrap();
    compile(&document, &Options::default(), &mut diagnostics).unwrap_or_else(|| panic!("{diagnostics:?}"))
}

#[test]
fn equal_clients_share_a_transport_whether_or_not_they_need_tls() {
    let plan = plan(
        "[client]\ntls.verify = false\n\
         [endpoints.a]\nurl = \"http://a.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         [endpoints.b]\nurl = \"https://b.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         [endpoints.c]\nurl = \"http://a.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         client.redirects = 0\n",
    );
    let opened = transports(&plan, &Secrets::default(), &Masker::default(), None).unwrap();
    assert!(Arc::ptr_eq(&opened[0], &opened[1]), "one pool, one jar, one set of caps");
    assert!(!Arc::ptr_eq(&opened[0], &opened[2]));
}

#[test]
fn who_needs_tls_is_told_that_it_can_not_be_had() {
    let plan = plan(
        "[client]\ntls.ca = \"/nowhere/ca.pem\"\n\
         [endpoints.a]\nurl = \"http://a.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         [endpoints.b]\nurl = \"https://b.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n",
    );
    let error = transports(&plan, &Secrets::default(), &Masker::default(), None).err().unwrap();
    let RunError::Key(keyed) = error else { panic!("{error:?}") };
    assert!(keyed.message.starts_with("endpoints.b: client.tls.ca: `/nowhere/ca.pem`"), "{keyed:?}");
    let keys: Vec<String> = keyed.keys.iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["endpoints.b.client.tls.ca", "client.tls.ca", "endpoints.b"]);
}

#[test]
fn keys_of_a_webhook_stand_below_its_kind() {
    let plan = plan(
        "[endpoints.a]\nurl = \"http://a.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         [sinks.file]\npath = \"out.csv\"\n\
         [sinks.w.webhook]\nurl = \"https://b.example/\"\nclient.tls.ca = \"/nowhere/ca.pem\"\n",
    );
    let error = transports(&plan, &Secrets::default(), &Masker::default(), None).err().unwrap();
    let RunError::Key(keyed) = error else { panic!("{error:?}") };
    assert!(keyed.message.starts_with("sinks.w.webhook: client.tls.ca: `/nowhere/ca.pem`"), "{keyed:?}");
    let keys: Vec<String> = keyed.keys.iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["sinks.w.webhook.client.tls.ca", "client.tls.ca", "sinks.w.webhook"]);
}

const PAY: &str = "[endpoints.pay]\nmethod = \"POST\"\nurl = \"http://a.example/{{ row.value }}\"\n\
                   input.range = { from = 1, to = 9 }\n";

fn rows(set: &RowSet) -> Vec<u64> {
    set.ranges().flatten().collect()
}

fn state() -> (tempfile::TempDir, StateFolder) {
    let home = tempfile::tempdir().unwrap();
    let folder = StateFolder::lock(&home.path().join(".paceline/job")).unwrap();
    (home, folder)
}

fn begin(plan: &Plan, folder: &StateFolder, decision: Decision) -> Result<Session, RunError> {
    session::begin(plan, folder, decision, resume::identity(plan).unwrap())
}

fn resumed(plan: &Plan, folder: &StateFolder) -> Result<Session, RunError> {
    begin(plan, folder, Decision::Resume(folder.recover().unwrap().unwrap()))
}

/// A session that was killed: rows 1 to 4 were noted, of which 1 has ended and 4 was never sent.
async fn killed(plan: &Plan, folder: &StateFolder) {
    let mut session = begin(plan, folder, Decision::New).unwrap();
    let intents = Intents::start(session.intents.unwrap(), |words| panic!("{words}")).unwrap();
    for row in 1..=4 {
        intents.note(0, [row]).await.unwrap();
    }
    intents.clear(0, 4);
    intents.close();
    session.state.done[0].insert(1);
    session.writer.commit(&session.state).unwrap();
}

#[tokio::test]
async fn what_was_on_the_wire_is_unknown_to_the_next_session() {
    let (_home, folder) = state();
    let plan = plan(PAY);
    killed(&plan, &folder).await;
    for _ in 0..2 {
        let session = resumed(&plan, &folder).unwrap();
        assert_eq!(rows(&session.selections[0].unknown), [2, 3]);
        assert!(session.warnings(&plan).iter().any(|words| words.contains("2 rows")), "{:?}", session.warnings(&plan));
    }
    let failed = begin(&plan, &folder, Decision::Again(folder.recover().unwrap().unwrap())).unwrap();
    assert_eq!(failed.selections[0].only, Some(vec![2, 3]), "they are told whatever else is asked for");
    let fresh = begin(&plan, &folder, Decision::New).unwrap();
    assert!(fresh.selections[0].unknown.is_empty() && fresh.warnings(&plan).is_empty());
    assert_eq!(fresh.intents.unwrap().unknown(1), [RowSet::default()]);
}

#[tokio::test]
async fn the_job_decides_whether_unknown_rows_are_sent_again() {
    let (_home, folder) = state();
    let mut plan = plan(PAY);
    killed(&plan, &folder).await;
    plan.endpoints[0].retry.keyed = true;
    let keyed = resumed(&plan, &folder).unwrap();
    assert_eq!(rows(&keyed.selections[0].unknown), [2, 3], "what was cut off had no key");
    assert!(keyed.intents.is_none(), "what is sent now has one");
    plan.endpoints[0].retry.unknown = Unknown::Resend;
    let resent = resumed(&plan, &folder).unwrap();
    assert!(resent.selections[0].unknown.is_empty() && resent.intents.is_none());
    // Damage is in the way of those alone who would have to know.
    std::fs::write(folder.path().join("intents"), "what?").unwrap();
    assert!(resumed(&plan, &folder).is_ok());
    plan.endpoints[0].retry.unknown = Unknown::Fail;
    let refused = resumed(&plan, &folder).err().unwrap();
    assert!(matches!(&refused, RunError::Open(words) if words.contains("intents")), "{refused:?}");
    assert!(begin(&plan, &folder, Decision::New).is_ok());
}

#[test]
fn a_job_without_such_requests_pays_nothing() {
    let (_home, folder) = state();
    let plan = plan(&PAY.replace("POST", "PUT"));
    assert!(begin(&plan, &folder, Decision::New).unwrap().intents.is_none());
    assert!(resumed(&plan, &folder).unwrap().intents.is_none());
    assert!(!folder.path().join("intents").exists());
}

#[test]
fn failed_rows_that_are_unknown_are_left_unless_the_job_sends_them() {
    let mut plan = plan(PAY);
    let row = |row, unknown, error: &str| FailedRow {
        endpoint: 0,
        row,
        spans: Vec::new(),
        unknown,
        walk: None,
        attempts: 1,
        kind: None,
        error: error.to_owned(),
    };
    let all = || vec![row(1, false, "a"), row(2, true, "b"), row(3, false, "c")];
    let sorted = |plan: &Plan| {
        let mut failed = Failed::default();
        failed.sort(plan, all());
        (failed.sent, failed.left)
    };
    assert_eq!(sorted(&plan), (vec![row(1, false, ""), row(3, false, "")], vec![row(2, true, "b")]));
    plan.endpoints[0].retry.unknown = Unknown::Resend;
    assert_eq!(sorted(&plan), (vec![row(1, false, ""), row(2, true, ""), row(3, false, "")], vec![]));
}

#[test]
fn a_hold_that_is_longer_than_an_endpoint_waits_stops_the_session() {
    let plan = plan(
        "[limits.slow]\nrate = \"1/s\"\n[retry]\nmax-wait = \"10m\"\n\
         [endpoints.a]\nurl = \"http://a.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         [endpoints.b]\nurl = \"http://b.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         limit = \"slow\"\n",
    );
    let held = |limit: &str, minutes: u64| {
        let wait = Duration::from_secs(60 * minutes);
        [HeldOver { limit: limit.to_owned(), key: None, wait }]
    };
    let stop = |held: &[HeldOver]| match holds::beyond_patience(&plan, held) {
        Some(Cause::ServerWait { endpoint, wait }) => Some((endpoint, wait.as_secs() / 60)),
        other => other.map(|cause| panic!("{cause:?}")),
    };
    assert_eq!(stop(&held("slow", 11)), Some(("b".to_owned(), 11)));
    assert_eq!(stop(&held("slow", 10)), None);
    assert_eq!(stop(&held("endpoints.a", 11)), Some(("a".to_owned(), 11)));
    assert_eq!(stop(&held("endpoints.b", 11)), None, "it takes from another limit now");
    assert_eq!(stop(&[held("slow", 12), held("endpoints.a", 11)].concat()), Some(("b".to_owned(), 12)));
}
