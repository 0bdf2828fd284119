//! Tests of rendering and of did-you-mean.

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::document::{KeyPath, Overlays};

fn document(text: &str) -> Document {
    let overlays = Overlays { profile: None, set: vec!["retry.attempts=99".to_owned()], ..Overlays::default() };
    Document::parse(Path::new("job.toml"), text.to_owned(), &overlays, &mut Diagnostics::default()).unwrap()
}

/// The place of the first `words` in the file.
fn at(document: &Document, words: &str) -> Place {
    let start = document.sources[0].text.find(words).unwrap();
    Place { source: 0, start, end: start + words.len() }
}

fn collect(list: impl IntoIterator<Item = Diagnostic>) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    list.into_iter().for_each(|diagnostic| diagnostics.push(diagnostic));
    diagnostics
}

fn human(document: &Document, list: impl IntoIterator<Item = Diagnostic>) -> String {
    render(&collect(list), Some(document), Format::Human, false)
}

#[test]
fn a_person_sees_the_line_the_labels_and_the_way_out() {
    let document = document("name = 'a'\n\n[retires]\nattempts = 5\n");
    let diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, "unknown key `retires`")
        .at(at(&document, "retires"), "not a key of a job")
        .also(at(&document, "'a'"), "of this job")
        .help("did you mean `retry`?")
        .help("`paceline schema` prints every key");
    let expected = "\
error[P0101]: unknown key `retires`
 --> job.toml:3:2
  |
1 | name = 'a'
  |        --- of this job
2 |
3 | [retires]
  |  ^^^^^^^ not a key of a job
  |
  = help: did you mean `retry`?
  = help: `paceline schema` prints every key

1 error in job.toml; more: paceline explain P0101
";
    assert_eq!(human(&document, [diagnostic]), expected);
}

#[test]
fn a_label_in_an_argument_is_shown_there() {
    let document = document("[retry]\nattempts = 1\n");
    let attempts = document.place(&KeyPath::of(["retry", "attempts"]));
    let diagnostic = Diagnostic::warning(codes::CONFLICT, "too many attempts")
        .at(attempts, "set here")
        .also(at(&document, "[retry]"), "over this");
    let expected = "\
warning[P0401]: too many attempts
 --> --set:1:16
  |
1 | retry.attempts=99
  |                ^^ set here
  |
 ::: job.toml:1:1
  |
1 | [retry]
  | ------- over this

1 warning in job.toml; more: paceline explain P0401
";
    assert_eq!(human(&document, [diagnostic]), expected);
}

#[test]
fn without_a_place_or_a_document_there_is_still_a_message() {
    let list = [Diagnostic::error(codes::UNREADABLE, "there is no file `x`").help("check the path")];
    let text = render(&collect(list), None, Format::Human, false);
    let last = "1 error; more: paceline explain P0001\n";
    assert_eq!(text, format!("error[P0001]: there is no file `x`\n |\n = help: check the path\n\n{last}"));
}

#[test]
fn nothing_to_tell_is_nothing_for_people() {
    let none = Diagnostics::default();
    assert_eq!(render(&none, None, Format::Human, true), "");
    assert_eq!(render(&none, None, Format::Github, false), "");
    assert_eq!(render(&none, None, Format::Json, false), "{\"diagnostics\":[],\"errors\":0,\"warnings\":0}\n");
}

#[test]
fn carets_stand_under_tabs_wide_characters_and_before_crlf() {
    let document = document("\tname = '中文 é'  # wide\r\n\tnext = 'x'\r\n");
    for (words, carets) in [("'中文 é'", "^^^^^^^^"), ("# wide", "^^^^^^"), ("'x'", "^^^")] {
        let text = human(&document, [Diagnostic::error(codes::BAD_VALUE, "bad").at(at(&document, words), "")]);
        let lines: Vec<&str> = text.lines().collect();
        let width = |line: &str| line.chars().map(|c| if c > '\u{2000}' { 2 } else { 1 }).sum::<usize>();
        let before = |line: &str, words: &str| width(&line[..line.find(words).unwrap()]);
        assert_eq!(before(lines[3], words), before(lines[4], "^"), "{text}");
        assert_eq!(lines[4].trim_start_matches([' ', '|']), carets, "{text}");
        assert!(!text.contains('\r'), "{text:?}");
    }
}

#[test]
fn a_very_long_line_is_cut_around_the_place() {
    let document = document(&format!("a = [{}'bad'{}]\n", "1, ".repeat(4_000), ", 2".repeat(4_000)));
    let text = human(&document, [Diagnostic::error(codes::WRONG_TYPE, "wrong").at(at(&document, "'bad'"), "here")]);
    assert!(text.lines().all(|line| line.chars().count() < 160), "{text}");
    assert!(text.contains("'bad'") && text.contains("^^^^^ here"), "{text}");
    assert!(text.contains("job.toml:1:12006"), "{text}");
}

