//! `check --sample`: replies from files, judged by the endpoints they are for.
//!
//! Reads files and says what was made of them; the judging is that of [`crate::sample`].

use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::diagnostic::{Diagnostic, Diagnostics, codes, did_you_mean};
use crate::document::Document;
use crate::plan::{EndpointPlan, Plan};
use crate::report::text::counted;
use crate::retry::Then;
use crate::sample::{Judged, Rows, Sample, Verdict, judge, tell};
use crate::secret::{Masker, Secrets};

/// A sample and what was made of it.
#[derive(Debug)]
pub(super) struct Judgement {
    endpoint: String,
    file: String,
    verdict: Verdict,
}

/// Judges every `--sample`; what does not fit, and what can't be used, is added to the diagnostics.
pub(super) fn judged(
    written: &[String],
    (document, plan): (&Document, &Plan),
    diagnostics: &mut Diagnostics,
) -> Vec<Judgement> {
    let mut judgements: Vec<Judgement> = Vec::new();
    for written in written {
        match one(written, document, plan, diagnostics) {
            Ok(judgement) if judgements.iter().any(|known| known.endpoint == judgement.endpoint) => {
                let message = format!("`{}` has two samples", judgement.endpoint);
                diagnostics.push(unusable(message, "give each endpoint one, and check the others by themselves"));
            }
            Ok(judgement) => judgements.push(judgement),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    judgements
}

fn one(
    written: &str,
    document: &Document,
    plan: &Plan,
    diagnostics: &mut Diagnostics,
) -> Result<Judgement, Box<Diagnostic>> {
    let (endpoint, file) = meant(written, plan)?;
    let bytes = std::fs::read(file).map_err(|error| {
        let help = "name the file of a reply, as `curl -i` or `save` writes it; it is found from where you are";
        Box::new(unusable(format!("{file} can't be read: {error}"), help))
    })?;
    let sample = Sample::of_bytes(Bytes::from(bytes));
    let secrets = Secrets::masked(&plan.secrets);
    let Judged { verdict, findings } = judge(endpoint, &sample, &Rows::first(endpoint), &secrets, &Masker::default());
    tell(document, &findings, diagnostics);
    Ok(Judgement { endpoint: endpoint.name.clone(), file: file.to_owned(), verdict })
}

fn unusable(message: String, help: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::SAMPLE_FILE, format!("--sample: {message}")).help(help)
}

/// The endpoint and the file that an argument names.
fn meant<'a>(written: &'a str, plan: &'a Plan) -> Result<(&'a EndpointPlan, &'a str), Box<Diagnostic>> {
    let named = |name: &str| plan.endpoints.iter().find(|endpoint| endpoint.name == name);
    let pair = written.split_once('=');
    if let Some((endpoint, file)) = pair.and_then(|(name, file)| Some((named(name)?, file))) {
        return Ok((endpoint, file));
    }
    match (plan.endpoints.as_slice(), pair) {
        ([only], None) => Ok((only, written)),
        // The name of a file may hold anything.
        ([only], Some(_)) if Path::new(written).exists() => Ok((only, written)),
        (several, None) => {
            let message =
                format!("the job has {}, and {written} could be for any", counted(several.len() as u64, "endpoint"));
            let first = several.first().map_or("price", |endpoint| endpoint.name.as_str());
            Err(Box::new(unusable(message, format!("write `--sample {first}={written}`; {}", listed(plan)))))
        }
        (_, Some((name, _))) => {
            let near = did_you_mean(name, plan.endpoints.iter().map(|endpoint| endpoint.name.as_str()));
            let help = near.map_or_else(|| listed(plan), |near| format!("did you mean `{near}`?"));
            Err(Box::new(unusable(format!("there is no endpoint `{name}`"), help)))
        }
    }
}

fn listed(plan: &Plan) -> String {
    let names: Vec<String> = plan.endpoints.iter().map(|endpoint| format!("`{}`", endpoint.name)).collect();
    format!("its endpoints are {}", names.join(", "))
}

impl Judgement {
    /// Whether it is of this endpoint.
    pub fn is_of(&self, endpoint: &str) -> bool {
        self.endpoint == endpoint
    }

    /// What came of it, for people: the first record, value by value.
    pub fn words(&self) -> String {
        let name = &self.endpoint;
        match &self.verdict {
            Verdict::Refused => format!("{name}: a row with the reply of {} fails", self.file),
            Verdict::Ruled(position, then) => {
                format!("{name}: rules[{position}] says {} of the reply of {}", word(*then), self.file)
            }
            Verdict::Accepted(records) => {
                let more = if records.len() > 1 { "; the first:" } else { "" };
                let count = counted(records.len() as u64, "record");
                let shown = records.first().map(lines).unwrap_or_default();
                format!("{name}: the reply of {} gives {count}{more}{shown}", self.file)
            }
        }
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let (ending, records) = match &self.verdict {
            Verdict::Accepted(records) => ("accept", records.as_slice()),
            Verdict::Ruled(_, then) => (word(*then), &[][..]),
            Verdict::Refused => ("fail", &[][..]),
        };
        json!({
            "endpoint": self.endpoint,
            "file": self.file,
            "verdict": ending,
            "records": records.len(),
            "record": records.first(),
        })
    }
}

/// As a rule says it.
fn word(then: Then) -> &'static str {
    match then {
        Then::Accept => "accept",
        Then::Retry => "retry",
        Then::Throttle => "throttle",
        Then::Skip => "skip",
        Then::Fail => "fail",
        Then::Stop => "stop",
    }
}

/// Columns and values, a line for each.
fn lines(record: &Map<String, Value>) -> String {
    const LONGEST: usize = 100;
    let width = record.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let cut = |value: &Value| {
        let text = value.to_string();
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    record.iter().map(|(name, value)| format!("\n  {name:width$}  {}", cut(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn judgement(verdict: Verdict) -> Judgement {
        Judgement { endpoint: "price".into(), file: "reply.json".into(), verdict }
    }

    #[test]
    fn a_record_is_shown_value_by_value() {
        let one = record(json!({ "sku": "a", "price": 12.5, "long": "x".repeat(200) }));
        let said = judgement(Verdict::Accepted(vec![one.clone(), one])).words();
        let long = format!("\"{}…", "x".repeat(99));
        let expected = format!(
            "price: the reply of reply.json gives 2 records; the first:\n  sku    \"a\"\n  price  12.5\n  long   {long}"
        );
        assert_eq!(said, expected);
        assert_eq!(judgement(Verdict::Accepted(Vec::new())).words(), "price: the reply of reply.json gives 0 records");
    }

    #[test]
    fn what_gives_no_record_is_said() {
        assert_eq!(judgement(Verdict::Refused).words(), "price: a row with the reply of reply.json fails");
        let ruled = judgement(Verdict::Ruled(1, Then::Skip));
        assert_eq!(ruled.words(), "price: rules[1] says skip of the reply of reply.json");
        let expected =
            json!({ "endpoint": "price", "file": "reply.json", "verdict": "skip", "records": 0, "record": null });
        assert_eq!(ruled.json(), expected);
    }
}
