//! A bounded mailbox between tasks and threads: items go in one by one and come out in chunks.
//!
//! A channel wakes its reader for every item; at tens of thousands of rows a second these wakes cost
//! more than the work. A mailbox wakes its reader when it was empty or is half full, and the reader
//! takes all there is. Must never grow beyond its capacity: a full mailbox holds its writers back.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// The mailbox is closed: nobody reads it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

#[derive(Debug)]
struct Inside<T> {
    items: VecDeque<T>,
    /// Weight of all items.
    load: usize,
    closed: bool,
    /// A blocking reader sleeps until the mailbox is half full or its patience ends.
    reader_lingers: bool,
    /// A blocking reader was asked to look up although nothing came.
    nudged: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Mailbox<T> {
    inside: Mutex<Inside<T>>,
    /// Weight that is full; one more item may be above it, however heavy.
    capacity: usize,
    weigh: fn(&T) -> usize,
    /// Wakes a blocking reader or writer.
    changed: Condvar,
    /// Wakes an async reader.
    filled: Notify,
    /// Wakes async writers.
    drained: Notify,
}

impl<T> Mailbox<T> {
    /// A mailbox for at most `capacity` items.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self::weighing(capacity, |_| 1)
    }

    /// A mailbox that is full when its items weigh `capacity`.
    #[must_use]
    pub fn weighing(capacity: usize, weigh: fn(&T) -> usize) -> Self {
        let items = VecDeque::new();
        Self {
            inside: Mutex::new(Inside { items, load: 0, closed: false, reader_lingers: false, nudged: false }),
            capacity: capacity.max(1),
            weigh,
            changed: Condvar::new(),
            filled: Notify::new(),
            drained: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside<T>> {
        // A panic elsewhere must not turn into a second one here: the queue itself is always whole.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the mailbox: writers are refused, the reader gets what is left and then the end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
        self.filled.notify_waiters();
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Has a blocking reader return at once, now or when it comes next, although there may be nothing.
    pub fn nudge(&self) {
        self.lock().nudged = true;
        self.changed.notify_all();
    }

    fn put(&self, inside: &mut Inside<T>, item: T) {
        let was_empty = inside.items.is_empty();
        inside.load = inside.load.saturating_add((self.weigh)(&item));
        inside.items.push_back(item);
        if was_empty {
            self.filled.notify_one();
        }
        let ripe = inside.load >= self.capacity / 2;
        if (was_empty && !inside.reader_lingers) || (ripe && inside.reader_lingers) {
            inside.reader_lingers &= !ripe;
            self.changed.notify_all();
        }
    }

    /// Adds an item; waits while the mailbox is full.
    ///
    /// # Errors
    /// When the mailbox is closed.
    pub async fn push(&self, item: T) -> Result<(), Closed> {
        loop {
            let room = self.drained.notified();
            tokio::pin!(room);
            {
                let mut inside = self.lock();
                if inside.closed {
                    return Err(Closed);
                }
                if inside.load < self.capacity {
                    self.put(&mut inside, item);
                    return Ok(());
                }
                // Registered while the lock is held: a drain after this can't be missed.
                room.as_mut().enable();
            }
            room.await;
        }
    }

    /// Adds an item; blocks the thread while the mailbox is full.
    ///
    /// # Errors
    /// When the mailbox is closed.
    pub fn push_blocking(&self, item: T) -> Result<(), Closed> {
        let mut inside = self.lock();
        while !inside.closed && inside.load >= self.capacity {
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        if inside.closed {
            return Err(Closed);
        }
        self.put(&mut inside, item);
        Ok(())
    }

    fn take(&self, inside: &mut Inside<T>, most: usize) -> Vec<T> {
        let count = most.min(inside.items.len());
        let taken: Vec<T> = inside.items.drain(..count).collect();
        inside.load = inside.items.iter().map(self.weigh).sum();
        self.drained.notify_waiters();
        self.changed.notify_all();
        taken
    }

    /// Waits for items and takes at most `most` of them; empty when the mailbox is closed and empty.
    pub async fn drain(&self, most: usize) -> Vec<T> {
        self.drain_while(most, |_| true).await
    }

    /// As [`Mailbox::drain`], up to the first item that does not `fit`; empty also where the next one does not.
    pub async fn drain_while(&self, most: usize, mut fits: impl FnMut(&T) -> bool) -> Vec<T> {
        loop {
            {
                let mut inside = self.lock();
                if !inside.items.is_empty() {
                    let fitting = inside.items.iter().take(most).take_while(|item| fits(item)).count();
                    let taken = self.take(&mut inside, fitting);
                    if !inside.items.is_empty() {
                        self.filled.notify_one();
                    }
                    return taken;
                }
                if inside.closed {
                    self.filled.notify_one();
                    return Vec::new();
                }
            }
            self.filled.notified().await;
        }
    }

    /// Waits at most `patience` for the first item, then lingers at most `linger` for the mailbox to
    /// become half full, and takes all there is. `None` when the mailbox is closed and empty.
    pub fn drain_blocking(&self, patience: Duration, linger: Duration) -> Option<Vec<T>> {
        let mut inside = self.lock();
        if inside.items.is_empty() && !inside.closed && !inside.nudged {
            inside = self.wait(inside, patience);
        }
        let few = !inside.items.is_empty() && inside.load < self.capacity / 2;
        if few && !inside.closed && !inside.nudged {
            inside.reader_lingers = true;
            inside = self.wait(inside, linger);
            inside.reader_lingers = false;
        }
        inside.nudged = false;
        if inside.items.is_empty() && inside.closed {
            return None;
        }
        Some(self.take(&mut inside, usize::MAX))
    }

    fn wait<'g>(&self, guard: MutexGuard<'g, Inside<T>>, time: Duration) -> MutexGuard<'g, Inside<T>> {
        self.changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_full_mailbox_holds_writers_back_until_it_is_drained() {
        let mailbox = Arc::new(Mailbox::new(2));
        mailbox.push(1).await.unwrap();
        mailbox.push(2).await.unwrap();
        let writer = tokio::spawn({
            let mailbox = mailbox.clone();
            async move { mailbox.push(3).await }
        });
        tokio::task::yield_now().await;
        assert!(!writer.is_finished());
        assert_eq!(mailbox.drain(10).await, [1, 2]);
        writer.await.unwrap().unwrap();
        assert_eq!(mailbox.drain(10).await, [3]);
    }

    #[tokio::test]
    async fn heavy_items_fill_it_earlier_and_one_fits_however_heavy() {
        let mailbox = Mailbox::weighing(10, |item: &usize| *item);
        mailbox.push(4).await.unwrap();
        mailbox.push(1_000).await.unwrap();
        let mut writer = std::pin::pin!(mailbox.push(1));
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(writer.as_mut().poll(cx).is_pending())).await);
        assert_eq!(mailbox.drain(1).await, [4]);
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(writer.as_mut().poll(cx).is_pending())).await);
        assert_eq!(mailbox.drain(1).await, [1_000]);
        writer.await.unwrap();
        assert_eq!(mailbox.drain(9).await, [1]);
    }

    #[tokio::test]
    async fn a_closed_mailbox_gives_what_is_left_and_refuses_more() {
        let mailbox = Mailbox::new(10);
        for item in 0..5 {
            mailbox.push(item).await.unwrap();
        }
        mailbox.close();
        assert_eq!(mailbox.push(9).await, Err(Closed));
        assert_eq!(mailbox.drain(3).await, [0, 1, 2]);
        assert_eq!(mailbox.drain(3).await, [3, 4]);
        assert!(mailbox.drain(3).await.is_empty());
        assert!(mailbox.drain(3).await.is_empty());
    }

    #[test]
    fn threads_hand_over_everything_in_order() {
        let mailbox = Arc::new(Mailbox::new(64));
        let writer = std::thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                for item in 0..10_000_u32 {
                    mailbox.push_blocking(item).unwrap();
                }
                mailbox.close();
            }
        });
        let mut seen = Vec::new();
        while let Some(items) = mailbox.drain_blocking(LONG, Duration::from_millis(1)) {
            assert!(items.len() <= 64);
            seen.extend(items);
        }
        writer.join().unwrap();
        assert_eq!(seen, (0..10_000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn many_async_writers_and_a_blocking_reader_lose_nothing() {
        let mailbox = Arc::new(Mailbox::new(16));
        let reader = std::thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                let mut seen = Vec::new();
                while let Some(items) = mailbox.drain_blocking(LONG, Duration::from_millis(1)) {
                    seen.extend(items);
                }
                seen
            }
        });
        let writers: Vec<_> = (0..8_u32)
            .map(|writer| {
                let mailbox = mailbox.clone();
                tokio::spawn(async move {
                    for item in 0..500 {
                        mailbox.push(writer * 1000 + item).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        mailbox.close();
        let mut seen = reader.join().unwrap();
        seen.sort_unstable();
        let expected: Vec<u32> = (0..8).flat_map(|writer| (0..500).map(move |item| writer * 1000 + item)).collect();
        assert_eq!(seen, expected);
    }
}
