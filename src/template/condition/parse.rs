//! From the text of a condition to its parts.
//!
//! minijinja says whether it is an expression at all; what stands between `and`, `or`, `not` and comparisons
//! is then taken apart as minijinja would. Must never give a comparison to minijinja.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::super::compile::{Formula, too_large};
use super::super::names::{Names, PlainPath};
use super::super::token::{Kind, Token, tokens};
use super::super::values::{Members, Uses};
use super::super::{Messages, Scope, Spot, TemplateError, TemplateErrorKind, concat, engine};
use super::{Comparison, Computed, Node, Operator, signs};
use crate::diagnostic::did_you_mean;

/// What conditions know of an attempt.
const META: [&str; 6] = ["attempts", "duration_ms", "status", "row", "endpoint", "url"];

/// Tests that order values of any kinds.
const ORDERING: [(&str, &str); 6] =
    [("gt", ">"), ("greaterthan", ">"), ("ge", ">="), ("lt", "<"), ("lessthan", "<"), ("le", "<=")];

/// Compiles a condition.
pub(super) fn parse(source: &str, scope: &Scope) -> Result<(Node, Uses), Vec<TemplateError>> {
    if let Some(error) = too_large(source, 0..source.len(), "the condition") {
        return Err(vec![error]);
    }
    let words = tokens(source, 0..source.len());
    signs::whole(source, &words).map_err(|error| vec![error])?;
    let foreign = signs::foreign(&words);
    if !foreign.is_empty() {
        return Err(foreign);
    }
    syntax(source, &words).map_err(|error| vec![error])?;
    let names = Names { scope, spot: Spot::Text, locals: BTreeSet::new(), errors: Vec::new() };
    let mut parser = Parser { source, names };
    let uses = parser.uses(&words);
    secrets(&words, &mut parser.names);
    meta(&words, &uses, &mut parser.names);
    let parsed = if parser.names.errors.is_empty() { parser.any(&words).map(Some) } else { Ok(None) };
    let mut errors = parser.names.errors;
    match parsed {
        Ok(Some(node)) if errors.is_empty() => return Ok((node, uses)),
        Ok(_) => {}
        Err(error) => errors.push(error),
    }
    errors.sort_by_key(|error| error.range.start);
    // What names say is said for templates, which have braces.
    for help in errors.iter_mut().filter_map(|error| error.help.as_mut()) {
        *help = help.replace("`{{ ", "`").replace(" }}`", "`");
    }
    Err(errors)
}

pub(super) fn wrong(
    range: Range<usize>,
    kind: TemplateErrorKind,
    message: impl Into<String>,
    help: impl Into<String>,
) -> TemplateError {
    TemplateError { range, kind, message: message.into(), help: Some(help.into()) }
}

