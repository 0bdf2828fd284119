//! What middleware sees, and what becomes of what it does.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::support::{Open, Server, client, get, ok, patient, with};
use crate::retry::{Failure, FailureKind};
use crate::transport::scripted::{ScriptedTransport, reply};
use crate::transport::surf::surf::middleware::{Middleware, Next};
use crate::transport::surf::surf::{self, Body, Client, Request, Response, StatusCode, utils};
use crate::transport::surf::{Head, SurfTransport};
use crate::transport::{BodyPart, BoxFuture, Call, Reply, RequestBody, Signer, Transport};

/// Hands everything on.
pub struct Bystander;

#[utils::async_trait]
impl Middleware for Bystander {
    async fn handle(&self, request: Request, client: Client, next: Next<'_>) -> surf::Result {
        next.run(request, client).await
    }
}

type Handled<'a> = Pin<Box<dyn Future<Output = surf::Result> + Send + 'a>>;

/// A middleware of one closure.
#[derive(Clone, Copy)]
struct By<F>(F);

#[utils::async_trait]
impl<F> Middleware for By<F>
where
    F: for<'a> Fn(Request, Client, Next<'a>) -> Handled<'a> + Send + Sync + 'static,
{
    async fn handle(&self, request: Request, client: Client, next: Next<'_>) -> surf::Result {
        (self.0)(request, client, next).await
    }
}

fn by<F>(handle: F) -> By<F>
where
    F: for<'a> Fn(Request, Client, Next<'a>) -> Handled<'a> + Send + Sync + 'static,
{
    By(handle)
}

/// The double under surf: answers with the status in the path, and says what it was sent.
fn backend() -> Arc<ScriptedTransport> {
    Arc::new(ScriptedTransport::new(|request| {
        let status = request.uri().path()[1..].parse().unwrap_or(200);
        let mut reply = reply(status, format!("{} {}", request.method(), request.uri()));
        reply.headers.insert("x-of", HeaderValue::from_static("server"));
        reply.headers.insert("x-name", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        Ok(reply)
    }))
}

async fn send(transport: &SurfTransport, request: http::Request<RequestBody>) -> (Result<Reply, Failure>, usize) {
    let (gate, timeouts) = (Open::default(), patient());
    let reply = transport.exchange(Call::new(request, &gate, &timeouts)).await;
    (reply, gate.passed.load(Ordering::SeqCst))
}

#[tokio::test]
async fn what_a_middleware_changes_in_a_request_takes_effect() {
    let double = backend();
    let change = by(|mut request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
        assert_eq!(request.header("x-key").unwrap().as_str(), "hush");
        request.insert_header("x-key", "other");
        request.insert_header("x-new", "1");
        request.remove_header("x-gone");
        let inner: &mut surf::http::Request = request.as_mut();
        inner.url_mut().set_query(Some("by=middleware"));
        inner.set_method(surf::http::Method::Put);
        request.set_body(Body::from_string("given".to_owned()));
        next.run(request, client)
    });
    let transport = SurfTransport::with_client(Arc::clone(&double) as Arc<dyn Transport>, |client| client.with(change));
    let mut key = HeaderValue::from_static("hush");
    key.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("x-kept", HeaderValue::from_bytes(b"\xe9").unwrap());
    headers.insert("x-gone", HeaderValue::from_static("1"));
    headers.insert("x-key", key);
    let (reply, _) = send(&transport, with(Method::POST, "http://a.example/200", headers, "mine")).await;
    assert_eq!(reply.unwrap().body, "PUT http://a.example/200?by=middleware");
    let call = double.calls().remove(0);
    let names: Vec<&str> = call.headers.keys().map(http::HeaderName::as_str).collect();
    // surf itself says what kind of body it was given.
    assert_eq!(names, ["x-kept", "x-key", "content-type", "x-new"]);
    assert!(call.headers["x-key"] == "other" && call.headers["x-key"].is_sensitive());
    assert_eq!((call.headers["x-kept"].as_bytes(), call.body.whole().unwrap().as_ref()), (&b"\xe9"[..], &b"given"[..]));
}

