//! HTTPS: a certificate is believed when the job says so, and the record says why when it is not.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::oracle::script::item;
use crate::support::output::csv;
use crate::support::{Job, Oracle};

/// TLS in front of an oracle; what is inside is passed on as it is.
struct Front {
    port: u16,
    certificate: String,
    _runtime: tokio::runtime::Runtime,
}

fn front(oracle: &Oracle, name: &str) -> Front {
    let key = KeyPair::generate().expect("a key");
    let certificate =
        CertificateParams::new([name.to_owned()]).expect("a name").self_signed(&key).expect("a certificate");
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(chain, key).expect("a certificate for the key");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (acceptor, target) = (TlsAcceptor::from(Arc::new(config)), oracle.address());
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (Ok(mut inside), Ok(mut oracle)) =
                    (acceptor.accept(stream).await, TcpStream::connect(target).await)
                else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut oracle).await;
            });
        }
    });
    Front { port, certificate: certificate.pem(), _runtime: runtime }
}

/// A job against `https://localhost`, whose address is given, not resolved.
fn job(front: &Front, tls: &str) -> Job {
    let text = r#"
[client]
TLS
resolve = { localhost = "127.0.0.1:PORT" }

[endpoints.item]
url = "https://localhost:PORT/items/{{ row.value }}"
input.range = { from = 1, to = 3 }
columns.got = "$.id"

[sinks.out]
path = "out.csv"
"#;
    let text = text.replace("PORT", &front.port.to_string()).replace("TLS", tls);
    Job::new(&text).with("ca.pem", &front.certificate)
}

/// Every row fails after one attempt with these words, and nothing reaches the server.
fn refused(oracle: &Oracle, job: &Job, words: &str) {
    let done = job.run(&[]).expect_code(1);
    let records = csv(&job.path("out.csv"));
    assert_eq!(records.len(), 3);
    for record in records {
        assert!(record["error"].contains(words), "{words} is missing: {record:?}");
        assert_eq!((record["attempts"].as_str(), record["status"].as_str()), ("1", ""), "no attempt helps: {record:?}");
    }
    assert!(done.stderr.contains(words), "{}", done.stderr);
    assert_eq!(oracle.count(), 0);
}

#[test]
fn a_certificate_of_an_unknown_issuer_fails_the_rows() {
    let oracle = Oracle::start(item);
    let front = front(&oracle, "localhost");
    refused(&oracle, &job(&front, ""), "unknown issuer");
    let another = self::front(&oracle, "localhost");
    let job = job(&front, "tls.ca = \"ca.pem\"").with("ca.pem", &another.certificate);
    refused(&oracle, &job, "client.tls.ca");
}

#[test]
fn a_certificate_for_another_name_fails_the_rows() {
    let oracle = Oracle::start(item);
    let front = front(&oracle, "example.test");
    refused(&oracle, &job(&front, "tls.ca = \"ca.pem\""), "example.test");
}

#[test]
fn an_issuer_that_the_job_names_is_believed() {
    let oracle = Oracle::start(item);
    let front = front(&oracle, "localhost");
    let job = job(&front, "tls.ca = \"ca.pem\"");
    let done = job.run(&[]).expect_code(0);
    assert_eq!(csv(&job.path("out.csv")).len(), 3);
    assert!(!done.stderr.contains("client.tls"), "{}", done.stderr);
}

#[test]
fn without_verification_the_rows_are_fine_and_the_run_warns() {
    let oracle = Oracle::start(item);
    let front = front(&oracle, "example.test");
    let job = job(&front, "tls.verify = false");
    let done = job.run(&[]).expect_code(0);
    assert!(done.stderr.contains("warning") && done.stderr.contains("client.tls.verify = false"), "{}", done.stderr);
    assert_eq!(oracle.count(), 3);
}

#[test]
fn a_certificate_file_that_can_not_be_used_is_exit_3_before_any_request() {
    let oracle = Oracle::start(item);
    let front = front(&oracle, "localhost");
    let cases = [
        ("tls.ca = \"none.pem\"", "none.pem"),
        ("tls.ca = \"job.toml\"", "holds no certificate"),
        ("tls = { cert = \"ca.pem\", key = \"ca.pem\" }", "client.tls.key"),
    ];
    for (tls, words) in cases {
        let job = job(&front, tls);
        let done = job.run(&[]).expect_code(3);
        assert!(done.stderr.contains(words) && !job.path("out.csv").exists(), "{tls}: {}", done.stderr);
    }
    assert_eq!(oracle.count(), 0);
}
