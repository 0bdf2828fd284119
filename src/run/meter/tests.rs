//! What is grouped, bounded and kept of attempts.

use super::*;

fn attempt(millis: u64, row: u64) -> Attempt<'static> {
    Attempt { wire: Duration::from_millis(millis), status: Some(200), timings: None, endpoint: 0, row }
}

#[test]
fn reasons_are_grouped_with_their_first_row_and_bounded() {
    let meter = Meter::default();
    meter.failed(0, "404 Not Found", 7);
    meter.failed(0, "404 Not Found", 9);
    for row in 0..200 {
        meter.failed(0, &format!("reason {row}"), row);
    }
    let failures = meter.read().failures;
    let group = |reason: &str, rows, example| Failures { endpoint: 0, reason: reason.to_owned(), rows, example };
    assert_eq!(failures[0], group(OTHER, 151, 49));
    assert_eq!(failures[1], group("404 Not Found", 2, 7));
    assert_eq!(failures.len(), MOST_REASONS + 1);
}

#[test]
fn reasons_that_quote_a_value_of_each_row_are_counted_together() {
    let meter = Meter::default();
    for row in 0..80 {
        meter.failed(1, &format!("price: `{row},5` is no float"), row);
        meter.failed(1, "404 Not Found", row);
    }
    let failures = meter.read().failures;
    let shown: Vec<_> = failures.iter().map(|group| (group.reason.as_str(), group.rows, group.example)).collect();
    let alone = |row| {
        (["price: `0,5` is no float", "price: `1,5` is no float", "price: `2,5` is no float"][row], 1, row as u64)
    };
    let expected = [("404 Not Found", 80, 0), ("price: `…` is no float", 77, 3), alone(0), alone(1), alone(2)];
    assert_eq!(shown, expected);
}

#[test]
fn the_slowest_attempts_are_kept_longest_first() {
    let meter = Meter::default();
    (1..=100).rev().for_each(|millis| meter.attempt(&attempt(millis, millis)));
    meter.attempt(&attempt(500, 7));
    let slowest = meter.read().slowest;
    let rows: Vec<u64> = slowest.iter().map(|slow| slow.row).collect();
    assert_eq!((rows.len(), &rows[..3]), (MOST_SLOW, &[7, 100, 99][..]));
}

#[test]
fn a_kept_connection_has_no_time_of_connecting() {
    let meter = Meter::default();
    let kept = Timings { first_byte: Duration::from_millis(3), ..Timings::default() };
    let fresh = Timings { dns: Duration::from_millis(1), connect: Duration::from_millis(2), ..kept };
    for timings in [&kept, &fresh, &kept] {
        meter.attempt(&Attempt { timings: Some(timings), ..attempt(3, 0) });
    }
    let stages = meter.read().stages.named().map(|(_, stage)| stage.total());
    assert_eq!(stages, [3, 1, 1, 0, 3, 3]);
    assert_eq!(meter.interval(|interval| interval.len()), 3);
    assert_eq!(meter.interval(|interval| interval.len()), 0);
}

#[test]
fn retries_are_counted_by_reason_most_frequent_first() {
    let meter = Meter::default();
    ["503", "reset", "503"].into_iter().for_each(|reason| meter.retried(reason));
    meter.malformed(2);
    ["first", "second"].into_iter().for_each(|reason| meter.orphaned(1, reason));
    let measured = meter.read();
    assert_eq!(measured.retries, [("503".to_owned(), 2), ("reset".to_owned(), 1)]);
    assert_eq!(measured.malformed, 2);
    assert_eq!(measured.orphans, [(1, 2, "first".to_owned())]);
}

#[test]
fn percentiles_come_from_attempts() {
    let meter = Meter::default();
    assert_eq!(meter.read().latency, Distribution::default());
    (1..=100).for_each(|millis| meter.attempt(&attempt(millis, 0)));
    let latency = meter.read().latency;
    let millis = [0.5, 0.95, 0.99].map(|share| latency.quantile(share).unwrap().as_millis());
    assert_eq!(millis, [50, 95, 99]);
    assert_eq!(meter.read().statuses, [(200, 100)]);
}
