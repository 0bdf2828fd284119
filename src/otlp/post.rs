//! One request to a collector, and what its answer means.
//!
//! Must never show a header, which holds a key, nor take any answer but a 2xx for a yes.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};

use super::settings::Target;
use crate::clock;
use crate::hints;
use crate::report::text::clean;
use crate::retry::{Failure, Reach};
use crate::secret::{Masker, SHORTEST_IN_RECORDS, Secrets};
use crate::transport::{
    BoxFuture, Call, ClientPlan, Gate, HttpVersion, HyperTransport, Opening, Reply, RequestBody, TimeoutPlan, Transport,
};

/// Bytes of an answer that are read.
const MOST_ANSWER: u64 = 64 * 1024;

/// Most characters of an answer that are told.
const SHOWN: usize = 200;

/// What an answer means.
#[derive(Debug)]
pub(super) enum Answer {
    /// They have it; what they say of parts of it.
    Taken(Bytes),
    /// Not now, in words, and how long to wait where they say so; whether somebody said so at all.
    Later { words: String, wait: Option<Duration>, is_said: bool },
    /// Never, in words.
    Refused(String),
}

/// See the module.
pub(super) struct Post {
    target: Target,
    transport: HyperTransport,
    timeouts: TimeoutPlan,
    /// Knows the keys of the collector.
    masker: Masker,
}

/// Nothing holds back what is sent here.
struct Open;

impl Gate for Open {
    fn pass(&self, _: &Uri) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Post {
    /// The way to a collector: no connection yet.
    ///
    /// # Errors
    /// In words, when certificates or a proxy of the environment can't be used.
    pub fn open(target: &Target) -> Result<Self, String> {
        let plan = ClientPlan {
            http: HttpVersion::One,
            compression: false,
            redirects: 0,
            connections_total: 1,
            connections_per_host: 1,
            max_body: MOST_ANSWER,
            tls: target.tls.clone(),
            ..ClientPlan::default()
        };
        let (secrets, masker) = (Secrets::default(), Masker::default());
        let values = target.headers.values().filter_map(|value| value.to_str().ok());
        // A scheme in front of a key is none of it: `Basic`, `Bearer`.
        let keys = values.flat_map(|value| [Some(value), value.split_once(' ').map(|(_, key)| key)]).flatten();
        keys.filter(|key| key.len() >= SHORTEST_IN_RECORDS).for_each(|key| masker.learn(key));
        let needs_tls = target.url.scheme_str() == Some("https");
        let opening = Opening { needs_tls, secrets: &secrets, masker: &masker, demo: None };
        let transport = HyperTransport::open(&plan, &opening).map_err(|error| error.message)?;
        let timeout = target.timeout;
        let timeouts = TimeoutPlan { pool: timeout, connect: timeout, read: timeout, total: timeout, row: None };
        Ok(Self { target: target.clone(), transport, timeouts, masker })
    }

    /// Where it leads, as it is shown.
    pub fn place(&self) -> String {
        self.target.shown()
    }

    /// `traces` or `metrics`.
    pub fn signal(&self) -> &'static str {
        self.target.signal
    }

    /// Words from outside, as they are shown.
    pub fn shown(&self, words: &str) -> String {
        // Masked before it is cut: half a key would not be found.
        clean(&self.masker.mask(words)).chars().take(SHOWN).collect()
    }

    /// Sends a message and waits for the answer.
    pub async fn send(&self, message: &Bytes) -> Answer {
        match self.request(message.clone()) {
            Ok(request) => match self.transport.exchange(Call::new(request, &Open, &self.timeouts)).await {
                Ok(reply) => self.read(reply),
                Err(failure) => self.unanswered(&failure),
            },
            Err(words) => Answer::Refused(words),
        }
    }

    fn request(&self, message: Bytes) -> Result<Request<RequestBody>, String> {
        let body = if self.target.gzip { packed(&message).map_err(|error| error.to_string())? } else { message };
        let mut request = Request::new(RequestBody::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.url.clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("paceline/", env!("CARGO_PKG_VERSION"))));
        headers.extend(self.target.headers.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        if self.target.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(request)
    }

    /// What the specification says of an answer: these four statuses may be other ones later.
    fn read(&self, reply: Reply) -> Answer {
        if reply.status.is_success() {
            return Answer::Taken(reply.body);
        }
        let first = self.shown(&String::from_utf8_lossy(&reply.body));
        let words = match first.is_empty() {
            true => format!("it answered {}", reply.status),
            false => format!("it answered {}: {first}", reply.status),
        };
        match reply.status.as_u16() {
            429 | 502 | 503 | 504 => {
                let wait = hints::read(&reply.headers, clock::wall()).wait;
                Answer::Later { words, wait, is_said: true }
            }
            _ => Answer::Refused(words),
        }
    }

    fn unanswered(&self, failure: &Failure) -> Answer {
        let words = self.shown(&failure.message);
        match failure.kind.reach() {
            Reach::Row => Answer::Later { words, wait: None, is_said: false },
            Reach::Origin | Reach::Endpoint => Answer::Refused(words),
        }
    }
}

fn packed(message: &[u8]) -> std::io::Result<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(message)?;
    packer.finish().map(Bytes::from)
}
