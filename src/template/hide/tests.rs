//! What is shown of blocks over secrets, rendered with masks.

use proptest::prelude::*;

use crate::row::{Fields, Row};
use crate::secret::{Computation, Origin, Secret, SecretPlan, Secrets};
use crate::template::{Context, RowScope, Scope, Spot, Template, Vars};

fn compiled(source: &str, spot: Spot) -> Template {
    let secrets = vec!["key".to_owned(), "user".to_owned()];
    let scope = Scope { row: RowScope::Open, vars: Vars::default(), secrets, reply: false, last: None, messages: None };
    Template::compile(source, spot, &scope).unwrap_or_else(|errors| panic!("{source}: {errors:?}"))
}

fn rendered(source: &str, spot: Spot, secrets: &Secrets) -> String {
    let fields = serde_json::json!({ "a": true, "no": false, "name": "lamp", "list": [1, 2], "key": "of a row" });
    let row = Row { ordinal: 0, line: 1, fields: Fields::Object(fields.as_object().cloned().unwrap()) };
    let context = Context { row: Some(&row), secrets, reply: None, last: None };
    let mut out = String::new();
    compiled(source, spot).render(&context, &mut out).unwrap_or_else(|error| panic!("{source}: {}", error.message));
    out
}

fn masked() -> Secrets {
    let plan = |name: &str| SecretPlan { name: name.to_owned(), origin: Origin::Environment(name.to_owned()) };
    Secrets::masked(&[plan("key"), plan("user")])
}

fn shown(source: &str) -> String {
    rendered(source, Spot::Text, &masked())
}

#[test]
fn what_has_nothing_to_do_with_secrets_stays() {
    for (source, expected) in [
        ("{% if row.a %}k={{ secrets.key }}{% else %}none{% endif %}&n={{ row.name | upper }}", "k=***&n=LAMP"),
        ("{% for i in row.list %}{{ i }}:{{ secrets.key }} {% endfor %}", "1:*** 2:*** "),
        ("{% set n = row.name | upper %}{{ n }} {{ secrets.key | upper }} {{ n }}", "LAMP *** LAMP"),
        ("{% if row.no %}{{ secrets.key | upper }}{% else %}open{% endif %}", "open"),
        ("{% if secrets.key %}yes{% endif %} and {{ row.name }}", "*** and lamp"),
        ("{% if row.no %}A{% elif secrets.key %}B{% else %}C{% endif %}-{{ row.name }}", "***-lamp"),
        ("{% if row.a %}A{% elif secrets.key %}B{% else %}C{% endif %}", "A"),
        ("{% if row.no %}A{% elif secrets.key %}{% if row.a %}B{% endif %}{% endif %}!", "***!"),
        ("{% for letter in secrets.key %}{{ letter }}{% else %}none{% endfor %} {{ row.name }}", "*** lamp"),
        ("{% for i in row.list if i == secrets.key %}{{ i }}{% endfor %}.", "***."),
        ("{{ row.key }}{% if row.a %}{{ row.key }}{{ secrets.key }}{% endif %}", "of a rowof a row***"),
        ("{% raw %}{{ secrets.key }}{% endraw %}{% if secrets.key %}x{% endif %}", "{{ secrets.key }}***"),
        (
            "{# secrets.key #}{% if row.a %}{{ row.name | replace('a', 'secrets.key') }}{{ secrets.key }}{% endif %}",
            "lsecrets.keymp***",
        ),
    ] {
        assert_eq!(shown(source), expected, "{source}");
    }
}

