//! Single replies: odd ones, wrong ones, and what is doubted of them.

use proptest::prelude::*;

use super::*;
use crate::diagnostic::codes;

#[test]
fn totals_may_be_numbers_or_texts_and_nothing_else() {
    let plan = plan("page-number", json!({ "total-pages": "$.p" }));
    let pages = |total: Value| following(&*plan, 0, &Page::of(json!({ "p": total }), 5));
    for total in [json!(3), json!("3"), json!(" 3 "), json!(3.0)] {
        assert_eq!(pages(total), Ok(Following::Pages(3)));
    }
    for total in [json!(null), json!({})["p"].clone()] {
        assert_eq!(pages(total), Ok(Following::Next(Position::Number(2))), "not told");
    }
    assert_eq!((pages(json!(1)), pages(json!(0))), (Ok(Following::End(End::Total)), Ok(Following::End(End::Total))));
    for (total, is) in [
        (json!(-1), "a negative number"),
        (json!(2.5), "another number"),
        (json!(1e300), "another number"),
        (json!("many"), "another text"),
        (json!(true), "a boolean"),
        (json!([3]), "an array"),
        (json!({}), "an object"),
    ] {
        assert_eq!(pages(total), Err(format!("`$.p` is {is}, and must be a count")));
    }
}

#[test]
fn a_path_to_several_places_is_an_error() {
    let plan = plan("cursor", json!({ "path": "$.items[*].id" }));
    let page = Page::of(json!({ "items": [{ "id": 1 }, { "id": 2 }] }), 2);
    assert_eq!(
        following(&*plan, 0, &page).unwrap_err(),
        "`$.items[*].id` leads to 2 places of the reply, and must to one"
    );
    let last = super::plan("cursor", json!({ "path": "$.items[-1].id" }));
    assert_eq!(following(&*last, 0, &page), Ok(Following::Next(Position::Token("2".into()))));
}

#[test]
fn has_more_is_a_word_that_is_believed() {
    let plan = plan("cursor", json!({ "path": "$.next", "has-more": "$.more" }));
    let said = |more: Value| following(&*plan, 3, &Page::of(json!({ "next": "c", "more": more }), 5));
    for more in [json!(false), json!(0), json!("False"), json!("no")] {
        assert_eq!(said(more), Ok(Following::End(End::HasMore)));
    }
    for more in [json!(true), json!(1), json!("true"), json!(null)] {
        assert_eq!(said(more), Ok(Following::Next(Position::Token("c".into()))));
    }
    assert_eq!(said(json!("perhaps")).unwrap_err(), "`$.more` is another text, and must be true or false");
    let unnamed = Page::of(json!({ "more": true }), 5);
    assert_eq!(following(&*plan, 3, &unnamed), Ok(Following::End(End::Unnamed)));
    let walked = Walked { pages: 4, records: 20, end: Some(End::Unnamed), ..Walked::default() };
    assert_eq!(plan.doubts(&walked), ["the server said that there is more, and named no next page"]);
}

#[test]
fn a_cursor_is_a_text_or_a_number() {
    let plan = plan("cursor", json!({ "path": "$.next" }));
    let next = |next: Value| following(&*plan, 0, &Page::of(json!({ "next": next }), 5));
    for (cursor, sent) in
        [(json!("a b"), "a b"), (json!(0), "0"), (json!(u64::MAX), "18446744073709551615"), (json!(1.5), "1.5")]
    {
        let position = Position::Token(sent.to_owned());
        assert_eq!(next(cursor), Ok(Following::Next(position.clone())));
        assert_eq!(plan.request(&position).unwrap().query, [("cursor".to_owned(), sent.to_owned())]);
    }
    let many = "123456789012345678901234567890";
    let sent = Position::Token(many.to_owned());
    assert_eq!(next(serde_json::from_str(many).unwrap()), Ok(Following::Next(sent)), "every digit is kept");
    for (cursor, is) in [(json!([1]), "an array"), (json!({}), "an object"), (json!(true), "a boolean")] {
        let said = format!("the cursor at `$.next` is {is}, and must be a text or a number");
        assert_eq!(next(cursor), Err(said));
    }
}

