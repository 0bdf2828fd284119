//! TLS: roots, the client's certificate, and what went wrong in words.
//!
//! The configuration is made when it is first needed, so that plain HTTP works on a machine without
//! root certificates. Must never accept a certificate unseen unless `client.tls.verify = false` says so.

mod expiry;
mod verify;

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(in crate::transport) use self::expiry::ends;
use self::verify::{Naming, Unverified, is_authority};
use crate::retry::{Failure, FailureKind};
use crate::transport::{HttpVersion, OpenError, TlsPlan, TlsVersion};

/// HTTP/1.1 and HTTP/2 as TLS names them (RFC 7301 §6).
const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// TLS settings and, once it was needed, the configuration made of them.
pub(in crate::transport) struct Tls {
    plan: TlsPlan,
    http: HttpVersion,
    made: OnceLock<Result<TlsConnector, OpenError>>,
}

impl Tls {
    /// Settings of TLS. The files are read now when there are any, or when TLS will surely be needed.
    ///
    /// # Errors
    /// When a file, a key or the machine's roots can't be used.
    pub fn open(plan: &TlsPlan, http: HttpVersion, needs_tls: bool) -> Result<Self, OpenError> {
        let tls = Self { plan: plan.clone(), http, made: OnceLock::new() };
        if needs_tls || plan.ca.is_some() || plan.identity.is_some() {
            tls.connector()?;
        }
        Ok(tls)
    }

    /// What makes TLS of TCP.
    ///
    /// # Errors
    /// When a file, a key or the machine's roots can't be used.
    pub fn connector(&self) -> Result<TlsConnector, OpenError> {
        let made = self.made.get_or_init(|| Ok(TlsConnector::from(Arc::new(configuration(&self.plan, self.http)?))));
        made.clone()
    }
}

/// Makes TLS of a stream. `host` is the name a certificate must be for, `label` that in texts.
///
/// # Errors
/// [`FailureKind::Tls`], [`FailureKind::TlsMismatch`], [`FailureKind::Certificate`].
pub(super) async fn handshake<S>(tls: &Tls, host: &str, label: &str, stream: S) -> Result<TlsStream<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connector = tls.connector().map_err(|error| Failure::unsent(FailureKind::Tls, error.message))?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::unsent(FailureKind::Tls, format!("`{label}` is no name for a certificate")))?;
    let no_common_http = || Failure::unsent(FailureKind::TlsMismatch, no_common_http(label, tls.http));
    let stream = connector.connect(name, stream).await.map_err(|error| {
        if is_no_common_http(&error) {
            return no_common_http();
        }
        Failure::unsent(kind(&error), words(label, &error))
    })?;
    if tls.http == HttpVersion::Two && !chose_http2(&stream) {
        return Err(no_common_http());
    }
    Ok(stream)
}

/// Keys of the job that name what is read here.
const TLS: &[&str] = &["client", "tls"];
const CA: &[&str] = &["client", "tls", "ca"];
const CERT: &[&str] = &["client", "tls", "cert"];
const KEY: &[&str] = &["client", "tls", "key"];

fn configuration(plan: &TlsPlan, http: HttpVersion) -> Result<ClientConfig, OpenError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(plan.min_version))
        .map_err(|error| OpenError::new(format!("TLS can't be set up: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(plan, provider)?);
    let mut configuration = match &plan.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate, CERT)?;
            builder.with_client_auth_cert(chain, private_key(key)?).map_err(|error| {
                let (certificate, key) = (certificate.display(), key.display());
                OpenError::of(TLS, format!("`{certificate}` and `{key}` can't be used together: {error}"))
            })?
        }
    };
    let offered: &[&[u8]] = match http {
        HttpVersion::Auto => &[HTTP_2, HTTP_1],
        HttpVersion::One => &[HTTP_1],
        HttpVersion::Two => &[HTTP_2],
    };
    configuration.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Ok(configuration)
}

/// Whether the server chose HTTP/2.
pub(super) fn chose_http2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

fn versions(lowest: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_12: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    static FROM_13: [&SupportedProtocolVersion; 1] = [&TLS13];
    match lowest {
        TlsVersion::V12 => &FROM_12,
        TlsVersion::V13 => &FROM_13,
    }
}

