//! What a run would do about a run before it: begin, go on, or be refused with the difference named.

use std::time::SystemTime;

use serde::Serialize;

use crate::clock;
use crate::journal::{self, Counts, Recovered};
use crate::limit::LimitPlan;
use crate::plan::Plan;
use crate::report::text::{clean, counted};
use crate::run::RunOptions;
use crate::run::holds::{self, HeldOver};
use crate::run::resume::{self, Change, Decision};

/// What the journal says of the run before, and what follows from it.
#[derive(Debug, PartialEq, Serialize)]
pub struct Resume {
    /// What a run would do.
    pub action: Action,
    /// The same in words.
    pub words: String,
    /// The run in the journal.
    pub run: Option<String>,
    /// Its rows that have ended.
    pub done: u64,
    /// Keys in which job and inputs differ from what that run sends.
    pub changes: Vec<Change>,
    /// Limits that a server's word still holds when it goes on.
    pub held: Vec<HeldFacts>,
    /// Whether one of them is held for longer than `retry.max-wait`: a run before its time stops at once.
    pub held_too_long: bool,
}

/// A limit that is held.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldFacts {
    pub limit: String,
    /// Which of its buckets, where it has several.
    pub key: Option<String>,
    /// RFC 3339.
    pub until: String,
    pub wait_seconds: f64,
    /// Both for people.
    #[serde(skip)]
    pub words: String,
}

impl HeldFacts {
    fn of(over: &HeldOver, now: SystemTime) -> Self {
        let until = now.checked_add(over.wait).unwrap_or(now);
        let key = over.key.as_ref().map(|key| format!(" of {}", clean(key))).unwrap_or_default();
        let (moment, wait) = (clock::moment(until, now), clock::human(over.wait));
        Self {
            limit: over.limit.clone(),
            key: over.key.clone(),
            until: clock::rfc3339(until),
            wait_seconds: over.wait.as_secs_f64(),
            words: format!("{}{key}: held until {moment} (in {wait}), the server asked for it", clean(&over.limit)),
        }
    }
}

/// What a run would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Begin at the first row.
    Begin,
    /// Go on with an unfinished run.
    GoOn,
    /// Refuse.
    Refuse,
}

impl Resume {
    /// Looks into the journal without taking its lock.
    ///
    /// # Errors
    /// When an input can't be read.
    pub fn gather(plan: &Plan, options: RunOptions) -> Result<Self, String> {
        let recovered = match journal::peek(&plan.state) {
            Ok(recovered) => recovered,
            Err(_) if options.fresh => None,
            Err(error) => return Ok(Self::new(Action::Refuse, format!("refused: {}", error.message))),
        };
        let identity = resume::identity(plan)?;
        let changes = recovered.as_ref().map(|run| resume::changes(&run.opening.identity, &identity));
        let decision = resume::decide(plan, recovered.clone(), &identity, options);
        let held = decision.as_ref().map(|decision| held(plan, decision, clock::wall())).unwrap_or_default();
        let unknown = recovered.as_ref().map_or(0, |run| left_alone(plan, run));
        let resume = describe(recovered.as_ref(), decision, changes.unwrap_or_default(), options, unknown);
        Ok(resume.held(plan, &held, clock::wall()))
    }

    /// Nothing is said of a run before.
    pub fn untold() -> Self {
        Self::new(Action::GoOn, String::new())
    }

    fn new(action: Action, words: String) -> Self {
        Self { action, words, run: None, done: 0, changes: Vec::new(), held: Vec::new(), held_too_long: false }
    }

    fn held(self, plan: &Plan, held: &[HeldOver], now: SystemTime) -> Self {
        let held_too_long = holds::beyond_patience(plan, held).is_some();
        Self { held: held.iter().map(|over| HeldFacts::of(over, now)).collect(), held_too_long, ..self }
    }
}

fn describe(
    recovered: Option<&Recovered>,
    decision: Result<Decision, String>,
    changes: Vec<Change>,
    options: RunOptions,
    unknown: u64,
) -> Resume {
    let Some(recovered) = recovered else {
        let refused = |reason| Resume::new(Action::Refuse, format!("refused: {reason}"));
        return decision
            .map_or_else(refused, |_| Resume::new(Action::Begin, "a run begins at the first row".to_owned()));
    };
    let run = &recovered.opening.run;
    let (done, failed) = totals(&recovered.last.counts);
    let rows = counted(done, "row");
    let (action, words) = match decision {
        // It is `run` that has the flag, and not `plan`.
        Err(reason) => {
            let reason = reason.lines().next().unwrap_or_default().replace("; --fresh", "; `run --fresh`");
            (Action::Refuse, format!("refused: {reason}"))
        }
        Ok(Decision::Again(_)) => {
            let sent = counted(failed.saturating_sub(unknown), "row");
            let left = if unknown > 0 { format!("; {} stay unknown", counted(unknown, "row")) } else { String::new() };
            (Action::Begin, format!("a run sends again what failed in run {run}: {sent}{left}"))
        }
        Ok(Decision::New) if recovered.last.complete => {
            (Action::Begin, format!("run {run} is complete ({rows}); a run begins anew at the first row"))
        }
        Ok(Decision::New) => (Action::Begin, format!("--fresh forgets run {run}; a run begins at the first row")),
        Ok(Decision::Resume(_)) => {
            let accepted = if options.accept_changes { ", and accepts changes" } else { "" };
            (Action::GoOn, format!("run {run} is unfinished: a run goes on with it, {rows} done{accepted}"))
        }
    };
    // Changes matter only to a run that would go on.
    let changes = if action == Action::Begin { Vec::new() } else { changes };
    Resume { run: Some(run.clone()), done, changes, ..Resume::new(action, words) }
}

