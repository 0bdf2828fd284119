//! New jobs: from nothing, from a curl command, from the header of a CSV file, from an operation of an OpenAPI
//! document.
//!
//! Makes texts and writes no file. Must never put a secret's value into a text: it becomes the name of a
//! variable of the environment.

mod curl;
mod draft;
mod openapi;
mod openapi_body;
mod pages;
mod rows;
mod sensitive;
mod templates;
#[cfg(test)]
mod tests;
pub mod toml;

pub use draft::{Draft, Input};
