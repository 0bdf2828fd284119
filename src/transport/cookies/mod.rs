//! Cookies of a session (RFC 6265): what servers set, and what goes back to whom.
//!
//! A jar of our own: cookie_store brings fifty crates (ICU, url, time), reads a clock of its own, keeps as
//! many cookies as a server likes and sends them in no order. What is kept here is bounded: 4096 bytes for a
//! cookie, 50 for a domain, 3000 in all, 8 KiB in a request.
//!
//! Ports share cookies, as RFC 6265 §8.5 has it, where the job itself asks them. Where a reply leads to another origin
//! (a redirect, the link to the next page) only those go along that this very port has set: a server must not be able
//! to send the cookies of its neighbour to a port of its choice. 443 under https also gets those that 80 has set: such
//! hosts lead from one to the other, and browsers take them along.
//!
//! Must never give a cookie to a host that its setter does not belong to, and never put one into a text.

mod set;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Uri};

use super::target::Origin;
use crate::clock::{self, Instant};
use set::{Ends, SetCookie};

/// Cookies of one domain; the oldest go first.
const MOST_OF_A_DOMAIN: usize = 50;

/// Cookies in all.
const MOST: usize = 3000;

/// Longest `Cookie` header that is sent; what does not fit stays behind.
const LONGEST_HEADER: usize = 8 * 1024;

/// The cookies of a transport, for as long as it lives.
#[derive(Default)]
pub(super) struct Jar {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    domains: HashMap<String, Vec<Cookie>>,
    count: usize,
    /// Cookies that were ever kept: their order.
    born: u64,
}

struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    /// Whether hosts below the domain get it, too.
    shared: bool,
    path: String,
    /// The port whose server has set it.
    port: u16,
    secure: bool,
    until: Option<Instant>,
    born: u64,
}

impl Jar {
    /// Puts the cookies for `url` into a request's headers, unless the caller has put some there. `abroad`: a reply has
    /// led there from another origin.
    pub fn send(&self, url: &Uri, abroad: bool, headers: &mut HeaderMap) {
        if !headers.contains_key(COOKIE)
            && let Some(value) = self.header(url, abroad)
        {
            headers.insert(COOKIE, value);
        }
    }

    fn header(&self, url: &Uri, abroad: bool) -> Option<HeaderValue> {
        let origin = Origin::of(url).ok()?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chosen = kept.chosen(&origin, url.path(), clock::now());
        chosen.retain(|cookie| !abroad || cookie.port == origin.port || is_upgrade(cookie.port, &origin));
        drop_overlong(&mut chosen);
        let pairs: Vec<Vec<u8>> = chosen.iter().map(|cookie| cookie.pair()).collect();
        let mut value = HeaderValue::from_bytes(&pairs.join(&b"; "[..])).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Keeps what the reply from `url` sets.
    pub fn receive(&self, url: &Uri, headers: &HeaderMap) {
        if !headers.contains_key(SET_COOKIE) {
            return;
        }
        let Ok(origin) = Origin::of(url) else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for set in headers.get_all(SET_COOKIE).iter().filter_map(|value| SetCookie::parse(value.as_bytes())) {
            kept.take(set, &origin, url.path(), clock::now());
        }
    }
}

impl Cookie {
    fn pair(&self) -> Vec<u8> {
        [&self.name[..], b"=", &self.value].concat()
    }

    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Kept {
    /// The cookies that a request is sent with: longer paths first, then older ones (RFC 6265 §5.4).
    fn chosen(&self, origin: &Origin<'_>, path: &str, now: Instant) -> Vec<&Cookie> {
        let mut chosen: Vec<&Cookie> = Vec::new();
        for domain in with_parents(&origin.host) {
            let own = domain.len() == origin.host.len();
            let cookies = self.domains.get(domain).into_iter().flatten();
            chosen.extend(cookies.filter(|cookie| {
                (own || cookie.shared)
                    && (origin.secure || !cookie.secure)
                    && !cookie.is_over(now)
                    && path_matches(&cookie.path, path)
            }));
        }
        chosen.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.born));
        chosen
    }

    /// Keeps, replaces or ends a cookie (RFC 6265 §5.3; prefixes and secure cookies by RFC 6265bis §5.7).
    fn take(&mut self, set: SetCookie, origin: &Origin<'_>, request_path: &str, now: Instant) {
        let Some((domain, shared)) = domain_of(set.domain.as_deref(), &origin.host) else { return };
        let path = set.path.clone().unwrap_or_else(|| default_path(request_path).to_owned());
        if !allowed(&set, origin, shared) || (!origin.secure && self.overlays_secure(&set.name, &origin.host, &path)) {
            return;
        }
        let Some(until) = until(set.ends, now) else { return self.remove(&domain, &set.name, &path).map_or((), drop) };
        let born = self.remove(&domain, &set.name, &path).map_or(self.born, |old| old.born);
        self.born += 1;
        self.make_room(&domain, now);
        let (port, secure) = (origin.port, set.secure);
        let cookie = Cookie { name: set.name, value: set.value, shared, path, port, secure, until, born };
        self.domains.entry(domain).or_default().push(cookie);
        self.count += 1;
    }

