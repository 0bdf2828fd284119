//! What stands for secrets while requests are built, and what becomes of it in a command.
//!
//! Must never let a filter or an expression work on what stands for a secret: what came out would be wrong.

use std::cell::{Cell, RefCell};

use crate::curl::Word;
use crate::secret::{Computation, Origin, Secret, SecretPlan, Secrets, is_joined};

/// How marks begin and end: letters and digits, which no escape changes, and which no job has.
const SECRET: (&str, &str) = ("zZsecretQ", "QterceszZ");
/// Of what an expression computes of secrets; between them, in hexadecimal digits, [`TEXT`] or [`JSON`], [`SAME`] or
/// [`VARYING`], and its text.
const COMPUTED: (&str, &str) = ("zZcomputedQ", "QdetupmoczZ");
/// It is a text, or stands in one.
const TEXT: char = 't';
/// It is a number or the like: it stands in JSON without quotes.
const JSON: char = 'j';
/// It comes out the same for every row.
const SAME: char = 's';
/// It may come out otherwise for another row.
const VARYING: char = 'v';

/// Names the variables of what is computed of secrets.
const VARIABLE: &str = "COMPUTED";

/// Characters of an expression that a note shows.
const SHOWN: usize = 200;

/// The variables of all commands that are shown together: in one script none of them may have two meanings.
#[derive(Debug, Default)]
pub(super) struct Variables {
    met: RefCell<Vec<Met>>,
    commands: Cell<u64>,
}

impl Variables {
    /// Tells a command from those before.
    pub(super) fn next_command(&self) -> u64 {
        self.commands.set(self.commands.get() + 1);
        self.commands.get()
    }
}

/// What a variable stands for.
#[derive(Debug, PartialEq, Eq)]
struct Met {
    expression: String,
    is_text: bool,
    /// The one command that it is for; `None`: it is the same in all of them.
    command: Option<u64>,
}

/// What stands for the secrets of a job in one command, and the variables that were met in it.
#[derive(Debug)]
pub(super) struct Marks<'p> {
    plans: &'p [SecretPlan],
    variables: &'p Variables,
    command: u64,
    here: RefCell<Vec<usize>>,
}

/// What a mark stands for.
enum Marked<'p> {
    Secret(&'p Origin),
    Computed { expression: String, is_text: bool, varies: bool },
}

impl<'p> Marks<'p> {
    /// `command` tells it from the others that are shown with it.
    pub(super) fn of(plans: &'p [SecretPlan], variables: &'p Variables, command: u64) -> Self {
        Self { plans, variables, command, here: RefCell::default() }
    }

    /// Marks in the place of the secrets.
    pub(super) fn secrets(&self) -> Secrets {
        let marks = self.plans.iter().enumerate();
        let marks = marks.map(|(at, plan)| (plan.name.clone(), Secret::new(of_secret(at)))).collect();
        Secrets::new(marks).computed(|what| (!is_joined(what.expression)).then(|| of_computed(what)))
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
            let (start, end) = without_quotes(rest, (start, end), &marked);
            word = word.text(&rest[..start]);
            word = match marked {
                Marked::Secret(Origin::Environment(variable) | Origin::EnvFile { variable, .. }) => {
                    word.variable(variable)
                }
                Marked::Secret(Origin::File(path)) => word.file(&path.display().to_string()),
                Marked::Computed { expression, is_text, varies } => {
                    let command = varies.then_some(self.command);
                    word.variable(&self.variable(Met { expression, is_text, command }))
                }
            };
            rest = &rest[end..];
        }
        word.text(rest)
    }

    /// The variable for what an expression computes.
    fn variable(&self, wanted: Met) -> String {
        let mut met = self.variables.met.borrow_mut();
        let at = met.iter().position(|known| *known == wanted).unwrap_or_else(|| {
            met.push(wanted);
            met.len() - 1
        });
        let mut here = self.here.borrow_mut();
        if !here.contains(&at) {
            here.push(at);
        }
        format!("{VARIABLE}_{}", at + 1)
    }

    /// What is to be said of the variables that stand for what is computed.
    pub(super) fn notes(&self) -> Vec<String> {
        let met = self.variables.met.borrow();
        self.here.borrow().iter().filter_map(|at| met.get(*at).map(|met| note(*at, met))).collect()
    }
}

fn note(at: usize, met: &Met) -> String {
    let Met { expression, is_text, command } = met;
    let what = match expression.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &expression[..end]),
        None => expression.clone(),
    };
    let what = if expression.starts_with("{%") { what } else { format!("{{{{ {what} }}}}") };
    let of = if command.is_some() { "the secret and this row" } else { "the secret" };
    let kind = if *is_text { "" } else { ", as JSON: it stands there without quotes" };
    format!("set {VARIABLE}_{} first, to what {what} makes of {of}{kind}: nothing here computes it", at + 1)
}

