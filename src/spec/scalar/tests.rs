//! Tests of the scalars: what parses, and what is said of what does not.

use proptest::prelude::*;

use super::*;

#[test]
fn durations() {
    for (text, milliseconds) in [
        ("250ms", 250),
        ("10s", 10_000),
        ("1h 30m", 5_400_000),
        ("1h30m", 5_400_000),
        ("1.5s", 1500),
        ("2d", 172_800_000),
        ("0s", 0),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
}

#[test]
fn wrong_durations_say_how_to_mend_them() {
    for (text, message, help) in [
        ("10", "the duration `10` has no unit", "write \"10s\" for seconds or \"10ms\" for milliseconds"),
        ("10 sec", "`sec` is not a unit of time", "write \"10s\"; the units are ms, s, m, h and d"),
        ("10 S", "`S` is not a unit of time", "write \"10s\"; the units are ms, s, m, h and d"),
        ("5 minutes", "`minutes` is not a unit of time", "write \"5m\"; the units are ms, s, m, h and d"),
        ("10 s", "`10 s` has a space between number and unit", "write \"10s\"; the units are ms, s, m, h and d"),
        ("3 weeks", "`weeks` is not a unit of time", "the units are ms, s, m, h and d"),
        (
            "-5s",
            "`-5s` is not a duration",
            "write a number and a unit, such as \"10s\"; the units are ms, s, m, h and d",
        ),
        (
            "1.5.5s",
            "`1.5.5s` is not a duration",
            "write a number and a unit, such as \"10s\"; the units are ms, s, m, h and d",
        ),
        ("", "an empty text is not a duration", "write a number and a unit, such as \"10s\""),
        ("200000d", "`200000d` is longer than a hundred years", "write a shorter duration"),
    ] {
        let error = duration(text).unwrap_err();
        assert_eq!((error.message.as_str(), error.help.as_str()), (message, help), "{text}");
    }
    assert!(positive_duration("0ms").is_err());
}

#[test]
fn sizes() {
    for (text, bytes) in [("512B", 512), ("64KiB", 65_536), ("10MB", 10_000_000), ("1.5GiB", 1_610_612_736)] {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
    for (text, help) in [
        ("10", "write \"10B\" for bytes or \"10MiB\""),
        ("10mb", "write \"10MB\"; the units are B, KB, MB, GB, KiB, MiB and GiB"),
        ("10 MB", "write \"10MB\"; the units are B, KB, MB, GB, KiB, MiB and GiB"),
        ("10 sheep", "the units are B, KB, MB, GB, KiB, MiB and GiB"),
    ] {
        assert_eq!(size(text).unwrap_err().help, help, "{text}");
    }
    assert!(positive_size("0B").is_err());
}

#[test]
fn rates() {
    for (text, count, seconds) in [("10/s", 10, 1), ("100/30s", 100, 30), ("5000/h", 5000, 3600), ("1/1h 30m", 1, 5400)]
    {
        let window = rate(text).unwrap();
        assert_eq!((window.count.get(), window.per.as_secs()), (count, seconds), "{text}");
    }
}

#[test]
fn wrong_rates_say_how_to_mend_them() {
    for (text, message, help) in [
        ("10", "`10` is not a rate", "write a count and a window, such as \"10/s\", \"100/30s\" or \"5000/h\""),
        ("0/s", "a rate of zero would never let a request leave", "write a count of at least 1, such as \"1/m\""),
        ("1.5/s", "the count of the rate `1.5/s` is not a whole number", "lengthen the window instead: write \"90/m\""),
        ("10/", "the window of the rate `10/` has no unit", "write \"10/s\""),
        ("10/30", "the window of the rate `10/30` has no unit", "write \"10/30s\""),
        ("10/sec", "`sec` is not a window of time", "write \"10/s\""),
        (
            "10/fortnight",
            "`fortnight` is not a window of time",
            "write a unit or a duration, such as \"10/s\", \"100/30s\" or \"5000/h\"",
        ),
        ("10/0s", "the window of the rate `10/0s` is zero", "write a longer one, such as \"10/s\""),
        ("ten/s", "`ten` is not a count of requests", "write a whole number before the `/`, such as \"10/s\""),
    ] {
        let error = rate(text).unwrap_err();
        assert_eq!((error.message.as_str(), error.help.as_str()), (message, help), "{text}");
    }
}

#[test]
fn status_classes() {
    assert_eq!(status_class("2xx"), Ok((200, 299)));
    assert!(status_class("6xx").is_err());
    assert_eq!(status_class("404").unwrap_err().help, "write it without quotes: 404");
}

proptest! {
    #[test]
    fn parsers_never_panic(text in "\\PC{0,12}") {
        let _ = (duration(&text), size(&text), rate(&text), status_class(&text), address(&text));
    }

    #[test]
    fn what_people_read_parses_back(milliseconds in 0u64..100_000_000) {
        let exact = Duration::from_millis(milliseconds);
        prop_assert_eq!(duration(&format!("{milliseconds}ms")), Ok(exact));
        prop_assert!(duration(&crate::clock::human(exact)).is_ok());
    }
}
