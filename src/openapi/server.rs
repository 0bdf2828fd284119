//! Where an operation's requests go: the URL of a server, its variables filled in, and what else it says taken apart.
//!
//! Must never leave a user, a password or a query in the base of a URL.

use std::borrow::Cow;

use serde_json::Value;

use super::{Api, one_line, swagger};

/// Most bytes between two dots of a name (RFC 1035, section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// Stands for the host that a document does not name.
const NO_HOST: &str = "https://api.example.com";

/// A server.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Scheme, host and base path, without a slash at the end.
    pub url: String,
    /// Whether the URL names a user.
    pub has_user: bool,
    /// Pairs of the URL's query.
    pub query: Vec<(String, String)>,
}

/// The first server of the operation, of its path, of the document.
pub(super) fn of(api: &Api, item: &Value, operation: &Value, notes: &mut Vec<String>) -> Result<Server, String> {
    let root = &api.root;
    let written = if api.is_swagger() {
        swagger::server(root)
    } else {
        let first = [operation, item, root].into_iter().find_map(|of| of["servers"].as_array()?.first());
        first.map(|server| filled(server, notes)).unwrap_or_default()
    };
    let mut server = taken_apart(&with_host(written.trim(), notes));
    if server.has_user {
        notes.push("the URL of the server names a user: its user and password are secrets of the job".to_owned());
    }
    let Some((scheme, rest)) = server.url.split_once("://") else { return Ok(server) };
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        let url = one_line(&server.url);
        return Err(format!("its server is {}, and only http:// and https:// can be asked", url.escape_debug()));
    }
    server.url = format!("{scheme}://{}", in_ascii(rest.trim_end_matches('/'))?);
    Ok(server)
}

/// A URL with a host: one that is relative to where the document lies gets that of nobody.
fn with_host(url: &str, notes: &mut Vec<String>) -> String {
    if let Some(rest) = url.strip_prefix("//").filter(|rest| !rest.starts_with('/')) {
        return format!("https://{rest}");
    }
    let has_host = url.split_once("://").is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/'));
    if has_host {
        return url.to_owned();
    }
    notes.push(format!("the document names no host: write it in the place of {NO_HOST}"));
    let mut path = url.split_once("://").map_or(url, |(_, path)| path).trim_start_matches('/');
    while let Some(rest) = ["./", "../"].iter().find_map(|up| path.strip_prefix(up)) {
        path = rest;
    }
    format!("{NO_HOST}/{path}")
}

/// What stands behind `//`, its host as DNS knows it.
///
/// # Errors
/// When the host can't be that of any server, in words.
pub(super) fn in_ascii(rest: &str) -> Result<String, String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].split(':').next().unwrap_or_default();
    let no_name =
        || format!("the server's host {} is no name that DNS could know: mend it in the document", one_line(host));
    let ascii = if host.is_ascii() { Ok(Cow::Borrowed(host)) } else { idna::domain_to_ascii(host).map(Cow::Owned) };
    let ascii = ascii.map_err(|_| no_name())?;
    // A dot at the end stands for the root. An address of IPv6 is cut at its first colon.
    let labels = ascii.strip_suffix('.').unwrap_or(&ascii);
    if labels.split('.').any(|label| label.is_empty() || label.len() > LONGEST_LABEL) {
        return Err(no_name());
    }
    Ok(format!("{ascii}{}", &rest[host.len()..]))
}

/// Without its user, query and fragment.
fn taken_apart(url: &str) -> Server {
    let url = url.split('#').next().unwrap_or_default();
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (url, has_user) = without_user(base);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(a, b)| (decoded(a), decoded(b)));
    Server { url, has_user, query: query.collect() }
}

/// A URL without `user:password@`, and whether that was there.
pub(super) fn without_user(url: &str) -> (String, bool) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((_, host)) => (format!("{scheme}://{host}{}", &rest[end..]), true),
        None => (url.to_owned(), false),
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The URL of a server, its variables at their defaults; what must be chosen is said.
fn filled(server: &Value, notes: &mut Vec<String>) -> String {
    let mut url = server["url"].as_str().unwrap_or_default().to_owned();
    for (name, variable) in server["variables"].as_object().into_iter().flatten() {
        let choices: Vec<String> = variable["enum"].as_array().into_iter().flatten().filter_map(plain).collect();
        let Some(value) = plain(&variable["default"]).or_else(|| choices.first().cloned()) else { continue };
        let braced = format!("{{{name}}}");
        let others: Vec<&str> = choices.iter().filter(|choice| **choice != value).map(String::as_str).collect();
        if url.contains(&braced) && !others.is_empty() {
            let (name, value, others) = (one_line(name), one_line(&value), one_line(&others.join(", ")));
            notes.push(format!("the server's {name} is {value}; there are also {others}"));
        }
        url = url.replace(&braced, &value);
    }
    undeclared(&url, notes)
}

/// A text or number; YAML has ports as numbers.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Variables without a value become words that are seen to stand for one: a guessed host would be somebody's.
fn undeclared(url: &str, notes: &mut Vec<String>) -> String {
    let mut parts = url.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((name, rest)) = part.split_once('}') else {
            filled += part;
            continue;
        };
        let word: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let word = format!("your-{}", word.trim_matches('-').to_lowercase());
        notes.push(format!(
            "the document does not say the server's {}: write it in the place of {word}",
            one_line(name)
        ));
        filled += &word;
        filled += rest;
    }
    filled.replace('}', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_that_dns_could_know() {
        for (written, ascii) in [
            ("bücher.example/v1", "xn--bcher-kva.example/v1"),
            ("BÜCHER.example.:8080/ü", "xn--bcher-kva.example.:8080/ü"),
            ("a.example./v1", "a.example./v1"),
            ("[::1]:8080/v1", "[::1]:8080/v1"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(in_ascii(written).as_deref(), Ok(ascii), "{written}");
        }
        let long = format!("{}.example", "ü".repeat(70));
        for written in
            ["bücher..example", ".bücher.example/v1", "a..example", ".a.example:80", "bücher.example..", ".", &long]
        {
            let why = in_ascii(written).unwrap_err();
            assert!(why.contains("is no name that DNS could know: mend it in the document"), "{written}: {why}");
        }
    }
}