#[test]
fn a_value_of_many_lines_is_shown_by_its_first() {
    let document = document(&format!("a = [\n{}]\n", "  1,\n".repeat(50)));
    let text =
        human(&document, [Diagnostic::error(codes::WRONG_TYPE, "wrong").at(document.place(&KeyPath::of(["a"])), "")]);
    assert!(text.lines().count() < 10, "{text}");
    let place = Place { source: 0, start: 4, end: 12 };
    let text = human(&document, [Diagnostic::error(codes::WRONG_TYPE, "wrong").at(place, "")]);
    assert!(text.contains("|____^"), "{text}");
}

#[test]
fn control_characters_of_the_file_never_reach_the_terminal() {
    let document = document("a = '\u{1b}[31m\u{202e}\u{7}'\n");
    let text = human(
        &document,
        [Diagnostic::error(codes::BAD_VALUE, "bad `\u{1b}[31m`")
            .at(at(&document, "[31m"), "\u{1b}[0m")
            .help("not \u{1b}]0;title\u{7}")],
    );
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    let key = Diagnostic::error(codes::UNKNOWN_KEY, "unknown key `\u{1b}[31m\u{202e}`\u{9b}").help("a\u{7}b%\r\nc");
    let text = render(&collect([key]), Some(&document), Format::Github, false);
    assert!(text.contains("`␛[31m\u{fffd}`\u{fffd}") && text.ends_with("help: a␇b%25%0D%0Ac\n"), "{text:?}");
}

#[test]
fn color_only_adds_styles() {
    let document = document("a = 1\n");
    let diagnostics =
        collect([Diagnostic::error(codes::BAD_VALUE, "bad").at(at(&document, "1"), "here").help("mend it")]);
    let plain = render(&diagnostics, Some(&document), Format::Human, false);
    let styled = render(&diagnostics, Some(&document), Format::Human, true);
    assert!(styled.contains("\u{1b}["), "{styled:?}");
    assert_eq!(anstream::adapter::strip_str(&styled).to_string(), plain);
}

#[test]
fn diagnostics_come_in_the_order_of_the_file_and_once() {
    let document = document("a = 1\nb = 2\nc = 3\n");
    let of = |words: &str| Diagnostic::error(codes::BAD_VALUE, format!("bad {words}")).at(at(&document, words), "");
    let warning = Diagnostic::warning(codes::NO_EFFECT, "idle").at(at(&document, "b = 2"), "");
    let text = human(&document, [of("c"), of("a"), warning, of("c"), Diagnostic::error(codes::PROFILE, "no profile")]);
    let order = ["no profile", "bad a", "idle", "bad c"].map(|message| text.find(message).unwrap());
    assert!(order.is_sorted(), "{text}");
    assert!(text.ends_with("\n3 errors, 1 warning in job.toml; more: paceline explain P0003\n"), "{text}");
}

#[test]
fn at_most_twenty_are_shown_and_errors_before_warnings() {
    let lines: String = (0..40).map(|line| format!("k{line:02} = 1\n")).collect();
    let document = document(&lines);
    let list = (0..40).map(|line| {
        let severity = if line < 25 { Severity::Warning } else { Severity::Error };
        Diagnostic::new(severity, codes::BAD_VALUE, "bad").at(at(&document, &format!("k{line:02}")), "")
    });
    let diagnostics = collect(list);
    let text = render(&diagnostics, Some(&document), Format::Human, false);
    assert_eq!((text.matches("error[").count(), text.matches("warning[").count()), (15, 5));
    let last = "15 errors, 25 warnings in job.toml; more: paceline explain P0103\n";
    assert!(text.ends_with(&format!("... and 20 more that are not shown\n{last}")), "{text}");
    let json: Value = serde_json::from_str(&render(&diagnostics, Some(&document), Format::Json, false)).unwrap();
    assert_eq!(json["diagnostics"].as_array().unwrap().len(), MOST_SHOWN);
    assert_eq!((&json["errors"], &json["warnings"]), (&Value::from(15), &Value::from(25)));
}

