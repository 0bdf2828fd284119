//! Fault 21 on tokio's paused clock: a server that bears a rate, answers the rest with 429, and names no time.

use std::sync::Mutex;

use super::*;

/// Time from the wire to the server and back.
const TRIP: Duration = Duration::from_millis(40);

/// A token bucket, as servers have it.
struct Server {
    rate: f64,
    burst: f64,
    tokens: f64,
    last: Instant,
    /// When each request came, and whether it was accepted.
    log: Vec<(Instant, bool)>,
}

impl Server {
    fn answer(&mut self, now: Instant) -> bool {
        let gained = now.duration_since(self.last).as_secs_f64() * self.rate;
        (self.tokens, self.last) = ((self.tokens + gained).min(self.burst), now);
        let accepted = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(accepted));
        self.log.push((now, accepted));
        accepted
    }
}

/// What a server of `rate` per second saw of `workers` after `warm_up`, for `length`: accepted per second, and the share
/// of those it turned away.
async fn storm(limiter: &Arc<Limiter>, rate: f64, burst: f64, warm_up: Duration, length: Duration) -> (f64, f64) {
    let start = clock::now();
    let server = Arc::new(Mutex::new(Server { rate, burst, tokens: burst, last: start, log: Vec::new() }));
    let worker = |_| {
        let (limiter, server) = (Arc::clone(limiter), Arc::clone(&server));
        tokio::spawn(async move {
            loop {
                limiter.take(1).await;
                let left = clock::now();
                tokio::time::sleep(TRIP / 2).await;
                let accepted = server.lock().unwrap().answer(clock::now());
                tokio::time::sleep(TRIP / 2).await;
                limiter.answered(1);
                if !accepted {
                    limiter.throttled(left, clock::now());
                }
            }
        })
    };
    let workers: Vec<_> = (0..64).map(worker).collect();
    tokio::time::sleep(warm_up + length).await;
    workers.iter().for_each(tokio::task::JoinHandle::abort);
    let server = server.lock().unwrap();
    let seen: Vec<_> = server.log.iter().filter(|(at, _)| *at >= start + warm_up).collect();
    let accepted = seen.iter().filter(|(_, accepted)| *accepted).count() as f64;
    (accepted / length.as_secs_f64(), 1.0 - accepted / seen.len() as f64)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_throttles_without_a_word_is_followed_near_to_what_it_bears() {
    for rate in [5u32, 50, 500] {
        for own in [None, Some(10 * rate)] {
            for burst in [1.0, f64::from(rate) / 5.0] {
                let windows: Vec<_> = own.iter().map(|own| (*own, SECOND)).collect();
                let limiter = Arc::new(Limiter::open(plan(&windows, 1)));
                let (good, turned_away) = storm(&limiter, f64::from(rate), burst, SECOND * 30, SECOND * 60).await;
                let seen = format!("{rate}/s, own {own:?}, burst {burst}: {good} good, {turned_away} turned away");
                println!("{seen}, pace {:?}", limiter.learned_rate());
                assert!(good >= 0.7 * f64::from(rate) && turned_away <= 0.25, "{seen}");
            }
        }
    }
}
