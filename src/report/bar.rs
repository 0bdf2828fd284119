//! The bar: one for each endpoint, on a terminal, redrawn from `tick` alone.
//!
//! Must never be drawn from anywhere else: at 10,000 rows a second a redraw per row would be most of
//! the work.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Reporter;
use super::notice::Notices;
use super::progress::{Progress, Speed};
use super::text::clean;
use crate::clock;
use crate::event::Event;
use crate::run::live::{Lane, Live};

/// Cells of a bar.
const CELLS: u64 = 16;

/// Shows how far a run is, in place.
pub struct Bar {
    all: MultiProgress,
    lanes: Vec<LaneBar>,
    notices: Notices,
    unicode: bool,
    ticks: usize,
    ended: bool,
}

/// The line of an endpoint.
struct LaneBar {
    line: ProgressBar,
    speed: Speed,
}

impl Bar {
    /// Bars drawn on `canvas`; with block characters when the locale is a Unicode one.
    #[must_use]
    pub fn new(canvas: ProgressDrawTarget, unicode: bool) -> Self {
        Self {
            all: MultiProgress::with_draw_target(canvas),
            lanes: Vec::new(),
            notices: Notices::default(),
            unicode,
            ticks: 0,
            ended: false,
        }
    }

    fn add_lanes(&mut self, live: &Live) {
        for _ in self.lanes.len()..live.lanes.len() {
            let line = ProgressBar::new_spinner();
            // A constant that the tests below draw with: the fallback is never seen.
            line.set_style(ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.lanes.push(LaneBar { line: self.all.add(line), speed: Speed::default() });
        }
    }

    fn draw(&mut self, live: &Live) {
        let width = live.lanes.iter().map(|lane| lane.endpoint.chars().count()).max().unwrap_or(0);
        let count = self.lanes.len();
        for position in 0..count {
            // The canvas leaves out draws that come too fast; so that it is not always the same lane
            // that goes without, each tick begins with another.
            let position = (position + self.ticks) % count;
            if let (Some(bar), Some(lane)) = (self.lanes.get_mut(position), live.lanes.get(position)) {
                let progress = Progress::of(lane, &mut bar.speed, clock::now());
                bar.line.set_message(line(lane, &progress, width, self.ticks, self.unicode));
            }
        }
        self.ticks = self.ticks.wrapping_add(1);
    }

    fn clear(&mut self) {
        self.ended = true;
        for lane in &self.lanes {
            lane.line.finish_and_clear();
        }
        // The canvas may be gone (a closed terminal); then there is nothing left to clear.
        let _ = self.all.clear();
    }
}

fn line(lane: &Lane, progress: &Progress, width: usize, ticks: usize, unicode: bool) -> String {
    let shape = match progress.total {
        Some(total) => cells(progress.done, total, unicode),
        None => spinner(ticks, unicode).to_string(),
    };
    let (name, position) = (clean(&lane.endpoint), progress.position());
    format!("{name:width$} {shape} {position}  {}", progress.details().join("  "))
}

/// A bar of [`CELLS`] cells; in Unicode its last cell fills by eighths.
fn cells(done: u64, total: u64, unicode: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = |steps: u64| (u128::from(done.min(total)) * u128::from(steps) / u128::from(total.max(1))) as usize;
    let all = CELLS as usize;
    if !unicode {
        let full = share(CELLS);
        return format!("[{}{}]", "#".repeat(full), "-".repeat(all - full));
    }
    let eighths = share(CELLS * 8);
    let (full, part) = (eighths / 8, EIGHTHS[eighths % 8]);
    let empty = all - full - usize::from(!part.is_empty());
    format!("{}{part}{}", "█".repeat(full), "░".repeat(empty))
}

fn spinner(ticks: usize, unicode: bool) -> char {
    let frames = if unicode { ['⠋', '⠙', '⠸', '⠴', '⠦', '⠇'] } else { ['|', '/', '-', '\\', '|', '/'] };
    // ASCII has four frames only; six would stutter.
    frames[ticks % if unicode { 6 } else { 4 }]
}

impl Reporter for Bar {
    fn tell(&mut self, event: &Event) {
        if let Event::RunFinished { .. } = event {
            return self.clear();
        }
        if let Some(notice) = self.notices.of(event) {
            // As above: a canvas that is gone is no reason to end a run.
            let _ = self.all.println(notice);
        }
    }

