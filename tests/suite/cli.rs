//! The command line, from outside: the real program, its exit codes, its flags, what it prints where.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod jobs;
mod samples;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use clap::ValueEnum;
use clap_complete::Shell;
use paceline::cli::args::command;
use serde_json::Value;

/// The program in an environment that has nothing in it but a path.
pub fn paceline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paceline"));
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every command and every flag it has, help and version aside.
fn flags() -> Vec<(String, clap::Arg)> {
    let mut flags = Vec::new();
    for command in command().get_subcommands() {
        for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
            if !matches!(arg.get_id().as_str(), "help" | "version") {
                flags.push((command.get_name().to_owned(), arg.clone()));
            }
        }
    }
    assert!(flags.len() > 20, "the table of flags is not read");
    flags
}

#[test]
fn every_command_explains_itself() {
    for command in command().get_subcommands() {
        let help = said(&mut paceline(&[command.get_name(), "--help"]));
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""), "{}", command.get_name());
        assert!(help.out.contains("Usage: paceline"), "{}", help.out);
        for arg in command.get_arguments().filter_map(|arg| arg.get_long()) {
            assert!(help.out.contains(&format!("--{arg}")), "{}: --{arg} is not in the help", command.get_name());
        }
        let needs_examples = command.get_name() != "kinds";
        assert!(!needs_examples || help.out.contains("Examples:"), "{}", help.out);
    }
}

#[test]
fn the_help_is_the_manual() {
    let help = said(&mut paceline(&["--help"]));
    assert_eq!(help.code, Some(0));
    for word in [
        "run",
        "check",
        "plan",
        "failed",
        "runs",
        "schema",
        "kinds",
        "explain",
        "demo",
        "completions",
        "Exit codes:",
        "PACELINE_VAR_NAME",
    ] {
        assert!(help.out.contains(word), "{word} is missing:\n{}", help.out);
    }
    let version = said(&mut paceline(&["--version"]));
    assert_eq!((version.code, version.out), (Some(0), format!("paceline {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_help_does_not_show_what_the_environment_holds() {
    let help = said(paceline(&["run", "--help"]).env("PACELINE_VAR", "password=hunter2"));
    assert!(help.out.contains("PACELINE_VAR") && !help.out.contains("hunter2"), "{}", help.out);
}

#[test]
fn bad_usage_is_exit_2_and_said_on_standard_error() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage: paceline"),
        (&["rum"], "'run'"),
        (&["run"], "<JOB>"),
        (&["check"], "<JOB>"),
        (&["run", "job.toml", "--fersh"], "--fresh"),
        (&["run", "job.toml", "--limit", "many"], "--limit"),
        (&["run", "job.toml", "--var", "nothing"], "name=value"),
        (&["run", "job.toml", "-q", "-v"], "--verbose"),
        (&["run", "job.toml", "--log", "debgu"], "did you mean `debug`?"),
        (&["run", "job.toml", "--log-format", "yaml"], "[possible values: text, json]"),
        (&["completions", "cmd"], "bash"),
    ];
    for (arguments, hint) in cases {
        let said = said(&mut paceline(arguments));
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(said.err.contains(hint), "{arguments:?} does not say {hint}:\n{}", said.err);
    }
}

#[test]
fn every_flag_can_be_set_in_the_environment() {
    // Flags that take any text can't be caught by a bad value here; they have tests of their own.
    let free = [
        "profile",
        "set",
        "env-file",
        "log-file",
        "state",
        "events",
        "endpoint",
        "name",
        "url",
        "method",
        "input",
        "sink",
        "rate",
        "from-curl",
        "from-csv",
        "sample",
        "report-html",
        "report-junit",
        "report-json",
        "report-markdown",
    ];
    for (name, arg) in flags() {
        let long = arg.get_long().unwrap();
        let twin = format!("PACELINE_{}", long.to_uppercase().replace('-', "_"));
        assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(twin.as_str()), "{name} --{long}");
        if free.contains(&long) {
            continue;
        }
        let jobs: &[&str] =
            if matches!(name.as_str(), "run" | "check" | "plan" | "failed" | "runs") { &["job.toml"] } else { &[] };
        let said = said(paceline(&[&[name.as_str()], jobs].concat()).env(&twin, "?!"));
        assert_eq!(said.code, Some(2), "{name} does not read {twin}");
        assert!(said.err.contains(&format!("--{long}")), "{twin} is refused without naming --{long}:\n{}", said.err);
    }
}

