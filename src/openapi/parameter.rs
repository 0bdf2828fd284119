//! Parameters, as far as a job can send them: what other styles of writing them want is put into names and before
//! values, and said where a job can't.

use serde_json::Value;

use super::operation::{content, example, is_json};
use super::shape::Shape;
use super::{Kind, Parameter, Spot, one_line};

/// Most members of an object that is spread over parameters, of which none must be there.
const MOST_SPREAD: usize = 8;

/// A parameter of a document; an object in brackets is several.
pub(super) fn of(root: &Value, written: &Value, notes: &mut Vec<String>) -> Vec<Parameter> {
    let Some(parameter) = read(root, written) else { return Vec::new() };
    let style = written["style"].as_str().unwrap_or_default();
    if style == "deepObject" && !parameter.shape.members().is_empty() {
        return spread(&parameter);
    }
    if parameter.required && parameter.spot != Spot::Path {
        notes.extend(note(&parameter, written));
    }
    vec![parameter]
}

fn read(root: &Value, written: &Value) -> Option<Parameter> {
    let spot = match written["in"].as_str()? {
        "path" => Spot::Path,
        "query" => Spot::Query,
        "header" => Spot::Header,
        "cookie" => Spot::Cookie,
        _ => return None,
    };
    let name = written["name"].as_str().filter(|name| !name.is_empty())?.to_owned();
    // Of Swagger 2.0, the parameter is the schema itself.
    let schema = written.get("schema").or_else(|| Some(&content(written)?.1["schema"])).unwrap_or(written);
    let mut shape = Shape::of(root, schema);
    let given = example(root, written).or_else(|| example(root, content(written)?.1));
    if let Some(example) = given {
        shape = shape.sampled(example);
    }
    if is_text_of_json(written) {
        let sample = shape.sample.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        shape = Shape::text().sampled(&Value::String(sample.to_string()));
    }
    let before = match (spot, written["style"].as_str()) {
        (Spot::Path, Some("label")) => ".".to_owned(),
        (Spot::Path, Some("matrix")) => format!(";{name}="),
        _ => String::new(),
    };
    Some(Parameter {
        required: spot == Spot::Path || written["required"] == true,
        name,
        spot,
        is_given: false,
        before,
        shape,
    })
}

fn is_text_of_json(written: &Value) -> bool {
    written.get("schema").is_none() && content(written).is_some_and(|(media, _)| is_json(media))
}

/// `filter[a]=..&filter[b]=..`; of a parameter that must be there, what must be in it, or a few of its members.
fn spread(parameter: &Parameter) -> Vec<Parameter> {
    let members = parameter.shape.members();
    let has_required = members.iter().any(|member| member.required);
    let spread = members.iter().enumerate().filter(|(_, member)| !member.read_only).map(|(at, member)| Parameter {
        name: format!("{}[{}]", parameter.name, member.name),
        spot: parameter.spot,
        required: parameter.required && (member.required || (!has_required && at < MOST_SPREAD)),
        is_given: false,
        before: String::new(),
        shape: member.shape.clone(),
    });
    spread.collect()
}

/// What a job does not do by itself.
fn note(parameter: &Parameter, written: &Value) -> Option<String> {
    let name = one_line(&parameter.name);
    let between = match written["style"].as_str().unwrap_or_default() {
        "spaceDelimited" => "spaces",
        "pipeDelimited" => "|",
        _ => "commas",
    };
    match parameter.shape.kind {
        _ if is_text_of_json(written) => Some(format!("the parameter {name} is a text of JSON: write the whole of it")),
        Kind::List(_) if written["explode"] == false || between != "commas" => {
            Some(format!("the parameter {name} takes several values in one, with {between} between them"))
        }
        Kind::Object(_) => Some(format!("the parameter {name} is an object: write it as the API's manual says")),
        _ => None,
    }
}

/// Parameters that a server's URL says; they are as they are.
pub(super) fn of_server(query: Vec<(String, String)>) -> Vec<Parameter> {
    let fixed = |(name, value): (String, String)| {
        let mut shape = Shape::text().sampled(&Value::String(value.clone()));
        shape.choices = vec![Value::String(value)];
        Parameter { name, spot: Spot::Query, required: true, is_given: true, before: String::new(), shape }
    };
    query.into_iter().filter(|(name, _)| !name.is_empty()).map(fixed).collect()
}

/// Each once: headers are the same however they are written.
pub(super) fn keep_first(parameters: &mut Vec<Parameter>) {
    let mut known = std::collections::HashSet::new();
    parameters.retain(|parameter| {
        let is_header = parameter.spot == Spot::Header;
        let name = if is_header { parameter.name.to_lowercase() } else { parameter.name.clone() };
        known.insert((parameter.spot as u8, name))
    });
}