    fn remove(&mut self, domain: &str, name: &[u8], path: &str) -> Option<Cookie> {
        let cookies = self.domains.get_mut(domain)?;
        let position = cookies.iter().position(|cookie| cookie.name == name && cookie.path == path)?;
        self.count -= 1;
        Some(cookies.remove(position))
    }

    // Whoever stands between may answer for http, and must not replace what https has set.
    fn overlays_secure(&self, name: &[u8], host: &str, path: &str) -> bool {
        with_parents(host).filter_map(|domain| self.domains.get(domain)).flatten().any(|cookie| {
            cookie.secure
                && cookie.name == name
                && (path_matches(&cookie.path, path) || path_matches(path, &cookie.path))
        })
    }

    fn make_room(&mut self, domain: &str, now: Instant) {
        if self.count >= MOST {
            self.retain(|cookie| !cookie.is_over(now));
            let oldest = self.domains.values().flatten().map(|cookie| cookie.born).min();
            if self.count >= MOST {
                self.retain(|cookie| Some(cookie.born) != oldest);
            }
        }
        let Some(cookies) = self.domains.get_mut(domain) else { return };
        if cookies.len() >= MOST_OF_A_DOMAIN {
            let before = cookies.len();
            cookies.retain(|cookie| !cookie.is_over(now));
            let oldest = cookies.iter().map(|cookie| cookie.born).min();
            if cookies.len() >= MOST_OF_A_DOMAIN {
                cookies.retain(|cookie| Some(cookie.born) != oldest);
            }
            self.count -= before - cookies.len();
        }
    }

    fn retain(&mut self, stays: impl Fn(&Cookie) -> bool) {
        self.domains.retain(|_, cookies| {
            cookies.retain(&stays);
            !cookies.is_empty()
        });
        self.count = self.domains.values().map(Vec::len).sum();
    }
}

/// Whether it is the step from the port of http to that of https, and not back or to any other.
fn is_upgrade(from: u16, to: &Origin<'_>) -> bool {
    from == 80 && to.secure && to.port == 443
}

fn drop_overlong(cookies: &mut Vec<&Cookie>) {
    let mut length = 0;
    cookies.retain(|cookie| {
        let longer = length + cookie.name.len() + cookie.value.len() + "=; ".len();
        let fits = longer <= LONGEST_HEADER;
        length = if fits { longer } else { length };
        fits
    });
}

/// Until when a cookie lives; `None`: it is over already, and ends the one that there is.
fn until(ends: Ends, now: Instant) -> Option<Option<Instant>> {
    let left = match ends {
        Ends::Session => return Some(None),
        Ends::After(left) => left,
        Ends::At(time) => time.duration_since(clock::wall()).unwrap_or_default(),
    };
    // So far away that it is not in reach of the clock: with the session.
    (!left.is_zero()).then(|| now.checked_add(left))
}

/// Whether a cookie may be set at all, by its name and by how it came.
fn allowed(set: &SetCookie, origin: &Origin<'_>, shared: bool) -> bool {
    let name = set.name.to_ascii_lowercase();
    let hosted = name.starts_with(b"__host-");
    if (set.secure || hosted || name.starts_with(b"__secure-")) && !(set.secure && origin.secure) {
        return false;
    }
    !hosted || (!shared && set.domain.is_none() && set.path.as_deref() == Some("/"))
}

/// The domain a cookie belongs to, and whether hosts below it get it, too; `None`: it is refused.
fn domain_of(given: Option<&str>, host: &str) -> Option<(String, bool)> {
    let own = || (host.to_owned(), false);
    let Some(domain) = given else { return Some(own()) };
    let below = host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if !below || !is_name(host) {
        return (domain == host).then(own);
    }
    // A suffix under which anybody registers; one that is on no list is its last label.
    if psl::suffix(domain.as_bytes()).is_none_or(|suffix| suffix == domain.as_bytes()) {
        return (domain == host).then(own);
    }
    Some((domain.to_owned(), true))
}

/// Whether a host is a name with parents: no address, and not one that ends in a dot, which lists of
/// suffixes do not know (curl CVE-2026-8924).
fn is_name(host: &str) -> bool {
    !host.ends_with('.') && !host.starts_with('[') && host.parse::<Ipv4Addr>().is_err()
}

/// A host and the domains it is below of.
fn with_parents(host: &str) -> impl Iterator<Item = &str> {
    let parents = is_name(host);
    std::iter::successors(Some(host), move |domain| {
        domain.split_once('.').map(|(_, parent)| parent).filter(|parent| parents && !parent.is_empty())
    })
}

/// RFC 6265 §5.1.4.
fn default_path(request: &str) -> &str {
    match request.rfind('/') {
        Some(0) | None => "/",
        Some(last) if request.starts_with('/') => &request[..last],
        Some(_) => "/",
    }
}

/// RFC 6265 §5.1.4.
fn path_matches(cookie: &str, request: &str) -> bool {
    request.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