#[test]
fn names_that_secrets_were_given_to_are_followed() {
    for (source, expected) in [
        ("{% set auth = 'Bearer ' ~ secrets.key %}{{ auth }}!", "Bearer ***!"),
        ("{% set k = secrets.key | upper %}{{ 'k=' ~ k }} {{ k | length }}", "k=*** ***"),
        ("{% set k = secrets.key %}{% set j = k %}{% if j == 'x' %}yes{% else %}no{% endif %}", "***"),
        ("{% with k = secrets.key | trim, n = row.name %}{{ n }} {{ k }} {{ k[0] }}{% endwith %}", "lamp *** ***"),
        ("{% set body %}a {{ secrets.key }} b{% endset %}{{ body }}|{{ body | length }}", "a *** b|***"),
        ("{% set body | upper %}a {{ secrets.key }} b{% endset %}{{ body }}|{{ row.name }}", "***|lamp"),
        ("{% filter upper %}a {{ secrets.key }}{% endfilter %} {% filter upper %}b{% endfilter %}", "*** B"),
        ("{% filter replace('a', secrets.key) %}abc{% endfilter %}.", "***."),
        ("{% set ns = namespace(n=0) %}{% set ns.k = secrets.key %}{% set ns.n = 2 %}{{ ns.n }}{{ ns.k }}", "2***"),
        ("{% set ns = namespace(k=secrets.key) %}{% set ns.n = 1 %}{{ ns.k }}{{ row.name }}", "***lamp"),
        ("{% set d = {'k': secrets.key, 'n': 1} %}{{ d.k }}{{ d | length }}", "******"),
        ("{% set k = [secrets.key, 'b'] %}{{ k | join('-') }}", "***"),
        ("{% set a, b = [secrets.key, 1] %}{{ a }}{{ b }}", "******"),
    ] {
        assert_eq!(shown(source), expected, "{source}");
    }
}

#[test]
fn names_that_are_given_on_in_very_many_steps_are_hidden_without_following_each() {
    let begun: String = (0..1_000).map(|step| format!("{{% set a{step} = 0 %}}")).collect();
    let given_on: String = (0..999).map(|step| format!("{{% set a{step} = a{} %}}", step + 1)).collect();
    let source = format!("{begun}{given_on}{{% set a999 = secrets.key %}}{{{{ a0 }}}} {{{{ row.name }}}}");
    assert!(shown(&source) == "*** lamp", "{}", shown(&source));
}

#[test]
fn what_is_set_where_a_secret_decides_is_hidden_too() {
    for (source, expected) in [
        (
            "{% set v = 0 %}{% if secrets.key == 'x' %}{% set v = 1 %}{% else %}{% set v = 2 %}{% endif %}v={{ v }}",
            "v=***",
        ),
        (
            "{% set ns = namespace(hit=false) %}{% for i in row.list %}{% if secrets.key == i %}{% set ns.hit = true %}\
             {% endif %}{% endfor %}{{ ns.hit }}",
            "***",
        ),
        (
            "{% set ns = namespace(a='', b='') %}{% for i in row.list %}{{ ns.b | upper }}{% set ns.b = ns.a ~ 'x' %}\
             {% set ns.a = secrets.key %}{% endfor %}",
            "******",
        ),
        ("{% for i in row.list recursive %}{{ secrets.key }}{{ loop.index }}{% endfor %}!", "***!"),
    ] {
        assert_eq!(shown(source), expected, "{source}");
    }
}

#[test]
fn white_space_is_taken_as_the_tags_say() {
    for (source, expected) in [
        ("a {%- if secrets.key -%} x {%- endif -%} b{% if row.a %}c{% endif %}", "a***bc"),
        ("a {%- if secrets.key %} x {% endif %} b", "a*** b"),
        ("a {% set k = secrets.key | upper -%}  {{- k -}}  b", "a ***b"),
        ("a {%- if secrets.key -%} {% set v = 1 %} {%- endif -%} b", "ab"),
        ("{% if row.no %}A {%- elif secrets.key -%} B {% endif -%} !", "***!"),
        ("a {%- set k -%} {{ secrets.key }} {%- endset -%} b{{ k }}", "ab***"),
        ("{% if row.a %}a {{- secrets.key | upper -}} b{% endif %}", "a***b"),
    ] {
        assert_eq!(shown(source), expected, "{source}");
    }
}

#[test]
fn urls_and_names_of_files_hide_the_same() {
    let source = "https://a.example/{% if row.a %}{{ row.name }}{% endif %}/{% if secrets.key %}x{% endif %}?k={{ secrets.key | upper }}";
    assert_eq!(rendered(source, Spot::Url, &masked()), "https://a.example/lamp/***?k=***");
    assert_eq!(rendered("out/{% if secrets.key %}x{% endif %}.csv", Spot::File, &masked()), "out/***.csv");
}

