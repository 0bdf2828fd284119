//! The examples of jq's manual (<https://jqlang.org/manual>), by ours and by the program `jq` itself.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::program::Program;

/// Program and input.
const EXAMPLES: &[(&str, &str)] = &[
    (".", r#""Hello, world!""#),
    (".", "0.12345678901234567890123456789"),
    (".foo", r#"{"foo": 42, "bar": "less interesting data"}"#),
    (".foo", r#"{"notfoo": true, "alsonotfoo": false}"#),
    (".[\"foo\"]", r#"{"foo": 42}"#),
    (".foo?", r#"{"foo": 42, "bar": "less interesting data"}"#),
    (".[\"foo\"]?", r#"{"foo": 42}"#),
    ("[.foo?]", "[1,2]"),
    (".[0]", r#"[{"name":"JSON", "good":true}, {"name":"XML", "good":false}]"#),
    (".[2]", r#"[{"name":"JSON", "good":true}, {"name":"XML", "good":false}]"#),
    (".[-2]", "[1,2,3]"),
    (".[2:4]", r#"["a","b","c","d","e"]"#),
    (".[2:4]", r#""abcdefghi""#),
    (".[:3]", r#"["a","b","c","d","e"]"#),
    (".[-2:]", r#"["a","b","c","d","e"]"#),
    (".[]", r#"[{"name":"JSON", "good":true}, {"name":"XML", "good":false}]"#),
    (".[]", "[]"),
    (".[]", r#"{"a": 1, "b": 1}"#),
    (".foo, .bar", r#"{"foo": 42, "bar": "something else", "baz": true}"#),
    (".user, .projects[]", r#"{"user":"stedolan", "projects": ["jq", "wikiflow"]}"#),
    (".[4,2]", r#"["a","b","c","d","e"]"#),
    (".[] | .name", r#"[{"name":"JSON", "good":true}, {"name":"XML", "good":false}]"#),
    ("(. + 2) * 5", "1"),
    ("[.user, .projects[]]", r#"{"user":"stedolan", "projects": ["jq", "wikiflow"]}"#),
    ("[ .[] | . * 2]", "[1, 2, 3]"),
    ("{user, title: .titles[]}", r#"{"user":"stedolan","titles":["JQ Primer", "More JQ"]}"#),
    ("{(.user): .titles}", r#"{"user":"stedolan","titles":["JQ Primer", "More JQ"]}"#),
    (".. | .a?", r#"[[{"a":1}]]"#),
    (".a + 1", r#"{"a": 7}"#),
    (".a + .b", r#"{"a": [1,2], "b": [3,4]}"#),
    (".a + null", r#"{"a": 1}"#),
    (".a + 1", "{}"),
    ("{a: 1} + {b: 2} + {c: 3} + {a: 42}", "null"),
    ("4 - .a", r#"{"a":3}"#),
    (". - [\"xml\", \"yaml\"]", r#"["xml", "yaml", "json"]"#),
    ("10 / . * 3", "5"),
    (". / \", \"", r#""a, b,c,d, e""#),
    ("{\"k\": {\"a\": 1, \"b\": 2}} * {\"k\": {\"a\": 0,\"c\": 3}}", "null"),
    (".[] | (1 / .)?", "[1,0,-1]"),
    (".[] | length", r#"[[1,2], "string", {"a":2}, null]"#),
    ("utf8bytelength", r#""\u03bc""#),
    ("keys", r#"{"abc": 1, "abcd": 2, "Foo": 3}"#),
    ("keys", "[42,3,35]"),
    ("map(has(\"foo\"))", r#"[{"foo": 42}, {}]"#),
    ("map(has(2))", r#"[[0,1], ["a","b","c"]]"#),
    (".[] | in({\"foo\": 42})", r#"["foo", "bar"]"#),
    ("map(in([0,1]))", "[2, 0]"),
    ("map(.+1)", "[1,2,3]"),
    ("map_values(.+1)", r#"{"a": 1, "b": 2, "c": 3}"#),
    ("map_values(empty)", r#"{"a": 1, "b": 2}"#),
    ("path(.a[0].b)", "null"),
    ("[path(..)]", r#"[[{"a":1}]]"#),
    ("del(.foo)", r#"{"foo": 42, "bar": 9001, "baz": 42}"#),
    ("del(.[1, 2])", r#"["foo", "bar", "baz"]"#),
    ("getpath([\"a\",\"b\"])", "null"),
    ("[getpath([\"a\",\"b\"], [\"a\",\"c\"])]", r#"{"a":{"b":0, "c":1}}"#),
    ("setpath([\"a\",\"b\"]; 1)", "null"),
    ("setpath([0,\"a\"]; 1)", r#"[{"a":0}]"#),
    ("delpaths([[\"a\",\"b\"]])", r#"{"a":{"b":1},"x":{"y":2}}"#),
    ("to_entries", r#"{"a": 1, "b": 2}"#),
    ("from_entries", r#"[{"key":"a", "value":1}, {"key":"b", "value":2}]"#),
    ("from_entries", r#"[{"name":"a", "value":1}, {"key":"b", "value":null}]"#),
    ("with_entries(.key |= \"KEY_\" + .)", r#"{"a": 1, "b": 2}"#),
    ("map(select(. >= 2))", "[1,5,3,0,7]"),
    (".[] | select(.id == \"second\")", r#"[{"id": "first", "val": 1}, {"id": "second", "val": 2}]"#),
    (".[]|numbers", r#"[[],{},1,"foo",null,true,false]"#),
    ("1, empty, 2", "null"),
    ("[1,2,empty,3]", "null"),
    ("try error(\"\\($__loc__)\") catch .", "null"),
    ("try error catch .", r#""error message""#),
    ("[paths]", r#"[1,[[],{"a":2}]]"#),
    ("[paths(type == \"number\")]", r#"[1,[[],{"a":2}]]"#),
    ("add", r#"["a","b","c"]"#),
    ("add", "[1, 2, 3]"),
    ("add", "[]"),
    ("any", "[true, false]"),
    ("all", "[true, true, false]"),
    ("any", "[]"),
    ("flatten", "[1, [2], [[3]]]"),
    ("flatten(1)", "[1, [2], [[3]]]"),
    ("flatten", r#"[{"foo": "bar"}, [{"foo": "baz"}]]"#),
    ("range(2;4)", "null"),
    ("[range(2;4)]", "null"),
    ("[range(4)]", "null"),
    ("[range(0;10;3)]", "null"),
    ("[range(0;10;-1)]", "null"),
    ("[range(0;-5;-1)]", "null"),
    ("floor", "3.14159"),
    ("sqrt", "9"),
    ("map(tonumber)", r#"[1, "1"]"#),
    (".[] | tostring", r#"[1, "1", [1]]"#),
    ("map(type)", r#"[0, false, [], {}, null, "hello"]"#),
    (".[] | (infinite * .) < 0", "[-1, 1]"),
    ("infinite, nan | type", "null"),
    ("sort", "[8,3,null,6]"),
    ("sort_by(.foo)", r#"[{"foo":4, "bar":10}, {"foo":3, "bar":10}, {"foo":2, "bar":1}]"#),
    ("group_by(.foo)", r#"[{"foo":1, "bar":10}, {"foo":3, "bar":100}, {"foo":1, "bar":1}]"#),
    ("min", "[5,4,2,7]"),
    ("max_by(.foo)", r#"[{"foo":1, "bar":14}, {"foo":2, "bar":3}]"#),
    ("unique", "[1,2,5,3,5,3,1,3]"),
    ("unique_by(.foo)", r#"[{"foo": 1, "bar": 2}, {"foo": 1, "bar": 3}, {"foo": 4, "bar": 5}]"#),
    ("unique_by(length)", r#"["chunky", "bacon", "kitten", "cicada", "asparagus"]"#),
    ("reverse", "[1,2,3,4]"),
    ("contains(\"bar\")", r#""foobar""#),
    ("contains([\"baz\", \"bar\"])", r#"["foobar", "foobaz", "blarp"]"#),
    ("contains({foo: 12, bar: [{barp: 12}]})", r#"{"foo": 12, "bar":[1,2,{"barp":12, "blip":13}]}"#),
    ("join(\", \")", "[\"a\", 1, null, true]"),
    ("join(\", \")", "[\"a\", [1]]"),
    ("join(\", \")", "[{}]"),
    ("indices(\", \")", r#""a,b, cd, efg, hijk""#),
    ("indices(1)", "[0,1,2,1,3,1,4]"),
    ("indices([1,2])", "[0,1,2,3,1,4,2,5,1,2,6,7]"),
    ("index(\", \")", r#""a,b, cd, efg, hijk""#),
    ("rindex(\", \")", r#""a,b, cd, efg, hijk""#),
    ("inside(\"foobar\")", r#""bar""#),
    ("[.[]|startswith(\"foo\")]", r#"["fo", "foo", "barfoo", "foobar", "barfoob"]"#),
    ("[.[]|endswith(\"foo\")]", r#"["foobar", "barfoo"]"#),
    ("combinations", "[[1,2], [3, 4]]"),
    ("combinations(2)", "[0, 1]"),
    ("[.[]|ltrimstr(\"foo\")]", r#"["fo", "foo", "barfoo", "foobar", "afoo"]"#),
    ("[.[]|rtrimstr(\"foo\")]", r#"["fo", "foo", "barfoo", "foobar", "foob"]"#),
    ("explode", r#""foobar""#),
    ("implode", "[65, 66, 67]"),
    ("split(\", \")", r#""a, b,c,d, e, ""#),
    ("join(\", \")", r#"["a","b,c,d","e"]"#),
    ("join(\" \")", r#"["a",1,2.3,true,null,false]"#),
    ("[.[]|tojson]", r#"[1, "foo", ["foo"]]"#),
    ("[.[]|tojson|fromjson]", r#"[1, "foo", ["foo"]]"#),
    ("[while(.<100; .*2)]", "1"),
    ("[.,1]|until(.[0] < 1; [.[0] - 1, .[1] * .[0]])|.[1]", "4"),
    ("[.[]|[recurse(if . < 3 then .+1 else empty end)]]", "[0, 2]"),
    ("recurse(.foo[])", r#"{"foo":[{"foo": []}, {"foo":[{"foo":[]}]}]}"#),
    ("recurse", r#"{"a":0,"b":[1]}"#),
    ("recurse(. * .; . < 20)", "2"),
    ("transpose", "[[1], [2,3]]"),
    ("bsearch(0)", "[0,1]"),
    ("bsearch(4)", "[1,2,3]"),
    ("\"The input was \\(.), which is one less than \\(.+1)\"", "42"),
    ("@html", r#""This works if x < y""#),
    ("@sh \"echo \\(.)\"", r#""O'Hara's Ale""#),
    ("@base64", r#""This is a message""#),
    ("@base64d", r#""VGhpcyBpcyBhIG1lc3NhZ2U=""#),
    ("@csv", r#"[1, "a\"b", null, true]"#),
    ("@tsv", r#"[1, "a\tb", null, true]"#),
    ("@uri", r#""what?&ü""#),
    ("@json \"x: \\(.)\"", "[1, \"a\"]"),
    ("fromdate", r#""2015-03-05T23:51:47Z""#),
    ("todate", "1425599621"),
    ("strptime(\"%Y-%m-%dT%H:%M:%SZ\")|mktime", r#""2015-03-05T23:51:47Z""#),
    (".[] == 1", r#"[1, 1.0, "1", "banana"]"#),
    ("[true, false | (true, false) as $y | . and $y]", "null"),
    ("if . == 0 then \"zero\" elif . == 1 then \"one\" else \"many\" end", "2"),
    (". < 5", "2"),
    ("42 and \"a string\"", "null"),
    ("(true, false) or false", "null"),
    ("[true, false | not]", "null"),
    (".foo // 42", r#"{"foo": 19}"#),
    (".foo // 42", "{}"),
    ("(false, null, 1) // 42", "null"),
    ("try .a catch \". is not an object\"", "true"),
    ("[.[]|try .a]", r#"[{}, true, {"a":1}]"#),
    ("[.[]|(.a)?]", r#"[{}, true, {"a":1}]"#),
    ("[.[]|tonumber?]", r#"["1", "invalid", "3", 4]"#),
    ("test(\"foo\")", r#""foo""#),
    (".[] | test(\"a b c # spaces are ignored\"; \"ix\")", r#"["xabcd", "ABC"]"#),
    ("match(\"(abc)+\"; \"g\")", r#""abc abc""#),
    ("match(\"foo\")", r#""foo bar foo""#),
    ("match(\"foo (?<bar123>bar)? foo\"; \"ig\")", r#""foo bar foo foo  foo""#),
    ("[ match(\".\"; \"g\")] | length", r#""abc""#),
    ("capture(\"(?<a>[a-z]+)-(?<n>[0-9]+)\")", r#""xyzzy-14""#),
    ("[scan(\"c\")]", r#""abcdefabc""#),
    ("split(\", *\"; null)", r#""ab,cd, ef""#),
    ("[splits(\", *\")]", r#""ab,cd,   ef, gh""#),
    ("sub(\"[^a-z]*(?<x>[a-z]+)\"; \"Z\\(.x)\"; \"g\")", r#""123abc456def""#),
    ("gsub(\"(?<d>\\\\d)\"; \":\\(.d);\")", r#""a1b2""#),
    ("ascii_downcase, ascii_upcase", r#""aBc""#),
    (".bar as $x | .foo | . + $x", r#"{"foo":10, "bar":200}"#),
    (". as $i|[(.*2|. as $i| $i), $i]", "5"),
    (". as [$a, $b, {c: $c}] | $a + $b + $c", r#"[2, 3, {"c": 4, "d": 5}]"#),
    (".[] as [$a, $b] | {a: $a, b: $b}", "[[0], [0, 1], [2, 1, 0]]"),
    ("def addvalue(f): . + [f]; map(addvalue(.[0]))", "[[1,2],[10,20]]"),
    ("def addvalue(f): f as $x | map(. + $x); addvalue(.[0])", "[[1,2],[10,20]]"),
    ("isempty(empty)", "null"),
    ("[limit(3;.[])]", "[0,1,2,3,4,5,6,7,8,9]"),
    ("[first(range(.)), last(range(.)), nth(./2; range(.))]", "10"),
    ("[range(.)]|[first, last, nth(5)]", "10"),
    ("reduce .[] as $item (0; . + $item)", "[10,2,5,3]"),
    ("[foreach .[] as $item (0; . + $item; [$item, . * 2])]", "[1,2,3]"),
    ("def range_(from; upto): def r: if . < upto then ., (.+1 | r) else empty end; from | r; [range_(0;4)]", "null"),
    ("[label $out | .[] | if . == 1 then break $out else . end]", "[5, 1, 3]"),
    ("[.[]|walk(if type == \"array\" then sort else . end)]", "[[[4, 1, 7], [8, 5, 2], [3, 6, 9]]]"),
    ("(..|select(type==\"boolean\")) |= not", "[true,false,[5,true,[true,[false]],false]]"),
    (".foo |= .+1", r#"{"foo": 42}"#),
    (".foo += 1", r#"{"foo": 42}"#),
    (".a = .b", r#"{"a": {"b": 10}, "b": 20}"#),
    (".a |= .b", r#"{"a": {"b": 10}, "b": 20}"#),
    ("(.a, .b) = range(3)", "null"),
    ("(.a, .b) |= 7", "null"),
    (".[0].a |= \"old\\(.)\"", r#"[{"a": 1, "b": 2}]"#),
    ("[.[] | splits(\"a\")]", r#"["bab", "c"]"#),
    ("tostream", r#"{"a":[1,{"b":2}]}"#),
    ("[leaf_paths]", r#"[1,[[],{"a":2}]]"#),
    ("ascii", "65"),
    ("[.[] | round, ceil, fabs]", "[1.5, -2.5]"),
    ("pow(2; 10), log2", "8"),
    ("env | type", "null"),
    ("input_line_number", "null"),
    ("$__prog_args", "null"),
    ("splits(\"a+\"; null)", r#""xaay""#),
    ("getpath([\"a\",0,\"b\"])", r#"{"a":[{"b":5}]}"#),
    ("limit(0; 1, 2)", "null"),
    ("ltrimstr(1)", r#""1a""#),
    ("todate | fromdate", "1425599621"),
    ("@text", "[1, null]"),
    ("tojson", "[1.0, 1e2]"),
    ("min_by(.a), max_by(.a)", "[]"),
    (". as {a: $x, b: [$y, $z]} | $x, $y, $z", r#"{"a":1,"b":[2,3]}"#),
    ("[.[] as [$a] ?// $a | $a]", "[[3], 4]"),
];

/// Examples whose outcome is another one, with the reason.
const DIFFER: &[(&str, &str)] = &[
    (".[] | (1 / .)?", "jaq divides by zero as floats do; infinity is no JSON and null"),
    ("del(.[1, 2])", "jaq deletes one path after the other, and so moves what is behind; fails"),
    ("setpath([\"a\",\"b\"]; 1)", "jaq makes no objects out of null when it updates"),
    ("(.a, .b) = range(3)", "the same"),
    ("(.a, .b) |= 7", "the same"),
    ("try error(\"\\($__loc__)\") catch .", "there is no `$__loc__`"),
    ("match(\"(abc)+\"; \"g\")", "jaq leaves the name of a group out where it has none"),
    ("match(\"foo (?<bar123>bar)? foo\"; \"ig\")", "jaq leaves groups out that took no part"),
    ("env | type", "a program sees the reply and nothing else"),
    ("input_line_number", "the same"),
    ("limit(0; 1, 2)", "jq 1.6 gives one output too many; 1.7 does as ours"),
    ("ltrimstr(1)", "jaq takes text alone"),
    ("tojson", "digits stay as they were written"),
    ("[.[] as [$a] ?// $a | $a]", "jaq has no alternative patterns"),
];

/// What jq prints, a line for each output; an error ends them.
fn theirs(source: &str, input: &str) -> Vec<Value> {
    let mut child = Command::new("jq")
        .args(["-c", source])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut values: Vec<Value> = text.lines().map(|line| plain(&serde_json::from_str(line).unwrap())).collect();
    values.extend((!output.status.success()).then(|| Value::from("fails")));
    values
}

/// What ours gives; an error stands alone, since an attempt that fails has no value.
fn ours(source: &str, input: &str) -> Vec<Value> {
    let Ok(program) = Program::compile(source) else { return vec![Value::from("fails")] };
    match program.run(&serde_json::from_str(input).unwrap()) {
        Ok(values) => values.iter().map(plain).collect(),
        Err(_) => vec![Value::from("fails")],
    }
}

/// Numbers as jq 1.6 has them, members in one order: `1.0` and `1` are one number.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().map_or(String::new(), |float| format!("number {float}"))),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().collect())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a skip is told, and CI looks for it")]
fn examples_of_the_manual_are_as_jq_has_them() {
    if Command::new("jq").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: there is no jq (Debian: apt install jq)");
        return;
    }
    let (mut wrong, mut same) = (Vec::new(), Vec::new());
    for (source, input) in EXAMPLES {
        let (theirs, ours) = (theirs(source, input), ours(source, input));
        let failed = theirs.last() == Some(&Value::from("fails")) && ours == [Value::from("fails")];
        let known = DIFFER.iter().find(|(known, _)| known == source);
        match (failed || theirs == ours, known) {
            // What one version of jq has otherwise, another has as ours.
            (true, Some((_, why))) if !why.contains("jq 1.6") => same.push(source),
            (false, None) => wrong.push(format!("{source}  {input}\n  jq   {theirs:?}\n  ours {ours:?}")),
            (true, _) | (false, Some(_)) => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), EXAMPLES.len(), wrong.join("\n"));
    assert!(same.is_empty(), "these are the same now: {same:?}");
}
