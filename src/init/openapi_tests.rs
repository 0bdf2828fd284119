//! Jobs of documents, by what they must hold and what they must not.

use std::path::Path;

use serde_json::{Value, json};

use super::Draft;
use crate::compile::{Options, compile};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::openapi::Api;

/// The job of the only operation of a document with these paths and whatever else; it must compile.
fn job(paths: Value, more: Value) -> String {
    let mut document = json!({ "openapi": "3.1.0", "servers": [{ "url": "https://h.example/v1" }], "paths": paths });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    let mut draft = Draft::default();
    draft.call(&Api::read(&document.to_string()).unwrap().operation(None).unwrap());
    let text = draft.text(Path::new("job.toml"));
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("job.toml"), text.clone(), &Overlays::default(), &mut diagnostics);
    let plan = document.and_then(|document| compile(&document, &Options::default(), &mut diagnostics));
    assert!(plan.is_some() && !diagnostics.has_errors(), "{:?}\n{text}", diagnostics.list());
    text
}

fn has(text: &str, lines: &[&str]) {
    lines.iter().for_each(|line| assert!(text.contains(line), "{line} is missing:\n{text}"));
}

fn has_not(text: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(!text.contains(word), "{word} is there:\n{text}"));
}

fn object(required: &[&str]) -> Value {
    let properties: serde_json::Map<_, _> =
        required.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn sent(media: &str, schema: &Value) -> Value {
    json!({ "content": { media: { "schema": schema } } })
}

fn reply(schema: &Value) -> Value {
    json!({ "200": { "content": { "application/json": { "schema": schema } } } })
}

#[test]
fn who_logs_in_is_a_secret_of_the_job() {
    let body = object(&["username", "password", "client_secret", "lang"]);
    for (media, key) in [
        ("application/json", "json"),
        ("application/x-www-form-urlencoded", "form"),
        ("multipart/form-data", "multipart"),
    ] {
        let text = job(json!({ "/login": { "post": { "requestBody": sent(media, &body) } } }), json!({}));
        has(
            &text,
            &[
                &format!("{key} = {{ "),
                "username = \"{{ secrets.username }}\"",
                "password = \"{{ secrets.password }}\"",
                "client_secret = \"{{ secrets.client_secret }}\"",
                "input.values = [{ lang = \"example\" }]",
            ],
        );
    }
}

#[test]
fn secrets_of_rows_get_into_no_record() {
    let post = json!({ "requestBody": sent("application/json", &object(&["name", "password", "api_key"])) });
    let text = job(json!({ "/users": { "post": post } }), json!({}));
    has(
        &text,
        &[
            "json = { name = \"{{ row.name }}\", password = \"{{ row.password }}\", api_key = \"{{ secrets.api_key }}\" }",
            "keep = [\"name\"]",
            "each row has password of its own",
        ],
    );
    let get = |path: &str| job(json!({ path: { "get": {} } }), json!({}));
    has(&get("/bot{token}/sendMessage"), &["/v1/bot{{ secrets.token }}/sendMessage\"", "keep = []"]);
    has(&get("/tokens/{token}"), &["/v1/tokens/{{ row.token }}\"", "keep = []  # the other columns"]);
    has(&get("/pets/{pet}"), &["/v1/pets/{{ row.pet }}\""]);
    has_not(&get("/pets/{pet}"), &["keep =", "secrets."]);
}

#[test]
fn numbers_flags_and_words_to_choose_from_are_no_secrets_whatever_they_are_called() {
    let given = |name: &str, place: &str, schema: Value| json!({ "name": name, "in": place, "required": true, "schema": schema });
    let parameters = json!([
        given("token", "query", json!({ "type": "integer", "example": 7 })),
        given("api_key", "query", json!({ "type": "boolean" })),
        given("credentials", "query", json!({ "type": "string", "enum": ["include", "omit"] })),
        given("token_type", "header", json!({ "type": "string", "enum": ["bearer"] })),
        given("secret", "query", json!({ "type": "string" })),
    ]);
    let members = json!({ "type": "object", "required": ["password", "auth", "jwt", "pin"], "properties": {
        "password": { "type": "string", "enum": ["keep", "renew"] },
        "auth": { "type": "number", "example": 1.5 },
        "jwt": { "type": "boolean" },
        "pin": { "type": "string" }
    } });
    let result = json!({ "properties": { "token": { "type": "integer" }, "access_token": { "type": "string" } } });
    let post = json!({
        "parameters": parameters, "requestBody": sent("application/json", &members), "responses": reply(&result),
    });
    let text = job(json!({ "/a": { "post": post } }), json!({}));
    has(
        &text,
        &[
            "query.token = \"{{ row.token }}\"",
            "query.api_key = \"{{ row.api_key }}\"",
            "query.credentials = \"include\"",
            "headers.token_type = \"bearer\"",
            "query.secret = \"{{ secrets.secret }}\"",
            "password = \"{{ row.password }}\"",
            "jwt = \"{{ row.jwt | bool }}\"",
            "token = 7",
            "password = \"keep\"",
            "columns.reply_token = \"$.token\"",
        ],
    );
    has_not(&text, &["secrets.token", "secrets.api_key", "secrets.password", "columns.access_token"]);
    let url = json!({ "servers": [{ "url": "https://h.example/?api_key=letters" }] });
    has(&job(json!({ "/a": { "get": {} } }), url), &["query.api_key = \"{{ secrets.api_key }}\""]);
}

#[test]
fn what_can_not_be_seen_reaches_no_job_as_it_is() {
    let unseen = "a\u{202e}b\u{2066}c\u{200b}d\u{feff}e\u{ad}f\u{e0041}g";
    let given = |name: &str, required: bool| json!({ "name": name, "in": "query", "required": required, "schema": { "type": "string", "example": unseen } });
    let named = json!({ "type": "object", "properties": { unseen: { "type": "string" } } });
    let post = json!({
        "operationId": unseen,
        "summary": unseen,
        "parameters": [given(unseen, true), given(&format!("o{unseen}"), false)],
        "requestBody": sent("application/json", &named),
        "responses": reply(&named),
    });
    let more = json!({ "servers": [{
        "url": "https://h.example/{v}",
        "variables": { "v": { "default": "v1", "enum": ["v1", unseen] } }
    }] });
    let text = job(json!({ format!("/{unseen}"): { "post": post } }), more);
    let seen = text.chars().filter(|c| *c != '\n');
    let raw: Vec<char> = seen.filter(|c| crate::report::text::is_invisible(*c)).collect();
    assert!(raw.is_empty(), "{raw:?}\n{text}");
    has(
        &text,
        &[
            "description = \"abcdefg\"",
            "there are also abcdefg",
            "{{ row.abcdefg }}",
            "\"a\\u202Eb\\u2066c\\u200Bd\\uFEFFe\\u00ADf\\U000E0041g\" = ",
            "columns.reply_abcdefg = ",
            "NAME = .. }): oabcdefg",
        ],
    );
}

#[test]
fn secrets_of_a_reply_are_left_to_who_wants_them() {
    let schema = |names: &[&str]| reply(&object(names));
    let text = job(json!({ "/a": { "post": { "responses": schema(&["access_token", "scope", "key"]) } } }), json!({}));
    has(
        &text,
        &[
            "columns.scope = \"$.scope\"",
            "columns.key",
            "left out of the records (columns.NAME = \"$.NAME\"): access_token",
        ],
    );
    has_not(&text, &["columns.access_token", "meta ="]);
    let text = job(json!({ "/a": { "post": { "responses": schema(&["access_token"]) } } }), json!({}));
    has(&text, &["meta = [\"status\", \"attempts\", \"duration_ms\", \"error\"]"]);
    let written = json!({ "properties": { "a": { "type": "string" }, "b": { "type": "string", "writeOnly": true } } });
    has_not(&job(json!({ "/a": { "get": { "responses": reply(&written) } } }), json!({})), &["columns.b"]);
}

#[test]
fn no_secret_of_a_document_stands_in_the_job() {
    let server = json!({ "servers": [{ "url": "HTTPS://bob:hunter2@h.example/v1?api_key=hunter3&v=2#hunter4" }] });
    let text = job(
        json!({ "/a": { "get": { "summary": "Use Bearer ghp_a1Zb2Yc3Xd4We5Vf6Ug7Th8Si9Rj0Qka1Zb2Yc3Xd4" } } }),
        server,
    );
    has(
        &text,
        &[
            "url = \"https://h.example/v1/a\"",
            "auth.basic = { user = \"{{ secrets.user }}\", password = \"{{ secrets.password }}\" }",
            "query.api_key = \"{{ secrets.api_key }}\"",
            "query.v = \"2\"",
        ],
    );
    has_not(&text, &["hunter", "bob", "ghp_"]);
    let flow = json!({ "clientCredentials": { "tokenUrl": "https://u:hunter2@h.example/t?client_secret=hunter3" } });
    let schemes = json!({ "security": [{ "o": [] }], "components": { "securitySchemes": { "o": { "type": "oauth2", "flows": flow } } } });
    let text = job(json!({ "/a": { "get": {} } }), schemes);
    has(&text, &["token-url = \"https://h.example/t\""]);
    has_not(&text, &["hunter"]);
    let example =
        json!({ "content": { "application/json": { "example": { "note": "Bearer abcdef0123456789", "n": null } } } });
    has_not(&job(json!({ "/a": { "post": { "requestBody": example } } }), json!({})), &["abcdef"]);
}

#[test]
fn each_proof_is_a_secret_of_its_own_and_is_sent_once() {
    let key = |place: &str, name: &str| json!({ "type": "apiKey", "in": place, "name": name });
    let schemes = json!({
        "security": [{ "bearer": [], "app": [], "sid": [], "m": [] }],
        "components": { "securitySchemes": {
            "bearer": { "type": "http", "scheme": "bearer" }, "app": key("header", "token"), "sid": key("cookie", "sid"),
            "m": { "type": "mutualTLS" }
        } }
    });
    let given = |place: &str, name: &str| json!({ "in": place, "name": name, "required": true, "schema": { "type": "string" } });
    let parameters =
        json!([given("cookie", "sid"), given("query", "token"), given("header", "X-A"), given("header", "x-a")]);
    let text = job(json!({ "/a": { "get": { "parameters": parameters } } }), schemes);
    has(
        &text,
        &[
            "headers.cookie = \"sid={{ secrets.sid }}\"",
            "client.tls.cert and client.tls.key",
            "query.token = \"{{ secrets.token",
            "headers.x-a = ",
        ],
    );
    let header = text.lines().find(|line| line.starts_with("headers.token")).unwrap();
    let bearer = text.lines().find(|line| line.starts_with("auth.bearer")).unwrap();
    assert_ne!(header.rsplit('=').next(), bearer.rsplit('=').next(), "{text}");
}

#[test]
fn what_must_be_given_is_given_also_where_it_looks_like_pages() {
    let given = |name: &str, required: bool| json!({ "in": "query", "name": name, "required": required, "schema": { "type": "integer" } });
    let get = |parameters: Value| {
        let list = json!({ "type": "object", "properties": { "items": { "type": "array", "items": object(&["a"]) } } });
        job(json!({ "/a": { "get": { "parameters": parameters, "responses": reply(&list) } } }), json!({}))
    };
    let text = get(json!([given("page", true), given("limit", true)]));
    has(
        &text,
        &["query.page = 1\n", "query.limit = 100\n", "and take query.page, query.limit out:\n# paginate.page-number"],
    );
    let text = get(json!([given("after", true), given("limit", false)]));
    has(&text, &["query.after = \"{{ row.after }}\"", "and take query.after out:"]);
    has_not(&text, &["\nquery.limit"]);
}

#[test]
fn a_record_with_a_list_is_a_record() {
    let lines = json!({ "type": "array", "items": object(&["sku"]) });
    let mut order = object(&["id", "total"]);
    order["properties"]["items"] = lines.clone();
    let text = job(json!({ "/orders/{id}": { "get": { "responses": reply(&order) } } }), json!({}));
    has(&text, &["columns.reply_id = \"$.id\"", "columns.total"]);
    has_not(&text, &["rows =", "sku"]);
    let list = json!({ "type": "object", "properties": { "total": { "type": "integer" }, "items": lines } });
    has(
        &job(json!({ "/orders/{shop}": { "get": { "responses": reply(&list) } } }), json!({})),
        &["rows = \"$.items[*]\""],
    );
    let names = object(&["status", "reply_status"]);
    has(&job(json!({ "/a": { "get": { "responses": reply(&names) } } }), json!({})), &["columns.reply_status_2"]);
}

#[test]
fn styles_are_written_or_said() {
    let parameter = |name: &str, place: &str, style: &str, schema: Value| json!({ "name": name, "in": place, "style": style, "required": true, "explode": false, "schema": schema });
    let text_of_json = json!({ "name": "j", "in": "query", "required": true, "content": { "application/json": { "example": { "a": 1 } } } });
    let parameters = json!([
        parameter("a", "path", "label", json!({ "type": "string" })),
        parameter("b", "path", "matrix", json!({ "type": "string" })),
        parameter("filter", "query", "deepObject", object(&["since"])),
        parameter("list", "query", "pipeDelimited", json!({ "type": "array", "items": { "type": "string" } })),
        parameter("api_token", "query", "form", json!({ "enum": ["x", "y"] })),
        text_of_json,
    ]);
    has(
        &job(json!({ "/x/{a}/{b}": { "get": { "parameters": parameters } } }), json!({})),
        &[
            "/x/.{{ row.a }}/;b={{ row.b }}\"",
            "query.\"filter[since]\" = \"{{ row[\\\"filter[since]\\\"] }}\"",
            "the parameter list takes several values in one, with | between them",
            "the parameter j is a text of JSON",
            "j = \"{\\\"a\\\":1}\"",
            "query.api_token = \"{{ row.api_token }}\"",
        ],
    );
}

#[test]
fn the_only_column_is_the_one_that_names_a_row() {
    let document = json!({ "openapi": "3.0.0", "paths": { "/pets/{petId}": { "get": {} } } });
    let made = |columns: &[&str]| {
        let mut draft = Draft::default();
        draft.call(&Api::read(&document.to_string()).unwrap().operation(None).unwrap());
        draft.rows_in("in.csv", columns.iter().map(|name| (*name).to_owned()).collect());
        draft.url
    };
    assert_eq!(made(&["name", "id"]), "https://api.example.com/pets/{{ row.id }}");
    assert_eq!(made(&["id", "petId"]), "https://api.example.com/pets/{{ row.petId }}");
}
