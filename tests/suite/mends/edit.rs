//! Puts what a help quotes where its diagnostic stands, as a person does who does nothing else.

use paceline::document::Place;

use super::offer::{Kind, Offer};

/// A text with a mend in it.
pub struct Edit {
    /// The whole text.
    pub text: String,
    /// Where the mend begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// The text with the offer in its place; `None`: it has none.
pub fn apply(text: &str, place: Place, offer: &Offer<'_>) -> Option<Edit> {
    let there = &text[place.start..place.end];
    let put = |start, end, new: &str| Some(put(text, start, end, new));
    let line = line_of(text, place);
    match &offer.kind {
        Kind::Name => put(place.start, place.end, &as_there(there, name(&text[..place.start], offer.text))),
        Kind::InPlaceOf(key) => {
            let (start, _) = key_before(text, place, key)?;
            put(start, start + key.len(), offer.text)
        }
        Kind::Before => {
            let start = place.start + usize::from(there.starts_with(['"', '\'']));
            put(start, start, offer.text)
        }
        Kind::Above => put(line, line, &format!("{}\n", offer.text)),
        Kind::Append => put(text.len(), text.len(), &format!("\n{}\n", offer.text)),
        Kind::Secret(statement, instead) => Some(secret(text, place, offer.text, (statement, *instead))),
        Kind::Sibling => {
            let start = place.start + there.rfind('/').map_or(usize::from(there.starts_with('"')), |slash| slash + 1);
            put(start, place.end - usize::from(there.ends_with('"')), offer.text)
        }
        // A whole text for what is wrong in a part of one.
        Kind::Value if offer.text.starts_with(['"', '$']) && !there.starts_with(['"', '\'']) => {
            let (start, end) = string_around(text, place).unwrap_or((place.start, place.end));
            put(start, end, &as_there(&text[start..end], offer.text))
        }
        Kind::Value => put(place.start, place.end, &as_there(there, offer.text)),
        Kind::Bare => put(place.start, place.end, offer.text),
        Kind::Statement(path, value) => stated(text, place, offer, (path, value)),
    }
}

/// The text with another between two positions.
fn put(text: &str, start: usize, end: usize, new: &str) -> Edit {
    Edit { text: format!("{}{new}{}", &text[..start], &text[end..]), start, end: start + new.len() }
}

/// Where the line of a place begins.
fn line_of(text: &str, place: Place) -> usize {
    text[..place.start].rfind('\n').map_or(0, |newline| newline + 1)
}

/// A name for what stands behind `before`: `duration_ms` of `meta.duration_ms` where `meta.` stands there.
fn name<'n>(before: &str, offered: &'n str) -> &'n str {
    let plain = offered.trim_matches('"');
    let rest = plain.rsplit_once('.').filter(|(front, _)| before.ends_with(&format!("{front}.")));
    rest.map_or(plain, |(_, name)| name)
}

/// The text with a secret that is declared, and named where its value stood: at a place, or, where a variable held it,
/// wherever that was used.
fn secret(text: &str, place: Place, new: &str, (statement, instead): (&str, Option<&str>)) -> Edit {
    let line = line_of(text, place);
    let named = match instead {
        // The variable that held it goes.
        Some(old) => {
            let end = text[line..].find('\n').map_or(text.len(), |length| line + length + 1);
            format!("{}{}", &text[..line], &text[end..]).replace(old, new)
        }
        None => put(text, place.start, place.end, &as_there(&text[place.start..place.end], new)).text,
    };
    Edit { text: declared(&named, statement), start: place.start, end: place.start + 1 }
}

/// The text with a statement: in the place of the one with its key, else of the line, else beside what stands there.
fn stated(text: &str, place: Place, offer: &Offer<'_>, (path, value): (&[String], &str)) -> Option<Edit> {
    let there = &text[place.start..place.end];
    let old = statement(text, place, path);
    match old.filter(|old| !offer.is_addition || old.start == place.start) {
        Some(Old { start, end, is_last: true }) => {
            Some(put(text, start, end, &format!("{} = {value}", path[path.len() - 1])))
        }
        Some(Old { start, end, .. }) => Some(put(text, start, end, offer.text)),
        None if there == text[line_of(text, place)..].lines().next()?.trim() && !there.starts_with('[') => {
            Some(put(text, place.start, place.end, offer.text))
        }
        None if offer.is_addition => insert(text, place, offer.text),
        None => None,
    }
}

/// The text with one more secret.
fn declared(text: &str, statement: &str) -> String {
    const HEADER: &str = "[secrets]\n";
    match text.find(HEADER).filter(|at| *at == 0 || text[..*at].ends_with('\n')) {
        Some(at) => format!("{}{HEADER}{statement}\n{}", &text[..at], &text[at + HEADER.len()..]),
        None => format!("{text}\n{HEADER}{statement}\n"),
    }
}

