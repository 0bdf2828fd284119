//! The opening handshake (RFC 6455 §4): what a request carries, and what a 101 must say.
//!
//! Must never take a connection for a socket that the server did not mean as one.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, response};

use crate::random;
use crate::retry::{Failure, FailureKind};

/// What a server's answer is made with (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// One handshake: its key is used once.
#[derive(Debug, Clone)]
pub struct Handshake {
    key: String,
    protocols: Vec<String>,
}

impl Handshake {
    /// A handshake that offers these subprotocols, the best first.
    #[must_use]
    pub fn new(protocols: &[String]) -> Self {
        // The key proves that the server reads it, and nothing else: it need not be secret.
        let key = u128::from(random::bits()) << 64 | u128::from(random::bits());
        Self { key: STANDARD.encode(key.to_be_bytes()), protocols: protocols.to_vec() }
    }

    /// Sets the headers of the request, whatever stood in their place.
    pub fn put(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
        for (name, text) in [(SEC_WEBSOCKET_KEY, self.key.clone()), (SEC_WEBSOCKET_PROTOCOL, self.protocols.join(", "))]
        {
            if let Ok(value) = HeaderValue::try_from(text)
                && !value.is_empty()
            {
                headers.insert(name, value);
            }
        }
    }

    /// Looks whether a 101 opens the socket that was asked for.
    ///
    /// # Errors
    /// [`FailureKind::Protocol`] when it does not: another protocol, a wrong key, an extension or a subprotocol
    /// that nobody offered.
    pub fn check(&self, head: &response::Parts) -> Result<(), Failure> {
        let headers = &head.headers;
        let accepted = headers.get(SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().trim_ascii());
        if !has(headers, &UPGRADE, "websocket") {
            return Err(refused("it does not say `upgrade: websocket`"));
        }
        if !has(headers, &CONNECTION, "upgrade") {
            return Err(refused("it does not say `connection: upgrade`"));
        }
        if accepted != Some(accept(self.key.as_bytes()).as_bytes()) {
            return Err(refused("its `sec-websocket-accept` does not belong to the key of the request"));
        }
        if let Some(extension) = tokens(headers, &SEC_WEBSOCKET_EXTENSIONS).next() {
            return Err(refused(&format!("it switches on the extension `{extension}`, which was not offered")));
        }
        self.check_protocol(headers)
    }

    // A server may choose none of those that were offered (§4.2.2).
    fn check_protocol(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let mut chosen = tokens(headers, &SEC_WEBSOCKET_PROTOCOL);
        match (chosen.next(), chosen.next()) {
            (None, _) => Ok(()),
            (Some(protocol), None) if self.protocols.contains(&protocol) => Ok(()),
            (Some(protocol), None) => {
                Err(refused(&format!("it chooses the subprotocol `{protocol}`, which was not offered")))
            }
            (Some(_), Some(_)) => Err(refused("it chooses more than one subprotocol")),
        }
    }
}

fn refused(why: &str) -> Failure {
    Failure::sent(FailureKind::Protocol, format!("the server's 101 opens no WebSocket: {why}"))
}

/// What a server answers to a key (`Sec-WebSocket-Accept`).
#[must_use]
pub fn accept(key: &[u8]) -> String {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(GUID);
    STANDARD.encode(context.finish())
}

/// The members of a list, over all headers of that name.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + use<'h> {
    let lines = headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    lines
        .flat_map(|line| line.split(',').map(|token| token.trim().to_owned()).collect::<Vec<_>>())
        .filter(|token| !token.is_empty())
}

fn has(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}
