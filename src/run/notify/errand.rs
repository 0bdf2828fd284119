//! One notification: its attempts, until somebody has it or it is given up.
//!
//! Verdicts, waits and what counts as an answer are those of a sink's requests. Must never take longer than `ALTOGETHER`, nor
//! take any reply but a whole 2xx for a yes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Uri};
use tokio::sync::watch;

use super::Around;
use crate::auth::Auth;
use crate::clock;
use crate::compile::notify::{ALTOGETHER, place};
use crate::hints;
use crate::limit::{Buckets, LimitPlan};
use crate::plan::EndpointPlan;
use crate::plan::request::{DEMO, RequestPlan};
use crate::random;
use crate::report::text::clean;
use crate::retry::{Attempt, Attempted, Failure, Verdict, verdict};
use crate::row::Row;
use crate::run::auths::Auths;
use crate::run::control::{self, Control};
use crate::run::gate::LaneGate;
use crate::run::idempotency::{self, Keys};
use crate::run::live;
use crate::run::sending::{self, Takers, Way};
use crate::run::taking::Limits;
use crate::run::worker::status_words;
use crate::template::Context;
use crate::transport::{self, Opening, Reply, RequestBody, Transport};

/// Bytes of a reply that are looked at for its first words.
const LOOKED_AT: usize = 1 << 16;

/// Most characters of a reply that are told.
const SHOWN: usize = 200;

/// A path that is shorter is no secret of its own: it would be masked where nobody means it.
const SHORTEST_PATH: usize = 6;

/// One notification on its way.
pub(super) struct Errand {
    pub position: usize,
    pub around: Arc<Around>,
    /// The values of `run`.
    pub row: Arc<Row>,
    /// What stands for `demo:`.
    pub base: Option<String>,
}

/// What its requests are made and sent with.
struct Means {
    request: RequestPlan,
    transport: Arc<dyn Transport>,
    auth: Option<Arc<dyn Auth>>,
    control: Control,
    limits: Limits,
    /// The same for every attempt.
    key: String,
}

/// An attempt that did not do, and how long to wait before the next; `None`: there is none.
struct Missed {
    words: String,
    wait: Option<Duration>,
}

impl Errand {
    /// Sends it until it is taken, given up or stopped.
    pub async fn run(&self, mut stopped: watch::Receiver<bool>) -> Result<(), String> {
        // Without the other end of the line everything would stop at once.
        let (control, _desk) = control::line();
        let means = self.open(control).map_err(|words| self.masked(&words))?;
        let host = self.host(&means);
        let told =
            |words: &str| format!("{}{words}", host.as_ref().map(|host| format!("{host}: ")).unwrap_or_default());
        let interrupted = async { stopped.wait_for(|stopped| *stopped).await.is_ok() };
        tokio::select! {
            biased;
            sent = self.attempts(&means) => sent.map_err(|words| told(&words)),
            true = interrupted => Err(told("interrupted before there was an answer")),
            () = tokio::time::sleep(ALTOGETHER) => {
                Err(told(&format!("there was no answer within {}", clock::human(ALTOGETHER))))
            }
        }
    }

    fn plan(&self) -> &EndpointPlan {
        &self.around.plans[self.position].sends
    }

