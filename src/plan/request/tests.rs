//! Tests of requests: what leaves for a row.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::auth::AuthPlan;
use crate::compile::{Options, compile};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::row::{Fields, Row};
use crate::secret::{Secret, Secrets};

const BASE: &str = "http://127.0.0.1:4711";

/// The prepared requests of an endpoint with a column `a`.
fn prepared(endpoint: &str) -> RequestPlan {
    let text = format!("secrets.key.env = \"K\"\n[endpoints.e]\ninput.values = [{{ a = \"x\" }}]\n{endpoint}\n");
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics);
    let plan = plan.unwrap_or_else(|| panic!("{:?}", diagnostics.list()));
    RequestPlan::new(&plan.endpoints[0], Some(BASE)).unwrap()
}

fn built(plan: &RequestPlan, a: &Value) -> Result<Request<RequestBody>, Failure> {
    let fields = Fields::Object(Map::from_iter([("a".to_owned(), a.clone())]));
    let row = Arc::new(Row { ordinal: 0, line: 1, fields });
    let secrets = Secrets::new(vec![("key".to_owned(), Secret::new("s3cret".to_owned()))]);
    plan.build(&Context { row: Some(&row), secrets: &secrets, reply: None, last: None })
}

fn request(endpoint: &str, a: &str) -> Request<RequestBody> {
    built(&prepared(endpoint), &json!(a)).unwrap()
}

fn uri(endpoint: &str, a: &str) -> String {
    request(endpoint, a).uri().to_string()
}

#[test]
fn urls_and_queries() {
    for (endpoint, expected) in [
        ("url = \"demo:/x\"", "http://127.0.0.1:4711/x"),
        ("url = \"demo:/x/{{ row.a }}\"", "http://127.0.0.1:4711/x/a%26b%20c"),
        ("url = \"https://h/x\"\nquery.q = \"{{ row.a }}\"", "https://h/x?q=a%26b%20c"),
        ("url = \"https://h/x?y=1\"\nquery.q = \"{{ row.a }}\"", "https://h/x?y=1&q=a%26b%20c"),
        ("url = \"https://h/x?y=1#top\"\nquery.q = 1", "https://h/x?y=1&q=1"),
        ("url = \"https://h/x?\"\nquery.q = 1", "https://h/x?q=1"),
        (
            "url = \"https://h/x\"\nquery = { t = [\"a\", \"{{ row.a }}\", true], \"ü &\" = \"=\" }",
            "https://h/x?t=a&t=a%26b%20c&t=true&%C3%BC%20%26=%3D",
        ),
        ("url = \"https://h\"", "https://h/"),
    ] {
        assert_eq!(uri(endpoint, "a&b c"), expected, "{endpoint}");
    }
}

#[test]
fn encodings_are_asked_for_unless_the_job_says_otherwise() {
    for (endpoint, expected) in [
        ("", Some("gzip, br, zstd, deflate")),
        ("client.compression = true", Some("gzip, br, zstd, deflate")),
        ("client.compression = false", None),
        ("headers = { Accept-Encoding = \"br\" }", Some("br")),
        ("headers = { accept-encoding = \"{{ row.a }}\" }", Some("a")),
        ("client.compression = false\nheaders = { accept-encoding = \"identity\" }", Some("identity")),
        ("headers = { range = \"bytes=0-9\" }", Some("identity")),
    ] {
        let request = request(&format!("url = \"demo:/x\"\n{endpoint}"), "a");
        let asked: Vec<&str> =
            request.headers().get_all("accept-encoding").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(asked, Vec::from_iter(expected), "{endpoint}");
    }
}

#[test]
fn headers_that_nobody_named() {
    let plain = request("url = \"demo:/x\"", "");
    let shown: Vec<(&str, &str)> =
        plain.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let agent = concat!("paceline/", env!("CARGO_PKG_VERSION"));
    let encodings = ("accept-encoding", "gzip, br, zstd, deflate");
    assert_eq!(shown, [("user-agent", agent), ("accept", "*/*"), encodings]);
    let silent = request("url = \"demo:/x\"\nclient.user-agent = \"\"", "");
    assert!(!silent.headers().contains_key("user-agent"), "an empty one is none");
    let json = request(
        "url = \"demo:/x\"\nmethod = \"POST\"\njson = { n = 1 }\nheaders = { accept = \"text/csv\", User-Agent = \"me\" }",
        "",
    );
    assert_eq!(json.headers()["content-type"], "application/json");
    assert_eq!(
        (&json.headers()["accept"], &json.headers()["user-agent"]),
        (&HeaderValue::from_static("text/csv"), &HeaderValue::from_static("me"))
    );
    assert_eq!((json.method().as_str(), json.body().whole().unwrap().as_ref()), ("POST", b"{\"n\":1}".as_slice()));
    let patch = request(
        "url = \"demo:/x\"\nmethod = \"PATCH\"\njson = []\nheaders = { Content-Type = \"application/merge-patch+json\" }",
        "",
    );
    assert_eq!(patch.headers().get_all("content-type").iter().count(), 1);
}

