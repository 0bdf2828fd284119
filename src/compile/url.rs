//! URLs: the scheme, the authority, and whether the host is fixed by the job.

use http::Uri;
use http::uri::Authority;

use super::{Site, mention, stream, unsendable, vars};
use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::document::{KeyPath, NodeValue, Place};
use crate::plan::EndpointPlan;
use crate::spec::EndpointSpec;
use crate::template::{Template, written};
use crate::transport::socket;

/// What to do about a URL with what proves who asks in it.
pub(super) const KEEP_OUT: &str = "keep it out of the URL: declare `password.env = \"API_PASSWORD\"` under `[secrets]` \
     and write `auth.basic = { user = \"me\", password = \"{{ secrets.password }}\" }` beside the URL";

/// What is known of a URL before any row.
#[derive(Debug, PartialEq, Eq)]
enum Head<'t> {
    /// The demo API; what follows `demo:`.
    Demo(&'t str),
    /// `http` or `https`; what follows the colon.
    Web(&'t str),
    /// `ws` or `wss`; what follows the colon.
    Socket(&'t str),
    /// A Unix-domain socket; what follows `unix:`.
    Unix(&'t str),
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
        "ws" | "wss" => Head::Socket(rest),
        "unix" => Head::Unix(rest),
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
        // A socket that is not written out is an error of its own.
        Head::Demo(_) | Head::Unix(_) => true,
        Head::Web(rest) | Head::Socket(rest) => authority(rest, constant).is_some(),
        Head::Open => !depends_on_row(template),
        Head::Other(_) | Head::Missing => true,
    }
}

/// Whether every request goes to one origin, whoever names it.
pub fn is_one_for_all(template: &Template) -> bool {
    origin_is_fixed(template) || !depends_on_row(template)
}

/// Whether it looks at a row, or at a record that came of one.
fn depends_on_row(template: &Template) -> bool {
    ["row", "last"].iter().any(|table| mention::uses_table(template.source(), table))
}

/// Scheme, host and port of a URL, where the job itself names them: `https://api.example.com:8443`.
pub fn fixed_origin(template: &Template) -> Option<String> {
    let (text, constant) = known(template);
    let (Head::Web(rest) | Head::Socket(rest)) = head(text, constant) else { return None };
    let scheme = &text[..text.len() - rest.len() - 1];
    authority(rest, constant).map(|authority| format!("{}://{authority}", scheme.to_ascii_lowercase()))
}

/// Where the URL of the endpoint at `path` stands.
pub fn path_of(path: &KeyPath, plan: &EndpointPlan) -> KeyPath {
    plan.address_keys().iter().fold(path.clone(), |path, key| path.key(*key))
}

/// Which URLs can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schemes {
    /// Those of requests, of which a stream of events is one.
    Requests,
    /// Those of a WebSocket.
    Sockets,
}

impl Schemes {
    /// Those of an endpoint.
    pub fn of(spec: &EndpointSpec) -> Self {
        match stream::Written::of(spec) {
            Some(stream::Written::WebSocket(_)) => Self::Sockets,
            Some(stream::Written::Events(_)) | None => Self::Requests,
        }
    }

    /// Their names, the first of which is what most URLs begin with.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Requests => &["https", "http", "unix", "demo"],
            Self::Sockets => &["wss", "ws", "demo"],
        }
    }

    /// How most URLs begin.
    fn usual(self) -> String {
        format!("{}://", self.names()[0])
    }

    fn example(self) -> &'static str {
        match self {
            Self::Requests => "\"https://api.example.com/products\"",
            Self::Sockets => "\"wss://stream.example.com/prices\"",
        }
    }

    fn problem<'t>(self, text: &'t str, constant: bool, template: &Template) -> Option<Problem<'t>> {
        match (head(text, constant), self) {
            (Head::Demo(rest), _) => demo(rest, constant),
            (Head::Web(rest), Self::Requests) | (Head::Socket(rest), Self::Sockets) => web(text, rest, constant, self),
            (Head::Unix(rest), Self::Requests) => unix(rest, constant),
            (Head::Web(rest) | Head::Socket(rest) | Head::Unix(rest), _) => {
                Some(self.foreign(&text[..text.len() - rest.len()]))
            }
            (Head::Other(scheme), _) => Some(self.foreign(&text[..=scheme.len()])),
            (Head::Open, _) => None,
            (Head::Missing, _) => {
                let message = format!("`{}` does not begin with `{}`", cut(text), self.usual());
                Some(Problem::of(text, message, self.whole(template, text)))
            }
        }
    }

    /// What is written where a scheme is missing.
    fn whole(self, template: &Template, text: &str) -> String {
        let usual = self.usual();
        let (meant, constant) = (format!("{usual}{}", text.trim_start_matches('/')), template.constant().is_some());
        let is_url = !meant.contains(unsendable::is_refused)
            && matches!(head(&meant, constant), Head::Web(rest) | Head::Socket(rest) if web(&meant, rest, constant, self).is_none());
        match (is_url, template.source() == text) {
            (true, true) => format!("write the whole URL: \"{}\"", cut(&meant)),
            (true, false) if !text.starts_with('/') => format!("write `{usual}` before it"),
            (_, _) => format!("write the whole URL, such as {}", self.example()),
        }
    }

    /// A scheme that is not among these; `scheme` has its colon, as what is offered has.
    fn foreign(self, scheme: &str) -> Problem<'_> {
        let name = scheme.trim_end_matches(':').to_ascii_lowercase();
        let (message, help) = match (self, name.as_str()) {
            (Self::Requests, "ws" | "wss") => (
                format!("`{scheme}` URLs are opened as WebSockets, not requested"),
                "they have a table of their own: `[endpoints.NAME.websocket]` with `url = \"wss://…\"`".to_owned(),
            ),
            (Self::Sockets, "http" | "https") => {
                let meant = name.replace("http", "ws");
                (format!("`{scheme}` URLs are no WebSockets"), format!("did you mean `{meant}:`?"))
            }
            (Self::Sockets, "unix") => (
                "a WebSocket can't be opened over a socket of this machine".to_owned(),
                "let the server listen on a port of the loopback: \"ws://127.0.0.1:8080/prices\"".to_owned(),
            ),
            (_, _) => {
                let near = did_you_mean(&name, self.names().iter().copied());
                let colons: Vec<String> = self.names().iter().map(|name| format!("`{name}:`")).collect();
                let what = if self == Self::Sockets { "opened" } else { "requested" };
                let either = match colons.split_last() {
                    Some((last, others)) => format!("write {} or {last}", others.join(", ")),
                    None => String::new(),
                };
                let help = near.map_or(either, |near| format!("did you mean `{near}:`?"));
                (format!("`{scheme}` URLs can't be {what}"), help)
            }
        };
        Problem::of(scheme, message, help)
    }
}