    fn context(&self) -> Context<'_> {
        Context { row: Some(&self.row), secrets: &self.around.secrets, reply: None, last: None }
    }

    fn open(&self, control: Control) -> Result<Means, String> {
        let Around { secrets, masker, .. } = &*self.around;
        let (plan, demo) = (self.plan(), self.base.as_deref());
        let opening = Opening { needs_tls: plan.needs_tls(), secrets, masker, demo };
        let transport = transport::open(&plan.client, &opening).map_err(|error| error.message)?;
        let auth = Auths::default().open((secrets, masker), (&place(self.position), plan), demo)?;
        let request = RequestPlan::new(plan, demo).map_err(|failure| unmade(&failure))?;
        // Limits of the job are for its rows; this one only takes a server's word.
        let own = LimitPlan::new(plan.name.clone(), Vec::new(), NonZeroU32::MIN);
        let limits = Limits::new(vec![Arc::new(Buckets::open(own))]);
        let key = Keys::of(&format!("notify {:016x}", random::bits())).delivery(&plan.name, (0, 0), "");
        Ok(Means { request, transport, auth, control, limits, key })
    }

    /// Who is told: scheme, host and port, where a request can be made. What else a secret URL holds is masked from here on.
    fn host(&self, means: &Means) -> Option<String> {
        let request = means.request.build(&self.context()).ok()?;
        let uri = request.uri();
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        if !self.plan().url.secrets().is_empty() && path.len() >= SHORTEST_PATH {
            self.around.masker.learn(path);
        }
        let shown = origin(uri)?;
        let is_demo = self.base.as_deref() == Some(&shown);
        Some(if is_demo { DEMO.trim_end_matches(':').to_owned() } else { self.masked(&shown) })
    }

    async fn attempts(&self, means: &Means) -> Result<(), String> {
        let until = clock::now() + ALTOGETHER;
        let mut attempt = Attempt { spent: 0, throttled: 0 };
        loop {
            let reply = self.attempt(means).await?;
            let Some(missed) = self.judge(&reply, &mut attempt) else { return Ok(()) };
            match missed.wait.filter(|wait| clock::now() + *wait < until) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(format!("{}{}", missed.words, tried(attempt))),
            }
        }
    }

    /// One attempt; an error: no request can be made.
    async fn attempt(&self, means: &Means) -> Result<Result<Reply, Failure>, String> {
        let context = self.context();
        let takings = means.limits.of(&context).map_err(|failure| self.masked(&failure.message))?;
        let build = || self.build(means, &context);
        let request = build().map_err(|failure| self.masked(&unmade(&failure)))?;
        let counters = live::Lane::default();
        let gate = LaneGate::new(&takings, &means.control, &counters);
        let (plan, auth, control) = (self.plan(), means.auth.as_deref(), &means.control);
        let way = Way { plan, auth, transport: &*means.transport, control };
        let reply = sending::exchange(way, request, build, &gate, Takers::default()).await;
        reply.ok_or_else(|| "the server that gives tokens asks to wait for too long".to_owned())
    }

    fn build(&self, means: &Means, context: &Context<'_>) -> Result<Request<RequestBody>, Failure> {
        let mut request = means.request.build(context)?;
        if let Some(plan) = &self.plan().idempotency {
            idempotency::put(plan, means.key.clone(), request.headers_mut());
        }
        Ok(request)
    }

    /// What an attempt means; `None`: they have it.
    fn judge(&self, reply: &Result<Reply, Failure>, attempt: &mut Attempt) -> Option<Missed> {
        let hints = reply.as_ref().map(|reply| hints::read(&reply.headers, clock::wall())).unwrap_or_default();
        let attempted = match reply {
            Ok(reply) if reply.status.is_success() => return None,
            Ok(reply) => Attempted::Refused { status: reply.status.as_u16(), hints: &hints },
            Err(failure) => Attempted::Failed(failure),
        };
        let plan = self.plan();
        let spent = Attempt { spent: attempt.spent + 1, ..*attempt };
        let verdict = verdict(attempted, spent, &plan.method, &plan.retry, random::unit());
        *attempt = spent;
        let wait = match verdict {
            Verdict::Retry(wait) => Some(wait),
            // To be throttled takes no attempt of a row, which can wait; here patience is short.
            Verdict::Throttle { wait, again, .. } => Some(wait).filter(|_| again && spent.spent < plan.retry.attempts),
            Verdict::Stop(_) | Verdict::Accept | Verdict::Skip | Verdict::Fail | Verdict::Unknown | Verdict::Halt => {
                None
            }
        };
        Some(Missed { words: self.words(reply), wait })
    }

    /// The status and the first words of a reply, or what went wrong.
    fn words(&self, reply: &Result<Reply, Failure>) -> String {
        let reply = match reply {
            Ok(reply) => reply,
            Err(failure) => return self.masked(&failure.message),
        };
        let status = status_words(reply.status);
        let text = String::from_utf8_lossy(&reply.body[..reply.body.len().min(LOOKED_AT)]);
        // Masked before it is cut: half a secret would not be found.
        let first: String = clean(&self.masked(&text)).chars().take(SHOWN).collect();
        if first.is_empty() { format!("it answered {status}") } else { format!("it answered {status}: {first}") }
    }

    fn masked(&self, text: &str) -> String {
        self.around.masker.mask(text).into_owned()
    }
}

/// What can't be sent. A row has no part in it.
fn unmade(failure: &Failure) -> String {
    failure.message.replace(" from this row", "").replace(" of this row", "")
}

fn tried(attempt: Attempt) -> String {
    if attempt.spent > 1 { format!(" ({} attempts)", attempt.spent) } else { String::new() }
}

/// `https://hooks.example.com:8443`
fn origin(uri: &Uri) -> Option<String> {
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}
