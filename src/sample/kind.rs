//! What a body is, by the name of its file and its first bytes: for the head that a body alone does not have, and for words
//! about one that is not what the job looks for.
//!
//! Must never take a body for JSON that can't be: whether it is, a reader of JSON decides.

use std::path::Path;

use serde::de::IgnoredAny;

use crate::plan::request::media;
use crate::source::unpack;

/// First bytes, the media type, and what people call it.
const MAGIC: [(&[u8], &str, &str); 9] = [
    (b"\x89PNG\r\n", "image/png", "a PNG image"),
    (b"\xff\xd8\xff", "image/jpeg", "a JPEG image"),
    (b"GIF8", "image/gif", "a GIF image"),
    (b"%PDF-", "application/pdf", "a PDF document"),
    (b"PK\x03\x04", "application/zip", "a ZIP archive"),
    (b"PAR1", "application/vnd.apache.parquet", "a Parquet file"),
    (b"\x1f\x8b", "application/gzip", "packed by gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd", "packed by zstd"),
    (b"SQLite format 3\0", "application/vnd.sqlite3", "an SQLite database"),
];

fn magic(body: &[u8]) -> Option<(&'static str, &'static str)> {
    MAGIC.iter().find(|(first, ..)| body.starts_with(first)).map(|(_, media, words)| (*media, *words))
}

/// The media type that a body most likely came with. The ending of a name counts for more than the bytes, unless it says
/// little.
pub(super) fn media_type(file: &Path, body: &[u8]) -> &'static str {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let inner = unpack::inner(name);
    let by_name = media::of_file(Path::new(inner.strip_suffix(".br").unwrap_or(inner)));
    if !matches!(by_name, media::UNKNOWN | "text/plain") {
        return by_name;
    }
    if let Some((media, _)) = magic(body) {
        return media;
    }
    match std::str::from_utf8(body).map(str::trim_start) {
        Ok(text) if text.starts_with(['{', '[']) => "application/json",
        Ok(text) if text.starts_with("<?xml") => "application/xml",
        Ok(text) if text.starts_with('<') => "text/html",
        Ok(_) => "text/plain",
        Err(_) => media::UNKNOWN,
    }
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
    if let Some((_, words)) = magic(body) {
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
    fn the_ending_tells_the_type_and_the_bytes_where_it_does_not() {
        for (file, body, media) in [
            ("a/reply.json", &b"<p>"[..], "application/json"),
            ("reply.HTML", b"{}", "text/html"),
            ("reply.json.gz", b"{}", "application/json"),
            ("reply.csv.br", b"{}", "text/csv"),
            ("reply.txt", b" \n{\"a\": 1}", "application/json"),
            ("reply", b"<!doctype html>", "text/html"),
            ("reply", b"<?xml version='1.0'?>", "application/xml"),
            ("reply", b"a;b", "text/plain"),
            ("reply.bin", b"\x89PNG\r\n\x1a\n", "image/png"),
            ("reply", b"\xff\x00", "application/octet-stream"),
        ] {
            assert_eq!(media_type(Path::new(file), body), media, "{file}");
        }
    }

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
