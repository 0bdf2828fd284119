//! A stream of events, cut into its sessions, every line of which was looked at: it fits the schema, has the next number,
//! and begins or ends only what may begin or end there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::support::output::jsonl;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft7::new(&schema()).unwrap());

/// The committed schema.
pub fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/event.schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Panics unless a line fits the schema.
pub fn fits(line: &Value) {
    let errors: Vec<String> =
        SCHEMA.iter_errors(line).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{line}\n{errors:?}");
}

/// What a process told, from its first event on.
#[derive(Debug)]
pub struct Session {
    pub id: String,
    pub lines: Vec<Value>,
    /// What has begun and not ended.
    open: BTreeSet<String>,
}

/// The sessions of a stream, in their order.
pub fn sessions(text: &str) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for line in jsonl(text) {
        fits(&line);
        let id = line["session"].as_str().unwrap();
        if sessions.last().is_none_or(|last| last.id != id) {
            assert_eq!(line["event"], "run-started", "{line}");
            sessions.push(Session { id: id.to_owned(), lines: Vec::new(), open: BTreeSet::new() });
        }
        sessions.last_mut().unwrap().take(line);
    }
    sessions
}

/// The events of a session that have this name.
pub fn named<'s>(session: &'s Session, name: &'s str) -> impl Iterator<Item = &'s Value> {
    session.lines.iter().filter(move |line| line["event"] == name)
}

impl Session {
    fn take(&mut self, line: Value) {
        assert_eq!(line["seq"].as_u64().unwrap() as usize, self.lines.len(), "{line}");
        if let Some(last) = self.lines.last() {
            assert_ne!(last["event"], "run-finished", "nothing comes behind the end: {line}");
        }
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        let endpoint = format!("endpoint {}", text("endpoint"));
        let batch = format!("batch {} of {}", line["batch"], text("endpoint"));
        let outage = format!("outage of {} at {}", text("host"), text("endpoint"));
        match line["event"].as_str().unwrap() {
            "run-started" => self.begin("run".to_owned(), None),
            "endpoint-started" => self.begin(endpoint, Some("run")),
            "batch-started" => self.begin(batch, Some(&endpoint)),
            "outage-began" => self.begin(outage, Some("run")),
            "run-finished" => self.end("run"),
            "endpoint-finished" => self.end(&endpoint),
            "batch-finished" => {
                assert!(self.open.contains(&endpoint), "{batch} ends behind its endpoint");
                self.end(&batch);
            }
            "outage-ended" => self.end(&outage),
            _ => assert!(self.open.contains("run"), "{line}"),
        }
        self.lines.push(line);
    }

    fn begin(&mut self, what: String, within: Option<&str>) {
        assert!(within.is_none_or(|outer| self.open.contains(outer)), "{what} begins out of place");
        assert!(!self.open.contains(&what), "{what} begins twice");
        self.open.insert(what);
    }

    fn end(&mut self, what: &str) {
        assert!(self.open.remove(what), "{what} ends and has not begun");
    }

    /// Panics unless it came to its end and everything else ended before.
    pub fn is_whole(&self) {
        assert_eq!(self.last()["event"], "run-finished");
        assert!(self.open.is_empty(), "{:?}", self.open);
    }

    pub fn last(&self) -> &Value {
        self.lines.last().unwrap()
    }

    pub fn run(&self) -> &str {
        self.lines[0]["run"].as_str().unwrap()
    }
}
