//! The one door to randomness: quick for what is drawn often, and secret where nobody may guess.

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

/// 128 random bits that nobody can guess; `None`: the system gives none.
#[must_use]
pub fn secret() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok().map(|()| bytes)
}
