//! What secrets look like: names that only credentials have, and values of well-known forms.
//!
//! Pure. A miss is better than a false alarm: what may be a placeholder is none. Must never give a value back.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::members::members;
use super::names::{Told, parts, told};

/// Shortest value of a token that is taken for one by its name.
const TOKEN: usize = 10;

/// Shortest key of a Telegram bot; they have 35 characters.
const BOT_KEY: usize = 30;

/// Shortest word that is taken for a password.
const WORD: usize = 6;

/// Words of texts that stand in the place of a secret.
const PLACEHOLDERS: [&str; 18] = [
    "...",
    "***",
    "<",
    "{{",
    "change-me",
    "change_me",
    "changeme",
    "demo",
    "dummy",
    "example",
    "fake",
    "insert",
    "placeholder",
    "redacted",
    "replace",
    "sample",
    "xxx",
    "your",
];

/// Whole values that say something of a secret and are none.
const WORDS: [&str; 19] = [
    "anonymous",
    "disabled",
    "enabled",
    "false",
    "guest",
    "hidden",
    "no",
    "none",
    "null",
    "off",
    "on",
    "optional",
    "password",
    "required",
    "string",
    "test",
    "todo",
    "true",
    "yes",
];

/// Beginnings of issued tokens, how many letters, digits, `-` and `_` follow at least, and what they are.
const ISSUED: [(&str, usize, &str); 33] = [
    ("ATATT3", 30, "an Atlassian token"),
    ("AIza", 35, "a Google API key"),
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("dop_v1_", 40, "a DigitalOcean token"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghu_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("ghr_", 36, "a GitHub token"),
    ("github_pat_", 22, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("glptt-", 20, "a GitLab token"),
    ("hf_", 30, "a Hugging Face token"),
    ("lin_api_", 30, "a Linear key"),
    ("npm_", 36, "an npm token"),
    ("pat-na1-", 30, "a HubSpot token"),
    ("pypi-", 40, "a PyPI token"),
    ("rk_live_", 16, "a Stripe key"),
    ("rk_test_", 16, "a Stripe key"),
    ("shpat_", 24, "a Shopify token"),
    ("sk_live_", 16, "a Stripe key"),
    ("sk_test_", 16, "a Stripe key"),
    ("whsec_", 24, "a webhook's signing secret"),
    ("sk-", 20, "an API key"),
    ("xapp-", 20, "a Slack token"),
    ("xoxa-", 10, "a Slack token"),
    ("xoxb-", 10, "a Slack token"),
    ("xoxp-", 10, "a Slack token"),
    ("xoxr-", 10, "a Slack token"),
    ("xoxs-", 10, "a Slack token"),
    ("SG.", 22, "a SendGrid key"),
    ("ya29.", 30, "a Google access token"),
];

/// Addresses whose path holds a secret: where they begin, what stands before the secret, and what they are.
pub(crate) const HOOKS: [(&str, char, &str); 7] = [
    ("hooks.slack.com/services/", '/', "the address of a Slack webhook"),
    ("hooks.slack.com/workflows/", '/', "the address of a Slack webhook"),
    ("hooks.slack.com/triggers/", '/', "the address of a Slack webhook"),
    ("discord.com/api/webhooks/", '/', "the address of a Discord webhook"),
    ("discordapp.com/api/webhooks/", '/', "the address of a Discord webhook"),
    ("webhook.office.com/webhookb2/", '/', "the address of a Teams webhook"),
    ("api.telegram.org/bot", ':', TELEGRAM),
];

/// What stands before and behind the colon.
const TELEGRAM: &str = "the token of a Telegram bot";

/// What browsers are told of credentials: whether they go along.
const MODES: [&str; 3] = ["include", "omit", "same-origin"];

/// Schemes of an `Authorization`, which are no part of the secret.
const SCHEMES: [&str; 3] = ["bearer ", "basic ", "token "];

/// Whether the value of this header is a credential; a cookie is one where it is a session's.
pub(crate) fn is_credential_header(name: &str, value: &str) -> bool {
    let is_word = value.len() >= WORD && !value.contains(char::is_whitespace);
    let parts = parts(name);
    if parts == ["cookie"] {
        return value
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .any(|(name, value)| is_session(name, value.trim()));
    }
    match told(name) {
        _ if is_mode(name, value) => false,
        Told::Password | Told::Surely => true,
        // SAP's servers are asked for a token by the word `fetch`.
        Told::Token if !parts.iter().any(|part| part == "csrf" || part == "xsrf") => is_word || has_scheme(value),
        Told::Token | Told::Perhaps => is_random(value) && !is_uuid(value),
        Told::Not => has_proof(value),
    }
}

/// Whether a value says what is done with credentials, and is none: `credentials=include`.
pub(crate) fn is_mode(name: &str, value: &str) -> bool {
    parts(name).last().is_some_and(|last| last == "credentials") && MODES.contains(&value)
}

/// Whether a text is a scheme and what most likely proves who asks, in a header of any name: `Basic Crawler/1.0` is a
/// program, and `Bearer supported` no token.
fn has_proof(text: &str) -> bool {
    let Some(scheme) = SCHEMES.into_iter().find(|scheme| starts_with(text, scheme)) else { return false };
    let rest = text[scheme.len()..].trim();
    match scheme {
        "basic " => STANDARD.decode(rest).is_ok_and(|pair| pair.contains(&b':')),
        _ => rest.len() > WORD && !rest.contains([' ', '\t', '/']) && has_digits_and_letters(rest),
    }
}

/// Whether a text is `Bearer x`, `Basic x` or `Token x`: a word in prose is not.
fn has_scheme(text: &str) -> bool {
    let scheme = SCHEMES.into_iter().find(|scheme| starts_with(text, scheme));
    scheme.is_some_and(|scheme| {
        let rest = text[scheme.len()..].trim();
        rest.len() >= WORD && !rest.contains(char::is_whitespace)
    })
}

fn is_session(name: &str, value: &str) -> bool {
    let parts = parts(name);
    let is_part = |part: &String| ["session", "sessid"].iter().any(|word| part.contains(word));
    let is_named = parts.iter().any(|part| is_part(part) || ["sess", "sid", "connect"].contains(&part.as_str()))
        || told(name) > Told::Perhaps;
    is_literal(value) && (is_random(value) || (is_named && value.len() >= WORD))
}

/// Whether the value of this query parameter is a credential.
pub(crate) fn is_credential_parameter(name: &str, value: &str) -> bool {
    match told(name) {
        _ if is_mode(name, value) => false,
        Told::Password | Told::Surely => true,
        // Tokens have words with digits, and so have kinds of things: `erc20-usdc`.
        Told::Token => is_token_like(value) && !value.split(['-', '_']).any(is_plain_word),
        Told::Perhaps => is_random(value) && !is_uuid(value),
        Told::Not => false,
    }
}

/// The password of a URL, if it is written out.
pub(crate) fn password_of(text: &str) -> Option<&str> {
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    let userinfo = authority.and_then(|authority| authority.rsplit_once('@'));
    let (_, password) = userinfo.and_then(|(userinfo, _)| userinfo.split_once(':'))?;
    (!password.is_empty() && !password.starts_with("{{")).then_some(password)
}

/// Whether a URL has a credential in its query.
pub(crate) fn has_credential_parameter(url: &str) -> bool {
    let query = url.split_once('?').map(|(_, query)| query.split('#').next().unwrap_or_default());
    let mut pairs = query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.[]".contains(c));
    pairs.any(|(name, value)| is_name(name) && is_literal(value) && is_credential_parameter(name, value))
}

/// Whether a text that is sent as it is has a member that is a secret by its name: JSON, a form, XML.
pub(crate) fn has_secret_member(text: &str) -> bool {
    members(text).into_iter().any(|member| is_told_by_name(member.name, &text[member.value]))
}

/// Whether a text may be a secret at all: there is one, and it is no template and no placeholder.
pub(crate) fn is_literal(text: &str) -> bool {
    let scheme = SCHEMES.into_iter().find(|scheme| starts_with(text, scheme));
    let text = scheme.map_or(text, |scheme| &text[scheme.len()..]).trim();
    let small = text.to_ascii_lowercase();
    let first = text.chars().next();
    !PLACEHOLDERS.iter().any(|word| small.contains(word))
        && !WORDS.contains(&small.as_str())
        && first.is_some_and(|first| first != '$' && !text.chars().all(|c| c == first))
}

/// Whether more than templates, the scheme of an `Authorization` and signs stands in a text.
pub(crate) fn is_written_out(text: &str) -> bool {
    let mut rest = text;
    let mut outside = String::new();
    while let Some((before, behind)) = rest.split_once("{{") {
        outside.push_str(before);
        rest = behind.split_once("}}").map_or("", |(_, rest)| rest);
    }
    outside.push_str(rest);
    let mut words = outside.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.any(|word| !SCHEMES.iter().any(|scheme| scheme.trim_end().eq_ignore_ascii_case(word)))
}

fn starts_with(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// What a text looks like that is a secret whatever it is called.
pub(crate) fn issued(text: &str) -> Option<&'static str> {
    if is_private_key(text) {
        return Some("a private key");
    }
    if text.split(|c: char| !is_token(c) && c != '.').any(is_jwt) {
        return Some("a JSON web token");
    }
    if has_bot_token(text) {
        return Some(TELEGRAM);
    }
    // Of those that have a colon the key itself is known.
    let mut hooks = HOOKS.iter().filter(|(_, cut, _)| *cut == '/');
    if let Some((.., what)) = hooks.find(|(start, ..)| is_hook(text, start)) {
        return Some(what);
    }
    let words = text.split(|c: char| !is_token(c) && c != '.');
    let mut found = words.filter_map(|word| {
        let of = |(start, least, _): &&(&str, usize, &str)| {
            let rest = word.strip_prefix(start);
            rest.is_some_and(|rest| rest.len() >= *least && has_digits_and_letters(rest) && is_varied(rest))
        };
        ISSUED.iter().find(of).filter(|_| is_literal(word)).map(|(_, _, what)| *what)
    });
    found.next()
}

/// Whether a private key stands in a text; of all forms the only one that has more than one word.
pub(crate) fn is_private_key(text: &str) -> bool {
    text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----")
}

/// Whether a part of the path behind such an address may be a secret: what takes messages in another form stands behind
/// it (`/slack`).
fn is_hook(text: &str, start: &str) -> bool {
    text.match_indices(start).any(|(at, _)| {
        let behind = &text[at + start.len()..];
        let path = behind.split(|c: char| !is_token(c) && c != '/').next().unwrap_or_default();
        path.split('/').any(is_secret_part)
    })
}

/// Whether a part of a hook's path may be a secret: numbers of channels and the names of forms are none.
pub(crate) fn is_secret_part(part: &str) -> bool {
    let kinds: HashSet<u8> = part.bytes().collect();
    let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
    part.len() >= 16 && is_literal(part) && !is_number && kinds.len() > 2
}

/// Whether a text has the number of a Telegram bot, a colon and its key: `123456:AAF...`.
fn has_bot_token(text: &str) -> bool {
    text.match_indices(":AA").any(|(at, _)| {
        let digits = text[..at].bytes().rev().take_while(u8::is_ascii_digit).count();
        let before = text[..at - digits].chars().next_back();
        let is_whole = !before.is_some_and(char::is_alphanumeric) || text[..at - digits].ends_with("bot");
        let behind = &text[at + 1..];
        let key = &behind[..behind.find(|c: char| !is_token(c)).unwrap_or(behind.len())];
        let is_key = key.len() >= BOT_KEY && has_digits_and_letters(key) && is_varied(key) && is_literal(key);
        (6..=12).contains(&digits) && is_whole && is_key
    })
}

/// Whether a name says that its value is a secret, and the value may be one.
pub(crate) fn is_told_by_name(name: &str, value: &str) -> bool {
    let is_word = !value.contains(char::is_whitespace) && value.len() >= WORD;
    is_literal(value)
        && match told(name) {
            Told::Password => is_word,
            Told::Surely | Told::Token => is_random(value),
            Told::Perhaps | Told::Not => false,
        }
}

/// Whether a value that somebody gave this name on a command line had better not be shown: it is a secret by its name or
/// its form. Of what is only shown one too many may be hidden.
pub(crate) fn is_given_secret(name: &str, value: &str) -> bool {
    let is_told = told(name) >= Told::Token && !super::names::is_public(name) && is_literal(value);
    is_told && is_written_out(value) || issued(value).is_some() || password_of(value).is_some_and(is_literal)
}

/// Whether a text that should be the name of a variable or a file is a secret that was pasted there.
pub(crate) fn is_pasted(text: &str) -> bool {
    let begins = |(start, _, _): &(&str, usize, &str)| {
        let rest = text.strip_prefix(start).filter(|_| start.len() > 3);
        rest.is_some_and(|rest| rest.len() >= 8 && rest.contains(|c: char| c.is_ascii_digit()))
    };
    let is_path = text.contains(['/', '.', '\\']);
    let has_small = text.contains(|c: char| c.is_ascii_lowercase());
    issued(text).is_some()
        || ISSUED.iter().any(begins)
        || has_scheme(text)
        || (!is_path && has_small && is_random(text) && !text.split(['_', '-']).any(is_plain_word))
}

/// A word of small letters as names have.
fn is_plain_word(word: &str) -> bool {
    word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Whether a text is long enough for a token, and has letters and digits as no word has.
fn is_token_like(text: &str) -> bool {
    text.len() >= TOKEN && !text.contains(char::is_whitespace) && has_digits_and_letters(text)
}

/// Names of records are no secrets.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Whether a text is long and has the mix of characters that no word and no number has.
fn is_random(text: &str) -> bool {
    let whole = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-.".contains(&byte));
    let is_path = text.contains('/') && text.contains('.');
    text.len() >= 20 && whole && !is_path && has_digits_and_letters(text) && is_varied(text)
}

fn has_digits_and_letters(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit()) && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// At least 3 bits a character (Shannon), as hexadecimal keys of 32 digits surely have.
fn is_varied(text: &str) -> bool {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = text.len().max(1) as f64;
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length);
    shares.map(|share| -share * share.log2()).sum::<f64>() >= 3.0
}

/// RFC 7519: the first part is a JSON object in base64url, which begins with `{"`.
fn is_jwt(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else { return false };
    let begins = |part: &&str| part.starts_with("eyJ") && part.len() >= 10;
    begins(head) && begins(claims) && signature.len() >= 16
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

#[cfg(test)]
mod tests;
