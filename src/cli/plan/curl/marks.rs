//! What stands for secrets while requests are built, and what becomes of it in a command.
//!
//! Must never let a filter or an expression work on what stands for a secret: what came out would be wrong.

use std::cell::RefCell;

use crate::curl::Word;
use crate::secret::{Origin, Secret, SecretPlan, Secrets, is_joined};

/// How marks begin and end: letters and digits, which no escape changes, and which no job has.
const SECRET: (&str, &str) = ("zZsecretQ", "QterceszZ");
/// Of what an expression computes of secrets; between them its text in hexadecimal digits.
const COMPUTED: (&str, &str) = ("zZcomputedQ", "QdetupmoczZ");

/// Names the variables of what is computed of secrets.
const VARIABLE: &str = "COMPUTED";

/// What stands for the secrets of a job, and the expressions over them that were met in a command.
#[derive(Debug)]
pub(super) struct Marks<'p> {
    plans: &'p [SecretPlan],
    met: RefCell<Vec<String>>,
}

/// What a mark stands for.
enum Marked<'p> {
    Secret(&'p Origin),
    Computed(String),
}

impl<'p> Marks<'p> {
    pub(super) fn of(plans: &'p [SecretPlan]) -> Self {
        Self { plans, met: RefCell::default() }
    }

    /// Marks in the place of the secrets.
    pub(super) fn secrets(&self) -> Secrets {
        let marks = self.plans.iter().enumerate();
        let marks = marks.map(|(at, plan)| (plan.name.clone(), Secret::new(of_secret(at)))).collect();
        Secrets::new(marks).computed(|expression| (!is_joined(expression)).then(|| of_computed(expression)))
    }

    /// The first mark in a text: where it begins and ends, and what it stands for.
    fn first(&self, text: &str) -> Option<(usize, usize, Marked<'p>)> {
        let secrets = self.plans.iter().enumerate().filter_map(|(at, plan)| {
            let mark = of_secret(at);
            text.find(&mark).map(|start| (start, start + mark.len(), Marked::Secret(&plan.origin)))
        });
        secrets.chain(computed(text)).min_by_key(|(start, ..)| *start)
    }

    /// Whether a text holds a mark.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.first(text).is_some()
    }

    /// A text as a word, in which secrets are named.
    pub(super) fn word(&self, text: &str) -> Word {
        let mut word = if text.is_empty() { Word::of("") } else { Word::default() };
        let mut rest = text;
        while let Some((start, end, marked)) = self.first(rest) {
            word = word.text(&rest[..start]);
            word = match marked {
                Marked::Secret(Origin::Environment(variable) | Origin::EnvFile { variable, .. }) => {
                    word.variable(variable)
                }
                Marked::Secret(Origin::File(path)) => word.file(&path.display().to_string()),
                Marked::Computed(expression) => word.variable(&self.variable(expression)),
            };
            rest = &rest[end..];
        }
        word.text(rest)
    }

    /// The variable for what an expression computes.
    fn variable(&self, expression: String) -> String {
        let mut met = self.met.borrow_mut();
        let at = met.iter().position(|known| *known == expression).unwrap_or_else(|| {
            met.push(expression);
            met.len() - 1
        });
        format!("{VARIABLE}_{}", at + 1)
    }

    /// What is to be said of the variables that stand for what is computed.
    pub(super) fn notes(&self) -> Vec<String> {
        let met = self.met.borrow();
        let each = met.iter().enumerate().map(|(at, expression)| {
            let what =
                if expression.starts_with("{%") { expression.clone() } else { format!("{{{{ {expression} }}}}") };
            format!("set {VARIABLE}_{} first, to what {what} makes of the secret: nothing here computes it", at + 1)
        });
        each.collect()
    }
}

fn of_secret(at: usize) -> String {
    format!("{}{at}{}", SECRET.0, SECRET.1)
}

fn of_computed(expression: &str) -> String {
    let digits: String = expression.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{}{digits}{}", COMPUTED.0, COMPUTED.1)
}

/// The first mark of something computed.
fn computed<'p>(text: &str) -> Option<(usize, usize, Marked<'p>)> {
    let start = text.find(COMPUTED.0)?;
    let behind = &text[start + COMPUTED.0.len()..];
    let digits = &behind[..behind.find(COMPUTED.1)?];
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = digits.as_bytes().chunks(2).map(byte).collect::<Option<_>>()?;
    let end = start + COMPUTED.0.len() + digits.len() + COMPUTED.1.len();
    Some((start, end, Marked::Computed(String::from_utf8(bytes).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans() -> Vec<SecretPlan> {
        let plan = |name: &str, origin| SecretPlan { name: name.to_owned(), origin };
        vec![plan("key", Origin::Environment("KEY".to_owned())), plan("word", Origin::File("my word.txt".into()))]
    }

    #[test]
    fn marks_become_what_a_shell_fills_in() {
        let plans = plans();
        let marks = Marks::of(&plans);
        let text = format!("a{}b{}", of_secret(0), of_secret(1));
        assert_eq!(marks.word(&text).as_str(), r#"a"${KEY}"b"$(cat 'my word.txt')""#);
        assert_eq!(marks.word("").as_str(), "''");
        assert!(marks.are_in(&text) && !marks.are_in("a b") && marks.notes().is_empty());
    }

    #[test]
    fn what_is_computed_is_a_variable_with_a_note() {
        let plans = plans();
        let marks = Marks::of(&plans);
        let (one, other) = (of_computed("secrets.key | upper"), of_computed("{% … %}"));
        let word = marks.word(&format!("x: {one}{}{other}{one}", of_secret(0)));
        assert_eq!(word.as_str(), r#"'x: '"${COMPUTED_1}""${KEY}""${COMPUTED_2}""${COMPUTED_1}""#);
        let notes = marks.notes();
        assert!(notes[0].contains("set COMPUTED_1 first, to what {{ secrets.key | upper }} makes"), "{notes:?}");
        assert!(notes[1].contains("{% … %}") && notes.len() == 2, "{notes:?}");
    }
}
