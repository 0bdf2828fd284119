//! The layout of bars: from numbers to lines that fit a terminal.
//!
//! What matters least goes first where the room is small, and from all lines at once, so that columns stand below
//! each other. Pure. Must never give a line that is wider than it was told.

use super::progress::Progress;
use super::text::{ascii, clean, columns, cut};

/// Cells of a bar where there is room, where there is little, and where there is plenty.
const CELLS: usize = 16;
const FEW_CELLS: usize = 8;
const MOST_CELLS: usize = 40;

/// How bars may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Block characters and such; else ASCII alone.
    pub unicode: bool,
    /// Colours, a few.
    pub color: bool,
    /// Whether keys are listened to, so that they may be told.
    pub keys: bool,
}

/// A colour of the few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Failures.
    Red,
    /// A pause.
    Yellow,
    /// What is only by the way.
    Dim,
}

impl Look {
    /// A text in a colour, where colours may be.
    #[must_use]
    pub fn paint(self, text: &str, color: Color) -> String {
        let code = match color {
            Color::Red => "31",
            Color::Yellow => "33",
            Color::Dim => "2",
        };
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A name, safe to show.
    #[must_use]
    pub fn name(self, name: &str) -> String {
        if self.unicode { clean(name) } else { ascii(&clean(name)) }
    }
}

/// An endpoint's line, before it is laid out.
#[derive(Debug, Clone)]
pub struct Line<'l> {
    /// Name of the endpoint.
    pub name: &'l str,
    /// Its numbers.
    pub progress: &'l Progress,
    /// The turn of its spinner, where there is no total.
    pub turn: usize,
}

/// What a line may consist of; at most so many columns of names and cells of bars, 0 for none.
#[derive(Debug, Clone, Copy)]
struct Shape {
    name: usize,
    cells: usize,
    rate: bool,
    eta: bool,
    failed: bool,
    retries: bool,
    in_flight: bool,
}

const WHOLE: Shape =
    Shape { name: 32, cells: CELLS, rate: true, eta: true, failed: true, retries: true, in_flight: true };

/// From all that there is to the least, what matters least first. `troubled`: something failed, `repeated`: something
/// was tried again.
fn shapes(troubled: bool, repeated: bool) -> [Shape; 11] {
    let few = Shape { cells: FEW_CELLS, ..WHOLE };
    let named = Shape { name: 20, ..few };
    let zeros = Shape { failed: troubled, retries: repeated, ..named };
    let flight = Shape { in_flight: false, ..zeros };
    let repetition = Shape { retries: false, ..flight };
    let bar = Shape { cells: 0, ..repetition };
    let name = Shape { name: 12, ..bar };
    let eta = Shape { eta: false, ..name };
    let rate = Shape { rate: false, ..eta };
    let short = Shape { name: 6, ..rate };
    [WHOLE, few, named, zeros, flight, repetition, bar, name, eta, rate, short]
}

