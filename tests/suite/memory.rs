//! Many rows, little memory: what is resident does not grow with the input.
//!
//! `benches/memory.py` does the same with the release build and millions of rows.

use std::time::Duration;

use paceline::demo::{Demo, DemoPlan};

use crate::support::{Answer, Job, Oracle, wait};

/// Most memory that may ever be resident, in KiB.
const MOST: u64 = 64 * 1024;

/// What ten times the rows may add, in KiB: buffers that fill by chance, but no rows.
const GROWTH: u64 = 12 * 1024;

/// Rows, unless `PACELINE_MEMORY_ROWS` says otherwise.
const ROWS: u64 = 200_000;

/// The most memory that was resident so far, in KiB; `None` when the process is gone.
pub(crate) fn peak(pid: u32) -> Option<u64> {
    status(pid, "VmHWM:")
}

/// KiB that a run holds now and that are no pages of its program, of which a debug build has more than of anything else.
pub(crate) fn own(pid: u32) -> Option<u64> {
    status(pid, "RssAnon:")
}

/// Hundredths of a second that a process took of processors so far, as Linux counts them on all its machines (proc(5),
/// `utime` and `stime`); `None` when it is gone.
pub(crate) fn ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.strip_prefix(&format!("{pid} (paceline) "))?.split(' ').collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn status(pid: u32, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    // Between fork and exec a child is its parent still, memory and all.
    if !status.starts_with("Name:\tpaceline\n") {
        return None;
    }
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn rows() -> u64 {
    let asked = paceline::environment::variable("PACELINE_MEMORY_ROWS");
    asked.map_or(ROWS, |text| text.parse().expect("PACELINE_MEMORY_ROWS is a number"))
}

const JOB: &str = r#"
[endpoints.item]
url = "http://ADDRESS/items/{{ row.value }}"
input.range = { from = 1, to = ROWS }
concurrency = 100
columns = { name = "$.name", price = "$.price" }

[sinks.out]
path = "out.csv"
"#;

/// Programs that would take more than any machine has, were they let.
#[cfg(target_os = "linux")]
#[test]
fn jq_programs_that_grow_are_stopped_before_they_take_the_memory() {
    /// What one program may make, and as much again for the copy that was too much, in KiB.
    const MOST: u64 = 2 * 256 * 1024;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let demo = runtime.block_on(Demo::start(DemoPlan::default())).expect("the demo starts");
    for program in [
        "\\\"x\\\" * 1000000000000",
        "reduce range(60) as $i (\\\"x\\\"; . + .) | length",
        "reduce range(60) as $i ([.]; . + .) | length",
        "reduce range(60) as $i (.; [., .])",
    ] {
        let job = JOB.replace("ADDRESS", &demo.address().to_string()).replace("ROWS", "8");
        let job = job.replace("concurrency = 100", "concurrency = 1\nretry.attempts = 1");
        let job = Job::new(&job.replace("\"$.price\"", &format!("{{ jq = \"{program}\" }}")));
        let mut run = job.spawn(&["-q"]);
        let mut most = 0;
        wait::until("the end of the run", Duration::from_secs(170), || {
            most = peak(run.pid()).map_or(most, |now| most.max(now));
            (!run.is_running()).then_some(())
        });
        run.wait().expect_code(1);
        let records = std::fs::read_to_string(job.path("out.csv")).expect("records");
        let stopped = "columns.price: the jq program was stopped: it makes too much text and too many lists";
        assert_eq!(records.matches(stopped).count(), 8, "{program}: {records}");
        assert!(most < MOST, "{program}: {most} KiB were resident, {MOST} are the most");
    }
}

/// Programs that work for as long as they are let, on as many rows as there may be threads and more.
#[test]
fn jq_programs_that_take_long_hold_up_no_other_row() {
    const ROWS: usize = 20;
    let oracle = Oracle::start(|_| Answer::json(&serde_json::json!({})));
    let job = "[endpoints.slow]\nurl = \"ORACLE/slow\"\ninput.range = { from = 1, to = 16 }\nconcurrency = 16\n\
               columns.c = { jq = \"def f: f; f\" }\n[endpoints.quick]\nurl = \"ORACLE/quick\"\nrate = \"20/s\"\n\
               input.range = { from = 1, to = 20 }\n[sinks.out]\npath = \"out.csv\"\nfrom = [\"slow\"]\n\
               [sinks.quick]\npath = \"quick.csv\"\nfrom = [\"quick\"]\n";
    let job = Job::at(&oracle.url(), job);
    let run = job.spawn(&["-q"]);
    let quick = || oracle.requests().iter().filter(|request| request.path == "/quick").count() == ROWS;
    wait::until("the quick rows", Duration::from_secs(60), || quick().then_some(()));
    let ended = std::fs::read_to_string(job.path("out.csv")).unwrap_or_default();
    assert_eq!(ended.lines().skip(1).count(), 0, "slow rows ended before all quick ones were sent: {ended}");
    run.kill();
}

/// Runs so many rows; the most memory that was ever resident, in KiB.
#[allow(clippy::print_stderr, reason = "the figure is worth knowing although the test is fine")]
fn resident(demo: &Demo, rows: u64) -> u64 {
    let job = Job::new(&JOB.replace("ADDRESS", &demo.address().to_string()).replace("ROWS", &rows.to_string()));
    let mut run = job.spawn(&["-q"]);
    let mut most = 0;
    wait::until("the end of the run", Duration::from_secs(170), || {
        most = peak(run.pid()).map_or(most, |now| most.max(now));
        (!run.is_running()).then_some(())
    });
    run.wait().expect_code(0);
    let records = std::fs::File::open(job.path("out.csv")).expect("records");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(records));
    assert_eq!(lines.count() as u64, rows + 1);
    eprintln!("memory: {rows} rows, {most} KiB resident at most");
    most
}

#[cfg(target_os = "linux")]
#[test]
fn many_rows_need_little_memory_and_no_more_than_few() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let demo = runtime.block_on(Demo::start(DemoPlan::default())).expect("the demo starts");
    let few = resident(&demo, rows() / 10);
    let many = resident(&demo, rows());
    assert!(few > 1024, "nothing was measured");
    assert!(many < MOST, "{many} KiB were resident, {MOST} are the most");
    assert!(many < few + GROWTH, "{few} KiB for a tenth of the rows, {many} KiB for all");
}
