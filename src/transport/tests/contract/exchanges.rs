//! Methods, headers, statuses, redirects.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::Subject;
use super::stand::{Framing, Stand, answer, fetch, send};
use crate::retry::{Failure, FailureKind};
use crate::transport::tests::support::{Open, get, patient, with};
use crate::transport::{BoxFuture, Call, RequestBody, Signer};

pub async fn every_method_arrives(subject: Subject) {
    let stand = Stand::open(subject, |_| {}, |asked| answer(200, asked.method.clone())).await;
    let methods =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "MKCOL"];
    for method in methods {
        let request = with(method.parse().unwrap(), &stand.url("/m"), HeaderMap::new(), "");
        let reply = send(&*stand.transport, request, &patient()).await.unwrap();
        let expected = if method == "HEAD" { "" } else { method };
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, expected.as_bytes()), "{method}");
    }
    let arrived: Vec<String> = stand.asked().into_iter().map(|asked| asked.method).collect();
    assert_eq!(arrived, methods);
}

pub async fn unheard_of_methods_arrive_or_are_refused_unsent(subject: Subject) {
    let stand = Stand::open(subject, |_| {}, |_| answer(200, "")).await;
    for method in ["QUERY", "PURGE", "Get"] {
        let request = with(Method::from_bytes(method.as_bytes()).unwrap(), &stand.url("/"), HeaderMap::new(), "");
        let reply = send(&*stand.transport, request, &patient()).await;
        if subject.any_method {
            assert_eq!(reply.unwrap().status, 200);
            assert_eq!(stand.asked().last().unwrap().method, method);
        } else {
            let failure = reply.unwrap_err();
            assert_eq!((failure.kind, failure.sent), (FailureKind::Request, false));
            assert!(failure.message.contains(method), "{failure}");
            assert_eq!(stand.asked().len(), 0);
        }
    }
}

pub async fn headers_arrive_value_by_value(subject: Subject) {
    let stand = Stand::open(subject, |_| {}, |_| answer(200, "")).await;
    let mut key = HeaderValue::from_static("hush");
    key.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.append("x-many", HeaderValue::from_static("one"));
    headers.append("accept", HeaderValue::from_static("*/*"));
    headers.append("x-many", HeaderValue::from_static("two, three"));
    headers.append("x-many", HeaderValue::from_static(""));
    headers.append("x-name", HeaderValue::from_bytes(b"caf\xe9 \xc3\xa9?").unwrap());
    headers.append("x-key", key);
    send(&*stand.transport, with(Method::GET, &stand.url("/"), headers, ""), &patient()).await.unwrap();
    let asked = stand.asked().remove(0);
    assert_eq!(asked.values("x-many"), [&b"one"[..], b"two, three", b""]);
    assert_eq!(asked.values("x-name"), [b"caf\xe9 \xc3\xa9?"]);
    assert_eq!((asked.values("x-key"), asked.values("accept")), (vec![&b"hush"[..]], vec![&b"*/*"[..]]));
    // Nothing is said that nobody said.
    assert!(asked.values("content-type").is_empty() && asked.values("user-agent").is_empty());
}

pub async fn a_hundred_headers_go_out_and_come_back(subject: Subject) {
    // hyper takes a hundred of a reply; the length is one of them.
    const NAMES: usize = 99;
    let script = |asked: &super::stand::Asked| {
        let mut reply = answer(200, "");
        for (name, value) in asked.headers.iter().filter(|(name, _)| name.starts_with("x-")).take(NAMES) {
            reply = reply.header(HeaderName::from_bytes(name.as_bytes()).unwrap().as_str().to_owned().leak(), value);
        }
        reply
    };
    let stand = Stand::open(subject, |_| {}, script).await;
    let header = |n: usize| (HeaderName::try_from(format!("x-{n}")).unwrap(), HeaderValue::from(n));
    let request = with(Method::GET, &stand.url("/"), (0..100).map(header).collect(), "");
    let reply = send(&*stand.transport, request, &patient()).await.unwrap();
    let sent: Vec<String> = stand.asked()[0]
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-"))
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(sent.len(), 100);
    let back: Vec<&str> = reply.headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-")).collect();
    assert_eq!(back, sent[..NAMES]);
    assert!(back.iter().all(|name| reply.headers[*name].as_bytes() == &name.as_bytes()[2..]));
}

