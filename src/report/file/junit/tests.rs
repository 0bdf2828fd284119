//! The XML, letter by letter and by a parser that nobody here wrote.

use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::*;
use crate::report::file::Asked;
use crate::report::summary::Next;
use crate::report::summary::tests::{measured, report};
use crate::run::RunReport;
use crate::run::Signal;

fn asked() -> Asked {
    Asked { fail_if: vec!["failed > 0".into(), "p95 > 2s".into()], stop_if: vec!["failed > 50% after 100".into()] }
}

fn rendered(report: &RunReport, exit: u8) -> String {
    let next = Next { label: "again", command: "paceline run jobs/prices.toml --failed".into() };
    render(&Account { report, asked: &asked(), exit, next: (exit != 0).then_some(&next) })
}

/// The cases: class, name, and what became of it with its message.
fn cases(xml: &str) -> Vec<(String, String, Option<String>)> {
    let document = Document::parse(xml).unwrap();
    let result = |case: Node<'_, '_>| {
        let child = case.children().find(Node::is_element)?;
        let name = child.tag_name().name();
        Some(format!("{name}: {}", child.attribute("message").unwrap_or_default()))
    };
    let of = |case: Node<'_, '_>| {
        let text = |name| case.attribute(name).unwrap().to_owned();
        (text("classname"), text("name"), result(case))
    };
    document.descendants().filter(|node| node.has_tag_name("testcase")).map(of).collect()
}

/// What became of the case with this name.
fn result(xml: &str, name: &str) -> Option<String> {
    cases(xml).into_iter().find(|(_, known, _)| known == name).unwrap().2
}

#[test]
fn a_run_with_failed_rows() {
    let mut report = measured(RunEnding::Complete);
    report.failed_conditions = vec!["failed > 0".into()];
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="prices" package="paceline" id="0" timestamp="2026-11-20T15:04:05" hostname="localhost" tests="6" failures="2" errors="0" skipped="1" time="4.800">
    <properties>
      <property name="paceline" value="VERSION"/>
      <property name="run" value="20261120-150405-7f3a"/>
      <property name="exit" value="1"/>
      <property name="rows.ok" value="982"/>
      <property name="rows.failed" value="18"/>
      <property name="rows.skipped" value="0"/>
      <property name="attempts" value="1037"/>
      <property name="retries" value="37"/>
      <property name="journal" value="jobs/.paceline/prices/journal"/>
      <property name="next" value="paceline run jobs/prices.toml --failed"/>
    </properties>
    <testcase name="the run" classname="prices.run" time="4.800"/>
    <testcase name="price" classname="prices.endpoints" time="0.400">
      <failure message="18 of 1,000 rows failed" type="rows">15 rows: HTTP 404 (such as row 42)
1 row: HTTP 500: &lt;b&gt;boom&lt;/b&gt; | @all (row 1,234)
2 rows in earlier sessions
again: paceline run jobs/prices.toml --failed
</failure>
    </testcase>
    <testcase name="stock" classname="prices.endpoints" time="0.000">
      <skipped message="no row of it has ended"/>
    </testcase>
    <testcase name="failed &gt; 0" classname="prices.fail-if" time="0.000">
      <failure message="failed &gt; 0 held" type="fail-if">rows: 982 ok · 18 failed · 0 skipped
again: paceline run jobs/prices.toml --failed
</failure>
    </testcase>
    <testcase name="p95 &gt; 2s" classname="prices.fail-if" time="0.000"/>
    <testcase name="failed &gt; 50% after 100" classname="prices.stop-if" time="0.000"/>
    <system-out>SUMMARY</system-out>
    <system-err>odd &amp; even
</system-err>
  </testsuite>
</testsuites>
"#;
    let found = rendered(&report, 1);
    let (before, rest) = found.split_once("<system-out>").unwrap();
    let (summary, after) = rest.split_once("</system-out>").unwrap();
    assert!(summary.starts_with("prices: complete in 4.8s\nrows      982 ok"), "{summary}");
    let found = format!("{before}<system-out>SUMMARY</system-out>{after}");
    assert_eq!(found.replace(env!("CARGO_PKG_VERSION"), "VERSION"), expected);
}

#[test]
fn nothing_is_red_where_the_program_leaves_with_0() {
    let xml = rendered(&measured(RunEnding::Complete), 0);
    assert!(cases(&xml).iter().all(|(.., result)| result.as_ref().is_none_or(|it| it.starts_with("skipped"))), "{xml}");
}

#[test]
fn endings_other_than_the_last_row_are_errors_of_the_run() {
    let stopped = |reason: &str| RunEnding::Stopped { reason: reason.into(), resume_after: None, resume_at: None };
    for (ending, exit, message) in [
        (RunEnding::Interrupted(Signal::Interrupt), 130, "error: interrupted by SIGINT"),
        (RunEnding::Interrupted(Signal::Terminate), 143, "error: interrupted by SIGTERM"),
        (stopped("the server asks for a wait"), 4, "error: stopped: the server asks for a wait"),
        (RunEnding::Broken("disk full".into()), 3, "error: broken off: disk full"),
    ] {
        let xml = rendered(&report(ending), exit);
        assert_eq!(result(&xml, "the run").as_deref(), Some(message));
        assert_eq!(Document::parse(&xml).unwrap().descendants().filter(|node| node.has_tag_name("error")).count(), 1);
    }
    let xml = rendered(&report(stopped("failed > 50% after 100 (run.stop-if)")), 4);
    let held = "failure: failed > 50% after 100 held and stopped the run";
    assert_eq!(result(&xml, "failed > 50% after 100").as_deref(), Some(held));
}

#[test]
fn a_run_that_could_not_start_has_judged_nothing() {
    let mut report = measured(RunEnding::Broken("the token is not set".into()));
    report.run = String::new();
    report.recap.endpoints.iter_mut().for_each(|endpoint| endpoint.counts = Counts::default());
    let xml = rendered(&report, 2);
    let results: Vec<_> = cases(&xml).into_iter().map(|(.., result)| result.unwrap()).collect();
    assert_eq!(results[0], "error: could not start: the token is not set");
    assert!(results[1..].iter().all(|result| result.starts_with("skipped: ")), "{results:?}");
}

proptest! {
    /// Any text, wherever it came from, gives XML that says it: without what XML has no place for.
    #[test]
    fn any_text_gives_xml_that_parses(text in any::<String>(), control in prop::char::range('\0', '\u{9f}')) {
        let text = format!("{text}{control}]]>\u{ffff}\u{fffe}");
        let mut report = measured(RunEnding::Stopped { reason: text.clone(), resume_after: None, resume_at: None });
        report.job.clone_from(&text);
        report.warnings.push(text.clone());
        report.recap.endpoints[0].name.clone_from(&text);
        let session = report.recap.sessions.last_mut().unwrap();
        session.failures.iter_mut().for_each(|group| group.reason.clone_from(&text));
        session.failures.iter_mut().for_each(|group| group.endpoint.clone_from(&text));
        let xml = rendered(&report, 4);
        let document = Document::parse(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
        let said = document.descendants().find(|node| node.has_tag_name("failure")).and_then(|node| node.text()).unwrap();
        let first = said.lines().next().unwrap();
        let kept = super::xml(&clean(&text)).into_owned();
        prop_assert_eq!(first, format!("15 rows: {kept} (such as row 42)"));
    }
}
