//! Commands to type when a run has ended: to go on, to try again what failed, to see it as a page.
//!
//! They stand on terminals, in logs of CI, in reports and in notifications, so they must never say a secret, and be
//! ready to be pasted wherever none is in them.

use std::path::Path;

use clap::ValueEnum;

use super::args::{JobArgs, RunArgs};
use crate::document::shown;
use crate::report::events::Detail;
use crate::report::summary::Next;
use crate::run::{RunEnding, RunReport};
use crate::secret::Masker;

/// The command that makes sense now: to go on, or to try again what failed.
pub(super) fn next(args: &RunArgs, program: &str, report: &RunReport, masker: Option<&Masker>) -> Option<Next> {
    if !report.resumable {
        return None;
    }
    let (label, args) = match &report.ending {
        // What is unknown is not sent again unasked: a warning says how to ask.
        RunEnding::Complete if report.total.failed <= report.unknown => return None,
        RunEnding::Complete => ("again", RunArgs { failed: true, accept_changes: false, ..args.clone() }),
        RunEnding::Partial => ("the rest", all_rows(args)),
        // What --failed was sending is open now like any other row.
        RunEnding::Interrupted(_) | RunEnding::Stopped { .. } | RunEnding::Broken(_) => {
            ("resume", RunArgs { failed: false, ..args.clone() })
        }
    };
    Some(Next { label, command: command(&args, program, masker) })
}

fn all_rows(args: &RunArgs) -> RunArgs {
    RunArgs { failed: false, file: JobArgs { limit: None, ..args.file.clone() }, ..args.clone() }
}

/// The command that makes a page of the run. It names the run and where it is kept, so that it finds it however the job
/// was read.
pub(super) fn page(program: &str, report: &RunReport, masker: Option<&Masker>) -> String {
    let state = report.journal.parent().unwrap_or(Path::new("."));
    let mut line = Line::new(program, "report", masker);
    line.value(&report.run);
    line.flag("--state", &state.display().to_string());
    line.text()
}

/// The command line that reads the same job in the same way; `--fresh` would forget the run.
pub(super) fn command(args: &RunArgs, program: &str, masker: Option<&Masker>) -> String {
    let mut line = Line::new(program, "run", masker);
    line.value(&args.job.display().to_string());
    job(&args.file, &mut line);
    for (key, path) in args.reports() {
        line.flag(&format!("--report-{key}"), &path.display().to_string());
    }
    if let Some(events) = &args.events {
        line.flag("--events", &events.display().to_string());
        let detail = args.events_detail.to_possible_value().filter(|_| args.events_detail != Detail::default());
        detail.iter().for_each(|detail| line.flag("--events-detail", detail.get_name()));
    }
    args.log.words().iter().for_each(|word| line.value(word));
    if args.speech.verbose > 0 {
        line.word(&format!("-{}", "v".repeat(args.speech.verbose.into())));
    }
    args.watch.words().iter().for_each(|word| line.value(word));
    if args.failed {
        line.word("--failed");
    }
    if args.accept_changes {
        line.word("--accept-changes");
    }
    line.text()
}

/// How the job is read.
fn job(args: &JobArgs, line: &mut Line<'_>) {
    args.var.iter().for_each(|(name, value)| line.flag("--var", &shown(&format!("{name}={value}"))));
    args.profile.iter().for_each(|profile| line.flag("--profile", profile));
    args.set.iter().for_each(|set| line.flag("--set", &shown(set)));
    args.env_file.iter().for_each(|path| line.flag("--env-file", &path.display().to_string()));
    args.limit.iter().for_each(|limit| line.flag("--limit", &limit.to_string()));
    args.state.iter().for_each(|state| line.flag("--state", &state.display().to_string()));
}

/// A command line in the making.
struct Line<'m> {
    words: Vec<String>,
    masker: Option<&'m Masker>,
}

impl<'m> Line<'m> {
    fn new(program: &str, command: &str, masker: Option<&'m Masker>) -> Self {
        Self { words: vec![program.to_owned(), command.to_owned()], masker }
    }

    /// A word of the program's own. It is never masked: that would tell a secret that is the same.
    fn word(&mut self, word: &str) {
        self.words.push(word.to_owned());
    }

    /// What somebody typed. It is masked before it is quoted, as quotes would hide a secret from the masker.
    fn value(&mut self, value: &str) {
        self.words.push(self.masker.map_or_else(|| value.into(), |masker| masker.mask(value)).into_owned());
    }

