//! `paceline run`: opens a plan, shows how it goes, says how it ended and what to type next.

use std::io;

use serde_json::{Value, json};

use super::args::{JobArgs, OutputArgs, RunArgs};
use super::exit::Exit;
use super::load::{self, JobText};
use super::print::{self, Printer, github};
use super::{args, plan};
use crate::diagnostic::{Diagnostic, Format};
use crate::document::Document;
use crate::plan::Plan;
use crate::report::Reporter;
use crate::report::bar::Bar;
use crate::report::lines::Lines;
use crate::report::log::Log;
use crate::report::summary::{self, Next};
use crate::run::{self, Aftermath, Keyed, RunEnding, RunError, RunReport};

/// Runs a job. `program` is how the program was called, for the command that goes on.
pub fn run(args: &RunArgs, program: &str, print: &mut Printer) -> Exit {
    let speech = args.speech;
    let (job, text) = match load::read(&args.job, &args.file, speech, print) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    if args.dry_run {
        return plan::show(&job, args.options(), args::ROWS, speech.output, print);
    }
    let reporters = reporters(speech, &job);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            print.error(speech.output, &format!("can't start: {error}"));
            return Exit::Broken;
        }
    };
    let leaving = Leaving { args, program };
    let outcome = runtime.block_on(run::run_before(job, args.options(), reporters, &leaving));
    // From here on a signal ends the process: whoever reads the last words may have stopped reading.
    runtime.spawn(leave_on_signal());
    let exit = match outcome {
        Ok(report) => finish(args, program, (&report, &text), print),
        Err(error) => refuse(&error, &text, speech, print),
    };
    // A thread may still sit in a read of standard input; everything that counts is durable by now.
    runtime.shutdown_background();
    exit
}

#[allow(clippy::disallowed_methods, reason = "the main thread may be stuck in a write that nobody reads")]
async fn leave_on_signal() {
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(130);
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

/// Who watches. JSON on standard error is for programs: nothing else is said there then.
fn reporters(speech: OutputArgs, plan: &Plan) -> Vec<Box<dyn Reporter>> {
    if speech.quiet || speech.output == Format::Json {
        return Vec::new();
    }
    if speech.verbose > 0 {
        return vec![
            Box::new(Log::new(print::speak(), speech.verbose > 1)),
            Box::new(Lines::new(print::speak(), false)),
        ];
    }
    // Records on the same terminal would run through the bar.
    let records_here = print::stdout_is_terminal() && plan.sinks.iter().any(|sink| sink.kind.kind() == "stdout");
    if print::can_draw() && !records_here {
        vec![Box::new(Bar::new(print::canvas(), print::unicode()))]
    } else {
        vec![Box::new(Lines::new(print::speak(), true))]
    }
}

/// What notifications say of the program that leaves when the run has ended.
struct Leaving<'a> {
    args: &'a RunArgs,
    program: &'a str,
}

impl Aftermath for Leaving<'_> {
    fn exit(&self, ended: Result<&RunReport, &RunError>) -> Option<u8> {
        Some(ended.map_or_else(Exit::of_error, Exit::of_report).code())
    }

    fn next(&self, report: &RunReport) -> Option<String> {
        next(self.args, self.program, report).map(|next| next.command)
    }
}

fn finish(args: &RunArgs, program: &str, (report, job): (&RunReport, &JobText), print: &mut Printer) -> Exit {
    let (exit, next) = (Exit::of_report(report), next(args, program, report));
    let blamed = report.blamed.as_ref().and_then(|keyed| blamed(keyed, job, args.speech, print.color_err()));
    let text = blamed.clone().unwrap_or_default() + &summary::text(report, next.as_ref());
    match args.speech.output {
        Format::Json => {
            let summary = summary::json(report, exit.code(), next.as_ref());
            print.err(&blamed.map_or(summary.clone(), |told| with(summary, &told)).to_string());
        }
        Format::Human | Format::Github if args.speech.quiet && exit == Exit::Fine => {}
        Format::Human => print.err(&text),
        Format::Github => {
            print.err(&text);
            print.err(&annotations(report, exit).join("\n"));
        }
    }
    exit
}

/// What stands at the workflow run of a job that did not go well.
fn annotations(report: &RunReport, exit: Exit) -> Vec<String> {
    let mut lines: Vec<String> = report.warnings.iter().map(|warning| github("warning", warning)).collect();
    if exit != Exit::Fine {
        let held = report.failed_conditions.iter().map(|condition| format!("{condition} held"));
        let why = match &report.ending {
            RunEnding::Complete | RunEnding::Partial => held.collect::<Vec<_>>().join("; "),
            RunEnding::Interrupted(_) => "interrupted, resumable".to_owned(),
            RunEnding::Stopped { reason, .. } => format!("stopped: {reason}"),
            RunEnding::Broken(reason) => format!("broken off: {reason}"),
        };
        lines.push(github("error", &format!("{}: {why}", report.job)));
    }
    lines
}

