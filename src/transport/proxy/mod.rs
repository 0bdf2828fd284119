//! Proxies: what the URL of one says, and who it lets in. [`routes`] decides which host is reached through
//! which one; `connect` goes there.
//!
//! Must never show a user or a password: a proxy's name is its scheme, host and port.

pub(crate) mod environment;
mod no_proxy;
pub(crate) mod routes;

use std::fmt;
use std::hash::{Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::PROXY_AUTHORIZATION;
use http::uri::{Authority, Uri};

use super::OpenError;
use super::target::Origin;
use crate::secret::{Secret, Secrets};
use crate::template::{Context, Template};

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyScheme {
    /// HTTP: absolute-form for `http://` targets, CONNECT for `https://` ones (RFC 9110 §9.3.6).
    Http,
    /// The same over TLS.
    Https,
    /// SOCKS 5 (RFC 1928); names are resolved here.
    Socks5,
    /// SOCKS 5; names are resolved by the proxy.
    Socks5h,
}

impl ProxyScheme {
    /// Every one.
    const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Socks5, Self::Socks5h];

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 | Self::Socks5h => 1080,
        }
    }

    /// Whether it is SOCKS, which knows nothing but tunnels.
    pub(crate) fn is_socks(self) -> bool {
        matches!(self, Self::Socks5 | Self::Socks5h)
    }
}

/// Where a proxy is. Shown as `http://proxy.example.com:3128`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProxyAddress {
    /// How it is spoken to.
    pub scheme: ProxyScheme,
    /// Its host in lower case; an IPv6 address stands in brackets.
    pub host: String,
    /// Its port, given or by default.
    pub port: u16,
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.name(), self.host, self.port)
    }
}

impl ProxyAddress {
    /// The place to connect to.
    pub(super) fn origin(&self) -> Origin<'_> {
        Origin { secure: false, unix: false, host: self.host.as_str().into(), port: self.port }
    }
}

/// The URL of a proxy, taken apart.
#[derive(Debug)]
pub(crate) struct Parsed<'t> {
    pub address: ProxyAddress,
    /// What stands before the `@`, still encoded.
    pub userinfo: Option<&'t str>,
}

/// Takes the URL of a proxy apart: `[scheme://][user[:password]@]host[:port][/]`.
///
/// # Errors
/// In words that repeat nothing of a user or a password.
pub(crate) fn parse(url: &str) -> Result<Parsed<'_>, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let scheme = scheme_of(scheme)?;
    let (userinfo, place) = match rest.rsplit_once('@') {
        Some((userinfo, place)) => (Some(userinfo), place),
        None => (None, rest),
    };
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.contains(['/', '?', '#']) {
        return Err("a proxy has a host and a port, and no path".to_owned());
    }
    let no_host = || "the proxy's host can't be read".to_owned();
    let authority: Authority = place.parse().map_err(|_| no_host())?;
    let host = authority.host();
    if host.is_empty() {
        return Err("the proxy has no host".to_owned());
    }
    let port = match place.get(host.len()..).ok_or_else(no_host)?.trim_start_matches(':') {
        "" => scheme.default_port(),
        digits => digits
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| format!("the proxy's port `{digits}` is no number from 1 to 65535"))?,
    };
    Ok(Parsed { address: ProxyAddress { scheme, host: host.to_ascii_lowercase(), port }, userinfo })
}

fn scheme_of(written: &str) -> Result<ProxyScheme, String> {
    if !written.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("the proxy's URL begins with no scheme".to_owned());
    }
    let known = ProxyScheme::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(written));
    known.ok_or_else(|| format!("`{written}://` is no kind of proxy that can be used"))
}

/// A proxy as a job names it, decided. Two are the same when they are written the same.
#[derive(Debug, Clone)]
pub struct ProxyUrl {
    /// Where it is.
    pub address: ProxyAddress,
    /// The user.
    pub user: Option<Template>,
    /// The password; never constant.
    pub password: Option<Template>,
}

impl ProxyUrl {
    fn key(&self) -> (&ProxyAddress, Option<&str>, Option<&str>) {
        (&self.address, self.user.as_ref().map(Template::source), self.password.as_ref().map(Template::source))
    }
}

impl PartialEq for ProxyUrl {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ProxyUrl {}

impl Hash for ProxyUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// A proxy, ready to be asked.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub address: ProxyAddress,
    /// Its name in texts.
    pub label: String,
    /// User and password, where there are any.
    pub credentials: Option<(Secret, Secret)>,
    /// Both as a header (RFC 7617).
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// The proxy that a job names.
    ///
    /// # Errors
    /// When user or password can't be rendered or sent.
    fn open(url: &ProxyUrl, secrets: &Secrets) -> Result<Self, OpenError> {
        let cannot = |why: &str| OpenError::of(&["client", "proxy"], why);
        let context = Context { row: None, secrets, reply: None, last: None };
        let render = |template: &Option<Template>| {
            let mut text = String::new();
            let rendered = template.as_ref().map_or(Ok(()), |template| template.render(&context, &mut text));
            rendered.map(|()| text).map_err(|error| cannot(&error.message))
        };
        let credentials = match &url.user {
            Some(_) => Some((render(&url.user)?, render(&url.password)?)),
            None => None,
        };
        Self::new(url.address.clone(), credentials).map_err(cannot)
    }

