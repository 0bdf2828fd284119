//! Links of documents lead to files that are there, and to headings that they have.

use std::collections::BTreeSet;
use std::path::Path;

use super::{markdown, read, root};

/// A text without its blocks and code, in which nothing is a link.
fn prose(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            kept += &(line.to_owned() + "\n");
        }
    }
    kept
}

/// The targets of a document's links, those of the web aside.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text);
    let found = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    found.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).map(str::to_owned).collect()
}

/// The anchors of a document: those of its headings, as they are shown on the web.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text);
    let titles = headings.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    titles.map(anchor).collect()
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let (mut broken, mut seen) = (Vec::new(), 0);
    for document in markdown() {
        let folder = document.parent().unwrap();
        for target in targets(&read(&document)) {
            seen += 1;
            let (file, heading) = target.split_once('#').map_or((target.as_str(), None), |(file, at)| (file, Some(at)));
            let path = if file.is_empty() { document.clone() } else { folder.join(file) };
            let is_there = path.exists() && heading.is_none_or(|heading| anchors(&read(&path)).contains(heading));
            if !is_there {
                broken.push(format!("{}: {target}", document.strip_prefix(root()).unwrap_or(Path::new("")).display()));
            }
        }
    }
    assert!(seen > 50, "only {seen} links");
    assert!(broken.is_empty(), "these lead nowhere: {broken:#?}");
}

#[test]
fn links_and_anchors_are_found() {
    let text = "# A `b.c` title!\n[x](y.md#z) [w](https://w)\n```sh\n# no title [q](r)\n```\n## Two\n";
    assert_eq!(targets(text), ["y.md#z"]);
    assert_eq!(anchors(text), BTreeSet::from(["a-bc-title".to_owned(), "two".to_owned()]));
}
