//! Idempotency keys: by which a server tells a request that it has seen already.
//!
//! Must give the same key for the same request over retries and resumes, and another one for any other request of
//! any run: keys hold nothing of time or chance beyond the run's id.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use http::{HeaderMap, HeaderValue};

use crate::plan::IdempotencyPlan;

/// The namespace of all keys: UUIDv5 of `paceline:idempotency-key` in the namespace of URLs.
const NAMESPACE: [u8; 16] =
    [0x37, 0xff, 0xd3, 0xff, 0x1f, 0x76, 0x5a, 0x57, 0x80, 0xfd, 0xc9, 0x9f, 0x7a, 0x86, 0x28, 0x78];

/// The keys of a run: its id, hashed once for all of them.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    namespace: [u8; 16],
}

impl Keys {
    /// Those of the run with this id.
    #[must_use]
    pub fn of(run: &str) -> Self {
        Self { namespace: uuid5(NAMESPACE, run) }
    }

    /// The key of a request: a UUIDv5 (RFC 9562 §5.5) in its text form, 36 characters. Its namespace is the run's id,
    /// its name the endpoint, the row or the rows of a chunk (zero-based), the page (zero-based), and what the job says
    /// of the request's `content`: a key that comes again with another content is refused by servers
    /// (draft-ietf-httpapi-idempotency-key-header).
    #[must_use]
    pub fn key(&self, endpoint: &str, content: &str, rows: impl IntoIterator<Item = u64>, page: u64) -> String {
        let mut name = format!("{endpoint}\n");
        for (position, row) in rows.into_iter().enumerate() {
            // A string takes all that is written to it.
            let _ = write!(name, "{}{row}", if position == 0 { "" } else { "," });
        }
        // A name that is a part of no other: neither names of endpoints nor numbers hold a line feed, and what may
        // hold one comes last.
        let _ = write!(name, "\n{page}\n{content}");
        text(uuid5(self.namespace, &name))
    }

    /// The key of a request that carries bytes of a sink's spool, first and one past the last. `content` is what else
    /// decides its body.
    #[must_use]
    pub fn delivery(&self, sink: &str, (from, to): (u64, u64), content: &str) -> String {
        // No endpoint's: there the second line holds digits alone.
        text(uuid5(self.namespace, &format!("{sink}\nbytes {from} to {to}\n{content}")))
    }
}

/// Puts a key into the header that a plan names.
pub fn put(plan: &IdempotencyPlan, key: String, headers: &mut HeaderMap) {
    let text = if plan.quoted { format!("\"{key}\"") } else { key };
    // Hexadecimal digits, dashes and quotes stand in any header.
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(plan.header.clone(), value);
    }
}

/// The UUID of a name in a namespace, RFC 9562 §5.5.
fn uuid5(namespace: [u8; 16], name: &str) -> [u8; 16] {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(&namespace);
    context.update(name.as_bytes());
    let mut uuid = [0; 16];
    for (byte, hashed) in uuid.iter_mut().zip(context.finish().as_ref()) {
        *byte = *hashed;
    }
    uuid[6] = uuid[6] & 0x0f | 0x50;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

fn text(uuid: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (position, byte) in uuid.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // A string takes all that is written to it.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The namespace of URLs, RFC 9562 §6.6.
    const URLS: [u8; 16] =
        [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];

    #[test]
    fn the_namespace_is_what_it_says() {
        assert_eq!(uuid5(URLS, "paceline:idempotency-key"), NAMESPACE);
    }

    #[test]
    fn keys_are_those_of_another_implementation() {
        // Python: uuid5(uuid5(uuid5(NAMESPACE_URL, "paceline:idempotency-key"), run), name)
        let keys = Keys::of("0123456789abcdef");
        assert_eq!(keys.key("pay", "", [0], 0), "4f7954b4-4a68-5c06-932b-912584d82fe9");
        assert_eq!(keys.key("pay", "", [1], 0), "720c427e-bf3f-5c38-b4c6-1d0b8f17152b");
        assert_eq!(keys.key("pay", "", [0], 1), "8cb69915-99fa-56db-9039-cf50b5b274b4");
        let content = r#"{"id":"{{ row.id }}"}"#;
        assert_eq!(keys.key("pay", content, [0], 0), "a4d4c6fe-e35c-5fb9-b443-87e6083c257e");
        let other = Keys::of("fedcba9876543210").key("päy", "\n", [u64::MAX], 7);
        assert_eq!(other, "e6449ffe-dfc3-5e36-ad91-94959bb5ac0b");
        assert_eq!(keys.delivery("out", (0, 4711), "json 1a2b"), "47e1f98a-f8ad-5baa-8f72-390b2068add3");
    }

    #[test]
    fn no_two_requests_have_the_same_key() {
        let mut keys = BTreeSet::new();
        let mut requests = 0;
        for (run, sink, bytes, content) in [
            ("r1", "a", (0, 1), ""),
            ("r2", "a", (0, 1), ""),
            ("r1", "a1", (0, 1), ""),
            ("r1", "a", (0, 11), ""),
            ("r1", "a", (1, 11), ""),
            ("r1", "a", (0, 1), "json"),
        ] {
            requests += 1;
            keys.insert(Keys::of(run).delivery(sink, bytes, content));
        }
        for (run, endpoint, content) in
            [("r1", "a", ""), ("r2", "a", ""), ("r1", "a1", ""), ("r1", "a", "0"), ("r1", "a", "\n0")]
        {
            // A chunk, its halves, and rows that read alike.
            for (rows, page) in [
                (&[0][..], 0),
                (&[0], 1),
                (&[1], 0),
                (&[10], 0),
                (&[1], 10),
                (&[0, 1], 0),
                (&[0, 1, 2, 3], 0),
                (&[1, 0], 0),
                (&[0, 10], 0),
            ] {
                requests += 1;
                keys.insert(Keys::of(run).key(endpoint, content, rows.iter().copied(), page));
            }
        }
        assert_eq!(keys.len(), requests);
    }
}
