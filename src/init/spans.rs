//! Where secrets stand in a text: in JSON, in forms, in parts, in XML, and beside their names in whatever else.
//!
//! Pure; a false alarm is better than a miss, as what is found becomes a secret of the new job. Must never change a
//! text.

mod json;
pub(super) mod pairs;

use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::sensitive;
use crate::curl::Reference;
use crate::secret::shape;

/// Names without their signs that are those of secrets in what a command sends, and often of something else in a job.
const MORE: &[&str] = &["appid", "jsessionid", "otp", "pass", "passcode", "passphrase", "phpsessid", "pin"];

/// A number of fewer digits is no secret: it counts something.
pub(super) const FEWEST_DIGITS: usize = 4;

/// How a value is written where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Plain,
    /// As forms escape it.
    Form,
    /// As a string of JSON, its quotes included.
    Json,
}

/// The place of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// Its bytes.
    pub range: Range<usize>,
    /// What tells that it is one.
    pub name: String,
    /// How it is written.
    pub coding: Coding,
}

/// The secrets in a text, in order, apart from each other.
pub(super) fn find(text: &str, is_form: bool) -> Vec<Span> {
    let mut spans = match json::members(text) {
        Some(members) => members.spans,
        None if is_form || looks_like_form(text) => form(text),
        None => pairs::find(text),
    };
    spans.sort_by_key(|span| (span.range.start, std::cmp::Reverse(span.range.end)));
    let mut end = 0;
    spans.retain(|span| {
        let is_apart = span.range.start >= end;
        end = if is_apart { span.range.end } else { end };
        is_apart
    });
    spans
}

/// Whether a JSON text has an object with the same name twice, of which other readers keep the last.
pub(super) fn has_repeated_names(text: &str) -> bool {
    json::members(text).is_some_and(|members| members.is_repeated)
}

fn looks_like_form(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.[]%".contains(c);
    let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    !text.contains(char::is_whitespace) && pairs.next().is_some_and(|(name, _)| name.chars().all(is_name))
}

/// Pairs of a form, also where some are no pairs.
fn form(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    for pair in text.split('&') {
        if let Some((name, value)) = pair.split_once('=') {
            let at = start + name.len() + 1;
            let name = decoded(name).unwrap_or_else(|| name.to_owned());
            let plain = decoded(value).unwrap_or_else(|| value.to_owned());
            if !value.is_empty() && is_or_has(&name, &plain) {
                spans.push(Span { range: at..at + value.len(), name, coding: Coding::Form });
            }
        }
        start += pair.len() + 1;
    }
    spans
}

/// A text without the escapes of forms and URLs.
pub(super) fn decoded(text: &str) -> Option<String> {
    percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Whether a value of this name is a secret that stands there: it is no variable alone, and not nothing.
pub(super) fn is_kept(name: &str, value: &str) -> bool {
    let parts = crate::curl::parts(value);
    let is_named = parts.iter().all(|part| matches!(part, Reference::Variable(_)));
    !is_named && is_secret(name, value)
}

/// Whether a value of this name is a secret, or has one in it.
pub(super) fn is_or_has(name: &str, value: &str) -> bool {
    is_kept(name, value) || !find(value, false).is_empty()
}

/// The beginning and the secret of a part of a hook's address, if `part` is one that has one.
pub(super) fn of_hook<'t>(url: &str, part: &'t str) -> Option<(&'t str, &'t str)> {
    let begins = |span: Span| part.strip_suffix(&url[span.range]);
    let begin = pairs::hooks(url).into_iter().filter(|_| !part.is_empty()).find_map(begins)?;
    Some((begin, &part[begin.len()..]))
}

/// Whether what is called so is a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let is_more =
        || name.split(|c: char| !c.is_alphanumeric()).any(|word| MORE.contains(&word.to_lowercase().as_str()));
    sensitive::is_sensitive(name) || is_more()
}

