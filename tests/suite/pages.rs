//! Lists walked from page to page, seen from the server: every item once, whatever happens in between.
//!
//! Every item of a list is a number from 1 on, so that what is lost or doubled has a name.

/// Killed in the middle, asked to stop, and gone on with.
mod cut;
/// Servers that go in circles, do not end, or tell a total that is not so.
mod liars;
/// What pages of another origin get to see.
mod origins;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::oracle::SeenRequest;
use crate::support::output::{csv, jsonl_file};
use crate::support::{Answer, Job, Oracle};

/// A parameter of the query, as it was sent.
fn parameter<'r>(request: &'r SeenRequest, name: &str) -> Option<&'r str> {
    request
        .query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(found, _)| *found == name)
        .map(|pair| pair.1)
}

fn number(request: &SeenRequest, name: &str) -> Option<u64> {
    parameter(request, name).map(|text| text.parse().expect("a number"))
}

/// Zero-based position of the first item of the page that is asked for, in any style.
fn start(size: u64, request: &SeenRequest) -> u64 {
    let cursor = parameter(request, "cursor").map(|text| text.trim_start_matches('c').parse().expect("a cursor"));
    let page = number(request, "page").map(|page| (page - 1) * size);
    cursor.or(page).or_else(|| number(request, "offset")).unwrap_or(0)
}

/// Zero-based number of the page that is asked for.
fn page_of(size: u64, request: &SeenRequest) -> u64 {
    start(size, request) / size
}

fn items(range: Range<u64>) -> Value {
    range.map(|item| json!({ "id": item + 1 })).collect()
}

/// A page of a list in every style at once; an empty one behind the last.
fn list(total: u64, size: u64, request: &SeenRequest) -> Answer {
    let start = start(size, request);
    let end = (start + size).min(total);
    let next = (end < total).then_some(end);
    let link = next.map(|next| format!("{}?page={}", request.path, next / size + 1));
    let body = json!({
        "items": items(start..end), "pages": total.div_ceil(size), "total": total,
        "next": next.map(|next| format!("c{next}")), "links": { "next": link },
    });
    let answer = Answer::json(&body);
    match link {
        Some(link) => answer.header("link", &format!("<{link}>; rel=\"next\"")),
        None => answer,
    }
}

/// An endpoint of one row that walks.
fn endpoint(name: &str, paginate: &str) -> String {
    format!(
        "[endpoints.{name}]\nurl = \"ORACLE/{name}\"\ninput.range = {{ from = 1, to = 1 }}\nrows = \"$.items[*]\"\n\
         meta = [\"endpoint\", \"page\", \"error\"]\nkeep = []\ncolumns.id = \"$.id\"\npaginate.{paginate}\n"
    )
}

const LINES: &str = "[sinks.lines]\npath = \"out/lines.jsonl\"\n";
const TABLE: &str = "[sinks.table]\npath = \"out/table.csv\"\n";

/// The items of an endpoint in the lines, in their order.
fn ids(job: &Job, endpoint: &str) -> Vec<u64> {
    let lines = jsonl_file(&job.path("out/lines.jsonl"));
    let own = lines.iter().filter(|line| line["endpoint"] == endpoint && line["error"].is_null());
    own.map(|line| line["id"].as_u64().unwrap_or_else(|| panic!("no item: {line}"))).collect()
}

/// The errors in the lines of an endpoint.
fn errors(job: &Job, endpoint: &str) -> Vec<String> {
    let lines = jsonl_file(&job.path("out/lines.jsonl"));
    let own = lines.iter().filter(|line| line["endpoint"] == endpoint);
    own.filter_map(|line| line["error"].as_str().map(str::to_owned)).collect()
}

/// Every one of these items stands there once.
#[track_caller]
fn once_each(found: &[u64], expected: impl IntoIterator<Item = u64>, place: &str) {
    let mut counts = BTreeMap::<u64, u32>::new();
    found.iter().for_each(|id| *counts.entry(*id).or_default() += 1);
    let expected: BTreeMap<u64, u32> = expected.into_iter().map(|id| (id, 1)).collect();
    let differ: Vec<_> = (0..).zip(counts.iter().zip(&expected)).filter(|(_, (one, other))| one != other).collect();
    assert_eq!(counts.len(), expected.len(), "{place}: the first that differs is {:?}", differ.first());
    assert!(differ.is_empty(), "{place}: {:?}", differ.first());
}

