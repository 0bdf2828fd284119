//! What is sent and where: what a flag says, and the variables that OpenTelemetry's specification names.
//!
//! Empty variables count as unset. What asks for something that is not built (gRPC, deltas) is refused, with the way out:
//! silence would look like a collector that gets nothing. Must never quote a value that may hold a key.

mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::lists;
use super::parent::Parent;
use crate::random;
use target::read as target;

pub(super) use target::Target;

/// What the environment says of a variable.
pub type LookUp<'l> = &'l dyn Fn(&str) -> Option<String>;

/// See the module.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) traces: Option<Traces>,
    pub(super) metrics: Option<Pushing>,
    /// What says who sends, by name.
    pub(super) resource: BTreeMap<String, String>,
}

/// Traces, and how many of them.
#[derive(Debug, Clone)]
pub(super) struct Traces {
    pub target: Target,
    pub parent: Option<Parent>,
    /// Which share of the rows that end well is told, 0 to 1.
    pub share: f64,
    /// Spans that wait at most.
    pub queue: usize,
    /// Spans in a request at most.
    pub batch: usize,
    /// From one request to the next, where the spans are fewer.
    pub delay: Duration,
}

/// Metrics, and how often.
#[derive(Debug, Clone)]
pub(super) struct Pushing {
    pub target: Target,
    pub interval: Duration,
}

impl Settings {
    /// What `base`, the URL of a collector, and the environment ask for; `None`: nothing. A base that is given wins over
    /// the variables that name places.
    ///
    /// # Errors
    /// In words, with the way out.
    pub fn read(base: Option<&str>, look_up: LookUp<'_>) -> Result<Option<Self>, String> {
        let said = |name: &str| look_up(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let environment = Said(&said);
        if environment.of("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let traces = traces(base, environment)?;
        let metrics = metrics(base, environment)?;
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        Ok(Some(Self { traces, metrics, resource: resource(environment)? }))
    }
}

/// The environment, without what is empty.
#[derive(Clone, Copy)]
struct Said<'l>(LookUp<'l>);

impl Said<'_> {
    fn of(self, name: &str) -> Option<String> {
        self.0(name)
    }

    /// What one of some words stands for.
    fn one_of<T: Copy>(self, name: &str, known: &[(&str, T)], why: &str) -> Result<Option<T>, String> {
        let Some(value) = self.of(name) else { return Ok(None) };
        let found = known.iter().find(|(word, _)| *word == value);
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let refused = || format!("{name} is {value:?}, {why}: set one of {}, or unset it", words.join(", "));
        found.map(|(_, meant)| Some(*meant)).ok_or_else(refused)
    }

    /// A whole number that is not zero.
    fn number(self, name: &str, standard: u64) -> Result<u64, String> {
        let Some(value) = self.of(name) else { return Ok(standard) };
        let read = value.parse::<u64>().ok().filter(|number| *number > 0);
        read.ok_or_else(|| {
            format!("{name} is {value:?}: write a whole number above zero, such as {standard}, or unset it")
        })
    }

    fn milliseconds(self, name: &str, standard: u64) -> Result<Duration, String> {
        self.number(name, standard).map(Duration::from_millis)
    }

    fn size(self, name: &str, standard: u64) -> Result<usize, String> {
        Ok(usize::try_from(self.number(name, standard)?).unwrap_or(usize::MAX))
    }

    /// Whether a signal is to be sent.
    fn wants(self, name: &str) -> Result<bool, String> {
        let known = [("otlp", true), ("none", false)];
        Ok(self.one_of(name, &known, "to which paceline sends nothing")?.unwrap_or(true))
    }
}

fn traces(base: Option<&str>, environment: Said<'_>) -> Result<Option<Traces>, String> {
    let wanted = environment.wants("OTEL_TRACES_EXPORTER")?;
    let parent = environment.of("TRACEPARENT");
    let parent = parent.and_then(|parent| Parent::read(&parent, environment.of("TRACESTATE").as_deref()));
    let share = sampling(environment, parent.as_ref())?;
    let Some(share) = share.filter(|_| wanted) else { return Ok(None) };
    let queue = environment.size("OTEL_BSP_MAX_QUEUE_SIZE", 2048)?;
    Ok(Some(Traces {
        target: target("TRACES", base, environment)?,
        parent,
        share,
        queue,
        batch: environment.size("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?.min(queue),
        delay: environment.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5000)?,
    }))
}

fn metrics(base: Option<&str>, environment: Said<'_>) -> Result<Option<Pushing>, String> {
    if !environment.wants("OTEL_METRICS_EXPORTER")? {
        return Ok(None);
    }
    let temporality = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let value = environment.of(temporality).map(|value| value.to_ascii_lowercase());
    if let Some(value) = value.filter(|value| value != "cumulative") {
        return Err(format!(
            "{temporality} is {value:?}, and paceline's sums are cumulative: unset it, and have the collector turn them \
             into deltas (its processor `cumulativetodelta`)"
        ));
    }
    let interval = environment.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60_000)?;
    Ok(Some(Pushing { target: target("METRICS", base, environment)?, interval }))
}

/// What a sampler decides of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sampler {
    On,
    Off,
    Ratio,
}

/// Which share of the rows that end well is told; `None`: nothing of the run is. A run is one trace, so that a share of traces
/// would be all or nothing: the share is one of its rows.
fn sampling(environment: Said<'_>, parent: Option<&Parent>) -> Result<Option<f64>, String> {
    let known = [
        ("parentbased_always_on", (true, Sampler::On)),
        ("parentbased_traceidratio", (true, Sampler::Ratio)),
        ("parentbased_always_off", (true, Sampler::Off)),
        ("always_on", (false, Sampler::On)),
        ("traceidratio", (false, Sampler::Ratio)),
        ("always_off", (false, Sampler::Off)),
    ];
    let found = environment.one_of("OTEL_TRACES_SAMPLER", &known, "which paceline does not know")?;
    let (minds_parent, sampler) = found.unwrap_or((true, Sampler::On));
    let share = ratio(environment)?.filter(|_| sampler == Sampler::Ratio).unwrap_or(1.0);
    Ok(match parent.filter(|_| minds_parent) {
        Some(parent) => parent.is_sampled,
        None => sampler != Sampler::Off,
    }
    .then_some(share))
}

fn ratio(environment: Said<'_>) -> Result<Option<f64>, String> {
    let name = "OTEL_TRACES_SAMPLER_ARG";
    let Some(value) = environment.of(name) else { return Ok(None) };
    let read = value.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    read.map(Some).ok_or_else(|| format!("{name} is {value:?}: write a share from 0 to 1, such as 0.01, or unset it"))
}

fn resource(environment: Said<'_>) -> Result<BTreeMap<String, String>, String> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let instance = format!("{:016x}{:016x}", random::bits(), random::bits());
    let own =
        [("service.name", "paceline".to_owned()), ("service.version", version), ("service.instance.id", instance)];
    let mut resource: BTreeMap<String, String> = own.map(|(name, value)| (name.to_owned(), value)).into();
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    let given = environment.of(name).map(|text| lists::pairs(&text)).transpose();
    resource.extend(given.map_err(|why| format!("{name}: {why}"))?.unwrap_or_default());
    if let Some(service) = environment.of("OTEL_SERVICE_NAME") {
        resource.insert("service.name".to_owned(), service);
    }
    Ok(resource)
}
