//! Events in front of a terminal: bars would run through them.

use super::job;
use super::pty::Setting;
use crate::support::Oracle;
use crate::support::oracle::script;

#[test]
fn events_on_the_terminal_meet_no_bars() {
    let server = Oracle::start(script::item);
    let job = job(&server, 20, "");
    for (place, drawn) in
        [("-", false), ("/dev/stdout", false), ("/dev/stderr", false), ("/dev/tty", false), ("events.ndjson", true)]
    {
        let mut terminal = Setting::of(&job).run(&["--fresh", "--events", place]);
        terminal.ended_well(0);
        let raw = terminal.raw();
        assert_eq!(raw.contains('\u{1b}'), drawn, "{place}: {raw:?}");
        assert_eq!(raw.contains("\"event\":\"run-finished\""), !drawn, "{place}: {raw:?}");
    }
}
