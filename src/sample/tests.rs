//! Tests of judging replies by whole jobs: the verdict, the records and what is told of which key.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::compile::{Options, compile};
use crate::diagnostic::{Diagnostics, codes};
use crate::document::{Document, Overlays};
use crate::plan::{EndpointPlan, Plan};
use crate::secret::{Masker, Secrets};

mod open;

/// A job with one endpoint, of which this is said beside its URL and its input.
pub(super) fn job(keys: &str) -> (Document, Plan) {
    let text = format!(
        "[endpoints.e]\nurl = \"https://a.example/{{{{ row.id }}}}\"\ninput.values = [{{ id = 1 }}, {{ id = 2 }}]\n{keys}"
    );
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics);
    (document, plan.unwrap_or_else(|| panic!("{:?}", diagnostics.list())))
}

fn sample(endpoint: &EndpointPlan, bytes: Bytes) -> Sample {
    Sample::of_file(Path::new("reply"), bytes, endpoint).unwrap()
}

fn judged(keys: &str, reply: &str) -> Judged {
    let (_, plan) = job(keys);
    let endpoint = &plan.endpoints[0];
    let sample = sample(endpoint, Bytes::from(reply.to_owned()));
    judge(endpoint, &sample, &Rows::first(endpoint), &Secrets::default(), (&Masker::default(), &Masker::default()))
}

/// Code, key and message of each finding.
fn found(judged: &Judged) -> Vec<(&'static str, String, &str)> {
    judged.findings.iter().map(|one| (one.code.0, one.key.to_string(), one.message.as_str())).collect()
}

fn unjudged(judged: &Judged) -> Vec<(String, Why)> {
    judged.unjudged.iter().map(|one| (one.key.to_string(), one.why)).collect()
}

fn records(judged: &Judged) -> Value {
    match &judged.verdict {
        Verdict::Accepted(records) => json!(records),
        other => panic!("{other:?}: {:?}", judged.findings),
    }
}

