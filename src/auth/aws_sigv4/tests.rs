//! What is signed, and that nothing of it stays behind.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::transport::BodyPart;

fn signing(service: &str, session_token: Option<&str>) -> Signing {
    Signing {
        region: "us-east-1".to_owned(),
        service: service.to_owned(),
        access_key: "AKIDEXAMPLE".to_owned(),
        secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        session_token: session_token.map(|token| Secret::new(token.to_owned())),
    }
}

/// 2015-08-30, 12:36 UTC: the time of AWS's examples.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn put(signing: &Signing, url: &str, headers: &mut HeaderMap) -> String {
    let payload = canonical::hash(b"");
    signing.put(then(), (&Method::GET, &url.parse().unwrap()), headers, &payload).unwrap();
    headers[AUTHORIZATION].to_str().unwrap().to_owned()
}

#[test]
fn a_request_of_the_suite_has_its_signature() {
    let authorization = put(&signing("service", None), "https://example.amazonaws.com/", &mut HeaderMap::new());
    assert_eq!(
        authorization,
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
}

#[test]
fn the_host_is_signed_as_it_is_sent() {
    let sign = |url: &str| put(&signing("service", None), url, &mut HeaderMap::new());
    assert_eq!(sign("https://EXAMPLE.amazonaws.com:443/"), sign("https://example.amazonaws.com/"));
    assert_ne!(sign("https://example.amazonaws.com:444/"), sign("https://example.amazonaws.com/"));
}

#[test]
fn only_what_nobody_changes_on_the_way_is_signed_and_all_of_it_stays_in_its_origin() {
    let mut headers = HeaderMap::new();
    for name in ["user-agent", "accept", "accept-encoding", "content-type", "x-amz-acl", "x-mine"] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("a"));
    }
    let authorization = put(&signing("s3", Some("session")), "https://b.s3.amazonaws.com/key", &mut headers);
    let signed = "SignedHeaders=content-type;host;x-amz-acl;x-amz-content-sha256;x-amz-date;x-amz-security-token,";
    assert!(authorization.contains(signed), "{authorization}");
    for name in [AUTHORIZATION, DATE, CONTENT_SHA256, SECURITY_TOKEN] {
        assert!(headers[&name].is_sensitive(), "{name}");
    }
}

#[test]
fn a_second_signature_takes_the_place_of_the_first() {
    let (signing, url) = (signing("s3", Some("session")), "https://b.s3.amazonaws.com/key");
    let mut headers = HeaderMap::new();
    let first = put(&signing, url, &mut headers);
    assert_eq!(put(&signing, url, &mut headers), first, "nothing of the first is signed by the second");
    assert_eq!(headers.len(), 4);
    let payload = canonical::hash(b"");
    let later = then() + Duration::from_secs(1);
    signing.put(later, (&Method::GET, &url.parse().unwrap()), &mut headers, &payload).unwrap();
    assert_eq!(headers[DATE], "20150830T123601Z");
    assert_ne!(headers[AUTHORIZATION], first);
}

#[tokio::test]
async fn a_body_is_hashed_unless_s3_and_tls_make_it_needless() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hello").unwrap();
    let whole = RequestBody::from(Bytes::from_static(b"hello"));
    let part = BodyPart::File { path: file.path().to_owned(), length: 5 };
    let streamed = RequestBody::Parts(vec![part].into());
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    for (service, url, body, expected) in [
        ("s3", "https://a.b/", &whole, hello),
        ("s3", "https://a.b/", &streamed, UNSIGNED),
        ("s3", "http://a.b/", &streamed, hello),
        ("lambda", "https://a.b/", &streamed, hello),
    ] {
        let payload = signing(service, None).payload(&url.parse().unwrap(), body).await.unwrap();
        assert_eq!(payload, expected, "{service} {url}");
    }
}

#[test]
fn a_key_that_can_not_be_sent_is_told_without_it() {
    let signing = Signing { access_key: "AKID\n".to_owned(), ..signing("s3", None) };
    let url = "https://a.b/".parse().unwrap();
    let failure = signing.put(then(), (&Method::GET, &url), &mut HeaderMap::new(), "x").unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::Auth, false));
    assert!(!failure.message.contains("AKID"), "{failure}");
}
