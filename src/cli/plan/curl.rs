//! Requests of a plan as curl commands that send the same. A secret is the name of what holds it, never its value:
//! no secret is read.

mod proof;

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Uri};
use serde::Serialize;

use super::super::exit::Exit;
use super::super::print::Printer;
use crate::auth::ByHand;
use crate::curl::{Command, Word};
use crate::diagnostic::Format;
use crate::plan::request::{Contents, Data, Part, RequestPlan};
use crate::plan::{EndpointPlan, Plan};
use crate::retry::Failure;
use crate::secret::{MASK, Origin, Secret, SecretPlan, Secrets};
use crate::source::{Read, SourceError};
use crate::template::Context;
use crate::transport::{ClientPlan, HttpVersion, RequestBody, TlsVersion, socket};

/// Where the API behind `demo:` is for a command.
const DEMO: &str = "http://127.0.0.1:8080";

/// The request of a row.
#[derive(Debug, Clone, Serialize)]
struct Asked {
    endpoint: String,
    /// One-based.
    row: u64,
    /// `None`: the row would fail without a request.
    command: Option<String>,
    /// What to know before it is run, and why there is none.
    notes: Vec<String>,
}

/// All of them.
#[derive(Debug, Serialize)]
struct All {
    /// Version of this format.
    version: u32,
    requests: Vec<Asked>,
}

/// Prints the requests of the first rows of each endpoint.
pub fn show(plan: &Plan, rows: u64, format: Format, print: &mut Printer) -> Exit {
    let gathered = plan.endpoints.iter().map(|endpoint| gather(plan, endpoint, rows)).collect::<Result<Vec<_>, _>>();
    match gathered {
        Ok(requests) => {
            let all = All { version: 1, requests: requests.concat() };
            print.out(&match format {
                // Plain data with string keys always serializes.
                Format::Json => serde_json::to_string_pretty(&all).unwrap_or_default(),
                Format::Human | Format::Github => all.requests.iter().map(human).collect::<Vec<_>>().join("\n\n"),
            });
            Exit::Fine
        }
        Err(error) => {
            print.error(format, &error.message);
            Exit::Broken
        }
    }
}

/// Comments, so that everything can be pasted.
fn human(asked: &Asked) -> String {
    let notes = asked.notes.iter().map(|note| format!("\n# {}", note.replace('\n', " "))).collect::<String>();
    let command = asked.command.as_ref().map(|command| format!("\n{command}")).unwrap_or_default();
    format!("# {}, row {}{notes}{command}", asked.endpoint, asked.row)
}

fn gather(plan: &Plan, endpoint: &EndpointPlan, rows: u64) -> Result<Vec<Asked>, SourceError> {
    // An input that can't be counted (standard input) would be used up by looking at it.
    let rows = endpoint.source.count()?.map_or(0, |count| count.min(plan.row_limit.unwrap_or(u64::MAX)).min(rows));
    let failed = |failure: Failure| SourceError::new(format!("endpoints.{}: {failure}", endpoint.name));
    let requests = RequestPlan::new(endpoint, Some(DEMO)).map_err(failed)?;
    let marks = Marks { plans: &plan.secrets };
    let secrets = marks.secrets();
    let hand = marks
        .by_hand(endpoint, &secrets)
        .map_err(|why| SourceError::new(format!("endpoints.{}: {why}", endpoint.name)))?;
    let sender = Sender { endpoint, secrets: &secrets, hand: hand.as_ref() };
    let mut source = endpoint.source.open()?;
    let mut asked = Vec::new();
    for _ in 0..rows {
        let Some(read) = source.next()? else { break };
        let row = read.ordinal() + 1;
        let command = match read {
            Read::Row(row) => {
                let context = Context { row: Some(&row), secrets: &secrets, reply: None };
                let request = requests.build(&context).and_then(|request| Ok((request, requests.contents(&context)?)));
                request
                    .map(|(request, contents)| marks.command(sender, &request, contents))
                    .map_err(|failure| failure.message)
            }
            Read::Bad { reason, .. } | Read::Skipped { reason, .. } => Err(reason),
        };
        let (command, notes) = match command {
            Ok((command, notes)) => (Some(command), notes),
            Err(error) => (None, vec![format!("fails: {error}")]),
        };
        asked.push(Asked { endpoint: endpoint.name.clone(), row, command, notes });
    }
    Ok(asked)
}

