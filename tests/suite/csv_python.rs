//! Tables that Python's csv module wrote, in its dialects and in several encodings, read back cell by cell.
//!
//! One process of Python writes them all. Must never say which delimiter was taken: it is found.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::path::Path;
use std::process::Command;

use paceline::compile::{self, Options};
use paceline::diagnostic::Diagnostics;
use paceline::document::{Document, Overlays};
use paceline::source::Read;
use serde_json::{Value, json};

use crate::support::peers;

const TABLES: usize = 300;

const WRITER: &str = r#"
import csv, json, random, sys
dice = random.Random(46)
letters = 'ab ",;|\t\n\r' + "'" + 'é日ß€🙂\u2028'
latin = 'ab ",;|\t\nécß'
tables = []
for number in range(int(sys.argv[1])):
    encoding = dice.choice(['utf-8', 'utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'latin-1', 'gb18030'])
    quoting = dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    end = dice.choice(['\r\n', '\n'])
    known = latin if encoding == 'latin-1' else letters
    # Older versions leave CR unquoted where lines end with LF.
    if end == '\n' and quoting == csv.QUOTE_MINIMAL:
        known = known.replace('\r', '')
    width = dice.randint(1, 5)
    table = [['h%d' % column for column in range(width)]]
    for row in range(dice.randint(0, 12)):
        table.append([''.join(dice.choice(known) for _ in range(dice.randint(0, 6))) for _ in range(width)])
    with open('%d.csv' % number, 'w', encoding=encoding, newline='') as file:
        # A table of one column has no delimiter that could be found.
        delimiter = dice.choice(',;\t|') if width > 1 else ','
        writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=end)
        writer.writerows(table)
    name = {'utf-8-sig': None, 'utf-8': None, 'utf-16-le': 'utf-16le', 'latin-1': 'latin1'}.get(encoding, encoding)
    tables.append({'encoding': name, 'rows': table})
json.dump(tables, open('tables.json', 'w'))
"#;

/// The rows of a table, as they are read.
fn read(folder: &Path, number: usize, encoding: &Value) -> Vec<Vec<Value>> {
    let encoding = encoding.as_str().map(|name| format!(", encoding = \"{name}\"")).unwrap_or_default();
    let job = folder.join("job.toml");
    let input = format!("input.csv = {{ path = \"{number}.csv\"{encoding} }}");
    std::fs::write(&job, format!("[endpoints.a]\nurl = \"https://example.com/{{{{ row.h0 }}}}\"\n{input}\n")).unwrap();
    let mut diagnostics = Diagnostics::default();
    let document = Document::read(&job, &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile::compile(&document, &Options::default(), &mut diagnostics);
    let plan = plan.unwrap_or_else(|| panic!("table {number}: {:#?}", diagnostics.list()));
    let mut source = plan.endpoints[0].source.open().unwrap();
    let mut rows = Vec::new();
    while let Some(read) = source.next().unwrap() {
        match read {
            Read::Row(row) => rows.push(row.to_object().into_iter().map(|(_, value)| value).collect()),
            Read::Bad { reason, .. } | Read::Skipped { reason, .. } => panic!("table {number}: {reason}"),
        }
    }
    rows
}

#[test]
fn tables_that_python_wrote_are_read_back() {
    let Some(python) = peers::find("python3") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Command::new(python);
    let done = writer.args(["-c", WRITER, &TABLES.to_string()]).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let tables: Vec<Value> =
        serde_json::from_slice(&std::fs::read(folder.path().join("tables.json")).unwrap()).unwrap();
    assert_eq!(tables.len(), TABLES);
    for (number, table) in tables.iter().enumerate() {
        let rows = table["rows"].as_array().unwrap();
        let read = read(folder.path(), number, &table["encoding"]);
        assert_eq!(
            json!(read),
            json!(rows[1..]),
            "table {number}: {:?}",
            std::fs::read(folder.path().join(format!("{number}.csv")))
        );
    }
}
