//! From an endpoint's plan and a row to a request. Pure, but for a look at the length of files that are sent;
//! whatever is the same for every row is prepared once.
//!
//! Must never send anything, and never clean what can't be sent: such a row fails.

mod body;
mod demo;
mod first;
mod frame;
pub mod media;
mod multipart;

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, RANGE, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use percent_encoding::utf8_percent_encode;

use self::body::Body;
pub use self::body::{Contents, Data, Part};
pub use self::frame::{FrameContents, frame};
use super::{BodyPlan, EndpointPlan, StreamPlan};
use crate::paginate::PageRequest;
use crate::random;
use crate::retry::{Failure, FailureKind};
use crate::template::{Context, RESERVED, RenderError, Template};
use crate::transport::{Abroad, RequestBody, redirect, socket};

/// How URLs of the API built into the program begin.
pub const DEMO: &str = "demo:";

/// The codings that replies are decoded from, in the order in which they are liked.
const ENCODINGS: &str = "gzip, br, zstd, deflate";

/// A piece of a query, behind its `?`, or of a form.
#[derive(Debug, Clone)]
enum Piece {
    /// Escaped text.
    Text(String),
    /// A value to be rendered and escaped.
    Value(Template),
}

/// A header whose value depends on the row or on a secret.
#[derive(Debug)]
struct Varying {
    name: HeaderName,
    template: Template,
    secret: bool,
}

/// What an endpoint sends, prepared for a run.
#[derive(Debug)]
pub struct RequestPlan {
    method: Method,
    url: Template,
    /// The URL and query when they are the same for every row.
    constant: Option<Uri>,
    query: Vec<Piece>,
    headers: HeaderMap,
    varying: Vec<Varying>,
    auth: Option<std::sync::Arc<dyn crate::auth::AuthPlan>>,
    body: Body,
    /// Where boundaries come from.
    draw: fn() -> u64,
    demo: Option<String>,
    /// How the URL begins where it names a socket, and what stands for that inside.
    socket: Option<(String, String)>,
    /// Whether it opens a WebSocket, whose URLs are ws and wss.
    upgrades: bool,
}

impl RequestPlan {
    /// Prepares the requests of an endpoint. `demo` is what stands for `demo:`, such as
    /// `http://127.0.0.1:4711`.
    ///
    /// # Errors
    /// When something that is the same for every row can't be sent.
    pub fn new(endpoint: &EndpointPlan, demo: Option<&str>) -> Result<Self, Failure> {
        let (headers, varying) = headers(endpoint)?;
        let mut plan = Self {
            method: endpoint.method.clone(),
            url: endpoint.url.clone(),
            constant: None,
            query: pieces(&endpoint.query, escape),
            headers,
            varying,
            auth: endpoint.auth.clone(),
            body: Body::new(endpoint),
            draw: random::bits,
            demo: demo.map(|base| base.trim_end_matches('/').to_owned()),
            upgrades: endpoint.stream.as_ref().is_some_and(StreamPlan::is_socket),
            socket: socket::start(endpoint.url.constant().unwrap_or_else(|| endpoint.url.literal_prefix())),
        };
        if let Some(url) = plan.url.constant()
            && plan.query.iter().all(|piece| matches!(piece, Piece::Text(_)))
        {
            let url = url.to_owned();
            plan.constant = Some(plan.finish(url, None)?);
        }
        Ok(plan)
    }

    /// With boundaries of multipart bodies made of what `draw` gives: the same requests every time.
    #[must_use]
    pub fn drawing(self, draw: fn() -> u64) -> Self {
        Self { draw, ..self }
    }

    /// What the body holds for a row.
    ///
    /// # Errors
    /// As [`RequestPlan::build`].
    pub fn contents(&self, context: &Context<'_>) -> Result<Contents, Failure> {
        self.body.contents(context)
    }

    /// The request for a row.
    ///
    /// # Errors
    /// A [`FailureKind::Request`] when the row gives no URL, header or body that can be sent.
    pub fn build(&self, context: &Context<'_>) -> Result<Request<RequestBody>, Failure> {
        let mut request = self.unproved(context)?;
        self.prove(context, &mut request)?;
        Ok(request)
    }

