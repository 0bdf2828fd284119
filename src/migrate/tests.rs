//! Made-up versions, older than any that there was: what a step does to a file, and what is never done to one.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::path::Path;

use toml_edit::{DocumentMut, Item};

use super::edit::rename;
use super::*;

/// -1 → 0: `address` of an endpoint is called `link`. 0 → 1: `link` is called `url`, `senders` are `endpoints`.
const MADE_UP: &[Step] = &[
    Step { from: 0, to: 1, what: "`senders` are `endpoints`, and their `link` is `url`", apply: to_one },
    Step { from: -1, to: 0, what: "`address` is `link`", apply: to_zero },
];

fn in_each(document: &mut DocumentMut, old: &str, new: &str) -> Vec<Change> {
    let Some(senders) = document.get_mut("senders").and_then(Item::as_table_like_mut) else { return Vec::new() };
    let renamed = senders.iter_mut().filter_map(|(name, sender)| {
        let path = KeyPath::of(["senders", name.get()]);
        rename(sender, old, new).then(|| Change { from: path.key(old), to: Some(path.key(new)) })
    });
    renamed.collect()
}

fn to_zero(document: &mut DocumentMut) -> Vec<Change> {
    in_each(document, "address", "link")
}

fn to_one(document: &mut DocumentMut) -> Vec<Change> {
    let mut changes = in_each(document, "link", "url");
    if rename(document.as_item_mut(), "senders", "endpoints") {
        changes.push(Change { from: KeyPath::of(["senders"]), to: Some(KeyPath::of(["endpoints"])) });
    }
    changes
}

const OLD: &str = "\
#:schema x.json
# All prices.
version = -1 # old

# The one endpoint.
[senders.a] # here
input.range = { from = 1, to = 3 } # three
# Where to.
address = \"demo:/items/{{ row.value }}\" # there
timeout.total = \"3s\"