/// In quotes where there are quotes.
fn as_there(there: &str, new: &str) -> String {
    let quote = there.chars().next().filter(|c| matches!(c, '"' | '\'') && there.len() > 1 && there.ends_with(*c));
    let is_value = new.starts_with(['"', '[']) || (new.starts_with('{') && !new.starts_with("{{"));
    match quote.filter(|_| !is_value) {
        Some(quote) => format!("{quote}{new}{quote}"),
        None => new.to_owned(),
    }
}

/// The string on a line that a place lies in, with its quotes.
fn string_around(text: &str, place: Place) -> Option<(usize, usize)> {
    let line = line_of(text, place);
    let (mut open, mut escaped) = (None, false);
    for (at, c) in text[line..].char_indices().map(|(at, c)| (line + at, c)) {
        match (open, c) {
            _ if escaped => escaped = false,
            (_, '\n') => return None,
            (Some((_, '"')), '\\') => escaped = true,
            (Some((start, quote)), c) if c == quote => {
                if start < place.start && place.end <= at {
                    return Some((start, at + 1));
                }
                open = None;
            }
            (None, '"' | '\'') => open = Some((at, c)),
            _ => {}
        }
    }
    None
}

/// A statement that stands there already.
struct Old {
    start: usize,
    end: usize,
    /// Whether only the last part of the path stands there: it is in its table.
    is_last: bool,
}

/// The statement with the key of an offer around a place: under its whole path, its last part or its first.
fn statement(text: &str, place: Place, path: &[String]) -> Option<Old> {
    let (whole, last) = (path.join("."), path.last()?);
    let found = |key: &str| key_before(text, place, key);
    let (start, behind) = found(&whole).or_else(|| found(last)).or_else(|| found(&path[0]))?;
    let is_last = path.len() > 1
        && !text[start..].starts_with(&whole)
        && text[start..].trim_start_matches('"').starts_with(last.as_str());
    Some(Old { start, end: behind + length_of_value(&text[behind..]), is_last })
}

/// The key with this name and its `=` nearest before a place, or at it: where it begins, and where its value does.
fn key_before(text: &str, place: Place, key: &str) -> Option<(usize, usize)> {
    let line = line_of(text, place);
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let ends = text[line..].match_indices(key).map(|(at, _)| line + at).take_while(|at| *at <= place.start);
    let keys = ends.filter(|at| !text[line..*at].ends_with(is_word)).filter_map(|at| {
        let behind = text[at + key.len()..].trim_start_matches(['"', ' ']).strip_prefix('=')?.trim_start_matches(' ');
        Some((at, text.len() - behind.len()))
    });
    keys.last()
}

/// How long a value is: to the comma, bracket, comment or line end behind it.
fn length_of_value(text: &str) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    let end = text.char_indices().find(|(_, c)| {
        match (quote, c) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                return false;
            }
            (Some(open), c) if open == *c && !escaped => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(*c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') if depth > 0 => depth -= 1,
            (None, ']' | '}' | ',' | '\n' | '#') => return depth == 0,
            (None, _) => {}
        }
        escaped = false;
        false
    });
    text[..end.map_or(text.len(), |(at, _)| at)].trim_end().len()
}

/// A new statement in the table that a place names: under its header, behind its `{`, or beside the key that stands there.
fn insert(text: &str, place: Place, new: &str) -> Option<Edit> {
    let line = line_of(text, place);
    let end = text[line..].find('\n').map_or(text.len(), |length| line + length);
    let put = |at: usize, new: String| {
        Some(Edit { text: format!("{}{new}{}", &text[..at], &text[at..]), start: at, end: at + new.len() })
    };
    if text[line..end].trim_start().starts_with('[') {
        return put(end, format!("\n{new}"));
    }
    if text[place.start..].starts_with('{') {
        let comma = if text[place.start + 1..].trim_start().starts_with('}') { " " } else { "," };
        return put(place.start + 1, format!(" {new}{comma}"));
    }
    let braces = text[place.start..end].split_once('=').filter(|(_, value)| value.trim_start().starts_with('{'));
    if let Some((key, value)) = braces {
        let inside = value.len() - value.trim_start().len() + 1;
        let at = place.start + key.len() + 1 + inside;
        let comma = if text[at..].trim_start().starts_with('}') { " " } else { "," };
        return put(at, format!(" {new}{comma}"));
    }
    // Beside the key: with the path that stands before it.
    let before = &text[line..place.start];
    let start = line + before.rfind(['{', ',']).map_or(before.len() - before.trim_start().len(), |at| at + 1);
    let key = text[start..].split('=').next()?.trim();
    let front = key.rsplit_once('.').map_or(String::new(), |(front, _)| format!("{front}."));
    let joined = if before.contains(['{', ',']) { format!(" {front}{new},") } else { format!("{front}{new}\n") };
    put(start, joined)
}
