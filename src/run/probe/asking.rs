//! Endpoints: connect, prove, ask with one row, and judge what is said.
//!
//! The ways of a request are those of a run: its connections, auth, limits and timeouts. Must never send a request that
//! may change something unless asked to, nor the same one a second time, but for what a refused token is renewed for.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, StatusCode, Uri};
use tokio::sync::Notify;

use super::around::{Around, HELD, NO_SECRETS, known_url, late};
use super::changing::changing;
use super::first::{First, first};
use super::hosts::{Hosts, Near, Ways};
use super::opening::{self, Greeting};
use super::turns::Turns;
use super::{Outcome, ProbeOptions, Records, Told, Tried, What, longest};
use crate::auth::Auth;
use crate::clock;
use crate::document::{KeyPath, Step};
use crate::limit::Buckets;
use crate::plan::request::RequestPlan;
use crate::plan::{EndpointPlan, Plan, StreamPlan};
use crate::retry::{Failure, FailureKind, RetryPlan};
use crate::row::Row;
use crate::run::auths::Auths;
use crate::run::idempotency;
use crate::run::taking::Limits;
use crate::run::worker::status_words;
use crate::run::{Keyed, RunError};
use crate::sample::{Judged, Verdict};
use crate::template::Context;
use crate::transport::{Opening, Reply, RequestBody};

/// What all that ask have in common.
pub(super) struct World<'p> {
    pub around: Around<'p>,
    pub turns: Turns<'p>,
    hosts: Hosts,
    auths: Mutex<Auths>,
}

/// One that asks, beside others.
pub(super) struct Asker<'w, 'p> {
    pub world: &'w World<'p>,
    /// What it has to tell so far.
    pub told: Vec<Told>,
}

/// What a party is opened with.
type Opened = (Ways, Option<Arc<dyn Auth>>, RequestPlan);

/// Who asks: an endpoint, a sink that sends requests, or a notification.
pub(super) struct Party {
    /// With one attempt: nothing is tried twice.
    pub plan: EndpointPlan,
    /// As the job has it: what its replies are judged by.
    pub written: EndpointPlan,
    key: KeyPath,
    request: RequestPlan,
    pub ways: Ways,
    /// What proves who asks while it is asked.
    pub auth: Option<Arc<dyn Auth>>,
    pub limits: Limits,
}

impl<'p> World<'p> {
    /// Nothing is tried yet.
    ///
    /// # Errors
    /// When secrets are missing.
    pub async fn open(plan: &'p Plan, options: ProbeOptions) -> Result<Self, RunError> {
        let around = Around::open(plan, options).await?;
        Ok(Self { around, turns: Turns::of(plan), hosts: Hosts::default(), auths: Mutex::default() })
    }
}

impl<'w, 'p> Asker<'w, 'p> {
    /// Has asked nothing yet.
    pub fn new(world: &'w World<'p>) -> Self {
        Self { world, told: Vec::new() }
    }

    /// Notes what came of something.
    pub(super) fn tell(&mut self, key: KeyPath, what: What, outcome: Outcome) {
        self.told.push(Told { tried: Tried { key, what, outcome }, host: None });
    }

    /// Tries an endpoint, with the first of the records `given` where it reads those of another. Its own records.
    pub async fn endpoint(&mut self, position: usize, given: Option<Records>) -> Option<Records> {
        let plan = self.world.around.plan;
        let endpoint = &plan.endpoints[position];
        let key = KeyPath::of(["endpoints", endpoint.name.as_str()]);
        if self.world.around.lacks_secrets(endpoint, &format!("endpoints.{}.", endpoint.name)) {
            let what = first_request(endpoint, endpoint.method.to_string());
            self.tell(key, what, Outcome::Left(NO_SECRETS.to_owned()));
            return None;
        }
        let row = match first(endpoint, given).await {
            First::Row(row) => Ok(row),
            First::None(why) => Err(why),
            First::Unread(words) => {
                let what = What::Input(endpoint.source.describe());
                self.tell(key.key("input"), what, Outcome::Failed(self.world.around.masked(&words)));
                return None;
            }
        };
        let buckets = self.world.around.buckets(endpoint, Some(self.world.around.own(position)));
        let party = self.party(endpoint, key, buckets)?;
        self.try_row(&party, row).await
    }

    /// Opens what is needed to ask; tells what can't be had.
    pub(super) fn party(&mut self, plan: &EndpointPlan, key: KeyPath, buckets: Vec<Arc<Buckets>>) -> Option<Party> {
        // Nothing is tried twice, tokens neither.
        let written = plan.clone();
        let plan = EndpointPlan { retry: RetryPlan { attempts: 1, ..plan.retry.clone() }, ..plan.clone() };
        match self.opened(&plan, &key) {
            Ok((ways, auth, request)) => {
                Some(Party { plan, written, key, request, ways, auth, limits: Limits::new(buckets) })
            }
            Err(keyed) => {
                let keyed = keyed.saying(|words| self.world.around.masked(words));
                self.tell(key, first_request(&plan, plan.method.to_string()), Outcome::Unopened(keyed));
                None
            }
        }
    }

