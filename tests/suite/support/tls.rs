//! TLS for the tests: an authority of their own, certificates of every kind, and a front that speaks TLS
//! before an oracle. A fresh authority for each test: none is ever trusted by the machine.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::Oracle;

/// Who signs.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Certified {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Certified {
    /// The certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its key, PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no name");
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for this name.
    pub fn certify(&self, name: &str) -> Certified {
        self.certify_with(name, |_| {})
    }

    /// A certificate for this name, changed.
    pub fn certify_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certified { der: certificate.der().clone(), pem: certificate.pem(), key }
    }
}

/// TLS before an oracle; what is inside is passed on as it is. Ends when dropped.
pub struct Front {
    port: u16,
    _runtime: tokio::runtime::Runtime,
}

impl Front {
    /// Listens on a free port of 127.0.0.1 and shows this certificate.
    pub fn start(oracle: &Oracle, certified: &Certified) -> Self {
        Self::speaking(oracle, certified, &[&TLS13, &TLS12])
    }

    /// As [`Front::start`], but speaks TLS 1.2 alone.
    pub fn start_old(oracle: &Oracle, certified: &Certified) -> Self {
        Self::speaking(oracle, certified, &[&TLS12])
    }

    fn speaking(oracle: &Oracle, certified: &Certified, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(configuration(certified, versions)));
        let target = oracle.address();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(acceptor.clone(), stream, target));
            }
        });
        Self { port, _runtime: runtime }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, target: std::net::SocketAddr) {
    let (Ok(mut inside), Ok(mut oracle)) = (acceptor.accept(stream).await, TcpStream::connect(target).await) else {
        return;
    };
    let _ = tokio::io::copy_bidirectional(&mut inside, &mut oracle).await;
}

fn configuration(certified: &Certified, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    let key = PrivateKeyDer::try_from(certified.key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let chain = vec![certified.der.clone()];
    config.with_no_client_auth().with_single_cert(chain, key).expect("a certificate for the key")
}
