//! Redirects: whether a reply is one, and what the next request is (RFC 9110 §15.4).
//!
//! Pure. Must never let a credential cross an origin, a request leave https for http, or anybody but the job
//! name a socket of this machine.

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, HOST,
    LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, response};

use super::body::RequestBody;
use super::reference;
use super::target::{Origin, Outgoing, shown};
use crate::retry::{Failure, FailureKind};

/// Headers that describe a body; they go when the body goes.
const OF_THE_BODY: [HeaderName; 6] =
    [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, TRANSFER_ENCODING];

/// Headers that stay in their origin, beside those marked sensitive.
const OF_THE_ORIGIN: [HeaderName; 4] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, HOST];

/// The redirects of one attempt so far.
pub(super) struct Trail {
    most: u32,
    seen: Vec<(Method, Uri)>,
}

impl Trail {
    /// Follows `most` redirects; 0: none is followed.
    pub fn new(most: u32) -> Self {
        Self { most, seen: Vec::new() }
    }

    /// Whether any redirect may be followed at all.
    pub fn follows(&self) -> bool {
        self.most > 0
    }

    /// Whether a redirect was followed already: then something has been sent, whatever happens.
    pub fn begun(&self) -> bool {
        !self.seen.is_empty()
    }

    /// The next request, if the reply to `sent` is a redirect that is to be followed.
    ///
    /// # Errors
    /// [`FailureKind::Redirect`] when it must not or can't be followed.
    pub fn next(
        &mut self,
        sent: &Outgoing,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Outgoing>, Failure> {
        let Some(location) = headers.get(LOCATION).filter(|_| self.follows() && follows(status)) else {
            return Ok(None);
        };
        let from = shown(&sent.url);
        let refused = |why: String| Failure::sent(FailureKind::Redirect, format!("the redirect from {from} {why}"));
        let next = redirected(sent, status, location.as_bytes()).map_err(refused)?;
        self.seen.push((sent.method.clone(), sent.url.clone()));
        if self.seen.iter().any(|(method, url)| *method == next.method && *url == next.url) {
            return Err(refused(format!("leads in a circle, to {}", shown(&next.url))));
        }
        if self.seen.len() > usize::try_from(self.most).unwrap_or(usize::MAX) {
            return Err(refused(format!("is one too many: {} were followed (client.redirects)", self.most)));
        }
        Ok(Some(next))
    }
}

/// Whether a reply is a redirect that could be followed.
pub(super) fn is_one(head: &response::Parts) -> bool {
    follows(head.status) && head.headers.contains_key(LOCATION)
}

fn follows(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn redirected(sent: &Outgoing, status: StatusCode, location: &[u8]) -> Result<Outgoing, String> {
    let mut headers = sent.given();
    let mut target = reference::resolve(&sent.url.to_string(), &reference::encoded(location));
    if headers.contains_key(UPGRADE) {
        target = over_http(target);
    }
    let url: Uri = target.parse().map_err(|error| format!("names no valid URL: {error}"))?;
    let to = Origin::of(&url).map_err(|why| format!("can't be followed: {why}"))?;
    let from = Origin::of(&sent.url).map_err(|why| format!("can't be followed: {why}"))?;
    if from.secure && !to.secure {
        return Err(format!("leads from https to {} and is not followed", shown(&url)));
    }
    if to.unix && from != to {
        return Err(format!("leads to a socket of this machine, {}, and is not followed", shown(&url)));
    }
    let method = method_after(&sent.method, status);
    if sent.bodied && method != sent.method {
        return Err(format!("would turn the {} into a {method} without its body, and is not followed", sent.method));
    }
    if from != to {
        headers = same_origin_only(&headers);
        // A body may hold a secret, and nobody can see it in there.
        if method == sent.method && !sent.body.is_empty() {
            return Err(format!("would take the body to another origin, {}, and is not followed", shown(&url)));
        }
    }
    let mut body = sent.body.clone();
    if method != sent.method {
        body = RequestBody::default();
        for name in OF_THE_BODY {
            headers.remove(name);
        }
    }
    let abroad = sent.abroad || from != to;
    drop((from, to));
    Ok(Outgoing { method, url, headers, kept: Vec::new(), body, abroad, bodied: sent.bodied })
}

/// Servers of WebSockets name other places by their own schemes.
fn over_http(url: String) -> String {
    match url.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => format!("http:{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => format!("https:{rest}"),
        Some(_) | None => url,
    }
}

/// Lets a request for `from` go to `to`, where a reply's link leads: true where that is another origin, and then
/// without the headers that stay in theirs.
///
/// # Errors
/// In words, where it may not go there: from https to http, to a socket, or with a body to another origin.
pub(crate) fn leave(
    from: &Uri,
    to: &Uri,
    (method, bodied): (&Method, bool),
    headers: &mut HeaderMap,
) -> Result<bool, String> {
    let (from, target) = (Origin::of(from)?, Origin::of(to)?);
    if from == target {
        return Ok(false);
    }
    if from.secure && !target.secure {
        return Err(format!("leads from https to {} and is not followed", shown(to)));
    }
    if target.unix {
        return Err(format!("leads to a socket of this machine, {}, and is not followed", shown(to)));
    }
    if bodied {
        return Err(format!("would take the body of a {method} to another origin, {}, and is not followed", shown(to)));
    }
    *headers = same_origin_only(headers);
    Ok(true)
}

fn same_origin_only(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, value)| !value.is_sensitive() && !OF_THE_ORIGIN.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn method_after(method: &Method, status: StatusCode) -> Method {
    match status.as_u16() {
        301 | 302 if *method == Method::POST => Method::GET,
        303 if *method != Method::HEAD => Method::GET,
        _ => method.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderValue;

    fn sent(method: Method, url: &str) -> Outgoing {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("*/*"));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        headers.insert(COOKIE, HeaderValue::from_static("a=b"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut key = HeaderValue::from_static("k");
        key.set_sensitive(true);
        headers.insert("x-key", key);
        let body = RequestBody::from(Bytes::from_static(b"{}"));
        Outgoing { method, url: url.parse().unwrap(), headers, body, ..Outgoing::default() }
    }

    fn next(sent: &Outgoing, status: u16, location: &str) -> Result<Option<Outgoing>, Failure> {
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_bytes(location.as_bytes()).unwrap())]);
        Trail::new(10).next(sent, StatusCode::from_u16(status).unwrap(), &headers)
    }

    fn names(outgoing: &Outgoing) -> Vec<&str> {
        outgoing.headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn methods_change_as_the_rfc_says() {
        for (method, status, expected, keeps_body) in [
            ("POST", 301, "GET", false),
            ("POST", 302, "GET", false),
            ("POST", 303, "GET", false),
            ("POST", 307, "POST", true),
            ("POST", 308, "POST", true),
            ("PUT", 301, "PUT", true),
            ("PUT", 303, "GET", false),
            ("HEAD", 303, "HEAD", true),
            ("GET", 302, "GET", true),
        ] {
            let request = sent(method.parse().unwrap(), "http://a.example/x");
            let after = next(&request, status, "/y").unwrap().unwrap();
            assert_eq!(after.method.as_str(), expected, "{method} {status}");
            assert_eq!(!after.body.is_empty(), keeps_body, "{method} {status}");
            assert_eq!(after.headers.contains_key(CONTENT_TYPE), keeps_body, "{method} {status}");
            assert!(after.headers.contains_key(AUTHORIZATION), "{method} {status}");
        }
    }

    #[test]
    fn a_body_stays_in_its_origin() {
        let request = sent(Method::POST, "http://a.example/x");
        let failure = next(&request, 307, "http://b.example/").unwrap_err();
        assert!(failure.message.contains("take the body to another origin"), "{failure}");
        assert!(next(&request, 303, "http://b.example/").unwrap().unwrap().body.is_empty());
    }

    #[test]
    fn what_is_of_no_use_without_its_body_keeps_it_or_stays() {
        let request = Outgoing { bodied: true, ..sent(Method::POST, "http://a.example/x") };
        for status in [301, 302, 303] {
            let failure = next(&request, status, "/y").unwrap_err();
            assert!(failure.message.contains("the POST into a GET without its body"), "{failure}");
        }
        let after = next(&request, 308, "/y").unwrap().unwrap();
        assert!(after.bodied && !after.body.is_empty());
    }

    #[test]
    fn credentials_stay_in_their_origin() {
        let request = Outgoing { body: RequestBody::default(), ..sent(Method::GET, "http://a.example/x") };
        for elsewhere in ["http://b.example/", "https://a.example/", "http://a.example:81/", "//b.example/y"] {
            let after = next(&request, 302, elsewhere).unwrap().unwrap();
            assert_eq!(names(&after), ["accept", "content-type"], "{elsewhere}");
        }
        for here in ["/y", "http://A.example:80/y", "?z", "//a.example/"] {
            assert_eq!(names(&next(&request, 302, here).unwrap().unwrap()).len(), 5, "{here}");
        }
    }

    #[test]
    fn what_must_not_be_followed_is_refused() {
        for (from, to, why) in [
            ("https://a.example/?s=1", "http://a.example/", "from https to http://a.example/"),
            ("http://a.example/?s=1", "ftp://a.example/", "`ftp`"),
            ("http://a.example/?s=1", "file:///etc/passwd", "valid URL"),
            ("http://a.example/?s=1", "http://me:pw@a.example/", "user name"),
            ("http://a.example/?s=1", "http://a.example/?s=1", "circle"),
            ("http://a.example/?s=1", "http://:1/", "no host"),
            ("http://a.example/?s=1", "http://b.example:99999/", "port"),
        ] {
            let failure = next(&sent(Method::GET, from), 302, to).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Redirect);
            assert!(failure.sent && failure.message.contains(why), "{}", failure.message);
            assert!(!failure.message.contains("s=1"), "{}", failure.message);
        }
    }

    #[test]
    fn a_socket_is_left_but_never_entered() {
        let request = Outgoing { body: RequestBody::default(), ..sent(Method::GET, "unix://2f78/a/b?s=1") };
        for here in ["c", "/a/c", "?z"] {
            let after = next(&request, 302, here).unwrap().unwrap();
            assert_eq!((after.url.host(), names(&after).len()), (Some("2f78"), 5), "{here}");
        }
        let after = next(&request, 302, "http://b.example/").unwrap().unwrap();
        assert_eq!(names(&after), ["accept", "content-type"]);
        for (from, to, words) in [
            ("http://a.example/", "unix://2f78/a", "a socket of this machine, unix:/x:/a"),
            ("https://a.example/", "unix://2f78/a", "from https to unix:/x:/a"),
            ("unix://2f78/a", "unix://2f79/a", "a socket of this machine, unix:/y:/a"),
            ("unix://2f78/a", "//2f79/a", "a socket of this machine, unix:/y:/a"),
            ("http://a.example/", "unix:/x:/a", "no valid URL"),
        ] {
            let request = Outgoing { body: RequestBody::default(), ..sent(Method::GET, from) };
            let failure = next(&request, 302, to).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Redirect, "{from} {to}");
            assert!(failure.message.contains(words) && !failure.message.contains("2f7"), "{failure}");
        }
    }

