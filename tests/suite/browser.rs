//! The report in a real browser: nothing is loaded, nothing complains, plots have marks, tables sort, values show under
//! pointer and keys; light, dark, on paper and on a phone.
//!
//! Pictures are left in `target/report-pictures`. Without Chromium the test says that it was skipped.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::path::{Path, PathBuf};

use paceline::recap::{Endpoint, Mark, MarkKind, Recap};
use paceline::report::html;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::live_page::{gate, watched, watched_job};
use crate::metrics::LONG;
use crate::support::browser::Browser;
use crate::support::{Job, wait};

/// Sends some rows that fail, some that are tried again, in batches.
const JOB: &str = r#"
description = "Prices of all products, from the demo"

[batch]
size = 150

[limits.prices-api]
rate = "400/s"
burst = 20

[endpoints.price]
url = "demo:/products/{{ row.sku }}"
limit = "prices-api"
input = { path = "jobs/data/products.csv", take = 600 }

[endpoints.price.columns]
price = "$.price"

[endpoints.missing]
url = "demo:/products/NO-{{ row.value }}"
input.range = { from = 1, to = 20 }

[run]
fail-if = "failed > 10%"
"#;

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report-pictures").join(name)
}

/// The recap of a real run, and then of one to which more happened than a short run meets.
fn recap() -> (Job, Recap) {
    let job = Job::example("quickstart.toml").with("prices.toml", JOB);
    let done = job.command(&["run", "prices.toml"]);
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.stderr);
    let said = job.command(&["report", "prices.toml", "--json"]).expect_code(0);
    let mut recap: Recap = serde_json::from_str(&said.stdout).expect("a recap");
    let mut first = recap.sessions[0].clone();
    let end = first.elapsed_ms;
    let more = [
        (MarkKind::Hold, "prices-api", 4, 5),
        (MarkKind::Outage, "127.0.0.1", 6, 7),
        (MarkKind::Pause, "", 7, 8),
        (MarkKind::Drain, "SIGINT", 9, 10),
    ];
    for (kind, what, from, until) in more {
        let (from_ms, until_ms) = (end * from / 10, Some(end * until / 10));
        first.timeline.marks.add(Mark { kind, what: what.to_owned(), from_ms, until_ms });
    }
    recap.sessions.insert(0, first);
    (job, recap)
}

#[test]
fn the_report_is_a_page_that_needs_nothing_and_can_be_read_by_everybody() {
    let Some(mut browser) = Browser::start() else { return };
    let (job, recap) = recap();
    let file = job.path("report.html");
    std::fs::write(&file, html::page(&recap)).unwrap();
    browser.width(1180, false);
    browser.medium("screen", "light");
    browser.open(&file);
    plots_have_marks(&mut browser);
    everything_has_a_name(&mut browser);
    tables_sort(&mut browser);
    values_show(&mut browser);
    endpoints_are_chosen(&mut browser);
    for (scheme, name) in [("light", "report-light.png"), ("dark", "report-dark.png")] {
        browser.medium("screen", scheme);
        assert_eq!(browser.value(CONTRAST), json!([]), "too little contrast in {scheme}");
        browser.picture(&picture(name), 6_000);
    }
    on_a_phone(&mut browser);
    on_paper(&mut browser);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let outside: Vec<String> = browser.requests();
    let own = format!("file://{}", file.display());
    let outside: Vec<_> = outside.into_iter().filter(|url| *url != own && !url.starts_with("data:")).collect();
    assert_eq!(outside, Vec::<String>::new(), "a request left the page");
}

