//! Conditions over a whole run: `failed > 1%`, `p95 > 2s`, `rows < 1000`.

use std::ops::Range;

use super::{Site, names};
use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::document::KeyPath;
use crate::plan::{Comparison, FailIf, Measure};
use crate::spec::{JobSpec, scalar};

/// The condition of a job that names none.
const DEFAULT: &str = "failed > 0";

const MEASURES: &[(&str, Measure)] = &[
    ("rows", Measure::Rows),
    ("ok", Measure::Ok),
    ("failed", Measure::Failed),
    ("skipped", Measure::Skipped),
    ("attempts", Measure::Attempts),
    ("p50", Measure::Percentile(0.5)),
    ("p90", Measure::Percentile(0.9)),
    ("p95", Measure::Percentile(0.95)),
    ("p99", Measure::Percentile(0.99)),
];

/// Longer operators first: `>=` begins with `>`.
const COMPARISONS: &[(&str, Comparison)] = &[
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    (">", Comparison::Above),
    ("<", Comparison::Below),
];

/// What is wrong with a condition, with the bytes it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    range: Range<usize>,
    message: String,
    help: String,
}

/// Compiles the conditions of a job.
pub fn fail_if(site: &mut Site<'_>, spec: &JobSpec) -> Vec<FailIf> {
    let Some(written) = spec.run.as_ref().and_then(|run| run.fail_if.as_ref()) else {
        return parse(DEFAULT).into_iter().collect();
    };
    let path = KeyPath::of(["run", "fail-if"]);
    let mut conditions = Vec::new();
    for (index, text) in written.0.iter().enumerate() {
        match parse(text) {
            Ok(condition) => conditions.push(condition),
            Err(wrong) => {
                let place = site.document.place_in_string(&names::item(site, &path, index), wrong.range);
                let diagnostic = Diagnostic::error(codes::EXPRESSION, wrong.message).at(place, "").help(wrong.help);
                site.diagnostics.push(diagnostic);
            }
        }
    }
    conditions
}

fn parse(text: &str) -> Result<FailIf, Wrong> {
    let start = text.len() - text.trim_start().len();
    if start == text.len() {
        let help = format!("for example \"{DEFAULT}\"");
        return Err(Wrong { range: 0..0, message: "an empty text is not a condition".to_owned(), help });
    }
    let name_end =
        start + text[start..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len() - start);
    let name = &text[start..name_end];
    let measure = measure(name, start..name_end)?;
    let operator_start = text.len() - text[name_end..].trim_start().len();
    let rest = &text[operator_start..];
    let signs = rest.len() - rest.trim_start_matches(['<', '>', '=', '!']).len();
    let Some((_, comparison)) = COMPARISONS.iter().find(|(operator, _)| *operator == &rest[..signs]) else {
        return Err(not_compared(name, measure, &rest[..signs], operator_start..text.len()));
    };
    let after = operator_start + signs;
    let bound_start = text.len() - text[after..].trim_start().len();
    let bound_text = text[bound_start..].trim_end();
    if bound_text.is_empty() {
        return Err(Wrong {
            range: operator_start..text.len(),
            message: format!("`{name}` is compared with nothing"),
            help: format!("write a bound behind the comparison, such as \"{}\"", example(measure)),
        });
    }
    let (bound, percent) = bound(measure, bound_text, bound_start..bound_start + bound_text.len())?;
    Ok(FailIf { source: text.to_owned(), measure, comparison: *comparison, bound, percent })
}

/// What stands behind the measure is no comparison.
fn not_compared(name: &str, measure: Measure, signs: &str, range: Range<usize>) -> Wrong {
    let help = format!("the comparisons are > >= < <= == !=; for example \"{}\"", example(measure));
    match signs.len() {
        0 => Wrong { range, message: format!("`{name}` is compared with nothing"), help },
        length => {
            Wrong { range: range.start..range.start + length, message: format!("`{signs}` is not a comparison"), help }
        }
    }
}