/// Checks what is known of a URL before any row.
pub fn check(site: &mut Site<'_>, path: &KeyPath, template: &Template, schemes: Schemes) {
    let (text, constant) = known(template);
    if let Head::Web(rest) | Head::Socket(rest) = head(text, constant)
        && carries_password(rest, constant)
    {
        carries_secret(site, path, template);
        return;
    }
    let problem = schemes.problem(text, constant, template);
    if let Some(Problem { part, message, help }) = problem {
        let used = site.document.place(path);
        let diagnostic = match of_variable(site, template, text, part) {
            Some(place) if site.diagnostics.is_hidden(place) => {
                let message = "a variable of an env file makes no URL that can be requested";
                let diagnostic = Diagnostic::error(codes::URL, message).at_hidden(place).also(used, "used here");
                site.diagnostics
                    .push(diagnostic.help(format!("give it a scheme and a host, such as {}", schemes.example())));
                return;
            }
            // What is wrong is the variable's, and the URL only uses it.
            Some(place) => Diagnostic::error(codes::URL, message).at(place, "").also(used, "used here"),
            None => Diagnostic::error(codes::URL, message).at(in_template(site, path, template, text, part), ""),
        };
        site.diagnostics.push(diagnostic.help(help));
        return;
    }
    unsendable::check(site, path, template);
}

