//! Tests of the explanations: their shape, how a code may be asked for, and the page. That each example is
//! told of as its text says is tested by tests/suite/explain.rs.

use super::*;

#[test]
fn every_code_has_sentences_and_examples_in_pairs() {
    for explanation in Explanation::all() {
        let code = explanation.code;
        assert!(explanation.why.len() > 60 && explanation.why.ends_with('.'), "{code}: {}", explanation.why);
        assert_eq!(explanation.broken.is_some(), explanation.mended.is_some(), "{code}");
        // Without a pair there is nothing to compare.
        assert!(explanation.broken.is_none() || explanation.broken != explanation.mended, "{code}");
    }
}

#[test]
fn a_text_with_a_block_that_is_not_read_would_be_seen() {
    for entry in TABLE {
        let explanation = Explanation::of(entry);
        let blocks = [explanation.broken, explanation.mended].into_iter().flatten().count();
        assert_eq!(entry.text.matches("```").count(), blocks * 2, "{}: a fence without its word", explanation.code);
    }
}

#[test]
fn a_code_is_found_as_people_write_it() {
    for word in ["P0101", "p0101", "0101", "101", "p101", " P101 "] {
        assert_eq!(find(word).unwrap().code.0, "P0101", "{word}");
    }
    assert_eq!(find("1").unwrap().code.0, "P0001");
    assert!(find("P0418").unwrap_err().is_some(), "a near one is offered");
    for word in ["99", "P98"] {
        assert!(find(word).unwrap_err().is_none(), "{word}: no code is nearer than the others");
    }
    for word in ["", "P", "widget", "P99999999"] {
        assert!(find(word).is_err(), "{word}");
    }
}

#[test]
fn the_page_of_diagnostics_is_as_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/diagnostics.md");
    if crate::environment::variable("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(path, page()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == page(), "docs/diagnostics.md is stale: run the tests with UPDATE_DOCS=1");
}
