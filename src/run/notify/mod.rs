//! Telling others that a run has ended: each `[[notify]]` that is for such an ending, side by side, once in a session.
//!
//! By now everything that counts is on disk. Must never change how a run ended, nor keep it from ending for longer than
//! `ALTOGETHER`; whoever sends a signal meanwhile does not wait at all. Must never show a secret, a webhook's path among them.

mod errand;
mod told;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::{self, Instant};
use crate::compile::notify::place;
use crate::demo::{Demo, DemoPlan};
use crate::plan::Plan;
use crate::plan::notify::{NotifyPlan, Occasion};
use crate::row::Row;
use crate::secret::{Masker, Secrets};

use self::errand::Errand;
use self::told::Told;
use super::signals::Signals;
use super::{RunError, RunReport};

/// What the program that runs a job knows of its end and a run does not.
pub trait Aftermath: Send + Sync {
    /// Secrets are known from here on, and this takes them out of texts; not where they can't be had.
    fn masked_by(&self, _masker: &Masker) {}

    /// The number that the program will leave with; `None`: it goes on.
    fn exit(&self, ended: Result<&RunReport, &RunError>) -> Option<u8>;

    /// The command that makes sense next.
    fn next(&self, report: &RunReport) -> Option<String>;
}

/// Of a program that goes on.
#[derive(Debug, Clone, Copy)]
pub struct GoesOn;

impl Aftermath for GoesOn {
    fn exit(&self, _: Result<&RunReport, &RunError>) -> Option<u8> {
        None
    }

    fn next(&self, _: &RunReport) -> Option<String> {
        None
    }
}

/// What of a job tells others, ready before the run begins.
pub(super) struct Herald<'a> {
    job: String,
    around: Arc<Around>,
    aftermath: &'a dyn Aftermath,
    began: Instant,
    /// RFC 3339.
    started: String,
}

/// What is there for every request.
struct Around {
    plans: Vec<NotifyPlan>,
    secrets: Secrets,
    masker: Masker,
}

impl<'a> Herald<'a> {
    pub fn of(plan: &Plan, secrets: &Secrets, aftermath: &'a dyn Aftermath) -> Self {
        let (masker, _) = secrets.maskers();
        let around = Around { plans: plan.notify.clone(), secrets: secrets.clone(), masker };
        let (began, started) = (clock::now(), clock::rfc3339(clock::wall()));
        Self { job: plan.name.clone(), around: Arc::new(around), aftermath, began, started }
    }

    /// Tells of a run that has ended, until a signal comes. Its report, and whom that did not reach, in words which are
    /// among the warnings of the report now.
    /// `telling`: how many are being told.
    pub async fn tell(
        &self,
        mut report: RunReport,
        signals: &mut Signals,
        telling: &AtomicU64,
    ) -> (RunReport, Vec<String>) {
        let (exit, next) = (self.aftermath.exit(Ok(&report)), self.aftermath.next(&report));
        let untold = self.send(Told::of_report(&report, &self.started, exit, next), signals, telling).await;
        report.warn(Vec::new(), untold.clone());
        (report, untold)
    }

    /// Tells of a run that could not start. The same error, with whom that did not reach.
    pub async fn refuse(&self, error: RunError) -> RunError {
        if self.around.plans.is_empty() {
            return error;
        }
        let exit = self.aftermath.exit(Err(&error));
        let told = Told::of_error(&error, &self.job, &self.started, self.began.elapsed(), exit);
        let untold = self.send(told, &mut Signals::listen(), &AtomicU64::default()).await;
        error.saying(|words| std::iter::once(words.to_owned()).chain(untold).collect::<Vec<_>>().join("; "))
    }

    async fn send(&self, told: Told, signals: &mut Signals, telling: &AtomicU64) -> Vec<String> {
        let plans = self.around.plans.iter().enumerate();
        let wanted: Vec<usize> =
            plans.filter(|(_, plan)| plan.on.contains(&told.occasion)).map(|(position, _)| position).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let occasion = told.occasion;
        let row = Arc::new(told.row(&self.around.masker));
        let demo = self.demo(&wanted).await;
        let base = demo.as_ref().map(|demo| format!("http://{}", demo.address()));
        let (stop, stopped) = watch::channel(false);
        let errand =
            |position| Errand { position, row: Arc::clone(&row), around: Arc::clone(&self.around), base: base.clone() };
        let mut errands = JoinSet::new();
        for position in wanted {
            errands.spawn(run(errand(position), stopped.clone()));
        }
        gather((errands, telling), &stop, signals, occasion).await
    }

    /// The API built into the program, where one of these asks it. One that does not start is missed by their requests.
    async fn demo(&self, wanted: &[usize]) -> Option<Demo> {
        let is_asked = wanted.iter().any(|position| self.around.plans[*position].sends.asks_demo());
        if is_asked { Demo::start(DemoPlan::default()).await.ok() } else { None }
    }
}

/// What became of one: its position, and the words of what went wrong.
type Ended = (usize, Result<(), String>);

async fn run(errand: Errand, stopped: watch::Receiver<bool>) -> Ended {
    (errand.position, errand.run(stopped).await)
}

/// Waits for all of them; the first signal ends them.
async fn gather(
    (mut errands, telling): (JoinSet<Ended>, &AtomicU64),
    stop: &watch::Sender<bool>,
    signals: &mut Signals,
    occasion: Occasion,
) -> Vec<String> {
    let mut untold = Vec::new();
    loop {
        telling.store(errands.len() as u64, Ordering::Relaxed);
        tokio::select! {
            biased;
            ended = errands.join_next() => match ended {
                None => break,
                Some(Ok((_, Ok(())))) => {}
                Some(Ok((position, Err(words)))) => untold.push((position, words)),
                Some(Err(_)) => untold.push((usize::MAX, "telling panicked; this is a bug of paceline".to_owned())),
            },
            _ = signals.next() => drop(stop.send_replace(true)),
        }
    }
    untold.sort();
    let words = |(position, words): &(usize, String)| match *position {
        usize::MAX => words.clone(),
        position => format!("{}: not told of the {}: {words}", place(position), occasion.name()),
    };
    untold.iter().map(words).collect()
}

/// A run as templates see one that could not start: every name has a value.
pub(super) fn example(job: &str, masker: &Masker) -> Row {
    let error = RunError::Open("nothing was run".to_owned());
    Told::of_error(&error, job, &clock::rfc3339(clock::wall()), std::time::Duration::ZERO, None).row(masker)
}

/// The values of `run`, as templates find them.
fn row(values: serde_json::Map<String, serde_json::Value>) -> Row {
    Row { ordinal: 0, line: 0, fields: crate::row::Fields::Object(values) }
}
