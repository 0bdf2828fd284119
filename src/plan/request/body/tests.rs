//! What a body is for a row, and the content type it goes with.

use std::path::Path;

use http::Request;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::compile::{Options, compile};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::plan::request::RequestPlan;
use crate::row::{Fields, Row};
use crate::secret::{Secret, Secrets};

/// The prepared requests of an endpoint with a column `a`, whose job lies in a folder.
fn prepared(folder: &Path, body: &str) -> RequestPlan {
    let text = format!(
        "secrets.key.env = \"K\"\n[endpoints.e]\nmethod = \"POST\"\nurl = \"demo:/x\"\ninput.values = [{{ a = \"x\" }}]\n{body}\n"
    );
    let mut diagnostics = Diagnostics::default();
    let path = folder.join("job.toml");
    let document = Document::parse(&path, text, &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics);
    let plan = plan.unwrap_or_else(|| panic!("{:?}", diagnostics.list()));
    RequestPlan::new(&plan.endpoints[0], Some("http://127.0.0.1:1")).unwrap().drawing(|| 7)
}

fn built(plan: &RequestPlan, a: &str) -> Result<Request<RequestBody>, Failure> {
    let fields = Fields::Object(Map::from_iter([("a".to_owned(), Value::from(a))]));
    let row = Row { ordinal: 0, line: 1, fields };
    let secrets = Secrets::new(vec![("key".to_owned(), Secret::new("s3cret".to_owned()))]);
    plan.build(&Context { row: Some(&row), secrets: &secrets, reply: None, last: None })
}

/// Content type and body, in memory as one.
fn sent(body: &str, a: &str) -> (String, String) {
    let request = built(&prepared(Path::new(""), body), a).unwrap();
    let bytes = request.body().whole().expect("in memory").to_vec();
    (request.headers()["content-type"].to_str().unwrap().to_owned(), String::from_utf8(bytes).unwrap())
}

#[test]
fn forms_are_written_as_browsers_do() {
    let kind = "application/x-www-form-urlencoded".to_owned();
    for (body, form) in [
        (
            "form = { user = \"{{ row.a }}\", tag = [\"a\", \"b c\"], n = 1, yes = true }",
            "user=x%26y+z%7E&tag=a&tag=b+c&n=1&yes=true",
        ),
        ("form = { \"a b\" = \"*-._~+%\", \"ü\" = \"\" }", "a+b=*-._%7E%2B%25&%C3%BC="),
        ("form = { f = 1.5, key = \"{{ secrets.key }}\" }", "f=1.5&key=s3cret"),
        ("form.lines = \"a\\r\\nb\"", "lines=a%0D%0Ab"),
    ] {
        assert_eq!(sent(body, "x&y z~"), (kind.clone(), form.to_owned()), "{body}");
    }
}

#[test]
fn text_is_sent_as_it_is_rendered() {
    let plain = "text/plain; charset=utf-8".to_owned();
    assert_eq!(sent("body = \"raw & <{{ row.a }}>\"", "\"ü\""), (plain.clone(), "raw & <\"ü\">".to_owned()));
    assert_eq!(sent("body = \"the same\"", ""), (plain, "the same".to_owned()));
    let xml = sent("body = \"<a/>\"\nheaders.content-type = \"application/xml\"", "");
    assert_eq!(xml, ("application/xml".to_owned(), "<a/>".to_owned()));
}

#[test]
fn parts_without_files_are_in_memory() {
    let b = "paceline-00000000000000070000000000000007";
    let parts = "multipart = { note = \"{{ row.a }}\", n = [1, true], data = { json = { id = \"{{ row.a }}\" } }, \
        csv = { text = \"a\\n1\", filename = \"{{ row.a }}.csv\", content-type = \"text/csv\" } }";
    let expected = format!(
        "--{b}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n\
        --{b}\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n\
        --{b}\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\ntrue\r\n\
        --{b}\r\nContent-Disposition: form-data; name=\"data\"\r\nContent-Type: application/json\r\n\r\n{{\"id\":\"x\"}}\r\n\
        --{b}\r\nContent-Disposition: form-data; name=\"csv\"; filename=\"x.csv\"\r\nContent-Type: text/csv\r\n\r\na\n1\r\n\
        --{b}--\r\n"
    );
    assert_eq!(sent(parts, "x"), (format!("multipart/form-data; boundary={b}"), expected));
    let related = sent("multipart.a = 1\nheaders.Content-Type = \"multipart/related\"", "").0;
    assert_eq!(related, format!("multipart/related; boundary={b}"));
}

