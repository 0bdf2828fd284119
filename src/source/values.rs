//! `input.values`: rows written in the job file itself.
//!
//! Must never guess a value that a row does not have: a missing column is missing.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::problem::{Problem, settle, spec};
use super::{Columns, Read, Source, SourceError, SourceKind, SourcePlan};
use crate::row::{Fields, Header, Row};

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "values",
    doc: "rows written in the job file, an array of tables",
    example: r#"input.values = [ { sku = "A1" }, { sku = "B2" } ]"#,
    endings: &[],
    reads_packed: false,
    schema: |_| {
        schemars::json_schema!({
            "description": "Rows, a table each.",
            "type": "array",
            "items": { "type": "object", "additionalProperties": true, "examples": [{ "sku": "A1" }] },
            "minItems": 1,
        })
    },
    compile: |site, path, value| settle(site, path, decide(value)),
};

/// Values, decided.
#[derive(Debug)]
pub(super) struct ValuesPlan {
    rows: Arc<[Map<String, Value>]>,
    header: Arc<Header>,
}

fn decide(value: &Value) -> Result<ValuesPlan, Problem> {
    let rows: Vec<Map<String, Value>> = spec(value)?;
    if rows.is_empty() {
        return Err(Problem::value(None, "there is no row in it", r#"for example `values = [{ sku = "A1" }]`"#));
    }
    // The columns of all rows, so that a name that no row has is found before the run.
    let mut seen = HashSet::new();
    let names = rows.iter().flat_map(Map::keys).filter(|name| seen.insert(name.as_str())).cloned().collect();
    let header = Arc::new(Header::new(names));
    Ok(ValuesPlan { rows: rows.into(), header })
}

impl SourcePlan for ValuesPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let plural = if self.rows.len() == 1 { "" } else { "s" };
        format!("{} row{plural} in the job file (values)", self.rows.len())
    }

    fn columns(&self) -> Columns {
        Columns::Known(Arc::clone(&self.header))
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(self.quick_count())
    }

    fn quick_count(&self) -> Option<u64> {
        Some(self.rows.len() as u64)
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        let mut hasher = crc32fast::Hasher::new();
        for row in self.rows.iter() {
            let text = serde_json::to_string(row).map_err(|error| SourceError::new(error.to_string()))?;
            hasher.update(text.as_bytes());
            hasher.update(b"\n");
        }
        Ok(Some(format!("values, {} rows, content {:08x}", self.rows.len(), hasher.finalize())))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(Values { rows: Arc::clone(&self.rows), position: 0 }))
    }
}

/// Values being read.
struct Values {
    rows: Arc<[Map<String, Value>]>,
    position: usize,
}

impl Source for Values {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        let Some(map) = self.rows.get(self.position) else { return Ok(None) };
        let row = Row { ordinal: self.position as u64, line: 0, fields: Fields::Object(map.clone()) };
        self.position += 1;
        Ok(Some(Read::Row(row)))
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        self.position = self.position.saturating_add(usize::try_from(rows).unwrap_or(usize::MAX));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_come_as_written() {
        let plan = decide(&json!([{"b": 1}, {"a": "x", "b": null}, {}])).unwrap();
        assert!(matches!(plan.columns(), Columns::Known(header) if header.names() == ["b", "a"]));
        assert_eq!(plan.count().unwrap(), Some(3));
        let mut source = plan.open().unwrap();
        source.skip(1).unwrap();
        let Some(Read::Row(row)) = source.next().unwrap() else { panic!("no row") };
        assert_eq!((row.ordinal, Value::Object(row.to_object())), (1, json!({"a": "x", "b": null})));
        assert_eq!(source.next().unwrap().map(|read| read.ordinal()), Some(2));
        assert_eq!(source.next().unwrap(), None);
        source.skip(u64::MAX).unwrap();
        assert_eq!(source.next().unwrap(), None);
    }

    #[test]
    fn identity_is_the_content() {
        let identity = |value: Value| decide(&value).unwrap().identity().unwrap().unwrap();
        assert_eq!(identity(json!([{"a": 1}])), identity(json!([{"a": 1}])));
        assert_ne!(identity(json!([{"a": 1}])), identity(json!([{"a": 2}])));
        assert_ne!(identity(json!([{"a": 1}])), identity(json!([{"a": "1"}])));
    }

    #[test]
    fn nothing_and_no_tables_are_refused() {
        assert_eq!(decide(&json!([])).unwrap_err().message, "there is no row in it");
        assert!(decide(&json!([1])).unwrap_err().message.contains("right shape"));
    }
}
