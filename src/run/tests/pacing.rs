//! Pace and retry of whole endpoints, on a paused clock: what a server sees, whatever it answers.

use std::collections::HashMap;
use std::time::Duration;

use super::super::control::Cause;
use super::stage::{Act, Played, Seen, Sent, Server, play};
use crate::event::Event;
use crate::plan::Plan;
use crate::record::Ending;

pub(super) fn on_a_paused_clock<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

/// A job over `rows` rows; `top` stands above the endpoint, `more` in it.
pub(super) fn job(top: &str, more: &str, rows: u64) -> String {
    format!(
        "{top}\n[endpoints.item]\nurl = \"http://api.test/items/{{{{ row.value }}}}\"\n\
         input.range = {{ from = 0, to = {} }}\nmeta = [\"status\", \"attempts\", \"error\"]\n{more}\n",
        rows - 1
    )
}

fn endings(played: &Played, ending: Ending) -> usize {
    played.outcomes.iter().filter(|outcome| outcome.ending == ending).count()
}

/// Every row has ended once, and its record tells as many attempts as the server saw.
pub(super) fn ended_once_and_told_exactly(played: &Played, log: &[Sent], rows: u64) {
    let mut ordinals: Vec<u64> = played.outcomes.iter().map(|outcome| outcome.ordinal).collect();
    ordinals.sort_unstable();
    assert_eq!(ordinals, (0..rows).collect::<Vec<_>>(), "{:?}", played.causes);
    for outcome in &played.outcomes {
        let sent = log.iter().filter(|sent| sent.id == outcome.ordinal.to_string()).count();
        assert_eq!(outcome.attempts as usize, sent, "row {}", outcome.ordinal);
        if let Some(record) = outcome.records.first() {
            assert_eq!(record.cells[1], u64::from(outcome.attempts), "row {}", outcome.ordinal);
        }
    }
}

fn seconds(log: &[Sent]) -> f64 {
    (log[log.len() - 1].at - log[0].at).as_secs_f64()
}

/// Over any ten seconds: retries that the budget pays for against its share of the requests, its floor and what it
/// may have saved up.
pub(super) fn retries_stay_inside_the_budget(log: &[Sent]) {
    let mut last: HashMap<&str, u16> = HashMap::new();
    let mut retries = Vec::new();
    for sent in log {
        let before = last.insert(&sent.id, sent.status);
        if before.is_some_and(|status| status != 429) {
            retries.push(sent.at);
        }
    }
    for first in 0..retries.len() {
        let window = Duration::from_secs(10);
        let within = retries[first..].iter().filter(|at| **at - retries[first] <= window).count() as f64;
        let begun = log.iter().filter(|sent| {
            sent.turn == 1 && sent.at + window + window >= retries[first] && sent.at <= retries[first] + window
        });
        let most = 0.2 * begun.count() as f64 + 10.0 + 10.0 + 2.0;
        assert!(within <= most, "{within} retries within ten seconds, {most} may be");
    }
}

/// Fails everything for so long, then answers.
fn out_for(seconds: u64, status: u16) -> impl Fn(Seen<'_>) -> Act + Send + Sync {
    move |seen| Act::status(if seen.since < Duration::from_secs(seconds) { status } else { 200 })
}

#[test]
fn a_storm_of_failures_sends_probes_and_fails_no_row() {
    for status in [503, 500, 0] {
        on_a_paused_clock(async {
            let server = Server::new(out_for(60, status));
            let played = play(&job("", "rate = \"100/s\"", 250), &server).await;
            let log = server.log();
            ended_once_and_told_exactly(&played, &log, 250);
            assert_eq!(endings(&played, Ending::Ok), 250, "an outage fails no row");
            let during = log.iter().filter(|sent| sent.status == status).count();
            // 20 failures in a row, ten that were on the wire then, and a probe after 1, 2, 4, ... 30 s.
            assert!(during <= 20 + 10 + 8, "{during} requests in a minute of outage, status {status}");
            let outages = |event: &&Event| matches!(event, Event::OutageBegan { .. } | Event::OutageEnded { .. });
            assert_eq!(played.events.iter().filter(outages).count(), 2, "it begins once and ends once");
        });
    }
}

/// How often rows were told to wait, by row and reason.
fn postponed(played: &Played) -> HashMap<(u64, &str), usize> {
    let mut told = HashMap::new();
    for event in &played.events {
        if let Event::Postponed { row, reason, wait_ms, .. } = event {
            assert!(*wait_ms > 0, "row {row}: {reason}");
            *told.entry((*row, reason.as_str())).or_default() += 1;
        }
    }
    told
}

