//! Arguments of `run`.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::{JobArgs, OutputArgs};
use crate::report::events::Detail;
use crate::report::log::filter::Filter;
use crate::report::log::line::LogFormat;
use crate::run::RunOptions;
use crate::serve::Address;

pub(super) const EXAMPLES: &str = "\
Examples:
  paceline run jobs/prices.toml
  paceline run jobs/prices.toml --limit 10                    the first ten rows
  paceline run jobs/prices.toml --profile ci --var base=demo:
  paceline run jobs/prices.toml --set retry.attempts=2
  paceline run jobs/prices.toml --failed                      again what failed
  paceline run jobs/prices.toml --log-file run.log -vv        every attempt, into a file
  paceline run jobs/prices.toml --report-junit out/junit.xml  for a CI server
  paceline run jobs/prices.toml --events events.ndjson        what happens, for programs
  paceline run jobs/prices.toml --serve 127.0.0.1:0           a page to watch it in a browser
  paceline run jobs/prices.toml --metrics 127.0.0.1:9464      metrics for Prometheus meanwhile

The first Ctrl-C ends what is in flight and prints the command that goes on; the second gives up what \
is in flight; the third leaves at once. Whichever it was, `run` goes on from the last commit.

On a terminal, while it runs: p pauses (nothing leaves, what is on the wire ends) and r goes on, - and + \
lower and raise how many requests are in flight, never above what the job says, q is as Ctrl-C, ? shows \
the keys. Not where rows or the job come from standard input.";

/// Arguments of `run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// The job file
    #[arg(value_name = "JOB")]
    pub job: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub file: JobArgs,
    /// Sends only the rows that failed in the run before
    #[arg(long, env = "PACELINE_FAILED", help_heading = "Run", value_parser = BoolishValueParser::new())]
    pub failed: bool,
    /// Forgets an unfinished run and starts anew; outputs that exist are treated as `on-existing` says
    #[arg(long, env = "PACELINE_FRESH", help_heading = "Run", value_parser = BoolishValueParser::new())]
    pub fresh: bool,
    /// Goes on although the job or an input changed in what it would send
    #[arg(long, env = "PACELINE_ACCEPT_CHANGES", help_heading = "Run", value_parser = BoolishValueParser::new())]
    pub accept_changes: bool,
    /// Prints the plan and sends nothing
    #[arg(long, env = "PACELINE_DRY_RUN", help_heading = "Run", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
    /// Writes the run as an HTML page here, whatever `report.html` says; relative to the working directory, as the next ones
    #[arg(long, value_name = "FILE", env = "PACELINE_REPORT_HTML", help_heading = "Reports")]
    pub report_html: Option<PathBuf>,
    /// Writes JUnit XML here, whatever `report.junit` says
    #[arg(long, value_name = "FILE", env = "PACELINE_REPORT_JUNIT", help_heading = "Reports")]
    pub report_junit: Option<PathBuf>,
    /// Writes the summary as JSON here, whatever `report.json` says
    #[arg(long, value_name = "FILE", env = "PACELINE_REPORT_JSON", help_heading = "Reports")]
    pub report_json: Option<PathBuf>,
    /// Writes the summary as Markdown here, whatever `report.markdown` says
    #[arg(long, value_name = "FILE", env = "PACELINE_REPORT_MARKDOWN", help_heading = "Reports")]
    pub report_markdown: Option<PathBuf>,
    /// Writes what happens as JSON lines to the end of a file or to a pipe; `-` is standard output
    #[arg(long, value_name = "FILE", env = "PACELINE_EVENTS", help_heading = "Output")]
    pub events: Option<PathBuf>,
    /// How much of it
    #[arg(long, value_enum, value_name = "DETAIL", env = "PACELINE_EVENTS_DETAIL", help_heading = "Output")]
    #[arg(default_value_t = Detail::Run, requires = "events")]
    pub events_detail: Detail,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub watch: WatchArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub speech: OutputArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment would become the help of the whole command")]
    pub log: LogArgs,
}

/// Flags of the log.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// What is logged, in place of -v: LEVEL or TARGET=LEVEL, such as paceline::attempt=debug,h2=trace
    #[arg(long, value_name = "FILTER", env = "PACELINE_LOG", value_parser = filter)]
    pub log: Option<Choice>,
    /// Appends the log to this file, as much as -v says; standard error shows progress then as without -v
    #[arg(long, value_name = "FILE", env = "PACELINE_LOG_FILE")]
    pub log_file: Option<PathBuf>,
    /// How the lines of the log are written
    #[arg(long, value_enum, value_name = "FORMAT", env = "PACELINE_LOG_FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl LogArgs {
    /// The words that say the same on a command line.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(filter) = self.log.as_ref().and_then(|choice| choice.0.as_ref()) {
            words.extend(["--log".to_owned(), filter.to_string()]);
        }
        if let Some(file) = &self.log_file {
            words.extend(["--log-file".to_owned(), file.display().to_string()]);
        }
        let format = self.log_format.to_possible_value().filter(|_| self.log_format != LogFormat::default());
        words.extend(format.iter().flat_map(|format| ["--log-format".to_owned(), format.get_name().to_owned()]));
        words
    }
}

/// What `--log` says; nothing where it is empty, as in `PACELINE_LOG=`.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice(pub Option<Filter>);

