//! Panics that are caught, and of which nothing is to be printed.
//!
//! The hook for panics runs before anybody can catch one, so that it has to know. Must never keep a panic quiet that
//! is not caught right here: those of other threads, and of this one before and after, print as ever.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::thread;

thread_local! {
    /// Whether a panic of this thread is caught by [`quietly`].
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Does this; an error is a panic of it, of which nothing was printed.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                print(panic);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_caught_is_quiet() {
        assert!(matches!(quietly(|| CAUGHT.get()), Ok(true)));
        assert!(!CAUGHT.get());
        assert!(quietly(|| panic!("nobody reads this")).is_err());
        assert!(!CAUGHT.get(), "over with the work, also when it panics");
        let inner = || (quietly(|| panic!("nor this")).is_err(), CAUGHT.get());
        assert!(matches!(quietly(inner), Ok((true, true))), "one in the other ends with the outer one");
        let elsewhere = || thread::spawn(|| CAUGHT.get()).join().unwrap();
        assert!(matches!(quietly(elsewhere), Ok(false)), "another thread prints");
    }
}
