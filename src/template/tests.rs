//! What templates mean, from their text to the rendered value.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

use super::*;
use crate::row::Fields;
use crate::secret::Secret;

mod agreement;
mod checked;
mod large;

/// Everything a template may use, with a row of text.
pub(super) struct World {
    pub row: Row,
    pub secrets: Secrets,
    headers: HeaderMap,
    json: Value,
    meta: Map<String, Value>,
}

pub(super) fn header() -> Arc<Header> {
    Arc::new(Header::new(["sku", "Unit price", "n", "empty"].map(str::to_owned).to_vec()))
}

impl World {
    pub fn new() -> Self {
        let cells = csv::StringRecord::from(vec!["a/b c", "1.50", "007", ""]);
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("\"x\""));
        headers.append("x-tag", HeaderValue::from_static("one"));
        headers.append("x-tag", HeaderValue::from_static("two"));
        Self {
            row: Row { ordinal: 0, line: 2, fields: Fields::Text { header: header(), cells } },
            secrets: Secrets::new(vec![("token".to_owned(), Secret::new("s3cret/+".to_owned()))]),
            headers,
            json: json!({"name": "bolt", "ok": true, "gone": null, "list": [1, {"z": 1.5, "a": 2}], "n": 3}),
            meta: Map::from_iter([("attempts".to_owned(), json!(2))]),
        }
    }

    pub fn with_object(row: &Value) -> Self {
        let fields = Fields::Object(row.as_object().unwrap().clone());
        Self { row: Row { ordinal: 0, line: 0, fields }, ..Self::new() }
    }

    pub fn see<T>(&self, look: impl FnOnce(&Context<'_>) -> T) -> T {
        let reply = ReplyView {
            status: 200,
            headers: &self.headers,
            body: br#"{"name":"bolt"}"#,
            json: Some(&self.json),
            meta: &self.meta,
            item: Some(&self.json["list"]),
            page: &crate::extract::Page::default(),
        };
        look(&Context { row: Some(&self.row), secrets: &self.secrets, reply: Some(&reply), last: None })
    }

    pub fn text(&self, source: &str, spot: Spot) -> Result<String, RenderError> {
        let template = Template::compile(source, spot, &scope(&self.row)).unwrap();
        self.see(|context| {
            let mut out = "before ".to_owned();
            let result = template.render(context, &mut out);
            let text = out.strip_prefix("before ").unwrap().to_owned();
            assert!(result.is_ok() || text.is_empty(), "an error leaves {text:?} behind");
            result.map(|()| text)
        })
    }

    pub fn value(&self, source: &str) -> Result<Value, RenderError> {
        let template = Template::compile(source, Spot::Text, &scope(&self.row)).unwrap();
        self.see(|context| template.value(context))
    }
}

pub(super) fn vars() -> BTreeMap<String, Value> {
    let vars = json!({"base": "https://api.example.com/v1", "page": {"size": 50, "tags": ["a", "b"]}, "on": true, "city": "New York"});
    vars.as_object().unwrap().clone().into_iter().collect()
}

/// The scope of a template that sees everything, with the columns of a row of text known.
pub(super) fn scope(row: &Row) -> Scope {
    let row = match &row.fields {
        Fields::Text { header, .. } => RowScope::Known(Arc::clone(header)),
        Fields::Object(_) | Fields::Integer(_) => RowScope::Open,
        Fields::Rows(_) => RowScope::Rows,
    };
    Scope { row, vars: vars().into(), secrets: vec!["token".to_owned()], reply: true, last: None, messages: None }
}