#[tokio::test]
async fn a_body_that_nobody_touches_is_not_loaded() {
    let double = backend();
    let look = by(|mut request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
        assert_eq!(request.len(), Some(1 << 40));
        // Out and in again is not touched.
        let body = request.take_body();
        request.set_body(body);
        request.remove_header("content-type");
        next.run(request, client)
    });
    let transport = SurfTransport::with_client(Arc::clone(&double) as Arc<dyn Transport>, |client| client.with(look));
    let part = BodyPart::File { path: "/nowhere".into(), length: 1 << 40 };
    let mut request = with(Method::PUT, "http://a.example/200", HeaderMap::new(), "");
    *request.body_mut() = RequestBody::Parts(Arc::new([part]));
    let body = request.body().clone();
    send(&transport, request).await.0.unwrap();
    let call = double.calls().remove(0);
    assert_eq!((call.body, call.headers.len()), (body, 0));
}

#[tokio::test]
async fn a_body_that_a_middleware_reads_is_what_it_makes_of_it() {
    for (again, expected) in [(true, "MINE"), (false, "")] {
        let double = backend();
        let loud = by(move |mut request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
            let body = request.take_body();
            Box::pin(async move {
                let read = body.into_string().await?;
                if again {
                    request.set_body(read.to_uppercase());
                }
                next.run(request, client).await
            })
        });
        let transport =
            SurfTransport::with_client(Arc::clone(&double) as Arc<dyn Transport>, |client| client.with(loud));
        send(&transport, with(Method::POST, "http://a.example/200", HeaderMap::new(), "mine")).await.0.unwrap();
        assert_eq!(double.calls()[0].body.whole().unwrap(), expected.as_bytes());
    }
}

#[tokio::test]
async fn a_file_that_can_not_be_read_fails_before_anything_is_sent() {
    let double = backend();
    let read = by(|mut request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
        let body = request.take_body();
        request.set_body(Body::from_reader(Box::new(body.into_reader()), None));
        next.run(request, client)
    });
    let transport = SurfTransport::with_client(Arc::clone(&double) as Arc<dyn Transport>, |client| client.with(read));
    let part = BodyPart::File { path: "/nowhere".into(), length: 5 };
    let mut request = with(Method::PUT, "http://a.example/200", HeaderMap::new(), "");
    *request.body_mut() = RequestBody::Parts(Arc::new([part]));
    let (reply, passed) = send(&transport, request).await;
    let failure = reply.unwrap_err();
    assert_eq!((failure.kind, failure.sent, passed), (FailureKind::Request, false, 0));
    assert!(failure.message.contains("/nowhere could not be sent"), "{failure}");
}

#[tokio::test]
async fn what_a_middleware_changes_in_a_reply_takes_effect() {
    let change = by(|request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
        Box::pin(async move {
            let mut reply = next.run(request, client).await?;
            let head = reply.ext::<Head>().unwrap();
            assert_eq!((head.status.as_u16(), reply.status()), (599, StatusCode::InternalServerError));
            assert_eq!(head.headers["x-name"].as_bytes(), b"caf\xe9");
            assert_eq!(reply.header("x-name").unwrap().as_str(), "caf?");
            let text = reply.body_string().await?;
            reply.set_body(format!("<{text}>"));
            reply.insert_header("x-of", "middleware");
            let inner: &mut surf::http::Response = reply.as_mut();
            inner.set_status(StatusCode::Accepted);
            Ok(reply)
        })
    });
    let transport = SurfTransport::with_client(backend(), |client| client.with(change));
    let reply = send(&transport, get("http://a.example/599")).await.0.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (202, &b"<GET http://a.example/599>"[..]));
    assert_eq!(
        (&reply.headers["x-of"], reply.headers["x-name"].as_bytes()),
        (&HeaderValue::from_static("middleware"), &b"caf\xe9"[..])
    );
}

#[tokio::test]
async fn a_reply_of_a_middlewares_own_needs_no_request() {
    let cached = by(|_: Request, _: Client, _: Next<'_>| -> Handled<'_> {
        let mut reply = surf::http::Response::new(StatusCode::Ok);
        // A body that is longer than it says.
        reply.set_body(Body::from_reader(&b"from the cache"[..], Some(8)));
        Box::pin(std::future::ready(Ok(Response::from(reply))))
    });
    let double = backend();
    let transport = SurfTransport::with_client(Arc::clone(&double) as Arc<dyn Transport>, |client| client.with(cached));
    let (reply, passed) = send(&transport, get("http://a.example/x")).await;
    let reply = reply.unwrap();
    assert_eq!((&reply.body[..], reply.url.path(), passed, double.calls().len()), (&b"from the"[..], "/x", 0, 0));
}

