//! RFC 9535's compliance suite (`tests/vectors/README.md`).

use serde_json::Value;
use serde_json_path::JsonPath;

use super::{Query, steps};

#[derive(serde::Deserialize)]
struct Suite {
    tests: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    selector: String,
    document: Option<Value>,
    result: Option<Vec<Value>>,
    results: Option<Vec<Vec<Value>>>,
    #[serde(default)]
    invalid_selector: bool,
}

/// Cases that do not pass, with the reason.
const DIFFER: &[(&str, &str)] = &[];

impl Case {
    fn passes(&self) -> Result<(), String> {
        let path = match (JsonPath::parse(&self.selector), self.invalid_selector) {
            (Ok(path), false) => path,
            (Err(_), true) => return Ok(()),
            (Ok(_), true) => return Err("it parses".to_owned()),
            (Err(error), false) => return Err(error.to_string()),
        };
        let document = self.document.clone().unwrap_or_default();
        let found: Vec<Value> = path.query(&document).all().into_iter().cloned().collect();
        let allowed: Vec<&Vec<Value>> = self.result.iter().chain(self.results.iter().flatten()).collect();
        if !allowed.contains(&&found) {
            return Err(format!("{found:?}"));
        }
        // Ours takes one match for itself.
        let ours = steps(&self.selector).map_or(Query::Path(path), Query::Steps).find(&document);
        let taken = match found.as_slice() {
            [] => Value::Null,
            [one] => one.clone(),
            many => many.to_vec().into(),
        };
        if ours == taken { Ok(()) } else { Err(format!("a column has {ours}")) }
    }
}

#[test]
fn the_compliance_suite_passes() {
    let suite: Suite = serde_json::from_str(include_str!("../../../tests/vectors/jsonpath-compliance.json")).unwrap();
    assert!(suite.tests.len() > 700, "{}", suite.tests.len());
    let known = |name: &str| DIFFER.iter().any(|(known, _)| *known == name);
    let (mut wrong, mut mended) = (Vec::new(), Vec::new());
    for case in &suite.tests {
        match case.passes() {
            Ok(()) if known(&case.name) => mended.push(&case.name),
            Err(why) if !known(&case.name) => wrong.push(format!("{}: {}: {why}", case.name, case.selector)),
            Ok(()) | Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), suite.tests.len(), wrong.join("\n"));
    assert!(mended.is_empty(), "these pass now: {mended:?}");
}
