//! `check --sample`: replies from files, judged by the endpoints they are for.
//!
//! Reads files and says what was made of them; the judging is that of [`crate::sample`].

use std::fs::File;
use std::io::Read as _;
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

/// Bytes that heads before a body may have at most, those of redirects with them.
const LONGEST_HEAD: u64 = 1 << 20;

/// A sample and what was made of it.
#[derive(Debug)]
pub(super) struct Judgement {
    endpoint: String,
    file: String,
    verdict: Verdict,
    is_last: bool,
    /// Whether its status and headers are in the file.
    has_head: bool,
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
    let sample = read(file, endpoint.client.max_body)?;
    let secrets = Secrets::masked(&plan.secrets);
    // None of them is known here.
    let masker = Masker::default();
    let judged = judge(endpoint, &sample, &Rows::first(endpoint), &secrets, (&masker, &masker));
    let Judged { verdict, findings, is_last } = judged;
    tell(document, &findings, diagnostics);
    let has_head = sample.headers.is_some();
    Ok(Judgement { endpoint: endpoint.name.clone(), file: file.to_owned(), verdict, is_last, has_head })
}

/// The reply in a file; no more is read than a run would take, and the head before it.
fn read(file: &str, max_body: u64) -> Result<Sample, Box<Diagnostic>> {
    let most = max_body.saturating_add(LONGEST_HEAD);
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| {
        let help = "name the file of a reply, as `curl -i` or `save` writes it; it is found from where you are";
        Box::new(unusable(format!("{file} can't be read: {error}"), help))
    })?;
    let sample = Sample::of_bytes(Bytes::from(bytes));
    if sample.body.len() as u64 > max_body {
        let message = format!("{file} is larger than client.max-body = {max_body} bytes: a run would not take it");
        return Err(Box::new(unusable(message, "raise `client.max-body`, or take a smaller reply")));
    }
    Ok(sample)
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

    /// Whether a row with such a reply surely fails: without its head much of a reply is not known.
    pub fn fails(&self) -> bool {
        self.has_head && matches!(self.verdict, Verdict::Refused | Verdict::Ruled(_, Then::Fail))
    }

    /// What came of it, for people: the first record, value by value.
    pub fn words(&self) -> String {
        let name = &self.endpoint;
        match &self.verdict {
            Verdict::Refused => format!("{name}: a row with the reply of {} fails", self.file),
            Verdict::Ruled(position, then) => {
                format!("{name}: rules[{position}] says {} of the reply of {}", then.name(), self.file)
            }
            Verdict::Accepted(records) => {
                let more = if records.len() > 1 { "; the first:" } else { "" };
                let count = counted(records.len() as u64, "record");
                let shown = records.first().map(lines).unwrap_or_default();
                let last = if self.is_last { ", and names no next page: its walk would end there" } else { "" };
                format!("{name}: the reply of {} gives {count}{last}{more}{shown}", self.file)
            }
            Verdict::Again(again) => {
                format!(
                    "{name}: the reply of {} is not taken, and fails no row by itself: {}",
                    self.file,
                    again.words()
                )
            }
        }
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let (ending, records) = match &self.verdict {
            Verdict::Accepted(records) => ("accept", records.as_slice()),
            Verdict::Ruled(_, then) => (then.name(), &[][..]),
            Verdict::Again(again) => (again.then().name(), &[][..]),
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
    use std::time::Duration;

    use super::*;
    use crate::retry::Then;
    use crate::sample::Again;

    fn record(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn judgement(verdict: Verdict) -> Judgement {
        Judgement { endpoint: "price".into(), file: "reply.json".into(), verdict, is_last: false, has_head: true }
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
        let again = judgement(Verdict::Again(Again::Throttle(Some(Duration::from_secs(2)))));
        let words = "price: the reply of reply.json is not taken, and fails no row by itself: the server throttles, and a \
                     run asks again after 2s";
        assert_eq!((again.words().as_str(), &again.json()["verdict"]), (words, &json!("throttle")));
        let ruled = judgement(Verdict::Ruled(1, Then::Skip));
        assert_eq!(ruled.words(), "price: rules[1] says skip of the reply of reply.json");
        let expected =
            json!({ "endpoint": "price", "file": "reply.json", "verdict": "skip", "records": 0, "record": null });
        assert_eq!(ruled.json(), expected);
    }
}
