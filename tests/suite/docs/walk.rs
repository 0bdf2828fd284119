//! Walks a document from its first block to its last, in a folder of its own.
//!
//! A comment on the line above a block says what it is: `<!-- file: NAME -->` is written into the folder,
//! `<!-- source: PATH -->` is that file of docs/, `<!-- shows: PATH -->` is what then stands in that file of the folder: whole,
//! or its first lines and `...`. Of `console` blocks every line behind `$ ` is run by a shell that finds `paceline`;
//! `# exit code 2` behind it says how it ends (default 0), and the lines below it are all that it prints: `…` stands for
//! anything on a line, a line `...` for any lines. Must never take a block for granted that it does not know.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{read, root};
use crate::readme::{Block, blocks};

/// Files of more lines are shown by their first ones.
const SHOWN: usize = 8;

/// Blocks in which other programs are shown.
const TO_READ: [&str; 3] = ["python", "sh", "text"];

/// A folder in which a document is walked.
pub struct Walk {
    folder: TempDir,
    tools: TempDir,
    /// How many commands were run.
    pub commands: usize,
}

impl Walk {
    /// In a folder with a copy of what stands in a folder of docs/, or in an empty one.
    pub fn begin(from: Option<&str>) -> Self {
        let (folder, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(env!("CARGO_BIN_EXE_paceline"), tools.path().join("paceline")).unwrap();
        if let Some(from) = from {
            crate::readme::copy(&root().join("docs").join(from), folder.path());
        }
        Self { folder, tools, commands: 0 }
    }

    /// Walks a document of docs/ and compares it with what it should be.
    pub fn document(&mut self, name: &str) {
        let path = root().join("docs").join(name);
        let text = read(&path);
        let expected = self.expected(&text, name);
        if paceline::environment::variable("UPDATE_DOCS").is_some() {
            fs::write(&path, &expected).unwrap();
            return;
        }
        for (number, (line, expected)) in (1..).zip(text.lines().zip(expected.lines())) {
            assert_eq!(line, expected, "docs/{name}:{number} is stale: run the tests with UPDATE_DOCS=1");
        }
        assert_eq!(text.lines().count(), expected.lines().count(), "docs/{name}: run the tests with UPDATE_DOCS=1");
    }

    fn expected(&mut self, text: &str, name: &str) -> String {
        let lines: Vec<&str> = text.lines().collect();
        for (at, pair) in lines.windows(2).enumerate() {
            let says_of_nothing = pair[0].starts_with("<!--") && !pair[1].starts_with("```");
            assert!(!says_of_nothing, "docs/{name}:{}: a comment that stands above no block", at + 1);
        }
        let mut expected = String::new();
        let mut done = 0;
        for block in blocks(text) {
            let begin = block.line;
            let body = self.block(&block, lines.get(begin.wrapping_sub(2)).copied().unwrap_or_default(), name);
            expected += &(lines[done..begin].join("\n") + "\n" + &body);
            done = begin + block.text.lines().count();
        }
        expected + &lines[done..].join("\n") + "\n"
    }

    /// What should stand in a block.
    fn block(&mut self, block: &Block, above: &str, name: &str) -> String {
        let marked = |word: &str| above.strip_prefix(&format!("<!-- {word}: "))?.strip_suffix(" -->");
        let place = format!("docs/{name}:{}", block.line);
        if let Some(source) = marked("source") {
            return read(&root().join("docs").join(source));
        }
        if let Some(shown) = marked("shows") {
            return first_lines(&read(&self.folder.path().join(shown)));
        }
        if let Some(file) = marked("file") {
            let path = self.folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &block.text).unwrap();
        } else if block.language == "console" {
            self.console(&block.text, &place);
        } else {
            let is_to_read = TO_READ.contains(&block.language.as_str()) || above.starts_with("<!-- ");
            assert!(is_to_read, "{place}: nothing says what this block is");
        }
        block.text.clone()
    }

    fn console(&mut self, text: &str, place: &str) {
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{place}: `{line}` is no command"));
            let mut shown = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                shown.push(line);
            }
            self.run(command, &shown, place);
        }
    }

    fn run(&mut self, line: &str, shown: &[&str], place: &str) {
        let (command, code) = line.split_once("# exit code ").unwrap_or((line, "0"));
        let (code, output) = (code.trim().parse::<i32>().unwrap(), self.shell(command.trim_end()));
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{place}: {line}\n{said}");
        let said: Vec<&str> = said.lines().collect();
        assert!(
            shown.is_empty() || fits(shown, &said),
            "{place}: {line}\nshown:\n{}\nsaid:\n{}",
            shown.join("\n"),
            said.join("\n")
        );
        self.commands += 1;
    }

    fn shell(&self, command: &str) -> std::process::Output {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.tools.path().display());
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(self.folder.path()).stdin(Stdio::null());
        shell.env_clear().env("PATH", path).env("HOME", self.folder.path()).env("LC_ALL", "C.UTF-8").output().unwrap()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(Path::new(name))
    }
}

fn first_lines(text: &str) -> String {
    if text.lines().count() <= SHOWN {
        return text.to_owned();
    }
    text.lines().take(SHOWN - 2).map(|line| format!("{line}\n")).collect::<String>() + "...\n"
}

/// Whether lines are those that a document shows.
fn fits(shown: &[&str], said: &[&str]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((&"...", rest)) => (0..=said.len()).any(|skipped| fits(rest, &said[skipped..])),
        Some((first, rest)) => said.split_first().is_some_and(|(line, said)| alike(first, line) && fits(rest, said)),
    }
}

/// Whether a line is the one that is shown; `…` stands for anything.
fn alike(shown: &str, line: &str) -> bool {
    let Some((before, after)) = shown.split_once('…') else { return shown == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| alike(after, &rest[at..]))
}

#[test]
fn what_varies_is_left_open_and_nothing_else() {
    assert!(alike("done in …ms, … ok", "done in 12ms, 3 ok"));
    assert!(alike("a…", "a") && alike("…", "") && !alike("a…", "b") && !alike("a", "a "));
    assert!(fits(&["a", "...", "c"], &["a", "b", "b", "c"]) && fits(&["...", "c"], &["c"]));
    assert!(!fits(&["a"], &["a", "b"]) && !fits(&["a", "b"], &["a"]) && fits(&[], &[]));
    assert_eq!(first_lines("1\n2\n"), "1\n2\n");
    assert_eq!(first_lines(&"x\n".repeat(9)), format!("{}...\n", "x\n".repeat(6)));
}

#[test]
fn a_document_is_walked_block_by_block() {
    let mut walk = Walk::begin(None);
    let text =
        "a\n<!-- file: b/x.txt -->\n```text\none\n```\n```console\n$ cat b/x.txt; false   # exit code 1\no…\n```\n"
            .to_owned();
    let shown = "<!-- shows: b/x.txt -->\n```text\nold\n```\nend\n";
    let expected = walk.expected(&(text.clone() + shown), "made.md");
    assert_eq!(expected, text + &shown.replace("old", "one"));
    assert_eq!((walk.commands, walk.path("b/x.txt").is_file()), (1, true));
}
