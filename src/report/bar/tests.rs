use super::super::progress::tests::lane;
use super::super::screen::tests::Double;
use super::*;

fn on_screen(columns: u16, rows: u16, look: Look) -> (Bar, Double) {
    let screen = Double::new(columns, rows);
    (Bar::new(Box::new(screen.clone()), look), screen)
}

const ASCII: Look = Look { unicode: false, color: false, keys: false };
const KEYED: Look = Look { keys: true, ..ASCII };

fn live(lanes: Vec<Lane>) -> Live {
    Live { lanes, ..Live::default() }
}

fn bound(what: &str, endpoint: &str) -> Lane {
    let lane = Lane { endpoint: endpoint.into(), ..lane(1000, 102) };
    lane.note_bound(Some(what));
    lane
}

#[test]
fn a_tick_draws_a_bar_with_its_numbers_and_what_holds_it_back() {
    let (mut bar, screen) = on_screen(100, 24, ASCII);
    bar.tick(&live(vec![bound("limit api", "price")]));
    let lines = screen.lines();
    assert!(lines[0].starts_with("price [############"), "{lines:?}");
    assert!(lines[0].ends_with("] 502/1,000  0/s  2 failed  7 retries  10 in flight"), "{lines:?}");
    assert_eq!(lines[1..], ["held back by limit api"]);
}

#[test]
fn an_unknown_total_gets_a_spinner_until_it_is_known() {
    let (mut bar, screen) = on_screen(100, 24, ASCII);
    bar.tick(&live(vec![lane(0, 102)]));
    assert!(screen.lines()[0].starts_with("price / 502 rows"), "{:?}", screen.lines());
    bar.tick(&live(vec![lane(1000, 102)]));
    assert!(screen.lines()[0].starts_with("price [####"));
}

#[test]
fn several_endpoints_are_told_apart_where_they_are_held_back_by_different_things() {
    let (mut bar, screen) = on_screen(100, 24, ASCII);
    bar.tick(&live(vec![bound("the server", "price"), bound("the server", "stock")]));
    assert_eq!(screen.lines()[2], "held back by the server");
    bar.tick(&live(vec![bound("the batch pause", "price"), bound("the server", "stock")]));
    bar.tick(&live(vec![bound("the batch pause", "price"), bound("the server", "stock")]));
    assert_eq!(screen.lines()[2], "held back by the batch pause (price), the server (stock)");
}

#[test]
fn of_many_endpoints_those_at_work_are_shown() {
    let (mut bar, screen) = on_screen(80, 24, ASCII);
    let mut lanes: Vec<Lane> = (0..30).map(|lane| Lane { endpoint: format!("e{lane}"), ..Lane::default() }).collect();
    for (position, lane) in lanes.iter_mut().enumerate() {
        // The first ten have ended, of the others every second is at work.
        (lane.rows, lane.ok) = (10.into(), if position < 10 { 10.into() } else { 0.into() });
        lane.in_flight = u64::from(position >= 10 && position % 2 == 0).into();
    }
    bar.tick(&live(lanes));
    let lines = screen.lines();
    let names: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names[..12], ["e10", "e11", "e12", "e13", "e14", "e16", "e18", "e20", "e22", "e24", "e26", "e28"]);
    assert_eq!(lines[12..], ["and 18 more: 8 to come, 10 ended"]);
}

#[test]
fn no_terminal_is_too_small() {
    for (columns, rows) in [(1, 1), (2, 1), (3, 2), (10, 3), (39, 4), (500, 2)] {
        let (mut bar, screen) = on_screen(columns, rows, Look { unicode: true, color: true, keys: true });
        screen.terminal.lock().unwrap().process(b"above\r\n");
        for _ in 0..3 {
            bar.tick(&live((0..5).map(|_| bound("limit api", "価格と在庫")).collect()));
        }
        bar.tell(&Event::RunFinished { complete: true, summary: Box::default() });
        let lines = screen.lines();
        assert!(lines.iter().all(|line| "above".contains(line.as_str())), "{columns} x {rows}: {lines:?}");
    }
}

#[test]
fn a_pause_and_a_drain_are_told_with_the_keys_that_help() {
    let (mut bar, screen) = on_screen(80, 24, KEYED);
    let live = live(vec![bound("limit api", "price")]);
    let mut state = || {
        bar.tick(&live);
        screen.lines()[1].clone()
    };
    let held = state();
    assert!(held.starts_with("held back by limit api  ") && held.ends_with(KEYS), "{held}");
    live.paused.store(true, Ordering::Relaxed);
    assert_eq!(state(), "paused, r goes on");
    live.lanes[0].on_wire.store(1, Ordering::Relaxed);
    assert_eq!(state(), "paused, r goes on; 1 request on the wire ends");
    live.draining.store(true, Ordering::Relaxed);
    live.lanes[0].on_wire.store(2, Ordering::Relaxed);
    assert_eq!(state(), "draining: 2 requests on the wire end; q or Ctrl-C stops at once");
}

#[test]
fn notices_stand_above_the_bar_and_the_end_clears_it() {
    let (mut bar, screen) = on_screen(100, 24, ASCII);
    bar.tick(&live(vec![lane(1000, 102)]));
    bar.tell(&Event::Warning { message: "odd".into() });
    let lines = screen.lines();
    assert_eq!((lines[0].as_str(), lines.len()), ("warning: odd", 2));
    bar.tell(&Event::RunFinished { complete: true, summary: Box::default() });
    assert_eq!(screen.lines(), ["warning: odd"]);
    screen.written.lock().unwrap().clear();
    bar.tick(&live(vec![lane(1000, 103)]));
    assert_eq!(*screen.written.lock().unwrap(), "", "nothing is drawn after the end");
}

#[test]
fn events_of_the_daily_work_draw_nothing() {
    let (mut bar, screen) = on_screen(100, 24, ASCII);
    bar.tell(&Event::BatchFinished { endpoint: "price".into(), batch: 1, rows: 9 });
    bar.tell(&Event::RowFailed { endpoint: "price".into(), row: 1, reason: "HTTP 404".into() });
    assert_eq!(*screen.written.lock().unwrap(), "");
}

#[test]
fn colours_are_few_and_only_where_they_may_be() {
    let live = live(vec![bound("limit api", "price")]);
    live.paused.store(true, Ordering::Relaxed);
    let drawn = |color| {
        let (mut bar, screen) = on_screen(100, 24, Look { color, ..KEYED });
        bar.tick(&live);
        screen.written.lock().unwrap().clone()
    };
    let colored = drawn(true);
    assert!(colored.contains("\x1b[31m2 failed\x1b[0m") && colored.contains("\x1b[33mpaused"), "{colored:?}");
    let plain = drawn(false);
    assert!(!plain.contains("m2 failed") && !plain.contains("\x1b[33m"), "{plain:?}");
}
