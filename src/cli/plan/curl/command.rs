//! A request as a curl command: its URL, method, headers and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};

use super::marks::Marks;
use super::{DEMO, connection};
use crate::auth::ByHand;
use crate::curl::{Command, Word};
use crate::plan::EndpointPlan;
use crate::plan::request::{Contents, Data, Part};
use crate::secret::{MASK, Secrets};
use crate::transport::RequestBody;

/// Who sends a command's request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'p> {
    pub endpoint: &'p EndpointPlan,
    /// Marks in their place.
    pub secrets: &'p Secrets,
    /// What proves who asks, where the request itself does not.
    pub hand: Option<&'p ByHand>,
}

impl Marks<'_> {
    /// The command of a row's request, and what to know before it is run.
    pub(super) fn command(
        &self,
        sender: Sender<'_>,
        request: &Request<RequestBody>,
        contents: Contents,
    ) -> (String, Vec<String>) {
        let mut notes = Vec::new();
        let mut command = self.basis(sender, request, &contents, &mut notes);
        if let Some(key) = &sender.endpoint.idempotency {
            let value = if key.quoted { "\"key of run and row\"" } else { "key of run and row" };
            command.set("--header", Word::of(&format!("{}: {value}", key.header)));
            notes.push(format!("a run makes a key for each row in the place of that in {}", key.header));
        }
        let before = sender.hand.map(|hand| self.prove(sender, hand, &mut command, &mut notes)).unwrap_or_default();
        self.body(contents, &mut command, &mut notes);
        notes.extend(self.notes());
        (before + &command.text(), notes)
    }

    /// URL, method, connection and headers.
    pub(super) fn basis(
        &self,
        sender: Sender<'_>,
        request: &Request<RequestBody>,
        contents: &Contents,
        notes: &mut Vec<String>,
    ) -> Command {
        let (url, socket) = connection::place(request.uri());
        if url.starts_with(DEMO) {
            notes.push("the API of demo: URLs, started with `paceline demo --port 8080`".to_owned());
        } else if self.are_in(&url) {
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
        // Events are shown as they come.
        if sender.endpoint.stream.is_some() {
            command.flag("--no-buffer");
        }
        connection::flags(sender.endpoint, request.uri(), &mut command);
        if connection::is_near(&url, socket.as_ref()) {
            connection::directly(&url, &mut command);
        } else {
            self.proxy(sender, &mut command, notes);
        }
        if let Some(path) = &socket {
            command.set("--unix-socket", self.word(path));
        }
        self.headers(request, contents, &mut command);
        command
    }

    fn headers(&self, request: &Request<RequestBody>, contents: &Contents, command: &mut Command) {
        let is_form = matches!(contents, Contents::Parts(_));
        for (name, value) in request.headers() {
            // curl writes the boundary of its own parts.
            if (is_form && name == CONTENT_TYPE) || name == CONTENT_LENGTH {
                continue;
            }
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            if name == AUTHORIZATION
                && let Some(user) = basic(value).filter(|user| self.are_in(user))
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

    pub(super) fn body(&self, contents: Contents, command: &mut Command, notes: &mut Vec<String>) {
        match contents {
            Contents::Bytes(bytes) if bytes.is_empty() => {}
            Contents::Bytes(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                if text.contains('\0') {
                    notes.push("the body holds a NUL, which no command can: it is left out".to_owned());
                }
                if self.are_in(&text) {
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

    fn part(&self, part: &Part) -> Word {
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

/// `user:password` of a header.
fn basic(value: &HeaderValue) -> Option<String> {
    let code = value.to_str().ok()?.strip_prefix("Basic ")?;
    String::from_utf8(STANDARD.decode(code).ok()?).ok()
}

/// A text as curl reads it in `--form`.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
