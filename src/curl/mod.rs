//! curl command lines: [`read`] makes a request of one, [`Command`] writes one that a shell can run.
//!
//! Must never run anything, and never guess: what is not known is an error that names it.

mod data;
mod flags;
mod keys;
mod read;
mod url;
mod words;
mod write;

#[cfg(test)]
mod tests;

pub use data::{Body, Field, FieldContent};
pub use read::read;
pub use words::{Reference, Text, parts};
pub use write::{Command, Word};

/// What a curl command would send, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CurlRequest {
    /// The method.
    pub method: String,
    /// The URL with its query, without a fragment and without a user.
    pub url: Text,
    /// Headers in order; those that curl adds because of other flags are among them.
    pub headers: Vec<(String, Text)>,
    /// The body.
    pub body: Body,
    /// User and password (`-u`); without a password curl asks for it.
    pub basic: Option<(Text, Option<Text>)>,
    /// `--oauth2-bearer`.
    pub bearer: Option<Text>,
    /// Region and service of `--aws-sigv4`, for the keys that `-u` gives.
    pub signed: Option<(Text, Text)>,
    /// Keys of a job that flags stand for, with their values in TOML.
    pub settings: Vec<(&'static str, String)>,
    /// Whether redirects are followed (`-L`).
    pub location: bool,
    /// `-x`, as a URL without a user.
    pub proxy: Option<Text>,
    /// User and password for the proxy.
    pub proxy_user: Option<(Text, Text)>,
    /// `--rate`, as a job writes it.
    pub rate: Option<String>,
    /// Variables of the shell that the command names.
    pub variables: Vec<String>,
    /// Where the reply is saved (`-o`, `-O`).
    pub save: Option<String>,
    /// Whether replies may be compressed.
    pub compressed: bool,
    /// What could not be kept, in words.
    pub notes: Vec<String>,
}
