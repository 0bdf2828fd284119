//! The commands of the jobs that are handed out, read again by our own reader.

use std::path::{Path, PathBuf};

use super::super::super::preview::{Shown, preview};
use super::*;
use crate::compile::{Options, compile};
use crate::curl::{self, Body};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};

/// Jobs that are handed out, as a repository has them.
fn jobs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("jobs"), root.join("docs/cookbook")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut jobs: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    jobs.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    jobs.sort();
    jobs
}

/// The request of a command, as our own reader has it; without the line that fetches a token before.
fn read_again(command: &str) -> curl::CurlRequest {
    let (_, last) = command.rsplit_once("\ncurl ").unwrap_or(("", command));
    let mut last = if last.starts_with("curl ") { last.to_owned() } else { format!("curl {last}") };
    // What reads a secret's file is no word of one command alone.
    while let Some((before, behind)) = last.split_once("$(cat ") {
        let (_, behind) = behind.split_once(')').unwrap();
        last = format!("{before}${{FROM_A_FILE}}{behind}");
    }
    curl::read(&last).unwrap_or_else(|why| panic!("{why}:\n{command}"))
}

/// The plan of a job; `None`: its input is made by another job, or lies at a server.
fn plan_of(path: &Path) -> Option<Plan> {
    let mut diagnostics = Diagnostics::default();
    let document = Document::read(path, &Overlays::default(), &mut diagnostics)?;
    compile(&document, &Options::default(), &mut diagnostics)
}

/// Compares a command with what the plan shows of the same rows; whether there is a command.
fn is_as_shown(asked: &Asked, shown: &Shown) -> bool {
    assert_eq!((asked.row, asked.rows), (Some(shown.row), shown.rows), "{}", asked.endpoint);
    let (Some(command), Some(request)) = (&asked.command, &shown.request) else { return false };
    let again = read_again(command);
    assert_eq!(again.method, request.method, "{command}");
    let url = request.url.replace("demo:", DEMO);
    let has_secret = url.contains("***");
    assert!(has_secret || again.url == url, "{command}\n{} is not {url}", again.url);
    let has_body = request.body.is_some() || request.body_file.is_some() || !request.parts.is_empty();
    assert_eq!(again.body != Body::None, has_body, "{command}");
    true
}

#[test]
fn every_command_of_every_job_is_read_again_as_what_the_plan_shows() {
    let (mut commands, mut chunks) = (0, 0);
    for plan in jobs().iter().filter_map(|path| plan_of(path)) {
        for endpoint in &plan.endpoints {
            let Ok(asked) = gather((&plan, endpoint), 2, &Variables::default()) else { continue };
            let shown = preview(&plan, endpoint, 2).unwrap_or_default();
            for (asked, _) in asked.iter().zip(&shown).filter(|(asked, shown)| is_as_shown(asked, shown)) {
                commands += 1;
                chunks += usize::from(asked.rows.is_some());
            }
        }
    }
    assert!(commands > 60 && chunks >= 2, "{commands} commands, {chunks} of chunks");
}