    fn flag(&mut self, name: &str, value: &str) {
        self.word(name);
        self.value(value);
    }

    fn text(&self) -> String {
        self.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::tests::report;
    use crate::run::Signal;

    fn args() -> RunArgs {
        let file = JobArgs {
            var: vec![("base".into(), "http://h/?a=1&b=2".into())],
            profile: Some("ci".into()),
            set: vec!["retry.initial='1s'".into()],
            env_file: vec![".env".into()],
            limit: Some(10),
            state: Some("a b".into()),
        };
        let report_junit = Some("out/junit.xml".into());
        RunArgs {
            job: "jobs/x.toml".into(),
            file,
            fresh: true,
            accept_changes: true,
            report_junit,
            ..RunArgs::default()
        }
    }

    #[test]
    fn the_command_that_goes_on_writes_events_where_they_were() {
        let args = |events_detail| RunArgs {
            job: "x.toml".into(),
            events: Some("e.ndjson".into()),
            events_detail,
            ..RunArgs::default()
        };
        assert_eq!(command(&args(Detail::Run), "paceline", None), "paceline run x.toml --events e.ndjson");
        let expected = "paceline run x.toml --events e.ndjson --events-detail rows";
        assert_eq!(command(&args(Detail::Rows), "paceline", None), expected);
    }

    #[test]
    fn the_command_that_goes_on_logs_and_serves_as_before() {
        let mut args = RunArgs { job: "x.toml".into(), ..RunArgs::default() };
        args.speech.verbose = 2;
        args.log.log_file = Some("a log".into());
        args.watch.metrics = "127.0.0.1:9000".parse().ok();
        let expected = "paceline run x.toml --log-file 'a log' -vv --metrics 127.0.0.1:9000";
        assert_eq!(command(&args, "paceline", None), expected);
    }

    #[test]
    fn the_command_that_goes_on_reads_the_job_in_the_same_way() {
        let ended = report(RunEnding::Interrupted(Signal::Interrupt));
        let expected = "target/release/paceline run jobs/x.toml --var 'base=http://h/?a=1&b=2' --profile ci \
                        --set 'retry.initial='\\''1s'\\''' --env-file .env --limit 10 --state 'a b' \
                        --report-junit out/junit.xml --accept-changes";
        let expected = Some(Next { label: "resume", command: expected.to_owned() });
        // A secret that is in none of it changes nothing.
        for masker in [None, Some(&Masker::new(["hunter2"]))] {
            assert_eq!(next(&args(), "target/release/paceline", &ended, masker), expected);
        }
    }

    #[test]
    fn no_command_says_a_secret_however_a_shell_or_toml_writes_it() {
        let secret = "it's \"x\" \\ run";
        let toml = format!("headers.x = {}", serde_json::Value::from(secret));
        let file = JobArgs { var: vec![("key".into(), secret.into())], set: vec![toml], ..JobArgs::default() };
        let args = RunArgs { job: "x.toml".into(), file, ..RunArgs::default() };
        let told = command(&args, "paceline", Some(&Masker::new([secret, "run"])));
        assert_eq!(told, "paceline run x.toml --var 'key=***' --set 'headers.x = \"***\"'");
    }

    #[test]
    fn what_is_a_secret_by_its_name_is_hidden_whatever_is_known() {
        let file = JobArgs {
            var: vec![("api_key".into(), "k3y-0f-4ll".into())],
            set: vec!["headers.x-api-key=\"k3y-0f-4ll\"".into()],
            ..JobArgs::default()
        };
        let told = command(&RunArgs { job: "x.toml".into(), file, ..RunArgs::default() }, "paceline", None);
        assert_eq!(told, "paceline run x.toml --var 'api_key=***' --set 'headers.x-api-key=\"***\"'");
    }

    #[test]
    fn after_failures_the_failed_rows_are_next_and_after_none_nothing() {
        let plain = RunArgs { job: "x.toml".into(), ..RunArgs::default() };
        let mut report = report(RunEnding::Complete);
        assert_eq!(next(&plain, "paceline", &report, None), None);
        report.total.failed = 1;
        let command = "paceline run x.toml --failed".to_owned();
        assert_eq!(next(&plain, "paceline", &report, None), Some(Next { label: "again", command }));
        report.unknown = 1;
        assert_eq!(next(&plain, "paceline", &report, None), None, "`--failed` would send nothing");
        report.total.failed = 2;
        assert!(next(&plain, "paceline", &report, None).is_some_and(|next| next.command.ends_with(" --failed")));
    }
}
