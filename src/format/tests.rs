use proptest::prelude::*;

use super::*;

fn formatted(text: &str) -> String {
    format(text).unwrap_or_else(|error| panic!("{error:?}: {text:?}")).text
}

#[test]
fn each_rule_of_the_style() {
    let cases = [
        ("a=1", "a = 1\n"),
        ("  a . b  =\t1   # why  ", "a.b = 1   # why\n"),
        ("a = 1\r\n\r\n\r\n\r\nb = 2\r\n", "a = 1\n\nb = 2\n"),
        ("\n\n# top\n[ a . 'b' ]\nc = 1\n[[d]]#x\n", "# top\n[a.b]\nc = 1\n\n[[d]] #x\n"),
        ("a = 1\n# of b\n\t[b]\n", "a = 1\n\n# of b\n[b]\n"),
        ("a = [1,2 ,3,]", "a = [1, 2, 3]\n"),
        (
            "a = [ # first\n1, 2 # two\n,\n\n\n  [\n3]\n]",
            "a = [ # first\n    1, 2, # two\n\n    [\n        3,\n    ],\n]\n",
        ),
        ("a = [\n]\nb = {}\nc = { }", "a = []\nb = {}\nc = {}\n"),
        ("a = {b=1,c.d = [1,\n2]}", "a = { b = 1, c.d = [\n    1,\n    2,\n] }\n"),
        ("a = 'x'\nb = 'say \"x\"'\nc = '\\d'\n\"d\" = ''", "a = \"x\"\nb = 'say \"x\"'\nc = '\\d'\nd = \"\"\n"),
        ("'a.b' = 1\n\"\" = 2", "'a.b' = 1\n\"\" = 2\n"),
        ("\u{feff}a = 1", "a = 1\n"),
        ("a = \"\"\"\n  x  \n\"\"\"  ", "a = \"\"\"\n  x  \n\"\"\"\n"),
        ("", ""),
        ("\n \n", ""),
    ];
    for (before, after) in cases {
        assert_eq!(formatted(before), after, "{before:?}");
        assert_eq!(formatted(after), after, "again: {before:?}");
    }
}

#[test]
fn spaces_before_an_equals_sign_stay_where_they_line_up() {
    let lined_up = "rate  = 1\n# of the next\nburst = 2\nx.y = 3\n\nlong   = 1\nlonger = 2\n";
    assert_eq!(formatted(lined_up), lined_up);
    assert_eq!(formatted("rate   = 1\nburst = 2\n\nalone   = 3\n"), "rate = 1\nburst = 2\n\nalone = 3\n");
}

#[test]
fn what_only_toml_1_1_can_read_is_rewritten_or_named() {
    assert_eq!(
        formatted("a = {\n  b = \"\\e\\x41\\\\e\",\n  c = 1,\n}"),
        "a = { b = \"\\u001B\\u0041\\\\e\", c = 1 }\n"
    );
    assert_eq!(formatted("a = { b =\n 1 }"), "a = { b = 1 }\n");
    let left = format("x = 1\na = { # why\n  b = 1 }\nt = 07:32\n").unwrap();
    assert_eq!(left.text, "x = 1\na = { # why\n  b = 1 }\nt = 07:32\n");
    assert_eq!(left.left.iter().map(|left| left.line).collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn what_is_no_toml_is_refused() {
    assert_eq!(format("a = "), Err(FormatError::Syntax));
    assert_eq!(format("a = 1\na = 2"), Err(FormatError::Syntax));
}

/// A piece of white space, as careless hands leave it.
fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", " ", "  ", "\t", "     "])
}

fn key() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "long-key", "\"q\"", "'w x'", "\"\\u0061b\"", "ü"]);
    let part = part.prop_map(|part| if part == "ü" { "\"ü\"" } else { part });
    prop::collection::vec((part, space()), 1..3)
        .prop_map(|parts| parts.iter().map(|(part, space)| format!("{part}{space}")).collect::<Vec<_>>().join("."))
}

fn value() -> impl Strategy<Value = String> {
    let scalars = [
        "1",
        "-0",
        "1_000",
        "0x1F",
        "1.5e3",
        "nan",
        "true",
        "\"x\"",
        "'x'",
        "'\"'",
        "'\\'",
        "'''\n a\n'''",
        "\"\"\"\r\n b \\\n c\"\"\"",
        "\"\\e[\"",
        "2026-01-01",
        "2026-01-01 07:32:00Z",
        "\"{{ row.a }}\"",
        "\"#\"",
    ];
    let scalar = prop::sample::select(scalars.to_vec()).prop_map(str::to_owned);
    scalar.prop_recursive(3, 12, 4, |inner| {
        let gap = prop::sample::select(vec!["", " ", "\n", "\n\n\n  ", " # c\n", "\t"]);
        let list = prop::collection::vec((gap.clone(), inner.clone(), gap.clone()), 0..4).prop_map(|items| {
            let items: Vec<String> =
                items.iter().map(|(before, item, after)| format!("{before}{item}{after}")).collect();
            format!("[{}]", items.join(","))
        });
        let table = prop::collection::vec((gap.clone(), inner, gap), 0..3).prop_map(|items| {
            let entry = |(position, (before, item, after))| format!("{before}k{position}={item}{after}");
            let items: Vec<String> = items.iter().map(|(a, b, c)| (*a, b, *c)).enumerate().map(entry).collect();
            format!("{{{}}}", items.join(","))
        });
        prop_oneof![list, table]
    })
}

fn line() -> impl Strategy<Value = String> {
    let comment = prop::sample::select(vec!["", "", " # why", "#", "\t# tab \t"]);
    let pair = (key(), space(), value(), space(), comment.clone())
        .prop_map(|(key, before, value, after, comment)| format!("{key}{before}={after}{value}{comment}"));
    let header = (key(), comment).prop_map(|(key, comment)| format!("[{key}]{comment}"));
    prop_oneof![5 => pair, 2 => header, 1 => Just("  # alone  ".to_owned()), 2 => Just(String::new())]
}

fn document() -> impl Strategy<Value = String> {
    let ends = prop::sample::select(vec!["\n", "\r\n"]);
    prop::collection::vec((line(), ends), 0..8)
        .prop_map(|lines| lines.iter().map(|(line, end)| format!("{line}{end}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_meaning_and_the_comments_stay_and_twice_is_as_once(text in document()) {
        // Keys that stand twice are no TOML.
        if text.parse::<toml::Table>().is_ok() {
            let once = format(&text).map_err(|error| TestCaseError::fail(format!("{error:?}")))?.text;
            prop_assert_eq!(meaning(&once), meaning(&text));
            prop_assert_eq!(once.matches('#').count(), text.matches('#').count());
            let twice = format(&once).map_err(|error| TestCaseError::fail(format!("again: {error:?}")))?.text;
            prop_assert_eq!(twice, once);
        }
    }
}
