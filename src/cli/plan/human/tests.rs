//! What `plan` says, letter by letter.

use super::super::facts::{LimitFacts, PaginateFacts, RepeatFacts, RuleFacts, SaveFacts, SecretFacts};
use super::super::resume::HeldFacts;
use super::super::resume::tests::change;
use super::*;
use crate::retry::Then;

fn endpoint() -> EndpointFacts {
    EndpointFacts {
        name: "price".into(),
        input: "products.csv (csv, 3 columns)".into(),
        parent: None,
        rows: Some(1000),
        paginate: None,
        requests: Some(1000),
        chunk: None,
        most_requests: Some(5000),
        batches: Some(2),
        batch_size: Some(500),
        batch_pause_seconds: Some(0.25),
        batches_in_flight: 1,
        concurrency: 20,
        concurrency_auto: false,
        limits: vec![LimitFacts {
            name: "api".into(),
            rates: vec!["10/s".into(), "5000/h".into()],
            burst: 5,
            cost: "1".into(),
            key: None,
            learn: true,
            line: "api: 10/s and 5000/h, burst 5".into(),
        }],
        learn: true,
        shortest_seconds: Some(99.5),
        bound_by: Some("limit api".into()),
        not_counted: Vec::new(),
        repeats: RepeatFacts {
            budget: Some(0.2),
            key: None,
            lost: false,
            why: "not repeated: POST without a key; their rows fail as unknown".into(),
        },
        rules: vec![RuleFacts { when: "status == 404".into(), then: Then::Skip }],
        asserts: vec!["json.ok".into()],
        hosts: vec!["api.example.com".into()],
        hosts_vary: false,
        stream: None,
        save: None,
        proxies: proxies(),
        preview: preview(),
    }
}

fn proxies() -> Vec<Via> {
    let through = Via {
        host: "api.example.com".into(),
        proxy: Some("http://proxy:3128".into()),
        from: "https_proxy",
        refused: None,
    };
    let refused = Some("it is none".into());
    vec![through, Via { host: "b.example".into(), proxy: None, from: "http_proxy", refused }]
}

fn preview() -> Vec<Shown> {
    let request = ShownRequest {
        method: "POST".into(),
        url: "demo:/products/1".into(),
        headers: vec![("authorization".into(), "Bearer ***".into())],
        body: Some("{\n  \"id\": 1\n}".into()),
        ..ShownRequest::default()
    };
    let good = Shown { row: 1, rows: None, request: Some(request), saved: None, error: None };
    let error = Some("line 3 has 2 cells".into());
    vec![good, Shown { row: 2, rows: None, request: None, saved: None, error }]
}

#[test]
fn chunks_are_told_with_their_rows() {
    let chunk = Some(ChunkFacts { size: 10, split: true });
    let preview = vec![Shown { rows: Some(10), ..preview().remove(0) }];
    let told = text(&Facts { endpoints: vec![EndpointFacts { chunk, preview, ..endpoint() }], ..facts(begin()) });
    assert!(told.contains("\n  chunks    10 rows in a request; of one that fails both halves are tried"), "{told}");
    assert!(told.contains("\n  row 1 and 9 more\n    POST demo:/products/1\n"), "{told}");
    assert_eq!(
        [row(7, None), row(1_001, Some(1)), row(3, Some(1_001))],
        ["row 7", "row 1,001", "row 3 and 1,000 more"]
    );
}

fn secret() -> SecretFacts {
    SecretFacts { name: "token".into(), source: "environment variable TOKEN".into() }
}

fn facts(resume: Resume) -> Facts {
    Facts {
        notify: Vec::new(),
        version: 1,
        job: "prices".into(),
        description: Some("Every night".into()),
        file: "jobs/prices.toml".into(),
        fingerprint: "1a2b3c4d".into(),
        row_limit: None,
        endpoints: vec![endpoint()],
        sinks: vec![SinkFacts {
            name: "out".into(),
            target: "out/prices.csv (csv)".into(),
            from: vec!["price".into()],
            rows: RowChoice::All,
            columns: None,
            dedupe: Vec::new(),
            sends: None,
            there: Some(1_234),
            refused: Some("out/prices.csv exists".into()),
        }],
        secrets: vec![secret()],
        touches: Touches {
            hosts: ["https://api.example.com:443".to_owned(), "https://b.example:443".to_owned()].into(),
            hosts_vary: true,
            redirects: true,
            reads: ["jobs/prices.toml".to_owned(), "products.csv".to_owned()].into(),
            writes: ["out/prices.csv".to_owned()].into(),
            secrets: vec![secret()],
            ..Touches::default()
        },
        fail_if: vec!["failed > 0".into()],
        stop_if: vec!["unauthorized >= 5 in a row".into()],
        state: "jobs/.paceline/prices".into(),
        resume,
    }
}

