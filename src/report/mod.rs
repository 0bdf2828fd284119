//! Reporters: what people see of a run. They look at events and counters and never change anything.

use crate::event::Event;
use crate::run::live::Live;

/// Watches a run. Called from the conductor, so it must be quick and must not block.
pub trait Reporter: Send {
    /// Something happened.
    fn tell(&mut self, event: &Event);

    /// Time went by, ten times a second at most; read the counters and redraw.
    fn tick(&mut self, live: &Live);
}
