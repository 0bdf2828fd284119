//! A container registry (Debian's docker-registry): images pushed to it, and its catalog walked by its Link headers.
//!
//! They are relative, and each holds the name of the last repository, with its slashes encoded. What was asked for
//! is what the registry's own log says. Without the program the test says that it was skipped; see `support::peers`.

use std::collections::BTreeSet;
use std::fs::write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use paceline::journal;

use crate::support::output::{csv, jsonl_file};
use crate::support::peers::{Peer, find};
use crate::support::{Job, wait};

/// Not a whole number of pages.
const REPOSITORIES: usize = 248;

/// Names on a page; the jobs below say it too.
const SIZE: usize = 5;

const PAGES: usize = REPOSITORIES.div_ceil(SIZE);

const CONFIG: &str = "\
version: 0.1
storage: { filesystem: { rootdirectory: store } }
http: { addr: 127.0.0.1:PORT }
";

/// An image is an upload that is begun, its end at the URL that the registry names, and a manifest.
const PUSH: &str = r#"
[endpoints.begin]
method = "POST"
url    = "BASE/v2/{{ row.name }}/blobs/uploads/"
input  = "names.csv"
expect.status = [202]
columns.place = { header = "location", required = true }

[endpoints.blob]
method  = "PUT"
url     = "{{ row.place }}&digest=sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
input.endpoint = "begin"
headers = { content-type = "application/octet-stream" }
body    = "{}"
keep    = ["name"]
expect.status = [201]
columns.digest = { header = "docker-content-digest", required = true }

[endpoints.manifest]
method  = "PUT"
url     = "BASE/v2/{{ row.name }}/manifests/1.0"
input.endpoint = "blob"
headers = { content-type = "application/vnd.docker.distribution.manifest.v2+json" }
keep    = ["name"]
meta    = []
expect.status = [201]

[endpoints.manifest.json]
schemaVersion = 2
mediaType     = "application/vnd.docker.distribution.manifest.v2+json"
config        = { mediaType = "application/vnd.docker.container.image.v1+json", size = 2, digest = "{{ row.digest }}" }
layers        = []

[endpoints.manifest.columns]
digest = { header = "docker-content-digest", required = true }

[sinks.pushed]
path = "pushed.jsonl"
from = "manifest"
"#;

const WALK: &str = r#"
[endpoints.names]
url   = "BASE/v2/_catalog"
query = { n = 5 }
rate  = "1000/s"
input.range = { from = 1, to = 1 }
rows  = "$.repositories[*]"
keep  = []
meta  = ["page"]
paginate.header-link = {}
columns.name = "$"

[sinks.out]
path = "names.csv"
"#;

/// Slow enough for a commit to come long before the last page.
const SLOWLY: [&str; 3] = ["-q", "--set", "endpoints.names.rate=\"10/s\""];

fn registry(program: &Path) -> Peer {
    Peer::start(|folder, port| {
        write(folder.join("config.yml"), CONFIG.replace("PORT", &port.to_string())).expect("a file");
        let mut command = Command::new(program);
        command.args(["serve", "config.yml"]);
        command
    })
}

/// Names of one, two and three parts, with every separator that a registry takes.
fn names() -> BTreeSet<String> {
    let name = |number: usize| match number % 5 {
        0 => format!("item-{number:03}"),
        1 => format!("team/item.{number:03}"),
        2 => format!("team/deep/item__{number:03}"),
        3 => format!("team.{number:03}"),
        _ => format!("team-b/{number:03}"),
    };
    (0..REPOSITORIES).map(name).collect()
}

fn job(peer: &Peer, text: &str) -> Job {
    Job::new(&text.replace("BASE", &format!("http://{}", peer.address())))
}

fn push(peer: &Peer) {
    let rows = names().iter().fold("name\n".to_owned(), |rows, name| rows + name + "\n");
    let job = job(peer, PUSH).with("names.csv", rows);
    job.run(&[]).expect_code(0);
    let records = jsonl_file(&job.path("pushed.jsonl"));
    let pushed = records.iter().map(|record| record["name"].as_str().expect("a name").to_owned());
    assert_eq!((pushed.collect::<BTreeSet<_>>(), records.len()), (names(), REPOSITORIES));
}

