//! `jq`: a jq program over a JSON reply.
//!
//! One output is the value itself, several are an array, none is null. A program that loops or recurses can't hang
//! the run or eat its memory: its steps, its outputs, the depth of its recursion and the bytes it makes are bounded.
//! What one step does inside of jaq is not: comparing two large values (`==`, `<`, `contains`, `has`, `bsearch`,
//! `min_by`, `unique`) takes as long as they are large, however often it is done. It sees the reply and nothing else:
//! there is no environment, no clock, no further input and no file.

mod meter;
mod natives;
mod program;
mod rewrite;
mod survey;
mod values;
mod wrapped;

#[cfg(test)]
mod manual;
#[cfg(test)]
mod names;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use super::{ExtractError, ExtractKind, Extractor, Need, Written};
use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::template::{Context, Scope};

use program::{Flaw, Program};

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: ExtractKind = ExtractKind {
    name: "jq",
    doc: "a jq program over a JSON reply; several outputs are an array, none is null",
    example: "shape = { jq = \".tags | length\" }",
    schema: |_| {
        schemars::json_schema!({
            "type": "string",
            "description": "A jq program.",
            "minLength": 1,
            "examples": [".items | length"]
        })
    },
    compile,
};

const HELP: &str =
    "a program is written as `.items | length` or `[.items[].id]`; jq's manual is at https://jqlang.org/manual";

#[derive(Debug)]
struct Jq {
    program: Program,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, written: &Written<'_>, _scope: &Scope) -> Option<Arc<dyn Extractor>> {
    let source = written.text(site, path, "a jq program", HELP)?;
    match Program::compile(source) {
        Ok(program) => Some(Arc::new(Jq { program })),
        Err(flaws) => {
            for Flaw { message, range, help } in flaws {
                let place = site.document.place_in_string(path, range);
                let diagnostic = Diagnostic::error(codes::EXTRACT_SYNTAX, message).at(place, "").help(help);
                site.diagnostics.push(diagnostic);
            }
            None
        }
    }
}

impl Extractor for Jq {
    fn is_slow(&self) -> bool {
        true
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        format!("jq {}", self.program.source())
    }

    fn needs(&self) -> Need<'_> {
        Need::Whole
    }

    fn extract(&self, _context: &Context<'_>, item: &Value) -> Result<Value, ExtractError> {
        let mut outputs = self.program.run(item).map_err(|message| ExtractError { message })?;
        Ok(match outputs.len() {
            0 => Value::Null,
            1 => outputs.remove(0),
            _ => outputs.into(),
        })
    }
}
