//! What a body is, by its first bytes: for words about one that is not what the job looks for.
//!
//! Must never take a body for JSON that can't be: whether it is, a reader of JSON decides.

use serde::de::IgnoredAny;

/// First bytes, and what people call what begins with them.
const MAGIC: [(&[u8], &str); 9] = [
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "packed by gzip"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd"),
    (b"SQLite format 3\0", "an SQLite database"),
];

fn magic(body: &[u8]) -> Option<&'static str> {
    MAGIC.iter().find(|(first, _)| body.starts_with(first)).map(|(_, words)| *words)
}

/// Why a body is no JSON document, as the end of a sentence, and the way out; `error` is what the reader says.
pub(super) fn no_json(body: &[u8], error: &str) -> (String, &'static str) {
    const TEXT: &str =
        "of HTML and text, columns are taken with `css` or `regex`; or save the body of a reply as it comes";
    const OTHER: &str = "take a reply that is JSON: what columns and `rows` look for is not in this one";
    if body.trim_ascii().is_empty() {
        return (
            "is empty".to_owned(),
            "take a reply with a body; one without is accepted where nothing looks into it",
        );
    }
    if let Some(words) = magic(body) {
        return (format!("is binary: it is {words}"), OTHER);
    }
    match std::str::from_utf8(body) {
        Err(error) => {
            (format!("is binary: from byte {} on it is no UTF-8", error.valid_up_to().saturating_add(1)), OTHER)
        }
        Ok(text) if holds_several(text) => (
            "holds several JSON values, one behind the other".to_owned(),
            "a reply is one of them, in `[` and `]` where they are many: take one as the sample",
        ),
        Ok(_) => (format!("is not JSON: {error}"), TEXT),
    }
}

/// Whether a text is more than one JSON value, and nothing else.
fn holds_several(text: &str) -> bool {
    let mut count = 0;
    for value in serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>() {
        if value.is_err() {
            return false;
        }
        count += 1;
    }
    count > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_has_its_words() {
        for (body, words) in [
            (&b""[..], "is empty"),
            (b" \r\n", "is empty"),
            (b"%PDF-1.7 x", "is binary: it is a PDF document"),
            (b"\x1f\x8b\x08", "is binary: it is packed by gzip"),
            (b"{\"a\": \"\xe9\"}", "is binary: from byte 8 on it is no UTF-8"),
            (b"{\"a\": 1}\n{\"a\": 2}\n", "holds several JSON values, one behind the other"),
            (b"{\"a\": 1} x", "is not JSON: why"),
            (b"<html>", "is not JSON: why"),
        ] {
            assert_eq!(no_json(body, "why").0, words, "{body:?}");
        }
    }
}