/// What is left of the holds of the run that goes on; a new run knows of none, and a limit that is gone has none.
fn held(plan: &Plan, decision: &Decision, now: SystemTime) -> Vec<HeldOver> {
    let noted = match decision {
        Decision::New => return Vec::new(),
        Decision::Resume(recovered) | Decision::Again(recovered) => &recovered.last.holds,
    };
    let own = plan.endpoints.iter().map(|endpoint| LimitPlan::hold_only(&endpoint.name).name);
    let limits: Vec<String> = plan.limits.iter().map(|limit| limit.name.clone()).chain(own).collect();
    let mut held = holds::left(noted, now);
    held.retain(|over| limits.contains(&over.limit));
    held
}

/// Failed rows that are unknown, and that the job does not send again.
pub fn left_alone(plan: &Plan, recovered: &Recovered) -> u64 {
    let resends = |name: &String| plan.endpoints.iter().any(|known| known.name == *name && known.resends_unknown());
    let counts = recovered.opening.endpoints.iter().zip(&recovered.last.counts);
    counts.filter(|(name, _)| !resends(name)).map(|(_, counts)| counts.unknown).sum()
}

fn totals(counts: &[Counts]) -> (u64, u64) {
    counts.iter().fold((0, 0), |(done, failed), counts| (done + counts.rows(), failed + counts.failed))
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::journal::{Commit, Opening, VERSION};

    fn recovered(complete: bool) -> Recovered {
        let opening = Opening {
            version: VERSION,
            run: "r7".into(),
            job: "prices".into(),
            started: "2026-11-20T15:04:05.123Z".into(),
            identity: BTreeMap::new(),
            endpoints: vec!["price".into()],
            sinks: vec!["out".into()],
        };
        let counts = Counts { ok: 400, failed: 12, attempts: 500, records: 412, ..Counts::default() };
        Recovered { opening, last: Commit { counts: vec![counts], complete, ..Commit::default() }, torn: 0 }
    }

    pub fn change() -> Change {
        Change { key: "endpoints.price.url".into(), before: Some("http://a".into()), now: Some("http://b".into()) }
    }

    #[test]
    fn an_unfinished_run_goes_on_unless_the_job_changed() {
        let plain = RunOptions::default();
        let unfinished = recovered(false);
        let on = describe(Some(&unfinished), Ok(Decision::Resume(unfinished.clone())), Vec::new(), plain, 0);
        assert_eq!((on.action, on.done), (Action::GoOn, 412));
        assert_eq!(on.words, "run r7 is unfinished: a run goes on with it, 412 rows done");
        let refused = describe(Some(&unfinished), Err("it has changed".into()), vec![change()], plain, 0);
        assert_eq!((refused.action, refused.changes.len()), (Action::Refuse, 1));
        let once = Err("run r7 can't go on: it reads standard input; --fresh starts anew".into());
        let once = describe(Some(&unfinished), once, Vec::new(), plain, 0).words;
        assert!(once.ends_with("; `run --fresh` starts anew"), "{once}");
    }

    #[test]
    fn a_complete_run_begins_anew_whatever_changed() {
        let anew = describe(Some(&recovered(true)), Ok(Decision::New), vec![change()], RunOptions::default(), 0);
        assert_eq!((anew.action, anew.changes.len()), (Action::Begin, 0));
    }

    #[test]
    fn holds_of_the_run_that_goes_on_are_told() {
        use std::time::Duration;

        use crate::journal::HeldNote;
        let text = "[limits.api]\nrate = \"1/s\"\nkey = \"{{ row.value }}\"\n[endpoints.a]\nurl = \"http://h/\"\n\
                    limit = \"api\"\ninput.range = { from = 1, to = 2 }\nretry.max-wait = \"2m\"\n";
        let plan = super::super::tests::plan(text);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(50_530);
        let note = |limit: &str, seconds: u64| HeldNote {
            limit: limit.into(),
            key: Some("7".into()),
            until_ms: (50_530 + seconds) * 1000,
            left_ms: 3_600_000,
        };
        let mut run = recovered(false);
        run.last.holds = vec![note("api", 180), note("gone", 180)];
        let shown = |decision| Resume::new(Action::GoOn, String::new()).held(&plan, &held(&plan, &decision, now), now);
        let on = shown(Decision::Resume(run.clone()));
        assert_eq!(on.held.len(), 1);
        assert_eq!(on.held[0].words, "api of 7: held until 14:05:10 UTC (in 3m), the server asked for it");
        assert_eq!((on.held[0].until.as_str(), on.held_too_long), ("1970-01-01T14:05:10.000Z", true));
        run.last.holds = vec![note("api", 60)];
        assert!(!shown(Decision::Again(run)).held_too_long);
        assert!(shown(Decision::New).held.is_empty(), "a new run knows nothing of it");
    }

    #[test]
    fn the_flags_are_heard() {
        let fresh = describe(Some(&recovered(false)), Ok(Decision::New), vec![change()], RunOptions::default(), 0);
        assert_eq!(fresh.words, "--fresh forgets run r7; a run begins at the first row");
        let again = |unknown| {
            let again = Decision::Again(recovered(true));
            describe(Some(&recovered(true)), Ok(again), vec![], RunOptions::default(), unknown).words
        };
        assert_eq!(again(0), "a run sends again what failed in run r7: 12 rows");
        assert_eq!(again(5), "a run sends again what failed in run r7: 7 rows; 5 rows stay unknown");
    }
}
