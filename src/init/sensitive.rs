//! Which names stand for values that nobody else should read.

/// Parts of a name, cut at what is no letter, that make it one of a secret.
const PARTS: &[&str] = &[
    "authorization",
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "apikey",
    "auth",
    "cookie",
    "session",
    "sessionid",
    "csrf",
    "xsrf",
    "signature",
    "sig",
    "credential",
    "credentials",
    "jwt",
    "accesskey",
    "privatekey",
];

/// Pairs of parts that do so together.
const PAIRS: &[(&str, &str)] = &[
    ("api", "key"),
    ("access", "key"),
    ("private", "key"),
    ("secret", "key"),
    ("subscription", "key"),
    ("auth", "key"),
];

/// Whether a header, parameter, field or member of this name holds a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let parts = parts(name);
    let is_one = parts.iter().any(|part| PARTS.contains(&part.as_str()));
    let is_pair = |(a, b): &(&str, &str)| parts.windows(2).any(|two| two[0] == *a && two[1] == *b);
    is_one || PAIRS.iter().any(is_pair) || parts == ["key"]
}

/// `apiKey`, `api_key` and `X-Api-Key` have the same parts.
fn parts(name: &str) -> Vec<String> {
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
pub(super) fn name(hint: &str) -> String {
    let parts = parts(hint);
    let name = parts.join("_").chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("secret_{name}") }
}
