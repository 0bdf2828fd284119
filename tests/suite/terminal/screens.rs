//! What stands on the screen, in terminals of many sizes, which change while the run goes on.

use super::pty::{Setting, golden};
use super::{SINK, answers_up_to, job};
use crate::support::oracle::script;
use crate::support::output::Normaliser;
use crate::support::{Answer, Job, Oracle};

const SIZES: [(u16, u16); 6] = [(80, 24), (200, 50), (40, 24), (60, 10), (120, 30), (20, 5)];

#[test]
fn a_bar_fits_every_width_and_stays_whole_when_it_changes() {
    let mut found = String::new();
    for locale in ["C.UTF-8", "C"] {
        let server = answers_up_to(20);
        let text = "[endpoints.price]\nurl = \"ORACLE/items/{{ row.value }}\"\ninput.range = { from = 1, to = 1000 }\n\
             concurrency = 4\nretry.attempts = 1\n\
             [endpoints.\"a-rather-long-name-of-an-endpoint\"]\nurl = \"ORACLE/items/{{ row.value }}\"\n\
             input.range = { from = 1000001, to = 3000000 }\nconcurrency = 2\nretry.attempts = 1\n";
        let job = Job::at(&server.url(), &format!("{text}{SINK}"));
        let environment = [("LANG", locale)];
        let terminal = Setting { environment: &environment, ..Setting::of(&job) }.run(&[]);
        // Once nothing moves any more, no number depends on the clock.
        terminal.until("standstill", |screen| screen.contains("20/1,000") && screen.matches(" 0/s").count() == 2);
        terminal.until("what holds it back", |screen| screen.contains("held back by concurrency"));
        for (columns, rows) in SIZES {
            terminal.resize(columns, rows);
            terminal.redrawn(2);
            found += &format!("== {columns} x {rows}, LANG={locale}\n{}\n\n", terminal.screen());
        }
        terminal.press("qq");
    }
    golden("screens.txt", &Normaliser::default().apply(&found));
}

#[test]
fn many_endpoints_leave_room_for_what_is_said_above_them() {
    let server = Oracle::start(|_| Answer::Stall);
    let endpoint = |number: u32| {
        format!(
            "[endpoints.e{number}]\nurl = \"ORACLE/items/{{{{ row.value }}}}\"\ninput.range = {{ from = 1, to = 9 }}\n\
             concurrency = 1\n"
        )
    };
    let job = Job::at(&server.url(), &((1..=30).map(endpoint).collect::<String>() + SINK));
    let mut terminal = Setting::of(&job).run(&[]);
    let screen = terminal.shows("and 18 more: 18 at work");
    assert_eq!(screen.lines().filter(|line| line.contains("0/9")).count(), 12, "{screen}");
    terminal.press("?");
    let screen = terminal.shows("keys: p pause");
    assert!(screen.lines().next().unwrap().starts_with("keys: p pause"), "it stands above the bars:\n{screen}");
    terminal.press("qq");
    terminal.ended_well(130);
}

#[test]
fn colours_are_left_out_where_nobody_wants_them() {
    let server = answers_up_to(20);
    let job = job(&server, 1000, "");
    for (environment, colored) in [(&[][..], true), (&[("NO_COLOR", "1")], false), (&[("CLICOLOR", "0")], false)] {
        let mut terminal = Setting { environment, ..Setting::of(&job) }.run(&["--fresh"]);
        terminal.shows("1 failed");
        terminal.redrawn(2);
        terminal.press("qq");
        terminal.ended_well(130);
        let raw = terminal.raw();
        // A colour is set by `ESC [ ... m`, and nothing else is.
        let colors = raw.split("\u{1b}[").skip(1).filter(|code| {
            code.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';').starts_with('m')
        });
        assert_eq!(colors.count() > 0, colored, "{environment:?}: {raw:?}");
    }
}

#[test]
fn quiet_is_quiet_and_a_ci_gets_lines() {
    let server = Oracle::start(script::item);
    let job = job(&server, 20, "");
    let mut terminal = Setting::of(&job).run(&["-q"]);
    terminal.ended_well(0);
    assert_eq!(terminal.raw(), "");
    let environment = [("CI", "true")];
    let mut terminal = Setting { environment: &environment, ..Setting::of(&job) }.run(&["--fresh"]);
    let screen = terminal.ended_well(0);
    assert!(screen.contains("20 ok") && !terminal.raw().contains('\u{1b}'), "{screen}");
}