#[test]
fn an_empty_page_ends_the_walk_unless_the_job_says_otherwise() {
    let mut value = json!({ "path": "$.next" });
    let empty = Page::of(json!({ "next": "c" }), 0);
    let walked = Walked { pages: 1, end: Some(End::EmptyYetMore), ..Walked::default() };
    let stops = plan("cursor", value.clone());
    assert_eq!(following(&*stops, 0, &empty), Ok(Following::End(End::EmptyYetMore)));
    assert!(stops.doubts(&walked)[0].contains("`stop-after-empty-page = false` goes on"));
    value["stop-after-empty-page"] = json!(true);
    let meant = plan("cursor", value.clone());
    assert_eq!(following(&*meant, 0, &empty), Ok(Following::End(End::EmptyYetMore)));
    assert_eq!(meant.doubts(&walked), [""; 0]);
    value["stop-after-empty-page"] = json!(false);
    let goes_on = plan("cursor", value);
    assert_eq!(following(&*goes_on, 0, &empty), Ok(Following::Next(Position::Token("c".into()))));

    let numbered = |stop: bool| plan("page-number", json!({ "total-pages": "$.p", "stop-after-empty-page": stop }));
    let empty = Page::of(json!({ "p": 3 }), 0);
    assert_eq!(following(&*numbered(true), 0, &empty), Ok(Following::End(End::EmptyYetMore)));
    assert_eq!(following(&*numbered(false), 0, &empty), Ok(Following::Pages(3)));
    let untold = Page::of(json!({}), 0);
    assert_eq!(following(&*numbered(false), 4, &untold), Ok(Following::End(End::Empty)), "nothing else tells");
}

#[test]
fn links_stand_in_several_headers_and_lead_anywhere_that_may_be_asked() {
    let plan = plan("header-link", json!({}));
    let page =
        |links: &[&str]| Page { links: links.iter().map(ToString::to_string).collect(), ..Page::of(json!([]), 5) };
    let found = |links: &[&str]| following(&*plan, 0, &page(links));
    let next = Ok(Following::Next(Position::Url("https://a.b/v1/list?page=2".into())));
    assert_eq!(found(&["</x>; rel=prev", "<?page=2>; rel=next"]), next);
    assert_eq!(found(&["<?page=2>; rel=next; anchor=\"?x=y\""]), next);
    assert_eq!(found(&["<?page=2>; rel=next; anchor=\"/other\""]), Ok(Following::End(End::NoNext)));
    assert_eq!(
        (found(&[]), found(&["</x>; rel=last"])),
        (Ok(Following::End(End::Absent)), Ok(Following::End(End::NoNext)))
    );
    let refused = found(&["<ftp://a.b/x>; rel=next"]).unwrap_err();
    assert!(
        refused.starts_with("the next page, named by the Link header with rel=\"next\", can't be asked"),
        "{refused}"
    );
    let request = plan.request(&Position::Url("https://c.d/".into())).unwrap();
    assert_eq!(request, PageRequest { query: Vec::new(), url: Some("https://c.d/".into()) });
    assert!(compile("header-link", &json!({ "rel": "next page" })).is_err());
}

