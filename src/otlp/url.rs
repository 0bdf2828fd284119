//! URLs as a trace shows them: `url.full`, `server.address` and `server.port` of the semantic conventions.
//!
//! What the conventions name as secret is redacted, and so is what this program takes for a credential by its name; secrets
//! of the job are masked by whoever asks. Must never show what a URL says of a user or a password.

use http::Uri;
use percent_encoding::percent_decode_str;

use crate::secret::shape::is_credential_parameter;
use crate::transport::socket;

/// What stands in the place of a value.
const REDACTED: &str = "REDACTED";

/// Parameters whose values the conventions redact (HTTP spans, `url.full`).
const SIGNATURES: [&str; 4] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"];

/// A URL without credentials.
pub(super) fn full(url: &Uri) -> String {
    if url.scheme_str() == Some(socket::SCHEME) {
        let shown = socket::written(url);
        return redacted(&shown);
    }
    let (scheme, authority) =
        (url.scheme_str().unwrap_or_default(), url.authority().map_or("", |place| place.as_str()));
    let place = match authority.rsplit_once('@') {
        Some((_, place)) => format!("{REDACTED}:{REDACTED}@{place}"),
        None => authority.to_owned(),
    };
    redacted(&format!("{scheme}://{place}{}", url.path_and_query().map_or("", |path| path.as_str())))
}

fn redacted(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if is_secret(name, value) => format!("{name}={REDACTED}"),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn is_secret(name: &str, value: &str) -> bool {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, value) = (decoded(name), decoded(value));
    SIGNATURES.contains(&name.as_str()) || is_credential_parameter(&name, &value)
}

/// Host and port of the server; of a socket its path, and no port.
pub(super) fn server(url: &Uri) -> (String, Option<u16>) {
    let host = url.host().unwrap_or_default();
    if url.scheme_str() == Some(socket::SCHEME) {
        return (socket::path(host).map_or_else(String::new, |path| path.display().to_string()), None);
    }
    let standard = if url.scheme_str() == Some("https") { 443 } else { 80 };
    // Without the brackets of an IPv6 address.
    (host.trim_matches(['[', ']']).to_owned(), Some(url.port_u16().unwrap_or(standard)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_leave_and_everything_else_does() {
        for (url, shown) in [
            ("http://a.test/x?q=1&b=", "http://a.test/x?q=1&b="),
            ("https://u:hunter2@a.test:8443/x", "https://REDACTED:REDACTED@a.test:8443/x"),
            (
                "http://a.test/?sig=abc&X-Goog-Signature=1&page=2",
                "http://a.test/?sig=REDACTED&X-Goog-Signature=REDACTED&page=2",
            ),
            ("http://a.test/?api_key=hunter2hunter2&q=x", "http://a.test/?api_key=REDACTED&q=x"),
            ("http://a.test/?%73ig=abc", "http://a.test/?%73ig=REDACTED"),
            ("http://a.test/?q", "http://a.test/?q"),
        ] {
            assert_eq!(full(&url.parse().unwrap()), shown);
        }
    }

    #[test]
    fn a_server_has_a_name_and_a_port() {
        let of = |url: &str| server(&url.parse().unwrap());
        assert_eq!(of("https://a.test/x"), ("a.test".into(), Some(443)));
        assert_eq!(of("http://[::1]:81/"), ("::1".into(), Some(81)));
        assert_eq!(of("unix://2f61/x"), ("/a".into(), None));
        assert_eq!(full(&"unix://2f61/x?sig=1".parse().unwrap()), "unix:/a:/x?sig=REDACTED");
    }
}
