//! The family's contract, and what each kind takes out of a reply.

use std::collections::HashSet;

use serde_json::json;

use super::*;
use crate::diagnostic::{Code, Diagnostics, codes};
use crate::document::{Document, Overlays};
use crate::row::{Fields, Row};
use crate::secret::Secrets;
use crate::template::{ReplyView, RowScope};

fn document() -> Document {
    let text = "[endpoints.price]\n".to_owned();
    Document::parse("job.toml".as_ref(), text, &Overlays::default(), &mut Diagnostics::default()).unwrap()
}

fn compile(kind: &str, value: &Value) -> Result<Arc<dyn Extractor>, Vec<Code>> {
    compile_with(kind, value, None)
}

fn compile_with(kind: &str, value: &Value, attr: Option<&str>) -> Result<Arc<dyn Extractor>, Vec<Code>> {
    let scope = Scope {
        row: RowScope::Open,
        vars: Default::default(),
        secrets: vec!["token".to_owned()],
        reply: true,
        last: None,
        messages: None,
    };
    let (document, mut diagnostics) = (document(), Diagnostics::default());
    let mut site = Site { document: &document, diagnostics: &mut diagnostics };
    let row = KINDS.iter().find(|row| row.name == kind).unwrap();
    let extractor = (row.compile)(&mut site, &KeyPath::of(["columns", "a"]), &Written { value, attr }, &scope);
    assert!(diagnostics.list().iter().all(|diagnostic| !diagnostic.help.is_empty()), "{diagnostics:?}");
    extractor.ok_or_else(|| diagnostics.list().iter().map(|diagnostic| diagnostic.code).collect())
}

/// Text, HTML and, for what looks at JSON, beside it a body that is JSON.
const PAGE: &str = "<!doctype html><title>Bolt</title><H1 class=title> A  <b>bolt</b>\n</H1><p>id=17 id=18 \
                    <a href=/1>one</a><a>two</a><a HREF=/3>three</a><p class=empty>";

fn headers() -> http::HeaderMap {
    let pairs =
        [("etag", "\"v1\""), ("vary", "a"), ("vary", "b"), ("link", "</1>; rel=next"), ("link", "</9>; rel=last")];
    pairs
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
        .collect()
}

fn extract(extractor: &dyn Extractor) -> Result<Value, ExtractError> {
    let body = json!({"name": "bolt", "price": 1.0, "tags": ["a", "b"]});
    let row = Row { ordinal: 0, line: 0, fields: Fields::Object(json!({"sku": "x1"}).as_object().unwrap().clone()) };
    let reply = ReplyView {
        status: 200,
        headers: &headers(),
        body: PAGE.as_bytes(),
        json: Some(&body),
        meta: &serde_json::Map::new(),
        item: Some(&body),
        page: &Page::default(),
    };
    extractor
        .extract(&Context { row: Some(&row), secrets: &Secrets::default(), reply: Some(&reply), last: None }, &body)
}

/// The value of an example's only column: a string, or what stands under the kind's name.
fn example_value(row: &ExtractKind) -> Value {
    let example: toml::Table = row.example.parse().unwrap();
    let column = serde_json::to_value(example.values().next().unwrap()).unwrap();
    column.get(row.name).cloned().unwrap_or(column)
}

#[test]
fn every_kind_keeps_the_contract() {
    let mut generator = schemars::SchemaGenerator::default();
    let names: HashSet<&str> = KINDS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), KINDS.len());
    for row in KINDS {
        let schema = (row.schema)(&mut generator);
        let value = example_value(row);
        assert!(schema.as_object().is_some(), "{}", row.name);
        assert!(jsonschema::is_valid(schema.as_value(), &value), "{}", row.name);
        assert!(!row.doc.is_empty());
        let extractor = compile(row.name, &value).unwrap();
        assert_eq!(extractor.kind(), row.name);
        assert!(extractor.identity().starts_with(row.name), "{}", row.name);
        assert_ne!(extract(&*extractor).unwrap(), Value::Null, "{}", row.name);
    }
}

#[test]
fn values_keep_their_type() {
    for (kind, value, found) in [
        ("json", json!("$.price"), json!(1.0)),
        ("json", json!("$.tags[*]"), json!(["a", "b"])),
        ("json", json!("$.nothing"), json!(null)),
        ("template", json!("{{ json.price }}"), json!(1.0)),
        ("template", json!("{{ row.sku }}-{{ json.name | upper }}"), json!("x1-BOLT")),
        ("template", json!("{{ json.nothing | default(none) }}"), json!(null)),
        ("value", json!({"a": [1]}), json!({"a": [1]})),
        ("header", json!("ETag"), json!("\"v1\"")),
        ("header", json!("vary"), json!("a, b")),
        ("header", json!("link"), json!(["</1>; rel=next", "</9>; rel=last"])),
        ("header", json!("x-none"), json!(null)),
        ("css", json!("h1.title"), json!("A bolt")),
        ("css", json!("a"), json!(["one", "two", "three"])),
        ("css", json!("p.empty"), json!("")),
        ("css", json!("h2"), json!(null)),
        ("regex", json!("id=(\\d+)"), json!("17")),
        ("regex", json!("id=\\d+"), json!("id=17")),
        ("regex", json!("(i)d=(\\d+)(x)?"), json!(["i", "17", null])),
        ("regex", json!("id=x"), json!(null)),
        ("jq", json!(".tags | length"), json!(2)),
        ("jq", json!(".tags[]"), json!(["a", "b"])),
        ("jq", json!("empty"), json!(null)),
        ("jq", json!(".price"), json!(1.0)),
    ] {
        assert_eq!(extract(&*compile(kind, &value).unwrap()), Ok(found), "{value}");
    }
    let attribute = |attr| extract(&*compile_with("css", &json!("a"), Some(attr)).unwrap());
    assert_eq!(attribute("HREF"), Ok(json!(["/1", null, "/3"])), "each keeps its place");
    let missing = extract(&*compile("template", &json!("{{ json.nothing }}")).unwrap()).unwrap_err();
    assert_eq!(missing.message, "`json` has no `nothing`; it has `name`, `price`, `tags`");
}

