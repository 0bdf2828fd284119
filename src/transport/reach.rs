//! What a connection shows of its server before a request is sent: how it is reached, over which TLS, and how long
//! its certificate is good for.
//!
//! For who wants to know whether a job's servers are there. Must never show a user or a password of a proxy.

use http::Uri;
use jiff::Timestamp;
use rustls::ProtocolVersion;

use super::Timings;
use super::connect::{Link, tls};
use super::pool::Host;
use super::proxy::routes::Route;
use super::target::Origin;

/// A server that was connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Times of the stages.
    pub timings: Timings,
    /// The proxy on the way, by scheme, host and port.
    pub proxy: Option<String>,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// TLS with the server itself, where that is spoken.
    pub tls: Option<TlsSeen>,
}

/// What a handshake showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSeen {
    /// The version, such as `TLS 1.3`.
    pub version: String,
    /// When the server's certificate ends; `None`: it does not say so in a way that can be read.
    pub ends: Option<Timestamp>,
}

impl Reached {
    /// What a fresh connection shows.
    pub(super) fn of(link: &Link, host: &Host, timings: Timings) -> Self {
        let proxy = match host.route.get() {
            Some(Route::Forward(proxy) | Route::Tunnel(proxy)) => Some(proxy.label.clone()),
            Some(Route::Direct | Route::Unusable(_)) | None => None,
        };
        // Of a proxy that forwards plain requests the TLS is its own.
        let session = link.wire.session().filter(|_| host.origin.secure);
        let tls = session.map(|session| TlsSeen {
            version: version(session.protocol_version()),
            ends: session.peer_certificates().and_then(|chain| tls::ends(chain.first()?)),
        });
        Self { timings, proxy, http2: link.http2, tls }
    }
}

fn version(spoken: Option<ProtocolVersion>) -> String {
    match spoken {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
        Some(_) | None => "TLS".to_owned(),
    }
}

/// Where a URL leads, without path and query: `https://api.example.com:8443`.
///
/// # Errors
/// In words, when the URL is no place that can be asked over HTTP.
pub(crate) fn origin_of(url: &Uri) -> Result<String, String> {
    let origin = Origin::of(url)?;
    let scheme = match (origin.unix, origin.secure) {
        (true, _) => "",
        (false, true) => "https://",
        (false, false) => "http://",
    };
    Ok(format!("{scheme}{}", origin.label()))
}
