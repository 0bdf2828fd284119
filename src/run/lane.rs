//! A lane: one endpoint at work, with all that its workers share.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::Request;
use serde_json::{Map, Value};

use crate::auth::Auth;
use crate::event::{Allowance, Event};
use crate::extract::Wanted;
use crate::journal::Intents;
use crate::plan::request::RequestPlan;
use crate::plan::stop_if::Ended;
use crate::plan::{EndpointPlan, Meta, Plan};
use crate::record::{Ending, Outcome};
use crate::retry::{Failure, FailureKind};
use crate::row::Row;
use crate::save::{Saver, Saves};
use crate::secret::{Masker, Secrets};
use crate::template::Context;
use crate::transport::{Reply, RequestBody, Transport, socket};

use super::chain::{Chain, Chains};
use super::control::Control;
use super::idempotency::{self, Keys};
use super::limits::AllLimits;
use super::live::{self, Counted, Live, Raised};
use super::mailbox::Mailbox;
use super::meter::Meter;
use super::notes::Notes;
use super::pacing::Pacing;
use super::queue::{Queue, Standing};
use super::recap::Chronicle;
use super::sending::Way;
use super::stops::Stops;
use super::taking::Limits;
use super::walk::Page;

/// What all lanes of a run share.
#[derive(Debug)]
pub struct Shared {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Id of the run; the same over resumes.
    pub run: String,
    /// Its idempotency keys.
    pub keys: Keys,
    /// Every limit.
    pub buckets: AllLimits,
    /// Live secrets.
    pub secrets: Secrets,
    /// Keeps secrets out of texts.
    pub masker: Masker,
    /// Keeps secrets that a server says back out of records.
    pub record_masker: Masker,
    /// To the scribe.
    pub outbox: Mailbox<Vec<Outcome>>,
    /// Counters for reporters.
    pub live: Live,
    /// Latencies, statuses, reasons.
    pub meter: Meter,
    /// What the recap is made of.
    pub chronicle: Chronicle,
    /// What stops the run.
    pub stops: Stops,
    /// To the conductor.
    pub control: Control,
    /// What is saved to files, and waits for the next commit.
    pub saves: Arc<Saves>,
    /// Notes requests that must not be repeated; `None`: no endpoint has such.
    pub intents: Option<Arc<Intents>>,
    /// Records of endpoints on their way to others.
    pub chains: Chains,
}

/// See the module.
pub struct Lane {
    /// Position of the endpoint in the plan.
    pub index: usize,
    /// Workers.
    pub slots: usize,
    /// What a hand allows.
    pub hand: Hand,
    /// Prepared requests.
    pub request: RequestPlan,
    /// An auth that works while the run goes on: it fetches, or signs.
    pub auth: Option<Arc<dyn Auth>>,
    /// Connections.
    pub transport: Arc<dyn Transport>,
    /// What requests take tokens from.
    pub limits: Limits,
    /// What frames that are sent over its sockets take tokens from; `None`: nothing.
    pub frames: Option<Limits>,
    /// What else its calls wait for.
    pub pacing: Pacing,
    /// Where requests that must not be repeated are noted; `None`: all may be.
    pub notes: Option<Notes>,
    /// Calls.
    pub queue: Queue,
    /// What the columns want of a JSON body; `None`: the body need not be JSON.
    pub wanted: Option<Wanted>,
    /// Whether rules or assertions look at a JSON body, which need not be JSON for them.
    pub judges_json: bool,
    /// What attempts save with; `None`: bodies are not saved.
    pub saver: Option<Arc<Saver>>,
    /// Whether columns need a body.
    pub needs_body: bool,
    /// Whether columns need one that is text.
    pub needs_utf8: bool,
    /// Whether anything reads the body as text.
    pub reads_body: bool,
    /// Whether the job asks for a part of a body, so that 206 is an answer.
    pub asks_part: bool,
    /// Whether columns see `meta`.
    pub needs_meta: bool,
    /// What the lanes share.
    pub shared: Arc<Shared>,
}

/// How many calls at work a hand allows. Held while that is given to the queue, so that no number that was found comes
/// there behind a newer one.
#[derive(Debug)]
pub struct Hand(Mutex<Held>);

#[derive(Debug)]
struct Held {
    /// As many as there are slots where no hand has lowered that.
    calls: usize,
    /// What was told last.
    told: Option<usize>,
}

impl Hand {
    /// One that lowers nothing.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self(Mutex::new(Held { calls: slots, told: None }))
    }
}

