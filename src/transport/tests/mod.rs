//! The engine against servers that behave and servers that do not.

mod faults;
mod http2;
mod pool;
mod redirects;
mod replies;
mod scripted;
mod standing;
mod support;
mod tls;