    /// The request for a row, without what proves who asks.
    fn unproved(&self, context: &Context<'_>) -> Result<Request<RequestBody>, Failure> {
        let uri = match &self.constant {
            Some(uri) => uri.clone(),
            None => {
                let mut url = String::with_capacity(128);
                self.url.render(context, &mut url).map_err(|error| unbuildable("the URL", &error))?;
                self.finish(url, Some(context))?
            }
        };
        let mut headers = self.headers.clone();
        for Varying { name, template, secret } in &self.varying {
            headers.append(name, varying(name, template, *secret, context)?);
        }
        let (body, content_type) = self.body.build(context, self.draw)?;
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn prove(&self, context: &Context<'_>, request: &mut Request<RequestBody>) -> Result<(), Failure> {
        let Some(auth) = &self.auth else { return Ok(()) };
        auth.apply(context, request).map_err(|error| unbuildable("auth", &error))
    }

    /// The request for a page of a row's walk: as [`RequestPlan::build`], at the place that the page names. One that
    /// leads to another origin is marked [`Abroad`], and carries nothing that proves who asks.
    ///
    /// # Errors
    /// As [`RequestPlan::build`], and when the page is at a place that may not be asked.
    pub fn page(&self, context: &Context<'_>, page: &PageRequest) -> Result<Request<RequestBody>, Failure> {
        let mut request = self.unproved(context)?;
        match &page.url {
            Some(url) => self.turn_to(&mut request, url, context)?,
            None => self.prove(context, &mut request)?,
        }
        if !page.query.is_empty() {
            let mut url = request.uri().to_string();
            for (name, value) in &page.query {
                url.push(if url.contains('?') { '&' } else { '?' });
                escape(name, &mut url);
                url.push('=');
                escape(value, &mut url);
            }
            *request.uri_mut() = url.parse().map_err(|error| failure(&format!("the URL of a page: {error}")))?;
        }
        Ok(request)
    }

    fn turn_to(&self, request: &mut Request<RequestBody>, url: &str, context: &Context<'_>) -> Result<(), Failure> {
        let to: Uri = url.parse().map_err(|error| failure(&format!("the link to the next page: {error}")))?;
        let from = std::mem::replace(request.uri_mut(), to);
        let bodied = !request.body().is_empty();
        let (to, method) = (request.uri().clone(), request.method().clone());
        if redirect::leave(&from, &to, (&method, bodied), request.headers_mut())
            .map_err(|words| failure(&format!("the link to the next page {words}")))?
        {
            request.extensions_mut().insert(Abroad);
            return Ok(());
        }
        self.prove(context, request)?;
        if *request.uri() != to {
            said_once(request.uri_mut());
        }
        Ok(())
    }

    /// A rendered URL with its query, parsed. Texts name no part of the URL: it may hold a secret.
    fn finish(&self, mut url: String, context: Option<&Context<'_>>) -> Result<Uri, Failure> {
        if url.starts_with(DEMO) {
            let Some(base) = &self.demo else {
                return Err(failure("`demo:` URLs can only be written in the job, not come from a row"));
            };
            url.replace_range(..DEMO.len(), base);
        } else if self.upgrades {
            to_http(&mut url)?;
        }
        if let Some((written, carried)) = &self.socket
            && url.starts_with(written)
        {
            url.replace_range(..written.len(), carried);
        }
        if let Some(fragment) = url.find('#') {
            url.truncate(fragment);
        }
        self.append_query(&mut url, context)?;
        let uri = Uri::from_maybe_shared(Bytes::from(url))
            .map_err(|error| failure(&format!("the URL of this row can't be parsed: {error}")))?;
        let is_socket = self.socket.is_some() && uri.scheme_str() == Some(socket::SCHEME);
        if !(is_socket || uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS)) {
            return Err(failure("the URL of this row is neither http nor https"));
        }
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => {
                Err(failure("the URL of this row carries a user or a password; auth.basic sends them"))
            }
            Some(authority) if authority.host().is_empty() => Err(failure("the URL of this row has no host")),
            Some(_) => Ok(uri),
            None => Err(failure("the URL of this row has no host")),
        }
    }

    fn append_query(&self, url: &mut String, context: Option<&Context<'_>>) -> Result<(), Failure> {
        if self.query.is_empty() {
            return Ok(());
        }
        match url.find('?') {
            None => url.push('?'),
            Some(_) if url.ends_with(['?', '&']) => {}
            Some(_) => url.push('&'),
        }
        render_pairs(&self.query, escape, context, "the query", url)
    }
}

/// Gives the URL of a WebSocket the scheme of the request that opens it (RFC 6455, section 4.1).
fn to_http(url: &mut String) -> Result<(), Failure> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let (length, http) = match scheme.as_deref() {
        Some("ws") => ("ws".len(), "http"),
        Some("wss") => ("wss".len(), "https"),
        _ => return Err(failure("the URL of this row is neither ws nor wss")),
    };
    url.replace_range(..length, http);
    Ok(())
}

