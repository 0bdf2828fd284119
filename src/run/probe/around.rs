//! What is there for everything that is tried: secrets, limits and keys, and what is done with them.
//!
//! Must never read a secret unless that was asked for, nor show one.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Uri};

use super::asking::Party;
use super::{GRACE, LONGEST, ProbeOptions, longest};
use crate::auth::{Unproved, Wire};
use crate::clock;
use crate::demo::Demo;
use crate::extract::charset;
use crate::limit::Buckets;
use crate::plan::request::DEMO;
use crate::plan::{EndpointPlan, Plan};
use crate::random;
use crate::retry::{Failure, FailureKind};
use crate::row::Row;
use crate::run::RunError;
use crate::run::control::{self, Control, Desk};
use crate::run::gate::LaneGate;
use crate::run::idempotency::Keys;
use crate::run::limits::AllLimits;
use crate::run::live;
use crate::run::open;
use crate::run::sending::{self, Takers, Way};
use crate::sample::{self, Judged, Rows, Sample};
use crate::secret::{Masker, Secrets};
use crate::template::{Context, Template};
use crate::transport::{ProxyPlan, Reply, RequestBody, socket};

/// Why something is left out where no secrets are read.
pub(super) const NO_SECRETS: &str = "it needs a secret, and none is read";

/// What stays the same however much is tried.
pub(super) struct Around<'p> {
    pub plan: &'p Plan,
    pub options: ProbeOptions,
    pub secrets: Secrets,
    /// For words.
    pub masker: Masker,
    /// For records.
    cells: Masker,
    limits: AllLimits,
    control: Control,
    /// Of requests that carry one: no run has these keys.
    pub keys: Keys,
    /// What stands for `demo:`.
    pub base: Option<String>,
    /// The other end of the line: without it everything would stop at once.
    #[allow(dead_code, reason = "held for its drop")]
    desk: Desk,
    #[allow(dead_code, reason = "held for its drop")]
    demo: Option<Demo>,
}

impl<'p> Around<'p> {
    /// Reads secrets, where that is wanted, and starts the demo API where the job needs it.
    ///
    /// # Errors
    /// When secrets are missing.
    pub async fn open(plan: &'p Plan, options: ProbeOptions) -> Result<Self, RunError> {
        let secrets = match options.reads_secrets {
            true => Secrets::open(&plan.secrets).map_err(RunError::Secrets)?,
            false => Secrets::default(),
        };
        let demo = open::demo(plan).await?;
        let base = demo.as_ref().map(|demo| format!("http://{}", demo.address()));
        let (control, desk) = control::line();
        let (masker, cells) = secrets.maskers();
        let keys = Keys::of(&format!("check {:016x}", random::bits()));
        let limits = AllLimits::open(plan);
        Ok(Self { plan, options, secrets, masker, cells, limits, control, keys, base, desk, demo })
    }

    /// The limits of a sender; `own`, which only learns and is held, where it has none.
    pub fn buckets(&self, sender: &EndpointPlan, own: Option<Arc<Buckets>>) -> Vec<Arc<Buckets>> {
        let own = own.filter(|_| sender.limits.is_empty());
        own.into_iter().chain(sender.limits.iter().map(|position| self.limits.named(*position))).collect()
    }

    /// What an endpoint has that takes from no limit.
    pub fn own(&self, endpoint: usize) -> Arc<Buckets> {
        self.limits.own(endpoint)
    }

    /// What a sink's requests have that take from no limit.
    pub fn own_of_sink(&self, sink: usize) -> Option<Arc<Buckets>> {
        self.limits.of_hook(sink)
    }

    /// Without secrets.
    pub fn masked(&self, words: &str) -> String {
        self.masker.mask(words).into_owned()
    }

    /// Whether a sender needs secrets that were not read; `prefix` begins its keys in the job's identity.
    pub fn lacks_secrets(&self, sender: &EndpointPlan, prefix: &str) -> bool {
        if self.options.reads_secrets {
            return false;
        }
        let mentions = |text: &str| text.contains("secrets");
        let written = self.plan.identity.iter().any(|(key, value)| key.starts_with(prefix) && mentions(value));
        let sent = std::iter::once(&sender.url).chain(sender.headers.iter().map(|(_, template)| template));
        let proves = sender.auth.as_ref().is_some_and(|auth| mentions(&auth.identity()));
        let through = matches!(&sender.client.proxy, ProxyPlan::Url(url) if url.user.is_some());
        // Of a database that is not here even the address may be a secret.
        let reads = sender.source.kind() == "sql" && sender.source.path().is_none();
        written || sent.map(Template::secrets).any(|names| !names.is_empty()) || proves || through || reads
    }

    /// A URL that needs no row; `None`: it is none.
    pub fn rendered(&self, template: &Template) -> Option<Uri> {
        let mut text = String::new();
        template.render(&Context { row: None, secrets: &self.secrets, reply: None, last: None }, &mut text).ok()?;
        absolute(&text, self.base.as_deref()).parse().ok()
    }

