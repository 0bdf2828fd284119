//! `paceline run`: opens a plan, shows how it goes, says how it ended and what to type next.

use std::io;
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::args::{JobArgs, OutputArgs, RunArgs};
use super::exit::Exit;
use super::keys::Keys;
use super::load::{self, JobText};
use super::logging::{self, Logging};
use super::print::{self, Printer, github};
use super::reports::{self, Reports};
use super::watch::Watching;
use super::{args, events, plan, terminal};
use crate::diagnostic::{Diagnostic, Format};
use crate::document::Document;
use crate::plan::Plan;
use crate::report::Reporter;
use crate::report::bar::Bar;
use crate::report::events::Detail;
use crate::report::fault::{self, Fault};
use crate::report::file::Account;
use crate::report::layout::Look;
use crate::report::lines::Lines;
use crate::report::summary::{self, Next};
use crate::run::{self, Aftermath, Keyed, RunEnding, RunError, RunReport};

/// Runs a job. `program` is how the program was called, for the command that goes on.
pub fn run(args: &RunArgs, program: &str, print: &mut Printer) -> Exit {
    let speech = args.speech;
    let (mut job, text) = match load::read(&args.job, &args.file, speech, print) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    if args.dry_run {
        return plan::show(&job, args.options(), args::ROWS, speech.output, print);
    }
    job.words = plan::words(&job);
    let watch = match Watch::of(args, &job, print) {
        Ok(watch) => watch,
        Err((exit, words)) => {
            print.error(speech.output, &words);
            return exit;
        }
    };
    let watching = match Watching::open(args.watch, speech.output, print) {
        Ok(watching) => watching,
        Err(exit) => return exit,
    };
    let (Watch { logging, reports, mut reporters, faults, keys }, unstarted) = (watch, RunReport::unstarted(&job));
    reporters.extend(watching.reporter());
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            print.error(speech.output, &format!("can't start: {error}"));
            return Exit::Broken;
        }
    };
    terminal::mind_panics();
    let (commander, commands) = run::commands();
    let (keys, commands) = if keys { Keys::of(commander, commands) } else { (None, commands) };
    let (commands, leaving) = (commands.on_leaving(terminal::abandon), Leaving { args, program });
    let outcome = runtime.block_on(run::run_with(job, args.options(), reporters, commands, &leaving));
    // The terminal is as it was before anything more is said.
    drop(keys);
    watching.tell_end(outcome.as_ref().ok().map(|report| &report.recap));
    // From here on a signal ends the process: whoever reads the last words may have stopped reading.
    runtime.spawn(leave_on_signal());
    let exit = match outcome {
        Ok(mut report) => {
            logging.end(&report);
            fault::put_among(&mut report.warnings, &faults);
            finish(args, program, (report, &text), &reports, print)
        }
        Err(error) => {
            logging.refuse(&unstarted.job, &error);
            let exit = refuse(&error, &text, speech, print);
            let report = unstarted.refused(&error);
            let unwritten = reports.write(|asked| Account { report: &report, asked, exit: exit.code(), next: None });
            unwritten.iter().for_each(|warning| print.warning(speech.output, warning));
            exit
        }
    };
    watching.end();
    // A thread may still sit in a read of standard input; everything that counts is durable by now.
    runtime.shutdown_background();
    exit
}

/// Who watches a run, and what is written of it when it has ended.
struct Watch {
    logging: Logging,
    reports: Reports,
    reporters: Vec<Box<dyn Reporter>>,
    /// What may go wrong with what is written meanwhile.
    faults: Vec<Fault>,
    /// Whether somebody at the terminal may steer the run.
    keys: bool,
}

