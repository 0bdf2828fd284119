//! What the live page hears: the sections that changed, once a second at most, and the end.
//!
//! Every listener has its own memory of what it was shown. Must never queue: who is slow gets the newest state when it
//! takes something, and is left when it takes nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::sections::{self, Section};
use crate::serve::Watched;
use crate::serve::watched::Phase;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);
/// Looks without news after which a word is said, so that a connection that died is noticed.
const QUIET: u32 = 15;
/// How long a listener may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells a listener of a run until it ends, or until nobody takes what is told.
pub(super) async fn tell(watched: Arc<Watched>, tells: mpsc::Sender<Bytes>) {
    let (mut phases, mut listener) = (watched.phases(), Listener::default());
    loop {
        let is_over = matches!(*phases.borrow_and_update(), Phase::Over(_));
        let mut text = listener.news(watched.recap().map(|recap| sections::of(&recap)).unwrap_or_default());
        if is_over {
            text += "event: end\ndata: {}\n\n";
        }
        if !text.is_empty() && !matches!(timeout(PATIENCE, tells.send(text.into())).await, Ok(Ok(()))) {
            return;
        }
        if is_over {
            return;
        }
        tokio::select! {
            _ = phases.changed() => {}
            () = sleep(EVERY) => {}
        }
    }
}

/// What a listener knows.
#[derive(Default)]
struct Listener {
    shown: Vec<Section>,
    quiet: u32,
}

impl Listener {
    /// The event that says what differs from what was shown; empty where there is nothing to say.
    fn news(&mut self, sections: Vec<Section>) -> String {
        let changed = sections.iter().filter(|section| !self.shown.contains(section));
        let changed: Map<String, Value> =
            changed.map(|(id, html)| ((*id).to_owned(), Value::from(html.as_str()))).collect();
        self.shown = sections;
        self.quiet += 1;
        if !changed.is_empty() {
            self.quiet = 0;
            return format!("event: sections\ndata: {}\n\n", Value::Object(changed));
        }
        if self.quiet.is_multiple_of(QUIET) { ": nothing new\n\n".to_owned() } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_told_and_silence_is_broken_now_and_then() {
        let mut listener = Listener::default();
        let sections = |counts: &str| vec![("head", "<h1>\n\"x\"</h1>".to_owned()), ("counts", counts.to_owned())];
        let first = listener.news(sections("1"));
        assert_eq!(first, "event: sections\ndata: {\"head\":\"<h1>\\n\\\"x\\\"</h1>\",\"counts\":\"1\"}\n\n");
        assert_eq!(listener.news(sections("2")), "event: sections\ndata: {\"counts\":\"2\"}\n\n");
        let told: Vec<String> = (0..2 * QUIET).map(|_| listener.news(sections("2"))).collect();
        assert_eq!(told.iter().filter(|text| !text.is_empty()).count(), 2);
        assert!(told.iter().all(|text| text.is_empty() || text.starts_with(": ")));
    }
}
