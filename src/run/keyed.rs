//! Errors of opening, and of whole endpoints, that come from a key of the job: which key, for whoever has the text of the job.
//!
//! A plan knows what was decided and not where it was written, so an error names every place where its key may stand,
//! the nearest first. Must never say a place that is not about what went wrong.

use std::fmt;

use crate::diagnostic::{Code, codes};
use crate::document::KeyPath;
use crate::plan::{EndpointPlan, Plan};
use crate::retry::FailureKind;
use crate::secret::Unset;
use crate::sink::SinkPlan;

/// Why a run could not start, or go on, and the key that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// Which kind of error it is.
    pub code: Code,
    /// Where the key may stand, the nearest first.
    pub keys: Vec<KeyPath>,
    /// One sentence and the way out.
    pub message: String,
}

impl Keyed {
    fn new(code: Code, keys: Vec<KeyPath>, message: String) -> Self {
        Self { code, keys, message }
    }

    /// A secret that can't be had.
    #[must_use]
    pub fn secret(unset: &Unset) -> Self {
        let secret = KeyPath::of(["secrets", unset.name.as_str()]);
        let keys = vec![secret.key("env"), secret.key("file"), secret];
        Self::new(codes::SECRET, keys, unset.message.clone())
    }

    /// An input that can't be read.
    pub(super) fn input(endpoint: &EndpointPlan, why: &str) -> Self {
        let input = KeyPath::of(["endpoints", endpoint.name.as_str(), "input"]);
        let kind = input.key(endpoint.source.kind());
        Self::new(codes::INPUT, vec![kind.key("path"), kind, input], why.to_owned())
    }

    /// A file that is sent and can't be read.
    pub(super) fn body(endpoint: &EndpointPlan, why: &str) -> Self {
        let here = KeyPath::of(["endpoints", endpoint.name.as_str()]);
        let (body, send) = (here.key("body"), here.key("websocket").key("send"));
        Self::new(codes::INPUT, vec![body.key("file"), body, send], why.to_owned())
    }

    /// A sink that can't be opened.
    pub(super) fn sink(sink: &SinkPlan, why: &str) -> Self {
        let here = KeyPath::of(["sinks", sink.name.as_str()]);
        let kind = here.key(sink.kind.kind());
        let keys = vec![here.key("path"), here.key("url"), kind.key("path"), kind, here];
        Self::new(codes::OUTPUT, keys, format!("sinks.{}: {why}", sink.name))
    }

    /// A folder for replies that can't be opened.
    pub(super) fn save(endpoint: &str, why: &str) -> Self {
        let save = KeyPath::of(["endpoints", endpoint, "save"]);
        Self::new(codes::OUTPUT, vec![save.key("path"), save], format!("endpoints.{endpoint}.save: {why}"))
    }

    /// A setting of connections, at the endpoint or sink at `place`, or at the top level, from where it flows down.
    pub(super) fn client(place: &KeyPath, key: &[&str], why: &str) -> Self {
        let own = key.iter().fold(place.clone(), |path, key| path.key(*key));
        let keys = vec![own, KeyPath::of(key.iter().copied()), place.clone()];
        Self::new(codes::UNUSABLE, keys, format!("{place}: {why}"))
    }

    /// What proves who asks can't be had.
    pub(super) fn auth(place: &KeyPath, kind: &str, why: &str) -> Self {
        let auth = place.key("auth");
        Self::new(codes::UNUSABLE, vec![auth.key(kind), auth, place.clone()], format!("{place}: {why}"))
    }

    /// A request that can't be made of any row.
    pub(super) fn request(place: &KeyPath, why: &str) -> Self {
        let mut keys = addresses(place);
        keys.push(place.clone());
        Self::new(codes::URL, keys, format!("{place}: {why}"))
    }

    /// The same, its words changed.
    pub(super) fn saying(self, change: impl FnOnce(&str) -> String) -> Self {
        Self { message: change(&self.message), ..self }
    }

    /// What every row of an endpoint would meet; `None`: it comes from no key that is known.
    pub(super) fn doom(endpoint: &str, kind: FailureKind) -> Option<Self> {
        let here = KeyPath::of(["endpoints", endpoint]);
        let below = |keys: &[&str]| {
            [here.clone(), KeyPath::default()].map(|from| keys.iter().fold(from, |path, key| path.key(*key)))
        };
        let (code, keys) = match kind {
            FailureKind::Auth => (codes::UNUSABLE, vec![here.key("auth")]),
            // One that the environment names stands nowhere.
            FailureKind::Proxy => (codes::UNUSABLE, below(&["client", "proxy"]).to_vec()),
            FailureKind::Certificate | FailureKind::TlsMismatch => {
                let [own, top] = below(&["client", "tls"]);
                (codes::UNUSABLE, [own, top].into_iter().chain(addresses(&here)).collect())
            }
            FailureKind::UnknownHost => (codes::URL, addresses(&here)),
            _ => return None,
        };
        Some(Self::new(code, keys, "what ended the run comes from here".to_owned()))
    }
}

/// Where the URL of whoever sends may stand.
fn addresses(sender: &KeyPath) -> Vec<KeyPath> {
    vec![sender.key("url"), sender.key("websocket").key("url"), sender.key("sse").key("url")]
}

impl fmt::Display for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Keyed> for String {
    fn from(keyed: Keyed) -> Self {
        keyed.message
    }
}

/// The path of whatever sends requests, by its position among [`Plan::senders`].
pub(super) fn place(plan: &Plan, position: usize) -> KeyPath {
    let hooks = || plan.sinks.iter().filter(|sink| sink.hook.is_some());
    match plan.endpoints.get(position) {
        Some(endpoint) => KeyPath::of(["endpoints", endpoint.name.as_str()]),
        None => hooks().nth(position - plan.endpoints.len()).map(place_of_sink).unwrap_or_default(),
    }
}

/// The path of a sink's own keys, those of its connections and its auth among them.
pub(super) fn place_of_sink(sink: &SinkPlan) -> KeyPath {
    KeyPath::of(["sinks", sink.name.as_str(), sink.kind.kind()])
}
