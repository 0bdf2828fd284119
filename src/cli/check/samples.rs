//! `check --sample`: replies from files, judged by the endpoints they are for.
//!
//! Reads files and has them judged by [`crate::sample`]; what is said of it is made by `judgement.rs`. Must never judge an
//! endpoint that reads records of another before that one, whose record is its row.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;

use super::demo;
use super::judgement::{Judgement, Stand};
use crate::diagnostic::{Diagnostic, Diagnostics, codes, did_you_mean};
use crate::document::Document;
use crate::plan::{EndpointPlan, Plan};
use crate::report::text::counted;
use crate::sample::{LONGEST_HEAD, Rows, Sample, judge, tell};
use crate::secret::{Masker, Secrets};

/// Judges every `--sample`; what does not fit, and what can't be used, is added to the diagnostics.
pub(super) fn judged(
    written: &[String],
    (document, plan): (&Document, &Plan),
    counts: &[Option<u64>],
    diagnostics: &mut Diagnostics,
) -> Vec<Judgement> {
    let mut wanted: Vec<(&EndpointPlan, &str)> = Vec::new();
    for written in written {
        match meant(written, plan) {
            Ok((endpoint, _)) if wanted.iter().any(|(known, _)| known.name == endpoint.name) => {
                let message = format!("`{}` has two samples", endpoint.name);
                diagnostics.push(unusable(message, "give each endpoint one, and check the others by themselves"));
            }
            Ok(found) => wanted.push(found),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    wanted.sort_by_key(|(endpoint, _)| depth(plan, endpoint));
    let mut judgements: Vec<Judgement> = Vec::new();
    for (endpoint, file) in wanted {
        match one((endpoint, file), (document, plan), (counts, &judgements), diagnostics) {
            Ok(judgement) => judgements.push(judgement),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    judgements
}

/// How many endpoints stand before one whose records it reads.
fn depth(plan: &Plan, endpoint: &EndpointPlan) -> usize {
    let parent = |endpoint: &&EndpointPlan| {
        let name = endpoint.source.parent()?;
        plan.endpoints.iter().find(|known| known.name == name)
    };
    // No plan has a circle.
    std::iter::successors(Some(endpoint), parent).count()
}

fn one(
    (endpoint, file): (&EndpointPlan, &str),
    (document, plan): (&Document, &Plan),
    before: (&[Option<u64>], &[Judgement]),
    diagnostics: &mut Diagnostics,
) -> Result<Judgement, Box<Diagnostic>> {
    let sample = read(file, endpoint)?;
    let secrets = Secrets::masked(&plan.secrets);
    // None of them is known here.
    let masker = Masker::default();
    let (rows, stand) = rows(plan, endpoint, before);
    let judged = judge(endpoint, &sample, &rows, &secrets, (&masker, &masker));
    tell(document, &judged.findings, diagnostics);
    Ok(Judgement::new((endpoint, file), sample.packed, judged, stand))
}

/// The row that a sample is judged with. Of an endpoint that reads records of another it is a record of that one's sample, or
/// of the demo; or nothing but its columns is known. `counts`: rows of each endpoint.
fn rows(
    plan: &Plan,
    endpoint: &EndpointPlan,
    (counts, before): (&[Option<u64>], &[Judgement]),
) -> (Rows, Option<Stand>) {
    let Some(parent) = endpoint.source.parent() else {
        let rows = Rows::first(endpoint);
        let stand = (!rows.known).then(|| Stand::names(&rows, None));
        return (rows, stand);
    };
    let sampled = before.iter().find(|known| known.is_of(parent)).map(Judgement::records).unwrap_or_default();
    let known = Rows::of_records(endpoint, sampled).map(|rows| (rows, "sample"));
    let asked = || Some((Rows::of_records(endpoint, &demo::records(plan, counts, parent)?)?, "demo"));
    match known.or_else(asked) {
        Some((rows, from)) => {
            let stand = Stand::record(&rows, parent, from);
            (rows, Some(stand))
        }
        None => {
            let rows = Rows::first(endpoint);
            let stand = Stand::names(&rows, Some(parent));
            (rows, Some(stand))
        }
    }
}

/// The reply in a file; no more is read than a run would take, and the head before it.
fn read(file: &str, endpoint: &EndpointPlan) -> Result<Sample, Box<Diagnostic>> {
    let most = endpoint.client.max_body.saturating_add(LONGEST_HEAD);
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| {
        let help = "name the file of a reply, as `curl -i` or `save` writes it; it is found from where you are";
        Box::new(unusable(format!("{file} can't be read: {error}"), help))
    })?;
    Sample::of_file(Path::new(file), Bytes::from(bytes), endpoint)
        .map_err(|why| Box::new(unusable(format!("{file} {}", why.message), why.help)))
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
