//! The page of a run: what the summary says of how to make one.

use std::fs;
use std::process::Command;

use super::job;
use crate::support::Oracle;
use crate::support::oracle::script::item;

#[test]
fn the_command_that_makes_a_page_works_as_it_is_printed() {
    let oracle = Oracle::start(item);
    // Without its profile the job is none.
    let job = job(&oracle, "[profiles.there.endpoints.item]\nmethod = \"GET\"\n", 5);
    let needs = format!("url = \"{}/items/{{{{ row.id }}}}\"\n", oracle.url());
    job.change("job.toml", &needs, "");
    job.change("job.toml", "method = \"GET\"\n", &format!("method = \"GET\"\n{needs}"));
    for flags in [&["--profile", "there"][..], &["--profile", "there", "--state", "a state", "--fresh"]] {
        fs::remove_file(job.path("out/records.csv")).ok();
        let done = job.run(flags).expect_code(0);
        let line = done.stderr.lines().find_map(|line| line.strip_prefix("report    ")).expect("a command");
        let shell = Command::new("sh").args(["-c", line]).current_dir(job.path(".")).output().unwrap();
        let told = String::from_utf8_lossy(&shell.stdout).into_owned();
        assert!(shell.status.success(), "{line}\n{}", String::from_utf8_lossy(&shell.stderr));
        assert!(job.read(told.split(": ").next().unwrap()).starts_with("<!doctype html>"), "{told}");
    }
}
