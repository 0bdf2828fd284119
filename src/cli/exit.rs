//! Exit codes: the one place that decides with which number the program leaves.
//!
//! Scripts live by these numbers, so they never change their meaning.

use std::process::ExitCode;

use crate::run::{RunEnding, RunError, RunReport, Signal};

/// The table of exit codes, as the help shows it.
pub const HELP: &str = "\
Exit codes:
  0    fine
  1    the run ended, but a condition of run.fail-if held; fmt or migrate --check: a file would change; check --sample: the row would fail
  2    bad usage or job file, or a secret that is not set; nothing was sent
  3    could not start or go on: input, output, state folder, TLS, proxy
  4    stopped by itself, resumable
  129  interrupted by SIGHUP (the terminal was closed), resumable
  130  interrupted by SIGINT (Ctrl-C), resumable
  143  interrupted by SIGTERM, resumable";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Fine,
    /// The run ended, but a `fail-if` held; of a sample, that a row with such a reply would fail.
    Failed,
    /// A file that was only to be checked would change.
    WouldChange,
    /// Bad usage or job file, or a secret that is not set.
    Usage,
    /// Could not start or go on.
    Broken,
    /// Stopped by itself, resumable.
    Stopped,
    /// A signal ended the run, resumable.
    Interrupted(Signal),
}

impl Exit {
    /// The number, 0..=255; signals are 128 plus their number, as shells have it.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed | Self::WouldChange => 1,
            Self::Usage => 2,
            Self::Broken => 3,
            Self::Stopped => 4,
            Self::Interrupted(Signal::Interrupt) => 130,
            Self::Interrupted(Signal::Terminate) => 143,
            Self::Interrupted(Signal::Hangup) => 129,
        }
    }

    /// The one of two that says more: of several files, the worst speaks.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.code() > self.code() { other } else { self }
    }

    /// What a run that came to its end, whatever end, means.
    #[must_use]
    pub fn of_report(report: &RunReport) -> Self {
        match &report.ending {
            RunEnding::Complete | RunEnding::Partial if report.failed_conditions.is_empty() => Self::Fine,
            RunEnding::Complete | RunEnding::Partial => Self::Failed,
            RunEnding::Interrupted(signal) => Self::Interrupted(*signal),
            RunEnding::Stopped { .. } => Self::Stopped,
            RunEnding::Broken(_) => Self::Broken,
        }
    }

    /// What a run that could not start means.
    #[must_use]
    pub fn of_error(error: &RunError) -> Self {
        match error {
            RunError::Secrets(_) => Self::Usage,
            RunError::Open(_) | RunError::Key(_) => Self::Broken,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::tests::report;

    #[test]
    fn endings_have_their_numbers() {
        let code = |ending, held: &[&str]| {
            let mut report = report(ending);
            report.failed_conditions = held.iter().map(ToString::to_string).collect();
            Exit::of_report(&report).code()
        };
        assert_eq!(code(RunEnding::Complete, &[]), 0);
        assert_eq!(code(RunEnding::Complete, &["failed > 0"]), 1);
        assert_eq!(code(RunEnding::Broken("disk full".into()), &["failed > 0"]), 3);
        assert_eq!(code(RunEnding::Stopped { reason: "asked to".into(), resume_after: None, resume_at: None }, &[]), 4);
        assert_eq!(code(RunEnding::Interrupted(Signal::Interrupt), &["failed > 0"]), 130);
        assert_eq!(code(RunEnding::Interrupted(Signal::Terminate), &[]), 143);
    }

    #[test]
    fn errors_before_the_run_have_their_numbers() {
        assert_eq!(Exit::of_error(&RunError::Secrets(Vec::new())).code(), 2);
        assert_eq!(Exit::of_error(&RunError::Open("no such file".into())).code(), 3);
    }

    #[test]
    fn the_help_names_every_code() {
        let all = [
            Exit::Fine,
            Exit::Failed,
            Exit::WouldChange,
            Exit::Usage,
            Exit::Broken,
            Exit::Stopped,
            Exit::Interrupted(Signal::Interrupt),
            Exit::Interrupted(Signal::Terminate),
        ];
        for exit in all {
            let start = format!("\n  {} ", exit.code());
            assert!(HELP.contains(&start), "{exit:?} is missing from the help");
        }
    }
}
