//! Which URLs can be opened: those of requests, and those of WebSockets.
//!
//! Must never refuse one without saying how the one that was meant is written.

use super::{Head, Problem, cut, demo, head, unix, web};
use crate::compile::{stream, unsendable};
use crate::diagnostic::did_you_mean;
use crate::spec::EndpointSpec;
use crate::template::Template;

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

    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Requests => "\"https://api.example.com/products\"",
            Self::Sockets => "\"wss://stream.example.com/prices\"",
        }
    }

    /// What is wrong with a URL, as far as it is known.
    pub(super) fn problem<'t>(self, text: &'t str, constant: bool, template: &Template) -> Option<Problem<'t>> {
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
