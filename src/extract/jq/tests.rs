//! Programs end, whatever they say, and reach nothing but their input.

use serde_json::{Value, json};

use super::meter::Bounds;
use super::program::{Flaw, Program};

fn run(source: &str, input: &Value) -> Result<Vec<Value>, String> {
    Program::compile(source).unwrap_or_else(|flaws| panic!("{source}: {flaws:?}")).run(input)
}

fn flaw(source: &str) -> (String, String) {
    let mut flaws = Program::compile(source).map(|_| ()).unwrap_err();
    let Flaw { message, range, .. } = flaws.remove(0);
    (message, source[range].to_owned())
}

const FEW: Bounds = Bounds { steps: 200_000, outputs: 20_000, made: 1024 * 1024 };

/// On a thread with the stack of a worker, so that an overflow would show.
fn bounded(source: &'static str, input: &'static str) -> Result<Vec<Value>, String> {
    let input: Value = serde_json::from_str(input).unwrap();
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    thread.spawn(move || Program::compile(source).unwrap().run_within(&input, &FEW)).unwrap().join().unwrap()
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
        ("[(1, 2) + (10, 20)]", vec![json!([11, 21, 12, 22])]),
        ("[(1, 2) + (10, 20, .items[0].id)]", vec![json!([11, 21, 2, 12, 22, 3])]),
        ("(.items[0].id += 5), (.items[0].id -= 1) | .items[0].id", vec![json!(6), json!(0)]),
        ("[1, 2, 3] | .[] += (10, .[0])", vec![json!([11, 12, 13]), json!([2, 3, 4])]),
        ("[1, 2, 3, 4] | .[1:3] |= map(. * 2) | del(.[:1])", vec![json!([4, 6, 4])]),
        ("[path(.items[1:])]", vec![json!([["items", {"start": 1}]])]),
        (
            "[12345678901234567890, 12345678901234567891][] | select(. == 12345678901234567890)",
            vec![serde_json::from_str("12345678901234567890").unwrap()],
        ),
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
fn a_program_that_makes_too_much_is_stopped() {
    let much = "it makes too much text and too many lists";
    for (source, why) in [
        ("\"x\" * 1000000000", much),
        ("1000000000 * \"x\"", much),
        ("\"xx\" * 9223372036854775807", much),
        ("\"xx\" * 123456789012345678901234567890", much),
        ("\"x\" | . *= 1000000000", much),
        ("{a: [\"x\"]} | .a[] *= 1000000000", much),
        ("try (\"x\" * 1000000000) catch 1", much),
        ("(\"x\" * 1000000000)? // 1", much),
        ("reduce range(60) as $i (\"x\"; . + .)", much),
        ("reduce range(60) as $i (\"x\"; . += .)", much),
        ("reduce range(60) as $i ([1]; . + .)", much),
        ("reduce range(60) as $i ([1]; [.[], .[]]) | 1", "steps"),
        ("reduce range(60) as $i (1; [., .])", much),
        ("reduce range(60) as $i (1; {a: ., b: .})", much),
        ("reduce range(60) as $i (\"x\"; \"\\(.)\\(.)\")", much),
        ("reduce range(60) as $i (\"x\"; [., .] | join(\",\"))", much),
        ("reduce range(60) as $i (\"x\"; [., .] | add)", much),
        ("reduce range(60) as $i (\"x\"; .[:0] = .)", much),
        ("reduce range(60) as $i (\"x\"; [., .] | tojson)", much),
        ("reduce range(60) as $i (\"x\"; [., .] | tostring)", much),
        ("reduce range(60) as $i (\"x\"; @json \"\\(.)\\(.)\")", much),
        ("reduce range(600) as $i (\"xyz\"; @base64)", much),
        ("[range(9) | \"<\" * 50000 | @html] | length", much),
        ("[range(9) | \"<\" * 50000 | @uri] | length", much),
        ("reduce range(60) as $i (\"'\"; @sh)", much),
        ("reduce range(60) as $i (\"x\"; gsub(\"x\"; \"xxxx\"))", "it"),
        ("reduce range(30) as $i (3; . * .)", "a whole number that is too long"),
        ("\"x\" * 100000 | explode", much),
        ("\"x\" * 100000 | . / \"\"", much),
        ("\"x\" * 100000 | indices(\"x\")", much),
        ("\"x\" * 100000 | [match(\"x\"; \"g\")] | length", much),
        ("\"x\" * 100000 | [scan(\"\")] | length", much),
        ("\"[\" + \"0,\" * 100000 + \"0]\" | fromjson", much),
        ("(\"x\" * 100000) as $x | [range(1000) | $x + \"y\"] | length", much),
        ("(\"x\" * 100000) as $x | [range(1000) | $x | ascii_upcase] | length", much),
        ("(\"x\" * 100000) as $x | [range(1000) | try ($x | .b) catch .] | length", much),
        ("[range(1000)] as $x | [range(1000) | $x | reverse] | length", much),
        ("[range(1000)] as $x | [range(1000) | $x | sort_by(-.)] | length", much),
        ("[range(1000)] as $x | [range(1000) | $x[1:]] | length", much),
        ("[range(1000)] as $x | [range(1000) | $x | .[0] = 1] | length", much),
        ("[range(1000)] as $x | [range(1000) as $i | $x | .[0] |= $i] | length", much),
        ("[range(1000)] as $x | [range(1000) as $i | $x | .[0] += $i] | length", much),
        ("[range(1000)] as $x | [range(1000) | $x - [1]] | length", much),
        ("[range(1000)] as $x | [range(1000) | $x]", much),
        (
            "([range(1000) | {key: tostring, value: .}] | from_entries) as $x | [range(100) | $x * {a: 1}] | length",
            much,
        ),
        (
            "([range(1000) | {key: tostring, value: .}] | from_entries) as $x | [range(100) | $x | to_entries] | length",
            "it",
        ),
    ] {
        let outcome = bounded(source, "{}").map(|outputs| outputs.len());
        let stopped = |error: &String| error.starts_with("the jq program was stopped: ") && error.contains(why);
        assert!(outcome.as_ref().is_err_and(stopped), "{source}: {outcome:?}");
    }
    assert!(bounded("\"x\" * 100000 | .a", "{}").unwrap_err().len() < 500, "errors hold no whole values");
}

/// What grows in a loop is changed where it is: a million bytes made are enough for lists that are far longer than
/// what could be copied each time.
#[test]
fn what_is_put_together_piece_by_piece_is_not_too_much() {
    for (source, output) in [
        ("reduce range(5000) as $i (\"\"; . + \"abc\") | length", 15_000),
        ("reduce range(5000) as $i (\"\"; . += \"abc\") | length", 15_000),
        ("reduce range(5000) as $i (\"\"; . + \"ab\" + \"c\") | length", 15_000),
        ("reduce range(5000) as $i (\"\"; . + ($i | tostring)[:1] + \"\\($i)\"[:1] + \"c\") | length", 15_000),
        ("reduce range(5000) as $i ({}; . * {(\"\\($i % 9)\"): {(\"\\($i)\"): $i}}) | length", 9),
        ("reduce range(5000) as $i ([]; . + [$i]) | length", 5_000),
        ("reduce range(5000) as $i ([]; . += [$i]) | length", 5_000),
        ("reduce range(5000) as $i ({a: []}; .a |= . + [$i] + [1]) | .a | length", 10_000),
        ("reduce range(5000) as $i ({}; .[\"\\($i)\"] = $i) | length", 5_000),
        ("reduce range(5000) as $i ({}; . + {\"\\($i)\": $i}) | length", 5_000),
        ("reduce range(5000) as $i ({}; .[\"\\($i % 9)\"] += [$i]) | length", 9),
        ("reduce range(5000) as $i ([range(10)]; .[$i % 10] += 1) | length", 10),
        ("[range(5000)] | add | . + 2502501", 15_000_001),
        ("[range(5000) | tostring] | join(\"\") | length", 18_890),
        ("[range(1000) | [.]] | add | length", 1_000),
        ("\"abc\" * 300 | gsub(\"b\"; \"\") | length", 600),
    ] {
        assert_eq!(bounded(source, "{}"), Ok(vec![json!(output)]), "{source}");
    }
}

#[test]
fn what_is_as_large_as_its_input_is_not_too_much() {
    let input: &'static str = json!({"a": "x".repeat(3_000_000)}).to_string().leak();
    let lengths = |source| bounded(source, input).map(|outputs| outputs[0].as_str().map(str::len));
    assert_eq!(lengths(".a"), Ok(Some(3_000_000)));
    assert_eq!(lengths(".a | ascii_upcase | tojson"), Ok(Some(3_000_002)));
    assert!(lengths(".a * 9").is_err());
}

#[test]
fn what_spreads_in_the_middle_is_stopped() {
    let error = bounded("[reduce range(600) as $i (1; [1, ., ., 1]) | ..] | length", "null").unwrap_err();
    assert!(error.contains("it makes too much text and too many lists"), "{error}");
}

/// Its first rows are long and its last, so that it may look larger than it is.
#[test]
fn a_ragged_table_is_as_large_as_it_is() {
    let source = "[range(4000)] as $long | [range(30000) | if . == 0 or . == 29999 then $long else [1] end] | length";
    let program = Program::compile(source).unwrap();
    assert_eq!(program.run(&Value::Null), Ok(vec![json!(30_000)]));
}

#[test]
fn what_goes_too_deep_is_stopped_before_the_stack_ends() {
    for source in [
        "def f: 1 + f; f",
        "def f: [f]; f",
        "def f: [.] | f; f",
        "reduce range(100000) as $n (0; [.])",
        "reduce range(100000) as $n (0; {a: .})",
        "reduce range(100000) as $n ([0, 0, 0]; (.. | select(. == 0)) = .)",
        "reduce range(20) as $n ([0, [0, 1, 0], 0]; last(..) = .) | length",
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

/// Where neither the first members nor the last tell.
#[test]
fn what_nests_in_the_middle_is_stopped_before_the_stack_ends() {
    for source in [
        "reduce range(20000) as $n (0; [1, ., 1])",
        "reduce range(20000) as $n (0; [[], ., []])",
        "reduce range(20000) as $n (0; [{k: 1, next: ., z: 2}])",
        "reduce range(20000) as $n (0; {k: 1, next: ., z: 2})",
        "reduce range(20000) as $n (0; . as $next | {k: 1, $next, z: 2})",
        "reduce range(20000) as $n (0; {k: 1, (\"a\", \"b\"): ., z: 2})",
        "reduce range(20000) as $n (0; {(.): 1})",
        "reduce range(20000) as $n (0; {k: 1} + {(.): 2} + {z: 3})",
        "reduce range(20000) as $n (0; . as $x | [1, 2, 3] | .[1] = $x)",
        "reduce range(20000) as $n (0; . as $x | [1, 2, 3] | .[1] |= $x)",
        "reduce range(20000) as $n (0; . as $x | [1, null, 3] | .[1] += $x | .[1] //= [])",
        "reduce range(20000) as $n ([0, 0, 0]; .[1] = .)",
        "reduce range(20000) as $n (0; [1, path_value(.), 1])",
        "reduce range(20000) as $n ([1]; [[0, ., 2]] | group_by(0))",
        "def f($x): f([null | path(.[0, $x, 2])]); f(0)",
        "def f($x; $n): if $n == 0 then 1 else f([1, $x, 1]; $n - 1) end; f(0; 20000)",
    ] {
        let error = bounded(source, "{}").unwrap_err();
        assert!(error.contains("nests too deeply"), "{source}: {error}");
    }
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