/// A URL with what proves who asks in it: told where it is written, without its line.
fn carries_secret(site: &mut Site<'_>, path: &KeyPath, template: &Template) {
    let used = site.document.place(path);
    let carries =
        |text: &str| matches!(head(text, true), Head::Web(rest) | Head::Socket(rest) if carries_password(rest, true));
    let place = variable(site, template).filter(|(_, value, _)| carries(value)).map_or(used, |(_, _, place)| place);
    if site.diagnostics.has(codes::SECRET_IN_FILE, place) {
        return;
    }
    let told = Diagnostic::error(codes::SECRET_IN_FILE, "the URL carries a user or a password").at_hidden(place);
    let told = if place == used { told } else { told.also(used, "used here") };
    site.diagnostics.push(told.help(KEEP_OUT));
}

/// Where `part` of the known `text` stands. Of a template, what is known may stand elsewhere than where it was written.
fn in_template(site: &Site<'_>, path: &KeyPath, template: &Template, text: &str, part: &str) -> Place {
    let start = template.source().starts_with(text).then(|| text.find(part)).flatten();
    match start.filter(|_| !part.is_empty() && part != text) {
        Some(start) => site.document.place_in_string(path, start..start + part.len()),
        None => site.document.place(path),
    }
}

/// The variable that a template begins with: its name, its text, and where that stands.
fn variable<'s>(site: &Site<'s>, template: &Template) -> Option<(&'s str, &'s str, Place)> {
    let (expression, _) = template.source().strip_prefix("{{")?.split_once("}}")?;
    let vars = KeyPath::of(["vars"]);
    let Some(NodeValue::Table(entries)) = site.document.get(&vars).map(|node| &node.value) else { return None };
    let (key, node) = entries.iter().find(|(key, _)| written("vars", &key.name) == expression.trim())?;
    match (vars::given(site.document, &key.name), &node.value) {
        (Some(given), NodeValue::String(_)) => Some((&key.name, &given.text, given.value)),
        (None, NodeValue::String(value)) => Some((&key.name, value, node.place)),
        (_, _) => None,
    }
}

/// Where `part` of the known `text` stands in the variable that the template begins with, if it is all the variable's.
fn of_variable(site: &Site<'_>, template: &Template, text: &str, part: &str) -> Option<Place> {
    let (name, value, place) = variable(site, template)?;
    let start = text.find(part).filter(|_| !part.is_empty() && part != text);
    let range = match start {
        Some(start) if start + part.len() <= value.len() => start..start + part.len(),
        Some(_) => return None,
        None => 0..value.len(),
    };
    (!value.is_empty() && text.starts_with(value)).then(|| match vars::given(site.document, name) {
        Some(_) => within(place, range),
        None => site.document.place_in_string(&KeyPath::of(["vars", name]), range),
    })
}

/// A part of a text that stands as it is.
fn within(place: Place, range: std::ops::Range<usize>) -> Place {
    Place { start: place.start + range.start, end: place.start + range.end, ..place }
}

/// What is wrong with a part of a URL.
#[derive(Debug, PartialEq, Eq)]
struct Problem<'t> {
    part: &'t str,
    message: String,
    help: String,
}

impl<'t> Problem<'t> {
    fn of(part: &'t str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { part, message: message.into(), help: help.into() }
    }
}

fn demo(rest: &str, constant: bool) -> Option<Problem<'_>> {
    let path = rest.starts_with('/') && !rest.starts_with("//");
    let undecided = rest.is_empty() && !constant;
    (!path && !undecided).then(|| {
        let help = format!("write \"demo:/{}\"; `paceline demo` shows the routes", cut(rest.trim_start_matches('/')));
        Problem::of("", "behind `demo:` stands a path that begins with one `/`", help)
    })
}

const SOCKET: &str = "for example \"unix:/run/api.sock:/products?page=1\"";