fn measure(name: &str, range: Range<usize>) -> Result<Measure, Wrong> {
    if let Some((_, measure)) = MEASURES.iter().find(|(known, _)| *known == name) {
        return Ok(*measure);
    }
    let names = || MEASURES.iter().map(|(name, _)| *name);
    let help = match did_you_mean(name, names()).filter(|_| !name.is_empty()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a condition begins with one of `{}`", names().collect::<Vec<_>>().join("`, `")),
    };
    let message = if name.is_empty() {
        "the condition does not say what is compared".to_owned()
    } else {
        format!("`{name}` can't be compared")
    };
    Err(Wrong { range, message, help })
}

fn example(measure: Measure) -> &'static str {
    match measure {
        Measure::Rows => "rows < 1000",
        Measure::Ok => "ok < 99%",
        Measure::Failed => "failed > 1%",
        Measure::Skipped => "skipped > 0",
        Measure::Attempts => "attempts > 5000",
        Measure::Percentile(_) => "p95 > 2s",
    }
}

fn bound(measure: Measure, text: &str, range: Range<usize>) -> Result<(f64, bool), Wrong> {
    let wrong = |message: String| {
        let help = format!("for example \"{}\"", example(measure));
        Err(Wrong { range: range.clone(), message, help })
    };
    match measure {
        Measure::Percentile(_) => match scalar::duration(text) {
            Ok(duration) => Ok((duration.as_secs_f64(), false)),
            Err(error) => Err(Wrong { range: range.clone(), message: error.message, help: error.help }),
        },
        Measure::Ok | Measure::Failed | Measure::Skipped if text.ends_with('%') => {
            match text.trim_end_matches('%').trim_end().parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) && !text.ends_with("%%") => Ok((percent / 100.0, true)),
                Ok(_) | Err(_) => wrong(format!("`{text}` is not a share from 0% to 100%")),
            }
        }
        Measure::Rows | Measure::Attempts if text.ends_with('%') => {
            wrong("this is not a share of the rows and has no percentage".to_owned())
        }
        Measure::Rows | Measure::Ok | Measure::Failed | Measure::Skipped | Measure::Attempts => {
            match text.parse::<u32>() {
                Ok(count) => Ok((f64::from(count), false)),
                Err(_) => wrong(format!("`{text}` is not a count")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        for (text, measure, comparison, bound, percent) in [
            ("failed > 0", Measure::Failed, Comparison::Above, 0.0, false),
            ("failed>1%", Measure::Failed, Comparison::Above, 0.01, true),
            (" p95 >= 1.5s ", Measure::Percentile(0.95), Comparison::AtLeast, 1.5, false),
            ("rows < 1000", Measure::Rows, Comparison::Below, 1000.0, false),
            ("ok != 3", Measure::Ok, Comparison::NotEqual, 3.0, false),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(
                (parsed.measure, parsed.comparison, parsed.bound, parsed.percent),
                (measure, comparison, bound, percent)
            );
            assert_eq!(parsed.source, text);
        }
    }

    #[test]
    fn every_measure_has_an_example_that_parses() {
        for (name, measure) in MEASURES {
            assert!(parse(example(*measure)).is_ok(), "{name}");
        }
    }

    #[test]
    fn wrong_conditions_point_at_the_wrong_part() {
        for (text, part, message) in [
            ("failed > ", "> ", "`failed` is compared with nothing"),
            ("failed", "", "`failed` is compared with nothing"),
            ("failed = 3", "=", "`=` is not a comparison"),
            ("failed >> 3", ">>", "`>>` is not a comparison"),
            ("failed over 3", "over 3", "`failed` is compared with nothing"),
            ("  ", "", "an empty text is not a condition"),
            ("failure > 3", "failure", "`failure` can't be compared"),
            ("p95 > 2", "2", "the duration `2` has no unit"),
            ("failed > 101%", "101%", "`101%` is not a share from 0% to 100%"),
            ("rows > 5%", "5%", "this is not a share of the rows and has no percentage"),
            ("ok > many", "many", "`many` is not a count"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert_eq!((&text[wrong.range.clone()], wrong.message.as_str()), (part, message), "{text}");
        }
    }
}
