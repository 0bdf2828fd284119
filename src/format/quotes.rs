//! Quotes: double ones around strings that need no others, none around keys that need none; escapes of TOML 1.1
//! in their older spelling. Must never change what a string holds.

use toml_parser::decoder::Encoding;

/// A single key.
pub(super) fn key(raw: &str) -> String {
    let quoted = |quote| raw.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    let is_bare = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    match quoted('"').or_else(|| quoted('\'')).filter(is_bare) {
        Some(name) => name.to_owned(),
        None if raw.starts_with('"') => escapes(raw),
        None => raw.to_owned(),
    }
}

/// A value that is neither a list nor a table.
pub(super) fn scalar(raw: &str, encoding: Option<Encoding>) -> String {
    match encoding {
        Some(Encoding::LiteralString) => {
            let inner = &raw[1..raw.len() - 1];
            if inner.contains(['"', '\\', '\t']) { raw.to_owned() } else { format!("\"{inner}\"") }
        }
        Some(Encoding::BasicString | Encoding::MlBasicString) => escapes(raw),
        Some(Encoding::MlLiteralString) | None => raw.to_owned(),
    }
}

/// `\e` and `\xHH` as `\u00HH`.
fn escapes(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        match behind.bytes().next() {
            Some(b'e') => out.push_str("\\u001B"),
            Some(b'x') => out.push_str("\\u00"),
            _ => out.push('\\'),
        }
        let taken = match behind.chars().next() {
            Some('e' | 'x') => "",
            Some(other) => &behind[..other.len_utf8()],
            None => "",
        };
        out.push_str(taken);
        rest = &behind[behind.chars().next().map_or(0, char::len_utf8)..];
    }
    out + rest
}
