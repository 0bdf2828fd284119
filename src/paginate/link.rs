//! `Link` headers (RFC 8288, section 3 and appendix B): which target has a relation.
//!
//! Forgiving, as the RFC asks for: what can't be read is passed over up to the next comma that stands in no quotes.
//! Works on bytes: targets may hold anything. Must never panic, whatever stands there.

/// The target of the first link with this relation; `anchored` says whether the context that a link names is the
/// page itself: links of other pages are not ours.
pub(super) fn target<'h>(value: &'h [u8], rel: &str, anchored: impl Fn(&[u8]) -> bool) -> Option<&'h [u8]> {
    let mut rest = value;
    while let Some(link) = next_link(&mut rest) {
        let is_ours = link.anchor.as_deref().is_none_or(&anchored);
        if is_ours && link.rel.as_deref().is_some_and(|words| has_word(words, rel)) {
            return Some(link.target);
        }
    }
    None
}

/// A link, as far as it is looked at.
struct Link<'h> {
    target: &'h [u8],
    rel: Option<Vec<u8>>,
    anchor: Option<Vec<u8>>,
}

/// Relations are separated by spaces and know no case (section 3.3).
fn has_word(words: &[u8], rel: &str) -> bool {
    words.split(u8::is_ascii_whitespace).any(|word| word.eq_ignore_ascii_case(rel.as_bytes()))
}

/// Takes the next link off the front.
fn next_link<'h>(rest: &mut &'h [u8]) -> Option<Link<'h>> {
    loop {
        skip(rest, |byte| byte.is_ascii_whitespace() || byte == b',');
        let after = match rest.split_first()? {
            (b'<', after) => after,
            _ => {
                skip_member(rest);
                continue;
            }
        };
        let end = after.iter().position(|byte| *byte == b'>')?;
        let mut link = Link { target: &after[..end], rel: None, anchor: None };
        *rest = &after[end + 1..];
        while let Some((name, value)) = next_parameter(rest) {
            // Only the first of each counts (sections 3.2 and 3.3).
            if name.eq_ignore_ascii_case(b"rel") {
                link.rel.get_or_insert(value);
            } else if name.eq_ignore_ascii_case(b"anchor") {
                link.anchor.get_or_insert(value);
            }
        }
        skip_member(rest);
        return Some(link);
    }
}

/// Takes `; name=value` off the front; the value is empty where there is none.
fn next_parameter<'h>(rest: &mut &'h [u8]) -> Option<(&'h [u8], Vec<u8>)> {
    loop {
        skip(rest, |byte| byte.is_ascii_whitespace());
        match rest.split_first()? {
            (b';', after) => *rest = after,
            _ => return None,
        }
        skip(rest, |byte| byte.is_ascii_whitespace());
        let name = token(rest, |byte| matches!(byte, b'=' | b';' | b',' | b'"'));
        skip(rest, |byte| byte.is_ascii_whitespace());
        let value = match rest.split_first() {
            Some((b'=', after)) => {
                *rest = after;
                skip(rest, |byte| byte.is_ascii_whitespace());
                value(rest)
            }
            Some(_) | None => Vec::new(),
        };
        if !name.is_empty() {
            return Some((name, value));
        }
    }
}

fn value(rest: &mut &[u8]) -> Vec<u8> {
    match rest.split_first() {
        Some((b'"', after)) => {
            *rest = after;
            quoted(rest)
        }
        Some(_) | None => token(rest, |byte| matches!(byte, b';' | b',')).to_vec(),
    }
}

/// Text up to the quote that ends it; `\` takes the next byte as it is.
fn quoted(rest: &mut &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        *rest = after;
        match first {
            b'"' => break,
            b'\\' => {
                if let Some((escaped, after)) = after.split_first() {
                    text.push(*escaped);
                    *rest = after;
                }
            }
            plain => text.push(*plain),
        }
    }
    text
}

/// Takes what stands before one of these bytes, without the spaces behind it.
fn token<'h>(rest: &mut &'h [u8], ends: impl Fn(u8) -> bool) -> &'h [u8] {
    let end = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
    let (token, after) = rest.split_at(end);
    *rest = after;
    token.trim_ascii_end()
}

