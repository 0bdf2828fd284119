//! Words as shells cut them, and commands as curl takes them.

use proptest::prelude::*;

use super::words::{quote, split};
use super::{Body, FieldContent, Reference, Word, parts, read};

#[test]
fn words_are_cut_as_a_shell_does() {
    let cases: &[(&str, &[&str])] = &[
        ("a b\tc\nd", &["a", "b", "c", "d"]),
        ("a\\\nb c\\ d", &["ab", "c d"]),
        ("'a b'\"c d\"e", &["a bc de"]),
        ("'' \"\"", &["", ""]),
        (r#""a\"b\$c\\d\e""#, &[r#"a"b$c\d\e"#]),
        (r"$'a\n\t\x41\u00fc\'\\\101'", &["a\n\tAü'\\A"]),
        (r"$'\ud83d\ude00'", &["😀"]),
        ("a # b\nc#d", &["a", "c#d"]),
        ("$ 5$", &["$", "5$"]),
    ];
    for (line, words) in cases {
        assert_eq!(
            split(line).as_deref(),
            Ok(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()[..]),
            "{line}"
        );
    }
}

#[test]
fn variables_stay_names() {
    let words = split("\"Bearer $TOKEN\" ${A}b '$C'").unwrap();
    assert_eq!(parts(&words[0]), [Reference::Literal("Bearer "), Reference::Variable("TOKEN")]);
    assert_eq!(parts(&words[1]), [Reference::Variable("A"), Reference::Literal("b")]);
    assert_eq!(parts(&words[2]), [Reference::Literal("$C")]);
}

#[test]
fn flags_stand_together_and_their_values_behind_them() {
    let request = read("curl -sSXPUT -Hx:y -d@none http://h/").unwrap_err();
    assert!(request.contains("there is no file none: write it first"), "{request}");
    let request = read("$ curl -sSXPUT -Hx:y -dz=1 h/p#f").unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("PUT", "http://h/p"));
    assert_eq!(request.body, Body::Text("z=1".to_owned()));
    assert_eq!(request.headers[0], ("x".to_owned(), "y".to_owned()));
}

#[test]
fn parts_of_forms_have_options() {
    let request = read(r#"curl h -F 'a="x;\"y\"";type=text/plain;charset=utf-8;filename=f' -F b=@p"#).unwrap();
    let Body::Form(fields) = request.body else { panic!("no form") };
    assert_eq!(fields[0].content, FieldContent::Text("x;\"y\"".to_owned()));
    assert_eq!(fields[0].content_type.as_deref(), Some("text/plain;charset=utf-8"));
    assert_eq!(fields[0].filename.as_deref(), Some("f"));
    assert_eq!(fields[1].content, FieldContent::File("p".to_owned()));
}

proptest! {
    #[test]
    fn what_is_quoted_is_read_back(texts in prop::collection::vec("[^\u{F8F0}\u{F8F1}\u{0}]{0,20}", 1..6)) {
        let texts: Vec<String> = texts.into_iter().filter(|text| !text.contains("^\"") && !text.contains(" ^")).collect();
        let line: Vec<String> = texts.iter().map(|text| quote(text)).collect();
        prop_assert_eq!(split(&line.join(" ")), Ok(texts));
    }

    #[test]
    fn what_is_read_never_panics(line in "(curl )?[ -~]{0,60}") {
        let _ = read(&line);
    }

    #[test]
    fn variables_are_read_back(before in "[ -~&&[^^]]{0,9}", name in "[A-Z_]{1,8}", after in "[ -~&&[^^]]{0,9}") {
        let words = split(Word::default().text(&before).variable(&name).text(&after).as_str()).unwrap();
        let expected: Vec<Reference<'_>> = [Reference::Literal(&before), Reference::Variable(&name), Reference::Literal(&after)]
            .into_iter().filter(|part| *part != Reference::Literal("")).collect();
        prop_assert_eq!(words.len(), 1);
        prop_assert_eq!(parts(&words[0]), expected);
    }
}
