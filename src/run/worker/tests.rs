//! One row between two sleeps: what is built, noted and forgotten.

use std::time::Duration;

use super::*;
use crate::journal::{IntentFile, Intents};
use crate::record::Ending;
use crate::row::{Fields, Row};
use crate::run::control::Phase;
use crate::run::tests::stage::{Act, Server, lanes};

const ITEM: &str = "[endpoints.item]\nurl = \"http://api.test/items/{{ row.value }}\"\n\
                    input.range = { from = 0, to = 9 }\n";

fn call(fields: Fields) -> Call {
    Call::new(Arc::new(Row { ordinal: 0, line: 0, fields }), 0, None)
}

#[tokio::test(start_paused = true)]
async fn what_wakes_in_vain_builds_no_request() {
    let (lanes, _desk) = lanes(ITEM, &Server::new(|_| Act::status(200)), None);
    let lane = &lanes[0];
    let url = http::Uri::from_static("http://api.test/items/0");
    for _ in 0..crate::retry::Outage::TRIP {
        let leave = lane.pacing.outages.admit(&url, clock::now()).unwrap();
        leave.failed(clock::now(), 0.5);
    }
    let mut call = call(Fields::Integer(0));
    assert!(matches!(live(lane, &mut call).await, Step::Sleep(_)));
    // A row that gives no request tells whether one is built.
    let row = std::mem::replace(&mut call.row, self::call(Fields::Object(serde_json::Map::new())).row);
    assert!(matches!(live(lane, &mut call).await, Step::Sleep(_)), "still out");
    call.row = row;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(matches!(live(lane, &mut call).await, Step::Ended(outcomes, _) if outcomes[0].ending == Ending::Ok));
}

#[tokio::test]
async fn a_refused_request_is_not_noted_any_more_when_the_run_drains_before_it_goes_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = IntentFile::begin(folder.path(), "r1", &["item".to_owned()]).unwrap();
    let intents = Arc::new(Intents::start(file, |words| panic!("{words}")).unwrap());
    let phase: Arc<std::sync::OnceLock<tokio::sync::watch::Sender<Phase>>> = Arc::default();
    let shared = Arc::clone(&phase);
    let server = Server::new(move |seen| match (seen.id, seen.turn) {
        ("token", 1) => {
            let body = "{\"access_token\": \"abc\", \"token_type\": \"Bearer\"}".to_owned();
            Act { body, ..Act::status(200).after(Duration::ZERO) }
        }
        ("token", _) => {
            shared.get().unwrap().send_replace(Phase::Draining);
            Act::status(200).after(Duration::MAX)
        }
        _ => Act::status(401).after(Duration::ZERO),
    });
    let auth = "method = \"POST\"\nauth.oauth2 = { token-url = \"http://api.test/token\", client-id = \"me\", \
                client-secret = \"{{ secrets.client }}\" }\n[secrets]\nclient.env = \"CLIENT\"\n";
    let (lanes, desk) = lanes(&format!("{ITEM}{auth}"), &server, Some(Arc::clone(&intents)));
    phase.set(desk.phase).unwrap();
    let step = live(&lanes[0], &mut call(Fields::Integer(0))).await;
    assert!(matches!(step, Step::Abandoned));
    assert_eq!((server.log().len(), intents.open()), (2, 0), "the 401 says that nothing was done");
}

#[test]
fn a_proxy_that_refuses_leaves_nothing_open() {
    assert!(may_go_again(&Tried::not(Failure::sent(FailureKind::Proxy, "the proxy wants a password"))));
    assert!(!may_go_again(&Tried::not(Failure::sent(FailureKind::Reset, "the connection broke"))));
}
