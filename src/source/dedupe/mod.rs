//! Rows that were seen before, exactly and in bounded memory.
//!
//! A row is known by its fingerprint: 128 bits of SHA-256 over a key drawn for each reading and what is compared of
//! the row, each value with its kind and its length, so that no two different rows are the same bytes. Exact means: two
//! different rows are taken for one with a chance of n²/2^129, for ten milliards of rows less than one in 2^62,
//! which is far below that of the machine being wrong; and as the key is drawn, no one can write an input in which it is
//! more. What is kept is 16 bytes a row: first in a table in memory, then, sorted, in files ([`spill`]).
//!
//! Must never forget a row, and never hold more memory than its [`Limits`] say, whatever the number of rows.

mod canonical;
mod filter;
mod run;
mod spill;
mod table;
#[cfg(test)]
mod tests;

use aws_lc_rs::digest::{SHA256, digest};

use self::spill::Spill;
use self::table::Table;
use super::SourceError;
use crate::random;
use crate::row::{Cell, Row};

/// What is kept of a row.
pub(crate) type Fingerprint = u128;

/// What may be held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Slots of the table, a power of two; 16 bytes each, and half as much again while it grows.
    pub slots: usize,
    /// Bytes of the filters that save reading the files; half of them again for a moment.
    pub filters: usize,
}

impl Default for Limits {
    /// 24 MiB and 24 MiB, of which ten millions of rows need half.
    fn default() -> Self {
        Self { slots: 1 << 20, filters: 24 << 20 }
    }
}

/// The rows that were seen.
#[derive(Debug)]
pub(crate) struct Seen {
    key: [u8; 16],
    /// What is compared of the row at hand, behind the key.
    bytes: Vec<u8>,
    recent: Table,
    earlier: Spill,
}

impl Seen {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        let mut key = [0; 16];
        let (first, second) = key.split_at_mut(8);
        first.copy_from_slice(&random::bits().to_le_bytes());
        second.copy_from_slice(&random::bits().to_le_bytes());
        Self::keyed(limits, key)
    }

    /// None yet, with a key that was drawn before.
    pub fn keyed(limits: Limits, key: [u8; 16]) -> Self {
        Self { key, bytes: Vec::new(), recent: Table::new(limits.slots), earlier: Spill::new(limits.filters) }
    }

    /// The key.
    pub fn key(&self) -> [u8; 16] {
        self.key
    }

    /// What is kept of something that has these cells.
    pub fn print(&mut self, cells: &[Cell<'_>]) -> Fingerprint {
        self.bytes.clear();
        self.bytes.extend_from_slice(&self.key);
        cells.iter().for_each(|cell| canonical::cell(&mut self.bytes, Some(*cell)));
        self.hashed()
    }

    /// Whether no row that is the same in these columns (`None`: in all) was seen before; from now on one was.
    ///
    /// # Errors
    /// When the temporary files can't be written or read.
    pub fn is_new(&mut self, row: &Row, columns: Option<&[String]>) -> Result<bool, SourceError> {
        self.bytes.clear();
        self.bytes.extend_from_slice(&self.key);
        canonical::write(&mut self.bytes, row, columns);
        let print = self.hashed();
        self.insert(print)
    }

    fn hashed(&self) -> Fingerprint {
        let hash = digest(&SHA256, &self.bytes);
        let mut half = [0; 16];
        half.copy_from_slice(&hash.as_ref()[..16]);
        u128::from_le_bytes(half)
    }

    /// Whether a fingerprint was not seen before; from now on it was.
    ///
    /// # Errors
    /// As [`Seen::is_new`].
    pub fn insert(&mut self, print: Fingerprint) -> Result<bool, SourceError> {
        // Zero is what an empty slot holds.
        let print = print.max(1);
        if self.recent.contains(print) || self.earlier.contains(print)? {
            return Ok(false);
        }
        if self.recent.is_full() {
            self.earlier.add(self.recent.sort())?;
            self.recent.clear();
        }
        self.recent.insert(print);
        Ok(true)
    }
}
