//! What every row of [`KINDS`] promises.

use std::collections::HashSet;

use super::*;

#[test]
fn names_are_unique_and_said_in_one_line() {
    let mut names = HashSet::new();
    for row in KINDS {
        assert!(names.insert(row.name), "{}", row.name);
        assert!(!row.doc.is_empty() && !row.doc.ends_with('.') && !row.doc.contains('\n'), "{}", row.name);
    }
    assert_eq!(names, HashSet::from(["page-number", "offset", "cursor", "header-link", "json-link"]));
}

fn example(row: &PaginateKind) -> Value {
    let table: toml::Table = row.example.parse().unwrap();
    serde_json::to_value(&table["paginate"][row.name]).unwrap()
}

#[test]
fn examples_are_valid_by_their_schema_and_compile() {
    for row in KINDS {
        let schema = Value::from((row.schema)(&mut schemars::SchemaGenerator::default()));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let example = example(row);
        assert!(validator.is_valid(&example), "{}: {example} is not valid by {schema}", row.name);
        for wrong in [json!(true), json!({"paths": 1}), json!({"max-pages": 0})] {
            assert!(!validator.is_valid(&wrong), "{}: {wrong}", row.name);
        }
        let plan = plan(row.name, example);
        assert_eq!(plan.kind(), row.name);
        assert!(!plan.describe().is_empty() && !plan.describe().contains('\n'));
    }
}

#[test]
fn a_walk_begins_with_a_request_and_knows_its_own_places() {
    let places = [
        Position::First,
        Position::Number(7),
        Position::Offset(7),
        Position::Token("7".into()),
        Position::Url("https://a.b/".into()),
    ];
    for row in KINDS {
        let plan = plan(row.name, example(row));
        let request = plan.request(&plan.first()).unwrap();
        assert!(request.url.is_none(), "{}", row.name);
        let owned = plan.owned();
        assert!(request.query.iter().all(|(name, _)| owned.iter().any(|(_, param)| param == name)), "{}", row.name);
        let known = places.iter().filter(|place| plan.request(place).is_ok()).count();
        assert_eq!(known, if plan.position(0).is_some() { 1 } else { 2 }, "{}", row.name);
        for error in places.iter().filter_map(|place| plan.request(place).err()) {
            assert!(error.starts_with(&format!("paginate.{} can't go on at", row.name)), "{error}");
        }
        assert!(plan.position(0).is_none_or(|first| first == plan.first()));
        assert!(plan.position(u64::MAX).is_none(), "{}", row.name);
    }
}

#[test]
fn a_change_of_what_is_sent_is_another_identity_and_a_default_is_none() {
    let identity = |kind, value| plan(kind, value).identity();
    for (kind, plain, same, others) in [
        (
            "page-number",
            json!({}),
            json!({"param": "page", "start": 1}),
            vec![json!({"start": 0}), json!({"max-pages": 5}), json!({"size-param": "n", "size": 5})],
        ),
        (
            "offset",
            json!({"limit": 5}),
            json!({"limit": 5, "param": "offset", "limit-param": "limit"}),
            vec![json!({"limit": 6}), json!({"limit": 5, "total-items": "$.t"})],
        ),
        (
            "cursor",
            json!({"path": "$.n"}),
            json!({"path": "$.n", "param": "cursor"}),
            vec![json!({"path": "$.m"}), json!({"path": "$.n", "has-more": "$.more"})],
        ),
        ("header-link", json!({}), json!({"rel": "next"}), vec![json!({"rel": "more"}), json!({"max-pages": 1})]),
        ("json-link", json!({"path": "$.n"}), json!({"path": "$.n"}), vec![json!({"path": "$.m"})]),
    ] {
        assert_eq!(identity(kind, plain.clone()), identity(kind, same), "{kind}");
        for other in others {
            assert_ne!(identity(kind, plain.clone()), identity(kind, other), "{kind}");
        }
    }
}

#[test]
fn what_stands_in_journals_keeps_its_form() {
    for (place, form) in [
        (Position::First, json!("first")),
        (Position::Number(7), json!({"number": 7})),
        (Position::Offset(7), json!({"offset": 7})),
        (Position::Token("a".into()), json!({"token": "a"})),
        (Position::Url("b".into()), json!({"url": "b"})),
    ] {
        assert_eq!(serde_json::to_value(&place).unwrap(), form);
        assert_eq!(serde_json::from_value::<Position>(form).unwrap(), place);
    }
    let mut walked = Walked::default();
    walked.page(3, Told { pages: None, items: Some(9) });
    walked.end = Some(End::MaxPages);
    let form = json!({
        "pages": 1, "records": 3, "fullest": 3, "total-pages": null, "total-items": {"least": 9, "most": 9},
        "end": "max-pages",
    });
    assert_eq!(serde_json::to_value(walked).unwrap(), form);
    assert_eq!(serde_json::from_value::<Walked>(json!({})).unwrap(), Walked::default());
}
