//! Templates with `{% %}`: which blocks there are, and what they give names to.
//!
//! From the first block on, a template is minijinja's as a whole. Blocks that reach for other
//! templates, or would switch escaping off, are not part of the job language.

use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::Environment;

use super::names::{LOANED, Names, ROOTS};
use super::scan::{Piece, pieces};
use super::token::{Kind, Token, is_keyword, tokens};
use super::values::Uses;
use super::{Spot, TemplateError, TemplateErrorKind, concat, engine, hide, kept};

/// Name under which the one template of an environment is stored.
pub(super) const NAME: &str = "template";

/// Name of the same one with all hidden that could tell something of a secret, where that is anything.
pub(super) const SHOWN: &str = "shown";

const BLOCKS: &[&str] =
    &["if", "elif", "else", "endif", "for", "endfor", "set", "endset", "with", "endwith", "filter", "endfilter"];

/// Most blocks that may stand one inside of another. minijinja's parser bears more, but of `elif`, which to it stands
/// inside of the `if` before it.
const DEEPEST: usize = 64;

/// A rest of a template, from its first block on.
pub(super) struct Rest {
    /// An environment with the rest in it as [`NAME`].
    pub environment: Environment<'static>,
    /// What it uses.
    pub uses: Uses,
    /// Whether there is a [`SHOWN`].
    pub hides: bool,
}

