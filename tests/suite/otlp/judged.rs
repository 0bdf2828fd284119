//! What is sent, read by an implementation of the protocol that has nothing in common with ours: Python's.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::support::peers;

/// Reads messages, one a line, fails on a field that the protocol does not know, and prints what is in them.
const READ: &str = r#"
import base64, sys
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest as Traces
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest as Metrics
from google.protobuf.unknown_fields import UnknownFieldSet

def known(message):
    assert len(UnknownFieldSet(message)) == 0, message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                known(part)

def read(kind):
    message = kind.FromString(base64.b64decode(sys.stdin.readline()))
    known(message)
    return message

for resource in read(Traces).resource_spans:
    for scope in resource.scope_spans:
        for span in scope.spans:
            print("span", span.name, span.trace_id.hex(), span.status.code, len(span.attributes))
for resource in read(Metrics).resource_metrics:
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            points = getattr(metric, metric.WhichOneof("data")).data_points
            print("metric", metric.name, metric.WhichOneof("data"), len(points))
"#;

#[test]
fn another_implementation_reads_the_same() {
    let Some(python) = peers::pinned_python("opentelemetry.proto.collector.trace.v1.trace_service_pb2") else { return };
    let (oracle, collector) = (server(), Collector::start());
    job(&oracle, &collector.url()).run(&["--otlp"]).expect_code(1);
    let lines = [collector.bodies(TRACES), collector.bodies(METRICS)].map(|bodies| STANDARD.encode(&bodies[0]));
    let mut command = Command::new(python);
    let mut child = command.args(["-c", READ]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{}\n{}\n", lines[0], lines[1]).as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8(done.stdout).unwrap();
    let spans: Vec<String> = collector
        .spans()
        .iter()
        .map(|span| {
            let status = span.status.as_ref().map_or(0, |status| status.code);
            format!("span {} {} {status} {}", span.name, hex(&span.trace_id), span.attributes.len())
        })
        .collect();
    assert!(said.starts_with(&spans.join("\n")), "{said}");
    let metrics = said.lines().filter(|line| line.starts_with("metric ")).count();
    assert_eq!(metrics, collector.pushes()[0].len());
    assert!(said.contains("metric paceline.request_duration histogram 1\n"), "{said}");
    assert!(said.contains("metric paceline.rows sum 3\n"), "{said}");
}
