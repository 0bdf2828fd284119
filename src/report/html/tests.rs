//! Reports of every shape of run: whole, small enough, and with nothing in them that a text from outside could do.

use proptest::prelude::*;
use scraper::{Html, Selector};

use super::*;
use crate::journal::Counts;
use crate::recap::{
    Bytes, Distribution, Ending, EndingKind, Endpoint, FailureGroup, LimitUse, Mark, MarkKind, Marks, Output, Session,
    Slow, Stages, Step, StepLane, StreamUse, Text, Timeline,
};

/// Bytes of a report, however long its run.
const MOST: usize = 2_000_000;

/// A recap with so many endpoints, sessions and steps of each.
pub fn full(lanes: usize, sessions: usize, steps: usize) -> Recap {
    let endpoint = |position: usize| Endpoint {
        name: format!("endpoint-{position}"),
        rows: Some(20_000),
        counts: Counts {
            ok: 9_000,
            failed: 40 + position as u64,
            unknown: 2,
            skipped: 7,
            attempts: 9_500,
            records: 9_040,
        },
    };
    Recap {
        version: crate::recap::VERSION,
        program: "0.1.0".into(),
        job: "prices".into(),
        description: Some("Prices of all products".into()),
        run: "3f2a".into(),
        started: "2026-11-20T15:04:05.123Z".into(),
        journal: ".paceline/prices/journal".into(),
        texts: vec![Text { path: "prices.toml".into(), text: "[endpoints.price]\nurl = \"demo:/\"\n".into() }],
        plan: "prices\n  input rows.csv: 20,000 rows\n".into(),
        endpoints: (0..lanes).map(endpoint).collect(),
        outputs: vec![Output { sink: "out".into(), target: "out/prices.csv".into(), records: 9_040 }],
        sessions_left_out: 0,
        sessions: (0..sessions as u64).map(|number| session(number, lanes, steps)).collect(),
    }
}

fn session(number: u64, lanes: usize, steps: usize) -> Session {
    let step_ms = 200 << (number % 4);
    let distribution = |factor: u64| Distribution { counts: (1..400).map(|at| (at * at * factor, 400 - at)).collect() };
    Session {
        started: format!("2026-11-20T15:{:02}:05.123Z", number % 60),
        elapsed_ms: steps as u64 * step_ms,
        ending: Ending { kind: EndingKind::Complete, ..Ending::default() },
        attempts: 9_500,
        retries: 500,
        retry_reasons: vec![("HTTP 503".into(), 400), ("read-timeout".into(), 100)],
        bound_by: vec![("limit prices-api".into(), 0.93), ("server".into(), 0.05)],
        statuses: vec![(200, 9_000), (404, 40), (503, 400)],
        failures: vec![FailureGroup {
            endpoint: "endpoint-0".into(),
            reason: "HTTP 404".into(),
            rows: 40,
            example_row: 11,
        }],
        slowest: (0..20)
            .map(|row| Slow {
                endpoint: "endpoint-0".into(),
                row,
                status: Some(200),
                micros: 900_000 - row * 1_000 - number,
            })
            .collect(),
        latency: distribution(40),
        stages: Stages {
            dns: distribution(1),
            first_byte: distribution(35),
            body: distribution(4),
            ..Stages::default()
        },
        traffic: Bytes { sent: 1_200_000, received: 45_000_000 },
        streams: vec![StreamUse {
            endpoint: "endpoint-0".into(),
            messages: 12_000,
            reconnects: vec![("<closed>".into(), 3), ("heartbeat".into(), 1)],
            closes: vec![(0, 2), (1000, 40), (1006, 3), (4410, 1)],
        }],
        limits: vec![LimitUse {
            name: "prices-api".into(),
            rate: "200/s".into(),
            tokens: 9_500,
            capacity: Some(10_000),
            holds: 2,
        }],
        timeline: Timeline {
            step_ms,
            steps: (0..steps as u64).map(|at| step(at, lanes)).collect(),
            marks: marks(steps as u64 * step_ms, 150),
        },
        failed_conditions: vec!["failed > 0".into()],
        warnings: vec!["a warning".into()],
    }
}

fn step(at: u64, lanes: usize) -> Step {
    let wave = (at * 37 + at * at * 11) % 97;
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let lane = |position: usize| StepLane {
        ok: 150 + wave,
        failed: (wave + position as u64) % 7,
        skipped: wave % 3,
        attempts: 170 + wave,
        retries: wave % 11,
        in_flight: wave as f64 / 5.0,
    };
    let latency =
        (at % 9 != 8).then(|| [20_000 + wave * 100, 60_000 + wave * 700, 90_000 + wave * 900, 300_000 + wave * 5_000]);
    Step { lanes: (0..lanes).map(lane).collect(), latency }
}

