use super::*;

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const LEFT_OUT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn read(base: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
    let look_up = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Settings::read(base, &look_up)
}

fn settings(base: Option<&str>, variables: &[(&str, &str)]) -> Settings {
    read(base, variables).unwrap().unwrap()
}

fn places(base: Option<&str>, variables: &[(&str, &str)]) -> [String; 2] {
    let settings = settings(base, variables);
    [settings.traces.unwrap().target.url, settings.metrics.unwrap().target.url].map(|url| url.to_string())
}

#[test]
fn a_signal_has_its_path_behind_what_is_for_all_and_its_own_place_as_it_is() {
    let both = |base: &str| ["traces", "metrics"].map(|signal| format!("{base}/v1/{signal}"));
    assert_eq!(places(None, &[]), both("http://localhost:4318"));
    let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c.test/otlp/");
    assert_eq!(places(None, &[all]), both("https://c.test/otlp"));
    let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m.test/as/it/is");
    assert_eq!(places(None, &[all, own]), ["https://c.test/otlp/v1/traces", "http://m.test/as/it/is"]);
    assert_eq!(places(Some("http://flag.test:1"), &[all, own]), both("http://flag.test:1"));
    assert_eq!(places(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), both("http://localhost:4318"));
}

#[test]
fn what_names_a_signal_wins_over_what_names_none() {
    let settings = settings(
        None,
        &[
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=for%20all"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "api-key=own,x=y"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ],
    );
    let (traces, metrics) = (settings.traces.unwrap(), settings.metrics.unwrap());
    assert_eq!(
        (&traces.target.headers["api-key"], &metrics.target.headers["api-key"]),
        (&"for all".parse().unwrap(), &"own".parse().unwrap())
    );
    assert!(traces.target.headers["api-key"].is_sensitive() && metrics.target.headers.contains_key("x"));
    assert_eq!((traces.target.gzip, metrics.target.gzip), (true, false));
    assert_eq!(traces.target.timeout, Duration::from_millis(2500));
    assert_eq!(metrics.target.tls.ca, Some("ca.pem".into()));
    assert_eq!((traces.queue, traces.batch, metrics.interval), (100, 100, Duration::from_secs(1)));
}

#[test]
fn who_sends_is_what_the_environment_says() {
    let resource = |variables: &[(&str, &str)]| settings(None, variables).resource;
    let own = resource(&[]);
    assert_eq!(
        (own["service.name"].as_str(), own["service.version"].as_str()),
        ("paceline", env!("CARGO_PKG_VERSION"))
    );
    assert_ne!(own["service.instance.id"], resource(&[])["service.instance.id"]);
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=b,team=p%20q");
    assert_eq!(resource(&[attributes])["service.name"], "b");
    let named = resource(&[attributes, ("OTEL_SERVICE_NAME", "c")]);
    assert_eq!((named["service.name"].as_str(), named["team"].as_str()), ("c", "p q"));
}

#[test]
fn a_sampler_decides_of_the_run_and_its_ratio_of_rows() {
    let share = |sampler, parent| {
        let variables =
            [("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", "0.25"), ("TRACEPARENT", parent)];
        settings(None, &variables).traces.map(|traces| traces.share)
    };
    for (sampler, expected) in [
        ("", [Some(1.0), Some(1.0), None]),
        ("parentbased_always_on", [Some(1.0), Some(1.0), None]),
        ("parentbased_always_off", [None, Some(1.0), None]),
        ("parentbased_traceidratio", [Some(0.25), Some(0.25), None]),
        ("always_on", [Some(1.0); 3]),
        ("always_off", [None; 3]),
        ("traceidratio", [Some(0.25); 3]),
    ] {
        assert_eq!(["", GIVEN, LEFT_OUT].map(|parent| share(sampler, parent)), expected, "{sampler}");
    }
}

#[test]
fn nothing_is_sent_where_that_is_said() {
    assert!(read(Some("http://c.test"), &[("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
    let none = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")];
    assert!(read(None, &none).unwrap().is_none());
    let metrics = settings(None, &none[..1]);
    assert!(metrics.traces.is_none() && metrics.metrics.is_some());
}

#[test]
fn what_is_not_built_or_can_not_be_read_is_refused_with_the_way_out_and_without_a_key() {
    for (name, value, way_out) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "set one of http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json", "set one of http/protobuf"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "set one of gzip, none"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", "cumulativetodelta"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "set one of otlp, none"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "parentbased_always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", "7", "a share from 0 to 1"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1m", "a whole number above zero"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "a whole number above zero"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "hunter2:4317", "write a URL with http://"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://u:hunter2@c.test/", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "write NAME=VALUE"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=hunter2", "entry 1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2%0A", "entry 1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "x", "write NAME=VALUE"),
    ] {
        let words = read(None, &[(name, value)]).unwrap_err();
        assert!(words.starts_with(name) && words.contains(way_out), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
    }
    let words = read(Some("localhost:4318"), &[]).unwrap_err();
    assert!(words.starts_with("--otlp ") && words.contains("http://localhost:4318"), "{words}");
}
