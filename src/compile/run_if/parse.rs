//! From the text of a condition over a run to what it means: MEASURE COMPARISON BOUND, and of conditions that
//! stop a run `after N` and `in a row` behind it.

use std::ops::Range;

use crate::diagnostic::did_you_mean;
use crate::plan::{Comparison, Measure, StopMeasure};
use crate::spec::scalar;

/// Which conditions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// Of a run that has ended.
    Fail,
    /// Of a run that goes on.
    Stop,
}

/// A condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clause {
    /// What is compared.
    pub measure: StopMeasure,
    /// How.
    pub comparison: Comparison,
    /// With what; seconds for percentiles, a share of 1 when `percent`.
    pub bound: f64,
    /// Whether the measure is taken as a share.
    pub percent: bool,
    /// Rows before which it does not count, where that is said.
    pub after: Option<u64>,
    /// Whether the rows must come one after the other.
    pub in_a_row: bool,
}

/// What is wrong with a condition, with the bytes it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub range: Range<usize>,
    pub message: String,
    pub help: String,
}

const UNAUTHORIZED: &str = "unauthorized";

/// What can be compared.
pub(super) const MEASURES: &[(&str, StopMeasure)] = &[
    ("rows", StopMeasure::Of(Measure::Rows)),
    ("ok", StopMeasure::Of(Measure::Ok)),
    ("failed", StopMeasure::Of(Measure::Failed)),
    ("skipped", StopMeasure::Of(Measure::Skipped)),
    ("attempts", StopMeasure::Of(Measure::Attempts)),
    ("p50", StopMeasure::Of(Measure::Percentile(0.5))),
    ("p90", StopMeasure::Of(Measure::Percentile(0.9))),
    ("p95", StopMeasure::Of(Measure::Percentile(0.95))),
    ("p99", StopMeasure::Of(Measure::Percentile(0.99))),
    (UNAUTHORIZED, StopMeasure::Unauthorized),
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

impl Grammar {
    fn measures(self) -> impl Iterator<Item = &'static str> {
        MEASURES.iter().map(|(name, _)| *name).filter(move |name| self == Self::Stop || *name != UNAUTHORIZED)
    }

    /// A condition that parses, about a measure.
    pub(super) fn example(self, measure: StopMeasure) -> &'static str {
        match (self, measure) {
            (Self::Fail, StopMeasure::Of(Measure::Rows)) => "rows < 1000",
            (Self::Fail, StopMeasure::Of(Measure::Ok)) => "ok < 99%",
            (Self::Fail, StopMeasure::Of(Measure::Failed)) => "failed > 1%",
            (_, StopMeasure::Of(Measure::Skipped)) => "skipped > 0",
            (_, StopMeasure::Of(Measure::Attempts)) => "attempts > 5000",
            (Self::Fail, StopMeasure::Of(Measure::Percentile(_))) => "p95 > 2s",
            (Self::Stop, StopMeasure::Of(Measure::Rows)) => "rows >= 100000",
            (Self::Stop, StopMeasure::Of(Measure::Ok)) => "ok < 50% after 100",
            (Self::Stop, StopMeasure::Of(Measure::Failed)) => "failed > 50% after 100",
            (Self::Stop, StopMeasure::Of(Measure::Percentile(_))) => "p95 > 30s after 100",
            (_, StopMeasure::Unauthorized) => "unauthorized >= 5 in a row",
        }
    }

    fn first_example(self) -> &'static str {
        match self {
            Self::Fail => super::FAIL_IF,
            Self::Stop => "failed > 50% after 100",
        }
    }
}

/// A part of a text, with where it stands.
#[derive(Debug, Clone, Copy)]
struct Part<'t> {
    text: &'t str,
    start: usize,
}

impl<'t> Part<'t> {
    fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    fn trimmed(self) -> Self {
        let head = self.text.trim_start();
        Self { text: head.trim_end(), start: self.start + (self.text.len() - head.len()) }
    }

    fn split(self, at: usize) -> (Self, Self) {
        (Self { text: &self.text[..at], ..self }, Self { text: &self.text[at..], start: self.start + at })
    }

