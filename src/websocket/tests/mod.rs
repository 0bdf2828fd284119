//! The client's side of RFC 6455 against servers made of bytes.

mod close;
mod flow;
mod frames;
mod handshake;
pub(crate) mod wire;
