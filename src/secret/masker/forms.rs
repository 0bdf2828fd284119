//! Forms: every way in which a secret may be written where it leaves the program, or is said back.
//!
//! Must never give a form that is so short that it is found in texts which have nothing to do with the secret, but
//! for the secret itself.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde_json::Value;

/// Bytes an encoded form must have to be looked for.
const SHORTEST_ENCODED: usize = 4;

/// Every form in which a value may leave the program.
pub(super) fn forms(value: &str) -> Vec<String> {
    if value.is_empty() {
        return Vec::new();
    }
    let mut encoded = Vec::new();
    for set in [UNRESERVED_KEPT, URLENCODE, PATH_KEPT] {
        let upper = percent_encoding::utf8_percent_encode(value, set).to_string();
        encoded.push(upper.replace("%20", "+"));
        encoded.push(lower_hex(&upper));
        encoded.push(upper);
    }
    let json = Value::from(value).to_string();
    encoded.push(json[1..json.len() - 1].to_owned());
    encoded.push(json[1..json.len() - 1].replace('/', "\\/"));
    // What a server says back that reads UTF-8 as Latin-1, as many read headers.
    encoded.push(value.bytes().map(char::from).collect());
    encoded.extend(debugged(value));
    for alignment in 0..3 {
        encoded.extend(base64_inside(value, alignment));
    }
    encoded.retain(|form| form.len() >= SHORTEST_ENCODED);
    encoded.push(value.to_owned());
    encoded
}

/// As values in URLs are encoded: all but unreserved characters (RFC 3986).
pub(super) const UNRESERVED_KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// As HTML forms are encoded.
const URLENCODE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');
/// As servers write a path: its separators and sub-delimiters kept.
const PATH_KEPT: &AsciiSet =
    &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'%');

pub(super) fn lower_hex(encoded: &str) -> String {
    let mut out = String::with_capacity(encoded.len());
    let mut parts = encoded.split('%');
    out.extend(parts.next());
    for part in parts {
        let (hex, rest) = part.split_at(part.len().min(2));
        out.push('%');
        out.push_str(&hex.to_ascii_lowercase());
        out.push_str(rest);
    }
    out
}

/// As logs of crates show bytes (`b"..."`) and values of headers, which leave a backslash as it is.
fn debugged(value: &str) -> [String; 3] {
    let escaped = |kept: &[u8]| {
        let escape = |byte: u8| match byte {
            byte if kept.contains(&byte) => char::from(byte).to_string(),
            byte => byte.escape_ascii().to_string(),
        };
        value.bytes().map(escape).collect()
    };
    [escaped(b""), escaped(b"'"), escaped(b"'\\")]
}

/// The base64 characters that a value fully decides, when `before` bytes stand before it; and, at the
/// start, the whole encoding.
fn base64_inside(value: &str, before: usize) -> Vec<String> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(value.as_bytes());
    let from = (before * 8).div_ceil(6);
    let to = bytes.len() * 8 / 6;
    let mut forms = Vec::new();
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        let encoded = engine.encode(&bytes);
        forms.extend(encoded.get(from..to).map(ToOwned::to_owned));
        // The last character also depends on what follows, but nothing may: then it is a part of the secret.
        forms.extend(encoded.get(from..).map(ToOwned::to_owned));
    }
    forms
}
