//! Servers that go in circles, do not end, or tell what is not so: nothing is taken twice and nothing ends in silence.

use super::*;

/// A page with these items and this word on what follows.
fn page(first: u64, next: &Value) -> Answer {
    Answer::json(&json!({ "items": items(first..first + 3), "next": next }))
}

/// The first page by any style of paging, and the second.
fn is_first(request: &SeenRequest) -> bool {
    request.query.is_empty()
}

#[test]
fn a_walk_in_circles_fails_with_the_reason_and_takes_no_page_twice() {
    let oracle = Oracle::start(|request| match request.id() {
        "same" => Answer::json(&json!({ "items": items(0..3) })),
        "together" => Answer::json(&json!({ "items": items(0..3), "pages": 4 })),
        "cursor" if is_first(request) => page(0, &json!("a")),
        "cursor" if parameter(request, "cursor") == Some("a") => page(3, &json!("b")),
        "cursor" => page(6, &json!("a")),
        _ if is_first(request) => page(0, &json!("/link?two")),
        _ if request.query == "two" => page(3, &json!("/link?three")),
        _ => page(6, &json!("/link?two")),
    });
    let text = endpoint("same", "page-number = {}")
        + &endpoint("together", "page-number = { total-pages = \"$.pages\" }")
        + &endpoint("cursor", "cursor = { path = \"$.next\" }")
        + &endpoint("link", "json-link = { path = \"$.next\" }");
    let job = Job::at(&oracle.url(), &(text + LINES));
    job.run(&[]).expect_code(1);
    for (name, words, last) in [
        ("same", "page 2 of the walk: the page holds the same as one before", 3),
        ("together", "of the walk: the page holds the same as one before", 3),
        ("cursor", "page 3 of the walk: the page leads back to one that was taken, cursor a", 6),
        ("link", "page 3 of the walk: the page leads back to one that was taken, http://", 6),
    ] {
        let errors = errors(&job, name);
        assert_eq!(errors.len(), 1, "{name}: {errors:?}");
        assert!(errors[0].contains(words), "{name}: {errors:?}");
        once_each(&ids(&job, name), 1..=last, name);
    }
}

#[test]
fn an_endless_list_ends_at_max_pages_with_a_warning() {
    let oracle = Oracle::start(|request| list(1_000_000, 5, request));
    let text = endpoint("list", "cursor = { path = \"$.next\", max-pages = 6 }");
    let job = Job::at(&oracle.url(), &(text + LINES + TABLE));
    let done = job.run(&[]).expect_code(0);
    assert!(done.stderr.contains("`max-pages = 6` ended the walk after 6 pages"), "{}", done.stderr);
    whole(&job, "list", 30);
    assert_eq!(oracle.count(), 6);
}

#[test]
fn a_total_that_is_not_so_is_a_warning() {
    let oracle = Oracle::start(|request| match request.id() {
        "few" => {
            let first = start(5, request);
            Answer::json(&json!({ "items": items(first..(first + 5).min(12)), "pages": 3, "total": 15 }))
        }
        _ => Answer::json(&json!({ "items": items(0..0), "pages": 0, "total": 7 })),
    });
    let paginate = "page-number = { total-pages = \"$.pages\", total-items = \"$.total\" }";
    let text = endpoint("few", paginate) + &endpoint("none", paginate) + LINES;
    let job = Job::at(&oracle.url(), &text);
    let done = job.run(&["-v"]).expect_code(0);
    let told = "the server told 15 items (`$.total`), and 12 came";
    let event = format!("warning: endpoints.few, row 1: {told}");
    assert!(done.stderr.contains(&event), "an event of its own: {}", done.stderr);
    let summary = done.stderr.rsplit(&event).next().expect("a text");
    assert!(summary.contains(told), "in the summary: {summary}");
    assert!(summary.contains("(and "), "there are more: {summary}");
    assert!(done.stderr.contains("warning: endpoints.none, row 1: the server told 7 items"), "{}", done.stderr);
}