/// Who sends a command's request.
#[derive(Debug, Clone, Copy)]
struct Sender<'p> {
    endpoint: &'p EndpointPlan,
    /// Marks in their place.
    secrets: &'p Secrets,
    /// What proves who asks, where the request itself does not.
    hand: Option<&'p ByHand>,
}

/// What stands for secrets while requests are built: texts that no escape changes and that no job has.
#[derive(Debug, Clone, Copy)]
struct Marks<'p> {
    plans: &'p [SecretPlan],
}

impl<'p> Marks<'p> {
    fn mark(at: usize) -> String {
        format!("zZsecretQ{at}QterceszZ")
    }

    fn secrets(self) -> Secrets {
        Secrets::new(
            self.plans.iter().enumerate().map(|(at, plan)| (plan.name.clone(), Secret::new(Self::mark(at)))).collect(),
        )
    }

    /// The first mark in a text: where it begins and ends, and its secret.
    fn first(self, text: &str) -> Option<(usize, usize, &'p Origin)> {
        let found = self.plans.iter().enumerate().filter_map(|(at, plan)| {
            let mark = Self::mark(at);
            text.find(&mark).map(|start| (start, start + mark.len(), &plan.origin))
        });
        found.min_by_key(|(start, ..)| *start)
    }

    /// A text as a word, in which secrets are named.
    fn word(self, text: &str) -> Word {
        let mut word = if text.is_empty() { Word::of("") } else { Word::default() };
        let mut rest = text;
        while let Some((start, end, origin)) = self.first(rest) {
            word = word.text(&rest[..start]);
            word = match origin {
                Origin::Environment(variable) | Origin::EnvFile { variable, .. } => word.variable(variable),
                Origin::File(path) => word.file(&path.display().to_string()),
            };
            rest = &rest[end..];
        }
        word.text(rest)
    }

    /// The command of a row's request, and what to know before it is run.
    fn command(self, sender: Sender<'_>, request: &Request<RequestBody>, contents: Contents) -> (String, Vec<String>) {
        let mut notes = Vec::new();
        let mut command = self.basis(sender, request, &contents, &mut notes);
        if let Some(key) = &sender.endpoint.idempotency {
            let value = if key.quoted { "\"key of run and row\"" } else { "key of run and row" };
            command.set("--header", Word::of(&format!("{}: {value}", key.header)));
            notes.push(format!("a run makes a key for each row in the place of that in {}", key.header));
        }
        let before = sender.hand.map(|hand| self.prove(sender, hand, &mut command, &mut notes)).unwrap_or_default();
        self.body(contents, &mut command, &mut notes);
        (before + &command.text(), notes)
    }

    /// URL, method, connection and headers.
    fn basis(
        self,
        sender: Sender<'_>,
        request: &Request<RequestBody>,
        contents: &Contents,
        notes: &mut Vec<String>,
    ) -> Command {
        let url = socket::written(request.uri());
        if url.starts_with(DEMO) {
            notes.push("the API of demo: URLs, started with `paceline demo --port 8080`".to_owned());
        } else if self.first(&url).is_some() {
            notes.push("a secret in the URL must be percent-encoded".to_owned());
        }
        let mut command = Command::new(self.word(&url));
        if url.contains(['[', ']', '{', '}']) {
            command.flag("--globoff");
        }
        if url.contains("/.") {
            command.flag("--path-as-is");
        }
        method(request.method(), contents, &mut command);
        connection(&sender.endpoint.client, request.uri(), &mut command);
        if !url.starts_with(DEMO) {
            self.proxy(sender, &mut command, notes);
        }
        self.headers(request, contents, &mut command);
        command
    }

