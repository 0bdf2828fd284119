//! `paceline failed`: rows that failed come out as they went in, and go in again as they came out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use paceline::journal;

use crate::support::oracle::script::item;
use crate::support::{Answer, Job, Oracle, wait};

const JOB: &str = r#"
[retry]
attempts = 2
initial = "1ms"

[endpoints.item]
url = "ORACLE/items/{{ row.id }}"
method = "PUT"
json = { note = "{{ row.note }}" }
query.tag = "{{ row.tag }}"
columns.got = "$.id"

[endpoints.item.input]
csv = { path = "rows.csv" }
where = "row.tag != 'never'"
skip = 3

[sinks.table]
path = "out/table.csv"
"#;

const ROWS: u64 = 200;

/// Rows whose cells need all the care that CSV knows. Every tenth is not taken.
fn table(ids: impl IntoIterator<Item = u64>) -> String {
    let tag = |id: u64| if id.is_multiple_of(10) { "never" } else { "" };
    let line = |id| format!("{id},\"a \"\"note\"\",\n of {id}; ü\",{}\n", tag(id));
    ids.into_iter().fold("id,note,tag\n".to_owned(), |text, id| text + &line(id))
}

fn rows() -> String {
    table(1..=ROWS)
}

/// Every seventh row fails while it is `down`.
fn scene() -> (Oracle, Arc<AtomicBool>, Job) {
    let down = Arc::new(AtomicBool::new(true));
    let shared = Arc::clone(&down);
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        if shared.load(Ordering::SeqCst) && id.is_multiple_of(7) { Answer::text(500, "no") } else { item(request) }
    });
    let job = Job::at(&oracle.url(), JOB).with("rows.csv", rows());
    (oracle, down, job)
}

/// Rows that fail: three are passed over, and those that `where` leaves out never come.
fn failing() -> Vec<u64> {
    (4..=ROWS).filter(|id| id.is_multiple_of(7) && !id.is_multiple_of(10)).collect()
}

/// What was asked for from request number `from` on, without doubles.
fn asked(oracle: &Oracle, from: usize) -> BTreeSet<(String, String, Vec<u8>)> {
    let requests = oracle.requests();
    requests[from..].iter().map(|seen| (seen.path.clone(), seen.query.clone(), seen.body.clone())).collect()
}

fn ids(csv: &str) -> Vec<u64> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let at = reader.headers().expect("a header").iter().position(|name| name == "id").expect("ids");
    reader.records().map(|row| row.expect("a row")[at].parse().expect("an id")).collect()
}

#[test]
fn rows_that_failed_are_fed_back_and_give_the_same_requests() {
    let (oracle, down, job) = scene();
    job.run(&[]).expect_code(1);
    let done = job.command(&["failed", "job.toml"]).expect_code(0);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), (table(failing()).as_str(), ""));
    let before: BTreeSet<_> = asked(&oracle, 0)
        .into_iter()
        .filter(|(path, ..)| failing().iter().any(|id| *path == format!("/items/{id}")))
        .collect();
    down.store(false, Ordering::SeqCst);
    let again = JOB.replace("ORACLE", &oracle.url()).replace("rows.csv", "failed.csv").replace("skip = 3\n", "");
    let again = Job::new(&again).with("failed.csv", &done.stdout);
    let from = oracle.count();
    again.run(&[]).expect_code(0);
    assert_eq!(asked(&oracle, from), before);
    let none = again.command(&["failed", "job.toml"]).expect_code(0);
    assert_eq!(none.stdout, "id,note,tag\n");
}

#[test]
fn nothing_is_left_once_failed_rows_are_healed() {
    let (_oracle, down, job) = scene();
    let done = job.command(&["failed", "job.toml"]).expect_code(3);
    assert!(done.stderr.contains("there is no run of `job` yet"), "{}", done.stderr);
    job.run(&[]).expect_code(1);
    down.store(false, Ordering::SeqCst);
    job.run(&["--failed"]).expect_code(0);
    let done = job.command(&["failed", "job.toml"]).expect_code(0);
    assert_eq!(done.stdout, "id,note,tag\n");
    assert!(done.stderr.starts_with("note: no row of item failed in run "), "{}", done.stderr);
    assert_eq!(job.command(&["failed", "job.toml", "-q"]).expect_code(0).stderr, "");
}

#[test]
fn reasons_say_how_often_and_why() {
    let (_oracle, _down, job) = scene();
    job.run(&["--set", "retry.methods=[\"PUT\"]"]).expect_code(1);
    let done = job.command(&["failed", "job.toml", "--reasons", "--limit", "4"]).expect_code(0);
    // Row 4 of what is taken is the seventh of the input.
    assert!(
        done.stdout.starts_with("endpoint,row,attempts,kind,error,id,note,tag\nitem,4,2,status,"),
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("500") && ids(&done.stdout) == [7], "{}", done.stdout);
}

