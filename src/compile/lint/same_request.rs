//! Endpoints whose request is the same for every row: a column is missing in it, or the rows say nothing.
//!
//! Must never warn where a repetition is what is asked for (an input that counts), where there is one row, nor where
//! requests carry the key of their row.

use super::Facts;
use crate::compile::mention::{text_of, uses_table};
use crate::compile::{Site, url};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::EndpointPlan;
use crate::source::{Columns, SourcePlan};
use crate::spec::EndpointSpec;
use crate::template::written;

/// The input that says how often and nothing else.
const COUNTING: &str = "range";

pub(super) fn check(site: &mut Site<'_>, facts: Facts<'_>) {
    for endpoint in facts.endpoints {
        let Some(spec) = facts.job.endpoints.get(&endpoint.name) else { continue };
        if depends_on_row(spec) || endpoint.idempotency.is_some() || is_meant(endpoint.source.as_ref()) {
            continue;
        }
        let path = KeyPath::of(["endpoints", endpoint.name.as_str()]);
        let told = Diagnostic::warning(codes::SAME_REQUEST, "every row sends the same request: no column stands in it")
            .at(site.document.place(&url::path_of(&path, endpoint)), "")
            .also(site.document.mark(&path.key("input")), "the rows")
            .help(format!("write a column where it belongs, such as `{{{{ {} }}}}` in the URL", column(endpoint)))
            .help("if one request is enough, write `take = 1` into the input")
            .help("if it is meant so many times, write `input.range = { from = 1, to = 10 }`");
        site.diagnostics.push(told);
    }
}

/// Whether any part of a request may differ from row to row. A file and a credential may, by what stands in their templates.
fn depends_on_row(spec: &EndpointSpec) -> bool {
    let texts = [
        text_of(&spec.address()),
        text_of(&spec.websocket.as_ref().map(|socket| (&socket.protocols, &socket.send))),
        text_of(&spec.query),
        text_of(&spec.headers),
        text_of(&spec.auth),
        text_of(&spec.json),
        text_of(&spec.form),
        text_of(&spec.multipart),
        text_of(&spec.body),
        text_of(&spec.body_file),
    ];
    texts.iter().any(|text| uses_table(text, "row") || uses_table(text, "rows"))
}

/// Whether rows are there to be counted, or are not many.
fn is_meant(source: &dyn SourcePlan) -> bool {
    let counts = |source: &dyn SourcePlan| source.kind() == COUNTING;
    source.quick_count().is_some_and(|rows| rows <= 1)
        || counts(source)
        || source.members().iter().any(|member| counts(member.as_ref()))
}

/// A column to write into the request.
fn column(endpoint: &EndpointPlan) -> String {
    match endpoint.source.columns() {
        Columns::Known(header) => header.names().first().map_or("row.id".to_owned(), |name| written("row", name)),
        Columns::Open => "row.id".to_owned(),
    }
}
