//! What `check` says about templates.

use super::*;

fn errors(source: &str, spot: Spot, scope: &Scope) -> Vec<TemplateError> {
    Template::compile(source, spot, scope)
        .map(|template| panic!("{template:?} compiled"))
        .unwrap_or_else(|errors| errors)
}

/// The text an error is about, its message and its help.
fn only(source: &str, spot: Spot, scope: &Scope) -> (String, TemplateErrorKind, String, String) {
    let mut errors = errors(source, spot, scope);
    assert_eq!(errors.len(), 1, "{source}: {errors:?}");
    let error = errors.remove(0);
    (source[error.range].to_owned(), error.kind, error.message, error.help.unwrap_or_default())
}

#[test]
fn unknown_names_are_found_at_their_place() {
    use TemplateErrorKind::Name;
    let scope = scope(&World::new().row);
    for (source, at, message, help) in [
        ("a {{ row.sko }}", "sko", "the input has no column `sko`", "did you mean `sku`?"),
        ("{{ row['Unit prise'] }}", "Unit prise", "the input has no column `Unit prise`", "did you mean `Unit price`?"),
        ("{{ row.sko | upper }}", "sko", "the input has no column `sko`", "did you mean"),
        ("{{ row.sko is defined }}", "sko", "the input has no column `sko`", "did you mean"),
        ("{{ rwo.sku }}", "rwo", "there is no value `rwo`", "did you mean `row`?"),
        ("{{ sku }}", "sku", "there is no value `sku`", "write `row.sku` for the column"),
        ("{{ base }}", "base", "there is no value `base`", "write `vars.base`"),
        ("{{ unheard }}", "unheard", "there is no value `unheard`", "a template here may use row, vars, secrets, json"),
        ("{{ vars.bse }}", "bse", "there is no variable `bse`", "did you mean `base`?"),
        ("{{ vars.unheard }}", "unheard", "there is no variable `unheard`", "declare it under `[vars]`: `unheard = "),
        ("{{ vars.page.sise }}", "sise", "the variable `page` has no `.sise` here", "it has `size`, `tags`"),
        ("{{ secrets.tokn }}", "tokn", "there is no secret `tokn`", "did you mean `token`?"),
        ("{{ secrets }}", "secrets", "a secret is used by its name alone", "for example `secrets.token`"),
        ("{{ secrets | tojson }}", "secrets", "a secret is used by its name alone", ""),
        ("{{ secrets[row.sku] }}", "secrets", "a secret is used by its name alone", ""),
        ("{{ secrets.token[0] }}", "secrets", "a secret is used by its name alone", ""),
        ("{{ row.sku | uper }}", "uper", "there is no filter `uper`", "did you mean `upper`?"),
        ("{{ row.sku | safe }}", "safe", "there is no filter `safe`", "leave it out"),
        ("{{ row.sku is defned }}", "defned", "there is no test `defned`", "did you mean `defined`?"),
        ("{{ row.sku is not stirng }}", "stirng", "there is no test `stirng`", "did you mean `string`?"),
        ("{{ debug() }}", "debug", "there is no function `debug`", "range"),
        ("{{ row.sku.upper() }}", "upper", "values can't be called", "use a filter instead"),
        ("{% if row.sko %}x{% endif %}", "sko", "the input has no column `sko`", ""),
        ("{% set row = 1 %}{{ row }}", "row", "`row` can't be given another meaning", ""),
        ("{% for a in [1] %}{{ a }}{% endfor %}{{ a }}", "a", "`a` has no value everywhere it is used", ""),
        ("{% filter uper %}x{% endfilter %}", "uper", "there is no filter `uper`", ""),
    ] {
        let (found, kind, said, helped) = only(source, Spot::Text, &scope);
        assert_eq!((found.as_str(), kind, said.as_str()), (at, Name, message), "{source}");
        assert!(helped.contains(help), "{source}: {helped}");
    }
}

