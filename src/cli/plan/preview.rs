//! The first requests of an endpoint with masked secrets, as they are shown, and the hosts they go to.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderValue, Request};
use serde::Serialize;
use serde_json::Value;

use super::first::{self, Ready, Unit};
use crate::plan::request::{Contents, Data, FrameContents, Part, RequestPlan};
use crate::plan::{EndpointPlan, IdempotencyPlan, Plan};
use crate::retry::Failure;
use crate::secret::{MASK, Secrets};
use crate::source::SourceError;
use crate::transport::{RequestBody, socket};

/// Most characters of a body that are shown.
const LONGEST_BODY: usize = 2_000;

/// Most characters of a part that are shown.
const LONGEST_PART: usize = 200;

/// What stands for a request's key.
const KEY: &str = "(key of run and row)";

/// Where `demo:` leads while nothing runs; shown as `demo:` again. A name that can't exist (RFC 6761).
const DEMO: &str = "http://demo.invalid";

/// How the API behind `demo:` URLs is named among the hosts.
const DEMO_HOST: &str = "the demo API, on this machine";

/// A row and the request it would become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// One-based number of the row; of a chunk that of its first.
    pub row: u64,
    /// Rows in the request, where they go out in chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The request; `None` when the row would fail without one.
    pub request: Option<ShownRequest>,
    /// The file its reply would be saved to, relative to the job file.
    pub saved: Option<String>,
    /// Why the row would fail.
    pub error: Option<String>,
}

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ShownRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// The body, where it is text.
    pub body: Option<String>,
    /// The file that is the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_file: Option<ShownFile>,
    /// The parts of a multipart body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ShownPart>,
    /// What is sent over a WebSocket when it has opened, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<ShownFrame>,
}

/// A frame that is sent: a text, or a file as a binary frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownFrame {
    /// The text, cut where it is long.
    pub text: Option<String>,
    /// The file.
    pub file: Option<ShownFile>,
}

/// A file that is sent; its content is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownFile {
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// A part of a multipart body: a text or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownPart {
    pub name: String,
    pub filename: Option<String>,
    pub content_type: Option<String>,
    /// Bytes.
    pub size: u64,
    /// The text, cut where it is long.
    pub text: Option<String>,
    /// The path of the file.
    pub path: Option<String>,
}

/// Renders the requests that the first rows are part of.
///
/// # Errors
/// When the input can't be read.
pub fn preview(plan: &Plan, endpoint: &EndpointPlan, rows: u64) -> Result<Vec<Shown>, SourceError> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let failed = |failure: Failure| SourceError::new(format!("endpoints.{}: {failure}", endpoint.name));
    // A plan is the same whenever it is asked for, boundaries too.
    let requests = RequestPlan::new(endpoint, Some(DEMO)).map_err(failed)?.drawing(|| 0);
    let secrets = Secrets::masked(&plan.secrets);
    let shown = |unit: &Unit| {
        let ready = first::ready((plan, endpoint), &requests, unit, &secrets);
        Shown::of(unit, ready, endpoint)
    };
    Ok(first::units(plan, endpoint, rows)?.iter().map(shown).collect())
}

impl Shown {
    fn of(unit: &Unit, ready: Result<Ready, String>, endpoint: &EndpointPlan) -> Self {
        let (key, stream) = (endpoint.idempotency.as_ref(), endpoint.stream.as_ref());
        let Unit { row, rows, .. } = *unit;
        match ready {
            Ok(Ready { request, contents, frames, saved }) => {
                let frames = frames.into_iter().map(ShownFrame::of).collect();
                let request = ShownRequest { frames, ..ShownRequest::of(&request, contents).with_key(key) };
                let request = match stream {
                    Some(stream) => ShownRequest { url: shown_url(&stream.shown(&request.url)), ..request },
                    None => request,
                };
                Self { row, rows, request: Some(request), saved, error: None }
            }
            Err(error) => Self { row, rows, request: None, saved: None, error: Some(error) },
        }
    }
}

