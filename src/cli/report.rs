//! `paceline report`: a run as a page, or two runs side by side, made from what the state folder keeps.
//!
//! [`find`] finds the run, [`crate::recap::kept`] reads it, [`html`] writes it. Must never change anything in a state folder, nor
//! write over what a job reads or writes.

mod find;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::ReportArgs;
use super::exit::Exit;
use super::load::STDIN;
use super::print::Printer;
use crate::compile::real_path;
use crate::diagnostic::Format;
use crate::recap::{Recap, kept};
use crate::report::text::clean;
use crate::report::{file, html};
use find::Found;

const ELSEWHERE: &str = "name another file with --output-file, or - for standard output";

/// A report and where it belongs.
struct Page {
    text: String,
    /// Where it is written unless somebody says otherwise.
    name: PathBuf,
    /// What it is of, in words.
    of: String,
}

/// Makes the report.
pub fn report(args: &ReportArgs, print: &mut Printer) -> Exit {
    let wanted = if args.compare { 2 } else { 1 };
    if args.runs.len() != wanted {
        let message = match (args.compare, args.runs.len()) {
            (true, _) => {
                "--compare sets two runs side by side, and one is named; name the other behind it, such as `--compare 3f2a 81c0`"
            }
            (false, _) => "two runs are named: --compare sets them side by side, and a report is of one",
        };
        print.error(args.speech.output, message);
        return Exit::Usage;
    }
    let mut runs = Vec::new();
    for run in &args.runs {
        let found = find::find(run, args, print);
        match found.and_then(|found| Ok((recap(&found, args, print)?, found))) {
            Ok(run) => runs.push(run),
            Err(exit) => return exit,
        }
    }
    let page = match runs.as_slice() {
        [(a, _), (b, _)] => side_by_side(a, b, args.json),
        [(recap, _)] => alone(recap, args.json),
        _ => return Exit::Usage,
    };
    let path = args.output_file.as_ref().unwrap_or(&page.name);
    if let Some(why) = runs.iter().find_map(|(recap, found)| taken(path, recap, found)) {
        print.error(args.speech.output, &format!("can't write {}: {why}; {ELSEWHERE}", path.display()));
        return Exit::Usage;
    }
    write(&page, path, args, print)
}

/// Why a report must not take the place of what stands at a path; `None`: it may.
fn taken(path: &Path, recap: &Recap, found: &Found) -> Option<String> {
    if path == Path::new(STDIN) {
        return None;
    }
    let real = real_path(path);
    if real.starts_with(real_path(&found.state)) {
        return Some(format!("the job keeps its journal in {}", found.state.display()));
    }
    if recap.texts.iter().any(|text| real_path(Path::new(&text.path)) == real) {
        return Some("the job is read from it".to_owned());
    }
    found.plan.as_ref().and_then(|plan| file::clash(plan, path))
}

/// What is known of a run; what is missing of it is said.
fn recap(found: &Found, args: &ReportArgs, print: &mut Printer) -> Result<Recap, Exit> {
    match kept::read(&found.state, &found.journal) {
        Ok(kept) => {
            for missing in kept.missing.iter().filter(|_| !args.speech.quiet) {
                print.note(args.speech.output, missing);
            }
            Ok(kept.recap)
        }
        Err(message) => {
            print.error(args.speech.output, &message);
            Err(Exit::Broken)
        }
    }
}

fn alone(recap: &Recap, is_json: bool) -> Page {
    let of = format!("run {} of {}", clean(&recap.run), clean(&recap.job));
    if is_json {
        return Page { text: pretty(&json!(recap)), name: STDIN.into(), of };
    }
    Page { text: html::page(recap), name: format!("report-{}.html", recap.run).into(), of }
}

fn side_by_side(a: &Recap, b: &Recap, is_json: bool) -> Page {
    let of = format!("runs {} and {} of {}", clean(&a.run), clean(&b.run), clean(&b.job));
    if is_json {
        return Page { text: pretty(&json!({ "a": a, "b": b })), name: STDIN.into(), of };
    }
    Page { text: html::compare(a, b), name: format!("report-{}-{}.html", a.run, b.run).into(), of }
}

fn pretty(value: &Value) -> String {
    // Plain data with string keys always serializes.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn write(page: &Page, path: &Path, args: &ReportArgs, print: &mut Printer) -> Exit {
    if path == Path::new(STDIN) {
        print.out(&page.text);
        return Exit::Fine;
    }
    let shown = path.display();
    if let Err(error) = file::save(path, &page.text) {
        print.error(args.speech.output, &format!("can't write {shown}: {error}; {ELSEWHERE}"));
        return Exit::Broken;
    }
    match args.speech.output {
        Format::Json => print.out(&json!({ "file": path, "of": page.of }).to_string()),
        Format::Human | Format::Github => print.out(&format!("{shown}: {}", page.of)),
    }
    Exit::Fine
}
