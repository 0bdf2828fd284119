//! The collector: takes what the filter lets through of this program and of the crates below it, whether they speak
//! `tracing` or `log`, and queues it as lines.
//!
//! Before the secrets of a run are known, nobody but this program gets a word in: it says nothing then that comes from
//! outside. Must never block whoever speaks, nor pass a line on that the masker has not seen.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tracing::metadata::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::Veil;
use super::filter::Filter;
use super::line::{Line, Style, level};
use super::queue::Queue;
use crate::report::fault::Fault;

/// See the module. Clones are the same collector.
#[derive(Debug, Clone)]
pub struct Collector(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    filter: Filter,
    style: Style,
    veil: Veil,
    queue: Queue,
}

impl Collector {
    /// A collector of lines that pass `filter`, into `out`, which is called `place` where it can't be written.
    ///
    /// # Errors
    /// When there is no thread left to be had.
    pub fn new(
        filter: Filter,
        style: Style,
        veil: Veil,
        (out, place): (Box<dyn Write + Send>, &str),
    ) -> io::Result<Self> {
        let queue = Queue::start(out, place, style)?;
        Ok(Self(Arc::new(Inner { filter, style, veil, queue })))
    }

    /// Makes it the one of this process, of which there is one at most.
    ///
    /// # Errors
    /// When there is one already.
    pub fn install(&self) -> Result<(), String> {
        let taken = |what: &str| format!("this process has a {what} already");
        tracing::subscriber::set_global_default(self.clone()).map_err(|_| taken("subscriber of `tracing`"))?;
        log::set_boxed_logger(Box::new(self.clone())).map_err(|_| taken("logger of `log`"))?;
        log::set_max_level(most(self.0.filter.most()));
        Ok(())
    }

    /// Waits until what was said is written, but not longer than `patience`.
    pub fn flush(&self, patience: Duration) {
        self.0.queue.flush(patience);
    }

    /// Why lines could not be written, once that was so.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        self.0.queue.fault()
    }

    fn take(&self, line: &Line) {
        let Inner { style, veil, queue, .. } = &*self.0;
        match veil.masker() {
            None if !line.is_own() => {}
            masker => queue.push(line.render(*style, masker)),
        }
    }
}

/// Spans are left out: lines say what is in them, and keeping them would cost every frame of HTTP/2.
impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && self.0.filter.wants(metadata.target(), *metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.filter.most())
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // Asked for by nobody, since no span is enabled; zero is no id.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.take(&Line::of_event(event));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl log::Log for Collector {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.0.filter.wants(metadata.target(), level(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        if log::Log::enabled(self, record.metadata()) {
            self.take(&Line::of_record(record));
        }
    }

    fn flush(&self) {}
}

/// The finest level in the words of `log`.
fn most(filter: LevelFilter) -> log::LevelFilter {
    match filter.into_level() {
        None => log::LevelFilter::Off,
        Some(tracing::Level::ERROR) => log::LevelFilter::Error,
        Some(tracing::Level::WARN) => log::LevelFilter::Warn,
        Some(tracing::Level::INFO) => log::LevelFilter::Info,
        Some(tracing::Level::DEBUG) => log::LevelFilter::Debug,
        Some(tracing::Level::TRACE) => log::LevelFilter::Trace,
    }
}