/// The items stand once in both files, and nothing else does.
#[track_caller]
fn whole(job: &Job, endpoint: &str, total: u64) {
    once_each(&ids(job, endpoint), 1..=total, "lines");
    let table = csv(&job.path("out/table.csv"));
    let ids: Vec<u64> = table.iter().map(|line| line["id"].parse().expect("an item")).collect();
    once_each(&ids, 1..=total, "table");
    assert_eq!(errors(job, endpoint), Vec::<String>::new());
}

#[test]
fn every_style_walks_to_the_last_item() {
    let styles = [
        ("numbered", "page-number = { size-param = \"size\", size = 7, total-pages = \"$.pages\" }"),
        ("counted", "page-number = { size = 7, total-items = \"$.total\" }"),
        ("plain", "page-number = {}"),
        ("offset", "offset = { limit = 7, total-items = \"$.total\" }"),
        ("cursor", "cursor = { path = \"$.next\" }"),
        ("header", "header-link = {}"),
        ("link", "json-link = { path = \"$.links.next\" }"),
    ];
    let oracle = Oracle::start(|request| list(100, 7, request));
    let text: String = styles.iter().map(|(name, paginate)| endpoint(name, paginate)).collect();
    let job = Job::at(&oracle.url(), &(text + LINES));
    let done = job.run(&[]).expect_code(0);
    assert!(!done.stderr.contains("warning"), "{}", done.stderr);
    let asked = oracle.count_by_path();
    for (name, _) in styles {
        once_each(&ids(&job, name), 1..=100, name);
        // Without a total or a next page only an empty page is an end.
        let pages = if name == "plain" { 16 } else { 15 };
        assert_eq!(asked[&format!("/{name}")], pages, "{name}");
    }
    let lines = jsonl_file(&job.path("out/lines.jsonl"));
    assert!(lines.iter().all(|line| (line["id"].as_u64().unwrap() - 1) / 7 + 1 == line["page"].as_u64().unwrap()));
}

#[test]
fn pages_of_a_known_total_go_out_together_at_the_pace_of_their_limit() {
    const DELAY: Duration = Duration::from_millis(60);
    let oracle = Oracle::start(|request| list(300, 5, request).after(DELAY));
    let paced = "limit = \"pace\"\nconcurrency = 30\n[limits.pace]\nrate = \"200/s\"\nburst = 10\n";
    let text = endpoint("list", "page-number = { total-pages = \"$.pages\" }") + paced + LINES + TABLE;
    let job = Job::at(&oracle.url(), &text);
    job.run(&[]).expect_code(0);
    whole(&job, "list", 300);
    assert_eq!(oracle.window_violation(200.0, 10.0, 11.0), None);
    let requests = oracle.requests();
    let first = requests[0].at + DELAY;
    assert!(requests[1..].iter().all(|request| request.at >= first), "the total is in the first reply");
    let with =
        |one: &SeenRequest| requests.iter().filter(|other| one.at <= other.at && other.at < one.at + DELAY).count();
    let most = requests.iter().map(|request| with(request)).max();
    assert!(most > Some(2), "at most {most:?} were under way at once");
}

/// A server whose fifth page fails until it is mended.
fn broken(mended: &Arc<AtomicBool>) -> Oracle {
    let mended = Arc::clone(mended);
    Oracle::start(move |request| {
        let fails = page_of(5, request) == 4 && !mended.load(Ordering::SeqCst);
        if fails { Answer::status(500) } else { list(60, 5, request) }
    })
}

