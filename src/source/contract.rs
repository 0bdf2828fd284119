//! What every row of [`KINDS`] promises.

use std::collections::HashSet;

use serde_json::Value;

use super::KINDS;

#[test]
fn names_and_endings_are_unique() {
    let mut names = HashSet::new();
    let mut endings = HashSet::new();
    for kind in KINDS {
        assert!(names.insert(kind.name), "{}", kind.name);
        assert!(!kind.doc.is_empty() && !kind.doc.ends_with('.') && !kind.doc.contains('\n'), "{}", kind.name);
        for ending in kind.endings {
            assert!(endings.insert(*ending) && !ending.starts_with('.'), "{ending}");
        }
    }
    let known = ["csv", "endpoint", "glob", "json", "jsonl", "parquet", "product", "range", "sql", "stdin", "values"];
    assert_eq!(names, HashSet::from(known));
}

#[test]
fn examples_are_toml_and_valid_by_their_schema() {
    for kind in KINDS {
        let table: toml::Table = kind.example.parse().unwrap();
        let example = serde_json::to_value(&table["input"][kind.name]).unwrap();
        let mut generator = schemars::SchemaGenerator::default();
        let mut schema = Value::from((kind.schema)(&mut generator));
        // What it refers to, if it does.
        schema["$defs"] = generator.take_definitions(true).into();
        assert!(schema.is_object(), "{}", kind.name);
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&example), "{}: {example} is not valid by {schema}", kind.name);
        assert!(!validator.is_valid(&Value::Bool(true)), "{}: the schema says nothing", kind.name);
    }
}
