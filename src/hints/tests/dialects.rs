//! Every form of header, as documents of servers and drafts have them, and as hostile servers might.

use super::*;

/// Quotas and the number of malformed values.
type Said = (Vec<Quota>, u32);

fn check(table: &[(&[(&str, &str)], Said)]) {
    for (headers, expected) in table {
        let hints = said(headers);
        assert_eq!((hints.quotas, hints.malformed), *expected, "{headers:?}");
    }
}

fn nothing() -> Said {
    (vec![], 0)
}

fn malformed() -> Said {
    (vec![], 1)
}

fn one(limit: impl Into<Option<u64>>, remaining: u64, reset: impl Into<Option<u64>>) -> Said {
    (vec![quota(limit, remaining, reset)], 0)
}

#[test]
fn retry_after() {
    for (values, wait, malformed) in [
        (vec!["120"], Some(120), 0),
        (vec!["0"], Some(0), 0),
        (vec!["Tue, 14 Nov 2023 22:14:20 GMT"], Some(60), 0),
        (vec!["Tue, 14 Nov 2023 22:12:20 GMT"], Some(0), 0),
        (vec!["1700000045"], Some(45), 0),
        (vec!["-1"], None, 1),
        (vec!["soon"], None, 1),
        (vec![""], None, 1),
        (vec!["5", "90"], Some(90), 0),
        (vec!["soon", "7", "later"], Some(7), 2),
        (vec!["259200"], Some(259_200), 0),
    ] {
        let headers: Vec<_> = values.iter().map(|value| ("retry-after", *value)).collect();
        let hints = said(&headers);
        assert_eq!((hints.wait.map(|wait| wait.as_secs()), hints.malformed), (wait, malformed), "{values:?}");
    }
}