/// Leaves out the last parameter of a query where it stands there before, to the letter.
fn said_once(url: &mut Uri) {
    let text = url.to_string();
    let Some((rest, last)) = text.rsplit_once('&') else { return };
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    if query.split('&').any(|pair| pair == last)
        && let Ok(shorter) = rest.parse()
    {
        *url = shorter;
    }
}

/// Writes names and values; without a row, only such as need none.
fn render_pairs(
    pieces: &[Piece],
    escape: fn(&str, &mut String),
    context: Option<&Context<'_>>,
    what: &str,
    out: &mut String,
) -> Result<(), Failure> {
    let mut value = String::new();
    for piece in pieces {
        match (piece, context) {
            (Piece::Text(text), _) => out.push_str(text),
            (Piece::Value(template), Some(context)) => {
                value.clear();
                template.render(context, &mut value).map_err(|error| unbuildable(what, &error))?;
                escape(&value, out);
            }
            (Piece::Value(_), None) => return Err(failure(&format!("{what} depends on the row"))),
        }
    }
    Ok(())
}

fn failure(message: &str) -> Failure {
    Failure::unsent(FailureKind::Request, message)
}

fn unbuildable(what: &str, error: &RenderError) -> Failure {
    Failure::unsent(FailureKind::Request, format!("{what} can't be built from this row: {}", error.message))
}

fn escape(text: &str, out: &mut String) {
    // Writing to a string can't fail.
    let _ = write!(out, "{}", utf8_percent_encode(text, RESERVED));
}

/// Names and values as escaped texts and values between them.
fn pieces(pairs: &[(String, Vec<Template>)], escape: fn(&str, &mut String)) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    for (name, values) in pairs {
        for value in values {
            if !(text.is_empty() && pieces.is_empty()) {
                text.push('&');
            }
            escape(name, &mut text);
            text.push('=');
            if let Some(constant) = value.constant() {
                escape(constant, &mut text);
            } else {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Value(value.clone()));
            }
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// The headers that are the same for every row, and those that are not.
fn headers(endpoint: &EndpointPlan) -> Result<(HeaderMap, Vec<Varying>), Failure> {
    let mut fixed = HeaderMap::new();
    let mut varying = Vec::new();
    for (name, template) in &endpoint.headers {
        match template.constant() {
            Some(text) => drop(fixed.insert(name.clone(), value(name, text)?)),
            None => varying.push(Varying {
                name: name.clone(),
                template: template.clone(),
                secret: !template.secrets().is_empty(),
            }),
        }
    }
    let mut default = |name: HeaderName, text: &str| {
        if !endpoint.headers.iter().any(|(given, _)| *given == name) {
            fixed.insert(name.clone(), value(&name, text)?);
        }
        Ok(())
    };
    if !endpoint.client.user_agent.is_empty() {
        default(USER_AGENT, &endpoint.client.user_agent)?;
    }
    default(ACCEPT, "*/*")?;
    if endpoint.client.compression {
        // A part of an encoded body can't be decoded.
        let partial = endpoint.headers.iter().any(|(given, _)| *given == RANGE);
        default(ACCEPT_ENCODING, if partial { "identity" } else { ENCODINGS })?;
    }
    if let Some(kind) = content_type(&endpoint.body) {
        default(CONTENT_TYPE, kind)?;
    }
    Ok((fixed, varying))
}

/// The content type of a body, where it is the same for every row.
fn content_type(body: &BodyPlan) -> Option<&'static str> {
    match body {
        BodyPlan::Json(_) => Some("application/json"),
        BodyPlan::Form(_) => Some("application/x-www-form-urlencoded"),
        BodyPlan::Text(_) => Some("text/plain; charset=utf-8"),
        BodyPlan::None | BodyPlan::Multipart(_) | BodyPlan::File(_) => None,
    }
}

fn varying(
    name: &HeaderName,
    template: &Template,
    secret: bool,
    context: &Context<'_>,
) -> Result<HeaderValue, Failure> {
    let mut text = String::new();
    template.render(context, &mut text).map_err(|error| unbuildable(&format!("the header `{name}`"), &error))?;
    let mut value = value(name, &text)?;
    value.set_sensitive(secret);
    Ok(value)
}

/// A header's value; its text is in no message, as it may hold a secret.
fn value(name: &HeaderName, text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        let what = match text.chars().find(|c| c.is_ascii_control() && *c != '\t') {
            Some('\r' | '\n') => "a line break".to_owned(),
            Some(control) => format!("the control character U+{:04X}", control as u32),
            None => "a character that is not allowed".to_owned(),
        };
        failure(&format!("the value of the header `{name}` has {what}, which can't be sent"))
    })
}

#[cfg(test)]
mod tests;
