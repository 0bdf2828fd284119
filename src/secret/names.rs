//! Names whose values prove who asks: one table for `check`, which must not cry wolf, and for `init`, which had better
//! hide one value too many.
//!
//! A name is taken apart at what is no letter and no digit, and where a small letter meets a capital: `apiKey`, `api_key`
//! and `X-Api-Key` are one. Must never look at a value.

/// How surely a name says that its value is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    /// It says nothing.
    Not,
    /// Such values often are, and often are something else.
    Perhaps,
    /// It is the name of a token: most are secrets.
    Token,
    /// Nothing else is called so.
    Surely,
    /// A password: a secret however short it is.
    Password,
}

/// Last parts of names of passwords.
const PASSWORDS: &[&str] = &["password", "passwd", "pwd", "passphrase"];

/// Last parts of names of what is always a secret.
const SURE: &[&str] = &["apikey", "secret", "credential", "credentials", "accesskey", "privatekey", "authorization"];

/// Last two parts of such names.
const SURE_PAIRS: &[(&str, &str)] = &[
    ("access", "key"),
    ("access", "token"),
    ("amz", "signature"),
    ("api", "key"),
    ("api", "token"),
    ("auth", "key"),
    ("auth", "token"),
    ("bearer", "token"),
    ("functions", "key"),
    ("gitlab", "token"),
    ("private", "key"),
    ("private", "token"),
    ("refresh", "token"),
    ("sas", "token"),
    ("secret", "key"),
    ("security", "token"),
    ("subscription", "key"),
    ("vault", "token"),
];

/// Last parts of names of tokens.
const TOKENS: &[&str] = &["auth", "jwt", "token"];

/// What a token is for that is none: it says where a list goes on.
const PLACES: &[&str] =
    &["continuation", "cursor", "next", "page", "pagination", "previous", "resume", "start", "sync"];

/// Parts of names of what often is a secret.
const PERHAPS: &[&str] = &[
    "appid",
    "auth",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "csrf",
    "jwt",
    "pass",
    "secret",
    "session",
    "sessionid",
    "sig",
    "signature",
    "token",
    "xsrf",
];

/// What a variable is called whose value is no secret, whatever it looks like.
const PUBLIC: &[&str] = &["public", "publishable"];

/// How surely a header, parameter, field or member of this name holds a secret.
pub(crate) fn told(name: &str) -> Told {
    let parts = parts(name);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let Some(last) = parts.last() else { return Told::Not };
    if parts.iter().any(|part| PLACES.contains(part)) && parts.contains(&"token") {
        return Told::Not;
    }
    let ends_with = |pair: &(&str, &str)| parts.len() >= 2 && parts[parts.len() - 2..] == [pair.0, pair.1];
    let has = |pair: &(&str, &str)| parts.windows(2).any(|two| two == [pair.0, pair.1]);
    let is_part = |known: &[&str]| parts.iter().any(|part| known.contains(part));
    if PASSWORDS.contains(last) || parts == ["client", "secret"] {
        Told::Password
    } else if SURE.contains(last) || SURE_PAIRS.iter().any(ends_with) {
        Told::Surely
    } else if TOKENS.contains(last) {
        Told::Token
    } else if is_part(PERHAPS) || is_part(PASSWORDS) || is_part(SURE) || SURE_PAIRS.iter().any(has) || parts == ["key"]
    {
        Told::Perhaps
    } else {
        Told::Not
    }
}

/// Whether a value of this name had better be kept out of a file that is written.
pub(crate) fn is_sensitive(name: &str) -> bool {
    told(name) > Told::Not
}

/// Whether who wrote a job says with the name of a variable that everyone may know its value: keys of browsers and of
/// public lists look like secrets and are none.
pub(crate) fn is_public(variable: &str) -> bool {
    let parts = parts(variable);
    let is_public = |part: &String| PUBLIC.contains(&part.as_str());
    let says = match parts.as_slice() {
        [.., before, last] if ["key", "keys", "id", "token"].contains(&last.as_str()) => is_public(before),
        [.., last] => is_public(last),
        [] => false,
    };
    says && !parts.iter().any(|part| ["not", "non", "no", "private", "secret"].contains(&part.as_str()))
}

/// The words of a name, in small letters.
pub(crate) fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            parts.push(String::new());
        }
        was_lower = c.is_lowercase();
        if let Some(last) = parts.last_mut()
            && c.is_alphanumeric()
        {
            last.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// A name for a secret: an identifier.
pub(crate) fn identifier(hint: &str) -> String {
    let parts = parts(hint);
    let name = parts.join("_").chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("secret_{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_by_their_words() {
        for (expected, names) in [
            (Told::Password, &["password", "dbPassword", "user_pwd", "client-secret", "clientSecret"][..]),
            (
                Told::Surely,
                &["X-Api-Key", "apiKey", "api_token", "Ocp-Apim-Subscription-Key", "X-Secret", "Authorization"],
            ),
            (Told::Token, &["token", "X-Auth", "hooks_token", "JWT"]),
            (
                Told::Perhaps,
                &["key", "X-CSRF-Value", "secret_santa", "sig", "cookie", "password_hint", "appid", "X-Pass"],
            ),
            (
                Told::Not,
                &[
                    "accept",
                    "author",
                    "keyboard",
                    "monkey",
                    "page",
                    "primary_key",
                    "tokens",
                    "idempotency-key",
                    "page_token",
                    "nextPageToken",
                    "",
                ],
            ),
        ] {
            for name in names {
                assert_eq!(told(name), expected, "{name}");
            }
        }
    }

    #[test]
    fn what_is_public_says_so_in_a_word_of_its_own() {
        for name in ["public_key", "anon-public", "publicKey", "stripe_publishable_key", "PUBLIC"] {
            assert!(is_public(name), "{name}");
        }
        for name in [
            "publication_key",
            "republic",
            "key",
            "publickey",
            "",
            "public_repo_token",
            "not_public",
            "private_public_key",
        ] {
            assert!(!is_public(name), "{name}");
        }
    }

    #[test]
    fn identifiers_begin_with_a_letter() {
        assert_eq!(identifier("X-Api-Key"), "x_api_key");
        assert_eq!(identifier("2fa token"), "secret_2fa_token");
    }
}
