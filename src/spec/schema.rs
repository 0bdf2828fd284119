//! The JSON Schema of the language, draft-07, generated from the spec types and the `KINDS` tables.
//!
//! Cleaned for editors: no null (TOML has none), no `oneOf`, no formats of numbers. Must stay the one
//! source of structure: the shape check reads this very schema.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::job::JobSpec;
use super::kind::EXACTLY_ONE;

/// Name of the definition of a partial job, which a profile is.
pub const PROFILE: &str = "PartialJob";

static SCHEMA: LazyLock<Value> = LazyLock::new(generate);

/// The schema of a job file.
#[must_use]
pub fn schema() -> &'static Value {
    &SCHEMA
}

fn generate() -> Value {
    let mut root = SchemaSettings::draft07().into_generator().into_root_schema_for::<JobSpec>().to_value();
    clean(&mut root);
    let names = lists_of_names(&root);
    join_parts(&mut root, &names);
    if let Some(root) = root.as_object_mut() {
        add_profiles(root);
        head_first(root);
    }
    root
}

/// What the schema is, before what it says.
fn head_first(root: &mut Map<String, Value>) {
    root.insert("x-tombi-toml-version".to_owned(), "v1.0.0".into());
    let heads = ["$schema", "title", "description", "x-tombi-toml-version"];
    let mut ordered: Map<String, Value> =
        heads.iter().filter_map(|head| root.shift_remove(*head).map(|value| ((*head).to_owned(), value))).collect();
    ordered.append(root);
    *root = ordered;
}

/// Keywords whose value is a schema.
const SCHEMA_KEYWORDS: &[&str] = &["items", "additionalProperties", "propertyNames", "not", "contains"];
/// Keywords whose value is a list of schemas.
const LIST_KEYWORDS: &[&str] = &["anyOf", "allOf", "oneOf"];
/// Keywords whose value is a table of schemas.
const TABLE_KEYWORDS: &[&str] = &["properties", "definitions", "patternProperties"];

/// Visits the schemas directly below one.
fn children(schema: &mut Map<String, Value>, visit: &mut dyn FnMut(&mut Value)) {
    for (keyword, value) in schema.iter_mut() {
        match value {
            Value::Array(list) if LIST_KEYWORDS.contains(&keyword.as_str()) => list.iter_mut().for_each(&mut *visit),
            Value::Object(table) if TABLE_KEYWORDS.contains(&keyword.as_str()) => {
                table.values_mut().for_each(&mut *visit);
            }
            _ if SCHEMA_KEYWORDS.contains(&keyword.as_str()) => visit(value),
            _ => {}
        }
    }
}

fn clean(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    children(object, &mut clean);
    drop_null_type(object);
    drop_number_format(object);
    join_constants(object);
    if let Some(alternatives) = object.shift_remove("oneOf") {
        object.insert("anyOf".to_owned(), alternatives);
    }
    drop_null_alternative(object);
    if object.get("default").is_some_and(Value::is_null) {
        object.shift_remove("default");
    }
}

fn drop_null_type(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [single] = types.as_slice() {
            let single = single.clone();
            schema.insert("type".to_owned(), single);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

fn drop_number_format(schema: &mut Map<String, Value>) {
    if matches!(schema.get("type").and_then(Value::as_str), Some("integer" | "number")) {
        schema.shift_remove("format");
    }
}

/// A `oneOf` of constants (variants with docs) becomes one `enum`.
fn join_constants(schema: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = schema.get("oneOf") else { return };
    let values = |variant: &Value| match (variant.get("const"), variant.get("enum")) {
        (Some(constant), _) => Some(vec![constant.clone()]),
        (None, Some(Value::Array(values))) => Some(values.clone()),
        (None, _) => None,
    };
    let Some(joined) = variants.iter().map(values).collect::<Option<Vec<_>>>() else { return };
    let joined = joined.concat();
    schema.shift_remove("oneOf");
    if joined.iter().all(Value::is_string) {
        schema.insert("type".to_owned(), "string".into());
    }
    schema.insert("enum".to_owned(), joined.into());
}

fn drop_null_alternative(schema: &mut Map<String, Value>) {
    let Some(Value::Array(mut alternatives)) = schema.shift_remove("anyOf") else { return };
    alternatives.retain(|alternative| alternative.get("type").and_then(Value::as_str) != Some("null"));
    if alternatives.len() > 1 {
        schema.insert("anyOf".to_owned(), alternatives.into());
    } else if schema.is_empty() {
        if let Some(Value::Object(only)) = alternatives.pop() {
            *schema = only;
        }
    } else {
        schema.insert("allOf".to_owned(), alternatives.into());
    }
}

/// Definitions that are nothing but a list of names to choose from.
fn lists_of_names(root: &Value) -> Map<String, Value> {
    let definitions = root.get("definitions").and_then(Value::as_object).cloned().unwrap_or_default();
    definitions.into_iter().filter(|(_, definition)| definition.get("enum").is_some()).collect()
}

/// An `allOf` of one part that has no keys of its own is joined with what stands around it, which wins. Taplo's
/// completion does not end where such a part leads to no table: its language server is gone then.
fn join_parts(schema: &mut Value, names: &Map<String, Value>) {
    let Some(object) = schema.as_object_mut() else { return };
    children(object, &mut |child| join_parts(child, names));
    let Some([Value::Object(part)]) = object.get("allOf").and_then(Value::as_array).map(Vec::as_slice) else { return };
    let part = match referred(part) {
        Some(name) => names.get(&name).and_then(Value::as_object).cloned(),
        None => Some(part.clone()),
    };
    if let Some(part) = part {
        object.shift_remove("allOf");
        for (keyword, value) in part {
            object.entry(keyword).or_insert(value);
        }
    }
}

/// Adds the definition of a partial job and points `profiles` at it.
fn add_profiles(root: &mut Map<String, Value>) {
    let mut partials = Map::new();
    let definitions = root.get("definitions").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, definition) in &definitions {
        if demands(definition, &definitions) {
            partials.insert(partial_name(name), partial(definition.clone(), &definitions));
        }
    }
    let mut job = json!({ "type": "object", "additionalProperties": false });
    let description = "What `--profile` lays over the file: a job without what a job must have.";
    job["description"] = description.into();
    job["properties"] = root.get("properties").cloned().unwrap_or_default();
    let mut job = partial(job, &definitions);
    if let Some(properties) = job.get_mut("properties").and_then(Value::as_object_mut) {
        properties.shift_remove("profiles");
    }
    partials.insert(PROFILE.to_owned(), job);
    if let Some(Value::Object(known)) = root.get_mut("definitions") {
        known.extend(partials);
    }
    if let Some(profiles) = root.get_mut("properties").and_then(|properties| properties.get_mut("profiles")) {
        profiles["additionalProperties"] = json!({ "$ref": format!("#/definitions/{PROFILE}") });
    }
}

fn partial_name(name: &str) -> String {
    format!("Partial{name}")
}

const DEMANDS: &[&str] = &["required", "minProperties", EXACTLY_ONE];

/// Whether a schema, or one it refers to, demands a key.
fn demands(schema: &Value, definitions: &Map<String, Value>) -> bool {
    demands_beyond(schema, definitions, &mut Vec::new())
}

/// As [`demands`], without the definitions that were looked at: a schema may refer to itself.
fn demands_beyond(schema: &Value, definitions: &Map<String, Value>, seen: &mut Vec<String>) -> bool {
    let mut copy = schema.clone();
    let Some(object) = copy.as_object_mut() else { return false };
    let mut found = DEMANDS.iter().any(|keyword| object.contains_key(*keyword));
    if let Some(name) = referred(object).filter(|name| !seen.contains(name)) {
        seen.push(name.clone());
        found |= definitions.get(&name).is_some_and(|it| demands_beyond(it, definitions, seen));
    }
    children(object, &mut |child| found = found || demands_beyond(child, definitions, seen));
    found
}

fn referred(schema: &Map<String, Value>) -> Option<String> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/definitions/").map(str::to_owned)
}

