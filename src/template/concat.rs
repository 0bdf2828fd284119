//! Makes `~` join values as templates print them.
//!
//! minijinja's operator prints `True` and `None` as Python does, and can't be replaced. Both of its
//! operands are therefore sent through the filter `string`: `a ~ b` becomes `(a)|string ~ (b)|string`.
//! Must never change what an expression without `~` means.

use super::token::{Kind, Token, is_keyword};

/// Text to put into the source, by position.
pub(super) type Insertions = Vec<(usize, &'static str)>;

/// What has to be put where, so that the operands of every `~` in these words are text.
pub(super) fn insertions(words: &[Token<'_>]) -> Insertions {
    let mut list = Insertions::new();
    for (at, _) in words.iter().enumerate().filter(|(_, word)| word.is_sign("~")) {
        let left = first_word(words, at);
        let right = last_word(words, at);
        if left < at && right > at {
            for (first, last) in [(left, at - 1), (at + 1, right)] {
                list.push((words[first].range.start, "("));
                list.push((words[last].range.end, ")|string"));
            }
        }
    }
    list.sort_by_key(|(position, _)| *position);
    list
}

/// `source[range]` with the insertions made.
pub(super) fn apply(source: &str, range: std::ops::Range<usize>, insertions: &Insertions) -> String {
    let mut out = String::with_capacity(range.len() + insertions.len() * 8);
    let mut from = range.start;
    for (position, text) in insertions {
        out.push_str(&source[from..*position]);
        out.push_str(text);
        from = *position;
    }
    out.push_str(&source[from..range.end]);
    out
}

/// First word of the operand that ends before `at`.
fn first_word(words: &[Token<'_>], at: usize) -> usize {
    let (mut first, mut depth) = (at, 0_i32);
    while first > 0 {
        depth -= nesting(&words[first - 1]);
        if depth < 0 || (depth == 0 && ends_operand(words, first - 1)) {
            break;
        }
        first -= 1;
    }
    first
}

/// Last word of the operand that begins behind `at`; `at` itself if there is none.
fn last_word(words: &[Token<'_>], at: usize) -> usize {
    let (mut last, mut depth) = (at, 0_i32);
    while last + 1 < words.len() {
        depth += nesting(&words[last + 1]);
        if depth < 0 || (depth == 0 && ends_operand(words, last + 1)) {
            break;
        }
        last += 1;
    }
    last
}

fn nesting(word: &Token<'_>) -> i32 {
    match word.kind {
        Kind::Sign("(" | "[" | "{") => 1,
        Kind::Sign(")" | "]" | "}") => -1,
        Kind::Sign(_) | Kind::Name(_) | Kind::Text(_) | Kind::Number(_) => 0,
    }
}

/// Whether a word binds less tightly than `~`.
fn ends_operand(words: &[Token<'_>], at: usize) -> bool {
    let after_is = at > 0 && words[at - 1].is_name("is");
    match words[at].kind {
        Kind::Sign("~" | "+" | "==" | "!=" | "<" | ">" | "<=" | ">=" | "," | ":" | "=") => true,
        // Behind a value it takes away, anywhere else it negates.
        Kind::Sign("-") => at > 0 && ends_value(&words[at - 1]),
        Kind::Name("and" | "or" | "not" | "in" | "if" | "elif" | "else" | "set" | "with" | "for") => {
            !after_is && !(at > 0 && (words[at - 1].is_sign(".") || words[at - 1].is_sign("|")))
        }
        Kind::Sign(_) | Kind::Name(_) | Kind::Text(_) | Kind::Number(_) => false,
    }
}

fn ends_value(word: &Token<'_>) -> bool {
    match word.kind {
        Kind::Name(name) => !is_keyword(name) || matches!(name, "true" | "false" | "none" | "True" | "False" | "None"),
        Kind::Text(_) | Kind::Number(_) => true,
        Kind::Sign(sign) => matches!(sign, ")" | "]" | "}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::{TEXT, text};
    use super::super::token::tokens;
    use super::*;

    fn eval(source: &str) -> String {
        let rewritten = apply(source, 0..source.len(), &insertions(&tokens(source, 0..source.len())));
        let context = minijinja::context! { a => true, b => minijinja::value::Value::from(()), n => 2 };
        text(&TEXT.compile_expression(&rewritten).unwrap().eval(context).unwrap()).unwrap()
    }

    #[test]
    fn operands_join_as_they_print() {
        for (source, joined) in [
            ("a ~ b", "truenull"),
            ("a ~ '-' ~ b ~ n", "true-null2"),
            ("n * 3 ~ n", "62"),
            ("'x' ~ -n", "x-2"),
            ("('a' ~ (a ~ b))|upper", "ATRUENULL"),
            ("[a ~ 1, 'q']|join(',')", "true1,q"),
            ("'yes' ~ a if a else 'no'", "yestrue"),
            ("a is boolean ~ '!'", "true!"),
            ("a is not boolean ~ '!'", "false!"),
            ("(a ~ '') == 'true'", "true"),
            ("a ~ '' == 'true'", "true"),
            ("{'k': a ~ n}['k'] ~ '.'", "true2."),
            ("'a~b'", "a~b"),
        ] {
            assert_eq!(eval(source), joined, "{source}");
        }
    }
}
