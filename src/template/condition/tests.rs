use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::{Map, json};

use super::super::tests::{World, header};
use super::super::{Condition, ReplyView, RowScope, Scope, TemplateError};
use super::*;
use crate::row::Row;
use crate::secret::Secrets;

fn scope() -> Scope {
    Scope {
        row: RowScope::Known(header()),
        vars: [("most".to_owned(), json!(3)), ("codes".to_owned(), json!([404, 410]))].into(),
        secrets: vec!["token".to_owned()],
        reply: true,
        last: None,
        messages: None,
    }
}

/// Looks at a reply with this status and body; the row is one of text.
fn judge(source: &str, status: u16, body: Option<&Value>) -> Result<bool, String> {
    judge_row(source, status, body, &World::new().row)
}

fn judge_row(source: &str, status: u16, body: Option<&Value>, row: &Row) -> Result<bool, String> {
    let condition = Condition::compile(source, &scope()).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
    let mut headers = HeaderMap::new();
    headers.insert("x-tag", HeaderValue::from_static("one"));
    let meta = Map::from_iter([("attempts".to_owned(), json!(2)), ("duration_ms".to_owned(), json!(150))]);
    let reply = ReplyView {
        status,
        headers: &headers,
        body: b"maintenance",
        json: body,
        meta: &meta,
        item: None,
        page: &crate::extract::Page::default(),
    };
    let secrets = Secrets::default();
    let context = Context { row: Some(row), secrets: &secrets, reply: Some(&reply), last: None };
    condition.holds(&context).map_err(|error| error.message)
}