#[test]
fn a_page_that_fails_is_named_and_healed() {
    for (paginate, taken) in [
        ("cursor = { path = \"$.next\" }", (1..=20).collect::<Vec<u64>>()),
        ("page-number = { total-pages = \"$.pages\" }", (1..=20).chain(26..=60).collect()),
    ] {
        let mended = Arc::new(AtomicBool::new(false));
        let oracle = broken(&mended);
        // All are out before the page that fails has failed for good.
        let text = endpoint("list", paginate) + "concurrency = 20\n[retry]\nattempts = 2\ninitial = \"300ms\"\n";
        let job = Job::at(&oracle.url(), &(text + LINES + TABLE));
        let done = job.run(&[]).expect_code(1);
        assert!(done.stderr.contains("500 Internal Server Error"), "{}", done.stderr);
        assert_eq!(errors(&job, "list"), ["page 5 of the walk: 500 Internal Server Error"], "{paginate}");
        once_each(&ids(&job, "list"), taken.iter().copied(), paginate);
        let before = oracle.count();
        mended.store(true, Ordering::SeqCst);
        job.run(&["--failed"]).expect_code(0);
        whole(&job, "list", 60);
        let asked: Vec<u64> = oracle.requests()[before..].iter().map(|request| page_of(5, request) + 1).collect();
        let left = (1..=12).filter(|page| !taken.contains(&(page * 5)));
        assert_eq!(asked, left.collect::<Vec<u64>>(), "{paginate}: only pages that were not taken");
    }
}

#[test]
fn rows_that_walk_stand_in_the_order_of_rows_and_pages() {
    for paginate in ["cursor = { path = \"$.next\" }", "page-number = { total-pages = \"$.pages\" }"] {
        let oracle = Oracle::start(|request| {
            let row: u64 = request.id().parse().expect("a row");
            // Later rows and later pages answer sooner.
            let delay = Duration::from_millis(20 / row + 8 / (page_of(3, request) + 1));
            list(row * 6, 3, request).after(delay)
        });
        let text = format!(
            "[endpoints.list]\nurl = \"ORACLE/lists/{{{{ row.value }}}}\"\ninput.range = {{ from = 1, to = 5 }}\n\
             order = \"input\"\nconcurrency = 16\nrows = \"$.items[*]\"\nmeta = [\"page\"]\ncolumns.id = \"$.id\"\npaginate.{paginate}\n{LINES}"
        );
        let job = Job::at(&oracle.url(), &text);
        job.run(&[]).expect_code(0);
        let lines = jsonl_file(&job.path("out/lines.jsonl"));
        let found: Vec<_> =
            lines.iter().map(|line| (line["value"].as_u64().unwrap(), line["id"].as_u64().unwrap())).collect();
        let expected: Vec<_> = (1..=5).flat_map(|row| (1..=row * 6).map(move |id| (row, id))).collect();
        assert_eq!(found, expected, "{paginate}");
    }
}

#[test]
fn a_rule_ends_a_walk_and_leaves_a_row_out() {
    let oracle = Oracle::start(|request| {
        let row: u64 = request.id().parse().expect("a row");
        let page = number(request, "page").expect("a page");
        // A list has as many pages as its number says, and no word of it.
        if page > row {
            Answer::status(404)
        } else {
            Answer::json(&json!({ "items": items((page - 1) * 4..page * 4) }))
        }
    });
    let text = format!(
        "[endpoints.list]\nurl = \"ORACLE/lists/{{{{ row.value }}}}\"\ninput.range = {{ from = 0, to = 3 }}\nrows = \"$.items[*]\"\n\
         columns.id = \"$.id\"\npaginate.page-number = {{}}\nrules = [{{ when = \"status == 404\", then = \"skip\" }}]\n{LINES}"
    );
    let job = Job::at(&oracle.url(), &text);
    let done = job.run(&[]).expect_code(0);
    assert!(done.stderr.contains("3 ok") && done.stderr.contains("1 skipped"), "{}", done.stderr);
    let lines = jsonl_file(&job.path("out/lines.jsonl"));
    for row in 0..=3 {
        let own = lines.iter().filter(|line| line["value"] == row).map(|line| line["id"].as_u64().unwrap());
        once_each(&own.collect::<Vec<_>>(), 1..=row * 4, "a list");
    }
    assert!(lines.iter().all(|line| line["error"].is_null()));
}
