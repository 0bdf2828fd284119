//! Numbers that look random and are not: a small hash of the seed and a text.
//!
//! Must never change: jobs, docs and tests rely on what the demo answers. Not for cryptography.

/// 64 well-mixed bits of `seed` and `text`: FNV-1a, finished with splitmix64's mixer.
pub(super) fn hash(seed: u64, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ mix(seed);
    mix(text.bytes().fold(start, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// Splitmix64's mixer: every bit of the input changes about half of the output's.
pub(super) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A row of numbers drawn from one hash.
#[derive(Debug)]
pub(super) struct Draw(u64);

impl Draw {
    /// Begins at the hash of `seed` and `text`.
    pub(super) fn new(seed: u64, text: &str) -> Self {
        Self(hash(seed, text))
    }

    /// The next number, below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = mix(self.0);
        self.0 % end.max(1)
    }

    /// One of `choices`.
    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let count = choices.len() as u64;
        choices[usize::try_from(self.below(count)).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_what_it_always_was() {
        assert_eq!(hash(1, "LMP-1001"), hash(1, "LMP-1001"));
        assert_ne!(hash(1, "LMP-1001"), hash(2, "LMP-1001"));
        assert_ne!(hash(1, "LMP-1001"), hash(1, "LMP-1002"));
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf, "first output of splitmix64 from state 0");
    }

    #[test]
    fn draws_reach_every_choice() {
        let mut draw = Draw::new(7, "choices");
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[draw.one_of(&[0_usize, 1, 2, 3, 4])] = true;
        }
        assert_eq!(seen, [true; 5]);
    }
}
