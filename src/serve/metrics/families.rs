//! What is told: each family with its name, and where its values come from.
//!
//! docs/watching.md lists them; a test compares. A name never changes its meaning, whoever writes it down.

use super::family::{Book, Family, Kind, Labels, Number};
use crate::recap::{MarkKind, Recap, Session, streams};
use crate::run::live::{Lane, Live, read};
use crate::serve::Watched;

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, unit, help }
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, unit, help }
}

const RUN: Family =
    Family { name: "paceline_run", kind: Kind::Info, unit: "", help: "The run and the program that works on it" };
const STARTED: Family = gauge(
    "paceline_session_start_timestamp_seconds",
    "seconds",
    "When this process began to work on the run, since the epoch",
);
const ROWS: Family = counter("paceline_rows", "", "Rows that ended in this process, by outcome");
const EXPECTED: Family = gauge("paceline_rows_expected", "", "Rows of the input, where their number is known");
const RESUMED: Family = gauge("paceline_rows_resumed", "", "Rows that had ended before this process began");
const ATTEMPTS: Family = counter("paceline_attempts", "", "Attempts that have ended, retries included");
const IN_FLIGHT: Family = gauge("paceline_in_flight", "", "Attempts under way");
const WAITING: Family = gauge("paceline_rows_waiting", "", "Rows that wait before they are tried again");
const RETRIES: Family = counter("paceline_retries", "", "Attempts that were made again, by reason");
const MESSAGES: Family = counter("paceline_messages", "", "Messages taken over connections that stay open");
const RECONNECTS: Family = counter("paceline_reconnects", "", "Connections that were opened again, by reason");
const CLOSES: Family = counter("paceline_closes", "", "Connections that were closed, by the code of the close");
const REPLIES: Family = counter("paceline_replies", "", "Replies by status");
const OUTAGES: Family = counter("paceline_outages", "", "How often a host was found not to answer any more");
const SENT: Family = counter("paceline_sent_bytes", "bytes", "Bytes of requests, heads included and TLS not");
const RECEIVED: Family = counter("paceline_received_bytes", "bytes", "Bytes of replies, heads included and TLS not");
const RECORDS: Family = counter("paceline_records", "", "Records that are safe in a sink");
const TOKENS: Family =
    counter("paceline_limit_tokens", "", "Tokens that requests took from a limit, told when they are over");
const HOLDS: Family = counter("paceline_limit_holds", "", "How often the word of a server held a limit");
const BOUND: Family = gauge("paceline_bound_by_ratio", "ratio", "Share of the time that something held the run back");
const REQUEST: Family = Family {
    name: "paceline_request_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    help: "Attempts, from the first byte of the request to the end of the reply",
};
const STAGE: Family = Family {
    name: "paceline_stage_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    help: "The stages of attempts; names, connecting and TLS where a connection was made",
};

/// Rows by endpoint and outcome as they were shown before. A row that is counted and then not kept takes the counter
/// back, which Prometheus would read as a restart.
pub(crate) type Highest = Vec<[u64; 3]>;

/// Tells all families of a run into the book that is opened for it; `None`: the run is not open yet.
pub(crate) fn tell<B: Book>(watched: &Watched, highest: &mut Highest, open: impl FnOnce(&Recap) -> B) -> Option<B> {
    let (view, recap) = (watched.view()?, watched.recap()?);
    let mut book = open(&recap);
    rows(&mut book, view.live(), highest);
    run(&mut book, &recap);
    outputs(&mut book, &recap, |sink| watched.records_before(sink));
    if let Some(session) = recap.last() {
        requests(&mut book, session);
        of_streams(&mut book, session);
        durations(&mut book, session);
        limits(&mut book, session);
    }
    Some(book)
}