#[test]
fn a_kill_loses_no_failed_row_and_no_word() {
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let oracle = Oracle::start(move |request| {
        let id: u64 = request.id().parse().expect("only rows are asked for");
        match id {
            150.. if !opened.load(Ordering::SeqCst) => Answer::Stall,
            _ if id.is_multiple_of(7) => Answer::text(400, format!("no {id}")),
            _ => item(request),
        }
    });
    let job = Job::at(&oracle.url(), JOB).with("rows.csv", rows());
    let run = job.spawn(&["--set", "endpoints.item.concurrency=1"]);
    wait::until("a commit of row 147", Duration::from_secs(60), || {
        let recovered = journal::peek(&job.state()).expect("a journal")?;
        // 147 is the 130th of the rows that are taken.
        recovered.last.done.first().is_some_and(|done| done.contains(129)).then_some(())
    });
    // While the run holds the lock, too.
    let so_far = job.command(&["failed", "job.toml"]).expect_code(0);
    assert_eq!(ids(&so_far.stdout), failing().into_iter().filter(|id| *id < 150).collect::<Vec<_>>());
    assert!(so_far.stderr.contains("is not complete"), "{}", so_far.stderr);
    assert_eq!(run.kill().code, None);
    open.store(true, Ordering::SeqCst);
    job.run(&[]).expect_code(1);
    let done = job.command(&["failed", "job.toml", "--reasons"]).expect_code(0);
    assert_eq!(ids(&done.stdout), failing());
    let mut reader = csv::Reader::from_reader(done.stdout.as_bytes());
    for row in reader.records().map(|row| row.expect("a row")) {
        assert_eq!((&row[0], &row[2], &row[3]), ("item", "1", "status"), "{row:?}");
        assert!(row[4].contains("400"), "{row:?}");
    }
}

#[test]
fn an_input_that_is_not_what_it_was_is_refused() {
    let (_oracle, _down, job) = scene();
    job.run(&[]).expect_code(1);
    let refused = |arguments: &[&str]| {
        let done = job.command(&[&["failed", "job.toml"], arguments].concat()).expect_code(3);
        assert_eq!(done.stdout, "");
        done.stderr
    };
    let other = refused(&["--set", "endpoints.item.input.skip=4"]);
    assert!(other.contains("endpoints.item.input: was ") && other.contains("put it back"), "{other}");
    // What is sent may change: the rows are the same.
    job.command(&["failed", "job.toml", "--set", "endpoints.item.method=\"PATCH\""]).expect_code(0);
    job.change("rows.csv", "of 199", "of 1999");
    let changed = refused(&[]);
    assert!(changed.contains("endpoints.item.input (content): was "), "{changed}");
}

#[test]
fn rows_that_may_have_been_acted_on_are_told() {
    let oracle = Oracle::start(|request| match request.id() {
        "2" => Answer::text(200, "never whole").reset_after(0),
        _ => item(request),
    });
    let text = "[endpoints.item]\nurl = \"ORACLE/items/{{ row.value }}\"\nmethod = \"POST\"\n\
                input.range = { from = 1, to = 3 }\n";
    let job = Job::at(&oracle.url(), text);
    job.run(&[]).expect_code(1);
    let done = job.command(&["failed", "job.toml"]).expect_code(0);
    assert_eq!(done.stdout, "value\n2\n");
    assert!(done.stderr.contains("\nnote: 1 of the rows is unknown: "), "{}", done.stderr);
}

#[test]
fn standard_input_can_not_be_read_again() {
    let oracle = Oracle::start(|_| Answer::status(404));
    let text = "[endpoints.item]\nurl = \"ORACLE/items/{{ row.id }}\"\ninput.stdin = \"csv\"\n";
    let job = Job::at(&oracle.url(), text).input("id\n1\n");
    job.run(&[]).expect_code(1);
    let done = job.command(&["failed", "job.toml"]).expect_code(3);
    assert!(done.stderr.contains("can't be read again") && done.stdout.is_empty(), "{}", done.stderr);
}

#[test]
fn rows_of_a_chained_endpoint_come_from_its_spool_and_several_endpoints_are_told_apart() {
    let oracle = Oracle::start(|request| {
        let fails = match request.path.as_str() {
            "/users/3" => true,
            path => path.starts_with("/orders/") && path != "/orders/1",
        };
        if fails { Answer::status(404) } else { item(request) }
    });
    let text = "[endpoints.users]\nurl = \"ORACLE/users/{{ row.value }}\"\ninput.range = { from = 1, to = 4 }\n\
                columns.id = \"$.id\"\ncolumns.all = \"$\"\n\
                [endpoints.orders]\nurl = \"ORACLE/orders/{{ row.id }}\"\ninput.endpoint = \"users\"\n";
    let job = Job::at(&oracle.url(), text);
    job.run(&[]).expect_code(1);
    let done = job.command(&["failed", "job.toml"]).expect_code(2);
    assert!(done.stderr.contains("--endpoint orders  2 rows") && done.stderr.contains("--endpoint users  1 row"));
    assert_eq!(job.command(&["failed", "job.toml", "--endpoint", "users"]).expect_code(0).stdout, "value\n3\n");
    let orders = job.command(&["failed", "job.toml", "--endpoint", "orders"]).expect_code(0).stdout;
    assert!(orders.starts_with("value,id,all\n"), "{orders}");
    let mut found = ids(&orders);
    found.sort_unstable();
    assert_eq!(found, [2, 4]);
    assert!(orders.contains(",\"{\"\""), "an object is its JSON: {orders}");
    let unknown = job.command(&["failed", "job.toml", "--endpoint", "orrders"]).expect_code(2);
    assert!(unknown.stderr.contains("the job has users, orders"), "{}", unknown.stderr);
}

