//! The charset of a reply: what is not UTF-8 is made UTF-8 before anything reads it as text or JSON.
//!
//! A byte order mark wins over `Content-Type` (Encoding Standard §6). Labels mean what browsers take them
//! for: `iso-8859-1` and `us-ascii` are windows-1252. A label that nobody knows changes nothing: most such
//! bodies are UTF-8 all the same, and one that is not can't be read. Must never touch a body that is UTF-8.

use bytes::Bytes;
use encoding_rs::{Encoding, REPLACEMENT, UTF_8};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The body as UTF-8, without a byte order mark; `None`: it is that already, as far as the head tells.
/// Bytes that mean nothing in their charset become U+FFFD.
#[must_use]
pub fn converted(headers: &HeaderMap, body: &Bytes) -> Option<Bytes> {
    let (encoding, mark) = match Encoding::for_bom(body) {
        Some(found) => found,
        None => (Encoding::for_label(label(headers)?)?, 0),
    };
    if encoding == UTF_8 {
        return (mark > 0).then(|| body.slice(mark..));
    }
    if encoding == REPLACEMENT {
        return None;
    }
    match encoding.decode_without_bom_handling(&body[mark..]).0 {
        std::borrow::Cow::Owned(text) => Some(text.into()),
        // ASCII is the same in both.
        std::borrow::Cow::Borrowed(_) => Some(body.slice(mark..)),
    }
}

/// The charset that `Content-Type` names, if nobody knows it; for people.
#[must_use]
pub fn unknown(headers: &HeaderMap) -> Option<String> {
    const SHOWN: usize = 40;
    let label = label(headers)?;
    if Encoding::for_label(label).is_some_and(|encoding| encoding != REPLACEMENT) {
        return None;
    }
    let text = String::from_utf8_lossy(label);
    Some(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect())
}

/// The value of the parameter `charset` (RFC 9110 §8.3.1), where it is not plainly UTF-8.
fn label(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(CONTENT_TYPE)?.as_bytes();
    value.split(|byte| *byte == b';').skip(1).find_map(|parameter| {
        let equals = parameter.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (parameter[..equals].trim_ascii(), parameter[equals + 1..].trim_ascii());
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        let found = name.eq_ignore_ascii_case(b"charset") && !value.is_empty();
        (found && !value.eq_ignore_ascii_case(b"utf-8")).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(content_type: &str) -> HeaderMap {
        let value = HeaderValue::from_str(content_type).unwrap();
        HeaderMap::from_iter([(CONTENT_TYPE, value)].into_iter().filter(|_| !content_type.is_empty()))
    }

    fn text(content_type: &str, body: &[u8]) -> String {
        let body = Bytes::copy_from_slice(body);
        let converted = converted(&headers(content_type), &body).unwrap_or(body);
        String::from_utf8_lossy(&converted).into_owned()
    }

    #[test]
    fn labels_and_marks_are_believed() {
        for (content_type, body, expected) in [
            ("text/html; charset=iso-8859-1", &b"caf\xe9 \x80"[..], "café €"),
            ("text/html;CHARSET=\"Latin1\"; x=y", b"caf\xe9", "café"),
            ("application/json; x=y ; charset = Shift_JIS", b"\"\x93\xfa\x96{\"", "\"日本\""),
            ("text/plain; charset=windows-1251", b"\xcf\xf0", "Пр"),
            ("text/plain; charset=utf-16", b"h\0i\0", "hi"),
            ("text/plain; charset=utf-16be", b"\0h\0i", "hi"),
            ("text/plain; charset=iso-8859-1", b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
            ("", b"\xff\xfeh\0i\0", "hi"),
            ("text/plain; charset=utf-8", b"\xfe\xff\0h\0i", "hi"),
            ("application/json", b"\xef\xbb\xbf{}", "{}"),
            ("text/plain; charset=gb18030", b"\x81\x30\x81\xff!", "\u{fffd}0\u{fffd}!"),
            ("text/plain; charset=utf-16le", b"h\0i", "h\u{fffd}"),
        ] {
            assert_eq!(text(content_type, body), expected, "{content_type}");
        }
    }

    #[test]
    fn what_is_utf8_or_nobody_knows_is_left_alone() {
        for content_type in [
            "",
            "text/html",
            "text/html; charset=utf-8",
            "text/html; charset=\"UTF-8\"",
            "text/html; charset=utf8",
            "text/html; charset=",
            "text/html; charset",
            "text/html; notcharset=latin1",
            "text/html; charset=klingon",
            "text/html; charset=iso-2022-kr",
            "charset=latin1",
        ] {
            let body = Bytes::from_static(b"caf\xc3\xa9 \xff");
            assert_eq!(converted(&headers(content_type), &body), None, "{content_type}");
        }
    }

    #[test]
    fn unknown_labels_are_named() {
        assert_eq!(unknown(&headers("text/html; charset=klingon")).unwrap(), "klingon");
        assert_eq!(unknown(&headers("text/html; charset=hz-gb-2312")).unwrap(), "hz-gb-2312");
        assert_eq!(unknown(&headers(&format!("text/html; charset={}", "x".repeat(500)))).unwrap().len(), 40);
        for known in ["", "text/html", "text/html; charset=utf-8", "text/html; charset=latin1"] {
            assert_eq!(unknown(&headers(known)), None, "{known}");
        }
    }

    #[test]
    fn ascii_is_not_copied() {
        let body = Bytes::from_static(b"plain");
        let same = converted(&headers("text/html; charset=latin1"), &body).unwrap();
        assert_eq!(same.as_ptr(), body.as_ptr());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_utf8_afterwards(
            body in proptest::collection::vec(any::<u8>(), 0..40),
            label in prop::sample::select(vec!["latin1", "utf-16", "big5", "euc-kr", "gb18030", "iso-2022-jp"]),
        ) {
            let body = Bytes::from(body);
            let converted = converted(&headers(&format!("a/b; charset={label}")), &body).unwrap();
            let utf8_mark = body.starts_with(b"\xef\xbb\xbf");
            prop_assert!(utf8_mark || std::str::from_utf8(&converted).is_ok());
        }
    }
}