/// What minijinja says of it as a whole.
fn syntax(source: &str, words: &[Token<'_>]) -> Result<(), TemplateError> {
    let Err(error) = engine::CONDITION.compile_expression(source) else { return Ok(()) };
    let all = span(words);
    let found = error.range().map(|found| found.start..found.end);
    let range = found.filter(|found| found.end <= source.len() && found.start < found.end).unwrap_or(all);
    let what = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    let message = if what.starts_with("unexpected end of input") {
        "a value is missing at the end".to_owned()
    } else if what == "unexpected input after expression" {
        format!("`{}` is not expected here", source.get(range.clone()).unwrap_or_default().trim())
    } else {
        format!("the condition does not parse: {what}")
    };
    let help = "conditions are written as \"status == 404\" or \"json.ok and json.count > 3\"";
    Err(wrong(range, TemplateErrorKind::Syntax, message, help))
}

/// Secrets are for requests; what a condition says of them could be guessed from what follows.
fn secrets(words: &[Token<'_>], names: &mut Names<'_>) {
    let is_table = |at: usize| at == 0 || !words[at - 1].is_sign(".");
    for (at, word) in words.iter().enumerate().filter(|(_, word)| word.is_name("secrets")) {
        if is_table(at) {
            let help = Some("secrets are for requests; compare with a variable or a value of the row".to_owned());
            names.errors.retain(|error| error.range.start < word.range.start || error.range.start > word.range.end + 1);
            names.error(&word.range, TemplateErrorKind::Name, "a condition can't use secrets", help);
        }
    }
}

fn meta(words: &[Token<'_>], uses: &Uses, names: &mut Names<'_>) {
    let Members::Named(used) = &uses.meta else { return };
    let known: Vec<&str> = META.iter().chain(of_messages(names.scope.messages)).copied().collect();
    for name in used.iter().filter(|name| !known.contains(&name.as_str())) {
        let Some(word) = words.iter().find(|word| word.is_name(name) || word.kind == Kind::Text(Some(name))) else {
            continue;
        };
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("did you mean `meta.{near}`?"),
            None => format!("`meta` has {}", known.join(", ")),
        };
        names.error(&word.range, TemplateErrorKind::Name, format!("there is no `meta.{name}` here"), Some(help));
    }
}

/// What conditions know of a message, and of the end of a connection that stayed open.
fn of_messages(messages: Option<Messages>) -> &'static [&'static str] {
    match messages {
        None => &[],
        Some(Messages::WebSocket) => &["message", "close_code", "close_reason"],
        Some(Messages::Events) => &["message", "event", "event_id"],
    }
}

/// The text from the first to the last word.
fn span(words: &[Token<'_>]) -> Range<usize> {
    match words {
        [] => 0..0,
        [first, .., last] => first.range.start..last.range.end,
        [only] => only.range.clone(),
    }
}

/// Positions of the words outside of all brackets.
fn outside<'w>(words: &'w [Token<'_>]) -> impl Iterator<Item = usize> + use<'w> {
    let mut depth = 0_i32;
    words.iter().enumerate().filter_map(move |(at, word)| match word.kind {
        Kind::Sign("(" | "[" | "{") => {
            depth += 1;
            None
        }
        Kind::Sign(")" | "]" | "}") => {
            depth -= 1;
            None
        }
        _ => (depth == 0).then_some(at),
    })
}

/// Whether the name at `at` is a word of the grammar, not the name of a member, filter or test.
fn is_word(words: &[Token<'_>], at: usize, name: &str) -> bool {
    let before = at.checked_sub(1).map(|before| &words[before]);
    let belongs = before.is_some_and(|word| word.is_sign(".") || word.is_sign("|") || word.is_name("is"));
    words[at].is_name(name) && !belongs
}

/// The words between those at `positions`.
fn parts<'w, 's>(words: &'w [Token<'s>], positions: &[usize]) -> Vec<&'w [Token<'s>]> {
    let mut parts = Vec::new();
    let mut from = 0;
    for position in positions {
        parts.push(&words[from..*position]);
        from = position + 1;
    }
    parts.push(&words[from..]);
    parts
}

struct Parser<'p> {
    source: &'p str,
    names: Names<'p>,
}

impl Parser<'_> {
    fn uses(&mut self, words: &[Token<'_>]) -> Uses {
        let mut uses = Uses { lenient: true, ..Uses::default() };
        self.names.check(words, &mut uses);
        uses
    }

    fn text(&self, words: &[Token<'_>]) -> String {
        self.source[span(words)].to_owned()
    }

    fn any(&mut self, words: &[Token<'_>]) -> Result<Node, TemplateError> {
        if let Some(at) = outside(words).find(|at| is_word(words, *at, "if")) {
            let help = "write `a and b` where both must hold, `a or b` where one is enough";
            let message = "a condition chooses between no values with `if`";
            return Err(wrong(words[at].range.clone(), TemplateErrorKind::Syntax, message, help));
        }
        self.joined(words, "or", Node::Any, Self::all)
    }

    fn all(&mut self, words: &[Token<'_>]) -> Result<Node, TemplateError> {
        self.joined(words, "and", Node::All, Self::negated)
    }

    fn joined(
        &mut self,
        words: &[Token<'_>],
        by: &str,
        join: fn(Vec<Node>) -> Node,
        part: fn(&mut Self, &[Token<'_>]) -> Result<Node, TemplateError>,
    ) -> Result<Node, TemplateError> {
        let positions: Vec<usize> = outside(words).filter(|at| is_word(words, *at, by)).collect();
        if positions.is_empty() {
            return part(self, words);
        }
        parts(words, &positions).into_iter().map(|words| part(self, words)).collect::<Result<_, _>>().map(join)
    }

    /// Without recursion: of many `not`, two and two are one truth.
    fn negated(&mut self, words: &[Token<'_>]) -> Result<Node, TemplateError> {
        let count = words.iter().take_while(|word| word.is_name("not")).count();
        let node = self.compared(&words[count..])?;
        let not = |node| Node::Not(Box::new(node));
        Ok(match count {
            0 => node,
            odd if odd % 2 == 1 => not(node),
            _ => not(not(node)),
        })
    }

    fn compared(&mut self, words: &[Token<'_>]) -> Result<Node, TemplateError> {
        let found: Vec<(Range<usize>, Operator)> = outside(words).filter_map(|at| operator(words, at)).collect();
        match found.as_slice() {
            [] => self.operand(words),
            [(place, operator)] => Ok(Node::Compare(Box::new(Comparison {
                left: self.operand(&words[..place.start])?,
                operator: *operator,
                right: self.operand(&words[place.end..])?,
                source: self.text(words),
            }))),
            [_, (second, _), ..] => {
                let help = "write `1 < a and a < 3` for a value between two others";
                let range = span(&words[second.clone()]);
                Err(wrong(range, TemplateErrorKind::Syntax, "one comparison can't follow another", help))
            }
        }
    }

    fn operand(&mut self, words: &[Token<'_>]) -> Result<Node, TemplateError> {
        if let Some(inside) = inside(words, "(", ")") {
            return self.any(inside);
        }
        if let Some(inside) = inside(words, "[", "]") {
            return self.list(inside);
        }
        if let Some(value) = literal(words) {
            return Ok(Node::Constant(value));
        }
        let errors = self.names.errors.len();
        match self.names.plain(words, &mut Uses::default()) {
            Some(PlainPath::Constant(value)) => Ok(Node::Constant(value)),
            Some(PlainPath::Varying(path)) => Ok(Node::Path(path, self.text(words))),
            None if self.names.errors.len() > errors => Ok(Node::Constant(Value::Null)),
            None => self.formula(words),
        }
    }

    fn list(&mut self, words: &[Token<'_>]) -> Result<Node, TemplateError> {
        let commas: Vec<usize> = outside(words).filter(|at| words[*at].is_sign(",")).collect();
        let items = parts(words, &commas).into_iter().filter(|item| !item.is_empty());
        items.map(|item| self.any(item)).collect::<Result<_, _>>().map(Node::List)
    }

    fn formula(&mut self, words: &[Token<'_>]) -> Result<Node, TemplateError> {
        self.refuse_inner(words)?;
        let source = self.text(words);
        let changed = concat::apply(self.source, span(words), &concat::insertions(words));
        let expression = engine::CONDITION.compile_expression_owned(changed).map_err(|error| {
            let what = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
            let help = "write it as a condition of its own, in parentheses";
            wrong(span(words), TemplateErrorKind::Syntax, format!("this does not parse: {what}"), help)
        })?;
        let uses = self.uses(words);
        let vars = uses.vars.then(|| self.names.scope.vars.table());
        let forgives = (1..words.len()).any(|at| {
            let is_filter = words[at - 1].is_sign("|") && (words[at].is_name("default") || words[at].is_name("d"));
            is_filter || words[at].is_name("is")
        });
        Ok(Node::Formula(Box::new(Computed { formula: Formula { expression, uses, vars }, source, forgives })))
    }

    /// minijinja would order what is missing.
    fn refuse_inner(&self, words: &[Token<'_>]) -> Result<(), TemplateError> {
        let syntax = TemplateErrorKind::Syntax;
        for (at, word) in words.iter().enumerate() {
            let is_test = at > 0 && (words[at - 1].is_name("is") || (at > 1 && words[at - 2].is_name("is")));
            let test = ORDERING.iter().find(|(test, _)| is_test && word.is_name(test));
            if let Some((test, sign)) = test {
                let message = format!("the test `{test}` also orders what is missing");
                return Err(wrong(word.range.clone(), syntax, message, format!("write `{sign}`")));
            }
            if ["<", "<=", ">", ">="].iter().any(|sign| word.is_sign(sign)) || is_word(words, at, "if") {
                let shown = self.source[word.range.clone()].to_owned();
                let message = format!("`{shown}` can't stand inside of a value");
                let help = "compare outside of it, and join comparisons by `and` and `or`";
                return Err(wrong(word.range.clone(), syntax, message, help));
            }
        }
        Ok(())
    }
}

/// The comparison whose first word is at `at`: its words and its meaning.
fn operator(words: &[Token<'_>], at: usize) -> Option<(Range<usize>, Operator)> {
    let operator = match words[at].kind {
        Kind::Sign("==") => Operator::Equal,
        Kind::Sign("!=") => Operator::NotEqual,
        Kind::Sign("<") => Operator::Below,
        Kind::Sign("<=") => Operator::AtMost,
        Kind::Sign(">") => Operator::Above,
        Kind::Sign(">=") => Operator::AtLeast,
        Kind::Name("in") if is_word(words, at, "in") => {
            let negated = at > 0 && is_word(words, at - 1, "not");
            let start = if negated { at - 1 } else { at };
            return Some((start..at + 1, if negated { Operator::NotIn } else { Operator::In }));
        }
        Kind::Sign(_) | Kind::Name(_) | Kind::Text(_) | Kind::Number(_) => return None,
    };
    Some((at..at + 1, operator))
}

/// What stands between brackets that begin and end the words together.
fn inside<'w, 's>(words: &'w [Token<'s>], open: &str, close: &str) -> Option<&'w [Token<'s>]> {
    let [first, inside @ .., last] = words else { return None };
    if !first.is_sign(open) || !last.is_sign(close) {
        return None;
    }
    let mut depth = 0_i32;
    for word in inside {
        depth += match word.kind {
            Kind::Sign("(" | "[" | "{") => 1,
            Kind::Sign(")" | "]" | "}") => -1,
            _ => 0,
        };
        if depth < 0 {
            return None;
        }
    }
    // A tuple is a list to minijinja, and left to it.
    let is_tuple = open == "(" && (inside.is_empty() || outside(inside).any(|at| inside[at].is_sign(",")));
    (!is_tuple).then_some(inside)
}

/// A number, text, truth or nothing that is written out; `None` for what minijinja had better read.
fn literal(words: &[Token<'_>]) -> Option<Value> {
    let (minus, word) = match words {
        [word] => (false, word),
        [minus, word] if minus.is_sign("-") && matches!(word.kind, Kind::Number(_)) => (true, word),
        _ => return None,
    };
    match word.kind {
        Kind::Text(text) => text.map(Value::from),
        Kind::Number(digits) => {
            let written = if minus { format!("-{digits}") } else { digits.to_owned() };
            let float = || written.parse::<f64>().ok().filter(|float| float.is_finite()).map(Value::from);
            written.parse::<i64>().ok().map(Value::from).or_else(float)
        }
        Kind::Name("true" | "True") => Some(Value::Bool(true)),
        Kind::Name("false" | "False") => Some(Value::Bool(false)),
        Kind::Name("none" | "None") => Some(Value::Null),
        Kind::Name(_) | Kind::Sign(_) => None,
    }
}