#[test]
fn programs_get_one_object() {
    let document = document("a = 'é'\nb = [\n  1,\n]\n");
    let diagnostic = Diagnostic::error(codes::WRONG_TYPE, "wrong")
        .at(document.place(&KeyPath::of(["b"])), "an array")
        .also(at(&document, "'é'"), "as here")
        .also(document.place(&KeyPath::of(["retry", "attempts"])), "")
        .help("mend it");
    let text = render(&collect([diagnostic]), Some(&document), Format::Json, false);
    let expected = serde_json::json!({
        "diagnostics": [{
            "code": "P0102", "severity": "error", "message": "wrong",
            "file": "job.toml", "line": 2, "column": 5, "end_line": 4, "end_column": 2, "text": "an array",
            "help": ["mend it"],
            "others": [
                { "file": "job.toml", "line": 1, "column": 5, "end_line": 1, "end_column": 8, "text": "as here" },
                { "file": "--set", "line": 1, "column": 16, "end_line": 1, "end_column": 18, "text": "" },
            ],
        }],
        "errors": 1, "warnings": 0,
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn github_gets_workflow_commands_with_its_escapes() {
    let document = document("a = 1\nb = [\n  1,\n]\n");
    let list = [
        Diagnostic::error(codes::WRONG_TYPE, "100% wrong:\nsee, there").at(at(&document, "1"), "").help("mend it"),
        Diagnostic::warning(codes::CONFLICT, "long").at(document.place(&KeyPath::of(["b"])), ""),
        Diagnostic::error(codes::SET, "bad").at(document.place(&KeyPath::of(["retry", "attempts"])), ""),
    ];
    let expected = "\
::error file=job.toml,line=1,col=5,endLine=1,endColumn=6,title=P0102 a value of the wrong type::100%25 wrong:%0Asee, there%0Ahelp: mend it
::warning file=job.toml,line=2,endLine=4,title=P0401 settings that can't stand together::long
::error file=job.toml,title=P0004 a --set argument is malformed::bad%0Ain --set retry.attempts=99
";
    assert_eq!(render(&collect(list), Some(&document), Format::Github, false), expected);
}

#[test]
fn slips_of_the_pen_find_the_name_that_was_meant() {
    let names = [
        "version",
        "name",
        "description",
        "include",
        "vars",
        "secrets",
        "profiles",
        "limits",
        "batch",
        "retry",
        "timeout",
        "client",
        "endpoints",
        "sinks",
        "report",
        "run",
        "notify",
        "concurrency",
        "in-flight",
        "max-wait",
        "url",
        "per-host",
    ];
    for (word, meant) in [
        ("retires", "retry"),
        ("retries", "retry"),
        ("Retry", "retry"),
        ("endpoint", "endpoints"),
        ("endpionts", "endpoints"),
        ("in_flight", "in-flight"),
        ("inFlight", "in-flight"),
        ("maxwait", "max-wait"),
        ("conc", "concurrency"),
        ("concurency", "concurrency"),
        ("time-out", "timeout"),
        ("timeouts", "timeout"),
        ("limit", "limits"),
        ("secret", "secrets"),
        ("desc", "description"),
        ("ulr", "url"),
        ("sink", "sinks"),
        ("reports", "report"),
        ("batch-size", "batch"),
    ] {
        assert_eq!(did_you_mean(word, names), Some(meant), "{word}");
    }
}

#[test]
fn far_words_find_nothing() {
    let names = ["version", "vars", "limits", "retry", "run", "url", "name", "", "a"];
    for word in ["parallel", "x", "", "foo", "headers", "zzz", "-", "b", "same_as_nothing"] {
        assert_eq!(did_you_mean(word, names), None, "{word}");
    }
    assert_eq!(did_you_mean(&"retry".repeat(1_000), names), None);
    assert_eq!(did_you_mean("retry", []), None);
}

proptest! {
    #[test]
    fn a_name_is_near_itself_and_one_slip_away(name in "[a-z]{4,12}", position in 0usize..12, letter in "[a-z]") {
        prop_assert_eq!(did_you_mean(&name, [name.as_str()]), Some(name.as_str()));
        let mut slip: Vec<char> = name.chars().collect();
        let position = position % slip.len();
        slip[position] = letter.chars().next().unwrap();
        let slip: String = slip.into_iter().collect();
        prop_assert_eq!(did_you_mean(&slip, ["zzzzzzzzzzzzzzzzzzzz", name.as_str()]), Some(name.as_str()));
    }

    #[test]
    fn the_exact_name_wins(names in prop::collection::vec("[a-z-]{1,8}", 1..8), pick in 0usize..8) {
        let wanted = &names[pick % names.len()];
        if let Some(found) = did_you_mean(wanted, names.iter().map(String::as_str)) {
            prop_assert_eq!(nearest::simplified(found), nearest::simplified(wanted));
        }
    }

    #[test]
    fn any_place_can_be_rendered(text in "[a-z\t é\u{4e2d}\r\n\u{feff}]{0,60}", start in 0usize..80, length in 0usize..80) {
        let document = document(&text);
        let place = Place { source: 0, start, end: start + length };
        let list = [Diagnostic::error(codes::BAD_VALUE, "bad").at(place, "here").also(place, "there")];
        let diagnostics = collect(list);
        for format in [Format::Human, Format::Json, Format::Github] {
            prop_assert!(render(&diagnostics, Some(&document), format, false).contains("bad"));
        }
    }
}