/// A schema without what it demands, pointing at partial definitions where those demanded something.
fn partial(mut schema: Value, definitions: &Map<String, Value>) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.shift_remove("required");
        object.shift_remove("minProperties");
        if let Some(name) = referred(object)
            && definitions.get(&name).is_some_and(|definition| demands(definition, definitions))
        {
            object.insert("$ref".to_owned(), format!("#/definitions/{}", partial_name(&name)).into());
        }
        children(object, &mut |child| *child = partial(std::mem::take(child), definitions));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema of the tree, with the way to it.
    fn each(schema: &mut Value, visit: &mut dyn FnMut(&Map<String, Value>)) {
        if let Some(object) = schema.as_object_mut() {
            visit(object);
            children(object, &mut |child| each(child, visit));
        }
    }

    #[test]
    fn editors_are_spared_null_and_one_of() {
        let mut seen = 0;
        each(&mut schema().clone(), &mut |schema| {
            seen += 1;
            assert!(!schema.contains_key("oneOf"), "{schema:?}");
            assert_ne!(schema.get("type").and_then(Value::as_str), Some("null"), "{schema:?}");
        });
        assert!(seen > 100, "only {seen} schemas seen");
    }

    #[test]
    fn a_single_part_is_a_reference_to_a_table_or_to_alternatives() {
        let definitions = schema()["definitions"].as_object().unwrap();
        let mut seen = 0;
        each(&mut schema().clone(), &mut |schema| {
            for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                let name = referred(part.as_object().unwrap()).unwrap_or_else(|| panic!("not joined: {schema:?}"));
                let target = &definitions[&name];
                assert!(target.get("properties").is_some() || target.get("anyOf").is_some(), "{name}: {target}");
                seen += 1;
            }
        });
        assert!(seen > 20, "only {seen} parts");
    }

    #[test]
    fn every_key_is_described() {
        each(&mut schema().clone(), &mut |schema| {
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                assert!(property.get("description").is_some(), "`{name}` has no description: {property}");
            }
        });
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let definitions = schema()["definitions"].as_object().unwrap();
        each(&mut schema().clone(), &mut |schema| {
            if let Some(name) = referred(schema) {
                assert!(definitions.contains_key(&name), "{name}");
            }
        });
    }

    #[test]
    fn a_profile_demands_nothing() {
        let definitions = schema()["definitions"].as_object().unwrap();
        let partial_job = &definitions[PROFILE];
        let endpoint = &definitions["PartialEndpointSpec"];
        assert!(partial_job.get("required").is_none() && endpoint.get("required").is_none());
        assert!(partial_job["properties"].get("profiles").is_none());
        assert!(definitions["EndpointSpec"].get("required").is_some());
    }

    #[test]
    fn it_is_a_valid_schema() {
        let validator = jsonschema::draft7::new(schema()).unwrap();
        let smallest = json!({ "endpoints": { "a": { "url": "demo:/x", "input": "a.csv" } } });
        assert!(validator.is_valid(&smallest));
        assert!(!validator.is_valid(&json!({ "endpoint": {} })));
        let profile = json!({ "profiles": { "ci": { "endpoints": { "a": { "concurrency": 1 } } } } });
        let mut with_profile = smallest.clone();
        with_profile.as_object_mut().unwrap().extend(profile.as_object().unwrap().clone());
        assert!(validator.is_valid(&with_profile));
    }
}
