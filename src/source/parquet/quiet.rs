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

static HOOK: Once = Once::new();

/// Does this; an error is a panic of it, of which nothing was printed.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    HOOK.call_once(install);
    let outer = CAUGHT.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    done
}

/// Puts our hook above the one that there is.
fn install() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !CAUGHT.get() {
            print(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// What is thrown where the hook below ours is to count it; other tests panic as they like.
    struct Counted;

    static PRINTED: AtomicUsize = AtomicUsize::new(0);

    /// Puts a hook that counts, and ours above it.
    fn count() {
        quietly(|| ()).unwrap();
        assert!(HOOK.is_completed(), "it is there from the first time on");
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if panic.payload().is::<Counted>() {
                PRINTED.fetch_add(1, Ordering::SeqCst);
            } else {
                others(panic);
            }
        }));
        install();
    }

    fn printed() -> usize {
        PRINTED.swap(0, Ordering::SeqCst)
    }

    fn fail() {
        panic::panic_any(Counted);
    }

    #[test]
    fn only_what_is_caught_is_quiet() {
        count();
        assert!(quietly(fail).is_err());
        assert_eq!(printed(), 0);
        assert!(panic::catch_unwind(fail).is_err());
        assert_eq!(printed(), 1, "over with the work, also when it panics");
        let inner = || {
            assert!(quietly(fail).is_err());
            fail();
        };
        assert!(quietly(inner).is_err());
        assert_eq!(printed(), 0, "one in the other ends with the outer one");
        assert!(quietly(|| thread::spawn(fail).join().unwrap_err()).is_ok());
        assert_eq!(printed(), 1, "another thread prints");
    }
}
