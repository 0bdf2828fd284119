//! The fingerprints seen last, in memory: open addressing, for they are as good as any hash of them.
//!
//! Must never hold more slots than it was given.

use super::Fingerprint;

/// Slots of an empty table.
const FIRST: usize = 1024;

/// A set of fingerprints other than zero.
#[derive(Debug)]
pub(super) struct Table {
    /// A power of two; zero is an empty slot.
    slots: Vec<Fingerprint>,
    held: usize,
    most: usize,
}

impl Table {
    /// An empty table of so many slots at most, a power of two.
    pub fn new(most: usize) -> Self {
        debug_assert!(most.is_power_of_two(), "slots are found by a mask");
        Self { slots: vec![0; FIRST.min(most)], held: 0, most }
    }

    /// Whether it holds a fingerprint.
    pub fn contains(&self, print: Fingerprint) -> bool {
        self.slots[self.slot(print)] == print
    }

    /// Whether there is no room for another one: four slots of five are taken.
    pub fn is_full(&self) -> bool {
        self.slots.len() == self.most && self.is_crowded()
    }

    /// Adds one that it does not hold; it must not be full.
    pub fn insert(&mut self, print: Fingerprint) {
        if self.is_crowded() {
            self.grow();
        }
        let slot = self.slot(print);
        self.slots[slot] = print;
        self.held += 1;
    }

    /// All of them, ascending. The table can't be used before it is cleared.
    pub fn sort(&mut self) -> &[Fingerprint] {
        let mut kept = 0;
        for slot in 0..self.slots.len() {
            if self.slots[slot] != 0 {
                self.slots.swap(slot, kept);
                kept += 1;
            }
        }
        self.slots[..kept].sort_unstable();
        &self.slots[..kept]
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.slots.fill(0);
        self.held = 0;
    }

    fn is_crowded(&self) -> bool {
        (self.held + 1) * 5 > self.slots.len() * 4
    }

    /// The slot of a fingerprint, or the empty one it would go to. There always is one.
    fn slot(&self, print: Fingerprint) -> usize {
        let mask = self.slots.len() - 1;
        #[allow(clippy::cast_possible_truncation, reason = "its low bits are what is wanted")]
        let mut slot = print as usize & mask;
        while self.slots[slot] != 0 && self.slots[slot] != print {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let larger = vec![0; (self.slots.len() * 2).min(self.most)];
        for print in std::mem::replace(&mut self.slots, larger).into_iter().filter(|print| *print != 0) {
            let slot = self.slot(print);
            self.slots[slot] = print;
        }
    }
}