#[tokio::test]
async fn every_request_of_a_middleware_passes_the_gate() {
    // One after the other, of a clone; then two at once.
    let busy = by(|request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
        Box::pin(async move {
            let first = next.run(request.clone(), client.clone()).await?;
            assert_eq!(first.status(), StatusCode::ServiceUnavailable);
            let beside = client.get("http://token.example/201").send();
            let (again, beside) = tokio::join!(next.run(request, client.clone()), beside);
            assert_eq!(beside?.status(), StatusCode::Created);
            again
        })
    });
    let double = backend();
    let transport = SurfTransport::with_client(Arc::clone(&double) as Arc<dyn Transport>, |client| client.with(busy));
    let (reply, passed) = send(&transport, get("http://a.example/503")).await;
    assert_eq!((reply.unwrap().status.as_u16(), passed, double.calls().len()), (503, 3, 3));
}

struct Stamp(AtomicUsize);

impl Signer for Stamp {
    fn sign<'a>(
        &'a self,
        _: &'a Method,
        _: &'a Uri,
        headers: &'a mut HeaderMap,
        _: &'a RequestBody,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        headers.insert("x-signed", HeaderValue::from_static("yes"));
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn a_signature_is_not_for_the_other_requests_of_a_middleware() {
    let asks = by(|request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
        Box::pin(async move {
            client.get("http://token.example/200").send().await?;
            next.run(request, client).await
        })
    });
    let double = backend();
    let transport = SurfTransport::with_client(Arc::clone(&double) as Arc<dyn Transport>, |client| client.with(asks));
    let (gate, timeouts, stamp) = (Open::default(), patient(), Arc::new(Stamp(AtomicUsize::new(0))));
    let call = Call { signer: Some(stamp.clone()), ..Call::new(get("http://a.example/200"), &gate, &timeouts) };
    transport.exchange(call).await.unwrap();
    let signed: Vec<_> = double.calls().iter().map(|call| call.headers.contains_key("x-signed")).collect();
    assert_eq!((signed, stamp.0.load(Ordering::SeqCst)), (vec![false, true], 1));
}

#[tokio::test]
async fn failures_of_middleware_are_told_apart_from_ours() {
    let refuses = by(|_: Request, _: Client, _: Next<'_>| -> Handled<'_> {
        Box::pin(std::future::ready(Err(surf::Error::from_str(StatusCode::Forbidden, "no token"))))
    });
    let transport = SurfTransport::with_client(backend(), |client| client.with(refuses));
    let failure = send(&transport, get("http://a.example/200")).await.0.unwrap_err();
    assert_eq!(
        (failure.kind, failure.sent, failure.message.as_str()),
        (FailureKind::Request, false, "a middleware failed: no token")
    );

    let distrusts = by(|request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
        Box::pin(async move {
            next.run(request, client).await?;
            Err(surf::Error::from_str(StatusCode::BadGateway, "no seal"))
        })
    });
    let transport = SurfTransport::with_client(backend(), |client| client.with(distrusts));
    let failure = send(&transport, get("http://a.example/200")).await.0.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::Decode, true));

    // Ours, seen by a middleware and read through its own words about the body.
    let sees = by(|request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
        Box::pin(async move {
            let mut reply = next.run(request, client).await.inspect_err(|error| {
                assert_eq!(error.downcast_ref::<Failure>().unwrap().kind, FailureKind::Connect);
            })?;
            reply.body_string().await?;
            Ok(reply)
        })
    });
    let broken = Arc::new(ScriptedTransport::in_order([]));
    let transport = SurfTransport::with_client(broken, |client| client.with(sees));
    let (reply, passed) = send(&transport, get("http://a.example/")).await;
    let failure = reply.unwrap_err();
    assert_eq!((failure.kind, failure.sent, passed), (FailureKind::Connect, false, 1));
    let cut = Server::once("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").await;
    let transport = SurfTransport::with_client(Arc::new(client(|_| {})), |client| client.with(sees));
    let failure = send(&transport, get(&cut.url("/"))).await.0.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::Truncated, true), "{failure}");
}

