//! A worker that panics: the run says that it broke off, and what was told to have begun is told to have ended.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::super::conductor::Conductor;
use super::super::live::Live;
use super::super::notify::Herald;
use super::super::open::open;
use super::super::{Commands, GoesOn, RunEnding, RunOptions, RunReport, commands};
use super::stage::{Act, Server, job};
use crate::event::Event;
use crate::plan::Plan;
use crate::report::Reporter;
use crate::secret::Secrets;

/// Remembers what it was told.
struct Ear(Arc<Mutex<Vec<Event>>>);

impl Reporter for Ear {
    fn tell(&mut self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }

    fn tick(&mut self, _live: &Live) {}
}

/// What an event begins (`true`) or ends.
fn change(event: &Event) -> Option<(bool, String)> {
    let name = |what: &str, event: &str| Some((event == "began", what.to_owned()));
    match event {
        Event::RunStarted { .. } => name("run", "began"),
        Event::RunFinished { .. } => name("run", "ended"),
        Event::EndpointStarted { endpoint, .. } => name(endpoint, "began"),
        Event::EndpointFinished { endpoint } => name(endpoint, "ended"),
        Event::BatchStarted { batch, .. } => name(&batch.to_string(), "began"),
        Event::BatchFinished { batch, .. } => name(&batch.to_string(), "ended"),
        _ => None,
    }
}

/// A job of a hundred rows that keeps everything in a folder.
pub fn hundred_rows(folder: &Path) -> Plan {
    let text = format!(
        "batch = {{ size = 10, in-flight = 2 }}\n[endpoints.a]\nurl = \"http://a.example/{{{{ row.value }}}}\"\n\
         concurrency = 4\ninput.range = {{ from = 1, to = 100 }}\n[sinks.out]\npath = \"{}\"\n",
        folder.join("out.csv").display()
    );
    let mut plan = job(&text);
    plan.state = folder.join("state");
    plan
}

/// Runs a job before a server that is a function of the row.
pub async fn run_before(
    answer: impl Fn(&str) -> Act + Send + Sync + 'static,
    plan: Plan,
    (reporters, commands): (Vec<Box<dyn Reporter>>, Commands),
) -> RunReport {
    let herald = Herald::of(&plan, &Secrets::default(), &GoesOn);
    let mut opened = open(plan, RunOptions::default(), Secrets::default(), |_| ()).await.unwrap();
    let server = Server::new(move |seen| answer(seen.id));
    for lane in &mut opened.lanes {
        Arc::get_mut(lane).unwrap().transport = server.clone();
    }
    Conductor::conduct(opened, (reporters, commands), &herald).await
}

/// Answers every row but the 25th, of which it knows nothing.
pub fn panics_at_25(id: &str) -> Act {
    assert_ne!(id, "25", "a bug");
    Act::status(200)
}

#[tokio::test]
async fn a_worker_that_panics_leaves_nothing_open() {
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::default();
    let reporters: Vec<Box<dyn Reporter>> = vec![Box::new(Ear(Arc::clone(&told)))];
    let report = run_before(panics_at_25, hundred_rows(folder.path()), (reporters, commands().1)).await;
    let RunEnding::Broken(why) = report.ending else { panic!("{:?}", report.ending) };
    assert!(why.contains("a worker panicked"), "{why}");
    let told = told.lock().unwrap();
    let mut open = BTreeSet::new();
    for (begins, what) in told.iter().filter_map(change) {
        assert!(if begins { open.insert(what.clone()) } else { open.remove(&what) }, "{what}: {told:?}");
    }
    assert!(open.is_empty(), "{open:?}");
    let Some(Event::RunFinished { complete: false, summary }) = told.last() else { panic!("{:?}", told.last()) };
    assert!(summary.rows.ok > 0 && summary.rows.ok < 100, "{summary:?}");
}
