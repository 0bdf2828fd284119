//! URLs: the scheme, the authority, and whether the host is fixed by the job.

use http::Uri;
use http::uri::Authority;

use super::{Site, mention};
use crate::diagnostic::{codes, did_you_mean};
use crate::document::KeyPath;
use crate::template::Template;

/// What is known of a URL before any row.
#[derive(Debug, PartialEq, Eq)]
enum Head<'t> {
    /// The demo API; what follows `demo:`.
    Demo(&'t str),
    /// `http` or `https`; what follows the colon.
    Web(&'t str),
    /// Another scheme.
    Other(&'t str),
    /// The scheme comes from a value.
    Open,
    /// There is no scheme.
    Missing,
}

fn head(known: &str, constant: bool) -> Head<'_> {
    let Some(end) = known.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))) else {
        return if constant || known.contains('.') { Head::Missing } else { Head::Open };
    };
    let Some(rest) = known[end..].strip_prefix(':').filter(|_| end > 0) else { return Head::Missing };
    let scheme = &known[..end];
    match scheme.to_ascii_lowercase().as_str() {
        "demo" => Head::Demo(rest),
        "http" | "https" => Head::Web(rest),
        _ if rest.starts_with(|c: char| c.is_ascii_digit()) => Head::Missing,
        _ => Head::Other(scheme),
    }
}

/// The authority behind `scheme:`, when it is complete.
fn authority(rest: &str, constant: bool) -> Option<&str> {
    let rest = rest.strip_prefix("//")?;
    match rest.find(['/', '?', '#']) {
        Some(end) => Some(&rest[..end]),
        None => constant.then_some(rest),
    }
}

fn known(template: &Template) -> (&str, bool) {
    match template.constant() {
        Some(constant) => (constant, true),
        None => (template.literal_prefix(), false),
    }
}

/// Whether every request goes to one origin that the job itself names.
pub fn origin_is_fixed(template: &Template) -> bool {
    let (text, constant) = known(template);
    match head(text, constant) {
        Head::Demo(_) => true,
        Head::Web(rest) => authority(rest, constant).is_some(),
        Head::Open => !mention::uses_table(template.source(), "row"),
        Head::Other(_) | Head::Missing => true,
    }
}

/// Checks what is known of a URL before any row.
pub fn check(site: &mut Site<'_>, path: &KeyPath, template: &Template) {
    let (text, constant) = known(template);
    let problem = match head(text, constant) {
        Head::Demo(rest) => demo(rest, constant),
        Head::Web(rest) => web(text, rest, constant),
        Head::Other(scheme) => Some(other(scheme)),
        Head::Open => None,
        Head::Missing => Some((
            format!("`{}` has no scheme", cut(text)),
            format!("write the whole URL: \"https://{}\"", cut(text.trim_start_matches('/'))),
        )),
    };
    if let Some((message, help)) = problem {
        site.error(codes::URL, path, message, help);
    }
}

fn demo(rest: &str, constant: bool) -> Option<(String, String)> {
    let path = rest.starts_with('/') && !rest.starts_with("//");
    let undecided = rest.is_empty() && !constant;
    (!path && !undecided).then(|| {
        let help = format!("write \"demo:/{}\"; `paceline demo` shows the routes", cut(rest.trim_start_matches('/')));
        ("behind `demo:` stands a path that begins with one /".to_owned(), help)
    })
}

fn web(text: &str, rest: &str, constant: bool) -> Option<(String, String)> {
    if !rest.starts_with("//") && (constant || rest.len() >= 2) {
        return Some(("behind the scheme of a URL stands //".to_owned(), "write \"https://host/path\"".to_owned()));
    }
    let authority = authority(rest, constant)?;
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if host.is_empty() || host.starts_with(':') {
        return Some(("the URL has no host".to_owned(), "write \"https://host/path\"".to_owned()));
    }
    if authority.contains('@') {
        let help = "take them out and write auth.basic = { user = .., password = \"{{ secrets.NAME }}\" }";
        return Some(("the URL carries a user or a password".to_owned(), help.to_owned()));
    }
    let whole = text.split('#').next().unwrap_or(text);
    if let Ok(parsed) = host.parse::<Authority>()
        && parsed.port_u16().is_none()
        && host.len() > parsed.host().len()
    {
        return Some((format!("`{host}` has a port that is none"), "ports are numbers from 1 to 65535".to_owned()));
    }
    let fine = host.parse::<Authority>().is_ok() && (!constant || whole.parse::<Uri>().is_ok());
    (!fine).then(|| {
        let help = "percent-encode what a URL can't hold: a space is %20".to_owned();
        (format!("`{}` is not a URL that can be requested", cut(text)), help)
    })
}

fn other(scheme: &str) -> (String, String) {
    let near = did_you_mean(scheme, ["https", "http", "demo"]);
    let help =
        near.map_or("the schemes are http, https and demo".to_owned(), |near| format!("did you mean `{near}:`?"));
    (format!("`{scheme}:` URLs can't be requested"), help)
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        for (text, constant, expected) in [
            ("demo:/products", true, Head::Demo("/products")),
            ("HTTPS://a/", false, Head::Web("//a/")),
            ("ftp://a", true, Head::Other("ftp")),
            ("", false, Head::Open),
            ("htt", false, Head::Open),
            ("api.example.com", false, Head::Missing),
            ("localhost:8080/x", true, Head::Missing),
            ("/products/", false, Head::Missing),
            ("products", true, Head::Missing),
        ] {
            assert_eq!(head(text, constant), expected, "{text}");
        }
    }

    #[test]
    fn an_authority_is_complete_behind_its_slash() {
        assert_eq!(authority("//api.example.com/x", false), Some("api.example.com"));
        assert_eq!(authority("//api.example.com", false), None);
        assert_eq!(authority("//api.example.com", true), Some("api.example.com"));
    }

    #[test]
    fn urls_that_cannot_be_requested() {
        for (text, rest) in [
            ("https:/a", "/a"),
            ("https://", "//"),
            ("https://u:p@h/", "//u:p@h/"),
            ("http://a b/", "//a b/"),
            ("http://a/b c", "//a/b c"),
            ("http://a:99999/", "//a:99999/"),
            ("http://a:/", "//a:/"),
        ] {
            assert!(web(text, rest, true).is_some(), "{text}");
        }
        for (text, rest) in
            [("https://a/b?c=d", "//a/b?c=d"), ("http://[::1]:80/", "//[::1]:80/"), ("http://a/b#c d", "//a/b#c d")]
        {
            assert_eq!(web(text, rest, true), None, "{text}");
        }
        assert!(demo("products", true).is_some() && demo("//evil", true).is_some() && demo("", true).is_some());
        assert_eq!((demo("/products", true), demo("", false)), (None, None));
    }
}
