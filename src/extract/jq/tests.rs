//! Programs end, whatever they say, and reach nothing but their input.

use serde_json::{Value, json};

use super::program::{Flaw, Program};

fn run(source: &str, input: &Value) -> Result<Vec<Value>, String> {
    Program::compile(source).unwrap_or_else(|flaws| panic!("{source}: {flaws:?}")).run(input)
}

fn flaw(source: &str) -> (String, String) {
    let mut flaws = Program::compile(source).map(|_| ()).unwrap_err();
    let Flaw { message, range } = flaws.remove(0);
    (message, source[range].to_owned())
}

/// On a thread with the stack of a worker, so that an overflow would show.
fn bounded(source: &'static str, input: &'static str) -> Result<Vec<Value>, String> {
    let input: Value = serde_json::from_str(input).unwrap();
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    thread.spawn(move || Program::compile(source).unwrap().run_within(&input, 200_000, 20_000)).unwrap().join().unwrap()
}

#[test]
fn programs_do_what_jq_does() {
    let input = json!({"items": [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": []}], "a b": null});
    for (source, outputs) in [
        (".items | length", vec![json!(2)]),
        (".items[].id", vec![json!(1), json!(2)]),
        ("[.items[] | select(.tags | length > 0) | .id]", vec![json!([1])]),
        (".items | map({(.id | tostring): .tags}) | add", vec![json!({"1": ["a"], "2": []})]),
        ("def f(x): x * 2; [.items[] | f(.id)]", vec![json!([2, 4])]),
        ("reduce .items[].id as $id (0; . + $id)", vec![json!(3)]),
        ("[foreach range(5) as $n (0; . + $n)]", vec![json!([0, 1, 3, 6, 10])]),
        ("path(.items[0].id)", vec![json!(["items", 0, "id"])]),
        (".items |= map(.id) | .items", vec![json!([1, 2])]),
        ("[.items[] | .id as $id | .tags[] | [$id, .]]", vec![json!([[1, "a"]])]),
        ("try error(\"x\") catch .", vec![json!("x")]),
        ("[limit(3; repeat(1))]", vec![json!([1, 1, 1])]),
        ("[.. | numbers]", vec![json!([1, 2])]),
        ("\"\\(.items[0].id)!\"", vec![json!("1!")]),
        ("\"[1, {\\\"a\\\": 1.50}]\" | fromjson", vec![serde_json::from_str("[1, {\"a\": 1.50}]").unwrap()]),
        ("\"12\" | tonumber", vec![json!(12)]),
        ("empty", vec![]),
    ] {
        assert_eq!(
            run(source, &input).as_ref().map(|found| json!(found).to_string()),
            Ok(json!(outputs).to_string()),
            "{source}"
        );
    }
}

#[test]
fn every_digit_is_kept() {
    let text = r#"[12345678901234567890123,0.1000000000000000055511151231257827,1e400,-0.10]"#;
    let input: Value = serde_json::from_str(text).unwrap();
    assert_eq!(json!(run(".[]", &input).unwrap()), input);
    assert_eq!(json!(run(".[]", &input).unwrap()).to_string(), text.replace("e400", "e+400"));
    let sum = json!(run(".[0] + 1", &input).unwrap()).to_string();
    assert_eq!(sum, "[12345678901234567890124]", "whole numbers of any size");
    assert_eq!(run("[nan, infinite]", &input), Ok(vec![json!([null, null])]));
}

#[test]
fn a_program_that_does_not_end_is_stopped() {
    for (source, why) in [
        ("def f: f; f", "steps"),
        ("repeat(1) | empty", "steps"),
        ("last(repeat(1))", "steps"),
        ("try repeat(1) catch 2 | empty", "steps"),
        ("[range(infinite)]", "steps"),
        ("last(range(infinite))", "steps"),
        ("reduce range(infinite) as $n (0; 1)", "steps"),
        ("until(false; .)", "steps"),
        ("label $out | foreach repeat(1) as $n (0; .)", "outputs"),
        (
            "[.[] as $a | .[] as $b | .[] as $c | .[] as $d | .[] as $e | .[] as $f | .[] as $g | .[] as $h | 1] | length",
            "steps",
        ),
        ("range(infinite)", "outputs"),
    ] {
        let error = bounded(source, "[1,2,3,4,5,6,7,8,9]").unwrap_err();
        assert!(error.starts_with("the jq program was stopped: ") && error.contains(why), "{source}: {error}");
    }
}

#[test]
fn what_goes_too_deep_is_stopped_before_the_stack_ends() {
    for source in [
        "def f: 1 + f; f",
        "def f: [f]; f",
        "def f: [.] | f; f",
        "reduce range(100000) as $n (0; [.])",
        "reduce range(100000) as $n (0; {a: .})",
        "last(limit(100000; recurse([.])))",
        "def f(x): x | f(x | .); f(.)",
        "[range(5000) | 0] as $p | setpath($p; 1)",
        "getpath([range(5000) | \"a\"]) |= 1",
        "def f: (.a | f) |= 1; f",
    ] {
        let error = bounded(source, "{}").unwrap_err();
        assert!(error.contains("stopped") || error.contains("fails"), "{source}: {error}");
    }
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let error = run("fromjson", &json!(nested)).unwrap_err();
    assert!(error.contains("recursion limit exceeded"), "{error}");
}

#[test]
fn what_json_can_nest_can_be_walked() {
    const LEVELS: usize = 120;
    let text: &'static str = format!("{}1{}", "[".repeat(LEVELS), "]".repeat(LEVELS)).leak();
    for source in ["[..] | length", "walk(.) | [..] | length", "[paths] | length + 1"] {
        assert_eq!(bounded(source, text), Ok(vec![json!(LEVELS + 1)]), "{source}");
    }
}

#[test]
fn nothing_outside_is_reached() {
    for source in [
        "env",
        "$ENV",
        "now",
        "input",
        "inputs",
        "debug",
        "stderr",
        "halt",
        "halt_error",
        "localtime",
        "input_filename",
    ] {
        let (message, place) = flaw(source);
        assert_eq!((place.as_str(), message.contains("not there")), (source, true), "{source}: {message}");
    }
    assert!(Program::compile("import \"a\" as a; a::b").is_err());
    assert!(Program::compile("include \"a\"; b").is_err());
}

#[test]
fn flaws_have_places() {
    for (source, message, place) in [
        (".a | nope(1)", "the jq program has no filter `nope` with 1 arguments", "nope"),
        (".a + $x", "the jq program has no variable `$x`", "$x"),
        (".a | if . then 1", "the jq program ends too early: else or end expected", ".a | if . then 1"),
        (".a )", "the jq program does not parse: token expected", ")"),
        (".a[", "the jq program does not parse: closing bracket expected", ".a["),
        ("1 2", "the jq program does not parse here: nothing expected", "2"),
    ] {
        assert_eq!(flaw(source), (message.to_owned(), place.to_owned()), "{source}");
    }
}
