//! The engine against servers that behave and servers that do not.

mod bodies;
mod faults;
mod pool;
mod redirects;
mod replies;
mod scripted;
mod standing;
mod support;
mod tls;