#[test]
fn the_draft_since_08() {
    let policy = ("ratelimit-policy", r#""burst";q=100;w=60,"daily";q=1000;w=86400"#);
    check(&[
        (&[("ratelimit", r#""default";r=50;t=30"#)], one(None, 50, 30)),
        (&[("ratelimit", r#" "default" ;r=50;t=30 "#)], malformed()),
        (&[("ratelimit", r#""default";r=999;pk=:dHJpYWwxMjEzMjM=:"#)], one(None, 999, None)),
        (&[("ratelimit", r#""burst";r=50;t=30"#), policy], one(100, 50, 30)),
        (
            &[policy, ("ratelimit", r#""daily";r=999;t=5, "burst";r=0;t=30, "other";r=1"#)],
            (vec![quota(1000, 999, 5), quota(100, 0, 30), quota(None, 1, None)], 0),
        ),
        (
            &[("ratelimit", r#""a";r=1"#), ("ratelimit", r#""b";r=2"#)],
            (vec![quota(None, 1, None), quota(None, 2, None)], 0),
        ),
        (&[("ratelimit", r#""sliding";q=12;r=6;t=1"#)], one(12, 6, 1)),
        (&[("ratelimit", "quota;r=5;t=1")], one(None, 5, 1)),
        (&[("ratelimit", r#""a \"b\"";r=5"#), ("ratelimit-policy", r#""a \"b\"";q=9"#)], one(9, 5, None)),
        (
            &[("ratelimit", r#""\"a\"";r=5, "\"b\"";r=6"#), ("ratelimit-policy", r#""\"b\"";q=9"#)],
            (vec![quota(None, 5, None), quota(9, 6, None)], 0),
        ),
        (&[("ratelimit", r#""x";acme-cost=2.5;r=5;burst=?0"#)], one(None, 5, None)),
        (&[("ratelimit", r#""x";r=1;r=5"#)], one(None, 5, None)),
        (&[policy], nothing()),
        (&[("ratelimit", "")], nothing()),
    ]);
}

#[test]
fn quotas_of_other_units_than_requests_are_left_out() {
    let limit = ("ratelimit", r#""peruser";r=5;t=1"#);
    check(&[
        (&[limit, ("ratelimit-policy", r#""peruser";q=65535;qu="content-bytes";w=10"#)], nothing()),
        (&[limit, ("ratelimit-policy", r#""peruser";q=5;qu="concurrent-requests""#)], nothing()),
        (&[limit, ("ratelimit-policy", r#""peruser";q=9;qu="requests";w=10"#)], one(9, 5, 1)),
        (&[limit, ("ratelimit-policy", r#""peruser";q=1;qu="content-bytes", "peruser";q=9"#)], one(9, 5, 1)),
        (&[limit, ("ratelimit-policy", r#""other";q=1;qu="content-bytes""#)], one(None, 5, 1)),
        (&[("ratelimit", r#""x";r=5;qu="content-bytes""#)], nothing()),
    ]);
}

#[test]
fn what_the_draft_does_not_allow_is_ignored_and_counted() {
    for value in [
        r#""x""#,
        r#""x";t=3"#,
        r#""x";r="5""#,
        r#""x";r=5.5"#,
        r#""x";r=5;t=soon"#,
        r#""x";r"#,
        r#""x";r=5,"#,
        r#""x";r=5;;"#,
        r#""x;r=5"#,
        r#""x";r=9999999999999999"#,
        r#"("x");r=5"#,
        r#""x";r=5;pk=:%%%:"#,
        "5;r=5",
        ":eA==:;r=5",
        "?1",
        "soon",
        "limit=100, remaining=many",
        "limit=100, remaining=(5)",
        "LIMIT=5",
        "\u{e4}",
        "{\"remaining\":5}",
    ] {
        check(&[(&[("ratelimit", value)], malformed())]);
    }
    check(&[
        (&[("ratelimit", r#""a";r=1, "b", "c";r=3"#)], (vec![quota(None, 1, None), quota(None, 3, None)], 1)),
        (&[("ratelimit", "garbage!"), ("ratelimit", r#""a";r=1"#)], (vec![quota(None, 1, None)], 1)),
        (&[("ratelimit", r#""a";r=1"#), ("ratelimit-policy", r#""a";q=;"#)], (vec![quota(None, 1, None)], 1)),
        (&[("ratelimit", r#""a";r=1"#), ("ratelimit-policy", r#""a";q="5""#)], one(None, 1, None)),
        (&[("ratelimit", r#""a";r=1"#), ("ratelimit-policy", r#""a";q="5";qu="content-bytes""#)], one(None, 1, None)),
        (&[("ratelimit", r#""a";r=-1;t=-5"#)], one(None, 0, 0)),
    ]);
}

#[test]
fn draft_07() {
    check(&[
        (&[("ratelimit", "limit=100, remaining=50, reset=30")], one(100, 50, 30)),
        (&[("ratelimit", "reset=30,remaining=0,limit=100"), ("ratelimit-policy", "100;w=10")], one(100, 0, 30)),
        (
            &[("ratelimit", "limit=100, remaining=50, reset=30"), ("ratelimit-policy", "10;w=1, 50;w=60;burst=10")],
            one(100, 50, 30),
        ),
        (&[("ratelimit", "limit=100"), ("ratelimit", "remaining=50, reset=3")], one(100, 50, 3)),
        (&[("ratelimit", "limit=100, remaining=50")], one(100, 50, None)),
        (&[("ratelimit", "limit=100, reset=30")], nothing()),
        // Parameters of a limit, by the book: comments.
        (&[("ratelimit", "limit=100; remaining=50; reset=30")], nothing()),
        (
            &[("ratelimit", "limit=9, remaining=5, remaining=4, policy=(1 2);x, by=\"a, b\"")],
            (vec![quota(9, 4, None)], 1),
        ),
        (&[("ratelimit", "remaining=-5, reset=-5")], one(None, 0, 0)),
        (&[("ratelimit", "limit=1, remaining=1, reset=999999999999999")], one(1, 1, LONGEST.as_secs())),
    ]);
}

#[test]
fn drafts_before_07() {
    let left = [("ratelimit-remaining", "50"), ("ratelimit-reset", "30")];
    for (limit, expected) in [
        ("100", 100),
        ("100, 100;w=60", 100),
        ("10, 10;w=1, 50;w=60, 1000;w=3600", 10),
        ("100;w=60", 100),
        (r#"100, 100;w=60;comment="a, b""#, 100),
    ] {
        check(&[(&[("ratelimit-limit", limit), left[0], left[1]], one(expected, 50, 30))]);
    }
    check(&[
        (&left, one(None, 50, 30)),
        (&[("ratelimit-limit", "many"), left[0], left[1]], (vec![quota(None, 50, 30)], 1)),
        (&[("ratelimit-limit", "100"), ("ratelimit-policy", "100;w=60"), left[0], left[1]], one(100, 50, 30)),
        (&[("ratelimit-limit", "100"), ("ratelimit-reset", "30")], nothing()),
    ]);
}

#[test]
fn the_x_families() {
    check(&[
        (
            &[
                ("x-ratelimit-limit", "5000"),
                ("x-ratelimit-remaining", "4987"),
                ("x-ratelimit-reset", "1700001800"),
                ("x-ratelimit-used", "13"),
                ("x-ratelimit-resource", "core"),
            ],
            one(5000, 4987, 1800),
        ),
        (
            &[("x-rate-limit-limit", "300"), ("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1700000900")],
            one(300, 0, 900),
        ),
        (
            &[
                ("x-ratelimit-limit-requests", "60"),
                ("x-ratelimit-remaining-requests", "59"),
                ("x-ratelimit-reset-requests", "6m0s"),
                ("x-ratelimit-limit-tokens", "150000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "1h"),
            ],
            one(60, 59, 360),
        ),
        (
            &[
                ("x-ratelimit-limit", "5"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1700000001.5"),
                ("x-ratelimit-reset-after", "2"),
            ],
            one(5, 0, 2),
        ),
        (&[("x-ratelimit-remaining", "598.0"), ("x-ratelimit-reset", "182")], one(None, 598, 182)),
        (&[("x-shopify-shop-api-call-limit", "32/40")], one(40, 8, None)),
        (&[("x-shopify-shop-api-call-limit", "41/40")], one(40, 0, None)),
        (&[("x-shopify-shop-api-call-limit", "40")], malformed()),
        (&[("x-shopify-shop-api-call-limit", "a/b")], malformed()),
    ]);
}

#[test]
fn lies_and_garbage_of_the_x_families() {
    const LEFT: &str = "x-ratelimit-remaining";
    const RESET: &str = "x-ratelimit-reset";
    check(&[
        (&[(LEFT, "5")], one(None, 5, None)),
        (&[(RESET, "5")], nothing()),
        (&[("x-ratelimit-limit", "5"), (RESET, "5")], nothing()),
        (&[(LEFT, "-5"), (RESET, "5")], one(None, 0, 5)),
        (&[("x-ratelimit-limit", "5"), (LEFT, "9")], one(5, 9, None)),
        (&[("x-ratelimit-limit", "-1"), (LEFT, "9")], (vec![quota(None, 9, None)], 1)),
        (&[(LEFT, "99999999999999999999999")], one(None, u64::MAX, None)),
        (&[(LEFT, "many"), (RESET, "5")], malformed()),
        (&[(LEFT, ""), (RESET, "")], (vec![], 2)),
        (&[(LEFT, "1e3")], malformed()),
        (&[(LEFT, "+5")], malformed()),
        (&[(LEFT, "\u{663}")], malformed()),
        (&[(LEFT, "5"), (RESET, "soon")], (vec![quota(None, 5, None)], 1)),
        // A gateway and the server behind it.
        (&[(LEFT, "5"), (LEFT, "3"), (LEFT, "4"), (RESET, "10"), (RESET, "90")], one(None, 3, 90)),
        (&[("x-ratelimit-limit", "9"), ("x-ratelimit-limit", "7"), (LEFT, "5")], one(7, 5, None)),
        (&[(LEFT, "5, 3"), (RESET, "10, 90, 20")], one(None, 3, 90)),
        (&[(LEFT, "5"), (LEFT, "soon")], (vec![quota(None, 5, None)], 1)),
    ]);
}

#[test]
fn every_unit_of_a_reset() {
    for (reset, milliseconds) in [
        ("0", 0),
        ("30", 30_000),
        ("0.5", 500),
        ("12.345", 12_345),
        ("999999999", 999_999_999_000),
        ("1000000000", 0),
        ("1700000030", 30_000),
        ("1700000030.25", 30_250),
        ("1600000000", 0),
        ("1700000030250", 30_250),
        ("1600000000000", 0),
        ("-30", 0),
        ("1s", 1000),
        ("6m0s", 360_000),
        ("20ms", 20),
        ("12.3s", 12_300),
        ("1h2m3.5s", 3_723_500),
        ("1d", 86_400_000),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60_000),
        ("Tue, 14 Nov 2023 22:12:20 GMT", 0),
        ("2023-11-14T22:14:20Z", 60_000),
        ("2023-11-14T22:14:20.5Z", 60_500),
        ("2023-11-14T23:14:20+01:00", 60_000),
        ("1913-11-14T22:14:20Z", 0),
    ] {
        let hints = said(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", reset)]);
        let expected = Duration::from_millis(milliseconds);
        assert_eq!((hints.quotas[0].reset, hints.malformed), (Some(expected), 0), "{reset}");
    }
}

#[test]
fn what_is_finer_than_a_nanosecond_is_rounded_up() {
    for (reset, nanoseconds) in [("0.0000000001", 1), ("0.9999999991", 1_000_000_000), ("0.5000000000", 500_000_000)] {
        let hints = said(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", reset)]);
        assert_eq!(hints.quotas[0].reset, Some(Duration::from_nanos(nanoseconds)), "{reset}");
    }
}

#[test]
fn absurd_resets_are_cut_to_a_century() {
    let nines = "9".repeat(400);
    for reset in [
        &*nines,
        "100000000000",
        "99999999999999",
        "9999999999h",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "9999-01-01T00:00:00Z",
    ] {
        let hints = said(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", reset)]);
        assert_eq!((hints.quotas[0].reset, hints.malformed), (Some(LONGEST), 0), "{reset}");
    }
}

#[test]
fn a_reset_that_is_no_time_is_none() {
    for reset in
        ["soon", "s", "5x", "5s5", "5 s", "1.s", ".5", "5.", "1e3", "--5", "-", "-s", "5,", "2023-11-14", "0x10"]
    {
        let hints = said(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", reset)]);
        assert_eq!((hints.quotas[0].reset, hints.malformed), (None, 1), "{reset}");
    }
}
