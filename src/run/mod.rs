//! The run: a plan, opened and worked through.
