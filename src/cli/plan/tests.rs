//! What `plan` gathers of a job from its text.

use std::path::Path;

use super::facts::Facts;
use crate::compile::{self, Options};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::plan::Plan;
use crate::run::RunOptions;

pub fn facts(job: &str) -> Facts {
    Facts::gather(&plan(job), RunOptions::default(), 2).unwrap()
}

pub fn plan(job: &str) -> Plan {
    let mut diagnostics = Diagnostics::default();
    let path = Path::new("jobs/never-there.toml");
    let document = Document::parse(path, job.to_owned(), &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile::compile(&document, &Options::default(), &mut diagnostics);
    plan.unwrap_or_else(|| panic!("{:?}", diagnostics.list()))
}

const ROWS: &str = "url = \"https://a.example/x\"\nmethod = \"POST\"\ninput.values = [{ w = 1 }, { w = \"many\" }]\n";

#[test]
fn a_limit_that_rows_decide_is_left_out_of_the_duration() {
    let job = |more: &str| {
        let limits = format!("[limits]\na = {{ rate = \"1/h\"{more} }}\nb = {{ rate = \"1/s\", cost = 4 }}\n");
        let facts = facts(&format!("{limits}[endpoints.e]\n{ROWS}limit = [\"a\", \"b\"]\n"));
        let endpoint = &facts.endpoints[0];
        (endpoint.shortest_seconds.unwrap(), endpoint.bound_by.clone().unwrap(), endpoint.not_counted.clone())
    };
    assert_eq!(job(""), (3600.0, "limit a (1/h)".to_owned(), vec![]));
    for decided in [", cost = \"{{ row.w }}\"", ", key = \"{{ row.w }}\"", ", key = \"host\""] {
        assert_eq!(job(decided), (4.0, "limit b (1/s)".to_owned(), vec!["a".to_owned()]), "{decided}");
    }
}

#[test]
fn a_row_whose_cost_is_none_is_shown_to_fail() {
    let limit = "[limits.a]\nrate = \"1/s\"\ncost = \"{{ row.w }}\"\n";
    let facts = facts(&format!("{limit}[endpoints.e]\n{ROWS}limit = \"a\"\n"));
    let shown = &facts.endpoints[0].preview;
    assert!(shown[0].error.is_none() && shown[1].request.is_none());
    assert!(shown[1].error.as_ref().unwrap().starts_with("the cost of this row is \"many\""), "{shown:?}");
}

#[test]
fn what_becomes_of_requests_without_an_answer_is_told() {
    let told = |more: &str| {
        let facts = facts(&format!("[endpoints.e]\n{ROWS}{more}\n"));
        let repeats = &facts.endpoints[0].repeats;
        let key = facts.endpoints[0].preview[0].request.as_ref().unwrap().headers.last().unwrap().1.clone();
        (repeats.lost, repeats.why.clone(), key)
    };
    let (lost, why, last) = told("");
    assert!(!lost && why.starts_with("not repeated: POST without a key") && !last.contains("key of"), "{why}");
    let (lost, why, _) = told("retry.unknown = \"resend\"");
    assert!(lost && why.contains("the server may act twice"), "{why}");
    let (lost, _, key) = told("idempotency-key = true");
    assert_eq!((lost, key.as_str()), (true, "\"(key of run and row)\""));
    let (_, why, key) = told("idempotency-key = { header = \"X-Key\", style = \"bare\" }");
    assert_eq!((why.as_str(), key.as_str()), ("repeated: the server tells them by x-key", "(key of run and row)"));
    let (lost, why, _) = told("retry.methods = [\"POST\"]");
    assert!(lost && why == "repeated: POST in retry.methods", "{why}");
}
