//! Reporters: what people see of a run. They look at events and counters and never change anything.
//!
//! One file each: [`bar`] on a terminal (how it is laid out says [`layout`], how it is drawn [`screen`]), [`lines`] elsewhere, [`log`] with `-v`, and [`summary`] when
//! the run has ended. Must never print by themselves: the command line gives them their way out.

pub mod bar;
pub mod held;
pub mod layout;
pub mod lines;
pub mod log;
pub mod notice;
pub mod progress;
pub mod screen;
pub mod summary;
pub mod text;

use crate::event::Event;
use crate::run::live::Live;

/// A reporter's way out: takes one line, without its line end.
pub type Speak = Box<dyn FnMut(&str) + Send>;

/// Watches a run. Called from the conductor, so it must be quick and must not block.
pub trait Reporter: Send {
    /// Whether it wants to be told of every attempt: millions of events, which nobody makes otherwise.
    fn wants_attempts(&self) -> bool {
        false
    }

    /// Something happened.
    fn tell(&mut self, event: &Event);

    /// Time went by, ten times a second at most; read the counters and redraw.
    fn tick(&mut self, live: &Live);
}