fn filter(text: &str) -> Result<Choice, String> {
    if text.trim().is_empty() { Ok(Choice(None)) } else { text.parse().map(|filter| Choice(Some(filter))) }
}

/// Who may look at a run over HTTP while it works.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Watch")]
pub struct WatchArgs {
    /// Serves a page that shows the run while it goes on; standard error says its URL, which has a token
    #[arg(long, value_name = "ADDRESS", env = "PACELINE_SERVE")]
    pub serve: Option<Address>,
    /// Serves metrics for Prometheus at http://ADDRESS/metrics while the run goes on
    #[arg(long, value_name = "ADDRESS", env = "PACELINE_METRICS")]
    pub metrics: Option<Address>,
    /// Lets --serve and --metrics listen where other machines can reach it
    #[arg(long, env = "PACELINE_SERVE_ANYWHERE", value_parser = BoolishValueParser::new())]
    pub serve_anywhere: bool,
    /// Sends the run as a trace and as metrics to a collector of OpenTelemetry (feature `otel`), where the variables OTEL_* say or at URL
    #[arg(long, value_name = "URL", env = "PACELINE_OTLP", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = Collector::read)]
    pub otlp: Option<Collector>,
}

/// Which collector of OpenTelemetry a run is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collector {
    /// None.
    Nobody,
    /// The one that the environment names.
    Environment,
    /// The one at this URL.
    At(String),
}

impl Collector {
    /// What a flag or its twin in the environment says. A URL is looked at closely by who uses it, in words that do not say it.
    fn read(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" | "0" | "false" | "no" | "off" => Ok(Self::Nobody),
            "1" | "true" | "yes" | "on" => Ok(Self::Environment),
            url if url.starts_with("http://") || url.starts_with("https://") => Ok(Self::At(url.to_owned())),
            _ => Err("write the URL of a collector, such as http://localhost:4318".to_owned()),
        }
    }

    /// Whether anything is to be sent.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self != Self::Nobody
    }

    /// Its URL, where it is given.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        match self {
            Self::At(url) => Some(url),
            Self::Nobody | Self::Environment => None,
        }
    }
}

impl WatchArgs {
    /// The words that say the same on a command line.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let addresses = [("--serve", self.serve), ("--metrics", self.metrics)];
        let named = addresses.into_iter().filter_map(|(flag, address)| Some([flag.to_owned(), address?.to_string()]));
        let otlp = self.otlp.as_ref().filter(|collector| collector.is_asked());
        let otlp = otlp.map(|collector| match collector.base() {
            // A query may hold a key of the collector.
            Some(url) => match url.split_once('?') {
                Some((place, _)) => format!("--otlp={place}?***"),
                None => format!("--otlp={url}"),
            },
            None => "--otlp".to_owned(),
        });
        named.flatten().chain(self.serve_anywhere.then(|| "--serve-anywhere".to_owned())).chain(otlp).collect()
    }
}

impl RunArgs {
    /// How the run is begun.
    #[must_use]
    pub fn options(&self) -> RunOptions {
        RunOptions { fresh: self.fresh, accept_changes: self.accept_changes, failed_only: self.failed }
    }

    /// Reports that flags name, by the keys of `[report]`.
    pub fn reports(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let named = [
            ("html", &self.report_html),
            ("junit", &self.report_junit),
            ("json", &self.report_json),
            ("markdown", &self.report_markdown),
        ];
        named.into_iter().filter_map(|(key, path)| Some((key, path.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::super::Cli;
    use super::super::Command::Run;
    use super::RunArgs;
    use crate::report::file::KINDS;

    #[test]
    fn every_kind_of_report_has_its_flag() {
        for kind in KINDS {
            let words = ["paceline", "run", "job.toml", &format!("--report-{}", kind.key), "file"];
            let cli = Cli::from_arg_matches(&Cli::command().get_matches_from(words)).unwrap();
            let Run(args) = cli.command else { panic!("another command") };
            let found: Vec<_> = args.reports().map(|(key, path)| (key, path.to_str())).collect();
            assert_eq!(found, [(kind.key, Some("file"))]);
        }
    }

    #[test]
    fn who_watches_and_what_is_logged_is_written_as_it_is_read() {
        let read = |words: &[&str]| -> RunArgs {
            let words = [&["paceline", "run", "job.toml"], words].concat();
            let cli = Cli::from_arg_matches(&Cli::command().get_matches_from(words)).unwrap();
            let Run(args) = cli.command else { panic!("another command") };
            args
        };
        for words in [
            &["--log", "info,h2=trace", "--log-file", "run.log", "--log-format", "json"][..],
            &["--serve", "127.0.0.1:8000", "--metrics", "0.0.0.0:9000", "--serve-anywhere"],
            &["--otlp"],
            &["--otlp=http://127.0.0.1:4318"],
            &[],
        ] {
            let args = read(words);
            let written = [args.log.words(), args.watch.words()].concat();
            let again = read(&written.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(written.len(), words.len(), "{written:?}");
            assert_eq!((&again.log.log, &again.watch.otlp), (&args.log.log, &args.watch.otlp));
            assert_eq!([again.log.words(), again.watch.words()].concat(), written);
        }
        assert_eq!(read(&["--log-file", "run.log"]).log.words(), ["--log-file", "run.log"]);
        assert_eq!(read(&["--otlp=off"]).watch.words(), [""; 0]);
    }
}
