//! What people bring along from other languages: braces, `=`, `&&`, `null`. Looked for before anything is parsed.

use super::super::names::is_option;
use super::super::token::Token;
use super::super::{TemplateError, TemplateErrorKind};
use super::parse::wrong;

/// What people write for a word or sign of the language.
const FOREIGN: &[(&[&str], &str)] = &[
    (&["&", "&"], "and"),
    (&["&"], "and"),
    (&["|", "|"], "or"),
    (&["<", ">"], "!="),
    (&["!"], "not"),
    (&["=", "!"], "!="),
    (&["=", "="], "=="),
    (&["="], "=="),
];

/// There is something, and no braces are around it.
pub(super) fn whole(source: &str, words: &[Token<'_>]) -> Result<(), TemplateError> {
    let syntax = TemplateErrorKind::Syntax;
    if words.is_empty() {
        let help = "for example \"status == 404\"";
        return Err(wrong(0..source.len(), syntax, "an empty text is not a condition", help));
    }
    let Some(start) = ["{{", "{%", "{#"].iter().find_map(|open| source.find(open)) else { return Ok(()) };
    let inside = source.trim().strip_prefix("{{").and_then(|inside| inside.strip_suffix("}}"));
    let help = match inside.map(|inside| inside.trim_matches('-').trim()).filter(|inside| !inside.contains("{{")) {
        Some(inside) => format!("leave the braces out: \"{inside}\""),
        None => "leave the braces out, as in \"json.count > 3\"".to_owned(),
    };
    Err(wrong(start..start + 2, syntax, "a condition is an expression already, without braces", help))
}

/// Signs of other languages.
pub(super) fn foreign(words: &[Token<'_>]) -> Vec<TemplateError> {
    let mut errors = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let is_here = |signs: &[&str]| {
            signs.iter().enumerate().all(|(next, sign)| words.get(at + next).is_some_and(|word| word.is_sign(sign)))
        };
        let found = FOREIGN.iter().find(|(signs, _)| is_here(signs));
        let is_named = at > 0 && is_option(words, at - 1) && words[at].is_sign("=");
        if let Some((signs, meant)) = found.filter(|_| !is_named) {
            let range = words[at].range.start..words[at + signs.len() - 1].range.end;
            let message = format!("`{}` is not a sign of conditions", signs.concat());
            errors.push(wrong(range, TemplateErrorKind::Syntax, message, format!("write `{meant}`")));
            at += signs.len();
            continue;
        }
        if words[at].is_name("null") && !(at > 0 && words[at - 1].is_sign(".")) {
            let range = words[at].range.clone();
            errors.push(wrong(range, TemplateErrorKind::Name, "there is no value `null`", "write `none`"));
        }
        at += 1;
    }
    errors
}
