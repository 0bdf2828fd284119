//! What reading and writing PostgreSQL have in common: who logs in where, settings, TLS, and words for errors.
//!
//! Must never show a password, and never accept a certificate unseen.

mod login;
#[cfg(feature = "postgres")]
mod server;
#[cfg(feature = "postgres")]
mod tls;

pub(crate) use login::{Login, is_postgres};
#[cfg(feature = "postgres")]
pub(crate) use server::{EXAMPLE, config, connect, name, print, words};
