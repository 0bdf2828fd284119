//! URI references, resolved as RFC 3986 §5 says; percent-encodes what servers put into `Location` raw.
//!
//! Works on texts and knows nothing of HTTP.

/// The parts of a URI reference (RFC 3986 §3), without their delimiters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

/// Resolves `reference` against the absolute `base` (RFC 3986 §5.2, strict).
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    let (base, reference) = (split(base), split(reference));
    let mut target = reference;
    let path;
    if reference.scheme.is_some() {
        path = remove_dot_segments(reference.path);
    } else {
        target.scheme = base.scheme;
        if reference.authority.is_some() {
            path = remove_dot_segments(reference.path);
        } else {
            target.authority = base.authority;
            if reference.path.is_empty() {
                path = base.path.to_owned();
                target.query = reference.query.or(base.query);
            } else if reference.path.starts_with('/') {
                path = remove_dot_segments(reference.path);
            } else {
                path = remove_dot_segments(&merge(&base, reference.path));
            }
        }
    }
    recompose(&Parts { path: &path, ..target })
}

/// `text` with every byte that may not stand in a URI percent-encoded; what is encoded stays as it is.
pub(crate) fn encoded(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}') {
            out.push(char::from(*byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

// The regular expression of RFC 3986 appendix B, by hand.
fn split(text: &str) -> Parts<'_> {
    let (text, fragment) = cut(text, '#');
    let (text, query) = cut(text, '?');
    let (scheme, text) = match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        Some(_) | None => (None, text),
    };
    let (authority, path) = match text.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, text),
    };
    Parts { scheme, authority, path, query, fragment }
}

fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

// RFC 3986 §5.2.3
fn merge(base: &Parts<'_>, path: &str) -> String {
    if base.authority.is_some() && base.path.is_empty() {
        return format!("/{path}");
    }
    let folder = base.path.rfind('/').map_or("", |slash| &base.path[..=slash]);
    format!("{folder}{path}")
}

// RFC 3986 §5.2.4
fn remove_dot_segments(path: &str) -> String {
    let mut input = path;
    let mut output = String::with_capacity(path.len());
    while !input.is_empty() {
        if let Some(rest) = input.strip_prefix("../").or_else(|| input.strip_prefix("./")) {
            input = rest;
        } else if input.starts_with("/./") || input == "/." {
            input = if input == "/." { "/" } else { &input[2..] };
        } else if input.starts_with("/../") || input == "/.." {
            input = if input == "/.." { "/" } else { &input[3..] };
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "." || input == ".." {
            input = "";
        } else {
            let end = input[1..].find('/').map_or(input.len(), |slash| slash + 1);
            output.push_str(&input[..end]);
            input = &input[end..];
        }
    }
    output
}

// RFC 3986 §5.3
fn recompose(parts: &Parts<'_>) -> String {
    let mut out = String::new();
    if let Some(scheme) = parts.scheme {
        out.extend([scheme, ":"]);
    }
    if let Some(authority) = parts.authority {
        out.extend(["//", authority]);
    }
    out.push_str(parts.path);
    if let Some(query) = parts.query {
        out.extend(["?", query]);
    }
    if let Some(fragment) = parts.fragment {
        out.extend(["#", fragment]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // RFC 3986 §5.4.1 and §5.4.2
    const EXAMPLES: &[(&str, &str)] = &[
        ("g:h", "g:h"),
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"),
        ("g#s", "http://a/b/c/g#s"),
        ("g?y#s", "http://a/b/c/g?y#s"),
        (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y#s"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../", "http://a/"),
        ("../../g", "http://a/g"),
        ("../../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g#s/./x"),
        ("g#s/../x", "http://a/b/c/g#s/../x"),
        ("http:g", "http:g"),
    ];

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (reference, target) in EXAMPLES {
            assert_eq!(resolve("http://a/b/c/d;p?q", reference), *target, "{reference}");
        }
    }

    #[test]
    fn a_base_without_a_path_gets_a_slash() {
        assert_eq!(resolve("http://a", "g"), "http://a/g");
        assert_eq!(resolve("http://a?q", "g:1/x"), "g:1/x");
        assert_eq!(resolve("http://a/x", "1:2"), "http://a/1:2");
    }

    #[test]
    fn raw_bytes_are_encoded_and_encoded_ones_kept() {
        assert_eq!(encoded("/ä b%20c?x=\"y\"".as_bytes()), "/%C3%A4%20b%20c?x=%22y%22");
    }

    proptest! {
        #[test]
        fn targets_are_absolute_and_without_dot_segments(reference in "[a-z./?#:]{0,20}") {
            let target = resolve("http://a/b/c/d;p?q", &reference);
            let parts = split(&target);
            prop_assert!(parts.scheme.is_some());
            let segments: Vec<&str> = parts.path.split('/').collect();
            if parts.path.starts_with('/') {
                prop_assert!(!segments.contains(&".") && !segments.contains(&".."), "{target}");
            }
        }

        #[test]
        fn any_bytes_become_ascii(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(encoded(&text).bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