    /// A proxy with user and password as they are meant, not encoded.
    ///
    /// # Errors
    /// When they can't be sent; in words, without them.
    fn new(address: ProxyAddress, credentials: Option<(String, String)>) -> Result<Self, &'static str> {
        let mut authorization = None;
        if let Some((user, password)) = &credentials {
            if address.scheme.is_socks() {
                // RFC 1929 §2: each has a length of one byte, which is not zero.
                if user.is_empty() || user.len() > 255 || password.is_empty() || password.len() > 255 {
                    return Err("SOCKS 5 wants a user and a password of 1 to 255 bytes each");
                }
            } else {
                authorization = Some(basic(user, password)?);
            }
        }
        let credentials = credentials.map(|(user, password)| (Secret::new(user), Secret::new(password)));
        Ok(Self { label: address.to_string(), address, credentials, authorization })
    }

    /// `Proxy-Authorization`, where the proxy is given one.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Makes a request one that the proxy forwards: absolute-form (RFC 9112 §3.2.2), with what proves who
    /// asks.
    pub fn address_request<B>(&self, request: &mut http::Request<B>, url: &Uri) {
        *request.uri_mut() = url.clone();
        request.headers_mut().remove(PROXY_AUTHORIZATION);
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value.clone());
        }
    }

    /// What the proxy wants when it does not let us in (407, RFC 9110 §15.5.8), and the way out.
    pub fn wants_words(&self) -> String {
        if self.credentials.is_some() {
            return "refuses the user or the password that it was given".to_owned();
        }
        format!(
            "wants a user and a password: declare the password under [secrets] and write client.proxy = \
             \"{}://USER:{{{{ secrets.NAME }}}}@{}:{}\"",
            self.address.scheme.name(),
            self.address.host,
            self.address.port
        )
    }
}

/// RFC 7617 §2.
fn basic(user: &str, password: &str) -> Result<HeaderValue, &'static str> {
    if user.contains(':') {
        return Err("the user of an HTTP proxy can't hold a colon, which ends it");
    }
    let pair = format!("{user}:{password}");
    if pair.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("the user or the password of the proxy holds a control character, such as a line break");
    }
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| "user and password can't be sent")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, shown, userinfo) in [
            ("http://proxy:3128", "http://proxy:3128", None),
            ("Proxy.Example:3128/", "http://proxy.example:3128", None),
            ("https://proxy", "https://proxy:443", None),
            ("http://me:p/w@d@proxy", "http://proxy:80", Some("me:p/w@d")),
            ("SOCKS5://[::1]", "socks5://[::1]:1080", None),
            ("socks5h://token@127.0.0.1:9/", "socks5h://127.0.0.1:9", Some("token")),
        ] {
            let parsed = parse(url).unwrap();
            assert_eq!((parsed.address.to_string().as_str(), parsed.userinfo), (shown, userinfo), "{url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_told_without_its_password() {
        for (url, words) in [
            ("socks4://me:hush@proxy", "`socks4://`"),
            ("ftp://me:hush@proxy", "`ftp://`"),
            ("me:hush@x://proxy", "no scheme"),
            ("http://me:hush@", "can't be read"),
            ("http://me:hush@:80", "no host"),
            ("http://me:hush@proxy:0", "`0`"),
            ("http://me:hush@proxy:99999", "`99999`"),
            ("http://me:hush@proxy:80/path", "no path"),
            ("http://me:hush@pro xy", "can't be read"),
            ("", "can't be read"),
        ] {
            let why = parse(url).unwrap_err();
            assert!(why.contains(words) && !why.contains("hush"), "{url}: {why}");
        }
    }

    #[test]
    fn user_and_password_are_sent_and_shown_to_nobody() {
        let address = parse("http://proxy:3128").unwrap().address;
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        let proxy = Proxy::new(address.clone(), pair("me", "h\u{fc}sh")).unwrap();
        assert_eq!(proxy.authorization().unwrap(), "Basic bWU6aMO8c2g=");
        let shown = format!("{proxy:?}");
        assert!(!shown.contains("h\u{fc}sh") && !shown.contains("bWU6"), "{shown}");
        assert!(Proxy::new(address.clone(), pair("m:e", "x")).is_err());
        assert!(Proxy::new(address.clone(), pair("me", "x\n")).is_err());
        let socks = ProxyAddress { scheme: ProxyScheme::Socks5, ..address };
        assert!(Proxy::new(socks.clone(), pair("me", &"x".repeat(256))).is_err());
        assert!(Proxy::new(socks.clone(), pair("me", "")).is_err());
        assert!(Proxy::new(socks, pair("m:e", "x")).unwrap().authorization().is_none());
    }
}
