//! Through a proxy: to it, and from it to the target.
//!
//! Must never give user and password to anybody but the proxy they are for, and never put them into
//! words.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::socks::{self, Target};
use super::tunnel::{self, Refusal};
use super::{Connector, Lap, Stage, tls};
use crate::retry::{Failure, FailureKind};
use crate::transport::pool::Host;
use crate::transport::proxy::{Proxy, ProxyScheme};
use crate::transport::target::bare_host;
use crate::transport::{Timings, fault};

/// A byte stream to the target, or to the proxy that forwards to it.
pub(super) enum Reached {
    Tcp(TcpStream),
    /// TLS with the proxy, not with the target.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connector {
    /// A stream to a proxy that forwards requests.
    ///
    /// # Errors
    /// Those of [`Connector::connect`].
    pub(super) async fn to_proxy<'h>(
        &self,
        proxy: &'h Proxy,
        stage: &mut Stage<'h>,
        timings: &mut Timings,
    ) -> Result<Reached, Failure> {
        *stage = Stage::ProxyName(&proxy.label);
        let mut clock = Lap::start();
        let found = self.resolver.resolve(&proxy.address.origin()).await;
        timings.dns += clock.lap();
        let addresses = found.map_err(|unresolved| {
            let failure = unresolved.into_failure();
            Failure { message: format!("the proxy `{}` can't be reached: {}", proxy.label, failure.message), ..failure }
        })?;
        *stage = Stage::ProxyTcp(&proxy.label);
        let connected = super::tcp(&addresses).await;
        timings.connect += clock.lap();
        let stream = connected.map_err(|error| super::refused(&proxy.label, &addresses, &error))?;
        let Some(tls) = self.proxy_tls.as_ref().filter(|_| proxy.address.scheme == ProxyScheme::Https) else {
            return Ok(Reached::Tcp(stream));
        };
        *stage = Stage::ProxyTls(&proxy.label);
        let shaken = tls::handshake(tls, bare_host(&proxy.address.host), &proxy.label, stream).await;
        timings.connect += clock.lap();
        shaken.map(|stream| Reached::Tls(Box::new(stream)))
    }

    /// A stream to the target, through a proxy's tunnel.
    ///
    /// # Errors
    /// Those of [`Connector::connect`]; [`FailureKind::Proxy`] where the proxy refuses.
    pub(super) async fn through<'h>(
        &self,
        proxy: &'h Proxy,
        host: &'h Host,
        stage: &mut Stage<'h>,
        timings: &mut Timings,
    ) -> Result<Reached, Failure> {
        let targets = self.targets(proxy, host, timings).await?;
        let mut last = Refusal::Final("was asked for no address".to_owned());
        for target in targets {
            let mut reached = self.to_proxy(proxy, stage, timings).await?;
            *stage = Stage::Tunnel(&proxy.label);
            let mut clock = Lap::start();
            let opened = match &mut reached {
                Reached::Tcp(stream) => open(stream, proxy, host, target).await,
                Reached::Tls(stream) => open(stream.as_mut(), proxy, host, target).await,
            };
            timings.connect += clock.lap();
            match opened {
                Ok(()) => return Ok(reached),
                // Another address of the host may be within the proxy's reach.
                Err(refusal @ Refusal::Passing(_)) => last = refusal,
                Err(refusal) => return Err(refused(proxy, host, refusal)),
            }
        }
        Err(refused(proxy, host, last))
    }

    // What the proxy is asked for, in the order of trying. Names are resolved here for socks5:// alone.
    async fn targets<'h>(
        &self,
        proxy: &Proxy,
        host: &'h Host,
        timings: &mut Timings,
    ) -> Result<Vec<Target<'h>>, Failure> {
        let name = bare_host(&host.origin.host);
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(vec![Target::Address((ip, host.origin.port).into())]);
        }
        if proxy.address.scheme != ProxyScheme::Socks5 {
            return Ok(vec![Target::Name(name, host.origin.port)]);
        }
        let mut clock = Lap::start();
        let found = self.resolver.resolve(&host.origin).await;
        timings.dns += clock.lap();
        let addresses = found.map_err(super::Unresolved::into_failure)?;
        Ok(addresses.into_iter().map(Target::Address).collect())
    }
}

async fn open<S>(stream: &mut S, proxy: &Proxy, host: &Host, target: Target<'_>) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if proxy.address.scheme.is_socks() {
        return socks::open(stream, target, proxy.credentials.as_ref()).await;
    }
    let place = format!("{}:{}", host.origin.host, host.origin.port);
    tunnel::open(stream, &place, proxy.authorization()).await
}

fn refused(proxy: &Proxy, host: &Host, refusal: Refusal) -> Failure {
    let label = &proxy.label;
    match refusal {
        Refusal::Broken(error) => {
            let why = fault::io_words(&error);
            let message = format!("the proxy `{label}` broke off before there was a tunnel to `{}`: {why}", host.label);
            Failure::unsent(FailureKind::Connect, message)
        }
        Refusal::Unknown => Failure::unsent(FailureKind::Proxy, fault::proxy_wants(proxy).message),
        Refusal::Passing(words) => Failure::unsent(FailureKind::Connect, format!("the proxy `{label}` {words}")),
        Refusal::Final(words) => Failure::unsent(FailureKind::Proxy, format!("the proxy `{label}` {words}")),
    }
}
