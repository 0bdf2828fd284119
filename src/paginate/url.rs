//! URLs that a reply names as the next page.
//!
//! They came from outside, and may hold what must not be shown: messages tell what is wrong with them, not what they
//! are. Whether another origin gets credentials is not decided here.

use http::Uri;

use super::Position;
use crate::transport::reference;

/// The page at a link, which may be relative to the URL that was asked. `place` says where it stands.
///
/// # Errors
/// When it is no URL that may be asked.
pub(super) fn page_at(asked: &Uri, link: &[u8], place: &str) -> Result<Position, String> {
    let refused = |why: &str| format!("the next page, named by {place}, can't be asked for: {why}");
    let mut target = reference::resolve(&asked.to_string(), &reference::encoded(link.trim_ascii()));
    if let Some(fragment) = target.find('#') {
        target.truncate(fragment);
    }
    let url: Uri = target.parse().map_err(|error| refused(&format!("it is no valid URL: {error}")))?;
    let authority = url.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| refused("its URL has no host"))?;
    let (before, after) = (asked.scheme_str().unwrap_or_default(), url.scheme_str().unwrap_or_default());
    if authority.as_str().contains('@') {
        return Err(refused("its URL carries a user or a password"));
    }
    match (before, after) {
        ("https", "http") => Err(refused("it leads from https to http")),
        (_, "http" | "https") => Ok(Position::Url(target)),
        // A page of the same socket.
        (before, after) if before == after && asked.authority() == url.authority() => Ok(Position::Url(target)),
        (_, other) => Err(refused(&format!("its URL is of the scheme `{other}`, and must be http or https"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(asked: &'static str, link: &str) -> Result<String, String> {
        match page_at(&Uri::from_static(asked), link.as_bytes(), "`$.next`")? {
            Position::Url(url) => Ok(url),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn links_are_resolved_against_the_url_that_was_asked() {
        let asked = "https://a.b/v1/items?page=1";
        for (link, url) in [
            ("https://c.d/x?y=1", "https://c.d/x?y=1"),
            ("//c.d/x", "https://c.d/x"),
            ("/v2/items?page=2", "https://a.b/v2/items?page=2"),
            ("items?page=2", "https://a.b/v1/items?page=2"),
            ("?page=2#top", "https://a.b/v1/items?page=2"),
            (" ?page=2 ", "https://a.b/v1/items?page=2"),
            ("?q=ä b", "https://a.b/v1/items?q=%C3%A4%20b"),
            ("HTTPS://c.d/", "HTTPS://c.d/"),
        ] {
            assert_eq!(at(asked, link).as_deref(), Ok(url), "{link}");
        }
        assert_eq!(at("http://a.b/", "https://a.b/x").unwrap(), "https://a.b/x");
        assert_eq!(at("unix://2f78/a?b=1", "/c").unwrap(), "unix://2f78/c");
    }

    #[test]
    fn what_must_not_be_asked_is_refused_in_words() {
        let asked = "https://a.b/v1/items?page=1";
        for (link, why) in [
            ("ftp://a.b/x", "its URL is of the scheme `ftp`, and must be http or https"),
            ("unix://2f78/a", "its URL is of the scheme `unix`, and must be http or https"),
            ("http://a.b/x", "it leads from https to http"),
            ("https://me:word@a.b/x", "its URL carries a user or a password"),
        ] {
            let said = format!("the next page, named by `$.next`, can't be asked for: {why}");
            assert_eq!(at(asked, link), Err(said), "{link}");
        }
        for link in ["javascript:go()", "https://", "http:///x", "https://a b/", "https://[::1/x", "mailto:a@b.c"] {
            assert!(at(asked, link).unwrap_err().starts_with("the next page, named by `$.next`"), "{link}");
        }
        assert!(at("unix://2f78/a", "unix://2f79/a").is_err());
    }

    proptest! {
        #[test]
        fn any_link_is_a_url_or_an_error(link in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(Position::Url(url)) = page_at(&Uri::from_static("https://a.b/c?d"), &link, "x") {
                let url: Uri = url.parse().unwrap();
                prop_assert!(url.scheme_str() == Some("https") && url.host().is_some_and(|host| !host.is_empty()));
            }
        }
    }
}
