//! Tests of the lints: where each speaks, and above all where it holds its peace.

use std::path::Path;

use super::newer_toml::newer;
use crate::compile::{Options, compile};
use crate::diagnostic::{Code, Diagnostics, codes};
use crate::document::{Document, Overlays};

/// Places that are told with a code, as they stand in the text.
fn told(code: Code, text: &str) -> Vec<String> {
    let mut diagnostics = Diagnostics::default();
    let path = Path::new("job.toml");
    let document = Document::parse(path, text.to_owned(), &Overlays::default(), &mut diagnostics).unwrap();
    assert!(compile(&document, &Options::default(), &mut diagnostics).is_some(), "{:?}", diagnostics.list());
    let found = diagnostics.list().iter().filter(|told| told.code == code);
    let places = found.map(|told| told.primary.as_ref().unwrap().place);
    places.map(|place| text[place.start..place.end].to_owned()).collect()
}

fn post(more: &str) -> Vec<String> {
    told(
        codes::NO_REPEAT,
        &format!("[endpoints.e]\nmethod = \"POST\"\nurl = \"https://h/\"\ninput.values = [{{ a = 1 }}]\n{more}"),
    )
}

#[test]
fn a_post_that_nobody_decided_on_is_told_at_its_method() {
    assert_eq!(post(""), ["\"POST\""]);
    assert_eq!(post("retry.attempts = 3\n"), ["\"POST\""]);
    assert_eq!(post("rules = [{ when = \"status == 404\", then = \"skip\" }]\n"), ["\"POST\""]);
}

#[test]
fn a_post_that_was_decided_on_is_not_told() {
    for more in [
        "idempotency-key = true\n",
        "idempotency-key = false\n",
        "retry.attempts = 1\n",
        "retry.unknown = \"fail\"\n",
        "retry.methods = [\"POST\"]\n",
        "[retry]\nunknown = \"resend\"\n",
        "[retry]\nmethods = [\"GET\"]\n",
    ] {
        assert_eq!(post(more), Vec::<String>::new(), "{more}");
    }
}

#[test]
fn the_demo_and_methods_that_may_be_repeated_are_not_told() {
    for (method, url) in
        [("POST", "demo:/echo"), ("PUT", "https://h/"), ("DELETE", "https://h/"), ("GET", "https://h/")]
    {
        let job = format!("[endpoints.e]\nmethod = \"{method}\"\nurl = \"{url}\"\ninput.values = [{{ a = 1 }}]\n");
        assert_eq!(told(codes::NO_REPEAT, &job), Vec::<String>::new(), "{method} {url}");
    }
    let patch = "[endpoints.e]\nmethod = \"PATCH\"\nurl = \"https://h/\"\ninput.values = [{ a = 1 }]\n";
    assert_eq!(told(codes::NO_REPEAT, patch), ["\"PATCH\""]);
}

fn paused(more: &str) -> Vec<String> {
    told(codes::PAUSE_UNFELT, &format!("[endpoints.e]\nurl = \"https://h/\"\ninput.values = [{{ a = 1 }}]\n{more}"))
}

#[test]
fn a_pause_shorter_than_the_gap_of_the_rate_is_told() {
    assert_eq!(paused("rate = \"1/s\"\nbatch = { size = 500, pause = \"250ms\" }\n"), ["\"250ms\""]);
    assert_eq!(paused("rate = \"4/s\"\nbatch = { size = 500, pause = \"250ms\" }\n"), ["\"250ms\""]);
    let shared = "limit = \"a\"\n[limits.a]\nrate = [\"100/s\", \"60/m\"]\n[batch]\nsize = 10\npause = \"1s\"\n";
    assert_eq!(paused(shared), ["\"1s\""]);
}

#[test]
fn a_pause_that_may_be_felt_is_not_told() {
    for more in [
        "rate = \"5/s\"\nbatch = { size = 500, pause = \"250ms\" }\n",
        "rate = \"1/s\"\nbatch = { size = 9, pause = \"250ms\" }\n",
        "rate = \"1/s\"\nbatch = { size = 500 }\n",
        "batch = { size = 500, pause = \"1ms\" }\n",
        "limit = \"a\"\nbatch = { size = 500, pause = \"1s\" }\n[limits.a]\nrate = \"1/s\"\nkey = \"host\"\n",
    ] {
        assert_eq!(paused(more), Vec::<String>::new(), "{more}");
    }
}

#[test]
fn a_pause_of_the_top_level_is_told_once_and_only_if_no_endpoint_feels_it() {
    let other = |rate: &str| {
        let top = "[batch]\nsize = 100\npause = \"1s\"\n";
        paused(&format!(
            "rate = \"1/s\"\n[endpoints.f]\nurl = \"https://h/\"\ninput.values = [{{ a = 1 }}]\nrate = \"{rate}\"\n{top}"
        ))
    };
    assert_eq!(other("1/s"), ["\"1s\""]);
    assert_eq!(other("100/s"), Vec::<String>::new());
}

