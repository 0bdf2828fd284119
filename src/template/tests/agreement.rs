//! Properties: the fast path is minijinja, values stay where they were put, JSON keeps its types.

use proptest::prelude::*;

use super::*;
use crate::template::{blocks, compile, engine, scan, values};

/// JSON of any shape, not deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        "[a-z\u{e4}{}%\"\\\\ ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[a-c]", inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}

/// Text and plain paths that may or may not lead somewhere.
fn plain_template() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        "[a-d]".prop_map(|name| format!(".{name}")),
        "[a-d]".prop_map(|name| format!("[\"{name}\"]")),
        (0..3_usize).prop_map(|index| format!("[{index}]")),
    ];
    // A column has a name; behind it comes anything.
    let path = ("[a-d]", prop::collection::vec(step, 0..3))
        .prop_map(|(column, steps)| format!("{{{{ row.{column}{} }}}}", steps.concat()));
    let text = "[a-z \\n{}%#-]{0,4}".prop_map(|text| text.replace("{{", "{").replace("{%", "{").replace("{#", "{"));
    let piece = prop_oneof![path.clone(), path, text];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// What minijinja alone makes of a template.
fn by_minijinja(source: &str, row: &Value) -> Result<String, String> {
    let row = BTreeMap::from([("row", values::from_json(row))]);
    let context = minijinja::value::Value::from_pairs(row);
    engine::TEXT.render_str(source, context).map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn the_fast_path_is_minijinja(source in plain_template(), members in prop::collection::hash_map("[a-d]", any_json(), 0..4)) {
        // Braces of neighbouring pieces may meet and mean something else; that is not plain.
        let is_plain = scan::pieces(&source).is_ok_and(|pieces| !pieces.iter().any(|piece| matches!(piece, scan::Piece::Block(_))));
        prop_assume!(is_plain);
        let row = Value::from_iter(members);
        let world = World::with_object(&row);
        if let Ok(compiled) = compile::compile(&source, Spot::Text, &scope(&world.row)) {
            let is_fast = compiled.segments.iter().all(|segment| match segment {
                compile::Segment::Literal(_) => true,
                compile::Segment::Slot(slot) => matches!(slot.value, compile::SlotValue::Path(_)),
            });
            prop_assert!(is_fast, "{}", source);
            match (world.text(&source, Spot::Text), by_minijinja(&source, &row)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(_), Err(_)) => {}
                (ours, theirs) => prop_assert!(false, "{:?} and {:?}", ours, theirs),
            }
        } else {
            prop_assert!(by_minijinja(&source, &row).is_err());
        }
    }

    #[test]
    fn pieces_are_split_as_minijinja_does(source in "[a{}%#' \\n\"+-]{0,16}|(\\{\\{ ?|\\}\\}|\\{% raw %\\}|\\{%- endraw -%\\}|\\{#| a |-|1|'){0,8}") {
        let Ok(pieces) = scan::pieces(&source) else {
            prop_assert!(by_minijinja(&source, &Value::Null).is_err(), "{}", source);
            return Ok(());
        };
        let literals_only: Option<String> = pieces
            .iter()
            .map(|piece| match piece {
                scan::Piece::Literal(text) => Some(*text),
                scan::Piece::Expression(_) | scan::Piece::Block(_) => None,
            })
            .collect();
        if let Some(text) = literals_only {
            prop_assert_eq!(by_minijinja(&source, &Value::Null), Ok(text));
        }
    }

    #[test]
    fn a_value_stays_in_its_part_of_a_url(value in any::<String>(), other in "[a-z/?#.%&= ]{0,6}") {
        let world = World::with_object(&json!({"v": value, "w": other}));
        let templates = [
            "https://h/a/{{ row.v }}/{{ row.w }}?q={{ row.v }}&r={{ row.w }}#f",
            "https://h/a/{{ row.v }}/{{ row.w | string }}{% if true %}?q={{ row.v }}&r={{ row.w }}#f{% endif %}",
        ];
        for template in templates {
            let Ok(url) = world.text(template, Spot::Url) else {
                let is_dot = |text: &str| text == "." || text == "..";
                prop_assert!(is_dot(&value) || is_dot(&other));
                continue;
            };
            let rest = url.strip_prefix("https://h/").unwrap();
            let (path, rest) = rest.split_once('?').unwrap();
            let (query, fragment) = rest.split_once('#').unwrap();
            let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
            let segments: Vec<String> = path.split('/').map(decode).collect();
            let pairs: Vec<String> = query.split('&').map(decode).collect();
            prop_assert_eq!(segments, ["a", &value, &other]);
            prop_assert_eq!(pairs, [format!("q={value}"), format!("r={other}")]);
            prop_assert_eq!(fragment, "f");
            prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }

    #[test]
    fn a_host_never_leaves_its_place(value in any::<String>()) {
        let world = World::with_object(&json!({"v": value}));
        if let Ok(url) = world.text("https://{{ row.v }}.example.com/x", Spot::Url) {
            let uri = url.strip_prefix("https://").unwrap();
            prop_assert_eq!(uri.split('/').next().unwrap(), format!("{value}.example.com"));
        }
    }

    #[test]
    fn json_keeps_its_type_on_every_path(value in any_json()) {
        let world = World::with_object(&json!({"v": value}));
        for source in ["{{ row.v }}", "{{ row['v'] }}", "{{ (row.v) }}", "{{ row.v if true }}", "{{ [row.v][0] }}"] {
            prop_assert_eq!(world.value(source).unwrap(), value.clone(), "{}", source);
        }
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        for source in ["{{ row.v }}", "{{ (row.v) }}", "{{ row.v ~ '' }}", "{{ row.v | string }}", "{% if true %}{{ row.v }}{% endif %}"] {
            prop_assert_eq!(world.text(source, Spot::Text).unwrap(), text.clone(), "{}", source);
        }
    }
}

#[test]
fn an_environment_holds_the_rest_of_a_template_alone() {
    let world = World::new();
    let compiled =
        compile::compile("a{{ row.sku }}{% if row.n %}b{% endif %}c", Spot::Text, &scope(&world.row)).unwrap();
    let tail = compiled.tail.unwrap();
    let template = tail.environment.get_template(blocks::NAME).unwrap();
    assert_eq!(template.source(), "{% if row.n %}b{% endif %}c");
    assert_eq!(engine::TEXT.templates().count(), 0);
}