    fn headers(self, request: &Request<RequestBody>, contents: &Contents, command: &mut Command) {
        let is_form = matches!(contents, Contents::Parts(_));
        for (name, value) in request.headers() {
            // curl writes the boundary of its own parts.
            if (is_form && name == CONTENT_TYPE) || name == CONTENT_LENGTH {
                continue;
            }
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            if name == AUTHORIZATION
                && let Some(user) = basic(value).filter(|user| self.first(user).is_some())
            {
                command.set("--user", self.word(&user));
                continue;
            }
            // Of what proves it, which is told apart.
            if value.is_sensitive() && text.contains(MASK) {
                continue;
            }
            let line = if text.is_empty() { format!("{name};") } else { format!("{name}: {text}") };
            command.set("--header", self.word(&line));
        }
        if request.headers().contains_key("accept-encoding") {
            command.flag("--compressed");
        }
        for name in ["user-agent", "accept"].into_iter().filter(|name| !request.headers().contains_key(*name)) {
            command.set("--header", Word::of(&format!("{name}:")));
        }
        let writes_empty =
            request.body().is_empty() && matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
        let has_data = writes_empty || !request.body().is_empty();
        if !is_form && has_data && !request.headers().contains_key(CONTENT_TYPE) {
            command.set("--header", Word::of("content-type:"));
        }
    }

    fn body(self, contents: Contents, command: &mut Command, notes: &mut Vec<String>) {
        match contents {
            Contents::Bytes(bytes) if bytes.is_empty() => {}
            Contents::Bytes(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                if text.contains('\0') {
                    notes.push("the body holds a NUL, which no command can: it is left out".to_owned());
                }
                if self.first(&text).is_some() {
                    notes.push("a secret in the body must be escaped as the text around it is".to_owned());
                }
                command.set("--data-raw", self.word(&text.replace('\0', "")));
            }
            Contents::File(file) => {
                command.set("--data-binary", Word::of(&format!("@{}", file.shown.display())));
            }
            Contents::Parts(parts) => parts.iter().for_each(|part| command.set("--form", self.part(part))),
        }
    }

    fn part(self, part: &Part) -> Word {
        let mut text = match &part.data {
            Data::Text(text) => format!("{}={}", part.name, quoted(text)),
            Data::File(file) => format!("{}=@{}", part.name, quoted(&file.shown.display().to_string())),
        };
        if let Some(kind) = &part.content_type {
            text += &format!(";type={kind}");
        }
        if let Some(name) = &part.filename {
            text += &format!(";filename={}", quoted(name));
        }
        self.word(&text)
    }
}

/// The method, where curl would not choose it by itself.
fn method(method: &Method, contents: &Contents, command: &mut Command) {
    let is_empty = matches!(contents, Contents::Bytes(bytes) if bytes.is_empty());
    match (method, is_empty) {
        (&Method::GET, true) | (&Method::POST, false) => {}
        (&Method::HEAD, true) => command.flag("--head"),
        (method, _) => command.set("--request", Word::of(method.as_str())),
    }
    // A body of no bytes is one, and its length is said.
    if is_empty && matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        command.set("--data-raw", Word::of(""));
    }
}

/// How the endpoint connects, as far as it is not as usual.
fn connection(client: &ClientPlan, url: &Uri, command: &mut Command) {
    let port = url.port_u16().unwrap_or(if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    let host = url.host().unwrap_or_default();
    let led = client.resolve.get(&format!("{host}:{port}")).or_else(|| client.resolve.get(host));
    if let Some(to) = led {
        command.set("--connect-to", Word::of(&format!("{host}:{port}:{}:{}", address(to), to.port())));
    }
    match client.http {
        HttpVersion::Auto => {}
        HttpVersion::One => command.flag("--http1.1"),
        HttpVersion::Two => command.flag("--http2-prior-knowledge"),
    }
    if client.tls.min_version == TlsVersion::V13 && url.scheme() == Some(&Scheme::HTTPS) {
        command.flag("--tlsv1.3");
    }
    if !client.tls.verify {
        command.flag("--insecure");
    }
    if let Some(ca) = &client.tls.ca {
        command.set("--cacert", Word::of(&ca.display().to_string()));
    }
    if let Some((certificate, key)) = &client.tls.identity {
        command.set("--cert", Word::of(&certificate.display().to_string()));
        command.set("--key", Word::of(&key.display().to_string()));
    }
}

/// An address as a part of a host and port.
fn address(to: &SocketAddr) -> String {
    match to.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// `user:password` of a header.
fn basic(value: &HeaderValue) -> Option<String> {
    let code = value.to_str().ok()?.strip_prefix("Basic ")?;
    String::from_utf8(STANDARD.decode(code).ok()?).ok()
}

/// A text as curl reads it in `--form`.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
