//! The families of `/metrics` as metrics of OpenTelemetry: sums that are cumulative, gauges, histograms.
//!
//! Names are those of `/metrics` with a point behind `paceline` and without their units, which stand beside them: turned into
//! Prometheus' own by a collector they are the same again. Must never go down where it says sum.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::values::{nanos, scope, text};
use crate::clock;
use crate::recap::{Distribution, Recap};
use crate::report::text::clean;
use crate::serve::Watched;
use crate::serve::metrics::families::{self, Highest};
use crate::serve::metrics::family::{BUCKETS, Book, Family, Kind, Labels, Number, buckets};

/// What every name begins with here, and in texts.
const OURS: [&str; 2] = ["paceline.", "paceline_"];

/// The metrics of a run as they are now; `None`: it is not open.
pub(super) fn request(
    watched: &Watched,
    highest: &mut Highest,
    resource: &Resource,
) -> Option<ExportMetricsServiceRequest> {
    let metrics = families::tell(watched, highest, Points::of)?.metrics;
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        ResourceMetrics { resource: Some(resource.clone()), scope_metrics, ..ResourceMetrics::default() };
    Some(ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] })
}

/// Points in time of all families.
struct Points {
    /// Nanoseconds since the epoch: when counting began, and now.
    span: [u64; 2],
    job: String,
    metrics: Vec<Metric>,
}

impl Points {
    fn of(recap: &Recap) -> Self {
        let now = nanos(clock::wall());
        let began = families::began(recap).and_then(|milliseconds| u64::try_from(milliseconds).ok());
        // A clock that was set back since must not turn the two round.
        let began = began.map_or(now, |milliseconds| milliseconds.saturating_mul(1_000_000).min(now));
        Self { span: [began, now], job: recap.job.clone(), metrics: Vec::new() }
    }

    fn attributes(&self, labels: &Labels<'_>) -> Vec<KeyValue> {
        let labels = labels.iter().map(|(name, value)| text(name, clean(value)));
        std::iter::once(text("job_name", &*self.job)).chain(labels).collect()
    }

    fn push(&mut self, family: &Family, data: Data) {
        let ending = if family.kind == Kind::Info { "_info" } else { "" };
        let name = family.name.strip_suffix(family.unit).map_or(family.name, |name| name.trim_end_matches('_'));
        self.metrics.push(Metric {
            name: format!("{}{ending}", name.replacen(OURS[1], OURS[0], 1)),
            description: family.help.to_owned(),
            unit: unit(family.unit).to_owned(),
            data: Some(data),
            ..Metric::default()
        });
    }
}

/// A unit by the Unified Code for Units of Measure, as OpenTelemetry writes them.
fn unit(unit: &str) -> &'static str {
    match unit {
        "seconds" => "s",
        "bytes" => "By",
        "ratio" => "1",
        _ => "",
    }
}

fn value(number: Number) -> Value {
    match number {
        Number::Count(count) => Value::AsInt(i64::try_from(count).unwrap_or(i64::MAX)),
        Number::Real(real) => Value::AsDouble(real),
    }
}

impl Book for Points {
    fn values(&mut self, family: &Family, values: &[(Labels<'_>, Number)]) {
        if values.is_empty() {
            return;
        }
        let is_sum = family.kind == Kind::Counter;
        let points = values.iter().map(|(labels, number)| NumberDataPoint {
            attributes: self.attributes(labels),
            start_time_unix_nano: if is_sum { self.span[0] } else { 0 },
            time_unix_nano: self.span[1],
            value: Some(value(*number)),
            ..NumberDataPoint::default()
        });
        let data_points = points.collect();
        let cumulative = AggregationTemporality::Cumulative.into();
        let data = match is_sum {
            true => Data::Sum(Sum { data_points, aggregation_temporality: cumulative, is_monotonic: true }),
            false => Data::Gauge(Gauge { data_points }),
        };
        self.push(family, data);
    }

    #[allow(clippy::cast_precision_loss, reason = "bounds are round numbers of microseconds")]
    fn durations(&mut self, family: &Family, durations: &[(Labels<'_>, &Distribution)]) {
        let points = durations.iter().map(|(labels, distribution)| HistogramDataPoint {
            attributes: self.attributes(labels),
            start_time_unix_nano: self.span[0],
            time_unix_nano: self.span[1],
            count: distribution.total(),
            sum: Some(distribution.sum().as_secs_f64()),
            bucket_counts: buckets(distribution).into(),
            explicit_bounds: BUCKETS.iter().map(|(micros, _)| *micros as f64 / 1e6).collect(),
            ..HistogramDataPoint::default()
        });
        let data_points = points.collect();
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        self.push(family, Data::Histogram(Histogram { data_points, aggregation_temporality }));
    }
}
