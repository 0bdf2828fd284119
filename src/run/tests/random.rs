//! Random jobs against a server that answers as it likes, on a paused clock: pace, batches, budget and ends hold.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::pacing::{ended_once_and_told_exactly, job, on_a_paused_clock, retries_stay_inside_the_budget};
use super::stage::{Act, Seen, Sent, Server, play};

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
