//! The Markdown, letter by letter, and as a parser that nobody here wrote reads it.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::*;
use crate::report::file::Asked;
use crate::report::summary::Next;
use crate::report::summary::tests::measured;
use crate::run::{RunEnding, RunReport};

fn rendered(report: &RunReport, limit: usize) -> String {
    let next = Next { label: "again", command: "paceline run jobs/prices.toml --failed".into() };
    render(&Account { report, asked: &Asked::default(), exit: 1, next: Some(&next) }, limit)
}

#[test]
fn a_run_with_failed_rows() {
    let mut report = measured(RunEnding::Complete);
    report.failed_conditions = vec!["failed > 0".into()];
    let expected = "\
### ❌ prices: complete in 4.8s

- 982 ok · 18 failed · 0 skipped
- 1,037 attempts, 37 retries, 216/s
- 79.1 KiB sent, 1.2 MiB received
- again after 503: 25 · 429: 12
- limited by limit prices-api 97 %, concurrency 3 % of the time
- run 20261120-150405-7f3a, exit code 1

- `fail-if` failed &#62; 0 held

again:

```sh
paceline run jobs/prices.toml --failed
```

| endpoint | rows | ok | failed | skipped | attempts | records |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| price | 1,000 | 982 | 18 | 0 | 1,037 | 1,000 |
| stock | – | 0 | 0 | 0 | 0 | 0 |

#### Failed rows

| endpoint | why | rows | such as row |
| --- | --- | ---: | ---: |
| price | HTTP 404 | 15 | 42 |
| price | HTTP 500: &#60;b&#62;boom&#60;/b&#62; &#124; @\u{200b}all | 1 | 1,234 |

| latency | count | p50 | p95 | p99 | longest |
| --- | ---: | ---: | ---: | ---: | ---: |
| attempt | 1,037 | 3.0ms | 12ms | 12ms | 40ms |
| pool | 1,037 | 0.0ms | 0.0ms | 0.0ms | 0.0ms |
| first byte | 1,037 | 2.8ms | 11ms | 11ms | 11ms |

| status | replies |
| --- | ---: |
| 200 | 1,000 |
| 429 | 12 |
| 503 | 25 |

| sink | where | records |
| --- | --- | ---: |
| out | jobs/out/prices.csv | 1,000 |

#### Slowest attempts

| endpoint | row | status | took |
| --- | ---: | ---: | ---: |
| price | 8 | 200 | 40ms |

- ⚠️ odd &#38; even
";
    assert_eq!(rendered(&report, usize::MAX), expected);
}

#[test]
fn what_has_no_room_is_left_out_section_by_section() {
    let report = measured(RunEnding::Complete);
    let whole = rendered(&report, usize::MAX);
    for limit in 0..whole.len() + LEFT_OUT {
        let text = rendered(&report, limit);
        assert!(text.len() <= limit, "{limit}: {}", text.len());
        assert!(text.is_empty() || text.starts_with("### "), "{text}");
        assert!(text.is_empty() || text.ends_with("no room for it.\n"), "{text}");
    }
    assert_eq!(rendered(&report, whole.len() + LEFT_OUT), whole);
}

#[test]
fn long_lists_are_cut_and_the_whole_stays_small() {
    let mut report = measured(RunEnding::Complete);
    let endpoint = report.recap.endpoints[0].clone();
    report.recap.endpoints =
        (0..1000).map(|n| crate::recap::Endpoint { name: format!("e{n}"), ..endpoint.clone() }).collect();
    report.warnings = vec!["w".repeat(10_000); 1000];
    let text = rendered(&report, 1 << 20);
    assert!(text.contains("\nand 950 more\n") && !text.contains("e50 "), "{text}");
    assert!(text.len() < 100_000, "{}", text.len());
}

/// The texts of the cells of a table's second row, and how many marks of other kinds than text there are.
fn read(markdown: &str) -> (Vec<String>, Vec<String>) {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES | Options::ENABLE_MATH;
    let (mut cells, mut others, mut open) = (Vec::new(), Vec::new(), false);
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Start(Tag::TableCell) => {
                cells.push(String::new());
                open = true;
            }
            Event::End(TagEnd::TableCell) => open = false,
            Event::Text(text) if open => cells.last_mut().unwrap().push_str(&text),
            Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableRow)
            | Event::End(TagEnd::Table | TagEnd::TableHead | TagEnd::TableRow) => {}
            other => others.push(format!("{other:?}")),
        }
    }
    (cells, others)
}

proptest! {
    /// Any text stands in its cell as it is, and nothing of it is markup.
    #[test]
    fn any_text_is_one_cell_and_no_markup(text in "[ -~äß\\n\\t\\u{200b}|`*_@<>&:/.\\\\\\[\\]()!#~$-]{0,60}") {
        let rows = [vec![escaped(&text), "1".to_owned()]];
        let markdown = table("", &["why", "rows"], 1, rows.into_iter(), 1);
        let (cells, others) = read(&markdown);
        prop_assert!(others.is_empty(), "{:?}\n{}", others, markdown);
        prop_assert_eq!(cells.len(), 4);
        let shown = clean(&text).replace('@', "@\u{200b}");
        prop_assert_eq!(cells[2].trim(), shown.trim());
    }

    #[test]
    fn every_row_has_as_many_cells_as_its_head(text in any::<String>()) {
        let mut report = measured(RunEnding::Complete);
        report.recap.endpoints[0].name.clone_from(&text);
        report.outputs[0].target.clone_from(&text);
        let session = report.recap.sessions.last_mut().unwrap();
        session.failures.iter_mut().for_each(|group| group.reason.clone_from(&text));
        let mut bars = 0;
        for line in rendered(&report, usize::MAX).lines() {
            let found = line.matches('|').count();
            if line.starts_with('|') && bars > 0 {
                prop_assert_eq!(found, bars, "{}", line);
            }
            bars = found;
        }
    }
}

#[test]
fn links_and_mentions_are_broken() {
    for (text, expected) in [
        ("see https://evil.example/x", "see https&#58;//evil.example/x"),
        ("WWW.evil.example", "WWW&#46;evil.example"),
        ("ask @owner or a@b.example", "ask @\u{200b}owner or a@\u{200b}b.example"),
        (":tada: [x](y) ![i](j)", "&#58;tada: \\[x\\](y) !\\[i\\](j)"),
        ("a|b `c` \\ <img>", "a&#124;b &#96;c&#96; &#92; &#60;img&#62;"),
        ("HTTP 404: no such sku", "HTTP 404: no such sku"),
    ] {
        assert_eq!(escaped(text), expected);
    }
}

#[test]
fn no_line_of_a_command_ends_its_fence() {
    let report = measured(RunEnding::Complete);
    let next = Next { label: "again", command: "paceline run 'a\n```\nb````.toml'".into() };
    let account = Account { report: &report, asked: &Asked::default(), exit: 1, next: Some(&next) };
    let markdown = super::next(&account);
    let code = Parser::new(&markdown).filter_map(|event| match event {
        Event::Text(text) => Some(text.into_string()),
        _ => None,
    });
    assert_eq!(code.collect::<Vec<_>>(), ["again:", "paceline run 'a ``` b````.toml'\n"]);
}