fn begin() -> Resume {
    let words = "a run begins at the first row".into();
    Resume {
        action: Action::Begin,
        words,
        run: None,
        done: 0,
        changes: Vec::new(),
        held: Vec::new(),
        held_too_long: false,
    }
}

#[test]
fn a_plan_letter_by_letter() {
    let expected = "\
prices: Every night
job       jobs/prices.toml (fingerprint 1a2b3c4d)

endpoint price
  input     products.csv (csv, 3 columns): 1,000 rows
  requests  1,000, 5,000 at most with retries, throttling and outages aside; 20 in flight
  batches   2 of 500 rows, 250ms between two
  limit     api: 10/s and 5000/h, burst 5
  duration  at least 1m 39s, bound by limit api
  rule      skip: status == 404
  assert    json.ok
  lost      requests without an answer are not repeated: POST without a key; their rows fail as unknown
  hosts     api.example.com
  proxy     http://proxy:3128 for api.example.com, from https_proxy
  proxy     none for b.example: it is none

  row 1
    POST demo:/products/1
    authorization: Bearer ***

    {
      \"id\": 1
    }

  row 2: fails: line 3 has 2 cells

sink      out: out/prices.csv (csv), all rows of price; there now: 1,234 bytes
          refused: out/prices.csv exists
fail-if   failed > 0
stop-if   unauthorized >= 5 in a row
state     jobs/.paceline/prices

touches
  hosts     https://api.example.com:443
            https://b.example:443
            whatever hosts rows say
            wherever redirects lead
  reads     jobs/prices.toml
            products.csv
  writes    out/prices.csv
  secrets   token from environment variable TOKEN

next      a run begins at the first row
";
    assert_eq!(text(&facts(begin())), expected);
}