pub async fn every_status_comes_back_as_it_is(subject: Subject) {
    let status = |asked: &super::stand::Asked| answer(asked.target[1..].parse().unwrap(), "text");
    let stand = Stand::open(subject, |plan| plan.redirects = 0, status).await;
    for status in [200, 201, 226, 299, 300, 302, 399, 400, 404, 418, 429, 430, 499, 500, 503, 520, 530, 599, 600, 999] {
        let reply = fetch(&*stand.transport, &stand.url(&format!("/{status}"))).await.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (status, &b"text"[..]));
    }
}

pub async fn reply_headers_come_back_byte_for_byte(subject: Subject) {
    let given: [(&str, &[u8]); 7] = [
        ("set-cookie", b"a=1; Path=/"),
        ("set-cookie", b"b=2"),
        ("set-cookie", b"c=3; HttpOnly"),
        ("x-name", b"caf\xe9 \xc3\xa9"),
        ("x-empty", b""),
        ("link", b"</2>; rel=\"next\", </9>; rel=\"last\""),
        ("x-name", b"again"),
    ];
    let stand = Stand::open(
        subject,
        |_| {},
        move |asked| {
            let start = answer(299, "").framed(if asked.target == "/none" { Framing::None } else { Framing::Length });
            given.iter().fold(start, |answer, (name, value)| answer.header(name, value))
        },
    )
    .await;
    let mut expected = HeaderMap::new();
    expected
        .extend(given.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())));
    let mut reply = fetch(&*stand.transport, &stand.url("/")).await.unwrap();
    reply.headers.remove("content-length");
    assert_eq!(reply.headers.iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
}

pub async fn redirects_are_followed(subject: Subject) {
    let stand = Stand::open(
        subject,
        |_| {},
        |asked| match asked.target.as_str() {
            "/first" => answer(302, "moved").header("location", "second?x=1"),
            "/second?x=1" => answer(307, "moved again").header("location", "/third"),
            _ => answer(200, "here"),
        },
    )
    .await;
    let gate = Open::default();
    let request = with(Method::POST, &stand.url("/first"), HeaderMap::new(), "body");
    let reply = stand.transport.exchange(Call::new(request, &gate, &patient())).await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"here"[..]));
    assert_eq!(reply.url.to_string(), stand.url("/third"));
    assert_eq!(gate.passed.load(std::sync::atomic::Ordering::SeqCst), 3);
    let asked: Vec<_> = stand.asked().into_iter().map(|asked| (asked.method, asked.target, asked.body.len())).collect();
    let seen: Vec<_> = asked.iter().map(|(method, target, body)| (method.as_str(), target.as_str(), *body)).collect();
    assert_eq!(seen, [("POST", "/first", 4), ("GET", "/second?x=1", 0), ("GET", "/third", 0)]);
    // 307 keeps what there is to send.
    let request = with(Method::PUT, &stand.url("/second?x=1"), HeaderMap::new(), "body");
    send(&*stand.transport, request, &patient()).await.unwrap();
    assert_eq!(
        stand.asked().last().map(|asked| (asked.method.clone(), asked.body.clone())),
        Some(("PUT".to_owned(), b"body".to_vec()))
    );
}

pub async fn redirects_that_are_too_many_fail(subject: Subject) {
    let step = |asked: &super::stand::Asked| answer(302, "").header("location", format!("{}x", asked.target));
    let stand = Stand::open(subject, |plan| plan.redirects = 2, step).await;
    let failure = fetch(&*stand.transport, &stand.url("/x")).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::Redirect, true));
    assert!(failure.message.contains("client.redirects"), "{failure}");
    let none = Stand::open(subject, |plan| plan.redirects = 0, step).await;
    assert_eq!(fetch(&*none.transport, &none.url("/x")).await.unwrap().status.as_u16(), 302);
}