    /// The first word, and what stands behind it.
    fn word(self) -> (Self, Self) {
        let trimmed = self.trimmed();
        trimmed.split(trimmed.text.find(char::is_whitespace).unwrap_or(trimmed.text.len()))
    }

    fn wrong<T>(self, message: impl Into<String>, help: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong { range: self.range(), message: message.into(), help: help.into() })
    }
}

/// Parses a condition.
pub(super) fn parse(text: &str, grammar: Grammar) -> Result<Clause, Wrong> {
    let whole = Part { text, start: 0 }.trimmed();
    if whole.text.is_empty() {
        let help = format!("for example \"{}\"", grammar.first_example());
        return Err(Wrong { range: 0..0, message: "an empty text is not a condition".to_owned(), help });
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (name, rest) = whole.split(whole.text.find(|c: char| !is_name(c)).unwrap_or(whole.text.len()));
    let measure = measure(name, grammar)?;
    let (comparison, rest) = comparison(name, rest.trimmed(), measure, grammar)?;
    let (bound_part, tail) = rest.split(tail_start(rest.text));
    let bound_part = bound_part.trimmed();
    let (bound, percent) = bound(measure, bound_part, grammar)?;
    let (after, in_a_row) = ending(tail.trimmed(), bound_part, whole, grammar)?;
    let clause = Clause { measure, comparison, bound, percent, after, in_a_row };
    if grammar == Grammar::Stop {
        sensible(&clause, whole, tail.trimmed())?;
    }
    Ok(clause)
}

fn measure(name: Part<'_>, grammar: Grammar) -> Result<StopMeasure, Wrong> {
    if let Some((_, measure)) = MEASURES.iter().find(|(known, _)| *known == name.text) {
        if grammar == Grammar::Fail && *measure == StopMeasure::Unauthorized {
            let help =
                "write it into `run.stop-if`, as in \"unauthorized >= 5 in a row\"; here, such rows are `failed`";
            return name.wrong("`unauthorized` stops a run that goes on", help);
        }
        return Ok(*measure);
    }
    let help = match did_you_mean(name.text, grammar.measures()).filter(|_| !name.text.is_empty()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a condition begins with one of `{}`", grammar.measures().collect::<Vec<_>>().join("`, `")),
    };
    match name.text {
        "" => name.wrong("the condition does not say what is compared", help),
        name_text => name.wrong(format!("`{name_text}` can't be compared"), help),
    }
}

fn comparison<'t>(
    name: Part<'_>,
    rest: Part<'t>,
    measure: StopMeasure,
    grammar: Grammar,
) -> Result<(Comparison, Part<'t>), Wrong> {
    let (signs, behind) = rest.split(rest.text.len() - rest.text.trim_start_matches(['<', '>', '=', '!']).len());
    let example = grammar.example(measure);
    let nothing = format!("`{}` is compared with nothing", name.text);
    match COMPARISONS.iter().find(|(operator, _)| *operator == signs.text) {
        Some(_) if behind.trimmed().text.is_empty() => {
            // The white space behind is a part of what is missing.
            rest.wrong(nothing, format!("write a bound behind the comparison, such as \"{example}\""))
        }
        Some((_, comparison)) => Ok((*comparison, behind)),
        None => {
            let help = format!("the comparisons are > >= < <= == !=; for example \"{example}\"");
            if signs.text.is_empty() {
                return rest.wrong(nothing, help);
            }
            signs.wrong(format!("`{}` is not a comparison", signs.text), help)
        }
    }
}

/// Where `after` or `in` begins, as a word.
fn tail_start(text: &str) -> usize {
    let begins = |word: &str| {
        text.match_indices(word).map(|(at, _)| at).find(|at| {
            let before = text[..*at].chars().next_back().is_none_or(|c| c.is_whitespace() || c == '%');
            before && text[at + word.len()..].chars().next().is_none_or(char::is_whitespace)
        })
    };
    [begins("after"), begins("in")].into_iter().flatten().min().unwrap_or(text.len())
}

