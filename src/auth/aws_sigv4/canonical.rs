//! Signature Version 4, step by step: canonical request, string to sign, signature.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. Pure: what
//! the time is, and which headers are signed, is told. Must never hold a secret longer than it computes.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What stands before every signature.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// All but the unreserved characters of RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, in a path.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// How a path is made canonical: S3 takes it as it is, for its keys may hold anything; all others resolve it and
/// encode once more what is encoded on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Resolve `.`, `..` and slashes that stand together.
    pub normalize: bool,
    /// Encode what is encoded.
    pub twice: bool,
}

/// What is signed, beside its body.
#[derive(Debug)]
pub(super) struct Canonical {
    /// The canonical request.
    pub request: String,
    /// Names of the headers in it.
    pub headers: String,
}

/// The canonical request. `headers` are those to be signed, `host` among them; `payload` is the hash of the
/// body in hexadecimal, or the word that stands for it.
pub(super) fn canonical(
    method: &Method,
    (path, query): (&str, &str),
    headers: &HeaderMap,
    payload: &str,
    style: Style,
) -> Canonical {
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let mut request = format!("{method}\n{}\n{}\n", self::path(path, style), self::query(query));
    for name in &names {
        let values: Vec<String> = headers.get_all(*name).iter().map(|value| trimmed(value.as_bytes())).collect();
        // Writing to a string can't fail.
        let _ = writeln!(request, "{name}:{}", values.join(","));
    }
    let headers = names.join(";");
    let _ = write!(request, "\n{headers}\n{payload}");
    Canonical { request, headers }
}

/// Without spaces at the ends, and one space where there are more.
fn trimmed(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn path(path: &str, style: Style) -> String {
    let path = if path.is_empty() { "/" } else { path };
    let resolved = if style.normalize { normalized(path) } else { path.to_owned() };
    if style.twice {
        return percent_encode(resolved.as_bytes(), PATH).to_string();
    }
    let bytes: Vec<u8> = percent_decode_str(&resolved).collect();
    percent_encode(&bytes, PATH).to_string()
}

/// RFC 3986, section 5.2.4; slashes that stand together are one.
fn normalized(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let is_folder = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end)) && !segments.is_empty();
    format!("/{}{}", segments.join("/"), if is_folder { "/" } else { "" })
}

