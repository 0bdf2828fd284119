//! Documents as they are written, and what is taken of them.

use serde_json::json;

use super::*;

fn sample(name: &str) -> Api {
    let path = format!("{}/tests/openapi/{name}", env!("CARGO_MANIFEST_DIR"));
    Api::read(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn taken(file: &str, operation: &str) -> Operation {
    sample(file).operation(Some(operation)).unwrap()
}

#[test]
fn an_operation_is_found_by_its_id_or_its_place() {
    let by_id = taken("petstore.yaml", "getPetById");
    assert_eq!(by_id, taken("petstore.yaml", "GET /pet/{petId}"));
    assert_eq!(by_id, taken("petstore.yaml", "get  /pet/{petId}"));
    assert_eq!((by_id.method.as_str(), by_id.server.as_str()), ("GET", "https://petstore3.swagger.io/api/v3"));
    assert_eq!(by_id.summary.as_deref(), Some("Find pet by ID"));
    assert_eq!(by_id.security, [Scheme::Key { name: "api_key".to_owned(), place: Place::Header }]);
}

#[test]
fn what_is_not_there_is_said_with_what_was_meant() {
    let refused = |named| sample("petstore.yaml").operation(named).unwrap_err();
    assert!(refused(Some("getPetByID2")).message.contains("did you mean `getPetById`?"));
    assert!(refused(Some("GET /pets/{petId}")).message.contains("did you mean `GET /pet/{petId}`?"));
    let none = refused(None);
    assert!(none.message.contains("--operation ID"), "{}", none.message);
    assert_eq!(none.known.len(), 10);
    assert_eq!(none.known[2].place(), "GET /pet/findByStatus");
}

#[test]
fn the_only_operation_need_not_be_named() {
    let api = Api::read("openapi: 3.0.0\npaths:\n  /a:\n    get: {}\n").unwrap();
    assert_eq!(api.operation(None).unwrap().path, "/a");
}

#[test]
fn what_is_no_document_is_refused_in_words() {
    for (text, words) in [
        ("{\"openapi\": \"3.0.0\",}", "it is no JSON"),
        ("a: [", "it is no YAML"),
        ("a: 1", "no `paths`"),
        ("paths: {}", "neither `openapi` nor `swagger`"),
        (
            "openapi: 3.0.0\npaths:\n  /a: {}\n  /a: {}\n",
            "line 4: the key `/a` stands twice in one map, first in line 3",
        ),
        (
            "{\n\"openapi\": \"3.0.0\",\n\"paths\": {\"/a\": {}, \"b\": [{\"c\": 1,\n\"c\": 1.25}]}}",
            "the key `c` stands twice in one map: take one out at line 4",
        ),
    ] {
        let why = Api::read(text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
    let grpc = "openapi: 3.0.0\nservers: [{url: 'ws://h/'}]\npaths: {/a: {get: {}}}";
    let why = Api::read(grpc).unwrap().operation(None).unwrap_err().message;
    assert!(why.contains("only http:// and https://"), "{why}");
}

#[test]
fn hosts_of_other_scripts_become_what_dns_knows() {
    let read = |url: &str| {
        let text = format!("openapi: 3.0.0\nservers: [{{url: '{url}'}}]\npaths: {{/a: {{get: {{}}}}}}");
        Api::read(&text).unwrap().operation(None).map(|operation| operation.server).map_err(|why| why.message)
    };
    assert_eq!(read("https://Bücher.example:8443/ä").unwrap(), "https://xn--bcher-kva.example:8443/ä");
    assert_eq!(read("https://пример.испытание").unwrap(), "https://xn--e1afmkfd.xn--80akhbyknj4f");
    let why = read("https://a\u{202e}ü..example/v1").unwrap_err();
    assert!(why.contains("aü..example is no name that DNS could know"), "{why}");
    let scheme = serde_json::json!({
        "openapi": "3.0.0", "security": [{ "o": [] }], "paths": { "/a": { "get": {} } },
        "components": { "securitySchemes": { "o": { "type": "oauth2", "flows": {
            "clientCredentials": { "tokenUrl": "https://bücher.example/token" }
        } } } }
    });
    let taken = Api::read(&scheme.to_string()).unwrap().operation(None).unwrap();
    let token_url = "https://xn--bcher-kva.example/token".to_owned();
    assert_eq!(taken.security, [Scheme::ClientCredentials { token_url, scopes: Vec::new() }]);
}

#[test]
fn paths_that_stand_in_other_files_are_told() {
    let document = |more: &str| {
        let text = format!(
            "openapi: 3.0.0\npaths:\n  /pets:\n    $ref: 'pets.yaml#/all'\n  /own/{{id}}:\n    $ref: ./own.yaml\n{more}"
        );
        Api::read(&text).unwrap()
    };
    let none = document("").operation(None).unwrap_err().message;
    let more = "the path /pets stands elsewhere (pets.yaml#/all), and 1 path like it: bundle";
    assert!(none.contains("no operation") && none.contains(more), "{none}");
    let named = document("").operation(Some("GET /own/{id}")).unwrap_err().message;
    assert!(named.contains("the path /own/{id} stands elsewhere (./own.yaml)"), "{named}");
    let only = document("  /a: {get: {}}\n");
    assert!(only.operation(None).unwrap().notes.iter().any(|note| note.contains("/pets stands elsewhere")));
    assert!(only.operation(Some("GET /a")).unwrap().notes.iter().all(|note| !note.contains("elsewhere")));
}

#[test]
fn parts_and_alternatives_are_put_together() {
    let gist = taken("hub.json", "gists/update").reply.unwrap();
    let names: Vec<&str> = gist.shape.members().iter().map(|member| member.name.as_str()).collect();
    assert_eq!(
        (gist.media.as_str(), names.as_slice()),
        ("application/vnd.hub.v3+json", &["id", "url", "public", "forks"][..])
    );
    let issue = taken("hub.json", "issues/create");
    let body = issue.body.unwrap();
    let kinds: Vec<&Kind> = body.shape.members().iter().map(|member| &member.shape.kind).collect();
    assert!(matches!(kinds[..], [Kind::Text, Kind::Text, Kind::Integer, Kind::List(_)]), "{kinds:?}");
    assert_eq!(body.shape.members()[0].shape.sample, Some(json!("Found a bug")));
    assert_eq!(issue.parameters[0].shape.sample, Some(json!("octo-org")));
}

#[test]
fn a_schema_within_itself_is_anything() {
    let circle = taken("odd.yaml", "POST /circle").body.unwrap().shape;
    let kinds: Vec<(&str, &Kind)> =
        circle.members().iter().map(|member| (member.name.as_str(), &member.shape.kind)).collect();
    assert_eq!(kinds[1], ("self", &Kind::Any));
    assert!(matches!(kinds[2], ("others", Kind::List(item)) if item.kind == Kind::Any), "{kinds:?}");
}

#[test]
fn schemas_that_multiply_are_bounded() {
    let all: String = (0..40)
        .map(|at| format!("    s{at}: {{allOf: [{{$ref: '#/components/schemas/s{}'}}, {{properties: {{a: {{$ref: '#/components/schemas/s{}'}}, b: {{$ref: '#/components/schemas/s{}'}}}}}}]}}\n", at + 1, at + 1, at + 2))
        .collect();
    let text = format!(
        "openapi: 3.0.0\npaths:\n  /a:\n    get: {{responses: {{'200': {{content: {{application/json: {{schema: {{$ref: '#/components/schemas/s0'}}}}}}}}}}}}\ncomponents:\n  schemas:\n{all}"
    );
    let reply = Api::read(&text).unwrap().operation(None).unwrap().reply.unwrap();
    assert_eq!(reply.shape.members().len(), 2);
}

#[test]
fn references_that_lead_away_are_said() {
    let events = taken("hub.json", "activity/list-events");
    assert!(events.notes[0].contains("https://elsewhere.example/parameters.json#/since"), "{:?}", events.notes);
    assert_eq!(events.parameters.len(), 1);
}

#[test]
fn the_older_kind_says_the_same_in_other_words() {
    let pet = taken("swagger.json", "getPetById");
    assert_eq!(pet.server, "https://petstore.swagger.io/v2");
    assert_eq!(pet.parameters[0].shape.kind, Kind::Integer);
    let reply = pet.reply.unwrap();
    assert_eq!((reply.media.as_str(), reply.has_others, reply.shape.members().len()), ("application/json", true, 3));
    let form = taken("swagger.json", "updatePetWithForm");
    assert_eq!(form.body.map(|body| body.media).as_deref(), Some("application/x-www-form-urlencoded"));
    let token_url = "https://petstore.swagger.io/oauth/token".to_owned();
    assert_eq!(form.security, [Scheme::ClientCredentials { token_url, scopes: vec!["write:pets".to_owned()] }]);
    let upload = taken("swagger.json", "uploadFile").body.unwrap();
    assert_eq!((upload.media.as_str(), &upload.shape.members()[1].shape.kind), ("multipart/form-data", &Kind::File));
    assert!(upload.shape.members()[1].required && !upload.shape.members()[0].required);
}

#[test]
fn ways_to_prove_who_asks() {
    let pets = taken("petstore.yaml", "deletePet");
    assert_eq!(pets.security, [Scheme::Bearer]);
    assert!(pets.notes[0].contains("a person who logs in"), "{:?}", pets.notes);
    let machines = taken("odd.yaml", "listMachines").security;
    let [Scheme::ClientCredentials { token_url, scopes }] = machines.as_slice() else { panic!("{machines:?}") };
    assert_eq!(
        (token_url.as_str(), scopes.join(" ").as_str()),
        ("https://eu.odd.example:8443/oauth/token", "read write")
    );
    assert_eq!(taken("odd.yaml", "POST /circle").security.len(), 2);
    // Nobody must prove anything there.
    let region = "the server's region is eu; there are also us";
    assert_eq!(taken("odd.yaml", "report").notes, [region]);
    let words = taken("odd.yaml", "words").notes;
    assert!(words[0] == region && words[1].contains("`signed` is not known"), "{words:?}");
}

/// The only operation of a document of one path.
fn of(item: Value, servers: Value) -> Operation {
    let document = json!({ "openapi": "3.0.0", "servers": servers, "paths": { "/a": item } });
    Api::read(&document.to_string()).unwrap().operation(None).unwrap()
}

#[test]
fn a_reply_of_errors_is_none_of_a_success() {
    let error = json!({ "content": { "application/json": { "schema": { "properties": { "code": {} } } } } });
    let reply = |responses: Value| of(json!({ "delete": { "responses": responses } }), json!([])).reply;
    assert_eq!(reply(json!({ "204": { "description": "gone" }, "default": error })), None);
    assert!(reply(json!({ "404": {}, "default": error })).is_some());
    let lost =
        of(json!({ "get": { "responses": { "200": { "$ref": "reply.yaml" } } } }), json!([{ "url": "https://h" }]));
    assert!(lost.notes[0].contains("the reply stands elsewhere (reply.yaml)"), "{:?}", lost.notes);
}

#[test]
fn servers_are_read_as_they_are_written() {
    let asked = |url: &str, variables: Value| of(json!({ "get": {} }), json!([{ "url": url, "variables": variables }]));
    for (url, server) in [
        ("//cdn.example/v3", "https://cdn.example/v3"),
        ("../v3/", "https://api.example.com/v3"),
        (" HTTPS://H.example/ ", "https://H.example"),
        ("https://h.example/v1?key=abc#x", "https://h.example/v1"),
        ("https://u:p@h.example/v1", "https://h.example/v1"),
        ("https://h.example:{port}/{v}", "https://h.example:8443/2"),
        ("https://{tenant}.example/{v}", "https://your-tenant.example/2"),
    ] {
        assert_eq!(asked(url, json!({ "port": { "default": 8443 }, "v": { "enum": [2] } })).server, server, "{url}");
    }
    let notes = asked("https://{tenant}.example/{v}", json!({ "v": { "default": "a", "enum": ["a", "b"] } })).notes;
    assert_eq!(
        notes,
        [
            "the server's v is a; there are also b",
            "the document does not say the server's tenant: write it in the place of your-tenant"
        ]
    );
    let swagger = "{swagger: '2.0', host: 'https://h.example/', basePath: /v1, paths: {/a: {get: {}}}}";
    assert_eq!(Api::read(swagger).unwrap().operation(None).unwrap().server, "https://h.example/v1");
}

#[test]
fn the_last_of_many_operations_can_be_chosen() {
    let paths: serde_json::Map<_, _> =
        (0..1500).map(|at| (format!("/p{at}"), json!({ "get": { "operationId": format!("op{at}") } }))).collect();
    let api = Api::read(&json!({ "openapi": "3.0.0", "paths": paths }).to_string()).unwrap();
    assert_eq!(api.operation(Some("op1499")).unwrap().path, "/p1499");
    assert!(api.operation(None).unwrap_err().message.contains("1500 operations"));
}

#[test]
fn what_is_wide_is_cut_before_it_is_compared() {
    let properties: serde_json::Map<_, _> =
        (0..60_000).map(|at| (format!("k{at}"), json!({ "type": "string" }))).collect();
    let wide = json!({ "type": "object", "properties": properties });
    let parameters: Vec<Value> =
        (0..60_000).map(|at| json!({ "in": "query", "name": format!("q{at}"), "required": true })).collect();
    let item = json!({ "get": {
        "parameters": parameters,
        "responses": { "200": { "content": { "application/json": { "schema": wide } } } }
    } });
    let operation = of(item, json!([{ "url": "https://h" }]));
    assert_eq!((operation.parameters.len(), operation.reply.unwrap().shape.members().len()), (1000, 200));
    assert!(operation.notes[0].contains("more than 1000 parameters"), "{:?}", operation.notes);
}