#[test]
fn a_row_that_is_postponed_is_told_once_however_often_it_wakes_in_vain() {
    on_a_paused_clock(async {
        let played = play(&job("", "rate = \"100/s\"", 250), &Server::new(out_for(60, 503))).await;
        let told = postponed(&played);
        for ((row, reason), times) in &told {
            // Once before each attempt at most; only a row whose probe failed waits for the outage a second time.
            let attempts = played.outcomes.iter().find(|end| end.ordinal == *row).unwrap().attempts as usize;
            assert!(*times <= attempts, "row {row} with {attempts} attempts: {reason}: {times} times");
        }
        assert!(told.keys().filter(|(_, reason)| *reason == "its host is out").count() > 20, "{told:?}");
        let top = "[limits.tenant]\nrate = \"1/s\"\nkey = \"{{ row.value % 2 }}\"\n";
        let played = play(&job(top, "limit = \"tenant\"", 20), &Server::new(|_| Act::status(200))).await;
        let told = postponed(&played);
        assert_eq!((told.len(), told.values().sum::<usize>()), (18, 18), "all but the first of each key: {told:?}");
    });
}

#[test]
fn ten_minutes_of_outage_are_sat_out() {
    on_a_paused_clock(async {
        let server = Server::new(out_for(600, 502));
        let played = play(&job("", "rate = \"100/s\"", 250), &server).await;
        assert_eq!((endings(&played, Ending::Ok), played.causes.as_slice()), (250, [].as_slice()));
        let during = server.log().iter().filter(|sent| sent.status == 502).count();
        assert!(during <= 20 + 10 + 30, "{during} requests");
    });
}

#[test]
fn an_outage_beyond_max_wait_stops_the_run_and_fails_no_row() {
    on_a_paused_clock(async {
        let server = Server::new(out_for(u64::MAX, 502));
        let played = play(&job("retry.max-wait = \"2m\"", "", 250), &server).await;
        assert!(played.outcomes.is_empty(), "{}", played.outcomes.len());
        let Some(Cause::Outage { host, lasted, reason, .. }) = played.causes.first() else {
            panic!("{:?}", played.causes)
        };
        assert_eq!((host.as_str(), reason.as_str()), ("api.test", "502 Bad Gateway"));
        assert!(*lasted > Duration::from_secs(120) && *lasted < Duration::from_secs(180), "{lasted:?}");
    });
}

#[test]
fn few_rows_that_fail_are_no_outage() {
    on_a_paused_clock(async {
        let server = Server::new(|_| Act::status(503));
        let played = play(&job("", "", 3), &server).await;
        assert_eq!(endings(&played, Ending::Failed), 3);
        assert_eq!(server.log().len(), 15, "five attempts each");
    });
}

#[test]
fn half_of_all_failing_is_no_outage_and_retries_stay_inside_the_budget() {
    on_a_paused_clock(async {
        let server = Server::new(|seen| {
            let dice = crc32fast::hash(format!("{}/{}", seen.id, seen.turn).as_bytes());
            Act::status(if dice.is_multiple_of(2) { 500 } else { 200 })
        });
        let played = play(&job("retry.attempts = 12", "rate = \"50/s\"", 250), &server).await;
        let log = server.log();
        ended_once_and_told_exactly(&played, &log, 250);
        assert_eq!(endings(&played, Ending::Ok), 250);
        retries_stay_inside_the_budget(&log);
    });
}

/// A server that lets `rate` a second through and refuses the others without a word when to come back.
fn throttling(rate: f64) -> impl Fn(Seen<'_>) -> Act + Send + Sync {
    let tokens = std::sync::Mutex::new((rate, Duration::ZERO));
    move |seen| {
        let mut tokens = tokens.lock().unwrap();
        let (left, last) = *tokens;
        let now = (left + (seen.since - last).as_secs_f64() * rate).min(rate);
        let passes = now >= 1.0;
        *tokens = (if passes { now - 1.0 } else { now }, seen.since);
        Act::status(if passes { 200 } else { 429 })
    }
}

#[test]
fn a_storm_of_429_without_a_time_converges_to_what_the_server_takes() {
    on_a_paused_clock(async {
        let server = Server::new(throttling(5.0));
        let played = play(&job("", "concurrency = 20", 256), &server).await;
        let log = server.log();
        ended_once_and_told_exactly(&played, &log, 256);
        assert_eq!(endings(&played, Ending::Ok), 256, "a row that is throttled does not fail");
        let (_, late) = log.split_at(log.len() / 2);
        let refused = late.iter().filter(|sent| sent.status == 429).count();
        assert!(refused * 3 <= late.len(), "{refused} of {} were refused in the second half", late.len());
        let took = seconds(&log);
        assert!(took <= 256.0 / 5.0 / 0.6, "{took} s for what could be done in {}", 256.0 / 5.0);
    });
}