    /// A request in a line.
    pub fn shown(&self, request: &Request<RequestBody>) -> String {
        let url = socket::written(request.uri());
        let base = self.base.as_deref().and_then(|base| url.strip_prefix(base));
        let url = base.map_or_else(|| url.clone(), |path| format!("{DEMO}{path}"));
        self.masked(&format!("{} {url}", request.method()))
    }

    /// The reply to a request; `None`: it could not leave in time.
    pub async fn exchange(
        &self,
        party: &Party,
        row: &Row,
        request: Request<RequestBody>,
    ) -> Result<Option<Reply>, Failure> {
        self.exchange_with(party, row, request, (Takers::default(), &|request| request)).await
    }

    /// The same, with what takes the reply, and what a request that is built anew is dressed with.
    pub async fn exchange_with(
        &self,
        party: &Party,
        row: &Row,
        request: Request<RequestBody>,
        (takers, dress): (Takers<'_>, &(dyn Fn(Request<RequestBody>) -> Request<RequestBody> + Sync)),
    ) -> Result<Option<Reply>, Failure> {
        let context = Context { row: Some(row), secrets: &self.secrets, reply: None, last: None };
        let (takings, counters) = (party.limits.of(&context)?, live::Lane::default());
        let gate = LaneGate::new(&takings, &self.control, &counters);
        let (plan, auth, control) = (&party.plan, party.auth.as_deref(), &self.control);
        let way = Way { plan, auth, transport: &*party.ways.transport, control };
        let build = || party.build(self, Some(row)).map(dress);
        let over = async {
            tokio::time::sleep(LONGEST.saturating_add(GRACE)).await;
            if gate.passed().is_some() {
                tokio::time::sleep(longest(&plan.timeout)).await;
            }
        };
        let replied = tokio::select! {
            replied = sending::exchange(way, request, build, &gate, takers) => replied,
            () = over => {
                let late = Failure::sent(FailureKind::TotalTimeout, late(longest(&plan.timeout)));
                return if gate.passed().is_some() { Err(late) } else { Ok(None) };
            }
        };
        let replied = replied.unwrap_or_else(|| Err(Failure::unsent(FailureKind::Auth, LATER)));
        let fetches = plan.auth.as_ref().is_some_and(|auth| auth.url().is_some());
        // What failed before the request was let go is the one for its token.
        let of_token = fetches && gate.passed().is_none();
        let named = |failure| if of_token { Failure { kind: FailureKind::Auth, ..failure } } else { failure };
        let mut reply = replied.map_err(named)?;
        if let Some(text) = charset::converted(&reply.headers, &reply.body) {
            reply.body = text;
        }
        Ok(Some(reply))
    }

    /// Fetches what proves who asks.
    pub async fn prove(&self, party: &Party) -> Result<(), String> {
        let Some(auth) = &party.auth else { return Ok(()) };
        let context = Context { row: None, secrets: &self.secrets, reply: None, last: None };
        let takings = party.limits.of(&context).map_err(|failure| failure.message)?;
        let counters = live::Lane::default();
        let gate = LaneGate::new(&takings, &self.control, &counters);
        let (transport, plan) = (&*party.ways.transport, &party.plan);
        let wire = Wire { transport, gate: &gate, timeouts: &plan.timeout, retry: &plan.retry };
        let mut nothing = Request::new(RequestBody::from(bytes::Bytes::new()));
        match auth.prove(wire, &mut nothing).await {
            Ok(_) => Ok(()),
            Err(Unproved::Failed(failure)) => Err(failure.message),
            Err(Unproved::Later(_)) => Err(LATER.to_owned()),
        }
    }

    /// What a run would make of a reply.
    pub fn judge(&self, party: &Party, row: &Arc<Row>, reply: &Reply) -> Judged {
        let rows = Rows::asked(Arc::clone(row));
        sample::judge(&party.written, &Sample::from(reply), &rows, &self.secrets, (&self.masker, &self.cells))
    }
}

/// What is said of a server that wants tokens to be asked for later.
const LATER: &str = "the server that gives tokens asks to wait for longer than retry.max-wait";

/// What is said of a request that was not let go.
pub(super) const HELD: &str = "it could not leave within 30 seconds: its limits held it, or its token did not come";

/// What is said of a reply that did not come.
pub(super) fn late(longest: Duration) -> String {
    format!("there was no whole reply within {}", clock::human(longest))
}

/// A URL with what stands for `demo:` in its place.
pub(super) fn absolute(url: &str, base: Option<&str>) -> String {
    match (url.strip_prefix(DEMO), base) {
        (Some(path), Some(base)) => format!("{base}{path}"),
        (_, _) => url.to_owned(),
    }
}

/// The server of a URL of which no row is known; `None`: rows decide about it.
pub(super) fn known_url(url: &Template, base: Option<&str>) -> Option<Uri> {
    let known = absolute(url.constant().unwrap_or_else(|| url.literal_prefix()), base);
    let (scheme, rest) = known.split_once("://")?;
    let end = rest.find(['/', '?', '#']).or_else(|| url.constant().map(|_| rest.len()))?;
    // A WebSocket is reached as its handshake is.
    let scheme = scheme.strip_prefix("ws").map_or_else(|| scheme.to_owned(), |rest| format!("http{rest}"));
    format!("{scheme}://{}/", &rest[..end]).parse().ok()
}