fn marks(elapsed_ms: u64, count: u64) -> Marks {
    let mut marks = Marks::default();
    for kind in [MarkKind::Batch, MarkKind::Hold, MarkKind::Outage, MarkKind::Pause, MarkKind::Drain] {
        for number in 0..count {
            let from_ms = elapsed_ms * number / count.max(1);
            let until_ms = (number % 5 != 4).then_some(from_ms + elapsed_ms / (2 * count.max(1)));
            marks.add(Mark { kind, what: format!("{number}"), from_ms, until_ms });
        }
    }
    marks
}

fn parsed(page: &str) -> Html {
    let html = Html::parse_document(page);
    assert_eq!(html.errors, Vec::<std::borrow::Cow<'_, str>>::new(), "{page:.3000}");
    html
}

fn count(html: &Html, selector: &str) -> usize {
    html.select(&Selector::parse(selector).unwrap()).count()
}

#[track_caller]
fn sound(recap: &Recap) -> Html {
    let page = page(recap);
    assert!(!page.contains("NaN") && !page.contains("inf%"), "a number that is none");
    assert!(page.len() < MOST, "{} bytes", page.len());
    let html = parsed(&page);
    assert_eq!((count(&html, "script"), count(&html, "style"), count(&html, "h1")), (1, 1, 1));
    assert_eq!(
        count(&html, "img, iframe, link:not([href='data:,']), [src], [onclick], [style]"),
        0,
        "something is loaded"
    );
    let mut ids: Vec<&str> =
        html.select(&Selector::parse("[id]").unwrap()).filter_map(|element| element.attr("id")).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands twice");
    html
}

#[test]
fn everything_that_is_known_is_shown() {
    let html = sound(&full(3, 2, 300));
    for id in [
        "summary",
        "timeline",
        "latency",
        "messages",
        "statuses",
        "errors",
        "slowest",
        "limits",
        "endpoints",
        "outputs",
        "sessions",
        "warnings",
        "plan",
        "job",
    ] {
        assert_eq!(count(&html, &format!("section#{id} h2, section#{id} h1")), 1, "{id}");
        assert_eq!(count(&html, &format!("nav a[href='#{id}']")), 1, "{id}");
    }
    assert_eq!(count(&html, "figure[data-of]"), 4, "all endpoints together and each of three");
    assert_eq!(count(&html, "figure[data-of][hidden]"), 3);
    for class in ["ok", "failed", "skipped"] {
        assert!(count(&html, &format!("figure[data-of='all'] .area path.{class}")) == 1, "{class}");
    }
    for class in ["batch", "hold", "outage", "pause", "drain"] {
        assert!(count(&html, &format!("figure[data-of='all'] rect.mark.{class} > title")) > 100, "{class}");
    }
    assert_eq!(count(&html, "#slowest tbody tr"), 20);
    assert_eq!(count(&html, "#timeline figure[data-of='all'] rect.gap"), 1, "between the sessions");
}

#[test]
fn runs_of_which_there_is_little_to_say_are_fine() {
    let empty = sound(&Recap::default());
    assert_eq!(count(&empty, "section"), 1);
    let unused = sound(&Recap { sessions: vec![Session::default()], ..full(1, 0, 0) });
    assert_eq!(count(&unused, "figure"), 0, "nothing was sent");
    let mut one = full(1, 1, 1);
    one.sessions[0].latency.counts = vec![(7, 1)];
    one.sessions[0].timeline.marks = Marks::default();
    one.sessions[0].timeline.steps[0].latency = Some([7; 4]);
    one.sessions[0].elapsed_ms = 0;
    let html = sound(&one);
    assert_eq!(count(&html, "figure.chart"), 3);
    assert_eq!(count(&html, ".choice"), 0, "there is nothing to choose");
    assert_eq!(count(&html, "rect.column"), 1);
}

#[test]
fn the_largest_recap_makes_a_report_of_less_than_two_megabytes() {
    let hostile = "<script>alert('&\"')</script> ".repeat(30);
    let mut recap = full(300, 20, 480);
    recap.endpoints.iter_mut().for_each(|endpoint| endpoint.name += &hostile);
    recap.texts = (0..9).map(|number| Text { path: format!("{number}.toml"), text: "&'\"\n".repeat(32_000) }).collect();
    recap.plan = "<&>\n".repeat(100_000);
    for (number, session) in recap.sessions.iter_mut().enumerate() {
        session.statuses = (100..1000).map(|status| (status, 1_000_000)).collect();
        let group = |reason: usize| FailureGroup {
            endpoint: "e".into(),
            reason: format!("{number} {reason} {hostile}"),
            rows: 9,
            example_row: 1,
        };
        session.failures = (0..51).map(group).collect();
        session.warnings = (0..50).map(|warning| format!("{number} {warning} {hostile}")).collect();
        session.limits =
            (0..300).map(|limit| LimitUse { name: format!("{limit} {hostile}"), ..LimitUse::default() }).collect();
        session.timeline.marks.kept.iter_mut().for_each(|mark| mark.what = hostile.clone());
    }
    let page = page(&recap);
    assert!(page.len() < MOST, "{} bytes", page.len());
    parsed(&page);
    let two = compare(&recap, &recap);
    assert!(two.len() < MOST, "{} bytes", two.len());
}

#[test]
fn two_runs_are_set_side_by_side() {
    let (a, mut b) = (full(1, 1, 60), full(1, 1, 60));
    b.run = "81c0".into();
    b.texts[0].text = "[endpoints.price]\nurl = \"https://h/\"\n".into();
    b.endpoints[0].counts.failed = 400;
    b.sessions[0].latency.counts.iter_mut().for_each(|(micros, _)| *micros /= 2);
    b.sessions[0].failures[0].reason = "HTTP 410".into();
    let html = parsed(&compare(&a, &b));
    let text = |selector: &str| {
        html.select(&Selector::parse(selector).unwrap())
            .map(|element| element.text().collect::<String>())
            .collect::<Vec<_>>()
    };
    let measures = text("table[data-table=measures] tbody tr");
    let of = |name: &str| {
        measures.iter().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {measures:#?}"))
    };
    assert!(of("median latency").ends_with("−50 %▲ better"), "{measures:#?}");
    assert!(of("rows that failed").ends_with("40400+900 %"), "a count is not judged: {measures:#?}");
    assert!(of("share of failed rows").ends_with("▼ worse"), "{measures:#?}");
    assert!(of("retries of attempts").ends_with("= the same"), "{measures:#?}");
    assert_eq!(text("pre .removed, pre .added"), ["- url = \"demo:/\"", "+ url = \"https://h/\""]);
    let errors = text("table[data-table=failures] tbody tr");
    assert!(errors.iter().any(|line| line.contains("HTTP 410only in B")), "{errors:?}");
}

#[test]
fn twice_as_many_rows_are_neither_better_nor_worse() {
    let (a, mut b) = (full(1, 1, 60), full(1, 1, 60));
    let counts = &mut b.endpoints[0].counts;
    for count in [&mut counts.ok, &mut counts.failed, &mut counts.unknown, &mut counts.skipped, &mut counts.records] {
        *count *= 2;
    }
    let session = &mut b.sessions[0];
    for count in [&mut session.elapsed_ms, &mut session.attempts, &mut session.retries, &mut session.traffic.received] {
        *count *= 2;
    }
    session.latency.counts.push((90_000_000, 1));
    let page = compare(&a, &b);
    assert!(!page.contains("▲") && !page.contains("▼"), "{page}");
}

#[test]
fn what_is_not_known_of_a_run_is_no_zero_beside_the_other() {
    let a = full(1, 1, 60);
    let alone = Session {
        failures: a.sessions[0].failures.clone(),
        warnings: vec!["no recap is kept of run 81c0".into()],
        ..Session::default()
    };
    let of_journal = Recap { sessions: vec![alone], texts: vec![], plan: String::new(), ..full(1, 0, 0) };
    let nothing = Recap { sessions: vec![], endpoints: vec![], texts: vec![], ..of_journal.clone() };
    for (b, failures) in [(&of_journal, "4040"), (&nothing, "40not known")] {
        let html = parsed(&compare(&a, b));
        let text = |selector: &str| {
            html.select(&Selector::parse(selector).unwrap())
                .map(|element| element.text().collect::<String>())
                .collect::<Vec<_>>()
        };
        for line in text("table[data-table=measures] tbody tr") {
            let of_rows =
                line.starts_with("rows that") || line.starts_with("share of failed") || line.starts_with("records");
            assert!(line.ends_with("not known") || of_rows && failures == "4040", "{line}");
        }
        let known = ["statuses", "bound"].map(|table| text(&format!("table[data-table={table}] tbody tr")));
        assert!(known.iter().flatten().count() == 5, "{known:?}");
        assert!(known.iter().flatten().all(|line| line.contains("not known") && !line.ends_with('0')), "{known:?}");
        assert!(text("table[data-table=failures] tbody tr")[0].starts_with(failures), "{failures}");
        assert_eq!(text("pre"), Vec::<String>::new(), "there is nothing to compare a job file with");
        assert!(text("#job")[0].contains("The job file of B is not known"));
        assert!(text("#warnings li").iter().any(|line| line.starts_with("B: no recap is kept of")));
    }
}

#[test]
fn a_plan_that_is_cut_says_so() {
    let whole = full(1, 1, 1);
    let long = Recap { plan: "  a line of a plan\n".repeat(10_000), ..whole.clone() };
    let note = |recap: &Recap| count(&parsed(&page(recap)), "section#plan .note");
    assert_eq!((note(&whole), note(&long)), (0, 1));
}

/// Texts that would like to be markup, turn around what stands beside them, or are no text.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "(?s).{0,40}",
        Just("</script><script>alert(1)</script>".to_owned()),
        Just("\"><img src=x onerror=alert(1)>".to_owned()),
        Just("</title></style></textarea><!--".to_owned()),
        Just("مرحبا بالعالم \u{202e}txt.exe".to_owned()),
        Just("\0\u{1b}[2J\u{7f}\u{fffe}".to_owned()),
        Just("x".repeat(5_000)),
    ]
}