#[test]
fn two_runs_side_by_side_can_be_read_as_well() {
    let Some(mut browser) = Browser::start() else { return };
    let (job, one) = recap();
    let mut other = Recap { run: "another".to_owned(), ..one.clone() };
    other.texts[0].text = other.texts[0].text.replace("400/s", "900/s");
    other.sessions.truncate(1);
    other.endpoints[0] = Endpoint { counts: one.endpoints[1].counts, ..other.endpoints[0].clone() };
    let file = job.path("compare.html");
    std::fs::write(&file, html::compare(&one, &other)).unwrap();
    browser.width(1180, false);
    browser.open(&file);
    for scheme in ["light", "dark"] {
        browser.medium("screen", scheme);
        assert_eq!(browser.value(CONTRAST), json!([]), "too little contrast in {scheme}");
    }
    browser.medium("screen", "light");
    browser.picture(&picture("compare.png"), 6_000);
    browser.width(390, true);
    assert_eq!(browser.value(OVERHANG), json!([]));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_live_page_grows_in_a_browser_and_shows_how_the_run_ended() {
    let Some(mut browser) = Browser::start() else { return };
    let (oracle, allowed) = gate(5);
    let (_job, run, address, path) = watched(&oracle, &[]);
    browser.width(1180, false);
    browser.medium("screen", "light");
    let url = format!("http://{address}{path}");
    browser.visit(&url);
    let shown = |browser: &mut Browser, words: &str| {
        let text =
            "document.getElementById('link').textContent + '\\n' + document.getElementById('summary')?.textContent";
        wait::until(words, LONG, || {
            browser.value(text).as_str().is_some_and(|text| text.contains(words)).then_some(())
        });
    };
    shown(&mut browser, "5 ok");
    shown(&mut browser, "live");
    let plot = "document.querySelector('#timeline .plot')";
    wait::until("a chart", LONG, || (!browser.value(&format!("{plot}?.className")).is_null()).then_some(()));
    browser.value(&format!("{plot}.focus({{ preventScroll: true }})"));
    allowed.store(12, Ordering::SeqCst);
    shown(&mut browser, "12 ok");
    assert_eq!(
        browser.value(&format!("document.activeElement === {plot}")),
        json!(true),
        "the keyboard lost its place"
    );
    for (scheme, name) in [("light", "live-light.png"), ("dark", "live-dark.png")] {
        browser.medium("screen", scheme);
        assert_eq!(browser.value(CONTRAST), json!([]), "too little contrast in {scheme}");
        browser.picture(&picture(name), 4_000);
    }
    allowed.store(20, Ordering::SeqCst);
    shown(&mut browser, "20 ok");
    shown(&mut browser, "✓ complete");
    shown(&mut browser, "The run has ended");
    run.wait().expect_code(0);
    assert_eq!(browser.value("document.title"), json!("job · paceline"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let outside: Vec<_> = browser
        .requests()
        .into_iter()
        .filter(|asked| !asked.starts_with(&url) && !asked.starts_with("data:"))
        .collect();
    assert_eq!(outside, Vec::<String>::new(), "a request left the page");
}

/// A list that is open closes when it is replaced: it must be the same one, however often its section changes.
#[test]
fn a_list_of_the_live_page_stays_while_what_is_around_it_changes() {
    let Some(mut browser) = Browser::start() else { return };
    let (oracle, allowed) = gate(5);
    let other = "[endpoints.other]\nurl = \"ORACLE/items/{{ row.value }}\"\ninput.range = { from = 0, to = 19 }\n\
                 rules = [{ when = \"status == 202\", then = \"retry\" }]\n";
    let added = other.replace("ORACLE", &oracle.url());
    let (_job, run, address, path) = watched_job(&oracle, &added, &[]);
    browser.width(1180, false);
    browser.visit(&format!("http://{address}{path}"));
    let until = |browser: &mut Browser, what: &str, holds: &str| {
        wait::until(what, LONG, || (browser.value(holds) == json!(true)).then_some(()));
    };
    let ok = |rows: u64| format!("document.getElementById('summary')?.textContent.includes('{rows} ok') ?? false");
    until(&mut browser, "rows", &ok(10));
    until(&mut browser, "a list", "document.getElementById('chosen') !== null");
    browser.value("document.getElementById('chosen').mark = 'this one'; document.getElementById('chosen').focus()");
    let chart = "document.querySelector('#timeline figure').outerHTML";
    browser.value(&format!("window.before = {chart}; 0"));
    allowed.store(12, Ordering::SeqCst);
    until(&mut browser, "more rows", &ok(24));
    until(&mut browser, "another chart", &format!("window.before !== {chart}"));
    let kept =
        "document.activeElement === document.getElementById('chosen') && document.activeElement.mark === 'this one'";
    assert_eq!(browser.value(kept), json!(true), "the list is another one");
    allowed.store(20, Ordering::SeqCst);
    until(&mut browser, "the end", "document.getElementById('link').textContent.startsWith('The run has ended')");
    assert_eq!(browser.value(kept), json!(true), "the list is another one");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    run.wait().expect_code(0);
}

fn plots_have_marks(browser: &mut Browser) {
    let drawn = browser.value(
        "Object.fromEntries(['path.ok', 'path.failed', 'path.flight', 'path.p50', 'path.p99', 'rect.mark.batch', 'rect.mark.hold', \
         'rect.mark.outage', 'rect.mark.pause', 'rect.mark.drain', 'rect.column', 'rect.gap', '.bins rect'].map((which) => \
         [which, Array.from(document.querySelectorAll('figure:not([hidden]) ' + which)).filter((mark) => { \
         const box = mark.getBoundingClientRect(); return box.width > 0 && box.height > 0; }).length]))",
    );
    for (which, count) in drawn.as_object().expect("counts") {
        assert!(count.as_u64() > Some(0), "no {which} is to be seen: {drawn}");
    }
    assert!(drawn["rect.mark.batch"].as_u64() >= Some(8), "four batches of each session: {drawn}");
}

/// Buttons and fields say what they are for, and values can be read by who does not see the charts.
fn everything_has_a_name(browser: &mut Browser) {
    let heard = browser.heard();
    let of = |role: &str| heard.iter().filter(|(of, _)| of == role).map(|(_, name)| name.as_str()).collect::<Vec<_>>();
    let (buttons, fields) = (of("button"), of("combobox"));
    assert!(buttons.len() > 20 && fields == ["Rows of"], "{buttons:?} {fields:?}");
    assert!(buttons.iter().all(|name| !name.trim().is_empty()), "a button without a name: {buttons:?}");
    let values = heard.iter().filter(|(_, name)| name.contains("/s ok") && name.contains(" in flight"));
    assert!(values.count() > 1, "no value of a chart is told: {heard:?}");
}

fn tables_sort(browser: &mut Browser) {
    let column = "Array.from(document.querySelectorAll('#slowest tbody tr'), (row) => Number(row.cells[2].dataset.by))";
    let sorted = |rows: &Value| rows.as_array().unwrap().iter().map(|row| row.as_f64().unwrap()).collect::<Vec<_>>();
    let before = sorted(&browser.value(column));
    browser.value("document.querySelectorAll('#slowest th button')[2].click()");
    let down = sorted(&browser.value(column));
    assert!(down.is_sorted_by(|one, other| one >= other) && down != before && down.len() == before.len(), "{down:?}");
    browser.value("document.querySelectorAll('#slowest th button')[2].focus()");
    browser.press("Enter", "\r");
    let up = sorted(&browser.value(column));
    assert!(up.is_sorted() && up != down, "{up:?}");
    let said =
        browser.value("Array.from(document.querySelectorAll('#slowest th[aria-sort]'), (head) => head.ariaSort)");
    assert_eq!(said, json!(["ascending"]));
    texts_are_sorted_from_a_on(browser);
}

/// A wide column of texts is one of texts, and one of bars is one of numbers.
fn texts_are_sorted_from_a_on(browser: &mut Browser) {
    let mut sorted = |table: &str, column: &str| {
        browser.value(&format!(
            "(() => {{ const table = document.querySelector('table[data-table={table}]'); \
             const button = Array.from(table.querySelectorAll('th button')).find((button) => button.textContent === '{column}'); \
             const head = button.closest('th'); button.click(); return [head.className, head.ariaSort]; }})()"
        ))
    };
    assert_eq!(sorted("outputs", "to"), json!(["w", "ascending"]));
    assert_eq!(sorted("endpoints", "rows"), json!(["w", "descending"]));
}

fn values_show(browser: &mut Browser) {
    let tip = "document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent";
    browser.value("document.querySelector('#timeline .plot').scrollIntoView({ block: 'center', behavior: 'instant' })");
    browser.settle();
    let place = browser.value(
        "(() => { const box = document.querySelector('#timeline .area').getBoundingClientRect(); \
         return [box.left + box.width * 0.1, box.top + 90]; })()",
    );
    browser.point(place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
    let pointed = browser.value(tip);
    assert!(pointed.as_str().unwrap().contains("/s ok"), "{pointed}");
    browser.point(2.0, 2.0);
    assert_eq!(browser.value(tip), "");
    browser.value("document.querySelector('#timeline .plot').focus({ preventScroll: true })");
    browser.press("ArrowRight", "");
    let first = browser.value(tip);
    browser.press("ArrowRight", "");
    let second = browser.value(tip);
    assert!(first.as_str().unwrap().contains("/s ok") && second != first && second != "", "{first} {second}");
    browser.press("Escape", "");
    assert_eq!(browser.value(tip), "");
}

fn endpoints_are_chosen(browser: &mut Browser) {
    let shown = "Array.from(document.querySelectorAll('figure[data-of]:not([hidden])'), (figure) => figure.dataset.of)";
    assert_eq!(browser.value(shown), json!(["all"]));
    let choose = |which: &str| {
        format!(
            "(() => {{ const select = document.getElementById('chosen'); select.value = '{which}'; \
             select.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
        )
    };
    browser.value(&choose("1"));
    assert_eq!(browser.value(shown), json!(["1"]));
    browser.value("paceline.apply()");
    assert_eq!(browser.value(shown), json!(["1"]), "a section that was replaced shows what was chosen");
    browser.value(&choose("all"));
}

fn on_a_phone(browser: &mut Browser) {
    browser.medium("screen", "light");
    browser.width(390, true);
    assert_eq!(browser.value(OVERHANG), json!([]), "the page moves sideways");
    browser.picture(&picture("report-phone.png"), 8_000);
}

fn on_paper(browser: &mut Browser) {
    browser.width(800, false);
    browser.medium("print", "dark");
    let seen = browser.value(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('nav')).display, \
         getComputedStyle(document.querySelector('h1')).color]",
    );
    assert_eq!(seen[0], "rgb(255, 255, 255)", "paper is white, whatever the screen is");
    assert_eq!(seen[1], "none");
    assert_eq!(browser.value(CONTRAST), json!([]), "too little contrast on paper");
    browser.paper(&picture("report.pdf"));
}

/// What stands out at the right of the page; nothing that moves in a box of its own.
const OVERHANG: &str = "(() => { const room = document.documentElement.clientWidth; \
    if (document.documentElement.scrollWidth <= room) return []; \
    return Array.from(document.querySelectorAll('body *')).filter((one) => one.getBoundingClientRect().right > room + 1 \
    && !one.closest('.scroll, pre, nav, svg')).map((one) => one.outerHTML.slice(0, 120)); })()";

/// Texts with less contrast than WCAG asks for (4.5), and marks with less than 3 against what is behind them.
const CONTRAST: &str = r"(() => {
    const channels = (color) => color.match(/[\d.]+/g).map(Number);
    const linear = (channel) => { const c = channel / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ratio = (one, other) => { const [a, b] = [luminance(one), luminance(other)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
    const behind = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const color = channels(getComputedStyle(one).backgroundColor);
            if (color.length === 3 || color[3] > 0) return color;
        }
        return [255, 255, 255];
    };
    const found = new Set();
    const judge = (element, color, least, what) => {
        const reached = ratio(channels(color), behind(element));
        if (!(reached >= least)) found.add(`${what}: ${reached.toFixed(2)}`);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let texts = 0;
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || element.closest('script, style, title, [hidden]') || !element.getClientRects().length) continue;
        const style = getComputedStyle(element);
        texts += 1;
        judge(element, element instanceof SVGElement ? style.fill : style.color, 4.5, `${element.tagName}.${element.getAttribute('class')} ${walker.currentNode.data.slice(0, 30)}`);
    }
    if (texts < 50) found.add(`only ${texts} texts were seen`);
    for (const which of ['path.ok', 'rect.column', '.failed-back', '.skipped-front', '.mark']) {
        for (const mark of document.querySelectorAll(which)) judge(mark, getComputedStyle(mark).fill, 3, which);
    }
    for (const line of document.querySelectorAll('svg .line')) judge(line, getComputedStyle(line).stroke, 3, line.getAttribute('class'));
    return Array.from(found);
})()";
