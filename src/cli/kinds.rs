//! `paceline kinds`: what a job file may choose from, read from the tables the compiler reads.

use serde::Serialize;

use super::args::KindsArgs;
use super::exit::Exit;
use super::print::Printer;
use crate::diagnostic::Format;
use crate::{auth, extract, paginate, sink, source};

/// Kinds that stand in the same place of a job file.
#[derive(Debug, Serialize)]
struct Family {
    /// Name of the family.
    name: &'static str,
    /// Where its kinds stand.
    place: &'static str,
    kinds: Vec<Kind>,
}

/// A row of the table.
#[derive(Debug, Serialize)]
struct Kind {
    name: &'static str,
    doc: &'static str,
    example: &'static str,
    /// File endings that choose it.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    endings: &'static [&'static str],
}

/// Prints the list.
pub fn kinds(args: KindsArgs, print: &mut Printer) -> Exit {
    let families = families();
    let text = match args.speech.output {
        Format::Human | Format::Github => families.iter().map(human).collect::<Vec<_>>().join("\n"),
        // A list of plain strings always serializes.
        Format::Json => serde_json::to_string_pretty(&families).unwrap_or_default(),
    };
    print.out(&text);
    Exit::Fine
}

fn families() -> Vec<Family> {
    let inputs = source::KINDS.iter().map(|kind| row(kind.name, kind.doc, kind.example, kind.endings));
    let auths = auth::KINDS.iter().map(|kind| row(kind.name, kind.doc, kind.example, &[]));
    let paginations = paginate::KINDS.iter().map(|kind| row(kind.name, kind.doc, kind.example, &[]));
    let columns = extract::KINDS.iter().map(|kind| row(kind.name, kind.doc, kind.example, &[]));
    let sinks = sink::KINDS.iter().map(|kind| row(kind.name, kind.doc, kind.example, kind.endings));
    vec![
        Family { name: "inputs", place: "endpoints.NAME.input.KIND", kinds: inputs.collect() },
        Family { name: "auth", place: "endpoints.NAME.auth.KIND", kinds: auths.collect() },
        Family { name: "pagination", place: "endpoints.NAME.paginate.KIND", kinds: paginations.collect() },
        Family { name: "columns", place: "endpoints.NAME.columns.COLUMN.KIND", kinds: columns.collect() },
        Family { name: "sinks", place: "sinks.NAME.KIND", kinds: sinks.collect() },
    ]
}

fn row(name: &'static str, doc: &'static str, example: &'static str, endings: &'static [&'static str]) -> Kind {
    Kind { name, doc, example, endings }
}

fn human(family: &Family) -> String {
    let width = family.kinds.iter().map(|kind| kind.name.len()).max().unwrap_or(0);
    let mut text = format!("{} ({})\n", family.name, family.place);
    for kind in &family.kinds {
        let endings = match kind.endings {
            [] => String::new(),
            endings => format!(" (.{})", endings.join(", .")),
        };
        text += &format!("  {:width$}  {}{endings}\n", kind.name, kind.doc);
        for line in kind.example.trim().lines() {
            text += &format!("  {:width$}    {line}\n", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_reads_as_a_table() {
        let kinds = vec![
            row("csv", "Comma-separated values", "input = \"rows.csv\"\n", &["csv", "tsv"]),
            row("range", "Whole numbers", "[endpoints.x.input]\nrange = { from = 1, to = 3 }", &[]),
        ];
        let expected = "\
inputs (input.KIND)
  csv    Comma-separated values (.csv, .tsv)
           input = \"rows.csv\"
  range  Whole numbers
           [endpoints.x.input]
           range = { from = 1, to = 3 }
";
        assert_eq!(human(&Family { name: "inputs", place: "input.KIND", kinds }), expected);
    }
}
