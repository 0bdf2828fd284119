//! Orders and points: what is done once however often it is asked for, and throttling that hides in a body.

use serde_json::{Value, json};

use super::{Demo, Seen, send, start};

async fn order(demo: &Demo, key: Option<&str>, body: &Value) -> Option<Seen> {
    let key = key.map(|key| ("idempotency-key", key));
    send(demo, "POST", "/orders", key.as_slice(), &body.to_string()).await
}

async fn created(demo: &Demo) -> (Value, Value) {
    let stats = super::get(demo, "/orders/stats").await.json();
    (stats["created"].clone(), stats["replayed"].clone())
}

/// What came of a first request: `Some(status)`, or `None` for a cut.
async fn first_answers(demo: &Demo) -> Vec<Option<u16>> {
    let mut answers = Vec::new();
    for number in 0..60 {
        let seen = order(demo, Some(&format!("key-{number}")), &json!({ "sku": number })).await;
        answers.push(seen.map(|seen| seen.status));
    }
    answers
}

#[tokio::test]
async fn a_key_makes_one_order_and_gets_its_reply_again() {
    let demo = start(1).await;
    let first = first_answers(&demo).await;
    let count = |answer| first.iter().filter(|found| **found == answer).count();
    assert_eq!(count(Some(201)) + count(Some(503)) + count(None), 60, "{first:?}");
    assert!(count(Some(503)) > 3 && count(None) > 3 && count(Some(201)) > 30, "{first:?}");
    let mut numbers = Vec::new();
    for number in 0..60 {
        let body = json!({ "sku": number });
        let bare = order(&demo, Some(&format!("key-{number}")), &body).await.unwrap();
        let quoted = order(&demo, Some(&format!("\"key-{number}\"")), &body).await.unwrap();
        assert_eq!((bare.status, bare.header("idempotent-replayed")), (201, Some("true")));
        assert_eq!((&bare.body, quoted.header("idempotent-replayed")), (&quoted.body, Some("true")));
        assert_eq!((&bare.json()["item"], &bare.json()["ok"]), (&body, &json!(true)));
        numbers.push(bare.json()["number"].as_u64().unwrap());
    }
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
    assert_eq!(created(&demo).await, (json!(60), json!(120)), "the lost replies were of orders that were made");
    assert_eq!(first_answers(&start(1).await).await, first, "the same on every server");
}

#[tokio::test]
async fn a_key_is_for_one_body() {
    let demo = start(1).await;
    let _ = order(&demo, Some("k"), &json!({ "sku": 1 })).await;
    assert_eq!(order(&demo, Some("k"), &json!({ "sku": 2 })).await.unwrap().status, 422);
    assert_eq!(created(&demo).await, (json!(1), json!(0)));
}

#[tokio::test]
async fn what_is_no_order_makes_none() {
    let demo = start(1).await;
    for (key, body) in [("\"open", "{}"), ("", "{}"), ("k", "[]"), ("k", "{"), ("k", "")] {
        let refused = send(&demo, "POST", "/orders", &[("idempotency-key", key)], body).await.unwrap();
        assert_eq!(refused.status, 400, "{key} {body}");
    }
    let long = "k".repeat(256);
    assert_eq!(order(&demo, Some(&long), &json!({})).await.unwrap().status, 400);
    let strict = send(&demo, "POST", "/orders?strict", &[], "{}").await.unwrap();
    assert_eq!(strict.status, 400);
    assert_eq!(created(&demo).await, (json!(0), json!(0)));
}

#[tokio::test]
async fn without_a_key_every_request_makes_an_order() {
    let demo = start(1).await;
    for sku in 0..20 {
        let first = order(&demo, None, &json!({ "sku": sku })).await;
        if first.is_none_or(|seen| seen.status == 503) {
            assert_eq!(order(&demo, None, &json!({ "sku": sku })).await.unwrap().status, 201);
        }
    }
    let (created, replayed) = created(&demo).await;
    assert!(created.as_u64().is_some_and(|created| created > 20) && replayed == 0, "{created} made");
}

#[tokio::test]
async fn points_run_out_with_status_200_and_say_what_is_left() {
    let demo = start(1).await;
    let ask = async |variables: Value| {
        let body = json!({ "query": "query($id: ID) { item(id: $id) { id } }", "variables": variables });
        send(&demo, "POST", "/graphql", &[], &body.to_string()).await.unwrap()
    };
    for id in [1, 2] {
        let reply = ask(json!({ "id": id, "cost": 45 })).await.json();
        assert_eq!((&reply["data"]["item"]["id"], &reply["errors"]), (&json!(id), &Value::Null));
        assert_eq!(reply["extensions"]["cost"]["actualQueryCost"], 45);
    }
    let throttled = ask(json!({ "id": 3, "cost": 100 })).await;
    let reply = throttled.json();
    assert_eq!((throttled.status, &reply["data"]), (200, &Value::Null));
    assert_eq!(reply["errors"][0]["extensions"]["code"], "THROTTLED");
    let cost = &reply["extensions"]["cost"];
    assert_eq!((&cost["requestedQueryCost"], &cost["actualQueryCost"]), (&json!(100), &Value::Null));
    let status = &cost["throttleStatus"];
    assert_eq!((&status["maximumAvailable"], &status["restoreRate"]), (&json!(100), &json!(50)));
    assert!(status["currentlyAvailable"].as_u64().is_some_and(|left| (10..100).contains(&left)), "{status}");
    for wrong in [json!(0), json!(101), json!("10"), json!(-1)] {
        assert_eq!(ask(json!({ "cost": wrong })).await.status, 400);
    }
    assert_eq!(send(&demo, "POST", "/graphql", &[], "{}").await.unwrap().status, 400);
}