/// Rows and attempts, by endpoint.
fn rows(to: &mut impl Book, live: &Live, highest: &mut Highest) {
    highest.resize(live.lanes.len().max(highest.len()), [0; 3]);
    let mut ended = Vec::new();
    for (lane, highest) in live.lanes.iter().zip(highest) {
        let now = [read(&lane.ok), read(&lane.failed), read(&lane.skipped)];
        highest.iter_mut().zip(now).for_each(|(highest, now)| *highest = now.max(*highest));
        let outcomes = ["ok", "failed", "skipped"].into_iter().zip(*highest);
        ended.extend(outcomes.map(|(outcome, rows)| (endpoint(lane, Some(outcome)), rows.into())));
    }
    to.values(&ROWS, &ended);
    let by_lane = |value: fn(&Lane) -> u64| -> Vec<(Labels<'_>, Number)> {
        live.lanes.iter().map(|lane| (endpoint(lane, None), value(lane).into())).collect()
    };
    let mut expected = by_lane(|lane| read(&lane.rows));
    expected.retain(|(_, rows)| *rows != Number::Count(0));
    to.values(&EXPECTED, &expected);
    to.values(&RESUMED, &by_lane(|lane| lane.resumed));
    to.values(&ATTEMPTS, &by_lane(|lane| read(&lane.attempts)));
    to.values(&IN_FLIGHT, &by_lane(|lane| read(&lane.in_flight)));
    to.values(&WAITING, &by_lane(|lane| read(&lane.sleeping)));
}

fn endpoint<'l>(lane: &'l Lane, outcome: Option<&'l str>) -> Labels<'l> {
    [("endpoint", lane.endpoint.as_str())].into_iter().chain(outcome.map(|outcome| ("outcome", outcome))).collect()
}

/// A series for each of some words.
fn by_word<'l>(
    to: &mut impl Book,
    family: &Family,
    label: &'static str,
    words: impl Iterator<Item = (&'l str, Number)>,
) {
    to.values(family, &words.map(|(word, value)| (vec![(label, word)], value)).collect::<Vec<_>>());
}

/// One series without a label.
fn alone(to: &mut impl Book, family: &Family, value: impl Into<Number>) {
    to.values(family, &[(Vec::new(), value.into())]);
}

/// Which run it is.
fn run(to: &mut impl Book, recap: &Recap) {
    to.values(&RUN, &[(vec![("run", recap.run.as_str()), ("version", recap.program.as_str())], 1.into())]);
    if let Some(milliseconds) = began(recap) {
        #[allow(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit")]
        let seconds = milliseconds as f64 / 1000.0;
        alone(to, &STARTED, Number::Real(seconds));
    }
}

