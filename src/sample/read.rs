//! A reply from a file: its body alone, or with the head before it that `curl -i` writes.
//!
//! Must never take a body for a head: without a line that says HTTP and a status there is none.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::Sample;
use crate::extract::charset;

/// Where a reply comes from that nobody asked for. A name that can't exist (RFC 6761).
const NOWHERE: &str = "https://sample.invalid/";

impl Sample {
    /// A reply from the bytes of a file. Of the heads that redirects leave before it, the last one counts.
    #[must_use]
    pub fn of_bytes(bytes: Bytes) -> Self {
        let (mut status, mut headers, mut body) = (None, None, bytes);
        while let Some((code, lines, rest)) = head(&body) {
            (status, headers, body) = (Some(code), Some(lines), body.slice(rest..));
        }
        let text = charset::converted(headers.as_ref().unwrap_or(&HeaderMap::new()), &body);
        let body = text.unwrap_or(body);
        Self { called: "the sample", status, headers, body, url: Uri::from_static(NOWHERE) }
    }
}

/// The status, the headers and the length of the head that a reply begins with.
fn head(bytes: &[u8]) -> Option<(u16, HeaderMap, usize)> {
    if !bytes.starts_with(b"HTTP/") {
        return None;
    }
    let (end, blank) = [&b"\r\n\r\n"[..], b"\n\n"]
        .iter()
        .filter_map(|blank| Some((bytes.windows(blank.len()).position(|here| here == *blank)?, blank.len())))
        .min()?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            headers.append(name, value);
        }
    }
    Some((status, headers, end + blank))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Sample {
        Sample::of_bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_body_alone_has_no_head() {
        for body in ["{\"a\": 1}", "", "<html>\n\n</html>", "HTTP is a protocol\n\nit says", "HTTP/1.1 200 OK"] {
            let sample = read(body);
            assert_eq!((sample.status, sample.headers, sample.body.as_ref()), (None, None, body.as_bytes()));
        }
    }

    #[test]
    fn a_head_before_the_body_is_read_and_the_last_one_counts() {
        let sample = read("HTTP/1.1 302 Found\r\nlocation: /b\r\n\r\nHTTP/2 201 \r\nETag: \"a:b\"\r\n\r\n{}\n\n");
        assert_eq!((sample.status, sample.body.as_ref()), (Some(201), &b"{}\n\n"[..]));
        let headers = sample.headers.unwrap();
        assert_eq!((headers.len(), headers["etag"].to_str().unwrap()), (1, "\"a:b\""));
        assert_eq!(read("HTTP/1.1 404 Not Found\nx: 1\n\n{\"a\": 1}").body.as_ref(), b"{\"a\": 1}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_body() {
        assert_eq!(Sample::of_bytes(Bytes::from_static(b"\xef\xbb\xbf{}")).body.as_ref(), b"{}");
    }
}