/// Whether a value is a secret: by its name, or as `check` tells one.
fn is_secret(name: &str, value: &str) -> bool {
    if shape::is_mode(name, value) {
        return false;
    }
    is_sensitive(name)
        || shape::is_credential_header(name, value)
        || shape::is_credential_parameter(name, value)
        || shape::is_told_by_name(name, value)
}

/// Whether a member of this name is none, although what it stands in is called like a secret.
pub(super) fn is_harmless(name: &str) -> bool {
    const HARMLESS: &[&str] = &["type", "kind", "scheme", "method", "algorithm", "alg", "grant_type", "lang", "locale"];
    HARMLESS.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        find(text, false).into_iter().map(|span| &text[span.range]).collect()
    }

    #[test]
    fn secrets_of_json_are_found_whatever_stands_beside_them() {
        for (text, secrets) in [
            (r#"{"password": "hush", "none": null}"#, vec!["\"hush\""]),
            (r#"{"a": [{"token": ["hu\"sh", "x"]}], "b": 1}"#, vec!["\"hu\\\"sh\"", "\"x\""]),
            (r#"{"credentials": {"type": "x", "value": "hush"}}"#, vec!["\"hush\""]),
            (r#"[{"name": "password", "value": "hush"}]"#, vec!["\"hush\""]),
            (r#"[{"value": "hush", "name": "password"}]"#, vec!["\"hush\""]),
            (r#"{"token": 123456, "pin": 12, "x": 123456}"#, vec!["123456"]),
            (r#"{"query": "login(password: \"hush\")"}"#, vec!["hush"]),
            (r#"{"url": "https://h/?token=hush&a=1"}"#, vec!["hush"]),
            (r#"{"page": "1", "password": null, "token": ""}"#, vec![]),
        ] {
            assert_eq!(found(text), secrets, "{text}");
        }
        assert!(has_repeated_names(r#"[{"a": 1, "b": {"a": 1}, "a": 2}]"#));
        assert!(!has_repeated_names(r#"[{"a": 1, "b": {"a": 1}}, {"a": 2}]"#));
    }

    #[test]
    fn secrets_of_forms_are_found_whatever_stands_beside_them() {
        for (text, secrets) in [
            ("password=hush&flag", vec!["hush"]),
            ("user=a&password=hush&user=b", vec!["hush"]),
            ("user%5Bpassword%5D=hu%20sh", vec!["hu%20sh"]),
            ("next=https%3A%2F%2Fh%2F%3Ftoken%3Dhush", vec!["https%3A%2F%2Fh%2F%3Ftoken%3Dhush"]),
            ("page=1&q=two", vec![]),
        ] {
            assert_eq!(found(text), secrets, "{text}");
        }
    }

    #[test]
    fn secrets_of_other_texts_stand_beside_their_names() {
        for (text, secrets) in [
            ("<login><password>hush</password></login>", vec!["hush"]),
            ("<w:Password Type=\"x\">hush</w:Password>", vec!["hush"]),
            ("<login password='hush' name='ann'/>", vec!["hush"]),
            ("<password><![CDATA[hush]]></password>", vec!["hush"]),
            ("user: ann\npassword: hush\n", vec!["hush"]),
            ("Authorization: Bearer hush", vec!["hush"]),
            ("API_TOKEN=hush\nUSER=ann", vec!["hush"]),
            ("{\"password\": \"hush\"}\n{\"password\": \"more\"}", vec!["hush", "more"]),
            ("postgres://me:hush@db.example/x", vec!["hush"]),
            ("see https://hooks.slack.com/services/T0/B0/hush now", vec!["hush"]),
            (
                "https://discord.com/api/webhooks/123456789012345678/q9Zr2Lw8Xk4Vt6Bn1Mc7Hd3Fs5Gj0/slack",
                vec!["q9Zr2Lw8Xk4Vt6Bn1Mc7Hd3Fs5Gj0"],
            ),
            ("--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhush\r\n--b--", vec!["hush"]),
            ("login($password: String!) { token }", vec![]),
            ("the author: ann, page=1", vec![]),
        ] {
            assert_eq!(found(text), secrets, "{text}");
        }
    }
}
