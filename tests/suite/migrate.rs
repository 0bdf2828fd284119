//! `paceline migrate`, from outside: what it says of files of each version. What steps do is tested beside them, with
//! made-up versions: there has been one version so far.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::fs;

use serde_json::Value;

use crate::cli::{Said, paceline, said};

const PRESENT: &str = "version = 1 # kept\n";
const NEWER: &str = "version = 2\n";
const NEVER: &str = "# why\nversion = 0\n";
const BROKEN: &str = "version = \n";

/// Migrates files of all kinds, and looks that none of them was touched.
fn migrate(words: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let files = [("present.toml", PRESENT), ("newer.toml", NEWER), ("never.toml", NEVER), ("broken.toml", BROKEN)];
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    let done = said(paceline(&[&["migrate"][..], words].concat()).current_dir(folder.path()));
    for (name, text) in files {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), text, "{name}");
    }
    done
}

#[test]
fn a_file_of_the_present_version_is_left_alone() {
    let done = migrate(&["present.toml"]);
    let words = "nothing to do: present.toml is version 1 already\n";
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (Some(0), words, ""));
    let quiet = migrate(&["--check", "--quiet", "present.toml"]);
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (Some(0), "", ""));
    let json: Value = serde_json::from_str(&migrate(&["present.toml", "--output", "json"]).out).unwrap();
    assert_eq!((&json["changed"], &json["version"]), (&Value::Bool(false), &Value::from(1)));
}

#[test]
fn versions_that_nothing_leads_from_are_told_at_their_place_and_the_others_are_looked_at() {
    let done = migrate(&["newer.toml", "never.toml", "broken.toml", "present.toml"]);
    assert_eq!(done.code, Some(2));
    for part in [
        "this is version 2 of the job language, and this paceline knows version 1 at most",
        "newer.toml:1:11",
        "help: install a newer paceline",
        "there never was a version 0 of the job language",
        "never.toml:2:11",
        "help: write `version = 1`, or take the line out",
        "broken.toml:1:",
    ] {
        assert!(done.err.contains(part), "{part} is missing:\n{}", done.err);
    }
    assert_eq!(done.out, "nothing to do: present.toml is version 1 already\n");
}

/// What is wrong, without the line that counts.
fn told(command: &str, folder: &std::path::Path) -> String {
    let said = said(paceline(&[command, "job.toml"]).current_dir(folder));
    assert_eq!(said.code, Some(2), "{command}: {}", said.err);
    said.err.split("\n\n1 error in ").next().unwrap_or_default().to_owned()
}

#[test]
fn check_and_migrate_say_the_same_of_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let job = "[endpoints.a]\nurl = \"https://a.example/\"\ninput.values = [{ n = 1 }]\n";
    for (version, code) in [
        ("2", "P0103"),
        ("0", "P0103"),
        ("-1", "P0103"),
        ("9223372036854775807", "P0103"),
        ("9223372036854775808", "P0103"),
        ("1.0", "P0102"),
        ("\"1\"", "P0102"),
        ("\"one\"", "P0102"),
        ("true", "P0102"),
        ("[1]", "P0102"),
        ("1979-05-27", "P0102"),
    ] {
        for text in [format!("version = {version}\n{job}"), format!("{job}[profiles.p]\nversion = {version}\n")] {
            fs::write(folder.path().join("job.toml"), &text).unwrap();
            let [check, migrate] = ["check", "migrate"].map(|command| told(command, folder.path()));
            assert_eq!(check, migrate, "{text}");
            assert!(check.contains(&format!("error[{code}]")), "{code}: {check}");
            assert_eq!(check.matches("error[").count(), 1, "{check}");
        }
    }
}

#[test]
fn check_and_migrate_say_the_same_of_included_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let endpoint = "[endpoints.a]\nurl = \"https://a.example/\"\ninput.values = [{ n = 1 }]\n";
    let job = format!("include = \"a.toml\"\n{endpoint}");
    write("a.toml", "include = \"b.toml\"\nversion = 1\n");
    for version in ["2", "0", "1.0", "\"one\""] {
        write("b.toml", &format!("version = {version}\n"));
        for text in [job.clone(), format!("version = 1\n{job}"), format!("version = 3\n{job}")] {
            write("job.toml", &text);
            let [check, migrate] =
                ["check", "migrate"].map(|command| said(paceline(&[command, "job.toml"]).current_dir(folder.path())));
            assert_eq!((check.code, migrate.code, &check.err), (Some(2), Some(2), &migrate.err), "{text}{version}");
            assert!(check.err.contains("b.toml:1:11"), "{}", check.err);
        }
    }
    write("job.toml", &job);
    write("b.toml", "version = 1\n");
    let fine = "nothing to do: job.toml is version 1 already\n";
    assert_eq!(said(paceline(&["migrate", "job.toml"]).current_dir(folder.path())).out, fine);
    // What else is wrong with it is for `check` to say.
    fs::remove_file(folder.path().join("b.toml")).unwrap();
    assert_eq!(said(paceline(&["migrate", "job.toml"]).current_dir(folder.path())).out, fine);
}

#[test]
fn programs_get_what_is_wrong_with_each_file_where_they_get_all_else() {
    let done = migrate(&["newer.toml", "none.toml", "present.toml", "--output", "json"]);
    assert_eq!((done.code, done.err.as_str()), (Some(2), ""));
    let told: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<&str> = told.iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["newer.toml", "none.toml", "present.toml"]);
    assert_eq!((&told[0]["ok"], &told[0]["diagnostics"][0]["severity"]), (&Value::Bool(false), &"error".into()));
    assert_eq!(told[1]["diagnostics"].as_array().unwrap().len(), 1);
}

#[test]
fn our_own_jobs_are_of_the_present_version() {
    let files = crate::jobs::job_files();
    assert!(files.len() > 30, "{}", files.len());
    let paths: Vec<String> = files.iter().map(|file| format!("jobs/{file}")).collect();
    let words: Vec<&str> = ["migrate", "--check"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let done = said(&mut paceline(&words));
    assert_eq!((done.code, done.out.lines().count()), (Some(0), paths.len()), "{}", done.err);
}
