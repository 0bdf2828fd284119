//! Characters that no URL may hold, in the parts of a URL that the job itself writes.
//!
//! What rows bring is escaped; what the job says is sent as it is, so that `%20` stays what it is. Must
//! never look behind `#`: that part is not sent.

use super::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::template::Template;

/// The way out of a host with letters beyond ASCII.
pub const HOST: &str = "write the host as DNS knows it, in ASCII: such a name begins with `xn--`";

/// Whether no part of a URL may hold a character (RFC 3986, section 2). Brackets are left: every server
/// takes them in a query.
pub fn is_refused(c: char) -> bool {
    c.is_ascii_control() || matches!(c, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
}

/// Something that can't be sent.
#[derive(Debug, PartialEq, Eq)]
struct Found<'t> {
    /// Where it stands in the text.
    start: usize,
    part: &'t str,
    help: String,
}

/// Tells each character that can't be sent, once, at its first place.
pub fn check(site: &mut Site<'_>, path: &KeyPath, template: &Template) {
    let mut told: Vec<&str> = Vec::new();
    for written in template.written_out() {
        for found in refused(written.text, written.rendered) {
            let kind = found.part.get(..1).unwrap_or(found.part);
            if told.contains(&kind) || (kind == "}" && told.contains(&"{")) {
                continue;
            }
            told.push(kind);
            let at = written.start + found.start;
            let place = site.document.place_in_string(path, at..at + found.part.len());
            let diagnostic = Diagnostic::error(codes::URL, message(found.part)).at(place, "").help(found.help);
            site.diagnostics.push(diagnostic);
        }
    }
    if told.is_empty() {
        folded(site, path, template);
    }
}

/// What came with a var, or stands in a host: its place in the URL is not to be had.
fn folded(site: &mut Site<'_>, path: &KeyPath, template: &Template) {
    let is_sent = |text: &&str| !text.is_empty();
    let texts = template.literals().map(|text| text.split('#').next().unwrap_or(text)).filter(is_sent);
    for text in texts {
        if let Some(found) = refused(text, false).into_iter().next() {
            site.error(codes::URL, path, message(found.part), found.help);
            return;
        }
        if let Some(letter) = text.chars().find(|letter| !letter.is_ascii()) {
            site.error(codes::URL, path, format!("a host can't hold the letter {letter}"), HOST);
            return;
        }
    }
}

/// Everything in a text that can't be sent; in what is rendered for every row that is letters beyond
/// ASCII too.
fn refused(text: &str, rendered: bool) -> Vec<Found<'_>> {
    let bad = |c: char| is_refused(c) || (rendered && !c.is_ascii());
    text.char_indices().filter(|(_, c)| bad(*c)).map(|(start, c)| found(text, start, c)).collect()
}

fn found(text: &str, start: usize, c: char) -> Found<'_> {
    let letter = &text[start..start + c.len_utf8()];
    let encoded: String = letter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let name = text[start..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
    let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    match name.filter(is_name) {
        Some(name) => {
            let help =
                format!("write `{{{{ row.{name} }}}}` for a value of the row, or `{encoded}` for the brace itself");
            Found { start, part: &text[start..start + name.len() + 2], help }
        }
        None => Found { start, part: letter, help: format!("write `{encoded}` in its place") },
    }
}

fn message(part: &str) -> String {
    match part {
        " " => "a URL can't hold a space".to_owned(),
        part if part.contains(|c: char| c.is_control()) => "a URL can't hold a control character".to_owned(),
        part if !part.is_ascii() && part.chars().count() == 1 => {
            format!("a URL can't hold the letter {part}, and in a block it is not encoded by itself")
        }
        part => format!(
            "a URL can't hold {}",
            if part.len() > 1 { format!("`{part}`") } else { format!("the character {part}") }
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_uri_may_hold_is_not_refused() {
        let uri = "https://[::1]:80/a-b._~!$&'()*+,;=:@/%20?c[d]=e/?#";
        assert!(!uri.contains(is_refused));
        for c in ' '..='~' {
            if format!("/{c}").parse::<http::Uri>().is_err() || format!("/?{c}").parse::<http::Uri>().is_err() {
                assert!(is_refused(c), "{c}");
            }
        }
    }

    #[test]
    fn a_name_in_single_braces_is_meant_as_a_value() {
        let found = refused("/a/{sku}/{b c}", false);
        assert_eq!((found[0].start, found[0].part), (3, "{sku}"));
        assert!(found[0].help.starts_with("write `{{ row.sku }}`"), "{}", found[0].help);
        assert_eq!((found[2].part, found[2].help.as_str()), ("{", "write `%7B` in its place"));
        assert_eq!(refused("ü", true)[0].help, "write `%C3%BC` in its place");
        assert!(refused("ü", false).is_empty());
    }
}
