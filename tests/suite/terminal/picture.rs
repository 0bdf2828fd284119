//! The picture of a terminal in README.md: a real run in front of one, cell by cell as SVG.
//!
//! `UPDATE_DOCS=1` writes it anew. What stands on a screen today and not in the picture is a picture that is out of date.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use vt100::{Cell, Color, Screen};

use super::pty::Setting;
use crate::support::Job;

/// Pixels of a cell.
const CELL: (f64, f64) = (8.4, 20.0);
/// Pixels around the cells.
const EDGE: f64 = 16.0;
const SIZE: (u16, u16) = (96, 6);

const JOB: &str = r#"
[limits.shop-api]
rate = "90/s"
burst = 10

[endpoints.price]
url = "demo:/echo/{{ row.sku }}"
limit = "shop-api"
input = "products.csv"

[endpoints.stock]
url = "demo:/status/{{ row.code }}"
limit = "shop-api"
input = { path = "stock.csv" }

[sinks.out]
path = "prices.csv"
"#;

/// Now and then one that is not there.
fn stock() -> String {
    let status = |number: u32| if number % 40 == 7 { "404\n" } else { "200\n" };
    "code\n".to_owned() + &(0..600).map(status).collect::<String>()
}

#[test]
fn the_picture_in_the_readme_shows_what_stands_on_a_terminal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let products = fs::read_to_string(root.join("jobs/data/products.csv")).unwrap();
    let job = Job::new("").with("prices.toml", JOB).with("stock.csv", stock()).with("products.csv", &products);
    let shell = ["-c", "echo '$ paceline run prices.toml'; exec \"$PACELINE\" run prices.toml"];
    let mut terminal = Setting { size: SIZE, ..Setting::of(&job) }.begin("sh", &shell);
    let is_far = |line: &str| {
        let done = line.split_once('/').and_then(|(before, _)| before.rsplit(' ').next()?.parse::<u64>().ok());
        done >= Some(180) && !line.contains(" 0 failed") || line.starts_with("price ") && done >= Some(180)
    };
    let screen = terminal.until("two endpoints well on their way, held back by the limit", |screen| {
        let far = screen
            .lines()
            .filter(|line| line.starts_with("price ") || line.starts_with("stock "))
            .filter(|line| is_far(line));
        far.count() == 2 && screen.contains("\nheld back by limit shop-api")
    });
    let drawn = terminal.drawn(svg);
    terminal.press("qq");
    terminal.ended_well(130);
    let path = root.join("docs/pictures/terminal.svg");
    if paceline::environment::variable("UPDATE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&path, &drawn).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let missing: Vec<_> = words(&screen).difference(&words(&texts(&kept))).cloned().collect();
    assert!(missing.is_empty(), "{} has no {missing:?} (UPDATE_DOCS=1 writes it)", path.display());
    for picture in [&drawn, &kept] {
        assert!(picture.contains("class=\"red\"") && picture.contains("class=\"dim\""), "no colour: {picture}");
    }
}

/// What is no number.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphabetic() && c != '-').filter(|word| word.len() > 1);
    words.filter(|word| word.chars().all(|c| c.is_ascii_alphabetic() || c == '-')).map(str::to_owned).collect()
}

/// The texts of a picture, as a browser would show them.
fn texts(svg: &str) -> String {
    let html = scraper::Html::parse_document(svg);
    let texts = scraper::Selector::parse("text").unwrap();
    html.select(&texts).map(|text| text.text().collect::<String>() + "\n").collect()
}

fn svg(screen: &Screen) -> String {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let used =
        (0..rows).rev().find(|row| (0..columns).any(|column| is_seen(screen, *row, column))).map_or(1, |row| row + 1);
    let (width, height) = (f64::from(columns) * CELL.0 + 2.0 * EDGE, f64::from(used) * CELL.1 + 2.0 * EDGE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n\
         <style>text {{ font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #e6e6e0; white-space: pre; }}\n\
         .red {{ fill: #ff8a80; }} .yellow {{ fill: #ffd75e; }} .dim {{ fill: #a3a7ad; }} .track {{ fill: #4a4f57; }} .bar {{ fill: #7cc4ff; }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1c1f24\"/>\n"
    );
    for row in 0..used {
        let cells: Vec<(&Cell, &str)> =
            (0..columns).filter_map(|column| screen.cell(row, column)).map(|cell| (cell, class(cell))).collect();
        let mut column = 0;
        for run in cells.chunk_by(|one, other| one.1 == other.1) {
            draw(&mut out, (column, row), run);
            column += run.len();
        }
    }
    out + "</svg>\n"
}

fn is_seen(screen: &Screen, row: u16, column: u16) -> bool {
    screen.cell(row, column).is_some_and(|cell| !cell.contents().trim().is_empty())
}

/// How a cell looks; bars are drawn as shapes, so that no font tears them.
fn class(cell: &Cell) -> &'static str {
    match (cell.contents(), cell.fgcolor()) {
        ("░", _) => "track",
        ("█" | "▉" | "▊" | "▋" | "▌" | "▍" | "▎" | "▏", _) => "bar",
        (_, Color::Idx(1 | 9)) => "red",
        (_, Color::Idx(3 | 11)) => "yellow",
        _ if cell.dim() => "dim",
        _ => "",
    }
}

/// Cells that look the same, side by side from this column of this row on.
fn draw(out: &mut String, (column, row): (usize, u16), run: &[(&Cell, &str)]) {
    let (class, count) = (run[0].1, u32::try_from(run.len()).unwrap());
    let x = EDGE + f64::from(u32::try_from(column).unwrap()) * CELL.0;
    let top = EDGE + f64::from(row) * CELL.1;
    if matches!(class, "bar" | "track") {
        let eighths: u32 = run.iter().map(|(cell, _)| cell.contents().chars().next().map_or(0, eighths)).sum();
        let width = f64::from(eighths) / 8.0 * CELL.0;
        // What a last cell of the bar leaves free belongs to what is open.
        let back = f64::from(count) * CELL.0;
        let _ = writeln!(
            out,
            "<rect class=\"track\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{back:.1}\" height=\"12\"/>",
            top + 4.0
        );
        if class == "bar" {
            let _ = writeln!(
                out,
                "<rect class=\"bar\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"12\"/>",
                top + 4.0
            );
        }
        return;
    }
    let text: String = run.iter().map(|(cell, _)| if cell.has_contents() { cell.contents() } else { " " }).collect();
    let shown = text.trim_end();
    if shown.trim().is_empty() {
        return;
    }
    let length = f64::from(u32::try_from(shown.chars().count()).unwrap()) * CELL.0;
    let _ = writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" xml:space=\"preserve\">{}</text>",
        top + 14.5,
        paceline::report::html::escape(shown)
    );
}

/// How much of its cell a block fills.
fn eighths(block: char) -> u32 {
    match block {
        '█'..='▏' => 8 - (block as u32 - '█' as u32),
        _ => 8,
    }
}
