//! Who uses the machine: tests that measure time have it alone, all others share it.
//!
//! Every run of the program takes a share; a test about time takes it alone first, and then waits for
//! the shares of others to end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

static USERS: Mutex<Users> = Mutex::new(Users { shares: 0, alone: false });
static CHANGED: Condvar = Condvar::new();

#[derive(Debug)]
struct Users {
    shares: usize,
    alone: bool,
}

fn users() -> MutexGuard<'static, Users> {
    USERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A share of the machine, given back when dropped.
#[derive(Debug)]
pub struct Share;

/// The machine alone, given back when dropped.
#[derive(Debug)]
pub struct Alone;

/// Waits until nobody has the machine alone. A test may hold several shares.
pub fn share() -> Share {
    let mut users = CHANGED.wait_while(users(), |users| users.alone).unwrap_or_else(PoisonError::into_inner);
    users.shares += 1;
    Share
}

/// Waits until nobody else uses the machine.
pub fn alone() -> Alone {
    let in_use = |users: &mut Users| users.alone || users.shares > 0;
    let mut users = CHANGED.wait_while(users(), in_use).unwrap_or_else(PoisonError::into_inner);
    users.alone = true;
    Alone
}

impl Drop for Share {
    fn drop(&mut self) {
        users().shares -= 1;
        CHANGED.notify_all();
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        users().alone = false;
        CHANGED.notify_all();
    }
}