fn recap() -> impl Strategy<Value = Recap> {
    let shape = (0usize..4, 0usize..4, prop_oneof![Just(0usize), Just(1), 2usize..40, Just(480)]);
    (shape, prop::collection::vec(text(), 8), prop::collection::vec(0u64..1 << 40, 6), any::<bool>()).prop_map(
        |((lanes, sessions, steps), texts, numbers, bare)| {
            let mut recap = full(lanes, sessions, steps);
            [recap.job, recap.run, recap.started, recap.journal] =
                [0, 1, 2, 3].map(|which: usize| texts[which].clone());
            recap.description = Some(texts[4].clone());
            recap.texts[0] = Text { path: texts[5].clone(), text: texts[6].clone() };
            recap.plan = texts[7].clone();
            for (endpoint, text) in recap.endpoints.iter_mut().zip(&texts) {
                endpoint.name.clone_from(text);
                endpoint.rows = (!bare).then_some(numbers[0]);
            }
            for session in &mut recap.sessions {
                session.elapsed_ms = numbers[1];
                session.timeline.step_ms = numbers[2] % 100_000;
                session.latency.counts = if bare {
                    vec![]
                } else {
                    vec![(numbers[3].min(numbers[4]), 3), (numbers[3].max(numbers[4]) + 1, 1)]
                };
                session.failures[0].reason.clone_from(&texts[0]);
                session.failures[0].rows = numbers[5];
                session.warnings = texts.clone();
                session.ending.reason = Some(texts[1].clone());
                session.timeline.marks.kept.iter_mut().zip(texts.iter().cycle()).for_each(|(mark, text)| {
                    mark.what.clone_from(text);
                    mark.from_ms = numbers[4];
                });
            }
            recap
        },
    )
}

