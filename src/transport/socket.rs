//! Unix-domain sockets in URLs: `unix:/run/x.sock:/path?query` for people, `unix://HEX/path?query` inside.
//!
//! The first colon behind `unix:` ends the path of the socket; what can't stand there (a colon, a space) is
//! percent-encoded, as in the rest of a URL. Inside, the path of the socket is the host of an
//! [`http::Uri`], in hexadecimal digits, so that everything made for URLs works. Must never let those
//! digits be seen, and never touch a file.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// The scheme.
pub(crate) const SCHEME: &str = "unix";

/// What is shown as it is of a socket's path: unreserved characters and those that need no care in a path
/// (RFC 3986 §3.3), but for the colon.
const SHOWN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'@')
    .remove(b'+')
    .remove(b',')
    .remove(b'=');

/// What follows `unix:` in a URL as people write it.
pub(crate) fn behind_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

/// The path of the socket as it is written, and what follows its colon; `None`: there is no colon, so that
/// the path may go on.
pub(crate) fn split(rest: &str) -> Option<(&str, &str)> {
    rest.split_once(':')
}

/// The path that is meant by the written one.
pub(crate) fn decoded(written: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(percent_decode_str(written).collect()))
}

/// Whether the system can connect to a socket at this path at all: it takes about 100 bytes, none of them
/// zero.
pub(crate) fn is_usable(path: &Path) -> bool {
    SocketAddr::from_pathname(path).is_ok()
}

/// The start of a URL up to the end of its socket, as it is written and as it is carried inside; `None`
/// when it is no URL of a socket.
pub(crate) fn start(known: &str) -> Option<(String, String)> {
    let rest = behind_scheme(known)?;
    let socket = split(rest).map_or(rest, |(socket, _)| socket);
    let end = (known.len() - rest.len() + socket.len() + 1).min(known.len());
    let digits: String = decoded(socket).as_os_str().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Some((known[..end].to_owned(), format!("{SCHEME}://{digits}")))
}

/// The socket's path in the host of a URL as it is carried inside.
pub(crate) fn path(host: &str) -> Option<PathBuf> {
    let pair = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let is_digits = host.len().is_multiple_of(2) && host.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes: Option<Vec<u8>> = host.as_bytes().chunks(2).map(pair).collect();
    bytes.filter(|bytes| is_digits && bytes.starts_with(b"/")).map(|bytes| OsString::from_vec(bytes).into())
}

/// The socket in the host of a URL as people write it: `unix:/run/x.sock`.
pub(crate) fn label(host: &str) -> String {
    shown(&path(host).unwrap_or_default())
}

/// The socket in a URL as it is written; `None` when its path may go on behind a URL that is not `whole`.
pub(crate) fn label_of(rest: &str, whole: bool) -> Option<String> {
    let socket = split(rest).map(|(socket, _)| socket).or_else(|| whole.then_some(rest));
    socket.map(|socket| shown(&decoded(socket)))
}

fn shown(path: &Path) -> String {
    format!("{SCHEME}:{}", percent_encode(path.as_os_str().as_bytes(), SHOWN))
}

/// A URL as people write it.
pub(crate) fn written(url: &Uri) -> String {
    if url.scheme_str() != Some(SCHEME) {
        return url.to_string();
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}:{}{query}", label(url.host().unwrap_or_default()), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        for (url, carried, shown) in [
            ("unix:/run/x.sock:/a?b=c:d", "unix://2f72756e2f782e736f636b/a?b=c:d", "unix:/run/x.sock:/a?b=c:d"),
            ("UNIX:/x:", "unix://2f78", "unix:/x:/"),
            ("unix:/x", "unix://2f78", "unix:/x:/"),
            ("unix:/a%3Ab%20c:/d", "unix://2f613a622063/d", "unix:/a%3Ab%20c:/d"),
            ("unix:/%C3%BC:/", "unix://2fc3bc/", "unix:/%C3%BC:/"),
        ] {
            let (start, inside) = start(url).unwrap();
            let replaced = format!("{inside}{}", url.strip_prefix(&start).unwrap());
            assert_eq!(replaced, carried, "{url}");
            assert_eq!(written(&replaced.parse().unwrap()), shown, "{url}");
        }
        assert_eq!(start("http://a:80/"), None);
        assert_eq!(written(&Uri::from_static("http://a/b?c")), "http://a/b?c");
    }

    #[test]
    fn only_digits_that_are_an_absolute_path_are_a_socket() {
        assert_eq!(path("2f78").as_deref(), Some(Path::new("/x")));
        for bad in ["", "2f7", "xx", "7a", "+f+f"] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_path_may_be_too_long_for_a_socket() {
        assert!(is_usable(Path::new("/run/x.sock")));
        assert!(!is_usable(Path::new(&format!("/{}", "x".repeat(200)))));
        assert!(!is_usable(&decoded("/a%00b")));
    }
}