#[tokio::test]
async fn a_request_from_another_task_is_refused() {
    let leaves = by(|request: Request, client: Client, _: Next<'_>| -> Handled<'_> {
        Box::pin(async move { tokio::spawn(async move { client.send(request).await }).await.unwrap() })
    });
    let double = backend();
    let transport = SurfTransport::with_client(Arc::clone(&double) as Arc<dyn Transport>, |client| client.with(leaves));
    let (reply, passed) = send(&transport, get("http://a.example/200")).await;
    let failure = reply.unwrap_err();
    assert_eq!((failure.kind, failure.sent, passed, double.calls().len()), (FailureKind::Request, false, 0, 0));
    assert!(failure.message.contains("a task of its own"), "{failure}");
}

#[tokio::test]
async fn a_body_that_is_thrown_away_takes_its_connection_along() {
    let throws = by(|request: Request, client: Client, next: Next<'_>| -> Handled<'_> {
        Box::pin(async move {
            let mut reply = next.run(request, client).await?;
            reply.set_body("mine");
            Ok(reply)
        })
    });
    let server = Server::answering(|_| ok(&"x".repeat(1 << 19))).await;
    let hyper = Arc::new(client(|_| {}));
    let transport = SurfTransport::with_client(Arc::clone(&hyper) as Arc<dyn Transport>, |client| client.with(throws));
    let reply = send(&transport, get(&server.url("/"))).await.0.unwrap();
    assert_eq!((&reply.body[..], hyper.pool().open()), (&b"mine"[..], 0));
    assert!(!reply.timings.exchange().is_zero());
}

#[tokio::test]
async fn pieces_are_handed_on_without_a_copy() {
    let body = Bytes::from(vec![b'x'; 5000]);
    let own = body.clone();
    let double = Arc::new(ScriptedTransport::new(move |_| Ok(reply(200, own.clone()))));
    let reply = send(&SurfTransport::new(double), get("http://a.example/")).await.0.unwrap();
    assert_eq!(reply.body.as_ptr(), body.as_ptr());
}

#[tokio::test]
async fn urls_that_surf_can_not_hold_are_refused_unsent() {
    let double = backend();
    let transport = SurfTransport::new(Arc::clone(&double) as Arc<dyn Transport>);
    let failure = send(&transport, get("http://node.1/?token=hush")).await.0.unwrap_err();
    assert_eq!((failure.kind, failure.sent, double.calls().len()), (FailureKind::Request, false, 0));
    assert!(failure.message.contains("http://node.1/") && !failure.message.contains("hush"), "{failure}");
}

/// Names of all threads of this process.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.unwrap().path().join("comm"));
    tasks.filter_map(|task| name(task).ok()).map(|name| name.trim().to_owned()).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_executor_of_async_std_begins() {
    let server = Server::answering(ok).await;
    let transport = SurfTransport::with_client(Arc::new(client(|_| {})), |client| client.with(Bystander));
    for _ in 0..3 {
        let request = with(Method::POST, &server.url("/"), HeaderMap::new(), "body");
        assert_eq!(send(&transport, request).await.0.unwrap().status, 200);
    }
    // async-global-executor, async-io and blocking name theirs so.
    let foreign = ["async-std", "async-global", "async-io", "blocking-"];
    let begun: Vec<_> =
        threads().into_iter().filter(|name| foreign.iter().any(|start| name.starts_with(start))).collect();
    assert!(begun.is_empty(), "{begun:?}");
}

#[test]
fn one_room_names_surf_and_async_std() {
    fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let names = |path: &Path| {
        // What stands here behind our own path is our own room, and what it gives on.
        let text = std::fs::read_to_string(path).unwrap().replace("super::surf::", "").replace("transport::surf::", "");
        ["surf::", "use surf", "async_std", "http_types", "http_client"].iter().any(|name| text.contains(name))
    };
    let tests = root.join("src/transport/tests");
    let mut naming: Vec<_> = files.iter().filter(|path| !path.starts_with(&tests) && names(path)).collect();
    naming.sort();
    let room = ["src/transport/surf/bodies.rs", "src/transport/surf.rs"].map(|path| root.join(path));
    assert_eq!(naming, [&room[0], &room[1]]);
}
