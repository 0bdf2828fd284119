//! A collector of OpenTelemetry: takes what is posted to it, answers as it is told, and says what it got.
//!
//! It reads messages with the types that `opentelemetry-proto` generates from the protocol's own files, and trusts nothing else.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, Metric, NumberDataPoint, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::oracle::SeenRequest;
use super::{Answer, Oracle};

/// Where each signal is posted to.
pub const TRACES: &str = "/v1/traces";
pub const METRICS: &str = "/v1/metrics";

/// See the module.
#[derive(Debug)]
pub struct Collector {
    oracle: Oracle,
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Self {
        Self::answering(|_, _| taken())
    }

    /// One whose answers depend on the path and on how many requests for it there were before.
    pub fn answering(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let counts = [TRACES, METRICS].map(|path| (path, AtomicUsize::new(0)));
        let oracle =
            Oracle::start(move |request| match counts.iter().find(|(path, _)| request.path.ends_with(*path)) {
                Some((path, count)) if request.method == "POST" => answer(path, count.fetch_add(1, Ordering::SeqCst)),
                _ => Answer::status(404),
            });
        Self { oracle }
    }

    /// What it is built on.
    pub fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        self.oracle.url()
    }

    /// The messages of a signal, unpacked, in the order of arrival.
    pub fn bodies(&self, path: &str) -> Vec<Vec<u8>> {
        self.oracle
            .requests()
            .iter()
            .filter(|request| request.path.ends_with(path))
            .map(|request| body(request))
            .collect()
    }

    fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        self.bodies(TRACES).iter().map(|body| Message::decode(&body[..]).expect("a message with traces")).collect()
    }

    /// All spans.
    pub fn spans(&self) -> Vec<Span> {
        let resources = self.traces().into_iter().flat_map(|message| message.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// Who sent the spans, of the first message.
    pub fn resource(&self) -> Resource {
        self.traces()[0].resource_spans[0].resource.clone().expect("a resource")
    }

    /// Every push of metrics, by name.
    pub fn pushes(&self) -> Vec<BTreeMap<String, Metric>> {
        let read = |body: &Vec<u8>| {
            let message: ExportMetricsServiceRequest = Message::decode(&body[..]).expect("a message with metrics");
            let resources = message.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
            resources.flat_map(|scope| scope.metrics).map(|metric| (metric.name.clone(), metric)).collect()
        };
        self.bodies(METRICS).iter().map(read).collect()
    }
}

fn body(request: &SeenRequest) -> Vec<u8> {
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    match request.header("content-encoding") {
        None => request.body.clone(),
        Some(coding) => {
            assert_eq!(coding, "gzip");
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&request.body[..]).read_to_end(&mut plain).expect("gzip");
            plain
        }
    }
}

/// The answer of who has taken everything: an empty message.
pub fn taken() -> Answer {
    Answer::text(200, "").header("content-type", "application/x-protobuf")
}

/// An attribute as text; empty: there is none.
pub fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(other) => panic!("{key}: {other:?}"),
        None => String::new(),
    }
}

/// The points of a sum or a gauge; a sum counts from the beginning and only up.
pub fn points(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref().expect("data") {
        Data::Sum(sum) => {
            assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "{metric:?}");
            &sum.data_points
        }
        Data::Gauge(gauge) => &gauge.data_points,
        other => panic!("{other:?}"),
    }
}

/// The points of a histogram.
pub fn histograms(metric: &Metric) -> &[HistogramDataPoint] {
    match metric.data.as_ref().expect("data") {
        Data::Histogram(histogram) => {
            assert_eq!(histogram.aggregation_temporality, 2);
            &histogram.data_points
        }
        other => panic!("{other:?}"),
    }
}

/// The value of the point that has these attributes.
#[allow(clippy::cast_precision_loss, reason = "small counts")]
pub fn value(metric: &Metric, attributes: &[(&str, &str)]) -> f64 {
    let is_it = |point: &&NumberDataPoint| {
        attributes.iter().all(|(key, expected)| attribute(&point.attributes, key) == *expected)
    };
    let point = points(metric).iter().find(is_it).unwrap_or_else(|| panic!("{attributes:?} in {metric:?}"));
    match point.value.expect("a value") {
        number_data_point::Value::AsInt(count) => count as f64,
        number_data_point::Value::AsDouble(real) => real,
    }
}
