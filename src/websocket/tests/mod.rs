//! The client's side of RFC 6455 against servers made of bytes.

mod close;
