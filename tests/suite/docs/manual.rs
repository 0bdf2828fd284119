//! Manual pages and completions, judged by the programs that read them.

use std::fs;
use std::process::{Command, Stdio};

use paceline::cli::args::command;

use crate::cli::paceline;
use crate::support::peers;

/// The pages of all commands in a folder that was not there.
fn pages() -> (tempfile::TempDir, Vec<std::path::PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man1");
    let done = paceline(&["man", pages.to_str().unwrap()]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8(done.stdout).unwrap();
    let mut found: Vec<_> = fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort_by_key(|page| page.file_stem().map(std::ffi::OsStr::to_owned));
    let mut told: Vec<_> = said.lines().map(std::path::PathBuf::from).collect();
    told.sort_by_key(|page| page.file_stem().map(std::ffi::OsStr::to_owned));
    assert_eq!(told, found, "what was written is said");
    (folder, found)
}

#[test]
fn the_program_and_every_command_have_a_page_with_all_of_their_flags() {
    let (_folder, pages) = pages();
    let names: Vec<String> = pages.iter().map(|page| page.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let commands = command();
    let mut expected: Vec<String> =
        commands.get_subcommands().map(|command| format!("paceline-{}", command.get_name())).collect();
    expected.push("paceline".to_owned());
    expected.sort();
    assert_eq!(names, expected);
    for (page, name) in pages.iter().zip(&names) {
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains(".TH ") && text.contains(".SH NAME"), "{name}");
        let command = commands.get_subcommands().find(|command| *name == format!("paceline-{}", command.get_name()));
        for flag in command.into_iter().flat_map(|command| command.get_arguments()).filter_map(|arg| arg.get_long()) {
            let written = format!("\\-\\-{}", flag.replace('-', "\\-"));
            assert!(text.contains(&written), "{name} does not speak of --{flag}");
        }
    }
    let printed = paceline(&["man"]).output().unwrap().stdout;
    assert_eq!(String::from_utf8(printed).unwrap(), fs::read_to_string(&pages[0]).unwrap());
}

#[test]
fn pages_are_written_as_roff_wants_them() {
    let Some(groff) = peers::find("groff") else { return };
    for page in pages().1 {
        let done = Command::new(&groff).args(["-man", "-Tutf8", "-ww", "-z"]).arg(&page).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "{}: {said}", page.display());
    }
}

#[test]
fn a_folder_that_can_not_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let done = paceline(&["man", file.join("man1").to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert!(said.contains("can't write manual pages to") && said.contains("file/man1"), "{said}");
}

#[test]
fn bash_takes_the_completions_and_completes_by_them() {
    let Some(bash) = peers::find("bash") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("paceline.bash");
    fs::write(&script, paceline(&["completions", "bash"]).output().unwrap().stdout).unwrap();
    let read = Command::new(&bash).arg("-n").arg(&script).stderr(Stdio::piped()).output().unwrap();
    assert!(read.status.success() && read.stderr.is_empty(), "{read:?}");
    let ask = "source \"$1\"; COMP_WORDS=(paceline run --fr); COMP_CWORD=2; _paceline paceline --fr run; echo \"${COMPREPLY[@]}\"";
    let asked = Command::new(&bash).args(["-c", ask, "bash"]).arg(&script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&asked.stdout).trim(), "--fresh", "{asked:?}");
}
