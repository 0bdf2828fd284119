//! `input.json`: the objects of an array in a JSON file, types kept.
//!
//! The array is the whole file or stands in an object, below the names in `at`. Must never read a file into
//! memory: it may be of any size, only its elements have a cap.

mod reader;
mod scan;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::file::{self, Text};
use super::problem::{Problem, settle, spec};
use super::unpack::Packing;
use super::{Columns, Source, SourceError, SourceKind, SourcePlan};
use crate::diagnostic::did_you_mean;

use reader::Missing;
pub(super) use reader::Reader;

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "json",
    doc: "rows of an array of objects in a JSON file",
    example: r#"input.json = { path = "products.json", at = "items" }"#,
    endings: &["json"],
    reads_packed: true,
    schema: <JsonSpec as JsonSchema>::json_schema,
    compile: |site, path, value| {
        let decision = decide(value, |written| site.file(written));
        settle(site, path, decision)
    },
};

/// A JSON file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct JsonSpec {
    /// The file, relative to the job file.
    #[schemars(length(min = 1), extend("examples" = ["products.json"]))]
    path: String,
    /// Where in the file the array is: names of objects with dots between them; default: the file is the array.
    #[schemars(length(min = 1), extend("examples" = ["data.items"]))]
    at: Option<String>,
}

#[derive(Debug)]
struct JsonPlan {
    path: PathBuf,
    packing: Option<Packing>,
    at: Vec<String>,
}

/// Bytes of a file that are looked at before the run; an array behind them is found, or missed, by the run.
const HEAD: u64 = 1024 * 1024;

fn decide(value: &Value, file: impl Fn(&str) -> PathBuf) -> Result<JsonPlan, Problem> {
    let spec: JsonSpec = spec(value)?;
    if spec.path.is_empty() {
        return Err(Problem::value(Some("path"), "the path is empty", "name the file to read"));
    }
    let at = spec.at.as_deref().map(names).transpose()?.unwrap_or_default();
    let path = file(&spec.path);
    let (mut text, packing) = file::survey_text(&path)?;
    let mut head = Vec::new();
    text.by_ref().take(HEAD).read_to_end(&mut head).map_err(|error| file::unreadable(&path, &error))?;
    look(&head, &path, &spec.path, &at)?;
    Ok(JsonPlan { path, packing, at })
}

/// The names in `at`.
fn names(at: &str) -> Result<Vec<String>, Problem> {
    let names: Vec<String> = at.split('.').map(str::to_owned).collect();
    if at.contains(['[', ']', '*', '$']) || names.iter().any(String::is_empty) {
        return Err(Problem::value(
            Some("at"),
            format!("`{at}` is not a list of names with dots between them"),
            "write the names of the objects alone, as in `at = \"data.items\"`: every element of the array is a row",
        ));
    }
    Ok(names)
}

/// Whether the array is where it should be, as far as the head tells.
fn look(head: &[u8], path: &Path, written: &str, at: &[String]) -> Result<(), Problem> {
    let name = path.display().to_string();
    let mut reader = Reader::new(head, name.clone(), at.to_vec());
    let Err(missing) = reader.open() else { return Ok(()) };
    Err(match missing {
        // The head may end anywhere.
        Missing::Failed(_) if head.len() as u64 == HEAD => return Ok(()),
        Missing::Failed(error) => Problem::input(error.message, "see whether the file is what it should be"),
        Missing::Utf16 => Problem::input(format!("{name} can't be read: {}", file::UTF16_JSON), file::UTF16_HELP),
        Missing::Name(wanted, names) => {
            let near = did_you_mean(&wanted, names.iter().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its object has: {}", names.join(", ")),
            };
            Problem { key: Some("at"), ..Problem::input(format!("{name} has no `{wanted}`"), help) }
        }
        Missing::NoArray("an object") => Problem::input(
            format!("{name} has an object where the array should be"),
            format!(
                "say where in it the array is, such as `input.json = {{ path = {written:?}, at = \"items\" }}`; a file \
                 with an object on each line is read with `input.jsonl`"
            ),
        ),
        Missing::NoArray(kind) => Problem::input(
            format!("{name} has {kind} where the array should be"),
            "rows come from an array of objects: see whether the file is what it should be",
        ),
    })
}

impl JsonPlan {
    fn reader(&self) -> Result<Reader<Text>, SourceError> {
        Ok(Reader::new(file::text(&self.path)?, self.path.display().to_string(), self.at.clone()))
    }
}

impl SourcePlan for JsonPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let at = if self.at.is_empty() { String::new() } else { format!(", {}", self.at.join(".")) };
        let packed = self.packing.map(|packing| format!(", {}", packing.name())).unwrap_or_default();
        format!("{} (json{at}{packed})", self.path.display())
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn columns(&self) -> Columns {
        Columns::Open
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        self.reader()?.count().map(Some)
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        Ok(Some(format!("json, at {:?}, {}", self.at.join("."), file::identity(&self.path)?)))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(self.reader()?))
    }
}
