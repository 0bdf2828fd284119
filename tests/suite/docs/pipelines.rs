//! Files for CI: they are YAML by a parser that nobody here wrote, and say what the program does.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{read, root};
use crate::readme::blocks;
use crate::support::peers;

/// A YAML text as JSON; `None` where there is no parser.
fn yaml(text: &str) -> Option<Value> {
    use std::io::Write as _;
    let python = peers::pinned_python("yaml")?;
    let code = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let mut parser =
        Command::new(python).args(["-c", code]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    parser.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let done = parser.wait_with_output().unwrap();
    assert!(done.status.success(), "this is no YAML:\n{text}");
    Some(serde_json::from_slice(&done.stdout).unwrap())
}

/// The workflows of docs/ci.md, in their order.
fn workflows() -> Vec<String> {
    let text = read(&root().join("docs/ci.md"));
    blocks(&text).into_iter().filter(|block| block.language == "yaml").map(|block| block.text).collect()
}

fn steps(workflow: &Value, job: &str) -> Vec<Value> {
    workflow["jobs"][job]["steps"].as_array().unwrap_or_else(|| panic!("{workflow}")).clone()
}

#[test]
fn the_action_takes_what_the_workflows_give_it_and_gives_its_steps_what_they_name() {
    let text = read(&root().join("action.yml"));
    let Some(action) = yaml(&text) else { return };
    let inputs = action["inputs"].as_object().unwrap();
    let steps_of_it = action["runs"]["steps"].as_array().unwrap();
    assert!(steps_of_it.iter().all(|step| step.get("uses").is_some() || step["shell"] == "bash"), "{action}");
    // What comes from outside is never part of a script, where it would be run.
    assert!(steps_of_it.iter().filter_map(|step| step["run"].as_str()).all(|script| !script.contains("${{")));
    for name in text.split("inputs.").skip(1).map(|rest| rest.split([' ', '}', ')']).next().unwrap()) {
        assert!(inputs.contains_key(name), "the action has no input {name}");
    }
    let ids: Vec<&str> = steps_of_it.iter().filter_map(|step| step["id"].as_str()).collect();
    for id in text.split("steps.").skip(1).map(|rest| rest.split('.').next().unwrap()) {
        assert!(ids.contains(&id), "no step is called {id}");
    }
    for (workflow, job) in [(0, "check"), (1, "run")] {
        let steps = steps(&yaml(&workflows()[workflow]).unwrap(), job);
        let ours = steps.iter().find(|step| step["uses"].as_str().is_some_and(|uses| uses.starts_with("OWNER/")));
        let given = ours.unwrap()["with"].as_object().unwrap();
        assert!(given.keys().all(|name| inputs.contains_key(name)), "{given:?}");
        assert!(given.contains_key("job"), "{given:?}");
    }
}

#[test]
fn the_scripts_of_the_action_expand_jobs_make_annotations_and_pass_the_exit_code_on() {
    let Some(action) = yaml(&read(&root().join("action.yml"))) else { return };
    let folder = repository(&[("jobs/a.toml", "[endpoints.a]\nulr = \"demo:/x\"\ninput.values = [{}]\n")]);
    let (output, steps) = (folder.path().join("output"), action["runs"]["steps"].as_array().unwrap());
    let script = |id: &str| {
        let step = steps.iter().find(|step| step["id"] == id).unwrap();
        let mut shell = Command::new("bash");
        // As the runner calls it.
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
        shell.current_dir(folder.path()).env("GITHUB_OUTPUT", &output).env("GITHUB_ACTION_PATH", root());
        shell.env("RUNNER_OS", "Linux").env("RUNNER_ARCH", "X64").env("RUNNER_TEMP", folder.path());
        shell
    };
    let given = [("PROGRAM", env!("CARGO_BIN_EXE_paceline")), ("COMMAND", "check"), ("JOB", "jobs/*.toml")];
    for (working_directory, place) in [(".", "file=jobs/a.toml,line=2"), ("api", "file=api/jobs/a.toml,line=2")] {
        let mut call = script("call");
        call.envs(given).env("ARGS", "").env("PACELINE_OUTPUT", "github").env("FOLDER", working_directory);
        let done = call.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert_eq!((done.status.code(), read(&output).as_str()), (Some(2), "exit-code=2\n"), "{said}");
        assert!(said.lines().any(|line| line.starts_with(&format!("::error {place}"))), "{said}");
        fs::remove_file(&output).unwrap();
    }
    let absolute = folder.path().join("jobs/a.toml");
    let mut call = script("call");
    call.envs(given).env("JOB", &absolute).env("ARGS", "").env("PACELINE_OUTPUT", "github").env("FOLDER", "api");
    let said = String::from_utf8(call.output().unwrap().stdout).unwrap();
    assert!(said.contains(&format!("file={},line=2", absolute.display())), "{said}");
    fs::remove_file(&output).unwrap();
    let state = "jobs/.paceline\n\n!jobs/.paceline/*/spool\n/var/out\n~/out\n";
    assert!(script("kept").env("STATE", state).env("FOLDER", "api").status().unwrap().success());
    let kept = read(&output).lines().map(str::to_owned).collect::<Vec<_>>();
    let paths = ["api/jobs/.paceline", "!api/jobs/.paceline/*/spool", "/var/out", "~/out"];
    assert_eq!(kept, [&["paths<<END-OF-PATHS"], &paths[..], &["END-OF-PATHS"]].concat());
    assert!(script("program").env("VERSION", "").status().unwrap().success());
    let key = read(&output).lines().find_map(|line| line.strip_prefix("key=paceline-Linux-X64-").map(str::to_owned));
    assert!(key.is_some_and(|sum| sum.len() == 16 && sum.bytes().all(|byte| byte.is_ascii_hexdigit())));
}

#[test]
fn actions_of_others_are_pinned_by_their_major_version() {
    let texts = [vec![read(&root().join("action.yml"))], workflows()].concat();
    let used: Vec<&str> =
        texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.split("uses: ").nth(1)).collect();
    assert!(used.len() >= 6, "{used:?}");
    for action in used.into_iter().filter(|action| !action.starts_with("OWNER/")) {
        let version = action.split("@v").nth(1).unwrap_or_else(|| panic!("{action} has no version"));
        assert!(action.starts_with("actions/") && version.parse::<u32>().is_ok(), "{action}");
    }
}

