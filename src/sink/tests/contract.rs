//! What every row of [`KINDS`] promises.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{FILES, Target, plan};
use crate::sink::{KINDS, OnExisting};
use crate::source::unpack::packing_of;

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
    assert_eq!(
        names,
        HashSet::from(["csv", "json", "jsonl", "parquet", "postgres", "s3", "sqlite", "stdout", "webhook"])
    );
}

#[test]
fn examples_are_toml_and_valid_by_their_schema() {
    for kind in KINDS {
        let table: toml::Table = kind.example.parse().unwrap();
        let example = serde_json::to_value(&table["sinks"]["out"][kind.name]).unwrap();
        let mut generator = schemars::SchemaGenerator::default();
        let mut schema = Value::from((kind.schema)(&mut generator));
        assert!(schema.is_object(), "{}", kind.name);
        schema["$defs"] = Value::Object(generator.take_definitions(true));
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&example), "{}: {example} is not valid by {schema}", kind.name);
        assert!(!validator.is_valid(&Value::Bool(true)), "{}: the schema says nothing", kind.name);
    }
}

#[test]
fn a_path_must_name_a_file() {
    for path in ["", "out/", "..", "out/.."] {
        assert!(Target::decide(&json!({"path": path}), None, |path| path.into()).is_err(), "{path:?}");
    }
    assert!(Target::decide(&json!({"path": "out/x.csv"}), None, |path| path.into()).is_ok());
}

#[test]
fn kinds_with_files_of_text_pack_them() {
    for kind in KINDS {
        assert!(!kind.packs || !kind.endings.is_empty(), "{}", kind.name);
        assert_eq!(kind.packs, kind.doc.contains("packed for"), "{}: people look there", kind.name);
    }
    for file in FILES {
        let packing = packing_of(file).map_or(String::new(), |packing| format!("{}, ", packing.name()));
        let words = format!(", {packing}must not exist)");
        assert!(plan(Path::new(file), OnExisting::Error).describe().ends_with(&words), "{file}");
    }
}

#[test]
fn identity_is_as_written_and_description_as_reached() {
    let plan = plan(Path::new("jobs/x.csv"), OnExisting::Replace);
    assert_eq!(plan.identity(), "csv x.csv");
    assert_eq!(plan.describe(), "jobs/x.csv (csv, replaces what exists)");
    assert_eq!(plan.path(), Some(Path::new("jobs/x.csv")));
}
