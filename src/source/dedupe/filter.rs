//! A Bloom filter over fingerprints: most of what is not in a file is known not to be without reading it.
//!
//! Must never say no to a fingerprint that was added.

use super::Fingerprint;

/// Bits of the filter for each fingerprint, where there is room: one of a hundred is asked for in vain.
const BITS: usize = 10;
/// Bits that are looked at.
const LOOKS: u32 = 5;

/// A filter.
#[derive(Debug)]
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// An empty filter for so many fingerprints, of so many bytes at most.
    pub fn new(prints: usize, most: usize) -> Self {
        let words = prints.saturating_mul(BITS).div_ceil(64).min(most / 8).max(1);
        Self { words: vec![0; words] }
    }

    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    /// Adds one.
    pub fn add(&mut self, print: Fingerprint) {
        for look in 0..LOOKS {
            let (word, bit) = self.place(print, look);
            self.words[word] |= bit;
        }
    }

    /// Whether it may have been added.
    pub fn may_have(&self, print: Fingerprint) -> bool {
        (0..LOOKS).all(|look| {
            let (word, bit) = self.place(print, look);
            self.words[word] & bit != 0
        })
    }

    /// All looks are at one word and its neighbours in the same line of the cache.
    #[allow(clippy::cast_possible_truncation, reason = "parts of the fingerprint are taken")]
    fn place(&self, print: Fingerprint, look: u32) -> (usize, u64) {
        let line = ((u128::from(print as u64) * self.words.len() as u128) >> 64) as usize;
        let bits = (print >> (64 + 9 * look)) as usize & 0x1FF;
        (((line & !7) + bits / 64).min(self.words.len() - 1), 1 << (bits % 64))
    }
}
