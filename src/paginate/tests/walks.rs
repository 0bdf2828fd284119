//! Whole walks over lists of any length in pages of any size: every item once, whatever the style.

use proptest::prelude::*;

use super::*;

/// A server with a list, that gives no more than `most` items on a page.
#[derive(Debug, Clone, Copy)]
struct Server {
    items: u64,
    most: u64,
}

impl Server {
    fn asked(request: &PageRequest, name: &str) -> Option<u64> {
        let written = match &request.url {
            Some(url) => {
                let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
                query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
            }
            None => request.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()),
        };
        written.map(|text| text.parse().unwrap())
    }

    fn slice(self, start: u64, size: u64) -> Vec<u64> {
        (start.min(self.items)..start.saturating_add(size).min(self.items)).collect()
    }

    fn numbered(self, request: &PageRequest, first: u64) -> Page {
        let size = Self::asked(request, "size").unwrap_or(self.most).min(self.most);
        let page = Self::asked(request, "page").unwrap() - first;
        let pages = self.items.div_ceil(size);
        let json = json!({
            "pages": pages, "pages-text": pages.to_string(), "items": self.items, "more": page + 1 < pages,
        });
        Page { json, items: self.slice(page * size, size), ..Page::default() }
    }

    fn offset(self, request: &PageRequest) -> Page {
        let (start, limit) = (Self::asked(request, "offset").unwrap(), Self::asked(request, "limit").unwrap());
        let limit = limit.min(self.most);
        let json = json!({ "items": self.items.to_string(), "more": start + limit < self.items });
        Page { json, items: self.slice(start, limit), ..Page::default() }
    }

    /// By cursors and by links at the same time: the next start is its own cursor.
    fn chained(self, request: &PageRequest, form: usize) -> Page {
        let start = Self::asked(request, "cursor").unwrap_or(0);
        let next = Some(start + self.most).filter(|next| *next < self.items);
        let cursor = match (next, form % 4) {
            (Some(next), 0) => json!({ "next": next.to_string(), "link": format!("list?cursor={next}") }),
            (Some(next), _) => json!({ "next": next, "link": format!("https://c.d/v1/list?a=b&cursor={next}") }),
            (None, 0) => json!({ "next": null, "link": null }),
            (None, 1) => json!({ "next": "", "link": "" }),
            (None, 2) => json!({ "next": false, "link": false }),
            (None, _) => json!({}),
        };
        let mut links = vec!["</v1/list?cursor=0>; rel=first".to_owned()];
        links.extend(next.map(|next| format!("<?cursor={next}>; title=\"a, b\"; rel=\"x next\", </>; rel=up")));
        Page { json: cursor, links, items: self.slice(start, self.most) }
    }

    fn all(self) -> Vec<u64> {
        (0..self.items).collect()
    }
}

/// Walks; the items in order, and what there was to doubt.
fn walked(plan: &dyn PaginatePlan, server: &dyn Fn(&PageRequest) -> Page) -> (Vec<u64>, Vec<String>, Walked) {
    let (mut items, walked) = walk(plan, server).unwrap();
    items.sort_unstable();
    (items, plan.doubts(&walked), walked)
}

const NO_DOUBTS: Vec<String> = Vec::new();

/// What page numbers may know of the end.
fn knowledge(size: u64) -> Vec<Value> {
    let sized = |more: Value| {
        let mut value = json!({ "size-param": "size", "size": size });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        value
    };
    vec![
        json!({}),
        json!({ "total-pages": "$.pages" }),
        json!({ "has-more": "$.more" }),
        sized(json!({})),
        sized(json!({ "total-pages": "$['pages-text']" })),
        sized(json!({ "total-items": "$.items" })),
        sized(json!({ "total-items": "$..items", "total-pages": "$.pages", "has-more": "$.more" })),
        sized(json!({ "has-more": "$.more", "start": 0 })),
    ]
}