impl ShownRequest {
    fn of(request: &Request<RequestBody>, contents: Contents) -> Self {
        let header = |(name, value): (&http::HeaderName, &HeaderValue)| (name.to_string(), shown_value(value));
        let (body, body_file, parts) = match contents {
            Contents::Bytes(bytes) => (shown_body(&bytes), None, Vec::new()),
            Contents::File(file) => {
                (None, Some(ShownFile { path: file.shown.display().to_string(), size: file.length }), Vec::new())
            }
            Contents::Parts(parts) => (None, None, parts.into_iter().map(ShownPart::of).collect()),
        };
        Self {
            method: request.method().to_string(),
            url: shown_url(&socket::written(request.uri())),
            headers: request.headers().iter().map(header).collect(),
            body,
            body_file,
            parts,
            frames: Vec::new(),
        }
    }
}

impl ShownRequest {
    /// With the header of the request's key, whose value depends on the run.
    fn with_key(mut self, key: Option<&IdempotencyPlan>) -> Self {
        self.headers.extend(key.map(|key| {
            let shown = if key.quoted { format!("\"{KEY}\"") } else { KEY.to_owned() };
            (key.header.to_string(), shown)
        }));
        self
    }
}

impl ShownFrame {
    fn of(contents: FrameContents) -> Self {
        match contents {
            FrameContents::Text(text) => {
                let bytes = text.len();
                Self { text: Some(cut_at(LONGEST_BODY, text, bytes)), file: None }
            }
            FrameContents::File(file) => {
                let file = ShownFile { path: file.shown.display().to_string(), size: file.length };
                Self { text: None, file: Some(file) }
            }
        }
    }
}

impl ShownPart {
    fn of(part: Part) -> Self {
        let Part { name, filename, content_type, data } = part;
        let (size, text, path) = match data {
            Data::Text(text) => (text.len() as u64, Some(cut(text)), None),
            Data::File(file) => (file.length, None, Some(file.shown.display().to_string())),
        };
        Self { name, filename, content_type, size, text, path }
    }
}

/// A URL as the job has it. The mask of a secret was escaped as the secret would be.
fn shown_url(url: &str) -> String {
    let url = url.replace("%2A%2A%2A", MASK);
    url.strip_prefix(DEMO).map(|path| format!("demo:{path}")).unwrap_or(url)
}

/// Secrets are masked before they are rendered; what they were made into (base64) is masked here.
fn shown_value(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    if !value.is_sensitive() || text.contains(MASK) {
        return text;
    }
    match text.split_once(' ') {
        Some((scheme, _)) => format!("{scheme} {MASK}"),
        None => MASK.to_owned(),
    }
}

fn shown_body(body: &Bytes) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    Some(cut_at(LONGEST_BODY, text, body.len()))
}

/// A text, cut where it is long, and how many bytes there are.
fn cut_at(most: usize, text: String, bytes: usize) -> String {
    match text.char_indices().nth(most) {
        Some((cut, _)) => format!("{}... ({bytes} bytes)", &text[..cut]),
        None => text,
    }
}

/// The text of a part, which has its size beside it.
fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST_PART) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

/// Where an endpoint's requests go, as far as its hosts are known: schemes and hosts, as URLs inside.
pub fn origins(prefix: &str, constant: bool, preview: &[Shown]) -> Vec<String> {
    if host(prefix, constant).is_some() {
        return origin(prefix).into_iter().collect();
    }
    let urls = preview.iter().filter_map(|shown| shown.request.as_ref());
    let origins: BTreeSet<String> = urls.filter_map(|request| origin(&request.url)).collect();
    origins.into_iter().collect()
}

/// What connections to an origin are made as: those of a WebSocket as those of its handshake.
pub fn reached(origin: &str) -> String {
    origin.strip_prefix("ws").map_or_else(|| origin.to_owned(), |rest| format!("http{rest}"))
}

/// `https://api.example.com`; `None` of what no proxy is for.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = host(url, true)?;
    (!rest.is_empty()).then(|| format!("{scheme}://{host}"))
}