pub async fn sensitive_headers_stay_in_their_origin(subject: Subject) {
    let elsewhere: Arc<std::sync::OnceLock<String>> = Arc::default();
    let to = Arc::clone(&elsewhere);
    let stand = Stand::open(
        subject,
        |_| {},
        move |asked| match asked.target.as_str() {
            "/here" => answer(302, "").header("location", "/there"),
            "/away" => answer(302, "").header("location", to.get().unwrap()),
            _ => answer(200, ""),
        },
    )
    .await;
    elsewhere.set(stand.elsewhere("/other")).unwrap();
    let mut key = HeaderValue::from_static("hush");
    key.set_sensitive(true);
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-key"), key),
        (HeaderName::from_static("x-open"), HeaderValue::from_static("1")),
    ]);
    for (path, keys) in [("/here", 1), ("/away", 0)] {
        send(&*stand.transport, with(Method::GET, &stand.url(path), headers.clone(), ""), &patient()).await.unwrap();
        let last = stand.asked().pop().unwrap();
        assert_eq!((last.values("x-key").len(), last.values("x-open").len()), (keys, 1), "{path}");
    }
}

/// Signs with what it is asked to sign, and whether the gate was passed by then.
struct Notary(Arc<Open>);

impl Signer for Notary {
    fn sign<'a>(
        &'a self,
        method: &'a Method,
        url: &'a Uri,
        headers: &'a mut HeaderMap,
        body: &'a RequestBody,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        let passed = self.0.passed.load(std::sync::atomic::Ordering::SeqCst);
        let text = format!("{method} {} {} {passed}", url.path(), body.length());
        let mut value = HeaderValue::try_from(text).unwrap();
        value.set_sensitive(true);
        headers.insert("x-signed", value);
        Box::pin(std::future::ready(Ok(())))
    }
}

pub async fn requests_are_signed_behind_the_gate_within_their_origin(subject: Subject) {
    let elsewhere: Arc<std::sync::OnceLock<String>> = Arc::default();
    let to = Arc::clone(&elsewhere);
    let stand = Stand::open(
        subject,
        |_| {},
        move |asked| match asked.target.as_str() {
            "/a" => answer(303, "").header("location", "/b"),
            "/b" => answer(303, "").header("location", to.get().unwrap()),
            _ => answer(200, ""),
        },
    )
    .await;
    elsewhere.set(stand.elsewhere("/c")).unwrap();
    let gate = Arc::new(Open::default());
    let (timeouts, signer) = (patient(), Arc::new(Notary(Arc::clone(&gate))));
    let request = with(Method::POST, &stand.url("/a"), HeaderMap::new(), "12345");
    let call = Call { signer: Some(signer), ..Call::new(request, &*gate, &timeouts) };
    stand.transport.exchange(call).await.unwrap();
    let signed: Vec<String> = stand
        .asked()
        .iter()
        .map(|asked| asked.values("x-signed").iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect())
        .collect();
    assert_eq!(signed, ["POST /a 5 1", "GET /b 0 2", ""]);
}

pub async fn urls_go_out_as_they_are_written(subject: Subject) {
    let stand = Stand::open(subject, |_| {}, |asked| answer(200, asked.target.clone())).await;
    for target in ["/a/../b", "/a%2fb%20c", "/?q='\"'", "/a//b/./c", "/?", "/%zz", "/;a=b?c=[d]&e=%5B"] {
        let Ok(uri) = stand.url(target).parse::<Uri>() else { continue };
        let mut request = get(&stand.url("/"));
        *request.uri_mut() = uri;
        let reply = send(&*stand.transport, request, &patient()).await.unwrap();
        assert_eq!((&reply.body[..], reply.url.to_string()), (target.as_bytes(), stand.url(target)));
    }
}