#[test]
fn a_run_renders_what_is_written() {
    let secret = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
    let secrets = Secrets::new(vec![secret("key", "abc"), secret("user", "me")]);
    let source = "{% set k = secrets.key | upper %}{% if secrets.user == 'me' %}{{ k }}{% endif %} {{ row.name }}";
    assert_eq!(rendered(source, Spot::Text, &secrets), "ABC lamp");
}

#[test]
fn marks_stand_for_blocks_as_a_whole_unless_they_only_join() {
    let marks = Secrets::new(vec![("key".to_owned(), Secret::new("MARK".to_owned()))]);
    let marks = marks.computed(|what: Computation<'_>| Some(format!("<{} {}>", what.expression, what.varies)));
    let of = |source: &str| rendered(source, Spot::Text, &marks);
    assert_eq!(of("a {% if row.a %}{{ secrets.key }}{% endif %}"), "a MARK");
    let computes = "{% if row.a %}{{ secrets.key | upper }}{% endif %}";
    assert_eq!(of(&format!("a {computes}")), format!("a <{computes} true>"));
    let same = "{% if secrets.key %}yes{% endif %}";
    assert_eq!(of(same), format!("<{same} false>"));
}

/// Parts of templates; `K` is an expression over a secret.
const PARTS: &[&str] = &[
    "{% if K %}",
    "{% if row.a %}",
    "{% elif K %}",
    "{% else %}",
    "{% endif %}",
    "{% for i in row.list %}",
    "{% for i in K %}",
    "{% endfor %}",
    "{% set x = K %}",
    "{% set x = 'b' %}",
    "{% set x = x | upper %}",
    "{% set ns.x = x %}",
    "{% set ns.x = K | upper %}",
    "{% set y %}",
    "{% endset %}",
    "{% filter upper %}",
    "{% endfilter %}",
    "{{ x }}",
    "{{ x | length }}",
    "{{ ns.x }}",
    "{{ y }}",
    "{{ K }}",
    "{{ K | reverse }}",
    "{{ 'a' ~ K }}",
    "text",
    " ",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Whatever the secrets are, what is shown is the same, but for the places of masks: it does not know them. What is
    /// between the masks must stand in what any secret makes of the template.
    #[test]
    fn what_is_shown_stands_in_what_every_secret_makes(picks in prop::collection::vec(prop::sample::select(PARTS), 1..14)) {
        let body: String = picks.concat().replace('K', "secrets.key");
        let source = format!("{{% set ns = namespace(x='n') %}}{{% set x = 'x' %}}{{% set y = 'y' %}}{body}");
        let scope = Scope { row: RowScope::Open, vars: Vars::default(), secrets: vec!["key".to_owned()], reply: false, last: None, messages: None };
        let Ok(template) = Template::compile(&source, Spot::Text, &scope) else { return Ok(()) };
        let fields = serde_json::json!({ "a": true, "list": [1, 2] });
        let row = Row { ordinal: 0, line: 1, fields: Fields::Object(fields.as_object().cloned().unwrap()) };
        let render = |secrets: &Secrets| {
            let mut out = String::new();
            template.render(&Context { row: Some(&row), secrets, reply: None, last: None }, &mut out).map(|()| out)
        };
        let shown = render(&masked());
        for value in ["x", "Q7#", "TEXTb", ""] {
            let secrets = Secrets::new(vec![("key".to_owned(), Secret::new(value.to_owned()))]);
            // What fails with it may be hidden, and must not fail when it is shown.
            let Ok(made) = render(&secrets) else { continue };
            let shown = shown.as_ref().map_err(|error| TestCaseError::fail(format!("{source}: {}", error.message)))?;
            let mut rest = made.as_str();
            for piece in shown.split("***") {
                let found = rest.find(piece).ok_or_else(|| TestCaseError::fail(format!("{source}\n{shown}\n{made}")))?;
                rest = &rest[found + piece.len()..];
            }
        }
    }
}