proptest! {
    #[test]
    fn numbers_reach_every_item_once(items in 0..120_u64, size in 1..40_u64, most in 1..40_u64) {
        let server = Server { items, most };
        for value in knowledge(size) {
            let first = value.get("start").and_then(Value::as_u64).unwrap_or(1);
            let plan = plan("page-number", value.clone());
            let (found, doubts, _) = walked(&*plan, &|request| server.numbered(request, first));
            prop_assert_eq!(&found, &server.all(), "{}", &value);
            // Smaller pages than asked for lose nothing, but a total told by mistake may be doubted.
            prop_assert_eq!(&doubts, &NO_DOUBTS, "{}", &value);
        }
    }

    #[test]
    fn offsets_reach_every_item_once_or_say_that_they_did_not(items in 0..120_u64, limit in 1..40_u64, most in 1..40_u64) {
        let server = Server { items, most };
        for more in [json!({}), json!({ "total-items": "$.items" }), json!({ "has-more": "$.more" })] {
            let mut value = json!({ "limit": limit });
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let is_told = value.get("total-items").is_some();
            let plan = plan("offset", value);
            let (found, doubts, _) = walked(&*plan, &|request| server.offset(request));
            let blind = !is_told && more.get("has-more").is_none();
            if limit <= most {
                // A lone page that looks full is worth a look where nothing tells.
                let is_odd = blind && items < limit && [10, 20, 25, 30].contains(&items);
                prop_assert_eq!(&found, &server.all());
                prop_assert_eq!(doubts.len(), usize::from(is_odd), "{:?}", doubts);
            } else if !is_told && found.len() as u64 > most {
                prop_assert_eq!(doubts.len(), 1);
                prop_assert!(doubts[0].contains("items between two pages are missing"), "{:?}", doubts);
            } else if is_told && found != server.all() {
                prop_assert_eq!(doubts.len(), 1);
                prop_assert!(doubts[0].contains("items (`$.items`), and"), "{:?}", doubts);
            }
        }
    }

    #[test]
    fn cursors_and_links_reach_every_item_once(items in 0..120_u64, most in 1..40_u64, form in 0..4_usize) {
        let server = Server { items, most };
        for (kind, value) in [
            ("cursor", json!({ "path": "$.next" })),
            ("cursor", json!({ "path": "$..next", "param": "cursor" })),
            ("header-link", json!({})),
            ("json-link", json!({ "path": "$.link" })),
        ] {
            let plan = plan(kind, value);
            let (found, doubts, _) = walked(&*plan, &|request| server.chained(request, form));
            prop_assert_eq!(&found, &server.all(), "{}", kind);
            // A lone page that looks full, without any word of a next one, is worth a look.
            let looks_full = [10, 20, 25, 30].contains(&items);
            let is_odd = form == 3 && kind != "header-link" && items <= most && looks_full;
            prop_assert_eq!(doubts.len(), usize::from(is_odd), "{}: {:?}", kind, doubts);
        }
    }

    #[test]
    fn max_pages_is_a_bound_and_a_doubt_only_where_it_cuts(items in 1..120_u64, size in 1..40_u64, most in 1..12_u64) {
        let server = Server { items, most: size };
        let pages = items.div_ceil(size);
        for (kind, value) in [
            ("page-number", json!({ "total-pages": "$.pages", "max-pages": most })),
            ("page-number", json!({ "total-items": "$.items", "size": size, "max-pages": most })),
            ("page-number", json!({ "has-more": "$.more", "max-pages": most })),
            ("offset", json!({ "limit": size, "total-items": "$.items", "max-pages": most })),
            ("cursor", json!({ "path": "$.next", "max-pages": most })),
            ("header-link", json!({ "max-pages": most })),
            ("json-link", json!({ "path": "$.link", "max-pages": most })),
        ] {
            let plan = plan(kind, value.clone());
            let (found, doubts, walked) = walked(&*plan, &|request| match kind {
                "page-number" => server.numbered(request, 1),
                "offset" => server.offset(request),
                _ => server.chained(request, 0),
            });
            prop_assert_eq!(walked.pages, pages.min(most), "{}", &value);
            prop_assert_eq!(found.len() as u64, items.min(most * size), "{}", &value);
            prop_assert_eq!(doubts.len(), usize::from(pages > most), "{}: {:?}", &value, &doubts);
            if let [doubt] = doubts.as_slice() {
                let said = format!("`max-pages = {most}` ended the walk after {most} pages");
                prop_assert!(doubt.starts_with(&said), "{}", doubt);
            }
        }
    }
}

#[test]
fn all_pages_go_out_at_once_where_the_total_is_told() {
    let server = Server { items: 95, most: 50 };
    for value in [
        json!({ "total-pages": "$.pages", "size-param": "size", "size": 10 }),
        json!({ "total-items": "$.items", "size-param": "size", "size": 10 }),
    ] {
        let plan = plan("page-number", value);
        let first = server.numbered(&plan.request(&plan.first()).unwrap(), 1);
        assert_eq!(following(&*plan, 0, &first), Ok(Following::Pages(10)));
        assert_eq!(following(&*plan, 9, &first), Ok(Following::End(End::Total)));
    }
    let offset = plan("offset", json!({ "limit": 30, "total-items": "$.items" }));
    let first = server.offset(&offset.request(&offset.first()).unwrap());
    assert_eq!(following(&*offset, 0, &first), Ok(Following::Pages(4)));
    assert_eq!(offset.position(3), Some(Position::Offset(90)));
}