#[test]
fn a_reply_that_fits_gives_its_record() {
    let judged = judged(
        "columns.price = { json = \"$.price\", as = \"float\" }\ncolumns.label = \"{{ row.id }}-{{ json.name }}\"\n",
        r#"{"price": "12.50", "name": "lamp"}"#,
    );
    assert_eq!(found(&judged), []);
    // Numbers keep their digits.
    assert_eq!(records(&judged).to_string(), r#"[{"id":1,"price":12.50,"label":"1-lamp"}]"#);
}

#[test]
fn a_path_that_leads_nowhere_is_told_at_its_column() {
    let reply = r#"{"price": 1, "sku": "a"}"#;
    let short = judged("columns.price = \"$.pirce\"\n", reply);
    assert_eq!(found(&short), [("P0307", "endpoints.e.columns.price.json".into(), "the sample has no `pirce`")]);
    assert_eq!(short.findings[0].range, Some(2..7));
    assert_eq!(records(&short), json!([{ "id": 1, "price": null }]), "a run takes it all the same");
    let required = judged("columns.price = { json = \"$.pirce\", required = true }\n", reply);
    assert_eq!((required.verdict, required.findings.len()), (Verdict::Refused, 1));
}

#[test]
fn a_column_with_a_default_is_told_of_only_when_the_name_is_a_slip() {
    let reply = r#"{"price": 1}"#;
    let slip = judged("columns.price = { json = \"$.pirce\", default = 0 }\n", reply);
    assert_eq!(found(&slip).len(), 1);
    let meant = judged("columns.colour = { json = \"$.colour\", default = \"none\" }\n", reply);
    assert_eq!((found(&meant), records(&meant)), (vec![], json!([{ "id": 1, "colour": "none" }])));
}

#[test]
fn a_null_that_is_there_is_found() {
    let judged = judged("columns.price = \"$.price\"\n", r#"{"price": null}"#);
    assert_eq!((found(&judged), records(&judged)), (vec![], json!([{ "id": 1, "price": null }])));
}

#[test]
fn a_value_of_another_type_is_told_with_the_value() {
    let judged = judged("columns.price = { json = \"$.price\", as = \"int\" }\n", r#"{"price": "12.50"}"#);
    let [(code, key, message)] = found(&judged)[..].to_vec().try_into().unwrap();
    assert_eq!((code, key.as_str(), &judged.verdict), ("P0308", "endpoints.e.columns.price.as", &Verdict::Refused));
    assert!(message.contains("`12.50` is not "), "{message}");
}

#[test]
fn items_are_looked_at_together() {
    let keys = "rows = \"$.items[*]\"\ncolumns.sku = \"$.sku\"\ncolumns.note = \"$.note\"\ncolumns.size = \"$.size\"\n";
    let judged = judged(keys, r#"{"items": [{"sku": "a"}, {"sku": "b", "note": "x"}]}"#);
    let size = ("P0307", "endpoints.e.columns.size.json".into(), "an item of the sample has no `size`");
    assert_eq!(found(&judged), [size], "one item has a note");
    let expected = json!([
        { "id": 1, "sku": "a", "note": null, "size": null },
        { "id": 1, "sku": "b", "note": "x", "size": null },
    ]);
    assert_eq!(records(&judged), expected);
}

#[test]
fn rows_that_find_no_item_are_told_and_their_columns_are_not() {
    let keys = "rows = \"$.itmes[*]\"\ncolumns.sku = \"$.nope\"\n";
    let judged = judged(keys, r#"{"items": [{"sku": "a"}]}"#);
    assert_eq!(found(&judged), [("P0307", "endpoints.e.rows".into(), "the sample has no `itmes`")]);
    assert_eq!(records(&judged), json!([]));
}

#[test]
fn selectors_expressions_and_programs_that_find_nothing_are_told() {
    let keys = "columns.title = { css = \"h1\" }\ncolumns.code = { regex = 'id=(\\d+)' }\n";
    let html = judged(keys, "<html><h2>x</h2></html>");
    let keys_of = |judged: &Judged| found(judged).into_iter().map(|(code, key, _)| (code, key)).collect::<Vec<_>>();
    let told = |name: &str| ("P0307", format!("endpoints.e.columns.{name}"));
    assert_eq!(keys_of(&html), [told("title.css"), told("code.regex")]);
    let fine = judged(keys, "<html><h1>x</h1> id=7</html>");
    assert_eq!((found(&fine), records(&fine)), (vec![], json!([{ "id": 1, "title": "x", "code": "7" }])));
    let jq = judged("columns.size = { jq = \".sizes[]?\" }\n", "{}");
    assert_eq!(keys_of(&jq), [told("size.jq")]);
    let template = judged("columns.label = \"{{ json.nmae }}\"\n", r#"{"name": "lamp"}"#);
    assert_eq!((keys_of(&template), &template.verdict), (vec![told("label.template")], &Verdict::Refused));
    assert!(template.findings[0].message.contains("`json` has no `nmae`; it has `name`"), "{template:?}");
}

#[test]
fn headers_are_looked_at_where_the_sample_has_a_head() {
    let keys = "columns.etag = { header = \"etag\" }\n";
    let bare = judged(keys, "{}");
    assert_eq!((found(&bare), unjudged(&bare)), (vec![], vec![("endpoints.e.columns.etag.header".into(), Why::Head)]));
    assert_eq!(unjudged(&judged(keys, "HTTP/1.1 200 OK\r\n\r\n{}")), []);
    assert_eq!(found(&judged(keys, "HTTP/1.1 200 OK\r\nx: 1\r\n\r\n{}")).len(), 1);
    let with = judged(keys, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\n\r\n{}");
    assert_eq!((found(&with), records(&with)), (vec![], json!([{ "id": 1, "etag": "\"v1\"" }])));
}

#[test]
fn a_reply_that_is_not_json_is_told_once() {
    let judged = judged("columns.a = \"$.a\"\ncolumns.b = \"$.b\"\n", "<html></html>");
    let [(code, key, message)] = found(&judged)[..].to_vec().try_into().unwrap();
    assert_eq!((code, key.as_str()), ("P0309", "endpoints.e.columns.a.json"));
    assert!(message.contains("is not JSON"), "{message}");
    assert_eq!(judged.verdict, Verdict::Refused);
}

#[test]
fn a_status_that_is_not_expected_refuses_the_reply_and_a_rule_decides_before() {
    let reply = "HTTP/1.1 404 Not Found\r\n\r\n{\"error\": {\"code\": \"GONE\"}}";
    let refused = judged("columns.a = \"$.a\"\n", reply);
    assert_eq!(found(&refused).len(), 1, "columns are not looked at");
    assert_eq!((refused.findings[0].code, &refused.verdict), (codes::SAMPLE_REFUSED, &Verdict::Refused));
    let ruled = judged("rules = [{ when = \"json.error.code == 'GONE'\", then = \"skip\" }]\n", reply);
    assert_eq!((found(&ruled), ruled.verdict.clone()), (vec![], Verdict::Ruled(0, Then::Skip)));
    let accepted = judged("rules = [{ when = \"status == 404\", then = \"accept\" }]\n", reply);
    assert!(matches!(accepted.verdict, Verdict::Accepted(_)), "{accepted:?}");
}

#[test]
fn an_assertion_that_does_not_hold_is_told_with_the_slip_in_it() {
    let plain = judged("expect.assert = \"json.count > 3\"\n", r#"{"count": 1}"#);
    let key = "endpoints.e.expect.assert[0]".to_owned();
    assert_eq!(found(&plain), [("P0309", key.clone(), "this does not hold for the sample: json.count > 3")]);
    assert_eq!(plain.verdict, Verdict::Refused);
    let slip = judged("expect.assert = [\"json.cuont > 3\"]\n", r#"{"count": 5}"#);
    assert_eq!(found(&slip), [("P0307", key, "`json` of the sample has no `cuont`")]);
    assert_eq!(slip.findings[0].range, Some(5..10));
}

#[test]
fn a_rule_that_looks_for_what_is_not_there_is_told_only_when_it_is_a_slip() {
    let rule = |when: &str| format!("rules = [{{ when = \"{when}\", then = \"fail\" }}]\n");
    assert_eq!(found(&judged(&rule("json.error.code == 1"), r#"{"status": "ok"}"#)), []);
    let slip = judged(&rule("json.staus == 'bad'"), r#"{"status": "ok"}"#);
    assert_eq!(found(&slip), [("P0307", "endpoints.e.rules[0].when".into(), "`json` of the sample has no `staus`")]);
}

#[test]
fn the_place_of_the_next_page_is_looked_for() {
    let keys = "rows = \"$.items[*]\"\npaginate.cursor = { path = \"$.nxt\" }\n";
    let lost = judged(keys, r#"{"items": [1], "next": "b"}"#);
    assert_eq!(found(&lost), [("P0307", "endpoints.e.paginate.cursor.path".into(), "the sample has no `nxt`")]);
    let wrong = judged(keys, r#"{"items": [1], "nxt": {"a": 1}}"#);
    assert_eq!((found(&wrong)[0].0, &wrong.verdict), ("P0308", &Verdict::Refused));
    let fine = judged(keys, r#"{"items": [1], "nxt": "b"}"#);
    assert_eq!((found(&fine), fine.is_last), (vec![], false));
    for last in [r#"{"items": [1]}"#, r#"{"items": [1], "total": 1}"#] {
        let judged = judged(keys, last);
        assert_eq!((found(&judged), judged.is_last), (vec![], true), "so is every last page");
        assert_eq!(records(&judged)[0]["id"], json!(1));
    }
}

/// What is made of a reply to a chunk of the rows 1 and 2; `asked`: it is the one to them.
fn of_chunk(chunk: &str, reply: &'static str, asked: bool) -> Judged {
    let job = format!(
        "[endpoints.e]\nurl = \"https://a.example/\"\njson = {{ items = \"{{{{ rows }}}}\" }}\nmethod = \"PUT\"\n\
         input.values = [{{ id = 1 }}, {{ id = 2 }}]\nchunk = {chunk}\nrows = \"$[*]\"\ncolumns.name = \"$.name\"\n"
    );
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("job.toml"), job, &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics);
    let plan = plan.unwrap_or_else(|| panic!("{:?}", diagnostics.list()));
    let endpoint = &plan.endpoints[0];
    let rows = Rows { asked, ..Rows::first(endpoint) };
    let sample = sample(endpoint, Bytes::from_static(reply.as_bytes()));
    judge(endpoint, &sample, &rows, &Secrets::default(), (&Masker::default(), &Masker::default()))
}

const BY_ID: &str = "{ size = 2, by = \"id\" }";
const BY_POSITION: &str = "{ size = 2 }";

#[test]
fn rows_of_a_chunk_get_their_items() {
    let judged = of_chunk(BY_ID, r#"[{"id": 2, "name": "b"}, {"id": 9, "name": "z"}]"#, false);
    assert_eq!((found(&judged), records(&judged)), (vec![], json!([{ "id": 2, "name": "b" }])));
    assert_eq!(judged.apart, Apart { items: 1, rows: 1 });
    let judged = of_chunk(BY_POSITION, r#"[{"name": "a"}]"#, false);
    assert_eq!((found(&judged), records(&judged)), (vec![], json!([{ "id": 1, "name": "a" }])));
    assert_eq!(judged.apart, Apart { items: 0, rows: 1 });
    let judged = of_chunk(BY_POSITION, r#"[{"name": "a"}, {"name": "b"}, {"name": "c"}]"#, false);
    assert_eq!((found(&judged).len(), judged.apart), (0, Apart { items: 1, rows: 0 }));
}

#[test]
fn a_sample_for_other_rows_is_told_and_its_columns_are_looked_at() {
    let judged = of_chunk(BY_ID, r#"[{"id": 77, "nmae": "x"}, {"id": 78, "nmae": "y"}]"#, false);
    let strange = "no item of the sample belongs to a row at hand: the reply to its chunk has no item with $['id'] = `1` (chunk.by)";
    let expected = [
        ("P0307", "endpoints.e.chunk.by".to_owned(), strange),
        ("P0307", "endpoints.e.columns.name.json".to_owned(), "an item of the sample has no `name`"),
    ];
    assert_eq!((found(&judged), records(&judged)), (expected.to_vec(), json!([])));
}

#[test]
fn rows_that_the_reply_to_them_has_nothing_for_fail_as_in_a_run() {
    let uneven = of_chunk(BY_POSITION, r#"[{"name": "a"}]"#, true);
    let words = "the reply has 1 items for the 2 rows of the chunk, so that it can't be told which is whose";
    assert_eq!(found(&uneven), [("P0309", "endpoints.e.chunk".to_owned(), words)]);
    let lost = of_chunk(BY_ID, r#"[{"id": 1, "name": "a"}]"#, true);
    let words = "the reply to its chunk has no item with $['id'] = `2` (chunk.by)";
    assert_eq!(found(&lost), [("P0309", "endpoints.e.chunk.by".to_owned(), words)]);
    assert_eq!((uneven.verdict, lost.verdict), (Verdict::Refused, Verdict::Refused));
    let fine = of_chunk(BY_ID, r#"[{"id": 2, "name": "b"}, {"id": 1, "name": "a"}]"#, true);
    assert_eq!(found(&fine), []);
}

#[test]
fn a_status_that_a_run_tries_again_is_no_matter_of_the_job() {
    let seconds = Duration::from_secs;
    for (head, again) in [
        ("503 Service Unavailable", Again::Retry(5)),
        ("429 Too Many Requests\r\nRetry-After: 2", Again::Throttle(Some(seconds(2)))),
        ("429 Too Many Requests", Again::Throttle(None)),
        ("429 Too Many Requests\r\nRetry-After: 86000", Again::Stop(seconds(86_000))),
    ] {
        let judged = judged("columns.a = \"$.a\"\n", &format!("HTTP/1.1 {head}\r\n\r\n{{}}"));
        assert_eq!((found(&judged), &judged.verdict), (vec![], &Verdict::Again(again)), "{head}");
    }
    for (keys, status, help) in [
        ("retry.attempts = 1\n", 503, "the server is not well"),
        ("method = \"POST\"\n", 500, "the server is not well"),
        ("", 401, "look at what proves who asks"),
        ("", 404, "add it to `expect.status`"),
    ] {
        let judged = judged(keys, &format!("HTTP/1.1 {status} X\r\n\r\n{{}}"));
        assert_eq!((found(&judged).len(), &judged.verdict), (1, &Verdict::Refused), "{keys}{status}");
        assert!(judged.findings[0].help.starts_with(help), "{judged:?}");
    }
}

#[test]
fn findings_become_warnings_at_their_places() {
    let (document, plan) = job("columns.price = \"$.pirce\"\ncolumns.size = { json = \"$.size\", as = \"int\" }\n");
    let endpoint = &plan.endpoints[0];
    let sample = sample(endpoint, Bytes::from_static(br#"{"price": 1, "size": "big"}"#));
    let judged =
        judge(endpoint, &sample, &Rows::first(endpoint), &Secrets::default(), (&Masker::default(), &Masker::default()));
    let mut diagnostics = Diagnostics::default();
    tell(&document, &judged.findings, &mut diagnostics);
    let text = &document.sources[0].text;
    let at: Vec<&str> = diagnostics
        .list()
        .iter()
        .map(|one| one.primary.as_ref().map(|label| &text[label.place.start..label.place.end]).unwrap())
        .collect();
    assert_eq!((at, diagnostics.has_errors()), (vec!["pirce", "\"int\""], false));
}

#[test]
fn a_secret_in_a_reply_is_masked() {
    let (_, plan) = job("columns.echo = \"$.echo\"\n");
    let endpoint = &plan.endpoints[0];
    let sample = sample(endpoint, Bytes::from_static(br#"{"echo": "hunter2-hunter2"}"#));
    let masker = Masker::new(["hunter2-hunter2"]);
    let judged = judge(endpoint, &sample, &Rows::first(endpoint), &Secrets::default(), (&masker, &masker));
    assert_eq!(records(&judged), json!([{ "id": 1, "echo": "***" }]));
}

#[test]
fn a_secret_that_is_a_name_in_a_reply_is_masked() {
    let keys = "columns.a = \"$.price\"\ncolumns.deep = \"$.deep\"\n\
                rules = [{ when = \"json.hunter3hunter2 == 1\", then = \"skip\" }]\n";
    let (_, plan) = job(keys);
    let endpoint = &plan.endpoints[0];
    let reply = br#"{"hunter2hunter2": 1, "deep": {"hunter2hunter2": 1}}"#;
    let masker = Masker::new(["hunter2hunter2"]);
    let sample = sample(endpoint, Bytes::from_static(reply));
    let judged = judge(endpoint, &sample, &Rows::first(endpoint), &Secrets::default(), (&masker, &masker));
    assert_eq!(records(&judged), json!([{ "id": 1, "a": null, "deep": { "***": 1 } }]));
    assert_eq!(found(&judged).len(), 2, "{judged:?}");
    assert!(!format!("{judged:?}").contains("hunter2hunter2"), "{judged:?}");
    assert!(judged.findings[1].help.contains("it has `***`, `deep`"), "{judged:?}");
}

#[test]
fn a_short_secret_is_masked_in_words_and_not_in_records() {
    let (_, plan) = job("columns.a = { json = \"$.a\", as = \"int\" }\ncolumns.b = { json = \"$.b\", as = \"int\" }\n");
    let endpoint = &plan.endpoints[0];
    let (masker, cells) = (Masker::new(["4242"]), Masker::default());
    let judged = |reply: &'static str| {
        let sample = sample(endpoint, Bytes::from_static(reply.as_bytes()));
        judge(endpoint, &sample, &Rows::first(endpoint), &Secrets::default(), (&masker, &cells))
    };
    assert_eq!(records(&judged(r#"{"a": "4242", "b": 1}"#)), json!([{ "id": 1, "a": 4242, "b": 1 }]));
    let unlike = judged(r#"{"a": 1, "b": "4242x"}"#);
    assert!(found(&unlike)[0].2.contains("`***x`"), "{unlike:?}");
}
