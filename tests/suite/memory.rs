//! Many rows, little memory: what is resident does not grow with the input.
//!
//! `benches/memory.py` does the same with the release build and millions of rows.

use std::time::Duration;

use paceline::demo::{Demo, DemoPlan};

use crate::support::{Job, wait};

/// Most memory that may ever be resident, in KiB.
const MOST: u64 = 64 * 1024;

/// Rows, unless `PACELINE_MEMORY_ROWS` says otherwise.
const ROWS: u64 = 200_000;

/// The most memory that was resident so far, in KiB; `None` when the process is gone.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn rows() -> u64 {
    let asked = paceline::environment::variable("PACELINE_MEMORY_ROWS");
    asked.map_or(ROWS, |text| text.parse().expect("PACELINE_MEMORY_ROWS is a number"))
}

#[cfg(target_os = "linux")]
#[test]
fn many_rows_need_little_memory() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let demo = runtime.block_on(Demo::start(DemoPlan::default())).expect("the demo starts");
    let text = r#"
[endpoints.item]
url = "http://ADDRESS/items/{{ row.value }}"
input.range = { from = 1, to = ROWS }
concurrency = 100
columns = { name = "$.name", price = "$.price" }

[sinks.out]
path = "out.csv"
"#;
    let text = text.replace("ADDRESS", &demo.address().to_string()).replace("ROWS", &rows().to_string());
    let job = Job::new(&text);
    let mut run = job.spawn(&["-q"]);
    let mut most = 0;
    wait::until("the end of the run", Duration::from_secs(170), || {
        most = peak(run.pid()).map_or(most, |now| most.max(now));
        (!run.is_running()).then_some(())
    });
    run.wait().expect_code(0);
    let lines =
        std::io::BufRead::lines(std::io::BufReader::new(std::fs::File::open(job.path("out.csv")).expect("records")));
    assert_eq!(lines.count() as u64, rows() + 1);
    eprintln!("memory: {} rows, {most} KiB resident at most", rows());
    assert!(most > 1024, "nothing was measured");
    assert!(most < MOST, "{most} KiB were resident, {MOST} are the most");
}
