//! `check` beside a reply at hand: what it says of samples, and of what the API behind `demo:` replies.

use std::fs;

use serde_json::{Value, json};

use super::jobs::{FINE, Job};

#[test]
fn a_sample_is_judged_and_its_record_shown() {
    let job = Job::new(FINE);
    fs::write(job.file("reply.json"), "{\"id\": 7}").unwrap();
    let said = job.said("check", &["--sample", "reply.json"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let shown = "item: the reply of reply.json gives 1 record\n  value  1\n  id     7\n";
    assert!(said.out.starts_with("ok: job.toml (") && said.out.ends_with(shown), "{}", said.out);
    let json = job.said("check", &["--sample", "item=reply.json", "--output", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["samples"][0]["record"], json!({ "value": 1, "id": 7 }), "{json}");
    fs::write(job.file("reply.json"), "{\"idd\": 7}").unwrap();
    let slip = job.said("check", &["--sample", "reply.json"]);
    assert!(slip.code == Some(0) && slip.err.starts_with("warning[P0307]: the sample has no `id`"), "{}", slip.err);
    assert!(slip.err.contains("did you mean `idd`?"), "{}", slip.err);
    let page = "<p>log in first</p>";
    fs::write(job.file("reply.html"), page).unwrap();
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n"] {
        fs::write(job.file("reply.html"), format!("{head}{page}")).unwrap();
        for quiet in [&[][..], &["--quiet"]] {
            let refused = job.said("check", &[&["--sample", "reply.html"], quiet].concat());
            let words = "item: a row with the reply of reply.html fails\n";
            assert!(refused.code == Some(1) && refused.out.ends_with(words), "{} {}", refused.out, refused.err);
        }
    }
    fs::write(job.file("job.toml"), format!("client.max-body = \"1KiB\"\n{FINE}")).unwrap();
    fs::write(job.file("reply.json"), format!("{{\"id\": \"{}\"}}", "x".repeat(2_000))).unwrap();
    let large = job.said("check", &["--sample", "reply.json"]);
    assert!(large.code == Some(2) && large.err.contains("reply.json is larger than client.max-body"), "{}", large.err);
    let two = job.said("check", &["job.toml", "--sample", "reply.json"]);
    assert_eq!((two.code, two.out.as_str()), (Some(2), ""), "a sample is for one job");
}

#[test]
fn a_body_alone_is_judged_by_assertions_and_not_by_headers() {
    let job = Job::new(&format!(
        "{}[endpoints.item.columns]\nid = \"$.id\"\netag = {{ header = \"etag\", required = true }}\n",
        FINE.replace("columns.id = \"$.id\"\n", "")
    ));
    let text = fs::read_to_string(job.file("job.toml")).unwrap();
    let text = text.replacen(
        "[endpoints.item]\n",
        "[endpoints.item]\nexpect.assert = [\"json.id > 3\", \"headers.etag\"]\n",
        1,
    );
    fs::write(job.file("job.toml"), text).unwrap();
    fs::write(job.file("reply.json"), "{\"id\": 7}").unwrap();
    let fine = job.said("check", &["--sample", "reply.json"]);
    let open =
        "  not judged: the sample has no head (`curl -i` writes it down): expect.assert[1], columns.etag.header\n";
    assert!(fine.code == Some(0) && fine.out.ends_with(open), "{}{}", fine.out, fine.err);
    fs::write(job.file("reply.json"), "{\"id\": 2}").unwrap();
    let broken = job.said("check", &["--sample", "reply.json"]);
    assert!(broken.code == Some(1), "{}{}", broken.out, broken.err);
    assert!(broken.err.contains("this does not hold for the sample: json.id > 3"), "{}", broken.err);
}

#[test]
fn samples_of_chained_endpoints_have_rows_that_stand_in() {
    let job = |users: &str| {
        Job::new(&format!(
            "[endpoints.users]\nurl = \"{users}\"\ninput.values = [{{ n = 1 }}]\n[endpoints.users.columns]\nid = \"$.id\"\n\
             [endpoints.orders]\nurl = \"demo:/items/{{{{ row.id }}}}\"\ninput.endpoint = \"users\"\n\
             expect.assert = \"json.user == row.id\"\n[endpoints.orders.columns]\nuser = \"$.user\"\n[sinks.out]\npath = \"out.csv\"\n"
        ))
    };
    let away = job("https://users.invalid/{{ row.n }}");
    fs::write(away.file("orders.json"), "{\"user\": 4}").unwrap();
    let said = away.said("check", &["--sample", "orders=orders.json"]);
    for words in [
        "its row is known when users has been answered; names of columns stand in for it: n = \"<n>\", id = \"<id>\"\n",
        "not judged: the values of the row are not known here: expect.assert[0]\n",
    ] {
        assert!(said.code == Some(0) && said.out.contains(words), "{}{}", said.out, said.err);
    }
    fs::write(away.file("users.json"), "{\"id\": 4}").unwrap();
    let both = away.said("check", &["--sample", "orders=orders.json", "--sample", "users=users.json"]);
    let words = "its row is the first record of the sample of users: n = 1, id = 4\n";
    assert!(both.code == Some(0) && both.out.ends_with(words), "{}{}", both.out, both.err);
    let demo = job("demo:/items/{{ row.n }}");
    fs::write(demo.file("orders.json"), "{\"user\": 1}").unwrap();
    let said = demo.said("check", &["--sample", "orders=orders.json"]);
    let words = "its row is the first record that the demo gives for users: n = 1, id = 1\n";
    assert!(said.code == Some(0) && said.out.ends_with(words), "{}{}", said.out, said.err);
    fs::write(demo.file("orders.json"), "{\"user\": 2}").unwrap();
    assert_eq!(demo.said("check", &["--sample", "orders=orders.json"]).code, Some(1));
}

#[test]
fn files_that_are_no_whole_reply_are_told() {
    let job = Job::new(FINE);
    for (bytes, words) in [
        (
            &b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{\"id\": 7}"[..],
            "reply.txt is cut off: its head says content-length: 40",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n{\"id\": 7}HTTP/1.1 200 OK\r\n\r\n{\"id\": 8}", "reply.txt holds several replies"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "reply.txt is packed by gzip and can't be unpacked"),
    ] {
        fs::write(job.file("reply.txt"), bytes).unwrap();
        let said = job.said("check", &["--sample", "reply.txt"]);
        assert!(said.code == Some(2) && said.err.starts_with("error[P0008]: --sample: "), "{}", said.err);
        assert!(said.err.contains(words) && said.err.contains("help: "), "{}", said.err);
    }
}

#[test]
fn a_page_that_quotes_a_reply_is_one() {
    let job = Job::new(&FINE.replace("columns.id = \"$.id\"", "columns.id = { css = \"b\" }"));
    let page = "<html><b>7</b><pre>\nHTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n</pre></html>";
    fs::write(job.file("page.txt"), format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n{page}")).unwrap();
    let said = job.said("check", &["--sample", "page.txt"]);
    assert!(said.code == Some(0) && said.out.ends_with("  id     \"7\"\n"), "{}{}", said.out, said.err);
}

#[test]
fn the_type_of_a_body_alone_is_not_judged() {
    let job = Job::new(&FINE.replace("columns.id = \"$.id\"", "columns.type = { header = \"content-type\" }"));
    fs::write(job.file("reply.json"), "{\"id\": 7}").unwrap();
    let said = job.said("check", &["--sample", "reply.json"]);
    let words = "  type   null\n  not judged: the sample has no head (`curl -i` writes it down): columns.type.header\n";
    assert!(said.code == Some(0) && said.out.ends_with(words), "{}{}", said.out, said.err);
}

#[test]
fn what_a_reply_says_turns_no_text_on_the_terminal() {
    let job = Job::new(
        &FINE.replace("columns.id = \"$.id\"", "columns.id = \"$.id\"\ncolumns.n = { json = \"$.n\", as = \"int\" }"),
    );
    fs::write(job.file("reply.json"), "{\"id\": {\"a\\u202eb\": \"x\\u009b\"}, \"n\": 1}").unwrap();
    let said = job.said("check", &["--sample", "reply.json"]);
    assert!(said.out.ends_with("  id     {\"a\\u202eb\":\"x\\u009b\"}\n  n      1\n"), "{}", said.out);
    let json = job.said("check", &["--sample", "reply.json", "--output", "json"]).out;
    assert!(json.contains("\"a\\u202eb\":\"x\\u009b\""), "{json}");
    let told: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(told["samples"][0]["record"]["id"], json!({ "a\u{202e}b": "x\u{9b}" }));
    fs::write(job.file("reply.json"), "{\"id\": 1, \"n\": \"1\\u2066\\u202e\", \"i\\u200bd\": 2}").unwrap();
    let said = job.said("check", &["--sample", "reply.json"]);
    assert!(said.err.contains("`1\\u2066\\u202e` is not "), "{}", said.err);
    fs::write(job.file("reply.json"), "{\"i\\u200bd\": 2, \"n\": 1}").unwrap();
    let said = job.said("check", &["--sample", "reply.json"]);
    assert!(said.err.contains("it has `i\\u200bd`, `n`"), "{}", said.err);
}

#[test]
fn what_a_sample_has_for_no_row_of_the_chunk_is_said() {
    let job = Job::new(
        "[endpoints.item]\nurl = \"https://items.invalid/\"\nmethod = \"PUT\"\njson = { items = \"{{ rows }}\" }\n\
         input.values = [{ id = 1 }, { id = 2 }]\nchunk = { size = 2, by = \"id\" }\nrows = \"$[*]\"\n\
         columns.name = \"$.name\"\n[sinks.out]\npath = \"out.csv\"\n",
    );
    let items = r#"[{"id": 2, "name": "b"}, {"id": 8, "name": "h"}, {"id": 9, "name": "i"}]"#;
    fs::write(job.file("reply.json"), items).unwrap();
    let said = job.said("check", &["--sample", "reply.json"]);
    let words = "  name  \"b\"\n  left out: 2 items of no row at hand\n  without an item: 1 row at hand\n";
    assert!(said.code == Some(0) && said.out.ends_with(words), "{}{}", said.out, said.err);
    let told: Value =
        serde_json::from_str(&job.said("check", &["--sample", "reply.json", "--output", "json"]).out).unwrap();
    let sample = &told["samples"][0];
    let found = ["packed", "is_last", "items_left_out", "rows_without_item"].map(|name| sample[name].clone());
    assert_eq!(found, [Value::Null, json!(false), json!(2), json!(1)], "{sample}");
    fs::write(job.file("reply.json"), "[{\"name\": \"a\"}, {\"name\": \"b\"}, {\"name\": \"c\"}]").unwrap();
    let text = fs::read_to_string(job.file("job.toml")).unwrap().replace("{ size = 2, by = \"id\" }", "2");
    fs::write(job.file("job.toml"), text).unwrap();
    let said = job.said("check", &["--sample", "reply.json"]);
    assert!(said.out.ends_with("  name  \"a\"\n  left out: 1 item of no row at hand\n"), "{}{}", said.out, said.err);
}

/// A chain against the demo, of which the last looks for what is not there; `more`: of the input of the last.
fn chain(more: &str) -> Job {
    Job::new(&format!(
        "[endpoints.users]\nurl = \"demo:/items/{{{{ row.n }}}}\"\ninput.values = [{{ n = 1 }}]\ncolumns.id = \"$.id\"\n\
         [endpoints.shops]\nurl = \"demo:/items/{{{{ row.id }}}}\"\ninput.endpoint = \"users\"\ncolumns.shop = \"$.id\"\n\
         [endpoints.orders]\nurl = \"demo:/items/{{{{ row.shop }}}}\"\ninput.endpoint = \"shops\"\n{more}\
         columns.price = \"$.pirce\"\n[sinks.out]\npath = \"out.csv\"\n"
    ))
}

#[test]
fn paths_of_chained_endpoints_are_looked_for_in_the_replies_of_the_demo() {
    let job = chain("");
    let said = job.said("check", &[]);
    assert!(said.code == Some(0) && said.err.starts_with("warning[P0307]: "), "{}{}", said.out, said.err);
    assert!(said.err.contains("has no `pirce`") && said.err.contains("job.toml:12:"), "{}", said.err);
    assert!(said.err.contains("\n1 warning in job.toml"), "{}", said.err);
    // The record of a sample is the row, before that of the demo.
    fs::write(job.file("shops.json"), "{\"id\": \"none\"}").unwrap();
    let sampled = job.said("check", &["--sample", "shops=shops.json"]);
    assert_eq!((sampled.code, sampled.err.as_str()), (Some(0), ""), "the demo refuses that row");
    let none = chain("input.where = \"row.shop == 'nothing'\"\n");
    assert_eq!(none.said("check", &[]).err, "", "no row is taken, so nothing is asked");
}

#[test]
fn a_quote_that_is_never_closed_is_told_where_rows_are_counted() {
    let job = Job::new(
        "[endpoints.item]\nurl = \"demo:/items/{{ row.id }}\"\ninput = \"rows.csv\"\n[sinks.out]\npath = \"out.csv\"\n",
    );
    fs::write(job.file("rows.csv"), "id,name\n1,a\n2,\"b\n3,c\n4,d\n").unwrap();
    let said = job.said("check", &[]);
    let words = "warning[P0501]: endpoint `item`: the quote that opens at line 3 of rows.csv is never closed";
    assert!(said.code == Some(0) && said.err.starts_with(words), "{}{}", said.out, said.err);
    assert!(
        said.err.contains("--> job.toml:3:") && said.err.contains("help: close it behind the text"),
        "{}",
        said.err
    );
    assert!(said.out.starts_with("ok: job.toml (1 endpoint, 2 rows, 1 sink)"), "{}", said.out);
    fs::write(job.file("rows.csv"), "id,name\n1,a\n2,\"b\"\n3,c\n").unwrap();
    assert_eq!(job.said("check", &[]).err, "");
}