    fn tick(&mut self, live: &Live) {
        if !self.ended {
            self.add_lanes(live);
            self.draw(live);
        }
    }
}

impl Drop for Bar {
    /// Whatever ended the run: no half bar stays behind.
    fn drop(&mut self) {
        if !self.ended {
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::tests::lane;
    use super::*;
    use indicatif::TermLike;
    use std::io;
    use std::sync::{Arc, Mutex};

    /// A terminal of 120 columns that remembers what was written to it.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn add(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn take(&self) -> String {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, line: &str) -> io::Result<()> {
            self.add(&format!("{line}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.add(text)
        }
        fn clear_line(&self) -> io::Result<()> {
            self.add("<clear>")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn on_screen(unicode: bool) -> (Bar, Screen) {
        let screen = Screen::default();
        (Bar::new(ProgressDrawTarget::term_like(Box::new(screen.clone())), unicode), screen)
    }

    #[test]
    fn a_tick_draws_a_bar_with_its_numbers() {
        let (mut bar, screen) = on_screen(false);
        bar.tick(&Live { lanes: vec![lane(1000, 102)] });
        let drawn = screen.take();
        assert!(drawn.contains("price [########--------] 502/1,000  0/s  2 failed  7 retries"), "{drawn}");
    }

    #[test]
    fn a_unicode_locale_gets_blocks() {
        let (mut bar, screen) = on_screen(true);
        bar.tick(&Live { lanes: vec![lane(1000, 102)] });
        let drawn = screen.take();
        assert!(drawn.contains('█') && drawn.contains('░'), "{drawn}");
    }

    #[test]
    fn an_unknown_total_gets_a_spinner_until_it_is_known() {
        let (mut bar, screen) = on_screen(false);
        bar.tick(&Live { lanes: vec![lane(0, 102)] });
        assert!(screen.take().contains("price | 502 rows"));
        bar.tick(&Live { lanes: vec![lane(1000, 102)] });
        assert!(screen.take().contains("price [####"));
    }

    #[test]
    fn a_bar_is_always_as_wide_and_full_only_at_the_end() {
        for unicode in [true, false] {
            let full = cells(1, 1, unicode);
            for done in 0..=1000 {
                let drawn = cells(done, 1000, unicode);
                assert_eq!(drawn.chars().count(), full.chars().count(), "{drawn}");
                assert_eq!(drawn == full, done == 1000, "{done}: {drawn}");
            }
        }
        assert_eq!(cells(u64::MAX, u64::MAX, false), format!("[{}]", "#".repeat(16)));
        assert_eq!(cells(1, 32, true), format!("▌{}", "░".repeat(15)));
    }

    #[test]
    fn names_are_padded_to_one_width() {
        let (mut bar, screen) = on_screen(false);
        let other = Lane { endpoint: "a".into(), ..Lane::default() };
        bar.tick(&Live { lanes: vec![lane(1000, 102), other] });
        assert!(screen.take().contains("a     | 0 rows"));
    }

    #[test]
    fn notices_stand_above_the_bar_and_the_end_clears_it() {
        let (mut bar, screen) = on_screen(false);
        bar.tick(&Live { lanes: vec![lane(1000, 102)] });
        bar.tell(&Event::Warning { message: "odd".into() });
        assert!(screen.take().contains("warning: odd"));
        bar.tell(&Event::RunFinished { complete: true, summary: Box::default() });
        assert!(screen.take().contains("<clear>"));
        bar.tick(&Live { lanes: vec![lane(1000, 103)] });
        assert_eq!(screen.take(), "", "nothing is drawn after the end");
    }

    #[test]
    fn events_of_the_daily_work_draw_nothing() {
        let (mut bar, screen) = on_screen(false);
        bar.tell(&Event::BatchFinished { endpoint: "price".into(), batch: 1, rows: 9 });
        bar.tell(&Event::RowFailed { endpoint: "price".into(), row: 1, reason: "HTTP 404".into() });
        assert_eq!(screen.take(), "");
    }
}
