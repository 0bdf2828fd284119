//! Pace and retry of whole endpoints, on a paused clock: what a server sees, whatever it answers.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::super::control::Cause;
use super::stage::{Act, Played, Seen, Sent, Server, play};
use crate::event::Event;
use crate::plan::Plan;
use crate::record::Ending;

fn on_a_paused_clock<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

/// A job over `rows` rows; `top` stands above the endpoint, `more` in it.
fn job(top: &str, more: &str, rows: u64) -> String {
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
fn ended_once_and_told_exactly(played: &Played, log: &[Sent], rows: u64) {
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

/// What the random jobs are made of.
#[derive(Debug, Clone)]
struct Case {
    rates: Vec<(u32, u32)>,
    burst: u32,
    cost: Cost,
    key: Key,
    batch: Option<(u64, u32, usize)>,
    concurrency: usize,
    rows: u64,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Cost {
    Fixed(u32),
    /// The number of the row, modulo 4.
    Row,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Key {
    One,
    Row,
    Host,
}

fn cases() -> impl Strategy<Value = Case> {
    let rates = proptest::collection::vec((1..60u32, 1..4u32), 1..3);
    let cost = prop_oneof![Just(Cost::Fixed(1)), (1..5u32).prop_map(Cost::Fixed), Just(Cost::Row)];
    let key = prop_oneof![Just(Key::One), Just(Key::Row), Just(Key::Host)];
    let batch = proptest::option::of((1..20u64, 0..3_000u32, 1..4usize));
    (rates, 1..6u32, cost, key, batch, 1..12usize, 1..60u64, any::<u64>()).prop_map(
        |(rates, burst, cost, key, batch, concurrency, rows, seed)| Case {
            rates,
            burst,
            cost,
            key,
            batch,
            concurrency,
            rows,
            seed,
        },
    )
}

impl Case {
    fn job(&self) -> String {
        let rates: Vec<String> = self.rates.iter().map(|(count, per)| format!("\"{count}/{per}s\"")).collect();
        let mut top = format!("[limits.api]\nrate = [{}]\nburst = {}\n", rates.join(", "), self.burst);
        match self.cost {
            Cost::Fixed(1) => {}
            Cost::Fixed(cost) => top += &format!("cost = {cost}\n"),
            Cost::Row => top += "cost = \"{{ row.value % 4 }}\"\n",
        }
        match self.key {
            Key::One => {}
            Key::Row => top += "key = \"{{ row.value % 3 }}\"\n",
            Key::Host => top += "key = \"host\"\n",
        }
        top += "[retry]\nattempts = 4\n";
        if let Some((size, pause, in_flight)) = self.batch {
            top += &format!("[batch]\nsize = {size}\npause = \"{pause}ms\"\nin-flight = {in_flight}\n");
        }
        job(&top, &format!("limit = \"api\"\nconcurrency = {}", self.concurrency), self.rows)
    }

    fn cost_of(&self, id: &str) -> f64 {
        match self.cost {
            Cost::Fixed(cost) => f64::from(cost),
            Cost::Row => f64::from(id.parse::<u32>().unwrap() % 4),
        }
    }

    fn bucket_of(&self, id: &str) -> u32 {
        if self.key == Key::Row { id.parse::<u32>().unwrap() % 3 } else { 0 }
    }

    /// What the server does: mostly well, now and then not, always the same for a seed.
    fn act(&self, seen: Seen<'_>) -> Act {
        let text = format!("{} {} {}", self.seed, seen.id, seen.turn);
        let dice = crc32fast::hash(text.as_bytes());
        let after = Duration::from_millis(u64::from(dice >> 8 & 0x7f));
        match dice % 20 {
            0 | 1 => Act::status(503).after(after),
            2 => Act::status(429).after(after).header("retry-after", dice >> 20 & 3),
            3 => Act::status(429).after(after),
            4 => Act::status(0).after(after),
            5 => Act::status(404).after(after),
            6 => Act::status(200).after(after).header("ratelimit", "\"d\";r=3;t=1"),
            _ => Act::status(200).after(after),
        }
    }

    fn no_window_breaks_a_bucket(&self, log: &[Sent]) {
        let dearest = log.iter().map(|sent| self.cost_of(&sent.id)).fold(1.0, f64::max);
        let burst = f64::from(self.burst).max(dearest);
        for bucket in 0..3 {
            let taken: Vec<(f64, f64)> = log
                .iter()
                .filter(|sent| self.bucket_of(&sent.id) == bucket)
                .map(|sent| ((sent.at - log[0].at).as_secs_f64(), self.cost_of(&sent.id)))
                .collect();
            for (count, per) in &self.rates {
                let rate = f64::from(*count) / f64::from(*per);
                for first in 0..taken.len() {
                    let mut sum = 0.0;
                    for (at, cost) in &taken[first..] {
                        sum += cost;
                        let most = burst + rate * (at - taken[first].0) + 1.0;
                        assert!(
                            sum <= most + 1e-6,
                            "{sum} tokens from {} to {at}, {most} may be taken",
                            taken[first].0
                        );
                    }
                }
            }
        }
    }

    /// Batches of one lane: the first request of one comes `pause` after the last end of the one before.
    fn batches_keep_their_distance(&self, log: &[Sent]) {
        let Some((size, pause, 1)) = self.batch else { return };
        let batch_of = |sent: &Sent| sent.id.parse::<u64>().unwrap() / size;
        let mut spans: HashMap<u64, (tokio::time::Instant, tokio::time::Instant)> = HashMap::new();
        for sent in log {
            let span = spans.entry(batch_of(sent)).or_insert((sent.at, sent.ended));
            *span = (span.0.min(sent.at), span.1.max(sent.ended));
        }
        for number in 1..spans.len() as u64 {
            let (before, after) = (spans[&(number - 1)].1, spans[&number].0);
            let pause = Duration::from_millis(u64::from(pause));
            assert!(after >= before + pause, "batch {number} began {:?} too early", before + pause - after);
        }
    }
}

/// Over any ten seconds: retries that the budget pays for against its share of the requests, its floor and what it
/// may have saved up.
fn retries_stay_inside_the_budget(log: &[Sent]) {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn pace_batches_budget_and_ends_hold_whatever_the_server_answers(case in cases()) {
        on_a_paused_clock(async {
            let script = case.clone();
            let server = Server::new(move |seen| script.act(seen));
            let played = play(&case.job(), &server).await;
            let log = server.log();
            assert!(played.causes.is_empty(), "{:?}", played.causes);
            ended_once_and_told_exactly(&played, &log, case.rows);
            case.no_window_breaks_a_bucket(&log);
            case.batches_keep_their_distance(&log);
            retries_stay_inside_the_budget(&log);
        });
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
