//! The screen: what a bar draws on, and the letters that draw it.
//!
//! The cursor rests at the beginning of the block, so that whatever becomes of the terminal meanwhile (another width,
//! lines that it breaks anew, words of another program), all of the block lies from the cursor down: one erasure needs
//! to know nothing. Must never write by itself: the command line does.

/// Where a block of lines is drawn, below what was said.
pub trait Screen: Send {
    /// Columns and rows; `None`: this is no time to draw, as the terminal is somebody else's.
    fn size(&self) -> Option<(usize, usize)>;

    /// Draws these lines in the place of those before.
    fn paint(&mut self, block: &[String]);

    /// Says a line above the block.
    fn say(&mut self, line: &str);

    /// Takes the block away.
    fn clear(&mut self);
}

/// Erases the block, and lets lines be broken again where a drawing was cut off.
pub const ERASE: &str = "\r\x1b[?7h\x1b[J";

/// What draws a block over the one before. Lines are not broken while it is drawn: a width that is an older one by the
/// time it arrives cuts them.
#[must_use]
pub fn painted(block: &[String]) -> String {
    let mut out = String::from("\r\x1b[?7l");
    for (position, line) in block.iter().enumerate() {
        if position > 0 {
            out.push_str("\r\n");
        }
        out.push_str(line);
        out.push_str("\x1b[K");
    }
    out.push_str("\x1b[J\r");
    if block.len() > 1 {
        out.push_str(&format!("\x1b[{}A", block.len() - 1));
    }
    out.push_str("\x1b[?7h");
    out
}

/// What says a line above a block.
#[must_use]
pub fn said(line: &str, block: &[String]) -> String {
    let block = if block.is_empty() { String::new() } else { painted(block) };
    format!("{ERASE}{line}\r\n{block}")
}

#[cfg(test)]
#[allow(missing_docs, reason = "seen by tests alone")]
pub mod tests {
    use super::*;
    use std::num::NonZeroU16;
    use std::sync::{Arc, Mutex};

    pub fn cells(number: u16) -> NonZeroU16 {
        NonZeroU16::new(number).unwrap()
    }

    /// A terminal that shows what was written to it.
    #[derive(Clone)]
    pub struct Double {
        pub terminal: Arc<Mutex<vt100::Parser>>,
        block: Vec<String>,
        /// All that was written since it was last taken.
        pub written: Arc<Mutex<String>>,
    }

    impl Double {
        pub fn new(columns: u16, rows: u16) -> Self {
            let terminal = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(columns), 0)));
            Self { terminal, block: Vec::new(), written: Arc::default() }
        }

        fn write(&self, text: &str) {
            self.terminal.lock().unwrap().process(text.as_bytes());
            self.written.lock().unwrap().push_str(text);
        }

        /// The lines that stand on it, without spaces behind them.
        pub fn lines(&self) -> Vec<String> {
            let terminal = self.terminal.lock().unwrap();
            let columns = terminal.screen().size().1.get();
            let mut lines: Vec<String> =
                terminal.screen().rows(0, columns).map(|line| line.trim_end().to_owned()).collect();
            lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
            lines
        }
    }

    impl Screen for Double {
        fn size(&self) -> Option<(usize, usize)> {
            let (rows, columns) = self.terminal.lock().unwrap().screen().size();
            Some((columns.get().into(), rows.get().into()))
        }

        fn paint(&mut self, block: &[String]) {
            self.block = block.to_vec();
            self.write(&painted(block));
        }

        fn say(&mut self, line: &str) {
            self.write(&said(line, &self.block));
        }

        fn clear(&mut self) {
            self.block.clear();
            self.write(ERASE);
        }
    }

    #[test]
    fn a_block_is_drawn_over_the_one_before_and_leaves_nothing_behind() {
        let mut screen = Double::new(20, 6);
        screen.say("above");
        let block = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        screen.paint(&block(&["one longer", "two", "three"]));
        screen.paint(&block(&["one", "two"]));
        assert_eq!(screen.lines(), ["above", "one", "two"]);
        screen.say("more");
        assert_eq!(screen.lines(), ["above", "more", "one", "two"]);
        (0..5).for_each(|line| screen.say(&format!("line {line}")));
        assert_eq!(screen.lines(), ["line 1", "line 2", "line 3", "line 4", "one", "two"], "at the lower end too");
        screen.terminal.lock().unwrap().screen_mut().set_size(cells(6), cells(9));
        screen.paint(&block(&["narrower", "two"]));
        assert_eq!(screen.lines()[4..], ["narrower", "two"], "nothing is left of the wider ones");
        screen.clear();
        assert_eq!(screen.lines(), ["line 1", "line 2", "line 3", "line 4"]);
    }
}