    #[test]
    fn other_replies_are_no_redirects() {
        let request = sent(Method::GET, "http://a.example/x");
        for status in [200, 201, 300, 304, 305, 404] {
            assert!(next(&request, status, "/y").unwrap().is_none(), "{status}");
        }
        let none = Trail::new(10).next(&request, StatusCode::FOUND, &HeaderMap::new());
        assert!(none.unwrap().is_none());
    }

    #[test]
    fn circles_of_many_steps_and_long_trails_end() {
        let mut trail = Trail::new(3);
        let mut request = sent(Method::GET, "http://a.example/0");
        for step in 1..=3 {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(&format!("/{step}")).unwrap())]);
            request = trail.next(&request, StatusCode::FOUND, &headers).unwrap().unwrap();
        }
        let back = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static("/1"))]);
        let circle = trail.next(&request, StatusCode::FOUND, &back).unwrap_err();
        assert!(circle.message.contains("circle"), "{}", circle.message);
        let on = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static("/9"))]);
        let many = trail.next(&request, StatusCode::FOUND, &on).unwrap_err();
        assert!(many.message.contains("3 were followed"), "{}", many.message);
    }

    #[test]
    fn raw_utf8_in_a_location_is_encoded() {
        let request = sent(Method::GET, "http://a.example/x/y");
        let after = next(&request, 302, "ä b#part").unwrap().unwrap();
        assert_eq!(after.url, "http://a.example/x/%C3%A4%20b");
    }
}
