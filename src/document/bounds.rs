//! How much of a job file is read, for who tells of it elsewhere: the numbers are those of the files that hold to them.
//!
//! Must never hold a number of its own.

pub(crate) use super::head::DEEPEST as NESTED;
pub(crate) use super::include::{DEEPEST as DEEPEST_INCLUDE, MOST as MOST_INCLUDED};
pub(crate) use super::read::LARGEST;
