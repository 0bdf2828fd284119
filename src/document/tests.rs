//! Tests of reading, overlays and places.

mod includes;

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::diagnostic::{Diagnostic, Format, codes, render};

fn read(text: &str) -> (Document, Diagnostics) {
    read_with(text, &Overlays::default())
}

fn read_with(text: &str, overlays: &Overlays) -> (Document, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(Path::new("job.toml"), text.to_owned(), overlays, &mut diagnostics).unwrap();
    (document, diagnostics)
}

fn told(diagnostics: &Diagnostics) -> Vec<(&str, &str)> {
    diagnostics.list().iter().map(|diagnostic| (diagnostic.code.0, diagnostic.message.as_str())).collect()
}

fn words(document: &Document, place: Place) -> &str {
    &document.sources[place.source].text[place.start..place.end]
}

fn text_at(document: &Document, path: &[&str]) -> Option<String> {
    match &document.get(&KeyPath::of(path.iter().copied()))?.value {
        NodeValue::String(text) => Some(text.clone()),
        NodeValue::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

#[test]
fn every_value_keeps_its_place() {
    let text = "\u{feff}[endpoints.price]\r\nurl = \"x\"\r\ntags = [1, { b = 'é' }]\r\n[[list]]\na.b = 1\n[[list]]\n";
    let (document, diagnostics) = read(text);
    assert_eq!(told(&diagnostics), vec![]);
    let price = KeyPath::of(["endpoints", "price"]);
    assert_eq!(words(&document, document.place(&price)), "[endpoints.price]");
    assert_eq!(words(&document, document.key_place(&price)), "price");
    assert_eq!(words(&document, document.place(&price.key("url"))), "\"x\"");
    assert_eq!(words(&document, document.key_place(&price.key("url"))), "url");
    assert_eq!(words(&document, document.place(&price.key("tags").index(1).key("b"))), "'é'");
    assert_eq!(words(&document, document.key_place(&price.key("tags").index(1))), "{ b = 'é' }");
    assert_eq!(words(&document, document.place(&price.key("retry").key("attempts"))), "[endpoints.price]");
    assert_eq!(words(&document, document.key_place(&price.key("none"))), "price");
    assert_eq!(words(&document, document.place(&KeyPath::of(["list"]).index(0).key("a").key("b"))), "1");
    assert_eq!(words(&document, document.mark(&price.key("url").key("none"))), "\"x\"");
    assert_eq!(words(&document, document.mark(&price.key("retry").key("attempts"))), "price");
    let empty = KeyPath::default();
    assert_eq!(document.mark(&empty), Place { source: 0, start: 0, end: 0 });
    assert_eq!(document.place(&empty), Place { source: 0, start: 0, end: 0 });
    assert_eq!(document.key_place(&empty), Place { source: 0, start: 0, end: 0 });
}

#[test]
fn keys_keep_the_order_of_the_file() {
    let (document, _) = read("z = 1\na = 2\n[m]\n[b]\n");
    let NodeValue::Table(entries) = &document.root.value else { panic!("a root is a table") };
    assert_eq!(entries.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>(), ["z", "a", "m", "b"]);
}

#[test]
fn places_inside_strings_follow_escapes_and_lines() {
    let text = "a = \"x {{ y }}\"\nb = 'x {{ y }}'\nc = \"\\\"é\\u00e9\\t {{ y }}\"\nd = \"\"\"\r\none\r\n{{ y }}\"\"\"\n\
                e = '''{{ y }}'''\nf = \"\"\"one \\\n   two {{ y }}\"\"\"\n";
    let (document, diagnostics) = read(text);
    assert_eq!(told(&diagnostics), vec![]);
    for key in ["a", "b", "c", "d", "e", "f"] {
        let path = KeyPath::of([key]);
        let value = text_at(&document, &[key]).unwrap();
        let start = value.find("{{").unwrap();
        assert_eq!(words(&document, document.place_in_string(&path, start..start + 7)), "{{ y }}", "{key}");
        let whole = document.place(&path);
        assert_eq!(document.place_in_string(&path, 0..1_000), whole, "beyond the end");
        let (none, one) = (start..start, start..start + 1);
        assert_eq!(document.place_in_string(&path, none).start, document.place_in_string(&path, one).start);
    }
}

#[test]
fn places_inside_a_set_argument_without_quotes() {
    let overlays = Overlays { profile: None, set: vec!["a.b=x {{ y }}".to_owned()], ..Overlays::default() };
    let (document, _) = read_with("", &overlays);
    let place = document.place_in_string(&KeyPath::of(["a", "b"]), 2..9);
    assert_eq!((place.source, words(&document, place)), (1, "{{ y }}"));
}

#[test]
fn a_profile_merges_tables_and_replaces_the_rest() {
    let text = "name = 'a'\ninput = ['x', 'y']\n[retry]\nattempts = 1\nmax = '1s'\n\
                [profiles.ci]\ninput = ['z']\nretry.attempts = 2\nvars.new = 3\n[profiles.other]\nname = 'b'\n";
    let overlays = Overlays { profile: Some("ci".to_owned()), set: Vec::new(), ..Overlays::default() };
    let (document, diagnostics) = read_with(text, &overlays);
    assert_eq!(told(&diagnostics), vec![]);
    assert_eq!(text_at(&document, &["name"]).as_deref(), Some("a"));
    assert_eq!(text_at(&document, &["retry", "attempts"]).as_deref(), Some("2"));
    assert_eq!(text_at(&document, &["retry", "max"]).as_deref(), Some("1s"));
    assert_eq!(text_at(&document, &["vars", "new"]).as_deref(), Some("3"));
    assert_eq!(words(&document, document.place(&KeyPath::of(["input"]))), "['z']");
    assert!(document.get(&KeyPath::of(["profiles"])).is_none());
    assert_eq!(document.profiles.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>(), ["ci", "other"]);
}

#[test]
fn an_unknown_profile_names_the_nearest_or_all() {
    let help = |name: &str, text: &str| {
        let overlays = Overlays { profile: Some(name.to_owned()), set: Vec::new(), ..Overlays::default() };
        let (_, diagnostics) = read_with(text, &overlays);
        assert_eq!(diagnostics.list()[0].code, codes::PROFILE);
        diagnostics.list()[0].help[0].clone()
    };
    assert_eq!(help("prd", "[profiles.prod]\n[profiles.ci]"), "did you mean `prod`?");
    assert_eq!(help("nightly", "[profiles.prod]\n[profiles.ci]"), "known profiles: `prod`, `ci`");
    assert!(help("ci", "a = 1").contains("[profiles.ci]"));
}

#[test]
fn profiles_must_be_tables() {
    assert_eq!(told(&read("profiles = 3").1), [("P0102", "`profiles`: expected a table, found an integer")]);
    assert_eq!(told(&read("profiles.ci = 'x'").1), [("P0102", "`profiles.ci`: expected a table, found a string")]);
}

#[test]
fn set_arguments_are_toml_values_or_texts() {
    let arguments =
        ["a=1", "b.c='x = y'", "b.d=10/s", "\"e f\".\"g=h\"=[1]", "retry={ attempts = 3 }", "i={{ vars.x }}", "j="];
    let overlays = Overlays { profile: None, set: arguments.map(str::to_owned).to_vec(), ..Overlays::default() };
    let (document, diagnostics) = read_with("a = 'old'\n[retry]\nmax = '1s'\n", &overlays);
    assert_eq!(told(&diagnostics), vec![]);
    assert_eq!(text_at(&document, &["a"]).as_deref(), Some("1"));
    assert_eq!(text_at(&document, &["b", "c"]).as_deref(), Some("x = y"));
    assert_eq!(text_at(&document, &["b", "d"]).as_deref(), Some("10/s"));
    assert_eq!(text_at(&document, &["i"]).as_deref(), Some("{{ vars.x }}"));
    assert_eq!(text_at(&document, &["j"]).as_deref(), Some(""));
    assert_eq!(text_at(&document, &["retry", "attempts"]).as_deref(), Some("3"));
    assert_eq!(text_at(&document, &["retry", "max"]), None, "a value set replaces what stood there");
    let list = KeyPath::of(["e f", "g=h"]);
    assert_eq!(words(&document, document.place(&list)), "[1]");
    assert_eq!(words(&document, document.key_place(&list)), "\"g=h\"");
    assert_eq!(document.sources[document.place(&list).source].name, "--set");
}

#[test]
fn malformed_set_arguments_are_told() {
    let arguments =
        ["retry", "=3", "a b=3", "a..b=3", "[a]=3", "a#b=3", "a\nb=3", "name.x=3", "list.0=3", "profiles.ci.name=x"];
    for argument in arguments {
        let overlays = Overlays { profile: None, set: vec![argument.to_owned()], ..Overlays::default() };
        let (_, diagnostics) = read_with("name = 'a'\nlist = [1]\n", &overlays);
        assert_eq!(diagnostics.list().len(), 1, "{argument}");
        assert_eq!(diagnostics.list()[0].code, codes::SET, "{argument}");
        assert!(!diagnostics.list()[0].help.is_empty(), "{argument}");
    }
}

#[test]
fn numbers_that_do_not_fit_are_told_once() {
    let text = "a = 9223372036854775808\nb = inf\nc = -nan\nd = 1e999\ne = 0xffff_ffff_ffff_ffff_f\n";
    let (_, diagnostics) = read(text);
    assert_eq!(diagnostics.list().len(), 5);
    assert!(diagnostics.list().iter().all(|diagnostic| diagnostic.code == codes::BAD_VALUE));
    assert_eq!(told(&read("a = nul").1), [("P0002", "TOML has no null")]);
    assert_eq!(told(&read("a = -9223372036854775808\nb = 9223372036854775807").1), vec![]);
}

#[test]
fn several_syntax_errors_are_told_in_one_pass() {
    let text = "name abc\nurl = https://x.y/z?a=b\n[limits.a\nrate = 10/s\nlist = [1, 2\n[b]\nc = 'd\ne = 1\ne = 2\n";
    let (document, diagnostics) = read(text);
    assert_eq!(diagnostics.list().len(), 7, "{:#?}", told(&diagnostics));
    assert_eq!(text_at(&document, &["limits", "a", "rate"]).as_deref(), Some("10/s"));
    assert_eq!(text_at(&document, &["b", "e"]).as_deref(), Some("1"));
    let rate = document.place(&KeyPath::of(["limits", "a", "rate"]));
    assert_eq!(words(&document, rate), "10/s", "places are those of the file, not of the mended text");
}

#[test]
fn a_name_defined_twice_shows_both_places() {
    for (text, first) in [
        ("a = 1\na = 2\n", 0),
        ("[x]\na = 1\n[y]\na = 1\nb.c = 1\nb.c = 2\n", 22),
        ("[x]\na = 1\n[x]\nb = 2\n", 1),
        ("[[x]]\n[x.y]\n[[x]]\n[x.y]\n[x.y]\n", 21),
        ("a = { b = 1, c = { b = 2, b = 3 } }", 19),
        ("a.b = 1\n[a]\n", 0),
        ("[x]\na = { b = 1,\n  b = 2 }\n", 10),
    ] {
        let (_, diagnostics) = read(text);
        assert_eq!(diagnostics.list().len(), 1, "{text}");
        assert_eq!(diagnostics.list()[0].others[0].place.start, first, "{text}");
    }
}

#[test]
fn another_language_is_one_error() {
    for (text, language) in [
        ("\u{feff}{\n  \"endpoints\": {}\n}\n", "JSON"),
        ("# jobs\nendpoints:\n  price:\n", "YAML"),
        ("---\na: 1\nb: 2\n", "YAML"),
        ("<html>\n", "XML or HTML"),
    ] {
        let (_, diagnostics) = read(text);
        assert_eq!(told(&diagnostics), [("P0002", format!("this is {language}, not TOML").as_str())]);
    }
}

#[test]
fn a_broken_line_that_holds_a_password_is_shown_nowhere() {
    for text in [
        "url = https://me:hush-hush@h.example/x\n",
        "client.proxy = \"http://me:hush-hush@h.example:8080\n",
        "{\"url\": \"https://h.example\", \"password\": \"hush-hush\"}\n",
        "<config url=\"https://h.example\" password=\"hush-hush\">\n",
        "[{\"input\": 1, \"url\": \"https://me:hush-hush@h.example\"}]\n",
    ] {
        let (document, diagnostics) = read(text);
        assert!(diagnostics.has_errors(), "{text}");
        for format in [Format::Human, Format::Json, Format::Github] {
            let said = render(&diagnostics, Some(&document), format, false);
            assert!(!said.contains("hush-hush"), "{said}");
        }
    }
}

#[test]
fn what_follows_from_a_syntax_error_is_not_told() {
    let (document, mut diagnostics) = read("url\nlimit = 10/s\nsize = 3\n");
    let before = diagnostics.list().len();
    diagnostics.push(Diagnostic::error(codes::MISSING_KEY, "no url"));
    diagnostics.push(Diagnostic::error(codes::BAD_UNIT, "bad").at(document.place(&KeyPath::of(["limit"])), ""));
    assert_eq!(diagnostics.list().len(), before);
    diagnostics.push(Diagnostic::error(codes::WRONG_TYPE, "bad").at(document.place(&KeyPath::of(["size"])), ""));
    assert_eq!(diagnostics.list().len(), before + 1);
}

#[test]
fn files_that_are_no_job_files_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let message = |name: &str, bytes: Option<&[u8]>| {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
        let mut diagnostics = Diagnostics::default();
        assert!(Document::read(&path, &Overlays::default(), &mut diagnostics).is_none());
        assert_eq!(diagnostics.list()[0].code, codes::UNREADABLE);
        let text = render(&diagnostics, None, Format::Human, false);
        text.replace(&format!("{}/", folder.path().display()), "")
    };
    assert!(message("latin.toml", Some(b"a = 1\nname = \"caf\xE9\"\n")).contains("byte 0xE9 at line 2, column 12"));
    assert!(message("wide.toml", Some(b"\xFF\xFEa\0")).contains("is UTF-16"));
    assert!(message("large.toml", Some(&vec![b' '; 1_100_000])).contains("larger than 1 MiB"));
    assert!(message("laten.toml", None).contains("did you mean `latin.toml`?"));
    assert!(message("", None).contains("is a folder"));
    assert!(message("none/job.toml", None).contains("does not exist either"));
}

#[test]
fn ten_thousand_lines_of_garbage_are_twenty_diagnostics() {
    let lines = [
        "\u{1}garbage \"'\n",
        "[unclosed\n",
        "a = [1, 2\n",
        "a = 1\n",
        "a = { \"j\": [1, 2] }\n",
        "x = = {,}\n",
        "'''\n",
    ];
    for line in lines {
        let (document, diagnostics) = read(&line.repeat(10_000));
        assert!(diagnostics.has_errors(), "{line}");
        let human = render(&diagnostics, Some(&document), Format::Human, false);
        assert!(human.matches("error[").count() <= crate::diagnostic::MOST_SHOWN, "{line}");
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let keys = vec!["a"; 79].join(".");
    let mut nested = String::from("1");
    for _ in 0..79 {
        nested = format!("{{ {keys} = {nested} }}");
    }
    let absurd = [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a = {}", "{b=".repeat(100_000)),
        format!("{} = 1", vec!["a"; 100_000].join(".")),
        format!("[{}]", vec!["a"; 100_000].join(".")),
        format!("a = {nested}"),
        format!("a = 1\na = {nested}"),
    ];
    for text in absurd {
        let (_, diagnostics) = read(&text);
        assert!(diagnostics.has_errors(), "{}", &text[..50]);
        assert!(diagnostics.list().len() <= 100, "{}: {}", &text[..50], diagnostics.list().len());
    }
}

/// Pieces that job files and their slips are made of.
fn text_like_toml() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a",
        "b.c",
        "\"d\"",
        " = ",
        "=",
        "1",
        "'x'",
        "\"y\"",
        "\"\"\"",
        "'''",
        "\"",
        "'",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        ".",
        "\n",
        "\r\n",
        "\r",
        "#",
        " ",
        "\\",
        "\\u12",
        "é",
        "\u{1}",
        "\u{feff}",
        "true",
        "10/s",
        "1e",
        "0x",
        "2020-13-01",
        "{{ x }}",
        "\u{a0}",
        "inf",
        "99999999999999999999",
        "profiles",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_and_rendered(text in text_like_toml(), set in text_like_toml()) {
        let overlays = Overlays { profile: None, set: vec![set], ..Overlays::default() };
        let (document, diagnostics) = read_with(&text, &overlays);
        for format in [Format::Human, Format::Json, Format::Github] {
            let _ = render(&diagnostics, Some(&document), format, false);
        }
        for diagnostic in diagnostics.list() {
            let place = diagnostic.primary.as_ref().unwrap().place;
            let source = &document.sources[place.source].text;
            prop_assert!(source.get(place.start..place.end).is_some(), "{:?}", diagnostic);
        }
        // Valid TOML has no syntax error, and broken TOML has one.
        let valid = toml::de::DeTable::parse(&text).is_ok();
        let syntax = diagnostics.list().iter().any(|diagnostic| diagnostic.code == codes::SYNTAX);
        prop_assert_eq!(valid, !syntax);
    }

    #[test]
    fn every_place_in_a_plain_string_is_exact(
        value in "[a-z {}é\u{4e2d}]{0,20}", start in 0usize..20, length in 0usize..20,
    ) {
        let (document, _) = read(&format!("a = \"{value}\""));
        let bound = |at: usize| (at..=value.len()).find(|at| value.is_char_boundary(*at)).unwrap_or(value.len());
        let range = bound(start)..bound(start + length);
        let place = document.place_in_string(&KeyPath::of(["a"]), range.clone());
        prop_assert_eq!(words(&document, place), &value[range]);
    }

    #[test]
    fn merging_twice_is_merging_once(below in 0usize..4, above in 0usize..4) {
        let tables = ["x = 1\n", "x.y = 2\n", "z = 'a'\nx.y = { w = 1 }\n", "[x.y]\nw = 2\n[v]\n"];
        let entries = |text: &str| match read(text).0.root.value {
            NodeValue::Table(table) => table.into_entries(),
            _ => unreachable!(),
        };
        let mut once = entries(tables[below]);
        overlay::merge(&mut once, entries(tables[above]));
        let mut twice = once.clone();
        overlay::merge(&mut twice, entries(tables[above]));
        prop_assert_eq!(format!("{once:?}"), format!("{twice:?}"));
        let mut same = once.clone();
        overlay::merge(&mut same, Vec::new());
        prop_assert_eq!(format!("{once:?}"), format!("{same:?}"));
    }
}