#[test]
fn what_the_workflows_keep_is_where_the_job_leaves_it() {
    let Some(nightly) = yaml(&workflows()[1]) else { return };
    let kept = steps(&nightly, "run")[1]["with"]["state"].as_str().unwrap().to_owned();
    assert_eq!(kept.lines().collect::<Vec<_>>(), ["jobs/.paceline", "jobs/out"]);
    let gitlab = yaml(&workflows()[3]).unwrap();
    assert_eq!(gitlab["nightly prices"]["cache"]["paths"], serde_json::json!(["jobs/.paceline", "jobs/out"]));
    assert_eq!(gitlab["nightly prices"]["allow_failure"]["exit_codes"], serde_json::json!([4]));
}

#[test]
fn exit_codes_mean_what_the_help_says() {
    let text = read(&root().join("docs/ci.md"));
    let help = paceline::cli::exit::HELP;
    for line in help.lines().skip(1) {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let row = text.lines().find(|row| row.starts_with("| ") && row.split('|').nth(1).unwrap().contains(code));
        let row = row.unwrap_or_else(|| panic!("docs/ci.md does not speak of exit code {code}")).replace('`', "");
        let words = meaning.trim().split([',', '(']).next().unwrap().trim();
        let words = words.strip_prefix("interrupted ").unwrap_or(words);
        assert!(row.contains(words), "{code}: {row} is not {meaning}");
    }
}

#[test]
fn hooks_are_what_pre_commit_takes_and_find_a_mistake() {
    let Some(pre_commit) = peers::find_pinned("pre-commit") else { return };
    let manifest = root().join(".pre-commit-hooks.yaml");
    let valid = Command::new(&pre_commit).arg("validate-manifest").arg(&manifest).output().unwrap();
    assert!(valid.status.success(), "{valid:?}");
    let (hooks, work) = (repository(&[(".pre-commit-hooks.yaml", &read(&manifest))]), tempfile::tempdir().unwrap());
    let config = format!(
        "repos:\n  - repo: {}\n    rev: HEAD\n    hooks:\n      - id: paceline-check\n        language: system\n        entry: {} check\n",
        hooks.path().display(),
        env!("CARGO_BIN_EXE_paceline")
    );
    let good = "[endpoints.a]\nurl = \"demo:/x\"\ninput.values = [{}]\n";
    let jobs =
        repository(&[(".pre-commit-config.yaml", &config), ("jobs/a.toml", good), ("Cargo.toml", "[no]\njob = 1\n")]);
    let run = || {
        let mut command = Command::new(&pre_commit);
        command.args(["run", "--all-files", "--color", "never"]).current_dir(jobs.path()).env("HOME", work.path());
        let done = command.env("PRE_COMMIT_HOME", work.path().join("cache")).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (passed, said) = run();
    assert!(passed, "{said}");
    fs::write(jobs.path().join("jobs/a.toml"), good.replace("url", "ulr")).unwrap();
    let (passed, said) = run();
    assert!(!passed && said.contains("jobs/a.toml:2") && said.contains("did you mean `url`?"), "{said}");
}

/// A git repository with these files in its one commit.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for words in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "-m", "files"],
    ] {
        git(folder.path(), words);
    }
    folder
}

fn git(folder: &Path, words: &[&str]) {
    let done = Command::new("git").args(words).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}
