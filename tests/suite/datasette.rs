//! Datasette over a SQLite file of 100,000 rows, walked to the last: by the URL in its replies, and by its Link
//! headers.
//!
//! Without Datasette the test says that it was skipped; see `support::peers` for where it is looked for.

use std::path::Path;
use std::process::Command;

use crate::support::Job;
use crate::support::output::csv;
use crate::support::peers::{Peer, find_pinned};

const ROWS: u64 = 100_000;

/// Ids that are no row of numbers, so that one page can't be taken for another.
const TABLE: &str = "\
import sqlite3
db = sqlite3.connect('list.db')
db.execute('create table items (id integer primary key, name text)')
db.executemany('insert into items values (?, ?)', ((7 * n, f'item {n}, \"quoted\"') for n in range(1, ROWS + 1)))
db.commit()
";

const JOB: &str = r#"
[endpoints.link]
url = "BASE/list/items.json"
query = { _size = 5000, _shape = "objects" }
input.range = { from = 1, to = 1 }
rows = "$.rows[*]"
paginate.json-link = { path = "$.next_url" }
keep = []
meta = ["page"]
columns = { id = "$.id", name = "$.name" }

[endpoints.header]
url = "BASE/list/items.json"
query = { _size = 5000, _shape = "array" }
input.range = { from = 1, to = 1 }
rows = "$[*]"
paginate.header-link = {}
keep = []
meta = ["page"]
columns = { id = "$.id", name = "$.name" }

[sinks.link]
from = ["link"]
path = "out/link.csv"

[sinks.header]
from = ["header"]
path = "out/header.csv"
"#;

/// Makes the table with the Python that Datasette runs on, and starts it.
fn datasette(program: &Path) -> Peer {
    let python = program.with_file_name("python");
    Peer::start(|folder, port| {
        if !folder.join("list.db").exists() {
            let mut make = Command::new(&python);
            make.current_dir(folder).args(["-c", &TABLE.replace("ROWS", &ROWS.to_string())]);
            assert!(make.status().expect("Python starts").success(), "the table is made");
        }
        let mut command = Command::new(program);
        command.args(["list.db", "--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--setting", "max_returned_rows", "5000", "--setting", "default_page_size", "5000"]);
        command
    })
}

#[test]
fn a_table_is_walked_to_its_last_row() {
    let Some(program) = find_pinned("datasette") else { return };
    let peer = datasette(&program);
    let job = Job::new(&JOB.replace("BASE", &format!("http://{}", peer.address())));
    let done = job.run(&[]).expect_code(0);
    assert!(!done.stderr.contains("warning"), "{}", done.stderr);
    for name in ["link", "header"] {
        let records = csv(&job.path(&format!("out/{name}.csv")));
        assert_eq!(records.len() as u64, ROWS, "{name}");
        for (number, record) in (1..=ROWS).zip(&records) {
            let expected =
                [(7 * number).to_string(), format!("item {number}, \"quoted\""), number.div_ceil(5000).to_string()];
            assert_eq!([&record["id"], &record["name"], &record["page"]], expected.each_ref(), "{name}");
        }
    }
}
