//! `paceline migrate`: job files of older versions of the language. One that can't be brought to the present version is
//! told why, and left alone.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::args::MigrateArgs;
use super::exit::Exit;
use super::print::{self, Printer};
use super::rewrite::{Rewrite, refuse};
use crate::diagnostic::{Diagnostics, Format};
use crate::document::Document;
use crate::migrate::{self, CURRENT, Migrated, STEPS, Told};

/// Migrates all files; one that can't be migrated does not keep the others from it.
pub fn migrate(args: &MigrateArgs, print: &mut Printer) -> Exit {
    let exits = args.jobs.iter().map(|path| one(path, args, print));
    exits.fold(Exit::Fine, Exit::worse)
}

fn one(path: &Path, args: &MigrateArgs, print: &mut Printer) -> Exit {
    let mut diagnostics = Diagnostics::default();
    let document = Document::read_alone(path, &mut diagnostics);
    let Some(document) = document.as_ref().filter(|_| !diagnostics.has_errors()) else {
        return refuse(path, &diagnostics, document.as_ref(), args.speech.output, print);
    };
    match migrate::migrate(document, STEPS) {
        Err(refused) => refuse(path, &refused.diagnostics, Some(&refused.document), args.speech.output, print),
        Ok(None) => {
            if !args.speech.quiet {
                print.out(&current(path, args.speech.output));
            }
            Exit::Fine
        }
        Ok(Some(migrated)) => finish(path, &document.sources[0].text, &migrated, args, print),
    }
}

fn current(path: &Path, output: Format) -> String {
    let shown = path.display();
    match output {
        Format::Human | Format::Github => format!("nothing to do: {shown} is version {CURRENT} already"),
        Format::Json => json!({ "file": shown.to_string(), "changed": false, "version": CURRENT }).to_string(),
    }
}

fn finish(path: &Path, before: &str, migrated: &Migrated, args: &MigrateArgs, print: &mut Printer) -> Exit {
    if !args.speech.quiet && args.speech.output != Format::Json {
        print.out(&report(path, migrated, args.speech.output));
    }
    let more = members(migrated);
    let rewrite = Rewrite { path, before, after: &migrated.text, done: "migrated", more: &more };
    if args.check { rewrite.check(args.speech.output, print) } else { rewrite.write(args.speech, print) }
}

/// Which keys change, and why, for programs: members of the one object that they get of a file.
fn members(migrated: &Migrated) -> Map<String, Value> {
    let changes = migrated.changes.iter().map(object).collect::<Value>();
    let members = [("from", json!(migrated.from)), ("to", json!(CURRENT)), ("changes", changes)];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Which keys change, and why, for people.
fn report(path: &Path, migrated: &Migrated, output: Format) -> String {
    let shown = path.display().to_string();
    if output == Format::Github {
        let lines = |told: &Told| told.line.map(|line| (line, line));
        let notices = migrated.changes.iter().map(|told| print::github_at("notice", &shown, lines(told), &words(told)));
        return notices.collect::<Vec<_>>().join("\n");
    }
    let start = format!("{shown}: version {} to {CURRENT}", migrated.from);
    let line = |told: &Told| told.line.map(|line| format!(":{line}")).unwrap_or_default();
    let lines = migrated.changes.iter().map(|told| format!("  {shown}{}: {}", line(told), words(told)));
    std::iter::once(start).chain(lines).collect::<Vec<_>>().join("\n")
}

fn words(Told { change, what, .. }: &Told) -> String {
    let to = change.to.as_ref().map_or("taken out".to_owned(), |to| format!("now `{to}`"));
    format!("`{}`: {to} ({what})", change.from)
}

fn object(Told { change, line, what }: &Told) -> Value {
    let to = change.to.as_ref().map(ToString::to_string);
    json!({ "line": line, "from": change.from.to_string(), "to": to, "why": what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::KeyPath;
    use crate::migrate::Change;

    #[test]
    fn changes_are_shown_with_their_lines() {
        let told = |line, to: Option<&str>| Told {
            change: Change { from: KeyPath::of(["retry", "tries"]), to: to.map(|to| KeyPath::of(["retry", to])) },
            line,
            what: "why",
        };
        let changes = vec![told(Some(3), Some("attempts")), told(None, None)];
        let migrated = Migrated { from: 0, text: String::new(), changes };
        let text = report(Path::new("job.toml"), &migrated, Format::Human);
        let wanted = "job.toml: version 0 to 1\n  job.toml:3: `retry.tries`: now `retry.attempts` (why)\n  \
                      job.toml: `retry.tries`: taken out (why)";
        assert_eq!(text, wanted);
        let github = report(Path::new("job.toml"), &migrated, Format::Github);
        let wanted = "::notice file=job.toml,line=3,endLine=3::`retry.tries`: now `retry.attempts` (why)\n\
                      ::notice file=job.toml::`retry.tries`: taken out (why)";
        assert_eq!(github, wanted);
        let more = members(&migrated);
        let path = Path::new("job.toml");
        let rewrite = Rewrite { path, before: "a = 1\n", after: "", done: "migrated", more: &more };
        let json: Value = serde_json::from_str(&rewrite.difference(Format::Json)).unwrap();
        assert_eq!([&json["file"], &json["from"], &json["to"]], [&json!("job.toml"), &json!(0), &json!(1)]);
        assert!(json["diff"].as_str().unwrap().contains("-a = 1"), "{json}");
        assert_eq!(json["changes"][0], json!({"line": 3, "from": "retry.tries", "to": "retry.attempts", "why": "why"}));
        assert_eq!(json["changes"][1]["to"], Value::Null);
    }
}
