//! Every route, asked through a raw connection.

mod bulk;
mod files;
mod inbox;
mod orders;
mod ticks;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Demo, DemoPlan, routes};

struct Seen {
    status: u16,
    head: String,
    body: String,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

async fn start(seed: u64) -> Demo {
    Demo::start(DemoPlan { port: 0, seed }).await.unwrap()
}

/// Sends one request on a connection of its own; `None`: cut without an answer.
async fn send(demo: &Demo, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Option<Seen> {
    let mut stream = TcpStream::connect(demo.address()).await.unwrap();
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: demo.test\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    let reply = String::from_utf8(reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Seen { status, head: head.to_owned(), body: body.to_owned() })
}

async fn get(demo: &Demo, target: &str) -> Seen {
    send(demo, "GET", target, &[], "").await.unwrap()
}

#[tokio::test]
async fn the_index_lists_every_route() {
    let demo = start(1).await;
    let listed = get(&demo, "/").await.json()["routes"].as_array().unwrap().len();
    assert_eq!(listed, routes().len());
    assert!(routes().iter().all(|(method, path, doc)| !method.is_empty() && path.starts_with('/') && !doc.is_empty()));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let demo = start(1).await;
    assert_eq!(get(&demo, "/nowhere").await.status, 404);
    let refused = send(&demo, "POST", "/items/1", &[], "").await.unwrap();
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET")));
    let head = send(&demo, "HEAD", "/items/1", &[], "").await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn products_refuse_once_at_most_and_say_the_same_on_every_server() {
    let (first, second) = (start(1).await, start(1).await);
    let (mut refused, mut throttled) = (0, 0);
    for number in 1001..1200 {
        let path = format!("/products/MUG-{number}");
        let seen = get(&first, &path).await;
        match seen.status {
            503 => refused += 1,
            429 => {
                throttled += 1;
                assert!(["0", "1"].contains(&seen.header("retry-after").unwrap()));
            }
            status => assert_eq!(status, 200),
        }
        let product = get(&first, &path).await;
        assert_eq!(product.status, 200, "{path} a second time");
        let _ = get(&second, &path).await;
        assert_eq!(get(&second, &path).await.body, product.body);
    }
    assert!(refused > 0 && throttled > 0, "{refused} refused, {throttled} throttled");
}

#[tokio::test]
async fn products_have_plain_and_nested_fields() {
    let demo = start(3).await;
    let _ = get(&demo, "/products/LMP-1001").await;
    let product = get(&demo, "/products/LMP-1001").await.json();
    assert_eq!((&product["sku"], &product["currency"]), (&json!("LMP-1001"), &json!("EUR")));
    assert_eq!(product["category"], "lamps");
    assert!(product["price"].is_number() && product["stock"]["available"].is_u64(), "{product}");
    assert!(product["stock"]["warehouse"].is_string() && product["tags"].is_array(), "{product}");
    let missing = get(&demo, "/products/XXX-1001").await;
    assert_eq!((missing.status, missing.json()["error"].as_str()), (404, Some("no product XXX-1001")));
}

#[tokio::test]
async fn items_are_whole_numbers() {
    let demo = start(1).await;
    assert_eq!(get(&demo, "/items/7").await.json()["id"], 7);
    assert_eq!(get(&demo, "/items/18446744073709551615").await.status, 200);
    assert_eq!(get(&demo, "/items/seven").await.status, 404);
}

/// All ids of a list, by a way to find the next page in a reply.
async fn walk(demo: &Demo, first: &str, next: impl Fn(&str, &Seen) -> Option<String>) -> Vec<u64> {
    let (mut ids, mut target) = (Vec::new(), Some(first.to_owned()));
    while let Some(page) = target {
        let seen = get(demo, &page).await;
        assert_eq!(seen.status, 200, "{page}: {}", seen.body);
        let body = seen.json();
        let items = body.get("items").unwrap_or(&body).as_array().unwrap();
        ids.extend(items.iter().map(|item| item["id"].as_u64().unwrap()));
        assert!(ids.len() <= 1000, "{first} has no end");
        target = next(&page, &seen);
    }
    ids
}

#[tokio::test]
async fn every_style_of_pages_shows_the_whole_list() {
    let demo = start(1).await;
    let all: Vec<u64> = (1..=95).collect();
    let numbered = walk(&demo, "/lists/page-number?page=1&per_page=20", |_, seen| {
        let meta = &seen.json()["meta"];
        let page = meta["page"].as_u64()?;
        (page < meta["pages"].as_u64()?).then(|| format!("/lists/page-number?page={}&per_page=20", page + 1))
    });
    assert_eq!(numbered.await, all);
    let offset = walk(&demo, "/lists/offset?limit=30", |_, seen| {
        let body = seen.json();
        let next = body["offset"].as_u64()? + 30;
        (next < body["total"].as_u64()?).then(|| format!("/lists/offset?limit=30&offset={next}"))
    });
    assert_eq!(offset.await, all);
    let cursor =
        walk(&demo, "/lists/cursor", |_, seen| Some(format!("/lists/cursor?cursor={}", seen.json()["next"].as_str()?)));
    assert_eq!(cursor.await, all);
    let header = walk(&demo, "/lists/header-link", |_, seen| {
        let next = seen.header("link")?.split(", ").find(|link| link.ends_with("rel=\"next\""))?.to_owned();
        Some(next[1..next.find('>')?].to_owned())
    });
    assert_eq!(header.await, all);
    let json = walk(&demo, "/lists/json-link?per_page=50", |_, seen| {
        Some(seen.json()["links"]["next"].as_str()?.strip_prefix("http://demo.test")?.to_owned())
    });
    assert_eq!(json.await, all);
}

#[tokio::test]
async fn has_more_ends_with_the_last_page() {
    let demo = start(1).await;
    for (page, has_more) in [(1, true), (9, true), (10, false), (11, false)] {
        let numbered = get(&demo, &format!("/lists/page-number?page={page}")).await.json();
        let offset = get(&demo, &format!("/lists/offset?offset={}", (page - 1) * 10)).await.json();
        assert_eq!(
            (&numbered["meta"]["has_more"], &offset["has_more"]),
            (&json!(has_more), &json!(has_more)),
            "{page}"
        );
    }
    let first = get(&demo, "/lists/cursor?limit=50").await.json();
    let last = get(&demo, &format!("/lists/cursor?limit=50&cursor={}", first["next"].as_str().unwrap())).await.json();
    assert_eq!((&first["has_more"], &last["has_more"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn pages_that_are_not_there() {
    let demo = start(1).await;
    assert_eq!(get(&demo, "/lists/page-number?page=11").await.json()["items"], json!([]));
    assert_eq!(get(&demo, "/lists/offset?offset=95").await.json()["items"], json!([]));
    assert_eq!(get(&demo, "/lists/page-number?page=18446744073709551615").await.json()["items"], json!([]));
    let refused =
        ["page-number?page=0", "page-number?per_page=51", "offset?limit=0", "offset?limit=x", "cursor?cursor=c1"];
    for target in refused {
        assert_eq!(get(&demo, &format!("/lists/{target}")).await.status, 400, "{target}");
    }
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn oauth_gives_tokens_that_open_its_route() {
    let demo = start(1).await;
    let form = "grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret&scope=a+b";
    let given = send(&demo, "POST", "/oauth/token", &[FORM], form).await.unwrap().json();
    assert_eq!(
        (&given["token_type"], &given["expires_in"], &given["scope"]),
        (&json!("Bearer"), &json!(3600), &json!("a b"))
    );
    let token = format!("Bearer {}", given["access_token"].as_str().unwrap());
    let me = send(&demo, "GET", "/oauth/me", &[("authorization", &token)], "").await.unwrap();
    assert_eq!((me.status, me.json()["client"].as_str()), (200, Some("demo-client")));
    let by_header = [FORM, ("authorization", "Basic ZGVtby1jbGllbnQ6ZGVtby1zZWNyZXQ=")];
    let seen = send(&demo, "POST", "/oauth/token", &by_header, "grant_type=client_credentials").await.unwrap();
    assert_eq!((seen.status, seen.header("cache-control")), (200, Some("no-store")));
}

#[tokio::test]
async fn oauth_refuses_wrong_clients_and_tokens_that_are_over() {
    let demo = start(1).await;
    let wrong = "grant_type=client_credentials&client_id=demo-client&client_secret=guess";
    let refused = send(&demo, "POST", "/oauth/token", &[FORM], wrong).await.unwrap();
    assert_eq!((refused.status, refused.json()["error"].as_str()), (401, Some("invalid_client")));
    assert_eq!(send(&demo, "POST", "/oauth/token", &[FORM], "grant_type=password").await.unwrap().status, 400);
    let form = "grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret";
    let over = send(&demo, "POST", "/oauth/token?expires_in=0", &[FORM], form).await.unwrap().json();
    let over = format!("Bearer {}", over["access_token"].as_str().unwrap());
    for token in [over.as_str(), "Bearer demo-ffffff-0000000000000000", "Bearer demo-token", "Bearer x", "nonsense"] {
        let seen = send(&demo, "GET", "/oauth/me", &[("authorization", token)], "").await.unwrap();
        assert_eq!(seen.status, 401, "{token}");
        assert!(seen.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
}

#[tokio::test]
async fn oauth_tokens_may_end_unannounced_and_are_numbered() {
    let demo = start(1).await;
    let form = "grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret";
    for number in 1..=2 {
        let given = send(&demo, "POST", "/oauth/token?uses=2", &[FORM], form).await.unwrap().json();
        assert!(given.get("expires_in").is_none(), "{given}");
        let token = format!("Bearer {}", given["access_token"].as_str().unwrap());
        for status in [200, 200, 401, 401] {
            let seen = send(&demo, "GET", "/oauth/items/7", &[("authorization", &token)], "").await.unwrap();
            assert_eq!(seen.status, status);
            if status == 200 {
                assert_eq!(seen.json(), json!({ "id": "7", "token": number }));
            }
        }
        let more = token.replace(".2.", ".9.");
        assert_eq!(send(&demo, "GET", "/oauth/items/7", &[("authorization", &more)], "").await.unwrap().status, 401);
    }
}

#[tokio::test]
async fn bearer_and_basic_open_their_routes() {
    let demo = start(1).await;
    let open = [("/bearer/7", "Bearer demo-token"), ("/basic/7", "Basic ZGVtbzpkZW1vLXBhc3N3b3Jk")];
    for (path, proof) in open {
        let seen = send(&demo, "GET", path, &[("authorization", proof)], "").await.unwrap();
        assert_eq!((seen.status, &seen.json()["id"]), (200, &json!("7")), "{path}");
        for wrong in ["Bearer other", "Basic ZGVtbzpndWVzcw==", "Basic %%%", ""] {
            assert_eq!(send(&demo, "GET", path, &[("authorization", wrong)], "").await.unwrap().status, 401);
        }
    }
}

#[tokio::test]
async fn echo_tells_what_was_sent() {
    let demo = start(1).await;
    let headers = [("x-a", "1"), ("x-a", "2"), ("content-type", "application/json")];
    let seen = send(&demo, "PATCH", "/echo/a%20b?tag=x&tag=y+z&one=%C3%A9", &headers, r#"{"id":7,"ok":true}"#).await;
    let told = seen.unwrap().json();
    assert_eq!((&told["method"], &told["path"]), (&json!("PATCH"), &json!("/echo/a%20b")));
    assert_eq!(told["query"], json!({ "tag": ["x", "y z"], "one": "é" }));
    assert_eq!(told["headers"]["x-a"], json!(["1", "2"]));
    assert_eq!((&told["body"], &told["json"]), (&json!(r#"{"id":7,"ok":true}"#), &json!({ "id": 7, "ok": true })));
    assert_eq!(get(&demo, "/echo").await.json()["json"], Value::Null);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let demo = start(1).await;
    let seen = send(&demo, "POST", "/echo", &[], &"x".repeat(1024 * 1024 + 1)).await;
    // The server may cut the connection while the client is still writing.
    assert!(seen.is_none_or(|seen| seen.status == 413));
    assert_eq!(send(&demo, "POST", "/echo", &[], &"x".repeat(1024 * 1024)).await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn limited_routes_refuse_with_words_a_client_can_obey() {
    let demo = start(1).await;
    let first = get(&demo, "/limited/1").await;
    assert_eq!(first.header("ratelimit-policy"), Some("\"demo\";q=50;w=1"));
    assert!(first.header("ratelimit").unwrap().starts_with("\"demo\";r=49;t=1"), "{}", first.head);
    let legacy = get(&demo, "/limited-legacy/1").await;
    assert_eq!((legacy.header("x-ratelimit-limit"), legacy.header("x-ratelimit-remaining")), (Some("50"), Some("49")));
    assert!(legacy.header("x-ratelimit-reset").unwrap().parse::<u64>().unwrap() > 1_700_000_000);
    for path in ["/limited/2", "/limited-legacy/2"] {
        let mut seen = get(&demo, path).await;
        for _ in 0..100 {
            seen = get(&demo, path).await;
        }
        assert_eq!((seen.status, seen.header("retry-after")), (429, Some("1")), "{path}");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(get(&demo, path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn flaky_paths_get_through_in_the_end() {
    let demo = start(1).await;
    let mut kinds = std::collections::BTreeMap::<u16, u32>::new();
    for path in 0..60 {
        let target = format!("/flaky/{path}");
        let mut tries = 0;
        let failures = loop {
            let seen = send(&demo, "GET", &target, &[], "").await;
            let status = seen.as_ref().map_or(0, |seen| seen.status);
            *kinds.entry(status).or_default() += 1;
            if status == 200 {
                break seen.unwrap().json()["failures"].as_u64().unwrap();
            }
            tries += 1;
        };
        assert_eq!(failures, tries, "{target}");
    }
    assert!([0, 500, 503].iter().all(|status| kinds.contains_key(status)), "{kinds:?}");
    assert_eq!(kinds[&200], 60);
}

#[tokio::test]
async fn any_status_and_any_wait_can_be_asked_for() {
    let demo = start(1).await;
    for code in [200, 201, 301, 404, 418, 500, 599] {
        assert_eq!(get(&demo, &format!("/status/{code}")).await.json()["status"], code);
    }
    assert_eq!(get(&demo, "/status/204").await.body, "");
    assert_eq!(get(&demo, "/status/503?retry-after=2").await.header("retry-after"), Some("2"));
    for code in ["199", "600", "x"] {
        assert_eq!(get(&demo, &format!("/status/{code}")).await.status, 400);
    }
    assert_eq!(get(&demo, "/slow/30001").await.status, 400);
    assert_eq!(get(&demo, "/slow/5").await.json()["waited_ms"], 5);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let demo = start(1).await;
    let mut stream = TcpStream::connect(demo.address()).await.unwrap();
    for id in 1..=3 {
        stream.write_all(format!("GET /items/{id} HTTP/1.1\r\nhost: demo\r\n\r\n").as_bytes()).await.unwrap();
        let mut reply = vec![0; 4096];
        let length = stream.read(&mut reply).await.unwrap();
        let reply = String::from_utf8_lossy(&reply[..length]).into_owned();
        assert!(reply.starts_with("HTTP/1.1 200") && reply.contains(&format!("\"id\":{id},")), "{reply}");
    }
}

#[tokio::test]
async fn dropping_it_ends_every_connection() {
    let demo = start(1).await;
    let mut idle = TcpStream::connect(demo.address()).await.unwrap();
    idle.write_all(b"GET /slow/30000 HTTP/1.1\r\nhost: demo\r\n\r\n").await.unwrap();
    let _ = get(&demo, "/items/1").await;
    let address = demo.address();
    drop(demo);
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest).await;
    assert!(rest.is_empty(), "a reply came after the end");
    assert!(TcpStream::connect(address).await.is_err());
}
