//! What is judged of a reply when its head, its row or the secrets are not at hand, and what is not.

use super::*;

#[test]
fn a_body_alone_is_judged_but_for_its_head() {
    let keys = "expect.assert = [\"headers.etag == 'a'\", \"status == 200\", \"headers['content-type'] == 'text/plain'\", \"json.ok\"]\n\
                rules = [{ when = \"headers['x-gone'] is defined\", then = \"skip\" }]\n\
                paginate.header-link = {}\n\
                columns.etag = { header = \"etag\", required = true }\ncolumns.label = \"{{ headers.etag }}-{{ json.id }}\"\n\
                columns.type = { header = \"content-type\" }\ncolumns.nr = { json = \"$.id\", as = \"int\" }\n";
    let fine = judged(keys, r#"{"ok": true, "id": 7}"#);
    let open = [
        "rules[0].when",
        "expect.assert[0]",
        "expect.assert[2]",
        "columns.etag.header",
        "columns.label.template",
        "columns.type.header",
        "paginate.header-link",
    ];
    let open: Vec<_> = open.iter().map(|key| (format!("endpoints.e.{key}"), Why::Head)).collect();
    assert_eq!((found(&fine), unjudged(&fine), fine.is_last), (vec![], open, false));
    assert_eq!(records(&fine), json!([{ "id": 1, "etag": null, "label": null, "type": null, "nr": 7 }]));
    let broken = judged(keys, r#"{"ok": false, "id": 7}"#);
    assert_eq!((found(&broken)[0].1.as_str(), &broken.verdict), ("endpoints.e.expect.assert[3]", &Verdict::Refused));
    assert_eq!(judged(keys, r#"{"ok": true, "id": "x"}"#).verdict, Verdict::Refused);
    let created = judged("expect.status = [201]\nexpect.assert = \"status == 201\"\n", "{}");
    assert_eq!((found(&created), unjudged(&created)), (vec![], vec![]));
}

/// What is made of a reply to an endpoint that reads the records of another; `record`: one of them is known.
fn of_chained(keys: &str, reply: &'static str, record: Option<Value>) -> Judged {
    let text = format!(
        "[endpoints.users]\nurl = \"https://a.example/users\"\ninput.values = [{{ shop = 1 }}]\ncolumns.id = \"$.id\"\n\
         [endpoints.e]\nurl = \"https://a.example/orders/{{{{ row.id }}}}\"\ninput.endpoint = \"users\"\n{keys}"
    );
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics);
    let plan = plan.unwrap_or_else(|| panic!("{:?}", diagnostics.list()));
    let endpoint = &plan.endpoints[1];
    let given = |record: Value| Rows::of_records(endpoint, &[record.as_object().unwrap().clone()]).unwrap();
    let rows = record.map_or_else(|| Rows::first(endpoint), given);
    let reply = sample(endpoint, Bytes::from_static(reply.as_bytes()));
    judge(endpoint, &reply, &rows, &Secrets::default(), (&Masker::default(), &Masker::default()))
}

#[test]
fn a_row_that_another_endpoint_gives_makes_no_false_findings() {
    let keys = "expect.assert = [\"json.user == row.id\", \"json.n > 0\"]\ncolumns.twice = { template = \"{{ row.id | int * 2 }}\", as = \"int\" }\n\
                columns.n = { json = \"$.n\", as = \"int\" }\n";
    let blank = of_chained(keys, r#"{"user": 7, "n": 1}"#, None);
    let open = ["expect.assert[0]", "columns.twice.template"].map(|key| (format!("endpoints.e.{key}"), Why::Row));
    assert_eq!((found(&blank), unjudged(&blank)), (vec![], open.to_vec()));
    assert_eq!(records(&blank), json!([{ "shop": "<shop>", "id": "<id>", "twice": null, "n": 1 }]));
    assert_eq!(of_chained(keys, r#"{"user": 7, "n": 0}"#, None).verdict, Verdict::Refused);
    let known = of_chained(keys, r#"{"user": 7, "n": 1}"#, Some(json!({ "shop": 1, "id": 7, "other": true })));
    assert_eq!((found(&known), unjudged(&known)), (vec![], vec![]));
    assert_eq!(records(&known), json!([{ "shop": 1, "id": 7, "twice": 14, "n": 1 }]));
    let broken = of_chained(keys, r#"{"user": 8, "n": 1}"#, Some(json!({ "shop": 1, "id": 7 })));
    assert_eq!(broken.verdict, Verdict::Refused);
}

#[test]
fn odd_bodies_have_their_words() {
    for (reply, words) in [
        (&b""[..], "this needs JSON, and the sample is empty"),
        (b"\x89PNG\r\n\x1a\n", "this needs JSON, and the sample is binary: it is a PNG image"),
        (b"{\"a\": 1}\n{\"a\": 2}", "this needs JSON, and the sample holds several JSON values, one behind the other"),
    ] {
        let (_, plan) = job("columns.a = \"$.a\"\n");
        let (endpoint, masker) = (&plan.endpoints[0], Masker::default());
        let reply = sample(endpoint, Bytes::from_static(reply));
        let judged = judge(endpoint, &reply, &Rows::first(endpoint), &Secrets::default(), (&masker, &masker));
        assert_eq!((found(&judged)[0].2, found(&judged).len(), &judged.verdict), (words, 1, &Verdict::Refused));
    }
}