/// The `last` of each page that was asked for, as the registry's log has it; empty for a first page.
fn asked(peer: &Peer) -> Vec<String> {
    let log = peer.read("output");
    let targets = log.lines().filter_map(|line| line.split_once("\"GET /v2/_catalog?")?.1.split_once(' '));
    let last = |query: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix("last="));
        value.map(|value| value.replace("%2F", "/")).unwrap_or_default()
    };
    targets.map(|(query, _)| last(query)).collect()
}

/// Each name stands once, on its page; gives them in the order of the registry.
fn whole(job: &Job) -> Vec<String> {
    let records = csv(&job.path("names.csv"));
    let found: BTreeSet<String> = records.iter().map(|record| record["name"].clone()).collect();
    assert_eq!((found, records.len()), (names(), REPOSITORIES));
    for (position, record) in records.iter().enumerate() {
        assert_eq!(record["page"], (position / SIZE + 1).to_string(), "{record:?}");
    }
    records.into_iter().map(|mut record| record.remove("name").expect("a name")).collect()
}

/// What each page is asked for by: the last name of the page before it, if there is one.
fn expected(names: &[String]) -> Vec<String> {
    let lasts = names.chunks(SIZE).map(|page| page[page.len() - 1].clone());
    std::iter::once(String::new()).chain(lasts).take(PAGES).collect()
}

/// What was asked from a request on, up to the last page: a reply may be there before its line in the log.
fn asked_to_the_end(peer: &Peer, from: usize, pages: &[String]) -> Vec<String> {
    wait::until("the last page in the log", Duration::from_secs(30), || {
        let asked = asked(peer).split_off(from);
        (asked.last() == pages.last()).then_some(asked)
    })
}

/// Pages that the journal holds as taken.
fn taken(job: &Job) -> usize {
    let found = journal::peek(&job.state()).unwrap_or_else(|error| panic!("{}", error.message));
    let page = found.and_then(|found| found.last.walks.iter().next().map(|walk| walk.page));
    usize::try_from(page.unwrap_or_default()).expect("a small number")
}

fn walk_in_one_go(peer: &Peer) -> Vec<String> {
    let job = job(peer, WALK);
    let done = job.run(&[]).expect_code(0);
    assert!(!done.stderr.contains("warning"), "{}", done.stderr);
    let pages = expected(&whole(&job));
    assert_eq!(asked_to_the_end(peer, 0, &pages), pages);
    assert!(done.stderr.contains(&format!("attempts  {PAGES} (0 retries)")), "{}", done.stderr);
    pages
}

fn walk_with_a_kill(peer: &Peer, pages: &[String]) {
    let job = job(peer, WALK);
    let run = job.spawn(&SLOWLY);
    wait::until("a commit", Duration::from_secs(60), || (taken(&job) > 0).then_some(()));
    let killed = run.kill();
    assert_eq!(killed.code, None, "it ended by itself\n{}\n{}", killed.stdout, killed.stderr);
    let taken = taken(&job);
    job.run(&[]).expect_code(0);
    whole(&job);
    let asked = asked_to_the_end(peer, PAGES, pages);
    let (before, after) = asked.split_at(asked.len().saturating_sub(PAGES - taken));
    assert_eq!(after, &pages[taken..], "it goes on behind the {taken} pages that it had");
    assert!(before.len() >= taken && before.len() < PAGES, "{} pages before the kill, {taken} noted", before.len());
    assert_eq!(before, &pages[..before.len()]);
}

#[test]
fn a_catalog_is_walked_by_relative_links() {
    let Some(program) = find("docker-registry") else { return };
    let peer = registry(&program);
    push(&peer);
    let pages = walk_in_one_go(&peer);
    walk_with_a_kill(&peer, &pages);
}