impl Watch {
    /// What these arguments ask for.
    fn of(args: &RunArgs, job: &Plan, print: &Printer) -> Result<Self, (Exit, String)> {
        let reports = Reports::of(args, job).map_err(|why| (Exit::Usage, why))?;
        let logging = logging::start(args, job)?;
        let keys = listens_to_keys(args, logging.is_here(), job);
        let look = Look { unicode: print::unicode(), color: print.color_err(), keys };
        let (logged, events) = (logging.fault().into_iter().collect::<Vec<_>>(), events::reporter(args, job)?);
        let told: Vec<Fault> = events.iter().map(|(_, fault)| fault.clone()).collect();
        let faults = [&logged[..], &told].concat();
        let mut watching = fault::told_by(logging.reporters(), &told);
        watching.extend(fault::told_by(reporters(args, logging.is_here(), job, look), &faults));
        watching.extend(fault::told_by(events.into_iter().map(|(events, _)| events).collect(), &logged));
        Ok(Self { logging, reports, reporters: watching, faults, keys })
    }
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

/// Whether somebody at the terminal may steer the run: where it shows how the run goes, and where what is typed there is
/// neither the job nor rows of it.
fn listens_to_keys(args: &RunArgs, logs_here: bool, plan: &Plan) -> bool {
    let silent = args.speech.quiet || args.speech.output == Format::Json || logs_here;
    let read =
        args.job == Path::new(load::STDIN) || plan.endpoints.iter().any(|endpoint| endpoint.source.is_read_once());
    !silent && !read && print::can_draw() && terminal::has_keys()
}

/// Who watches, beside the log. JSON on standard error is for programs: nothing else is said there then.
fn reporters(args: &RunArgs, logs_here: bool, plan: &Plan, look: Look) -> Vec<Box<dyn Reporter>> {
    let speech = args.speech;
    if speech.quiet || speech.output == Format::Json || logs_here {
        return Vec::new();
    }
    // Records and events on the same terminal would run through the bar.
    let records_here = print::stdout_is_terminal() && plan.sinks.iter().any(|sink| sink.kind.kind() == "stdout");
    if print::can_draw() && !records_here && !events::are_on_terminal(args) {
        vec![Box::new(Bar::new(Box::new(terminal::StandardError), look))]
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

fn finish(
    args: &RunArgs,
    program: &str,
    (mut report, job): (RunReport, &JobText),
    reports: &Reports,
    print: &mut Printer,
) -> Exit {
    let (exit, next) = (Exit::of_report(&report), next(args, program, &report));
    let code = exit.code();
    let unwritten = reports.write(|asked| Account { report: &report, asked, exit: code, next: next.as_ref() });
    report.warnings.extend(unwritten);
    let report = &report;
    let page = page(args, program, reports);
    let blamed = report.blamed.as_ref().and_then(|keyed| blamed(keyed, job, args.speech, print.color_err()));
    let text = blamed.clone().unwrap_or_default() + &summary::text(report, next.as_ref(), page.as_deref());
    match args.speech.output {
        Format::Json => {
            let summary = summary::json(report, code, next.as_ref());
            print.err(&blamed.map_or(summary.clone(), |told| with(summary, &told)).to_string());
        }
        Format::Human | Format::Github if args.speech.quiet && exit == Exit::Fine => {}
        Format::Human if !reports::in_actions() => print.err(&text),
        Format::Human | Format::Github => {
            print.err(&text);
            print.err(&annotations(report, exit).join("\n"));
        }
    }
    exit
}

/// The command that makes a page of the run, where none is written.
fn page(args: &RunArgs, program: &str, reports: &Reports) -> Option<String> {
    if reports.has("html") {
        return None;
    }
    let mut words = vec![program.to_owned(), "report".to_owned(), args.job.display().to_string()];
    if let Some(state) = &args.file.state {
        words.extend(["--state".to_owned(), state.display().to_string()]);
    }
    Some(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
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
    for (key, path) in args.reports() {
        words.extend([format!("--report-{key}"), path.display().to_string()]);
    }
    if let Some(events) = &args.events {
        words.extend(["--events".to_owned(), events.display().to_string()]);
        let detail = args.events_detail.to_possible_value().filter(|_| args.events_detail != Detail::default());
        words.extend(detail.iter().flat_map(|detail| ["--events-detail".to_owned(), detail.get_name().to_owned()]));
    }
    words.extend(args.log.words());
    words.extend((args.speech.verbose > 0).then(|| format!("-{}", "v".repeat(args.speech.verbose.into()))));
    words.extend(args.watch.words());
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
        assert_eq!(command(&args(Detail::Run), "paceline"), "paceline run x.toml --events e.ndjson");
        let expected = "paceline run x.toml --events e.ndjson --events-detail rows";
        assert_eq!(command(&args(Detail::Rows), "paceline"), expected);
    }

    #[test]
    fn the_command_that_goes_on_logs_and_serves_as_before() {
        let mut args = RunArgs { job: "x.toml".into(), ..RunArgs::default() };
        args.speech.verbose = 2;
        args.log.log_file = Some("a log".into());
        args.watch.metrics = "127.0.0.1:9000".parse().ok();
        let expected = "paceline run x.toml --log-file 'a log' -vv --metrics 127.0.0.1:9000";
        assert_eq!(command(&args, "paceline"), expected);
    }

    #[test]
    fn the_command_that_goes_on_reads_the_job_in_the_same_way() {
        let next = next(&args(), "target/release/paceline", &report(RunEnding::Interrupted(Signal::Interrupt)));
        let expected = "target/release/paceline run jobs/x.toml --var 'base=http://h/?a=1&b=2' --profile ci \
                        --set 'retry.initial='\\''1s'\\''' --env-file .env --limit 10 --state 'a b' \
                        --report-junit out/junit.xml --accept-changes";
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
