//! What is said of a run: the values of `run.NAME`. Pure.
//!
//! Must never leave one of the names out, nor say a secret.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock;
use crate::plan::notify::{NAMES, Occasion};
use crate::row::Row;
use crate::run::{RunEnding, RunError, RunReport};
use crate::secret::Masker;

/// What is said, and of which ending.
#[derive(Debug)]
pub(super) struct Told {
    pub occasion: Occasion,
    values: Map<String, Value>,
}

impl Told {
    /// Of a run that has ended; `started`: RFC 3339.
    pub fn of_report(report: &RunReport, started: &str, exit: Option<u8>, next: Option<String>) -> Self {
        let total = &report.total;
        let (occasion, reason) = ending(report);
        let values = json!({
            "name": report.job,
            "id": report.run,
            "ending": occasion.name(),
            "exit": exit,
            "reason": reason,
            "next": next.unwrap_or_default(),
            "started": started,
            "duration": clock::human(report.elapsed),
            "seconds": seconds(report.elapsed),
            "rows": total.ok + total.failed + total.skipped,
            "ok": total.ok,
            "failed": total.failed,
            "skipped": total.skipped,
            "unknown": total.unknown,
            "attempts": report.attempts,
            "retries": report.retries,
        });
        Self { occasion, values: object(values) }
    }

    /// Of a run that could not start.
    pub fn of_error(error: &RunError, job: &str, started: &str, elapsed: Duration, exit: Option<u8>) -> Self {
        let occasion = Occasion::Failure;
        let mut values: Map<String, Value> = NAMES.iter().map(|name| ((*name).to_owned(), Value::from(0))).collect();
        let known = json!({
            "name": job,
            "id": "",
            "ending": occasion.name(),
            "exit": exit,
            "reason": format!("it could not start: {}", error),
            "next": "",
            "started": started,
            "duration": clock::human(elapsed),
            "seconds": seconds(elapsed),
        });
        values.extend(object(known));
        Self { occasion, values }
    }

    /// As templates see it, without secrets.
    pub fn row(mut self, masker: &Masker) -> Row {
        self.values.values_mut().for_each(|value| masker.mask_value(value));
        super::row(self.values)
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Seconds with their milliseconds.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Which ending a report is of, and why; nothing where all went well.
fn ending(report: &RunReport) -> (Occasion, String) {
    match &report.ending {
        RunEnding::Complete | RunEnding::Partial if report.failed_conditions.is_empty() => {
            (Occasion::Success, String::new())
        }
        RunEnding::Complete | RunEnding::Partial => {
            (Occasion::Failure, format!("{} held", report.failed_conditions.join(", ")))
        }
        RunEnding::Broken(reason) => (Occasion::Failure, reason.clone()),
        RunEnding::Stopped { reason, .. } => (Occasion::Stop, reason.clone()),
        RunEnding::Interrupted(signal) => (Occasion::Stop, format!("interrupted by {}", signal.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::tests::report;
    use crate::run::Signal;

    #[test]
    fn every_ending_has_its_occasion_and_its_reason() {
        let stopped = RunEnding::Stopped { reason: "enough".into(), resume_after: None, resume_at: None };
        for (of, held, occasion, reason) in [
            (RunEnding::Complete, false, Occasion::Success, ""),
            (RunEnding::Partial, false, Occasion::Success, ""),
            (RunEnding::Complete, true, Occasion::Failure, "failed > 0, p95 > 2s held"),
            (RunEnding::Broken("disk full".into()), true, Occasion::Failure, "disk full"),
            (stopped, true, Occasion::Stop, "enough"),
            (RunEnding::Interrupted(Signal::Terminate), false, Occasion::Stop, "interrupted by SIGTERM"),
        ] {
            let mut report = report(of);
            if held {
                report.failed_conditions = vec!["failed > 0".into(), "p95 > 2s".into()];
            }
            assert_eq!(ending(&report), (occasion, reason.to_owned()));
        }
    }

    #[test]
    fn every_name_is_there_and_no_other() {
        let report = report(RunEnding::Complete);
        let ended = Told::of_report(&report, "2026-01-01T00:00:00Z", Some(0), None);
        let refused = RunError::Open("the folder is locked".into());
        let refused = Told::of_error(&refused, "prices", "2026-01-01T00:00:00Z", Duration::from_millis(1500), Some(3));
        for told in [&ended, &refused] {
            let mut names: Vec<&str> = told.values.keys().map(String::as_str).collect();
            let mut known = NAMES.to_vec();
            names.sort_unstable();
            known.sort_unstable();
            assert_eq!(names, known);
        }
        assert_eq!(refused.values["reason"], "it could not start: the folder is locked");
        assert_eq!((&refused.values["seconds"], &refused.values["ok"]), (&json!(1.5), &json!(0)));
    }

    #[test]
    fn a_secret_in_a_reason_is_masked() {
        let masker = Masker::default();
        masker.learn("hush-hush-12345");
        let report = report(RunEnding::Broken("https://h/?k=hush-hush-12345 is gone".into()));
        let row = Told::of_report(&report, "", None, None).row(&masker);
        assert_eq!(row.get("reason"), Some(Value::from("https://h/?k=*** is gone")));
    }
}