#[test]
fn without_learning_rows_that_are_throttled_still_end_ok() {
    on_a_paused_clock(async {
        let server = Server::new(throttling(20.0));
        let played = play(&job("", "learn = false\nconcurrency = 20", 256), &server).await;
        ended_once_and_told_exactly(&played, &server.log(), 256);
        assert_eq!(endings(&played, Ending::Ok), 256);
        assert!(played.causes.is_empty());
    });
}

#[test]
fn what_is_throttled_for_longer_than_max_wait_stops_the_run() {
    on_a_paused_clock(async {
        let server = Server::new(|_| Act::status(429).header("retry-after", 20));
        let played = play(&job("retry.max-wait = \"1m\"", "", 30), &server).await;
        assert!(played.outcomes.is_empty());
        assert!(matches!(played.causes.first(), Some(Cause::Throttled { .. })), "{:?}", played.causes);
    });
}

#[test]
fn a_row_that_alone_is_throttled_for_longer_than_max_wait_fails() {
    let rules = "concurrency = 2\n[[endpoints.item.rules]]\nwhen = \"json.busy\"\nthen = \"throttle\"\n";
    on_a_paused_clock(async {
        let server = Server::new(|seen| {
            let body = format!("{{\"busy\": {}}}", seen.id == "0");
            Act { body, ..Act::status(200) }.after(Duration::from_secs(2))
        });
        let played = play(&job("retry.max-wait = \"1m\"\nretry.max = \"2s\"", rules, 100), &server).await;
        ended_once_and_told_exactly(&played, &server.log(), 100);
        assert_eq!((endings(&played, Ending::Ok), played.causes.as_slice()), (99, [].as_slice()));
        let failed = played.outcomes.iter().find(|end| end.ordinal == 0).unwrap();
        let error = failed.records[0].cells[2].as_str().unwrap();
        assert!(error.starts_with("rules[0], json.busy: 200 OK; this row was throttled for more than 1m"), "{error}");
    });
}

#[test]
fn one_429_holds_the_bucket_and_not_one_row() {
    on_a_paused_clock(async {
        let server = Server::new(|seen| match (seen.id, seen.turn) {
            ("40", 1) => Act::status(429).header("retry-after", 30),
            _ => Act::status(200),
        });
        let played = play(&job("", "rate = \"100/s\"", 200), &server).await;
        assert_eq!(endings(&played, Ending::Ok), 200);
        let log = server.log();
        let refused = log.iter().find(|sent| sent.status == 429).unwrap().ended;
        let held = |sent: &&Sent| sent.at > refused && sent.at < refused + Duration::from_secs(30);
        assert_eq!(log.iter().filter(held).count(), 0);
    });
}

#[test]
fn a_quota_that_is_told_is_not_exceeded() {
    on_a_paused_clock(async {
        // Fifty in a window of ten seconds; a request too many is refused, and says how long that lasts.
        let used = std::sync::Mutex::new((0_u64, 0_u64));
        let server = Server::new(move |seen| {
            let mut used = used.lock().unwrap();
            let window = seen.since.as_secs() / 10;
            if used.0 != window {
                *used = (window, 0);
            }
            used.1 += 1;
            let (left, reset) = (50_u64.saturating_sub(used.1), 10 - seen.since.as_secs() % 10);
            let act = Act::status(if used.1 > 50 { 429 } else { 200 });
            act.header("x-ratelimit-limit", 50).header("x-ratelimit-remaining", left).header("x-ratelimit-reset", reset)
        });
        let played = play(&job("", "concurrency = 8", 250), &server).await;
        let log = server.log();
        assert_eq!(endings(&played, Ending::Ok), 250);
        let refused = log.iter().filter(|sent| sent.status == 429).count();
        assert_eq!(refused, 0, "what is left was told");
        assert!(seconds(&log) < 55.0, "{}", seconds(&log));
    });
}

#[test]
fn a_limit_for_each_tenant_lets_none_wait_for_another() {
    on_a_paused_clock(async {
        let top = "[limits.tenant]\nrate = \"1/s\"\nkey = \"{{ row.value % 50 }}\"\n";
        let server = Server::new(|_| Act::status(200));
        let played = play(&job(top, "limit = \"tenant\"\nconcurrency = 4", 250), &server).await;
        assert_eq!(endings(&played, Ending::Ok), 250);
        let took = seconds(&server.log());
        // Five rows of each of fifty tenants: four seconds, and not fifty times that for want of slots.
        assert!((4.0..6.0).contains(&took), "{took}");
    });
}

#[test]
fn five_rows_in_a_row_that_are_not_authorized_stop_the_run() {
    on_a_paused_clock(async {
        let server = Server::new(|_| Act::status(401));
        let played = play(&job("", "concurrency = 1", 100), &server).await;
        // Those that had begun when the run was told to stop end too.
        assert!((5..=8).contains(&played.outcomes.len()), "{}", played.outcomes.len());
        let condition = "unauthorized >= 5 in a row".to_owned();
        assert_eq!(played.causes, [Cause::StopIf { condition }]);
    });
}

