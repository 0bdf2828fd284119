//! Proxies that the environment names: which variables, and which of them for whom.
//!
//! The rules are those of docs/proxies.md; a test holds both together. Must never read the environment but
//! through the look-up it is given.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::no_proxy::NoProxy;
use super::{Proxy, parse};
use crate::secret::Masker;
use crate::transport::target::Origin;

/// The value of an environment variable.
pub(crate) type LookUp<'l> = &'l dyn Fn(&str) -> Option<String>;

/// For `http://` hosts, the first that holds something.
const HTTP: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
/// For `https://` hosts.
const HTTPS: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// Hosts that are reached directly.
const NO: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// A web server sets it for its CGI programs, and any client of it sets HTTP_PROXY with a header `Proxy:`
/// (CVE-2016-5385, "httpoxy").
const CGI: &str = "REQUEST_METHOD";

/// A proxy that a variable names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The variable.
    pub variable: &'static str,
    /// The proxy, or why the value is none.
    pub proxy: Result<Arc<Proxy>, String>,
}

/// What the environment says.
#[derive(Debug)]
pub(super) struct Environment {
    http: Option<Named>,
    https: Option<Named>,
    directly: NoProxy,
}

impl Environment {
    /// Reads the variables; passwords in them are learned by `masker`.
    pub fn read(look_up: LookUp<'_>, masker: &Masker) -> Self {
        let is_cgi = look_up(CGI).is_some();
        let first = |names: &[&'static str]| {
            names.iter().filter(|name| !(is_cgi && **name == "HTTP_PROXY")).find_map(|name| {
                let value = look_up(name).map(|value| value.trim().to_owned());
                value.filter(|value| !value.is_empty()).map(|value| (*name, value))
            })
        };
        let named =
            |names: &[&'static str]| first(names).map(|(variable, value)| Named::read(variable, &value, masker));
        let directly = first(&NO).map_or_else(NoProxy::default, |(_, list)| NoProxy::read(&list));
        Self { http: named(&HTTP), https: named(&HTTPS), directly }
    }

    /// The proxy for a host; `None`: it is reached directly.
    pub fn of(&self, origin: &Origin<'_>) -> Option<&Named> {
        let named = if origin.secure { &self.https } else { &self.http };
        named.as_ref().filter(|_| !self.directly.has(origin))
    }

    /// Everything named.
    pub fn all(&self) -> impl Iterator<Item = &Named> {
        self.http.iter().chain(&self.https)
    }
}

impl Named {
    fn read(variable: &'static str, value: &str, masker: &Masker) -> Self {
        // Also of a URL that can't be read: what stands before the last @ is nobody's business.
        if let Some((before, _)) = value.rsplit_once('@') {
            let userinfo = before.split_once("://").map_or(before, |(_, userinfo)| userinfo);
            let secret = userinfo.split_once(':').map_or(userinfo, |(_, password)| password);
            masker.learn(secret);
            masker.learn(&decoded(secret));
        }
        let proxy = parse(value).and_then(|parsed| {
            let credentials = parsed.userinfo.map(|userinfo| {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                (decoded(user), decoded(password))
            });
            Proxy::new(parsed.address, credentials).map(Arc::new).map_err(str::to_owned)
        });
        let help = "set it to http://, https://, socks5:// or socks5h:// with a host and a port, or write client.proxy";
        let proxy = proxy.map_err(|why| format!("the environment variable {variable} can't be used: {why}; {help}"));
        Self { variable, proxy }
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