fn skip(rest: &mut &[u8], is_skipped: impl Fn(u8) -> bool) {
    let end = rest.iter().position(|byte| !is_skipped(*byte)).unwrap_or(rest.len());
    *rest = &rest[end..];
}

/// Passes over what is left of a link, up to its comma.
fn skip_member(rest: &mut &[u8]) {
    while let Some((first, after)) = rest.split_first() {
        match first {
            b',' => return,
            b'"' => {
                *rest = after;
                quoted(rest);
            }
            _ => *rest = after,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(value: &str) -> Option<&str> {
        target(value.as_bytes(), "next", |_| false).map(|target| std::str::from_utf8(target).unwrap())
    }

    #[test]
    fn the_next_page_is_found_however_the_header_is_written() {
        for value in [
            "<n>; rel=\"next\"",
            "<n>;rel=next",
            "  <n> ; REL = \"NEXT\" , <x>; rel=last",
            "<x>; rel=\"prev\", <n>; rel=\"next\"",
            "<x>; rel=\"nextpage\", <n>; rel=\"last  next\"",
            "<x>; title=\"a, <y>; rel=next \\\" ,\"; rel=prev, <n>; rel=next",
            "<n>; title*=UTF-8''a%2C; rel=next; rel=prev",
            "<x>; rel=prev; rel=next, <n>; rel=next",
            "<x>; rel=next; anchor=\"#part\", <n>; rel=next",
            "nonsense, <n>; rel=next",
            "<x> rel=next, <n>; rel=next",
            ",,, <n>;;; ; rel=next,,",
            "<n>; crossorigin; rel=next",
            "<n>; rel=\"next",
            "<n>; rel=next, <x>; rel=next",
            "<x>; a=b \"c, <y>; rel=next\", <n>; rel=next",
        ] {
            assert_eq!(next(value), Some("n"), "{value}");
        }
        let commas = "<https://a.b/?ids=1,2;3&x=\"y\">; rel=\"next\"";
        assert_eq!(next(commas), Some("https://a.b/?ids=1,2;3&x=\"y\""));
        assert_eq!(next("<>; rel=next"), Some(""));
    }

    #[test]
    fn no_next_page_is_made_up() {
        for value in [
            "",
            "<x>",
            "<x>; rel=prev",
            "<x; rel=next",
            "x; rel=next",
            "<x>; rel=\"\"",
            "<x>, rel=next",
            "<x>; relnext",
            "<x>; rev=next",
        ] {
            assert_eq!(next(value), None, "{value}");
        }
    }

    #[test]
    fn a_link_of_another_page_is_not_ours() {
        let value = b"<x>; rel=next; anchor=\"/other\", <n>; rel=next; anchor=\"/here\"";
        assert_eq!(target(value, "next", |anchor| anchor == b"/here"), Some(&b"n"[..]));
    }

    proptest! {
        #[test]
        fn anything_may_stand_there(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            target(&value, "next", |_| true);
        }

        #[test]
        fn anything_that_looks_like_links_may_stand_there(value in "([<>;,=\"\\\\ ]|rel|next|anchor|a){0,60}") {
            let found = target(value.as_bytes(), "next", |_| true);
            prop_assert!(found.is_none_or(|found| !found.contains(&b'>')));
        }

        #[test]
        fn links_are_found_among_others(
            before in proptest::collection::vec(("[a-z/?&=,;]{0,9}", "[ -~]{0,9}", "[a-m]{1,4}"), 0..4),
            target in "[a-z0-9/?&=,;%\"]{0,20}",
            title in "[ -~]{0,12}",
        ) {
            let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let mut links: Vec<String> = before
                .iter()
                .map(|(target, title, rel)| format!("<{target}>; title={}; rel={rel}", quoted(title)))
                .collect();
            links.push(format!("<{target}>;title={};rel=\"prev next\"", quoted(&title)));
            links.push("<other>; rel=last".to_owned());
            let value = links.join(", ");
            prop_assert_eq!(next(&value), Some(target.as_str()), "{}", &value);
        }
    }
}