/// What is known of a call's last attempt, for its meta columns.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastAttempt<'a> {
    /// The reply, if there was one.
    pub reply: Option<&'a Reply>,
    /// The status that the server gave, also where no whole reply came of it.
    pub status: Option<u16>,
    /// Milliseconds on the wire; `None` when it never got there.
    pub duration_ms: Option<f64>,
    /// What the columns want of the reply's JSON body; the whole body where `body` is a meta column.
    pub json: Option<&'a Value>,
    /// Why the row failed, masked.
    pub error: Option<&'a str>,
    /// What failed, where that is known.
    pub kind: Option<FailureKind>,
    /// Attempts made.
    pub attempts: u32,
    /// Number of the page in its walk, from zero; `None`: it is no walk.
    pub page: Option<u64>,
    /// Number of the message in its row, from one; `None`: it is no message.
    pub message: Option<u64>,
    /// Type of the event, and the last id that there was; `None`: it is no event.
    pub event: Option<(&'a str, Option<&'a str>)>,
    /// Code, if there was one, and reason with which the server closed; `None`: it did not.
    pub close: Option<(Option<u16>, &'a str)>,
    /// Whether the body is that of a binary message.
    pub is_binary: bool,
    /// Where the body is saved.
    pub saved: Option<&'a str>,
    /// Whether nobody knows what the server did with the request.
    pub unknown: bool,
}

impl Lane {
    /// The endpoint's plan.
    #[must_use]
    pub fn plan(&self) -> &EndpointPlan {
        &self.shared.plan.endpoints[self.index]
    }

    /// The endpoint's counters.
    #[must_use]
    pub fn live(&self) -> &live::Lane {
        &self.shared.live.lanes[self.index]
    }

    /// The value of a meta column.
    #[must_use]
    pub fn meta(&self, meta: Meta, row: &Row, last: &LastAttempt<'_>) -> Value {
        match meta {
            Meta::Status => last.status.map_or(Value::Null, Value::from),
            Meta::Attempts => Value::from(last.attempts),
            Meta::DurationMs => last.duration_ms.map_or(Value::Null, Value::from),
            Meta::Error => last.error.map_or(Value::Null, Value::from),
            Meta::Url => last.reply.map_or(Value::Null, |reply| {
                let url = socket::written(&reply.url);
                let shown = self.plan().stream.as_ref().map(|stream| stream.shown(&url).into_owned());
                Value::from(self.shared.masker.mask(&shown.unwrap_or(url)))
            }),
            Meta::ReceivedAt => last.reply.map_or(Value::Null, |_| Value::from(crate::clock::timestamp())),
            Meta::Row => Value::from(row.ordinal + 1),
            Meta::Page => last.page.map_or(Value::Null, |page| Value::from(page + 1)),
            Meta::Endpoint => Value::from(self.plan().name.as_str()),
            Meta::Body => body(last),
            Meta::Saved => last.saved.map_or(Value::Null, Value::from),
            Meta::Message => last.message.map_or(Value::Null, Value::from),
            Meta::Event => last.event.map_or(Value::Null, |(kind, _)| Value::from(kind)),
            Meta::EventId => last.event.and_then(|(_, id)| id).map_or(Value::Null, Value::from),
        }
    }

    /// Every meta value that templates see.
    #[must_use]
    pub fn meta_object(&self, row: &Row, last: &LastAttempt<'_>) -> Map<String, Value> {
        const SEEN: [Meta; 8] = [
            Meta::Status,
            Meta::Attempts,
            Meta::DurationMs,
            Meta::Url,
            Meta::ReceivedAt,
            Meta::Row,
            Meta::Page,
            Meta::Endpoint,
        ];
        let saved = self.saver.is_some().then_some(Meta::Saved);
        let own: &[Meta] =
            if self.plan().stream.is_some() { &[Meta::Message, Meta::Event, Meta::EventId] } else { &[] };
        let seen = SEEN.iter().chain(&saved).chain(own);
        let mut object: Map<_, _> = seen.map(|meta| (meta.name().to_owned(), self.meta(*meta, row, last))).collect();
        if self.plan().stream.is_some() {
            object.insert(
                "close_code".to_owned(),
                last.close.map_or(Value::Null, |(code, _)| Value::from(code.unwrap_or(1005))),
            );
            object.insert("close_reason".to_owned(), last.close.map_or(Value::Null, |(_, reason)| Value::from(reason)));
        }
        object
    }

