//! References within a document (`$ref`), followed by their JSON pointers (RFC 6901).
//!
//! Must never follow one out of the document, nor round in a circle.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Most references that lead from one to the next.
const MOST: usize = 32;

/// What a value refers to, or the value itself; a reference that leads nowhere stays what it is.
pub(super) fn followed<'v>(root: &'v Value, value: &'v Value) -> &'v Value {
    let mut value = value;
    for _ in 0..MOST {
        let Some(next) = value.get("$ref").and_then(Value::as_str).and_then(|to| find(root, to)) else { break };
        value = next;
    }
    value
}

/// Where a reference leads that [`followed`] could not follow.
pub(super) fn lost(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str)
}

fn find<'v>(root: &'v Value, reference: &str) -> Option<&'v Value> {
    let pointer = percent_decode_str(reference.strip_prefix('#')?).decode_utf8().ok()?;
    root.pointer(&pointer)
}
