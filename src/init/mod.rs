//! New jobs: from nothing, from a curl command, from the header of a CSV file.
//!
//! Makes texts and writes no file. Must never put a secret's value into a text: it becomes the name of a
//! variable of the environment.

mod curl;
mod draft;
mod sensitive;
#[cfg(test)]
mod tests;
pub mod toml;

pub use draft::{Draft, Input};