fn unix(rest: &str, constant: bool) -> Option<Problem<'_>> {
    let problem = |message: String| Some(Problem::of("", message, SOCKET));
    let (written, path) = match socket::split(rest) {
        Some(parts) => parts,
        None if rest.starts_with("//") => (rest, ""),
        None if !constant => {
            return Some(Problem::of(
                "",
                "the path of a socket is the same for every row, and ends with a colon",
                "write the path and its colon out, and let values stand behind it, such as \"unix:/run/api.sock:/items/{{ row.id }}\"",
            ));
        }
        None if rest.contains(['?', '#']) => return problem("a colon ends the path of a socket".to_owned()),
        None => (rest, ""),
    };
    let socket = socket::decoded(written);
    if written.starts_with("//") {
        return problem("behind `unix:` stands the path of a socket, with one `/`".to_owned());
    }
    if !socket.is_absolute() {
        return problem(format!("`{}` is a relative path, and that of a socket has to be absolute", socket.display()));
    }
    if written.ends_with('/') {
        return problem(format!("`{}` is a folder, not a socket", socket.display()));
    }
    if !socket::is_usable(&socket) {
        return problem("the path of the socket is too long for one, or holds a zero byte".to_owned());
    }
    (!path.is_empty() && !path.starts_with('/'))
        .then(|| Problem::of("", "behind the colon of a socket stands a path that begins with `/`", SOCKET))
}

fn web<'t>(text: &'t str, rest: &'t str, constant: bool, schemes: Schemes) -> Option<Problem<'t>> {
    let whole = format!("for example {}", schemes.example());
    if !rest.starts_with("//") && (constant || rest.len() >= 2) {
        return Some(Problem::of(
            text,
            format!(
                "behind {} stands `//`",
                match schemes {
                    Schemes::Requests => "`http:` or `https:`",
                    Schemes::Sockets => "`ws:` or `wss:`",
                }
            ),
            whole,
        ));
    }
    let authority = authority(rest, constant)?;
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if host.is_empty() || host.starts_with(':') {
        return Some(Problem::of(text, "the URL has no host", whole));
    }
    let sent = text.split('#').next().unwrap_or(text);
    let parsed = host.parse::<Authority>();
    if let Ok(parsed) = &parsed
        && parsed.port_u16().is_none()
        && host.len() > parsed.host().len()
    {
        let port = host[parsed.host().len()..].trim_start_matches(':');
        return Some(Problem::of(port, format!("`{port}` is not a port"), "ports are numbers from 1 to 65535"));
    }
    if parsed.is_err() {
        let help = if host.is_ascii() { whole } else { unsendable::HOST.to_owned() };
        return Some(Problem::of(host, format!("`{}` is not a host", cut(host)), help));
    }
    // A character that can't be sent is told at its place.
    let fine = sent.contains(unsendable::is_refused) || sent.parse::<Uri>().is_ok();
    (!fine).then(|| Problem::of(text, format!("`{}` is not a URL that can be requested", cut(text)), whole))
}

/// A user or a password before the host: told without its line, which would show the password.
fn carries_password(rest: &str, constant: bool) -> bool {
    authority(rest, constant).is_some_and(|authority| authority.contains('@'))
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
            ("unix:/x:/y", true, Head::Unix("/x:/y")),
            ("WSS://a/", false, Head::Socket("//a/")),
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
            ("http://a b/", "//a b/"),
            ("http://ü/", "//ü/"),
            ("http://a:99999/", "//a:99999/"),
            ("http://a:/", "//a:/"),
        ] {
            assert!(web(text, rest, true, Schemes::Requests).is_some(), "{text}");
        }
        for (text, rest) in
            [("https://a/b?c=d", "//a/b?c=d"), ("http://[::1]:80/", "//[::1]:80/"), ("http://a/b#c d", "//a/b#c d")]
        {
            assert_eq!(web(text, rest, true, Schemes::Requests), None, "{text}");
        }
        for rest in ["", "//x:/", "x.sock:/", "./x.sock:/", "/run/:/", "/x:y", "/x?y=z", "/a%00b:/", "/{}"] {
            assert!(unix(rest, rest != "/{}").is_some(), "{rest}");
        }
        for (rest, constant) in [("/x", true), ("/x:", false), ("/x:/y", true), ("/a%3Ab:/c:d", false)] {
            assert_eq!(unix(rest, constant), None, "{rest}");
        }
        assert!(demo("products", true).is_some() && demo("//evil", true).is_some() && demo("", true).is_some());
        assert!(carries_password("//u:p@h/", true) && !carries_password("//h/@", true));
        assert_eq!((demo("/products", true), demo("", false)), (None, None));
    }
}