/// When this process began to work on a run, in milliseconds since the epoch.
pub(crate) fn began(recap: &Recap) -> Option<i64> {
    recap.last()?.started.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// Records of this process, by sink.
fn outputs(to: &mut impl Book, recap: &Recap, before: impl Fn(&str) -> u64) {
    let records = recap.outputs.iter().map(|output| {
        let here = output.records.saturating_sub(before(&output.sink));
        (output.sink.as_str(), here.into())
    });
    by_word(to, &RECORDS, "sink", records);
}

/// What went over the wire, and again.
fn requests(to: &mut impl Book, session: &Session) {
    let reasons = session.retry_reasons.iter().map(|(reason, count)| (reason.as_str(), (*count).into()));
    by_word(to, &RETRIES, "reason", reasons);
    let statuses: Vec<(String, u64)> =
        session.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
    by_word(to, &REPLIES, "status", statuses.iter().map(|(status, count)| (status.as_str(), (*count).into())));
    alone(to, &OUTAGES, session.timeline.marks.count(MarkKind::Outage));
    alone(to, &SENT, session.traffic.sent);
    alone(to, &RECEIVED, session.traffic.received);
}

/// What came over connections that stay open, and how they ended; nothing where there are none.
fn of_streams(to: &mut impl Book, session: &Session) {
    let endpoints = || session.streams.iter().map(|stream| (vec![("endpoint", stream.endpoint.as_str())], stream));
    let messages = endpoints().map(|(labels, stream)| (labels, stream.messages.into()));
    to.values(&MESSAGES, &messages.collect::<Vec<_>>());
    let reconnects = endpoints().flat_map(|(labels, stream)| {
        let with = move |reason| [labels.clone(), vec![("reason", reason)]].concat();
        stream.reconnects.iter().map(move |(reason, count)| (with(reason.as_str()), (*count).into()))
    });
    to.values(&RECONNECTS, &reconnects.collect::<Vec<_>>());
    let closes = session.streams.iter().flat_map(|stream| {
        let of = |(code, count): &(u16, u64)| (stream.endpoint.as_str(), streams::code(*code), *count);
        stream.closes.iter().map(of)
    });
    let closes: Vec<(&str, String, u64)> = closes.collect();
    let mut labelled: Vec<(Labels<'_>, Number)> = Vec::with_capacity(closes.len());
    for (endpoint, code, count) in &closes {
        labelled.push((vec![("endpoint", *endpoint), ("code", code.as_str())], (*count).into()));
    }
    to.values(&CLOSES, &labelled);
}

/// How long attempts took, whole and by stage.
fn durations(to: &mut impl Book, session: &Session) {
    to.durations(&REQUEST, &[(Vec::new(), &session.latency)]);
    to.durations(&STAGE, &session.stages.named().map(|(stage, durations)| (vec![("stage", stage)], durations)));
}

/// What limits gave, and what held the run back.
fn limits(to: &mut impl Book, session: &Session) {
    by_word(to, &TOKENS, "limit", session.limits.iter().map(|limit| (limit.name.as_str(), limit.tokens.into())));
    by_word(to, &HOLDS, "limit", session.limits.iter().map(|limit| (limit.name.as_str(), limit.holds.into())));
    by_word(to, &BOUND, "by", session.bound_by.iter().map(|(by, share)| (by.as_str(), Number::Real(*share))));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::exposition::{Dialect, Exposition};
    use super::*;
    use crate::recap::StreamUse;

    #[test]
    fn a_counter_that_is_taken_back_is_shown_as_it_was() {
        let lane = Lane { endpoint: "price".into(), ok: AtomicU64::new(9), ..Lane::default() };
        let (live, mut highest) = (Live { lanes: vec![lane], ..Live::default() }, Highest::new());
        let mut shown = || {
            let mut exposition = Exposition::new(Dialect::Prometheus, "j");
            rows(&mut exposition, &live, &mut highest);
            let text = exposition.end();
            let line = text.lines().find(|line| line.contains("outcome=\"ok\"")).unwrap();
            line.rsplit_once(' ').unwrap().1.to_owned()
        };
        assert_eq!(shown(), "9");
        live.lanes[0].ok.store(4, Ordering::Relaxed);
        assert_eq!(shown(), "9");
        live.lanes[0].ok.store(12, Ordering::Relaxed);
        assert_eq!(shown(), "12");
    }

    #[test]
    fn messages_are_told_of_endpoints_whose_connections_stay_open() {
        let shown = |session: &Session| {
            let mut exposition = Exposition::new(Dialect::Prometheus, "j");
            of_streams(&mut exposition, session);
            let text = exposition.end();
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        let ticks = StreamUse {
            endpoint: "ticks".into(),
            messages: 1234,
            reconnects: vec![("closed".into(), 2)],
            closes: vec![(streams::OTHER_CODES, 1), (1006, 2)],
        };
        let quiet = StreamUse { endpoint: "quiet".into(), ..StreamUse::default() };
        let expected = [
            r#"paceline_messages_total{job_name="j",endpoint="ticks"} 1234"#,
            r#"paceline_messages_total{job_name="j",endpoint="quiet"} 0"#,
            r#"paceline_reconnects_total{job_name="j",endpoint="ticks",reason="closed"} 2"#,
            r#"paceline_closes_total{job_name="j",endpoint="ticks",code="other"} 1"#,
            r#"paceline_closes_total{job_name="j",endpoint="ticks",code="1006"} 2"#,
        ];
        assert_eq!(shown(&Session { streams: vec![ticks, quiet], ..Session::default() }), expected);
        assert!(shown(&Session::default()).is_empty());
    }
}