    /// Connections, auth and requests, or what can't be had, as a run would tell it.
    fn opened(&self, plan: &EndpointPlan, key: &KeyPath) -> Result<Opened, Keyed> {
        let Around { secrets, masker, base, .. } = &self.world.around;
        let demo = base.as_deref();
        let opening = Opening { needs_tls: plan.needs_tls(), secrets, masker, demo };
        let ways = self.world.hosts.ways(&plan.client, &opening);
        let ways = ways.map_err(|error| Keyed::client(key, error.key, &error.message))?;
        let mut auths = self.world.auths.lock().unwrap_or_else(PoisonError::into_inner);
        let auth = auths.open((secrets, masker), (key, plan), demo)?;
        let request = RequestPlan::new(plan, demo).map_err(|failure| Keyed::request(key, &failure.message))?;
        Ok((ways, auth, request))
    }

    /// Connects, and asks with the row where there is one and that may be done.
    async fn try_row(&mut self, party: &Party, row: Result<Arc<Row>, String>) -> Option<Records> {
        let base = self.world.around.base.as_deref();
        let request = match row.as_ref().map(|row| party.made(&self.world.around, row)) {
            Ok(Ok(request)) => Some(request),
            Err(_) => None,
            Ok(Err((key, words))) => {
                let what = first_request(&party.plan, party.plan.method.to_string());
                let outcome = Outcome::Unmade(self.world.around.masked(&words));
                self.tell(key, what, outcome);
                return None;
            }
        };
        let url =
            request.as_ref().map_or_else(|| known_url(&party.plan.url, base), |request| Some(request.uri().clone()));
        let is_there = self.connect(party, url).await;
        let shown =
            request.as_ref().map_or_else(|| party.plan.method.to_string(), |request| self.world.around.shown(request));
        let is_socket = party.plan.stream.as_ref().is_some_and(StreamPlan::is_socket);
        let shown = if is_socket { shown.replacen(" http", " ws", 1) } else { shown };
        let what = first_request(&party.plan, shown);
        let changes = request.as_ref().and_then(changing).filter(|_| !self.world.around.options.sends);
        let left = match (row, request) {
            (Ok(row), Some(request)) if is_there && party.plan.stream.is_some() => {
                self.greet(party, what, &row, request).await;
                return None;
            }
            (Ok(row), Some(request)) if is_there && changes.is_none() => {
                return self.ask(party, what, &row, request).await;
            }
            _ if !is_there => "its server can't be reached".to_owned(),
            (Err(why), _) => why,
            _ => format!("{} may change something: --online=send sends it", changes.unwrap_or_default()),
        };
        self.tell(party.key.clone(), what, Outcome::Left(left));
        if is_there {
            self.token(party).await;
        }
        None
    }

    /// Connects to the server of a URL, and to that of tokens; whether all of them are there.
    pub(super) async fn connect(&mut self, party: &Party, url: Option<Uri>) -> bool {
        let tokens = party.plan.auth.as_ref().and_then(|auth| self.world.around.rendered(auth.url()?));
        let places = url.map(|url| (party.url_key(), url)).into_iter().chain(tokens.map(|url| (party.auth_key(), url)));
        let mut are_there = true;
        for (key, url) in places {
            let near = Near {
                key,
                limit: party.plan.timeout.connect,
                masker: &self.world.around.masker,
                demo: self.world.around.base.as_deref(),
            };
            let (told, is_there) = self.world.hosts.reach(&url, &party.plan.client, &party.ways, &near).await;
            self.told.push(told);
            are_there &= is_there;
        }
        are_there
    }

    /// Fetches a token, where one is fetched.
    pub(super) async fn token(&mut self, party: &Party) {
        if party.plan.auth.as_ref().is_none_or(|auth| auth.url().is_none()) {
            return;
        }
        let began = clock::now();
        let most = longest(&party.plan.timeout);
        let proved = tokio::time::timeout(most, self.world.around.prove(party)).await;
        let outcome = match proved {
            Ok(Ok(())) => Outcome::Fine(clock::now() - began),
            Ok(Err(words)) => Outcome::Failed(self.world.around.masked(&words)),
            Err(_) => Outcome::Failed(late(most)),
        };
        self.tell(party.auth_key(), What::Token(party.plan.name.clone()), outcome);
    }

