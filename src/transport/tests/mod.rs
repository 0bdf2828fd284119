//! The engine against servers that behave and servers that do not.

mod contract;
mod faults;
mod pool;
mod redirects;
mod replies;
mod scripted;
mod standing;
mod support;
#[cfg(feature = "surf")]
mod surf;
mod tls;
