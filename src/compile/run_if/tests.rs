//! What conditions over a run mean, and what is said of wrong ones.

use super::parse::{Clause, Grammar, MEASURES, parse};
use crate::plan::{Comparison, Measure, StopMeasure};

#[test]
fn conditions_that_fail_a_run() {
    for (text, measure, comparison, bound, percent) in [
        ("failed > 0", Measure::Failed, Comparison::Above, 0.0, false),
        ("failed>1%", Measure::Failed, Comparison::Above, 0.01, true),
        (" p95 >= 1.5s ", Measure::Percentile(0.95), Comparison::AtLeast, 1.5, false),
        ("p50 > 1m 30s", Measure::Percentile(0.5), Comparison::Above, 90.0, false),
        ("rows < 1000", Measure::Rows, Comparison::Below, 1000.0, false),
        ("ok != 3", Measure::Ok, Comparison::NotEqual, 3.0, false),
    ] {
        let measure = StopMeasure::Of(measure);
        let expected = Clause { measure, comparison, bound, percent, after: None, in_a_row: false };
        assert_eq!(parse(text, Grammar::Fail), Ok(expected), "{text}");
    }
}

#[test]
fn conditions_that_stop_a_run() {
    let failed = StopMeasure::Of(Measure::Failed);
    for (text, measure, bound, percent, after, in_a_row) in [
        ("failed > 50% after 100", failed, 0.5, true, Some(100), false),
        ("failed>50%after 100", failed, 0.5, true, Some(100), false),
        ("failed > 20 in a row", failed, 20.0, false, None, true),
        (" unauthorized > 5  in a  row ", StopMeasure::Unauthorized, 5.0, false, None, true),
        ("unauthorized > 5 after 10 in a row", StopMeasure::Unauthorized, 5.0, false, Some(10), true),
        ("unauthorized > 10% after 10", StopMeasure::Unauthorized, 0.1, true, Some(10), false),
        ("p95 > 1m 30s after 7", StopMeasure::Of(Measure::Percentile(0.95)), 90.0, false, Some(7), false),
        ("p95 > 30s", StopMeasure::Of(Measure::Percentile(0.95)), 30.0, false, None, false),
        ("attempts > 9", StopMeasure::Of(Measure::Attempts), 9.0, false, None, false),
    ] {
        let expected = Clause { measure, comparison: Comparison::Above, bound, percent, after, in_a_row };
        assert_eq!(parse(text, Grammar::Stop), Ok(expected), "{text}");
    }
    let below = parse("ok < 50% after 100", Grammar::Stop).unwrap();
    assert_eq!((below.comparison, below.bound, below.after), (Comparison::Below, 0.5, Some(100)));
}

#[test]
fn every_measure_has_an_example_that_parses() {
    for (name, measure) in MEASURES {
        for grammar in [Grammar::Fail, Grammar::Stop] {
            let example = grammar.example(*measure);
            let refused = grammar == Grammar::Fail && *measure == StopMeasure::Unauthorized;
            assert_eq!(parse(example, grammar).is_err(), refused, "{name}: {example}");
        }
    }
}

fn wrong(text: &str, grammar: Grammar) -> (&str, String, String) {
    let wrong = parse(text, grammar).unwrap_err();
    (&text[wrong.range], wrong.message, wrong.help)
}

#[test]
fn wrong_conditions_point_at_the_wrong_part() {
    for (text, part, message) in [
        ("failed > ", ">", "`failed` is compared with nothing"),
        ("failed", "", "`failed` is compared with nothing"),
        ("failed = 3", "=", "`=` is not a comparison"),
        ("failed >> 3", ">>", "`>>` is not a comparison"),
        ("failed over 3", "over 3", "`failed` is compared with nothing"),
        ("  ", "", "an empty text is not a condition"),
        ("> 3", "", "the condition does not say what is compared"),
        ("failure > 3", "failure", "`failure` can't be compared"),
        ("p95 > 2", "2", "the duration `2` has no unit"),
        ("failed > 101%", "101%", "`101%` is not a share from 0% to 100%"),
        ("rows > 5%", "5%", "this is not a share of the rows and has no percentage"),
        ("ok > many", "many", "`many` is not a count"),
    ] {
        for grammar in [Grammar::Fail, Grammar::Stop] {
            let (at, said, help) = wrong(text, grammar);
            assert_eq!((at, said.as_str()), (part, message), "{text}");
            assert!(!help.is_empty());
        }
    }
}

#[test]
fn each_kind_of_condition_has_words_of_its_own() {
    for (text, grammar, part, message, help) in [
        ("unauthorized > 3", Grammar::Fail, "unauthorized", "`unauthorized` stops", "`run.stop-if`"),
        ("failed > 1% after 9", Grammar::Fail, "after 9", "`after 9` is for conditions that stop", "\"failed > 1%\""),
        ("failed > 3 in a row", Grammar::Fail, "in a row", "`in a row` is for", "\"failed > 3\""),
        ("unauthorised > 3", Grammar::Stop, "unauthorised", "`unauthorised` can't be", "did you mean `unauthorized`?"),
        ("failed > 5%", Grammar::Stop, "failed > 5%", "a share of the first", "\"failed > 5% after 100\""),
        ("rows < 9", Grammar::Stop, "rows < 9", "this would stop the run before", "\"rows < 9 after 100\""),
        ("failed != 9", Grammar::Stop, "failed != 9", "this would stop the run before", ""),
        ("failed > 5 after", Grammar::Stop, "after", "`after` needs a number", "after 100"),
        ("failed > 5 after all", Grammar::Stop, "all", "`after` needs a number", "after 100"),
        ("failed > 5% after 0", Grammar::Stop, "0", "`after` needs a number", "after 100"),
        ("failed > 5 in row", Grammar::Stop, "in row", "`in row` is not expected", "in a row"),
        (
            "failed > 5 in a row after 3",
            Grammar::Stop,
            "in a row after 3",
            "`in a row after 3` is",
            "before `in a row`",
        ),
        ("failed > 5 after 3 rows", Grammar::Stop, "rows", "`rows` is not expected", ""),
        ("ok > 5 in a row", Grammar::Stop, "in a row", "this is not counted", "only `failed` and"),
        ("failed > 5% in a row", Grammar::Stop, "in a row", "a share has no rows in a row", ">= 20 in a row"),
        ("failed < 5 in a row", Grammar::Stop, "failed < 5 in a row", "this holds before", "`>=`"),
    ] {
        let (at, said, helped) = wrong(text, grammar);
        assert_eq!(at, part, "{text}");
        assert!(said.starts_with(message) && helped.contains(help), "{text}: {said}; {helped}");
    }
}
