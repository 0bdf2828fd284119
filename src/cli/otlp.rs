//! What is sent of a run to a collector of OpenTelemetry: what `run --otlp` asks for, where this build can.
//!
//! The variables that OpenTelemetry names say where and how, and never whether: they are there for every program, and a job's
//! hosts and rows are not for everybody. Must never change how a run ends.

use super::args::WatchArgs;
use super::exit::Exit;
use crate::recap::Recap;
use crate::report::Reporter;
use crate::report::fault::Fault;

#[cfg(feature = "otel")]
use crate::otlp::{Otlp, Settings};

/// Nobody can make one in a build that sends nothing.
#[cfg(not(feature = "otel"))]
type Otlp = std::convert::Infallible;

/// See the module.
pub(super) struct Sending(Option<Otlp>);

impl Sending {
    /// Starts what was asked for.
    ///
    /// # Errors
    /// In words and with the exit code, where this build can't, or what the environment says of it can't be done.
    pub(super) fn open(args: &WatchArgs) -> Result<Self, (Exit, String)> {
        match args.otlp.as_ref().filter(|collector| collector.is_asked()) {
            Some(collector) => open(collector.base()).map(Self),
            None => Ok(Self(None)),
        }
    }
}

#[cfg(feature = "otel")]
fn open(base: Option<&str>) -> Result<Option<Otlp>, (Exit, String)> {
    let settings = Settings::read(base, &crate::environment::variable).map_err(|words| (Exit::Usage, words))?;
    let started = settings.map(Otlp::start).transpose();
    started.map_err(|words| (Exit::Broken, format!("--otlp: {words}")))
}

#[cfg(not(feature = "otel"))]
fn open(_: Option<&str>) -> Result<Option<Otlp>, (Exit, String)> {
    let words = "--otlp: this build sends nothing to OpenTelemetry: it was made without the feature `otel`; build with \
                 `--features otel`";
    Err((Exit::Usage, words.to_owned()))
}

#[cfg(feature = "otel")]
impl Sending {
    /// Those who look at the run for it.
    pub(super) fn reporters(&self) -> Vec<Box<dyn Reporter>> {
        self.0.as_ref().map(Otlp::reporters).unwrap_or_default()
    }

    /// What may go wrong with it.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.0.as_ref().map(|otlp| otlp.faults().to_vec()).unwrap_or_default()
    }

    /// Sends what is left of a run that has ended; `None`: it could not start. What is missing, in words.
    pub(super) fn end(self, recap: Option<&Recap>) -> Vec<String> {
        self.0.map(|otlp| otlp.end(recap)).unwrap_or_default()
    }
}

#[cfg(not(feature = "otel"))]
impl Sending {
    /// Nobody.
    pub(super) fn reporters(&self) -> Vec<Box<dyn Reporter>> {
        self.0.iter().map(|never| match *never {}).collect()
    }

    /// Nothing.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.0.iter().map(|never| match *never {}).collect()
    }

    /// Nothing.
    pub(super) fn end(self, _: Option<&Recap>) -> Vec<String> {
        self.0.into_iter().map(|never| match never {}).collect()
    }
}