/// The bytes of a mark, with the quotes around it where JSON has a number or the like in its place.
fn without_quotes(text: &str, (start, end): (usize, usize), marked: &Marked<'_>) -> (usize, usize) {
    let is_quoted = text[..start].ends_with('"') && text[end..].starts_with('"');
    match marked {
        Marked::Computed { is_text: false, .. } if is_quoted => (start - 1, end + 1),
        Marked::Computed { .. } | Marked::Secret(_) => (start, end),
    }
}

fn of_secret(at: usize) -> String {
    format!("{}{at}{}", SECRET.0, SECRET.1)
}

fn of_computed(what: Computation<'_>) -> String {
    let kind = if what.is_text { TEXT } else { JSON };
    let varies = if what.varies { VARYING } else { SAME };
    let text = format!("{kind}{varies}{}", what.expression);
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
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
    let text = String::from_utf8(bytes).ok()?;
    let mut letters = text.chars();
    let (is_text, varies) = (letters.next()? == TEXT, letters.next()? == VARYING);
    Some((start, end, Marked::Computed { expression: letters.as_str().to_owned(), is_text, varies }))
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
        let (plans, variables) = (plans(), Variables::default());
        let marks = Marks::of(&plans, &variables, 1);
        let text = format!("a{}b{}", of_secret(0), of_secret(1));
        assert_eq!(marks.word(&text).as_str(), r#"a"${KEY}"b"$(cat 'my word.txt')""#);
        assert_eq!(marks.word("").as_str(), "''");
        assert!(marks.are_in(&text) && !marks.are_in("a b") && marks.notes().is_empty());
    }

    fn computed_of(expression: &str, is_text: bool, varies: bool) -> String {
        of_computed(Computation { expression, is_text, varies })
    }

    #[test]
    fn what_is_computed_is_a_variable_with_a_note() {
        let (plans, variables) = (plans(), Variables::default());
        let marks = Marks::of(&plans, &variables, 1);
        let (one, other) = (computed_of("secrets.key | upper", true, false), computed_of("{% if a %}", true, true));
        let word = marks.word(&format!("x: {one}{}{other}{one}", of_secret(0)));
        assert_eq!(word.as_str(), r#"'x: '"${COMPUTED_1}""${KEY}""${COMPUTED_2}""${COMPUTED_1}""#);
        let notes = marks.notes();
        assert!(notes[0].contains("set COMPUTED_1 first, to what {{ secrets.key | upper }} makes of the secret:"));
        assert!(notes[1].contains("{% if a %} makes of the secret and this row:") && notes.len() == 2, "{notes:?}");
    }

    #[test]
    fn a_variable_has_one_meaning_in_all_commands() {
        let (plans, variables) = (plans(), Variables::default());
        let word = |command, mark: &str| {
            let marks = Marks::of(&plans, &variables, command);
            (marks.word(mark).as_str().to_owned(), marks.notes().len())
        };
        let (same, varying) =
            (computed_of("secrets.key | upper", true, false), computed_of("secrets.key | upper ~ row.i", true, true));
        assert_eq!(word(1, &same), (r#""${COMPUTED_1}""#.to_owned(), 1));
        assert_eq!(word(1, &varying), (r#""${COMPUTED_2}""#.to_owned(), 1));
        assert_eq!(word(2, &varying), (r#""${COMPUTED_3}""#.to_owned(), 1), "another row, another value");
        assert_eq!(word(2, &same), (r#""${COMPUTED_1}""#.to_owned(), 1));
    }

    #[test]
    fn a_number_stands_in_json_without_quotes() {
        let (plans, variables) = (plans(), Variables::default());
        let marks = Marks::of(&plans, &variables, 1);
        let (number, text) =
            (computed_of("secrets.n | int", false, false), computed_of("secrets.n | trim", true, false));
        let word = marks.word(&format!(r#"{{"n":"{number}","t":"{text}","s":"{}"}}"#, of_secret(0)));
        let written = r#"'{"n":'"${COMPUTED_1}"',"t":"'"${COMPUTED_2}"'","s":"'"${KEY}"'"}'"#;
        assert_eq!(word.as_str(), written);
        assert!(marks.notes()[0].contains("as JSON: it stands there without quotes"), "{:?}", marks.notes());
        assert_eq!(marks.word(&format!("n={number}")).as_str(), r#"n="${COMPUTED_1}""#);
    }
}