#[test]
fn what_does_not_fit_is_doubted() {
    let range = |least, most| Some(Range { least, most });
    let ended = Walked { pages: 10, records: 90, fullest: 10, end: Some(End::Total), ..Walked::default() };
    let sized = plan("page-number", json!({ "size-param": "n", "size": 10, "total-items": "$.t" }));
    let doubts = |walked: Walked| sized.doubts(&walked);
    assert_eq!(doubts(Walked { total_items: range(90, 90), ..ended }), [""; 0]);
    assert_eq!(
        doubts(Walked { total_items: range(95, 95), ..ended }),
        ["the server told 95 items (`$.t`), and 90 came"]
    );
    assert_eq!(
        doubts(Walked { total_items: range(90, 97), ..ended }),
        ["the number of items (`$.t`) changed during the walk, from 90 to 97: the list may have moved under it"]
    );
    assert_eq!(doubts(ended), ["no reply told the number of items at `$.t`"]);
    let offset = plan("offset", json!({ "limit": 50, "total-items": "$.t" }));
    assert_eq!(
        offset.doubts(&Walked { total_items: range(500, 500), ..ended }),
        ["the server told 500 items (`$.t`), and 90 came; 50 were asked for on a page, and no page had more than 10: \
          ask for what the server gives at most"]
    );
    let blind = plan("offset", json!({ "limit": 50 }));
    let holes = |records| Walked { records, pages: 2, end: Some(End::Empty), ..ended };
    assert!(blind.doubts(&holes(10))[0].starts_with("50 were asked for on a page, and no page had more than 10"));
    assert_eq!((blind.doubts(&holes(11)).len(), blind.doubts(&Walked { fullest: 9, ..holes(9) })), (1, Vec::new()));
    let paged = plan("page-number", json!({ "total-pages": "$.p" }));
    let said = paged.doubts(&Walked { total_pages: range(12, 12), end: Some(End::Empty), ..ended });
    assert_eq!(said, ["the server told 12 pages (`$.p`), and 10 were taken"]);
    assert_eq!(paged.doubts(&Walked { total_pages: range(0, 0), pages: 1, records: 0, ..ended }), [""; 0]);
    assert_eq!(paged.doubts(&Walked { total_pages: range(0, 0), pages: 1, ..ended }).len(), 1);
    let cursor = plan("cursor", json!({ "path": "$.nxet" }));
    let lone = |records| Walked { pages: 1, records, fullest: records, end: Some(End::Absent), ..Walked::default() };
    let said = cursor.doubts(&lone(100));
    assert!(
        said[0]
            .starts_with("the only page has 100 records, which looks like a full one, and nothing stands at `$.nxet`")
    );
    assert_eq!((cursor.doubts(&lone(42)), cursor.doubts(&lone(0))), (Vec::new(), Vec::new()));
}

#[test]
fn sizes_that_tell_nothing_are_told() {
    let codes = |value| compile("page-number", &value).map(|_| ()).unwrap_err()[0].0;
    assert_eq!(codes(json!({ "size": 10 })), codes::NO_EFFECT);
    assert_eq!(codes(json!({ "size-param": "n" })), codes::MISSING_KEY);
    assert_eq!(codes(json!({ "total-pages": "pages" })), codes::PATH_SYNTAX);
    assert!(compile("page-number", &json!({ "size": 10, "total-items": "$.t" })).is_ok());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9a-z:/?#.]{0,12}".prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec(("[a-c]", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn garbage_never_panics(
        members in proptest::collection::vec(("[a-c]", any_json()), 0..4),
        links in proptest::collection::vec("[ -~]{0,40}", 0..3),
        items in 0..4_u64,
        number in prop_oneof![0..3_u64, Just(u64::MAX)],
    ) {
        let json = Value::Object(members.into_iter().collect());
        let page = Page { links, ..Page::of(json, items) };
        for (kind, value) in [
            ("page-number", json!({ "total-pages": "$.a", "has-more": "$.b", "start": u64::MAX })),
            ("page-number", json!({ "total-items": "$.a", "size": u64::MAX, "stop-after-empty-page": false })),
            ("offset", json!({ "limit": 1, "total-items": "$.a", "has-more": "$.b" })),
            ("offset", json!({ "limit": u64::MAX, "has-more": "$.b" })),
            ("cursor", json!({ "path": "$.a", "has-more": "$..b" })),
            ("header-link", json!({})),
            ("json-link", json!({ "path": "$.a" })),
        ] {
            let plan = plan(kind, value);
            let mut walked = Walked::default();
            walked.page(items, reply(&page, |reply| plan.told(reply)));
            match following(&*plan, number, &page) {
                Ok(Following::End(end)) => walked.end = Some(end),
                Ok(Following::Next(next)) => prop_assert!(plan.request(&next).is_ok()),
                Ok(Following::Pages(pages)) => prop_assert!(pages > 1 && number == 0),
                Err(error) => prop_assert!(!error.is_empty() && !error.ends_with('.')),
            }
            plan.doubts(&walked);
        }
    }
}