#[test]
fn text_is_rendered() {
    let world = World::new();
    for (source, text) in [
        ("", ""),
        ("plain { } text\n", "plain { } text\n"),
        ("{{ row.sku }}", "a/b c"),
        ("{{row['sku']}}|{{ row[\"Unit price\"] }}", "a/b c|1.50"),
        ("{{ row.n | int }}", "7"),
        ("{{ row.n | int + 1 }}", "8"),
        ("{{ row['Unit price'] | float }}", "1.5"),
        ("{{ vars.base }}/{{ vars.page.tags[1] }}", "https://api.example.com/v1/b"),
        ("{{ vars.on }} {{ vars.page }}", r#"true {"size":50,"tags":["a","b"]}"#),
        ("{{ secrets.token }}", "s3cret/+"),
        ("{{ json.ok }},{{ json.gone }},{{ json.list }}", r#"true,null,[1,{"z":1.5,"a":2}]"#),
        ("{{ json.ok ~ json.gone }}", "truenull"),
        ("{{ json.list[1].a }}{{ json['list'][0] }}", "21"),
        ("{{ row.sku }}-{{ json.name | upper }}", "a/b c-BOLT"),
        ("{{ json.list | tojson }}", r#"[1,{"z":1.5,"a":2}]"#),
        ("{{ headers.etag }} {{ headers['X-Tag'] }} {{ headers['ETag'] | length }}", "\"x\" one, two 3"),
        ("{{ status }} {{ status == 200 }} {{ meta.attempts }}", "200 true 2"),
        ("{{ text }}", r#"{"name":"bolt"}"#),
        ("{{ json.name[0][0] }}{{ row.sku[2] }}", "bb"),
        ("{{ row.empty | default('-', true) }}", "-"),
        ("{{ json.nothing | default('-') }}", "-"),
        ("a {#- note -#} b{% raw %}{{ x }}{% endraw %}", "ab{{ x }}"),
        ("{% if row.n == '007' %}Bond{% else %}no{% endif %} {{ row.n }}", "Bond 007"),
        (
            "{{ row.n }}: {% for item in json.list -%} {{ loop.index }}={{ item }};{% endfor %}",
            r#"007: 1=1;2={"z":1.5,"a":2};"#,
        ),
        ("{% set x = row.n ~ true %}{{ x ~ none }}", "007truenull"),
        ("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "3"),
        ("{% filter upper %}{{ row.sku }}{% endfilter %}", "A/B C"),
        ("{% if vars.on %}on{% endif %}", "on"),
        ("{{ 'x' if false }}", ""),
        ("{{ row.n if row.n == '1' }}", ""),
        ("{{ row | length }} {{ row | items | first | first }}", "4 sku"),
        ("{{ dict(a=row.n) }}", r#"{"a":"007"}"#),
    ] {
        assert_eq!(world.text(source, Spot::Text).as_deref(), Ok(text), "{source}");
    }
}

#[test]
fn a_template_that_is_one_value_keeps_its_type() {
    let world =
        World::with_object(&json!({"id": 7, "price": 1.0, "on": false, "none": null, "tags": ["a"], "name": "x"}));
    for (source, value) in [
        ("{{ row.id }}", json!(7)),
        ("{{ row.price }}", json!(1.0)),
        ("{{ row.on }}", json!(false)),
        ("{{ row.none }}", json!(null)),
        ("{{ row.tags }}", json!(["a"])),
        ("{{ row.name }}", json!("x")),
        ("{{ row.name | length }}", json!(1)),
        ("{{ row.id * 2 }}", json!(14)),
        ("{{ {'a': row.tags} }}", json!({"a": ["a"]})),
        ("{{ row.name if row.on }}", json!(null)),
        ("{{ vars.page }}", json!({"size": 50, "tags": ["a", "b"]})),
        ("{{ vars.page.size + 1 }}", json!(51)),
        (" {{ row.id }}", json!(" 7")),
        ("{{ row.id }}{{ row.on }}", json!("7false")),
        ("{{ vars.page.size }} ", json!("50 ")),
        ("{% if row.id %}1{% endif %}", json!("1")),
        ("text", json!("text")),
    ] {
        assert_eq!(world.value(source), Ok(value), "{source}");
    }
    assert_eq!(World::new().value("{{ row.n }}"), Ok(json!("007")));
    let range = World { row: Row { ordinal: 0, line: 0, fields: Fields::Integer(-3) }, ..World::new() };
    assert_eq!(range.value("{{ row.value }}"), Ok(json!(-3)));
    assert_eq!(range.value("{{ row.value + 1 }}"), Ok(json!(-2)));
}

#[test]
fn what_is_missing_is_named_with_what_is_there() {
    let world = World::with_object(&json!({"a": {"b": null}, "s": "x"}));
    for (source, message) in [
        ("{{ row.c }}", "the row has no `c`; it has `a`, `s`"),
        ("{{ row.a.c }}", "`row.a` has no `c`; it has `b`"),
        ("{{ row.a.b.c }}", "`row.a.b` is null and has no `.c`"),
        ("{{ row.s.c }}", "`row.s` is text and has no `.c`"),
        ("{{ json.list[7] }}", "`json.list` is an array of 2 and has no `[7]`"),
        ("{{ headers.etg }}", "the reply has no `etg`; it has `etag`, `x-tag`"),
        (
            "{{ row.c | upper }}",
            "`row.c | upper`: the row has no `c`; it has `a`, `s`; `| default(…)` gives a value for this case",
        ),
        ("{{ row.s | int }}", "`row.s | int`: 'x' is not a whole number"),
        (
            "{{ secrets.token | int }}",
            "`secrets.token | int`: invalid operation (details are left out, since a secret is used)",
        ),
        (
            "{% if row.c %}{% endif %}",
            "`{% … %}`: the row has no `c`; it has `a`, `s`; `| default(…)` gives a value for this case",
        ),
        ("{{ 1 / (json.n - 3) }}", "`1 / (json.n - 3)`: unable to calculate 1 / 0"),
    ] {
        assert_eq!(world.text(source, Spot::Text).map_err(|error| error.message), Err(message.to_owned()), "{source}");
    }
    for (source, message) in [("{{ row.a['c'] ~ '' }}", "`row.a` has no `c`"), ("{{ (row.c) }}", "the row has no `c`")]
    {
        let error = world.value(source).unwrap_err();
        assert!(error.message.contains(message), "{source}: {error:?}");
    }
}

#[test]
fn a_reply_that_is_no_json_or_not_there_is_said() {
    let world = World::new();
    let template = Template::compile("{{ json.a }}", Spot::Text, &scope(&world.row)).unwrap();
    let headers = HeaderMap::new();
    let reply = ReplyView {
        status: 200,
        headers: &headers,
        body: b"<html>",
        json: None,
        meta: &Map::new(),
        item: None,
        page: &crate::extract::Page::default(),
    };
    let context = Context { row: None, secrets: &world.secrets, reply: Some(&reply), last: None };
    let error = template.render(&context, &mut String::new()).unwrap_err();
    assert_eq!(error.message, "`json` is used and the body of the reply is not JSON");
    let error = template.render(&Context { reply: None, ..context }, &mut String::new()).unwrap_err();
    assert_eq!(error.message, "there is no reply yet");
}

#[test]
fn values_in_a_url_are_escaped_for_their_part() {
    let world = World::with_object(&json!({
        "path": "a/b?c#d e&f=ü%2F", "host": "a.example:80", "url": "https://b.example/x?y=1", "id": 7, "on": true, "dots": "..", "one": "."
    }));
    for (source, url) in [
        ("https://h/{{ row.path }}/x", "https://h/a%2Fb%3Fc%23d%20e%26f%3D%C3%BC%252F/x"),
        ("https://h/?q={{ row.path }}&r={{ row.id }}", "https://h/?q=a%2Fb%3Fc%23d%20e%26f%3D%C3%BC%252F&r=7"),
        ("https://h/#{{ row.path }}", "https://h/#a%2Fb%3Fc%23d%20e%26f%3D%C3%BC%252F"),
        ("https://{{ row.host }}/{{ row.on }}", "https://a.example:80/true"),
        ("{{ row.url }}&z={{ row.path | upper }}", "https://b.example/x?y=1&z=A%2FB%3FC%23D%20E%26F%3D%C3%9C%252F"),
        ("{{ row.url }}", "https://b.example/x?y=1"),
        ("{{ vars.base }}/{{ vars.city }}?c={{ vars.city }}", "https://api.example.com/v1/New%20York?c=New%20York"),
        ("demo:/products/{{ row.path }}", "demo:/products/a%2Fb%3Fc%23d%20e%26f%3D%C3%BC%252F"),
        ("https://h/{{ row.dots }}x/?{{ row.dots }}", "https://h/..x/?.."),
        (
            "https://h/{% if row.on %}{{ row.path }}{% endif %}?{{ vars.city }}",
            "https://h/a%2Fb%3Fc%23d%20e%26f%3D%C3%BC%252F?New%20York",
        ),
        ("{{ vars.base }}{% for n in [1, 2] %}/{{ n }}{{ row.id }}{% endfor %}", "https://api.example.com/v1/17/27"),
    ] {
        assert_eq!(world.text(source, Spot::Url).as_deref(), Ok(url), "{source}");
    }
    for source in [
        "https://h/{{ row.dots }}",
        "https://h/{{ row.one }}{{ row.one }}/x",
        "https://h/.{{ row.one }}/x",
        "https://h/x/{% if row.on %}{{ row.dots }}{% endif %}",
        "{{ row.url }}/../{{ row.one }}",
        "https://{{ row.path }}/",
        "{{ row.path }}",
        "{{ row.id }}",
    ] {
        let passes_query = source.starts_with("{{ row.url }}");
        assert_eq!(world.text(source, Spot::Url).is_ok(), passes_query, "{source}");
    }
    let error = world.text("https://{{ row.path }}/", Spot::Url).unwrap_err();
    assert!(error.message.starts_with("`row.path` stands in the host of a URL"), "{error:?}");
}

#[test]
fn what_is_constant_is_known_without_a_row() {
    let row = World::new().row;
    let compile = |source: &str, spot| Template::compile(source, spot, &scope(&row)).unwrap();
    assert_eq!(compile("{{ vars.base }}/a", Spot::Url).constant(), Some("https://api.example.com/v1/a"));
    assert_eq!(compile("", Spot::Text).constant(), Some(""));
    assert_eq!(
        compile("{{ vars.page.size | string }}x{% if vars.on %}y{% endif %}", Spot::Text).constant(),
        Some("50xy")
    );
    assert_eq!(compile("{{ secrets.token }}", Spot::Text).constant(), None);
    assert_eq!(compile("{{ vars.page }}", Spot::Text).constant_value(), Some(vars()["page"].clone()));

    let varying = compile("{{ vars.base }}/a/{{ row.sku }}/b", Spot::Url);
    assert_eq!((varying.constant(), varying.literal_prefix()), (None, "https://api.example.com/v1/a/"));
    assert_eq!(compile("{{ row.sku }}/b", Spot::Text).literal_prefix(), "");
    let blocks = compile("x {%- if row.sku %}{{ secrets.token }}{{ json.n }}{% endif %}", Spot::Text);
    assert_eq!((blocks.literal_prefix(), blocks.secrets()), ("x", &["token".to_owned()][..]));
    assert!(blocks.uses_json() && !varying.uses_json());
    assert_eq!(format!("{varying:?}"), r#"Template("{{ vars.base }}/a/{{ row.sku }}/b")"#);
}

#[test]
fn a_column_is_found_where_another_header_has_it() {
    let world = World::new();
    let template = Template::compile("{{ row.n }}", Spot::Text, &scope(&world.row)).unwrap();
    let header = Arc::new(Header::new(vec!["n".to_owned(), "sku".to_owned()]));
    let row =
        Row { ordinal: 0, line: 0, fields: Fields::Text { header, cells: csv::StringRecord::from(vec!["1", "2"]) } };
    let context = Context { row: Some(&row), secrets: &world.secrets, reply: None, last: None };
    assert_eq!(template.value(&context), Ok(json!("1")));
}

#[test]
fn a_masked_secret_stands_anywhere_in_a_url() {
    let plan = crate::secret::SecretPlan {
        name: "token".to_owned(),
        origin: crate::secret::Origin::Environment("TOKEN".to_owned()),
    };
    let world = World { secrets: Secrets::masked(&[plan]), ..World::new() };
    for (source, url) in [
        ("{{ secrets.token }}/x?y={{ secrets.token }}", "***/x?y=***"),
        ("https://{{ secrets.token }}/{{ secrets.token }}", "https://***/***"),
    ] {
        assert_eq!(world.text(source, Spot::Url).as_deref(), Ok(url), "{source}");
    }
}

#[test]
fn json_bodies_are_built_not_pasted() {
    let text = "[endpoints.price]\n".to_owned();
    let overlays = crate::document::Overlays::default();
    let mut diagnostics = crate::diagnostic::Diagnostics::default();
    let document = crate::document::Document::parse("job.toml".as_ref(), text, &overlays, &mut diagnostics).unwrap();
    let mut site = crate::compile::Site { document: &document, diagnostics: &mut diagnostics };
    let path = crate::document::KeyPath::of(["json"]);
    let world = World::with_object(&json!({"id": 7, "name": "a\",\"b"}));
    let scope = scope(&world.row);
    let body = json!({"id": "{{ row.id }}", "who": [{"name": "{{ row.name }}"}, true], "fix": {"size": "{{ vars.page.size }}", "n": [1]}});
    let template = JsonTemplate::compile(&mut site, &path, &body, &scope).unwrap();
    let JsonTemplate::Object(members) = &template else { panic!("{template:?}") };
    assert!(matches!(&members[2].1, JsonTemplate::Constant(value) if *value == json!({"size": 50, "n": [1]})));
    let rendered = world.see(|context| template.render(context)).unwrap();
    assert_eq!(rendered, json!({"id": 7, "who": [{"name": "a\",\"b"}, true], "fix": {"size": 50, "n": [1]}}));
    assert_eq!(rendered.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "who", "fix"]);

    let wrong = json!({"a": "{{ nope }}", "b": ["{{ row."]});
    assert!(JsonTemplate::compile(&mut site, &path, &wrong, &scope).is_none());
    assert_eq!(diagnostics.list().len(), 2);
}

/// A template over the record before, as it comes out with that record.
fn after(source: &str, spot: Spot, last: Option<&Map<String, Value>>) -> Result<String, Vec<String>> {
    let world = World::new();
    let columns = Arc::new(Header::new(["seq", "a b"].map(str::to_owned).to_vec()));
    let scope = Scope { last: Some(LastScope { columns, open: false }), reply: false, ..scope(&world.row) };
    let messages = |errors: Vec<TemplateError>| errors.into_iter().map(|error| error.message).collect::<Vec<_>>();
    let template = Template::compile(source, spot, &scope).map_err(messages)?;
    assert!(template.uses_last(), "{source}");
    assert_eq!(template.constant(), None, "{source}");
    let (mut out, secrets) = (String::new(), Secrets::default());
    let context = Context { row: Some(&world.row), secrets: &secrets, reply: None, last };
    template.render(&context, &mut out).map(|()| out).map_err(|error| vec![error.message])
}

#[test]
fn the_record_before_is_null_until_there_is_one() {
    let last = Map::from_iter([("seq".to_owned(), json!(7)), ("a b".to_owned(), json!("x y"))]);
    for (source, spot, first, then) in [
        ("{{ last.seq }}", Spot::Text, "null", "7"),
        ("{{ last['a b'] }}!", Spot::Text, "null!", "x y!"),
        ("https://h/?after={{ last['a b'] }}", Spot::Url, "https://h/?after=null", "https://h/?after=x%20y"),
        ("{{ last.seq or 0 }}", Spot::Text, "0", "7"),
        ("{{ (last.seq or 0) + 1 }}", Spot::Text, "1", "8"),
        ("{% if last.seq is none %}all{% else %}{{ last.seq }}{% endif %}", Spot::Text, "all", "7"),
        ("{{ last | tojson }}", Spot::Text, "{}", "{\"seq\":7,\"a b\":\"x y\"}"),
    ] {
        assert_eq!(after(source, spot, None).as_deref(), Ok(first), "{source}");
        assert_eq!(after(source, spot, Some(&last)).as_deref(), Ok(then), "{source}");
    }
    assert_eq!(after("{{ last.sek }}", Spot::Text, None), Err(vec!["a record has no column `sek`".to_owned()]));
    assert_eq!(after("{{ last.sek or 0 }}", Spot::Text, None), Err(vec!["a record has no column `sek`".to_owned()]));
    assert!(after("{{ last.seq.deep }}", Spot::Text, None).unwrap_err()[0].contains("`last.seq` is null"));
}

#[test]
fn templates_may_still_give_last_a_meaning_of_their_own() {
    let world = World::new();
    let source = "{% for last in [1, 2] %}{{ last }}{% endfor %}{% set last = 3 %}{{ last }} {{ [4, 5] | last }}";
    assert_eq!(world.text(source, Spot::Text).as_deref(), Ok("123 5"));
}