/// The lines, each in at most `width` columns.
#[must_use]
pub fn lines(all: &[Line<'_>], width: usize, look: Look) -> Vec<String> {
    let troubled = all.iter().any(|line| line.progress.failed > 0);
    let repeated = all.iter().any(|line| line.progress.retries > 0);
    let shapes = shapes(troubled, repeated);
    let fits = |shape: &Shape| measure(all, *shape, look) <= width;
    let shape = shapes.into_iter().find(fits).unwrap_or(shapes[shapes.len() - 1]);
    let spare = width.saturating_sub(measure(all, shape, look));
    let cells = if shape.cells == CELLS { (CELLS + spare).min(MOST_CELLS) } else { shape.cells };
    table(all, Shape { cells, ..shape }, look).into_iter().map(|line| within(&line, width, look)).collect()
}

/// A line as it is where it fits, else cut, and without colours.
fn within((plain, colored): &(String, String), width: usize, look: Look) -> String {
    if columns(plain) <= width { colored.clone() } else { cut(plain, width, look.unicode) }
}

fn measure(all: &[Line<'_>], shape: Shape, look: Look) -> usize {
    table(all, shape, look).iter().map(|(plain, _)| columns(plain)).max().unwrap_or(0)
}

/// Lines without and with colour, their columns below each other.
fn table(all: &[Line<'_>], shape: Shape, look: Look) -> Vec<(String, String)> {
    let rows: Vec<[String; 7]> = all.iter().map(|line| fields(line, shape, look)).collect();
    let wide: [usize; 7] = std::array::from_fn(|field| rows.iter().map(|row| columns(&row[field])).max().unwrap_or(0));
    let row = |(row, line): (&[String; 7], &Line<'_>)| {
        let (mut plain, mut colored) = (String::new(), String::new());
        for (field, text) in row.iter().enumerate().filter(|(field, _)| wide[*field] > 0) {
            let gap = if field == 0 {
                ""
            } else if field < 3 {
                " "
            } else {
                "  "
            };
            let padding = " ".repeat(wide[field] - columns(text));
            let bad = field == FAILED && line.progress.failed > 0;
            let shown = if bad { look.paint(text, Color::Red) } else { text.clone() };
            // Names and bars begin together, numbers end together.
            let (left, right) = if field < 2 { ("", padding.as_str()) } else { (padding.as_str(), "") };
            plain.push_str(&[gap, left, text, right].concat());
            colored.push_str(&[gap, left, &shown, right].concat());
        }
        (plain.trim_end().to_owned(), colored.trim_end().to_owned())
    };
    rows.iter().zip(all).map(row).collect()
}

/// Where the number of failed rows stands among the fields.
const FAILED: usize = 5;

/// Name, bar, position, rate, time to go, failed rows, retries with requests in flight; empty where left out.
fn fields(line: &Line<'_>, shape: Shape, look: Look) -> [String; 7] {
    let progress = line.progress;
    let when = |wanted: bool, text: String| if wanted { text } else { String::new() };
    let bar = match progress.total {
        _ if shape.cells == 0 => String::new(),
        Some(total) => bar(progress.done, total, shape.cells, look.unicode),
        None => spinner(line.turn, look.unicode).to_string(),
    };
    let (retries, flight) = (when(shape.retries, progress.repetitions()), when(shape.in_flight, progress.flying()));
    let last: Vec<String> = [retries, flight].into_iter().filter(|text| !text.is_empty()).collect();
    [
        cut(&look.name(line.name), shape.name, look.unicode),
        bar,
        position(progress),
        when(shape.rate, progress.speed()),
        when(shape.eta, progress.time_to_go().unwrap_or_default()),
        when(shape.failed, progress.failures()),
        last.join("  "),
    ]
}

/// Where it stands, with the messages that were taken.
fn position(progress: &Progress) -> String {
    progress.taken().map_or_else(|| progress.position(), |taken| format!("{}  {taken}", progress.position()))
}

/// A bar of so many cells; in Unicode its last cell fills by eighths.
#[must_use]
pub fn bar(done: u64, total: u64, cells: usize, unicode: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = |steps: usize| (u128::from(done.min(total)) * steps as u128 / u128::from(total.max(1))) as usize;
    if !unicode {
        let full = share(cells);
        return format!("[{}{}]", "#".repeat(full), "-".repeat(cells - full));
    }
    let eighths = share(cells * 8);
    let (full, part) = (eighths / 8, EIGHTHS[eighths % 8]);
    let empty = cells - full - usize::from(!part.is_empty());
    format!("{}{part}{}", "█".repeat(full), "░".repeat(empty))
}

fn spinner(turn: usize, unicode: bool) -> char {
    let frames = if unicode { ['⠋', '⠙', '⠸', '⠴', '⠦', '⠇'] } else { ['|', '/', '-', '\\', '|', '/'] };
    // ASCII has four frames only; six would stutter.
    frames[turn % if unicode { 6 } else { 4 }]
}

#[cfg(test)]
mod tests {
    use super::super::progress::tests::{lane, streaming};
    use super::super::progress::{Progress, Speed};
    use super::*;
    use crate::clock;
    use crate::run::live::Lane;
    use std::time::Duration;

    const ASCII: Look = Look { unicode: false, color: false, keys: false };
    const UNICODE: Look = Look { unicode: true, ..ASCII };

    fn progress(lane: &Lane) -> Progress {
        let (start, mut speed) = (clock::now(), Speed::default());
        speed.note(start, 0);
        Progress::of(lane, &mut speed, start + Duration::from_secs(1))
    }

    fn laid_out(width: usize, look: Look) -> String {
        let progress = progress(&lane(1000, 102));
        lines(&[Line { name: "price", progress: &progress, turn: 0 }], width, look).concat()
    }

    #[test]
    fn what_matters_least_goes_first() {
        let wide = "price [####################--------------------] 502/1,000  102/s  eta 5s  2 failed  7 retries  10 in flight";
        let expected = [
            (200, wide),
            (90, "price [###########-----------] 502/1,000  102/s  eta 5s  2 failed  7 retries  10 in flight"),
            (80, "price [####----] 502/1,000  102/s  eta 5s  2 failed  7 retries  10 in flight"),
            (72, "price [####----] 502/1,000  102/s  eta 5s  2 failed  7 retries"),
            (60, "price [####----] 502/1,000  102/s  eta 5s  2 failed"),
            (50, "price 502/1,000  102/s  eta 5s  2 failed"),
            (40, "price 502/1,000  102/s  eta 5s  2 failed"),
            (39, "price 502/1,000  102/s  2 failed"),
            (30, "price 502/1,000  2 failed"),
            (20, "price 502/1,000..."),
            (4, "p..."),
            (2, ".."),
        ];
        for (width, expected) in expected {
            assert_eq!(laid_out(width, ASCII), expected, "{width} columns");
        }
        assert_eq!(laid_out(0, UNICODE), "");
    }

    #[test]
    fn messages_stand_beside_their_rows_and_stay_where_there_is_little_room() {
        let lane = streaming(1000, 1_234_567);
        let (start, mut speed) = (clock::now(), Speed::default());
        speed.note(start, 1_234_511);
        let progress = Progress::of(&lane, &mut speed, start + Duration::from_secs(1));
        let laid_out = |width| lines(&[Line { name: "ticks", progress: &progress, turn: 0 }], width, ASCII).concat();
        let wide = "ticks [##########----------] 502/1,000  1,234,567 msgs  56/s  2 failed  7 reconnects  10 in flight";
        assert_eq!(laid_out(98), wide);
        assert_eq!(laid_out(50), "ticks 502/1,000  1,234,567 msgs  56/s  2 failed");
        assert_eq!(laid_out(42), "ticks 502/1,000  1,234,567 msgs  2 failed");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_the_names() {
        let other = Lane { endpoint: String::new(), ..Lane::default() };
        let progresses =
            [lane(1_000_000_000, 102), lane(0, 102), other, streaming(7, 1 << 40)].map(|lane| progress(&lane));
        let names = ["価格と在庫の照会をするとても長い名前のエンドポイント", "👩‍👩‍👧 family", "a", "ticks"];
        for look in [ASCII, UNICODE] {
            for width in 0..=220 {
                let all = progresses.iter().zip(names).map(|(progress, name)| Line { name, progress, turn: width });
                let laid_out = lines(&all.collect::<Vec<_>>(), width, look);
                for line in &laid_out {
                    assert!(columns(line) <= width, "{} in {width}: {line}", columns(line));
                    assert!(look.unicode || line.is_ascii(), "{line}");
                }
            }
        }
    }

    #[test]
    fn columns_stand_below_each_other() {
        let (one, other) = (progress(&lane(1000, 102)), progress(&lane(50_000, 14_002)));
        let all = [Line { name: "価格", progress: &one, turn: 0 }, Line { name: "stock", progress: &other, turn: 0 }];
        let laid_out = lines(&all, 70, UNICODE);
        let expected = [
            "価格  ████░░░░     502/1,000     102/s  eta 5s  2 failed  7 retries",
            "stock ██▎░░░░░ 14,402/50,000  14,002/s  eta 3s  2 failed  7 retries",
        ];
        assert_eq!(laid_out, expected);
    }

    #[test]
    fn failures_alone_have_a_colour_and_only_where_there_may_be_any() {
        let colored = laid_out(90, Look { color: true, ..ASCII });
        assert!(colored.contains("\x1b[31m2 failed\x1b[0m"), "{colored}");
        assert_eq!(colored.matches('\x1b').count(), 2);
        let (none, look) = (progress(&Lane { endpoint: "a".into(), ..Lane::default() }), Look { color: true, ..ASCII });
        assert!(!lines(&[Line { name: "a", progress: &none, turn: 0 }], 90, look).concat().contains('\x1b'));
    }

    #[test]
    fn a_bar_is_always_as_wide_and_full_only_at_the_end() {
        for unicode in [true, false] {
            let full = bar(1, 1, CELLS, unicode);
            for done in 0..=1000 {
                let drawn = bar(done, 1000, CELLS, unicode);
                assert_eq!(drawn.chars().count(), full.chars().count(), "{drawn}");
                assert_eq!(drawn == full, done == 1000, "{done}: {drawn}");
            }
        }
        assert_eq!(bar(u64::MAX, u64::MAX, CELLS, false), format!("[{}]", "#".repeat(CELLS)));
        assert_eq!(bar(1, 32, CELLS, true), format!("▌{}", "░".repeat(15)));
    }
}