    /// Opens the connection of a row and hangs up; a reply that opens none is judged.
    async fn greet(&mut self, party: &Party, what: What, row: &Arc<Row>, request: Request<RequestBody>) {
        let Some(stream) = &party.plan.stream else { return };
        let (handshake, opened, began) = (opening::handshake(stream), Notify::new(), clock::now());
        let dress = |mut request: Request<RequestBody>| {
            handshake.iter().for_each(|handshake| handshake.put(request.headers_mut()));
            request
        };
        let mut greeting = handshake.as_ref().map_or(Greeting::Events(&opened), Greeting::Socket);
        let around = &self.world.around;
        let replied = tokio::select! {
            replied = around.exchange_with(party, row, dress(request), (greeting.takers(), &dress)) => Some(replied),
            () = opened.notified() => None,
        };
        let is_open = match &replied {
            Some(Ok(Some(reply))) => reply.status == StatusCode::SWITCHING_PROTOCOLS,
            Some(Ok(None) | Err(_)) => false,
            None => true,
        };
        if is_open {
            return self.tell(party.key.clone(), what, Outcome::Fine(clock::now() - began));
        }
        if let (None, Some(Ok(Some(reply)))) = (&handshake, &replied)
            && reply.status == StatusCode::OK
        {
            let words = "the reply is no stream of events, which is text/event-stream";
            return self.tell(party.url_key(), what, Outcome::Failed(words.to_owned()));
        }
        self.judge(party, what, row, replied.unwrap_or(Ok(None)));
    }

    /// Sends the request of a row, and judges the reply. The records that it gives.
    async fn ask(
        &mut self,
        party: &Party,
        what: What,
        row: &Arc<Row>,
        request: Request<RequestBody>,
    ) -> Option<Records> {
        let replied = self.world.around.exchange(party, row, request).await;
        self.judge(party, what, row, replied)
    }

    /// Tells what came of a request. The records that its reply gives.
    fn judge(
        &mut self,
        party: &Party,
        what: What,
        row: &Arc<Row>,
        replied: Result<Option<Reply>, Failure>,
    ) -> Option<Records> {
        let (key, outcome) = match replied {
            Ok(Some(reply)) => {
                let judged = self.world.around.judge(party, row, &reply);
                let (status, took) = (status_words(reply.status), reply.timings.exchange());
                (party.key.clone(), Outcome::Replied { status, took, judged })
            }
            Ok(None) => (party.key.clone(), Outcome::Left(HELD.to_owned())),
            Err(failure) if failure.kind == FailureKind::Auth => {
                let outcome = Outcome::Failed(self.world.around.masked(&failure.message));
                self.tell(party.auth_key(), What::Token(party.plan.name.clone()), outcome);
                (party.key.clone(), Outcome::Left("nothing proves who asks".to_owned()))
            }
            Err(failure) => (party.url_key(), Outcome::Failed(self.world.around.masked(&failure.message))),
        };
        let records = match &outcome {
            Outcome::Replied { judged: Judged { verdict: Verdict::Accepted(records), .. }, .. } => {
                Some(records.clone())
            }
            Outcome::Replied { .. } | Outcome::Left(_) | Outcome::Failed(_) => None,
            Outcome::Reached(_) | Outcome::Fine(_) | Outcome::Unmade(_) | Outcome::Unopened(_) => None,
        };
        self.tell(key, what, outcome);
        records
    }
}

impl Party {
    /// The key of its URL.
    fn url_key(&self) -> KeyPath {
        let is_told = matches!(self.key.0.first(), Some(Step::Key(table)) if table == "notify");
        let keys = if is_told { &["webhook"] } else { self.plan.address_keys() };
        keys.iter().fold(self.key.clone(), |path, key| path.key(*key))
    }

    /// The key of what proves who asks.
    fn auth_key(&self) -> KeyPath {
        let auth = self.key.key("auth");
        self.plan.auth.as_ref().map_or(auth.clone(), |plan| auth.key(plan.kind()))
    }

    /// The request of a row whose reply could be saved, or the key of what can't be made of the row, and why. A run
    /// sends none without a place for the file.
    fn made(&self, around: &Around<'_>, row: &Row) -> Result<Request<RequestBody>, (KeyPath, String)> {
        let context = Context { row: Some(row), secrets: &around.secrets, reply: None, last: None };
        if let Some(save) = &self.plan.save {
            let place = save.place(&context);
            place.map_err(|why| {
                (self.key.key("save").key("path"), format!("the file to save to can't be named: {why}"))
            })?;
        }
        self.build(around, Some(row)).map_err(|failure| (self.url_key(), failure.message))
    }

    /// The request of a row, or the first page of its walk; without a row where none is needed.
    pub(super) fn build(&self, around: &Around<'_>, row: Option<&Row>) -> Result<Request<RequestBody>, Failure> {
        let context = Context { row, secrets: &around.secrets, reply: None, last: None };
        let mut request = self.request.first(&context, self.plan.paginate.as_deref())?;
        if let (Some(plan), Some(row)) = (&self.plan.idempotency, row) {
            let key = around.keys.key(&self.plan.name, &plan.content, row.ordinals(), 0);
            idempotency::put(plan, key, request.headers_mut());
        }
        Ok(request)
    }
}

fn first_request(endpoint: &EndpointPlan, request: String) -> What {
    What::Request { endpoint: endpoint.name.clone(), request }
}