fn holds(source: &str, body: &Value) -> bool {
    judge(source, 200, Some(body)).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn errors(source: &str) -> Vec<TemplateError> {
    Condition::compile(source, &scope()).err().unwrap_or_else(|| panic!("{source} compiled"))
}

#[test]
fn conditions_hold_or_do_not() {
    let body = json!({"ok": true, "n": 3, "half": 2.5, "name": "bolt", "tags": ["a", "b"], "gone": null,
        "errors": [{"code": "THROTTLED"}], "in": 1, "empty": [], "o": {"k": 1}});
    for source in [
        "status == 200",
        "status in [200, 201,]",
        "status not in vars.codes",
        "200 <= status and status < 300",
        "json.ok",
        "not not json.ok",
        "json.n == 3.0 and json.n >= vars.most and json.half < json.n",
        "json.n > -1 and json.half != 2 and json.n == 1 + 2",
        "json.name == 'bolt' and \"ol\" in json.name and json.name < 'c'",
        "json.name | upper == 'BOLT'",
        "json.name ~ json.n == 'bolt3'",
        "'a' in json.tags and 'c' not in json.tags and 'k' in json.o and not 'z' in json.o",
        "json.tags == ['a', 'b'] and json.tags | length == 2",
        "json.errors[0].code == 'THROTTLED'",
        "json.errors | selectattr('code', 'equalto', 'THROTTLED') | list | length > 0",
        "json.in == 1 and json['in'] == 1",
        "json.gone == none and json.gone is none and not json.empty",
        "(json.n > 5 or json.ok) and not (json.n > 5 and json.ok)",
        "json.n > 5 or json.ok and true",
        "not json.n > 5",
        "json.ok is true and json.n is not string",
        "(json.n + 1) * 2 == 8 and -json.n < 0",
        "text == 'maintenance' and 'main' in text",
        "headers['X-Tag'] == 'one' and headers.etag is not defined",
        "meta.attempts >= 2 and meta.duration_ms < 2000",
        "row.n | int == 7 and row['Unit price'] | float > 1 and row.empty == ''",
        "json.name is startingwith('b') or json.nope",
        "(json.nope or json.name) == 'bolt'",
    ] {
        assert!(holds(source, &body), "{source}");
        assert!(!holds(&format!("not ({source})"), &body), "not ({source})");
    }
}

#[test]
fn what_is_missing_never_holds_and_is_no_error() {
    let body = json!({"n": 1, "gone": null, "list": []});
    for left in
        ["json.a", "json.a.b[3].c", "json.n.x", "json.list[0]", "json['a']", "json.list[json.n]", "json.a | float"]
    {
        for operator in ["<", "<=", ">", ">=", "=="] {
            for right in ["0", "-1", "1e9", "'x'", "''", "true", "[]", "json.n"] {
                assert!(!holds(&format!("{left} {operator} {right}"), &body), "{left} {operator} {right}");
                assert!(!holds(&format!("{right} {operator} {left}"), &body), "{right} {operator} {left}");
            }
        }
        assert!(holds(&format!("not {left}"), &body) && holds(&format!("{left} != 1"), &body), "{left}");
        assert!(holds(&format!("{left} == none"), &body) && !holds(&format!("{left} != none"), &body), "{left}");
        assert!(!holds(&format!("{left} in ['a', 0]"), &body), "{left}");
    }
    for operator in ["<", "<=", ">", ">="] {
        assert!(!holds(&format!("json.gone {operator} 0"), &body), "null {operator} 0");
        assert!(!holds(&format!("json.a {operator} json.b"), &body), "nothing {operator} nothing");
    }
    for source in [
        "json.a + 1 == 1",
        "json.a | upper == ''",
        "json.a | length == 0",
        "'x' in json.a",
        "json.a is defined",
        "json.a is string",
        "headers.etag == ''",
    ] {
        assert!(!holds(source, &body), "{source}");
    }
    for source in
        ["json.a is undefined", "json.a.b | default(5) > 3", "json.a.b is not defined", "json.a or json.n == 1"]
    {
        assert!(holds(source, &body), "{source}");
    }
}

#[test]
fn a_body_that_is_not_json_is_missing_and_no_error() {
    for source in ["json.a or status == 503", "json == none", "not json", "(json.a | default('x')) == 'x'"] {
        assert_eq!(judge(source, 503, None), Ok(true), "{source}");
    }
    for source in ["json.errors[0].code == 'X'", "json.price | float > 3", "json is defined", "json.a < 5"] {
        assert_eq!(judge(source, 503, None), Ok(false), "{source}");
    }
}

#[test]
fn a_text_and_a_number_are_not_guessed_at() {
    let body = json!({"n": "12", "ok": true});
    let said = |source: &str| judge(source, 200, Some(&body)).unwrap_err();
    assert_eq!(
        said("row.n > 3"),
        "`row.n > 3`: a text and a number can't be ordered; for a number write `row.n | float`"
    );
    assert_eq!(
        said("3 < json.n"),
        "`3 < json.n`: a number and a text can't be ordered; for a number write `json.n | float`"
    );
    assert_eq!(
        said("row.n == 7"),
        "`row.n == 7`: `row.n` is the text \"007\" and equals no such value; write `row.n | float`"
    );
    assert!(said("row.n in [7, 8]").contains("write `row.n | float`"));
    assert!(said("row.n == true").contains("write `row.n | bool`"));
    assert_eq!(said("json.ok > 1"), "`json.ok > 1`: true or false and a number can't be ordered");
    assert!(said("json.n | float(default=1) | int + 'a' == 3").contains("json.n | float"));
    assert!(said("'a' in status").contains("holds no other values"));
    // A body may say a number as a text or as a number: they are two values.
    assert_eq!(judge("json.n == 12", 200, Some(&body)), Ok(false));
    // Rows of typed inputs are compared as they are.
    let typed = World::with_object(&json!({"n": "7", "sku": 3})).row;
    assert_eq!(judge_row("row.n == 7", 200, None, &typed), Ok(false));
    assert_eq!(judge_row("row.sku > 2", 200, None, &typed), Ok(true));
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    for (source, at, message, help) in [
        ("", "", "an empty text is not a condition", "status == 404"),
        ("{{ status == 404 }}", "{{", "a condition is an expression already, without braces", "\"status == 404\""),
        ("a {{ status }}", "{{", "a condition is an expression already", "leave the braces out"),
        ("status = 404", "=", "`=` is not a sign of conditions", "write `==`"),
        ("status === 404", "=", "`=` is not a sign", "write `==`"),
        ("json.a && json.b", "&&", "`&&` is not a sign", "write `and`"),
        ("json.a || json.b", "||", "`||` is not a sign", "write `or`"),
        ("!json.a", "!", "`!` is not a sign", "write `not`"),
        ("status =! 404", "=!", "`=!` is not a sign", "write `!=`"),
        ("status <> 404", "<>", "`<>` is not a sign", "write `!=`"),
        ("json.a == null", "null", "there is no value `null`", "write `none`"),
        ("status == ", "==", "a value is missing at the end", "conditions are written as"),
        ("status 404", "404", "`404` is not expected here", ""),
        ("(status == 404", "404", "", ""),
        ("1 < status < 3", "<", "one comparison can't follow another", "1 < a and a < 3"),
        ("true if status else false", "if", "a condition chooses between no values with `if`", "and"),
        ("(1 if json.a else 0) + 1 == 2", "if", "`if` can't stand inside of a value", ""),
        ("json.a | default(json.b < 3)", "<", "`<` can't stand inside of a value", ""),
        ("json.a is gt(3)", "gt", "the test `gt` also orders what is missing", "write `>`"),
        ("json.a is not lt(3)", "lt", "the test `lt` also orders what is missing", "write `<`"),
        ("state == 404", "state", "there is no value `state`", "did you mean `status`?"),
        ("row.skuu == 'a'", "skuu", "the input has no column `skuu`", "did you mean `sku`?"),
        ("json.a | uper == 'A'", "uper", "there is no filter `uper`", "did you mean `upper`?"),
        ("vars.nost == 3", "nost", "there is no variable `nost`", "did you mean `most`?"),
        ("secrets.token == 'a'", "secrets", "a condition can't use secrets", "secrets are for requests"),
        ("secrets.tokn == 'a'", "secrets", "a condition can't use secrets", ""),
        ("meta.duration < 3", "duration", "there is no `meta.duration` here", "did you mean `meta.duration_ms`?"),
        ("meta.saved == 3", "saved", "there is no `meta.saved` here", "`meta` has attempts"),
        ("json.a.startswith('b')", "startswith", "values can't be called", "instead: `row.name | upper`"),
    ] {
        let found = errors(source);
        let (first, said) = (&found[0], found[0].help.clone().unwrap_or_default());
        assert_eq!(&source[first.range.clone()], at, "{source}: {found:?}");
        assert!(first.message.starts_with(message), "{source}: {}", first.message);
        assert!(said.contains(help) && !said.is_empty(), "{source}: {said}");
    }
    assert_eq!(errors("stat == 1 or row.x == 2 && true").len(), 1, "signs first: names stand in another grammar");
    assert_eq!(errors("stat == 1 or row.x == 2").len(), 2);
}

#[test]
fn what_it_uses_is_known() {
    let compiled = |source: &str| Condition::compile(source, &scope()).unwrap();
    let uses = |source: &str| (compiled(source).uses_json(), compiled(source).uses_text());
    assert_eq!(uses("status == 404"), (false, false));
    assert_eq!(uses("json.a | length > 3 or 'x' in text"), (true, true));
    assert!(compiled("true").is_constant() && compiled("1 < 2").is_constant());
    assert!(!compiled("vars.most > 2").is_constant() && !compiled("status > 2").is_constant());
    assert_eq!(compiled(" status == 404").source(), " status == 404");
}

#[test]
fn names_of_options_and_members_are_no_words_of_the_grammar() {
    let body = json!({"a": {"not": 1, "or": 2, "if": 3}, "list": [3, 1]});
    for source in ["json.a.not == 1 and json.a.or == 2 and json.a.if == 3", "json.list | sort(reverse=true) == [3, 1]"]
    {
        assert!(holds(source, &body), "{source}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(source in "[a-z0-9 .()\\[\\]<>=!|&'\"{}~+*/,é-]{0,40}") {
        let _ = Condition::compile(&source, &scope());
    }

    // What minijinja says of numbers that are there is what is said here.
    #[test]
    fn numbers_compare_as_in_templates(a in -5i64..5, b in -5i64..5, c in -5i64..5, shape in 0usize..6) {
        let body = json!({"a": a, "b": b, "c": c});
        let source = [
            "json.a < json.b and json.b <= json.c or json.a == json.c",
            "not json.a >= json.b or json.c",
            "json.a + json.b > json.c * 2 and not (json.a != json.b)",
            "json.a in [json.b, json.c] or json.a - json.b == json.c",
            "(json.a or json.b) and json.c > 0",
            "not (json.a == json.b and json.b not in [json.c])",
        ][shape];
        let expected = engine(source, &body);
        prop_assert_eq!(holds(source, &body), expected, "{}", source);
    }
}

fn engine(source: &str, body: &Value) -> bool {
    let expression = super::super::engine::CONDITION.compile_expression(source).unwrap();
    expression.eval(minijinja::context! { json => super::super::values::from_json(body) }).unwrap().is_true()
}
