//! `paceline run`: opens a plan, shows how it goes, says how it ended and what to type next.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::args::{OutputArgs, RunArgs};
use super::exit::Exit;
use super::keys::Keys;
use super::load::{self, JobText};
use super::logging::{self, Logging};
use super::otlp::Sending;
use super::print::{self, Printer, github};
use super::reports::{self, Reports};
use super::watch::Watching;
use super::{args, events, next, plan, terminal};
use crate::diagnostic::{Diagnostic, Format};
use crate::document::Document;
use crate::plan::Plan;
use crate::report::Reporter;
use crate::report::bar::Bar;
use crate::report::fault::{self, Fault};
use crate::report::file::Account;
use crate::report::layout::Look;
use crate::report::lines::Lines;
use crate::report::log::Veil;
use crate::report::summary::{self, Next};
use crate::run::{self, Aftermath, Keyed, RunEnding, RunError, RunReport};
use crate::secret::Masker;

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
            reports::voices(speech.output).for_each(|format| print.error(format, &words));
            return exit;
        }
    };
    let watching = match Watching::open(&args.watch, speech.output, print) {
        Ok(watching) => watching,
        Err(exit) => return exit,
    };
    let (Watch { logging, reports, mut reporters, faults, keys, sending }, unstarted) =
        (watch, RunReport::unstarted(&job));
    reporters.extend(watching.reporter());
    let Some(runtime) = started(speech.output, print) else { return Exit::Broken };
    terminal::mind_panics();
    let (commander, commands) = run::commands();
    let (keys, commands) = if keys { Keys::of(commander, commands) } else { (None, commands) };
    let (commands, leaving) =
        (commands.on_leaving(terminal::abandon), Leaving { args, program, veil: Veil::default() });
    let outcome = runtime.block_on(run::run_with(job, args.options(), reporters, commands, &leaving));
    // The terminal is as it was before anything more is said.
    drop(keys);
    // Before a signal ends the process: a collector that does not answer costs neither reports nor the exit code.
    let missing = sending.end(outcome.as_ref().ok().map(|report| &report.recap));
    // From here on one does: whoever reads the last words may have stopped reading.
    runtime.spawn(leave_on_signal());
    let exit = match outcome {
        Ok(mut report) => {
            logging.end(&report);
            report.warn(leaving.faults(&faults), missing);
            watching.tell_end(Some(&report.recap));
            finish(&leaving, (report, &text), &reports, print)
        }
        Err(error) => {
            watching.tell_end(None);
            logging.refuse(&unstarted.job, &error);
            terminal::rest();
            let exit = refuse(&error, (&text, leaving.veil.masker()), speech, print);
            let report = unstarted.refused(&error);
            let unwritten = reports.write(|asked| Account { report: &report, asked, exit: exit.code(), next: None });
            let say = |format| unwritten.iter().for_each(|warning| print.warning(format, warning));
            reports::voices(speech.output).for_each(say);
            exit
        }
    };
    watching.end();
    // A thread may still sit in a read of standard input; everything that counts is durable by now.
    runtime.shutdown_background();
    exit
}

/// A runtime; `None`, and told, where there is none to be had.
fn started(output: Format, print: &mut Printer) -> Option<tokio::runtime::Runtime> {
    let tell = |error: io::Error| {
        reports::voices(output).for_each(|format| print.error(format, &format!("can't start: {error}")))
    };
    runtime().map_err(tell).ok()
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
    /// What is sent of it meanwhile.
    sending: Sending,
}

impl Watch {
    /// What these arguments ask for.
    fn of(args: &RunArgs, job: &Plan, print: &Printer) -> Result<Self, (Exit, String)> {
        let reports = Reports::of(args, job).map_err(|why| (Exit::Usage, why))?;
        let sending = Sending::open(&args.watch)?;
        let logging = logging::start(args, job)?;
        let keys = listens_to_keys(args, logging.is_here(), job);
        let look = Look { unicode: print::unicode(), color: print.color_err(), keys };
        let (logged, events) = (logging.fault().into_iter().collect::<Vec<_>>(), events::reporter(args, job)?);
        let told: Vec<Fault> = events.iter().map(|(_, fault)| fault.clone()).collect();
        let sent = sending.faults();
        let faults = [&logged[..], &told, &sent].concat();
        let mut watching = fault::told_by(logging.reporters(), &[&told[..], &sent].concat());
        watching.extend(fault::told_by(reporters(args, logging.is_here(), job, look), &faults));
        let events = events.into_iter().map(|(events, _)| events).collect();
        watching.extend(fault::told_by(events, &[&logged[..], &sent].concat()));
        watching.extend(sending.reporters());
        Ok(Self { logging, reports, reporters: watching, faults, keys, sending })
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

/// What is said of the program that leaves when the run has ended.
struct Leaving<'a> {
    args: &'a RunArgs,
    program: &'a str,
    /// Takes out of commands what they say of secrets: whoever gives `--var` one types it.
    veil: Veil,
}

impl Leaving<'_> {
    /// What went wrong with the log or the events, without secrets.
    fn faults(&self, faults: &[Fault]) -> Vec<String> {
        let mask = |words: &str| match self.veil.masker() {
            Some(masker) => masker.mask(words).into_owned(),
            None => words.to_owned(),
        };
        faults.iter().filter_map(Fault::words).map(mask).collect()
    }