/// The hosts of an endpoint, and whether rows decide about them: by the constant start of its URL
/// where that holds a whole host, else by the requests that were rendered.
pub fn hosts(prefix: &str, constant: bool, preview: &[Shown]) -> (Vec<String>, bool) {
    if let Some(host) = host(prefix, constant) {
        return (vec![host], false);
    }
    let urls = preview.iter().filter_map(|shown| shown.request.as_ref());
    let hosts: BTreeSet<String> = urls.filter_map(|request| host(&request.url, true)).collect();
    (hosts.into_iter().collect(), true)
}

/// The host and port in a URL; `None` when the URL ends within the host and is not `whole`.
fn host(url: &str, whole: bool) -> Option<String> {
    if url.starts_with("demo:") {
        return Some(DEMO_HOST.to_owned());
    }
    if let Some(rest) = socket::behind_scheme(url) {
        return socket::label_of(rest, whole);
    }
    let (_, rest) = url.split_once("://")?;
    let authority = match rest.find(['/', '?', '#']) {
        Some(end) => &rest[..end],
        None if whole => rest,
        None => return None,
    };
    // Whatever stands before an @ may be a password.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(host.to_owned()).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensitive(text: &str) -> HeaderValue {
        let mut value = HeaderValue::from_str(text).unwrap();
        value.set_sensitive(true);
        value
    }

    #[test]
    fn what_a_secret_was_made_into_is_masked() {
        assert_eq!(shown_value(&sensitive("Basic Kioq")), "Basic ***");
        assert_eq!(shown_value(&sensitive("Bearer ***")), "Bearer ***");
        assert_eq!(shown_value(&sensitive("abc")), "***");
        assert_eq!(shown_value(&HeaderValue::from_static("application/json")), "application/json");
    }

    #[test]
    fn hosts_come_from_the_constant_start_or_from_the_rows() {
        let only = |host: &str| (vec![host.to_owned()], false);
        assert_eq!(hosts("https://api.example.com/products/", false, &[]), only("api.example.com"));
        assert_eq!(hosts("https://me:pw@h:8443?a=", false, &[]), only("h:8443"));
        assert_eq!(hosts("https://h", true, &[]), only("h"));
        assert_eq!(hosts("unix:/run/x.sock:/a/", false, &[]), only("unix:/run/x.sock"));
        assert_eq!(hosts("unix:%2Frun%2Fx.sock", true, &[]), only("unix:/run/x.sock"));
        assert_eq!(hosts("demo:/products/", false, &[]), only(DEMO_HOST));
        assert_eq!(hosts("https://api.", false, &[]), (Vec::new(), true), "the rest of the host is in the row");
        let url = "https://api.b/x".to_owned();
        let request = ShownRequest { url, ..ShownRequest::default() };
        let shown = Shown { row: 1, rows: None, request: Some(request), saved: None, error: None };
        assert_eq!(hosts("https://api.", false, &[shown.clone(), shown]), (vec!["api.b".to_owned()], true));
    }

    #[test]
    fn demo_urls_are_shown_as_written() {
        assert_eq!(shown_url("http://demo.invalid/products/1?a=b"), "demo:/products/1?a=b");
        assert_eq!(shown_url("https://api.example.com/x"), "https://api.example.com/x");
        assert_eq!(shown_url("https://api.example.com/x?key=%2A%2A%2A"), "https://api.example.com/x?key=***");
    }

    #[test]
    fn bodies_are_readable_and_not_endless() {
        assert_eq!(shown_body(&Bytes::new()), None);
        assert_eq!(shown_body(&Bytes::from_static(b"{\"a\":1}")).as_deref(), Some("{\n  \"a\": 1\n}"));
        let long = shown_body(&Bytes::from("x".repeat(5000))).unwrap();
        assert!(long.ends_with("x... (5000 bytes)"));
        assert_eq!(cut("ü".repeat(201)), format!("{}...", "ü".repeat(200)));
    }
}
