//! TLS: who is trusted, who is not, and what is said about it.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::support::{Server, client, fetch, ok, opening, plan, request};
use crate::retry::FailureKind;
use crate::transport::{ClientPlan, HttpVersion, HyperTransport, TlsVersion};

/// An authority, and a folder with its certificate and those it signs.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("an authority of the tests")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        authority.write("ca.pem", &authority.issuer.pem());
        authority
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn certify(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write("leaf.pem", &certificate.pem());
        self.write("leaf.key", &key.serialize_pem());
        (certificate.der().clone(), key)
    }
}

/// What a TLS server is made of.
pub(super) struct Setup {
    certificate: (CertificateDer<'static>, KeyPair),
    versions: &'static [&'static SupportedProtocolVersion],
    clients: Option<CertificateDer<'static>>,
    alpn: &'static [u8],
}

static BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
static OLD: [&SupportedProtocolVersion; 1] = [&TLS12];

impl Setup {
    pub(super) fn new(certificate: (CertificateDer<'static>, KeyPair)) -> Self {
        Self { certificate, versions: &BOTH, clients: None, alpn: b"http/1.1" }
    }

    /// What makes TLS of its connections.
    pub(super) fn acceptor(self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(self.versions).unwrap();
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(root) => {
                let mut roots = RootCertStore::empty();
                roots.add(root).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let (certificate, key) = self.certificate;
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = Some(self.alpn.to_vec()).filter(|name| !name.is_empty()).into_iter().collect();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(super) async fn serve(self) -> Server {
        let acceptor = self.acceptor();
        Server::start(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                while request(&mut stream).await.is_some() {
                    let version = format!("{:?}", stream.get_ref().1.protocol_version().unwrap());
                    let _ = stream.write_all(ok(&version).as_bytes()).await;
                    let _ = stream.flush().await;
                }
            }
        })
        .await
    }
}

// Kinds follow the words: what a certificate is to blame for, what is not agreed on, and the rest.
fn kind_of(message: &str) -> FailureKind {
    let has = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if has(&["the certificate of", "client.tls.cert"]) {
        FailureKind::Certificate
    } else if has(&["client.tls.min-version", "does not offer", "offers neither"]) {
        FailureKind::TlsMismatch
    } else {
        FailureKind::Tls
    }
}

// The server under a name of our choice.
async fn ask(server: &Server, change: impl FnOnce(&mut ClientPlan)) -> Result<String, String> {
    let transport = client(|plan| {
        plan.resolve.insert("api.example".to_owned(), server.address);
        change(plan);
    });
    let mut last = String::new();
    for _ in 0..2 {
        last = match fetch(&transport, "https://api.example/").await {
            Ok(reply) => String::from_utf8_lossy(&reply.body).into_owned(),
            Err(failure) => {
                assert_eq!(failure.kind, kind_of(&failure.message), "{failure}");
                assert_eq!(transport.pool().open(), 0);
                return Err(failure.message);
            }
        };
    }
    assert_eq!(server.accepted(), 1);
    Ok(last)
}

#[tokio::test]
async fn a_given_authority_is_trusted_and_its_connections_are_reused() {
    let authority = Authority::new();
    let server = Setup::new(authority.certify("api.example", |_| {})).serve().await;
    let version = ask(&server, |plan| plan.tls.ca = Some(authority.path("ca.pem"))).await;
    assert_eq!(version.unwrap(), "TLSv1_3");
}

#[tokio::test]
async fn an_unknown_authority_is_refused_and_the_way_out_told() {
    let authority = Authority::new();
    for other in [Authority::named("a stranger"), Authority::new()] {
        let server = Setup::new(authority.certify("api.example", |_| {})).serve().await;
        let words = ask(&server, |plan| plan.tls.ca = Some(other.path("ca.pem"))).await.unwrap_err();
        assert!(words.contains("from an unknown issuer") && words.contains("client.tls.ca"), "{words}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_with_its_names() {
    let authority = Authority::new();
    let server = Setup::new(authority.certify("other.example", |_| {})).serve().await;
    let words = ask(&server, |plan| plan.tls.ca = Some(authority.path("ca.pem"))).await.unwrap_err();
    assert!(words.contains("for other names") && words.contains("other.example"), "{words}");
}

#[tokio::test]
async fn certificates_out_of_their_time_are_refused() {
    for (years, words) in [((2001, 2002), "has expired"), ((3001, 3002), "not valid yet")] {
        let authority = Authority::new();
        let certificate = authority.certify("api.example", |params| {
            params.not_before = date_time_ymd(years.0, 1, 1);
            params.not_after = date_time_ymd(years.1, 1, 1);
        });
        let server = Setup::new(certificate).serve().await;
        let told = ask(&server, |plan| plan.tls.ca = Some(authority.path("ca.pem"))).await.unwrap_err();
        assert!(told.contains(words), "{told}");
    }
}

/// A self-signed certificate for some names, and the file that holds it.
fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (Setup, PathBuf, TempDir) {
    let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("self.pem");
    std::fs::write(&path, certificate.pem()).unwrap();
    (Setup::new((certificate.der().clone(), key)), path, folder)
}

// What `openssl req -x509` makes says that it is an authority.
fn as_openssl_does(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_it_is_named() {
    for change in [as_openssl_does, |_: &mut CertificateParams| {}] {
        for versions in [&BOTH[..], &OLD] {
            let (setup, path, _folder) = self_signed(&["api.example"], change);
            let server = Setup { versions, ..setup }.serve().await;
            ask(&server, |plan| plan.tls.ca = Some(path)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_named_self_signed_certificate_is_still_checked() {
    type Change = fn(&mut CertificateParams);
    let expired: Change = |params| {
        as_openssl_does(params);
        params.not_after = date_time_ymd(2002, 1, 1);
    };
    let cases: [(&[&str], Change, &str); 3] = [
        (&["api.example"], expired, "has expired"),
        (&["other.example"], as_openssl_does, "for other names: other.example"),
        (&[], as_openssl_does, "subjectAltName"),
    ];
    for (names, change, words) in cases {
        let (setup, path, _folder) = self_signed(names, change);
        let told = ask(&setup.serve().await, |plan| plan.tls.ca = Some(path)).await.unwrap_err();
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_not_named_is_refused_and_the_way_out_told() {
    let (_, another, _kept) = self_signed(&["api.example"], as_openssl_does);
    for ca in [None, Some(another)] {
        let (setup, _path, _folder) = self_signed(&["api.example"], as_openssl_does);
        let told = ask(&setup.serve().await, |plan| plan.tls.ca = ca).await.unwrap_err();
        assert!(told.contains("self-signed") && told.contains("client.tls.ca") && !told.contains("Error"), "{told}");
    }
}

#[tokio::test]
async fn verification_can_be_switched_off() {
    let authority = Authority::new();
    for versions in [&BOTH[..], &OLD] {
        let certificate = authority.certify("other.example", |params| params.not_after = date_time_ymd(2002, 1, 1));
        let server = Setup { versions, ..Setup::new(certificate) }.serve().await;
        ask(&server, |plan| plan.tls.verify = false).await.unwrap();
    }
}

#[tokio::test]
async fn the_lowest_version_is_kept_to() {
    let authority = Authority::new();
    for (lowest, works) in [(TlsVersion::V12, true), (TlsVersion::V13, false)] {
        let certificate = authority.certify("api.example", |_| {});
        let server = Setup { versions: &OLD, ..Setup::new(certificate) }.serve().await;
        let asked = ask(&server, |plan| {
            plan.tls.ca = Some(authority.path("ca.pem"));
            plan.tls.min_version = lowest;
        });
        match asked.await {
            Ok(version) => assert!(works && version == "TLSv1_2", "{version}"),
            Err(words) => assert!(!works && words.contains("client.tls.min-version"), "{words}"),
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_asked_for() {
    let authority = Authority::new();
    for versions in [&BOTH[..], &OLD] {
        let certificate = authority.certify("api.example", |_| {});
        let clients = Some(authority.issuer.der().clone());
        let server = Setup { clients, versions, ..Setup::new(certificate) }.serve().await;
        let (ca, cert, key) = (authority.path("ca.pem"), authority.path("leaf.pem"), authority.path("leaf.key"));
        let without = ask(&server, |plan| plan.tls.ca = Some(ca.clone())).await.unwrap_err();
        assert!(without.contains("client.tls.cert"), "{without}");
        let transport = client(|plan| {
            plan.resolve.insert("api.example".to_owned(), server.address);
            plan.tls.ca = Some(ca);
            plan.tls.identity = Some((cert, key));
        });
        fetch(&transport, "https://api.example/").await.unwrap();
    }
}

#[tokio::test]
async fn a_server_without_the_http_that_is_asked_for_is_told_apart() {
    for (offers, http, words) in [
        (&b"h2"[..], HttpVersion::One, "does not offer HTTP/1.1 over TLS; set client.http = \"auto\""),
        (b"http/1.1", HttpVersion::Two, "does not offer HTTP/2 over TLS; set client.http = \"auto\""),
        (b"spdy/3", HttpVersion::Auto, "offers neither HTTP/2 nor HTTP/1.1"),
        // A server that chooses nothing speaks HTTP/1.1.
        (b"", HttpVersion::Two, "does not offer HTTP/2"),
    ] {
        let authority = Authority::new();
        let server = Setup { alpn: offers, ..Setup::new(authority.certify("api.example", |_| {})) }.serve().await;
        let told = ask(&server, |plan| {
            plan.tls.ca = Some(authority.path("ca.pem"));
            plan.http = http;
        });
        let told = told.await.unwrap_err();
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart() {
    for greeting in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let server = Server::start(move |mut stream, _| async move {
            stream.readable().await.unwrap();
            let mut hello = vec![0; 4096];
            let _ = stream.try_read(&mut hello);
            let _ = stream.write_all(greeting.as_bytes()).await;
        })
        .await;
        let words = ask(&server, |plan| plan.tls.verify = false).await.unwrap_err();
        assert!(words.contains("does not speak TLS") || words.contains("closed the connection"), "{words}");
    }
}

#[test]
fn files_that_hold_no_certificates_are_told_when_opening() {
    let authority = Authority::new();
    authority.certify("api.example", |_| {});
    let stranger = authority.write("stranger.key", &KeyPair::generate().unwrap().serialize_pem());
    let empty = authority.write("empty.pem", "nothing here");
    let broken = authority.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let leaf = authority.path("leaf.pem");
    let missing = authority.path("missing.pem");
    for (ca, identity, words) in [
        (Some(&empty), None, "holds no certificate"),
        (Some(&broken), None, "can't be read as PEM"),
        (Some(&missing), None, "missing.pem"),
        (None, Some((&empty, &stranger)), "client.tls.cert"),
        (None, Some((&leaf, &empty)), "client.tls.key"),
        (None, Some((&leaf, &stranger)), "can't be used together"),
    ] {
        let mut plan = plan();
        plan.tls.ca = ca.cloned();
        plan.tls.identity = identity.map(|(certificate, key)| (certificate.clone(), key.clone()));
        let error = HyperTransport::open(&plan, &opening()).unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
}