#[test]
fn names_depend_on_the_scope() {
    let open = Scope { row: RowScope::Open, ..scope(&World::new().row) };
    Template::compile("{{ row.anything.goes[0] }}", Spot::Text, &open).unwrap();
    let none = Scope { row: RowScope::None, reply: false, ..open };
    assert_eq!(only("{{ row.a }}", Spot::Text, &none).2, "there is no row here");
    assert_eq!(only("{{ json.a | upper }}", Spot::Text, &none).2, "there is no `json` before the reply has come");
    assert_eq!(only("{{ rwo }}", Spot::Text, &none).3, "a template here may use vars, secrets");
    assert_eq!(only("{{ rows }}", Spot::Text, &none).2, "there are no `rows` here");
    let chunk = Scope { row: RowScope::Rows, ..none };
    Template::compile("{{ rows | map(attribute='id') | list }}", Spot::Text, &chunk).unwrap();
    assert_eq!(only("{{ row.a }}", Spot::Text, &chunk).2, "there is no single row here");
}

#[test]
fn all_names_are_reported_and_valid_ones_are_not() {
    let scope = scope(&World::new().row);
    let found = errors("{{ a }} {{ row.b ~ row.sku | c }} {{ vars.d }}", Spot::Text, &scope);
    let texts: Vec<usize> = found.iter().map(|error| error.range.start).collect();
    assert_eq!(texts, [3, 15, 29, 42]);
    for source in [
        "{{ row.sku in ['a', vars.base] and not status is divisibleby(2) or json is none }}",
        "{{ json.list | map(attribute='z', default=1) | list }}",
        "{{ row.n | int(default=0) if row.n is defined else none }}",
        "{% for key, value in json | items if value is number %}{{ key }}{{ loop.last }}{% else %}-{% endfor %}",
        "{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
        "{{ {'row': row.sku}['row'] }}{{ row['s' ~ 'ku'] }}{{ vars['ba' ~ 'se'] }}",
    ] {
        Template::compile(source, Spot::Text, &scope).unwrap();
    }
}

#[test]
fn syntax_errors_have_a_place() {
    use TemplateErrorKind::Syntax;
    let scope = scope(&World::new().row);
    for (source, at) in [
        ("ab {{ row.", "{{"),
        ("{{ }}", "{{ }}"),
        ("x {{ row.sku | }} y", "|"),
        ("{{ row..sku }}", "."),
        ("{{ row.sku row.n }}", "row"),
        ("{{ 'abc }}", "{{"),
        ("{% if %}x{% endif %}", "%}"),
        ("{% include 'x' %}", "include"),
        ("{% autoescape false %}{% endautoescape %}", "autoescape"),
        ("{{ 1 // 0 }}", "1 // 0"),
    ] {
        let found = errors(source, Spot::Text, &scope);
        assert_eq!((&source[found[0].range.clone()], found[0].kind), (at, Syntax), "{source}: {found:?}");
    }
}

#[test]
fn a_url_takes_values_only_where_they_can_be_escaped() {
    use TemplateErrorKind::Spot as Place;
    let scope = scope(&World::new().row);
    for (source, at) in [
        ("http{{ row.sku }}://h/", "row.sku"),
        ("https:{{ row.sku }}", "row.sku"),
        ("{% if row.sku %}https://h/{% endif %}", "{% if row.sku %}"),
        ("{{ row.sku }}{% if row.sku %}{% endif %}", "{% if row.sku %}"),
        ("https://h{% if row.sku %}/a{% endif %}", "{% if row.sku %}"),
        ("https://h/{{ row.sku | urlencode }}", "urlencode"),
        ("https://h/{% set x %}a{% endset %}", "set"),
        ("https://{{ vars.city }}/", "vars.city"),
    ] {
        let found = errors(source, Spot::Url, &scope);
        assert_eq!((&source[found[0].range.clone()], found[0].kind), (at, Place), "{source}: {found:?}");
        assert!(found[0].help.is_some());
    }
}
