//! Which host is reached how: directly, or through which proxy.
//!
//! Decided by scheme, host and port alone, so that a connection in the pool belongs to the way it was made
//! by. Must never send the demo API or a socket of this machine through a proxy.

use std::sync::Arc;

use http::Uri;

use super::environment::{Environment, LookUp};
use super::{Proxy, ProxyScheme};
use crate::environment;
use crate::secret::Masker;
use crate::transport::target::Origin;
use crate::transport::{OpenError, Opening, ProxyPlan};

/// How a host is reached.
#[derive(Debug, Clone)]
pub(in crate::transport) enum Route {
    /// Directly.
    Direct,
    /// The proxy takes the requests and sends them on.
    Forward(Arc<Proxy>),
    /// Through a tunnel that the proxy makes.
    Tunnel(Arc<Proxy>),
    /// Through a proxy that can't be used as it is given; why.
    Unusable(String),
}

#[derive(Debug)]
enum Choice {
    Direct,
    Always(Arc<Proxy>),
    Environment(Box<Environment>),
}

/// The ways of a transport.
#[derive(Debug)]
pub(in crate::transport) struct Routes {
    choice: Choice,
    /// The demo API.
    demo: Option<Origin<'static>>,
    /// Whether plain connections go through tunnels as well.
    tunnels: bool,
}

impl Routes {
    /// The ways that a plan and the environment name.
    ///
    /// # Errors
    /// When user or password of `client.proxy` can't be rendered or sent.
    pub fn open(plan: &ProxyPlan, opening: &Opening<'_>, look_up: LookUp<'_>) -> Result<Self, OpenError> {
        let choice = match plan {
            ProxyPlan::None => Choice::Direct,
            ProxyPlan::Url(url) => Choice::Always(Arc::new(Proxy::open(url, opening.secrets)?)),
            ProxyPlan::Environment => Choice::Environment(Box::new(Environment::read(look_up, opening.masker))),
        };
        let demo = opening.demo.and_then(|url| url.parse::<Uri>().ok());
        let demo = demo.and_then(|url| Origin::of(&url).ok().map(Origin::into_owned));
        Ok(Self { choice, demo, tunnels: false })
    }

    /// The same ways for connections that are switched to another protocol, which a proxy that forwards requests does not
    /// take part in: tunnels alone.
    pub fn tunnelled(self, tunnels: bool) -> Self {
        Self { tunnels, ..self }
    }

    /// The way to an origin.
    pub fn of(&self, origin: &Origin<'_>) -> Route {
        let proxy = match self.proxy(origin) {
            None => return Route::Direct,
            Some((_, Err(why))) => return Route::Unusable(why.clone()),
            Some((_, Ok(proxy))) => Arc::clone(proxy),
        };
        let tunnel = self.tunnels || origin.secure || proxy.address.scheme.is_socks();
        if tunnel { Route::Tunnel(proxy) } else { Route::Forward(proxy) }
    }

    /// Whether TLS is spoken to some proxy.
    pub fn need_tls(&self) -> bool {
        let is_https = |proxy: &Proxy| proxy.address.scheme == ProxyScheme::Https;
        match &self.choice {
            Choice::Direct => false,
            Choice::Always(proxy) => is_https(proxy),
            Choice::Environment(environment) => {
                environment.all().filter_map(|named| named.proxy.as_ref().ok()).any(|proxy| is_https(proxy))
            }
        }
    }

    // The proxy of an origin, and what names it.
    fn proxy(&self, origin: &Origin<'_>) -> Option<(&'static str, Result<&Arc<Proxy>, &String>)> {
        if origin.unix || self.demo.as_ref().is_some_and(|demo| demo == origin) {
            return None;
        }
        match &self.choice {
            Choice::Direct => None,
            Choice::Always(proxy) => Some(("client.proxy", Ok(proxy))),
            Choice::Environment(environment) => {
                environment.of(origin).map(|named| (named.variable, named.proxy.as_ref()))
            }
        }
    }
}

/// The proxy that a host is reached through, for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Via {
    /// The host.
    pub host: String,
    /// The proxy, without user and password; `None`: it can't be used.
    pub proxy: Option<String>,
    /// What names it: `client.proxy`, or an environment variable.
    pub from: &'static str,
    /// Why it can't be used.
    pub refused: Option<String>,
}

/// The proxies of these origins (`https://api.example.com`), now and here, without those reached directly.
/// No secret is read.
pub(crate) fn survey(plan: &ProxyPlan, urls: &[String]) -> Vec<Via> {
    let choice = match plan {
        ProxyPlan::None => return Vec::new(),
        // User and password are of no interest here.
        ProxyPlan::Url(url) => Proxy::new(url.address.clone(), None).map(|proxy| Choice::Always(Arc::new(proxy))),
        ProxyPlan::Environment => {
            let read = Environment::read(&environment::variable, &Masker::default());
            Ok(Choice::Environment(Box::new(read)))
        }
    };
    let Ok(choice) = choice else { return Vec::new() };
    let routes = Routes { choice, demo: None, tunnels: false };
    let via = |url: &String| {
        let url: Uri = url.parse().ok()?;
        let origin = Origin::of(&url).ok()?;
        let (from, proxy) = routes.proxy(&origin)?;
        let (host, refused) = (origin.label(), proxy.err().cloned());
        Some(Via { host, proxy: proxy.ok().map(|proxy| proxy.label.clone()), from, refused })
    };
    urls.iter().filter_map(via).collect()
}

#[cfg(test)]
mod tests;
