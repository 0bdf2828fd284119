//! Faults: that what is written of a run beside it, its log or its events, can't be written any more.
//!
//! Who writes notes it once; the other reporters tell it soon, and it stands among the warnings of the run. Must never
//! be said by whoever has it: only reporters know where something may be said.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use super::{Reporter, View};
use crate::event::Event;
use crate::run::live::Live;
use crate::secret::Masker;

/// What went wrong, once it did. Clones are the same fault.
#[derive(Debug, Clone, Default)]
pub struct Fault(Arc<OnceLock<String>>);

impl Fault {
    /// Notes it; only the first one counts.
    pub fn note(&self, words: impl FnOnce() -> String) {
        self.0.get_or_init(words);
    }

    /// What went wrong.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// These reporters, each of which also tells these faults.
#[must_use]
pub fn told_by(reporters: Vec<Box<dyn Reporter>>, faults: &[Fault]) -> Vec<Box<dyn Reporter>> {
    if faults.is_empty() {
        return reporters;
    }
    let telling = |inner| -> Box<dyn Reporter> { Box::new(Telling { inner, untold: faults.to_vec() }) };
    reporters.into_iter().map(telling).collect()
}

/// Puts what went wrong among the warnings of a run where it is not yet; in front, for a summary has room for one.
/// Whether there was anything.
pub fn put_among(warnings: &mut Vec<String>, faults: impl IntoIterator<Item = String>) -> bool {
    let mut words: Vec<String> = faults.into_iter().collect();
    words.retain(|words| !warnings.contains(words));
    let is_new = !words.is_empty();
    warnings.splice(0..0, words);
    is_new
}

/// A reporter that also tells faults, each once.
struct Telling {
    inner: Box<dyn Reporter>,
    untold: Vec<Fault>,
}

impl Reporter for Telling {
    fn wants_attempts(&self) -> bool {
        self.inner.wants_attempts()
    }

    fn wants_rows(&self) -> bool {
        self.inner.wants_rows()
    }

    fn is_record(&self) -> bool {
        self.inner.is_record()
    }

    fn fault(&self) -> Option<Fault> {
        self.inner.fault()
    }

    fn opened(&mut self, view: &Arc<dyn View>) {
        self.inner.opened(view);
    }

    fn masked_by(&mut self, masker: &Masker) {
        self.inner.masked_by(masker);
    }

    fn tell(&mut self, event: &Event) {
        self.inner.tell(event);
    }

    fn tell_at(&mut self, event: &Event, at: SystemTime) {
        self.inner.tell_at(event, at);
    }

    fn tick(&mut self, live: &Live) {
        self.tick_at(live, crate::clock::wall());
    }

    fn tick_at(&mut self, live: &Live, at: SystemTime) {
        for fault in self.untold.extract_if(.., |fault| fault.words().is_some()) {
            let message = fault.words().unwrap_or_default().to_owned();
            self.inner.tell_at(&Event::Warning { message }, at);
        }
        self.inner.tick_at(live, at);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use super::*;

    /// Says what it was called with.
    struct Ear(Sender<String>);

    impl Ear {
        fn hear(&self, words: impl Into<String>) {
            self.0.send(words.into()).unwrap();
        }
    }

    impl Reporter for Ear {
        fn wants_attempts(&self) -> bool {
            true
        }

        fn wants_rows(&self) -> bool {
            true
        }

        fn is_record(&self) -> bool {
            false
        }

        fn opened(&mut self, _view: &Arc<dyn View>) {
            self.hear("opened");
        }

        fn masked_by(&mut self, masker: &Masker) {
            self.hear(format!("masked: {}", masker.mask("hunter2")));
        }

        fn tell(&mut self, event: &Event) {
            self.hear(format!("untimed: {event:?}"));
        }

        fn tell_at(&mut self, event: &Event, at: SystemTime) {
            let Event::Warning { message } = event else { panic!("{event:?}") };
            self.hear(format!("{message} at {}", crate::clock::rfc3339(at)));
        }

        fn tick(&mut self, _live: &Live) {
            self.hear("untimed tick");
        }

        fn tick_at(&mut self, _live: &Live, _at: SystemTime) {
            self.hear("tick");
        }
    }

    #[test]
    fn a_fault_is_told_once_with_its_time_and_everything_else_is_handed_on() {
        let ((mouth, heard), faults) = (channel(), [Fault::default(), Fault::default()]);
        let mut telling = told_by(vec![Box::new(Ear(mouth))], &faults).pop().unwrap();
        assert!(telling.wants_attempts() && telling.wants_rows() && !telling.is_record());
        telling.masked_by(&Masker::new(["hunter2"]));
        let (live, at) = (Live::default(), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        let view: Arc<dyn View> = Arc::new(Nothing(Live::default()));
        telling.opened(&view);
        telling.tell_at(&Event::Warning { message: "odd".into() }, SystemTime::UNIX_EPOCH);
        telling.tick_at(&live, at);
        faults[1].note(|| "the disk is full".into());
        faults[1].note(|| "and again".into());
        (0..2).for_each(|_| telling.tick_at(&live, at));
        drop(telling);
        let expected = [
            "masked: ***",
            "opened",
            "odd at 1970-01-01T00:00:00.000Z",
            "tick",
            "the disk is full at 1970-01-01T00:00:01.000Z",
            "tick",
            "tick",
        ];
        assert_eq!(heard.iter().collect::<Vec<_>>(), expected);
        let mut warnings = vec!["odd".to_owned()];
        let words = || faults.iter().filter_map(Fault::words).map(str::to_owned);
        assert!(put_among(&mut warnings, words()) && !put_among(&mut warnings, words()));
        assert_eq!(warnings, ["the disk is full", "odd"]);
    }

    /// A run of which there is nothing to see.
    struct Nothing(Live);

    impl View for Nothing {
        fn live(&self) -> &Live {
            &self.0
        }

        fn recap(&self) -> crate::recap::Recap {
            panic!("nobody looks")
        }
    }
}
