//! The one door to the process environment.

/// The value of an environment variable; `None` when it is unset or not UTF-8.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