#[test]
fn bodies_are_built_structurally() {
    let endpoint = "url = \"demo:/x\"\nmethod = \"POST\"\njson = { a = \"{{ row.a }}\", n = \"{{ row.a | length }}\", c = [1, \"k\"] }";
    assert_eq!(request(endpoint, "\"}").body().whole().unwrap().as_ref(), br#"{"a":"\"}","n":2,"c":[1,"k"]}"#);
}

#[test]
fn what_holds_a_secret_is_marked() {
    let endpoint = "url = \"demo:/x\"\nheaders = { x-key = \"{{ secrets.key }}\", x-a = \"{{ row.a }}\" }\nauth.bearer = \"{{ secrets.key }}\"";
    let request = request(endpoint, "v");
    let sensitive = |name| request.headers()[name].is_sensitive();
    assert!(sensitive("x-key") && sensitive("authorization") && !sensitive("x-a"));
    assert_eq!(request.headers()["x-key"], "s3cret");
}

#[test]
fn rows_that_give_no_request_fail() {
    for (endpoint, a, message) in [
        (
            "url = \"demo:/x\"\nheaders.x-a = \"{{ row.a }}\"",
            "a\r\nx: y",
            "the value of the header `x-a` has a line break, which can't be sent",
        ),
        (
            "url = \"demo:/x\"\nheaders.x-a = \"{{ row.a }}\"",
            "a\0",
            "the value of the header `x-a` has the control character U+0000, which can't be sent",
        ),
        (
            "url = \"{{ row.a }}\"",
            "https://u:p@h/x",
            "the URL of this row carries a user or a password; auth.basic sends them",
        ),
    ] {
        let failure = built(&prepared(endpoint), &json!(a)).unwrap_err();
        assert_eq!(
            (failure.kind, failure.sent, failure.message.as_str()),
            (FailureKind::Request, false, message),
            "{endpoint}"
        );
    }
    for a in ["", "products", "https://", "https:///x"] {
        assert!(built(&prepared("url = \"{{ row.a }}\""), &json!(a)).is_err(), "{a:?}");
    }
}

#[test]
fn the_demo_needs_its_address() {
    let text = "[endpoints.e]\nurl = \"demo:/x\"\ninput.range = { from = 1, to = 2 }\n";
    let mut diagnostics = Diagnostics::default();
    let document =
        Document::parse(Path::new("job.toml"), text.to_owned(), &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics).unwrap();
    assert!(plan.uses_demo());
    assert!(RequestPlan::new(&plan.endpoints[0], None).is_err());
}

/// Counts how often it proves.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl AuthPlan for Counting {
    fn kind(&self) -> &'static str {
        "counting"
    }

    fn identity(&self) -> String {
        String::new()
    }

    fn apply(&self, _: &Context<'_>, request: &mut Request<RequestBody>) -> Result<(), RenderError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        request.headers_mut().append("x-proof", HeaderValue::from_static("me"));
        Ok(())
    }
}

#[test]
fn a_page_is_proved_once_and_one_of_another_origin_never() {
    let secrets = Secrets::new(Vec::new());
    let context = Context { row: None, secrets: &secrets, reply: None, last: None };
    let link = |url: &str| PageRequest { query: Vec::new(), url: Some(url.to_owned()) };
    let number = PageRequest { query: vec![("page".to_owned(), "2".to_owned())], url: None };
    for (page, at, proofs) in [
        (number, "https://h/x?page=2", 1),
        (link("https://h/y?page=2"), "https://h/y?page=2", 1),
        (link("https://other/y"), "https://other/y", 0),
        (link("https://h:444/y"), "https://h:444/y", 0),
    ] {
        let auth = Arc::new(Counting::default());
        let mut plan = prepared("url = \"https://h/x\"");
        plan.auth = Some(Arc::clone(&auth) as Arc<dyn AuthPlan>);
        let request = plan.page(&context, &page).unwrap();
        assert_eq!(request.uri().to_string(), at);
        assert_eq!(request.headers().get_all("x-proof").iter().count(), proofs, "{at}");
        assert_eq!(auth.0.load(Ordering::Relaxed), proofs, "{at}");
    }
}

proptest! {
    #[test]
    fn a_value_never_leaves_its_place(a in "\\PC{0,20}") {
        let plan = prepared("url = \"https://h/x\"\nquery = { q = \"{{ row.a }}\", z = 1 }");
        let request = built(&plan, &json!(a)).unwrap();
        prop_assert_eq!(request.uri().authority().unwrap().as_str(), "h");
        let pairs: Vec<&str> = request.uri().query().unwrap().split('&').collect();
        prop_assert_eq!(pairs.len(), 2);
        let value = percent_encoding::percent_decode_str(pairs[0].strip_prefix("q=").unwrap()).decode_utf8().unwrap();
        prop_assert_eq!(value.as_ref(), a.as_str());
    }

    #[test]
    fn no_row_makes_a_panic_or_a_second_header(a in any::<String>()) {
        let plan = prepared("url = \"https://h/{{ row.a }}\"\nheaders.x-a = \"{{ row.a }}\"");
        if let Ok(request) = built(&plan, &json!(a)) {
            prop_assert_eq!(request.headers().len(), 4);
            prop_assert_eq!(request.uri().authority().unwrap().as_str(), "h");
        }
    }
}