#[test]
fn what_needs_json_or_a_body_says_so() {
    let needs = |kind, value: &str| {
        let extractor = compile(kind, &json!(value)).unwrap();
        let wanted = Wanted::of([extractor.needs()]).is_some();
        (wanted, extractor.needs() != Need::Nothing)
    };
    assert_eq!((needs("json", "$.a"), needs("template", "{{ json.a ~ '' }}")), ((true, true), (true, true)));
    assert_eq!((needs("template", "{{ status }}"), needs("value", "{{ json.a }}")), ((false, false), (false, false)));
    assert_eq!(needs("template", "{{ status }}{{ text }}"), (false, true), "a body, of any kind");
}

#[test]
fn what_is_wrong_is_said() {
    for path in ["", "price", "$.", "$.a[", "$.a b", "$..", "$.ä[", "$[?@.a ==]", "$.items[?foo(@)]"] {
        assert_eq!(compile("json", &json!(path)).unwrap_err(), [codes::PATH_SYNTAX], "{path}");
    }
    assert_eq!(compile("json", &json!(1)).unwrap_err(), [codes::WRONG_TYPE]);
    for kind in ["header", "css", "regex", "jq"] {
        assert_eq!(compile(kind, &json!(1)).unwrap_err(), [codes::WRONG_TYPE], "{kind}");
        assert_eq!(compile(kind, &json!("")).unwrap_err(), [codes::BAD_VALUE], "{kind}");
    }
    assert_eq!(compile("header", &json!("e tag")).unwrap_err(), [codes::HEADER]);
    for (kind, source) in [
        ("css", "h1["),
        ("css", "a::before("),
        ("css", ">"),
        ("regex", "(a"),
        ("regex", "a{9999}{9999}"),
        ("jq", ".a["),
        ("jq", "nope"),
        ("jq", "env"),
    ] {
        assert_eq!(compile(kind, &json!(source)).unwrap_err(), [codes::EXTRACT_SYNTAX], "{source}");
    }
    assert_eq!(compile("template", &json!([])).unwrap_err(), [codes::WRONG_TYPE]);
    assert_eq!(compile("template", &json!("{{ nope }}")).unwrap_err(), [codes::TEMPLATE_NAME]);
    assert_eq!(compile("template", &json!("{{ secrets.token }}")).unwrap_err(), [codes::SECRET_EXPOSED]);
}

/// Expressions of each kind that nest with every repetition: kind, before, repeated, behind.
const NESTING: [(&str, &str, &str, &str); 31] = [
    ("json", "$", ".a", ""),
    ("json", "$", "[0]", ""),
    ("json", "$", "..a", ""),
    ("json", "$[?@.a", " && @.a", "]"),
    ("json", "$[?@.a", " || @.a", "]"),
    ("json", "$[?", "!", "@.a]"),
    ("json", "$[?", "!(", "@.a"),
    ("json", "$", "[?@", ".a"),
    ("json", "$[0", ",0", "]"),
    ("jq", ".", ".a", ""),
    ("jq", ".", " | .", ""),
    ("jq", ".", ", .", ""),
    ("jq", "1", " + 1", ""),
    ("jq", "", "-", "1"),
    ("jq", ".", " // .", ""),
    ("jq", ".", " and .", ""),
    ("jq", ".", "[0]", ""),
    ("jq", ".", "[]", ""),
    ("jq", ".a", "?", ""),
    ("jq", "", "try ", "."),
    ("jq", "", ". as $x | ", "."),
    ("jq", "", "label $x | ", "."),
    ("jq", "", "def f: ", "."),
    ("jq", "", "def f: .; ", "."),
    ("jq", ".", " |= .", ""),
    ("jq", "", "if . then . else ", "."),
    ("jq", "", "if . then 1 elif ", "."),
    ("jq", "", "\"\\(", "1"),
    ("jq", "", "reduce . as $x (", "."),
    ("css", "a", " > a", ""),
    ("css", "", ":not(", "a"),
];

#[test]
fn what_nests_is_refused_or_evaluated_on_a_small_stack() {
    let outcome = |kind: &'static str, source: String| {
        let work = move || {
            compile(kind, &source.into()).map(|extractor| {
                // A program of jq is measured while it runs, and may take its ten million steps.
                if kind != "jq" {
                    drop(extract(&*extractor));
                }
            })
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap()
    };
    let mut fine = 0;
    for (kind, before, part, behind) in NESTING {
        let written = |count: usize| format!("{before}{}{behind}", part.repeat(count));
        assert_eq!(outcome(kind, written(100_000)), Err(vec![codes::EXTRACT_SYNTAX]), "{kind} {part}");
        for count in [660, 1_990] {
            fine += usize::from(outcome(kind, written(count)).is_ok());
        }
    }
    assert!(fine > 12, "{fine}");
}
