//! The row, or the chunk of rows, that an endpoint is asked with: the first of its input.
//!
//! Must never read an input that can be read only once: the run needs it.

use std::sync::Arc;

use crate::plan::EndpointPlan;
use crate::report::text::counted;
use crate::row::Row;
use crate::sample::{Given, Looked};

use super::{LONGEST, Records};

/// What was found.
#[derive(Debug)]
pub(super) enum First {
    /// The row; of a chunk one that holds its rows.
    Row(Arc<Row>),
    /// There is none to ask with, and why.
    None(String),
    /// The input can't be read.
    Unread(String),
}

/// The first row of an endpoint, of its input or of the records `given` by the endpoint that it reads.
pub(super) async fn first(endpoint: &EndpointPlan, given: Option<Records>) -> First {
    let source = Arc::clone(&endpoint.source);
    if source.is_read_once() {
        return First::None("its input can be read only once, and is left for the run".to_owned());
    }
    if let (Some(parent), Some([])) = (source.parent(), given.as_deref()) {
        return First::None(format!("no record of {parent} is there to ask with"));
    }
    let most = endpoint.chunk.as_ref().map_or(1, |chunk| chunk.size);
    let given = given.map(|records| Given::new(endpoint, records));
    let read = move || {
        let opened = match given {
            Some(given) => source.open_over(Box::new(given)),
            None => source.open(),
        };
        opened.and_then(|mut source| Looked::at(&mut *source, most))
    };
    match tokio::time::timeout(LONGEST, tokio::task::spawn_blocking(read)).await {
        Ok(Ok(Ok(looked))) => chosen(endpoint, looked),
        Ok(Ok(Err(error))) => First::Unread(error.message),
        Ok(Err(_)) => First::Unread("reading the input panicked; this is a bug".to_owned()),
        Err(_) => First::None(format!("its input gave no row for {} seconds", LONGEST.as_secs())),
    }
}

fn chosen(endpoint: &EndpointPlan, looked: Looked) -> First {
    let why = match looked.unusable {
        0 => "its input has no row to ask with".to_owned(),
        unusable => format!("{} of its input can't be used", counted(unusable, "first row")),
    };
    looked.call(endpoint).map_or(First::None(why), First::Row)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::compile::{Options, compile};
    use crate::diagnostic::Diagnostics;
    use crate::document::{Document, Overlays};

    async fn first_of(lines: &str) -> First {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.jsonl"), lines).unwrap();
        let text = "[endpoints.e]\nurl = \"http://a.example/{{ row.id }}\"\ninput = \"in.jsonl\"\n".to_owned();
        let mut diagnostics = Diagnostics::default();
        let path = folder.path().join("job.toml");
        let document = Document::parse(Path::new(&path), text, &Overlays::default(), &mut diagnostics).unwrap();
        let plan = compile(&document, &Options::default(), &mut diagnostics);
        first(&plan.unwrap_or_else(|| panic!("{:?}", diagnostics.list())).endpoints[0], None).await
    }

    #[tokio::test]
    async fn rows_that_can_not_be_used_are_no_empty_input() {
        let First::Row(row) = first_of("nonsense\n{\"id\": 7}\n").await else { panic!("there is a row") };
        assert_eq!(row.get("id"), Some(7.into()));
        for (lines, words) in [
            (String::new(), "its input has no row to ask with"),
            ("nonsense\n".repeat(3), "3 first rows of its input can't be used"),
            ("nonsense\n".repeat(1_500), "1,000 first rows of its input can't be used"),
        ] {
            let First::None(why) = first_of(&lines).await else { panic!("there is no row: {words}") };
            assert_eq!(why, words);
        }
    }
}
