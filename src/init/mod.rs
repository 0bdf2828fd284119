//! New jobs: from nothing, from a curl command, from the header of a CSV file, from an operation of an OpenAPI
//! document.
//!
//! Makes texts and writes no file. Must never put a secret's value into a text: it becomes the name of a
//! variable of the environment.

mod credentials;
mod curl;
mod curl_body;
mod draft;
mod openapi;
mod openapi_body;
#[cfg(test)]
mod openapi_tests;
mod pages;
mod rows;
mod secrets;
mod sensitive;
mod spans;
mod templates;
#[cfg(test)]
mod tests;
mod text;
pub mod toml;

pub use draft::{Base, Draft, Input};
pub use secrets::Secrets;
pub use text::shell_path;