#[test]
fn colour_obeys_the_flag_and_the_environment() {
    let colored = |arguments: &[&str], environment: &[(&str, &str)]| {
        let said = said(paceline(arguments).envs(environment.iter().copied()));
        assert_eq!(said.code, Some(2));
        said.err.contains('\u{1b}')
    };
    let bad = ["run", "job.toml", "--fersh"];
    assert!(!colored(&bad, &[]), "standard error is no terminal here");
    assert!(colored(&bad, &[("CLICOLOR_FORCE", "1")]));
    assert!(!colored(&bad, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(colored(&bad, &[("PACELINE_COLOR", "always"), ("NO_COLOR", "1")]));
    assert!(colored(&["run", "job.toml", "--color", "always", "--fersh"], &[]));
    assert!(!colored(&["run", "job.toml", "--color=never", "--fersh"], &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in Shell::value_variants() {
        let script = said(&mut paceline(&["completions", &shell.to_string()]));
        assert_eq!((script.code, script.err.as_str()), (Some(0), ""), "{shell}");
        for word in ["paceline", "accept-changes", "completions"] {
            assert!(script.out.contains(word), "{shell}: {word} is missing");
        }
    }
}

#[test]
fn a_reader_that_went_away_is_a_quiet_end() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = paceline(&["completions", "bash"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!((status.code(), text(stderr).as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_is_lost_is_not_fine() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let child = paceline(&["completions", "bash"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(3));
    assert!(text(stderr).starts_with("error: can't write to standard output: "));
}

#[test]
fn the_schema_is_the_one_in_the_repository() {
    let schema = said(&mut paceline(&["schema"]));
    assert_eq!(schema.code, Some(0));
    let committed = fs::read_to_string(repository("schemas/job.schema.json")).unwrap();
    assert!(schema.out == committed, "schemas/job.schema.json is stale: paceline schema > schemas/job.schema.json");
}

#[test]
fn kinds_lists_every_row_of_every_table() {
    let kinds = said(&mut paceline(&["kinds", "--output", "json"]));
    let families: Value = serde_json::from_str(&kinds.out).unwrap();
    let listed = |family: usize| -> Vec<String> {
        let kinds = families[family]["kinds"].as_array().unwrap();
        kinds.iter().map(|kind| kind["name"].as_str().unwrap().to_owned()).collect()
    };
    let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(listed(0), names(paceline::source::KINDS.iter().map(|kind| kind.name).collect()));
    assert_eq!(listed(1), names(paceline::auth::KINDS.iter().map(|kind| kind.name).collect()));
    assert_eq!(listed(2), names(paceline::paginate::KINDS.iter().map(|kind| kind.name).collect()));
    assert_eq!(listed(3), names(paceline::extract::KINDS.iter().map(|kind| kind.name).collect()));
    assert_eq!(listed(4), names(paceline::sink::KINDS.iter().map(|kind| kind.name).collect()));
    for (family, known) in [(0, "csv"), (1, "bearer"), (2, "cursor"), (3, "json"), (4, "jsonl")] {
        assert!(listed(family).iter().any(|name| name == known), "{known} is missing");
    }
    let table = said(&mut paceline(&["kinds"])).out;
    for name in (0..5).flat_map(listed) {
        assert!(table.contains(&format!("\n  {name} ")), "{name} is not in the table:\n{table}");
    }
}

/// Sends a signal by name.
#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn the_demo_serves_until_it_is_interrupted() {
    let mut child = paceline(&["demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("http://").expect("the base URL stands first").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    signal(&child, "-INT");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for (method, path, _) in paceline::demo::routes() {
        assert!(rest.lines().any(|line| line.contains(method) && line.contains(path)), "{method} {path} is missing");
    }
}

/// Variables of OpenTelemetry are there for every program: they ask nothing of this one.
#[cfg(not(feature = "otel"))]
#[test]
fn a_flag_of_what_is_not_built_names_the_feature_and_variables_for_all_ask_for_nothing() {
    let job = crate::support::Job::example("range.toml").variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let refused = job.run(&["--otlp"]).expect_code(2).stderr;
    assert!(refused.contains("--otlp: this build sends nothing to OpenTelemetry"), "{refused}");
    assert!(refused.contains("feature `otel`") && refused.contains("build with `--features otel`"), "{refused}");
    assert!(!job.path("jobs/out").exists(), "nothing was run");
    job.run(&[]).expect_code(0);
}