/// Checks and compiles `pieces`, which end `source` and begin with a block at `start`.
pub(super) fn compile(source: &str, start: usize, pieces: &[Piece<'_>], names: &mut Names<'_>) -> Option<Rest> {
    let tags: Vec<(bool, Vec<Token<'_>>)> = pieces.iter().filter_map(|piece| words(source, piece)).collect();
    for (_, words) in tags.iter().filter(|(is_block, _)| *is_block) {
        check_block(words, names);
        declare(words, names);
    }
    check_depth(&tags, names)?;
    check_closed(&tags, names)?;
    let mut environment = parse(source, start, names)?;
    let mut uses = Uses::default();
    let mut changes = concat::Insertions::new();
    for (is_block, words) in &tags {
        check_words(*is_block, words, names, &mut uses);
        changes.extend(kept::insertions(*is_block, words));
    }
    check_outside(&environment, &tags, names);
    if !changes.is_empty() {
        let text = concat::apply(source, start..source.len(), &changes);
        environment.add_template_owned(NAME, text).ok()?;
    }
    let shown = if uses.secrets.is_empty() { None } else { hide::shown(source, start, pieces) };
    let hides = shown.is_some();
    if let Some(shown) = shown {
        environment.add_template_owned(SHOWN, prepared(&shown)?).ok()?;
    }
    Some(Rest { environment, uses, hides })
}

/// A text as it is given to minijinja.
fn prepared(source: &str) -> Option<String> {
    let pieces = pieces(source).ok()?;
    let tags = pieces.iter().filter_map(|piece| words(source, piece));
    let changes = tags.flat_map(|(is_block, words)| kept::insertions(is_block, &words)).collect();
    Some(concat::apply(source, 0..source.len(), &changes))
}

fn words<'s>(source: &'s str, piece: &Piece<'_>) -> Option<(bool, Vec<Token<'s>>)> {
    match piece {
        Piece::Literal(_) => None,
        Piece::Expression(tag) => Some((false, tokens(source, tag.inner.clone()))),
        Piece::Block(tag) => Some((true, tokens(source, tag.inner.clone()))),
    }
}

fn parse(source: &str, start: usize, names: &mut Names<'_>) -> Option<Environment<'static>> {
    let mut environment = match names.spot {
        Spot::Text => engine::TEXT.clone(),
        Spot::Url => engine::URL.clone(),
        Spot::File => engine::FILE.clone(),
    };
    match environment.add_template_owned(NAME, source[start..].to_owned()) {
        Ok(()) => Some(environment),
        Err(error) => {
            let syntax = syntax_error(&error, source, start..source.len());
            names.error(&syntax.range, syntax.kind, syntax.message, syntax.help);
            None
        }
    }
}

/// A syntax error of minijinja in `range` of a template.
pub(super) fn syntax_error(error: &minijinja::Error, source: &str, range: Range<usize>) -> TemplateError {
    let found = error.range().map(|found| found.start + range.start..found.end + range.start);
    // An error at the very end has a place behind the text.
    let place = found.filter(|found| found.end <= range.end && found.start < found.end).unwrap_or(range);
    let what = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    let message = match what.as_str() {
        "unexpected end of input, expected identifier" => "a name is missing at the end".to_owned(),
        "unexpected end of input, expected expression" => "a value is missing at the end".to_owned(),
        "unexpected input after expression" => {
            format!("`{}` is not expected here", source.get(place.clone()).unwrap_or_default().trim())
        }
        _ => format!("the template does not parse: {what}"),
    };
    TemplateError {
        range: place,
        kind: TemplateErrorKind::Syntax,
        message,
        help: Some("templates are written as `{{ row.name }}` or `{{ row.name | filter }}`".to_owned()),
    }
}

/// Reports blocks that stand too deep inside of others; `None` then.
fn check_depth(tags: &[(bool, Vec<Token<'_>>)], names: &mut Names<'_>) -> Option<()> {
    // How many `elif` the open blocks have, and themselves.
    let mut open: Vec<usize> = Vec::new();
    let mut depth = 0;
    for (_, words) in tags.iter().filter(|(is_block, _)| *is_block) {
        let Some(Token { kind: Kind::Name(block), range }) = words.first() else { continue };
        match (*block, open.last_mut()) {
            ("elif", Some(last)) => (*last, depth) = (*last + 1, depth + 1),
            ("if" | "for" | "with" | "filter", _) => {
                open.push(1);
                depth += 1;
            }
            ("set", _) if captures(words) => {
                open.push(1);
                depth += 1;
            }
            (block, _) if block.starts_with("end") => depth -= open.pop().unwrap_or(0),
            _ => {}
        }
        if depth > DEEPEST {
            let message = format!("more than {DEEPEST} blocks stand one inside of another here");
            let help =
                "an `elif` stands inside of the `if` before it; a table in [vars] says by name what many of them say";
            names.error(range, TemplateErrorKind::Syntax, message, Some(help.to_owned()));
            return None;
        }
    }
    Some(())
}

/// Whether a `set` takes what stands up to its end.
pub(super) fn captures(words: &[Token<'_>]) -> bool {
    // Filters behind `|` may have options: `{% set x | indent(width=2) %}`.
    words.iter().find(|word| word.is_sign("=") || word.is_sign("|")).is_none_or(|sign| sign.is_sign("|"))
}

/// Reports a block that is opened and never closed; `None` then.
fn check_closed(tags: &[(bool, Vec<Token<'_>>)], names: &mut Names<'_>) -> Option<()> {
    let mut open: Vec<(&str, &Range<usize>)> = Vec::new();
    for (_, words) in tags.iter().filter(|(is_block, _)| *is_block) {
        let Some(Token { kind: Kind::Name(block), range }) = words.first() else { continue };
        let is_line = *block == "set" && !captures(words);
        match block.strip_prefix("end") {
            Some(closed) if open.last().is_some_and(|(last, _)| *last == closed) => drop(open.pop()),
            Some(closed) if BLOCKS.contains(block) => {
                let help = match open.last() {
                    Some((last, _)) => format!("close the `{last}` first, with `{{% end{last} %}}`"),
                    None => "take it out".to_owned(),
                };
                let message = format!("`{block}` stands where no `{closed}` is open");
                names.error(range, TemplateErrorKind::Syntax, message, Some(help));
                return None;
            }
            Some(_) => {}
            None if matches!(*block, "if" | "for" | "with" | "filter" | "set") && !is_line => open.push((block, range)),
            None => {}
        }
    }
    let Some((block, range)) = open.pop() else { return Some(()) };
    let message = format!("this `{block}` is never closed");
    let help = format!("write `{{% end{block} %}}` where it ends");
    names.error(range, TemplateErrorKind::Syntax, message, Some(help));
    None
}

fn check_block(words: &[Token<'_>], names: &mut Names<'_>) {
    let Some(Token { kind: Kind::Name(block), range }) = words.first() else { return };
    let captures = *block == "filter" || (*block == "set" && captures(words));
    if !BLOCKS.contains(block) {
        let help = Some("there are if, for, set, with, filter and raw".to_owned());
        names.error(range, TemplateErrorKind::Syntax, format!("the job language has no block `{block}`"), help);
    } else if captures && names.spot == Spot::Url {
        let help = Some("use `{% set name = value %}`, and filters inside of `{{ }}`".to_owned());
        names.error(range, TemplateErrorKind::Spot, format!("a `{block}` block can't stand in a URL"), help);
    }
}

/// Notes the names that a block gives a meaning to.
fn declare(words: &[Token<'_>], names: &mut Names<'_>) {
    let Some(Kind::Name(block)) = words.first().map(|word| word.kind) else { return };
    let ends = |word: &Token<'_>| match block {
        "for" => word.is_name("in"),
        "set" => word.is_sign("=") || word.is_sign("|"),
        _ => false,
    };
    let head = words.iter().position(ends).unwrap_or(words.len());
    for (at, word) in words.iter().enumerate().take(head).skip(1) {
        let Kind::Name(name) = word.kind else { continue };
        let next = words.get(at + 1);
        let declares = match block {
            "for" => true,
            "set" => !words[at - 1].is_sign(".") && !next.is_some_and(|word| word.is_sign(".")),
            "with" => next.is_some_and(|word| word.is_sign("=")),
            _ => false,
        };
        if declares && ROOTS.contains(&name) && !LOANED.contains(&name) {
            let message = format!("`{name}` can't be given another meaning");
            names.error(&word.range, TemplateErrorKind::Name, message, Some("choose another name".to_owned()));
        } else if declares && !is_keyword(name) {
            names.locals.insert(name.to_owned());
        }
    }
    if block == "for" {
        names.locals.insert("loop".to_owned());
    }
}

fn check_words(is_block: bool, words: &[Token<'_>], names: &mut Names<'_>, uses: &mut Uses) {
    if !is_block {
        names.check(words, uses);
    } else if words.first().is_some_and(|word| word.is_name("filter")) {
        if let Some(Token { kind: Kind::Name(name), range }) = words.get(1) {
            names.filter(name, range);
        }
        names.check(words.get(2..).unwrap_or_default(), uses);
    } else {
        names.check(words.get(1..).unwrap_or_default(), uses);
    }
}

/// Reports names that are used where the block that gives them a meaning does not reach.
fn check_outside(environment: &Environment<'_>, tags: &[(bool, Vec<Token<'_>>)], names: &mut Names<'_>) {
    let Ok(template) = environment.get_template(NAME) else { return };
    let undeclared: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
    for name in undeclared.intersection(&names.locals.clone()) {
        if names.is_full() {
            return;
        }
        let last = tags.iter().flat_map(|(_, words)| words).rfind(|word| word.is_name(name));
        if let Some(word) = last {
            let message = format!("`{name}` has no value everywhere it is used");
            let help = format!("use it only inside of the block that sets it, or `{{% set {name} = … %}}` before");
            names.error(&word.range, TemplateErrorKind::Name, message, Some(help));
        }
    }
}
