use super::*;

async fn post(demo: &Demo, key: &str, body: &str) -> Option<u16> {
    send(demo, "POST", "/inbox", &[("idempotency-key", key)], body).await.map(|seen| seen.status)
}

#[tokio::test]
async fn a_batch_is_taken_once_whatever_becomes_of_its_answer() {
    let demo = start(7).await;
    let (mut refused, mut cut) = (0, 0);
    for number in 0..60 {
        let (key, body) = (format!("\"k{number}\""), format!("[{{\"id\":{number}}},{{\"id\":{}}}]", number + 1000));
        let first = post(&demo, &key, &body).await;
        refused += u32::from(first == Some(503));
        cut += u32::from(first.is_none());
        assert!(matches!(first, None | Some(200 | 503)), "{first:?}");
        let again = [post(&demo, &key, &body).await, post(&demo, &key, &body).await];
        assert!(again[1] == Some(200) || again[0] == Some(200), "{again:?}");
        assert_eq!(post(&demo, &key, "[{\"id\":0}]").await, Some(422), "another body");
    }
    assert!(refused > 3 && cut > 3, "{refused} refused, {cut} cut");
    let seen = get(&demo, "/inbox").await.json();
    let records = seen["records"].as_array().unwrap();
    assert_eq!((&seen["batches"], records.len()), (&json!(60), 120));
    assert_eq!(records[..2], [json!({ "id": 0 }), json!({ "id": 1000 })]);
}

#[tokio::test]
async fn lines_are_a_batch_and_anything_else_is_none() {
    let demo = start(7).await;
    for (body, status) in [("{\"id\":1}\n{\"id\":2}\n", 200), ("[1]", 400), ("", 400), ("[]", 400), ("x", 400)] {
        let mut answer = post(&demo, body.lines().next().map_or("k", |_| "l"), body).await;
        for _ in 0..2 {
            if answer == Some(503) || answer.is_none() {
                answer = post(&demo, "l", body).await;
            }
        }
        assert_eq!(answer, Some(status), "{body:?}");
    }
    assert_eq!(get(&demo, "/inbox").await.json()["records"], json!([{ "id": 1 }, { "id": 2 }]));
}