[senders.\"b c\"]
address   = 'demo:/'
input = \"rows.csv\"
# The end.
";

fn read(text: &str) -> Document {
    let mut diagnostics = Diagnostics::default();
    let document = Document::alone(Path::new("job.toml"), text.to_owned(), &mut diagnostics);
    assert!(diagnostics.list().is_empty(), "{:?}", diagnostics.list());
    document
}

fn migrated(text: &str) -> Migrated {
    let done = migrate(&read(text), MADE_UP).unwrap_or_else(|refused| panic!("{:?}", refused.diagnostics.list()));
    done.unwrap_or_else(|| panic!("{text} is of the present version"))
}

fn refusals(text: &str, steps: &[Step]) -> Vec<String> {
    let refused = migrate(&read(text), steps).unwrap_err();
    refused.diagnostics.list().iter().map(|one| one.message.clone()).collect()
}

#[test]
fn steps_are_gone_in_order_and_nothing_else_changes() {
    let done = migrated(OLD);
    let wanted = OLD.replace("version = -1", "version = 1").replace("senders", "endpoints");
    assert_eq!(done.text, wanted.replace("address", "url"));
    assert_eq!(done.from, -1);
}

#[test]
fn changes_are_told_by_the_lines_and_names_of_the_file_as_it_was() {
    let told = migrated(OLD).changes;
    let shown: Vec<String> = told
        .iter()
        .map(|told| format!("{:?} {} {}", told.line, told.change.from, told.change.to.as_ref().unwrap()))
        .collect();
    let wanted = [
        "Some(9) senders.a.address endpoints.a.url",
        "Some(13) senders.b c.address endpoints.b c.url",
        "Some(6) senders endpoints",
    ];
    assert_eq!(shown, wanted);
    assert_eq!(told[0].what, "`address` is `link`");
}

#[test]
fn a_key_in_a_table_that_moved_is_told_by_its_old_table() {
    let mut journey = Journey::default();
    let change = |from: &[&str], to: Option<&[&str]>| Change {
        from: KeyPath::of(from.iter().copied()),
        to: to.map(|to| KeyPath::of(to.iter().copied())),
    };
    journey.add("one", change(&["senders"], Some(&["endpoints"])));
    journey.add("two", change(&["endpoints", "a"], None));
    let told = journey.told(&read("\n[senders]\nx = 1\na = 2\n"));
    assert_eq!(told[1].change, change(&["senders", "a"], None));
    assert_eq!((told[0].line, told[1].line), (Some(2), Some(4)));
}

#[test]
fn line_ends_and_the_byte_order_mark_stay() {
    let windows = format!("\u{feff}{}", OLD.replace('\n', "\r\n"));
    let wanted = format!("\u{feff}{}", migrated(OLD).text.replace('\n', "\r\n"));
    assert_eq!(migrated(&windows).text, wanted);
}

#[test]
fn inline_tables_keep_their_order_and_comments() {
    let text = "version = 0\n[senders]\na = { order = \"input\", link = \"demo:/\", input = \"x.csv\" } # c\n";
    let wanted = "version = 1\n[endpoints]\na = { order = \"input\", url = \"demo:/\", input = \"x.csv\" } # c\n";
    assert_eq!(migrated(text).text, wanted);
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    let mut document: DocumentMut = "a = 1\nb = 2\n".parse().unwrap();
    assert!(!rename(document.as_item_mut(), "a", "b") && !rename(document.as_item_mut(), "c", "d"));
    assert_eq!(document.to_string(), "a = 1\nb = 2\n");
}

#[test]
fn a_file_of_the_present_version_needs_nothing() {
    for text in ["version = 1\nnonsense = true\n", "[endpoints.a]\n"] {
        assert!(migrate(&read(text), MADE_UP).unwrap().is_none(), "{text}");
    }
}

#[test]
fn versions_that_nothing_leads_from_are_refused() {
    let newer = ["this is version 3 of the job language, and this paceline knows version 1 at most"];
    assert_eq!(refusals("version = 3\n", MADE_UP), newer);
    assert_eq!(refusals("version = 0\n", STEPS), ["there never was a version 0 of the job language"]);
    assert_eq!(refusals("version = -2\n", MADE_UP), ["there never was a version -2 of the job language"]);
    assert_eq!(refusals("version = \"0\"\n", MADE_UP), ["`version`: expected an integer, found the string \"0\""]);
}

#[test]
fn steps_lead_from_every_version_that_there_was() {
    for version in spec::version::OLDEST..=CURRENT {
        assert!(version::way(version, STEPS).is_some(), "{version}");
    }
}

#[test]
fn what_would_be_no_job_is_refused_and_shown_as_it_would_be() {
    let refused = migrate(&read(&OLD.replace("timeout.total", "timeout.totl")), MADE_UP).unwrap_err();
    let text = crate::diagnostic::render(
        &refused.diagnostics,
        Some(&refused.document),
        crate::diagnostic::Format::Human,
        false,
    );
    for part in ["with version 1 this would be no job", "job.toml, migrated:10:9", "did you mean `total`?"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_part_of_a_job_is_migrated_too() {
    assert_eq!(migrated("version = 0\n[retry]\nattempts = 3\n").text, "version = 1\n[retry]\nattempts = 3\n");
}

#[test]
fn a_step_that_loses_a_comment_is_a_fault() {
    const LOSES: &[Step] = &[Step { from: 0, to: 1, what: "", apply: lose }];
    fn lose(document: &mut DocumentMut) -> Vec<Change> {
        document.remove("name");
        Vec::new()
    }
    assert_eq!(
        refusals("version = 0\n# why\nname = \"x\"\n", LOSES),
        ["the file would lack a comment: it is left as it is"]
    );
}

#[test]
fn a_version_that_was_not_there_comes_where_it_parts_no_comment_from_its_key() {
    let written = |text: &str| version::written(text.parse().unwrap());
    for (text, wanted) in [
        ("# a\nname = \"x\"\n\n# b\n[retry]\n", "# a\nname = \"x\"\nversion = 1\n\n# b\n[retry]\n"),
        ("#:schema x\n# a\n\n# b\n[retry]\n", "#:schema x\n# a\nversion = 1\n\n# b\n[retry]\n"),
        ("#:schema x\n# b\n[retry]\n", "#:schema x\nversion = 1\n\n# b\n[retry]\n"),
        ("[retry]\n", "version = 1\n\n[retry]\n"),
        ("", "version = 1\n"),
    ] {
        assert_eq!(written(text), wanted, "{text}");
    }
}

#[test]
fn the_present_version_is_the_one_that_the_schema_takes() {
    let schema: serde_json::Value = serde_json::from_str(&spec::schema_text()).unwrap();
    assert_eq!(schema.pointer("/properties/version/enum"), Some(&serde_json::json!([CURRENT])));
}
