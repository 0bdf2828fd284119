//! The two text formats: OpenMetrics 1.0 and the text of Prometheus, 0.0.4, which differ in names, units and the end.
//!
//! Written by hand: `prometheus-client` knows the first alone, and wants counters of its own where those of the run are
//! to be read. Must never write a family twice or in two places.

use std::fmt::Write as _;

use super::family::{BUCKETS, Book, Family, Kind, Labels, Number, buckets};
use crate::recap::Distribution;
use crate::report::text::clean;

/// Most characters of a label's value.
const LONGEST: usize = 120;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Version 0.0.4 of the text format.
    Prometheus,
    /// Version 1.0.
    OpenMetrics,
}

impl Dialect {
    /// What it is called in a reply.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A text in the making.
pub(super) struct Exposition {
    dialect: Dialect,
    /// The label that every series has.
    job: String,
    text: String,
}

impl Exposition {
    /// An empty one, of a job.
    pub(super) fn new(dialect: Dialect, job: &str) -> Self {
        Self { dialect, job: format!("job_name=\"{}\"", escaped(job)), text: String::new() }
    }

    fn head(&mut self, family: &Family) {
        let Family { name, kind, unit, help } = *family;
        let (ending, kind) = match (self.dialect, kind) {
            (Dialect::OpenMetrics, Kind::Counter) => ("", "counter"),
            (Dialect::OpenMetrics, Kind::Info) => ("", "info"),
            (Dialect::Prometheus, Kind::Counter) => ("_total", "counter"),
            (Dialect::Prometheus, Kind::Info) => ("_info", "gauge"),
            (_, Kind::Gauge) => ("", "gauge"),
            (_, Kind::Histogram) => ("", "histogram"),
        };
        let _ = writeln!(self.text, "# HELP {name}{ending} {help}");
        let _ = writeln!(self.text, "# TYPE {name}{ending} {kind}");
        if self.dialect == Dialect::OpenMetrics && !unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
    }

    fn sample(&mut self, family: &Family, ending: &str, labels: &Labels<'_>, value: Number) {
        let _ = write!(self.text, "{}{ending}{{{}", family.name, self.job);
        for (name, value) in labels {
            let _ = write!(self.text, ",{name}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    /// The whole text.
    pub(super) fn end(mut self) -> String {
        if self.dialect == Dialect::OpenMetrics {
            self.text += "# EOF\n";
        }
        self.text
    }
}

impl Book for Exposition {
    fn values(&mut self, family: &Family, values: &[(Labels<'_>, Number)]) {
        if values.is_empty() {
            return;
        }
        self.head(family);
        let ending = match family.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        values.iter().for_each(|(labels, value)| self.sample(family, ending, labels, *value));
    }

    fn durations(&mut self, family: &Family, durations: &[(Labels<'_>, &Distribution)]) {
        self.head(family);
        for (labels, distribution) in durations {
            let (total, mut seen) = (distribution.total(), 0);
            let with = |bound| [labels.as_slice(), &[("le", bound)]].concat();
            for ((_, bound), count) in BUCKETS.iter().zip(buckets(distribution)) {
                seen += count;
                self.sample(family, "_bucket", &with(bound), seen.into());
            }
            self.sample(family, "_bucket", &with("+Inf"), total.into());
            self.sample(family, "_sum", labels, Number::Real(distribution.sum().as_secs_f64()));
            self.sample(family, "_count", labels, total.into());
        }
    }
}

/// A label's value: on one line, of a bounded length, with what would end it escaped.
fn escaped(value: &str) -> String {
    let value: String = clean(value).chars().take(LONGEST).collect();
    value.replace('\\', r"\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: Family = Family { name: "x_rows", kind: Kind::Counter, unit: "rows", help: "Rows" };

    #[test]
    fn the_dialects_differ_in_heads_and_the_end() {
        let written = |dialect| {
            let mut exposition = Exposition::new(dialect, "prices");
            exposition.values(&ROWS, &[(vec![("outcome", "ok")], 7.into())]);
            exposition.values(&ROWS, &[]);
            exposition.values(&Family { name: "x", kind: Kind::Info, unit: "", ..ROWS }, &[(Vec::new(), 1.into())]);
            exposition.end()
        };
        assert_eq!(
            written(Dialect::OpenMetrics),
            "# HELP x_rows Rows\n# TYPE x_rows counter\n# UNIT x_rows rows\n\
             x_rows_total{job_name=\"prices\",outcome=\"ok\"} 7\n\
             # HELP x Rows\n# TYPE x info\nx_info{job_name=\"prices\"} 1\n# EOF\n"
        );
        assert_eq!(
            written(Dialect::Prometheus),
            "# HELP x_rows_total Rows\n# TYPE x_rows_total counter\n\
             x_rows_total{job_name=\"prices\",outcome=\"ok\"} 7\n\
             # HELP x_info Rows\n# TYPE x_info gauge\nx_info{job_name=\"prices\"} 1\n"
        );
    }

    #[test]
    fn a_value_of_a_label_never_ends_early_and_never_runs_on() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c d");
        assert_eq!(escaped(&"ä".repeat(500)).chars().count(), LONGEST);
    }

    #[test]
    fn buckets_count_what_is_not_above_their_bound() {
        let distribution = Distribution { counts: vec![(1_000, 2), (1_001, 3), (90_000_000, 1)] };
        let family = Family { name: "x_seconds", kind: Kind::Histogram, unit: "seconds", help: "Time" };
        let mut exposition = Exposition::new(Dialect::Prometheus, "j");
        exposition.durations(&family, &[(Vec::new(), &distribution)]);
        let text = exposition.end();
        let value = |start: &str| {
            let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"));
            line.rsplit_once(' ').unwrap().1.to_owned()
        };
        let bucket = |le: &str| value(&format!("x_seconds_bucket{{job_name=\"j\",le=\"{le}\"}}"));
        assert_eq!(["0.001", "0.0025", "60.0", "+Inf"].map(bucket), ["2", "5", "5", "6"]);
        assert_eq!((value("x_seconds_count"), value("x_seconds_sum")), ("6".to_owned(), "90.005003".to_owned()));
    }

    #[test]
    fn bounds_ascend_and_their_texts_say_them() {
        assert!(BUCKETS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (micros, written) in BUCKETS {
            let seconds: f64 = written.parse().unwrap();
            assert!((seconds * 1e6 - f64::from(u32::try_from(micros).unwrap())).abs() < 1e-6, "{written}");
        }
    }
}
