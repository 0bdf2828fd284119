//! `[sinks.NAME.webhook]`: records in batches to a URL, at least once and with a key that stays the same.
//!
//! Records wait in a spool and are posted from there, one request after the other in the order of their rows. Which bytes of
//! the spool a request covers is noted before it leaves (`note`), so that one that is sent again, also by another session,
//! has the same key and the same body. What sends it is the run's ([`Sender`]): transport, retries, auth and limits are
//! those of endpoints. Must never send two requests with one key and different bodies, nor count records as delivered
//! before the receiver has said so.

mod body;
mod note;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use self::body::BodyForm;
use self::note::Note;
use super::spooled::{self, Demands, Destination, Head, Lines, Load, Setback};
use super::{OnExisting, RowChoice, Sink, SinkError, SinkKind, SinkOpening, SinkRow, Start};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::spec::EndpointSpec;
use crate::spec::kind::AuthSpec;
use crate::spec::settings::{ClientSpec, RetrySpec, TimeoutSpec};
use crate::spec::text::{ListSpec, Named, TextSpec};

/// The row of [`super::KINDS`].
pub const KIND: SinkRow = SinkRow {
    name: "webhook",
    doc: "batches of records to a URL, at least once, each with a key that stays the same",
    example: "[sinks.out.webhook]\nurl = \"https://api.example.com/ingest\"\nbatch = 100\nauth.bearer = \"{{ secrets.ingest }}\"",
    endings: &[],
    schemes: &["https", "http", "demo"],
    tables: false,
    packs: false,
    schema: <WebhookSpec as JsonSchema>::json_schema,
    compile,
};

/// Most records in a request where the job does not say.
const BATCH: u32 = 100;

/// Keys that are not those of an endpoint.
const OWN: [&str; 2] = ["batch", "form"];

/// Keys of which the job's identity is made; the others are pace and patience.
const IDENTITY: [&str; 4] = ["url", "form", "headers", "auth"];

/// Keys of an endpoint that say nothing here, where one request follows another and each has a key, and why.
const IDLE: [(&str, &str, &str); 4] = [
    ("retry", "methods", "each request has a key that tells a repetition"),
    ("retry", "unknown", "each request has a key that tells a repetition, and is sent again"),
    ("retry", "budget", "one request follows the other"),
    ("timeout", "row", "a request is for many rows, and its records wait in the spool as long as it takes"),
];

/// Records in batches to a URL, at least once: each request has an `Idempotency-Key`, and one that is sent again has the
/// same key and the same body. Records of rows that are sent again (`--failed`) come behind those they had before, which
/// nobody takes back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "what endpoints have too is decided as theirs is; here it is for the schema")]
struct WebhookSpec {
    /// Where records are posted, a template over vars and secrets; `demo:/..` is the API built into the program.
    #[schemars(length(min = 1), extend("examples" = ["https://api.example.com/ingest"]))]
    url: String,
    /// Most records in one request.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 100))]
    batch: Option<NonZeroU32>,
    /// The body: one JSON array of records, or a record a line.
    #[schemars(extend("default" = "json"))]
    form: Option<BodyForm>,
    /// Headers; values are templates over vars and secrets.
    #[schemars(extend("examples" = [{ "x-team": "prices" }]))]
    headers: Option<Named<TextSpec>>,
    /// What proves who asks.
    auth: Option<AuthSpec>,
    /// Names of limits; a request takes a token of each. Absent: none is shared.
    #[schemars(extend("examples" = ["prices-api"]))]
    limit: Option<ListSpec<String>>,
    /// What is tried again, how often and when; over the top level, key by key. When all attempts failed, records wait in
    /// the state folder and are tried again, for 15 minutes before the run stops.
    retry: Option<RetrySpec>,
    /// How long things may take; over the top level, key by key.
    timeout: Option<TimeoutSpec>,
    /// Connections and what is common to every request; over the top level, key by key.
    client: Option<ClientSpec>,
}

fn compile(
    site: &mut Site<'_>,
    path: &KeyPath,
    value: &Value,
    on_existing: Option<OnExisting>,
) -> Option<Arc<dyn SinkKind>> {
    if on_existing.is_some() {
        let mut beside = path.clone();
        beside.0.pop();
        let message = "`on-existing` has no effect on a webhook: what was sent stays sent";
        site.error(codes::NO_EFFECT, &beside.key("on-existing"), message, "leave it out");
    }
    match decide(value) {
        Ok(plan) => {
            idle(site, path);
            Some(Arc::new(plan))
        }
        Err(error) => {
            let message = format!("this sink is not right: {error}");
            site.error(codes::BAD_VALUE, path, message, "for example `url = \"https://api.example.com/ingest\"`");
            None
        }
    }
}

fn idle(site: &mut Site<'_>, path: &KeyPath) {
    for (group, key, why) in IDLE {
        let here = path.key(group).key(key);
        if site.document.get(&here).is_some() {
            let message = format!("`{here}` has no effect: {why}");
            site.warning(codes::NO_EFFECT, &here, message, "take it out");
        }
    }
}

fn decide(value: &Value) -> Result<WebhookPlan, serde_json::Error> {
    let WebhookSpec { url, batch, form, .. } = WebhookSpec::deserialize(value)?;
    let mut sends = json!({ "method": "POST", "input": { "values": [{}] }, "idempotency-key": true });
    if let (Some(sends), Some(written)) = (sends.as_object_mut(), value.as_object()) {
        let shared = written.iter().filter(|(key, _)| !OWN.contains(&key.as_str()));
        sends.extend(shared.map(|(key, value)| (key.clone(), value.clone())));
    }
    let batch = batch.map_or(BATCH, NonZeroU32::get) as usize;
    let (form, sends) = (form.unwrap_or_default(), Box::new(EndpointSpec::deserialize(sends)?));
    Ok(WebhookPlan { url, batch, form, sends, identity: identity(value) })
}