/// What stands behind the bound.
fn ending(tail: Part<'_>, bound: Part<'_>, whole: Part<'_>, grammar: Grammar) -> Result<(Option<u64>, bool), Wrong> {
    if tail.text.is_empty() {
        return Ok((None, false));
    }
    if grammar == Grammar::Fail {
        let kept = &whole.text[..bound.range().end - whole.start];
        let help = format!("write \"{kept}\", or move the condition to `run.stop-if`");
        return tail.wrong(format!("`{}` is for conditions that stop a run", tail.text), help);
    }
    let (word, behind) = tail.word();
    let (after, rest) = match word.text {
        "after" => {
            let (count, rest) = behind.word();
            match count.text.parse::<u64>() {
                Ok(count) if count > 0 => (Some(count), rest.trimmed()),
                Ok(_) | Err(_) => {
                    let range = if count.text.is_empty() { word } else { count };
                    return range.wrong("`after` needs a number of rows", "write it as in \"failed > 50% after 100\"");
                }
            }
        }
        _ => (None, tail),
    };
    let words: Vec<&str> = rest.text.split_whitespace().collect();
    match words.as_slice() {
        [] => Ok((after, false)),
        ["in", "a", "row"] => Ok((after, true)),
        _ => {
            let help = "a condition ends with its bound, `after 100` or `in a row`; `after` stands before `in a row`";
            rest.wrong(format!("`{}` is not expected here", rest.text), help)
        }
    }
}

/// Conditions that would hold at once, or never mean what they say.
fn sensible(clause: &Clause, whole: Part<'_>, tail: Part<'_>) -> Result<(), Wrong> {
    let counts_up = matches!(clause.comparison, Comparison::Above | Comparison::AtLeast);
    if clause.in_a_row {
        let counted = matches!(clause.measure, StopMeasure::Of(Measure::Failed) | StopMeasure::Unauthorized);
        if !counted {
            let help = "only `failed` and `unauthorized` rows are counted in a row";
            return tail.wrong("this is not counted in a row", help);
        }
        if clause.percent {
            let help =
                "write a number, as in \"failed >= 20 in a row\", or a share without it: \"failed > 50% after 100\"";
            return tail.wrong("a share has no rows in a row", help);
        }
        if !counts_up && clause.comparison != Comparison::Equal {
            let help = "write `>=`, as in \"failed >= 20 in a row\"";
            return whole.wrong("this holds before anything has failed", help);
        }
        return Ok(());
    }
    let early = !counts_up && !matches!(clause.measure, StopMeasure::Of(Measure::Percentile(_)));
    if clause.after.is_none() && clause.percent {
        let help = format!("say how many there must be at least: \"{} after 100\"", whole.text);
        return whole.wrong("a share of the first rows says little: the first failure is 100%", help);
    }
    if clause.after.is_none() && early {
        let help = format!("say how many rows there must be first: \"{} after 100\"", whole.text);
        return whole.wrong("this would stop the run before its first row has ended", help);
    }
    Ok(())
}

fn bound(measure: StopMeasure, part: Part<'_>, grammar: Grammar) -> Result<(f64, bool), Wrong> {
    let text = part.text;
    let example = || format!("for example \"{}\"", grammar.example(measure));
    match measure {
        StopMeasure::Of(Measure::Percentile(_)) => match scalar::duration(text) {
            Ok(duration) => Ok((duration.as_secs_f64(), false)),
            Err(error) => part.wrong(error.message, error.help),
        },
        StopMeasure::Of(Measure::Rows | Measure::Attempts) if text.ends_with('%') => {
            part.wrong("this is not a share of the rows and has no percentage", example())
        }
        _ if text.ends_with('%') => match scalar::share(text) {
            Ok(share) => Ok((share, true)),
            Err(_) => part.wrong(format!("`{text}` is not a share from 0% to 100%"), example()),
        },
        _ => match text.parse::<u32>() {
            Ok(count) => Ok((f64::from(count), false)),
            Err(_) => part.wrong(format!("`{text}` is not a count"), example()),
        },
    }
}
