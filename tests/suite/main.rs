//! The test suite: one binary, a module for each thing that must hold.

mod golden;
mod support;