/// What of a webhook's table a run can't be gone on with when it changes.
fn identity(value: &Value) -> String {
    let keys = IDENTITY.iter().filter_map(|key| value.get(key).map(|value| ((*key).to_owned(), value.clone())));
    format!("{} {}", KIND.name, Value::Object(keys.collect()))
}

/// Where records are posted, decided; the request itself is decided as an endpoint's.
#[derive(Debug)]
struct WebhookPlan {
    /// As written in the job.
    url: String,
    batch: usize,
    form: BodyForm,
    sends: Box<EndpointSpec>,
    identity: String,
}

impl SinkKind for WebhookPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let records = if self.batch == 1 { "record" } else { "records" };
        format!("{} (webhook, {} {records} at most in a request, {})", self.url, self.batch, self.form.words())
    }

    fn path(&self) -> Option<&Path> {
        None
    }

    fn target(&self) -> String {
        self.url.clone()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    /// A record that was sent is not taken back when its row is sent again.
    fn default_rows(&self) -> RowChoice {
        RowChoice::Ok
    }

    fn sends(&self) -> Option<&EndpointSpec> {
        Some(&self.sends)
    }

    fn is_spooled(&self) -> bool {
        true
    }

    /// Nobody is asked before a run, and what was sent before is in nobody's way.
    fn survey(&self) -> Result<(), SinkError> {
        Ok(())
    }

    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError> {
        let path = spooled::note(opening);
        let note = match opening.start {
            Start::New => Note::begin(path)?,
            Start::Resume(_) => Note::resume(path)?,
        };
        let have = note.state().from;
        let (batch, form) = (self.batch, self.form);
        let receiver = Receiver { url: self.url.clone(), batch, form, note, sender: None };
        // JSON holds every value.
        let demands = Demands { takes: |_, _| true, refuses: |_| None };
        spooled::open(opening, demands, &[], Box::new(receiver), Some(have))
    }
}

/// A request's worth of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Bytes of the spool that it covers; with run and sink they decide its key.
    pub bytes: (u64, u64),
    /// What else decides its body: a body of another form has another key.
    pub form: &'static str,
    /// The content type, where the job names none.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// Why a parcel did not arrive, masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// It may arrive later as it is.
    Away(String),
    /// It never will, before somebody mends something.
    Refused(String),
    /// The same, and the receiver has surely not taken it: what it holds may be sent in another request.
    Declined(String),
}

/// Sends parcels. Blocking: lives on the courier's thread.
pub trait Sender: Send {
    /// Sends one until the receiver has answered that it has it, or all attempts have failed.
    ///
    /// # Errors
    /// When it did not arrive, as far as anybody knows.
    fn send(&mut self, parcel: &Parcel) -> Result<(), Undelivered>;
}

/// The receiver as the courier sees it.
struct Receiver {
    url: String,
    batch: usize,
    form: BodyForm,
    note: Note,
    sender: Option<Box<dyn Sender>>,
}

impl Receiver {
    /// Sends a parcel; `is_first` where no session before may have sent it.
    fn send(&mut self, parcel: &Parcel, records: u64, is_first: bool) -> Result<(), Setback> {
        let first = self.note.state().records + 1;
        let which = match records {
            1 => format!("record {first}"),
            _ => format!("records {first} to {}", first + records - 1),
        };
        let Some(sender) = &mut self.sender else {
            return Err(Setback::Refused("nothing sends its requests; this is a bug of paceline".to_owned()));
        };
        let refused = |words: &str| Setback::Refused(format!("{words} ({which} of this sink)"));
        let setback = match sender.send(parcel) {
            Ok(()) => return Ok(()),
            Err(Undelivered::Away(words)) => Setback::Away(words),
            Err(Undelivered::Refused(words)) => refused(&words),
            Err(Undelivered::Declined(words)) => {
                if is_first {
                    self.note.declined().map_err(unnoted)?;
                }
                refused(&words)
            }
        };
        Err(setback.map(|words| format!("{}: {words}", self.url)))
    }
}

impl Destination for Receiver {
    fn equip(&mut self, sender: Box<dyn Sender>) {
        self.sender = Some(sender);
    }

    /// Nobody is asked: the note knows what the receiver has said.
    fn reach(&mut self, _: &Head) -> Result<u64, Setback> {
        Ok(self.note.state().from)
    }

    fn load(&self) -> Load {
        Load { lines: self.batch, ..Load::default() }
    }

    fn begun(&self) -> Option<u64> {
        self.note.state().begun()
    }

    fn deliver(&mut self, head: &Head, from: u64, to: u64, lines: &mut Lines<'_>) -> Result<u64, Setback> {
        let begun = self.note.state().begun();
        if let Some(other) = begun.filter(|begun| *begun != to) {
            return Err(Setback::Refused(format!(
                "a request up to byte {other} of the spool was begun, and the spool ends before it: it was brought back from \
                 a backup; begin a new run with --fresh"
            )));
        }
        let (body, records) = self.form.body(head, lines)?;
        if records > 0 {
            if begun.is_none() {
                self.note.send(to).map_err(unnoted)?;
            }
            let (form, content_type) = (self.form.words(), self.form.content_type());
            self.send(&Parcel { bytes: (from, to), form, content_type, body: body.into() }, records, begun.is_none())?;
        }
        self.note.sent(to, records).map_err(unnoted)?;
        Ok(0)
    }
}

fn unnoted(error: SinkError) -> Setback {
    Setback::Refused(error.message)
}
