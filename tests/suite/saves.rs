//! Replies in files of their own: whole, in their place, or not there.

mod kill;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::memory::own;
use crate::support::oracle::SeenRequest;
use crate::support::output::{Line, csv};
use crate::support::{Answer, Job, Oracle, wait};

const JOB: &str = r#"
[retry]
attempts = 3
initial  = "1ms"

[endpoints.file]
url   = "ORACLE/files/{{ row.id }}"
input = "rows.csv"
save  = { path = "pages/{{ row.id }}.html" }
meta  = ["status", "attempts", "error", "saved"]

[sinks.out]
path = "out.csv"
"#;

fn job(oracle: &Oracle, ids: &[&str]) -> Job {
    let rows = ids.iter().fold("id\n".to_owned(), |rows, id| rows + &format!("\"{id}\"\n"));
    Job::at(&oracle.url(), JOB).with("rows.csv", rows)
}

/// Bytes that only this file has.
fn body(id: &str, size: usize) -> Vec<u8> {
    let mut state = id.bytes().fold(size as u64 + 1, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// Names below a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    names
}

fn by_id(job: &Job) -> BTreeMap<String, Line> {
    csv(&job.path("out.csv")).into_iter().map(|line| (line["id"].clone(), line)).collect()
}

/// What the server says of each id, by its number of asking.
fn script(request: &SeenRequest, turn: usize) -> Answer {
    let whole = |size| Answer::text(200, body(request.id(), size));
    match (request.id(), turn) {
        ("cut", _) => whole(300_000).cut_after(200_000),
        ("reset", _) => whole(300_000).reset_after(200_000),
        ("chunks-cut", _) => whole(300_000).chunked(5_000).cut_after(250_000),
        ("later", 0) => whole(300_000).reset_after(150_000),
        ("later", 1) => Answer::text(503, body("later", 100_000)),
        ("gone", _) => Answer::text(404, "<h1>not here</h1>"),
        ("moved", _) if request.path.starts_with("/files") => {
            Answer::text(302, body("moved", 100_000)).header("location", "/elsewhere/moved")
        }
        ("nothing", _) => Answer::status(204),
        ("empty", _) => whole(0),
        ("odd", _) => whole(10).header("content-encoding", "x-odd"),
        ("large", _) => whole(3_000_000).chunked(10_000),
        _ => whole(1_234),
    }
}

fn server() -> Oracle {
    let turns = std::sync::Mutex::new(BTreeMap::<String, usize>::new());
    Oracle::start(move |request| {
        let mut turns = turns.lock().expect("no script panics");
        let turn = turns.entry(request.id().to_owned()).or_default();
        *turn += 1;
        script(request, *turn - 1)
    })
}

#[test]
fn a_file_is_whole_or_it_is_not_there() {
    let oracle = server();
    let ids = ["small", "large", "later", "moved", "empty", "nothing", "cut", "reset", "chunks-cut", "gone", "odd"];
    let job = job(&oracle, &ids);
    job.run(&[]).expect_code(1);
    let expected = [("small", 1_234), ("large", 3_000_000), ("later", 1_234), ("moved", 1_234), ("empty", 0)];
    for (id, size) in expected {
        let file = fs::read(job.path(&format!("pages/{id}.html"))).expect(id);
        assert!(file == body(id, size), "{id}: {} bytes", file.len());
    }
    assert_eq!(names(&job.path("pages")), ["empty.html", "large.html", "later.html", "moved.html", "small.html"]);
    let records = by_id(&job);
    for id in ids {
        let saved = &records[id]["saved"];
        let is_saved = expected.iter().any(|(expected, _)| *expected == id);
        assert_eq!(*saved, if is_saved { format!("pages/{id}.html") } else { String::new() }, "{id}");
        assert_eq!(records[id]["error"].is_empty(), is_saved || id == "nothing", "{:?}", records[id]);
    }
    assert_eq!((records["later"]["attempts"].as_str(), records["gone"]["error"].as_str()), ("3", "404 Not Found"));
    assert!(records["odd"]["error"].contains("x-odd"), "{:?}", records["odd"]);
    assert!(records["cut"]["error"].contains("200000"), "{:?}", records["cut"]);
}

#[test]
fn a_column_that_needs_the_body_has_it_too_and_must_be_had() {
    let oracle = Oracle::start(|request| match request.id() {
        "html" => Answer::text(200, "<html>"),
        id => Answer::text(200, format!("{{\"name\": \"{id}\", \"pad\": \"{}\"}}", "x".repeat(200_000))).chunked(9_999),
    });
    let text = JOB.replace("meta  =", "columns = { name = \"$.name\", length = \"{{ text | length }}\" }\nmeta  =");
    let job = Job::at(&oracle.url(), &text).with("rows.csv", "id\na\nhtml\n");
    job.run(&[]).expect_code(1);
    let records = by_id(&job);
    assert_eq!((records["a"]["name"].as_str(), records["a"]["length"].as_str()), ("a", "200024"));
    assert_eq!(fs::metadata(job.path("pages/a.html")).expect("a file").len(), 200_024);
    assert!(records["html"]["error"].contains("begins with `<html>`"), "{:?}", records["html"]);
    assert_eq!(names(&job.path("pages")), ["a.html"], "what has no column is not accepted");
}

#[test]
fn a_value_that_is_no_part_of_a_name_fails_its_row_and_nothing_is_sent() {
    let oracle = server();
    let bad = ["../../evil", "a/b", "..\\evil", "tab\there"];
    let job = job(&oracle, &[&bad[..], &["fine", "con"]].concat());
    let done = job.run(&[]).expect_code(1);
    assert_eq!(oracle.count(), 1, "{}", done.stderr);
    let records = by_id(&job);
    for id in bad {
        let record = &records[id];
        assert!(record["error"].contains("can't be named from this row: `row.id` holds"), "{record:?}");
        assert_eq!((record["attempts"].as_str(), record["saved"].as_str()), ("0", ""));
    }
    assert!(records["con"]["error"].contains("`con.html` is the name of a device on Windows"), "{records:?}");
    assert_eq!(names(&job.path("pages")), ["fine.html"]);
}

#[test]
fn a_link_below_the_folder_leads_nowhere() {
    let oracle = server();
    let text = JOB.replace("pages/{{ row.id }}.html", "pages/{{ row.id }}/index.html");
    let job =
        Job::at(&oracle.url(), &text).with("rows.csv", "id\nevil\nfile\nfine\n").with("outside/index.html", "mine");
    fs::create_dir_all(job.path("pages/file")).expect("a folder");
    symlink("../outside", job.path("pages/evil")).expect("a link");
    symlink("../../outside/index.html", job.path("pages/file/index.html")).expect("a link");
    job.run(&[]).expect_code(1);
    assert_eq!(job.read("outside/index.html"), "mine");
    let records = by_id(&job);
    assert!(records["evil"]["error"].contains("pages/evil is a file or a link"), "{records:?}");
    for id in ["file", "fine"] {
        assert_eq!(records[id]["saved"], format!("pages/{id}/index.html"));
        assert!(fs::read(job.path(&format!("pages/{id}/index.html"))).expect(id) == body(id, 1_234));
        assert!(!job.path(&format!("pages/{id}/index.html")).is_symlink());
    }
}

#[test]
fn failed_rows_are_saved_when_they_are_sent_again() {
    let open = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_open = std::sync::Arc::clone(&open);
    let oracle = Oracle::start(move |request| match is_open.load(std::sync::atomic::Ordering::SeqCst) {
        false if request.id() == "b" => Answer::text(404, "no"),
        _ => Answer::text(200, body(request.id(), 100_000)),
    });
    let job = job(&oracle, &["a", "b", "c"]);
    job.run(&[]).expect_code(1);
    assert_eq!(names(&job.path("pages")), ["a.html", "c.html"]);
    open.store(true, std::sync::atomic::Ordering::SeqCst);
    job.run(&["--failed"]).expect_code(0);
    assert!(fs::read(job.path("pages/b.html")).expect("a file") == body("b", 100_000));
    assert_eq!((oracle.count(), by_id(&job)["b"]["saved"].as_str()), (4, "pages/b.html"));
    let changed = job.command(&["run", "job.toml", "--failed", "--set", "endpoints.file.save.path=p/{{ row.id }}"]);
    assert!(changed.expect_code(3).stderr.contains("endpoints.file.save"), "where files go is a part of the job");
}

#[test]
fn a_disk_that_is_full_stops_the_run_and_it_goes_on_with_more_room() {
    for size in [40_000, 200_000] {
        let oracle = Oracle::start(move |request| {
            let size = if request.id().ends_with('7') { size } else { 100 };
            Answer::text(200, body(request.id(), size))
        });
        let ids: Vec<String> = (0..200).map(|id| id.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let job = job(&oracle, &ids);
        // 512-byte blocks; an ignored SIGXFSZ makes a write fail as a full disk does.
        let done = job.shell("trap '' XFSZ; ulimit -f 60; exec \"$PACELINE\" run job.toml").expect_code(3);
        assert!(done.stderr.contains("7.html can't be saved") && done.stderr.contains("broken off"), "{}", done.stderr);
        assert!(done.stderr.contains("resume "), "{}", done.stderr);
        assert!(by_id(&job).values().all(|record| record["error"].is_empty()), "no row fails for a disk");
        assert!(!names(&job.path("pages")).iter().any(|name| name.starts_with('.')), "nothing unfinished is left");
        job.run(&[]).expect_code(0);
        for id in ids {
            let size = if id.ends_with('7') { size } else { 100 };
            assert!(fs::read(job.path(&format!("pages/{id}.html"))).expect(id) == body(id, size), "{id}");
        }
    }
}

#[test]
fn a_folder_that_can_not_be_is_said_before_any_request() {
    let oracle = server();
    let job = job(&oracle, &["a"]).with("pages", "a file where a folder should be");
    let done = job.run(&[]).expect_code(3);
    assert!(done.stderr.contains("endpoints.file.save: nothing can be saved in pages"), "{}", done.stderr);
    assert_eq!(oracle.count(), 0);
}

#[test]
fn thousands_of_files_need_few_handles() {
    const ROWS: usize = 5_000;
    let oracle = Oracle::start(|request| Answer::text(200, body(request.id(), 100)));
    let text = JOB.replace("pages/{{ row.id }}.html", "pages/{{ row.folder }}/{{ row.id }}.html");
    let rows = (0..ROWS).fold("id,folder\n".to_owned(), |rows, id| rows + &format!("{id},{}\n", id % 300));
    let job = Job::at(&oracle.url(), &text).with("rows.csv", rows);
    job.shell("ulimit -n 64; exec \"$PACELINE\" run -q job.toml").expect_code(0);
    assert_eq!(oracle.count(), ROWS);
    for id in 0..ROWS {
        let file = fs::read(job.path(&format!("pages/{}/{id}.html", id % 300))).expect("a file");
        assert!(file == body(&id.to_string(), 100), "{id}");
    }
    assert_eq!(names(&job.path("pages")).len(), 300);
}

#[cfg(target_os = "linux")]
#[test]
fn large_files_need_little_memory() {
    const SIZE: usize = 100_000_000;
    let whole = body("large", SIZE);
    let said = whole.clone();
    let oracle = Oracle::start(move |_| Answer::text(200, said.as_slice()));
    let ids = ["a", "b", "c", "d"];
    let job = job(&oracle, &ids);
    let refused = job.run(&[]).expect_code(1);
    assert!(refused.stderr.contains("max-body"), "the cap holds for files too: {}", refused.stderr);
    assert_eq!(names(&job.path("pages")), Vec::<String>::new());
    fs::remove_file(job.path("out.csv")).expect("a file");
    let mut run = job.spawn(&["-q", "--set", "client.max-body=200MB"]);
    let mut most = 0;
    wait::until("the end of the run", Duration::from_secs(120), || {
        most = own(run.pid()).map_or(most, |now| most.max(now));
        (!run.is_running()).then_some(())
    });
    run.wait().expect_code(0);
    for id in ids {
        assert!(fs::read(job.path(&format!("pages/{id}.html"))).expect(id) == whole, "{id}");
    }
    assert!((1_024..16 * 1_024).contains(&most), "{most} KiB were resident");
}

#[test]
fn a_plan_shows_where_files_go() {
    let oracle = server();
    let job = job(&oracle, &["a", "b/c"]);
    let shown = job.command(&["plan", "job.toml"]).expect_code(0).stdout;
    assert!(shown.contains("saves     pages/{{ row.id }}.html, all below pages/\n"), "{shown}");
    assert!(shown.contains("row 1, saved as pages/a.html\n"), "{shown}");
    assert!(shown.contains("row 2: fails: save.path: `row.id` holds a `/`"), "{shown}");
    let json = job.command(&["plan", "job.toml", "--output", "json"]).expect_code(0).stdout;
    let facts: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let endpoint = &facts["endpoints"][0];
    assert_eq!(endpoint["save"], serde_json::json!({ "path": "pages/{{ row.id }}.html", "folder": "pages/" }));
    assert_eq!(endpoint["preview"][0]["saved"], "pages/a.html");
    assert!(!job.path("pages").exists(), "a plan touches nothing");
}