#[test]
fn rows_that_bring_their_columns_have_the_columns_of_all_and_unreadable_ones_are_told() {
    let oracle = Oracle::start(|request| if request.id() == "2" { item(request) } else { Answer::status(404) });
    let rows = "{\"id\":1,\"a\":[1,\"x\"]}\n{\"id\":2,\"never\":1}\nnonsense\n{\"id\":3,\"b\":null,\"c\":1.50}\n";
    let text = "[endpoints.item]\nurl = \"ORACLE/items/{{ row.id }}\"\ninput = \"rows.jsonl\"\n";
    let job = Job::at(&oracle.url(), text).with("rows.jsonl", rows);
    job.run(&[]).expect_code(1);
    let done = job.command(&["failed", "job.toml"]).expect_code(0);
    assert_eq!(done.stdout, "id,a,b,c\n1,\"[1,\"\"x\"\"]\",,\n3,,,1.50\n");
    assert_eq!(
        done.stderr,
        "note: 2 rows with values that CSV has no types for (numbers, true, null, lists): fed back they are texts, and null is an \
         empty one\nnote: left out, since it could not be read: 1 row (--reasons shows why)\n"
    );
    let reasons = job.command(&["failed", "job.toml", "--reasons"]).expect_code(0);
    assert!(reasons.stdout.contains("\nitem,3,0,input,"), "{}", reasons.stdout);
    assert_eq!(reasons.stderr, "");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let oracle = Oracle::start(|_| Answer::status(404));
    let text = "[retry]\nattempts = 1\n[endpoints.item]\nurl = \"ORACLE/items/{{ row.id }}\"\ninput = \"rows.csv\"\n";
    let rows = (0..3000).fold("id,wide\n".to_owned(), |text, id| text + &format!("{id},{}\n", "x".repeat(200)));
    let job = Job::at(&oracle.url(), text).with("rows.csv", rows);
    job.run(&["-q"]).expect_code(1);
    let done = job.shell("{ $PACELINE failed job.toml; echo $? > code; } | head -1").expect_code(0);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("id,wide\n", ""));
    assert_eq!(job.read("code"), "0\n");
    assert_eq!(job.command(&["failed", "job.toml"]).expect_code(0).stdout.lines().count(), 3001);
}

#[test]
fn rows_of_a_chunk_have_its_attempts_and_a_changed_job_keeps_the_words() {
    let stalled = Arc::new(AtomicBool::new(true));
    let shared = Arc::clone(&stalled);
    let oracle = Oracle::start(move |request| match String::from_utf8_lossy(&request.body).contains('9') {
        true if shared.load(Ordering::SeqCst) => Answer::Stall,
        true => Answer::status(404),
        false => Answer::text(503, "later"),
    });
    let text = "[retry]\nattempts = 2\ninitial = \"1ms\"\n[endpoints.item]\nurl = \"ORACLE/bulk\"\nmethod = \"PUT\"\n\
                json = \"{{ rows | map(attribute='value') | list }}\"\nrows = \"$\"\nchunk = { size = 4, split = false }\n\
                input.range = { from = 1, to = 12 }\nconcurrency = 1\ncolumns.got = \"$.id\"\n";
    let job = Job::at(&oracle.url(), text);
    let run = job.spawn(&[]);
    wait::until("a commit of two chunks", Duration::from_secs(60), || {
        let recovered = journal::peek(&job.state()).expect("a journal")?;
        recovered.last.done.first().is_some_and(|done| done.len() >= 8).then_some(())
    });
    assert_eq!(run.kill().code, None);
    stalled.store(false, Ordering::SeqCst);
    job.change("job.toml", "/bulk", "/bulk2");
    job.run(&["--accept-changes"]).expect_code(1);
    let done = job.command(&["failed", "job.toml", "--reasons"]).expect_code(0);
    let mut reader = csv::Reader::from_reader(done.stdout.as_bytes());
    let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 12);
    for (row, number) in rows.iter().zip(1u64..) {
        assert_eq!((&row[1], &row[5]), (number.to_string().as_str(), number.to_string().as_str()));
        let (attempts, status) = if (9..=12).contains(&number) { ("1", "404") } else { ("2", "503") };
        assert!(&row[2] == attempts && row[4].contains(status), "{row:?}");
    }
}
