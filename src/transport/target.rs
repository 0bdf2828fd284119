//! Where a request goes: origins, and what of a request's URL and headers goes onto the wire.
//!
//! Must never allocate for an origin that is already known, and never let a URL's query into a text.

use std::borrow::Cow;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::body::{RequestBody, SendBody};
use super::socket;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Scheme, host and port (RFC 9110 §4.3.1), or a Unix-domain socket: connections and credentials never
/// leave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    /// Whether the scheme is `https`.
    pub secure: bool,
    /// Whether it is a Unix-domain socket.
    pub unix: bool,
    /// The host in lower case; an IPv6 address stands in brackets. Of a socket, its path as [`socket`] carries
    /// it.
    pub host: Cow<'a, str>,
    /// The port, given or by default; 0 of a socket.
    pub port: u16,
}

impl<'a> Origin<'a> {
    /// The origin of an absolute URL.
    ///
    /// # Errors
    /// In words, when the URL is no place that can be asked over HTTP.
    pub fn of(url: &'a Uri) -> Result<Self, String> {
        let secure = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(socket::SCHEME) => return Self::of_socket(url),
            Some(other) => return Err(format!("the scheme `{other}` is neither http nor https")),
            None => return Err("the URL has no scheme; begin it with https://".to_owned()),
        };
        let authority = url.authority().map_or("", http::uri::Authority::as_str);
        if authority.contains('@') {
            return Err("the URL carries a user name; use auth.basic instead".to_owned());
        }
        let host = url.host().filter(|host| !host.is_empty()).ok_or("the URL has no host")?;
        // http's own reading drops a port that is too large and would leave the default.
        let port = match authority[host.len()..].trim_start_matches(':') {
            "" => default_port(secure),
            digits => digits.parse().map_err(|_| format!("the port `{digits}` is no number up to 65535"))?,
        };
        Ok(Self { secure, unix: false, host: lower(host), port })
    }

    fn of_socket(url: &'a Uri) -> Result<Self, String> {
        let authority = url.authority().map_or("", http::uri::Authority::as_str);
        match socket::path(authority) {
            Some(_) => Ok(Self { secure: false, unix: true, host: lower(authority), port: 0 }),
            None => Err("the URL names no socket".to_owned()),
        }
    }

    /// The same, owned.
    pub fn into_owned(self) -> Origin<'static> {
        let Self { secure, unix, host, port } = self;
        Origin { secure, unix, host: Cow::Owned(host.into_owned()), port }
    }

    /// The `Host` header (RFC 9110 §7.2): [`Origin::label`], but for a socket, which has no name that a
    /// server could know.
    pub fn header(&self) -> String {
        if self.unix { "localhost".to_owned() } else { self.label() }
    }

    /// The name in texts: `host`, with the port when it is not the scheme's own; `unix:/run/x.sock`.
    pub fn label(&self) -> String {
        if self.unix {
            socket::label(&self.host)
        } else if self.port == default_port(self.secure) {
            self.host.clone().into_owned()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// The host as resolvers and certificates know it: without the brackets of an IPv6 address.
pub(super) fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn lower(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// A URL as texts may show it: without its query, which may hold what nobody should see.
pub(super) fn shown(url: &Uri) -> String {
    if url.scheme_str() == Some(socket::SCHEME) {
        return format!("{}:{}", socket::label(url.host().unwrap_or_default()), url.path());
    }
    let scheme = url.scheme_str().unwrap_or("http");
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}", url.path())
}

/// A request on its way: redirects are built from it.
#[derive(Debug, Clone, Default)]
pub(super) struct Outgoing {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: Uri,
    /// Headers as given, until they leave.
    pub headers: HeaderMap,
    /// The same after they have left, where a redirect may want them; a list is less work than a map.
    pub kept: Vec<(HeaderName, HeaderValue)>,
    /// Body.
    pub body: RequestBody,
    /// Whether a reply has led it to another origin.
    pub abroad: bool,
    /// Whether it is of no use without its body.
    pub bodied: bool,
}

impl Outgoing {
    /// The request as hyper writes it: origin-form target, `Host` first (RFC 9110 §7.2), framing left
    /// to hyper. The headers leave with it; `keep`: [`Outgoing::given`] is asked for them later.
    pub fn on_wire(&mut self, host: &HeaderValue, keep: bool) -> Request<SendBody> {
        let mut headers = std::mem::take(&mut self.headers);
        if keep {
            self.kept = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
        if !headers.contains_key(HOST) {
            put_first(&mut headers, HOST, host.clone());
        }
        if self.body.is_empty() && expects_body(&self.method) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(SendBody::new(&self.body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        *request.headers_mut() = headers;
        request
    }

    /// The request as HTTP/2 carries it: an absolute target, whose authority is the `Host` that was given or
    /// else `label`, and no header that speaks of the connection (RFC 9113 §8.2.2, §8.3.1). The headers leave
    /// with it and can be asked for later.
    pub fn on_stream(&mut self, label: &str) -> Request<SendBody> {
        let mut headers = std::mem::take(&mut self.headers);
        self.kept = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let host = headers.remove(HOST);
        remove_hop_by_hop(&mut headers);
        if !self.body.is_empty() || expects_body(&self.method) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.length()));
        } else {
            headers.remove(CONTENT_LENGTH);
        }
        let mut request = Request::new(SendBody::new(&self.body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = addressed(&self.url, host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or(label));
        *request.headers_mut() = headers;
        request
    }

    /// Takes the headers back that left with a request, so that it can leave again.
    pub fn restore(&mut self, request: Option<Request<SendBody>>, keep: bool) {
        self.headers = match request {
            Some(request) if !keep => request.into_parts().0.headers,
            Some(_) | None => self.kept.drain(..).collect(),
        };
    }

    /// The headers as they were given.
    pub fn given(&self) -> HeaderMap {
        if self.kept.is_empty() { self.headers.clone() } else { self.kept.iter().cloned().collect() }
    }
}

/// Removes what speaks of the connection: HTTP/2 has its own ways, and forbids these.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers.get_all(CONNECTION).iter().flat_map(names_in).collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [TRANSFER_ENCODING, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION] {
        headers.remove(name);
    }
    if headers.get_all(TE).iter().any(|value| value != "trailers") {
        headers.remove(TE);
    }
}

fn names_in(list: &HeaderValue) -> Vec<HeaderName> {
    let names = list.to_str().unwrap_or_default().split(',');
    names.filter_map(|name| name.trim().parse().ok()).collect()
}

/// The URL with this authority; as it is where the authority makes no URL.
fn addressed(url: &Uri, authority: &str) -> Uri {
    if url.authority().is_some_and(|given| given.as_str() == authority) {
        return url.clone();
    }
    let mut parts = url.clone().into_parts();
    // What is asked at a socket is asked as over http.
    if url.scheme().is_some_and(|scheme| !["http", "https"].contains(&scheme.as_str())) {
        parts.scheme = Some(Scheme::HTTP);
    }
    match authority.parse() {
        Ok(authority) => parts.authority = Some(authority),
        Err(_) => return url.clone(),
    }
    Uri::from_parts(parts).unwrap_or_else(|_| url.clone())
}

/// Puts a new header first, without a second map: the one that stood there goes to the end. A map that
/// removes fills the gap with what it has last. Where the first has several values it stays, and ours
/// comes last, which is allowed.
fn put_first(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    let first = headers.keys().next().cloned();
    headers.insert(name, value);
    if let Some(first) = first
        && headers.get_all(&first).iter().nth(1).is_none()
        && let Some(value) = headers.remove(&first)
    {
        headers.insert(first, value);
    }
}

/// Methods whose requests say `Content-Length: 0` when they have no body (RFC 9110 §8.6).
fn expects_body(method: &Method) -> bool {
    *method == Method::POST || *method == Method::PUT || *method == Method::PATCH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Result<(bool, String, u16), String> {
        let url: Uri = url.parse().map_err(|error| format!("{error}"))?;
        Origin::of(&url).map(|origin| (origin.secure, origin.host.into_owned(), origin.port))
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        assert_eq!(origin("http://Example.COM/x"), Ok((false, "example.com".to_owned(), 80)));
        assert_eq!(origin("https://example.com:444"), Ok((true, "example.com".to_owned(), 444)));
        assert_eq!(origin("http://[::1]:8080/"), Ok((false, "[::1]".to_owned(), 8080)));
    }

    #[test]
    fn urls_that_cannot_be_asked_are_told_apart() {
        assert!(origin("ftp://example.com/").unwrap_err().contains("`ftp`"));
        assert!(origin("/only/a/path").unwrap_err().contains("no scheme"));
        assert!(origin("http://example.com:99999/").unwrap_err().contains("`99999`"));
        assert_eq!(origin("http://example.com:/").unwrap().2, 80);
        assert!(origin("http://user:word@example.com/").unwrap_err().contains("auth.basic"));
    }

    #[test]
    fn labels_have_a_port_only_if_it_is_not_the_default() {
        for (url, label) in [
            ("http://a.example/", "a.example"),
            ("https://a.example:443/", "a.example"),
            ("https://a.example:80/", "a.example:80"),
        ] {
            let url: Uri = url.parse().unwrap();
            assert_eq!(Origin::of(&url).unwrap().label(), label);
        }
    }

    #[test]
    fn the_wire_has_host_first_and_framing_of_its_own() {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("*/*"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("77"));
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.insert("user-agent", HeaderValue::from_static("test/1"));
        let url = Uri::from_static("http://a.example?q=1");
        let given = Outgoing { method: Method::POST, url, headers, ..Outgoing::default() };
        for keep in [false, true] {
            let mut outgoing = given.clone();
            let request = outgoing.on_wire(&HeaderValue::from_static("a.example"), keep);
            let mut names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
            assert_eq!(names.remove(0), "host");
            names.sort_unstable();
            assert_eq!(names, ["accept", "content-length", "user-agent"]);
            assert_eq!(request.headers()[CONTENT_LENGTH], "0");
            assert_eq!(request.uri().to_string(), "/?q=1");
            assert!(!keep || outgoing.given() == given.headers);
        }
    }

    #[test]
    fn a_given_host_and_values_that_belong_together_stay() {
        let named = |names: &[(&'static str, &'static str)]| {
            let pairs =
                names.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let mut outgoing = Outgoing { headers: pairs.collect(), ..Outgoing::default() };
            outgoing.on_wire(&HeaderValue::from_static("a.example"), true).headers().clone()
        };
        assert_eq!(named(&[("accept", "a"), ("host", "given")])[HOST], "given");
        let several = named(&[("accept", "a"), ("accept", "b")]);
        assert_eq!(several[HOST], "a.example");
        assert_eq!(several.get_all("accept").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(named(&[]).len(), 1);
    }

    #[test]
    fn shown_urls_have_no_query_and_no_user() {
        let url: Uri = "https://me:pw@a.example/p?token=x".parse().unwrap();
        assert_eq!(shown(&url), "https://a.example/p");
        assert_eq!(shown(&Uri::from_static("unix://2f78/p?token=x")), "unix:/x:/p");
    }

    #[test]
    fn a_socket_is_an_origin_without_a_name() {
        let url = Uri::from_static("unix://2F78/p");
        let origin = Origin::of(&url).unwrap();
        assert_eq!((origin.label().as_str(), origin.header().as_str()), ("unix:/x", "localhost"));
        for other in ["unix://2f79/p", "http://2f78/p"] {
            assert_ne!(Origin::of(&other.parse().unwrap()).unwrap(), origin, "{other}");
        }
        for none in ["unix://x/p", "unix://2f78:80/p", "unix://me@2f78/p"] {
            assert!(Origin::of(&none.parse().unwrap()).is_err(), "{none}");
        }
    }
}
