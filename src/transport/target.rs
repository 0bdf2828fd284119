//! Where a request goes: origins, and what of a request's URL and headers goes onto the wire.
//!
//! Must never allocate for an origin that is already known, and never let a URL's query into a text.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

/// Scheme, host and port (RFC 9110 §4.3.1): connections and credentials never leave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    /// Whether the scheme is `https`.
    pub secure: bool,
    /// The host in lower case; an IPv6 address stands in brackets.
    pub host: Cow<'a, str>,
    /// The port, given or by default.
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
        Ok(Self { secure, host: lower(host), port })
    }

    /// The same, owned.
    pub fn into_owned(self) -> Origin<'static> {
        Origin { secure: self.secure, host: Cow::Owned(self.host.into_owned()), port: self.port }
    }

    /// `host`, with the port when it is not the scheme's own: the `Host` header, and the name in texts.
    pub fn label(&self) -> String {
        if self.port == default_port(self.secure) {
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
    let scheme = url.scheme_str().unwrap_or("http");
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}", url.path())
}

/// A request as it is kept until its reply is final: redirects and resends are built from it.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: Uri,
    /// Headers as given.
    pub headers: HeaderMap,
    /// Body, whole.
    pub body: Bytes,
}

impl Outgoing {
    /// The request as hyper writes it: origin-form target, `Host` first (RFC 9110 §7.2), framing left
    /// to hyper.
    pub fn on_wire(&self, host: &HeaderValue, user_agent: Option<&HeaderValue>) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        *request.headers_mut() = self.wire_headers(host, user_agent);
        request
    }

    fn wire_headers(&self, host: &HeaderValue, user_agent: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 3);
        headers.insert(HOST, self.headers.get(HOST).unwrap_or(host).clone());
        for (name, value) in &self.headers {
            if *name != HOST && *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
                headers.append(name, value.clone());
            }
        }
        if let Some(agent) = user_agent
            && !self.headers.contains_key(USER_AGENT)
        {
            headers.insert(USER_AGENT, agent.clone());
        }
        if self.body.is_empty() && expects_body(&self.method) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        headers
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
        let outgoing = Outgoing {
            method: Method::POST,
            url: Uri::from_static("http://a.example?q=1"),
            headers,
            body: Bytes::new(),
        };
        let agent = HeaderValue::from_static("test/1");
        let request = outgoing.on_wire(&HeaderValue::from_static("a.example"), Some(&agent));
        let names: Vec<&str> = request.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["host", "accept", "user-agent", "content-length"]);
        assert_eq!(request.headers()[CONTENT_LENGTH], "0");
        assert_eq!(request.uri().to_string(), "/?q=1");
    }

    #[test]
    fn shown_urls_have_no_query_and_no_user() {
        let url: Uri = "https://me:pw@a.example/p?token=x".parse().unwrap();
        assert_eq!(shown(&url), "https://a.example/p");
    }
}
