//! What secrets look like: names that only credentials have, and values of well-known forms.
//!
//! Pure. A miss is better than a false alarm: what may be a placeholder is none. Must never give a value back.

/// Headers whose value proves who asks, with `-` between words.
const HEADERS: [&str; 17] = [
    "api-key",
    "apikey",
    "authorization",
    "ocp-apim-subscription-key",
    "private-token",
    "proxy-authorization",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-api-token",
    "x-apikey",
    "x-auth-token",
    "x-functions-key",
    "x-gitlab-token",
    "x-goog-api-key",
    "x-shopify-access-token",
    "x-vault-token",
];

/// Query parameters that prove who asks, with `-` between words.
const PARAMETERS: [&str; 12] = [
    "access-token",
    "api-key",
    "api-token",
    "apikey",
    "auth-token",
    "client-secret",
    "password",
    "private-token",
    "sas-token",
    "secret",
    "x-amz-security-token",
    "x-amz-signature",
];

/// Query parameters that often do: a value that is no random text is none.
const PARAMETERS_AT_TIMES: [&str; 5] = ["appid", "key", "sig", "signature", "token"];

/// Words of a name that say what the value is.
const TELLING: [&str; 8] = ["apikey", "api-key", "credential", "passwd", "password", "private-key", "secret", "token"];

/// Names whose value is a secret however short it is.
const PASSWORDS: [&str; 3] = ["client-secret", "passwd", "password"];

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

