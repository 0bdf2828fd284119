//! Media types: of files by the ending of their names, and whether a text is one.
//!
//! A table of what people upload, by the names of IANA's registry; whatever is not in it is
//! `application/octet-stream`, and a job can say better. Must never look into a file.

use std::path::Path;

use http::{HeaderName, HeaderValue};

/// What a file is when its ending does not tell.
const UNKNOWN: &str = "application/octet-stream";

const TYPES: &[(&str, &[&str])] = &[
    ("application/gzip", &["gz", "tgz"]),
    ("application/json", &["json"]),
    ("application/msword", &["doc"]),
    ("application/pdf", &["pdf"]),
    ("application/rtf", &["rtf"]),
    ("application/toml", &["toml"]),
    ("application/vnd.apache.parquet", &["parquet"]),
    ("application/vnd.ms-excel", &["xls"]),
    ("application/vnd.ms-powerpoint", &["ppt"]),
    ("application/vnd.oasis.opendocument.spreadsheet", &["ods"]),
    ("application/vnd.oasis.opendocument.text", &["odt"]),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", &["pptx"]),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &["xlsx"]),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", &["docx"]),
    ("application/vnd.sqlite3", &["sqlite", "sqlite3"]),
    ("application/wasm", &["wasm"]),
    ("application/x-ndjson", &["jsonl", "ndjson"]),
    ("application/x-tar", &["tar"]),
    ("application/xml", &["xml"]),
    ("application/yaml", &["yaml", "yml"]),
    ("application/zip", &["zip"]),
    ("application/zstd", &["zst"]),
    ("audio/flac", &["flac"]),
    ("audio/mp4", &["m4a"]),
    ("audio/mpeg", &["mp3"]),
    ("audio/ogg", &["ogg", "oga", "opus"]),
    ("audio/wav", &["wav"]),
    ("font/woff2", &["woff2"]),
    ("image/avif", &["avif"]),
    ("image/bmp", &["bmp"]),
    ("image/gif", &["gif"]),
    ("image/heic", &["heic"]),
    ("image/jpeg", &["jpg", "jpeg"]),
    ("image/png", &["png"]),
    ("image/svg+xml", &["svg"]),
    ("image/tiff", &["tif", "tiff"]),
    ("image/webp", &["webp"]),
    ("message/rfc822", &["eml"]),
    ("text/calendar", &["ics"]),
    ("text/css", &["css"]),
    ("text/csv", &["csv"]),
    ("text/html", &["html", "htm"]),
    ("text/javascript", &["js", "mjs"]),
    ("text/markdown", &["md"]),
    ("text/plain", &["txt", "log"]),
    ("text/tab-separated-values", &["tsv"]),
    ("text/vcard", &["vcf"]),
    ("video/mp4", &["mp4"]),
    ("video/mpeg", &["mpg", "mpeg"]),
    ("video/quicktime", &["mov"]),
    ("video/webm", &["webm"]),
];

/// The media type of a file, by its ending.
pub(crate) fn of_file(path: &Path) -> &'static str {
    let Some(ending) = path.extension().and_then(|ending| ending.to_str()) else { return UNKNOWN };
    let is_it = |known: &&str| known.eq_ignore_ascii_case(ending);
    TYPES.iter().find(|(_, endings)| endings.iter().any(is_it)).map_or(UNKNOWN, |(kind, _)| kind)
}

/// Whether a text is a media type that can stand in a header (RFC 9110, section 8.3.1).
#[must_use]
pub fn is_type(text: &str) -> bool {
    let kind = text.split_once(';').map_or(text, |(kind, _)| kind);
    let is_token = |part: &str| HeaderName::from_bytes(part.as_bytes()).is_ok();
    let is_pair = kind.trim_end().split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    is_pair && HeaderValue::from_bytes(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_the_type_whatever_their_case() {
        for (path, kind) in [
            ("a.pdf", "application/pdf"),
            ("folder.csv/A.PDF", "application/pdf"),
            ("a.tar.gz", "application/gzip"),
            ("a.csv", "text/csv"),
            ("a", UNKNOWN),
            (".pdf", UNKNOWN),
            ("a.", UNKNOWN),
            ("a.unheard", UNKNOWN),
        ] {
            assert_eq!(of_file(Path::new(path)), kind, "{path}");
        }
    }

    #[test]
    fn the_table_is_sound() {
        let mut endings: Vec<&str> = TYPES.iter().flat_map(|(_, endings)| endings.iter().copied()).collect();
        let count = endings.len();
        endings.sort_unstable();
        endings.dedup();
        assert_eq!(endings.len(), count, "an ending stands twice");
        assert!(endings.iter().all(|ending| ending.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())));
        assert!(TYPES.iter().all(|(kind, _)| is_type(kind)) && TYPES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn media_types_have_two_names_and_no_line_breaks() {
        for good in ["text/plain", "text/plain; charset=utf-8", "application/vnd.a+json", "a/b;c=\"d\""] {
            assert!(is_type(good), "{good}");
        }
        for bad in ["", "pdf", "/", "a/", "/b", "a b/c", "a/b\r\nx: y", "a/b; c=\n", "a/b/c"] {
            assert!(!is_type(bad), "{bad}");
        }
    }
}
