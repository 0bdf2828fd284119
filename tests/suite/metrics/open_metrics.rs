//! The rules of OpenMetrics 1.0 that a text can break, read from the specification and not from the code that writes it.

use std::collections::{BTreeMap, BTreeSet};

/// A family that is being read.
struct Family {
    name: String,
    kind: String,
    /// Buckets so far of each histogram: the last bound, and the last count.
    buckets: BTreeMap<Labels, (f64, f64)>,
}

type Labels = Vec<(String, String)>;

/// Panics with the line that breaks a rule.
pub fn check(text: &str) {
    let body = text.strip_suffix("# EOF\n").expect("a text ends with # EOF and nothing after it");
    assert!(body.ends_with('\n') && !body.contains("# EOF"), "one end");
    let (mut seen, mut series) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Option<Family> = None;
    for line in body.lines() {
        match line.strip_prefix("# ") {
            Some(comment) => describe(comment, &mut open, &mut seen),
            None => {
                let (name, labels, value) = sample(line);
                assert!(series.insert((name.clone(), labels.clone())), "the same series twice: {line}");
                open.as_mut().expect("a family before its samples").take(&name, labels, value, line);
            }
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
}

fn describe(comment: &str, open: &mut Option<Family>, seen: &mut BTreeSet<String>) {
    let mut words = comment.splitn(3, ' ');
    let (key, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    assert!(is_name(name), "{comment}");
    if open.as_ref().is_none_or(|family| family.name != name) {
        assert!(seen.insert(name.to_owned()), "a family in two places: {name}");
        *open = Some(Family { name: name.to_owned(), kind: String::new(), buckets: BTreeMap::new() });
    }
    let family = open.as_mut().unwrap();
    match key {
        "TYPE" => {
            let kinds = ["counter", "gauge", "histogram", "info"];
            assert!(family.kind.is_empty() && kinds.contains(&rest), "{comment}");
            assert!(!name.ends_with("_total") && !name.ends_with("_info") && !name.ends_with("_bucket"), "{comment}");
            rest.clone_into(&mut family.kind);
        }
        "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "a name ends with its unit: {comment}"),
        "HELP" => assert!(!rest.trim().is_empty() && !rest.contains('\\'), "{comment}"),
        other => panic!("no such key: {other}"),
    }
}

impl Family {
    fn take(&mut self, name: &str, mut labels: Labels, value: f64, line: &str) {
        let ending = name.strip_prefix(&self.name).unwrap_or_else(|| panic!("not of {}: {line}", self.name));
        match (self.kind.as_str(), ending) {
            ("counter", "_total") => assert!(value.is_finite() && value >= 0.0, "{line}"),
            ("gauge", "") => {}
            ("info", "_info") => assert!((value - 1.0).abs() < f64::EPSILON, "{line}"),
            ("histogram", "_bucket") => {
                let position = labels.iter().position(|(name, _)| name == "le").expect("a bucket has a bound");
                let bound = labels.remove(position).1.replace("+Inf", "inf").parse().expect("a bound is a number");
                let last = self.buckets.insert(labels, (bound, value));
                assert!(last.is_none_or(|(below, count)| below < bound && count <= value), "{line}");
            }
            ("histogram", "_count") => {
                let (bound, count) = self.buckets[&labels];
                assert!(bound.is_infinite() && (count - value).abs() < f64::EPSILON, "{line}");
            }
            ("histogram", "_sum") => assert!(self.buckets.contains_key(&labels) && value >= 0.0, "{line}"),
            (kind, ending) => panic!("a {kind} has no {ending:?}: {line}"),
        }
    }
}

/// Name, labels in order, and value.
fn sample(line: &str) -> (String, Labels, f64) {
    let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("every series has the job: {line}"));
    assert!(is_name(name), "{line}");
    let (mut labels, mut rest) = (Vec::new(), rest);
    loop {
        let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        assert!(is_name(label) && !label.contains(':'), "{line}");
        let (value, after) = quoted(after).unwrap_or_else(|| panic!("no end of a value: {line}"));
        labels.push((label.to_owned(), value));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => {
                rest = after.strip_prefix("} ").unwrap_or_else(|| panic!("no end of labels: {line}"));
                break;
            }
        }
    }
    labels.sort();
    assert!(labels.windows(2).all(|pair| pair[0].0 != pair[1].0), "a label twice: {line}");
    (name.to_owned(), labels, rest.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}

/// A value up to its quote, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut characters) = (String::new(), text.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                known @ ('\\' | '"') => value.push(known),
                _ => return None,
            },
            other => value.push(other),
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

#[test]
fn the_rules_say_no() {
    let broken = [
        "# TYPE a counter\na_total{j=\"x\"} 1\n",
        "# TYPE a counter\na{j=\"x\"} 1\n# EOF\n",
        "# TYPE a gauge\n# UNIT a seconds\na{j=\"x\"} 1\n# EOF\n",
        "# TYPE a gauge\na{j=\"x\"} 1\na{j=\"x\"} 2\n# EOF\n",
        "# TYPE a gauge\na{j=\"x\\y\"} 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{j=\"x\",le=\"1.0\"} 2\na_bucket{j=\"x\",le=\"+Inf\"} 1\n# EOF\n",
    ];
    for text in broken {
        assert!(std::panic::catch_unwind(|| check(text)).is_err(), "{text}");
    }
    let good: String = (0..12).map(|n| format!("# TYPE a{n} gauge\na{n}{{j=\"x\"}} 1\n")).collect();
    check(&(good + "# EOF\n"));
}