/// Beginnings of issued tokens, how many letters, digits, `-` and `_` follow at least, and what they are.
const ISSUED: [(&str, usize, &str); 22] = [
    ("AIza", 35, "a Google API key"),
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghu_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("ghr_", 36, "a GitHub token"),
    ("github_pat_", 22, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("hf_", 30, "a Hugging Face token"),
    ("npm_", 36, "an npm token"),
    ("rk_live_", 16, "a Stripe key"),
    ("sk_live_", 16, "a Stripe key"),
    ("whsec_", 24, "a webhook's signing secret"),
    ("sk-", 20, "an API key"),
    ("xoxa-", 10, "a Slack token"),
    ("xoxb-", 10, "a Slack token"),
    ("xoxp-", 10, "a Slack token"),
    ("xoxr-", 10, "a Slack token"),
    ("xoxs-", 10, "a Slack token"),
    ("SG.", 22, "a SendGrid key"),
];

/// A name in small letters, with `-` between words.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Whether the value of this header is a credential; a cookie is one where it is a random text.
pub(crate) fn is_credential_header(name: &str, value: &str) -> bool {
    let name = plain(name);
    let is_session = |pair: &str| pair.split_once('=').is_some_and(|(_, value)| is_random(value.trim()));
    HEADERS.contains(&name.as_str()) || (name == "cookie" && value.split(';').any(is_session))
}

/// Whether the value of this query parameter is a credential.
pub(crate) fn is_credential_parameter(name: &str, value: &str) -> bool {
    let name = plain(name);
    PARAMETERS.contains(&name.as_str()) || (PARAMETERS_AT_TIMES.contains(&name.as_str()) && is_random(value))
}

/// Whether a URL has a credential in its query.
pub(crate) fn has_credential_parameter(url: &str) -> bool {
    let query = url.split_once('?').map(|(_, query)| query.split('#').next().unwrap_or_default());
    let mut pairs = query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
    pairs.any(|(name, value)| is_literal(value) && is_credential_parameter(name, value))
}

/// Whether a text may be a secret at all: there is one, and it is no template and no placeholder.
pub(crate) fn is_literal(text: &str) -> bool {
    // The scheme of an `Authorization` is no part of the secret.
    let scheme = ["bearer ", "basic ", "token "].into_iter().find(|scheme| starts_with(text, scheme));
    let text = scheme.map_or(text, |scheme| &text[scheme.len()..]).trim();
    let small = text.to_ascii_lowercase();
    let first = text.chars().next();
    !PLACEHOLDERS.iter().any(|word| small.contains(word))
        && !["none", "null", "true", "false", "todo", "test"].contains(&small.as_str())
        && first.is_some_and(|first| first != '$' && !text.chars().all(|c| c == first))
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

/// Whether a name says that its value is a secret, and the value may be one.
pub(crate) fn is_told_by_name(name: &str, value: &str) -> bool {
    let name = plain(name);
    let is_told = TELLING.iter().any(|word| name == *word || name.ends_with(&format!("-{word}")));
    let is_word = !value.contains(char::is_whitespace) && value.len() >= 6;
    is_literal(value) && ((PASSWORDS.contains(&name.as_str()) && is_word) || (is_told && is_random(value)))
}

/// Whether a text is long and has the mix of characters that no word and no number has.
fn is_random(text: &str) -> bool {
    let whole = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-.".contains(&byte));
    text.len() >= 20 && whole && has_digits_and_letters(text) && is_varied(text)
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
mod tests {
    use super::*;

    /// A token of a form, made here so that no scanner of secrets finds one in this file.
    fn made(start: &str, length: usize) -> String {
        let rest: String = "a1Zb2Yc3Xd4We5Vf6Ug7Th8Si9Rj0Qk".chars().cycle().take(length).collect();
        format!("{start}{rest}")
    }

    #[test]
    fn issued_tokens_are_known_and_their_placeholders_are_none() {
        for (start, least, what) in ISSUED {
            let token = made(start, least);
            assert_eq!(issued(&token), Some(what), "{start}");
            assert_eq!(issued(&format!("Bearer {token}, and more")), Some(what), "{start}");
            assert_eq!(issued(&format!("{start}{}", "x".repeat(least))), None, "{start}");
            assert_eq!(issued(&token[..token.len() - 1]), None, "{start}");
        }
        let jwt = format!("eyJ{}.eyJ{}.{}", made("", 20), made("", 20), made("", 30));
        assert_eq!(issued(&jwt), Some("a JSON web token"));
        assert_eq!(issued("-----BEGIN RSA PRIVATE KEY-----\nMII\n"), Some("a private key"));
        for text in [
            "-----BEGIN CERTIFICATE-----",
            "eyJhbGciOi.x",
            "AKIAIOSFODNN7EXAMPLE",
            "sk-8",
            "task-1234567890123456789012",
        ] {
            assert_eq!(issued(text), None, "{text}");
        }
    }

    #[test]
    fn names_tell_of_values_that_may_be_secrets() {
        let key = made("", 24);
        for name in ["token", "api_token", "API-KEY", "client_secret", "x-secret", "password"] {
            assert!(is_told_by_name(name, &key), "{name}");
        }
        assert!(is_told_by_name("password", "hunter2"));
        for (name, value) in [
            ("tokens", key.as_str()),
            ("page-size", &key),
            ("token", "next"),
            ("password", "{{ secrets.password }}"),
            ("password", "changeme"),
            ("password", "your-password-here"),
            ("password", "$PASSWORD"),
            ("password", "xxxxxxxx"),
            ("password", "no password"),
            ("token", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1"),
        ] {
            assert!(!is_told_by_name(name, value), "{name} = {value}");
        }
    }

    #[test]
    fn credentials_of_headers_and_queries() {
        assert!(is_credential_header("Authorization", "Bearer x") && is_credential_header("X_Api_Key", "x"));
        assert!(is_credential_header("cookie", &format!("consent=yes; sid={}", made("", 24))));
        for name in ["accept", "x-request-id", "cookie"] {
            assert!(!is_credential_header(name, "consent=yes"), "{name}");
        }
        let url = |query: &str| has_credential_parameter(&format!("https://api.example.com/x?{query}"));
        assert!(url("page=1&api_key=hunter2#x") && url(&format!("sig={}", made("", 24))));
        for query in ["page=1", "api_key={{ secrets.key }}", "token=next", "key=sku", "api_key=", "api_key=XXXX"] {
            assert!(!url(query), "{query}");
        }
        assert!(is_literal("Bearer hunter2") && !is_literal("Bearer <token>") && !is_literal("Bearer "));
    }
}