/// A character as a page can hold it.
fn held(c: char) -> char {
    let is_none = matches!(c as u32 & 0xffff, 0xfffe | 0xffff) || ('\u{fdd0}'..='\u{fdef}').contains(&c);
    match c {
        '\n' | '\t' => c,
        '\r' => ' ',
        c if c.is_control() || is_none => '\u{fffd}',
        c => c,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_recap_makes_a_sound_page(recap in recap()) {
        let html = sound(&recap);
        let shown: String = html.select(&Selector::parse("h1").unwrap()).flat_map(|element| element.text()).collect();
        let first: String = recap.job.chars().take(300).map(held).collect();
        prop_assert_eq!(shown.trim_end_matches('…'), first.trim_end_matches('…'));
        parsed(&compare(&recap, &full(1, 1, 9)));
    }
}

#[test]
fn messages_stand_with_what_ended_their_connections() {
    let html = sound(&full(1, 2, 100));
    let row = Selector::parse("#messages tbody tr td").unwrap();
    let cells: Vec<String> = html.select(&row).map(|cell| cell.text().collect()).collect();
    let closes = "other codes: 4 · 1000 (normal closure): 80 · 1006 (no close frame): 6 · 4410 (as HTTP's 410 Gone): 2";
    assert_eq!(cells, ["endpoint-0", "24,000", "400", "8", "<closed>: 6 · heartbeat: 2", "92", closes]);
    let mut without = full(1, 1, 100);
    without.sessions[0].streams.clear();
    assert_eq!(count(&sound(&without), "#messages"), 0);
}
