//! The family's contract, and what each kind sends.

use std::collections::HashSet;

use http::Uri;
use serde_json::json;

use super::*;
use crate::diagnostic::{Code, Diagnostics, codes};
use crate::document::{Document, Overlays};
use crate::row::{Fields, Row};
use crate::secret::{Secret, Secrets};
use crate::template::RowScope;

fn document() -> Document {
    let text = "[endpoints.price]\n".to_owned();
    Document::parse("job.toml".as_ref(), text, &Overlays::default(), &mut Diagnostics::default()).unwrap()
}

fn compile(kind: &str, value: &Value) -> Result<Arc<dyn AuthPlan>, Vec<Code>> {
    let scope = Scope {
        row: RowScope::Open,
        vars: [("token".to_owned(), json!("in the file"))].into(),
        secrets: ["token", "password", "key", "client", "access", "secret"].map(str::to_owned).into(),
        reply: false,
        last: None,
        messages: None,
    };
    let (document, mut diagnostics) = (document(), Diagnostics::default());
    let mut site = Site { document: &document, diagnostics: &mut diagnostics };
    let row = KINDS.iter().find(|row| row.name == kind).unwrap();
    let plan = (row.compile)(&mut site, &KeyPath::of(["auth", kind]), value, &scope);
    let codes: Vec<Code> = diagnostics.list().iter().map(|diagnostic| diagnostic.code).collect();
    assert!(diagnostics.list().iter().all(|diagnostic| !diagnostic.help.is_empty()), "{diagnostics:?}");
    plan.ok_or(codes)
}

fn apply(plan: &dyn AuthPlan, row: &Value) -> Result<HeaderMap, RenderError> {
    sent(plan, row).map(|(_, headers)| headers)
}

/// The URL and the headers of a request to `http://a.b/x?c=d`.
fn sent(plan: &dyn AuthPlan, row: &Value) -> Result<(Uri, HeaderMap), RenderError> {
    let secrets = [("token", "s3cret"), ("password", "pä:ss"), ("key", "s3cret&k=ey"), ("client", "s3cret")];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())));
    let row = Row { ordinal: 0, line: 0, fields: Fields::Object(row.as_object().unwrap().clone()) };
    let mut request = Request::new(RequestBody::default());
    *request.uri_mut() = Uri::from_static("http://a.b/x?c=d");
    let context = Context { row: Some(&row), secrets: &Secrets::new(secrets.to_vec()), reply: None, last: None };
    plan.apply(&context, &mut request).map(|()| {
        let parts = request.into_parts().0;
        (parts.uri, parts.headers)
    })
}

#[test]
fn every_kind_keeps_the_contract() {
    let mut generator = schemars::SchemaGenerator::default();
    let names: HashSet<&str> = KINDS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), KINDS.len());
    for row in KINDS {
        let schema = (row.schema)(&mut generator);
        let example: toml::Table = row.example.parse().unwrap();
        let value = serde_json::to_value(&example["auth"][row.name]).unwrap();
        assert!(schema.as_object().is_some_and(|schema| schema.contains_key("type")), "{}", row.name);
        assert!(jsonschema::is_valid(schema.as_value(), &value), "{}", row.name);
        assert!(!row.doc.is_empty());
        let plan = compile(row.name, &value).unwrap();
        assert_eq!(plan.kind(), row.name);
        let headers = apply(&*plan, &json!({})).unwrap();
        assert!(!headers.is_empty() && headers.values().all(HeaderValue::is_sensitive), "{}", row.name);
        let owned = (row.owned)(&value);
        assert!(headers.keys().all(|name| owned.headers.iter().any(|owned| owned.eq_ignore_ascii_case(name.as_str()))));
        assert!(!plan.identity().contains("s3cret") && !format!("{plan:?} {headers:?}").contains("s3cret"));
    }
}

#[test]
fn headers_are_as_the_standards_say() {
    let sent = |kind, value| apply(&*compile(kind, &value).unwrap(), &json!({"user": "me", "token": "abc"})).unwrap();
    assert_eq!(sent("bearer", json!("{{ secrets.token }}"))[AUTHORIZATION], "Bearer s3cret");
    assert_eq!(sent("bearer", json!("{{ row.token }}"))[AUTHORIZATION], "Bearer abc");
    let basic = json!({"user": "{{ row.user }}", "password": "{{ secrets.password }}"});
    assert_eq!(sent("basic", basic)[AUTHORIZATION], format!("Basic {}", STANDARD_PAIR));
}

/// `me:pä:ss`, by coreutils' base64.
const STANDARD_PAIR: &str = "bWU6cMOkOnNz";

