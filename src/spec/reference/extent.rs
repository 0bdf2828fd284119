//! How much a job may hold, as a section of the reference.
//!
//! Must never hold a number: each is the one that is held to.

use crate::document::bounds::{DEEPEST_INCLUDE, LARGEST, MOST_INCLUDED, NESTED};
use crate::expression;
use crate::report::text::thousands;
use crate::spec::job::{MOST_COLUMNS, MOST_FLOWING, MOST_NAMED, MOST_VARS};

/// The title of the section.
pub(super) const TITLE: &str = "How much a job may hold";

/// The section without its heading: more than that is refused with its place, and nothing is cut short.
pub(super) fn extent() -> String {
    let number = |number: usize| thousands(number as u64);
    let (named, vars, columns) = (number(MOST_NAMED), number(MOST_VARS), number(MOST_COLUMNS));
    let (kib, mib, flowing) = (expression::LONGEST >> 10, LARGEST >> 20, MOST_FLOWING >> 20);
    let (deepest, words) = (expression::DEEPEST, number(expression::MOST));
    format!(
        "Job files come from anyone, so that reading one has an end. What is beyond these bounds is an error at its place; nothing is cut short.\n\n\
         - A job file, with all that it includes: {mib} MiB, and {NESTED} levels of brackets, or parts of a key. It includes at most {MOST_INCLUDED} \
         files, {DEEPEST_INCLUDE} deep.\n\
         - Endpoints, limits, secrets and sinks: {named} of each. Headers of a request: {named}. Variables: {vars}.\n\
         - Columns of records that endpoints read from others: {columns}, all together. Settings of the top level, counted for each endpoint that has \
         them: {flowing} MiB.\n\
         - An expression (what stands in the tags of a template, a condition, a JSONPath, a jq program, a CSS selector): {kib} KiB, {deepest} brackets \
         that are open at once, and {words} names and signs. Texts and numbers in it do not count.\n"
    )
}