fn verifier(plan: &TlsPlan, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, OpenError> {
    let named = match &plan.ca {
        Some(path) => certificates(path, CA)?,
        None => Vec::new(),
    };
    if !plan.verify {
        return Ok(Arc::new(Unverified { provider }));
    }
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(named.clone(), provider);
    let verifier = verifier.map_err(|error| match &plan.ca {
        Some(path) => OpenError::of(CA, format!("`{}` can't be used: {error}", path.display())),
        None => OpenError::new(format!(
            "no root certificates for https: {error}; install the system's package of them \
             (Debian: ca-certificates), set SSL_CERT_FILE, or name a file in client.tls.ca"
        )),
    })?;
    Ok(match named {
        named if named.is_empty() => Arc::new(verifier),
        named => Arc::new(Naming { named, rest: verifier }),
    })
}

fn certificates(path: &Path, key: &'static [&'static str]) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => {
            Err(OpenError::of(key, format!("`{}` holds no certificate; a PEM file is expected", path.display())))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(OpenError::of(key, format!("`{}` can't be read as PEM: {error}", path.display()))),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, OpenError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        OpenError::of(KEY, format!("`{}` can't be read as a PEM private key: {error}", path.display()))
    })
}

/// rustls' error inside an I/O error, if there is one.
pub(in crate::transport) fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Whether trying again can help: certificates and settings do not change from one attempt to the next.
pub(in crate::transport) fn kind(error: &io::Error) -> FailureKind {
    match inner(error) {
        Some(Error::InvalidCertificate(_)) => FailureKind::Certificate,
        Some(Error::AlertReceived(alert)) if is_about_ours(*alert) => FailureKind::Certificate,
        Some(
            Error::PeerIncompatible(_)
            | Error::NoApplicationProtocol
            | Error::AlertReceived(
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::NoApplicationProtocol,
            ),
        ) => FailureKind::TlsMismatch,
        Some(_) | None => FailureKind::Tls,
    }
}

/// Whether a server says with this alert that it wants another client certificate, or one at all.
fn is_about_ours(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

/// What went wrong with TLS to `host`, and how to mend it.
pub(in crate::transport) fn words(host: &str, error: &io::Error) -> String {
    match inner(error) {
        Some(error) => tls_words(host, error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("`{host}` closed the connection during the TLS handshake")
        }
        None => format!("the TLS handshake with `{host}` failed: {}", crate::transport::fault::io_words(error)),
    }
}

/// What is said when the server speaks no HTTP of those that were offered.
pub(in crate::transport) fn no_common_http(host: &str, offered: HttpVersion) -> String {
    match offered {
        HttpVersion::Auto => format!("`{host}` offers neither HTTP/2 nor HTTP/1.1 over TLS"),
        HttpVersion::One => format!("`{host}` does not offer HTTP/1.1 over TLS; set client.http = \"auto\""),
        HttpVersion::Two => format!("`{host}` does not offer HTTP/2 over TLS; set client.http = \"auto\""),
    }
}

/// Whether the handshake failed for want of an HTTP that both speak.
pub(in crate::transport) fn is_no_common_http(error: &io::Error) -> bool {
    matches!(
        inner(error),
        Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol) | Error::NoApplicationProtocol)
    )
}

fn tls_words(host: &str, error: &Error) -> String {
    match error {
        _ if is_authority(error) => format!(
            "the certificate of `{host}` is self-signed, or an authority's, and not known; if you trust it, name \
             that very certificate in client.tls.ca"
        ),
        Error::InvalidCertificate(error) => certificate_words(host, error),
        Error::InvalidMessage(_) => {
            format!("`{host}` does not speak TLS on this port; is its URL an http:// one?")
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
        | Error::PeerIncompatible(_) => {
            format!("`{host}` and this client agree on no TLS version or cipher; see client.tls.min-version ({error})")
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("`{host}` asks for a client certificate: set client.tls.cert and client.tls.key")
        }
        Error::AlertReceived(alert) if is_about_ours(*alert) => {
            format!("`{host}` refuses the client certificate; see client.tls.cert ({error})")
        }
        other => format!("TLS with `{host}` failed: {other}"),
    }
}

/// A certificate's name without the kind that rustls writes around it: `DnsName("a.example")`.
fn bare_name(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

fn certificate_words(host: &str, error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of `{host}` has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of `{host}` is not valid yet; is this machine's clock right?")
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => format!(
            "the certificate of `{host}` names no host (a common name alone does not count); have it made \
             anew with a subject alternative name: openssl req -x509 -addext \"subjectAltName=DNS:...\" or \"IP:...\""
        ),
        CertificateError::NotValidForName => format!("the certificate of `{host}` is for another name"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!(
                "the certificate of `{host}` is for other names: {}",
                presented.iter().map(|name| bare_name(name)).collect::<Vec<_>>().join(", ")
            )
        }
        // A bad signature is what an unknown issuer looks like that has the name of a known one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "the certificate of `{host}` is from an unknown issuer; if you trust it, name the issuer's \
             certificate in client.tls.ca"
        ),
        CertificateError::Revoked => format!("the certificate of `{host}` has been revoked"),
        other => format!("the certificate of `{host}` can't be accepted: {other}"),
    }
}
