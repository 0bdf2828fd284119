//! The engine against servers that behave and servers that do not.

mod faults;
mod pool;
mod proxies;
mod redirects;
mod replies;
mod scripted;
mod sockets;
mod standing;
mod support;
mod tls;