#[test]
fn a_run_that_goes_on_says_how_far_it_is_and_does_not_mind_its_own_output() {
    let words = "run r7 is unfinished: a run goes on with it, 412 rows done".to_owned();
    let held = HeldFacts {
        limit: "api".into(),
        key: None,
        until: "2026-11-27T14:05:10Z".into(),
        wait_seconds: 180.0,
        words: "api: held until 14:05:10 UTC (in 3m), the server asked for it".into(),
    };
    let (run, changes, held) = (Some("r7".into()), vec![change()], vec![held]);
    let resume = Resume { action: Action::GoOn, words, run, done: 412, changes, held, held_too_long: true };
    let text = text(&facts(resume));
    assert!(!text.contains("refused"), "{text}");
    let expected = "\
next      run r7 is unfinished: a run goes on with it, 412 rows done of 1,000
          endpoints.price.url: http://a -> http://b
          api: held until 14:05:10 UTC (in 3m), the server asked for it
          that is longer than retry.max-wait: a run before its time stops at once
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn the_ways_on_from_a_changed_job_are_those_of_run() {
    let resume = Resume { action: Action::Refuse, changes: vec![change()], ..begin() };
    let told = text(&facts(resume));
    assert!(told.contains("http://b\n          `run --accept-changes` goes on"), "{told}");
}

#[test]
fn where_replies_are_saved_is_said_for_all_and_for_each() {
    let path = "pages/{{ row.sku }}.html".to_owned();
    let save = Some(SaveFacts { path, folder: "jobs/pages/".to_owned() });
    let mut saving = EndpointFacts { save, ..endpoint() };
    saving.preview[0].saved = Some("pages/A-1.html".to_owned());
    let text = text(&Facts { endpoints: vec![saving], ..facts(begin()) });
    assert!(text.contains("\n  saves     pages/{{ row.sku }}.html, all below jobs/pages/\n"), "{text}");
    assert!(text.contains("\n  row 1, saved as pages/A-1.html\n    POST "), "{text}");
    assert!(text.contains("\n  row 2: fails: "), "{text}");
}

#[test]
fn how_pages_are_walked_is_said_behind_the_requests() {
    let paginate = Some(PaginateFacts { kind: "cursor", words: "by the cursor at $.next".to_owned(), max_pages: None });
    let text = text(&Facts { endpoints: vec![EndpointFacts { paginate, ..endpoint() }], ..facts(begin()) });
    let lines =
        "20 in flight\n  pages     cursor by the cursor at $.next; the requests above are those of first pages\n";
    assert!(text.contains(lines), "{text}");
}

#[test]
fn where_nothing_binds_the_server_decides() {
    let free = || EndpointFacts { shortest_seconds: Some(0.0), bound_by: None, ..endpoint() };
    let said = |endpoint| text(&Facts { endpoints: vec![endpoint], ..facts(begin()) });
    let text = said(free());
    let line = "\n  duration  as fast as the server answers: 20 in flight make 200/s if it takes 100 ms\n";
    assert!(text.contains(line), "{text}");
    let text = said(EndpointFacts { concurrency_auto: true, concurrency: 1000, ..free() });
    assert!(text.contains("; as many in flight as the server takes well, 1,000 at most\n"), "{text}");
    let line = "answers: up to 1,000 in flight make up to 10,000/s if it takes 100 ms\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn what_rows_decide_is_not_counted_and_said_to_be() {
    let keyed = EndpointFacts { not_counted: vec!["tenants".into(), "b".into()], ..endpoint() };
    let text = text(&Facts { endpoints: vec![keyed], ..facts(begin()) });
    let line = "at least 1m 39s, bound by limit api; what rows take from tenants, b is not counted\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn what_is_usual_is_not_said_and_what_is_not_is() {
    let repeats = |budget, key: Option<&str>, why: &str| {
        let repeats = RepeatFacts { budget, key: key.map(Into::into), lost: true, why: why.into() };
        let usual = EndpointFacts { repeats, limits: Vec::new(), learn: false, ..endpoint() };
        text(&Facts { endpoints: vec![usual], stop_if: Vec::new(), ..facts(begin()) })
    };
    let usual = repeats(Some(0.2), None, "repeated: GET in retry.methods");
    assert!(!["  lost", "  retries", "stop-if"].iter().any(|label| usual.contains(label)), "{usual}");
    assert!(usual.contains("\n  limit     none, and deaf to what replies say of limits\n"), "{usual}");
    let other = repeats(Some(0.025), Some("idempotency-key"), "repeated: the server tells them by idempotency-key");
    assert!(other.contains("\n  retries   2.5 % of the requests at most, beside one a second\n"), "{other}");
    assert!(other.contains("\n  lost      requests without an answer are repeated: the server tells"), "{other}");
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let unknown = EndpointFacts {
        rows: None,
        requests: None,
        most_requests: None,
        batches: None,
        shortest_seconds: None,
        hosts: Vec::new(),
        hosts_vary: true,
        preview: Vec::new(),
        ..endpoint()
    };
    let text = text(&Facts { endpoints: vec![unknown], row_limit: Some(10), ..facts(begin()) });
    assert!(text.contains("rows not known before they are read (at most 10 taken)"), "{text}");
    assert!(text.contains("requests  one for each row; 20 in flight"), "{text}");
    assert!(text.contains("batches   of 500 rows, 250ms between two"), "{text}");
    assert!(text.contains("hosts     decided by each row"), "{text}");
    assert!(!text.contains("duration"), "{text}");
}

#[test]
fn several_endpoints_are_summed_up_at_the_top() {
    let other = EndpointFacts { name: "late".into(), shortest_seconds: Some(3600.0), ..endpoint() };
    let mut facts = facts(begin());
    facts.endpoints.push(other);
    let told = |facts: &Facts| text(facts).lines().nth(2).unwrap().to_owned();
    assert_eq!(told(&facts), "in all    2 endpoints, 2,000 requests, at least 1h for late");
    (facts.endpoints[1].rows, facts.endpoints[1].requests, facts.endpoints[1].shortest_seconds) = (None, None, None);
    let expected = "in all    2 endpoints, 1,000 requests and those of rows not known yet, at least 1m 39s for price";
    assert_eq!(told(&facts), expected);
}

#[test]
fn pages_are_counted_where_the_job_bounds_them() {
    let paginate = |max_pages| PaginateFacts { kind: "offset", words: "by offset=0".into(), max_pages };
    let known = pages(&paginate(Some(3)), Some(10));
    assert_eq!(
        known,
        "offset by offset=0; the requests above are those of first pages, all pages are 30 requests at most"
    );
    assert!(pages(&paginate(None), Some(10)).ends_with("those of first pages"));
}