    /// The command that makes sense next.
    fn next(&self, report: &RunReport) -> Option<Next> {
        next::next(self.args, self.program, report, self.veil.masker())
    }
}

impl Aftermath for Leaving<'_> {
    fn masked_by(&self, masker: &Masker) {
        self.veil.draw(masker);
    }

    fn exit(&self, ended: Result<&RunReport, &RunError>) -> Option<u8> {
        Some(ended.map_or_else(Exit::of_error, Exit::of_report).code())
    }

    fn next(&self, report: &RunReport) -> Option<String> {
        Leaving::next(self, report).map(|next| next.command)
    }
}

fn finish(
    leaving: &Leaving<'_>,
    (mut report, job): (RunReport, &JobText),
    reports: &Reports,
    print: &mut Printer,
) -> Exit {
    let (args, exit, next) = (leaving.args, Exit::of_report(&report), leaving.next(&report));
    let code = exit.code();
    let unwritten = reports.write(|asked| Account { report: &report, asked, exit: code, next: next.as_ref() });
    report.warnings.extend(unwritten);
    let report = &report;
    // Where a page is written, no command has to make one.
    let page = (!reports.has("html")).then(|| next::page(leaving.program, report, leaving.veil.masker()));
    let told = (job, leaving.veil.masker());
    let blamed = report.blamed.as_ref().and_then(|keyed| blamed(keyed, told, args.speech, print.color_err()));
    terminal::rest();
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

/// The text of a job, and what takes secrets out of what is told of it, once they are known.
type Told<'a> = (&'a JobText, Option<&'a Masker>);

/// Says why the run could not start, at the key that it comes from.
fn refuse(error: &RunError, job: Told<'_>, speech: OutputArgs, print: &mut Printer) -> Exit {
    reports::voices(speech.output).for_each(|format| refuse_in(format, error, job, print));
    Exit::of_error(error)
}

fn refuse_in(format: Format, error: &RunError, (job, masker): Told<'_>, print: &mut Printer) {
    let color = print.color_err();
    match error {
        RunError::Secrets(missing) => {
            let help = "secrets come from outside: set the variable or write the file, and run again";
            let missing = missing.iter().map(|unset| placed(&Keyed::secret(unset), &job.document, masker).help(help));
            print.err(&job.tell(missing, format, color));
        }
        RunError::Open(message) => print.error(format, message),
        RunError::Key(keyed) => {
            let text = job.tell([placed(keyed, &job.document, masker)], format, color);
            print.err(&match format {
                Format::Json => with(json!({ "error": keyed.message }), &text).to_string(),
                Format::Human | Format::Github => text,
            });
        }
    }
}

/// The error at the nearest of its keys that stands in the job; lines that say a secret are not shown.
pub(super) fn placed(keyed: &Keyed, document: &Document, masker: Option<&Masker>) -> Diagnostic {
    let diagnostic = Diagnostic::error(keyed.code, &keyed.message);
    match keyed.keys.iter().find(|key| document.get(key).is_some()) {
        Some(key) => {
            let place = document.mark(key);
            let says = |masker: &Masker| matches!(masker.mask(document.lines(place)), Cow::Owned(_));
            diagnostic.at_unless_hidden(place, masker.is_some_and(says))
        }
        None => diagnostic,
    }
}

/// Where the end of a run comes from; nothing where that stands nowhere in the job.
fn blamed(keyed: &Keyed, (job, masker): Told<'_>, speech: OutputArgs, color: bool) -> Option<String> {
    let diagnostic = placed(keyed, &job.document, masker);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::tests::report;

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