#[test]
fn a_part_can_not_be_broken_out_of() {
    let plan = prepared(Path::new(""), "multipart.a = { text = \"x\", content-type = \"{{ row.a }}\" }");
    assert!(built(&plan, "text/csv; header=present").is_ok());
    for a in ["text/csv\r\nx: y", "csv", ""] {
        let failure = built(&plan, a).unwrap_err();
        assert_eq!(failure.message, "the content type of the part `a` is no media type such as text/plain");
    }
}

#[test]
fn files_are_named_with_their_length_and_type() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("docs")).unwrap();
    let path = folder.path().join("docs/a b.PDF");
    std::fs::write(&path, "12345").unwrap();
    let real = path.canonicalize().unwrap();
    let typed = |request: &Request<RequestBody>| request.headers()["content-type"].to_str().unwrap().to_owned();

    for body in ["body-file = \"docs/a b.PDF\"", "body-file = \"docs/{{ row.a }}.PDF\""] {
        let request = built(&prepared(folder.path(), body), "a b").unwrap();
        let RequestBody::Parts(parts) = request.body() else { panic!("{request:?}") };
        let [BodyPart::File { path, length: 5 }] = parts.as_ref() else { panic!("{parts:?}") };
        assert_eq!((path.canonicalize().unwrap(), typed(&request)), (real.clone(), "application/pdf".to_owned()));
    }
    let named = built(&prepared(folder.path(), "body-file = \"docs/a b.PDF\"\nheaders.content-type = \"x/y\""), "");
    assert_eq!(typed(&named.unwrap()), "x/y");

    let plan = prepared(
        folder.path(),
        "multipart.f = [{ path = \"docs/{{ row.a }}\" }, { path = \"docs/a b.PDF\", filename = \"\\\"q\\\"\", content-type = \"x/y\" }]",
    );
    let request = built(&plan, "a b.PDF").unwrap();
    let RequestBody::Parts(parts) = request.body() else { panic!("{request:?}") };
    let heads: Vec<&[u8]> = parts
        .iter()
        .filter_map(|part| match part {
            BodyPart::Bytes(bytes) => Some(bytes.as_ref()),
            BodyPart::File { .. } => None,
        })
        .collect();
    let heads = String::from_utf8(heads.concat()).unwrap();
    assert!(heads.contains("name=\"f\"; filename=\"a b.PDF\"\r\nContent-Type: application/pdf\r\n\r\n"), "{heads}");
    assert!(heads.contains("name=\"f\"; filename=\"%22q%22\"\r\nContent-Type: x/y\r\n\r\n"), "{heads}");
    assert_eq!(request.body().length(), heads.len() as u64 + 10);
    let failure = built(&plan, "../job.toml").unwrap_err();
    assert_eq!((failure.kind, failure.sent), (crate::retry::FailureKind::Request, false));
}

#[test]
fn each_request_has_a_boundary_of_its_own() {
    let plan = prepared(Path::new(""), "multipart.a = 1").drawing(crate::random::bits);
    let boundary = || built(&plan, "").unwrap().headers()["content-type"].clone();
    assert_ne!(boundary(), boundary());
}

proptest! {
    #[test]
    fn a_form_says_what_the_row_said(a in any::<String>()) {
        let (_, form) = sent("form = { x = \"{{ row.a }}\", z = 1 }", &a);
        let pairs: Vec<&str> = form.split('&').collect();
        prop_assert_eq!((pairs.len(), pairs[1]), (2, "z=1"));
        let value = pairs[0].strip_prefix("x=").unwrap();
        prop_assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-._+%".contains(&byte)), "{}", value);
        // The parser of the URL standard: plus first, then percent.
        let spaced = value.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().unwrap().into_owned();
        prop_assert_eq!(decoded, a);
    }
}
