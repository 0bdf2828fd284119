//! The family, played against servers that are functions.

mod contract;
mod replies;
mod walks;

use std::sync::Arc;

use http::header::LINK;
use http::{HeaderMap, HeaderValue, Uri};
use serde_json::{Value, json};

use super::*;
use crate::diagnostic::{Code, Diagnostics};
use crate::document::{Document, Overlays};

/// Compiles a kind; `Err`: what was told, warnings too.
fn compile(kind: &str, value: &Value) -> Result<Arc<dyn PaginatePlan>, Vec<(Code, String)>> {
    let text = "[endpoints.price]\n".to_owned();
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse("job.toml".as_ref(), text, &Overlays::default(), &mut diagnostics).unwrap();
    let mut site = Site { document: &document, diagnostics: &mut diagnostics };
    let row = KINDS.iter().find(|row| row.name == kind).unwrap();
    let plan = (row.compile)(&mut site, &KeyPath::of(["paginate", kind]), value);
    let told = diagnostics.list().iter().map(|diagnostic| (diagnostic.code, diagnostic.message.clone()));
    plan.filter(|_| !diagnostics.has_errors()).ok_or_else(|| told.collect())
}

fn plan(kind: &str, value: Value) -> Arc<dyn PaginatePlan> {
    compile(kind, &value).unwrap_or_else(|told| panic!("{kind} {value}: {told:?}"))
}

/// A page as a server gives it.
#[derive(Debug, Clone, Default)]
struct Page {
    json: Value,
    links: Vec<String>,
    items: Vec<u64>,
}

impl Page {
    fn of(json: Value, items: u64) -> Self {
        Self { json, items: (0..items).collect(), ..Self::default() }
    }
}

fn following(plan: &dyn PaginatePlan, number: u64, page: &Page) -> Result<Following, String> {
    let position = plan.position(number).unwrap_or(Position::First);
    reply(page, |reply| plan.following(&position, number, reply))
}

fn reply<T>(page: &Page, look: impl FnOnce(&PageReply<'_>) -> T) -> T {
    let mut headers = HeaderMap::new();
    for link in &page.links {
        headers.append(LINK, HeaderValue::from_str(link).unwrap());
    }
    let url = Uri::from_static("https://a.b/v1/list?x=y");
    look(&PageReply { json: Some(&page.json), headers: &headers, url: &url, records: page.items.len() as u64 })
}

/// Walks as a run would: the pages that go out together come back last first.
fn walk(plan: &dyn PaginatePlan, server: &dyn Fn(&PageRequest) -> Page) -> Result<(Vec<u64>, Walked), String> {
    let (mut items, mut walked, mut position, mut page) = (Vec::new(), Walked::default(), plan.first(), 0);
    loop {
        let seen = server(&plan.request(&position)?);
        walked.page(seen.items.len() as u64, reply(&seen, |reply| plan.told(reply)));
        items.extend(&seen.items);
        match reply(&seen, |reply| plan.following(&position, page, reply))? {
            Following::End(end) => {
                walked.end = Some(end);
                return Ok((items, walked));
            }
            Following::Next(next) => (position, page) = (next, page + 1),
            Following::Pages(pages) => {
                assert!(page == 0 && pages > 1);
                for page in (1..pages).rev() {
                    let seen = server(&plan.request(&plan.position(page).unwrap())?);
                    walked.page(seen.items.len() as u64, reply(&seen, |reply| plan.told(reply)));
                    items.extend(&seen.items);
                }
                walked.end = Some(End::Total);
                return Ok((items, walked));
            }
        }
        assert!(page < 10_000, "the walk has no end");
    }
}
