//! Unix-domain sockets: a stream like any other, with an origin of its own.

use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderValue, Method};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use super::support::{Server, client, fetch, ok, patient, request, send, with};
use crate::clock;
use crate::retry::FailureKind;
use crate::transport::socket;
use crate::transport::target::Origin;

/// A server at a socket; ends when dropped.
struct Local {
    folder: TempDir,
    task: JoinHandle<()>,
}

impl Drop for Local {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Local {
    // Answers with the number of the connection before what `answer` says.
    fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("api.sock")).unwrap();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                while let Some(request) = request(&mut stream).await {
                    let _ = stream.write_all(answer(&request).as_bytes()).await;
                }
            }
        });
        Self { folder, task }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }
}

fn url(socket: &Path, path: &str) -> String {
    socket::start(&format!("unix:{}", socket.display())).unwrap().1 + path
}

#[tokio::test]
async fn a_request_over_a_socket_is_one_to_localhost() {
    let server = Local::answering(ok);
    let transport = client(|_| {});
    let url = url(&server.path(), "/a?b=c");
    // The server takes one connection after the other: the second request would wait for ever on its own.
    for _ in 0..2 {
        let reply = fetch(&transport, &url).await.unwrap();
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(text.starts_with("GET /a?b=c HTTP/1.1\r\nhost: localhost\r\n"), "{text}");
        assert_eq!(socket::written(&reply.url), format!("unix:{}:/a?b=c", server.path().display()));
    }
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_a_connect_failure_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let transport = client(|_| {});
    for (name, words) in [("none.sock", "there is no such socket"), ("closed.sock", "nobody listens")] {
        let path = folder.path().join(name);
        if name == "closed.sock" {
            drop(UnixListener::bind(&path).unwrap());
        }
        let url = url(&path, "/?token=hush");
        let failure = fetch(&transport, &url).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Connect, false));
        let label = format!("connecting to `unix:{}` failed: {words}", path.display());
        assert!(failure.message.starts_with(&label), "{failure}");
        let host = transport.pool().host(Origin::of(&url.parse().unwrap()).unwrap(), clock::now());
        assert_eq!((transport.pool().open(), transport.pool().free_slots(&host)), (0, (100, 100)));
    }
}

#[tokio::test]
async fn redirects_stay_at_the_socket_or_leave_it_without_credentials() {
    let elsewhere = Server::answering(ok).await;
    let target = elsewhere.url("/there");
    let server = Local::answering(move |request| match request.split(' ').nth(1) {
        Some("/within") => "HTTP/1.1 302 F\r\nLocation: here\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Some("/away") => format!("HTTP/1.1 302 F\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"),
        _ => ok(request),
    });
    let transport = client(|_| {});
    for (path, start, is_kept) in [("/within", "GET /here", true), ("/away", "GET /there", false)] {
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("hush"))]);
        let request = with(Method::GET, &url(&server.path(), path), headers, "");
        let reply = send(&transport, request, &patient()).await.unwrap();
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(text.starts_with(start) && text.contains("hush") == is_kept, "{text}");
    }
}

#[tokio::test]
async fn nobody_on_the_network_leads_to_a_socket() {
    let local = Local::answering(ok);
    let location = url(&local.path(), "/");
    let server =
        Server::answering(move |_| format!("HTTP/1.1 302 F\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
            .await;
    let failure = fetch(&client(|_| {}), &server.url("/")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Redirect);
    assert!(failure.message.contains(&format!("unix:{}", local.path().display())), "{failure}");
}

#[test]
fn what_is_signed_is_the_host_that_is_sent() {
    let url = "unix://2f78/a".parse().unwrap();
    assert_eq!(crate::transport::host_header(&url).unwrap(), "localhost");
    let url = "http://a.example:81/a".parse().unwrap();
    assert_eq!(crate::transport::host_header(&url).unwrap(), "a.example:81");
}
