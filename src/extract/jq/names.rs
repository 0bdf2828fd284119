//! What a program defines itself is what it says, whatever else has that name: ours beside jaq alone, which counts
//! nothing.

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars};
use jaq_json::Val;
use serde_json::{Value, json};

use super::program::Program;
use super::values::{of_json, to_json};

/// The outputs of jaq itself, the last of them null if it fails.
fn plain(source: &str, input: &Value) -> Vec<Value> {
    let arena = Arena::default();
    let library = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let modules = Loader::new(library).load(&arena, File { code: source, path: () }).unwrap();
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let filter = Compiler::default().with_funs(functions).compile(modules).unwrap();
    let context = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let outputs = filter.id.run((context, of_json(input)));
    outputs.map(|output| output.map_or(Value::Null, |value| to_json(&value))).collect()
}

#[test]
fn what_a_program_defines_hides_what_there_is() {
    let input = json!({"prev": 2, "items": [{"name": "x"}, {"name": "y"}], "list": [3, 1, 2]});
    for source in [
        "def matches(re; f): .items[] | select(f | test(re)); matches(\"x\"; .name)",
        "def matches(re; f): [re, f]; .items[] | matches(.name; .name, 1)",
        "def split_(a; b): a |= b; split_(.prev; 9)",
        "def split_matches(a; b): path(a, b); split_matches(.items[0]; .list)",
        "def reverse: .prev; reverse |= 1",
        "def sort: .list; [path(sort)], (sort[0] = 7)",
        "def sort_by(f): f |= 5; sort_by(.prev)",
        "def group_by(f): path(f); group_by(.items[1].name)",
        "def range(a; b; c): a, b, c; path(range(.prev; .items; .list))",
        "def tojson: .list; tojson |= 1",
        "def tobytes: .list; path(tobytes)",
        "def explode: .items[]; [path(explode)]",
        "def indices(f): f; path(indices(.prev))",
        "def path_value(f): f; path(path_value(.prev))",
        "def f(reverse): reverse |= 4; f(.prev)",
        "def f(sort; tojson): path(sort), (tojson += 1); f(.items; .prev)",
        "def f($sort): .list | sort, $sort; f(1)",
        "def f: def keys_unsorted: .prev; path(keys_unsorted); f, keys_unsorted",
        "def sort: .prev; .list | map(.) | unique",
        "def sort(f): .prev; .list | sort",
        "(def reverse: .prev; reverse = 1), (.list | reverse)",
        "def paceline_step: empty; def paceline_pass: empty; def paceline_add(a; b): 1; [.prev + 1 | .]",
        "1 as $paceline_with | .prev += $paceline_with | 2 as $paceline_counted | [., $paceline_counted]",
        "{prev} , (.prev as $x | {$x, (\"a\", \"b\"): $x}), {\"a\\(.prev)\": 1}",
        "[.list | .[0, 1] |= (., 5)], (.list | .[-1:] = [8, 9]), (.none //= .list)",
        ".list | sort, sort_by(-.), group_by(. > 1), reverse, tojson, indices(1), [range(0; 9; .[])]",
        ".items[].name | [match(\"x\", \"y\"; \"g\", \"i\").offset], explode, [splits(\"x\"; \"\", \"i\")]",
        "[path_value(.items[].name)], [to_entries[].key], (.items | map(has(\"name\")))",
        "[.. | numbers], (.. |= .), [paths]",
    ] {
        let ours = Program::compile(source).unwrap_or_else(|flaws| panic!("{source}: {flaws:?}")).run(&input);
        assert_eq!(
            json!(ours.unwrap_or_else(|why| panic!("{source}: {why}"))),
            json!(plain(source, &input)),
            "{source}"
        );
    }
}

#[test]
fn the_meter_has_no_name() {
    for source in ["paceline_step", "step", "paceline_put", "$paceline_counted", "$counted", "put", "passed"] {
        assert!(Program::compile(source).is_err(), "{source}");
    }
    for source in ["\"!step\"", ".\"!step\"", "{\"!step\": 1}.\"!step\""] {
        assert!(Program::compile(source).is_ok(), "{source}: a text is no name");
    }
    assert!(Program::compile("!step").is_err() && Program::compile("def !step: empty; 1").is_err());
    let looping = Program::compile("def paceline_step: empty; def paceline_main: 1; def f: f; f").unwrap();
    assert!(looping.run(&Value::Null).unwrap_err().contains("steps"));
}
