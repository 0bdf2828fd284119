//! The log of `run`: where it goes, what is in it, and who feeds it.
//!
//! `-v` and `--log` say it on standard error, `--log-file` puts it into a file; never both. Must never write to
//! standard error where nothing but JSON or nothing at all belongs there.

use std::path::Path;
use std::time::Duration;

use tracing::Level;

use super::args::{LogArgs, OutputArgs, RunArgs};
use super::exit::Exit;
use super::print;
use crate::compile::real_path;
use crate::diagnostic::Format;
use crate::plan::Plan;
use crate::plan::files::{Doing, Naming};
use crate::report::Reporter;
use crate::report::fault::Fault;
use crate::report::lines::Lines;
use crate::report::log::collector::Collector;
use crate::report::log::filter::Filter;
use crate::report::log::line::{LogFormat, Style};
use crate::report::log::{self, Log, Veil};
use crate::run::{RunError, RunReport};

/// How long the end of a run waits for the last lines of its log.
const PATIENCE: Duration = Duration::from_secs(2);

/// The log of a run, if there is one.
pub struct Logging {
    log: Option<(Collector, Veil)>,
    style: Style,
}

/// Opens the log that was asked for.
pub fn start(args: &RunArgs, plan: &Plan) -> Result<Logging, (Exit, String)> {
    let (LogArgs { log_file, log_format, .. }, speech) = (&args.log, args.speech);
    let style = Style { format: *log_format, dated: log_file.is_some() };
    let Some(filter) = filter(&args.log, speech) else { return Ok(Logging { log: None, style }) };
    let (out, place) = match log_file {
        None => (print::log(), "standard error".to_owned()),
        Some(path) => {
            not_taken(path, args, plan).map_err(|message| (Exit::Usage, message))?;
            let broken = |error| (Exit::Broken, unopened(path, &error));
            (log::out::open(path).map_err(broken)?, format!("the log file {}", path.display()))
        }
    };
    let log = collector(filter, style, (out, &place))?;
    Ok(Logging { log: Some(log), style })
}

/// Opens the log of a check that asks servers: what `-v` says, on standard error.
pub fn of_check(speech: OutputArgs) -> Result<Logging, (Exit, String)> {
    let style = Style { format: LogFormat::Text, dated: false };
    let Some(filter) = filter(&LogArgs::default(), speech) else { return Ok(Logging { log: None, style }) };
    let log = collector(filter, style, (print::log(), "standard error"))?;
    Ok(Logging { log: Some(log), style })
}

/// What writes lines of what is said from here on, which they must not say a secret of.
fn collector(
    filter: Filter,
    style: Style,
    out: (Box<dyn std::io::Write + Send>, &str),
) -> Result<(Collector, Veil), (Exit, String)> {
    let veil = Veil::default();
    let broken = |why: String| (Exit::Broken, format!("can't start the log: {why}"));
    let collector = Collector::new(filter, style, veil.clone(), out).map_err(|why| broken(why.to_string()))?;
    collector.install().map_err(broken)?;
    Ok((collector, veil))
}

/// What is logged; `None` where nothing is.
fn filter(args: &LogArgs, speech: OutputArgs) -> Option<Filter> {
    let is_silent = speech.quiet || speech.output == Format::Json;
    if args.log_file.is_none() && is_silent {
        return None;
    }
    let chosen = args.log.as_ref().and_then(|choice| choice.0.clone());
    chosen.or_else(|| match speech.verbose {
        0 if args.log_file.is_none() => None,
        0 | 1 => Some(Filter::own(Level::INFO)),
        _ => Some(Filter::own(Level::DEBUG)),
    })
}

fn unopened(path: &Path, error: &std::io::Error) -> String {
    format!("the log file {} can't be opened: {error}; name a file that can be written with --log-file", path.display())
}

/// A log behind the job or its data would ruin them.
fn not_taken(path: &Path, args: &RunArgs, plan: &Plan) -> Result<(), String> {
    let (real, folder) = (real_path(path), plan.file.parent().unwrap_or(Path::new("")));
    let is_job = std::iter::once(&args.job).chain(&plan.includes).any(|own| real_path(own) == real);
    let does = || Naming::of(plan).files().iter().find_map(|touched| touched.files.does(&real, folder));
    let why = match if is_job { Some(Doing::Reads) } else { does() } {
        None => return Ok(()),
        Some(Doing::Reads) => "is read by the job",
        Some(Doing::Writes) => "is written by the job",
    };
    Err(format!("the log file {} {why}; name another with --log-file", path.display()))
}