    /// What its requests go by.
    pub(super) fn way(&self) -> Way<'_> {
        let (plan, control) = (self.plan(), &self.shared.control);
        Way { plan, auth: self.auth.as_deref(), transport: &*self.transport, control }
    }

    /// The request of a row, or of a page of it, with the key that tells a repetition of it.
    ///
    /// # Errors
    /// When the row gives no request that could be sent.
    pub fn build(&self, context: &Context<'_>, page: Option<&Page>) -> Result<Request<RequestBody>, Failure> {
        let walk = page.and_then(|page| Some((self.plan().paginate.as_deref()?, &page.position)));
        let mut request = self.request.at(context, walk)?;
        if let (Some(plan), Some(row)) = (&self.plan().idempotency, context.row) {
            let page = page.map_or(0, |page| page.number);
            let key = self.shared.keys.key(&self.plan().name, &plan.content, row.ordinals(), page);
            idempotency::put(plan, key, request.headers_mut());
        }
        Ok(request)
    }

    /// Tells what does not add up in the replies to a row: nothing is cut short in silence.
    pub fn doubt(&self, row: u64, words: &str) {
        let endpoint = &self.plan().name;
        self.shared.meter.doubted(&format!("endpoints.{endpoint}: {words}"), row);
        let message = format!("endpoints.{endpoint}, row {}: {words}", row + 1);
        self.shared.control.tell(Event::Warning { message });
    }

    /// As [`Lane::doubt`], of what may be odd in every reply: told with the first row, then only counted.
    pub fn doubt_once(&self, row: u64, words: &str) {
        let words = format!("endpoints.{}: {words}", self.plan().name);
        if self.shared.meter.doubted(&words, row) {
            let message = format!("{words} (row {}; how many there are is told at the end)", row + 1);
            self.shared.control.tell(Event::Warning { message });
        }
    }

    /// Lets as many calls be at work as were found to be good, or as there are slots; no more than a hand allows.
    pub fn allow(&self) {
        let hand = self.hand.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.allow_at_most(hand.calls);
    }

    /// Only with the hand held.
    fn allow_at_most(&self, most: usize) {
        let found = self.pacing.allowed();
        let calls = found.unwrap_or(self.slots).min(most);
        // Stays 0 where nothing is found.
        if found.is_some() {
            self.live().allowed.store(calls as u64, Ordering::Relaxed);
        }
        self.queue.allow(calls);
    }

    /// A hand allows more calls, or fewer: how many, and whether that is news. `None`: there is no work left.
    pub fn by_hand(&self, more: bool) -> Option<(Allowance, bool)> {
        let mut hand = self.hand.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Standing { allowed, over, .. } = self.queue.standing();
        if over {
            return None;
        }
        hand.calls = if more { step_up(hand.calls).min(self.slots) } else { step_down(hand.calls.min(allowed)) };
        let calls = hand.calls;
        self.allow_at_most(calls);
        self.live().by_hand.store(if calls < self.slots { calls as u64 } else { 0 }, Ordering::Relaxed);
        let is_news = hand.told.replace(calls) != Some(calls);
        let endpoint = self.plan().name.clone();
        Some((Allowance { endpoint, requests: calls as u64, most: self.slots as u64 }, is_news))
    }

    /// The row, or the rows of a chunk, may be sent again although their request was noted.
    pub fn forget_note(&self, row: &Arc<Row>) {
        if let Some(notes) = &self.notes {
            row.members().iter().for_each(|row| notes.clear(row.ordinal));
        }
    }

    /// A walk of many pages waits between two of them for those who read its records, as new rows do.
    async fn hold_back(&self, chain: Option<&Arc<Chain>>) {
        if let Some(chain) = chain {
            tokio::select! {
                () = self.shared.control.drained() => {}
                () = chain.room() => {}
            }
        }
    }

    /// Hands the outcomes of a call to the scribe, together, and counts them. Waits while the scribe is behind.
    /// `unauthorized`: it failed because the server does not know who asks.
    pub async fn deliver(&self, outcomes: Vec<Outcome>, unauthorized: bool) {
        let Some((first, rest)) = outcomes.split_first() else { return };
        let chain = self.shared.chains.of(self.index);
        if let Some(chain) = chain {
            chain.gave(outcomes.iter().map(|outcome| outcome.records.len() as u64).sum());
        }
        let ended = |outcome: &Outcome| Ended {
            ending: outcome.ending,
            unauthorized,
            attempts: outcome.attempts,
            was_ok: false,
        };
        let (first, rest) = (ended(first), rest.iter().map(ended).collect::<Vec<_>>());
        let delivering = Raised::new(&self.live().delivering);
        // Before they arrive: the scribe may find that an ok row has failed.
        let counted = Counted::new(self.live(), std::iter::once(&first).chain(&rest).map(|ended| ended.ending));
        // A closed outbox means that the scribe has failed and the run ends: the rows have not ended.
        let arrived = self.shared.outbox.push(outcomes).await.is_ok();
        drop(delivering);
        if !arrived {
            return;
        }
        counted.keep();
        for ended in std::iter::once(first).chain(rest) {
            match ended.ending {
                Ending::Page => self.hold_back(chain).await,
                Ending::Ok | Ending::Skipped | Ending::Failed => self.shared.stops.note(&ended, &self.shared),
            }
        }
    }
}

/// One more below ten, above it a tenth more.
fn step_up(calls: usize) -> usize {
    calls + (calls / 10).max(1)
}

/// One fewer up to ten, above it about a tenth fewer; never none.
fn step_down(calls: usize) -> usize {
    (calls - (calls / 10).max(1).min(calls)).max(1)
}

/// What outcomes that arrive together weigh in the outbox: their records, or themselves where they have none.
#[must_use]
pub fn weight(outcomes: &[Outcome]) -> usize {
    outcomes.iter().map(|outcome| outcome.records.len().max(1)).sum()
}

/// The body as a cell: JSON as it is, anything else as text.
fn body(last: &LastAttempt<'_>) -> Value {
    if let Some(json) = last.json {
        return json.clone();
    }
    let Some(reply) = last.reply else { return Value::Null };
    if last.is_binary {
        return Value::from(BASE64_STANDARD.encode(&reply.body));
    }
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&reply.body)))
}
