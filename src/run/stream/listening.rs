//! A connection that is listened to: messages become records, records go out, and something ends it.
//!
//! Must never note a message whose records are not on their way with the note, nor deliver anything behind what was
//! lost on its way.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};

use crate::clock::{self, Instant};
use crate::hints;
use crate::journal::{StreamNote, WalkNote};
use crate::plan::{RulePlan, StreamPlan};
use crate::record::{Ending, Outcome, Record};
use crate::retry::{Failure, Then};
use crate::transport::{Reply, Timings};

use super::super::call::Call;
use super::super::ending;
use super::super::gate::LaneGate;
use super::super::lane::Lane;
use super::super::live;
use super::super::outages::Leave;
use super::super::reading::{self, Taken};
use super::super::tried::{Spoken, Tried};
use super::super::weather;
use super::heard::{Clocks, Heard, Ring};

/// Records that go to the scribe together at the most.
const MOST_TOGETHER: usize = 256;

/// Bytes of messages whose records do.
const MOST_BYTES: usize = 1 << 20;

/// What is said of an id that can't stand in the journal.
const SECRET_ID: &str =
    "an id of an event holds what is a secret of this job, and is not kept: another session asks without it";

/// Why a connection is over.
#[derive(Debug)]
pub(in super::super) enum Over<'l> {
    /// The row has all that it wants.
    Enough,
    /// The run drains; the row goes on in another session.
    Drained,
    /// The server has closed the socket in order.
    Closed {
        /// Its code.
        code: Option<u16>,
        /// Its words.
        reason: String,
    },
    /// The server has ended the stream of events in order.
    Ended,
    /// The connection broke.
    Broken(Failure),
    /// A message can't be read, or a frame can't be made: the same would come again.
    Unfit(Failure),
    /// A rule has the last word; its position, and what it is about.
    Ruled(usize, &'l RulePlan, String),
}

/// What is left of a connection.
pub(in super::super) struct Left<'l> {
    /// What the row has heard.
    pub heard: Heard,
    /// Why it is over; `None`: it was never open.
    pub over: Option<Over<'l>>,
    /// Whether a message was taken.
    pub was_taken: bool,
    /// Leave to ask its host, where nobody has told yet whether that is there.
    pub leave: Option<Leave<'l>>,
    /// Records that have not gone out, and what is to be noted with them; `None`: nothing, or it must not.
    pub rest: Option<Outcome>,
}

/// See the module.
pub(in super::super) struct Listening<'l, 'c> {
    pub lane: &'l Lane,
    pub call: &'c Call,
    pub plan: &'l StreamPlan,
    pub heard: Heard,
    pub clocks: Clocks,
    pub over: Option<Over<'l>>,
    /// The reply that messages come behind.
    tried: Tried<'l>,
    leave: Option<Leave<'l>>,
    records: Vec<Record>,
    /// Bytes of the messages that they were made of.
    bytes: usize,
    /// Messages that the scribe knows of.
    noted: u64,
    was_taken: bool,
    /// Whether something was on its way to the scribe when this was dropped: it may be lost.
    in_hand: bool,
}

impl<'l, 'c> Listening<'l, 'c> {
    /// Of a connection that is not open yet.
    pub fn new(lane: &'l Lane, call: &'c Call, plan: &'l StreamPlan, leave: Leave<'l>) -> Self {
        let heard = call.heard.as_deref().cloned().unwrap_or_default();
        let noted = heard.note.messages;
        let tried = Tried::not(Failure::unsent(crate::retry::FailureKind::Closed, "not open"));
        let clocks = Clocks::start(clock::now());
        Self {
            lane,
            call,
            plan,
            heard,
            clocks,
            over: None,
            tried,
            leave: Some(leave),
            records: Vec::new(),
            bytes: 0,
            noted,
            was_taken: false,
            in_hand: false,
        }
    }

    /// The connection is open: this is what messages come behind. What its head says of limits holds from now on, and not
    /// once it is over.
    pub fn open(&mut self, gate: &LaneGate<'_>, status: StatusCode, headers: HeaderMap, url: Uri) {
        let now = clock::now();
        self.heard.began.get_or_insert(now);
        self.clocks = Clocks { opened: Some(now), ..Clocks::start(now) };
        gate.opened();
        self.lane.pacing.let_through();
        let hints = hints::read(&headers, clock::wall());
        let timings = Timings::default();
        self.tried = Tried {
            hints,
            left: gate.passed().map(|passed| (passed, gate.in_flight())),
            taken: Cow::Owned(gate.taken().into_owned()),
            ..Tried::behind(Reply { status, headers, body: Bytes::new(), url, timings })
        };
        weather::learn(self.lane, &self.tried);
    }

    /// Its host is there: it has spoken, or has not closed for a while.
    pub fn stands(&mut self) {
        self.clocks.opened = None;
        if let Some(leave) = self.leave.take() {
            weather::answered(self.lane, leave);
        }
    }

    /// The head that messages came behind; `None`: it was never open.
    pub fn head(&self) -> Option<Reply> {
        self.tried.reply.as_ref().ok().map(|reply| Reply { body: Bytes::new(), ..reply.clone() })
    }

    /// When the next thing is due that is not a message.
    pub fn ring(&self, heartbeat: Option<crate::plan::HeartbeatPlan>) -> Option<(Instant, Ring)> {
        self.clocks.next(&self.plan.until, self.heard.time_over(&self.plan.until), heartbeat)
    }