#[test]
fn an_api_key_stands_in_its_header_or_in_the_query() {
    let header = json!({"name": "X-Key", "value": "{{ secrets.key }}"});
    let (url, headers) = sent(&*compile("api-key", &header).unwrap(), &json!({})).unwrap();
    assert_eq!(
        (url.to_string().as_str(), &headers["x-key"]),
        ("http://a.b/x?c=d", &HeaderValue::from_static("s3cret&k=ey"))
    );
    let query = json!({"name": "the key", "value": "{{ secrets.key }}", "in": "query"});
    let (url, headers) = sent(&*compile("api-key", &query).unwrap(), &json!({})).unwrap();
    assert_eq!(url, "http://a.b/x?c=d&the%20key=s3cret%26k%3Dey");
    assert!(headers.is_empty());
    let of_row = json!({"name": "k", "value": "{{ row.key }}", "in": "query"});
    assert!(sent(&*compile("api-key", &of_row).unwrap(), &json!({"key": ""})).unwrap_err().message.contains("empty"));
}

#[test]
fn what_needs_no_row_can_not_have_one() {
    let oauth2 = json!({"token-url": "https://{{ row.host }}/t", "client-id": "{{ row.id }}", "client-secret": "{{ row.secret }}", "scope": "{{ row.s }}"});
    assert_eq!(compile("oauth2", &oauth2).unwrap_err(), [codes::TEMPLATE_NAME; 4]);
    let aws =
        json!({"region": "{{ row.r }}", "service": "{{ row.s }}", "access-key": "a", "secret-key": "{{ row.k }}"});
    assert_eq!(compile("aws-sigv4", &aws).unwrap_err(), [codes::TEMPLATE_NAME; 3]);
}

#[test]
fn a_secret_in_the_file_is_refused() {
    for (kind, value) in [
        ("bearer", json!("abc")),
        ("bearer", json!("{{ vars.token }}")),
        ("basic", json!({"user": "me", "password": "abc"})),
        ("api-key", json!({"name": "x-key", "value": "abc"})),
        ("oauth2", json!({"token-url": "https://a.b/t", "client-id": "me", "client-secret": "abc"})),
        ("aws-sigv4", json!({"region": "r", "service": "s", "access-key": "a", "secret-key": "abc"})),
        (
            "aws-sigv4",
            json!({"region": "r", "service": "s", "access-key": "a", "secret-key": "{{ secrets.key }}", "session-token": "x"}),
        ),
    ] {
        assert_eq!(compile(kind, &value).unwrap_err(), [codes::SECRET_IN_FILE], "{value}");
    }
    // Nothing is no secret; a key that is the user has no password.
    assert_eq!(compile("bearer", &json!("")).unwrap_err(), [codes::BAD_VALUE]);
    assert!(compile("basic", &json!({"user": "{{ secrets.key }}", "password": ""})).is_ok());
}

#[test]
fn what_is_wrong_is_said_all_at_once() {
    let wrong = json!({"user": "a:b", "password": "{{ secrets.nothing }}"});
    assert_eq!(compile("basic", &wrong).unwrap_err(), [codes::BAD_VALUE, codes::TEMPLATE_NAME]);
    assert_eq!(compile("basic", &json!({"user": 1})).unwrap_err(), [codes::WRONG_TYPE, codes::MISSING_KEY]);
    assert_eq!(compile("bearer", &json!(1)).unwrap_err(), [codes::WRONG_TYPE]);
    let wrong = json!({"name": "x key", "value": "abc"});
    assert_eq!(compile("api-key", &wrong).unwrap_err(), [codes::HEADER, codes::SECRET_IN_FILE]);
    let wrong = json!({"name": "host", "value": "{{ secrets.key }}"});
    assert_eq!(compile("api-key", &wrong).unwrap_err(), [codes::HEADER]);
    let wrong = json!({"token-url": "login.example.com", "client-id": "", "client-secret": "abc", "scope": ""});
    let expected = [codes::URL, codes::BAD_VALUE, codes::SECRET_IN_FILE, codes::BAD_VALUE];
    assert_eq!(compile("oauth2", &wrong).unwrap_err(), expected);
    let wrong = json!({"region": "eu west", "service": "s3/x", "access-key": "a"});
    assert_eq!(compile("aws-sigv4", &wrong).unwrap_err(), [codes::BAD_VALUE, codes::BAD_VALUE, codes::MISSING_KEY]);
}

#[test]
fn a_value_that_can_not_be_sent_fails_its_row() {
    let bearer = compile("bearer", &json!("{{ row.token }}")).unwrap();
    for token in ["", "a\r\nx-evil: 1", "a\0"] {
        let error = apply(&*bearer, &json!({"token": token})).unwrap_err();
        assert!(error.message.contains("auth.bearer"), "{error:?}");
    }
    let basic = json!({"user": "{{ row.user }}", "password": "{{ row.password }}"});
    let basic = compile("basic", &basic).unwrap();
    assert_eq!(apply(&*basic, &json!({"user": "a:b", "password": "c"})).unwrap_err().message, basic::COLON);
    assert!(apply(&*basic, &json!({"user": "a", "password": "c\n"})).is_err());
}
