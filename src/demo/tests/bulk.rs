//! Lists that are taken as a whole or not at all.

use serde_json::{Value, json};

use super::{Seen, send, start};

async fn bulk(body: &Value) -> Seen {
    let demo = start(1).await;
    send(&demo, "POST", "/items/bulk", &[], &body.to_string()).await.unwrap()
}

#[tokio::test]
async fn a_list_is_taken_as_a_whole_and_answered_in_an_order_of_its_own() {
    let skus: Vec<String> = (1001..1021).map(|number| format!("LMP-{number}")).collect();
    let items: Vec<Value> = skus.iter().map(|sku| json!({ "sku": sku, "supplier": "x" })).collect();
    let seen = bulk(&json!({ "items": items })).await;
    assert_eq!((seen.status, &seen.json()["count"]), (200, &json!(20)));
    let reply = seen.json();
    let told: Vec<&str> = reply["items"].as_array().unwrap().iter().map(|item| item["sku"].as_str().unwrap()).collect();
    assert_ne!(told, skus);
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, skus);
}

#[tokio::test]
async fn one_unknown_sku_refuses_the_list() {
    let seen = bulk(&json!({ "items": [{ "sku": "LMP-1001" }, { "sku": "SOFA-12" }] })).await;
    assert_eq!(seen.status, 422);
    assert!(seen.json()["error"].as_str().unwrap().starts_with("items[1] "), "{}", seen.body);
}

#[tokio::test]
async fn what_is_no_list_is_refused() {
    let many: Vec<Value> = (0..101).map(|_| json!({ "sku": "LMP-1001" })).collect();
    for body in [json!({}), json!([]), json!({ "items": [] }), json!({ "items": {} }), json!({ "items": many })] {
        assert_eq!(bulk(&body).await.status, 400, "{body}");
    }
}