    /// Takes a message.
    pub fn hear(&mut self, body: Bytes, spoken: Spoken) -> Result<(), Over<'l>> {
        let (now, before) = (clock::now(), self.clocks.heard);
        self.clocks.alive(now);
        self.clocks.heard = now;
        self.stands();
        // Who speaks lets others through, however long the connection stands.
        self.lane.pacing.let_through();
        self.bytes += body.len();
        let number = self.heard.note.messages + 1;
        let spoken = Spoken { number: Some(number), ..spoken };
        // The last id that there was, also where that is none any more.
        if let Some((_, id)) = &spoken.event {
            self.heard.note.id.clone_from(id);
        }
        if let Ok(reply) = &mut self.tried.reply {
            reply.body = body;
        }
        self.tried.spoken = Some(spoken);
        let taken = super::super::worker::aside(self.lane, || reading::read(self.lane, self.call, &self.tried));
        match taken {
            Ok(Taken::Records(taken)) => {
                self.take(taken);
                Ok(())
            }
            // What is left out breaks no silence.
            Ok(Taken::Ruled(_, rule)) if rule.then == Then::Skip => {
                self.clocks.heard = before;
                Ok(())
            }
            Ok(Taken::Ruled(position, rule)) => Err(Over::Ruled(position, rule, format!("message {number}"))),
            Err(failure) => {
                Err(Over::Unfit(Failure { message: format!("message {number}: {}", failure.message), ..failure }))
            }
        }
        .and_then(|()| if self.is_enough() { Err(Over::Enough) } else { Ok(()) })
    }

    fn is_enough(&self) -> bool {
        self.heard.is_full(&self.plan.until)
            || self.tried.spoken.as_ref().is_some_and(|spoken| spoken.is_last.load(Ordering::Relaxed))
    }

    fn take(&mut self, taken: ending::Yield) {
        self.heard.note.messages += 1;
        self.was_taken = true;
        live::raise(&self.lane.live().messages);
        self.records.extend(taken.records.into_iter().map(|(_, record)| record));
        self.clocks.waiting.get_or_insert(self.clocks.heard);
    }

    /// What a rule says of the end that the server has given, or nobody has.
    pub fn closing(&mut self, code: Option<u16>, reason: &str) -> Option<Over<'l>> {
        if let Ok(reply) = &mut self.tried.reply {
            reply.body = Bytes::new();
        }
        self.tried.spoken = Some(Spoken { close: Some((code, reason.to_owned())), ..Spoken::default() });
        match reading::of_end(self.lane, self.call, &self.tried) {
            Ok(None) => None,
            Ok(Some((position, rule))) => {
                Some(Over::Ruled(position, rule, format!("closed with {}", crate::websocket::close::words(code))))
            }
            Err(failure) => Some(Over::Unfit(failure)),
        }
    }

    /// Counts how a server has closed.
    pub fn count_close(&self, code: u16) {
        self.lane.shared.meter.closed(self.lane.index, code);
    }

    /// Hands records to the scribe where there are enough of them. Waits while it is behind, and reads nothing meanwhile.
    pub async fn deliver_many(&mut self) {
        if self.records.len() >= MOST_TOGETHER || self.bytes >= MOST_BYTES {
            self.deliver().await;
        }
    }

    /// Hands what there is to the scribe.
    pub async fn deliver(&mut self) {
        self.clocks.waiting = None;
        let Some(outcome) = self.rest() else { return };
        let began = clock::now();
        self.in_hand = true;
        self.lane.deliver(vec![outcome], false).await;
        self.in_hand = false;
        self.clocks.pass_over(began, clock::now());
    }

    /// What has not gone out.
    fn rest(&mut self) -> Option<Outcome> {
        if self.noted == self.heard.note.messages {
            return None;
        }
        self.noted = self.heard.note.messages;
        self.bytes = 0;
        let (lane, row) = (self.lane, &self.call.row);
        if let (true, Some(record)) = (self.plan.uses_last, self.records.last()) {
            self.heard.note.last = Some(lane.plan().layout.object(record));
        }
        let note = WalkNote::of_stream(lane.index, row.ordinal, self.journaled());
        let mut outcome = ending::empty(lane, self.call).into_iter().next()?;
        (outcome.ending, outcome.walk, outcome.attempts) = (Ending::Page, Some(note), 0);
        outcome.records = std::mem::take(&mut self.records);
        Some(outcome)
    }

    /// What the journal may have of it: an id that says a secret back is none.
    fn journaled(&self) -> StreamNote {
        let mut note = self.heard.note.clone();
        if note.id.as_ref().is_some_and(|id| *self.lane.shared.masker.mask(id) != **id) {
            note.id = None;
            self.lane.doubt_once(self.call.row.ordinal, SECRET_ID);
        }
        note
    }

    /// What is left of it.
    pub fn into_left(mut self) -> Left<'l> {
        let rest = if self.in_hand { None } else { self.rest() };
        let Self { heard, over, was_taken, leave, .. } = self;
        Left { heard, over, was_taken, leave, rest }
    }

    /// The row.
    pub fn row(&self) -> &'c Arc<crate::row::Row> {
        &self.call.row
    }
}
