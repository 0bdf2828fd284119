//! Which rows go out in one request: where the input is cut into chunks, and rows as they gather for one.
//!
//! A chunk is the rows of one place in the input, whatever session sends them: a key that tells a repetition of a
//! request stands for the same rows after a kill as before. Must never send a part of a chunk that was whole and is still
//! open, nor put two parts together that were split. Rows that have failed are another matter: `--failed` sends those
//! of one place together, under a key of their own.

use std::ops::Range;
use std::sync::Arc;

use crate::journal::WalkNote;
use crate::plan::EndpointPlan;
use crate::row::Row;

use super::batch::BatchTicket;
use super::call::Call;
use super::feeder::Intake;
use super::lane::Lane;
use super::stream::Heard;
use super::walk::Walk;

/// Where an endpoint's input is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Rows in a chunk.
    size: u64,
    /// Rows in a batch, which no chunk reaches beyond.
    batch: Option<u64>,
}

impl Cut {
    /// The cut of an endpoint; `None`: each row goes out alone.
    #[must_use]
    pub fn of(plan: &EndpointPlan) -> Option<Self> {
        let size = plan.chunk.as_ref()?.size as u64;
        Some(Self { size, batch: plan.batch.size })
    }

    /// The rows of the chunk that a row belongs to. Of its position alone.
    #[must_use]
    pub fn window(&self, row: u64) -> Range<u64> {
        let first = self.batch.map_or(0, |batch| row / batch * batch);
        let start = first + (row - first) / self.size * self.size;
        let end = start.saturating_add(self.size);
        start..self.batch.map_or(end, |batch| end.min(first.saturating_add(batch)))
    }

    /// How many of these rows, which are of one chunk and ascend, are its first half; `None`: there is only one. Halves
    /// are of the place in the input as well, so that rows that end earlier don't move them.
    #[must_use]
    pub fn half(&self, rows: &[u64]) -> Option<usize> {
        let (first, _) = rows.split_first().filter(|(_, rest)| !rest.is_empty())?;
        let mut range = self.window(*first);
        loop {
            let middle = range.start + (range.end - range.start) / 2;
            match rows.partition_point(|row| *row < middle) {
                0 => range.start = middle,
                all if all == rows.len() => range.end = middle,
                half => return Some(half),
            }
        }
    }

    /// The rows that are left of a chunk, cut as it was split before: parts of it have ended.
    fn parts<'r>(range: Range<u64>, rows: &'r [u64], has_ended: &impl Fn(&Range<u64>) -> bool) -> Vec<&'r [u64]> {
        if rows.len() < 2 || !has_ended(&range) {
            return if rows.is_empty() { Vec::new() } else { vec![rows] };
        }
        let middle = range.start + (range.end - range.start) / 2;
        let (first, second) = rows.split_at(rows.partition_point(|row| *row < middle));
        let mut parts = Self::parts(range.start..middle, first, has_ended);
        parts.extend(Self::parts(middle..range.end, second, has_ended));
        parts
    }
}

/// How many rows of a batch may still go out, chunk by chunk: none begins that might not fit.
#[derive(Debug)]
pub struct Room {
    cut: Option<Cut>,
    size: u64,
    rows: u64,
    window: Range<u64>,
}

impl Room {
    /// A batch of at most so many rows.
    #[must_use]
    pub fn new(cut: Option<Cut>, size: u64) -> Self {
        Self { cut, size, rows: 0, window: 0..0 }
    }

    /// Takes a row, where it fits.
    pub fn takes(&mut self, row: u64) -> bool {
        if let Some(cut) = self.cut.filter(|_| !self.window.contains(&row)) {
            let window = cut.window(row);
            if self.rows > 0 && self.rows.saturating_add(window.end - window.start) > self.size {
                return false;
            }
            self.window = window;
        }
        self.rows += 1;
        true
    }
}

/// Rows that go out in one request, as they gather; each alone where there are no chunks.
#[derive(Debug)]
pub struct Chunk {
    cut: Option<Cut>,
    rows: Vec<(u64, Arc<Row>)>,
    ticket: Option<BatchTicket>,
}

impl Chunk {
    /// Rows of an endpoint, and of a batch of it where that is given.
    #[must_use]
    pub fn new(lane: &Lane, ticket: Option<BatchTicket>) -> Self {
        Self { cut: Cut::of(lane.plan()), rows: Vec::new(), ticket }
    }

    /// Whether nothing has gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Sends what has gathered if this row is not of it.
    pub async fn reach(&mut self, lane: &Lane, intake: &Intake, row: u64) {
        if let (Some(cut), Some((_, first))) = (self.cut, self.rows.first())
            && !cut.window(first.ordinal).contains(&row)
        {
            self.send(lane, intake).await;
        }
    }

