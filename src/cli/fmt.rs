//! `paceline fmt`: job files in one style. A file that can't be read is told as `check` tells it, and left alone.

use std::path::Path;

use serde_json::Map;

use super::args::FmtArgs;
use super::exit::Exit;
use super::load::{MOST, STDIN, shown, standard_input};
use super::print::Printer;
use super::rewrite::{Rewrite, refuse};
use crate::diagnostic::{Diagnostics, Format};
use crate::document::Document;
use crate::format::{self, Formatted};

/// Formats all files; one that can't be formatted does not keep the others from it.
pub fn fmt(args: &FmtArgs, print: &mut Printer) -> Exit {
    let exits = args.jobs.iter().map(|path| one(path, args, print));
    exits.fold(Exit::Fine, Exit::worse)
}

fn one(written: &Path, args: &FmtArgs, print: &mut Printer) -> Exit {
    let (speech, path) = (args.speech, shown(written));
    let mut diagnostics = Diagnostics::default();
    let document = read(written, &mut diagnostics);
    let Some(document) = document.as_ref().filter(|_| !diagnostics.has_errors()) else {
        return refuse(path, &diagnostics, document.as_ref(), speech.output, print);
    };
    let text = &document.sources[0].text;
    match format::format(text) {
        Err(error) => {
            print.file_error(speech.output, path, &format!("{}: {}", path.display(), error.words()));
            Exit::Broken
        }
        Ok(formatted) if formatted.text.len() as u64 >= MOST => {
            let message = "formatted it would be larger than 1 MiB, which no job file may be; it is as it was";
            print.file_error(speech.output, path, &format!("{}: {message}", path.display()));
            Exit::Broken
        }
        Ok(formatted) => {
            if !speech.quiet {
                tell_left(path, &formatted, speech.output, print);
            }
            finish(written, text, &formatted.text, args, print)
        }
    }
}

/// A file, or standard input.
fn read(path: &Path, diagnostics: &mut Diagnostics) -> Option<Document> {
    if path != Path::new(STDIN) {
        return Document::read_alone(path, diagnostics);
    }
    match standard_input() {
        Ok(text) => Some(Document::alone(shown(path), text, diagnostics)),
        Err(refusal) => {
            diagnostics.push(*refusal);
            None
        }
    }
}

fn tell_left(path: &Path, formatted: &Formatted, output: Format, print: &mut Printer) {
    for left in &formatted.left {
        print.file_note(output, path, left.line, &format!("{}; it is left as it is", left.what));
    }
}

/// Shows, prints or writes what came of it.
fn finish(path: &Path, before: &str, after: &str, args: &FmtArgs, print: &mut Printer) -> Exit {
    let more = Map::new();
    let rewrite = Rewrite { path: shown(path), before, after, done: "formatted", more: &more };
    if args.check {
        return rewrite.check(args.speech.output, print);
    }
    if path == Path::new(STDIN) {
        print.out(after);
        return Exit::Fine;
    }
    rewrite.write(args.speech, print)
}