/// Names and values decoded, encoded one way, and sorted.
fn query(query: &str) -> String {
    let encoded = |text: &str| {
        let bytes: Vec<u8> = percent_decode_str(&text.replace('+', " ")).collect();
        percent_encode(&bytes, QUERY).to_string()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// `20150830/us-east-1/service/aws4_request`
pub(super) fn scope(stamp: &str, region: &str, service: &str) -> String {
    format!("{}/{region}/{service}/aws4_request", day(stamp))
}

fn day(stamp: &str) -> &str {
    stamp.split('T').next().unwrap_or(stamp)
}

/// What the signature is of; `stamp` is `20150830T123600Z`.
pub(super) fn string_to_sign(stamp: &str, scope: &str, canonical: &str) -> String {
    format!("{ALGORITHM}\n{stamp}\n{scope}\n{}", hash(canonical.as_bytes()))
}

/// The signature, in hexadecimal.
pub(super) fn signature(secret: &str, (stamp, region, service): (&str, &str, &str), string: &str) -> String {
    let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    let key = [day(stamp), region, service, "aws4_request"]
        .iter()
        .fold(first, |key, part| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()));
    hex(hmac::sign(&key, string.as_bytes()).as_ref())
}

/// SHA-256 in hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Bytes in hexadecimal, small letters.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Uri};
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        context: Context,
        request: String,
        canonical: String,
        string_to_sign: Option<String>,
        signature: Option<String>,
    }

    #[derive(Deserialize)]
    struct Context {
        credentials: Credentials,
        normalize: bool,
        region: String,
        service: String,
        sign_body: bool,
        timestamp: String,
        #[serde(default)]
        omit_session_token: bool,
    }

    #[derive(Deserialize)]
    struct Credentials {
        secret_access_key: String,
        token: Option<String>,
    }

    /// A request as it stands in the suite, on its way as this program would send it.
    fn parsed(case: &Case) -> (Method, Uri, HeaderMap, String) {
        let (head, body) = case.request.split_once("\n\n").unwrap_or((case.request.trim_end(), ""));
        let mut lines = head.lines();
        let line = lines.next().unwrap();
        let (method, rest) = line.split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap();
        const SENT: &AsciiSet = &percent_encoding::CONTROLS.add(b' ');
        let url = percent_encoding::utf8_percent_encode(target, SENT).to_string();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        (method.parse().unwrap(), format!("http://a.b{url}").parse().unwrap(), headers, body.to_owned())
    }

    #[test]
    fn aws_own_test_suite() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/vectors/aws-sigv4.json")).unwrap();
        assert_eq!(cases.len(), 40);
        // No header of ours can hold a line break.
        for case in cases.iter().filter(|case| case.name != "get-header-value-multiline") {
            let (method, url, mut headers, body) = parsed(case);
            let twice = case.name.starts_with("double-");
            let stamp = match twice {
                true => "20210511T154045Z".to_owned(),
                false => case.context.timestamp.replace(['-', ':'], ""),
            };
            headers.insert("x-amz-date", HeaderValue::from_str(&stamp).unwrap());
            if let Some(token) = case.context.credentials.token.as_ref().filter(|_| !case.context.omit_session_token) {
                headers.insert("x-amz-security-token", HeaderValue::from_str(token).unwrap());
            }
            let payload = hash(body.as_bytes());
            if case.context.sign_body {
                headers.insert("x-amz-content-sha256", HeaderValue::from_str(&payload).unwrap());
            }
            let style = Style { normalize: case.context.normalize, twice };
            let canonical = canonical(&method, (url.path(), url.query().unwrap_or("")), &headers, &payload, style);
            assert_eq!(canonical.request, case.canonical, "{}", case.name);
            let Context { region, service, credentials, .. } = &case.context;
            let (Some(string), Some(signed)) = (&case.string_to_sign, &case.signature) else { continue };
            let scope = scope(&stamp, region, service);
            assert_eq!(&string_to_sign(&stamp, &scope, &canonical.request), string, "{}", case.name);
            let signature = signature(&credentials.secret_access_key, (&stamp, region, service), string);
            assert_eq!(&signature, signed, "{}", case.name);
        }
    }

    #[test]
    fn a_path_is_encoded_once_for_s3_and_twice_for_all_others() {
        let s3 = Style { normalize: false, twice: false };
        let others = Style { normalize: true, twice: true };
        for (wire, once, again) in [
            ("", "/", "/"),
            ("/a%20b/c", "/a%20b/c", "/a%2520b/c"),
            ("/a:b@c", "/a%3Ab%40c", "/a%3Ab%40c"),
            ("/a//b/../c", "/a//b/../c", "/a/c"),
            ("/%7euser+x", "/~user%2Bx", "/%257euser%2Bx"),
            ("/a/..", "/a/..", "/"),
            ("/a/./", "/a/./", "/a/"),
        ] {
            assert_eq!((path(wire, s3).as_str(), path(wire, others).as_str()), (once, again), "{wire}");
        }
    }

    #[test]
    fn a_query_is_sorted_as_it_is_encoded() {
        assert_eq!(query("b=2&a=1&a=0&&c"), "a=0&a=1&b=2&c=");
        assert_eq!(query("a=x+y&a=x%20y%2b"), "a=x%20y&a=x%20y%2B");
        assert_eq!(query("A=1&a=2&%5f=3"), "A=1&_=3&a=2");
        assert_eq!(query("a=b=c"), "a=b%3Dc");
    }

    proptest! {
        #[test]
        fn what_is_canonical_stays_so(text in "\\PC{0,30}") {
            let once = Style { normalize: false, twice: false };
            let first = path(&format!("/{}", percent_encode(text.as_bytes(), PATH)), once);
            prop_assert_eq!(&path(&first, once), &first);
            let first = query(&percent_encode(text.as_bytes(), QUERY).to_string());
            prop_assert_eq!(&query(&first), &first);
        }
    }
}
