//! The engine against servers that behave and servers that do not.

mod bodies;
mod contract;
mod cookies;
mod encodings;
mod endless;
mod faults;
mod flood;
mod http2;
mod pool;
mod proxies;
mod redirects;
mod replies;
mod scripted;
mod sockets;
mod standing;
pub(super) mod support;
#[cfg(feature = "surf")]
mod surf;
mod talks;
mod tls;