/// Says why the run could not start, at the key that it comes from.
fn refuse(error: &RunError, job: &JobText, speech: OutputArgs, print: &mut Printer) -> Exit {
    let (format, color) = (speech.output, print.color_err());
    match error {
        RunError::Secrets(missing) => {
            let help = "secrets come from outside: set the variable or write the file, and run again";
            let missing = missing.iter().map(|unset| placed(&Keyed::secret(unset), &job.document).help(help));
            print.err(&job.tell(missing, format, color));
        }
        RunError::Open(message) => print.error(format, message),
        RunError::Key(keyed) => {
            let text = job.tell([placed(keyed, &job.document)], format, color);
            print.err(&match format {
                Format::Json => with(json!({ "error": keyed.message }), &text).to_string(),
                Format::Human | Format::Github => text,
            });
        }
    }
    Exit::of_error(error)
}

/// The error at the nearest of its keys that stands in the job.
pub(super) fn placed(keyed: &Keyed, document: &Document) -> Diagnostic {
    let diagnostic = Diagnostic::error(keyed.code, &keyed.message);
    match keyed.keys.iter().find(|key| document.get(key).is_some()) {
        Some(key) => diagnostic.at(document.mark(key), ""),
        None => diagnostic,
    }
}

/// Where the end of a run comes from; nothing where that stands nowhere in the job.
fn blamed(keyed: &Keyed, job: &JobText, speech: OutputArgs, color: bool) -> Option<String> {
    let diagnostic = placed(keyed, &job.document);
    diagnostic.primary.as_ref()?;
    Some(job.tell([diagnostic], speech.output, color))
}

/// What is for programs, with the list of diagnostics in it.
fn with(mut object: Value, diagnostics: &str) -> Value {
    if let Ok(mut rendered) = serde_json::from_str::<Value>(diagnostics) {
        object["diagnostics"] = rendered["diagnostics"].take();
    }
    object
}

/// The command that makes sense now: to go on, or to try again what failed.
fn next(args: &RunArgs, program: &str, report: &RunReport) -> Option<Next> {
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
    Some(Next { label, command: command(&args, program) })
}

fn all_rows(args: &RunArgs) -> RunArgs {
    RunArgs { failed: false, file: JobArgs { limit: None, ..args.file.clone() }, ..args.clone() }
}

/// The command line that reads the same job in the same way; `--fresh` would forget the run.
pub(super) fn command(args: &RunArgs, program: &str) -> String {
    let mut words = vec![program.to_owned(), "run".to_owned(), args.job.display().to_string()];
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    for (name, value) in &args.file.var {
        flag("--var", format!("{name}={value}"));
    }
    if let Some(profile) = &args.file.profile {
        flag("--profile", profile.clone());
    }
    for set in &args.file.set {
        flag("--set", set.clone());
    }
    for path in &args.file.env_file {
        flag("--env-file", path.display().to_string());
    }
    if let Some(limit) = args.file.limit {
        flag("--limit", limit.to_string());
    }
    if let Some(state) = &args.file.state {
        flag("--state", state.display().to_string());
    }
    words.extend(args.failed.then(|| "--failed".to_owned()));
    words.extend(args.accept_changes.then(|| "--accept-changes".to_owned()));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
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
    use super::super::args::JobArgs;
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
        RunArgs { job: "jobs/x.toml".into(), file, fresh: true, accept_changes: true, ..RunArgs::default() }
    }

    #[test]
    fn the_command_that_goes_on_reads_the_job_in_the_same_way() {
        let next = next(&args(), "target/release/paceline", &report(RunEnding::Interrupted(Signal::Interrupt)));
        let expected = "target/release/paceline run jobs/x.toml --var 'base=http://h/?a=1&b=2' --profile ci \
                        --set 'retry.initial='\\''1s'\\''' --env-file .env --limit 10 --state 'a b' --accept-changes";
        assert_eq!(next, Some(Next { label: "resume", command: expected.to_owned() }));
    }

    #[test]
    fn after_failures_the_failed_rows_are_next_and_after_none_nothing() {
        let plain = RunArgs { job: "x.toml".into(), ..RunArgs::default() };
        let mut report = report(RunEnding::Complete);
        assert_eq!(next(&plain, "paceline", &report), None);
        report.total.failed = 1;
        let command = "paceline run x.toml --failed".to_owned();
        assert_eq!(next(&plain, "paceline", &report), Some(Next { label: "again", command }));
        report.unknown = 1;
        assert_eq!(next(&plain, "paceline", &report), None, "`--failed` would send nothing");
        report.total.failed = 2;
        assert!(next(&plain, "paceline", &report).is_some_and(|next| next.command.ends_with(" --failed")));
    }

    #[test]
    fn annotations_say_why() {
        let mut report = report(RunEnding::Complete);
        assert!(annotations(&report, Exit::Fine).is_empty());
        report.failed_conditions = vec!["failed > 0".into()];
        report.warnings = vec!["odd".into()];
        let expected = ["::warning::odd", "::error::prices: failed > 0 held"];
        assert_eq!(annotations(&report, Exit::Failed), expected);
    }
}