#[test]
fn syntax_of_toml_1_1_is_found_at_its_place() {
    for (text, places) in [
        ("a = {\n b = 1 }", &["{"][..]),
        ("a = { b = 1, # why\n c = 2,\n}", &["{"]),
        ("a = { b = 1, }", &[","]),
        ("a = [{ b = 1, }, {\n}]", &[",", "{"]),
        ("a = { b = { c = 1,\n }, d = 1 }", &["{"]),
        (r#"a = "x\e[0m \e""#, &[r"\e"]),
        (r#"a = "\\e \x1b""#, &[r"\x1b"]),
        ("\"\\x61\" = \"\"\"\n\\e\"\"\"", &[r"\x61", r"\e"]),
        ("a = 10:30\nb = 2026-01-31T10:30Z\nc = 2026-01-31 10:30", &["10:30", "2026-01-31T10:30Z", "2026-01-31 10:30"]),
    ] {
        let found: Vec<&str> = newer(text).iter().map(|newer| &text[newer.span.clone()]).collect();
        assert_eq!(found, places, "{text}");
    }
}

#[test]
fn syntax_of_toml_1_0_is_not_told() {
    for text in [
        "a = { b = [\n 1,\n 2,\n], c = 1 }\n",
        "a = [ # why\n { b = 1 },\n { b = 2 },\n]\n",
        "a = { b = \"\"\"\nx\n\"\"\" }\n",
        "a = '\\e \\x1b'\nb = \"\\\\e \\u001b \\\\x1b\"\nc = '''\n\\e'''\n",
        "a = 10:30:00\nb = 2026-01-31T10:30:00+02:00\nc = 2026-01-31\nd = 1.5\ne = 12345\nf = true\n",
        "[a]\n[[b.c]]\nd.e = {}\n",
    ] {
        assert_eq!(newer(text), [], "{text}");
    }
}

#[test]
fn the_way_out_of_each_is_toml_1_0() {
    let help = |text: &str| newer(text).remove(0).help;
    assert_eq!(help(r#"a = "\xe9""#), r"write it as `\u00e9`");
    assert_eq!(help(r#"a = "\e""#), r"write it as `\u001B`");
    assert_eq!(help("a = 2026-01-31T10:30Z"), "write the seconds, too: `2026-01-31T10:30:00Z`");
}

fn same(request: &str) -> Vec<String> {
    told(codes::SAME_REQUEST, &format!("[endpoints.e]\nretry.attempts = 1\n{request}\n"))
}

#[test]
fn a_request_without_a_column_is_told_at_its_url() {
    let rows = "input.values = [{ a = 1 }, { a = 2 }]";
    assert_eq!(same(&format!("url = \"https://h/\"\n{rows}")), ["\"https://h/\""]);
    let post = "method = \"POST\"\nurl = \"https://h/\"\njson = { row = \"row\" }";
    assert_eq!(same(&format!("{post}\n{rows}")), ["\"https://h/\""]);
    let columns = "columns.b = \"{{ row.a }}\"\nsave.path = \"out/{{ row.a }}\"";
    assert_eq!(same(&format!("url = \"demo:/products\"\n{columns}\n{rows}")), ["\"demo:/products\""]);
}

#[test]
fn a_request_that_is_meant_to_be_repeated_or_differs_is_not_told() {
    let rows = "input.values = [{ a = 1 }, { a = 2 }]";
    for request in [
        format!("url = \"https://h/{{{{ row.a }}}}\"\n{rows}"),
        format!("url = \"https://h/\"\nquery.a = \"{{{{ row['a'] }}}}\"\n{rows}"),
        format!("url = \"https://h/\"\nheaders.x-a = \"{{{{ row.a }}}}\"\n{rows}"),
        format!("url = \"https://h/\"\nmethod = \"POST\"\njson = {{ all = \"{{{{ rows }}}}\" }}\nchunk = 50\n{rows}"),
        format!("url = \"https://h/\"\nmethod = \"POST\"\nidempotency-key = true\n{rows}"),
        format!("url = \"https://h/{{% if row.a == 1 %}}users{{% else %}}groups{{% endif %}}\"\n{rows}"),
        "url = \"https://h/\"\ninput.values = [{ a = 1 }]".to_owned(),
        "url = \"https://h/\"\ninput = { values = [{ a = 1 }, { a = 2 }], take = 1 }".to_owned(),
        "url = \"https://h/\"\ninput.range = { from = 1, to = 100 }".to_owned(),
        "url = \"https://h/\"\ninput.product = [{ values = [{ a = 1 }, { a = 2 }] }, { range = { from = 1, to = 3 } }]"
            .to_owned(),
    ] {
        assert_eq!(same(&request), Vec::<String>::new(), "{request}");
    }
}

fn stream(kind: &str, more: &str) -> Vec<String> {
    let url = if kind == "sse" { "https://h/{{ row.a }}" } else { "wss://h/{{ row.a }}" };
    told(
        codes::ENDLESS_STREAM,
        &format!("[endpoints.e]\ninput.values = [{{ a = 1 }}, {{ a = 2 }}]\n{kind}.url = \"{url}\"\n{more}\n"),
    )
}

#[test]
fn a_stream_that_no_time_bounds_is_told_at_its_until() {
    assert_eq!(stream("websocket", "websocket.until = { messages = 3 }"), ["{ messages = 3 }"]);
    assert_eq!(stream("sse", "sse.until = { when = \"json.done\" }").len(), 1);
    // A heartbeat is answered by a server that says nothing.
    assert_eq!(stream("websocket", "websocket.heartbeat.every = \"1s\"\nwebsocket.until = { messages = 3 }").len(), 1);
}

#[test]
fn a_stream_that_some_time_bounds_is_not_told() {
    for (kind, more) in [
        ("websocket", "websocket.until = { messages = 3, idle = \"1s\" }"),
        ("websocket", "websocket.until = { messages = 3, time = \"1s\" }"),
        ("websocket", "timeout.row = \"1m\"\nwebsocket.until = { messages = 3 }"),
        ("sse", "timeout.read = \"1m\"\nsse.until = { messages = 3 }"),
    ] {
        assert_eq!(stream(kind, more), Vec::<String>::new(), "{kind} {more}");
    }
}