#[test]
fn rules_decide_before_statuses_do() {
    let rules = "\n[[endpoints.item.rules]]\nwhen = \"status == 404 and row.value > 1\"\nthen = \"skip\"\n\
                 [[endpoints.item.rules]]\nwhen = \"json.state == 'pending'\"\nthen = \"retry\"\n\
                 [[endpoints.item.rules]]\nwhen = \"status == 410\"\nthen = \"accept\"\n\
                 [[endpoints.item.rules]]\nwhen = \"json.fatal\"\nthen = \"fail\"\n";
    on_a_paused_clock(async {
        let server = Server::new(|seen| match (seen.id, seen.turn) {
            ("1" | "2", _) => Act::status(404),
            ("3", 1 | 2) => Act { body: "{\"state\": \"pending\"}".to_owned(), ..Act::status(200) },
            ("4", _) => Act { body: "gone".to_owned(), ..Act::status(410) },
            ("5", _) => Act { body: "{\"fatal\": true}".to_owned(), ..Act::status(200) },
            _ => Act::status(200),
        });
        let played = play(&job("", rules, 6), &server).await;
        let mut ends: Vec<_> = played.outcomes.iter().map(|end| (end.ordinal, end.ending, end.attempts)).collect();
        ends.sort_unstable_by_key(|end| end.0);
        let expected = [
            (0, Ending::Ok, 1),
            (1, Ending::Failed, 1),
            (2, Ending::Skipped, 1),
            (3, Ending::Ok, 3),
            (4, Ending::Ok, 1),
            (5, Ending::Failed, 1),
        ];
        assert_eq!(ends, expected);
        let failed = played.outcomes.iter().find(|end| end.ordinal == 5).unwrap();
        assert_eq!(failed.records[0].cells[2], "rules[3], json.fatal: 200 OK");
        assert!(played.outcomes.iter().find(|end| end.ordinal == 2).unwrap().records.is_empty());
    });
}

#[test]
fn a_rule_that_throttles_holds_the_bucket() {
    let rules = "rate = \"100/s\"\n[[endpoints.item.rules]]\nwhen = \"json.errors[0].code == 'THROTTLED'\"\n\
                 then = \"throttle\"\n";
    on_a_paused_clock(async {
        let server = Server::new(|seen| match (seen.id, seen.turn) {
            ("20", 1) => Act {
                body: "{\"errors\": [{\"code\": \"THROTTLED\"}]}".to_owned(),
                ..Act::status(200).header("retry-after", 10)
            },
            _ => Act::status(200),
        });
        let played = play(&job("", rules, 100), &server).await;
        assert_eq!(endings(&played, Ending::Ok), 100);
        let log = server.log();
        let refused = log.iter().find(|sent| sent.id == "20").unwrap().ended;
        let held = |sent: &&Sent| sent.at > refused && sent.at < refused + Duration::from_secs(10);
        assert_eq!(log.iter().filter(held).count(), 0);
    });
}

#[test]
fn an_assertion_that_does_not_hold_is_a_failed_attempt() {
    on_a_paused_clock(async {
        let server = Server::new(|seen| Act {
            body: format!("{{\"ok\": {}}}", seen.id == "0" && seen.turn == 2),
            ..Act::status(200)
        });
        let played = play(&job("", "expect.assert = \"json.ok\"", 2), &server).await;
        let by_row = |row| played.outcomes.iter().find(|end| end.ordinal == row).unwrap();
        assert_eq!((by_row(0).ending, by_row(0).attempts), (Ending::Ok, 2));
        assert_eq!((by_row(1).ending, by_row(1).attempts), (Ending::Failed, 5));
        assert_eq!(by_row(1).records[0].cells[2], "expect.assert does not hold: json.ok");
    });
}

#[test]
fn the_number_in_flight_is_found() {
    on_a_paused_clock(async {
        let top = "[client]\nconnections = { total = 100 }\n[batch]\nsize = 256\n";
        let server = Server::new(|_| Act::status(200).after(Duration::from_millis(100)));
        let played = play(&job(top, "concurrency = \"auto\"", 256), &server).await;
        assert_eq!(endings(&played, Ending::Ok), 256);
        // One after the other takes 25.6 s; a server that answers as fast whatever comes is used.
        let took = seconds(&server.log());
        assert!(took < 5.0, "{took}");
    });
}

/// That what is compiled is what the jobs above mean.
#[test]
fn the_job_of_these_tests_has_the_defaults() {
    let Plan { endpoints, stop_if, .. } = super::stage::job(&job("", "", 1));
    assert_eq!((endpoints[0].concurrency, endpoints[0].retry.attempts), (10, 5));
    assert_eq!(stop_if.len(), 1);
}
