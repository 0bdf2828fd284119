//! The meter and the pace, on plain numbers.

use super::*;

/// A pace of `rate` that was cut at 0.
fn paced(rate: f64) -> Learned {
    let mut learned = Learned::default();
    learned.cut(rate / FIRST, 0, 0);
    learned
}

#[test]
fn the_meter_counts_busy_times_alone() {
    let mut meter = Meter::default();
    for hour in 0..3 {
        for number in 0..100 {
            meter.note(hour * 3600 * SECOND + number * SECOND / 50, 2);
        }
    }
    assert!((meter.rate() - 100.0).abs() < 20.0, "{}", meter.rate());
    let mut burst = Meter::default();
    (0..30).for_each(|_| burst.note(SECOND, 1));
    assert!((burst.rate() - 300.0).abs() < 1e-6);
}

#[test]
fn a_burst_of_throttles_counts_once_and_each_round_again() {
    let mut learned = Learned::default();
    for reply in 0..50 {
        learned.cut(100.0, reply, SECOND + reply);
    }
    assert_eq!(learned.rate(), Some(50.0));
    learned.cut(100.0, SECOND + 1, SECOND * 2);
    assert_eq!(learned.rate(), Some(35.0));
    learned.cut(20.0, SECOND * 3, SECOND * 5);
    assert_eq!(learned.rate(), Some(17.0));
}

#[test]
fn the_pace_never_falls_below_one_in_ten_seconds() {
    let mut learned = paced(1.0);
    for round in 1..100 {
        learned.cut(1.0, round * SECOND, (round + 1) * SECOND - 1);
    }
    assert_eq!(learned.rate(), Some(SLOWEST));
    assert_eq!(learned.pace(0, 0).unwrap().0, 10 * SECOND);
}

#[test]
fn it_is_given_back_by_a_twentieth_a_second_while_it_is_used() {
    let mut learned = paced(50.0);
    for tenth in 1..=40 {
        learned.grow(tenth * SECOND / 10, f64::INFINITY, 50.0);
    }
    assert!((learned.rate().unwrap() - 70.0).abs() < 0.1, "{:?}", learned.rate());
    // A quiet time counts as a second, and then it grows faster: the server has been at peace for long.
    learned.grow(64 * SECOND, f64::INFINITY, 50.0);
    assert!((learned.rate().unwrap() - 70.0 - 5.0 * 6.4).abs() < 0.1, "{:?}", learned.rate());
}

#[test]
fn it_ends_at_the_own_rate_and_at_several_times_what_is_used() {
    for (own, used) in [(52.0, 50.0), (f64::INFINITY, 12.0)] {
        let mut learned = paced(50.0);
        assert!(learned.grow(SECOND, own, used) && learned.is_empty(), "{own} {used}");
    }
    let mut learned = paced(50.0);
    assert!(!learned.forget(STALE) && learned.forget(STALE + 1) && learned.is_empty());
}

#[test]
fn a_fast_pace_lets_a_few_go_at_once_so_that_waiting_is_cheap() {
    for (rate, burst) in [(5.0, 1), (390.0, 1), (500.0, 2), (20_000.0, 51)] {
        assert_eq!(paced(rate).pace(0, 0).unwrap().1.get(), burst, "{rate}");
    }
}

#[test]
fn many_quotas_are_kept_to_the_shortest() {
    let mut learned = Learned::default();
    for number in 0..100 {
        let quota = Quota { limit: Some(number), remaining: 100 - number, reset: None };
        learned.note(&quota, 0, 0, 0);
    }
    assert_eq!(learned.quotas.len(), QUOTAS);
    assert_eq!(learned.short_until(0, 1, 1), Some(UNTOLD));
}
