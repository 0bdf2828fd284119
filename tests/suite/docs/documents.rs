//! The documents that are walked.

use std::collections::BTreeSet;
use std::fs;

use super::walk::Walk;
use super::{read, root};
use crate::readme::blocks;

#[cfg(all(feature = "parquet", feature = "sqlite"))]
#[test]
fn every_recipe_of_the_cookbook_runs_and_writes_what_it_shows() {
    let mut walk = Walk::begin(Some("cookbook"));
    walk.document("cookbook.md");
    assert!(walk.commands >= 20, "only {} commands", walk.commands);
    for (written, least) in [("out/items.parquet", 1), ("out/users.sqlite", 0), ("out/shop.sqlite", 0)] {
        let path = walk.path(written);
        assert!(path.exists(), "{written} is missing");
        assert!(least == 0 || fs::read_dir(&path).unwrap().count() >= least, "{written} is empty");
    }
}

#[test]
fn the_tutorial_can_be_followed_to_its_end() {
    let mut walk = Walk::begin(None);
    walk.document("tutorial.md");
    assert!(walk.commands >= 20, "only {} commands", walk.commands);
}

#[test]
fn the_page_on_logs_shows_what_a_log_says() {
    let mut walk = Walk::begin(None);
    walk.document("logs.md");
    assert_eq!(walk.commands, 4);
}

#[test]
fn the_page_on_streams_shows_jobs_that_are_right() {
    let mut walk = Walk::begin(None);
    walk.document("streams.md");
    assert_eq!(walk.commands, 3);
}

#[cfg(feature = "sqlite")]
#[test]
fn the_pages_for_people_who_come_from_elsewhere_show_jobs_that_run() {
    let pages = ["curl-xargs", "python-aiohttp", "postman", "dlt"];
    for page in pages {
        let mut walk = Walk::begin(Some("coming-from"));
        walk.document(&format!("coming-from/{page}.md"));
        assert!(walk.commands >= 1, "{page}");
    }
    let entries = fs::read_dir(root().join("docs/coming-from")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(entries.filter(|path| path.extension().is_some_and(|it| it == "md")).count(), pages.len());
}

#[test]
fn the_workflow_of_the_tutorial_is_that_of_the_page_on_ci() {
    let first = |name: &str| {
        let text = read(&root().join("docs").join(name));
        blocks(&text).into_iter().find(|block| block.language == "yaml").unwrap().text
    };
    assert_eq!(first("tutorial.md"), first("ci.md"));
}

#[test]
fn every_job_of_the_cookbook_is_a_recipe_of_it() {
    let text = read(&root().join("docs/cookbook.md"));
    let entries = fs::read_dir(root().join("docs/cookbook")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".toml"));
    let jobs: BTreeSet<String> = names.collect();
    assert!(jobs.len() >= 20, "{jobs:?}");
    for job in jobs {
        assert!(text.contains(&format!("<!-- source: cookbook/{job} -->")), "docs/cookbook/{job} is in no recipe");
    }
}
