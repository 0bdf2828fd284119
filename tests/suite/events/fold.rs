//! The summary of a session, computed from the single rows and attempts of its stream.
//!
//! Must never look at `run-finished`, which says it all: that is compared with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::stream::{Session, named};

/// What the stream adds up to.
#[derive(Debug, Default)]
pub struct Folded {
    /// `ok`, `failed`, `skipped`, `unknown`, over all sessions.
    rows: BTreeMap<String, u64>,
    resumed: u64,
    attempts: u64,
    retries: u64,
    retries_by_reason: BTreeMap<String, u64>,
    statuses: BTreeMap<String, u64>,
    /// Which rows failed, by endpoint and reason.
    failures: BTreeMap<(String, String), BTreeSet<u64>>,
    outputs: BTreeMap<String, u64>,
    /// Durations of attempts, milliseconds.
    durations: Vec<f64>,
}

const ENDINGS: [&str; 4] = ["ok", "failed", "skipped", "unknown"];

/// Rows that have ended.
pub fn totals(rows: &Value) -> u64 {
    ["ok", "failed", "skipped"].iter().map(|ending| number(&rows[*ending])).sum()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn counts(object: &Value) -> BTreeMap<String, u64> {
    object.as_object().unwrap().iter().map(|(name, count)| (name.clone(), number(count))).collect()
}

impl Folded {
    pub fn of(session: &Session) -> Self {
        let mut folded = Self::default();
        session.lines.iter().for_each(|line| folded.take(line));
        folded
    }

    fn take(&mut self, line: &Value) {
        match line["event"].as_str().unwrap() {
            "run-started" => self.resumed = number(&line["resumed_rows"]),
            "endpoint-started" => {
                for ending in ENDINGS {
                    *self.rows.entry(ending.to_owned()).or_default() += number(&line["before"][ending]);
                }
            }
            "row-ended" => {
                *self.rows.entry(text(&line["ending"])).or_default() += 1;
                *self.rows.entry("unknown".to_owned()).or_default() += u64::from(line["unknown"] == true);
            }
            "row-failed" => {
                let group = (text(&line["endpoint"]), text(&line["reason"]));
                self.failures.entry(group).or_default().insert(number(&line["row"]));
            }
            "attempted" => self.attempt(line),
            "committed" => {
                let outputs = line["outputs"].as_array().unwrap().iter();
                self.outputs = outputs.map(|output| (text(&output["sink"]), number(&output["records"]))).collect();
            }
            _ => {}
        }
    }

    fn attempt(&mut self, line: &Value) {
        self.attempts += 1;
        if let Some(reason) = line["again_after"].as_str() {
            self.retries += 1;
            *self.retries_by_reason.entry(reason.to_owned()).or_default() += 1;
        }
        if let (Some(status), true) = (line["status"].as_u64(), line["whole"] == true) {
            *self.statuses.entry(status.to_string()).or_default() += 1;
        }
        self.durations.extend(line["duration_ms"].as_f64());
    }

    fn rows(&self, ending: &str) -> u64 {
        self.rows.get(ending).copied().unwrap_or_default()
    }

    /// Panics unless it is what `--output json` says.
    pub fn is_the_summary(&self, summary: &Value) {
        for ending in ENDINGS {
            assert_eq!(self.rows(ending), number(&summary["rows"][ending]), "{ending}: {summary}");
        }
        assert_eq!(self.resumed, number(&summary["rows"]["resumed"]));
        self.counts_are_those_of(summary);
        let mut groups: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for ((_, reason), rows) in &self.failures {
            groups.entry(reason).or_default().extend(rows);
        }
        let told = summary["failures"].as_array().unwrap();
        assert_eq!(told.len(), groups.len(), "{summary}");
        for group in told {
            let rows = &groups[group["reason"].as_str().unwrap()];
            assert!(rows.contains(&number(&group["example_row"])), "{group}: {rows:?}");
        }
    }

    /// Panics unless it is what the last event of the session says.
    pub fn is_what_the_last_event_says(&self, last: &Value) {
        for ending in ENDINGS {
            assert_eq!(self.rows(ending), number(&last["rows"][ending]), "{ending}: {last}");
            let endpoints = last["endpoints"].as_array().unwrap().iter();
            assert_eq!(
                self.rows(ending),
                endpoints.map(|of| number(&of["rows"][ending])).sum::<u64>(),
                "{ending}: {last}"
            );
        }
        assert_eq!(self.resumed, number(&last["resumed_rows"]));
        self.counts_are_those_of(last);
        let told = last["failures"].as_array().unwrap().iter();
        let told: BTreeMap<_, _> =
            told.map(|group| ((text(&group["endpoint"]), text(&group["reason"])), group)).collect();
        assert_eq!(told.keys().collect::<Vec<_>>(), self.failures.keys().collect::<Vec<_>>());
        for (key, group) in told {
            let rows = &self.failures[&key];
            assert_eq!(number(&group["rows"]), rows.len() as u64, "{group}");
            assert!(rows.contains(&number(&group["example_row"])), "{group}: {rows:?}");
        }
    }

    fn counts_are_those_of(&self, said: &Value) {
        assert_eq!((self.attempts, self.retries), (number(&said["attempts"]), number(&said["retries"])), "{said}");
        assert_eq!(self.retries_by_reason, counts(&said["retries_by_reason"]));
        assert_eq!(self.statuses, counts(&said["statuses"]));
        let outputs = said["outputs"].as_array().unwrap().iter();
        let outputs: BTreeMap<_, _> =
            outputs.map(|output| (text(&output["sink"]), number(&output["records"]))).collect();
        assert_eq!(self.outputs, outputs);
        self.latency_is_about(&said["latency_ms"]);
    }

    /// The program keeps a histogram, and an attempt says hundredths of a millisecond.
    fn latency_is_about(&self, said: &Value) {
        let mut durations = self.durations.clone();
        durations.sort_by(f64::total_cmp);
        assert_eq!(said.is_null(), durations.is_empty(), "{said}");
        for (name, percent) in [("p50", 50), ("p95", 95), ("p99", 99)] {
            let rank = (durations.len() * percent).div_ceil(100);
            let Some(duration) = rank.checked_sub(1).and_then(|rank| durations.get(rank)) else { continue };
            let said = said[name].as_f64().unwrap();
            assert!((said - duration).abs() <= 0.02 + duration * 0.01, "{name}: {said}, not {duration}");
        }
    }

    /// Panics unless the last word about progress adds up to the rows and attempts of this session.
    pub fn is_where_progress_has_come_to(&self, session: &Session) {
        let last: BTreeMap<String, &Value> =
            named(session, "progress").map(|line| (text(&line["endpoint"]), line)).collect();
        let before = |ending: &str| -> u64 {
            named(session, "endpoint-started").map(|line| number(&line["before"][ending])).sum()
        };
        let sum = |field: &str| -> u64 { last.values().map(|line| number(&line[field])).sum() };
        for ending in ["ok", "failed", "skipped"] {
            assert_eq!(self.rows(ending), before(ending) + sum(ending), "{ending}");
        }
        assert_eq!((self.attempts, self.retries), (sum("attempts"), sum("retries")));
        assert_eq!(sum("in_flight"), 0);
    }
}