    /// Takes a row.
    pub async fn add(&mut self, lane: &Lane, sequence: u64, row: Arc<Row>, walk: Option<WalkNote>) {
        if self.cut.is_some() {
            return self.rows.push((sequence, row));
        }
        let ordinal = row.ordinal;
        let mut call = Call::new(row, sequence, self.ticket.clone());
        call.heard = lane.plan().stream.as_ref().map(|_| Box::new(Heard::after(walk.as_ref())));
        let paginate = lane.plan().paginate.as_ref();
        let walk = paginate.map(|plan| Walk::begin(lane.index, ordinal, Arc::clone(plan), walk));
        let call = match walk {
            Some(walk) => call.walking(walk),
            None => call,
        };
        lane.queue.add(call).await;
    }

    /// Sends what has gathered if this row is the last that it could wait for.
    pub async fn end(&mut self, lane: &Lane, intake: &Intake, row: u64) {
        if self.cut.is_some_and(|cut| cut.window(row).end == row + 1) {
            self.send(lane, intake).await;
        }
    }

    /// Sends what has gathered.
    pub async fn send(&mut self, lane: &Lane, intake: &Intake) {
        let (Some(cut), Some((_, first))) = (self.cut, self.rows.first()) else { return };
        let window = cut.window(first.ordinal);
        let splits = lane.plan().chunk.as_ref().is_some_and(|chunk| chunk.split);
        let ordinals: Vec<u64> = self.rows.iter().map(|(_, row)| row.ordinal).collect();
        let parts = Cut::parts(window, &ordinals, &|range| splits && intake.has_ended(range));
        let mut rows = self.rows.as_slice();
        for part in parts {
            let (together, rest) = rows.split_at(part.len());
            rows = rest;
            lane.queue.add(Call::chunk(together, self.ticket.clone())).await;
        }
        self.rows.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(size: u64, batch: Option<u64>) -> Cut {
        Cut { size, batch }
    }

    #[test]
    fn chunks_stand_where_their_rows_do() {
        for (cut, row, window) in [
            (cut(4, None), 0, 0..4),
            (cut(4, None), 7, 4..8),
            (cut(4, Some(6)), 5, 4..6),
            (cut(4, Some(6)), 6, 6..10),
            (cut(4, Some(3)), 4, 3..6),
            (cut(4, None), u64::MAX - 1, u64::MAX - 3..u64::MAX),
        ] {
            assert_eq!(cut.window(row), window, "{cut:?}, {row}");
        }
    }

    #[test]
    fn a_batch_begins_no_chunk_that_might_not_fit() {
        let taken = |rows: &[u64]| {
            let mut room = Room::new(Some(cut(4, Some(6))), 6);
            rows.iter().take_while(|row| room.takes(**row)).count()
        };
        assert_eq!(taken(&[0, 1, 2, 3, 4, 5, 6]), 6);
        assert_eq!(taken(&[4, 5, 6, 7, 8, 9, 10]), 6, "a chunk of two and one of four");
        assert_eq!(taken(&[0, 1, 2, 3, 6, 7]), 4, "the next one is of four");
        assert_eq!(taken(&[0, 6, 12, 18]), 3, "one row each, of four that may come");
        let mut room = Room::new(None, 6);
        assert!((0..9).all(|row| room.takes(row)), "where each row goes alone, the reader counts");
    }

    proptest! {
        /// Parts of a chunk end in any order, and kills come in between: no request is for rows of which some went out
        /// with others before, but for those that it was split from or into.
        #[test]
        fn requests_hold_each_other_or_have_nothing_in_common(
            size in 1..40_u64, batch in proptest::option::of(1..60_u64), at in 0..100_u64,
            gone in proptest::collection::btree_set(0..40_u64, 0..6),
            turns in proptest::collection::vec((0..3_u8, 0..9_usize), 1..40),
        ) {
            let cut = cut(size, batch);
            let window = cut.window(at);
            let mut left: Vec<u64> = window.clone().filter(|row| !gone.contains(&(row - window.start))).collect();
            let (mut sent, mut out, mut ended) = (Vec::<Vec<u64>>::new(), Vec::new(), Vec::<u64>::new());
            for (turn, which) in turns {
                if out.is_empty() {
                    let has_ended = |range: &Range<u64>| ended.iter().any(|row| range.contains(row));
                    out = Cut::parts(window.clone(), &left, &has_ended).into_iter().map(<[u64]>::to_vec).collect();
                    sent.extend(out.iter().cloned());
                }
                if out.is_empty() { break }
                let call = out.swap_remove(which % out.len());
                match (turn, cut.half(&call)) {
                    (0, Some(half)) => {
                        out.extend([call[..half].to_vec(), call[half..].to_vec()]);
                        sent.extend([call[..half].to_vec(), call[half..].to_vec()]);
                    }
                    (1, _) => out.clear(),
                    _ => {
                        left.retain(|row| !call.contains(row));
                        ended.extend(call);
                    }
                }
            }
            for (one, other) in sent.iter().flat_map(|one| sent.iter().map(move |other| (one, other))) {
                let common = one.iter().filter(|row| other.contains(row)).count();
                prop_assert!([0, one.len(), other.len()].contains(&common), "{one:?} and {other:?}");
            }
        }
    }
}
