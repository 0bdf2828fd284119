//! The one door to randomness.

/// A uniform number in `0.0..1.0`.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
#[must_use]
pub fn unit() -> f64 {
    fastrand::f64()
}

/// 64 random bits.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
#[must_use]
pub fn bits() -> u64 {
    fastrand::u64(..)
}