impl Logging {
    /// Whether it goes to standard error, where no other progress is shown then.
    pub fn is_here(&self) -> bool {
        self.log.is_some() && !self.style.dated
    }

    /// Those who feed it.
    pub fn reporters(&self) -> Vec<Box<dyn Reporter>> {
        let Some((collector, veil)) = &self.log else { return Vec::new() };
        let log = Log::new(veil.clone()).kept(self.style.dated).minding(collector.fault());
        vec![Box::new(log), Box::new(Lines::new(Box::new(log::progress), false))]
    }

    /// What goes wrong with it.
    pub fn fault(&self) -> Option<Fault> {
        self.log.as_ref().map(|(collector, _)| collector.fault().clone())
    }

    /// Ends the log of a run.
    pub fn end(&self, report: &RunReport) {
        let Some((collector, _)) = &self.log else { return };
        if self.is_apart() {
            log::ended(report);
        }
        collector.flush(PATIENCE);
    }

    /// What was said so far is written.
    pub fn flush(&self) {
        if let Some((collector, _)) = &self.log {
            collector.flush(PATIENCE);
        }
    }

    /// Ends the log of a run that could not start.
    pub fn refuse(&self, job: &str, error: &RunError) {
        let Some((collector, _)) = &self.log else { return };
        if self.is_apart() {
            log::refused(job, &error.to_string());
        }
        collector.flush(PATIENCE);
    }

    /// Whether it is read without what the program says at its end, which then stands in it.
    fn is_apart(&self) -> bool {
        self.style.dated || self.style.format == LogFormat::Json
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Choice;
    use super::*;

    fn wanted(log: Option<&str>, file: bool, speech: OutputArgs) -> Option<Filter> {
        let log = log.map(|text| Choice((!text.is_empty()).then(|| text.parse().unwrap())));
        filter(&LogArgs { log, log_file: file.then(|| "x.log".into()), ..LogArgs::default() }, speech)
    }

    #[test]
    fn a_filter_overrules_v_and_a_file_has_what_v_says() {
        let v = |verbose| OutputArgs { verbose, ..OutputArgs::default() };
        let own = |level| Some(Filter::own(level));
        assert_eq!((wanted(None, false, v(0)), wanted(Some(""), false, v(0))), (None, None));
        assert_eq!((wanted(None, false, v(1)), wanted(None, false, v(2))), (own(Level::INFO), own(Level::DEBUG)));
        assert_eq!((wanted(None, true, v(0)), wanted(None, true, v(1))), (own(Level::INFO), own(Level::INFO)));
        assert_eq!((wanted(Some(""), true, v(3)), wanted(None, true, v(2))), (own(Level::DEBUG), own(Level::DEBUG)));
        let warn = Some("warn".parse().unwrap());
        assert_eq!((wanted(Some("warn"), false, v(0)), wanted(Some("warn"), true, v(2))), (warn.clone(), warn));
    }

    #[test]
    fn where_nothing_is_said_a_file_alone_is_written() {
        let quiet = OutputArgs { quiet: true, ..OutputArgs::default() };
        let json = OutputArgs { output: Format::Json, verbose: 2, ..OutputArgs::default() };
        for speech in [quiet, json] {
            assert_eq!(wanted(Some("debug"), false, speech), None);
            assert_eq!(wanted(Some("debug"), true, speech), Some("debug".parse().unwrap()));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_log_that_can_not_be_written_says_so_and_one_in_a_file_is_a_record() {
        let out = log::out::open(Path::new("/dev/full")).unwrap();
        let style = Style { format: LogFormat::Text, dated: true };
        let collector = Collector::new(Filter::own(Level::INFO), style, Veil::default(), (out, "the log")).unwrap();
        let logging = Logging { log: Some((collector.clone(), Veil::default())), style };
        assert!(logging.reporters()[0].is_record());
        let fault = logging.fault().unwrap();
        assert_eq!(fault.words(), None);
        ::log::Log::log(&collector, &log_record("paceline::run"));
        collector.flush(Duration::from_secs(30));
        let words = fault.words().unwrap();
        assert!(words.starts_with("the log can't be written: No space left on device"), "{words}");
    }

    fn log_record(target: &str) -> ::log::Record<'_> {
        ::log::Record::builder().target(target).level(::log::Level::Info).args(format_args!("begins")).build()
    }
}
